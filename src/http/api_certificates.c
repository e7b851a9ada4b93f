/* /api/v1/issuers/{issuer}/certificates…, /api/v1/certificates, /api/v1/revoke */
#include "internal.h"

#include <annul/hex.h>
#include <annul/number.h>

#include <openssl/evp.h>

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct issuer *api_issuer(struct request *request, enum MHD_Result *result)
{
    const struct issuer *issuer = issuers_by_name(request->services->issuers, request->part[0]);
    if (!issuer)
        *result = reply_problem(request, 404, "no issuer is named \"%s\"; `annulctl issuers` lists them",
                                request->part[0]);
    return issuer;
}

static const struct issuer *path_certificate(struct request *request, struct serial *serial,
                                             enum MHD_Result *result)
{
    const struct issuer *issuer = api_issuer(request, result);
    if (!issuer)
        return NULL;
    if (serial_from_text(request->part[1], serial))
        return issuer;
    *result =
        reply_problem(request, 400,
                      "\"%s\" is no serial number: hex (colons, 0x and leading zeros are fine), or dec: and "
                      "decimal digits, at most 20 octets",
                      request->part[1]);
    return NULL;
}

/* Of all that can change. */
static bool write_etag(const struct cert_record *record, char etag[ETAG_TEXT])
{
    uint8_t digest[32];
    size_t len;
    struct buffer facts = {0};
    bool good = buffer_printf(&facts, "%" PRId64 " %" PRId64 " %s", record->not_before, record->not_after,
                              record->subject ? record->subject : "") &&
                EVP_Q_digest(NULL, "SHA256", NULL, facts.at, facts.len, digest, &len) == 1;
    buffer_free(&facts);
    snprintf(etag, ETAG_TEXT, "%" PRId64 "-", record->version);
    if (good)
        hex_encode(digest, 8, etag + strlen(etag));
    return good;
}

/* What a call has made of a certificate. */
struct outcome_of {
    const struct issuer *issuer;
    struct cert_record record;
    bool changed;
};

static json_t *compose_outcome(void *arg, unsigned *status)
{
    const struct outcome_of *is = arg;
    json_t *object = json_certificate(is->issuer, &is->record);
    (void)status;
    if (object)
        json_object_set_new(object, "changed", json_boolean(is->changed));
    return object;
}

static void tag_outcome(void *arg, char etag[ETAG_TEXT])
{
    const struct outcome_of *is = arg;
    if (!write_etag(&is->record, etag))
        *etag = 0;
}

static void add_etag(struct request *request, const struct cert_record *record)
{
    char etag[ETAG_TEXT];
    if (write_etag(record, etag))
        request_add_etag(request, etag);
}

static enum MHD_Result reply_outcome(struct request *request, enum admin_result done, struct outcome_of *is,
                                     const struct error *err)
{
    unsigned status;
    if (done != ADMIN_DONE)
        return reply_result(request, done, err);
    json_t *object = compose_outcome(is, &status);
    add_etag(request, &is->record);
    cert_record_free(&is->record);
    return reply_json(request, 200, object);
}

static bool may_change(void *arg, const struct cert_record *record)
{
    char etag[ETAG_TEXT];
    return write_etag(record, etag) && request_may_change(arg, etag);
}

/* For a call whose answer is `is`. */
static struct admin admin_for(struct request *request, struct repeat_answer *answer, struct outcome_of *is)
{
    *answer = (struct repeat_answer){.compose = compose_outcome, .tag = tag_outcome, .arg = is};
    struct admin admin = repeat_admin(request, answer);
    if (request_header(request, MHD_HTTP_HEADER_IF_MATCH)) {
        admin.may_change = may_change;
        admin.may_change_arg = request;
    }
    return admin;
}

const struct issuer *api_certificate(struct request *request, struct cert_record *record,
                                     enum MHD_Result *result)
{
    struct serial serial;
    struct error err;
    const struct issuer *issuer = path_certificate(request, &serial, result);
    if (!issuer)
        return NULL;
    switch (store_certificate(request->services->store, issuer->id, &serial, record, &err)) {
    case FOUND:
        return issuer;
    case ABSENT:
        *result = reply_problem(request, 404, "issuer %s has no certificate %s", issuer->config->name.text,
                                request->part[1]);
        return NULL;
    case FAILED:
        break;
    }
    *result = reply_problem(request, 503, "%s", err.text);
    return NULL;
}

enum MHD_Result api_certificate_get(struct request *request)
{
    enum MHD_Result result;
    struct cert_record record;
    const struct issuer *issuer = api_certificate(request, &record, &result);
    if (!issuer)
        return result;
    add_etag(request, &record);
    json_t *object = json_certificate(issuer, &record);
    cert_record_free(&record);
    return reply_json(request, 200, object);
}

