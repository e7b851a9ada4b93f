/* Times. Known instants were computed with `date -u`; the rest is compared with the C library. */
#include "unit.h"

#include <annul/der.h>

#include <time.h>

static const struct {
    const char *spoken;
    int64_t at;
    const char *text, *der, *http;
} instants[] = {
    {"the epoch", 0, "1970-01-01T00:00:00Z", "700101000000Z", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {"a second before it", -1, "1969-12-31T23:59:59Z", "691231235959Z", "Wed, 31 Dec 1969 23:59:59 GMT"},
    {"the last second before UTCTime", -631152001, "1949-12-31T23:59:59Z", "19491231235959Z",
     "Sat, 31 Dec 1949 23:59:59 GMT"},
    {"the first second of UTCTime", -631152000, "1950-01-01T00:00:00Z", "500101000000Z",
     "Sun, 01 Jan 1950 00:00:00 GMT"},
    {"the last second of the 20th century's years", 946684799, "1999-12-31T23:59:59Z", "991231235959Z",
     "Fri, 31 Dec 1999 23:59:59 GMT"},
    {"year 00 is 2000", 946684800, "2000-01-01T00:00:00Z", "000101000000Z", "Sat, 01 Jan 2000 00:00:00 GMT"},
    {"2000 is a leap year", 951782400, "2000-02-29T00:00:00Z", "000229000000Z",
     "Tue, 29 Feb 2000 00:00:00 GMT"},
    {"RFC 9110's example", 784111777, "1994-11-06T08:49:37Z", "941106084937Z",
     "Sun, 06 Nov 1994 08:49:37 GMT"},
    {"the last second of 32-bit time", 2147483647, "2038-01-19T03:14:07Z", "380119031407Z",
     "Tue, 19 Jan 2038 03:14:07 GMT"},
    {"the first beyond it", 2147483648, "2038-01-19T03:14:08Z", "380119031408Z",
     "Tue, 19 Jan 2038 03:14:08 GMT"},
    {"the last second of UTCTime", 2524607999, "2049-12-31T23:59:59Z", "491231235959Z",
     "Fri, 31 Dec 2049 23:59:59 GMT"},
    {"the first of GeneralizedTime", 2524608000, "2050-01-01T00:00:00Z", "20500101000000Z",
     "Sat, 01 Jan 2050 00:00:00 GMT"},
    {"the day before 1 March 2100", 4107542399, "2100-02-28T23:59:59Z", "21000228235959Z",
     "Sun, 28 Feb 2100 23:59:59 GMT"},
    {"2100 is no leap year", 4107542400, "2100-03-01T00:00:00Z", "21000301000000Z",
     "Mon, 01 Mar 2100 00:00:00 GMT"},
    {"no well-defined expiry (RFC 5280 section 4.1.2.5)", 253402300799, "9999-12-31T23:59:59Z",
     "99991231235959Z", "Fri, 31 Dec 9999 23:59:59 GMT"},
    {"year 0", -62167219200, "0000-01-01T00:00:00Z", "00000101000000Z", "Sat, 01 Jan 0000 00:00:00 GMT"},
};

static void known_instants_are_written_and_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(instants); i++) {
        const char *spoken = instants[i].spoken;
        char text[TIME_TEXT], http[TIME_HTTP], index[16];
        uint8_t der[DER_TIME_MAX];
        int64_t at;

        time_to_text(instants[i].at, text);
        check_row(spoken, strcmp(text, instants[i].text) == 0);
        check_row(spoken, time_from_text(instants[i].text, &at) && at == instants[i].at);

        time_to_http(instants[i].at, http);
        check_row(spoken, strcmp(http, instants[i].http) == 0);
        check_row(spoken, time_from_http(instants[i].http, &at) && at == instants[i].at);

        size_t wanted = strlen(instants[i].der), len = time_to_der(instants[i].at, der);
        uint8_t tag = wanted == 13 ? DER_UTC_TIME : DER_GENERALIZED_TIME;
        check_row(spoken, len == wanted + 2 && der[0] == tag && der[1] == wanted);
        check_row(spoken, memcmp(der + 2, instants[i].der, wanted) == 0);
        check_row(spoken, time_from_der(tag, (struct bytes){der + 2, wanted}, &at) && at == instants[i].at);

        time_to_index(instants[i].at, index);
        check_row(spoken, strcmp(index, instants[i].der) == 0);
        check_row(spoken, time_from_index(instants[i].der, wanted, &at) && at == instants[i].at);
    }
}

static void generalized_time_is_always_generalized(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(instants); i++) {
        uint8_t der[DER_TIME_MAX];
        char compact[32];
        const char *text = instants[i].text;
        snprintf(compact, sizeof compact, "%.4s%.2s%.2s%.2s%.2s%.2sZ", text, text + 5, text + 8, text + 11,
                 text + 14, text + 17);
        assert_int_equal(time_to_generalized(instants[i].at, der), DER_TIME_MAX);
        assert_memory_equal(der, "\x18\x0f", 2);
        assert_memory_equal(der + 2, compact, 15);
        int64_t at;
        assert_true(time_from_der(DER_GENERALIZED_TIME, (struct bytes){der + 2, 15}, &at));
        assert_int_equal(at, instants[i].at);
    }
}

