/* Hex, base64, percent signs, byte strings, buffers, files, error texts. */
#include "unit.h"

#include <annul/base64.h>
#include <annul/histogram.h>
#include <annul/number.h>
#include <annul/utf8.h>

#include <errno.h>

/* --- hex ----------------------------------------------------------------------------------------------- */

static void hex_is_lower_case_and_ends(void **state)
{
    (void)state;
    char out[9] = "????????";
    hex_encode((const uint8_t *)"\x00\x9a\xbc\xff", 4, out);
    assert_string_equal(out, "009abcff");
    hex_encode(NULL, 0, out);
    assert_string_equal(out, "");
}

static void hex_digits_are_these_and_no_others(void **state)
{
    (void)state;
    for (int c = -128; c < 128; c++) {
        const char *known = "0123456789abcdefABCDEF", *at = c ? strchr(known, c) : NULL;
        int wanted = !at ? -1 : at - known < 16 ? (int)(at - known) : (int)(at - known) - 6;
        assert_int_equal(hex_digit((char)c), wanted);
    }
}

/* --- numbers ------------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t max, number; /* -1: none */
} numbers[] = {
    {"0", 0, 0},
    {"1", 0, -1},
    {"5", 5, 5},
    {"6", 5, -1},
    {"10", 9, -1},
    {"100", 100, 100},
    {"101", 100, -1},
    {"05", 100, -1},
    {"00", 100, -1},
    {"+5", 100, -1},
    {"-5", 100, -1},
    {" 5", 100, -1},
    {"5 ", 100, -1},
    {"5\n", 100, -1},
    {"0x5", 100, -1},
    {"", 100, -1},
    {"five", 100, -1},
    {"9223372036854775807", INT64_MAX, INT64_MAX},
    {"9223372036854775808", INT64_MAX, -1},
    {"99999999999999999999", INT64_MAX, -1},
};

static void a_number_has_one_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        int64_t number = -1;
        bool good = number_from_text(numbers[i].text, numbers[i].max, &number);
        check_row(numbers[i].text, good == (numbers[i].number >= 0));
        if (good)
            check_row(numbers[i].text, number == numbers[i].number);
    }
}

/* --- UTF-8 --------------------------------------------------------------------------------------------- */

static void what_is_cut_stays_utf8(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(utf8_len(""), 0);
    assert_int_equal(utf8_len("a\xc3\xa9"), 3);
    assert_int_equal(utf8_len("a\xc3"), 1);
    assert_int_equal(utf8_len("a\xff"
                              "b"),
                     1);
    for (int blanks = 0; blanks < 3; blanks++) { /* of three octets each, from each place */
        char text[600] = "";
        for (int i = 0; i < blanks; i++)
            strcat(text, " ");
        for (int i = 0; i < 180; i++)
            strcat(text, "\xe2\x82\xac");
        error_set(&err, "%s", text);
        assert_int_equal(utf8_len(err.text), strlen(err.text));
        assert_true(strlen(err.text) >= sizeof err.text - 3);
        error_set(&err, "x");
        error_prefix(&err, "%s", text);
        assert_int_equal(utf8_len(err.text), strlen(err.text));
        error_set(&err, "%s", text);
        error_prefix(&err, "a");
        assert_int_equal(utf8_len(err.text), strlen(err.text));
    }
}

/* --- base64 -------------------------------------------------------------------------------------------- */

static const struct {
    const char *plain, *encoded;
} rfc4648[] = {
    /* RFC 4648 section 10 */
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    /* the two letters that differ from base64url */
    {"\xfb\xef\xbe", "++++"},
    {"\xff\xff\xff", "////"},
};

static void base64_agrees_with_rfc4648(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rfc4648); i++) {
        char text[16] = "";
        uint8_t back[16];
        size_t plain = strlen(rfc4648[i].plain), encoded = strlen(rfc4648[i].encoded);
        assert_int_equal(BASE64_ENCODED_LEN(plain), encoded);
        assert_int_equal(base64_encode((const uint8_t *)rfc4648[i].plain, plain, text), encoded);
        assert_memory_equal(text, rfc4648[i].encoded, encoded);
        assert_int_equal(base64_decode(rfc4648[i].encoded, encoded, back), plain);
        assert_memory_equal(back, rfc4648[i].plain, plain);
    }
}

