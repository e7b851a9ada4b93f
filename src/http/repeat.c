/* Idempotency-Key: a change that is sent again, because nobody heard what became of it, is done once and answered twice.
 *
 * The answer is written in the transaction of the change, where there is one; of what takes several (a batch, a CRL), behind
 * the last of them, and doing it again changes nothing. Of a long answer the summary is kept. What was refused has changed
 * nothing, and is not kept. */
#include "internal.h"

#include <annul/log.h>
#include <annul/scratch.h>

#include <openssl/evp.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* Those that are under way. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct request *running;

static bool key_is_legal(const char *key)
{
    size_t len = strlen(key);
    for (size_t i = 0; i < len; i++)
        if (key[i] < 0x21 || key[i] > 0x7e)
            return false;
    return len >= 1 && len <= REPEAT_KEY_MAX;
}

/* --- what the call is ---------------------------------------------------------------------------------- */

static enum MHD_Result hash_argument(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    EVP_DigestUpdate(arg, name, strlen(name) + 1);
    if (value)
        EVP_DigestUpdate(arg, value, strlen(value) + 1);
    return MHD_YES;
}

static bool hash_spool(EVP_MD_CTX *md, int fd)
{
    uint8_t chunk[16384];
    struct error err;
    long n = scratch_rewind(fd, &err);
    while (n == 0 && (n = scratch_read(&fd, chunk, sizeof chunk, &err)) > 0)
        n = EVP_DigestUpdate(md, chunk, (size_t)n) == 1 ? 0 : -1;
    return n == 0;
}

static bool hash_request(struct request *request)
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, request->method_name, strlen(request->method_name) + 1) == 1 &&
                EVP_DigestUpdate(md, request->url, strlen(request->url) + 1) == 1;
    if (good)
        MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, hash_argument, md);
    good = good && EVP_DigestUpdate(md, "", 1) == 1 &&
           (request->spool >= 0 ? hash_spool(md, request->spool)
                                : EVP_DigestUpdate(md, request->body.at, request->body.len) == 1) &&
           EVP_DigestFinal_ex(md, request->repeat.hash, NULL) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

/* --- before it is done --------------------------------------------------------------------------------- */

/* False: the same is under way. */
static bool enter(struct request *request)
{
    pthread_mutex_lock(&mutex);
    struct request *other = running;
    while (other && (strcmp(other->repeat.key, request->repeat.key) != 0 ||
                     strcmp(other->actor_name, request->actor_name) != 0))
        other = other->repeat.next;
    if (!other) {
        request->repeat.next = running;
        running = request;
        request->repeat.runs = true;
    }
    pthread_mutex_unlock(&mutex);
    return !other;
}

static enum MHD_Result reply_again(struct request *request, const struct store_answer *answer)
{
    if (memcmp(answer->request, request->repeat.hash, sizeof answer->request) != 0)
        return reply_problem(request, 422, "this Idempotency-Key was used for another call; take a new one");
    request_add_header(request, "Idempotency-Replayed", "true");
    if (*answer->etag)
        request_add_etag(request, answer->etag);
    return reply_text(request, answer->status, answer->type, answer->body);
}

bool repeat_check(struct request *request, enum MHD_Result *result)
{
    struct error err;
    struct store_answer answer;
    const char *key = request->route->action ? request_header(request, "Idempotency-Key") : NULL;
    if (!key)
        return true;
    if (!key_is_legal(key)) {
        *result = reply_problem(request, 400, "Idempotency-Key must be 1 to %d visible characters of ASCII",
                                REPEAT_KEY_MAX);
        return false;
    }
    strcpy(request->repeat.key, key);
    if (!hash_request(request)) {
        *result = reply_problem(request, 503, "the call cannot be read or hashed");
        return false;
    }
    if (!enter(request)) {
        *result =
            reply_problem(request, 409, "a call with this Idempotency-Key is still under way; try again");
        return false;
    }
    struct store_actor actor = auth_actor(request);
    enum outcome found = store_answer_find(request->services->store, &actor, key, &answer, &err);
    if (found == FOUND) {
        *result = reply_again(request, &answer);
        store_answer_free(&answer);
    } else if (found == FAILED) {
        *result = reply_problem(request, 503, "%s", err.text);
    }
    return found == ABSENT;
}

void repeat_end(struct request *request)
{
    if (!request->repeat.runs)
        return;
    pthread_mutex_lock(&mutex);
    struct request **at = &running;
    while (*at != request)
        at = &(*at)->repeat.next;
    *at = request->repeat.next;
    pthread_mutex_unlock(&mutex);
    request->repeat.runs = false;
}

/* --- the answer ---------------------------------------------------------------------------------------- */

static int keep_in(struct request *request, struct store_tx *tx, unsigned status, const char *type,
                   const char *etag, const char *body, struct error *err)
{
    struct store_answer answer = {.status = status,
                                  .type = (char *)(uintptr_t)type,
                                  .etag = (char *)(uintptr_t)etag,
                                  .body = (char *)(uintptr_t)body};
    memcpy(answer.request, request->repeat.hash, sizeof answer.request);
    return store_tx_answer(tx, request->repeat.key, &answer, err);
}

/* Leaves what its lists told of each away. */
static void shorten(json_t *json)
{
    const char *name;
    json_t *member;
    json_object_foreach(json, name, member)
    {
        json_array_clear(member); /* it may be something else */
    }
    json_object_set_new(json, "shortened", json_true());
}

static char *write_body(json_t *json)
{
    char *body = json ? json_document(json) : strdup("");
    if (body && strlen(body) > REPEAT_BODY_MAX) {
        free(body);
        shorten(json);
        body = json_document(json);
    }
    return body;
}

/* Within the transaction, before its commit. */
static int seal(void *arg, struct store_tx *tx, struct error *err)
{
    struct repeat_answer *answer = arg;
    unsigned status = 200;
    char etag[ETAG_TEXT] = "";
    json_t *json = answer->compose(answer->arg, &status);
    char *body = write_body(json);
    const char *type = !json ? "" : status < 400 ? type_json : type_problem;
    if (answer->tag)
        answer->tag(answer->arg, etag);
    int result =
        body ? keep_in(answer->request, tx, status, type, etag, body, err) : error_set(err, "out of memory");
    free(body);
    json_decref(json);
    return result;
}

struct admin repeat_admin(struct request *request, struct repeat_answer *answer)
{
    struct admin admin = *request->services->admin;
    answer->request = request;
    if (request->repeat.runs) {
        admin.seal = seal;
        admin.seal_arg = answer;
    }
    return admin;
}

void repeat_keep(struct request *request, const char *type, const char *body)
{
    struct error err = {"out of memory"};
    struct store_actor actor = auth_actor(request);
    if (!request->repeat.runs)
        return;
    struct store_tx *tx = body ? store_begin(request->services->store, &actor, &err) : NULL;
    bool kept = tx && keep_in(request, tx, 200, type, "", body, &err) == 0;
    if (tx && !kept)
        store_rollback(tx);
    if (!kept || store_commit(tx, &err) < 0)
        log_limited(LOG_LEVEL_ERROR, "admin", "the answer for a repeat of %s: %s", request->url, err.text);
}

enum MHD_Result reply_and_keep(struct request *request, json_t *json)
{
    char *body = request->repeat.runs ? json_document(json) : NULL;
    repeat_keep(request, type_json, body);
    free(body);
    return reply_json(request, 200, json);
}
