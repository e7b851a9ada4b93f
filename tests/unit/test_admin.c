/* The rules of change, with a real store, a real publisher and a real signer (of the build in BUILD). */
#include "unit.h"

#include <annul/admin.h>
#include <annul/clock.h>

#include <sched.h>
#include <semaphore.h>
#include <sqlite3.h>

#define NOW 1763715600 /* 2026-11-21T09:00:00Z */

static struct fixture {
    char *folder, path[256], database[256];
    struct config *config;
    struct issuers *issuers;
    struct issuer *client, *server;
    struct signer *signer;
    struct store *store;
    struct publisher *publisher;
    struct admin admin;
    struct error err;
} f;

static void write_config(void)
{
    const char *build = getenv("ANNUL_BUILD") ? getenv("ANNUL_BUILD") : getenv("BUILD");
    char *program = realpath(build ? build : "build", NULL), *text;
    assert_non_null(program);
    assert_true(asprintf(&text,
                         "public { listen = {\"127.0.0.1:0\"} } admin { socket = \"admin.sock\" }\n"
                         "database { path = \"annul.db\" } crl { directory = \"crl\" delay_ms = 0 }\n"
                         "signer { program = \"%s/annul-signer\" } log { level = \"error\" }\n"
                         "issuer \"client\" { certificate = \"pki/issuing-client.crt\" key = "
                         "\"pki/issuing-client.key\" }\n"
                         "issuer \"server\" { certificate = \"pki/issuing-server.crt\" key = "
                         "\"pki/issuing-server.key\" }\n",
                         program) > 0);
    file_put(f.path, text, strlen(text));
    free(text);
    free(program);
}

static int fixture_make(void **state)
{
    (void)state;
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annuld.conf", f.folder);
    snprintf(f.database, sizeof f.database, "%s/annul.db", f.folder);
    shell("tests/pki.sh %s/pki", f.folder);
    write_config();
    log_set_level(LOG_LEVEL_ERROR);
    if (!(f.config = config_load(f.path, &f.err)) || !(f.issuers = issuers_load(f.config, &f.err)) ||
        !(f.signer = signer_start(f.issuers, &f.err)) || !(f.store = store_open(f.database, &f.err)))
        fail_msg("%s", f.err.text);
    for (size_t i = 0; i < f.issuers->count; i++) {
        struct issuer *issuer = &f.issuers->list[i];
        assert_int_equal(
            store_issuer(f.store, issuer->config->name.text, issuer->fingerprint, &issuer->id, &f.err), 0);
    }
    if (!(f.publisher = publisher_start(f.config, f.issuers, f.store, f.signer, &f.err)))
        fail_msg("%s", f.err.text);
    f.client = issuers_by_name(f.issuers, "client");
    f.server = issuers_by_name(f.issuers, "server");
    f.admin = (struct admin){.issuers = f.issuers, .store = f.store, .publisher = f.publisher};
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    publisher_stop(f.publisher);
    store_close(f.store);
    signer_stop(f.signer);
    issuers_free(f.issuers);
    config_free(f.config);
    folder_remove(f.folder);
    return 0;
}

static struct store_actor at(int64_t when)
{
    return (struct store_actor){"unit", "test", when};
}

/* Every test has serials of its own. */
static struct serial fresh(void)
{
    static uint8_t last;
    return (struct serial){.len = 2, .octets = {0x42, ++last}};
}

static struct serial registered(void)
{
    struct cert_record record = {
        .serial = fresh(), .not_before = TIME_NONE, .not_after = TIME_NONE, .invalidity_at = TIME_NONE};
    struct store_actor actor = at(NOW);
    struct admin_import_count counts;
    assert_int_equal(admin_import(&f.admin, &actor, f.client, &record, 1, &counts, &f.err), ADMIN_DONE);
    assert_int_equal(counts.added, 1);
    return record.serial;
}

struct outcome_of {
    enum admin_result result;
    bool changed;
    enum cert_status status;
    int reason;
    int64_t revoked_at, invalidity_at, version;
};

static struct outcome_of keep(enum admin_result result, bool changed, struct cert_record *record)
{
    struct outcome_of outcome = {.result = result, .changed = changed};
    if (result == ADMIN_DONE) {
        outcome.status = record->status;
        outcome.reason = record->reason;
        outcome.revoked_at = record->revoked_at;
        outcome.invalidity_at = record->invalidity_at;
        outcome.version = record->version;
        cert_record_free(record);
    }
    return outcome;
}

static struct outcome_of revoke_at(struct serial serial, int64_t when, int reason, int64_t invalidity_at)
{
    struct store_actor actor = at(when);
    struct cert_record record;
    bool changed = false;
    f.err = (struct error){""};
    enum admin_result result =
        admin_revoke(&f.admin, &actor, f.client, &serial, reason, invalidity_at, &record, &changed, &f.err);
    return keep(result, changed, &record);
}

static struct outcome_of release_at(struct serial serial, int64_t when)
{
    struct store_actor actor = at(when);
    struct cert_record record;
    bool changed = false;
    f.err = (struct error){""};
    enum admin_result result = admin_release(&f.admin, &actor, f.client, &serial, &record, &changed, &f.err);
    return keep(result, changed, &record);
}

static struct cert_record stored(struct serial serial)
{
    struct cert_record record;
    assert_int_equal(store_status(f.store, f.client->id, &serial, &record, &f.err), FOUND);
    return record;
}

