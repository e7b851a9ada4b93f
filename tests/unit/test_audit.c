/* The chain of the audit trail: what was done to it is found, and named. */
#include "unit.h"

#include <annul/audit.h>
#include <annul/hex.h>

#define ROWS 9

static struct chain {
    struct audit_row rows[ROWS + 1];
    size_t count;
    struct audit_head head;
} c;

static void seal(struct audit_row *row, const uint8_t before[AUDIT_HASH])
{
    assert_true(audit_hash(before, row, row->hash));
}

static int make(void **state)
{
    static char details[ROWS][20];
    (void)state;
    c = (struct chain){.count = ROWS};
    for (size_t i = 0; i < ROWS; i++) {
        snprintf(details[i], sizeof details[i], "good -> %zu", i);
        c.rows[i] = (struct audit_row){.id = (int64_t)i + 1,
                                       .at = 1763715600,
                                       .actor = "token:ops",
                                       .origin = "127.0.0.1",
                                       .action = "revoke",
                                       .issuer = i % 2 ? "one" : NULL,
                                       .serial = {.len = i % 3 ? 1 : 0, .octets = {(uint8_t)i}},
                                       .detail = details[i]};
        seal(&c.rows[i], c.head.hash);
        c.head.id = c.rows[i].id;
        memcpy(c.head.hash, c.rows[i].hash, AUDIT_HASH);
    }
    return 0;
}

static void assert_check(const char *fault)
{
    struct audit_check check = {0};
    struct error err = {""};
    for (size_t i = 0; i < c.count; i++)
        assert_true(audit_check_row(&check, &c.rows[i]));
    assert_int_equal(audit_check_end(&check, &c.head, &err), *fault ? -1 : 0);
    assert_string_equal(err.text, fault);
    audit_check_free(&check);
}

static void take_out(size_t at, size_t count)
{
    memmove(&c.rows[at], &c.rows[at + count], (c.count - at - count) * sizeof *c.rows);
    c.count -= count;
}

static void put_in(size_t at, struct audit_row row)
{
    memmove(&c.rows[at + 1], &c.rows[at], (c.count++ - at) * sizeof *c.rows);
    c.rows[at] = row;
}

static void swap(size_t a, size_t b)
{
    struct audit_row row = c.rows[a];
    c.rows[a] = c.rows[b];
    c.rows[b] = row;
    c.rows[a].id = (int64_t)a + 1;
    c.rows[b].id = (int64_t)b + 1;
}

/* The manual page promises these octets to whoever checks an export by himself. */
static void a_hash_is_of_these_octets(void **state)
{
    (void)state;
    char hex[2 * AUDIT_HASH + 1];
    uint8_t before[AUDIT_HASH] = {0};
    struct audit_row row = {.id = 1,
                            .at = 2,
                            .actor = "uid:0",
                            .origin = "unix",
                            .action = "revoke",
                            .issuer = "one",
                            .serial = {.len = 1, .octets = {0x2a}},
                            .detail = ""};
    seal(&row, before);
    hex_encode(row.hash, AUDIT_HASH, hex);
    /* both by Python's hashlib */
    assert_string_equal(hex, "6858e2e3b1c051e7ce81ea7bdee5552557a8ccdf18839124b994058e37e45887");
    row.issuer = NULL;
    row.serial.len = 0;
    seal(&row, before);
    hex_encode(row.hash, AUDIT_HASH, hex);
    assert_string_equal(hex, "67dc8376bcb40db0307ecd173052750de41c358c3daf00747b7d1d39fe119e31");
}

static void a_whole_one_is_good(void **state)
{
    (void)state;
    assert_check("");
    c.count = 0;
    c.head = (struct audit_head){0};
    assert_check("");
}

static void numbers_may_be_left_out(void **state)
{
    (void)state;
    c.rows[ROWS - 1].id = c.head.id = 20;
    seal(&c.rows[ROWS - 1], c.rows[ROWS - 2].hash);
    memcpy(c.head.hash, c.rows[ROWS - 1].hash, AUDIT_HASH);
    assert_check("");
}

