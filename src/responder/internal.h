/* Shared by the files of this folder: a question on its way to an answer. */
#ifndef ANNUL_RESPONDER_INTERNAL_H
#define ANNUL_RESPONDER_INTERNAL_H

#include "cache.h"

#include <annul/presigned.h>

#define NOT_LISTED (-1) /* for the version of a row that is not there */
#define NOT_READ (-2)   /* of one that was not looked at yet */

/* What has happened so far; they may be a moment apart. */
struct responder_counters {
    _Atomic uint64_t given_again, given_presigned, given_shared, signed_anew, signed_ahead,
        errors[OCSP_STATUSES];
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
    struct presigner *presigner; /* NULL: nothing is signed ahead */
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
    bool presign; /* one such as is signed ahead: see presign.c … */
    bool ahead;   /* … and nobody has asked yet */
};

/* Given again for three quarters of its life, so that whoever gets it can use it for a while; signed anew from half of
 * it on. */
enum age { AGE_YOUNG, AGE_RENEW, AGE_OVER };
static inline enum age age_of(int64_t now, int64_t this_update, int64_t next_update)
{
    int64_t age_s = now - this_update, life_s = next_update - this_update;
    if (age_s < 0 || age_s >= life_s / 4 * 3)
        return AGE_OVER;
    return age_s >= life_s / 2 ? AGE_RENEW : AGE_YOUNG;
}

/* What was signed ahead is signed anew a while later, so that those that come of age one after the other are done in
 * one go. */
static inline int64_t renew_at(int64_t this_update, int64_t next_update)
{
    int64_t life_s = next_update - this_update;
    return this_update + life_s / 2 + life_s / 32;
}

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

/* Tells those who wait in the cache, and counts them. */
void waiters_tell(struct responder *responder, struct cache_waiter *waiters, struct ocsp_answer *answer);

/* --- what was signed ahead (presign.c) ----------------------------------------------------------------- */

/* Whether answers to such questions are signed ahead. */
bool presign_concerns(const struct question *q);

/* The question that is asked ahead; false where nobody can answer it now. `room` holds its CertID. */
bool presign_question(const struct issuer *issuer, enum certid_hash hash, const struct serial *serial,
                      int64_t now, uint8_t room[CERTID_DER_MAX], struct question *q);

/* An answer from the file that is true and not too old, with its stamp; NULL: none. */
struct ocsp_answer *presign_find(struct responder *responder, const struct question *q,
                                 struct cache_stamp *stamp);

/* When the answer in the file is to be signed anew; INT64_MIN: there is none that holds. */
int64_t presign_due(struct responder *responder, const struct question *q);

/* --- signing ahead (presigner.c) ----------------------------------------------------------------------- */

/* Has a signed answer written to the file, soon and if possible. The octets are copied. Any thread. */
void presigner_keep(struct presigner *presigner, const struct presigned_entry *entry);

struct presigned *presigner_file(struct presigner *presigner);
void presigner_free(struct presigner *presigner); /* NULL-safe; after signer_stop */

#endif
