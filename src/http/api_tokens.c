/* /api/v1/tokens */
#include "internal.h"

#include <annul/number.h>

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_token(void *arg, const struct store_token *token)
{
    return json_array_append_new(
        arg, json_pack("{s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "id", (json_int_t)token->id, "name",
                       token->name, "role", role_name(token->role), "issuers", json_scope(token->scope),
                       "created_at", json_time(token->created_at), "expires_at", json_time(token->expires_at),
                       "last_used_at", json_time(token->last_used_at), "revoked_at",
                       json_time(token->revoked_at)));
}

enum MHD_Result api_tokens_get(struct request *request)
{
    struct error err;
    json_t *list = json_array();
    if (store_token_list(request->services->store, add_token, list, &err) == 0)
        return reply_json(request, 200, json_pack("{s:o}", "tokens", list));
    json_decref(list);
    return reply_problem(request, 503, "%s", err.text);
}

static bool name_is_legal(const char *name)
{
    size_t len = name ? strlen(name) : 0;
    for (size_t i = 0; i < len; i++)
        if (name[i] <= ' ' || name[i] > '~') /* what is not seen, or looks like another, would mislead */
            return false;
    return len >= 1 && len <= 63;
}

struct made {
    const struct request *request;
    int64_t id;
};

/* The secret is kept nowhere: a repeat hears which token the first call has made. */
static json_t *compose_made(void *arg, unsigned *status)
{
    const struct made *made = arg;
    char detail[160];
    *status = 409;
    snprintf(
        detail, sizeof detail,
        "the first call with this Idempotency-Key has made the token with the id %lld, and its secret was "
        "shown but then; revoke it and make another",
        (long long)made->id);
    return json_problem(made->request, *status, detail);
}

/* A list of issuers that there are, or null, as a scope. */
static bool read_scope(const struct request *request, const json_t *list, struct buffer *scope,
                       struct error *err)
{
    size_t i;
    json_t *value;
    if (!list || json_is_null(list))
        return true;
    if (!json_array_size(list))
        return error_set(err, "issuers must be a list of names, or null for all") == 0;
    json_array_foreach(list, i, value)
    {
        const char *name = json_string_value(value);
        if (!name || !issuers_by_name(request->services->issuers, name))
            return error_set(err, "issuers: no issuer is named \"%.64s\"", name ? name : "") == 0;
        if (!buffer_printf(scope, "%s%s", i ? " " : "", name))
            return error_set(err, "out of memory") == 0;
    }
    return buffer_add(scope, "", 1) || error_set(err, "out of memory") == 0;
}

static bool read_token(const struct request *request, json_t *body, struct store_token *token,
                       struct buffer *scope, struct error *err)
{
    static const char *const known[] = {"name", "role", "issuers", "expires_at", NULL};
    const char *role;
    token->name = json_string_value(json_object_get(body, "name"));
    if (!json_only(body, known, err) || !json_text_member(body, "role", &role, err) ||
        !json_time_member(body, "expires_at", &token->expires_at, err) ||
        !read_scope(request, json_object_get(body, "issuers"), scope, err))
        return false;
    if (!name_is_legal(token->name))
        return error_set(err, "name must be 1 to 63 visible characters of ASCII, such as \"ops\"") == 0;
    token->role = role ? role_from_name(role) : ROLE_OPERATOR;
    token->scope = (const char *)scope->at;
    return token->role != ROLE_NONE || error_set(err, "role must be viewer, operator or administrator") == 0;
}

static enum MHD_Result create(struct request *request, const struct store_token *wanted)
{
    struct error err;
    char token[ADMIN_TOKEN];
    struct made made = {.request = request};
    struct store_actor actor = auth_actor(request);
    struct repeat_answer answer = {.compose = compose_made, .arg = &made};
    struct admin admin = repeat_admin(request, &answer);
    enum admin_result done = admin_token_create(&admin, &actor, wanted, token, &made.id, &err);
    if (done != ADMIN_DONE)
        return reply_result(request, done, &err);
    enum MHD_Result result = reply_json(request, 201,
                                        json_pack("{s:I, s:s, s:s, s:o, s:o, s:s}", "id", (json_int_t)made.id,
                                                  "name", wanted->name, "role", role_name(wanted->role),
                                                  "issuers", json_scope(wanted->scope), "expires_at",
                                                  json_time(wanted->expires_at), "token", token));
    OPENSSL_cleanse(token, sizeof token);
    return result;
}

enum MHD_Result api_tokens_post(struct request *request)
{
    enum MHD_Result result;
    struct error err;
    struct buffer scope = {0};
    struct store_token wanted = {0};
    json_t *body = json_body(request, &result);
    if (!body)
        return result;
    result = read_token(request, body, &wanted, &scope, &err) ? create(request, &wanted)
                                                              : reply_problem(request, 422, "%s", err.text);
    buffer_free(&scope);
    json_decref(body);
    return result;
}

static json_t *compose_nothing(void *arg, unsigned *status)
{
    (void)arg;
    *status = 204;
    return NULL;
}

enum MHD_Result api_token_delete(struct request *request)
{
    struct error err;
    int64_t id;
    if (!number_from_text(request->part[0], INT64_MAX, &id))
        return reply_problem(request, 404, "no token has the id %s", request->part[0]);
    struct store_actor actor = auth_actor(request);
    struct repeat_answer answer = {.compose = compose_nothing};
    struct admin admin = repeat_admin(request, &answer);
    enum admin_result done = admin_token_revoke(&admin, &actor, id, &err);
    if (done != ADMIN_DONE)
        return reply_result(request, done, &err);
    return reply_text(request, MHD_HTTP_NO_CONTENT, "", "");
}
