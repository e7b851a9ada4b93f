/* OCSP over HTTP: POST (RFC 6960 appendix A) and GET (RFC 5019 section 5). */
#include "internal.h"

#include <annul/base64.h>
#include <annul/hex.h>

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char type_request[] = "application/ocsp-request", type_response[] = "application/ocsp-response";

/* A definitive answer to a GET may be cached; one with a nonce, an error, or to a POST may not. */
static enum MHD_Result queue_answer(struct request *request, struct ocsp_answer *answer)
{
    struct bytes der = {answer->der, answer->len};
    bool cacheable = answer->status == OCSP_SUCCESSFUL && !answer->has_nonce && request->method != POST;
    enum MHD_Result result;
    uint8_t digest[32];
    char etag[65];
    size_t len;
    struct MHD_Response *response = NULL;
    if (cacheable && EVP_Q_digest(NULL, "SHA256", NULL, der.at, der.len, digest, &len) == 1) {
        hex_encode(digest, sizeof digest, etag);
        struct representation r = {type_response, etag, answer->this_update, answer->next_update};
        if (reply_not_modified(request, &r, &result))
            goto out;
        response = MHD_create_response_from_buffer(der.len, answer->der, MHD_RESPMEM_MUST_COPY);
        if (response)
            reply_add_validators(response, &r);
    } else {
        response = MHD_create_response_from_buffer(der.len, answer->der, MHD_RESPMEM_MUST_COPY);
        if (response) /* no-store would be wrong on a definitive answer (RFC 5019 section 6.2) */
            MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL,
                                    answer->status == OCSP_SUCCESSFUL ? "no-cache" : "no-store");
    }
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type_response);
    result = reply_queue(request, MHD_HTTP_OK, response);
out:
    free(answer);
    return result;
}

/* In the signer's thread, or in ours where the signer is down. */
static void answered(void *arg, struct ocsp_answer *answer)
{
    struct request *request = arg;
    request->answer = answer;
    request_wake(request);
}

static enum MHD_Result answer_request(struct request *request, struct bytes der)
{
    struct responder_job *job;
    struct ocsp_answer *answer = responder_begin(request->services->responder, der, &job);
    if (answer)
        return queue_answer(request, answer);
    if (!job)
        return MHD_NO;
    request_sleep(request);
    responder_sign(job, answered, request);
    return MHD_YES;
}

enum MHD_Result ocsp_resume(struct request *request)
{
    struct ocsp_answer *answer = request->answer;
    request->answer = NULL;
    return queue_answer(request, answer);
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
