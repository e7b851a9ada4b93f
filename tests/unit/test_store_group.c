/* Transactions of many threads that share one commit: what becomes of each when another fails. */
#include "store_fixture.h"

#include "store/internal.h"

#include <sched.h>
#include <signal.h>
#include <sys/resource.h>

#define MEMBERS 8

/* --- members ------------------------------------------------------------------------------------------- */

enum deed {
    REVOKE,
    ROLL_BACK,  /* after it wrote */
    FILL_UP,    /* more than the file may grow by, so that SQLite undoes everything */
    FAIL_BELOW, /* as FILL_UP, but then tries to commit */
    ALONE,
};

struct member {
    enum deed deed;
    uint8_t number;
    pthread_t thread;
    int result, result_of_deed;
    int64_t version;
    int64_t change_seen; /* store_change when it was told */
    struct error err;
};

static struct cert_record record_of(uint8_t number)
{
    return (struct cert_record){.serial = {.len = 2, .octets = {0x51, number}},
                                .status = CERT_REVOKED,
                                .not_before = TIME_NONE,
                                .not_after = TIME_NONE,
                                .revoked_at = NOW,
                                .invalidity_at = TIME_NONE};
}

static int revoke_in(struct store_tx *tx, struct member *member)
{
    struct cert_record record = record_of(member->number);
    if (store_tx_register(tx, f.issuer, &record, &member->err) == FAILED ||
        store_tx_set_status(tx, f.issuer, CERT_GOOD, &record, &member->err) < 0)
        return -1;
    member->version = record.version;
    return store_tx_audit(tx, "revoke", "one", &record.serial, "", &member->err);
}

/* More than the cache keeps, so that it is written before the commit. */
static int fill_up(struct store_tx *tx, struct member *member)
{
    static char subject[1 << 20];
    int result = 0;
    memset(subject, 'x', sizeof subject - 1);
    for (uint8_t i = 0; i < 40 && result == 0; i++) {
        struct cert_record record = record_of(i);
        record.serial.octets[0] = 0x66;
        record.subject = subject;
        result = store_tx_register(tx, f.issuer, &record, &member->err) == FAILED ? -1 : 0;
    }
    return result;
}

static void *live(void *arg)
{
    struct member *member = arg;
    struct store_tx *tx = member->deed == ALONE ? store_begin_alone(f.store, &actor, &member->err)
                                                : store_begin(f.store, &actor, &member->err);
    member->result = -1;
    if (!tx)
        return NULL;
    member->result_of_deed = revoke_in(tx, member);
    if (member->deed == FILL_UP || member->deed == FAIL_BELOW)
        member->result_of_deed = fill_up(tx, member);
    if (member->deed == ROLL_BACK || member->deed == FILL_UP)
        store_rollback(tx);
    else
        member->result = store_commit(tx, &member->err);
    member->change_seen = store_change(f.store);
    return NULL;
}

static size_t waiting(void)
{
    size_t count = 0;
    pthread_mutex_lock(&f.store->turns.mutex);
    for (struct store_tx *tx = f.store->turns.first; tx; tx = tx->next)
        count++;
    pthread_mutex_unlock(&f.store->turns.mutex);
    return count;
}

static uint64_t commits(void)
{
    return f.store->readers.commits;
}

/* Has them wait in their order while we have the turn; then they go. Returns how many commits it took. */
static uint64_t run(struct member *members, size_t count)
{
    struct store_tx *tx = store_begin(f.store, &actor, &f.err);
    assert_non_null(tx);
    for (size_t i = 0; i < count; i++) {
        members[i].number = (uint8_t)i;
        assert_int_equal(pthread_create(&members[i].thread, NULL, live, &members[i]), 0);
        while (waiting() < i + 1)
            sched_yield();
    }
    uint64_t before = commits();
    store_rollback(tx);
    for (size_t i = 0; i < count; i++)
        pthread_join(members[i].thread, NULL);
    return commits() - before;
}

static enum outcome status_by(uint8_t number, struct cert_record *record)
{
    struct cert_record wanted = record_of(number);
    return store_status(f.store, f.issuer, &wanted.serial, record, &f.err);
}

static void assert_there(const struct member *member)
{
    struct cert_record record;
    assert_int_equal(member->result, 0);
    assert_int_equal(status_by(member->number, &record), FOUND);
    assert_int_equal(record.status, CERT_REVOKED);
    assert_int_equal(record.version, member->version);
    assert_true(member->change_seen >= member->version);
}

