#include "ring.h"

#include <string.h>
#include <sys/eventfd.h>

#define ALIGNED(len) (((len) + 7) & ~(uint64_t)7) /* a record's length never wraps */

void ring_init(struct ring *ring, void *memory, size_t size, int doorbell)
{
    *ring = (struct ring){.shared = memory, .size = size, .doorbell = doorbell};
}

static void copy_in(struct ring *ring, uint64_t at, struct bytes from)
{
    size_t start = at & (ring->size - 1), first = ring->size - start;
    if (first > from.len)
        first = from.len;
    if (first)
        memcpy(ring->shared->octets + start, from.at, first);
    if (from.len > first)
        memcpy(ring->shared->octets, from.at + first, from.len - first);
}

static void copy_out(struct ring *ring, uint64_t at, uint8_t *into, size_t len)
{
    size_t start = at & (ring->size - 1), first = ring->size - start;
    if (first > len)
        first = len;
    memcpy(into, ring->shared->octets + start, first);
    memcpy(into + first, ring->shared->octets, len - first);
}

bool ring_put(struct ring *ring, struct bytes head, struct bytes body)
{
    uint64_t len = head.len + body.len, whole = ALIGNED(sizeof len + len);
    uint64_t used = ring->at - atomic_load_explicit(&ring->shared->taken, memory_order_acquire);
    if (used > ring->size || whole > ring->size - used)
        return false;
    copy_in(ring, ring->at, (struct bytes){(const uint8_t *)&len, sizeof len});
    copy_in(ring, ring->at + sizeof len, head);
    copy_in(ring, ring->at + sizeof len + head.len, body);
    ring->at += whole;
    atomic_store_explicit(&ring->shared->put, ring->at, memory_order_release);
    return true;
}

void ring_notify(struct ring *ring)
{
    atomic_thread_fence(memory_order_seq_cst); /* either we see that it sleeps, or it sees what we put */
    if (atomic_load_explicit(&ring->shared->asleep, memory_order_relaxed) &&
        atomic_exchange(&ring->shared->asleep, 0))
        eventfd_write(ring->doorbell, 1);
}

long ring_take(struct ring *ring, uint8_t *into, size_t room)
{
    uint64_t len, there = atomic_load_explicit(&ring->shared->put, memory_order_acquire) - ring->at;
    if (there == 0)
        return 0;
    if (there > ring->size || there < sizeof len)
        return -1;
    copy_out(ring, ring->at, (uint8_t *)&len, sizeof len);
    if (len == 0 || len > room || ALIGNED(sizeof len + len) > there)
        return -1;
    copy_out(ring, ring->at + sizeof len, into, len);
    ring->at += ALIGNED(sizeof len + len);
    atomic_store_explicit(&ring->shared->taken, ring->at, memory_order_release);
    return (long)len;
}

bool ring_sleep(struct ring *ring)
{
    atomic_store(&ring->shared->asleep, 1);
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&ring->shared->put, memory_order_acquire) == ring->at)
        return true;
    atomic_store(&ring->shared->asleep, 0);
    return false;
}
