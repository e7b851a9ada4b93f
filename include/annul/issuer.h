/* The certification authorities that we answer for, as configuration and certificates describe them.
 *
 * Loaded once at start by annuld and by annul-signer alike, then read-only but for who signs OCSP: any thread. No private key is
 * ever here; see annul/signer.h.
 */
#ifndef ANNUL_ISSUER_H
#define ANNUL_ISSUER_H

#include <annul/certid.h>
#include <annul/certificate.h>
#include <annul/config.h>
#include <annul/sigalg.h>

#include <stdatomic.h>

struct issuer {
    const struct config_issuer *config;
    int64_t id; /* in the store; set by annuld */
    struct certificate ca;
    const struct sigalg *crl_sigalg; /* NULL where we have no CA key, so publish no CRL of our own */
    uint8_t fingerprint[32];         /* SHA-256 of subject and public key: who the CA is, over renewals */
    uint8_t key_id[64];              /* what its CRLs carry as authority key identifier */
    size_t key_id_len;
    uint8_t name_hash[CERTID_HASHES][CERTID_HASH_MAX];
    uint8_t key_hash[CERTID_HASHES][CERTID_HASH_MAX];
    X509_STORE *request_signers;                 /* or NULL: requests need no signature */
    _Atomic(struct ocsp_signers *) ocsp_signers; /* the one thing that changes: see annul/ocsp_signer.h */
};

struct issuers {
    const struct config *config;
    size_t count;
    struct issuer list[];
};

/* Reads and checks every CA certificate: CA flag, key usage and kind of key, no CA twice. NULL with file, line and remedy. Keeps pointing to `config`. */
struct issuers *issuers_load(const struct config *config, struct error *err);
void issuers_free(struct issuers *issuers); /* NULL-safe */

/* NULL where there is none of this name. */
struct issuer *issuers_by_name(struct issuers *issuers, const char *name);

/* The CA that a CertID names, by the request's own hash; NULL: not ours. */
struct issuer *issuers_by_certid(struct issuers *issuers, const struct certid *id);

struct issuer *issuers_by_fingerprint(struct issuers *issuers, const uint8_t fingerprint[32]);

/* The CA that signed a certificate; NULL: none of ours. */
struct issuer *issuers_of_certificate(struct issuers *issuers, const struct certificate *certificate);

#endif
