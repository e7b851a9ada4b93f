/* Records through shared memory: in order, whole, none lost; and no word of the other side makes us reach outside. */
#include "unit.h"

#include "signer/ring.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

/* Memory of exactly this many octets, with nothing behind it: whatever touches that dies. */
struct guarded {
    uint8_t *whole;
    size_t whole_len;
    uint8_t *at;
};

static struct guarded guarded_make(size_t len)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (len + page - 1) / page * page;
    struct guarded g = {.whole_len = pages + 2 * page};
    g.whole = mmap(NULL, g.whole_len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(g.whole, MAP_FAILED);
    assert_int_equal(mprotect(g.whole + page, pages, PROT_READ | PROT_WRITE), 0);
    g.at = g.whole + page + pages - len;
    return g;
}

static void guarded_free(struct guarded *g)
{
    munmap(g->whole, g->whole_len);
}

/* Both ends of one ring. */
struct both {
    struct guarded memory;
    struct ring put, take;
};

static struct both both_make(size_t size)
{
    struct both b = {.memory = guarded_make(RING_MEMORY(size))};
    int doorbell = eventfd(0, EFD_NONBLOCK);
    assert_true(doorbell >= 0);
    ring_init(&b.put, b.memory.at, size, doorbell);
    ring_init(&b.take, b.memory.at, size, doorbell);
    return b;
}

static void both_free(struct both *b)
{
    close(b->put.doorbell);
    guarded_free(&b->memory);
}

/* Octets that are recognized: nothing from another record or another place passes for them. */
static void fill(uint8_t *octets, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t)(seed * 31 + i * 7 + (i >> 8));
}

static bool put(struct ring *ring, unsigned seed, size_t head_len, size_t len)
{
    uint8_t octets[4096];
    assert_true(len <= sizeof octets);
    fill(octets, len, seed);
    return ring_put(ring, (struct bytes){octets, head_len},
                    (struct bytes){octets + head_len, len - head_len});
}

static void take(struct ring *ring, unsigned seed, size_t len)
{
    uint8_t wanted[4096], octets[4096];
    memset(octets, 0xee, sizeof octets);
    fill(wanted, len, seed);
    assert_int_equal(ring_take(ring, octets, len), len); /* room of exactly its length is enough */
    assert_memory_equal(octets, wanted, len);
    assert_true(len == sizeof octets || octets[len] == 0xee);
}

static void is_empty(struct ring *ring)
{
    uint8_t octet;
    assert_int_equal(ring_take(ring, &octet, 1), 0);
}

/* --- one thread ---------------------------------------------------------------------------------------- */

static void records_come_out_in_order_and_whole(void **state)
{
    (void)state;
    struct both b = both_make(4096);
    is_empty(&b.take);
    for (unsigned round = 0; round < 50; round++) {
        for (unsigned i = 0; i < 10; i++)
            assert_true(put(&b.put, round + i, i, 3 * i + 1));
        for (unsigned i = 0; i < 10; i++)
            take(&b.take, round + i, 3 * i + 1);
        is_empty(&b.take);
    }
    both_free(&b);
}

/* The record begins at every place that it can begin at, and has every length: so its length, its head and its body each
 * end where the memory does, and begin where it does. */
static void records_wrap_around_at_every_place(void **state)
{
    (void)state;
    enum { SIZE = 128 };
    for (size_t start = 0; start < SIZE; start += 8) {
        for (size_t len = 1; len <= SIZE - 8; len++) {
            struct both b = both_make(SIZE);
            b.put.at = b.take.at = start;
            b.put.shared->put = b.put.shared->taken = start;
            for (unsigned round = 0; round < 3; round++) {
                assert_true(put(&b.put, round, len / 3, len));
                take(&b.take, round, len);
                is_empty(&b.take);
            }
            both_free(&b);
        }
    }
}

