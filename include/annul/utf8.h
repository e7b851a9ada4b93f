/* UTF-8 (RFC 3629), character by character. Any thread. */
#ifndef ANNUL_UTF8_H
#define ANNUL_UTF8_H

#include <annul/bytes.h>

/* The character at the start of `text`; returns its octets, or 0 where they are not UTF-8: overlong forms,
 * surrogates and what is above U+10FFFF are not. `text` is not empty. */
size_t utf8_take(struct bytes text, uint32_t *c);

/* How many octets of a text are UTF-8, from its start: all of them, or up to what is not, such as a character that was cut. */
size_t utf8_len(const char *text);

#endif
