/* Octets that arrive in pieces, for the fuzzers of what is read as a stream. */
#ifndef ANNUL_TESTS_FUZZ_SOURCE_H
#define ANNUL_TESTS_FUZZ_SOURCE_H

#include "fuzz.h"

#include <annul/crl.h>

struct source {
    struct bytes rest;
    size_t chunk;
};

static inline long source_read(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct source *source = arg;
    (void)err;
    size_t n = source->rest.len < room ? source->rest.len : room;
    n = n < source->chunk ? n : source->chunk;
    if (n)
        memcpy(into, source->rest.at, n);
    source->rest.at += n;
    source->rest.len -= n;
    return (long)n;
}

static const size_t chunks[] = {1, 7, 65536};
enum { chunk_count = sizeof chunks / sizeof *chunks };

#endif
