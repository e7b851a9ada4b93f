/* OCSP over HTTP: POST (RFC 6960 appendix A) and GET (RFC 5019 section 5). */
#include "internal.h"

#include <annul/base64.h>
#include <annul/hex.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char type_request[] = "application/ocsp-request", type_response[] = "application/ocsp-response";

/* The HTTP form of an answer, made once and given to everybody who gets this answer. */
struct prepared {
    struct ocsp_prepared base;
    struct MHD_Response *response;
    char etag[65];
};

static void unprepare(struct ocsp_prepared *base)
{
    struct prepared *prepared = (struct prepared *)base;
    MHD_destroy_response(prepared->response);
    free(prepared);
}

static struct representation describe(const struct ocsp_answer *answer, const char *etag)
{
    /* given out for three quarters of its life (annul/responder.h): no cache may keep it beyond the rest */
    int64_t rest_s = (answer->next_update - answer->this_update) / 4 - 1;
    rest_s = rest_s < 0 ? 0 : rest_s < FRESH_S ? rest_s : FRESH_S;
    /* good and revoked can be of one second: only the ETag tells them apart */
    return (struct representation){type_response,       etag,   answer->this_update,
                                   answer->next_update, rest_s, true};
}

/* NULL when out of memory. Two threads may prepare it at once; one of them wins. */
static const struct prepared *prepare(struct ocsp_answer *answer)
{
    struct ocsp_prepared *present = atomic_load_explicit(&answer->prepared, memory_order_acquire);
    if (present)
        return (struct prepared *)present;
    uint8_t digest[32];
    size_t len;
    struct prepared *prepared = calloc(1, sizeof *prepared);
    if (!prepared || EVP_Q_digest(NULL, "SHA256", NULL, answer->der, answer->len, digest, &len) != 1 ||
        !(prepared->response =
              MHD_create_response_from_buffer(answer->len, answer->der, MHD_RESPMEM_MUST_COPY))) {
        free(prepared);
        return NULL;
    }
    hex_encode(digest, sizeof digest, prepared->etag);
    struct representation r = describe(answer, prepared->etag);
    reply_add_validators(prepared->response, &r);
    MHD_add_response_header(prepared->response, MHD_HTTP_HEADER_CONTENT_TYPE, type_response);
    MHD_add_response_header(prepared->response, "X-Content-Type-Options", "nosniff");
    prepared->base.free = unprepare;
    if (atomic_compare_exchange_strong(&answer->prepared, &present, &prepared->base))
        return prepared;
    unprepare(&prepared->base);
    return (struct prepared *)present;
}

static enum MHD_Result queue_shared(struct request *request, struct ocsp_answer *answer)
{
    enum MHD_Result result;
    const struct prepared *prepared = prepare(answer);
    if (!prepared)
        return MHD_NO;
    struct representation r = describe(answer, prepared->etag);
    if (request->method != POST && reply_not_modified(request, &r, &result))
        return result;
    request->over = true;
    return MHD_queue_response(request->connection, MHD_HTTP_OK, prepared->response);
}

/* For one client: an answer with a nonce, or an error. Nothing may cache it; but no-store would be wrong on a
 * definitive answer (RFC 5019 section 6.2). */
static enum MHD_Result queue_own(struct request *request, struct ocsp_answer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(answer->len, answer->der, MHD_RESPMEM_MUST_COPY);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                                answer->status == OCSP_SUCCESSFUL ? "no-cache" : "no-store");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type_response);
    }
    return reply_queue(request, MHD_HTTP_OK, response);
}

static enum MHD_Result queue_answer(struct request *request, struct ocsp_answer *answer)
{
    enum MHD_Result result = answer->status == OCSP_SUCCESSFUL && !answer->has_nonce
                                 ? queue_shared(request, answer)
                                 : queue_own(request, answer);
    ocsp_answer_release(answer);
    return result;
}

/* In the signer's thread, or in ours where the signer is down. */
static void answered(void *arg, struct ocsp_answer *answer)
{
    struct request *request = arg;
    request->answer = answer;
    request_wake(request);
}

static enum MHD_Result resume(struct request *request)
{
    struct ocsp_answer *answer = request->answer;
    request->answer = NULL;
    return queue_answer(request, answer);
}

static enum MHD_Result answer_request(struct request *request, struct bytes der)
{
    struct responder_job *job;
    struct ocsp_answer *answer = responder_begin(request->services->responder, der, &job);
    if (answer)
        return queue_answer(request, answer);
    if (!job)
        return MHD_NO;
    if (!request_sleep(request, resume)) {
        responder_drop(job);
        return MHD_NO; /* we are stopping: hang up */
    }
    responder_sign(job, answered, request);
    return MHD_YES;
}

enum MHD_Result ocsp_post(struct request *request)
{
    const char *type = request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE);
    if (type && (strncasecmp(type, type_request, sizeof type_request - 1) != 0 ||
                 !strchr("; \t", type[sizeof type_request - 1])))
        return reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "Content-Type must be %s",
                             type_request);
    return answer_request(request, (struct bytes){request->body.at, request->body.len});
}

/* After "/ocsp/", "/ocsp" (EMQX adds no slash) or "/". A request begins with a SEQUENCE, its base64 with M;
 * slashes in front of that are what a client put between URL and request once too often. */
const char *ocsp_path(const char *url)
{
    bool prefixed = strncmp(url, "/ocsp", 5) == 0;
    const char *rest = url + (prefixed ? 5 : 0);
    rest += strspn(rest, "/");
    if (*rest == 'M' || strncmp(rest, "%4D", 3) == 0 || strncmp(rest, "%4d", 3) == 0)
        return rest;
    return prefixed && url[5] == '/' && *rest ? rest : NULL; /* meant as a request, whatever it is */
}

enum MHD_Result ocsp_get(struct request *request)
{
    char *text = strdup(ocsp_path(request->url));
    uint8_t *der = text ? malloc(strlen(text) + 4) : NULL;
    enum MHD_Result result = MHD_NO;
    if (der) {
        long len = percent_decode(text, strlen(text));
        len = len < 0 || len > (long)BASE64_ENCODED_LEN(OCSP_REQUEST_MAX)
                  ? -1
                  : base64_decode(text, (size_t)len, der);
        /* what is not base64 is no OCSPRequest either: an empty one gets the same malformedRequest */
        result = answer_request(request, (struct bytes){der, len < 0 ? 0 : (size_t)len});
    }
    free(der);
    free(text);
    return result;
}
