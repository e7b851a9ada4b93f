/* Private keys, in annul-signer alone. */
#ifndef ANNUL_SIGNER_KEYS_H
#define ANNUL_SIGNER_KEYS_H

#include <annul/signer.h>

#include <pthread.h>

struct signer_pair {
    EVP_PKEY *crl;  /* the CA's; NULL: it publishes no CRL here */
    EVP_PKEY *ocsp; /* the delegate's, or the CA's again */
};

#define SIGNER_CRL_JOBS 4 /* CRLs that are signed at one time */

struct signer_keys {
    struct issuers *issuers;
    pthread_mutex_t mutex; /* for the two below */
    pthread_cond_t idle;
    unsigned jobs;             /* threads that sign CRLs */
    struct signer_pair list[]; /* one for each of issuers->list */
};

/* Signs `data`; `signature` has SIGNATURE_MAX octets. 0 or -1. */
int signer_key_sign(EVP_PKEY *key, const struct sigalg *sigalg, struct bytes data, uint8_t *signature,
                    size_t *len);

#endif