static int64_t ask(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(f.database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}

static int64_t audit_count(void)
{
    return ask("SELECT count(*) FROM audit");
}

/* --- revoking ------------------------------------------------------------------------------------------ */

static sem_t published;
static bool published_well;

static void note_published(void *arg, const char *failure)
{
    (void)arg;
    published_well = !failure;
    sem_post(&published);
}

static int publish_now(void)
{
    sem_init(&published, 0, 0);
    publisher_publish(f.publisher, f.client, note_published, NULL);
    while (sem_wait(&published) < 0)
        continue;
    return published_well ? 0 : -1;
}

static void revoking_is_written_and_published(void **state)
{
    (void)state;
    struct serial serial = registered();
    int64_t before = store_change(f.store), audited = audit_count();
    struct outcome_of done = revoke_at(serial, NOW, REASON_KEY_COMPROMISE, NOW - 3600);
    assert_int_equal(done.result, ADMIN_DONE);
    assert_true(done.changed);
    assert_int_equal(done.status, CERT_REVOKED);
    assert_int_equal(done.reason, REASON_KEY_COMPROMISE);
    assert_int_equal(done.revoked_at, NOW);
    assert_int_equal(done.invalidity_at, NOW - 3600);
    assert_int_equal(done.version, before + 1);
    assert_int_equal(store_change(f.store), before + 1);
    assert_int_equal(audit_count(), audited + 1);
    struct cert_record record = stored(serial);
    assert_int_equal(record.status, CERT_REVOKED);
    assert_int_equal(record.invalidity_at, NOW - 3600);

    assert_int_equal(publish_now(), 0);
    struct publication *publication =
        publisher_current(f.publisher, f.client, (struct crl_part){CRL_WHOLE, false});
    assert_non_null(publication);
    assert_int_equal(publication->entries, ask("SELECT count(*) FROM revocation WHERE status <> 0"));
    publication_release(publication);
}

static void the_change_itself_makes_a_new_crl(void **state)
{
    (void)state;
    assert_int_equal(publish_now(), 0);
    struct publication *before =
        publisher_current(f.publisher, f.client, (struct crl_part){CRL_WHOLE, false});
    assert_int_equal(revoke_at(registered(), NOW, REASON_SUPERSEDED, TIME_NONE).result, ADMIN_DONE);
    int64_t number = before->number, until = clock_monotonic_ms() + 30000;
    while (number == before->number && clock_monotonic_ms() < until) { /* it comes of its own */
        sched_yield();
        struct publication *now =
            publisher_current(f.publisher, f.client, (struct crl_part){CRL_WHOLE, false});
        number = now->number;
        publication_release(now);
    }
    assert_true(number > before->number);
    publication_release(before);
}

static void revoking_twice_changes_nothing(void **state)
{
    (void)state;
    struct serial serial = registered();
    assert_true(revoke_at(serial, NOW, REASON_SUPERSEDED, TIME_NONE).changed);
    int64_t change = store_change(f.store), audited = audit_count();
    struct outcome_of again = revoke_at(serial, NOW + 100, REASON_SUPERSEDED, TIME_NONE);
    assert_int_equal(again.result, ADMIN_DONE);
    assert_false(again.changed);
    assert_int_equal(again.revoked_at, NOW);
    assert_int_equal(store_change(f.store), change);
    assert_int_equal(audit_count(), audited);
}

static void an_invalidity_date_may_be_added_once(void **state)
{
    (void)state;
    struct serial serial = registered();
    revoke_at(serial, NOW, REASON_KEY_COMPROMISE, TIME_NONE);
    struct outcome_of added = revoke_at(serial, NOW + 100, REASON_KEY_COMPROMISE, NOW - 500);
    assert_true(added.changed);
    assert_int_equal(added.invalidity_at, NOW - 500);
    assert_int_equal(added.revoked_at, NOW);
    assert_false(revoke_at(serial, NOW + 200, REASON_KEY_COMPROMISE, NOW - 900).changed);
    assert_false(revoke_at(serial, NOW + 200, REASON_KEY_COMPROMISE, TIME_NONE).changed);
    assert_int_equal(stored(serial).invalidity_at, NOW - 500);
}

static const int reasons[] = {0, 1, 2, 3, 4, 5, 6, 9, 10};

/* Every reason after every other: status, reason and date follow the one table of annul/reason.h. */
static void a_second_reason_follows_the_table(void **state)
{
    (void)state;
    for (size_t old = 0; old < COUNT(reasons); old++)
        for (size_t wanted = 0; wanted < COUNT(reasons); wanted++) {
            struct serial serial = registered();
            struct outcome_of first = revoke_at(serial, NOW, reasons[old], TIME_NONE);
            assert_int_equal(first.status,
                             reasons[old] == REASON_CERTIFICATE_HOLD ? CERT_HOLD : CERT_REVOKED);
            struct outcome_of second = revoke_at(serial, NOW + 100, reasons[wanted], TIME_NONE);
            bool may = reason_may_become(reasons[old], reasons[wanted]);
            int is = may ? reasons[wanted] : reasons[old];
            assert_int_equal(second.result, ADMIN_DONE);
            assert_int_equal(second.changed, may);
            assert_int_equal(second.reason, is);
            assert_int_equal(second.status, is == REASON_CERTIFICATE_HOLD ? CERT_HOLD : CERT_REVOKED);
            assert_int_equal(second.revoked_at, NOW); /* it has not been good since the first */
            assert_int_equal(stored(serial).reason, is);
        }
}

static void an_unknown_serial_is_not_found(void **state)
{
    (void)state;
    struct serial serial = fresh();
    int64_t change = store_change(f.store), audited = audit_count();
    assert_int_equal(revoke_at(serial, NOW, REASON_SUPERSEDED, TIME_NONE).result, ADMIN_NOT_FOUND);
    assert_says(f.err, "client");
    assert_says(f.err, "register");
    assert_int_equal(release_at(serial, NOW).result, ADMIN_NOT_FOUND);
    struct cert_record record;
    assert_int_equal(store_status(f.store, f.client->id, &serial, &record, &f.err), ABSENT);
    assert_int_equal(store_change(f.store), change);
    assert_int_equal(audit_count(), audited);
}

/* --- hold ---------------------------------------------------------------------------------------------- */

static void a_hold_ends_and_may_begin_again(void **state)
{
    (void)state;
    struct serial serial = registered();
    struct outcome_of held = revoke_at(serial, NOW, REASON_CERTIFICATE_HOLD, TIME_NONE);
    assert_int_equal(held.status, CERT_HOLD);
    struct outcome_of released = release_at(serial, NOW + 10);
    assert_int_equal(released.result, ADMIN_DONE);
    assert_true(released.changed);
    assert_int_equal(released.status, CERT_GOOD);
    assert_int_equal(stored(serial).status, CERT_GOOD);
    assert_true(released.version > held.version);
    struct outcome_of again = release_at(serial, NOW + 20); /* released before */
    assert_int_equal(again.result, ADMIN_DONE);
    assert_false(again.changed);
    held = revoke_at(serial, NOW + 30, REASON_CERTIFICATE_HOLD, TIME_NONE);
    assert_true(held.changed);
    assert_int_equal(held.revoked_at, NOW + 30); /* it was good between */
    struct outcome_of revoked = revoke_at(serial, NOW + 40, REASON_KEY_COMPROMISE, TIME_NONE);
    assert_int_equal(revoked.status, CERT_REVOKED);
    assert_int_equal(revoked.revoked_at, NOW + 30);
}

static void released_and_revoked_it_counts_from_then(void **state)
{
    (void)state;
    struct serial serial = registered();
    revoke_at(serial, NOW, REASON_CERTIFICATE_HOLD, TIME_NONE);
    release_at(serial, NOW + 10);
    struct outcome_of revoked = revoke_at(serial, NOW + 20, REASON_SUPERSEDED, TIME_NONE);
    assert_true(revoked.changed);
    assert_int_equal(revoked.revoked_at, NOW + 20);
    assert_int_equal(revoked.reason, REASON_SUPERSEDED);
}

static void revoked_for_good_is_never_released(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reasons); i++) {
        if (reasons[i] == REASON_CERTIFICATE_HOLD)
            continue;
        struct serial serial = registered();
        revoke_at(serial, NOW, reasons[i], TIME_NONE);
        int64_t audited = audit_count();
        struct outcome_of outcome = release_at(serial, NOW + 10);
        assert_int_equal(outcome.result, ADMIN_CONFLICT);
        assert_false(outcome.changed);
        assert_says(f.err, reason_name(reasons[i]));
        assert_int_equal(stored(serial).status, CERT_REVOKED);
        assert_int_equal(audit_count(), audited);
        /* nor by way of a hold */
        assert_false(revoke_at(serial, NOW + 20, REASON_CERTIFICATE_HOLD, TIME_NONE).changed);
        assert_int_equal(release_at(serial, NOW + 30).result, ADMIN_CONFLICT);
    }
}

