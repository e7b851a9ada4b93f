/* CA certificates, where AIA caIssuers points. */
#include "internal.h"

#include <annul/hex.h>

#include <openssl/evp.h>

#include <string.h>

static enum MHD_Result reply_certificate(struct request *request, const char *type, struct bytes body,
                                         int64_t since)
{
    uint8_t digest[32];
    char etag[65] = "";
    size_t len;
    if (EVP_Q_digest(NULL, "SHA256", NULL, body.at, body.len, digest, &len) != 1)
        return MHD_NO;
    hex_encode(digest, sizeof digest, etag);
    struct representation r = {.type = type,
                               .etag = etag,
                               .modified_at = since,
                               .expires_at = TIME_NONE,
                               .fresh_s = FRESH_S,
                               .coarse = true};
    if (request_has_it(request, &r))
        return reply_not_modified(request, &r);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);
    if (response) {
        reply_add_validators(response, &r);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    }
    return reply_queue(request, MHD_HTTP_OK, response);
}

static enum MHD_Result reply_pem(struct request *request, const struct issuer *issuers, size_t count)
{
    struct buffer pem = {0};
    bool good = true;
    for (size_t i = 0; i < count && good; i++)
        good = certificate_to_pem((struct bytes){issuers[i].ca.der.at, issuers[i].ca.der.len}, &pem);
    enum MHD_Result result =
        good ? reply_certificate(request, "application/x-pem-file", (struct bytes){pem.at, pem.len},
                                 issuers[0].ca.not_before)
             : MHD_NO;
    buffer_free(&pem);
    return result;
}

enum MHD_Result ca_get(struct request *request)
{
    char *name = request->part[0], *dot = strrchr(name, '.');
    bool pem = dot && strcmp(dot, ".pem") == 0;
    if (dot && (pem || strcmp(dot, ".cer") == 0)) {
        *dot = 0;
        const struct issuer *issuer = issuers_by_name(request->services->issuers, name);
        if (issuer && pem)
            return reply_pem(request, issuer, 1);
        if (issuer)
            return reply_certificate(request, "application/pkix-cert",
                                     (struct bytes){issuer->ca.der.at, issuer->ca.der.len},
                                     issuer->ca.not_before);
    }
    return reply_problem(request, 404,
                         "no CA certificate of that name; /ca/NAME.cer is DER, /ca/NAME.pem is PEM");
}

enum MHD_Result ca_bundle_get(struct request *request)
{
    return reply_pem(request, request->services->issuers->list, request->services->issuers->count);
}
