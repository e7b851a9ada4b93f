/* When and which CRL: builds the CRL of each issuer whose key we have, after changes and by schedule.
 *
 * One thread builds. Rows stream from the store through a spool file to the signer and into two immutable
 * files, `DIRECTORY/ISSUER/NUMBER.crl` and `.pem`; memory does not grow with the list. A number is taken in
 * the store before anyone can see it.
 */
#ifndef ANNUL_PUBLISHER_H
#define ANNUL_PUBLISHER_H

#include <annul/issuer.h>
#include <annul/signer.h>
#include <annul/store.h>

struct publisher;

/* A published CRL. Its files stay readable for as long as it is held, also when a newer one has come. */
struct publication {
    int64_t number, this_update, next_update, entries;
    char etag[2 * 32 + 1]; /* SHA-256 of the DER, hex */
    int der_fd, pem_fd;    /* read with pread only */
    uint64_t der_len, pem_len;
};

/* 0 where the folder is there (or can be made) and writable; for `annuld -t`. */
int publisher_check(const struct config *config, struct error *err);

/* Takes up what was published before, after comparing it with its digest, and starts the thread. What is
 * missing or due is built at once, in the thread. NULL with the reason. Keeps the pointers. */
struct publisher *publisher_start(const struct config *config, struct issuers *issuers, struct store *store,
                                  struct signer *signer, struct error *err);
void publisher_stop(struct publisher *publisher); /* NULL-safe */

/* Says that a revocation of this issuer was committed: its CRL follows within crl.delay_ms. Any thread. */
void publisher_changed(struct publisher *publisher, const struct issuer *issuer);

/* Builds now, and waits until a CRL is out whose building began after the call. 0 or -1. Any thread. */
int publisher_publish(struct publisher *publisher, const struct issuer *issuer, struct error *err);

/* The present CRL, held; NULL: none yet, or no CA key. Release it. Any thread. */
struct publication *publisher_current(struct publisher *publisher, const struct issuer *issuer);
void publication_release(struct publication *publication); /* NULL-safe */

/* Whether every issuer with a key has a CRL that is not past its nextUpdate. Any thread. */
bool publisher_is_ready(struct publisher *publisher, int64_t now);

#endif