static void one_that_was_never_held_is_not_released(void **state)
{
    (void)state;
    int64_t change = store_change(f.store), audited = audit_count();
    struct serial serial = registered();
    struct outcome_of outcome = release_at(serial, NOW);
    assert_int_equal(outcome.result, ADMIN_CONFLICT);
    assert_false(outcome.changed);
    assert_says(f.err, "not on hold");
    assert_int_equal(stored(serial).version, 0);
    assert_int_equal(store_change(f.store), change);
    assert_int_equal(audit_count(), audited + 1); /* the registration's */
}

/* --- many at once -------------------------------------------------------------------------------------- */

#define MANY 5

/* Good, revoked already, unknown, not understood by the caller, good. */
static void make_many(struct admin_revocation list[MANY])
{
    for (size_t i = 0; i < MANY; i++)
        list[i] = (struct admin_revocation){.reason = REASON_KEY_COMPROMISE, .invalidity_at = TIME_NONE};
    list[0].serial = registered();
    list[1].serial = registered();
    assert_true(revoke_at(list[1].serial, NOW - 60, REASON_SUPERSEDED, TIME_NONE).changed);
    list[1].reason = REASON_SUPERSEDED;
    list[2].serial = fresh();
    list[3].result = ADMIN_INVALID;
    list[4].serial = registered();
    list[4].reason = REASON_CERTIFICATE_HOLD;
}

static enum admin_result revoke_many(struct admin_revocation *list, size_t count, bool atomic)
{
    struct store_actor actor = at(NOW);
    return admin_revoke_many(&f.admin, &actor, f.client, list, count, atomic, &f.err);
}