/* Steps that share no factor with minutes, hours, days or years, from the year 1 to the end of 9999. */
static void a_long_range_agrees_with_the_c_library(void **state)
{
    (void)state;
    for (int64_t at = -62135596800; at <= 253402300799; at += 1234577) {
        time_t libc_at = (time_t)at;
        struct tm tm;
        char wanted[64], text[TIME_TEXT], http[TIME_HTTP];
        assert_non_null(gmtime_r(&libc_at, &tm));
        snprintf(wanted, sizeof wanted, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        time_to_text(at, text);
        assert_string_equal(text, wanted);
        int64_t back = 0;
        assert_true(time_from_text(text, &back) && back == at);
        assert_true(timegm(&tm) == libc_at);
        assert_true(strftime(wanted, sizeof wanted, "%a, %d %b ", &tm) > 0);
        snprintf(wanted + 12, sizeof wanted - 12, "%04d %02d:%02d:%02d GMT", tm.tm_year + 1900, tm.tm_hour,
                 tm.tm_min, tm.tm_sec);
        time_to_http(at, http);
        assert_string_equal(http, wanted);
        assert_true(time_from_http(http, &back) && back == at);
    }
}

static void every_day_of_the_uttime_years_comes_back(void **state)
{
    (void)state;
    for (int64_t day = -631152000; day < 2524608000; day += 86400) {
        uint8_t der[DER_TIME_MAX];
        int64_t back = 0;
        size_t len = time_to_der(day + 86399, der);
        assert_int_equal(len, 15);
        assert_true(time_from_der(DER_UTC_TIME, (struct bytes){der + 2, len - 2}, &back));
        assert_true(back == day + 86399);
    }
}

static const struct {
    const char *spoken, *date; /* YYYYMMDDHHMMSS */
    bool good;
} dates[] = {
    {"29 February of a leap year", "20240229000000", true},
    {"29 February of another year", "20230229000000", false},
    {"29 February 2100", "21000229000000", false},
    {"29 February 1900", "19000229000000", false},
    {"29 February 2000", "20000229000000", true},
    {"29 February 2400", "24000229000000", true},
    {"30 February", "20240230000000", false},
    {"31 January", "20240131000000", true},
    {"32 January", "20240132000000", false},
    {"31 April", "20240431000000", false},
    {"31 June", "20240631000000", false},
    {"31 September", "20240931000000", false},
    {"31 November", "20241131000000", false},
    {"31 December", "20241231235959", true},
    {"day 0", "20240100000000", false},
    {"month 0", "20240001000000", false},
    {"month 13", "20241301000000", false},
    {"hour 23", "20240101230000", true},
    {"hour 24", "20240101240000", false},
    {"minute 60", "20240101006000", false},
    {"second 60, a leap second", "20161231235960", false},
    {"second 99", "20240101000099", false},
};

static void impossible_dates_are_refused_in_every_format(void **state)
{
    (void)state;
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    for (size_t i = 0; i < COUNT(dates); i++) {
        const char *d = dates[i].date;
        char text[64];
        int64_t at;
        snprintf(text, sizeof text, "%sZ", d);
        check_row(dates[i].spoken, time_from_index(text, 15, &at) == dates[i].good);
        check_row(dates[i].spoken,
                  time_from_der(DER_GENERALIZED_TIME, bytes_of_text(text), &at) == dates[i].good);
        snprintf(text, sizeof text, "%.4s-%.2s-%.2sT%.2s:%.2s:%.2sZ", d, d + 4, d + 6, d + 8, d + 10, d + 12);
        check_row(dates[i].spoken, time_from_text(text, &at) == dates[i].good);
        int month = (d[4] - '0') * 10 + d[5] - '0';
        if (month < 1 || month > 12)
            continue;
        snprintf(text, sizeof text, "Mon, %.2s %s %.4s %.2s:%.2s:%.2s GMT", d + 6, months[month - 1], d,
                 d + 8, d + 10, d + 12);
        check_row(dates[i].spoken, time_from_http(text, &at) == dates[i].good);
    }
}

static const struct {
    const char *spoken;
    uint8_t tag;
    const char *content;
} bad_der_times[] = {
    {"UTCTime without seconds", DER_UTC_TIME, "2401010000Z"},
    {"UTCTime with an offset", DER_UTC_TIME, "240101000000+0100"},
    {"UTCTime without Z", DER_UTC_TIME, "240101000000"},
    {"UTCTime in lower case", DER_UTC_TIME, "240101000000z"},
    {"UTCTime of four-digit years", DER_UTC_TIME, "20240101000000Z"},
    {"GeneralizedTime of two-digit years", DER_GENERALIZED_TIME, "240101000000Z"},
    {"GeneralizedTime with a fraction", DER_GENERALIZED_TIME, "20240101000000.5Z"},
    {"GeneralizedTime with an offset", DER_GENERALIZED_TIME, "20240101000000+0000"},
    {"GeneralizedTime of local time", DER_GENERALIZED_TIME, "20240101000000"},
    {"GeneralizedTime without seconds", DER_GENERALIZED_TIME, "202401010000Z"},
    {"a sign for a digit", DER_GENERALIZED_TIME, "2024-101000000Z"},
    {"a blank for a digit", DER_GENERALIZED_TIME, "2024 101000000Z"},
    {"a colon for a digit", DER_UTC_TIME, "24010100:000Z"},
    {"a slash for a digit", DER_UTC_TIME, "24010100/000Z"},
    {"a letter for the first digit", DER_UTC_TIME, "a40101000000Z"},
    {"a colon for the year's second digit", DER_UTC_TIME, "2:0101000000Z"},
    {"a letter in the century", DER_GENERALIZED_TIME, "2a240101000000Z"},
    {"a slash in the year", DER_GENERALIZED_TIME, "20/40101000000Z"},
    {"nothing", DER_UTC_TIME, ""},
    {"another tag", DER_OCTET_STRING, "240101000000Z"},
    {"another tag, four-digit years", DER_IA5STRING, "20240101000000Z"},
};

static void der_times_outside_the_profile_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_der_times); i++) {
        struct bytes copy = exact_copy(bytes_of_text(bad_der_times[i].content));
        int64_t at;
        check_row(bad_der_times[i].spoken, !time_from_der(bad_der_times[i].tag, copy, &at));
        exact_free(copy);
    }
}

