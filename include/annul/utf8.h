/* UTF-8 (RFC 3629), character by character. */
#ifndef ANNUL_UTF8_H
#define ANNUL_UTF8_H

#include <annul/bytes.h>

/* The character at the start of `text`; returns its octets, or 0 where they are not UTF-8: overlong forms,
 * surrogates and what is above U+10FFFF are not. `text` is not empty. */
size_t utf8_take(struct bytes text, uint32_t *c);

#endif
