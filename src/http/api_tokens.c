/* /api/v1/tokens */
#include "internal.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add_token(void *arg, const struct store_token *token)
{
    return json_array_append_new(arg, json_pack("{s:I, s:s, s:o, s:o}", "id", (json_int_t)token->id, "name",
                                                token->name, "created_at", json_time(token->created_at),
                                                "revoked_at", json_time(token->revoked_at)));
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
        if ((unsigned char)name[i] <= 0x20 || name[i] == 0x7f)
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

enum MHD_Result api_tokens_post(struct request *request)
{
    static const char *const known[] = {"name", NULL};
    enum MHD_Result result;
    struct error err;
    char token[ADMIN_TOKEN];
    struct made made = {.request = request};
    json_t *body = json_body(request, &result);
    if (!body)
        return result;
    const char *name = json_string_value(json_object_get(body, "name"));
    if (!json_only(body, known, &err)) {
        result = reply_problem(request, 422, "%s", err.text);
    } else if (!name_is_legal(name)) {
        result = reply_problem(request, 422, "name must be 1 to 63 octets without blanks, such as \"ops\"");
    } else {
        struct store_actor actor = auth_actor(request);
        struct repeat_answer answer = {.compose = compose_made, .arg = &made};
        struct admin admin = repeat_admin(request, &answer);
        enum admin_result done = admin_token_create(&admin, &actor, name, token, &made.id, &err);
        result = done == ADMIN_DONE ? reply_json(request, 201,
                                                 json_pack("{s:I, s:s, s:s}", "id", (json_int_t)made.id,
                                                           "name", name, "token", token))
                                    : reply_result(request, done, &err);
        OPENSSL_cleanse(token, sizeof token);
    }
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
    char *end;
    long id = strtol(request->part[0], &end, 10);
    if (*end || id < 1)
        return reply_problem(request, 404, "no token has the id %s", request->part[0]);
    struct store_actor actor = auth_actor(request);
    struct repeat_answer answer = {.compose = compose_nothing};
    struct admin admin = repeat_admin(request, &answer);
    enum admin_result done = admin_token_revoke(&admin, &actor, id, &err);
    if (done != ADMIN_DONE)
        return reply_result(request, done, &err);
    return reply_text(request, MHD_HTTP_NO_CONTENT, "", "");
}
