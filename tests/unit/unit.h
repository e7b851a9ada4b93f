/* What the unit tests share: cmocka, octets written by hand, folders that go away again.
 *
 * The tests run in the top folder of the source tree.
 */
#ifndef ANNUL_TESTS_UNIT_H
#define ANNUL_TESTS_UNIT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/hex.h>
#include <annul/time.h>

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* In a loop over a table: says which row it was, then fails. */
#define fail_row(spoken, ...)                                                                                \
    do {                                                                                                     \
        print_error("row \"%s\": ", spoken);                                                                 \
        fail_msg(__VA_ARGS__);                                                                               \
    } while (0)
#define check_row(spoken, condition)                                                                         \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            fail_row(spoken, "%s", #condition);                                                              \
    } while (0)

/* The error names each of the things that an operator needs to know. */
#define assert_says(err, part)                                                                               \
    do {                                                                                                     \
        if (!strstr((err).text, (part)))                                                                     \
            fail_msg("\"%s\" is not in \"%s\"", (part), (err).text);                                         \
    } while (0)

static inline struct bytes bytes_of(const struct buffer *buffer)
{
    return (struct bytes){buffer->at, buffer->len};
}

static inline struct bytes bytes_of_text(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

/* --- DER by hand, without the encoder that is under test ----------------------------------------------- */

static inline void add_length(struct buffer *out, size_t len)
{
    uint8_t octets[9];
    size_t n = 0;
    for (size_t rest = len; rest; rest >>= 8)
        n++;
    octets[0] = (uint8_t)(len < 0x80 ? len : 0x80 | n);
    for (size_t i = 0; i < n; i++)
        octets[1 + i] = (uint8_t)(len >> (8 * (n - 1 - i)));
    assert_true(buffer_add(out, octets, len < 0x80 ? 1 : 1 + n));
}

/* Up to the closing brace or the end, which is returned. */
static inline const char *assemble(const char *text, struct buffer *out)
{
    while (*text && *text != '}') {
        if (*text == ' ') {
            text++;
        } else if (*text == '{') {
            struct buffer inner = {0};
            text = assemble(text + 1, &inner);
            assert_int_equal(*text++, '}');
            add_length(out, inner.len);
            assert_true(buffer_add(out, inner.at, inner.len));
            buffer_free(&inner);
        } else {
            int high = hex_digit(text[0]), low = hex_digit(text[1]);
            assert_true(high >= 0 && low >= 0);
            uint8_t octet = (uint8_t)(high << 4 | low);
            text += 2;
            unsigned long times = *text == '*' ? strtoul(text + 1, (char **)(uintptr_t)&text, 10) : 1;
            while (times--)
                assert_true(buffer_add(out, &octet, 1));
        }
    }
    return text;
}

/* Octets in hex; "{...}" is a content with its length before it, "aa*20" twenty octets aa: so
 * "30{ 02{01} 04{aa*20} }" is a SEQUENCE of an INTEGER and an OCTET STRING. printf directives are filled in
 * first. Free with buffer_free. */
__attribute__((format(printf, 1, 2))) static inline struct buffer octets(const char *format, ...)
{
    char *text;
    va_list args;
    va_start(args, format);
    assert_true(vasprintf(&text, format, args) >= 0);
    va_end(args);
    struct buffer out = {0};
    assert_true(buffer_reserve(&out, 1));
    assert_int_equal(*assemble(text, &out), 0);
    free(text);
    return out;
}

/* A copy in memory of exactly its size, so that a read past its end is seen. */
static inline struct bytes exact_copy(struct bytes from)
{
    uint8_t *at = malloc(from.len ? from.len : 1);
    assert_non_null(at);
    if (from.len)
        memcpy(at, from.at, from.len);
    return (struct bytes){at, from.len};
}

static inline void exact_free(struct bytes copy)
{
    free((void *)(uintptr_t)copy.at);
}

/* --- time ---------------------------------------------------------------------------------------------- */

/* "2026-11-21T09:00:00Z" */
static inline int64_t at_text(const char *text)
{
    int64_t at;
    if (!time_from_text(text, &at))
        fail_msg("not a time: %s", text);
    return at;
}

/* --- files --------------------------------------------------------------------------------------------- */

/* A new folder, in TMPDIR or /tmp; give it to folder_remove. */
static inline char *folder_make(void)
{
    const char *base = getenv("TMPDIR");
    char *path;
    assert_true(asprintf(&path, "%s/annul-unit-XXXXXX", base && *base ? base : "/tmp") > 0);
    assert_non_null(mkdtemp(path));
    return path;
}

static inline int remove_one(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void folder_remove(char *path)
{
    if (path)
        nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(path);
}

static inline void file_put(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
}

/* Runs a command line; it must succeed. */
__attribute__((format(printf, 1, 2))) static inline void shell(const char *format, ...)
{
    char *command;
    va_list args;
    va_start(args, format);
    assert_true(vasprintf(&command, format, args) > 0);
    va_end(args);
    int status = system(command);
    if (status != 0)
        fail_msg("exit %d: %s", status, command);
    free(command);
}

#endif