static const struct {
    const char *spoken, *text;
    long len;
} odd_base64[] = {
    {"padding left out, one octet over", "Zg", 1},
    {"padding left out, two octets over", "Zm8", 2},
    {"one of two pads", "Zg=", -1},
    {"a pad too many", "Zm8==", -1},
    {"pads behind whole groups", "Zm9v==", -1},
    {"one pad behind whole groups", "Zm9v=", -1},
    {"three pads", "Zg===", -1},
    {"pads alone", "==", -1},
    {"one pad alone", "=", -1},
    {"a pad in the middle", "Zg==Zg==", -1},
    {"a single letter", "Z", -1},
    {"a single letter that says zero", "A", -1},
    {"five letters, the last says zero", "Zm9vA", -1},
    {"five letters", "Zm9vY", -1},
    {"bits left over, two pads", "Zh==", -1},
    {"bits left over, one pad", "Zm9=", -1},
    {"bits left over, padding left out", "Zh", -1},
    {"base64url minus", "----", -1},
    {"base64url underscore", "____", -1},
    {"a newline", "Zm9v\nZm9v", -1},
    {"a newline at the end", "Zm9v\n", -1},
    {"a blank", "Zm 9v", -1},
    {"a percent sign", "%2B", -1},
    {"beyond ASCII", "Zm\xc3\xb6", -1},
};

static void base64_knows_what_is_wrong(void **state)
{
    (void)state;
    uint8_t out[64];
    for (size_t i = 0; i < COUNT(odd_base64); i++) {
        struct bytes text = exact_copy(bytes_of_text(odd_base64[i].text));
        long len = base64_decode((const char *)text.at, text.len, out);
        if (len != odd_base64[i].len)
            fail_row(odd_base64[i].spoken, "%ld, not %ld", len, odd_base64[i].len);
        exact_free(text);
    }
    assert_int_equal(base64_decode("Zm\0v", 4, out), -1);
}

static void base64_takes_64_letters_and_no_others(void **state)
{
    (void)state;
    const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (int c = 0; c < 256; c++) {
        char text[4] = {(char)c, 'A', 'A', 'A'};
        uint8_t out[6];
        const char *at = c ? strchr(letters, c) : NULL;
        assert_int_equal(base64_decode(text, 4, out), at ? 3 : -1);
        if (at)
            assert_int_equal(out[0] >> 2, at - letters);
    }
}

static void base64_comes_back_for_every_length(void **state)
{
    (void)state;
    uint8_t data[300];
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(i * 7 + 3);
    for (size_t len = 0; len <= sizeof data; len++) {
        /* exactly the room that the header promises */
        char *text = malloc(BASE64_ENCODED_LEN(len) + 1);
        size_t n = base64_encode(data, len, text);
        assert_int_equal(n, BASE64_ENCODED_LEN(len));
        uint8_t *back = malloc(n / 4 * 3 + 3);
        assert_int_equal(base64_decode(text, n, back), len);
        assert_memory_equal(back, data, len);
        free(back);
        free(text);
    }
}

/* Lines of 64 characters, the last one shorter, none empty. */
static void pem_lines(void **state)
{
    (void)state;
    static const struct {
        size_t len;
        const char *tail;
    } rows[] = {{0, "-----BEGIN X-----\n"},
                {1, "-----BEGIN X-----\nAA==\n"},
                {48, "\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"},
                {49, "AAAAAAAA\nAA==\n"}};
    static const uint8_t zeros[64];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer pem = {0};
        char end[128];
        snprintf(end, sizeof end, "%s-----END X-----\n", rows[i].tail);
        assert_true(pem_add(&pem, "X", (struct bytes){zeros, rows[i].len}) && buffer_add(&pem, "", 1));
        const char *text = (char *)pem.at;
        assert_int_equal(strncmp(text, "-----BEGIN X-----\n", 18), 0);
        assert_true(strlen(text) >= strlen(end));
        assert_string_equal(text + strlen(text) - strlen(end), end);
        buffer_free(&pem);
    }
}

/* --- percent signs ------------------------------------------------------------------------------------- */