static void of_many_those_that_can_be_are_revoked(void **state)
{
    (void)state;
    static const struct {
        enum admin_result result;
        bool changed;
    } wanted[MANY] = {{ADMIN_DONE, true},
                      {ADMIN_DONE, false},
                      {ADMIN_NOT_FOUND, false},
                      {ADMIN_INVALID, false},
                      {ADMIN_DONE, true}};
    struct admin_revocation list[MANY];
    make_many(list);
    int64_t before = store_change(f.store), audited = audit_count();
    assert_int_equal(revoke_many(list, MANY, false), ADMIN_DONE);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(list[i].result, wanted[i].result);
        assert_int_equal(list[i].changed, wanted[i].changed);
    }
    assert_int_equal(store_change(f.store), before + 1);
    assert_int_equal(audit_count(), audited + 4); /* two of those that could not be */
    assert_int_equal(ask("SELECT count(*) FROM audit WHERE action = 'refused revoke'"), 2);
    assert_int_equal(stored(list[0].serial).status, CERT_REVOKED);
    assert_int_equal(stored(list[0].serial).version, before + 1);
    assert_int_equal(stored(list[1].serial).revoked_at, NOW - 60);
    assert_int_equal(stored(list[4].serial).status, CERT_HOLD);

    assert_int_equal(publish_now(), 0);
    struct publication *publication =
        publisher_current(f.publisher, f.client, (struct crl_part){CRL_WHOLE, false});
    assert_int_equal(publication->entries, ask("SELECT count(*) FROM revocation WHERE status <> 0"));
    publication_release(publication);
}

static void of_many_all_or_none(void **state)
{
    (void)state;
    for (size_t at_fault = 2; at_fault <= 3; at_fault++) {
        struct admin_revocation list[MANY];
        make_many(list);
        if (at_fault == 3)
            list[2].serial = registered();
        int64_t before = store_change(f.store), audited = audit_count();
        assert_int_equal(revoke_many(list, MANY, true), ADMIN_CONFLICT);
        for (size_t i = 0; i < at_fault; i++)
            assert_int_equal(list[i].result, ADMIN_DONE);
        assert_int_not_equal(list[at_fault].result, ADMIN_DONE);
        assert_int_equal(store_change(f.store), before);
        assert_int_equal(audit_count(), audited);
        assert_int_equal(stored(list[0].serial).status, CERT_GOOD);
        assert_int_equal(stored(list[4].serial).status, CERT_GOOD);
    }
    struct admin_revocation list[MANY];
    make_many(list);
    assert_int_equal(revoke_many(list, 2, true), ADMIN_DONE);
    assert_int_equal(stored(list[0].serial).status, CERT_REVOKED);
    assert_int_equal(revoke_many(list, 0, true), ADMIN_DONE);
}

/* --- import -------------------------------------------------------------------------------------------- */

static struct admin_import_count import_one(struct serial serial, enum cert_status status, int reason,
                                            int64_t revoked_at)
{
    struct cert_record row = {.serial = serial,
                              .status = status,
                              .reason = reason,
                              .revoked_at = revoked_at,
                              .not_before = TIME_NONE,
                              .not_after = TIME_NONE,
                              .invalidity_at = TIME_NONE};
    struct store_actor actor = at(NOW + 5000);
    struct admin_import_count counts;
    assert_int_equal(admin_import(&f.admin, &actor, f.client, &row, 1, &counts, &f.err), ADMIN_DONE);
    return counts;
}

static void an_import_never_unrevokes(void **state)
{
    (void)state;
    static const int kinds[] = {REASON_SUPERSEDED, REASON_CERTIFICATE_HOLD};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct serial serial = registered();
        revoke_at(serial, NOW, kinds[i], TIME_NONE);
        enum cert_status before = stored(serial).status;
        struct admin_import_count counts = import_one(serial, CERT_GOOD, 0, 0);
        assert_int_equal(counts.known, 1);
        assert_int_equal(counts.changed, 0);
        assert_int_equal(stored(serial).status, before);
        assert_int_equal(stored(serial).revoked_at, NOW);
    }
}

static void an_import_brings_its_own_date(void **state)
{
    (void)state;
    struct serial serial = fresh();
    struct admin_import_count counts = import_one(serial, CERT_REVOKED, REASON_CA_COMPROMISE, NOW - 86400);
    assert_int_equal(counts.added, 1);
    assert_int_equal(counts.changed, 1);
    struct cert_record record = stored(serial);
    assert_int_equal(record.status, CERT_REVOKED);
    assert_int_equal(record.reason, REASON_CA_COMPROMISE);
    assert_int_equal(record.revoked_at, NOW - 86400);
    counts = import_one(serial, CERT_REVOKED, REASON_CA_COMPROMISE, NOW - 999999); /* the same file again */
    assert_int_equal(counts.added, 0);
    assert_int_equal(counts.changed, 0);
    assert_int_equal(stored(serial).revoked_at, NOW - 86400);

    serial = registered(); /* good here, on hold there */
    import_one(serial, CERT_HOLD, REASON_CERTIFICATE_HOLD, NOW - 50);
    assert_int_equal(stored(serial).status, CERT_HOLD);
    import_one(serial, CERT_REVOKED, REASON_SUPERSEDED, NOW - 10);
    assert_int_equal(stored(serial).status, CERT_REVOKED);
    assert_int_equal(stored(serial).revoked_at, NOW - 50);
    import_one(serial, CERT_HOLD, REASON_CERTIFICATE_HOLD, NOW);
    assert_int_equal(stored(serial).status, CERT_REVOKED);
}

