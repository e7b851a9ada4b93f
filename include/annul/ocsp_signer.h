/* Who signs OCSP responses for an issuer: the CA itself, or delegates (RFC 6960 section 4.2.2.2).
 *
 * annul-signer has them with their keys, and announces what annuld needs to know; they may change at any time.
 * Here is no key.
 */
#ifndef ANNUL_OCSP_SIGNER_H
#define ANNUL_OCSP_SIGNER_H

#include <annul/issuer.h>
#include <annul/ocsp.h>

#define OCSP_CERTS_MAX 32768 /* octets of the certificates that go along with every response */

struct ocsp_signer {
    uint32_t id; /* what annul-signer knows it by */
    struct certificate certificate;
    struct buffer certs;        /* DER, the delegate's first; empty where the CA signs itself */
    struct buffer responder_id; /* DER, in the form that is configured */
    const struct sigalg *sigalg;
    uint64_t lineage; /* what it signed may be given as long as one of this lineage signs for the issuer */
};

/* Makes one from its certificates in DER, one behind the other, its own first. Refuses a delegate that the CA did not
 * issue, without the purpose or the key usage, or with a key of another kind than sigalg_for_key knows. The lineage is that of this
 * certificate, or where `is_ours` (annul-signer issued it to itself) that of the issuer's own delegates, old and new;
 * and of the form that responses are configured to have. 0, or -1 with the reason; either way ocsp_signer_free. */
int ocsp_signer_init(struct ocsp_signer *signer, const struct issuer *issuer, struct bytes certs,
                     bool is_ours, struct error *err);
void ocsp_signer_free(struct ocsp_signer *signer);

/* Valid at `now`, or not yet, or no more. */
bool ocsp_signer_is_valid(const struct ocsp_signer *signer, int64_t now);

/* Those who sign for one issuer at present, in order of preference. Read-only. */
struct ocsp_signers {
    struct ocsp_signers *retired; /* those before */
    int64_t retired_ms;
    size_t count;
    struct ocsp_signer list[CONFIG_SIGNERS_MAX];
};

/* NULL: none yet. Any thread; what is given lasts for an hour after it was replaced, and no request does. */
const struct ocsp_signers *issuer_ocsp_signers(const struct issuer *issuer);

/* Replaces them; `signers` (malloc'ed) is the issuer's from here on. One thread at a time. */
void issuer_ocsp_signers_set(struct issuer *issuer, struct ocsp_signers *signers);

void issuer_ocsp_signers_free(struct issuer *issuer); /* by issuers_free */
void ocsp_signers_free(struct ocsp_signers *signers); /* NULL-safe; for a list that was never set */

/* The one that signs now, and by which algorithm: the first wish (see ocsp_take_preferred) that one of them can
 * fulfil, else the first of them. NULL where none is valid. */
const struct ocsp_signer *ocsp_signers_choose(const struct ocsp_signers *signers, struct bytes preferred,
                                              int64_t now, const struct sigalg **sigalg);

#endif
