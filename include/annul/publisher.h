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
    int64_t
        published_at; /* when it was first served; later than that of the one before, if need be in the future */
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

/* Builds nothing more, and tells everybody who waits for a build so. NULL-safe. */
void publisher_halt(struct publisher *publisher);

/* The same, and ends the thread; a build under way waits for the signer (signer_halt ends that). NULL-safe. */
void publisher_stop(struct publisher *publisher);

/* Says that a revocation of this issuer was committed: its CRL follows within crl.delay_ms. Any thread. */
void publisher_changed(struct publisher *publisher, const struct issuer *issuer);

/* Builds now. `done` is called once, when a CRL is out whose building began after the call (`failure` is NULL), or
 * when that could not be: in the publisher's thread, or at once in this one. It must not block. Any thread. */
typedef void publisher_done(void *arg, const char *failure);
void publisher_publish(struct publisher *publisher, const struct issuer *issuer, publisher_done *done,
                       void *arg);

/* The present CRL, held; NULL: none yet, or no CA key. Release it. Any thread. */
struct publication *publisher_current(struct publisher *publisher, const struct issuer *issuer);
void publication_release(struct publication *publication); /* NULL-safe */

/* Whether every issuer with a key has a CRL that is not past its nextUpdate. Any thread. */
bool publisher_is_ready(struct publisher *publisher, int64_t now);

#endif