static void an_import_is_one_change_and_one_entry(void **state)
{
    (void)state;
    struct cert_record rows[50];
    for (size_t i = 0; i < COUNT(rows); i++)
        rows[i] = (struct cert_record){.serial = {.len = 3, .octets = {0x55, 0, (uint8_t)i}},
                                       .status = i % 2 ? CERT_REVOKED : CERT_GOOD,
                                       .reason = REASON_SUPERSEDED,
                                       .revoked_at = NOW,
                                       .not_before = 1,
                                       .not_after = 2,
                                       .subject = (char *)(uintptr_t) "CN=x",
                                       .invalidity_at = TIME_NONE};
    struct store_actor actor = at(NOW);
    struct admin_import_count counts;
    int64_t change = store_change(f.store), audited = audit_count();
    assert_int_equal(admin_import(&f.admin, &actor, f.client, rows, COUNT(rows), &counts, &f.err),
                     ADMIN_DONE);
    assert_int_equal(counts.added, 50);
    assert_int_equal(counts.changed, 25);
    assert_int_equal(counts.known, 0);
    assert_int_equal(store_change(f.store), change + 1);
    assert_int_equal(audit_count(), audited + 1);
    assert_int_equal(admin_import(&f.admin, &actor, f.client, rows, COUNT(rows), &counts, &f.err),
                     ADMIN_DONE);
    assert_int_equal(counts.added, 0);
    assert_int_equal(counts.changed, 0);
    assert_int_equal(counts.known, 50);
    assert_int_equal(store_change(f.store), change + 1);
}

/* --- certificates -------------------------------------------------------------------------------------- */

static struct buffer pki_file(const char *name)
{
    char *path;
    struct buffer text = {0};
    assert_true(asprintf(&path, "%s/pki/%s", f.folder, name) > 0);
    assert_int_equal(file_read(path, 1 << 20, &text), 0);
    free(path);
    return text;
}

struct seen {
    size_t count;
    const struct issuer *issuer;
    char subject[128];
};

static int see(void *arg, const struct issuer *issuer, const struct cert_record *record)
{
    struct seen *seen = arg;
    seen->count++;
    seen->issuer = issuer;
    snprintf(seen->subject, sizeof seen->subject, "%s", record->subject);
    return 0;
}

static const char *scope; /* of what is registered and revoked by its certificate; NULL: all */

static enum admin_result register_text(struct buffer text, struct seen *seen, size_t *added, size_t *known)
{
    struct store_actor actor = at(NOW);
    *seen = (struct seen){0};
    enum admin_result result =
        admin_register(&f.admin, &actor, scope, bytes_of(&text), see, seen, added, known, &f.err);
    buffer_free(&text);
    return result;
}

static void certificates_find_their_issuer(void **state)
{
    (void)state;
    struct seen seen;
    size_t added, known;
    assert_int_equal(register_text(pki_file("client-0.crt"), &seen, &added, &known), ADMIN_DONE);
    assert_int_equal(added, 1);
    assert_int_equal(seen.count, 1);
    assert_ptr_equal(seen.issuer, f.client);
    assert_string_equal(seen.subject, "CN=client-0,O=Annul Demo");
    assert_int_equal(register_text(pki_file("client-0.crt"), &seen, &added, &known), ADMIN_DONE);
    assert_int_equal(added, 0);
    assert_int_equal(known, 1);
    assert_int_equal(seen.count, 1);
    struct buffer both = pki_file("client-1.crt"), server = pki_file("server.crt");
    assert_true(buffer_add(&both, server.at, server.len));
    buffer_free(&server);
    assert_int_equal(register_text(both, &seen, &added, &known), ADMIN_DONE);
    assert_int_equal(added, 2);
    assert_ptr_equal(seen.issuer, f.server);
}

static void all_or_none_are_registered(void **state)
{
    (void)state;
    struct seen seen;
    size_t added, known;
    int64_t rows = ask("SELECT count(*) FROM certificate"), audited = audit_count();
    struct buffer text = pki_file("client-2.crt"), stranger = pki_file("intermediate-client.crt");
    assert_true(buffer_add(&text, stranger.at, stranger.len));
    buffer_free(&stranger);
    assert_int_equal(register_text(text, &seen, &added, &known), ADMIN_INVALID);
    assert_says(f.err, "certificate 2");
    assert_says(f.err, "Intermediate");
    assert_int_equal(seen.count, 0);
    assert_int_equal(register_text(pki_file("client-2.key"), &seen, &added, &known), ADMIN_INVALID);
    struct buffer garbage = octets("00*100");
    assert_int_equal(register_text(garbage, &seen, &added, &known), ADMIN_INVALID);
    assert_int_equal(register_text((struct buffer){0}, &seen, &added, &known), ADMIN_INVALID);
    assert_int_equal(ask("SELECT count(*) FROM certificate"), rows);
    assert_int_equal(audit_count(), audited);
}

static enum admin_result revoke_text(struct buffer text, int reason, struct outcome_of *outcome)
{
    struct store_actor actor = at(NOW);
    const struct issuer *issuer = NULL;
    struct cert_record record;
    bool changed = false;
    enum admin_result result = admin_revoke_certificate(&f.admin, &actor, scope, bytes_of(&text), reason,
                                                        &issuer, &record, &changed, &f.err);
    *outcome = keep(result, changed, &record);
    buffer_free(&text);
    if (result == ADMIN_DONE)
        assert_ptr_equal(issuer, f.client);
    return result;
}

