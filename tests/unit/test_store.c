/* The certificate status database, with real files: opening, registering, changing. */
#include "store_fixture.h"

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

/* How many of the schema's tables and indexes are there, and how many columns they have. */
static int64_t schema_size(void)
{
    return ask(f.path, "SELECT count(*) * 1000 + (SELECT count(*) FROM sqlite_schema) FROM sqlite_schema s, "
                       "pragma_table_info(s.name) WHERE s.type = 'table'");
}

static void an_old_one_gets_all_that_a_new_one_has(void **state)
{
    (void)state;
    int64_t fresh = schema_size(), version = ask(f.path, "PRAGMA user_version");
    age();
    assert_int_equal(schema_size(), fresh);
    assert_int_equal(ask(f.path, "PRAGMA user_version"), version);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_database_is_made_and_opened_again),
        with_store(only_one_has_it),
        with_store(a_newer_one_is_refused_and_left_alone),
        with_store(a_newer_one_with_another_journal_is_left_alone),
        with_store(other_files_are_refused),
        with_store(checking_makes_nothing),
        with_store(an_old_one_gets_all_that_a_new_one_has),
        with_store(an_issuer_is_who_it_was),
        with_store(registering_adds_once),
        with_store(registering_again_leaves_it_as_it_was),
        with_store(facts_are_written_as_they_are),
        with_store(registering_changes_no_status),
        with_store(a_status_is_written_with_its_version),
        with_store(all_of_a_transaction_is_one_change),
        with_store(a_rollback_leaves_nothing),
        with_store(answers_are_kept_for_a_day),
        with_store(of_each_actor_the_newest_answers_are_kept),
        with_store(certificates_are_counted),
        with_store(counts_are_those_of_the_issuer),
        with_store(a_listener_hears_what_was_not_refused),
        with_store(a_plain_row_is_small),
        with_store(a_plain_row_in_random_order_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
