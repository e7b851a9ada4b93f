/* Byte strings: a view that owns nothing, and a growing buffer that does. */
#ifndef ANNUL_BYTES_H
#define ANNUL_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view of bytes owned by somebody else. `at` may be NULL where `len` is 0. */
struct bytes {
    const uint8_t *at;
    size_t len;
};

/* A buffer that grows. All zero is a valid empty buffer. */
struct buffer {
    uint8_t *at;
    size_t len;
    size_t room;
};

bool bytes_equal(struct bytes a, struct bytes b);

/* Lexical order, a shorter prefix first: for serials without leading zeros compare lengths first yourself. */
int bytes_compare(struct bytes a, struct bytes b);

/* Append; false when memory ran out, the buffer is then unchanged. */
bool buffer_add(struct buffer *buffer, const void *data, size_t len);
bool buffer_add_text(struct buffer *buffer, const char *text);
bool buffer_printf(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool buffer_reserve(struct buffer *buffer, size_t more);
void buffer_free(struct buffer *buffer); /* NULL-safe; leaves it empty and usable */

/* Reads a whole file of at most `max` bytes; a NUL that `len` does not count is put behind it.
 * 0, or -1 with errno set (EFBIG when it is larger). The caller frees with buffer_free. */
int file_read(const char *path, size_t max, struct buffer *into);

#endif
