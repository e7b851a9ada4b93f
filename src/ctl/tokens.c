#include "client.h"
#include "print.h"

#include <annul/clock.h>
#include <annul/config.h>
#include <annul/time.h>

#include <stdlib.h>
#include <string.h>

/* As the API wants it: of a duration, the time when it is over. `at` is "" where there is no end. */
static int read_expiry(const char *text, char at[TIME_TEXT])
{
    int64_t seconds, end;
    *at = 0;
    if (!text)
        return CTL_OK;
    if (config_duration(text, &seconds))
        end = clock_now() + seconds;
    else if (!time_from_text(text, &end))
        return ctl_fail(
            CTL_USAGE, "--expires %s: write how long from now, as 90d or 12h, or 2026-11-21T09:00:00Z", text);
    time_to_text(end, at);
    return CTL_OK;
}

static json_t *token_wanted(const struct ctl *ctl, const char *name, const char *expires_at)
{
    json_t *issuers = ctl->issuers ? json_array() : json_null();
    for (size_t i = 0; i < ctl->issuers; i++)
        json_array_append_new(issuers, json_string(ctl->issuer[i]));
    return json_pack("{s:s, s:s*, s:o, s:s?}", "name", name, "role", ctl->option[CTL_ROLE], "issuers",
                     issuers, "expires_at", *expires_at ? expires_at : NULL);
}

int ctl_token_create(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    json_t *answer = NULL;
    char expires_at[TIME_TEXT];
    int code = read_expiry(ctl->option[CTL_EXPIRES], expires_at);
    if (code != CTL_OK)
        return code;
    json_t *body = token_wanted(ctl, argv[0], expires_at);
    if (!body)
        return ctl_fail(CTL_USAGE, "the arguments are not UTF-8");
    code = ctl_client_post(ctl, "/api/v1/tokens", "create a token", body, &answer);
    const char *token = ctl_json_text(answer, "token", NULL);
    if (code == CTL_OK && !token)
        code = ctl_fail(CTL_UNREACHABLE, "create a token: the answer has no token");
    else if (code == CTL_OK && ctl->option[CTL_JSON])
        ctl_print_json(answer);
    else if (code == CTL_OK)
        puts(token); /* alone: `annulctl token create ops > FILE` makes a token file */
    json_decref(answer);
    return code;
}

static int get_tokens(struct ctl *ctl, json_t **answer)
{
    return ctl_client_get(ctl, "/api/v1/tokens", "list the tokens", answer);
}

static bool add_scope(struct ctl_table *table, const json_t *issuers)
{
    struct buffer text = {0};
    bool good = buffer_add_text(&text, json_is_array(issuers) ? "" : "all");
    for (size_t i = 0; good && i < json_array_size(issuers); i++)
        good = buffer_printf(&text, "%s%s", i ? "," : "", json_string_value(json_array_get(issuers, i)));
    good = good && buffer_add(&text, "", 1) && ctl_table_add(table, "%s", (const char *)text.at);
    buffer_free(&text);
    return good;
}

static bool add_token(struct ctl_table *table, const json_t *token)
{
    return ctl_table_add(table, "%lld", json_integer_value(json_object_get(token, "id"))) &&
           ctl_table_add(table, "%s", ctl_json_text(token, "role", "-")) &&
           ctl_table_add(table, "%s", ctl_json_text(token, "created_at", "-")) &&
           ctl_table_add(table, "%s", ctl_json_text(token, "expires_at", "-")) &&
           ctl_table_add(table, "%s", ctl_json_text(token, "last_used_at", "-")) &&
           ctl_table_add(table, "%s", ctl_json_text(token, "revoked_at", "-")) &&
           add_scope(table, json_object_get(token, "issuers")) &&
           ctl_table_add(table, "%s", ctl_json_text(token, "name", "-"));
}

static int print_tokens(const json_t *tokens)
{
    struct ctl_table table = {.columns = 8};
    bool good = ctl_table_add(&table, "ID") && ctl_table_add(&table, "ROLE") &&
                ctl_table_add(&table, "CREATED") && ctl_table_add(&table, "EXPIRES") &&
                ctl_table_add(&table, "LAST USED") && ctl_table_add(&table, "REVOKED") &&
                ctl_table_add(&table, "ISSUERS") && ctl_table_add(&table, "NAME");
    for (size_t i = 0; i < json_array_size(tokens); i++)
        good = good && add_token(&table, json_array_get(tokens, i));
    if (good)
        ctl_table_print(&table);
    ctl_table_free(&table);
    return good ? CTL_OK : ctl_no_memory();
}