static const struct {
    const char *spoken, *text, *decoded; /* NULL: refused */
} percents[] = {
    {"nothing", "", ""},
    {"nothing to do", "abc/DEF", "abc/DEF"},
    {"a plus stays a plus", "a+b", "a+b"},
    {"slash, plus, equals", "%2F%2B%3D", "/+="},
    {"lower case", "%2f%2b%3d", "/+="},
    {"once only", "%252F", "%2F"},
    {"at the very end", "a%41", "aA"},
    {"high octets", "%C3%BC%ff", "\xc3\xbc\xff"},
    {"double slash is kept", "//a", "//a"},
    {"a percent sign alone", "%", NULL},
    {"cut after one digit", "ab%2", NULL},
    {"cut after the sign", "ab%", NULL},
    {"no digit", "%G0", NULL},
    {"no second digit", "%0G", NULL},
    {"a sign is no digit", "%-1", NULL},
    {"a blank is no digit", "% 1", NULL},
    {"NUL", "%00", NULL},
    {"NUL in the middle", "a%00b", NULL},
};

static void percent_signs_are_undone_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(percents); i++) {
        struct bytes copy = exact_copy(bytes_of_text(percents[i].text));
        char *text = (char *)(uintptr_t)copy.at;
        long len = percent_decode(text, copy.len);
        if (percents[i].decoded) {
            check_row(percents[i].spoken, len == (long)strlen(percents[i].decoded));
            check_row(percents[i].spoken, memcmp(text, percents[i].decoded, (size_t)len) == 0);
        } else {
            check_row(percents[i].spoken, len == -1);
        }
        exact_free(copy);
    }
}

/* --- views and buffers --------------------------------------------------------------------------------- */

static void bytes_are_compared(void **state)
{
    (void)state;
    struct bytes none = {NULL, 0}, a = bytes_of_text("a"), ab = bytes_of_text("ab"), b = bytes_of_text("b"),
                 high = bytes_of_text("\xff");
    assert_true(bytes_equal(none, (struct bytes){(const uint8_t *)"x", 0}));
    assert_true(bytes_equal(ab, bytes_of_text("ab")));
    assert_false(bytes_equal(a, ab));
    assert_false(bytes_equal(a, b));
    assert_int_equal(bytes_compare(none, none), 0);
    assert_true(bytes_compare(none, a) < 0);
    assert_true(bytes_compare(a, none) > 0);
    assert_true(bytes_compare(a, ab) < 0);
    assert_true(bytes_compare(ab, b) < 0);
    assert_true(bytes_compare(high, ab) > 0); /* octets are not signed */
}

static void buffer_grows(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    assert_true(buffer_add(&buffer, NULL, 0));
    assert_int_equal(buffer.len, 0);
    for (int i = 0; i < 1000; i++)
        assert_true(buffer_printf(&buffer, "%03d", i));
    assert_int_equal(buffer.len, 3000);
    assert_memory_equal(buffer.at + 2997, "999", 3);
    assert_true(buffer_add_text(&buffer, "end"));
    assert_int_equal(buffer.len, 3003);
    assert_memory_equal(buffer.at, "000001002", 9);
    assert_true(buffer.room >= buffer.len);
    buffer_free(&buffer);
    assert_null(buffer.at);
    assert_int_equal(buffer.len, 0);
    assert_true(buffer_add(&buffer, "x", 1)); /* usable again */
    buffer_free(&buffer);
    buffer_free(NULL);
}

static void buffer_survives_what_cannot_be_had(void **state)
{
    (void)state;
    struct buffer buffer = {0};
    assert_true(buffer_add_text(&buffer, "kept"));
    assert_false(buffer_reserve(&buffer, SIZE_MAX));
    assert_false(buffer_reserve(&buffer, SIZE_MAX / 2));
    assert_int_equal(buffer.len, 4);
    assert_memory_equal(buffer.at, "kept", 4);
    buffer_free(&buffer);
}

/* --- files --------------------------------------------------------------------------------------------- */

