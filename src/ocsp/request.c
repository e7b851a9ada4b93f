#include "internal.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/x509.h>

#include <string.h>

static const uint8_t oid_nonce[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};
static const uint8_t oid_basic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
static const uint8_t oid_response[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x04};
static const uint8_t oid_preferred[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x08};
static const uint8_t oid_locator[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x07};

#define IS(oid, known) bytes_equal(oid, (struct bytes){known, sizeof known})

/* Its numbers are minimal, and the last one ends (X.690 section 8.19.2). */
static bool is_oid(struct bytes content)
{
    bool begins = true;
    for (size_t i = 0; i < content.len; i++) {
        if (begins && content.at[i] == 0x80)
            return false;
        begins = !(content.at[i] & 0x80);
    }
    return content.len && begins;
}

bool ocsp_take_extension(struct bytes *in, struct ocsp_extension *extension)
{
    struct bytes content, flag;
    extension->critical = false;
    if (!der_take(in, DER_SEQUENCE, &content) || !der_take(&content, DER_OID, &extension->oid) ||
        !is_oid(extension->oid))
        return false;
    if (der_peek(content) == DER_BOOLEAN) {
        if (!der_take(&content, DER_BOOLEAN, &flag) || flag.len != 1)
            return false;
        extension->critical = flag.at[0] != 0;
    }
    return der_take(&content, DER_OCTET_STRING, &extension->value) && content.len == 0;
}

/* RFC 9654 section 2.1: 1 to 128 octets. They are counted inside the inner OCTET STRING, which some
 * clients leave out. */
static bool nonce_is_legal(struct bytes value)
{
    struct bytes rest = value, inner;
    size_t len = der_take(&rest, DER_OCTET_STRING, &inner) && rest.len == 0 ? inner.len : value.len;
    return len >= 1 && len <= OCSP_NONCE_MAX;
}

bool ocsp_take_preferred(struct bytes *preferred, struct bytes *oid)
{
    struct bytes one, algorithm, key_algorithm;
    return der_take(preferred, DER_SEQUENCE, &one) && der_take(&one, DER_SEQUENCE, &algorithm) &&
           der_take(&algorithm, DER_OID, oid) &&
           (one.len == 0 || (der_take(&one, DER_SEQUENCE, &key_algorithm) && one.len == 0));
}

static bool preferred_is_legal(struct bytes value, struct bytes *preferred)
{
    struct bytes oid;
    if (!der_take(&value, DER_SEQUENCE, preferred) || value.len)
        return false;
    struct bytes rest = *preferred;
    while (rest.len)
        if (!ocsp_take_preferred(&rest, &oid))
            return false;
    return true;
}

/* AcceptableResponses (RFC 6960 section 4.4.3): whether the basic one, which we give, is among them. */
static bool accepts_basic(struct bytes value)
{
    struct bytes list, oid;
    bool found = false;
    if (!der_take(&value, DER_SEQUENCE, &list) || value.len)
        return false;
    while (list.len && der_take(&list, DER_OID, &oid))
        found |= IS(oid, oid_basic);
    return found && list.len == 0;
}

/* A critical extension must be refused, unless our answer honours what it asks for (RFC 6960 section 4.4). */
static bool is_honoured(const struct ocsp_extension *extension)
{
    return IS(extension->oid, oid_preferred) || IS(extension->oid, oid_locator) ||
           (IS(extension->oid, oid_response) && accepts_basic(extension->value));
}