static void assert_absent(const struct member *member)
{
    struct cert_record record;
    assert_int_equal(member->result, -1);
    assert_int_equal(status_by(member->number, &record), ABSENT);
}

static void assert_goes_on(void)
{
    struct member after = {.deed = REVOKE, .number = 0xff};
    live(&after);
    assert_there(&after);
}

static int take_audited(void *arg, const struct audit_row *row)
{
    assert_true(audit_check_row(arg, row));
    return 0;
}

/* So many rows, each chained to the one before. */
static void assert_chain(int64_t rows)
{
    struct store_audit_filter filter = {.from = INT64_MIN, .limit = SIZE_MAX};
    struct audit_check check = {0};
    struct audit_head head;
    assert_int_equal(store_audit_list(f.store, &filter, take_audited, &check, &head, &f.err), 0);
    if (audit_check_end(&check, &head, &f.err) < 0)
        fail_msg("%s", f.err.text);
    assert_int_equal(check.rows, rows);
    assert_int_equal(head.id, rows);
    audit_check_free(&check);
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void those_who_wait_share_a_commit(void **state)
{
    (void)state;
    struct member members[MEMBERS] = {0};
    assert_int_equal(run(members, MEMBERS), 1);
    for (size_t i = 0; i < MEMBERS; i++) {
        assert_there(&members[i]);
        assert_int_equal(members[i].version, i + 1); /* a number each */
        assert_int_equal(members[i].change_seen, MEMBERS);
    }
    assert_int_equal(store_change(f.store), MEMBERS);
    assert_int_equal(store_registrations(f.store), MEMBERS);
    assert_chain(MEMBERS);
    assert_int_equal(ask(f.path, "SELECT counter FROM change"), MEMBERS);
    struct store_counts counts;
    store_count(f.store, &counts);
    assert_int_equal(counts.commit_sizes.counts[0], 1); /* the issuer's, alone */
    assert_int_equal(counts.commit_sizes.counts[3], 1); /* of up to eight */
    assert_int_equal(counts.commit_sizes.sum, 1 + MEMBERS);
    assert_true(counts.commit_times.sum > 0);
    assert_int_equal(counts.commits_failed, 0);
}

/* The first has no savepoint, the last has nobody to leave the batch to. */
static void one_rolls_back(void **state)
{
    (void)state;
    for (size_t at = 0; at < 4; at++) {
        struct member members[4] = {0};
        members[at].deed = ROLL_BACK;
        assert_int_equal(run(members, 4), 1);
        for (size_t i = 0; i < 4; i++)
            if (i == at)
                assert_absent(&members[i]);
            else
                assert_there(&members[i]);
        assert_int_equal(store_registrations(f.store), 3);
        assert_chain(3);
        assert_int_equal(ask(f.path, "SELECT counter FROM change"), 3);
        assert_int_equal(store_change(f.store), 3);
        fixture_free(NULL);
        fixture_make(NULL);
    }
}

static void all_roll_back(void **state)
{
    (void)state;
    struct member members[4];
    for (size_t i = 0; i < 4; i++)
        members[i] = (struct member){.deed = ROLL_BACK};
    assert_int_equal(run(members, 4), 0);
    for (size_t i = 0; i < 4; i++)
        assert_absent(&members[i]);
    assert_int_equal(store_change(f.store), 0);
    assert_goes_on();
}

static void one_alone_shares_with_nobody(void **state)
{
    (void)state;
    struct member members[5] = {[2].deed = ALONE};
    assert_int_equal(run(members, 5), 3);
    for (size_t i = 0; i < 5; i++)
        assert_there(&members[i]);
    assert_int_equal(members[1].change_seen >= 2, 1);
    assert_int_equal(store_registrations(f.store), 5);
}

/* --- where the disk is full ---------------------------------------------------------------------------- */

/* No file may grow beyond what the log has now, and `more`. */
static void limit_growth(rlim_t more)
{
    char path[300];
    FILE *log;
    snprintf(path, sizeof path, "%s-wal", f.path);
    assert_non_null(log = fopen(path, "r"));
    fseek(log, 0, SEEK_END);
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = (rlim_t)ftell(log) + more;
    fclose(log);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void unlimit_growth(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    limit.rlim_cur = limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void the_commit_fails(void **state)
{
    (void)state;
    struct member members[4] = {0};
    limit_growth(0);
    run(members, 4);
    unlimit_growth();
    for (size_t i = 0; i < 4; i++) {
        assert_absent(&members[i]);
        assert_int_equal(members[i].result_of_deed, 0);
        assert_says(members[i].err, "database: ");
        assert_string_equal(members[i].err.text, members[0].err.text);
    }
    assert_int_equal(store_change(f.store), 0);
    assert_int_equal(store_registrations(f.store), 0);
    assert_int_equal(ask(f.path, "SELECT counter FROM change"), 0);
    assert_chain(0);
    struct store_counts counts;
    store_count(f.store, &counts);
    assert_int_equal(counts.commits_failed, 1);
    assert_int_equal(counts.commit_sizes.sum, 1);
    assert_goes_on();
    assert_chain(1);
}

/* The last commits for others by rolling back: they must hear of it. */
static void the_commit_fails_behind_one_who_rolls_back(void **state)
{
    (void)state;
    struct member members[3] = {[2].deed = ROLL_BACK};
    limit_growth(0);
    run(members, 3);
    unlimit_growth();
    for (size_t i = 0; i < 3; i++)
        assert_absent(&members[i]);
    assert_true(strlen(members[0].err.text) > 0);
    assert_goes_on();
}

static void sqlite_undoes_everything(void **state)
{
    (void)state;
    for (int deed = FILL_UP; deed <= FAIL_BELOW; deed++) {
        struct member members[4] = {[2].deed = (enum deed)deed};
        limit_growth(1 << 20);
        run(members, 4);
        unlimit_growth();
        assert_int_equal(members[2].result_of_deed, -1);
        for (size_t i = 0; i < 3; i++)
            assert_absent(&members[i]);
        assert_true(strlen(members[0].err.text) > 0);
        assert_there(&members[3]); /* it came after: a batch of its own */
        assert_int_equal(ask(f.path, "SELECT count(*) FROM revocation"), 1);
        assert_int_equal(store_registrations(f.store), 1);
        assert_int_equal(store_change(f.store), 1);
        fixture_free(NULL);
        fixture_make(NULL);
    }
}

/* --- all at once --------------------------------------------------------------------------------------- */

#define ROUNDS 50

static void *revoke_and_read(void *arg)
{
    uint8_t thread = (uint8_t)(intptr_t)arg;
    for (uint8_t i = 0; i < ROUNDS; i++) {
        bool undo = i % 7 == thread;
        struct cert_record record = record_of(i);
        struct error err;
        struct store_tx *tx =
            i % 11 == 3 ? store_begin_alone(f.store, &actor, &err) : store_begin(f.store, &actor, &err);
        record.serial.octets[0] = (uint8_t)(0x60 + thread);
        if (!tx || store_tx_register(tx, f.issuer, &record, &err) == FAILED ||
            store_tx_set_status(tx, f.issuer, CERT_GOOD, &record, &err) < 0)
            return "write";
        if (undo)
            store_rollback(tx);
        else if (store_commit(tx, &err) < 0)
            return "commit";
        struct cert_record seen;
        enum outcome outcome = store_status(f.store, f.issuer, &record.serial, &seen, &err);
        if (outcome != (undo ? ABSENT : FOUND))
            return "what was acknowledged is not seen";
        if (outcome == FOUND && (seen.version != record.version || store_change(f.store) < seen.version))
            return "version";
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    pthread_t threads[MEMBERS];
    int64_t rolled_back = 0;
    for (size_t i = 0; i < MEMBERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, revoke_and_read, (void *)(intptr_t)i), 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        void *failure;
        pthread_join(threads[i], &failure);
        if (failure)
            fail_msg("%s", (char *)failure);
        for (size_t n = 0; n < ROUNDS; n++)
            rolled_back += n % 7 == i;
    }
    assert_int_equal(ask(f.path, "SELECT count(*) FROM revocation"), MEMBERS * ROUNDS - rolled_back);
    assert_int_equal(ask(f.path, "SELECT count(DISTINCT version) FROM revocation"),
                     MEMBERS * ROUNDS - rolled_back);
    assert_int_equal(ask(f.path, "SELECT counter FROM change"), store_change(f.store));
    assert_int_equal(store_change(f.store), MEMBERS * ROUNDS - rolled_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(those_who_wait_share_a_commit, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(one_rolls_back, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(all_roll_back, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(one_alone_shares_with_nobody, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(the_commit_fails, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(the_commit_fails_behind_one_who_rolls_back, fixture_make,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(sqlite_undoes_everything, fixture_make, fixture_free),
        cmocka_unit_test_setup_teardown(many_threads, fixture_make, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
