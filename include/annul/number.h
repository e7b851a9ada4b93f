/* Whole numbers in text. Any thread. */
#ifndef ANNUL_NUMBER_H
#define ANNUL_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/* Decimal digits and nothing else, not a blank, a sign or a zero in front: a number has one text. At most `max`; false: it is
 * none. */
bool number_from_text(const char *text, int64_t max, int64_t *number);

#endif
