#include "print.h"

#include <annul/utf8.h>

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Controls of a terminal, and characters that hide or reorder others (Unicode Bidi_Control, line breaks,
 * zero-width, byte order mark). */
static bool is_harmful(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0, 0x1f},        {0x7f, 0x9f},     {0x61c, 0x61c},   {0x200b, 0x200f},
                  {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb}};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

void ctl_put_visible(FILE *out, const char *text)
{
    struct bytes left = {(const uint8_t *)text, strlen(text)};
    while (left.len) {
        uint32_t c = 0;
        size_t len = utf8_take(left, &c);
        if (len == 0)
            fprintf(out, "\\x%02x", left.at[0]);
        else if (is_harmful(c))
            fprintf(out, c < 0x80 ? "\\x%02x" : "\\u%04x", (unsigned)c);
        else
            fwrite(left.at, 1, len, out);
        left.at += len ? len : 1;
        left.len -= len ? len : 1;
    }
}

void ctl_print_json(const json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | (isatty(STDOUT_FILENO) ? JSON_ENSURE_ASCII : 0));
    putchar('\n');
}

const char *ctl_json_text(const json_t *object, const char *key, const char *otherwise)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : otherwise;
}

static void put_padded(const char *text, int width)
{
    int len = (int)strlen(text);
    ctl_put_visible(stdout, text);
    printf("%*s", len < width ? width - len : 0, "");
}

void ctl_print_certificate(const json_t *certificate, int width, const char *note)
{
    static const struct {
        const char *key;
        int width; /* of "revoked", "cessationOfOperation", "2026-11-21T09:00:00Z" */
    } columns[] = {{"status", 7}, {"reason", 20}, {"revoked_at", 20}};
    ctl_put_visible(stdout, ctl_json_text(certificate, "issuer", "-"));
    putchar(' ');
    put_padded(ctl_json_text(certificate, "serial", "-"), width);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        fputs("  ", stdout);
        put_padded(ctl_json_text(certificate, columns[i].key, "-"), columns[i].width);
    }
    fputs("  ", stdout);
    ctl_put_visible(stdout, ctl_json_text(certificate, "subject", "-"));
    printf("%s%s\n", note ? "  " : "", note ? note : "");
}

bool ctl_table_add(struct ctl_table *table, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    char **cells = realloc(table->cells, (table->cells_len + 1) * sizeof *cells);
    if (!cells)
        return false;
    table->cells = cells;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        return false;
    table->cells[table->cells_len++] = text;
    return true;
}

static int column_width(const struct ctl_table *table, size_t column)
{
    size_t width = 0;
    for (size_t i = column; i < table->cells_len; i += table->columns)
        if (strlen(table->cells[i]) > width)
            width = strlen(table->cells[i]);
    return (int)width;
}

void ctl_table_print(const struct ctl_table *table)
{
    for (size_t i = 0; i < table->cells_len; i++) {
        size_t column = i % table->columns;
        if (column + 1 == table->columns) {
            ctl_put_visible(stdout, table->cells[i]);
            putchar('\n');
        } else {
            put_padded(table->cells[i], column_width(table, column) + 2);
        }
    }
}

void ctl_table_free(struct ctl_table *table)
{
    for (size_t i = 0; i < table->cells_len; i++)
        free(table->cells[i]);
    free(table->cells);
    *table = (struct ctl_table){.columns = table->columns};
}
