/* The certificate status database, with real files. */
#include "unit.h"

#include <annul/reason.h>
#include <annul/serial.h>
#include <annul/store.h>

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define NOW 1763715600 /* 2026-11-21T09:00:00Z */

static const struct store_actor actor = {"unit", "test", NOW};
static const uint8_t fingerprint[32] = {1, 2, 3};

static struct fixture {
    char *folder, path[256];
    struct store *store;
    int64_t issuer;
    struct error err;
} f;

static void reopen(void)
{
    store_close(f.store);
    f.store = store_open(f.path, &f.err);
    if (!f.store)
        fail_msg("%s", f.err.text);
}

static int fixture_make(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annul.db", f.folder);
    reopen();
    return store_issuer(f.store, "one", fingerprint, &f.issuer, &f.err);
}

static int fixture_free(void **state)
{
    (void)state;
    store_close(f.store);
    folder_remove(f.folder);
    return 0;
}

static struct serial serial_of(const char *text)
{
    struct serial serial;
    assert_true(serial_from_text(text, &serial));
    return serial;
}

static struct cert_record plain(const char *serial)
{
    return (struct cert_record){.serial = serial_of(serial),
                                .not_before = TIME_NONE,
                                .not_after = TIME_NONE,
                                .invalidity_at = TIME_NONE};
}

static struct store_tx *begin(void)
{
    struct store_tx *tx = store_begin(f.store, &actor, &f.err);
    if (!tx)
        fail_msg("%s", f.err.text);
    return tx;
}

static void commit(struct store_tx *tx)
{
    if (store_commit(tx, &f.err) < 0)
        fail_msg("%s", f.err.text);
}

static void register_in(struct store_tx *tx, const struct cert_record *record, enum outcome wanted)
{
    enum outcome outcome = store_tx_register(tx, f.issuer, record, &f.err);
    if (outcome != wanted)
        fail_msg("%d, not %d: %s", outcome, wanted, f.err.text);
}

static void register_text(const char *serial)
{
    struct cert_record record = plain(serial);
    struct store_tx *tx = begin();
    register_in(tx, &record, ABSENT);
    commit(tx);
}

static int set_in(struct store_tx *tx, const char *serial, enum cert_status status, int reason)
{
    struct cert_record record = plain(serial);
    record.status = status;
    record.reason = reason;
    record.revoked_at = NOW - 60;
    record.invalidity_at = reason == REASON_KEY_COMPROMISE ? NOW - 3600 : TIME_NONE;
    return store_tx_set_status(tx, f.issuer, CERT_GOOD, &record,
                               &f.err); /* each is set but once where it matters */
}

static void set(const char *serial, enum cert_status status, int reason)
{
    struct store_tx *tx = begin();
    assert_int_equal(set_in(tx, serial, status, reason), 0);
    commit(tx);
}

static enum outcome status_of(const char *text, struct cert_record *record)
{
    struct serial serial = serial_of(text);
    return store_status(f.store, f.issuer, &serial, record, &f.err);
}

static const struct store_crl_key *crl_of(int64_t issuer)
{
    static struct store_crl_key key;
    key = (struct store_crl_key){issuer, -1, false};
    return &key;
}

static enum outcome whole(const char *text, struct cert_record *record)
{
    struct serial serial = serial_of(text);
    return store_certificate(f.store, f.issuer, &serial, record, &f.err);
}

/* What SQLite itself says, past the code under test. */
static int64_t ask(const char *path, const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    int step = sqlite3_step(stmt);
    assert_true(step == SQLITE_ROW || step == SQLITE_DONE);
    int64_t value = step == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return value;
}