static void a_certificate_is_registered_and_revoked_at_once(void **state)
{
    (void)state;
    struct outcome_of outcome;
    int64_t rows = ask("SELECT count(*) FROM certificate");
    assert_int_equal(revoke_text(pki_file("client-3.crt"), REASON_CESSATION_OF_OPERATION, &outcome),
                     ADMIN_DONE);
    assert_true(outcome.changed);
    assert_int_equal(outcome.status, CERT_REVOKED);
    assert_int_equal(ask("SELECT count(*) FROM certificate"), rows + 1);
    assert_int_equal(revoke_text(pki_file("client-3.crt"), REASON_CESSATION_OF_OPERATION, &outcome),
                     ADMIN_DONE);
    assert_false(outcome.changed);
    assert_int_equal(ask("SELECT count(*) FROM certificate"), rows + 1);

    struct buffer two = pki_file("client-4.crt"), more = pki_file("client-3.crt");
    assert_true(buffer_add(&two, more.at, more.len));
    buffer_free(&more);
    assert_int_equal(revoke_text(two, REASON_SUPERSEDED, &outcome), ADMIN_INVALID);
    assert_int_equal(revoke_text(pki_file("root.crt"), REASON_SUPERSEDED, &outcome), ADMIN_INVALID);
    assert_int_equal(ask("SELECT count(*) FROM certificate"), rows + 1);
}

static int64_t last_audit(const char *action, char detail[256])
{
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open_v2(f.database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db, "SELECT action, detail FROM audit ORDER BY id DESC LIMIT 1", -1, &stmt, NULL),
        SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    assert_string_equal(sqlite3_column_text(stmt, 0), action);
    snprintf(detail, 256, "%s", (const char *)sqlite3_column_text(stmt, 1));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return audit_count();
}

static void import_facts(struct serial serial, int64_t not_before, int64_t not_after, const char *subject)
{
    struct cert_record row = {.serial = serial,
                              .not_before = not_before,
                              .not_after = not_after,
                              .subject = (char *)(uintptr_t)subject,
                              .invalidity_at = TIME_NONE};
    struct store_actor actor = at(NOW);
    struct admin_import_count counts;
    assert_int_equal(admin_import(&f.admin, &actor, f.client, &row, 1, &counts, &f.err), ADMIN_DONE);
    assert_int_equal(counts.known, 1);
}

static bool is_known_as(struct serial serial, int64_t not_before, int64_t not_after, const char *subject)
{
    struct cert_record record;
    assert_int_equal(store_certificate(f.store, f.client->id, &serial, &record, &f.err), FOUND);
    bool same = record.not_before == not_before && record.not_after == not_after &&
                (record.subject ? subject && strcmp(record.subject, subject) == 0 : !subject);
    cert_record_free(&record);
    return same;
}

static void what_an_import_does_not_know_it_fills_in(void **state)
{
    (void)state;
    struct serial serial = registered();
    char detail[256];
    int64_t audited = audit_count();
    import_facts(serial, TIME_NONE, TIME_NONE, NULL);
    assert_int_equal(audit_count(), audited + 1); /* of the import */
    import_facts(serial, TIME_NONE, NOW, "CN=first");
    assert_true(is_known_as(serial, TIME_NONE, NOW, "CN=first"));
    assert_int_equal(audit_count(), audited + 3);
    import_facts(serial, 1, NOW + 1, "CN=second");
    assert_true(is_known_as(serial, 1, NOW, "CN=first"));
    assert_int_equal(last_audit("import", detail), audited + 5);
    assert_int_equal(ask("SELECT count(*) FROM audit WHERE action = 'import' AND detail = "
                         "'not_after none -> 2025-11-21T09:00:00Z; subject none -> CN=first'"),
                     1);
    assert_int_equal(
        ask("SELECT count(*) FROM audit WHERE detail = 'not_before none -> 1970-01-01T00:00:01Z'"), 1);
}

static int64_t listed_now(void)
{
    assert_int_equal(publish_now(), 0);
    struct publication *publication =
        publisher_current(f.publisher, f.client, (struct crl_part){CRL_WHOLE, false});
    int64_t entries = publication->entries;
    publication_release(publication);
    return entries;
}