static void file_is_read_up_to_its_bound(void **state)
{
    (void)state;
    char *folder = folder_make(), path[256];
    struct buffer text = {0};
    char data[10000];
    snprintf(path, sizeof path, "%s/file", folder);
    memset(data, 'x', sizeof data);
    file_put(path, data, sizeof data);

    assert_int_equal(file_read(path, sizeof data, &text), 0);
    assert_int_equal(text.len, sizeof data);
    assert_memory_equal(text.at, data, sizeof data);
    assert_int_equal(text.at[text.len], 0);
    buffer_free(&text);

    assert_int_equal(file_read(path, sizeof data - 1, &text), -1);
    assert_int_equal(errno, EFBIG);

    file_put(path, "", 0);
    assert_int_equal(file_read(path, 0, &text), 0);
    assert_int_equal(text.len, 0);
    assert_int_equal(text.at[0], 0);
    buffer_free(&text);

    assert_int_equal(file_read(folder, 100, &text), -1);
    assert_int_equal(errno, EISDIR);
    unlink(path);
    assert_int_equal(file_read(path, 100, &text), -1);
    assert_int_equal(errno, ENOENT);
    assert_null(text.at);
    folder_remove(folder);
}

/* --- errors -------------------------------------------------------------------------------------------- */

static void errors_are_set_and_prefixed(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(error_set(&err, "%s %d", "thing", 7), -1);
    assert_string_equal(err.text, "thing 7");
    assert_int_equal(error_prefix(&err, "file %s", "a.crt"), -1);
    assert_string_equal(err.text, "file a.crt: thing 7");
    assert_int_equal(error_set(NULL, "nobody hears"), -1);
    assert_int_equal(error_prefix(NULL, "nobody hears"), -1);
}

static void errors_are_cut_not_overrun(void **state)
{
    (void)state;
    struct error err;
    char longer[2000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    error_set(&err, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    error_prefix(&err, "ab");
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
    assert_memory_equal(err.text, "ab: xxx", 7);
    error_prefix(&err, "%s", longer);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

/* --- histograms ---------------------------------------------------------------------------------------- */

static void histograms_count_by_inclusive_bounds(void **state)
{
    (void)state;
    const struct histogram_scale *scale = &histogram_numbers;
    static const uint64_t values[] = {0, 1, 2, 3, 4, 32768, 32769, UINT32_MAX};
    struct histogram one = {0}, other = {0};
    struct histogram_sums sums = {0};
    for (size_t i = 0; i < COUNT(values); i++)
        histogram_add(i % 2 ? &one : &other, scale, values[i]);
    histogram_read(&one, &sums);
    histogram_read(&other, &sums);
    assert_int_equal(sums.counts[0], 2); /* 0 and 1 */
    assert_int_equal(sums.counts[1], 1);
    assert_int_equal(sums.counts[2], 2); /* 3 and 4 */
    assert_int_equal(sums.counts[HISTOGRAM_BOUNDS - 1], 1);
    assert_int_equal(sums.counts[HISTOGRAM_BOUNDS], 2); /* beyond */
    assert_int_equal(sums.sum, 10 + 32768 + 32769 + (uint64_t)UINT32_MAX);
}

static void scales_rise(void **state)
{
    (void)state;
    for (int i = 1; i < HISTOGRAM_BOUNDS; i++) {
        assert_true(histogram_times.bounds[i] > histogram_times.bounds[i - 1]);
        assert_true(histogram_numbers.bounds[i] > histogram_numbers.bounds[i - 1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hex_is_lower_case_and_ends),
        cmocka_unit_test(hex_digits_are_these_and_no_others),
        cmocka_unit_test(pem_lines),
        cmocka_unit_test(base64_agrees_with_rfc4648),
        cmocka_unit_test(base64_knows_what_is_wrong),
        cmocka_unit_test(base64_takes_64_letters_and_no_others),
        cmocka_unit_test(base64_comes_back_for_every_length),
        cmocka_unit_test(percent_signs_are_undone_once),
        cmocka_unit_test(bytes_are_compared),
        cmocka_unit_test(buffer_grows),
        cmocka_unit_test(buffer_survives_what_cannot_be_had),
        cmocka_unit_test(file_is_read_up_to_its_bound),
        cmocka_unit_test(errors_are_set_and_prefixed),
        cmocka_unit_test(errors_are_cut_not_overrun),
        cmocka_unit_test(a_number_has_one_text),
        cmocka_unit_test(what_is_cut_stays_utf8),
        cmocka_unit_test(histograms_count_by_inclusive_bounds),
        cmocka_unit_test(scales_rise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
