/* A ring whose memory the other side has filled: what is taken lies within it, octet for octet, and neither taking nor
 * putting touches anything else. The input: where we are, then the memory. */
#include "fuzz.h"

#include "../../src/signer/ring.h"

#define SIZE 256
#define ROOM 96

/* What must come out where a record of `len` octets begins at `at`. */
static void check_taken(const struct ring_shared *shared, uint64_t at, const uint8_t *taken, size_t len)
{
    for (size_t i = 0; i < len; i++)
        CHECK(taken[i] == shared->octets[(at + 8 + i) % SIZE]);
}

static void take_all(struct ring *ring, uint8_t *room)
{
    for (;;) {
        uint64_t at = ring->at, put = ring->shared->put;
        long len = ring_take(ring, room, ROOM);
        CHECK(len >= -1 && len <= ROOM);
        if (len <= 0) {
            CHECK(ring->at == at && (len < 0 || put == at));
            return;
        }
        CHECK(ring->at % 8 == 0 && ring->at - at >= 8 + (uint64_t)len && put - ring->at <= put - at);
        CHECK(ring->shared->taken == ring->at);
        check_taken(ring->shared, at, room, (size_t)len);
    }
}

static void put_all(struct ring *ring, const uint8_t *octets)
{
    for (size_t len = 1; len <= ROOM; len += 13) {
        uint64_t at = ring->at, used = at - ring->shared->taken;
        bool fits = used <= SIZE && ((len + 15) & ~(size_t)7) <= SIZE - used;
        CHECK(ring_put(ring, (struct bytes){octets, len / 2},
                       (struct bytes){octets + len / 2, len - len / 2}) == fits);
        if (fits)
            check_taken(ring->shared, at, octets, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t at, put, taken;
    if (size < 3 * sizeof at)
        return 0;
    memcpy(&at, data, sizeof at);
    memcpy(&put, data + 8, sizeof put);
    memcpy(&taken, data + 16, sizeof taken);
    at &= ~(uint64_t)7; /* our own place is always one where a record begins */
    struct ring_shared *shared =
        aligned_alloc(64, RING_MEMORY(SIZE)); /* with redzones behind it and before */
    uint8_t *room = malloc(ROOM);
    CHECK(shared && room);
    memset(shared, 0, RING_MEMORY(SIZE));
    memcpy(shared->octets, data + 24, size - 24 < SIZE ? size - 24 : SIZE);
    struct ring ring;
    ring_init(&ring, shared, SIZE, -1);
    ring.at = at;
    shared->put = put;
    take_all(&ring, room);
    ring.at = at;
    shared->taken = taken;
    memset(room, 0x5a, ROOM);
    put_all(&ring, room);
    free(room);
    free(shared);
    return 0;
}
