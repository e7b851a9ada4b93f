/* What the fuzzers share. A check that fails ends the process, which libFuzzer reports with the input. */
#ifndef ANNUL_TESTS_FUZZ_H
#define ANNUL_TESTS_FUZZ_H

#include <annul/bytes.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                          \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The input as a string in memory of exactly its size; NULL where it holds a NUL. Free it. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
    if (size && memchr(data, 0, size))
        return NULL;
    char *text = malloc(size + 1);
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    return text;
}

#endif
