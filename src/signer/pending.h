/* Requests that are under way to the signer, each of which ends exactly once. Any thread. */
#ifndef ANNUL_SIGNER_PENDING_H
#define ANNUL_SIGNER_PENDING_H

#include <annul/signer.h>

#include <pthread.h>

#define PENDING_MAX 4096 /* beyond it the caller hears "no" at once */

struct pending {
    pthread_mutex_t mutex;
    uint64_t next_id;
    unsigned free_head; /* PENDING_MAX: none */
    struct pending_slot {
        uint64_t id; /* 0: free */
        signer_done *done;
        void *arg;
        int64_t deadline_ms, began_us;
        enum signature_kind kind;
        unsigned next_free;
    } slots[PENDING_MAX];
    unsigned count;                                                  /* under way */
    _Atomic uint64_t made[SIGNATURE_KINDS], failed[SIGNATURE_KINDS]; /* of those that ended */
    struct histogram took[SIGNATURE_KINDS];                          /* those that were made */
};

void pending_init(struct pending *pending);
void pending_destroy(struct pending *pending);

/* The id under which the request ends; 0: too many are under way. */
uint64_t pending_begin(struct pending *pending, enum signature_kind kind, signer_done *done, void *arg,
                       int64_t timeout_ms);

/* It was not sent after all: `done` is not called. */
void pending_cancel(struct pending *pending, uint64_t id);

/* Ends it with a signature, or without and with the reason. Nothing where it has ended already. */
void pending_end(struct pending *pending, uint64_t id, struct bytes signature, const char *failure);

unsigned pending_count(struct pending *pending); /* that are under way */

/* Fails those whose deadline is at or before `now_ms`. */
void pending_fail_until(struct pending *pending, int64_t now_ms, const char *failure);

#endif
