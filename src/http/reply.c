#include "internal.h"

#include "header.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char type_json[] = "application/json", type_problem[] = "application/problem+json";

static const char *title_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *title;
    } titles[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Content"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {503, "Service Unavailable"},
    };
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        if (titles[i].status == status)
            return titles[i].title;
    return "Error";
}

enum MHD_Result reply_send(struct request *request, unsigned status, struct MHD_Response *response)
{
    request->over = true;
    request->status = status;
    request->answered_us = clock_monotonic_us();
    return MHD_queue_response(request->connection, status, response);
}

/* What a browser needs to know of an answer to an administrator. A page says itself what it may load. */
static void add_admin_headers(struct MHD_Response *response)
{
    static const char *const headers[][2] = {
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-store"},
        {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
        {"Cross-Origin-Opener-Policy", "same-origin"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        if (!MHD_get_response_header(response, headers[i][0]))
            MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

void request_add_header(struct request *request, const char *name, const char *value)
{
    size_t i = 0;
    while (i < HEADERS_MAX && request->headers[i].name)
        i++;
    if (i == HEADERS_MAX) {
        log_error("http", "%s %s: no room for the header %s", request->method_name, request->url, name);
        return;
    }
    request->headers[i].name = name;
    snprintf(request->headers[i].value, sizeof request->headers[i].value, "%s", value);
}

void request_add_etag(struct request *request, const char *etag)
{
    char quoted[ETAG_TEXT + 2];
    snprintf(quoted, sizeof quoted, "\"%s\"", etag);
    request_add_header(request, MHD_HTTP_HEADER_ETAG, quoted);
}

enum MHD_Result reply_queue(struct request *request, unsigned status, struct MHD_Response *response)
{
    if (!response) {
        request->over = true;
        return MHD_NO;
    }
    if (request->id[0])
        MHD_add_response_header(response, "X-Request-Id", request->id);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < HEADERS_MAX && request->headers[i].name; i++)
        MHD_add_response_header(response, request->headers[i].name, request->headers[i].value);
    if (request->is_admin && status != MHD_HTTP_NOT_MODIFIED) /* whose headers take the place of the page's */
        add_admin_headers(response);
    if (!request->repeat.streams)
        repeat_end(request);
    enum MHD_Result result = reply_send(request, status, response);
    MHD_destroy_response(response);
    return result;
}

struct MHD_Response *reply_from_bytes(const char *type, struct bytes body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);
    if (response && *type)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return response;
}

enum MHD_Result reply_bytes(struct request *request, unsigned status, const char *type, struct bytes body)
{
    return reply_queue(request, status, reply_from_bytes(type, body));
}

static void add_allow(struct MHD_Response *response, unsigned allowed)
{
    char list[40];
    snprintf(list, sizeof list, "%s%s%s%s", allowed & GET ? "GET, HEAD, " : "",
             allowed & POST ? "POST, " : "", allowed & PUT ? "PUT, " : "",
             allowed & DELETE ? "DELETE, " : "");
    list[strlen(list) - 2] = 0;
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, list);
}

enum MHD_Result reply_text(struct request *request, unsigned status, const char *type, const char *text)
{
    char retry[24];
    struct MHD_Response *response =
        reply_from_bytes(type, (struct bytes){(const uint8_t *)text, strlen(text)});
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        add_allow(response, request->allowed);
    if (status == MHD_HTTP_UNAUTHORIZED)
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"annul\"");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, "1");
    if (status == MHD_HTTP_TOO_MANY_REQUESTS) {
        snprintf(retry, sizeof retry, "%" PRId64, request->retry_s);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, retry);
    }
    return reply_queue(request, status, response);
}

static enum MHD_Result reply_document(struct request *request, unsigned status, const char *type,
                                      json_t *json)
{
    char *text = json_document(json);
    json_decref(json);
    if (!text)
        return MHD_NO;
    enum MHD_Result result = reply_text(request, status, type, text);
    free(text);
    return result;
}

enum MHD_Result reply_json(struct request *request, unsigned status, json_t *json)
{
    return reply_document(request, status, type_json, json);
}

json_t *json_problem(const struct request *request, unsigned status, const char *detail)
{
    return json_pack("{s:s, s:s, s:i, s:o, s:s*}", "type", "about:blank", "title", title_of(status), "status",
                     (int)status, "detail", json_quote(detail), "request_id",
                     request->id[0] ? request->id : NULL);
}

