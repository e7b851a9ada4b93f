/* /api/v1/issuers/{issuer}/revoke-batch: a certificate a line, and a result a line. Each transaction is on disk before
 * its results leave, and only then the next begins: a client that hangs up stops it there. */
#include "internal.h"

#include <annul/log.h>

#include <stdlib.h>
#include <string.h>

static const char type_lines[] = "application/x-ndjson";

#define LINES_MAX 100000
#define BLOCK 16384     /* octets given to libmicrohttpd at a time */
#define STEP_LINES 1000 /* a transaction: others that write wait for so many, some hundredths of a second */

struct batch {
    struct request *request; /* it lasts longer than its reply */
    const struct issuer *issuer;
    int reason; /* where a line gives none */
    bool atomic;
    size_t read, line; /* octets and lines of the body behind us */
    struct buffer results;
    struct buffer kept; /* all of them, for a repeat … */
    bool is_long;       /* … unless they are too many: then the summary alone */
    size_t given;       /* of them */
    size_t revoked, already, failed;
    bool over, broken; /* with a summary; without one */
};

static void batch_free(void *arg)
{
    struct batch *batch = arg;
    buffer_free(&batch->results);
    buffer_free(&batch->kept);
    free(batch);
}

/* --- lines in ------------------------------------------------------------------------------------------ */

/* The lines of one transaction. */
struct step {
    size_t count;
    struct admin_revocation *list;
    struct step_line {
        size_t number;
        char *problem; /* malloc'ed: why it cannot be done; NULL: it can */
    } * lines;
};

static bool step_make(struct step *step, size_t room)
{
    *step =
        (struct step){.list = calloc(room, sizeof *step->list), .lines = calloc(room, sizeof *step->lines)};
    return step->list && step->lines;
}

static void step_free(struct step *step)
{
    for (size_t i = 0; i < step->count; i++)
        free(step->lines[i].problem);
    free(step->list);
    free(step->lines);
}

static bool parse_serial(const char *text, struct serial *serial, struct error *err)
{
    if (text && serial_from_text(text, serial))
        return true;
    error_set(err, "serial must be a serial number: hex, or dec: and decimal digits, at most 20 octets");
    return false;
}

static bool parse_object(struct bytes line, struct admin_revocation *one, struct error *err)
{
    static const char *const known[] = {"serial", "reason", "invalidity_at", NULL};
    const char *serial, *reason;
    json_error_t why;
    json_t *object = json_loadb((const char *)line.at, line.len, JSON_REJECT_DUPLICATES, &why);
    bool good = object && json_text_member(object, "serial", &serial, err) &&
                parse_serial(serial, &one->serial, err) && json_only(object, known, err) &&
                json_past_member(object, "invalidity_at", &one->invalidity_at, err) &&
                json_text_member(object, "reason", &reason, err) &&
                (!reason || api_reason(reason, &one->reason, err));
    if (!object)
        error_set(err, "not JSON: column %d: %s", why.column, why.text);
    json_decref(object);
    return good;
}

/* An object, or a serial alone, in quotes or not. */
static bool parse_line(struct bytes line, struct admin_revocation *one, struct error *err)
{
    char text[3 * SERIAL_TEXT];
    if (line.at[0] == '{')
        return parse_object(line, one, err);
    if (line.len >= 2 && line.at[0] == '"' && line.at[line.len - 1] == '"')
        line = (struct bytes){line.at + 1, line.len - 2};
    size_t len = line.len < sizeof text && !memchr(line.at, 0, line.len) ? line.len : 0;
    memcpy(text, line.at, len);
    text[len] = 0;
    return parse_serial(text, &one->serial, err);
}

static bool is_blank(uint8_t octet)
{
    return octet == ' ' || octet == '\t' || octet == '\r';
}

/* The next line that is not empty, without blanks around it; false at the end. */
static bool next_line(struct batch *batch, struct bytes *line)
{
    const struct buffer *body = &batch->request->body;
    while (batch->read < body->len) {
        const uint8_t *at = body->at + batch->read, *end = memchr(at, '\n', body->len - batch->read);
        if (!end)
            end = body->at + body->len;
        batch->read = (size_t)(end - body->at) + 1;
        batch->line++;
        while (at < end && is_blank(*at))
            at++;
        while (at < end && is_blank(end[-1]))
            end--;
        *line = (struct bytes){at, (size_t)(end - at)};
        if (line->len)
            return true;
    }
    return false;
}

