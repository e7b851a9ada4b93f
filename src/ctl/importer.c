#include "import.h"
#include "client.h"
#include "print.h"

#include <annul/reason.h>

#include <stdlib.h>
#include <string.h>

#define ROWS_MAX 20000 /* a call, and 4 MiB: what the API takes */
#define LINES_MAX ((size_t)3 << 20)
#define BAD_SHOWN 20 /* skipped rows that are told one by one */

int ctl_importer_start(struct ctl_importer *importer)
{
    importer->path = ctl_client_path("/api/v1/issuers/{}/import", importer->issuer);
    ctl_progress_start(importer->ctl, &importer->progress);
    return importer->path ? CTL_OK : ctl_no_memory();
}

static void take_sums(struct ctl_importer *importer, const json_t *answer)
{
    importer->registered += (long)json_integer_value(json_object_get(answer, "registered"));
    importer->changed += (long)json_integer_value(json_object_get(answer, "changed"));
    importer->known += (long)json_integer_value(json_object_get(answer, "known"));
}

static int send_rows(struct ctl_importer *importer)
{
    struct buffer about = {0};
    json_t *answer = NULL;
    if (importer->rows == 0)
        return CTL_OK;
    if (!buffer_printf(&about, "%s, %s %zu to %zu", importer->file, importer->units, importer->first,
                       importer->last))
        return ctl_no_memory();
    struct ctl_call call = {.method = "POST",
                            .path = importer->path,
                            .body = {importer->lines.at, importer->lines.len},
                            .content_type = "application/x-ndjson",
                            .about = (const char *)about.at};
    ctl_progress_show(&importer->progress, importer->last, importer->total);
    int code = ctl_client_call(importer->ctl, &call, &answer);
    if (code == CTL_OK) {
        take_sums(importer, answer);
        importer->sent = importer->last;
    }
    importer->lines.len = importer->rows = 0;
    json_decref(answer);
    buffer_free(&about);
    return code;
}

/* A JSON string (RFC 8259 section 7). The text is UTF-8 already. */
static bool put_string(struct buffer *out, const char *key, const char *text)
{
    bool good = buffer_add_text(out, ",\"") && buffer_add_text(out, key) && buffer_add_text(out, "\":\"");
    while (good && *text) {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= ' ' && text[plain] != '"' && text[plain] != '\\')
            plain++;
        good = buffer_add(out, text, plain);
        text += plain;
        if (good && *text)
            good = buffer_printf(out, "\\u%04x", (unsigned char)*text++);
    }
    return good && buffer_add_text(out, "\"");
}

static bool put_time(struct buffer *out, const char *key, int64_t at)
{
    char text[TIME_TEXT];
    if (at == TIME_NONE)
        return true;
    time_to_text(at, text);
    return put_string(out, key, text);
}

static bool put_row(struct buffer *out, const struct ctl_import_row *row)
{
    char serial[SERIAL_TEXT];
    const char *status = !row->revoked ? "good" : row->reason == REASON_CERTIFICATE_HOLD ? "hold" : "revoked";
    serial_to_text(&row->serial, serial);
    bool good = buffer_add_text(out, "{\"serial\":\"") && buffer_add_text(out, serial) &&
                buffer_add_text(out, "\"") && put_string(out, "status", status) &&
                (!row->subject || put_string(out, "subject", row->subject)) &&
                put_time(out, "not_after", row->not_after);
    if (good && row->revoked)
        good = put_string(out, "reason", reason_name(row->reason)) &&
               put_time(out, "revoked_at", row->revoked_at) &&
               put_time(out, "invalidity_at", row->invalidity_at);
    return good && buffer_add_text(out, "}\n");
}

int ctl_importer_add(struct ctl_importer *importer, size_t place, const struct ctl_import_row *row)
{
    if (importer->rows >= ROWS_MAX || importer->lines.len >= LINES_MAX) {
        int code = send_rows(importer);
        if (code != CTL_OK)
            return code;
    }
    if (importer->rows++ == 0)
        importer->first = place;
    importer->last = place;
    return put_row(&importer->lines, row) ? CTL_OK : ctl_no_memory();
}

int ctl_importer_bad(struct ctl_importer *importer, size_t place, const struct error *err)
{
    bool by_line = strcmp(importer->unit, "line") == 0;
    char where[64];
    snprintf(where, sizeof where, by_line ? ":%zu" : ", entry %zu", place);
    ctl_progress_clear(&importer->progress);
    if (!importer->skip_bad)
        return ctl_fail(CTL_USAGE, "%s%s: %s; repair it, or leave such rows out with --skip-bad",
                        importer->file, where, err->text);
    if (importer->skipped++ < BAD_SHOWN)
        ctl_fail(CTL_OK, "%s%s: skipped: %s", importer->file, where, err->text);
    return CTL_OK;
}

int ctl_importer_finish(struct ctl_importer *importer)
{
    int code = send_rows(importer);
    ctl_progress_clear(&importer->progress);
    if (code != CTL_OK)
        return code;
    if (importer->ctl->option[CTL_JSON])
        printf("{\"registered\":%ld,\"changed\":%ld,\"known\":%ld,\"skipped\":%ld}\n", importer->registered,
               importer->changed, importer->known, importer->skipped);
    else if (!importer->ctl->option[CTL_QUIET])
        printf("%ld registered, %ld changed, %ld known already, %ld skipped\n", importer->registered,
               importer->changed, importer->known, importer->skipped);
    return CTL_OK;
}

void ctl_importer_end(struct ctl_importer *importer)
{
    free(importer->path);
    buffer_free(&importer->lines);
}
