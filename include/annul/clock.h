/* The only places that ask what time it is. Codecs never do: `now` is their parameter. */
#ifndef ANNUL_CLOCK_H
#define ANNUL_CLOCK_H

#include <stdint.h>

/* Unix seconds. In a build with ANNUL_TEST the number of seconds in the file that the environment variable
 * ANNUL_CLOCK_OFFSET_FILE names is added, so that system tests move time without waiting. Any thread. */
int64_t clock_now(void);

/* Milliseconds of a clock that never jumps, for delays. Any thread. */
int64_t clock_monotonic_ms(void);

/* The same clock in microseconds, to measure with. Any thread. */
int64_t clock_monotonic_us(void);

#endif
