/* The client's side of OCSP: the question, and the one place that decides whether an answer is to be believed.
 *
 * Octets in, struct out: no I/O and no clock, `now` is a parameter. Any thread, but the certificate of the issuer by one
 * thread at a time.
 *
 * Not checked: the issuer's certificate itself, its own dates included, which is trusted by being given; and the status of
 * a delegate, whom the CA vouches for by the short life that it gave it (RFC 6960 section 4.2.2.2.1).
 *
 * SHA-1 is refused here, in the response and in the delegate's certificate, where crl_verify takes it: a response is signed for
 * whoever asks, with octets of theirs in it (nonce, serial number), which is what a collision needs; a CRL is made of
 * what its CA knows, and old CAs have no other.
 */
#ifndef ANNUL_OCSP_VERIFY_H
#define ANNUL_OCSP_VERIFY_H

#include <annul/certificate.h>
#include <annul/ocsp.h>

#define OCSP_RESPONSE_MAX 65536 /* octets that an answer to one question may have */

/* How far the clocks of both sides may differ. */
#define OCSP_SKEW_S 300

/* Whose status is asked. Terminators that staple compare SHA-1 CertIDs, so that is what is asked for them. */
struct ocsp_question {
    const struct certificate *issuer;
    struct serial serial;
    enum certid_hash hash;
};

/* Writes the request: one CertID, no nonce (RFC 5019 section 2.1). Returns its length, 0 where OpenSSL fails. */
#define OCSP_QUESTION_MAX (CERTID_DER_MAX + 16)
size_t ocsp_question_put(const struct ocsp_question *question, uint8_t out[OCSP_QUESTION_MAX]);

/* What an answer says. */
struct ocsp_verdict {
    enum ocsp_status response; /* OCSP_SUCCESSFUL, or why there is nothing else here */
    enum ocsp_cert_status status;
    int64_t revoked_at; /* the two only where revoked */
    int reason;         /* CRLReason, or -1: absent */
    int64_t produced_at, this_update, next_update;
    int64_t
        end_at; /* until then it can be believed: next_update, or the delegate's notAfter where that is earlier */
};

/* Verifies an OCSPResponse. 0, or -1 where it must not be used, with the first check that failed; `verdict->response` is
 * right in both cases where the octets were an OCSPResponse at all (else OCSP_SUCCESSFUL). In this order:
 *   status successful; form (DER, nothing behind it, no critical extension that is unknown); exactly one SingleResponse;
 *   signer found: the issuer, or a delegate within, each that is named being tried; delegate issued by the issuer's own key,
 *   with SHA-2 or better, with id-kp-OCSPSigning, a keyUsage that allows it, valid now; signature, with SHA-2 or better; CertID ours; thisUpdate not in the future; nextUpdate there and ahead. */
int ocsp_verify(struct bytes der, const struct ocsp_question *question, int64_t now,
                struct ocsp_verdict *verdict, struct error *err);

#endif
