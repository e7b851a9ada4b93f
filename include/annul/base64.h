/* Base64 by RFC 4648 section 4, and the percent-decoding that an OCSP GET needs before it. */
#ifndef ANNUL_BASE64_H
#define ANNUL_BASE64_H

#include <annul/bytes.h>

#define BASE64_ENCODED_LEN(n) (((n) + 2) / 3 * 4)

/* Writes BASE64_ENCODED_LEN(len) characters and no NUL; returns how many. */
size_t base64_encode(const uint8_t *data, size_t len, char *out);

/* Decodes `len` characters. Padding may be missing, as some clients leave it out; anything else that is not
 * in the alphabet, characters after the padding, or bits left over make it fail.
 * `out` has room for len / 4 * 3 + 3 octets. Returns the octets written, or -1. */
long base64_decode(const char *text, size_t len, uint8_t *out);

/* Appends `der` in PEM (RFC 7468); `label` is "X509 CRL", "CERTIFICATE", ... False when out of memory. */
bool pem_add(struct buffer *pem, const char *label, struct bytes der);

/* Undoes %XX once, in place, for a path (a plus stays a plus). Returns the new length, or -1 where a percent
 * sign is not followed by two digits or names a NUL. */
long percent_decode(char *text, size_t len);

#endif
