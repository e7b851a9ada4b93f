/* OCSP messages (RFC 6960, nonce by RFC 9654): bytes to structs and back, no I/O, no clock.
 *
 * Requests are parsed without OpenSSL and without allocation; every view points into the request's octets.
 * Not checked here: whether the CertIDs name an issuer that we answer for, and signatures of requests.
 * Any thread.
 */
#ifndef ANNUL_OCSP_H
#define ANNUL_OCSP_H

#include <annul/certid.h>
#include <annul/der.h>
#include <annul/error.h>
#include <annul/time.h>
#include <openssl/types.h>

/* OCSPResponseStatus (RFC 6960 section 4.2.1); 4 is unused. */
enum ocsp_status {
    OCSP_SUCCESSFUL = 0,
    OCSP_MALFORMED_REQUEST = 1,
    OCSP_INTERNAL_ERROR = 2,
    OCSP_TRY_LATER = 3,
    OCSP_SIG_REQUIRED = 5,
    OCSP_UNAUTHORIZED = 6,
};
#define OCSP_STATUSES 7

#define OCSP_REQUEST_MAX 16384 /* octets; a signed request with its certificates fits */
#define OCSP_CERTIDS_MAX 32    /* a request */
#define OCSP_NONCE_MAX 128     /* octets (RFC 9654 section 2.1) */

struct ocsp_request {
    size_t count; /* 1 to OCSP_CERTIDS_MAX */
    struct certid certs[OCSP_CERTIDS_MAX];
    struct bytes nonce;     /* content of the extension's value, to be repeated as it is; empty: none */
    bool nonce_is_critical; /* who passes it over must refuse the request */
    struct bytes
        preferred; /* content of PreferredSignatureAlgorithms, for ocsp_take_preferred; empty: none */
    bool is_signed;
};

/* Where the path of a URL is an OCSP GET, the base64 in it: after "/ocsp/", "/ocsp" (EMQX adds no slash) or "/". Else NULL. */
const char *ocsp_path(const char *url);

/* Decodes that, percent signs first, in its place; empty where it is no base64: which is no OCSPRequest either. */
struct bytes ocsp_path_decode(char *path);

/* OCSP_SUCCESSFUL, or OCSP_MALFORMED_REQUEST with the reason in `err`. */
enum ocsp_status ocsp_request_parse(struct bytes der, struct ocsp_request *request, struct error *err);

/* Takes the next wish off the front of `preferred`: the OID of its algorithm (RFC 6960 section 4.4.7.1). False at
 * the end. */
bool ocsp_take_preferred(struct bytes *preferred, struct bytes *oid);

/* Verifies the signature of a signed request: the signer's certificate must be within the request and chain
 * to one of `trusted` (an X509_STORE). 1 good, 0 not, with the reason. */
int ocsp_request_verify(struct bytes der, X509_STORE *trusted, struct error *err);

enum ocsp_cert_status { OCSP_CERT_GOOD, OCSP_CERT_REVOKED, OCSP_CERT_UNKNOWN };

struct ocsp_single {
    struct bytes certid; /* TLV, from the request */
    enum ocsp_cert_status status;
    int64_t revoked_at;    /* the last three only where revoked */
    int reason;            /* CRLReason, or -1: absent */
    int64_t invalidity_at; /* or TIME_NONE */
    int64_t crl_number;    /* of the CRL that lists it, published at crl_at; 0: not said */
    int64_t crl_at;
};

struct ocsp_response_data {
    struct bytes responder_id; /* ResponderID, TLV */
    int64_t produced_at, this_update, next_update;
    int64_t archive_cutoff_at; /* in every SingleResponse (RFC 6960 section 4.4.4); TIME_NONE: not said */
    struct bytes crl_url;      /* goes with each crl_number (RFC 6960 section 4.4.2) */
    size_t count;
    struct ocsp_single singles[OCSP_CERTIDS_MAX];
    struct bytes nonce;   /* as in the request; empty: none */
    bool extended_revoke; /* a serial never issued is answered as revoked (RFC 6960 section 4.4.8) */
};

/* ResponderID byKey, always by SHA-1, or byName; appended. `key_bits` is the content of the public key's BIT STRING,
 * `name` a Name, DER. False when out of memory. */
bool ocsp_responder_by_key(struct buffer *out, struct bytes key_bits);
bool ocsp_responder_by_name(struct buffer *out, struct bytes name);

/* Room for the ResponseData of `count` CertIDs that came in a request of `request_len` octets. */
#define OCSP_RESPONSE_DATA_ROOM(count, request_len, data)                                                    \
    ((request_len) + (count) * (200 + (data)->crl_url.len) + (data)->responder_id.len + 256)

/* Writes a ResponseData in front of what `w` has. False on overflow. */
bool ocsp_response_data_put(struct der_writer *w, const struct ocsp_response_data *data);

/* Room for what a response has around ResponseData, signature and certificates. */
#define OCSP_ENVELOPE_MAX 256

/* Writes a whole OCSPResponse around a signed ResponseData. `certificates` are DER one behind the other, the
 * delegate's first, or nothing. */
bool ocsp_response_put(struct der_writer *w, struct bytes response_data, struct bytes sigalg,
                       struct bytes signature, struct bytes certificates);

/* An unsigned error response is five octets. */
#define OCSP_ERROR_LEN 5
void ocsp_error_response(enum ocsp_status status, uint8_t out[OCSP_ERROR_LEN]);

/* "malformedRequest" … for logs. */
const char *ocsp_status_name(enum ocsp_status status);

/* What a signer must know of a ResponseData before it signs: the same octets, understood.
 * Gives ResponderID, times, and each CertID and status; views point into `der`. False with the reason where it is not exactly
 * a ResponseData of the profile that ocsp_response_data_put writes. */
bool ocsp_response_data_parse(struct bytes der, struct ocsp_response_data *data,
                              struct certid ids[OCSP_CERTIDS_MAX], struct error *err);

#endif
