/* The database with many readers and writers at once. */
#include "store_fixture.h"

/* --- readers that keep what they saw ------------------------------------------------------------------- */

static struct page page;

enum { NESTED = 3 };

struct nest {
    void (*at_each)(void);
    size_t depth, calls;
};

static int nest_on(void *arg, const struct cert_record *record)
{
    struct nest *nest = arg;
    struct store_filter filter = {.status = -1, .limit = 1};
    (void)record;
    nest->at_each();
    nest->calls++;
    if (++nest->depth < NESTED)
        assert_int_equal(store_list(f.store, f.issuer, &filter, nest_on, nest, &f.err), 0);
    return 0;
}

/* Each call is made while one more reader is in use: so all readers that are kept come to be asked. */
static void on_every_reader(void (*at_each)(void))
{
    struct nest nest = {.at_each = at_each};
    at_each();
    nest_on(&nest, NULL);
    assert_int_equal(nest.calls, NESTED);
}

static struct {
    enum outcome registered, token;
    enum cert_status status;
    int64_t number;
} wanted_now;

static void check_wanted(void)
{
    struct cert_record record;
    struct store_crl crl;
    char name[64];
    assert_int_equal(status_of("01", &record), FOUND);
    assert_int_equal(record.status, wanted_now.status);
    assert_int_equal(status_of("02", &record), wanted_now.registered);
    assert_int_equal(token_find(1, name), wanted_now.token);
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &crl, &f.err),
                     wanted_now.number ? FOUND : ABSENT);
    assert_true(!wanted_now.number || crl.number == wanted_now.number);
    assert_int_equal(changed_of(-1), store_change(f.store));
}

static void every_reader_sees_every_commit(void **state)
{
    (void)state;
    int64_t token;
    struct store_crl crl = {.entries = 1};
    memset(&wanted_now, 0, sizeof wanted_now);
    wanted_now.registered = wanted_now.token = ABSENT;
    register_text("01");
    on_every_reader(check_wanted);
    register_text("02");
    wanted_now.registered = FOUND;
    on_every_reader(check_wanted);
    set("01", CERT_HOLD, REASON_CERTIFICATE_HOLD);
    wanted_now.status = CERT_HOLD;
    on_every_reader(check_wanted);
    assert_int_equal(token_add("ops", 1, &token), FOUND);
    wanted_now.token = FOUND;
    on_every_reader(check_wanted);
    assert_int_equal(token_revoke(token, NOW), FOUND);
    wanted_now.token = ABSENT;
    on_every_reader(check_wanted);
    wanted_now.number = crl.number = take_number(NOW);
    assert_int_equal(store_crl_published(f.store, crl_of(f.issuer), &crl, &f.err), 0);
    on_every_reader(check_wanted);
}

static int revoke_under_reader(void *arg, const struct cert_record *record)
{
    (void)arg;
    (void)record;
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    on_every_reader(check_wanted);
    return 0;
}

/* The one that the list gives back is the first to be taken again. */
static void a_reader_that_was_overtaken_does_not_stay_behind(void **state)
{
    (void)state;
    struct store_filter filter = {.status = -1, .limit = 1};
    memset(&wanted_now, 0, sizeof wanted_now);
    wanted_now.registered = FOUND;
    wanted_now.token = ABSENT;
    register_text("01");
    register_text("02");
    on_every_reader(check_wanted);
    wanted_now.status = CERT_REVOKED;
    assert_int_equal(store_list(f.store, f.issuer, &filter, revoke_under_reader, NULL, &f.err), 0);
    on_every_reader(check_wanted);
}

static void readers_see_nothing_of_a_rollback(void **state)
{
    (void)state;
    struct cert_record added = plain("02");
    memset(&wanted_now, 0, sizeof wanted_now);
    wanted_now.registered = wanted_now.token = ABSENT;
    register_text("01");
    on_every_reader(check_wanted);
    struct store_tx *tx = begin();
    register_in(tx, &added, ABSENT);
    assert_int_equal(set_in(tx, "01", CERT_REVOKED, REASON_SUPERSEDED), 0);
    on_every_reader(check_wanted);
    store_rollback(tx);
    on_every_reader(check_wanted);
    register_text("02");
    wanted_now.registered = FOUND;
    on_every_reader(check_wanted);
}

static void look_up(void)
{
    struct cert_record record;
    assert_int_equal(status_of("01", &record), FOUND);
}

static int commit_much(void *arg, const struct cert_record *record)
{
    (void)record;
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_audit(tx, "much", NULL, NULL, arg, &f.err), 0);
    commit(tx);
    on_every_reader(look_up);
    return 0;
}

static int64_t log_size(void)
{
    char path[300];
    struct stat status;
    snprintf(path, sizeof path, "%s-wal", f.path);
    return stat(path, &status) == 0 ? status.st_size : -1;
}

/* 20 MB are written in all, while some readers are idle and another one is overtaken by each commit. */
static void the_log_does_not_grow_without_end(void **state)
{
    (void)state;
    static char detail[100001];
    struct store_filter filter = {.status = -1, .limit = 1};
    memset(detail, 'x', sizeof detail - 1);
    register_text("01");
    for (int i = 0; i < 200; i++) {
        if (i % 2)
            assert_int_equal(store_list(f.store, f.issuer, &filter, commit_much, detail, &f.err), 0);
        else
            commit_much(detail, NULL);
        assert_in_range(log_size(), 1, 6000000);
    }
}