static int64_t file_size(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* --- opening ------------------------------------------------------------------------------------------- */

static void a_database_is_made_and_opened_again(void **state)
{
    (void)state;
    register_text("2a");
    struct stat status;
    assert_int_equal(stat(f.path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600); /* whoever reads it knows every device */
    reopen();
    struct cert_record record;
    assert_int_equal(status_of("2a", &record), FOUND);
    int64_t again;
    assert_int_equal(store_issuer(f.store, "one", fingerprint, &again, &f.err), 0);
    assert_int_equal(again, f.issuer);
    store_close(f.store);
    f.store = NULL;
    assert_true(ask(f.path, "PRAGMA user_version") > 0);
    store_close(NULL);
}

static void only_one_has_it(void **state)
{
    (void)state;
    struct error err = {""};
    assert_null(store_open(f.path, &err));
    assert_says(err, f.path);
    assert_says(err, "another annuld");
    register_text("2a"); /* the first is not disturbed */
    reopen();            /* and its end makes room */
}

static void check_newer_is_refused_unchanged(void)
{
    struct buffer before = {0}, checked = {0}, opened = {0};
    struct error err = {""};
    assert_int_equal(file_read(f.path, 1 << 24, &before), 0);
    assert_int_equal(store_check(f.path, "one", fingerprint, &err), -1);
    assert_says(err, "99");
    assert_int_equal(file_read(f.path, 1 << 24, &checked), 0);
    assert_null(store_open(f.path, &err));
    assert_says(err, "99");
    assert_says(err, "version");
    assert_int_equal(file_read(f.path, 1 << 24, &opened), 0);
    bool same_checked = bytes_equal(bytes_of(&before), bytes_of(&checked));
    bool same_opened = bytes_equal(bytes_of(&before), bytes_of(&opened));
    buffer_free(&before);
    buffer_free(&checked);
    buffer_free(&opened);
    assert_true(same_checked);
    assert_true(same_opened);
}

static void a_newer_one_is_refused_and_left_alone(void **state)
{
    (void)state;
    register_text("2a");
    store_close(f.store);
    f.store = NULL;
    ask(f.path, "PRAGMA user_version = 99");
    check_newer_is_refused_unchanged();
}

/* Whatever made it need not have chosen WAL. */
static void a_newer_one_with_another_journal_is_left_alone(void **state)
{
    (void)state;
    store_close(f.store);
    f.store = NULL;
    ask(f.path, "PRAGMA journal_mode = DELETE");
    ask(f.path, "PRAGMA user_version = 99");
    check_newer_is_refused_unchanged();
}

static void other_files_are_refused(void **state)
{
    (void)state;
    struct error err = {""};
    char path[256], text[8192];
    memset(text, 'x', sizeof text);
    snprintf(path, sizeof path, "%s/text", f.folder);
    file_put(path, text, sizeof text);
    assert_null(store_open(path, &err));
    assert_says(err, path);
    snprintf(path, sizeof path, "%s/no/such/folder.db", f.folder);
    assert_null(store_open(path, &err));
    assert_says(err, path);
    snprintf(path, sizeof path, "%s/folder.db", f.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_null(store_open(path, &err));
    assert_says(err, path);
}

static size_t count_files(void)
{
    size_t count = 0;
    char command[300];
    snprintf(command, sizeof command, "ls -A %s | wc -l", f.folder);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_int_equal(fscanf(pipe, "%zu", &count), 1);
    pclose(pipe);
    return count;
}

static void checking_makes_nothing(void **state)
{
    (void)state;
    char path[256];
    struct error err = {""};
    snprintf(path, sizeof path, "%s/new.db", f.folder);
    size_t before = count_files();
    assert_int_equal(store_check(path, "one", fingerprint, &err), 0);
    assert_int_equal(store_check(f.path, "one", fingerprint, &err),
                     0); /* while it is open: no lock is taken */
    snprintf(path, sizeof path, "%s/no/such/folder.db", f.folder);
    assert_int_equal(store_check(path, "one", fingerprint, &err), -1);
    assert_says(err, path);
    assert_int_equal(count_files(), before);
    store_close(f.store);
    f.store = NULL;
    before = count_files();
    assert_int_equal(store_check(f.path, "one", fingerprint, &err), 0);
    assert_int_equal(count_files(), before);
}

static void an_issuer_is_who_it_was(void **state)
{
    (void)state;
    uint8_t other[32] = {9};
    int64_t id;
    struct error err = {""};
    assert_int_equal(store_issuer(f.store, "one", other, &id, &err), -1);
    assert_says(err, "\"one\"");
    assert_int_equal(store_issuer(f.store, "two", other, &id, &err), 0);
    assert_int_not_equal(id, f.issuer);
    reopen();
    assert_int_equal(store_issuer(f.store, "one", other, &id, &err), -1);
    assert_int_equal(store_check(f.path, "one", fingerprint, &err), 0);
    assert_int_equal(store_check(f.path, "three", other, &err), 0); /* one that is yet to come */
    err = (struct error){""};
    assert_int_equal(store_check(f.path, "one", other, &err), -1);
    assert_says(err, "\"one\"");
    int64_t again;
    assert_int_equal(store_issuer(f.store, "two", other, &again, &err), 0);
    register_text("2a"); /* a serial belongs to one issuer */
    struct serial serial = serial_of("2a");
    struct cert_record record;
    assert_int_equal(store_status(f.store, again, &serial, &record, &err), ABSENT);
    assert_int_equal(store_status(f.store, f.issuer, &serial, &record, &err), FOUND);
}

/* --- registering --------------------------------------------------------------------------------------- */

static void registering_adds_once(void **state)
{
    (void)state;
    struct cert_record record = plain("c0ffee"), read;
    record.not_before = NOW;
    record.not_after = NOW + 86400;
    record.subject = (char *)(uintptr_t) "CN=M\xc3\xbcller,O=Unit";
    assert_int_equal(whole("c0ffee", &read), ABSENT);
    assert_int_equal(status_of("c0ffee", &read), ABSENT);
    struct store_tx *tx = begin();
    register_in(tx, &record, ABSENT);
    register_in(tx, &record, FOUND);
    commit(tx);
    assert_int_equal(whole("c0ffee", &read), FOUND);
    assert_int_equal(serial_compare(&read.serial, &record.serial), 0);
    assert_int_equal(read.status, CERT_GOOD);
    assert_int_equal(read.version, 0);
    assert_int_equal(read.not_before, NOW);
    assert_int_equal(read.not_after, NOW + 86400);
    assert_string_equal(read.subject, "CN=M\xc3\xbcller,O=Unit");
    assert_true(read.invalidity_at == TIME_NONE);
    cert_record_free(&read);
    cert_record_free(&read);
    cert_record_free(NULL);
}

static void register_fields(const char *serial, int64_t not_before, int64_t not_after, const char *subject)
{
    struct cert_record record = plain(serial);
    record.not_before = not_before;
    record.not_after = not_after;
    record.subject = (char *)(uintptr_t)subject;
    struct store_tx *tx = begin();
    register_in(tx, &record, FOUND);
    commit(tx);
}

static void check_fields(const char *serial, int64_t not_before, int64_t not_after, const char *subject)
{
    struct cert_record read;
    assert_int_equal(whole(serial, &read), FOUND);
    assert_true(read.not_before == not_before && read.not_after == not_after);
    assert_int_equal(read.subject != NULL, subject != NULL);
    if (subject)
        assert_string_equal(read.subject, subject);
    cert_record_free(&read);
}

static void registering_again_leaves_it_as_it_was(void **state)
{
    (void)state;
    register_text("01");
    register_fields("01", 100, 200, "CN=first");
    check_fields("01", TIME_NONE, TIME_NONE, NULL);
}

static void facts_are_written_as_they_are(void **state)
{
    (void)state;
    struct cert_record record = plain("01");
    register_text("01");
    register_text("02");
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    int64_t change = store_change(f.store);
    for (int i = 0; i < 2; i++) {
        record.not_before = 100 + i;
        record.not_after = 200 + i;
        record.subject = (char *)(uintptr_t)(i ? "CN=second" : "CN=first");
        struct store_tx *tx = begin();
        assert_int_equal(store_tx_set_facts(tx, f.issuer, &record, &f.err), 0);
        commit(tx);
        check_fields("01", record.not_before, record.not_after, record.subject);
        assert_int_equal(ask(f.path, "SELECT not_after FROM revocation"), record.not_after);
    }
    check_fields("02", TIME_NONE, TIME_NONE, NULL);
    assert_int_equal(store_change(f.store), change);
}

static void registering_changes_no_status(void **state)
{
    (void)state;
    struct cert_record record = plain("01"), read;
    register_text("01");
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    int64_t change = store_change(f.store);
    struct store_tx *tx = begin();
    register_in(tx, &record, FOUND);
    commit(tx);
    assert_int_equal(status_of("01", &read), FOUND);
    assert_int_equal(read.status, CERT_REVOKED);
    assert_int_equal(store_change(f.store), change);
}

/* --- changing ------------------------------------------------------------------------------------------ */

static void a_status_is_written_with_its_version(void **state)
{
    (void)state;
    struct cert_record read;
    register_text("01");
    register_text("02");
    assert_int_equal(store_change(f.store), 0);
    set("01", CERT_REVOKED, REASON_KEY_COMPROMISE);
    assert_int_equal(store_change(f.store), 1);
    assert_int_equal(status_of("01", &read), FOUND);
    assert_int_equal(read.status, CERT_REVOKED);
    assert_int_equal(read.reason, REASON_KEY_COMPROMISE);
    assert_int_equal(read.revoked_at, NOW - 60);
    assert_int_equal(read.invalidity_at, NOW - 3600);
    assert_int_equal(read.version, 1);
    assert_int_equal(status_of("02", &read), FOUND);
    assert_int_equal(read.status, CERT_GOOD);
    assert_int_equal(read.version, 0);

    set("02", CERT_HOLD, REASON_CERTIFICATE_HOLD);
    set("02", CERT_GOOD, REASON_CERTIFICATE_HOLD); /* released */
    assert_int_equal(whole("02", &read), FOUND);
    assert_int_equal(read.status, CERT_GOOD);
    assert_int_equal(read.version, 3);
    assert_int_equal(status_of("02", &read), FOUND);
    assert_int_equal(read.status, CERT_GOOD);
    assert_int_equal(read.version, 3);
    assert_int_equal(status_of("01", &read), FOUND);
    assert_int_equal(read.version, 1);
    reopen();
    assert_int_equal(store_change(f.store), 3);
}

static void all_of_a_transaction_is_one_change(void **state)
{
    (void)state;
    struct cert_record read, record = plain("02");
    register_text("01");
    register_text("02");
    struct store_tx *tx = begin();
    assert_int_equal(set_in(tx, "01", CERT_REVOKED, REASON_SUPERSEDED), 0);
    record.status = CERT_HOLD;
    record.reason = REASON_CERTIFICATE_HOLD;
    assert_int_equal(store_tx_set_status(tx, f.issuer, CERT_GOOD, &record, &f.err), 0);
    assert_int_equal(record.version, 1);
    assert_int_equal(store_tx_certificate(tx, f.issuer, &record.serial, &read, &f.err), FOUND);
    assert_int_equal(read.status, CERT_HOLD); /* seen within, */
    cert_record_free(&read);
    assert_int_equal(status_of("02", &read), FOUND);
    assert_int_equal(read.status, CERT_GOOD); /* not without, */
    assert_int_equal(store_change(f.store), 0);
    commit(tx);
    assert_int_equal(status_of("02", &read), FOUND); /* until it is committed */
    assert_int_equal(read.status, CERT_HOLD);
    assert_int_equal(read.version, 1);
    assert_int_equal(store_change(f.store), 1);
}

static void a_rollback_leaves_nothing(void **state)
{
    (void)state;
    struct cert_record read, record = plain("02");
    register_text("01");
    struct store_tx *tx = begin();
    register_in(tx, &record, ABSENT);
    assert_int_equal(set_in(tx, "01", CERT_REVOKED, REASON_SUPERSEDED), 0);
    assert_int_equal(store_tx_audit(tx, "revoke", "one", &record.serial, "detail", &f.err), 0);
    store_rollback(tx);
    store_rollback(NULL);
    assert_int_equal(status_of("02", &read), ABSENT);
    assert_int_equal(status_of("01", &read), FOUND);
    assert_int_equal(read.status, CERT_GOOD);
    assert_int_equal(store_change(f.store), 0);
    set("01", CERT_REVOKED, REASON_SUPERSEDED); /* the number was not used up for readers to miss */
    assert_int_equal(status_of("01", &read), FOUND);
    assert_int_equal(read.version, store_change(f.store));
    reopen();
    assert_int_equal(status_of("02", &read), ABSENT);
    assert_int_equal(ask(f.path, "SELECT count(*) FROM audit"), 0);
}

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

/* The same database as it was before db/003, opened anew. */
static void age(void)
{
    static const char *const undo[] = {"DROP INDEX certificate_by_name",
                                       "DROP INDEX certificate_by_later_name",
                                       "DROP INDEX certificate_by_subject",
                                       "DROP INDEX revocation_on_hold",
                                       "DROP TABLE answer",
                                       "ALTER TABLE issuer DROP COLUMN registered",
                                       "ALTER TABLE issuer DROP COLUMN revoked",
                                       "ALTER TABLE issuer DROP COLUMN held",
                                       "ALTER TABLE token DROP COLUMN role",
                                       "ALTER TABLE token DROP COLUMN issuers",
                                       "ALTER TABLE token DROP COLUMN expires_at",
                                       "ALTER TABLE token DROP COLUMN last_used_at",
                                       "DROP TABLE audit_head",
                                       "DROP INDEX audit_by_serial",
                                       "ALTER TABLE audit DROP COLUMN hash",
                                       "PRAGMA user_version = 2"};
    store_close(f.store);
    for (size_t i = 0; i < sizeof undo / sizeof *undo; i++)
        ask(f.path, undo[i]);
    f.store = store_open(f.path, &f.err);
    assert_non_null(f.store);
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

/* --- answers ------------------------------------------------------------------------------------------- */

static void answer_at(const char *name, int64_t when, const char *key, const char *body)
{
    const struct store_actor who = {name, "test", when};
    struct store_answer answer = {.status = 200, .type = "t", .etag = "e", .body = strdup(body)};
    struct store_tx *tx = store_begin(f.store, &who, &f.err);
    assert_non_null(tx);
    assert_int_equal(store_tx_answer(tx, key, &answer, &f.err), 0);
    commit(tx);
    free(answer.body);
}

/* What it is answered; NULL: it is a new call. */
static const char *answered(const char *name, int64_t when, const char *key)
{
    static char body[64];
    const struct store_actor who = {name, "test", when};
    struct store_answer answer;
    enum outcome found = store_answer_find(f.store, &who, key, &answer, &f.err);
    assert_int_not_equal(found, FAILED);
    if (found == ABSENT)
        return NULL;
    assert_string_equal(answer.etag, "e");
    snprintf(body, sizeof body, "%s", answer.body);
    store_answer_free(&answer);
    return body;
}

static void answers_are_kept_for_a_day(void **state)
{
    (void)state;
    answer_at("a", NOW, "key", "first");
    assert_string_equal(answered("a", NOW + STORE_ANSWER_S - 1, "key"), "first");
    assert_null(answered("b", NOW, "key"));
    assert_null(answered("a", NOW + STORE_ANSWER_S, "key"));
    answer_at("b", NOW + STORE_ANSWER_S, "other", "second");
    assert_int_equal(ask(f.path, "SELECT count(*) FROM answer"), 1);
}

static void of_each_actor_the_newest_answers_are_kept(void **state)
{
    (void)state;
    char key[16];
    answer_at("b", NOW, "key", "b's");
    answer_at("a", NOW, "first", "old");
    for (int i = 1; i < STORE_ANSWERS; i++) {
        snprintf(key, sizeof key, "%d", i);
        answer_at("a", NOW, key, "");
    }
    answer_at("a", NOW, "first", "anew");
    answer_at("a", NOW, "last", "");
    assert_string_equal(answered("a", NOW, "first"), "anew");
    assert_null(answered("a", NOW, "1"));
    assert_non_null(answered("a", NOW, "2"));
    assert_string_equal(answered("b", NOW, "key"), "b's");
    assert_int_equal(ask(f.path, "SELECT count(*) FROM answer WHERE actor = 'a'"), STORE_ANSWERS);
}

/* --- counts -------------------------------------------------------------------------------------------- */

static void check_counts(int64_t good, int64_t revoked, int64_t held)
{
    struct store_issuer_counts counts;
    assert_int_equal(store_issuer_counts(f.store, f.issuer, &counts, &f.err), 0);
    assert_int_equal(counts.good, good);
    assert_int_equal(counts.revoked, revoked);
    assert_int_equal(counts.held, held);
}

static void certificates_are_counted(void **state)
{
    (void)state;
    check_counts(0, 0, 0);
    register_text("1a");
    register_text("2a");
    register_text("3a");
    check_counts(3, 0, 0);
    set("1a", CERT_REVOKED, REASON_KEY_COMPROMISE);
    set("2a", CERT_HOLD, REASON_CERTIFICATE_HOLD);
    check_counts(1, 1, 1);
    struct store_tx *tx = begin();
    struct cert_record record = plain("4a");
    register_in(tx, &record, ABSENT);
    assert_int_equal(set_in(tx, "4a", CERT_REVOKED, REASON_KEY_COMPROMISE), 0);
    store_rollback(tx); /* it counts nothing */
    check_counts(1, 1, 1);
    age(); /* a database from before is counted when it is opened */
    check_counts(1, 1, 1);
}

/* One transaction about several issuers. */
static void counts_are_those_of_the_issuer(void **state)
{
    (void)state;
    int64_t other;
    struct store_issuer_counts counts;
    struct cert_record one = plain("1a"), two = plain("2a"), three = plain("3a");
    assert_int_equal(store_issuer(f.store, "two", fingerprint, &other, &f.err), 0);
    struct store_tx *tx = begin();
    register_in(tx, &one, ABSENT);
    assert_int_equal(store_tx_register(tx, other, &two, &f.err), ABSENT);
    register_in(tx, &three, ABSENT);
    commit(tx);
    check_counts(2, 0, 0);
    assert_int_equal(store_issuer_counts(f.store, other, &counts, &f.err), 0);
    assert_int_equal(counts.good, 1);
    assert_int_equal(store_issuer_counts(f.store, 77, &counts, &f.err), -1);
}

/* --- listening ----------------------------------------------------------------------------------------- */

static void hear(void *arg)
{
    ++*(int *)arg;
}

static void audit_action(const char *action)
{
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_audit(tx, action, "one", NULL, "", &f.err), 0);
    commit(tx);
}

static void a_listener_hears_what_was_not_refused(void **state)
{
    (void)state;
    int heard = 0;
    store_listen(f.store, hear, &heard);
    audit_action("revoke");
    assert_int_equal(heard, 1);
    audit_action("refused revoke");
    register_text("1a"); /* without an entry */
    assert_int_equal(heard, 1);
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_audit(tx, "revoke", "one", NULL, "", &f.err), 0);
    store_rollback(tx);
    assert_int_equal(heard, 1);
    store_listen(f.store, NULL, NULL);
    audit_action("revoke");
    assert_int_equal(heard, 1);
}

/* --- listing ------------------------------------------------------------------------------------------- */

enum { LISTED = 2500 };

/* Distinct, of 1 to 20 octets, in rising order; the length changes most often where there are few numbers. */
static struct serial nth(size_t n)
{
    struct serial serial = {.len = (uint8_t)(n < 255 ? 1 : 2 + (n - 255) / 119)};
    size_t value = n < 255 ? n + 1 : (n - 255) % 119 + 1;
    if (serial.len > 1)
        serial.octets[0] = (uint8_t)(value * 2 + 1); /* the high bit is set in half of them */
    else
        serial.octets[0] = (uint8_t)value;
    return serial;
}

static void fill(void)
{
    struct store_tx *tx = begin();
    for (size_t i = 0; i < LISTED; i++) {
        size_t n = i * 1009 % LISTED; /* in no order */
        char subject[64];
        snprintf(subject, sizeof subject, "CN=Device-%zu,O=%s", n, n % 2 ? "Odd" : "Even");
        struct cert_record record = {.serial = nth(n),
                                     .not_before = 1,
                                     .not_after = 2,
                                     .subject = subject,
                                     .invalidity_at = TIME_NONE,
                                     .revoked_at = NOW};
        register_in(tx, &record, ABSENT);
        record.status = n % 10 == 0 ? CERT_REVOKED : n % 10 == 1 ? CERT_HOLD : CERT_GOOD;
        record.reason = record.status == CERT_HOLD ? REASON_CERTIFICATE_HOLD : REASON_SUPERSEDED;
        if (record.status != CERT_GOOD || n % 10 == 2) /* some were released */
            assert_int_equal(store_tx_set_status(tx, f.issuer, CERT_GOOD, &record, &f.err), 0);
    }
    commit(tx);
}

struct page {
    size_t count, stop_at;
    struct serial serials[LISTED + 1];
    enum cert_status statuses[LISTED + 1];
};

static int page_add(void *arg, const struct cert_record *record)
{
    struct page *page = arg;
    page->serials[page->count] = record->serial;
    page->statuses[page->count++] = record->status;
    return page->count == page->stop_at;
}

static struct page page;

static size_t list(const struct store_filter *filter)
{
    page.count = 0;
    assert_int_equal(store_list(f.store, f.issuer, filter, page_add, &page, &f.err), 0);
    return page.count;
}

static void pages_follow_in_numeric_order(void **state)
{
    (void)state;
    static const size_t limits[] = {1000, 100, 7};
    fill();
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct store_filter filter = {.status = -1, .limit = limits[i]};
        struct serial after;
        size_t seen = 0, got;
        while ((got = list(&filter)) > 0) {
            assert_true(got <= limits[i]);
            for (size_t k = 0; k < got; k++, seen++) {
                struct serial wanted = nth(seen);
                assert_int_equal(serial_compare(&page.serials[k], &wanted), 0);
            }
            after = page.serials[got - 1];
            filter.after = &after;
        }
        assert_int_equal(seen, LISTED);
    }
    struct store_filter filter = {.status = -1, .limit = 0};
    assert_int_equal(list(&filter), 0);
}

static void filters_choose(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        struct store_filter filter;
        size_t count;
    } filters[] = {
        {"all", {.status = -1, .limit = 5000}, 2500},
        {"good, the released among them", {.status = CERT_GOOD, .limit = 5000}, 2000},
        {"revoked", {.status = CERT_REVOKED, .limit = 5000}, 250},
        {"on hold", {.status = CERT_HOLD, .limit = 5000}, 250},
        {"revoked, the first page", {.status = CERT_REVOKED, .limit = 100}, 100},
    };
    fill();
    for (size_t i = 0; i < COUNT(filters); i++) {
        size_t count = list(&filters[i].filter);
        if (count != filters[i].count)
            fail_row(filters[i].spoken, "%zu, not %zu", count, filters[i].count);
        for (size_t k = 0; k < count; k++) {
            check_row(filters[i].spoken,
                      filters[i].filter.status < 0 || (int)page.statuses[k] == filters[i].filter.status);
            check_row(filters[i].spoken,
                      k == 0 || serial_compare(&page.serials[k - 1], &page.serials[k]) < 0);
        }
    }
    page.stop_at = 5; /* whoever reads may stop; what comes after is not disturbed */
    assert_int_equal(list(&filters[0].filter), 5);
    page.stop_at = 0;
    assert_int_equal(list(&filters[0].filter), 2500);
}

