/* The entries of a CRL, made from the one before and from all rows: always the same octets. With a real store. */
#include "unit.h"

#include "publisher/build.c" /* what it does before anything is signed is not seen outside */

#include <sys/mman.h>

#define NOW 1763715600 /* 2026-11-21T09:00:00Z */
#define SHARDS 4
#define POOL_MAX 6000

static const struct store_actor actor = {"unit", "test", NOW};
static const uint8_t fingerprint[32] = {1};

static struct fixture {
    char *folder;
    struct store *store;
    struct config_issuer config;
    struct issuer issuer;
    struct serial pool[POOL_MAX];
    bool listed[POOL_MAX], named[POOL_MAX]; /* on the list; its certificate has named the shard */
    int shard[POOL_MAX];
    size_t count;
    struct error err;
} f;

/* xorshift64: the same sequences every time. */
static uint64_t state = 88172645463325252;

static uint64_t chance(uint64_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state % below;
}

static int shard_of(const void *arg, const struct serial *serial)
{
    (void)arg;
    return serial->octets[serial->len - 1] % SHARDS;
}

/* In memory where that is possible: nobody pulls the plug here. */
static int fixture_make(void **unused)
{
    char path[256];
    (void)unused;
    memset(&f, 0, sizeof f);
    if (!getenv("TMPDIR") && access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 1);
    f.folder = folder_make();
    snprintf(path, sizeof path, "%s/annul.db", f.folder);
    f.store = store_open(path, &f.err);
    f.issuer.config = &f.config;
    if (!f.store || store_issuer(f.store, "one", fingerprint, &f.issuer.id, &f.err) < 0)
        return -1;
    return store_reshard(f.store, f.issuer.id, SHARDS, shard_of, NULL, &f.err);
}

static int fixture_free(void **unused)
{
    (void)unused;
    store_close(f.store);
    folder_remove(f.folder);
    return 0;
}

/* --- certificates and what becomes of them ------------------------------------------------------------- */

/* From 1 to 20 octets, the first bit often set, as far as RFC 5280 allows it. */
static struct serial any_serial(void)
{
    struct serial serial = {.len = (uint8_t)(1 + chance(SERIAL_MAX))};
    for (size_t i = 0; i < serial.len; i++)
        serial.octets[i] = (uint8_t)chance(256);
    serial.octets[0] |= chance(2) ? 0x80 : 1;
    if (serial.len == SERIAL_MAX)
        serial.octets[0] = serial.octets[0] & 0x7f ? serial.octets[0] & 0x7f : 1;
    return serial;
}

static struct store_tx *begin(void)
{
    struct store_tx *tx = store_begin(f.store, &actor, &f.err);
    assert_non_null(tx);
    return tx;
}

static struct cert_record named(const struct serial *serial, int shard)
{
    return (struct cert_record){.serial = *serial,
                                .not_before = TIME_NONE,
                                .not_after = TIME_NONE,
                                .shard = (unsigned)(shard + 1),
                                .invalidity_at = TIME_NONE};
}

/* ABSENT: it is new. */
static enum outcome enter(struct store_tx *tx, const struct serial *serial)
{
    struct cert_record record = named(serial, CRL_WHOLE);
    return store_tx_register(tx, f.issuer.id, &record, &f.err);
}

static void fill_pool(size_t count)
{
    struct store_tx *tx = begin();
    while (f.count < count) {
        struct serial *serial = &f.pool[f.count];
        *serial = any_serial();
        f.shard[f.count] = shard_of(NULL, serial);
        f.count += enter(tx, serial) == ABSENT; /* else it came twice */
    }
    assert_int_equal(store_commit(tx, &f.err), 0);
}

/* The certificate of a serial that was known alone: it goes to another shard, perhaps. */
static void name_one(struct store_tx *tx)
{
    size_t n = chance(f.count);
    if (f.named[n])
        return;
    f.named[n] = true;
    f.shard[n] = (int)chance(SHARDS);
    struct cert_record record = named(&f.pool[n], f.shard[n]);
    assert_int_equal(store_tx_set_facts(tx, f.issuer.id, &record, &f.err), 0);
}

static void change_one(struct store_tx *tx)
{
    static const int reasons[] = {REASON_UNSPECIFIED, REASON_KEY_COMPROMISE, REASON_SUPERSEDED};
    size_t n = chance(f.count);
    struct cert_record record;
    assert_int_equal(store_tx_certificate(tx, f.issuer.id, &f.pool[n], &record, &f.err), FOUND);
    record.shard = (unsigned)(f.shard[n] + 1);
    record.status = (enum cert_status)chance(3);
    record.reason = record.status == CERT_HOLD ? REASON_CERTIFICATE_HOLD : reasons[chance(COUNT(reasons))];
    record.revoked_at = NOW - (int64_t)chance(1000000000);
    record.invalidity_at = chance(2) ? TIME_NONE : NOW - (int64_t)chance(1000000000);
    assert_int_equal(store_tx_set_status(tx, f.issuer.id, CERT_GOOD, &record, &f.err), 0);
    f.listed[n] = record.status != CERT_GOOD;
    cert_record_free(&record);
}

static void change_some(size_t count)
{
    struct store_tx *tx = begin();
    while (count--)
        change_one(tx);
    if (chance(8) == 0)
        name_one(tx);
    assert_int_equal(store_commit(tx, &f.err), 0);
}

static int64_t listed(int shard)
{
    int64_t count = 0;
    for (size_t n = 0; n < f.count; n++)
        count += f.listed[n] && (shard == CRL_WHOLE || f.shard[n] == shard);
    return count;
}