/* Octets are counted for ever; it is the counters that wrap after 2^64. */
static void counters_may_wrap(void **state)
{
    (void)state;
    struct both b = both_make(256);
    b.put.at = b.take.at = (uint64_t)-64;
    b.put.shared->put = b.put.shared->taken = (uint64_t)-64;
    for (unsigned i = 0; i < 20; i++) {
        assert_true(put(&b.put, i, 8, 40));
        assert_true(put(&b.put, i + 1, 8, 40));
        take(&b.take, i, 40);
        take(&b.take, i + 1, 40);
    }
    both_free(&b);
}

static void a_full_ring_takes_no_more(void **state)
{
    (void)state;
    struct both b = both_make(256);
    unsigned in = 0, out = 0;
    for (unsigned round = 0; round < 100; round++) {
        while (put(&b.put, in, 4, 17)) /* 32 with its length, so eight of them fit */
            in++;
        assert_int_equal(in - out, 8);
        assert_false(put(&b.put, in, 0, 1));
        for (unsigned i = 0; i <= round % 8; i++)
            take(&b.take, out++, 17);
    }
    while (out < in)
        take(&b.take, out++, 17);
    is_empty(&b.take);
    both_free(&b);
}

static void the_largest_record_fills_the_ring(void **state)
{
    (void)state;
    struct both b = both_make(1024);
    for (unsigned i = 0; i < 20; i++) {
        assert_false(put(&b.put, i, 1000, 1024 - 8 + 1));
        assert_true(put(&b.put, i, 1000, 1024 - 8));
        assert_false(put(&b.put, i, 0, 1));
        take(&b.take, i, 1024 - 8);
        assert_true(put(&b.put, i, 0, 1));
        take(&b.take, i, 1);
    }
    both_free(&b);
}

static bool rang(const struct ring *ring)
{
    eventfd_t rings;
    return eventfd_read(ring->doorbell, &rings) == 0;
}

/* It rings for one that sleeps, and for nobody else. */
static void the_doorbell_rings_for_sleepers_only(void **state)
{
    (void)state;
    struct both b = both_make(256);
    assert_true(put(&b.put, 1, 0, 8));
    ring_notify(&b.put);
    assert_false(rang(&b.take));
    assert_false(ring_sleep(&b.take)); /* there is something to take */
    take(&b.take, 1, 8);
    ring_notify(&b.put);
    assert_false(rang(&b.take)); /* who did not go to sleep is not woken */
    assert_true(ring_sleep(&b.take));
    assert_true(put(&b.put, 2, 0, 8));
    ring_notify(&b.put);
    assert_true(rang(&b.take));
    assert_true(put(&b.put, 3, 0, 8));
    ring_notify(&b.put);
    assert_false(rang(&b.take)); /* once */
    take(&b.take, 2, 8);
    take(&b.take, 3, 8);
    both_free(&b);
}

/* --- two threads --------------------------------------------------------------------------------------- */

#define RECORDS 200000u

static size_t record(unsigned number, uint8_t octets[200])
{
    size_t len = 4 + number % 196;
    fill(octets, len, number);
    memcpy(octets, &number, sizeof number);
    return len;
}

static void put_record(struct ring *ring, unsigned number)
{
    uint8_t octets[200];
    size_t len = record(number, octets);
    while (!ring_put(ring, (struct bytes){octets, 4}, (struct bytes){octets + 4, len - 4})) {
        ring_notify(ring); /* it may sleep before a full ring */
        sched_yield();
    }
}

/* In batches of one to five. */
static void *putter(void *arg)
{
    struct ring *ring = arg;
    for (unsigned i = 0; i < RECORDS;) {
        for (unsigned last = i + 1 + i % 5; i < last && i < RECORDS; i++)
            put_record(ring, i);
        ring_notify(ring);
        if (i % 7 == 0) /* let it fall asleep */
            sched_yield();
    }
    return NULL;
}

/* Sleeps where nothing is there. A wake-up that is lost leaves us waiting for ever: poll has a limit, and passing it
 * fails. */
