/* OCSP: request octets in, response octets out.
 *
 * An answer is made in two steps, so that whoever serves a connection can put it to sleep in between:
 * responder_begin parses, looks up and either has the answer at once (every error) or gives a job;
 * responder_sign hands the job to the signer and calls back.  Any thread.
 *
 * Answers about one certificate, without nonce, are kept and given again for as long as the row that they
 * speak of has not changed: whoever asks after a revocation was acknowledged never gets an answer from before
 * it.
 *
 * For issuers that are configured so, every registered certificate's answer is signed ahead, and kept in a file: a
 * restart, or a slow key, then means no storm of signatures. They are given by the same rules.
 */
#ifndef ANNUL_RESPONDER_H
#define ANNUL_RESPONDER_H

#include <annul/issuer.h>
#include <annul/ocsp.h>
#include <annul/signer.h>
#include <annul/store.h>

#include <stdatomic.h>

struct responder;
struct responder_job;

/* `now` gives Unix seconds; production passes clock_now. `cache_octets` bounds what is kept of signed
 * answers. NULL when out of memory. Keeps the pointers. */
struct responder *responder_new(struct issuers *issuers, struct store *store, struct signer *signer,
                                size_t cache_octets, int64_t (*now)(void));
void responder_free(struct responder *responder); /* NULL-safe; after signer_stop: no job may be under way */

/* First member of what the edge prepares, so that it goes with the answer. */
struct ocsp_prepared {
    void (*free)(struct ocsp_prepared *prepared);
};

/* An answer may be given to many at once: it is read-only, and goes when the last holder releases it. */
struct ocsp_answer {
    atomic_int holders;
    enum ocsp_status status;
    bool has_nonce;                           /* such an answer is for one client: nothing may cache it */
    int64_t this_update, next_update;         /* where status is OCSP_SUCCESSFUL */
    _Atomic(struct ocsp_prepared *) prepared; /* what the HTTP edge made of it, once */
    size_t size;                              /* octets of memory, all in all */
    size_t len;
    uint8_t *der; /* within `room` */
    uint8_t room[];
};
void ocsp_answer_hold(struct ocsp_answer *answer);
void ocsp_answer_release(struct ocsp_answer *answer); /* NULL-safe */

/* The answer, held for the caller, or NULL and a job for responder_sign. The request's octets are not needed
 * afterwards. */
struct ocsp_answer *responder_begin(struct responder *responder, struct bytes request,
                                    struct responder_job **job);

/* Lets go of a job that nobody wants signed any more. */
void responder_drop(struct responder_job *job);

/* `answer` is never NULL; the callee holds it and releases it. */
typedef void responder_done(void *arg, struct ocsp_answer *answer);

/* Calls `done` exactly once: in the signer's thread, or at once in this one where the signer is down
 * (tryLater). The job is gone with the call. */
void responder_sign(struct responder_job *job, responder_done *done, void *arg);

/* --- signing ahead ------------------------------------------------------------------------------------- */

/* Whether the configured file will do, where an issuer wants one. 0, or -1 with file, line and remedy. */
int responder_presign_check(const struct config *config, struct error *err);

/* Starts it where an issuer wants it, with the configured file. Before the first request. The same. */
int responder_presign(struct responder *responder, const struct config *config, struct error *err);

/* Ends it, before signer_halt; what is signed is on disk then. */
void responder_presign_stop(struct responder *responder);

/* How far it is with an issuer. False where nothing is signed ahead for it. Any thread. */
struct presign_progress {
    int64_t entries; /* answers on disk that held when it last was through … */
    int64_t at;      /* … which was then; TIME_NONE: not yet */
};
bool responder_presign_progress(const struct responder *responder, const struct issuer *issuer,
                                struct presign_progress *progress);

/* Since the start, for metrics. Any thread. */
struct responder_counts {
    uint64_t given_again;     /* successful answers: from the cache, */
    uint64_t given_presigned; /* from the file of those that were signed ahead, */
    uint64_t given_shared;    /* with the signature that another was just waiting for, */
    uint64_t signed_anew;     /* and with a signature of their own */
    uint64_t signed_ahead;    /* signatures for the file */
    uint64_t errors[OCSP_STATUSES];
    size_t cache_octets; /* at present */
};
void responder_count(struct responder *responder, struct responder_counts *counts);

#endif