/* `request` is NULL for the extensions of one CertID: none of them changes our answer. */
static int parse_extensions(struct bytes *in, struct ocsp_request *request, struct error *err)
{
    struct bytes explicit, list;
    if (!der_take(in, DER_CONTEXT_CONSTRUCTED(2), &explicit) &&
        !der_take(in, DER_CONTEXT_CONSTRUCTED(0), &explicit))
        return error_set(err, "extensions are not DER");
    if (!der_take(&explicit, DER_SEQUENCE, &list) || explicit.len != 0)
        return error_set(err, "extensions are not a SEQUENCE");
    while (list.len) {
        struct ocsp_extension extension;
        if (!ocsp_take_extension(&list, &extension))
            return error_set(err, "an extension is not DER");
        if (request && IS(extension.oid, oid_nonce)) {
            if (request->nonce.len || !nonce_is_legal(extension.value))
                return error_set(err, "nonce: one of 1 to 128 octets (RFC 9654 section 2.1)");
            request->nonce = extension.value;
            request->nonce_is_critical = extension.critical;
        } else if (request && IS(extension.oid, oid_preferred)) {
            if (request->preferred.at || !preferred_is_legal(extension.value, &request->preferred))
                return error_set(err, "preferred signature algorithms: one list (RFC 6960 section 4.4.7.1)");
        } else if (extension.critical && !is_honoured(&extension)) {
            return error_set(err, "a critical extension that is unknown, or that we cannot honour");
        }
    }
    return 0;
}

static int parse_request_list(struct bytes list, struct ocsp_request *request, struct error *err)
{
    for (request->count = 0; list.len; request->count++) {
        struct bytes one;
        if (request->count == OCSP_CERTIDS_MAX)
            return error_set(err, "more than %d CertIDs", OCSP_CERTIDS_MAX);
        if (!der_take(&list, DER_SEQUENCE, &one) || !certid_take(&one, &request->certs[request->count]))
            return error_set(err, "CertID %zu is malformed", request->count + 1);
        if (one.len && der_peek(one) != DER_CONTEXT_CONSTRUCTED(0))
            return error_set(err, "octets behind CertID %zu", request->count + 1);
        if (one.len && (parse_extensions(&one, NULL, err) < 0 || one.len))
            return error_prefix(err, "CertID %zu", request->count + 1);
    }
    return request->count ? 0 : error_set(err, "no CertID");
}

static int parse_tbs(struct bytes tbs, struct ocsp_request *request, struct error *err)
{
    struct bytes skipped, version, list;
    if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(0)) { /* v1 said aloud: not DER, but seen */
        if (!der_take(&tbs, DER_CONTEXT_CONSTRUCTED(0), &skipped) ||
            !der_take(&skipped, DER_INTEGER, &version) || skipped.len || version.len != 1 ||
            version.at[0] != 0)
            return error_set(err, "version is not v1");
    }
    if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(1) && !der_take(&tbs, DER_CONTEXT_CONSTRUCTED(1), &skipped))
        return error_set(err, "requestorName is not DER");
    if (!der_take(&tbs, DER_SEQUENCE, &list))
        return error_set(err, "requestList is not DER");
    if (parse_request_list(list, request, err) < 0)
        return -1;
    if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(2) && parse_extensions(&tbs, request, err) < 0)
        return -1;
    return tbs.len ? error_set(err, "octets behind the extensions") : 0;
}

enum ocsp_status ocsp_request_parse(struct bytes der, struct ocsp_request *request, struct error *err)
{
    struct bytes outer, tbs, signature;
    request->count = 0;
    request->nonce = request->preferred = (struct bytes){0};
    request->nonce_is_critical = false;
    if (!der_take(&der, DER_SEQUENCE, &outer) || der.len || !der_take(&outer, DER_SEQUENCE, &tbs)) {
        error_set(err, "not an OCSPRequest");
        return OCSP_MALFORMED_REQUEST;
    }
    request->is_signed = outer.len != 0;
    if (request->is_signed && (!der_take(&outer, DER_CONTEXT_CONSTRUCTED(0), &signature) || outer.len)) {
        error_set(err, "octets behind the TBSRequest that are no signature");
        return OCSP_MALFORMED_REQUEST;
    }
    return parse_tbs(tbs, request, err) < 0 ? OCSP_MALFORMED_REQUEST : OCSP_SUCCESSFUL;
}

int ocsp_request_verify(struct bytes der, X509_STORE *trusted, struct error *err)
{
    const unsigned char *at = der.at;
    OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &at, (long)der.len);
    int good = request && OCSP_request_verify(request, NULL, trusted, 0) == 1;
    if (!good)
        error_set(err, "the request's signature does not verify against request_signers");
    ERR_clear_error();
    OCSP_REQUEST_free(request);
    return good;
}