/* --- searching ----------------------------------------------------------------------------------------- */

/* Pages with a limit and a bound until there are no more, one behind the other in `page`. */
static size_t search(struct store_filter filter)
{
    enum outcome more = FOUND;
    struct store_next next;
    page.count = 0;
    for (size_t pages = 0; more == FOUND && pages < 10 * LISTED; pages++) {
        size_t before = page.count;
        more = store_search(f.store, f.issuer, &filter, page_add, &page, &next, &f.err);
        if (more == FAILED)
            fail_msg("%s", f.err.text);
        assert_true(page.count - before <= filter.limit);
        filter.after = &next.after;
        filter.after_way = next.way;
    }
    assert_int_equal(more, ABSENT);
    return page.count;
}

static void searches_find(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        struct store_filter filter;
        size_t count;
    } filters[] = {
        {"the subject, case ignored", {.status = -1, .subject = "cn=dEvice-249"}, 11},
        {"the CN", {.status = -1, .subject = "device-249"}, 11},
        {"as far as CN=", {.status = -1, .subject = "CN="}, 2500},
        {"not so far", {.status = -1, .subject = "c"}, 2500},
        {"beyond the CN", {.status = -1, .subject = "Device-249,o=odd"}, 1},
        {"beyond it with CN=", {.status = -1, .subject = "CN=Device-249,O="}, 1},
        {"another beyond it", {.status = -1, .subject = "Device-249,O=Even"}, 0},
        {"what is inside the subject", {.status = -1, .subject = "O=Odd"}, 0},
        {"nobody", {.status = -1, .subject = "Device-9999"}, 0},
        {"and a status", {.status = CERT_REVOKED, .subject = "device-10"}, 12},
        {"and on hold", {.status = CERT_HOLD, .subject = "device-1"}, 112},
        {"a percent sign is no wildcard", {.status = -1, .subject = "%"}, 0},
        {"an underscore is none either", {.status = -1, .subject = "_"}, 0},
        {"serial", {.status = -1, .serial = "ef"}, 19},
        {"an odd number of digits", {.status = -1, .serial = "e"}, 160},
        {"the last digit", {.status = -1, .serial = "f"}, 16},
        {"the whole of the first serial", {.status = -1, .serial = "01"}, 1},
        {"serial and status", {.status = CERT_REVOKED, .serial = "ef"}, 2},
        {"serial or subject", {.status = -1, .subject = "Device-0,", .serial = "02"}, 2},
        {"no serial", {.status = -1, .serial = "efffff"}, 0},
        {"more digits than a serial has",
         {.status = -1, .serial = "0123456789012345678901234567890123456789012"},
         0},
    };
    static const size_t limits[] = {1, 7, 1000}, looks[] = {0, 1, 50};
    fill();
    for (size_t i = 0; i < COUNT(filters); i++) {
        for (size_t k = 0; k < COUNT(limits) * COUNT(looks); k++) {
            struct store_filter filter = filters[i].filter;
            filter.limit = limits[k % 3];
            filter.look = looks[k / 3];
            size_t count = search(filter);
            if (count != filters[i].count)
                fail_row(filters[i].spoken, "%zu, not %zu, by %zu and %zu", count, filters[i].count,
                         filter.limit, filter.look);
            for (size_t n = 0; n < count; n++)
                check_row(filters[i].spoken, filter.status < 0 || (int)page.statuses[n] == filter.status);
        }
    }
}

