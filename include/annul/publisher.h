/* When and which CRL: builds the CRLs of each issuer whose key we have, after changes and by schedule, and keeps those
 * that were made elsewhere.
 *
 * An issuer has one CRL of everything, perhaps with deltas, and perhaps shards. Two threads build; one of them takes
 * short lists only, so that these never wait for a long one. Entries stream from the store, or from the CRL before with
 * what has changed since, through a spool file to the signer and into two immutable files,
 * `DIRECTORY/ISSUER[/delta|/SHARD]/NUMBER.crl` and `.pem`; memory does not grow with the list. A number is taken in the
 * store before anyone can see it.
 */
#ifndef ANNUL_PUBLISHER_H
#define ANNUL_PUBLISHER_H

#include <annul/crl.h>
#include <annul/histogram.h>
#include <annul/issuer.h>
#include <annul/signer.h>
#include <annul/store.h>

struct publisher;

/* A published CRL. Its files stay readable for as long as it is held, also when a newer one has come. */
struct publication {
    struct crl_part part;
    int64_t number; /* of the files; see crl_number */
    int64_t this_update, next_update, entries;
    int64_t base; /* of a delta: its base's number */
    char crl_number[CRL_NUMBER_TEXT];
    int64_t
        published_at; /* when it was first served; later than that of the one before, if need be in the future */
    char etag[2 * 32 + 1]; /* SHA-256 of the DER, hex */
    int der_fd, pem_fd;    /* read with pread only */
    uint64_t der_len, pem_len;
};

/* 0 where the folder is there (or can be made) and writable; for `annuld -t`. */
int publisher_check(const struct config *config, struct error *err);

/* Takes up what was published before, after comparing it with its digest, and starts the threads. What is
 * missing or due is built at once, in a thread. NULL with the reason. Keeps the pointers. */
struct publisher *publisher_start(const struct config *config, struct issuers *issuers, struct store *store,
                                  struct signer *signer, struct error *err);

/* Builds nothing more, and tells everybody who waits for a build so. NULL-safe. */
void publisher_halt(struct publisher *publisher);

/* The same, and ends the threads; a build under way waits for the signer (signer_halt ends that). NULL-safe. */
void publisher_stop(struct publisher *publisher);

/* Says that a revocation of this issuer was committed: the CRLs that it changes follow within crl.delay_ms. Any thread. */
void publisher_changed(struct publisher *publisher, const struct issuer *issuer);

/* Builds all CRLs of an issuer now. `done` is called once, when they are out and their building began after the call
 * (`failure` is NULL), or when that could not be, or took longer than PUBLISHER_WAIT_S, and may still come: in a thread of the
 * publisher, or at once in this one. It must not block. Any thread. */
#define PUBLISHER_WAIT_S 60
typedef void publisher_done(void *arg, const char *failure);
void publisher_publish(struct publisher *publisher, const struct issuer *issuer, publisher_done *done,
                       void *arg);

/* A CRL that was made elsewhere, for an issuer without CA key here (else -1). It has been verified, and may follow the
 * present one; its entries are in the store. The octets [offset, offset + facts->len) of `fd` are its DER, and
 * facts->digest theirs. Published when this returns 0. One call at a time for an issuer; any thread. */
int publisher_take(struct publisher *publisher, const struct issuer *issuer, int fd, uint64_t offset,
                   const struct crl_facts *facts, struct error *err);

/* The present CRL, held; NULL: none yet, or there is no such part. Release it. Any thread. */
struct publication *publisher_current(struct publisher *publisher, const struct issuer *issuer,
                                      struct crl_part part);
void publication_release(struct publication *publication); /* NULL-safe */

/* A crl_read of its DER; several may read at once. `arg` is one of these. */
struct publication_reader {
    const struct publication *publication;
    uint64_t at;
};
crl_read publication_read;

/* `news` is called after each publication, in a thread of the publisher; it must not block, nor call back but for
 * publisher_current. One listener; set it before anything is published that matters to it, NULL before it goes (then no
 * call is under way any more). Any thread. */
typedef void publisher_news(void *arg, const struct issuer *issuer, struct crl_part part);
void publisher_listen(struct publisher *publisher, publisher_news *news, void *arg);

/* What an operator should see to, each with the CRL that it is about: a CRL that was not renewed when it should have
 * been, long before it ends; one of an outside CA near its end; a long list without shards; a CA whose issuer publishes no
 * CRL here. `text` is for a person. Any thread. */
enum publisher_warning {
    WARN_OVERDUE,  /* of our own: not renewed in time, or it has none */
    WARN_ENDS,     /* from elsewhere: less than a quarter of its life, or a day, is left */
    WARN_LONG,     /* more than PUBLISHER_LONG entries in one list that brokers read */
    WARN_CHAIN,    /* a CA above it has no CRL here: those who check a whole chain refuse it */
    WARN_UNLISTED, /* from elsewhere: a status has changed here since its CA's last CRL came */
};
#define PUBLISHER_LONG 10000
typedef void publisher_each_warning(void *arg, enum publisher_warning warning, const struct issuer *issuer,
                                    struct crl_part part, const char *text);
void publisher_warnings(struct publisher *publisher, int64_t now, publisher_each_warning *each, void *arg);

/* CRLs that were built here since the start, and how often that failed, for metrics. Any thread. */
struct publisher_counts {
    uint64_t made, failed;
    struct histogram_sums took; /* those that were made */
};
void publisher_count(struct publisher *publisher, struct publisher_counts *counts);

/* Whether every issuer has all CRLs that it should, and none is past its nextUpdate. Any thread. */
bool publisher_is_ready(struct publisher *publisher, int64_t now);

#endif