/* --- lists --------------------------------------------------------------------------------------------- */

/* The entries of a list, in a file that the next one may go on from. */
static int make(int shard, struct held_publication *before, struct held_publication *made)
{
    static struct build build;
    struct crl_order order = {.issuer = &f.issuer,
                              .part = {shard, false},
                              .folder = f.folder,
                              .before = before,
                              .splice = before != NULL};
    build = (struct build){.order = &order, .key = {f.issuer.id, shard, false}};
    assert_int_equal(spool_open(&build.spool, f.folder, 100, &f.err), 0);
    int result = add_entries(&build, f.store, &f.err);
    *made = (struct held_publication){.publication.der_fd = build.spool.fd,
                                      .crl = build.crl,
                                      .entries_at = build.spool.entries_at,
                                      .entries_len = build.spool.end - build.spool.entries_at};
    made->crl.entries = build.spool.entries;
    if (result < 0)
        spool_close(&build.spool);
    return result;
}

static void assert_same(const struct held_publication *a, const struct held_publication *b)
{
    size_t len = (size_t)(a->entries_at + a->entries_len);
    assert_int_equal(a->crl.entries, b->crl.entries);
    assert_int_equal(a->crl.covers, b->crl.covers);
    assert_int_equal(a->entries_len, b->entries_len);
    if (!a->entries_len)
        return;
    const uint8_t *at = mmap(NULL, len, PROT_READ, MAP_PRIVATE, a->publication.der_fd, 0),
                  *other = mmap(NULL, len, PROT_READ, MAP_PRIVATE, b->publication.der_fd, 0);
    assert_true(at != MAP_FAILED && other != MAP_FAILED);
    assert_memory_equal(at + a->entries_at, other + b->entries_at, a->entries_len);
    munmap((void *)(uintptr_t)at, len);
    munmap((void *)(uintptr_t)other, len);
}

/* Changes, and a list from the one before that is to be what one from all rows is; again and again. */
static void go_on(int shard, size_t steps, size_t changes_max)
{
    struct held_publication before, spliced, anew;
    assert_int_equal(make(shard, NULL, &before), 0);
    for (size_t step = 0; step < steps; step++) {
        change_some(chance(changes_max + 1));
        assert_int_equal(make(shard, &before, &spliced), 0);
        assert_int_equal(make(shard, NULL, &anew), 0);
        assert_int_equal(anew.crl.entries, listed(shard));
        assert_same(&spliced, &anew);
        close(before.publication.der_fd);
        close(anew.publication.der_fd);
        before = spliced;
    }
    close(before.publication.der_fd);
}

static void small_lists(void **unused)
{
    (void)unused;
    fill_pool(12); /* so that all of them come and go, and nothing is left at times */
    for (int n = 0; n < 1000; n++)
        go_on(n % 2 ? CRL_WHOLE : n / 2 % SHARDS, 1 + chance(5), 6);
    fill_pool(1000);
    for (int n = 0; n < 1000; n++)
        go_on(n % 2 ? CRL_WHOLE : n / 2 % SHARDS, 1 + chance(5), 20);
}

static void lists_longer_than_the_window(void **unused)
{
    (void)unused;
    fill_pool(POOL_MAX);
    change_some(POOL_MAX);
    go_on(CRL_WHOLE, 60, 60);
    go_on(CRL_WHOLE, 4, 0);
    go_on(CRL_WHOLE, 4, POOL_MAX);
}

/* --- a file that is not what it was -------------------------------------------------------------------- */

static void damage(int fd, uint64_t at, uint8_t octet)
{
    assert_int_equal(pwrite(fd, &octet, 1, (off_t)at), 1);
}

static void damage_is_refused(void **unused)
{
    static const struct {
        const char *spoken;
        size_t at; /* in the first entry */
        uint8_t octet;
    } table[] = {
        {"no SEQUENCE", 0, 0x31},
        {"an entry in long form", 1, 0x81},
        {"an entry of no length", 1, 0},
        {"an entry that ends in its serial", 1, 4},
        {"no INTEGER", 2, 0x04},
        {"a serial in long form", 3, 0x81},
        {"a serial that ends behind its entry", 3, 0x7f},
    };
    struct held_publication before, made;
    (void)unused;
    fill_pool(300);
    change_some(300);
    for (size_t i = 0; i < COUNT(table); i++) {
        assert_int_equal(make(CRL_WHOLE, NULL, &before), 0);
        damage(before.publication.der_fd, before.entries_at + table[i].at, table[i].octet);
        check_row(table[i].spoken, make(CRL_WHOLE, &before, &made) == -1);
        assert_says(f.err, "the CRL before is damaged");
        change_some(3);
        check_row(table[i].spoken, make(CRL_WHOLE, &before, &made) == -1);
        assert_says(f.err, "the CRL before is damaged");
        close(before.publication.der_fd);
    }
    for (uint64_t cut = 1; cut < 64; cut++) {
        assert_int_equal(make(CRL_WHOLE, NULL, &before), 0);
        uint64_t end = before.entries_at + before.entries_len - cut;
        assert_int_equal(ftruncate(before.publication.der_fd, (off_t)end), 0);
        assert_int_equal(make(CRL_WHOLE, &before, &made), -1);
        close(before.publication.der_fd);
    }
    go_on(CRL_WHOLE, 3, 20); /* from the rows it goes on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(small_lists, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(lists_longer_than_the_window, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(damage_is_refused, fixture_make, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
