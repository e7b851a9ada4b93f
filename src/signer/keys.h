/* Private keys, in annul-signer alone. */
#ifndef ANNUL_SIGNER_KEYS_H
#define ANNUL_SIGNER_KEYS_H

#include <annul/ocsp_signer.h>
#include <annul/signer.h>

#include <pthread.h>

/* One that signs OCSP responses. */
struct ocsp_key {
    EVP_PKEY *key;
    struct ocsp_signer signer;
    EVP_PKEY_CTX *
        *ready; /* by thread and algorithm, made at first use: setting one up costs as much as hashing */
};

/* Those of one issuer; counted, because they are replaced while others sign. */
struct ocsp_keys {
    atomic_int holders;
    unsigned threads; /* that `ready` is for */
    size_t count;
    struct ocsp_key list[CONFIG_SIGNERS_MAX];
};

#define SIGNER_CRL_JOBS 4 /* CRLs that are signed at one time */

struct issuer_keys {
    EVP_PKEY *ca;                    /* NULL: it publishes no CRL here */
    struct ocsp_keys *ocsp, *before; /* the present ones, and those that requests under way may still name */
    uint32_t used_ids;
    uint64_t files;   /* what the files of the present ones looked like, in one number */
    int64_t made_at;  /* when they were taken up, or that was tried */
    int64_t renew_at; /* when to try anew, though the files are the same */
    int64_t warn_at;  /* when to speak next of an end that is near */
};

struct signer_keys {
    struct issuers *issuers;
    unsigned threads;
    EVP_MD *digests[SIGALGS]; /* NULL where the algorithm hashes by itself */
    pthread_mutex_t mutex;    /* for `ocsp` and `before` of each issuer, and what follows */
    pthread_cond_t idle;
    unsigned jobs;             /* threads that sign CRLs */
    struct issuer_keys list[]; /* one for each of issuers->list */
};

/* The present OCSP keys of an issuer, held. */
struct ocsp_keys *signer_keys_hold(struct signer_keys *keys, size_t issuer);
void ocsp_keys_release(struct ocsp_keys *keys); /* NULL-safe */

/* The key that was announced as `id`, with its issuer and the hold that keeps it; NULL: no such. */
struct ocsp_key *signer_keys_find(struct signer_keys *keys, uint32_t id, const struct issuer **issuer,
                                  struct ocsp_keys **held);

/* Takes up files that were replaced, issues delegates ahead of the end of the present ones, warns of an end that is
 * near. What is bad is reported and changes nothing. True where the OCSP keys of this issuer are others now. One thread
 * at a time. */
bool signer_keys_refresh(struct signer_keys *keys, size_t issuer, int64_t now);

/* What a thread that signs keeps for itself. */
struct signer_thread {
    unsigned number; /* below signer_keys->threads */
    EVP_MD_CTX *digest;
};

/* Signs `data`; `signature` has SIGNATURE_MAX octets. 0 or -1. */
int signer_key_sign(const struct signer_keys *keys, struct signer_thread *thread, struct ocsp_key *key,
                    const struct sigalg *sigalg, struct bytes data, uint8_t *signature, size_t *len);

/* The same with a CA's key and its own algorithm, for what is rare. */
int signer_key_sign_whole(EVP_PKEY *key, const struct sigalg *sigalg, struct bytes data, uint8_t *signature,
                          size_t *len);

/* --- delegates of our own (delegate.c) ----------------------------------------------------------------- */

/* Makes a key and has the CA's key sign a certificate for it from a template that nobody outside can influence: it
 * may sign OCSP responses and nothing else, and clients do not ask for its status. `certs` is appended to: the
 * certificate, DER, and what the configured chain holds. 0, or -1 with the reason. */
int delegate_issue(const struct config *config, const struct issuer *issuer, EVP_PKEY *ca_key,
                   const struct config_delegate *plan, int64_t now, EVP_PKEY **key, struct buffer *certs,
                   struct error *err);

#endif
