/* OCSP over HTTP: POST (RFC 6960 appendix A) and GET (RFC 5019 section 5). */
#include "internal.h"

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
    struct representation representation;
    char etag[65];
};

static void unprepare(struct ocsp_prepared *base)
{
    struct prepared *prepared = (struct prepared *)base;
    MHD_destroy_response(prepared->response);
    free(prepared);
}

static struct representation describe(const struct ocsp_answer *answer, const char *etag, int64_t max_age_s)
{
    /* given out for three quarters of its life (annul/responder.h): no cache may keep it beyond the rest */
    int64_t rest_s = (answer->next_update - answer->this_update) / 4 - 1;
    rest_s = rest_s < 0 ? 0 : rest_s < max_age_s ? rest_s : max_age_s;
    /* good and revoked can be of one second: only the ETag tells them apart */
    return (struct representation){.type = type_response,
                                   .etag = etag,
                                   .modified_at = answer->this_update,
                                   .expires_at = answer->next_update,
                                   .fresh_s = rest_s,
                                   .coarse = true};
}

/* NULL when out of memory. Two threads may prepare it at once; one of them wins. */
static const struct prepared *prepare(struct ocsp_answer *answer, int64_t max_age_s)
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
    prepared->representation = describe(answer, prepared->etag, max_age_s);
    reply_add_validators(prepared->response, &prepared->representation);
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
    const struct prepared *prepared = prepare(answer, request->services->config->ocsp_max_age_s);
    if (!prepared)
        return MHD_NO;
    if (request->method != POST && request_has_it(request, &prepared->representation))
        return reply_not_modified(request, &prepared->representation);
    return reply_send(request, MHD_HTTP_OK, prepared->response);
}

/* Errors go with 200 (RFC 6960 appendix A.1), unless the operator has clients that keep and staple whatever comes
 * with it. */
static unsigned http_status(const struct request *request, enum ocsp_status status)
{
    if (!request->services->config->ocsp_errors_as_5xx)
        return MHD_HTTP_OK;
    return status == OCSP_TRY_LATER        ? MHD_HTTP_SERVICE_UNAVAILABLE
           : status == OCSP_INTERNAL_ERROR ? MHD_HTTP_INTERNAL_SERVER_ERROR
                                           : MHD_HTTP_OK;
}

static void release(void *answer)
{
    ocsp_answer_release(answer);
}

/* For one client: an answer with a nonce, or an error. Nothing may cache it; but no-store would be wrong on a
 * definitive answer (RFC 5019 section 6.2). */
static enum MHD_Result queue_own(struct request *request, struct ocsp_answer *answer)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(answer->len, answer->der, release, answer);
    if (response) {
        ocsp_answer_hold(answer);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                                answer->status == OCSP_SUCCESSFUL ? "no-cache" : "no-store");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type_response);
        if (answer->status == OCSP_TRY_LATER)
            MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    }
    return reply_queue(request, http_status(request, answer->status), response);
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
    const char *encoding = request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING);
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return reply_problem(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
                             "send the request without Content-Encoding");
    return answer_request(request, (struct bytes){request->body.at, request->body.len});
}

enum MHD_Result ocsp_get(struct request *request)
{
    char text[HEAD_MAX];
    const char *path = ocsp_path(request->url);
    if (strlen(path) >= sizeof text)
        return reply_problem(request, MHD_HTTP_URI_TOO_LONG, "use POST for a request of this size");
    strcpy(text, path);
    return answer_request(request, ocsp_path_decode(text)); /* malformedRequest, if it is none */
}