static const char *const names[] = {
    "CN=alpha",        "CN=Alpha,O=x", "CN=alpha,O=y", "CN=alp\\,ha,O=x", "CN=cn=alpha",      "O=x,CN=alpha",
    "O=x,CN=cn",       "O=x",          "CN=c",         "cn=alpha",        "OU=u,O=x,CN=beta", "C=DE,CN=ab",
    "CN=\xc3\xa4lpha", "CN=",          "SCN=alpha",    "CN=o=x"};

static bool begins_so(const char *subject, const char *sought)
{
    const char *cn = strncmp(subject, "CN=", 3) == 0 ? subject - 1 : strstr(subject, ",CN=");
    return strncasecmp(subject, sought, strlen(sought)) == 0 ||
           (cn && strncasecmp(cn + 4, sought, strlen(sought)) == 0);
}

/* Whatever is sought: each once that matches, and no other; beside the same names said in a simple way. */
static void searches_find_each_once(void **state)
{
    (void)state;
    static const char *const sought[] = {"",       "a",          "al",   "alpha", "alpha,",   "alpha,o=x",
                                         "alp\\",  "alp\\,h",    "c",    "cn",    "cn=",      "cn=a",
                                         "cn=cn=", "CN=ALPHA,O", "o",    "o=x,",  "o=x,CN=a", "\xc3",
                                         "x",      "scn",        "cn=c", "cn=o=x"};
    for (size_t i = 0; i < COUNT(names) * 3; i++) {
        char serial[8];
        struct store_tx *tx = begin();
        snprintf(serial, sizeof serial, "%zx", i + 16);
        struct cert_record record = plain(serial);
        record.subject = (char *)(uintptr_t)names[i % COUNT(names)];
        register_in(tx, &record, ABSENT);
        commit(tx);
    }
    register_text("ff"); /* without a subject */
    for (size_t i = 0; i < COUNT(sought); i++) {
        for (size_t limit = 1; limit < 5; limit++) {
            size_t wanted = 0;
            for (size_t k = 0; k < COUNT(names); k++)
                wanted += begins_so(names[k], sought[i]) ? 3 : 0;
            struct store_filter filter = {
                .status = -1, .subject = sought[i], .limit = limit, .look = limit == 3 ? 2 : 0};
            size_t count = search(filter);
            if (count != wanted)
                fail_row(sought[i], "%zu, not %zu, by %zu", count, wanted, limit);
            for (size_t n = 0; n < count; n++)
                for (size_t m = 0; m < n; m++)
                    check_row(sought[i], serial_compare(&page.serials[n], &page.serials[m]) != 0);
        }
    }
}

