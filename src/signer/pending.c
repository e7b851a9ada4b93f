#include "pending.h"

#include <annul/clock.h>

void pending_init(struct pending *pending)
{
    pthread_mutex_init(&pending->mutex, NULL);
    for (unsigned i = 0; i < PENDING_MAX; i++)
        pending->slots[i].next_free = i + 1;
}

void pending_destroy(struct pending *pending)
{
    pthread_mutex_destroy(&pending->mutex);
}

uint64_t pending_begin(struct pending *pending, signer_done *done, void *arg, int64_t timeout_ms)
{
    uint64_t id = 0;
    pthread_mutex_lock(&pending->mutex);
    unsigned index = pending->free_head;
    if (index < PENDING_MAX) {
        struct pending_slot *slot = &pending->slots[index];
        pending->free_head = slot->next_free;
        pending->next_id += PENDING_MAX; /* the low digits name the slot, the rest tell its uses apart */
        id = pending->next_id + index;
        *slot = (struct pending_slot){id, done, arg, clock_monotonic_ms() + timeout_ms, 0};
    }
    pthread_mutex_unlock(&pending->mutex);
    return id;
}

/* Frees the slot. False where the request has ended already. */
static bool take_out(struct pending *pending, uint64_t id, struct pending_slot *ended)
{
    unsigned index = (unsigned)(id % PENDING_MAX);
    pthread_mutex_lock(&pending->mutex);
    struct pending_slot *slot = &pending->slots[index];
    bool found = id && slot->id == id;
    if (found) {
        *ended = *slot;
        slot->id = 0;
        slot->next_free = pending->free_head;
        pending->free_head = index;
    }
    pthread_mutex_unlock(&pending->mutex);
    return found;
}

void pending_cancel(struct pending *pending, uint64_t id)
{
    struct pending_slot ended;
    take_out(pending, id, &ended);
}

void pending_end(struct pending *pending, uint64_t id, struct bytes signature, const char *failure)
{
    struct pending_slot ended;
    if (take_out(pending, id, &ended)) /* outside the lock, because `done` may begin another */
        ended.done(ended.arg, signature, failure);
}

void pending_fail_until(struct pending *pending, int64_t now_ms, const char *failure)
{
    for (unsigned i = 0; i < PENDING_MAX; i++) {
        pthread_mutex_lock(&pending->mutex);
        uint64_t id = pending->slots[i].deadline_ms <= now_ms ? pending->slots[i].id : 0;
        pthread_mutex_unlock(&pending->mutex);
        if (id)
            pending_end(pending, id, (struct bytes){0}, failure);
    }
}
