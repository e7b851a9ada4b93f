/* One OCSP question, over HTTP (RFC 5019). */
#include "stapler.h"

#include <annul/base64.h>
#include <annul/clock.h>

#include <stdlib.h>
#include <string.h>

#define GET_MAX 255 /* octets of the URL with the request in it (RFC 5019 section 5) */
#define SLOW_MS 10000
#define REDIRECTS 3

/* URL "/" BASE64, escaped. False where POST is to be used. */
static bool get_url(const struct ask *ask, struct bytes der, struct buffer *url)
{
    char text[BASE64_ENCODED_LEN(OCSP_QUESTION_MAX) + 1];
    text[base64_encode(der.at, der.len, text)] = 0;
    size_t len = strlen(ask->url);
    return buffer_add_text(url, ask->url) && (ask->url[len - 1] == '/' || buffer_add(url, "/", 1)) &&
           fetch_url_escape(url, text) && buffer_add(url, "", 1) && url->len - 1 <= GET_MAX;
}

/* What came with a status that is no success. */
static void http_failed(const struct ask *ask, const struct fetch_response *response, struct attempt *attempt)
{
    attempt->temporary = response->status >= 500 || response->status == 429 || response->status == 408;
    error_set(&attempt->err, "%s answers HTTP %d", ask->url, response->status);
}

/* Malformed, unauthorized and the like stay what they are until somebody changes something. */
static bool is_temporary(const struct ocsp_verdict *verdict)
{
    return verdict->response == OCSP_TRY_LATER || verdict->response == OCSP_INTERNAL_ERROR;
}

static void judge(const struct ask *ask, struct fetch_response *response, struct attempt *attempt)
{
    struct held *held = held_new();
    struct bytes der = {response->body.at, response->body.len};
    struct error why;
    if (!held) {
        error_set(&attempt->err, "out of memory");
    } else if (ocsp_verify(der, ask->question, clock_now(), &held->verdict, &why) < 0) {
        attempt->temporary = is_temporary(&held->verdict);
        error_set(&attempt->err, "%s: %.300s", ask->url, why.text);
    } else if (held->verdict.status == OCSP_CERT_UNKNOWN) {
        error_set(&attempt->err, "%s does not know this certificate", ask->url);
    } else {
        held->memory = response->body;
        response->body = (struct buffer){0};
        held->der = (struct bytes){held->memory.at, held->memory.len};
        held->window = (struct window){held->verdict.this_update, held->verdict.end_at};
        attempt->held = held;
        held = NULL;
    }
    held_release(held);
}

/* Returns the HTTP status, 0 where there was none. */
static int send_one(struct stapler *stapler, struct fetch *fetch, const struct ask *ask,
                    struct fetch_request *request, char etag[FETCH_ETAG_MAX], struct attempt *attempt)
{
    struct fetch_response response;
    request->shown = ask->url;
    request->total_ms = stapler->config->timeout_s * 1000;
    request->slow_ms = SLOW_MS;
    request->body_max = OCSP_RESPONSE_MAX;
    request->stop = &stapler->stopping;
    if (fetch_send(fetch, request, &response, &attempt->err) < 0)
        attempt->temporary = true;
    else if (response.status == 304 && ask->etag && *ask->etag)
        attempt->unchanged = true;
    else if (response.status != 200)
        http_failed(ask, &response, attempt);
    else
        judge(ask, &response, attempt);
    attempt->fresh_s = response.fresh_s;
    if (response.retry_s >= 0)
        attempt->retry_s = response.retry_s;
    if (etag && attempt->held)
        strcpy(etag, response.etag);
    int status = response.status;
    fetch_response_free(&response);
    return status;
}

void ocsp_ask(struct stapler *stapler, struct fetch *fetch, const struct ask *ask, char etag[FETCH_ETAG_MAX],
              struct attempt *attempt)
{
    uint8_t der[OCSP_QUESTION_MAX];
    struct bytes question = {der, ocsp_question_put(ask->question, der)};
    struct buffer url = {0};
    int status = 0;
    char condition[FETCH_ETAG_MAX + 20];
    const char *headers[] = {"Accept: application/ocsp-response", NULL, NULL};
    *attempt = (struct attempt){.fresh_s = -1, .retry_s = -1};
    snprintf(attempt->source, sizeof attempt->source, "%s", ask->url);
    if (question.len == 0) {
        error_set(&attempt->err, "the request cannot be made: SHA-1 is missing from OpenSSL");
        return;
    }
    if (ask->etag && *ask->etag) {
        snprintf(condition, sizeof condition, "If-None-Match: %s", ask->etag);
        headers[1] = condition;
    }
    if (get_url(ask, question, &url)) {
        struct fetch_request get = {
            .method = "GET", .url = (const char *)url.at, .headers = headers, .redirects = REDIRECTS};
        status = send_one(stapler, fetch, ask, &get, etag, attempt);
    }
    /* A cache on the way may have kept something old, a responder may know no GET, or fail at it: POST has neither. */
    bool tried = attempt->temporary && (status < 500 || attempt->retry_s >= 0);
    if (!attempt->held && !attempt->unchanged && !tried && !atomic_load(&stapler->stopping)) {
        struct fetch_request post = {.method = "POST",
                                     .url = ask->url,
                                     .body = question,
                                     .content_type = "application/ocsp-request",
                                     .headers = (const char *const[]){headers[0], NULL}};
        attempt->temporary = false;
        send_one(stapler, fetch, ask, &post, etag, attempt);
    }
    buffer_free(&url);
}