/* What SQLite runs, seen from outside the code under test. */
static char ran[8][1024];
static size_t ran_count;

static int note_statement(unsigned what, void *arg, void *statement, void *text)
{
    (void)what, (void)arg, (void)text;
    const char *sql = sqlite3_sql(statement);
    if (strstr(sql, "certificate") && ran_count < COUNT(ran))
        snprintf(ran[ran_count++], sizeof *ran, "%s", sql);
    return 0;
}

static int watch(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, note_statement, NULL);
}

static void plan_of(const char *sql, char *plan, size_t room)
{
    char explain[1200];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &stmt, NULL), SQLITE_OK);
    for (size_t len = 0; sqlite3_step(stmt) == SQLITE_ROW; len = strlen(plan))
        snprintf(plan + len, room - len, "%s; ", (const char *)sqlite3_column_text(stmt, 3));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

/* Each statement of a search walks an index in its order: nothing is sorted, and nothing scanned. */
static void searches_use_their_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        struct store_filter filter;
        const char *index[4];
    } searches[] = {
        {"all", {.status = -1}, {"SEARCH c USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"good", {.status = CERT_GOOD}, {"SEARCH c USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"revoked",
         {.status = CERT_REVOKED},
         {"SEARCH r USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"on hold",
         {.status = CERT_HOLD},
         {"SEARCH r USING INDEX revocation_on_hold (issuer=? AND serial>? AND serial<?)"}},
        {"serial",
         {.status = -1, .serial = "0102030405060708091011121314151617181920"},
         {"SEARCH c USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"subject",
         {.status = -1, .subject = "x"}, /* and the same by subject */
         {"SEARCH c USING INDEX certificate_by_name (issuer=? AND <expr>=? AND serial>?)",
          "SEARCH c USING INDEX certificate_by_name (issuer=? AND <expr>>? AND <expr><?)",
          "SEARCH c USING INDEX certificate_by_later_name (issuer=? AND <expr>=? AND serial>?)",
          "SEARCH c USING INDEX certificate_by_later_name (issuer=? AND <expr>>? AND <expr><?)"}},
    };
    sqlite3_auto_extension((void (*)(void))watch);
    reopen();
    for (size_t i = 0; i < COUNT(searches); i++) {
        struct store_filter filter = searches[i].filter;
        char plans[COUNT(ran)][256];
        filter.limit = 10;
        ran_count = 0;
        search(filter);
        for (size_t k = 0; k < ran_count; k++) {
            plan_of(ran[k], plans[k], sizeof *plans);
            if (strstr(plans[k], "SCAN") || strstr(plans[k], "TEMP"))
                fail_row(searches[i].spoken, "%s", plans[k]);
        }
        for (size_t k = 0; k < COUNT(searches[i].index) && searches[i].index[k]; k++)
            if (ran_count <= k || !strstr(plans[k], searches[i].index[k]))
                fail_row(searches[i].spoken, "%s", ran_count > k ? plans[k] : "not run");
    }
    sqlite3_cancel_auto_extension((void (*)(void))watch);
}

static int count_statement(unsigned what, void *arg, void *statement, void *text)
{
    (void)what, (void)arg, (void)statement, (void)text;
    ran_count++;
    return 0;
}

static int watch_all(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, count_statement, NULL);
}

/* One revocation alone must be as fast as two syncs are: so what it takes is counted here, for whoever adds to it. */
static void a_revocation_takes_few_statements(void **state)
{
    (void)state;
    struct cert_record record;
    struct serial serial = serial_of("2a");
    register_text("2a");
    sqlite3_auto_extension((void (*)(void))watch_all);
    reopen();
    ran_count = 0;
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_certificate(tx, f.issuer, &serial, &record, &f.err), FOUND);
    record.status = CERT_REVOKED;
    assert_int_equal(store_tx_set_status(tx, f.issuer, CERT_GOOD, &record, &f.err), 0);
    assert_int_equal(store_tx_audit(tx, "revoke", "one", &serial, "", &f.err), 0);
    commit(tx);
    sqlite3_cancel_auto_extension((void (*)(void))watch_all);
    cert_record_free(&record);
    assert_int_equal(ran_count, 9); /* begin, read, number, write, head, entry, head, issuer, commit */
}

