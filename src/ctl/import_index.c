#include "import.h"

#include <annul/index_txt.h>

#include <stdlib.h>
#include <string.h>

static int add_row(struct ctl_importer *importer, size_t line, const struct index_row *row,
                   struct buffer *subject)
{
    struct ctl_import_row out = {.serial = row->serial,
                                 .revoked = row->status == 'R',
                                 .reason = row->reason,
                                 .not_after = row->not_after,
                                 .revoked_at = row->revoked_at,
                                 .invalidity_at = row->invalidity_at};
    subject->len = 0;
    if (!index_name_to_rfc2253(row->name, subject) || !buffer_add(subject, "", 1))
        return ctl_no_memory();
    if (row->name.len)
        out.subject = (const char *)subject->at;
    return ctl_importer_add(importer, line, &out);
}

static size_t count_lines(struct bytes text)
{
    size_t lines = 0;
    const uint8_t *newline;
    while (text.len && (newline = memchr(text.at, '\n', text.len)) != NULL) {
        text.len -= (size_t)(newline - text.at) + 1;
        text.at = newline + 1;
        lines++;
    }
    return lines + (text.len > 0);
}

static struct bytes take_line(struct bytes *text)
{
    const uint8_t *newline = memchr(text->at, '\n', text->len);
    struct bytes line = {text->at, newline ? (size_t)(newline - text->at) : text->len};
    size_t taken = line.len + (newline ? 1 : 0);
    text->at += taken;
    text->len -= taken;
    return line;
}

/* Where a row stands, and what it is sorted by. */
struct row_place {
    struct serial serial;
    struct bytes line;
};

static int by_serial(const void *a, const void *b)
{
    return serial_compare(&((const struct row_place *)a)->serial, &((const struct row_place *)b)->serial);
}

/* Every row is read before any is sent: a bad one stops an import before it has begun. */
static int read_rows(struct ctl_importer *importer, struct bytes text, struct row_place *places,
                     size_t *count)
{
    int code = CTL_OK;
    for (size_t line = 1; text.len && code == CTL_OK; line++) {
        struct index_row row;
        struct error err;
        struct bytes whole = take_line(&text);
        enum outcome outcome = index_row_parse(whole, &row, &err);
        if (outcome == FOUND)
            places[(*count)++] = (struct row_place){row.serial, whole};
        else if (outcome == FAILED)
            code = ctl_importer_bad(importer, line, &err);
    }
    return code;
}

/* Rows go in order of their serials, which is the order of the database: ten million in random order would
 * have it rewrite all its pages again and again. */
int ctl_import_index(struct ctl_importer *importer, struct bytes text)
{
    struct buffer subject = {0};
    size_t lines = count_lines(text), count = 0;
    struct row_place *places = calloc(lines + 1, sizeof *places);
    if (!places)
        return ctl_no_memory();
    importer->unit = "line";
    int code = read_rows(importer, text, places, &count);
    qsort(places, count, sizeof *places, by_serial);
    importer->unit = "row";
    importer->units = "rows";
    importer->total = count;
    for (size_t i = 0; i < count && code == CTL_OK; i++) {
        struct index_row row;
        if (index_row_parse(places[i].line, &row, NULL) == FOUND)
            code = add_row(importer, i + 1, &row, &subject);
    }
    buffer_free(&subject);
    free(places);
    return code;
}
