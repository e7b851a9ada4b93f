/* Hexadecimal. */
#ifndef ANNUL_HEX_H
#define ANNUL_HEX_H

#include <annul/bytes.h>

/* Lower case, NUL-terminated. `out` has room for 2 * len + 1 characters. */
void hex_encode(const uint8_t *data, size_t len, char *out);

/* Value of one digit, or -1. */
int hex_digit(char c);

#endif