static void the_cursor_works_with_a_status(void **state)
{
    (void)state;
    fill();
    struct store_filter filter = {.status = CERT_REVOKED, .limit = 7};
    struct serial after;
    size_t seen = 0, got;
    while ((got = list(&filter)) > 0) {
        for (size_t k = 0; k < got; k++, seen++) {
            struct serial wanted = nth(seen * 10);
            assert_int_equal(serial_compare(&page.serials[k], &wanted), 0);
        }
        after = page.serials[got - 1];
        filter.after = &after;
    }
    assert_int_equal(seen, 250);
}

/* --- CRLs ---------------------------------------------------------------------------------------------- */

static void a_scan_gives_the_revoked_in_order(void **state)
{
    (void)state;
    int64_t covers = -1;
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 0);
    assert_int_equal(covers, 0);
    fill();
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 500);
    assert_int_equal(covers, store_change(f.store));
    for (size_t k = 0; k < page.count; k++) {
        struct serial wanted = nth(k / 2 * 10 + k % 2);
        assert_int_equal(serial_compare(&page.serials[k], &wanted), 0);
        assert_int_equal(page.statuses[k], k % 2 ? CERT_HOLD : CERT_REVOKED);
    }
    page.stop_at = 3;
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), -1);
    assert_int_equal(page.count, 3);
    page.stop_at = page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 500);
}

/* Revoked in another order than that of their numbers, in a transaction each. */
static void a_scan_does_not_follow_the_changes(void **state)
{
    (void)state;
    static const char *const later[] = {"ff", "0100", "7f", "01", "80", "ffffffff", "05"};
    static const char *const rising[] = {"01", "05", "7f", "80", "ff", "0100", "ffffffff"};
    int64_t covers;
    for (size_t i = 0; i < COUNT(later); i++) {
        register_text(later[i]);
        set(later[i], CERT_REVOKED, REASON_SUPERSEDED);
    }
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, COUNT(rising));
    for (size_t i = 0; i < COUNT(rising); i++) {
        struct serial wanted = serial_of(rising[i]);
        assert_int_equal(serial_compare(&page.serials[i], &wanted), 0);
    }
}

static int revoke_meanwhile(void *arg, const struct cert_record *record)
{
    if (page.count == 0) {
        set("fffffffe", CERT_REVOKED, REASON_SUPERSEDED); /* would come behind all others */
        register_text("fffffffe");
    }
    return page_add(arg, record);
}

static void a_scan_is_one_snapshot(void **state)
{
    (void)state;
    int64_t covers, later;
    register_text("01");
    register_text("02");
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    set("02", CERT_REVOKED, REASON_SUPERSEDED);
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), revoke_meanwhile, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 2);
    assert_int_equal(covers, 2);
    assert_int_equal(store_change(f.store), 3);
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &later, &f.err), 0);
    assert_int_equal(page.count, 3);
    assert_int_equal(later, 3);
}

static int64_t take_number(int64_t now)
{
    int64_t number = 0;
    assert_int_equal(store_crl_take_number(f.store, crl_of(f.issuer), now, &number, &f.err), 0);
    return number;
}

struct changes {
    int shard;
    int64_t changed;
};

static void see_changed(void *arg, int shard, int64_t changed)
{
    struct changes *changes = arg;
    if (changes->shard == shard)
        changes->changed = changed;
}

