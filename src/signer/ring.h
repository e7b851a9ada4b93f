/* Records from one process to another through memory that both share, in one direction.
 *
 * A system call is made only to wake the other side when it sleeps, so that under load a batch costs none. Neither
 * side trusts the other: each keeps its own place for itself, bounds what the other says of its own, and copies a
 * record out before it looks at it, because the other may write to the memory at any time.
 *
 * One thread at a time puts, one at a time takes.
 */
#ifndef ANNUL_SIGNER_RING_H
#define ANNUL_SIGNER_RING_H

#include <annul/bytes.h>

#include <stdatomic.h>

/* What stands in the shared memory; what each side writes has a cache line of its own. */
struct ring_shared {
    _Alignas(64) _Atomic uint64_t put;   /* octets ever put */
    _Alignas(64) _Atomic uint64_t taken; /* octets ever taken */
    _Alignas(64) _Atomic uint32_t asleep;
    _Alignas(64) uint8_t octets[];
};

#define RING_MEMORY(size) (sizeof(struct ring_shared) + (size))

struct ring {
    struct ring_shared *shared;
    size_t size;  /* of `octets`: a power of two */
    uint64_t at;  /* our own place: `put` or `taken` */
    int doorbell; /* eventfd that the taking side waits on */
};

/* `memory` is RING_MEMORY(size) of zeros, aligned to a page. */
void ring_init(struct ring *ring, void *memory, size_t size, int doorbell);

/* One record of two parts. False where there is no room, or the other side says nonsense. */
bool ring_put(struct ring *ring, struct bytes head, struct bytes body);

/* After one or more records: wakes the other side where it sleeps. */
void ring_notify(struct ring *ring);

/* The next record's length, its octets copied; 0: none is there; -1: the other side says nonsense. */
long ring_take(struct ring *ring, uint8_t *into, size_t room);

/* Before waiting on the doorbell: false where there is something to take, then do not wait. */
bool ring_sleep(struct ring *ring);

#endif
