#include <annul/time.h>
#include <annul/der.h>

#include <stdio.h>
#include <string.h>

struct date {
    int64_t year;
    unsigned month, day, hour, minute, second;
};

/* Days since 1970-01-01 of a date in the proleptic Gregorian calendar, and back; after H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms". */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    unsigned year_of_era = (unsigned)(year - era * 400);
    unsigned day_of_year = (153 * (month + (month > 2 ? -3u : 9u)) + 2) / 5 + day - 1;
    unsigned day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + (int64_t)day_of_era - 719468;
}

static struct date date_from_seconds(int64_t at)
{
    int64_t days = at / 86400, rest = at % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    unsigned day_of_era = (unsigned)(days - era * 146097);
    unsigned year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    unsigned day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    unsigned shifted = (5 * day_of_year + 2) / 153;
    struct date d = {.year = (int64_t)year_of_era + era * 400,
                     .month = shifted < 10 ? shifted + 3 : shifted - 9,
                     .day = day_of_year - (153 * shifted + 2) / 5 + 1,
                     .hour = (unsigned)(rest / 3600),
                     .minute = (unsigned)(rest / 60 % 60),
                     .second = (unsigned)(rest % 60)};
    d.year += d.month <= 2;
    return d;
}

static bool seconds_from_date(const struct date *d, int64_t *at)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (d->year % 4 == 0 && d->year % 100 != 0) || d->year % 400 == 0;
    if (d->month < 1 || d->month > 12 || d->day < 1 || d->hour > 23 || d->minute > 59 || d->second > 59)
        return false;
    if (d->day > days[d->month - 1] + (d->month == 2 && leap ? 1u : 0u))
        return false;
    *at = days_from_date(d->year, d->month, d->day) * 86400 + d->hour * 3600 + d->minute * 60 + d->second;
    return true;
}

static void put_two(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
}

static void put_year(char *out, int64_t year)
{
    put_two(out, (unsigned)year / 100);
    put_two(out + 2, (unsigned)year % 100);
}

/* The value of two digits; 100, which no part of a date may be, where they are none. */
static unsigned get_two(const char *text)
{
    unsigned tens = (unsigned)(text[0] - '0'), ones = (unsigned)(text[1] - '0');
    return tens > 9 || ones > 9 ? 100 : tens * 10 + ones;
}

static bool get_year(const char *text, int64_t *year)
{
    unsigned century = get_two(text), rest = get_two(text + 2);
    *year = century * 100 + rest;
    return century < 100 && rest < 100;
}

/* "YYYYMMDDHHMMSSZ" */
static void put_compact(const struct date *d, char out[15])
{
    put_year(out, d->year);
    put_two(out + 4, d->month);
    put_two(out + 6, d->day);
    put_two(out + 8, d->hour);
    put_two(out + 10, d->minute);
    put_two(out + 12, d->second);
    out[14] = 'Z';
}

static bool parse_compact(const char *text, size_t len, int64_t *at)
{
    struct date d;
    if (len == 13) { /* UTCTime: 50 to 99 are 19xx (RFC 5280 section 4.1.2.5.1) */
        unsigned year = get_two(text);
        if (year == 100)
            return false;
        d.year = year + (year >= 50 ? 1900 : 2000);
    } else if (len != 15 || !get_year(text, &d.year)) {
        return false;
    }
    text += len - 11;
    d.month = get_two(text);
    d.day = get_two(text + 2);
    d.hour = get_two(text + 4);
    d.minute = get_two(text + 6);
    d.second = get_two(text + 8);
    return text[10] == 'Z' && seconds_from_date(&d, at);
}

size_t time_to_generalized(int64_t at, uint8_t out[DER_TIME_MAX])
{
    struct date d = date_from_seconds(at);
    out[0] = DER_GENERALIZED_TIME;
    out[1] = 15;
    put_compact(&d, (char *)out + 2);
    return DER_TIME_MAX;
}

uint8_t time_der_tag(int64_t at)
{
    return at < -631152000 || at >= 2524608000 ? DER_GENERALIZED_TIME : DER_UTC_TIME; /* 1950 to 2049 */
}

size_t time_to_der(int64_t at, uint8_t out[DER_TIME_MAX])
{
    uint8_t whole[DER_TIME_MAX];
    if (time_der_tag(at) == DER_GENERALIZED_TIME)
        return time_to_generalized(at, out);
    time_to_generalized(at, whole);
    out[0] = DER_UTC_TIME;
    out[1] = 13;
    memcpy(out + 2, whole + 4, 13); /* without the century */
    return 15;
}

bool time_from_der(uint8_t tag, struct bytes content, int64_t *at)
{
    if (!((tag == DER_UTC_TIME && content.len == 13) || (tag == DER_GENERALIZED_TIME && content.len == 15)))
        return false;
    return parse_compact((const char *)content.at, content.len, at);
}

bool time_from_index(const char *text, size_t len, int64_t *at)
{
    return parse_compact(text, len, at);
}

void time_to_index(int64_t at, char out[16])
{
    uint8_t der[DER_TIME_MAX];
    size_t len = time_to_der(at, der);
    memcpy(out, der + 2, len - 2);
    out[len - 2] = 0;
}

void time_to_text(int64_t at, char out[TIME_TEXT])
{
    struct date d = date_from_seconds(at);
    memcpy(out, "0000-00-00T00:00:00Z", TIME_TEXT);
    put_year(out, d.year);
    put_two(out + 5, d.month);
    put_two(out + 8, d.day);
    put_two(out + 11, d.hour);
    put_two(out + 14, d.minute);
    put_two(out + 17, d.second);
}

bool time_from_text(const char *text, int64_t *at)
{
    struct date d;
    if (strlen(text) != TIME_TEXT - 1 || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
        text[13] != ':' || text[16] != ':' || text[19] != 'Z')
        return false;
    if (!get_year(text, &d.year))
        return false;
    d.month = get_two(text + 5);
    d.day = get_two(text + 8);
    d.hour = get_two(text + 11);
    d.minute = get_two(text + 14);
    d.second = get_two(text + 17);
    return seconds_from_date(&d, at);
}

static const char day_names[] = "ThuFriSatSunMonTueWed"; /* 1970-01-01 was a Thursday */
static const char month_names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void time_to_http(int64_t at, char out[TIME_HTTP])
{
    struct date d = date_from_seconds(at);
    int64_t weekday = ((at - (int64_t)(d.hour * 3600 + d.minute * 60 + d.second)) / 86400 % 7 + 7) % 7;
    memcpy(out, "Thu, 00 Jan 0000 00:00:00 GMT", TIME_HTTP);
    memcpy(out, day_names + 3 * weekday, 3);
    put_two(out + 5, d.day);
    memcpy(out + 8, month_names + 3 * (d.month - 1), 3);
    put_year(out + 12, d.year);
    put_two(out + 17, d.hour);
    put_two(out + 20, d.minute);
    put_two(out + 23, d.second);
}

bool time_from_http(const char *text, int64_t *at)
{
    struct date d;
    if (strlen(text) != TIME_HTTP - 1 || memcmp(text + 25, " GMT", 4) != 0 || text[3] != ',' ||
        text[4] != ' ' || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' ||
        text[22] != ':')
        return false;
    for (d.month = 1; d.month <= 12; d.month++)
        if (memcmp(month_names + 3 * (d.month - 1), text + 8, 3) == 0)
            break;
    if (!get_year(text + 12, &d.year))
        return false;
    d.day = get_two(text + 5);
    d.hour = get_two(text + 17);
    d.minute = get_two(text + 20);
    d.second = get_two(text + 23);
    return seconds_from_date(&d, at);
}