static bool read_lines(struct batch *batch, struct step *step, size_t room)
{
    struct bytes line;
    while (step->count < room && next_line(batch, &line)) {
        struct error err;
        struct admin_revocation *one = &step->list[step->count];
        struct step_line *about = &step->lines[step->count++];
        about->number = batch->line;
        *one = (struct admin_revocation){.reason = batch->reason, .invalidity_at = TIME_NONE};
        if (parse_line(line, one, &err) && admin_may_revoke(batch->issuer, &one->serial, &err) == ADMIN_DONE)
            continue;
        one->result = ADMIN_INVALID;
        if (!(about->problem = strdup(err.text)))
            return false;
    }
    return true;
}

/* --- results out --------------------------------------------------------------------------------------- */

static const char *problem_of(const struct step *step, size_t i, const struct error *failure)
{
    if (step->list[i].result == ADMIN_NOT_FOUND)
        return "the issuer has no such certificate; register it first";
    return step->lines[i].problem ? step->lines[i].problem : failure->text;
}

/* `serial` is "" where it could not be read. */
static bool put_problem(struct buffer *out, size_t line, const char *serial, unsigned status,
                        const char *detail)
{
    json_t *object = json_pack("{s:I, s:s*, s:s, s:{s:i, s:o}}", "line", (json_int_t)line, "serial",
                               *serial ? serial : NULL, "status", "error", "problem", "status", (int)status,
                               "detail", json_quote(detail));
    char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
    bool good = text && buffer_add_text(out, text) && buffer_add_text(out, "\n");
    free(text);
    json_decref(object);
    return good;
}

static bool put_result(struct batch *batch, const struct step *step, size_t i, const struct error *failure)
{
    const struct admin_revocation *one = &step->list[i];
    char serial[SERIAL_TEXT] = "";
    if (one->serial.len)
        serial_to_text(&one->serial, serial);
    if (one->result != ADMIN_DONE) {
        batch->failed++;
        return put_problem(&batch->results, step->lines[i].number, serial, reply_status(one->result),
                           problem_of(step, i, failure));
    }
    *(one->changed ? &batch->revoked : &batch->already) += 1;
    return buffer_printf(&batch->results, "{\"line\":%zu,\"serial\":\"%s\",\"status\":\"%s\"}\n",
                         step->lines[i].number, serial,
                         !one->changed                            ? "already"
                         : one->reason == REASON_CERTIFICATE_HOLD ? "hold"
                                                                  : "revoked");
}

static bool put_summary(struct batch *batch)
{
    batch->over = true;
    return buffer_printf(&batch->results, "{\"summary\":{\"revoked\":%zu,\"already\":%zu,\"errors\":%zu}}\n",
                         batch->revoked, batch->already, batch->failed);
}

/* --- step by step -------------------------------------------------------------------------------------- */

/* The first line that stands in the way of all. */
static void name_obstacle(const struct step *step, struct error *err)
{
    size_t i = 0;
    while (step->list[i].result == ADMIN_DONE)
        i++;
    error_set(err, "line %zu: %s; nothing was changed", step->lines[i].number, problem_of(step, i, NULL));
}

static enum admin_result revoke_lines(struct batch *batch, struct step *step, struct error *err)
{
    struct store_actor actor = auth_actor(batch->request);
    enum admin_result result = admin_revoke_many(batch->request->services->admin, &actor, batch->issuer,
                                                 step->list, step->count, batch->atomic, err);
    for (size_t i = 0; i < step->count && result == ADMIN_FAILED; i++)
        if (!step->lines[i].problem)
            step->list[i].result = ADMIN_FAILED;
    if (result == ADMIN_CONFLICT)
        name_obstacle(step, err);
    return result;
}

/* What is long gone when the end comes. */
static bool keep_results(struct batch *batch)
{
    struct buffer *kept = &batch->kept;
    batch->is_long |= kept->len + batch->results.len > REPEAT_BODY_MAX;
    if (batch->is_long)
        kept->len = 0;
    bool good = (batch->is_long && !batch->over) || buffer_add(kept, batch->results.at, batch->results.len);
    if (good && batch->over && (good = buffer_add(kept, "", 1))) {
        repeat_keep(batch->request, type_lines, (const char *)kept->at);
        repeat_end(batch->request);
    }
    return good;
}