/* --- revoke and release -------------------------------------------------------------------------------- */

bool api_reason(const char *text, int *reason, struct error *err)
{
    *reason = text ? reason_from_name(text) : REASON_UNSPECIFIED;
    if (*reason < 0)
        error_set(err,
                  "\"%.64s\" is no reason; use one of unspecified, keyCompromise, cACompromise, "
                  "affiliationChanged, "
                  "superseded, cessationOfOperation, certificateHold, privilegeWithdrawn, aACompromise",
                  text);
    return *reason >= 0;
}

static bool parse_revocation(json_t *body, int *reason, int64_t *invalidity_at, struct error *err)
{
    static const char *const known[] = {"reason", "invalidity_at", NULL};
    const char *text;
    return json_only(body, known, err) && json_past_member(body, "invalidity_at", invalidity_at, err) &&
           json_text_member(body, "reason", &text, err) && api_reason(text, reason, err);
}

enum MHD_Result api_revoke_post(struct request *request)
{
    enum MHD_Result result;
    struct serial serial;
    struct outcome_of is;
    struct repeat_answer answer;
    struct error err;
    int reason;
    int64_t invalidity_at;
    const struct issuer *issuer = path_certificate(request, &serial, &result);
    json_t *body = issuer ? json_body(request, &result) : NULL;
    if (!body)
        return result;
    bool good = parse_revocation(body, &reason, &invalidity_at, &err);
    json_decref(body);
    if (!good)
        return reply_problem(request, 422, "%s", err.text);
    struct store_actor actor = auth_actor(request);
    struct admin admin = admin_for(request, &answer, &is);
    is.issuer = issuer;
    return reply_outcome(
        request,
        admin_revoke(&admin, &actor, issuer, &serial, reason, invalidity_at, &is.record, &is.changed, &err),
        &is, &err);
}

enum MHD_Result api_release_post(struct request *request)
{
    enum MHD_Result result;
    struct serial serial;
    struct outcome_of is;
    struct repeat_answer answer;
    struct error err;
    const struct issuer *issuer = path_certificate(request, &serial, &result);
    if (!issuer || !json_no_body(request, &result))
        return result;
    struct store_actor actor = auth_actor(request);
    struct admin admin = admin_for(request, &answer, &is);
    is.issuer = issuer;
    return reply_outcome(
        request, admin_release(&admin, &actor, issuer, &serial, &is.record, &is.changed, &err), &is, &err);
}

enum MHD_Result api_revoke_certificate_post(struct request *request)
{
    struct error err;
    struct outcome_of is;
    struct repeat_answer answer;
    int reason;
    char *text = request_argument(request, "reason");
    bool good = api_reason(text, &reason, &err);
    free(text);
    if (!good)
        return reply_problem(request, 422, "%s", err.text);
    struct store_actor actor = auth_actor(request);
    struct admin admin = admin_for(request, &answer, &is);
    struct bytes body = {request->body.at, request->body.len};
    return reply_outcome(request,
                         admin_revoke_certificate(&admin, &actor, request->scope, body, reason, &is.issuer,
                                                  &is.record, &is.changed, &err),
                         &is, &err);
}

/* --- register ------------------------------------------------------------------------------------------ */

struct registered {
    size_t added, known;
    json_t *list;
};

static int add_registered(void *arg, const struct issuer *issuer, const struct cert_record *record)
{
    return json_array_append_new(((struct registered *)arg)->list, json_certificate(issuer, record));
}

static json_t *compose_registered(void *arg, unsigned *status)
{
    const struct registered *all = arg;
    (void)status;
    return json_pack("{s:I, s:I, s:O}", "registered", (json_int_t)all->added, "known", (json_int_t)all->known,
                     "certificates", all->list);
}

enum MHD_Result api_certificates_post(struct request *request)
{
    struct error err;
    unsigned status;
    struct registered all = {.list = json_array()};
    struct repeat_answer answer = {.compose = compose_registered, .arg = &all};
    struct admin admin = repeat_admin(request, &answer);
    struct store_actor actor = auth_actor(request);
    enum admin_result done =
        admin_register(&admin, &actor, request->scope, (struct bytes){request->body.at, request->body.len},
                       add_registered, &all, &all.added, &all.known, &err);
    enum MHD_Result result = done == ADMIN_DONE ? reply_json(request, 200, compose_registered(&all, &status))
                                                : reply_result(request, done, &err);
    json_decref(all.list);
    return result;
}

/* --- list ---------------------------------------------------------------------------------------------- */

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000

