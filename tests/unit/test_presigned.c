/* The file of answers that were signed ahead: what goes in comes out, and a bad file costs nothing but itself. */
#include "unit.h"

#include <annul/presigned.h>

#include <sqlite3.h>
#include <sys/stat.h>

#define NOW 1763715600 /* 2026-11-21T09:00:00Z */
#define ROWS 3000      /* more than one page of everything */

static struct fixture {
    char *folder, path[256], aside[300];
    struct presigned *file;
    struct error err;
} f;

static void reopen(void)
{
    presigned_close(f.file);
    f.file = presigned_open(f.path, &f.err);
    if (!f.file)
        fail_msg("%s", f.err.text);
}

static int fixture_make(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annul.db-presigned", f.folder);
    snprintf(f.aside, sizeof f.aside, "%s-corrupt", f.path);
    reopen();
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    presigned_close(f.file);
    presigned_close(NULL);
    folder_remove(f.folder);
    return 0;
}

/* An entry that can be told from every other. */
static struct presigned_entry entry_of(unsigned number)
{
    struct presigned_entry entry = {.issuer = 7,
                                    .lineage = UINT64_C(0xfedcba9876543210),
                                    .sigalg = 3,
                                    .next_update = NOW + number,
                                    .response_data = bytes_of_text("a ResponseData, which is not looked at"),
                                    .signature = bytes_of_text("a signature"),
                                    .certs = bytes_of_text("a certificate")};
    assert_true(serial_from_octets((struct bytes){(const uint8_t *)&number, sizeof number}, &entry.serial));
    return entry;
}

static int put(struct presigned_entry entry)
{
    const struct presigned_entry *list[] = {&entry};
    return presigned_put(f.file, list, 1, &f.err);
}

static void put_many(void)
{
    static struct presigned_entry entries[ROWS];
    static const struct presigned_entry *list[ROWS];
    for (unsigned i = 0; i < ROWS; i++) {
        entries[i] = entry_of(i);
        list[i] = &entries[i];
    }
    if (presigned_put(f.file, list, ROWS, &f.err) < 0)
        fail_msg("%s", f.err.text);
}

static void compare(void *arg, const struct presigned_entry *found)
{
    const struct presigned_entry *wanted = arg;
    assert_int_equal(found->issuer, wanted->issuer);
    assert_int_equal(found->hash, wanted->hash);
    assert_int_equal(serial_compare(&found->serial, &wanted->serial), 0);
    assert_true(found->lineage == wanted->lineage);
    assert_int_equal(found->sigalg, wanted->sigalg);
    assert_int_equal(found->next_update, wanted->next_update);
    assert_true(bytes_equal(found->response_data, wanted->response_data));
    assert_true(bytes_equal(found->signature, wanted->signature));
    assert_true(bytes_equal(found->certs, wanted->certs));
}

static enum outcome find(struct presigned_entry wanted)
{
    return presigned_find(f.file, wanted.issuer, wanted.hash, &wanted.serial, compare, &wanted, &f.err);
}

static int64_t ask_sqlite(const char *sql)
{
    sqlite3 *db;
    sqlite3_stmt *s;
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
    int64_t value = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

/* --- what goes in comes out ---------------------------------------------------------------------------- */

static void an_entry_is_found_by_its_whole_key(void **state)
{
    (void)state;
    struct presigned_entry entry = entry_of(1), other;
    assert_int_equal(find(entry), ABSENT);
    assert_int_equal(put(entry), 0);
    assert_int_equal(find(entry), FOUND);
    other = entry;
    other.issuer = 8;
    assert_int_equal(find(other), ABSENT);
    other = entry;
    other.hash = 1;
    assert_int_equal(find(other), ABSENT);
    assert_int_equal(find(entry_of(2)), ABSENT);
    reopen();
    assert_int_equal(find(entry), FOUND);
    struct stat status;
    assert_int_equal(stat(f.path, &status), 0);
    assert_int_equal(status.st_mode & 0077, 0); /* it names every device */
}

static void a_later_one_takes_its_place(void **state)
{
    (void)state;
    struct presigned_entry entry = entry_of(1);
    assert_int_equal(put(entry), 0);
    entry.lineage = 1;
    entry.sigalg = 0;
    entry.next_update++;
    entry.response_data = bytes_of_text("revoked");
    entry.signature = bytes_of_text("another signature");
    entry.certs = (struct bytes){0}; /* by the CA itself */
    assert_int_equal(put(entry), 0);
    assert_int_equal(find(entry), FOUND);
    assert_int_equal(ask_sqlite("SELECT count(*) FROM answer"), 1);
}

static void each_keeps_the_certificates_of_its_signer(void **state)
{
    (void)state;
    struct presigned_entry old = entry_of(1), renewed = entry_of(2);
    renewed.certs = bytes_of_text("another certificate of the same lineage");
    put_many();
    assert_int_equal(put(old), 0);
    assert_int_equal(put(renewed), 0);
    assert_int_equal(find(old), FOUND);
    assert_int_equal(find(renewed), FOUND);
    assert_int_equal(ask_sqlite("SELECT count(*) FROM signer"), 2);
}

static void what_is_past_its_time_is_swept(void **state)
{
    (void)state;
    struct presigned_entry last = entry_of(ROWS);
    last.certs = bytes_of_text("another certificate");
    put_many();
    assert_int_equal(put(last), 0);
    assert_int_equal(presigned_sweep(f.file, NOW + ROWS / 2, &f.err), 0);
    assert_int_equal(find(entry_of(ROWS / 2)), ABSENT);
    assert_int_equal(find(entry_of(ROWS / 2 + 1)), FOUND);
    assert_int_equal(ask_sqlite("SELECT count(*) FROM signer"), 2);
    assert_int_equal(presigned_sweep(f.file, NOW + ROWS - 1, &f.err), 0);
    assert_int_equal(ask_sqlite("SELECT count(*) FROM answer"), 1);
    assert_int_equal(ask_sqlite("SELECT count(*) FROM signer"),
                     1); /* who signed nothing that is there goes, too */
}

/* --- files that are not as they should be -------------------------------------------------------------- */

static void a_file_of_another_version_is_begun_anew(void **state)
{
    (void)state;
    char sql[64];
    int64_t version = ask_sqlite("PRAGMA user_version");
    assert_int_equal(put(entry_of(1)), 0);
    presigned_close(f.file);
    f.file = NULL;
    snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version + 1);
    ask_sqlite(sql);
    reopen();
    assert_int_equal(find(entry_of(1)), ABSENT);
    assert_int_equal(put(entry_of(1)), 0);
    assert_int_equal(find(entry_of(1)), FOUND);
    assert_int_equal(ask_sqlite("PRAGMA user_version"), version);
    assert_int_not_equal(access(f.aside, F_OK), 0);
}

