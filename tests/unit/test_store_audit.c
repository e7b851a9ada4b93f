/* The audit trail in the database. */
#include "store_fixture.h"

static void the_audit_tells_who_did_what(void **state)
{
    (void)state;
    struct serial serial = serial_of("2a");
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_audit(tx, "revoke", "one", &serial, "good -> revoked", &f.err), 0);
    assert_int_equal(store_tx_audit(tx, "token create", NULL, NULL, "ops", &f.err), 0);
    commit(tx);
    assert_int_equal(ask(f.path,
                         "SELECT count(*) FROM audit WHERE at = 1763715600 AND actor = 'unit' AND "
                         "origin = 'test' AND action = 'revoke' AND issuer = 'one' AND serial = x'012a' "
                         "AND detail = 'good -> revoked'"),
                     1);
    assert_int_equal(ask(f.path, "SELECT count(*) FROM audit WHERE issuer IS NULL AND serial IS NULL"), 1);
}

static int take_audited(void *arg, const struct audit_row *row)
{
    assert_true(audit_check_row(arg, row));
    return 0;
}

/* What is wrong with the audit trail; "" where nothing is. */
static const char *audit_fault(void)
{
    struct store_audit_filter filter = {.from = INT64_MIN, .limit = SIZE_MAX};
    struct audit_check check = {0};
    struct audit_head head;
    f.err = (struct error){""};
    assert_int_equal(store_audit_list(f.store, &filter, take_audited, &check, &head, &f.err), 0);
    audit_check_end(&check, &head, &f.err);
    audit_check_free(&check);
    return f.err.text;
}

static void audit_twice(void)
{
    struct serial serial = serial_of("2a");
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_audit(tx, "revoke", "one", &serial, "good -> revoked", &f.err), 0);
    assert_int_equal(store_tx_audit(tx, "token create", NULL, NULL, "ops", &f.err), 0);
    commit(tx);
}

/* What SQLite lets stand in a column, though nobody wrote it so; and what is the same to a careless reader. */
static void what_stands_in_a_column_counts(void **state)
{
    (void)state;
    static const char *const sets[] = {
        "at = at + 0.5",
        "at = 'never'",
        "at = CAST(at AS BLOB)",
        "actor = actor || char(0) || 'x'",
        "actor = CAST(actor AS BLOB)",
        "origin = ''",
        "action = 'release'",
        "issuer = NULL",
        "issuer = CAST(issuer AS BLOB)",
        "serial = NULL",
        "serial = x'02002a'",
        "serial = x'ff2a'",
        "serial = x'00'",
        "serial = CAST(serial AS TEXT)",
        "detail = detail || ' '",
        "hash = NULL",
        "hash = CAST(hash AS TEXT)",
        "hash = substr(hash, 1, 31)",
        "hash = zeroblob(32)",
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char sql[128];
        audit_twice();
        assert_string_equal(audit_fault(), "");
        int64_t id = ask(f.path, "SELECT max(id) - 1 FROM audit");
        ask(f.path, "CREATE TABLE IF NOT EXISTS kept AS SELECT * FROM audit WHERE 0");
        ask(f.path, "INSERT INTO kept SELECT * FROM audit");
        snprintf(sql, sizeof sql, "UPDATE audit SET %s WHERE id = %lld", sets[i], (long long)id);
        ask(f.path, sql);
        snprintf(sql, sizeof sql, "row %lld was changed, or is not the ", (long long)id);
        audit_fault();
        assert_says(f.err, sql);
        ask(f.path, "DELETE FROM audit");
        ask(f.path, "INSERT INTO audit SELECT * FROM kept");
        ask(f.path, "DELETE FROM kept");
    }
}

/* Nor may something that cannot be read pass for nothing. */
static void what_stands_for_nothing_counts(void **state)
{
    (void)state;
    static const char *const sets[] = {"issuer = CAST('one' AS BLOB)",
                                       "issuer = char(0)",
                                       "issuer = ''",
                                       "serial = 5",
                                       "serial = 'x'",
                                       "serial = x'00'",
                                       "serial = x''"};
    audit_twice();
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        char sql[128];
        snprintf(sql, sizeof sql, "UPDATE audit SET %s WHERE id = 2", sets[i]);
        ask(f.path, sql);
        assert_string_equal(audit_fault(), "row 2 was changed, or is not the one that was behind row 1");
        ask(f.path, "UPDATE audit SET issuer = NULL, serial = NULL WHERE id = 2");
        assert_string_equal(audit_fault(), "");
    }
}

static void a_stranger_in_the_way_is_passed(void **state)
{
    (void)state;
    audit_twice();
    ask(f.path, "INSERT INTO audit SELECT 3, at, actor, origin, action, issuer, serial, detail, hash "
                "FROM audit WHERE id = 2");
    audit_twice();
    assert_string_equal(audit_fault(), "row 3 was added");
}

static void a_damaged_head_stops_changes(void **state)
{
    (void)state;
    audit_twice();
    ask(f.path, "UPDATE audit_head SET hash = 'x'");
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_audit(tx, "revoke", "one", NULL, "", &f.err), -1);
    assert_says(f.err, "audit_head");
    store_rollback(tx);
    assert_string_equal(audit_fault(), "the head was changed: it is not the hash of row 2");
}

/* Rows of a database from before the chain are in it from then on. */
static void old_rows_are_chained(void **state)
{
    (void)state;
    audit_twice();
    age();
    assert_string_equal(audit_fault(), "");
    audit_twice();
    assert_string_equal(audit_fault(), "");
    assert_int_equal(ask(f.path, "SELECT id FROM audit_head"), 4);
    ask(f.path, "UPDATE audit SET detail = 'x' WHERE id = 1");
    assert_string_equal(audit_fault(), "row 1 was changed, or is not the first");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(the_audit_tells_who_did_what),   with_store(what_stands_in_a_column_counts),
        with_store(what_stands_for_nothing_counts), with_store(a_stranger_in_the_way_is_passed),
        with_store(a_damaged_head_stops_changes),   with_store(old_rows_are_chained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