static void closing_ends_what_readers_keep(void **state)
{
    (void)state;
    register_text("01");
    on_every_reader(look_up);
    store_close(f.store);
    f.store = NULL;
    assert_int_equal(log_size(), -1); /* folded into the database */
    reopen();
    look_up();
}

/* --- many at once -------------------------------------------------------------------------------------- */

enum { WRITERS = 4, EACH = 50 };

static atomic_int registered[WRITERS], acknowledged[WRITERS], running, failures;

static struct serial serial_for(int writer, int n)
{
    return (struct serial){.len = 3, .octets = {(uint8_t)(writer + 1), 0, (uint8_t)n}};
}

static int register_one(struct cert_record *record)
{
    struct error err;
    struct store_tx *tx = store_begin(f.store, &actor, &err);
    if (!tx)
        return -1;
    if (store_tx_register(tx, f.issuer, record, &err) != ABSENT) {
        store_rollback(tx);
        return -1;
    }
    return store_commit(tx, &err);
}

static int revoke_one(struct cert_record *record)
{
    struct error err;
    struct store_tx *tx = store_begin(f.store, &actor, &err);
    if (!tx)
        return -1;
    if (store_tx_set_status(tx, f.issuer, CERT_GOOD, record, &err) < 0) {
        store_rollback(tx);
        return -1;
    }
    return store_commit(tx, &err);
}

static void *write_all(void *arg)
{
    int writer = (int)(intptr_t)arg;
    for (int n = 0; n < EACH; n++) {
        struct cert_record record = {.serial = serial_for(writer, n),
                                     .status = CERT_REVOKED,
                                     .reason = REASON_SUPERSEDED,
                                     .revoked_at = NOW,
                                     .not_before = TIME_NONE,
                                     .not_after = TIME_NONE,
                                     .invalidity_at = TIME_NONE};
        if (register_one(&record) < 0)
            atomic_fetch_add(&failures, 1);
        atomic_store(&registered[writer], n + 1);
        if (revoke_one(&record) < 0 || store_change(f.store) < record.version)
            atomic_fetch_add(&failures, 1);
        atomic_store(&acknowledged[writer], n + 1);
    }
    atomic_fetch_sub(&running, 1);
    return NULL;
}

/* Whatever was acknowledged before a look-up began is seen by it; and one who is ahead of the change counter
 * would let a cache take the old answer for the new one. */
static void *read_all(void *arg)
{
    (void)arg;
    for (int round = 0; atomic_load(&running) > 0; round++)
        for (int writer = 0; writer < WRITERS; writer++) {
            int revoked = atomic_load(&acknowledged[writer]), known = atomic_load(&registered[writer]);
            int newest = round % 2 ? known : revoked;
            int n = newest ? newest - 1 : 0;
            struct serial serial = serial_for(writer, n);
            struct cert_record record;
            struct error err;
            enum outcome outcome = store_status(f.store, f.issuer, &serial, &record, &err);
            if (outcome == FAILED || (n < known && outcome != FOUND) ||
                (n < revoked && record.status != CERT_REVOKED))
                atomic_fetch_add(&failures, 1);
        }
    return NULL;
}

static void what_was_acknowledged_is_read(void **state)
{
    (void)state;
    pthread_t threads[2 * WRITERS];
    for (int i = 0; i < WRITERS; i++) {
        atomic_store(&registered[i], 0);
        atomic_store(&acknowledged[i], 0);
    }
    atomic_store(&failures, 0);
    atomic_store(&running, WRITERS);
    for (int i = 0; i < 2 * WRITERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_all : read_all, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 2 * WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
    assert_int_equal(store_change(f.store), WRITERS * EACH); /* every one had its own number */
    int64_t covers;
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, WRITERS * EACH);
    assert_int_equal(ask(f.path, "SELECT count(DISTINCT version) FROM revocation"), WRITERS * EACH);
}

static int count_one(void *arg, const struct cert_record *record)
{
    (void)record;
    ++*(int64_t *)arg;
    return 0;
}

/* Every change here revokes one more: so what a scan gives must be as many as the counter that it claims. A
 * CRL that claims more than it tells would never be made anew. */
static void *scan_all(void *arg)
{
    (void)arg;
    while (atomic_load(&running) > 0) {
        int64_t count = 0, covers = -1, before = store_change(f.store);
        struct error err;
        if (store_crl_scan(f.store, crl_of(f.issuer), count_one, &count, &covers, &err) < 0 ||
            count != covers || covers < before)
            atomic_fetch_add(&failures, 1);
    }
    return NULL;
}

static void a_scan_tells_all_that_its_counter_covers(void **state)
{
    (void)state;
    pthread_t threads[2 * WRITERS];
    atomic_store(&failures, 0);
    atomic_store(&running, WRITERS);
    for (int i = 0; i < 2 * WRITERS; i++)
        assert_int_equal(
            pthread_create(&threads[i], NULL, i < WRITERS ? write_all : scan_all, (void *)(intptr_t)i), 0);
    for (int i = 0; i < 2 * WRITERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(atomic_load(&failures), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(every_reader_sees_every_commit),
        with_store(a_reader_that_was_overtaken_does_not_stay_behind),
        with_store(readers_see_nothing_of_a_rollback),
        with_store(the_log_does_not_grow_without_end),
        with_store(closing_ends_what_readers_keep),
        with_store(what_was_acknowledged_is_read),
        with_store(a_scan_tells_all_that_its_counter_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