static void another_kind_of_database_is_left_alone(void **state)
{
    (void)state;
    presigned_close(f.file);
    f.file = NULL;
    ask_sqlite("PRAGMA user_version = 1"); /* as the status database has it */
    assert_null(presigned_open(f.path, &f.err));
    assert_says(f.err, f.path);
    assert_says(f.err, "a file of its own");
    assert_int_equal(ask_sqlite("SELECT count(*) FROM sqlite_schema WHERE name = 'answer'"), 1);
    assert_null(presigned_open("/nowhere/file", &f.err));
    assert_says(f.err, "/nowhere/file");
}

static void a_file_that_is_no_database_is_put_aside(void **state)
{
    (void)state;
    struct buffer kept = {0};
    presigned_close(f.file);
    f.file = NULL;
    file_put(f.path, "something that somebody needs", 29);
    reopen();
    assert_int_equal(put(entry_of(1)), 0);
    assert_int_equal(find(entry_of(1)), FOUND);
    assert_int_equal(file_read(f.aside, 100, &kept), 0);
    assert_true(bytes_equal(bytes_of(&kept), bytes_of_text("something that somebody needs")));
    buffer_free(&kept);
}

/* Octets of every page but the first few are overwritten while it is closed. */
static void damage(void)
{
    presigned_close(f.file);
    f.file = NULL;
    shell("dd if=/dev/zero bs=4096 seek=3 count=20 conv=notrunc of=%s 2>/dev/null", f.path);
    reopen();
}

static void damage_that_a_reader_finds_is_mended_by_the_writer(void **state)
{
    (void)state;
    put_many();
    damage();
    int failures = 0;
    for (unsigned i = 0; i < ROWS; i++)
        failures += find(entry_of(i)) == FAILED;
    assert_true(failures > 0);
    assert_int_equal(put(entry_of(1)), -1);
    assert_says(f.err, "damaged");
    assert_int_equal(access(f.aside, F_OK), 0);
    assert_int_equal(find(entry_of(2)), ABSENT);
    put_many();
    for (unsigned i = 0; i < ROWS; i++)
        assert_int_equal(find(entry_of(i)), FOUND);
}

static void damage_that_the_writer_finds_is_mended(void **state)
{
    (void)state;
    put_many();
    damage();
    assert_int_equal(presigned_sweep(f.file, NOW, &f.err), -1);
    assert_says(f.err, "damaged");
    assert_int_equal(access(f.aside, F_OK), 0);
    assert_int_equal(put(entry_of(1)), 0);
    assert_int_equal(find(entry_of(1)), FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_make, fixture_free)
    const struct CMUnitTest tests[] = {
        TEST(an_entry_is_found_by_its_whole_key),
        TEST(a_later_one_takes_its_place),
        TEST(each_keeps_the_certificates_of_its_signer),
        TEST(what_is_past_its_time_is_swept),
        TEST(a_file_of_another_version_is_begun_anew),
        TEST(another_kind_of_database_is_left_alone),
        TEST(a_file_that_is_no_database_is_put_aside),
        TEST(damage_that_a_reader_finds_is_mended_by_the_writer),
        TEST(damage_that_the_writer_finds_is_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
