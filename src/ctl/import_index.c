#include "import.h"

#include <annul/index_txt.h>

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

int ctl_import_index(struct ctl_importer *importer, struct bytes text)
{
    struct buffer subject = {0};
    int code = CTL_OK;
    importer->unit = "line";
    importer->total = count_lines(text);
    for (size_t line = 1; text.len && code == CTL_OK; line++) {
        struct index_row row;
        struct error err;
        switch (index_row_parse(take_line(&text), &row, &err)) {
        case FOUND:
            code = add_row(importer, line, &row, &subject);
            break;
        case FAILED:
            code = ctl_importer_bad(importer, line, &err);
            break;
        case ABSENT:
            break;
        }
    }
    buffer_free(&subject);
    return code;
}
