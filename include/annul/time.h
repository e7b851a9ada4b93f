/* Times as Unix seconds (int64_t, UTC, no leap seconds) to and from the formats of the field.
 *
 * Years 0000 to 9999. Parsers refuse impossible dates, fractions and offsets. Any thread.
 */
#ifndef ANNUL_TIME_H
#define ANNUL_TIME_H

#include <annul/bytes.h>

#define TIME_NONE INT64_MIN /* where a time may be absent */

#define DER_TIME_MAX 17 /* a GeneralizedTime TLV; a UTCTime TLV has 15 octets */

/* Time TLV by RFC 5280 section 4.1.2.5: UTCTime through 2049, GeneralizedTime from 2050. Returns its length.
 */
size_t time_to_der(int64_t at, uint8_t out[DER_TIME_MAX]);

/* The tag that this rule wants for a time. */
uint8_t time_der_tag(int64_t at);

/* GeneralizedTime TLV, as OCSP uses throughout (RFC 6960 section 4.2.2.1). Returns DER_TIME_MAX. */
size_t time_to_generalized(int64_t at, uint8_t out[DER_TIME_MAX]);

/* Content of a UTCTime or GeneralizedTime in the DER profile of RFC 5280 (seconds, Z). */
bool time_from_der(uint8_t tag, struct bytes content, int64_t *at);

/* "2026-11-21T09:00:00Z" (RFC 3339). `out` gets 20 characters and a NUL. */
#define TIME_TEXT 21
void time_to_text(int64_t at, char out[TIME_TEXT]);

/* RFC 3339 in UTC, with Z. */
bool time_from_text(const char *text, int64_t *at);

/* "Sat, 21 Nov 2026 09:00:00 GMT" (IMF-fixdate, RFC 9110 section 5.6.7): 29 characters and a NUL. */
#define TIME_HTTP 30
void time_to_http(int64_t at, char out[TIME_HTTP]);
bool time_from_http(const char *text, int64_t *at);

/* "261121090000Z" or "20261121090000Z", the columns of an `openssl ca` index.txt. */
bool time_from_index(const char *text, size_t len, int64_t *at);

/* The same back: the UTCTime form through 2049. `out` gets at most 15 characters and a NUL. */
void time_to_index(int64_t at, char out[16]);

#endif