/* The next lines, or at the end the summary. False: out of memory; the lines may be done. */
static bool advance(struct batch *batch, enum admin_result *result, struct error *err)
{
    struct step step;
    size_t room = batch->atomic ? LINES_MAX : STEP_LINES;
    *result = ADMIN_DONE;
    bool good = step_make(&step, room) && read_lines(batch, &step, room);
    if (good && step.count == 0)
        good = put_summary(batch);
    else if (good)
        *result = revoke_lines(batch, &step, err);
    for (size_t i = 0; i < step.count && good && *result != ADMIN_CONFLICT; i++)
        good = put_result(batch, &step, i, err);
    if (good && batch->request->repeat.runs)
        good = keep_results(batch);
    step_free(&step);
    return good;
}

/* Who began it may be let in no more. That is told, and ends it without a summary. */
static bool may_advance(struct batch *batch)
{
    struct error err;
    enum outcome lasts = auth_lasts(batch->request, &err);
    if (lasts == FOUND)
        return true;
    batch->broken = true;
    log_limited(LOG_LEVEL_WARN, "admin", "POST %s by %s ends after line %zu: %s", batch->request->url,
                batch->request->actor_name, batch->line, err.text);
    put_problem(&batch->results, batch->line + 1, "", lasts == ABSENT ? 401 : 503,
                lasts == ABSENT
                    ? "who began this was let in then, and is no more; from here on nothing is done"
                    : err.text);
    return false;
}

/* libmicrohttpd wants more of the reply. */
static ssize_t give(void *arg, uint64_t at, char *to, size_t room)
{
    struct batch *batch = arg;
    (void)at;
    while (batch->given == batch->results.len) {
        struct error err;
        enum admin_result result;
        if (batch->over)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (batch->broken)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        batch->results.len = batch->given = 0;
        if (!may_advance(batch))
            continue;
        if (!advance(batch, &result, &err))
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (result != ADMIN_DONE)
            log_limited(LOG_LEVEL_ERROR, "admin", "POST %s: %s", batch->request->url, err.text);
    }
    size_t len = batch->results.len - batch->given;
    len = len < room ? len : room;
    memcpy(to, batch->results.at + batch->given, len);
    batch->given += len;
    return (ssize_t)len;
}

static enum MHD_Result reply_stream(struct request *request, struct batch *batch)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, give, batch, batch_free);
    if (!response) {
        batch_free(batch);
        return MHD_NO;
    }
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type_lines);
    request->repeat.streams = true;
    return reply_queue(request, 200, response);
}

/* What fails before there is a result is told as of any other call. */
static enum MHD_Result start(struct batch *batch)
{
    struct request *request = batch->request;
    struct error err;
    enum admin_result result;
    if (!advance(batch, &result, &err)) {
        batch_free(batch);
        return reply_problem(request, 503, "out of memory");
    }
    if (result == ADMIN_DONE)
        return reply_stream(request, batch);
    batch_free(batch);
    return reply_result(request, result, &err);
}

static size_t count_lines(const struct buffer *body)
{
    size_t count = body->len && body->at[body->len - 1] != '\n';
    for (size_t i = 0; i < body->len; i++)
        count += body->at[i] == '\n';
    return count;
}

static bool read_arguments(struct request *request, struct batch *batch, struct error *err)
{
    char *reason = request_argument(request, "reason"), *atomic = request_argument(request, "atomic");
    batch->atomic = atomic && strcmp(atomic, "true") == 0;
    bool good = api_reason(reason, &batch->reason, err);
    if (good && atomic && !batch->atomic && strcmp(atomic, "false") != 0)
        good = error_set(err, "atomic must be true or false") == 0;
    free(reason);
    free(atomic);
    return good;
}

enum MHD_Result api_revoke_batch_post(struct request *request)
{
    struct error err;
    enum MHD_Result result;
    const struct issuer *issuer = api_issuer(request, &result);
    if (!issuer)
        return result;
    if (count_lines(&request->body) > LINES_MAX)
        return reply_problem(request, 413, "the body may have %d lines here; send the rest in another call",
                             LINES_MAX);
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return reply_problem(request, 503, "out of memory");
    *batch = (struct batch){.request = request, .issuer = issuer};
    if (read_arguments(request, batch, &err))
        return start(batch);
    batch_free(batch);
    return reply_problem(request, 422, "%s", err.text);
}