static void every_column_counts(void **state)
{
    (void)state;
    static const char changed[] = "row 5 was changed, or is not the one that was behind row 4";
    for (int column = 0; column < 10; column++) {
        make(NULL);
        struct audit_row *row = &c.rows[4];
        switch (column) {
        case 0:
            row->at++;
            break;
        case 1:
            row->actor = "token:op";
            break;
        case 2:
            row->origin = "127.0.0.2";
            break;
        case 3:
            row->action = "release";
            break;
        case 4:
            row->issuer = "";
            break;
        case 5:
            row->serial.octets[0] ^= 1;
            break;
        case 6:
            row->serial.len = 0;
            break;
        case 7:
            row->detail = "";
            break;
        case 8:
            row->hash[31] ^= 1;
            break;
        case 9:
            row->damaged = true;
            break;
        }
        assert_check(changed);
    }
}

/* What moves from one column to the next changes the hash. */
static void columns_are_told_apart(void **state)
{
    (void)state;
    c.rows[4].actor = "token:ops1";
    c.rows[4].origin = "27.0.0.1";
    assert_check("row 5 was changed, or is not the one that was behind row 4");
}

static void a_new_hash_does_not_help(void **state)
{
    (void)state;
    c.rows[4].detail = "nothing";
    seal(&c.rows[4], c.rows[3].hash);
    assert_check("row 6 was changed, or is not the one that was behind row 5");
}

static void what_is_missing_is_named(void **state)
{
    (void)state;
    take_out(0, 1);
    assert_check("row 1 is missing");
    make(NULL);
    take_out(3, 1);
    assert_check("row 4 is missing");
    make(NULL);
    take_out(3, 3);
    assert_check("rows 4 to 6 are missing");
    make(NULL);
    c.count--;
    assert_check("row 9 is missing at the end");
    make(NULL);
    c.count = 2;
    assert_check("rows 3 to 9 are missing at the end");
    make(NULL);
    c.count = 0;
    assert_check("rows 1 to 9 are missing at the end");
}

static void what_is_moved_is_named(void **state)
{
    (void)state;
    for (size_t a = 0; a < ROWS; a++)
        for (size_t b = a + 1; b < ROWS; b++) {
            char fault[80];
            make(NULL);
            swap(a, b);
            snprintf(fault, sizeof fault, "row %zu was moved: what stands there was row %zu", a + 1, b + 1);
            assert_check(fault);
        }
}

static void what_is_added_is_named(void **state)
{
    (void)state;
    struct audit_row row = c.rows[2];
    row.id = 10;
    put_in(ROWS, row);
    assert_check("row 10 was added at the end");
    make(NULL);
    row = c.rows[2];
    row.id = 10; /* with the hash that it would have */
    seal(&row, c.head.hash);
    put_in(ROWS, row);
    assert_check("row 10 was added at the end, or the head was changed");
    make(NULL);
    row = c.rows[2];
    row.id = -3;
    put_in(0, row);
    assert_check("row -3 was added: the first has the number 1");
    make(NULL);
    row = c.rows[2];
    row.id = 5; /* and room was made for it */
    put_in(4, row);
    for (size_t i = 5; i < c.count; i++)
        c.rows[i].id++;
    assert_check("row 5 was added");
}

/* It was there when the next was written, which took the number behind it. */
static void what_was_added_before_is_named(void **state)
{
    (void)state;
    c.rows[ROWS - 1].id = c.head.id = 10;
    seal(&c.rows[ROWS - 1], c.rows[ROWS - 2].hash);
    memcpy(c.head.hash, c.rows[ROWS - 1].hash, AUDIT_HASH);
    struct audit_row row = c.rows[2];
    row.id = 9;
    put_in(ROWS - 1, row);
    assert_check("row 9 was added");
}

static void the_head_counts(void **state)
{
    (void)state;
    c.head.hash[0] ^= 1;
    assert_check("the head was changed: it is not the hash of row 9");
    make(NULL);
    c.head.damaged = true;
    assert_check("the head was changed: it is not the hash of row 9");
    make(NULL);
    c.head.id = 4;
    assert_check("row 5 was added at the end, or the head was changed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_hash_is_of_these_octets, make),
        cmocka_unit_test_setup(a_whole_one_is_good, make),
        cmocka_unit_test_setup(numbers_may_be_left_out, make),
        cmocka_unit_test_setup(every_column_counts, make),
        cmocka_unit_test_setup(columns_are_told_apart, make),
        cmocka_unit_test_setup(a_new_hash_does_not_help, make),
        cmocka_unit_test_setup(what_is_missing_is_named, make),
        cmocka_unit_test_setup(what_is_moved_is_named, make),
        cmocka_unit_test_setup(what_is_added_is_named, make),
        cmocka_unit_test_setup(what_was_added_before_is_named, make),
        cmocka_unit_test_setup(the_head_counts, make),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
