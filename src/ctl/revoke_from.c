#include "client.h"
#include "print.h"
#include "progress.h"
#include "revoke.h"
#include "serials.h"

#include <annul/plural.h>
#include <annul/reason.h>
#include <annul/serial.h>

#include <stdlib.h>
#include <string.h>

#define LINES_MAX 5000 /* a call: what is done is known so often */
#define LINE_MAX 255   /* octets */

struct list {
    struct ctl *ctl;
    const char *issuer, *file;
    const struct ctl_cause *cause;

    char *path;               /* of the API */
    struct buffer lines;      /* NDJSON that is not sent yet */
    size_t place[LINES_MAX];  /* line of the file that each came from */
    size_t count;             /* of them */
    size_t line, total, done; /* read, in the file, and answered by the daemon */
    struct ctl_progress progress;

    long revoked, already, failed;
    int code; /* the worst so far */
};

static void fail_line(struct list *list, size_t line, int code, const char *what, const char *why)
{
    list->failed++;
    ctl_progress_clear(&list->progress);
    list->code = ctl_worse(list->code, ctl_fail(code, "%s:%zu: %s: %s", list->file, line, what, why));
}

/* --- calls --------------------------------------------------------------------------------------------- */

static void take_result(struct list *list, const json_t *result)
{
    size_t line = (size_t)json_integer_value(json_object_get(result, "line"));
    const json_t *problem = json_object_get(result, "problem");
    if (line == 0 || line > list->count)
        return;
    if (problem)
        fail_line(list, list->place[line - 1],
                  ctl_client_code((int)json_integer_value(json_object_get(problem, "status"))),
                  ctl_json_text(result, "serial", "?"), ctl_json_text(problem, "detail", "no reason given"));
    else if (strcmp(ctl_json_text(result, "status", ""), "already") == 0)
        list->already++;
    else
        list->revoked++;
}

static int send_lines(struct list *list)
{
    struct buffer about = {0};
    json_t *answer = NULL;
    const json_t *result;
    size_t i;
    if (list->count == 0)
        return CTL_OK;
    if (!buffer_printf(&about, "%s, line %zu to %zu", list->file, list->place[0],
                       list->place[list->count - 1]))
        return ctl_no_memory();
    struct ctl_call call = {.method = "POST",
                            .path = list->path,
                            .body = {list->lines.at, list->lines.len},
                            .content_type = "application/x-ndjson",
                            .about = (const char *)about.at,
                            .lines = true};
    int code = ctl_client_call(list->ctl, &call, &answer);
    json_array_foreach(answer, i, result)
    {
        take_result(list, result);
    }
    if (code == CTL_OK && json_array_size(answer) != list->count + 1) /* the last is the sums */
        code = ctl_fail(CTL_UNREACHABLE, "%s: the answer is not whole", call.about);
    if (code == CTL_OK) {
        list->done = list->line;
        ctl_progress_show(&list->progress, list->done, list->total);
    }
    list->lines.len = list->count = 0;
    json_decref(answer);
    buffer_free(&about);
    return code;
}

/* --- lines --------------------------------------------------------------------------------------------- */

static int add_line(struct list *list, const struct serial *serial, const char *reason)
{
    char text[SERIAL_TEXT];
    serial_to_text(serial, text);
    bool good = buffer_printf(&list->lines, "{\"serial\":\"%s\"", text) &&
                (!reason || buffer_printf(&list->lines, ",\"reason\":\"%s\"", reason)) &&
                (!list->cause->has_invalidity ||
                 buffer_printf(&list->lines, ",\"invalidity_at\":\"%s\"", list->cause->invalidity)) &&
                buffer_add_text(&list->lines, "}\n");
    if (!good)
        return ctl_no_memory();
    list->place[list->count++] = list->line;
    return list->count == LINES_MAX ? send_lines(list) : CTL_OK;
}

static char *trim(char *text)
{
    text += strspn(text, " \t");
    for (size_t len = strlen(text); len && strchr(" \t\r", text[len - 1]); len--)
        text[len - 1] = 0;
    return text;
}

/* "SERIAL" or "SERIAL,REASON", or nothing, or a comment. */
static int read_line(struct list *list, char *text)
{
    struct serial serial;
    const char *reason = list->cause->reason;
    char *comma = strchr(text, ',');
    if (comma)
        *comma++ = 0;
    text = trim(text);
    comma = comma ? trim(comma) : "";
    if ((!*text && !*comma) || *text == '#')
        return CTL_OK;
    if (!serial_from_text(ctl_serial_typed(text), &serial)) {
        fail_line(list, list->line, CTL_USAGE, text, "this is not a serial number");
        return CTL_OK;
    }
    if (*comma && reason_from_name(comma) < 0) {
        fail_line(list, list->line, CTL_USAGE, text, "what is behind the comma is no reason");
        return CTL_OK;
    }
    return add_line(list, &serial, *comma ? reason_name(reason_from_name(comma)) : reason);
}

static int read_lines(struct list *list, struct bytes text)
{
    int code = CTL_OK;
    while (text.len && code == CTL_OK && list->code != CTL_UNREACHABLE) {
        char line[LINE_MAX + 1];
        const uint8_t *end = memchr(text.at, '\n', text.len);
        size_t len = end ? (size_t)(end - text.at) : text.len, step = end ? len + 1 : len;
        list->line++;
        if (len > LINE_MAX || memchr(text.at, 0, len)) {
            fail_line(list, list->line, CTL_USAGE, "this line", "it is no serial number");
        } else {
            memcpy(line, text.at, len);
            line[len] = 0;
            code = read_line(list, line);
        }
        text = (struct bytes){text.at + step, text.len - step};
    }
    return code == CTL_OK ? send_lines(list) : code;
}

static size_t count_lines(struct bytes text)
{
    size_t count = text.len && text.at[text.len - 1] != '\n';
    for (size_t i = 0; i < text.len; i++)
        count += text.at[i] == '\n';
    return count;
}

static void print_sums(const struct list *list)
{
    if (list->ctl->option[CTL_JSON])
        printf("{\"revoked\":%ld,\"already\":%ld,\"failed\":%ld}\n", list->revoked, list->already,
               list->failed);
    else if (!list->ctl->option[CTL_QUIET])
        printf("%ld revoked, %ld %s so already, %ld failed\n", list->revoked, list->already,
               plural((uint64_t)list->already, "was", "were"), list->failed);
}

int ctl_revoke_from(struct ctl *ctl, const char *issuer, const struct ctl_cause *cause)
{
    struct buffer content = {0};
    struct list list = {.ctl = ctl, .issuer = issuer, .file = ctl->option[CTL_FROM], .cause = cause};
    int code = ctl_read_file(list.file, &content);
    struct bytes text = {content.at, content.len};
    ctl_progress_start(ctl, &list.progress);
    list.total = count_lines(text);
    list.path = ctl_client_path("/api/v1/issuers/{}/revoke-batch", issuer);
    if (!list.path)
        code = ctl_no_memory();
    if (code == CTL_OK)
        code = read_lines(&list, text);
    list.code = ctl_worse(list.code, code);
    ctl_progress_clear(&list.progress);
    if (list.total && list.code == CTL_UNREACHABLE)
        ctl_fail(list.code,
                 "%s: up to line %zu it is done; do all of it again when the daemon is well: what is revoked "
                 "already stays as it is",
                 list.file, list.done);
    if (list.path && text.len)
        print_sums(&list);
    if (list.revoked)
        json_object_set_new(cause->issuers, issuer, json_true());
    free(list.path);
    buffer_free(&list.lines);
    buffer_free(&content);
    return list.code;
}