#define LOOK_MAX 5000 /* certificates that a page looks at: less than a hundredth of a second */

struct query {
    char *status, *q, *serial, *subject, *after, *limit;
    struct serial after_serial;
    char prefix[SERIAL_TEXT];
    struct store_filter filter;
};

static bool parse_status(const char *text, int *status)
{
    static const char *const names[] = {
        [CERT_GOOD] = "good", [CERT_REVOKED] = "revoked", [CERT_HOLD] = "hold"};
    *status = -1;
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0)
            *status = i;
    return !text || *status >= 0;
}

/* A text of hex digits (colons do not matter) may be the beginning of a serial. */
static const char *serial_prefix(const char *q, char prefix[SERIAL_TEXT])
{
    size_t len = 0;
    if (strncmp(q, "0x", 2) == 0)
        q += 2;
    for (; *q; q++) {
        if (*q == ':')
            continue;
        if (hex_digit(*q) < 0 || len == SERIAL_TEXT - 1)
            return NULL;
        prefix[len++] = (char)tolower((unsigned char)*q);
    }
    prefix[len] = 0;
    return len ? prefix : NULL;
}

/* One of them, or none. */
static bool parse_text(struct query *query, struct error *err)
{
    struct store_filter *filter = &query->filter;
    const char *serial = query->serial ? query->serial : query->q;
    if (!!query->q + !!query->serial + !!query->subject > 1)
        return error_set(err, "one of q, serial and subject can be given at a time") == 0;
    filter->serial = serial ? serial_prefix(serial, query->prefix) : NULL;
    filter->subject = query->subject ? query->subject : query->q;
    return !query->serial || filter->serial ||
           error_set(err, "serial must be what a serial number begins with, in hex") == 0;
}

/* The serial that a page ended with, behind the way in which that was found. */
static bool read_cursor(const char *text, int *way, struct serial *serial)
{
    bool has_way = *text >= '1' && *text <= '0' + STORE_WAYS && text[1] == '-';
    *way = has_way ? *text - '0' : 0;
    return serial_from_text(has_way ? text + 2 : text, serial);
}

static bool parse_query(struct query *query, struct error *err)
{
    int64_t limit = LIMIT_DEFAULT;
    if (!parse_status(query->status, &query->filter.status))
        return error_set(err, "status must be good, revoked or hold") == 0;
    if (query->after && !read_cursor(query->after, &query->filter.after_way, &query->after_serial))
        return error_set(err, "after must be what \"next\" was, or a serial number in hex") == 0;
    if (query->limit && (!number_from_text(query->limit, LIMIT_MAX, &limit) || limit < 1))
        return error_set(err, "limit must be from 1 to %d", LIMIT_MAX) == 0;
    query->filter.after = query->after ? &query->after_serial : NULL;
    query->filter.limit = (size_t)limit;
    query->filter.look = LOOK_MAX;
    return parse_text(query, err);
}

struct page {
    const struct issuer *issuer;
    json_t *list;
};

static int add_to_page(void *arg, const struct cert_record *record)
{
    struct page *page = arg;
    return json_array_append_new(page->list, json_certificate(page->issuer, record));
}

static void write_cursor(const struct store_next *next, char text[SERIAL_TEXT + 2])
{
    char *at = text;
    if (next->way) {
        *at++ = (char)('0' + next->way);
        *at++ = '-';
    }
    serial_to_text(&next->after, at);
}

static enum MHD_Result reply_page(struct request *request, struct query *query, const struct issuer *issuer)
{
    struct error err;
    struct store_next next;
    char text[SERIAL_TEXT + 2];
    struct page page = {issuer, json_array()};
    enum outcome more =
        store_search(request->services->store, issuer->id, &query->filter, add_to_page, &page, &next, &err);
    if (more == FAILED) {
        json_decref(page.list);
        return reply_problem(request, 503, "%s", err.text);
    }
    if (more == FOUND)
        write_cursor(&next, text);
    return reply_json(
        request, 200,
        json_pack("{s:o, s:s?}", "certificates", page.list, "next", more == FOUND ? text : NULL));
}

enum MHD_Result api_certificates_get(struct request *request)
{
    struct error err;
    enum MHD_Result result;
    const struct issuer *issuer = api_issuer(request, &result);
    if (!issuer)
        return result;
    struct query query = {.status = request_argument(request, "status"),
                          .q = request_argument(request, "q"),
                          .serial = request_argument(request, "serial"),
                          .subject = request_argument(request, "subject"),
                          .after = request_argument(request, "after"),
                          .limit = request_argument(request, "limit")};
    result = parse_query(&query, &err) ? reply_page(request, &query, issuer)
                                       : reply_problem(request, 400, "%s", err.text);
    free(query.status);
    free(query.q);
    free(query.serial);
    free(query.subject);
    free(query.after);
    free(query.limit);
    return result;
}

