/* A database in a folder of its own, and what the tests of the store have in common. */
#ifndef ANNUL_TEST_STORE_FIXTURE_H
#define ANNUL_TEST_STORE_FIXTURE_H

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

static inline void reopen(void)
{
    store_close(f.store);
    f.store = store_open(f.path, &f.err);
    if (!f.store)
        fail_msg("%s", f.err.text);
}

static inline int fixture_make(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annul.db", f.folder);
    reopen();
    return store_issuer(f.store, "one", fingerprint, &f.issuer, &f.err);
}

static inline int fixture_free(void **state)
{
    (void)state;
    store_close(f.store);
    folder_remove(f.folder);
    return 0;
}

static inline struct serial serial_of(const char *text)
{
    struct serial serial;
    assert_true(serial_from_text(text, &serial));
    return serial;
}

static inline struct cert_record plain(const char *serial)
{
    return (struct cert_record){.serial = serial_of(serial),
                                .not_before = TIME_NONE,
                                .not_after = TIME_NONE,
                                .invalidity_at = TIME_NONE};
}

static inline struct store_tx *begin(void)
{
    struct store_tx *tx = store_begin(f.store, &actor, &f.err);
    if (!tx)
        fail_msg("%s", f.err.text);
    return tx;
}

static inline void commit(struct store_tx *tx)
{
    if (store_commit(tx, &f.err) < 0)
        fail_msg("%s", f.err.text);
}

static inline void register_in(struct store_tx *tx, const struct cert_record *record, enum outcome wanted)
{
    enum outcome outcome = store_tx_register(tx, f.issuer, record, &f.err);
    if (outcome != wanted)
        fail_msg("%d, not %d: %s", outcome, wanted, f.err.text);
}

static inline void register_text(const char *serial)
{
    struct cert_record record = plain(serial);
    struct store_tx *tx = begin();
    register_in(tx, &record, ABSENT);
    commit(tx);
}

static inline int set_in(struct store_tx *tx, const char *serial, enum cert_status status, int reason)
{
    struct cert_record record = plain(serial);
    record.status = status;
    record.reason = reason;
    record.revoked_at = NOW - 60;
    record.invalidity_at = reason == REASON_KEY_COMPROMISE ? NOW - 3600 : TIME_NONE;
    return store_tx_set_status(tx, f.issuer, CERT_GOOD, &record,
                               &f.err); /* each is set but once where it matters */
}

static inline void set(const char *serial, enum cert_status status, int reason)
{
    struct store_tx *tx = begin();
    assert_int_equal(set_in(tx, serial, status, reason), 0);
    commit(tx);
}

static inline enum outcome status_of(const char *text, struct cert_record *record)
{
    struct serial serial = serial_of(text);
    return store_status(f.store, f.issuer, &serial, record, &f.err);
}

static inline const struct store_crl_key *crl_of(int64_t issuer)
{
    static _Thread_local struct store_crl_key key;
    key = (struct store_crl_key){issuer, -1, false};
    return &key;
}

static inline enum outcome whole(const char *text, struct cert_record *record)
{
    struct serial serial = serial_of(text);
    return store_certificate(f.store, f.issuer, &serial, record, &f.err);
}

/* What SQLite itself says, past the code under test. */
static inline int64_t ask(const char *path, const char *sql)
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

static inline int64_t file_size(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* The same database as it was before db/003, opened anew. */
static inline void age(void)
{
    static const char *const undo[] = {"DROP INDEX revocation_by_shard_version",
                                       "DROP INDEX certificate_by_name",
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

enum { LISTED = 2500 };

/* Distinct, of 1 to 20 octets, in rising order; the length changes most often where there are few numbers. */
static inline struct serial nth(size_t n)
{
    struct serial serial = {.len = (uint8_t)(n < 255 ? 1 : 2 + (n - 255) / 119)};
    size_t value = n < 255 ? n + 1 : (n - 255) % 119 + 1;
    if (serial.len > 1)
        serial.octets[0] = (uint8_t)(value * 2 + 1); /* the high bit is set in half of them */
    else
        serial.octets[0] = (uint8_t)value;
    return serial;
}

static inline void fill(void)
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

static inline int page_add(void *arg, const struct cert_record *record)
{
    struct page *page = arg;
    page->serials[page->count] = record->serial;
    page->statuses[page->count++] = record->status;
    return page->count == page->stop_at;
}

/* Its hash is of this octet. */
static inline enum outcome token_add(const char *name, uint8_t octet, int64_t *id)
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

static inline enum outcome token_revoke(int64_t id, int64_t at)
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

static inline int see_token(void *arg, const struct store_token *token)
{
    struct tokens *tokens = arg;
    tokens->list[tokens->count] = *token;
    snprintf(tokens->names[tokens->count], 64, "%s", token->name);
    snprintf(tokens->scopes[tokens->count++], 64, "%s", token->scope ? token->scope : "all");
    return 0;
}

/* Whether a token that is not revoked has this hash. */
static inline enum outcome token_find(uint8_t octet, char name[64])
{
    uint8_t hash[STORE_TOKEN_HASH];
    struct tokens tokens = {0};
    memset(hash, octet, sizeof hash);
    assert_int_equal(store_token_find(f.store, hash, see_token, &tokens, &f.err), 0);
    assert_true(tokens.count <= 1);
    snprintf(name, 64, "%s", tokens.names[0]);
    return tokens.count && tokens.list[0].revoked_at == TIME_NONE ? FOUND : ABSENT;
}

static inline int64_t take_number(int64_t now)
{
    int64_t number = 0;
    assert_int_equal(store_crl_take_number(f.store, crl_of(f.issuer), now, &number, &f.err), 0);
    return number;
}

struct changes {
    int shard;
    int64_t changed;
};

static inline void see_changed(void *arg, int shard, int64_t changed)
{
    struct changes *changes = arg;
    if (changes->shard == shard)
        changes->changed = changed;
}

static inline int64_t changed_of(int shard)
{
    struct changes changes = {shard, -1};
    assert_int_equal(store_crl_changed(f.store, f.issuer, see_changed, &changes, &f.err), 0);
    return changes.changed;
}

#define with_store(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_free)

#endif
