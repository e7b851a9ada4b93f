#include "header.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

/* --- entity tags --------------------------------------------------------------------------------------- */

bool header_list_has_etag(const char *list, const char *etag, bool strongly)
{
    size_t len = strlen(etag);
    for (const char *at = list; *at;) {
        at += strspn(at, " \t,");
        if (*at == '*')
            return true;
        bool is_weak = strncmp(at, "W/", 2) == 0;
        at += is_weak ? 2 : 0;
        if (*at != '"') {
            at += strcspn(at, ",");
            continue;
        }
        const char *end = strchr(at + 1, '"');
        if (!end)
            return false;
        if (!(is_weak && strongly) && (size_t)(end - at - 1) == len && memcmp(at + 1, etag, len) == 0)
            return true;
        at = end + 1;
    }
    return false;
}

bool header_is_etag(const char *value, const char *etag)
{
    size_t len = strlen(etag);
    return value[0] == '"' && strncmp(value + 1, etag, len) == 0 && strcmp(value + 1 + len, "\"") == 0;
}

/* --- ranges -------------------------------------------------------------------------------------------- */

/* Digits; more than `limit` is `limit`. NULL: there are none. */
static const char *take_number(const char *at, uint64_t limit, uint64_t *number)
{
    const char *start = at;
    for (*number = 0; *at >= '0' && *at <= '9'; at++)
        *number = *number > limit / 10 ? limit : *number * 10 + (uint64_t)(*at - '0');
    if (*number > limit)
        *number = limit;
    return at == start ? NULL : at;
}

enum header_range header_range(const char *value, uint64_t len, uint64_t *first, uint64_t *count)
{
    uint64_t last = len;
    if (strncasecmp(value, "bytes=", 6) != 0)
        return RANGE_ALL;
    value += 6;
    if (*value == '-') { /* the last so many */
        value = take_number(value + 1, len, count);
        if (!value || *value)
            return RANGE_ALL;
        *first = len - *count;
        return *count ? RANGE_PART : RANGE_NONE;
    }
    value = take_number(value, INT64_MAX, first);
    if (!value || *value++ != '-')
        return RANGE_ALL;
    if (*value && (!(value = take_number(value, INT64_MAX, &last)) || *value || last < *first))
        return RANGE_ALL;
    if (*first >= len)
        return RANGE_NONE;
    *count = (last < len ? last + 1 : len) - *first;
    return RANGE_PART;
}

/* --- preferences --------------------------------------------------------------------------------------- */

/* A token, or what is in a quoted string: from `start`, of `*len` octets. Returns what is behind it; NULL: it is neither.
 * Backslashes are left in, for no number has any. */
static const char *take_word(const char *at, const char **start, size_t *len)
{
    if (*at != '"') {
        *start = at;
        *len = strcspn(at, " \t,;=\"");
        return *len ? at + *len : NULL;
    }
    *start = ++at;
    while (*at && *at != '"')
        at += *at == '\\' && at[1] ? 2 : 1;
    *len = (size_t)(at - *start);
    return *at ? at + 1 : NULL;
}

static const char *skip_blanks(const char *at)
{
    return at + strspn(at, blanks);
}

/* name [ "=" value ]; where there is no value it is empty. */
static const char *take_pair(const char *at, const char **name, size_t *name_len, const char **value,
                             size_t *value_len)
{
    *value = "";
    *value_len = 0;
    at = take_word(at, name, name_len);
    if (!at || *skip_blanks(at) != '=')
        return at;
    return take_word(skip_blanks(skip_blanks(at) + 1), value, value_len);
}

static int32_t seconds_of(const char *value, size_t len)
{
    uint64_t seconds;
    const char *end = take_number(value, INT32_MAX, &seconds);
    return end == value + len ? (int32_t)seconds : -1;
}

int32_t header_prefer_wait(const char *value)
{
    const char *at = value, *name, *given;
    size_t name_len, given_len;
    bool is_parameter = false; /* of the preference before */
    while (*(at += strspn(at, is_parameter ? " \t;" : " \t,;"))) {
        if (is_parameter && *at == ',') {
            is_parameter = false;
            continue;
        }
        if (!(at = take_pair(at, &name, &name_len, &given, &given_len)))
            return -1;
        if (!is_parameter && name_len == 4 && strncasecmp(name, "wait", 4) == 0)
            return seconds_of(given, given_len);
        at = skip_blanks(at);
        is_parameter = *at == ';';
        if (*at && !strchr(",;", *at))
            return -1;
    }
    return -1;
}