static bool sleep_and_wake(struct ring *ring)
{
    struct pollfd wait = {.fd = ring->doorbell, .events = POLLIN};
    if (!ring_sleep(ring))
        return false;
    assert_int_equal(poll(&wait, 1, 20000), 1);
    assert_true(rang(ring));
    return true;
}

static void nothing_is_lost_between_two_threads(void **state)
{
    (void)state;
    struct both b = both_make(2048);
    pthread_t thread;
    unsigned waits = 0;
    assert_int_equal(pthread_create(&thread, NULL, putter, &b.put), 0);
    for (unsigned next = 0; next < RECORDS;) {
        uint8_t octets[200], wanted[200];
        long len = ring_take(&b.take, octets, sizeof octets);
        if (len == 0) {
            waits += sleep_and_wake(&b.take);
            continue;
        }
        assert_int_equal(len, record(next, wanted));
        assert_memory_equal(octets, wanted, (size_t)len);
        next++;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    is_empty(&b.take);
    assert_true(waits > 0);
    both_free(&b);
}

/* One puts as the other falls asleep, in the same moment: a start for both, then some steps more or less. */
struct race {
    struct ring *ring;
    _Atomic unsigned round;
};

static void dawdle(unsigned steps)
{
    for (volatile unsigned i = 0; i < steps; i++)
        ;
}

static void *put_at_start(void *arg)
{
    struct race *race = arg;
    for (unsigned i = 1; i <= RECORDS; i++) {
        for (unsigned spin = 0; atomic_load(&race->round) != i; spin++)
            if (spin > 1000)
                sched_yield();
        dawdle(i % 32);
        ring_put(race->ring, (struct bytes){(const uint8_t *)&i, sizeof i}, (struct bytes){0});
        ring_notify(race->ring);
    }
    return NULL;
}

static void no_wake_up_is_lost(void **state)
{
    (void)state;
    struct both b = both_make(64);
    struct race race = {.ring = &b.put};
    pthread_t thread;
    unsigned asleep = 0, number;
    assert_int_equal(pthread_create(&thread, NULL, put_at_start, &race), 0);
    for (unsigned i = 1; i <= RECORDS; i++) {
        atomic_store(&race.round, i);
        dawdle(i / 32 % 32);
        long len;
        while ((len = ring_take(&b.take, (uint8_t *)&number, sizeof number)) == 0)
            asleep += sleep_and_wake(&b.take);
        assert_int_equal(len, sizeof number);
        assert_int_equal(number, i);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(asleep > 0);
    both_free(&b);
}

/* --- the other side lies ------------------------------------------------------------------------------- */

static const uint64_t lies[] = {
    0,
    1,
    7,
    8,
    9,
    15,
    16,
    127,
    128,
    129,
    255,
    256,
    257,
    264,
    512,
    1024,
    INT32_MAX,
    UINT32_MAX,
    INT64_MAX,
    1ull << 63,
    (uint64_t)-1,
    (uint64_t)-7,
    (uint64_t)-8,
    (uint64_t)-9,
    (uint64_t)-16,
    (uint64_t)-256,
    (uint64_t)-264,
};

/* Whatever stands in `put` and as a record's length, from wherever we are: we take what lies within and fits, or say that
 * it is nonsense, and touch nothing else. */
static void a_lying_putter_is_found_out(void **state)
{
    (void)state;
    enum { SIZE = 256, ROOM = 100 };
    struct both b = both_make(SIZE);
    struct guarded room = guarded_make(ROOM);
    for (uint64_t at = 0; at <= SIZE; at += 8) {
        for (size_t i = 0; i < COUNT(lies); i++) {
            for (size_t k = 0; k < COUNT(lies); k++) {
                uint64_t len = lies[k];
                struct ring ring = b.take;
                ring.at = at;
                memset(ring.shared->octets, 0xab, SIZE);
                memcpy(ring.shared->octets + at % SIZE, &len, sizeof len);
                ring.shared->put = at + lies[i];
                long taken = ring_take(&ring, room.at, ROOM);
                bool good =
                    lies[i] <= SIZE && len > 0 && len <= ROOM && ((len + 15) & ~(uint64_t)7) <= lies[i];
                assert_int_equal(taken, lies[i] == 0 ? 0 : good ? (long)len : -1);
                assert_int_equal(ring.at, good ? at + ((len + 15) & ~(uint64_t)7) : at);
            }
        }
    }
    guarded_free(&room);
    both_free(&b);
}

static void a_lying_taker_is_found_out(void **state)
{
    (void)state;
    enum { SIZE = 256 };
    struct both b = both_make(SIZE);
    for (uint64_t at = 0; at <= SIZE; at += 8) {
        for (size_t i = 0; i < COUNT(lies); i++) {
            for (size_t len = 1; len <= SIZE + 8; len++) {
                struct ring ring = b.put;
                ring.at = at;
                ring.shared->taken = at - lies[i];
                bool good = lies[i] <= SIZE && ((len + 15) & ~(size_t)7) <= SIZE - lies[i];
                assert_int_equal(put(&ring, 1, len / 2, len), good);
            }
        }
    }
    both_free(&b);
}

#ifndef __SANITIZE_THREAD__ /* two who write at one time are what this is about */
struct scribbler {
    struct ring_shared *shared;
    size_t size;
    _Atomic bool over;
};

/* Writes to everything all the time, as the other side could. */
static void *scribble(void *arg)
{
    struct scribbler *s = arg;
    uint64_t seed = 88172645463325252u;
    while (!atomic_load(&s->over)) {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        uint64_t lie = seed % 3 ? seed % (2 * s->size) : seed;
        atomic_store(&s->shared->put, lie);
        atomic_store(&s->shared->taken, lie / 2);
        atomic_store(&s->shared->asleep, (uint32_t)lie & 1);
        for (size_t i = 0; i < s->size; i += 8) /* each a length that could be meant */
            __atomic_store_n((uint64_t *)(void *)(s->shared->octets + i), lie % 300, __ATOMIC_RELAXED);
    }
    return NULL;
}

static void scribbling_meanwhile_reaches_nothing_else(void **state)
{
    (void)state;
    enum { SIZE = 512, ROOM = 200 };
    struct both b = both_make(SIZE);
    struct guarded room = guarded_make(ROOM);
    struct scribbler s = {.shared = b.put.shared, .size = SIZE};
    pthread_t thread;
    unsigned outcomes[3] = {0};
    assert_int_equal(pthread_create(&thread, NULL, scribble, &s), 0);
    for (unsigned i = 0; i < 2000000; i++) {
        long len = ring_take(&b.take, room.at, ROOM);
        assert_true(len >= -1 && len <= ROOM);
        outcomes[len < 0 ? 0 : len == 0 ? 1 : 2]++;
        if (len < 0) /* as one who does not hang up */
            b.take.at = (b.take.at + 8) % (4 * SIZE);
        put(&b.put, i, 8, 8 + i % 64);
        ring_notify(&b.put);
        ring_sleep(&b.take);
    }
    atomic_store(&s.over, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(outcomes[0] > 0 && outcomes[2] > 0);
    guarded_free(&room);
    both_free(&b);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_in_order_and_whole),
        cmocka_unit_test(records_wrap_around_at_every_place),
        cmocka_unit_test(counters_may_wrap),
        cmocka_unit_test(a_full_ring_takes_no_more),
        cmocka_unit_test(the_largest_record_fills_the_ring),
        cmocka_unit_test(the_doorbell_rings_for_sleepers_only),
        cmocka_unit_test(nothing_is_lost_between_two_threads),
        cmocka_unit_test(no_wake_up_is_lost),
        cmocka_unit_test(a_lying_putter_is_found_out),
        cmocka_unit_test(a_lying_taker_is_found_out),
#ifndef __SANITIZE_THREAD__
        cmocka_unit_test(scribbling_meanwhile_reaches_nothing_else),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