static int print_me(const json_t *me)
{
    struct ctl_table table = {.columns = 4};
    bool good = ctl_table_add(&table, "NAME") && ctl_table_add(&table, "ROLE") &&
                ctl_table_add(&table, "EXPIRES") && ctl_table_add(&table, "ISSUERS") &&
                ctl_table_add(&table, "%s", ctl_json_text(me, "name", "-")) &&
                ctl_table_add(&table, "%s", ctl_json_text(me, "role", "-")) &&
                ctl_table_add(&table, "%s", ctl_json_text(me, "expires_at", "-")) &&
                add_scope(&table, json_object_get(me, "issuers"));
    if (good)
        ctl_table_print(&table);
    ctl_table_free(&table);
    return good ? CTL_OK : ctl_no_memory();
}

int ctl_whoami(struct ctl *ctl, int argc, char **argv)
{
    (void)argc, (void)argv;
    json_t *me = NULL;
    int code = ctl_client_get(ctl, "/api/v1/me", "ask who this is", &me);
    if (code == CTL_OK && ctl->option[CTL_JSON])
        ctl_print_json(me);
    else if (code == CTL_OK)
        code = print_me(me);
    json_decref(me);
    return code;
}

int ctl_token_list(struct ctl *ctl, int argc, char **argv)
{
    (void)argc, (void)argv;
    json_t *answer = NULL;
    int code = get_tokens(ctl, &answer);
    if (code == CTL_OK && ctl->option[CTL_JSON])
        ctl_print_json(answer);
    else if (code == CTL_OK)
        code = print_tokens(json_object_get(answer, "tokens"));
    json_decref(answer);
    return code;
}

static bool is_called(const json_t *token, const char *wanted)
{
    char id[24];
    snprintf(id, sizeof id, "%lld", json_integer_value(json_object_get(token, "id")));
    return strcmp(id, wanted) == 0 || strcmp(ctl_json_text(token, "name", ""), wanted) == 0;
}

/* By id or name; a name is given only once. Where a number is
 * the id of one live token and the name of another, nobody guesses. */
static int find_token(const json_t *tokens, const char *wanted, const json_t **found)
{
    *found = NULL;
    for (size_t i = 0; i < json_array_size(tokens); i++) {
        const json_t *token = json_array_get(tokens, i);
        if (!is_called(token, wanted))
            continue;
        bool live = !json_is_string(json_object_get(token, "revoked_at"));
        bool had_live = *found && !json_is_string(json_object_get(*found, "revoked_at"));
        if (live && had_live)
            return ctl_fail(CTL_USAGE,
                            "\"%s\" is the id of one token and the name of another; use the ids of both",
                            wanted);
        if (live || !*found)
            *found = token;
    }
    return *found ? CTL_OK
                  : ctl_fail(CTL_REFUSED, "there is no token \"%s\"; see `annulctl token list`", wanted);
}

static int delete_token(struct ctl *ctl, const json_t *token)
{
    char path[64], about[64];
    long long id = json_integer_value(json_object_get(token, "id"));
    snprintf(path, sizeof path, "/api/v1/tokens/%lld", id);
    snprintf(about, sizeof about, "revoke token %lld", id);
    struct ctl_call call = {.method = "DELETE", .path = path, .about = about};
    int code = ctl_client_call(ctl, &call, NULL);
    if (code == CTL_OK && !ctl->option[CTL_QUIET] && !ctl->option[CTL_JSON]) {
        printf("token %lld revoked: ", id);
        ctl_put_visible(stdout, ctl_json_text(token, "name", "-"));
        putchar('\n');
    }
    return code;
}

int ctl_token_revoke(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    json_t *answer = NULL;
    const json_t *token;
    int code = get_tokens(ctl, &answer);
    if (code == CTL_OK)
        code = find_token(json_object_get(answer, "tokens"), argv[0], &token);
    if (code == CTL_OK)
        code = delete_token(ctl, token);
    json_decref(answer);
    return code;
}