/* It wins over what was imported, and who was left out of the CRL by a wrong end is in it again. */
static void what_the_certificate_says_is_certain(void **state)
{
    (void)state;
    struct seen seen;
    char detail[256];
    size_t added, known;
    assert_int_equal(register_text(pki_file("client-2.crt"), &seen, &added, &known), ADMIN_DONE);
    assert_int_equal(added, 1);
    int64_t not_after = ask("SELECT not_after FROM certificate WHERE subject LIKE 'CN=client-2,%'");
    shell("sqlite3 %s \"UPDATE certificate SET not_after = 9, subject = 'CN=wrong', not_before = NULL "
          "WHERE subject LIKE 'CN=client-2,%%'\"",
          f.database);
    int64_t audited = audit_count(), change = store_change(f.store);
    assert_int_equal(register_text(pki_file("client-2.crt"), &seen, &added, &known), ADMIN_DONE);
    assert_int_equal(known, 1);
    assert_int_equal(last_audit("register", detail), audited + 1);
    assert_non_null(strstr(detail, "not_before none -> 20"));
    assert_non_null(strstr(detail, "not_after 1970-01-01T00:00:09Z -> 20"));
    assert_non_null(strstr(detail, "subject CN=wrong -> CN=client-2,O=Annul Demo"));
    assert_int_equal(ask("SELECT not_after FROM certificate WHERE subject LIKE 'CN=client-2,%'"), not_after);
    assert_int_equal(store_change(f.store), change);
    assert_int_equal(register_text(pki_file("client-2.crt"), &seen, &added, &known), ADMIN_DONE);
    assert_int_equal(audit_count(), audited + 1);

    struct outcome_of outcome;
    assert_int_equal(revoke_text(pki_file("client-2.crt"), REASON_SUPERSEDED, &outcome), ADMIN_DONE);
    int64_t listed = listed_now();
    shell("sqlite3 %s \"UPDATE certificate SET not_after = 9 WHERE subject LIKE 'CN=client-2,%%'; "
          "UPDATE revocation SET not_after = 9 WHERE version = %lld\"",
          f.database, (long long)outcome.version);
    assert_int_equal(register_text(pki_file("client-2.crt"), &seen, &added, &known), ADMIN_DONE);
    assert_true(store_change(f.store) > outcome.version);
    assert_int_equal(listed_now(), listed);
    assert_int_equal(ask("SELECT not_after FROM revocation ORDER BY version DESC LIMIT 1"), not_after);
}

/* Whether its subject is the one that `arg` is. */
static bool has_subject(void *arg, const struct cert_record *record)
{
    return record->subject && strcmp(record->subject, arg) == 0;
}

/* What the certificate itself tells of it is no change that somebody else has made. */
static void a_condition_is_of_what_was_there_before(void **state)
{
    (void)state;
    struct outcome_of outcome;
    char subject[] = "CN=client-3,O=Annul Demo", other[] = "CN=other";
    int64_t rows = ask("SELECT count(*) FROM certificate"), audited = audit_count();
    f.admin.may_change = has_subject;
    f.admin.may_change_arg = other;
    assert_int_equal(revoke_text(pki_file("client-3.crt"), REASON_KEY_COMPROMISE, &outcome), ADMIN_STALE);
    assert_says(f.err, "has changed");
    f.admin.may_change_arg = subject;
    assert_int_equal(revoke_text(pki_file("client-3.crt"), REASON_KEY_COMPROMISE, &outcome), ADMIN_DONE);
    assert_true(outcome.changed);
    assert_int_equal(revoke_text(pki_file("client-4.crt"), REASON_KEY_COMPROMISE, &outcome), ADMIN_STALE);
    assert_says(f.err, "not registered");
    f.admin.may_change = NULL;
    assert_int_equal(ask("SELECT count(*) FROM certificate"), rows);
    assert_int_equal(audit_count(), audited + 1);
}

static void what_is_not_within_the_scope_is_left_alone(void **state)
{
    (void)state;
    struct seen seen;
    size_t added, known;
    struct outcome_of outcome;
    int64_t rows = ask("SELECT count(*) FROM certificate"), audited = audit_count();
    struct buffer both = pki_file("client-4.crt"), server = pki_file("server.crt");
    assert_true(buffer_add(&both, server.at, server.len));
    buffer_free(&server);
    scope = "client-2 client clien";
    assert_int_equal(register_text(both, &seen, &added, &known), ADMIN_FORBIDDEN);
    assert_says(f.err, "certificate 2");
    scope = "server";
    assert_int_equal(revoke_text(pki_file("client-4.crt"), REASON_SUPERSEDED, &outcome), ADMIN_FORBIDDEN);
    assert_int_equal(ask("SELECT count(*) FROM certificate"), rows);
    assert_int_equal(audit_count(), audited);
    scope = "server client";
    assert_int_equal(register_text(pki_file("client-4.crt"), &seen, &added, &known), ADMIN_DONE);
    scope = NULL;
}

/* --- tokens -------------------------------------------------------------------------------------------- */

static enum admin_result create(const char *name, char token[ADMIN_TOKEN], int64_t *id)
{
    struct store_actor actor = at(NOW);
    struct store_token wanted = {.name = name, .role = ROLE_OPERATOR, .expires_at = TIME_NONE};
    return admin_token_create(&f.admin, &actor, &wanted, token, id, &f.err);
}

static enum outcome check_token(const char *token, char name[64])
{
    struct admin_holder holder;
    enum outcome outcome = admin_token_check(&f.admin, token, NOW, &holder, &f.err);
    snprintf(name, 64, "%s", holder.name);
    free(holder.scope);
    return outcome;
}

