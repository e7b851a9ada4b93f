/* Words that go with numbers, for sentences that people read. */
#ifndef ANNUL_PLURAL_H
#define ANNUL_PLURAL_H

#include <stdint.h>

/* "entry" or "entries". */
static inline const char *plural(uint64_t count, const char *one, const char *many)
{
    return count == 1 ? one : many;
}

#endif