static int64_t changed_of(int shard)
{
    struct changes changes = {shard, -1};
    assert_int_equal(store_crl_changed(f.store, f.issuer, see_changed, &changes, &f.err), 0);
    return changes.changed;
}

static void numbers_only_go_up(void **state)
{
    (void)state;
    assert_int_equal(take_number(NOW), NOW); /* above those of a predecessor that counted from one */
    assert_int_equal(take_number(NOW), NOW + 1);
    assert_int_equal(take_number(NOW), NOW + 2);
    assert_int_equal(take_number(NOW - 1000000), NOW + 3); /* the clock went back */
    assert_int_equal(take_number(0), NOW + 4);
    assert_int_equal(take_number(-5), NOW + 5);
    reopen();
    assert_int_equal(take_number(NOW), NOW + 6);
    assert_int_equal(take_number(NOW + 7), NOW + 7);
    assert_int_equal(take_number(NOW + 7), NOW + 8);
    assert_int_equal(take_number(NOW + 1000), NOW + 1000);
    reopen();
    assert_true(take_number(NOW) > NOW + 1000);

    int64_t other, number;
    assert_int_equal(store_issuer(f.store, "two", (const uint8_t[32]){7}, &other, &f.err), 0);
    assert_int_equal(store_crl_take_number(f.store, crl_of(other), 0, &number, &f.err), 0);
    assert_true(number > 0); /* each issuer has its own */
    assert_true(number < NOW);
}

static void what_was_published_is_remembered(void **state)
{
    (void)state;
    struct store_crl crl = {.covers = 1, .this_update = NOW, .next_update = NOW + 604800, .entries = 1}, read;
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err), ABSENT);
    register_text("01");
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    crl.number = take_number(NOW);
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err),
                     ABSENT); /* taken, not published */
    memset(crl.digest, 0xd1, sizeof crl.digest);
    assert_int_equal(store_crl_published(f.store, crl_of(f.issuer), &crl, &f.err), 0);
    take_number(NOW);
    reopen();
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err), FOUND);
    assert_memory_equal(&read, &crl, sizeof crl);
    assert_int_equal(changed_of(-1), 1);
    set("01", CERT_REVOKED, REASON_KEY_COMPROMISE);
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err), FOUND);
    assert_int_equal(changed_of(-1), 2); /* more than it covers: due */

    int64_t other;
    assert_int_equal(store_issuer(f.store, "two", (const uint8_t[32]){7}, &other, &f.err), 0);
    assert_int_equal(store_crl_last(f.store, crl_of(other), &read, &f.err), ABSENT);
    assert_int_equal(store_crl_last(f.store, crl_of(4711), &read, &f.err), ABSENT);
}

/* --- tokens -------------------------------------------------------------------------------------------- */

/* Its hash is of this octet. */
static enum outcome token_add(const char *name, uint8_t octet, int64_t *id)
{
    uint8_t hash[STORE_TOKEN_HASH];
    struct store_token token = {.name = name,
                                .hash = hash,
                                .role = ROLE_OPERATOR,
                                .scope = octet == 2 ? "one two" : NULL,
                                .expires_at = octet == 2 ? NOW + 90 : TIME_NONE};
    memset(hash, octet, sizeof hash);
    struct store_tx *tx = begin();
    enum outcome outcome = store_tx_token_add(tx, &token, id, &f.err);
    commit(tx);
    return outcome;
}

static enum outcome token_revoke(int64_t id, int64_t at)
{
    struct store_actor later = {"unit", "test", at};
    struct store_tx *tx = store_begin(f.store, &later, &f.err);
    assert_non_null(tx);
    enum outcome outcome = store_tx_token_revoke(tx, id, &f.err);
    commit(tx);
    return outcome;
}

struct tokens {
    size_t count;
    struct store_token list[4]; /* without what the pointers point to */
    char names[4][64], scopes[4][64];
};

static int see_token(void *arg, const struct store_token *token)
{
    struct tokens *tokens = arg;
    tokens->list[tokens->count] = *token;
    snprintf(tokens->names[tokens->count], 64, "%s", token->name);
    snprintf(tokens->scopes[tokens->count++], 64, "%s", token->scope ? token->scope : "all");
    return 0;
}

/* Whether a token that is not revoked has this hash. */
static enum outcome token_find(uint8_t octet, char name[64])
{
    uint8_t hash[STORE_TOKEN_HASH];
    struct tokens tokens = {0};
    memset(hash, octet, sizeof hash);
    assert_int_equal(store_token_find(f.store, hash, see_token, &tokens, &f.err), 0);
    assert_true(tokens.count <= 1);
    snprintf(name, 64, "%s", tokens.names[0]);
    return tokens.count && tokens.list[0].revoked_at == TIME_NONE ? FOUND : ABSENT;
}

static void tokens_are_found_by_the_beginning_of_their_hash(void **state)
{
    (void)state;
    int64_t id;
    uint8_t hash[STORE_TOKEN_HASH];
    static const struct {
        size_t at;
        uint8_t octet;
        size_t found;
    } rows[] = {{0, 8, 0}, {7, 6, 0}, {7, 8, 0}, {8, 0, 1}, {8, 0xff, 1}, {31, 0, 1}, {31, 0xff, 1}};
    assert_int_equal(token_add("six", 6, &id), FOUND);
    assert_int_equal(token_add("seven", 7, &id), FOUND);
    assert_int_equal(token_add("last", 0xff, &id), FOUND);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tokens tokens = {0};
        memset(hash, 7, sizeof hash);
        hash[rows[i].at] = rows[i].octet;
        assert_int_equal(store_token_find(f.store, hash, see_token, &tokens, &f.err), 0);
        assert_int_equal(tokens.count, rows[i].found);
    }
}

static void the_last_use_of_a_token_is_kept(void **state)
{
    (void)state;
    int64_t one, two;
    struct tokens tokens = {0};
    assert_int_equal(token_add("one", 1, &one), FOUND);
    assert_int_equal(token_add("two", 2, &two), FOUND);
    struct store_actor later = {"unit", "test", NOW + 70};
    struct store_tx *tx = store_begin(f.store, &later, &f.err);
    assert_non_null(tx);
    assert_int_equal(store_tx_token_used(tx, two, &f.err), 0);
    commit(tx);
    assert_int_equal(store_token_list(f.store, see_token, &tokens, &f.err), 0);
    assert_true(tokens.list[0].last_used_at == TIME_NONE);
    assert_int_equal(tokens.list[1].last_used_at, NOW + 70);
}

