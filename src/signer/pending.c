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

uint64_t pending_begin(struct pending *pending, enum signature_kind kind, signer_done *done, void *arg,
                       int64_t timeout_ms)
{
    uint64_t id = 0;
    pthread_mutex_lock(&pending->mutex);
    unsigned index = pending->free_head;
    if (index < PENDING_MAX) {
        struct pending_slot *slot = &pending->slots[index];
        pending->free_head = slot->next_free;
        pending->next_id += PENDING_MAX; /* the low digits name the slot, the rest tell its uses apart */
        id = pending->next_id + index;
        int64_t now_us = clock_monotonic_us();
        *slot = (struct pending_slot){.id = id,
                                      .done = done,
                                      .arg = arg,
                                      .deadline_ms = now_us / 1000 + timeout_ms,
                                      .began_us = now_us,
                                      .kind = kind};
        pending->count++;
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
        pending->count--;
    }
    pthread_mutex_unlock(&pending->mutex);
    return found;
}

void pending_cancel(struct pending *pending, uint64_t id)
{
    struct pending_slot ended;
    take_out(pending, id, &ended);
}

unsigned pending_count(struct pending *pending)
{
    pthread_mutex_lock(&pending->mutex);
    unsigned count = pending->count;
    pthread_mutex_unlock(&pending->mutex);
    return count;
}

static void note_end(struct pending *pending, const struct pending_slot *ended, bool made)
{
    atomic_fetch_add_explicit(made ? &pending->made[ended->kind] : &pending->failed[ended->kind], 1,
                              memory_order_relaxed);
    if (made)
        histogram_add(&pending->took[ended->kind], &histogram_times,
                      (uint64_t)(clock_monotonic_us() - ended->began_us));
}

void pending_end(struct pending *pending, uint64_t id, struct bytes signature, const char *failure)
{
    struct pending_slot ended;
    if (!take_out(pending, id, &ended))
        return;
    note_end(pending, &ended, signature.len != 0);
    ended.done(ended.arg, signature, failure); /* outside the lock, because it may begin another */
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
