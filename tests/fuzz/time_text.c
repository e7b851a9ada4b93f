/* Times in every format: what is read is written back as it was, and agrees with the C library. */
#include "fuzz.h"

#include <annul/der.h>
#include <annul/time.h>

#include <time.h>

static void compare(int64_t at)
{
    time_t theirs = (time_t)at;
    struct tm tm;
    char ours[TIME_TEXT], wanted[64];
    CHECK(gmtime_r(&theirs, &tm));
    snprintf(wanted, sizeof wanted, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900, tm.tm_mon + 1,
             tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    time_to_text(at, ours);
    CHECK(strcmp(ours, wanted) == 0);
}

static void check_der(uint8_t tag, struct bytes content)
{
    uint8_t der[DER_TIME_MAX];
    int64_t at;
    if (!time_from_der(tag, content, &at))
        return;
    compare(at);
    size_t len = tag == DER_UTC_TIME ? time_to_der(at, der) : time_to_generalized(at, der);
    CHECK(der[0] == tag && bytes_equal((struct bytes){der + 2, len - 2}, content));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = fuzz_text(data, size), back[TIME_HTTP];
    int64_t at;
    check_der(DER_UTC_TIME, (struct bytes){data, size});
    check_der(DER_GENERALIZED_TIME, (struct bytes){data, size});
    if (time_from_index((const char *)data, size, &at))
        compare(at);
    if (text && time_from_text(text, &at)) {
        compare(at);
        time_to_text(at, back);
        CHECK(strcmp(back, text) == 0);
    }
    if (text && time_from_http(text, &at)) {
        compare(at);
        time_to_http(at, back);
        CHECK(strcmp(back + 3, text + 3) == 0); /* the name of the day is not looked at */
    }
    free(text);
    return 0;
}
