/* The certification authorities that we answer for, as configuration and certificates describe them.
 *
 * Loaded once at start by annuld and by annul-signer alike, then read-only but for the atomic members: any thread. No private key is
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
    const struct issuer *above; /* the CA that issued this one's certificate, where it is ours; no cycles */
    bool is_root;               /* it did so itself */
    const struct sigalg *crl_sigalg; /* NULL where we have no CA key, so publish no CRL of our own */
    uint8_t fingerprint[32];         /* SHA-256 of subject and public key: who the CA is, over renewals */
    uint8_t key_id[64];              /* what its CRLs carry as authority key identifier */
    size_t key_id_len;
    uint8_t name_hash[CERTID_HASHES][CERTID_HASH_MAX];
    uint8_t key_hash[CERTID_HASHES][CERTID_HASH_MAX];
    X509_STORE *request_signers;                 /* or NULL: requests need no signature */
    _Atomic(struct ocsp_signers *) ocsp_signers; /* it changes: see annul/ocsp_signer.h */
    /* How long statuses can be told: to the nextUpdate of the CRL from elsewhere that they are from. INT64_MIN: no such CRL
     * is here yet. INT64_MAX: they are our own. It changes with each CRL that comes. */
    _Atomic int64_t statuses_end;
};

/* Which CRL of an issuer: one with everything, or a shard; complete, or a delta. */
#define CRL_WHOLE (-1)
struct crl_part {
    int shard; /* or CRL_WHOLE */
    bool delta;
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

/* The URI of a CRL's distribution point, as the configuration says it; "" where it says none. Its length. */
size_t issuer_point(const struct issuer *issuer, struct crl_part part, char uri[CONFIG_URL_MAX + 1]);

/* The CRL whose distribution point a URI is; octet for octet (RFC 5280 section 5.2.5). False: none of this issuer's. */
bool issuer_part_of_uri(const struct issuer *issuer, struct bytes uri, struct crl_part *part);

/* The same by the path of the URI alone, "/crl/clients/7.crl". */
bool issuer_part_of_path(const struct issuer *issuer, const char *path, struct crl_part *part);

/* The shard of a serial whose certificate names none: the same for as long as the number of shards is. CRL_WHOLE where
 * there are no shards. */
int issuer_shard_of(const struct issuer *issuer, const struct serial *serial);

/* The CA that signed a certificate; NULL: none of ours. */
struct issuer *issuers_of_certificate(struct issuers *issuers, const struct certificate *certificate);

#endif
