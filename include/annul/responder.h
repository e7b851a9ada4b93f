/* OCSP: request octets in, response octets out.
 *
 * An answer is made in two steps, so that whoever serves a connection can put it to sleep in between:
 * responder_begin parses, looks up and either has the answer at once (every error) or gives a job;
 * responder_sign hands the job to the signer and calls back.  Any thread.
 */
#ifndef ANNUL_RESPONDER_H
#define ANNUL_RESPONDER_H

#include <annul/issuer.h>
#include <annul/ocsp.h>
#include <annul/signer.h>
#include <annul/store.h>

struct responder;
struct responder_job;

/* `now` gives Unix seconds; production passes clock_now. NULL when out of memory. Keeps the pointers. */
struct responder *responder_new(struct issuers *issuers, struct store *store, struct signer *signer,
                                int64_t (*now)(void));
void responder_free(struct responder *responder); /* NULL-safe; no job may be under way */

struct ocsp_answer {
    enum ocsp_status status;
    bool has_nonce;                   /* such an answer is for one client: nothing may cache it */
    int64_t this_update, next_update; /* where status is OCSP_SUCCESSFUL */
    size_t len;
    uint8_t der[];
};

/* The answer, or NULL and a job for responder_sign. The request's octets are not needed afterwards.
 * NULL for both where memory is out. The caller frees the answer with free(). */
struct ocsp_answer *responder_begin(struct responder *responder, struct bytes request,
                                    struct responder_job **job);

/* `answer` is never NULL, and becomes the callee's, who frees it with free(). */
typedef void responder_done(void *arg, struct ocsp_answer *answer);

/* Calls `done` exactly once: in the signer's thread, or at once in this one where the signer is down
 * (tryLater). The job is gone with the call. */
void responder_sign(struct responder_job *job, responder_done *done, void *arg);

#endif