static void a_token_knows_what_it_may(void **state)
{
    (void)state;
    char token[ADMIN_TOKEN], detail[200];
    int64_t id;
    struct admin_holder holder;
    struct store_actor actor = at(NOW);
    struct store_token wanted = {
        .name = "scoped", .role = ROLE_VIEWER, .scope = "issuing-client issuing-server", .expires_at = NOW};
    assert_int_equal(admin_token_create(&f.admin, &actor, &wanted, token, &id, &f.err), ADMIN_INVALID);
    assert_says(f.err, "past");
    wanted.expires_at = NOW + 10;
    assert_int_equal(admin_token_create(&f.admin, &actor, &wanted, token, &id, &f.err), ADMIN_DONE);
    assert_int_equal(admin_token_check(&f.admin, token, NOW + 9, &holder, &f.err), FOUND);
    assert_int_equal(holder.id, id);
    assert_int_equal(holder.role, ROLE_VIEWER);
    assert_string_equal(holder.scope, "issuing-client issuing-server");
    assert_int_equal(holder.expires_at, NOW + 10);
    assert_true(holder.last_used_at == TIME_NONE);
    free(holder.scope);
    assert_int_equal(admin_token_check(&f.admin, token, NOW + 10, &holder, &f.err), ABSENT);
    assert_string_equal(f.err.text, "expired, scoped");
    actor.at = NOW + 5;
    assert_int_equal(admin_token_used(&f.admin, &actor, id, &f.err), ADMIN_DONE);
    assert_int_equal(admin_token_check(&f.admin, token, NOW + 9, &holder, &f.err), FOUND);
    assert_int_equal(holder.last_used_at, NOW + 5);
    free(holder.scope);
    snprintf(detail, sizeof detail, "SELECT count(*) FROM audit WHERE detail = '%s'",
             "scoped: viewer of issuing-client, issuing-server, until 2025-11-21T09:00:10Z");
    assert_int_equal(ask(detail), 1);
}

static void a_token_is_good_until_revoked(void **state)
{
    (void)state;
    char token[ADMIN_TOKEN], other[ADMIN_TOKEN], name[64];
    int64_t id, other_id;
    struct store_actor actor = at(NOW);
    assert_int_equal(create("ops", token, &id), ADMIN_DONE);
    assert_int_equal(strlen(token), ADMIN_TOKEN - 1);
    assert_memory_equal(token, "annul_", 6);
    assert_int_equal(strspn(token + 6, "0123456789abcdef"), 64);
    assert_int_equal(create("ops", other, &other_id), ADMIN_CONFLICT);
    assert_says(f.err, "ops");
    assert_int_equal(create("ci", other, &other_id), ADMIN_DONE);
    assert_string_not_equal(token, other);

    assert_int_equal(check_token(token, name), FOUND);
    assert_string_equal(name, "ops");
    static const char *const none[] = {
        "", "annul_", "annul_zz", "Annul_0123",
        "annul_0000000000000000000000000000000000000000000000000000000000000000"};
    for (size_t i = 0; i < COUNT(none); i++)
        check_row(none[i], check_token(none[i], name) == ABSENT);
    char changed[ADMIN_TOKEN + 1];
    snprintf(changed, sizeof changed, "%s0", token);
    assert_int_equal(check_token(changed, name), ABSENT);
    memcpy(changed, token, ADMIN_TOKEN);
    changed[ADMIN_TOKEN - 2] = changed[ADMIN_TOKEN - 2] == '0' ? '1' : '0';
    assert_int_equal(check_token(changed, name), ABSENT);

    assert_int_equal(admin_token_revoke(&f.admin, &actor, id, &f.err), ADMIN_DONE);
    assert_int_equal(check_token(token, name), ABSENT);
    assert_string_equal(f.err.text, "revoked, ops");
    assert_int_equal(check_token(other, name), FOUND);
    assert_int_equal(admin_token_revoke(&f.admin, &actor, 4711, &f.err), ADMIN_NOT_FOUND);

    /* the token itself is nowhere in the files */
    struct buffer text = {0};
    char path[300];
    static const char *const suffixes[] = {"", "-wal"};
    for (size_t i = 0; i < COUNT(suffixes); i++) {
        snprintf(path, sizeof path, "%s%s", f.database, suffixes[i]);
        assert_int_equal(file_read(path, 1 << 26, &text), 0);
        assert_null(memmem(text.at, text.len, token + 6, 64));
        buffer_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(revoking_is_written_and_published),
        cmocka_unit_test(the_change_itself_makes_a_new_crl),
        cmocka_unit_test(revoking_twice_changes_nothing),
        cmocka_unit_test(an_invalidity_date_may_be_added_once),
        cmocka_unit_test(a_second_reason_follows_the_table),
        cmocka_unit_test(an_unknown_serial_is_not_found),
        cmocka_unit_test(a_hold_ends_and_may_begin_again),
        cmocka_unit_test(released_and_revoked_it_counts_from_then),
        cmocka_unit_test(revoked_for_good_is_never_released),
        cmocka_unit_test(one_that_was_never_held_is_not_released),
        cmocka_unit_test(of_many_those_that_can_be_are_revoked),
        cmocka_unit_test(of_many_all_or_none),
        cmocka_unit_test(an_import_never_unrevokes),
        cmocka_unit_test(an_import_brings_its_own_date),
        cmocka_unit_test(an_import_is_one_change_and_one_entry),
        cmocka_unit_test(certificates_find_their_issuer),
        cmocka_unit_test(all_or_none_are_registered),
        cmocka_unit_test(a_certificate_is_registered_and_revoked_at_once),
        cmocka_unit_test(what_an_import_does_not_know_it_fills_in),
        cmocka_unit_test(what_the_certificate_says_is_certain),
        cmocka_unit_test(a_condition_is_of_what_was_there_before),
        cmocka_unit_test(what_is_not_within_the_scope_is_left_alone),
        cmocka_unit_test(a_token_is_good_until_revoked),
        cmocka_unit_test(a_token_knows_what_it_may),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