/* --- import -------------------------------------------------------------------------------------------- */

#define ROWS_MAX 20000

static bool parse_row_status(json_t *object, struct cert_record *row, struct error *err)
{
    const char *status, *reason;
    int wanted;
    if (!json_text_member(object, "status", &status, err) ||
        !json_text_member(object, "reason", &reason, err))
        return false;
    if (!status || !parse_status(status, &wanted)) {
        error_set(err, "status must be good, revoked or hold");
        return false;
    }
    row->status = (enum cert_status)wanted;
    if (row->status == CERT_GOOD)
        return true;
    if (!reason && row->status == CERT_HOLD)
        reason = "certificateHold";
    if (!api_reason(reason, &row->reason, err) ||
        !json_past_member(object, "revoked_at", &row->revoked_at, err))
        return false;
    if ((row->reason == REASON_CERTIFICATE_HOLD) != (row->status == CERT_HOLD)) {
        error_set(err, "status hold and reason certificateHold go together");
        return false;
    }
    if (row->revoked_at == TIME_NONE) {
        error_set(err, "revoked_at is missing");
        return false;
    }
    return true;
}

static bool parse_row(json_t *object, struct cert_record *row, struct error *err)
{
    static const char *const known[] = {"serial", "subject",    "not_before",    "not_after", "status",
                                        "reason", "revoked_at", "invalidity_at", NULL};
    const char *serial, *subject;
    if (!json_only(object, known, err) || !json_text_member(object, "serial", &serial, err) ||
        !json_text_member(object, "subject", &subject, err) ||
        !json_time_member(object, "not_before", &row->not_before, err) ||
        !json_time_member(object, "not_after", &row->not_after, err) ||
        !json_past_member(object, "invalidity_at", &row->invalidity_at, err) ||
        !parse_row_status(object, row, err))
        return false;
    if (!serial || !serial_from_text(serial, &row->serial)) {
        error_set(err, "serial must be a serial number in hex");
        return false;
    }
    row->subject = subject ? strdup(subject) : NULL;
    return true;
}

/* NDJSON: a line a row. Returns how many, or -1 with the line in `err`. */
static long parse_rows(struct bytes body, struct cert_record *rows, struct error *err)
{
    long count = 0, line = 0;
    const char *at = (const char *)body.at, *end = at + body.len;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((stop ? stop : end) - at);
        struct error why = {"not a JSON object"};
        line++;
        if (len > 0) {
            json_t *object = json_loadb(at, len, JSON_REJECT_DUPLICATES, NULL);
            bool good = json_is_object(object) && count < ROWS_MAX && parse_row(object, &rows[count], &why);
            json_decref(object);
            if (count == ROWS_MAX)
                error_set(&why, "more than %d rows in one call; send them in parts", ROWS_MAX);
            if (!good) {
                for (long i = 0; i < count; i++)
                    cert_record_free(&rows[i]);
                return error_set(err, "line %ld: %s", line, why.text);
            }
            count++;
        }
        at += len + 1;
    }
    return count;
}

static json_t *compose_import(void *arg, unsigned *status)
{
    const struct admin_import_count *counts = arg;
    (void)status;
    return json_pack("{s:I, s:I, s:I}", "registered", (json_int_t)counts->added, "changed",
                     (json_int_t)counts->changed, "known", (json_int_t)counts->known);
}

enum MHD_Result api_import_post(struct request *request)
{
    struct error err;
    enum MHD_Result result;
    unsigned status;
    struct admin_import_count counts;
    struct repeat_answer answer = {.compose = compose_import, .arg = &counts};
    struct admin admin = repeat_admin(request, &answer);
    const struct issuer *issuer = api_issuer(request, &result);
    if (!issuer)
        return result;
    struct cert_record *rows = calloc(ROWS_MAX, sizeof *rows);
    if (!rows)
        return reply_problem(request, 503, "out of memory");
    long count = parse_rows((struct bytes){request->body.at, request->body.len}, rows, &err);
    if (count < 0) {
        free(rows);
        return reply_problem(request, 422, "%s", err.text);
    }
    struct store_actor actor = auth_actor(request);
    enum admin_result done = admin_import(&admin, &actor, issuer, rows, (size_t)count, &counts, &err);
    for (long i = 0; i < count; i++)
        cert_record_free(&rows[i]);
    free(rows);
    if (done != ADMIN_DONE)
        return reply_result(request, done, &err);
    return reply_json(request, 200, compose_import(&counts, &status));
}
