/* Values of request header fields: octets from outside, read without I/O. Any thread. */
#ifndef ANNUL_HTTP_HEADER_H
#define ANNUL_HTTP_HEADER_H

#include <stdbool.h>
#include <stdint.h>

/* Whether an entity tag, given without quotes, is in the list of an If-None-Match or If-Match, or that is "*". Weakly W/
 * does not matter (RFC 9110 section 13.1.2), strongly it is another (section 13.1.1). */
bool header_list_has_etag(const char *list, const char *etag, bool strongly);

/* Whether the one entity tag of an If-Range is this one; strongly: W/ is another (RFC 9110 section 13.1.5). */
bool header_is_etag(const char *value, const char *etag);

/* What a Range asks for of `len` octets (RFC 9110 section 14.2). */
enum header_range {
    RANGE_ALL,  /* several ranges, another unit, or nonsense: the whole is as good an answer */
    RANGE_PART, /* octets [first, first + count), which is not empty */
    RANGE_NONE, /* nothing that is there */
};
enum header_range header_range(const char *value, uint64_t len, uint64_t *first, uint64_t *count);

/* How many seconds the preference "wait" of a Prefer is ready to wait (RFC 7240 section 4.3), INT32_MAX at most; -1: there
 * is none that can be read. Of several the first counts. */
int32_t header_prefer_wait(const char *value);

#endif