static const char *const bad_texts[] = {
    "",
    "2026-11-21",
    "2026-11-21T09:00:00",
    "2026-11-21 09:00:00Z",
    "2026-11-21t09:00:00z",
    "2026-11-21T09:00:00z",
    "2026-11-21T09:00:00.5Z",
    "2026-11-21T09:00:00+00:00",
    "2026-11-21T09-00-00Z",
    "2026/11/21T09:00:00Z",
    "+026-11-21T09:00:00Z",
    "2026-11-2 T09:00:00Z",
    "2026-11-21T09:00:0\xc2Z",
    "2026-11-21T09:00:00Z ",
    " 2026-11-21T09:00:00Z",
    "2026-1-21T009:00:00Z",
};

static const char *const bad_http[] = {
    "",
    "Sunday, 06-Nov-94 08:49:37 GMT", /* RFC 850 */
    "Sun Nov  6 08:49:37 1994",       /* asctime() */
    "Sun, 06 Nov 1994 08:49:37 UTC",  /* what some responders send */
    "Sun, 06 Nov 1994 08:49:37 +0000",
    "Sun, 06 Nov 1994 08:49:37 gmt",
    "Sun, 06 Nov 1994 08:49:37",
    "Sun, 6 Nov 1994 08:49:37 GMT",
    "Sun, 06 nov 1994 08:49:37 GMT",
    "Sun, 06 Nvo 1994 08:49:37 GMT",
    "Sun, 06 anF 1994 08:49:37 GMT", /* stands in the table of names, but on no border */
    "Sun  06 Nov 1994 08:49:37 GMT",
    "Sun, 06-Nov 1994 08:49:37 GMT",
    "Sun, 06 Nov-1994 08:49:37 GMT",
    "Sun, 06 Nov 1994T08:49:37 GMT",
    "Sun, 06 Nov 1994 08.49:37 GMT",
    "Sun, 06 Nov 1994 08:49.37 GMT",
    "Sun, 06 Nov 1994 0a:49:37 GMT",
    "Sun, 06 Nov 1994 08:49:37 GMT ",
    "784111777",
};

/* The blank behind the comma is as much a part of IMF-fixdate as the others (RFC 9110 section 5.6.7). */
static void http_dates_need_the_blank_behind_the_comma(void **state)
{
    (void)state;
    int64_t at;
    assert_false(time_from_http("Sun,x06 Nov 1994 08:49:37 GMT", &at));
}

static void texts_in_other_forms_are_refused(void **state)
{
    (void)state;
    int64_t at;
    for (size_t i = 0; i < COUNT(bad_texts); i++)
        check_row(bad_texts[i], !time_from_text(bad_texts[i], &at));
    for (size_t i = 0; i < COUNT(bad_http); i++)
        check_row(bad_http[i], !time_from_http(bad_http[i], &at));
    assert_false(time_from_index("20240101000000Z", 14, &at));
    assert_false(time_from_index("20240101000000Zx", 16, &at));
    assert_false(time_from_index("240101000000Z", 0, &at));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_instants_are_written_and_read),
        cmocka_unit_test(generalized_time_is_always_generalized),
        cmocka_unit_test(a_long_range_agrees_with_the_c_library),
        cmocka_unit_test(every_day_of_the_uttime_years_comes_back),
        cmocka_unit_test(impossible_dates_are_refused_in_every_format),
        cmocka_unit_test(der_times_outside_the_profile_are_refused),
        cmocka_unit_test(texts_in_other_forms_are_refused),
        cmocka_unit_test(http_dates_need_the_blank_behind_the_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