/* What wrote them then knew no roles. */
static void old_tokens_are_administrators(void **state)
{
    (void)state;
    int64_t id;
    struct tokens tokens = {0};
    assert_int_equal(token_add("old", 1, &id), FOUND);
    age();
    assert_int_equal(store_token_list(f.store, see_token, &tokens, &f.err), 0);
    assert_int_equal(tokens.count, 1);
    assert_int_equal(tokens.list[0].role, ROLE_ADMINISTRATOR);
    assert_string_equal(tokens.scopes[0], "all");
    assert_true(tokens.list[0].expires_at == TIME_NONE && tokens.list[0].last_used_at == TIME_NONE);
}

static void tokens_are_found_until_revoked(void **state)
{
    (void)state;
    int64_t ops, ci, none = -1;
    char name[64];
    assert_int_equal(token_add("ops", 1, &ops), FOUND);
    assert_int_equal(token_add("ci", 2, &ci), FOUND);
    assert_int_not_equal(ops, ci);
    assert_int_equal(token_add("ops", 3, &none), ABSENT); /* the name is taken */
    assert_int_equal(none, -1);
    assert_int_equal(token_find(1, name), FOUND);
    assert_string_equal(name, "ops");
    assert_int_equal(token_find(3, name), ABSENT);
    assert_int_equal(token_revoke(ops, NOW + 5), FOUND);
    assert_int_equal(token_revoke(ops, NOW + 9), FOUND);
    assert_int_equal(token_revoke(4711, NOW), ABSENT);
    assert_int_equal(token_find(1, name), ABSENT);
    assert_int_equal(token_find(2, name), FOUND);
    assert_string_equal(name, "ci");
    assert_int_equal(token_add("ops", 4, &none), ABSENT); /* nor is a revoked one's name used again */

    struct tokens tokens = {0};
    reopen();
    assert_int_equal(store_token_list(f.store, see_token, &tokens, &f.err), 0);
    assert_int_equal(tokens.count, 2);
    assert_int_equal(tokens.list[0].id, ops);
    assert_string_equal(tokens.names[0], "ops");
    assert_string_equal(tokens.scopes[0], "all");
    assert_int_equal(tokens.list[0].role, ROLE_OPERATOR);
    assert_int_equal(tokens.list[0].created_at, NOW);
    assert_int_equal(tokens.list[0].revoked_at, NOW + 5); /* the first time */
    assert_true(tokens.list[0].expires_at == TIME_NONE);
    assert_string_equal(tokens.names[1], "ci");
    assert_string_equal(tokens.scopes[1], "one two");
    assert_int_equal(tokens.list[1].expires_at, NOW + 90);
    assert_true(tokens.list[1].revoked_at == TIME_NONE);
}

/* --- readers that keep what they saw ------------------------------------------------------------------- */

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

/* --- how large a row is -------------------------------------------------------------------------------- */

enum { ROWS = 200000 };

static uint64_t random_state;

static uint64_t random_number(void) /* splitmix64: the same rows in every run */
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static int by_number(const void *a, const void *b)
{
    return serial_compare(a, b);
}

static double octets_a_row(bool sorted)
{
    struct serial *serials = calloc(ROWS, sizeof *serials);
    assert_non_null(serials);
    random_state = 1;
    for (size_t i = 0; i < ROWS; i++) {
        uint64_t halves[2] = {random_number(), random_number()};
        serials[i].len = 16;
        memcpy(serials[i].octets, halves, 16);
        serials[i].octets[0] = (uint8_t)((serials[i].octets[0] & 0x7f) | 0x40);
    }
    if (sorted)
        qsort(serials, ROWS, sizeof *serials, by_number);
    reopen();
    store_close(f.store);
    f.store = NULL;
    int64_t empty = file_size(f.path);
    reopen();
    struct store_tx *tx = begin();
    for (size_t i = 0; i < ROWS; i++) {
        struct cert_record record = {.serial = serials[i],
                                     .not_before = TIME_NONE,
                                     .not_after = TIME_NONE,
                                     .invalidity_at = TIME_NONE};
        register_in(tx, &record, ABSENT);
    }
    commit(tx);
    store_close(f.store); /* folds the log into the database */
    f.store = NULL;
    free(serials);
    return (double)(file_size(f.path) - empty) / ROWS;
}

static void a_plain_row_is_small(void **state)
{
    (void)state;
    double octets_each = octets_a_row(true);
    print_message("           %.1f octets a row, inserted in order\n", octets_each);
    assert_true(octets_each <= 34);
}

static void a_plain_row_in_random_order_is_reported(void **state)
{
    (void)state;
    print_message("           %.1f octets a row, inserted in random order\n", octets_a_row(false));
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

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_database_is_made_and_opened_again),
        with_store(only_one_has_it),
        with_store(a_newer_one_is_refused_and_left_alone),
        with_store(a_newer_one_with_another_journal_is_left_alone),
        with_store(other_files_are_refused),
        with_store(checking_makes_nothing),
        with_store(an_issuer_is_who_it_was),
        with_store(registering_adds_once),
        with_store(registering_again_leaves_it_as_it_was),
        with_store(facts_are_written_as_they_are),
        with_store(registering_changes_no_status),
        with_store(a_status_is_written_with_its_version),
        with_store(all_of_a_transaction_is_one_change),
        with_store(a_rollback_leaves_nothing),
        with_store(the_audit_tells_who_did_what),
        with_store(what_stands_in_a_column_counts),
        with_store(what_stands_for_nothing_counts),
        with_store(a_stranger_in_the_way_is_passed),
        with_store(a_damaged_head_stops_changes),
        with_store(old_rows_are_chained),
        with_store(answers_are_kept_for_a_day),
        with_store(of_each_actor_the_newest_answers_are_kept),
        with_store(certificates_are_counted),
        with_store(counts_are_those_of_the_issuer),
        with_store(a_listener_hears_what_was_not_refused),
        with_store(pages_follow_in_numeric_order),
        with_store(filters_choose),
        with_store(searches_find),
        with_store(searches_find_each_once),
        with_store(searches_use_their_indexes),
        with_store(a_revocation_takes_few_statements),
        with_store(the_cursor_works_with_a_status),
        with_store(a_scan_gives_the_revoked_in_order),
        with_store(a_scan_does_not_follow_the_changes),
        with_store(a_scan_is_one_snapshot),
        with_store(numbers_only_go_up),
        with_store(what_was_published_is_remembered),
        with_store(tokens_are_found_until_revoked),
        with_store(tokens_are_found_by_the_beginning_of_their_hash),
        with_store(the_last_use_of_a_token_is_kept),
        with_store(old_tokens_are_administrators),
        with_store(every_reader_sees_every_commit),
        with_store(a_reader_that_was_overtaken_does_not_stay_behind),
        with_store(readers_see_nothing_of_a_rollback),
        with_store(the_log_does_not_grow_without_end),
        with_store(closing_ends_what_readers_keep),
        with_store(a_plain_row_is_small),
        with_store(a_plain_row_in_random_order_is_reported),
        with_store(what_was_acknowledged_is_read),
        with_store(a_scan_tells_all_that_its_counter_covers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
