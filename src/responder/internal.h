/* Shared by the files of this folder: a question on its way to an answer. */
#ifndef ANNUL_RESPONDER_INTERNAL_H
#define ANNUL_RESPONDER_INTERNAL_H

#include "cache.h"

#define NOT_LISTED (-1) /* for the version of a row that is not there */
#define NOT_READ (-2)   /* of one that was not looked at yet */

/* What has happened so far; they may be a moment apart. */
struct responder_counters {
    _Atomic uint64_t given_again, signed_anew, errors[OCSP_STATUSES];
};
static inline void count_up(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

struct responder {
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    struct cache *cache;
    int64_t (*now)(void);
    struct ocsp_answer *errors[OCSP_STATUSES]; /* by status */
    struct responder_counters counters;
};

/* What is asked, and who would answer how. */
struct question {
    struct ocsp_request request;
    size_t len; /* octets of it */
    int64_t now;
    const struct issuer *issuer;
    const struct ocsp_signer *signer;
    const struct sigalg *sigalg;
    struct bytes key; /* what the answer is kept by, within `key_octets`; empty: it is for one client */
    uint8_t key_octets[CACHE_KEY_MAX];
};

/* --- what is said (truth.c) ---------------------------------------------------------------------------- */

/* Fills in a ResponseData from the database. `version` is that of the last row; it matters where there is one. */
enum ocsp_status truth_tell(struct responder *responder, const struct question *q,
                            struct ocsp_response_data *data, int64_t *version);

/* --- making it (job.c) --------------------------------------------------------------------------------- */

struct ocsp_answer *answer_new(size_t room); /* NULL when out of memory */

/* What becomes an answer when it is signed. */
enum ocsp_status job_prepare(struct responder *responder, const struct question *q,
                             struct responder_job **job);

/* For a job whose key was taken off in the cache already (see cache.h). */
void job_is_in_flight(struct responder_job *job);

/* Tells those who wait in the cache. */
void waiters_tell(struct cache_waiter *waiters, struct ocsp_answer *answer);

#endif
