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

static void put_digits(char *out, int64_t value, int width)
{
    for (int i = width - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
}

static bool get_digits(const char *text, int width, unsigned *value)
{
    *value = 0;
    for (int i = 0; i < width; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        *value = *value * 10 + (unsigned)(text[i] - '0');
    }
    return true;
}

/* "YYYYMMDDHHMMSSZ" */
static void put_compact(const struct date *d, char out[15])
{
    put_digits(out, d->year, 4);
    put_digits(out + 4, d->month, 2);
    put_digits(out + 6, d->day, 2);
    put_digits(out + 8, d->hour, 2);
    put_digits(out + 10, d->minute, 2);
    put_digits(out + 12, d->second, 2);
    out[14] = 'Z';
}

static bool parse_compact(const char *text, size_t len, int64_t *at)
{
    struct date d = {0};
    unsigned year;
    if (len == 13) { /* UTCTime: 50 to 99 are 19xx (RFC 5280 section 4.1.2.5.1) */
        if (!get_digits(text, 2, &year))
            return false;
        d.year = year + (year >= 50 ? 1900 : 2000);
        text += 2;
    } else if (len == 15) {
        if (!get_digits(text, 4, &year))
            return false;
        d.year = year;
        text += 4;
    } else {
        return false;
    }
    return get_digits(text, 2, &d.month) && get_digits(text + 2, 2, &d.day) &&
           get_digits(text + 4, 2, &d.hour) && get_digits(text + 6, 2, &d.minute) &&
           get_digits(text + 8, 2, &d.second) && text[10] == 'Z' && seconds_from_date(&d, at);
}

size_t time_to_generalized(int64_t at, uint8_t out[DER_TIME_MAX])
{
    struct date d = date_from_seconds(at);
    out[0] = DER_GENERALIZED_TIME;
    out[1] = 15;
    put_compact(&d, (char *)out + 2);
    return DER_TIME_MAX;
}

size_t time_to_der(int64_t at, uint8_t out[DER_TIME_MAX])
{
    time_to_generalized(at, out);
    if (at < -631152000 || at >= 2524608000) /* outside 1950 to 2049 */
        return DER_TIME_MAX;
    out[0] = DER_UTC_TIME;
    out[1] = 13;
    memmove(out + 2, out + 4, 13); /* drop the century */
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
    put_digits(out, d.year, 4);
    put_digits(out + 5, d.month, 2);
    put_digits(out + 8, d.day, 2);
    put_digits(out + 11, d.hour, 2);
    put_digits(out + 14, d.minute, 2);
    put_digits(out + 17, d.second, 2);
}

bool time_from_text(const char *text, int64_t *at)
{
    struct date d = {0};
    unsigned year;
    if (strlen(text) != TIME_TEXT - 1 || text[4] != '-' || text[7] != '-' || text[10] != 'T' ||
        text[13] != ':' || text[16] != ':' || text[19] != 'Z')
        return false;
    if (!get_digits(text, 4, &year) || !get_digits(text + 5, 2, &d.month) ||
        !get_digits(text + 8, 2, &d.day) || !get_digits(text + 11, 2, &d.hour) ||
        !get_digits(text + 14, 2, &d.minute) || !get_digits(text + 17, 2, &d.second))
        return false;
    d.year = year;
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
    put_digits(out + 5, d.day, 2);
    memcpy(out + 8, month_names + 3 * (d.month - 1), 3);
    put_digits(out + 12, d.year, 4);
    put_digits(out + 17, d.hour, 2);
    put_digits(out + 20, d.minute, 2);
    put_digits(out + 23, d.second, 2);
}

bool time_from_http(const char *text, int64_t *at)
{
    struct date d = {0};
    unsigned year;
    if (strlen(text) != TIME_HTTP - 1 || memcmp(text + 25, " GMT", 4) != 0 || text[3] != ',' ||
        text[4] != ' ' || text[7] != ' ' || text[11] != ' ' || text[16] != ' ' || text[19] != ':' ||
        text[22] != ':')
        return false;
    for (d.month = 1; d.month <= 12; d.month++)
        if (memcmp(month_names + 3 * (d.month - 1), text + 8, 3) == 0)
            break;
    if (!get_digits(text + 5, 2, &d.day) || !get_digits(text + 12, 4, &year) ||
        !get_digits(text + 17, 2, &d.hour) || !get_digits(text + 20, 2, &d.minute) ||
        !get_digits(text + 23, 2, &d.second))
        return false;
    d.year = year;
    return seconds_from_date(&d, at);
}
