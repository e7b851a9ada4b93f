/* Request header fields: conditions, ranges, preferences. */
#include "unit.h"

#include <http/header.h>

static void test_etag_list(void **state)
{
    static const struct {
        const char *spoken, *list;
        bool found;
    } rows[] = {
        {"the one", "\"abc\"", true},
        {"another", "\"abd\"", false},
        {"its beginning", "\"ab\"", false},
        {"it and more", "\"abcd\"", false},
        {"weak", "W/\"abc\"", true},
        {"anything", "*", true},
        {"anything, behind blanks", " \t*", true},
        {"the last of a list", "\"x\", W/\"y\",\"abc\"", true},
        {"of a list with empty members", ",, ,\"abc\",", true},
        {"with a comma inside another", "\"x,\\\", \"abc\"", true},
        {"without quotes", "abc", false},
        {"behind one without quotes", "x, \"abc\"", true},
        {"an open quote", "\"abc", false},
        {"nothing", "", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        check_row(rows[i].spoken, header_list_has_etag(rows[i].list, "abc", false) == rows[i].found);
}

static void test_if_range(void **state)
{
    (void)state;
    assert_true(header_list_has_etag("\"x\", \"abc\"", "abc", true));
    assert_true(header_list_has_etag("W/\"abc\", \"abc\"", "abc", true));
    assert_true(header_list_has_etag("*", "abc", true));
    assert_false(header_list_has_etag("W/\"abc\"", "abc", true));
    assert_true(header_is_etag("\"abc\"", "abc"));
    assert_false(header_is_etag("W/\"abc\"", "abc"));
    assert_false(header_is_etag("\"abc", "abc"));
    assert_false(header_is_etag("\"abcd\"", "abc"));
    assert_false(header_is_etag("\"abc\", \"x\"", "abc"));
    assert_false(header_is_etag("*", "abc"));
    assert_false(header_is_etag("", "abc"));
}

static void test_range(void **state)
{
    static const struct {
        const char *spoken, *value;
        enum header_range range;
        uint64_t first, count;
    } rows[] = {
        {"the first octet", "bytes=0-0", RANGE_PART, 0, 1},
        {"from the middle", "bytes=10-19", RANGE_PART, 10, 10},
        {"to the end", "bytes=10-", RANGE_PART, 10, 90},
        {"exactly to the end", "bytes=0-99", RANGE_PART, 0, 100},
        {"beyond the end", "bytes=90-100000", RANGE_PART, 90, 10},
        {"beyond any end", "bytes=90-99999999999999999999999999", RANGE_PART, 90, 10},
        {"the last ones", "bytes=-5", RANGE_PART, 95, 5},
        {"more of the last ones than there are", "bytes=-500", RANGE_PART, 0, 100},
        {"the unit in capitals", "Bytes=0-1", RANGE_PART, 0, 2},
        {"behind the end", "bytes=100-", RANGE_NONE, 0, 0},
        {"far behind it", "bytes=99999999999999999999999999-", RANGE_NONE, 0, 0},
        {"the last none", "bytes=-0", RANGE_NONE, 0, 0},
        {"several", "bytes=0-1,5-6", RANGE_ALL, 0, 0},
        {"backwards", "bytes=5-4", RANGE_ALL, 0, 0},
        {"another unit", "lines=0-1", RANGE_ALL, 0, 0},
        {"no number", "bytes=-", RANGE_ALL, 0, 0},
        {"a sign", "bytes=+1-2", RANGE_ALL, 0, 0},
        {"no dash", "bytes=1", RANGE_ALL, 0, 0},
        {"more behind it", "bytes=1-2x", RANGE_ALL, 0, 0},
        {"nothing", "", RANGE_ALL, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t first = 0, count = 0;
        enum header_range range = header_range(rows[i].value, 100, &first, &count);
        check_row(rows[i].spoken, range == rows[i].range);
        check_row(rows[i].spoken, range != RANGE_PART || (first == rows[i].first && count == rows[i].count));
    }
}

static void test_prefer(void **state)
{
    static const struct {
        const char *spoken, *value;
        int32_t wait_s;
    } rows[] = {
        {"alone", "wait=60", 60},
        {"not at all", "wait=0", 0},
        {"in capitals", "WAIT=7", 7},
        {"quoted", "wait=\"8\"", 8},
        {"with blanks around =", "wait = 9", 9},
        {"behind another", "respond-async, wait=10", 10},
        {"behind one with a value", "return=minimal, wait=10", 10},
        {"behind one with parameters", "foo; some=\"a, wait=5\"; x , wait=11", 11},
        {"with parameters", "wait=12; foo=bar", 12},
        {"the first of two", "wait=13, wait=14", 13},
        {"with empty members", ", ,wait=15,", 15},
        {"behind empty parameters", "foo; ;, wait=16", 16},
        {"more than anybody waits", "wait=99999999999999999999", INT32_MAX},
        {"as the parameter of another", "foo; wait=5", -1},
        {"as the value of another", "foo=wait, bar=\"wait=5\"", -1},
        {"with a word that goes on", "waiting=5", -1},
        {"without a value", "wait", -1},
        {"with an empty one", "wait=", -1},
        {"with an empty quoted one", "wait=\"\"", -1},
        {"negative", "wait=-1", -1},
        {"a fraction", "wait=1.5", -1},
        {"a number with more behind it", "wait=1x", -1},
        {"the first of two is none", "wait=x, wait=14", -1},
        {"behind an open quote", "foo=\"bar, wait=5", -1},
        {"behind what is no preference", "foo bar, wait=5", -1},
        {"a backslash at the end", "foo=\"\\", -1},
        {"nothing", "", -1},
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int32_t wait_s = header_prefer_wait(rows[i].value);
        if (wait_s != rows[i].wait_s)
            fail_row(rows[i].spoken, "%d, not %d", wait_s, rows[i].wait_s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_etag_list),
        cmocka_unit_test(test_if_range),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_prefer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