enum MHD_Result reply_problem(struct request *request, unsigned status, const char *format, ...)
{
    char detail[640];
    va_list args;
    va_start(args, format);
    vsnprintf(detail, sizeof detail, format, args);
    va_end(args);
    json_t *problem = json_problem(request, status, detail);
    if (status < 500 && request->route && *request->actor_name &&
        (request->route->action || status == MHD_HTTP_FORBIDDEN))
        refused_call(request, status, json_string_value(json_object_get(problem, "detail")));
    return reply_document(request, status, type_problem, problem);
}

unsigned reply_status(enum admin_result result)
{
    static const unsigned status[] = {
        [ADMIN_DONE] = 200,    [ADMIN_NOT_FOUND] = 404, [ADMIN_CONFLICT] = 409, [ADMIN_STALE] = 412,
        [ADMIN_INVALID] = 422, [ADMIN_FORBIDDEN] = 403, [ADMIN_FAILED] = 503,
    };
    return status[result];
}

enum MHD_Result reply_result(struct request *request, enum admin_result result, const struct error *err)
{
    if (result == ADMIN_FAILED)
        log_limited(LOG_LEVEL_ERROR, "admin", "%s %s: %s", request->method_name, request->url, err->text);
    return reply_problem(request, reply_status(result), "%s", err->text);
}

const char *request_header(struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

struct search {
    const char *name;
    request_value *is;
    void *arg;
    bool found;
};

static enum MHD_Result look(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct search *search = arg;
    (void)kind;
    search->found = value && strcasecmp(name, search->name) == 0 && search->is(search->arg, value);
    return search->found ? MHD_NO : MHD_YES;
}

bool request_any_header(struct request *request, const char *name, request_value *is, void *arg)
{
    struct search search = {name, is, arg, false};
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look, &search);
    return search.found;
}

/* --- conditional requests (RFC 9110 section 13) -------------------------------------------------------- */

static bool lists_etag(void *arg, const char *value)
{
    return header_list_has_etag(value, arg, false);
}

static bool lists_etag_strongly(void *arg, const char *value)
{
    return header_list_has_etag(value, arg, true);
}

bool request_has_it(struct request *request, const struct representation *r)
{
    int64_t since;
    if (request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH)) /* it takes precedence */
        return request_any_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH, lists_etag,
                                  (void *)(uintptr_t)r->etag);
    const char *modified = r->coarse ? NULL : request_header(request, MHD_HTTP_HEADER_IF_MODIFIED_SINCE);
    return modified && time_from_http(modified, &since) && r->modified_at <= since;
}

bool request_may_change(struct request *request, const char *etag)
{
    return !request_header(request, MHD_HTTP_HEADER_IF_MATCH) ||
           request_any_header(request, MHD_HTTP_HEADER_IF_MATCH, lists_etag_strongly,
                              (void *)(uintptr_t)etag);
}

int64_t reply_fresh_s(int64_t expires_at, int64_t now)
{
    int64_t left_s = expires_at - now - 1;
    return left_s < 0 ? 0 : left_s < FRESH_S ? left_s : FRESH_S;
}

void reply_add_validators(struct MHD_Response *response, const struct representation *r)
{
    char etag[80], date[TIME_HTTP], fresh[96];
    snprintf(etag, sizeof etag, "\"%s\"", r->etag);
    MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag);
    /* where a client may go by the date alone, it must not have it while another may come in that second */
    if (r->modified_at != TIME_NONE && (r->coarse || r->modified_at < clock_now())) {
        time_to_http(r->modified_at, date);
        MHD_add_response_header(response, MHD_HTTP_HEADER_LAST_MODIFIED, date);
    }
    if (r->expires_at != TIME_NONE) {
        time_to_http(r->expires_at, date);
        MHD_add_response_header(response, MHD_HTTP_HEADER_EXPIRES, date);
    }
    snprintf(fresh, sizeof fresh, "max-age=%d, public, no-transform, must-revalidate", (int)r->fresh_s);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, fresh);
    if (r->awaitable) /* a cache must not answer those who wait with what others got (RFC 7240 section 2) */
        MHD_add_response_header(response, MHD_HTTP_HEADER_VARY, MHD_HTTP_HEADER_PREFER);
    if (r->waited_s) {
        snprintf(fresh, sizeof fresh, "wait=%" PRId64, r->waited_s);
        MHD_add_response_header(response, MHD_HTTP_HEADER_PREFERENCE_APPLIED, fresh);
    }
}

enum MHD_Result reply_not_modified(struct request *request, const struct representation *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
    if (response)
        reply_add_validators(response, r);
    return reply_queue(request, MHD_HTTP_NOT_MODIFIED, response);
}
