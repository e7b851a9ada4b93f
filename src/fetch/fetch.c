#include <annul/fetch.h>
#include <annul/listen.h>

#include <curl/curl.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONNECT_MS 5000
#define TOTAL_MS 60000
#define BODY_MAX ((size_t)1 << 20)

struct fetch {
    CURL *curl;
    char *socket_path;
    char *bearer;
    char *user_agent;
    char *proxy;
    char *ca;
    char *certificate;
    char *key;
    long connect_ms;
    bool use_proxy;
};

/* What the write callback needs of one exchange. */
struct transfer {
    const struct fetch_request *request;
    struct fetch_response *response;
    size_t max, taken;
    bool too_large, no_memory, stopped;
};

int fetch_start(struct error *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, "the HTTP library could not be initialised");
    return 0;
}

void fetch_stop(void)
{
    curl_global_cleanup();
}

static bool copy_text(const char *from, char **to)
{
    *to = from ? strdup(from) : NULL;
    return !from || *to;
}

struct fetch *fetch_new(const struct fetch_options *options, struct error *err)
{
    struct fetch *fetch = calloc(1, sizeof *fetch);
    if (!fetch || !(fetch->curl = curl_easy_init()) ||
        !copy_text(options->socket_path, &fetch->socket_path) ||
        !copy_text(options->bearer, &fetch->bearer) || !copy_text(options->user_agent, &fetch->user_agent) ||
        !copy_text(options->proxy, &fetch->proxy) || !copy_text(options->ca, &fetch->ca) ||
        !copy_text(options->certificate, &fetch->certificate) || !copy_text(options->key, &fetch->key)) {
        fetch_free(fetch);
        error_set(err, "out of memory");
        return NULL;
    }
    fetch->connect_ms = options->connect_ms ? (long)options->connect_ms : CONNECT_MS;
    fetch->use_proxy = options->use_proxy;
    return fetch;
}

void fetch_free(struct fetch *fetch)
{
    if (!fetch)
        return;
    curl_easy_cleanup(fetch->curl);
    if (fetch->bearer)
        explicit_bzero(fetch->bearer, strlen(fetch->bearer));
    free(fetch->bearer);
    free(fetch->socket_path);
    free(fetch->user_agent);
    free(fetch->proxy);
    free(fetch->ca);
    free(fetch->certificate);
    free(fetch->key);
    free(fetch);
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    struct bytes piece = {(const uint8_t *)data, size * count};
    if (piece.len > transfer->max - transfer->taken) {
        transfer->too_large = true;
        return 0;
    }
    transfer->taken += piece.len;
    if (transfer->request->sink) {
        transfer->stopped = transfer->request->sink(transfer->request->sink_arg, piece) != 0;
        return transfer->stopped ? 0 : piece.len;
    }
    struct buffer *body = &transfer->response->body;
    if (!buffer_reserve(body, piece.len + 1)) {
        transfer->no_memory = true;
        return 0;
    }
    buffer_add(body, piece.at, piece.len);
    body->at[body->len] = 0;
    return piece.len;
}

/* The request line and what goes with it. */
static CURLcode set_method(CURL *curl, const struct fetch_request *request)
{
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, request->url);
    if (code == CURLE_OK && request->content_type) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.at ? (const char *)request->body.at : "");
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
    }
    if (code == CURLE_OK && strcmp(request->method, "HEAD") == 0)
        return curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    return code == CURLE_OK ? curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method) : code;
}

static CURLcode set_route(CURL *curl, const struct fetch *fetch)
{
    CURLcode code = CURLE_OK;
    if (fetch->socket_path)
        code = curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, fetch->socket_path);
    if ((fetch->proxy || !fetch->use_proxy) && code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_PROXY, fetch->proxy ? fetch->proxy : "");
    if (fetch->bearer && code == CURLE_OK) {
        curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        code = curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, fetch->bearer);
    }
    return code;
}

static CURLcode set_tls(CURL *curl, const struct fetch *fetch)
{
    CURLcode code = fetch->ca ? curl_easy_setopt(curl, CURLOPT_CAINFO, fetch->ca) : CURLE_OK;
    if (fetch->ca && code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    if (fetch->certificate && code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_SSLCERT, fetch->certificate);
    if (fetch->certificate && code == CURLE_OK)
        code = curl_easy_setopt(curl, CURLOPT_SSLKEY, fetch->key ? fetch->key : fetch->certificate);
    return code;
}

/* curl asks about once a second, also while nothing comes. */
static int is_stopped(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    (void)down_total, (void)down, (void)up_total, (void)up;
    return atomic_load((const atomic_bool *)arg);
}

static CURLcode set_limits(CURL *curl, const struct fetch *fetch, const struct fetch_request *request)
{
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    if (request->redirects) {
        curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
        curl_easy_setopt(curl, CURLOPT_MAXREDIRS, (long)request->redirects);
        curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    }
    if (request->slow_ms) {
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)FETCH_SLOW);
        curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, (long)((request->slow_ms + 999) / 1000));
    }
    if (request->stop) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, is_stopped);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, (void *)(uintptr_t)request->stop);
    }
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, fetch->connect_ms);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request->total_ms ? (long)request->total_ms : (long)TOTAL_MS);
    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer)
        *list = longer;
    return longer != NULL;
}

/* The headers that are ours to say. NULL when out of memory. */
static struct curl_slist *make_headers(const struct fetch_request *request)
{
    struct curl_slist *list = NULL;
    char type[FETCH_CONTENT_TYPE_MAX + 16];
    snprintf(type, sizeof type, "Content-Type: %s", request->content_type ? request->content_type : "");
    /* Without this a large body waits a second for a "100 Continue" that many servers never send. */
    bool good = add_header(&list, "Expect:") && (!request->content_type || add_header(&list, type));
    for (const char *const *line = request->headers; good && line && *line; line++)
        good = add_header(&list, *line);
    if (good)
        return list;
    curl_slist_free_all(list);
    return NULL;
}

static void keep_content_type(CURL *curl, struct fetch_response *response)
{
    const char *type = NULL;
    curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
    size_t len = type ? strcspn(type, "; \t") : 0;
    if (len >= sizeof response->content_type)
        len = 0;
    for (size_t i = 0; i < len; i++)
        response->content_type[i] = (char)tolower((unsigned char)type[i]);
    response->content_type[len] = 0;
}

/* --- what HTTP says of keeping it ---------------------------------------------------------------------- */

/* Of the last answer, where redirects were followed; NULL: not there. */
static const char *header_of(CURL *curl, const char *name)
{
    struct curl_header *header;
    return curl_easy_header(curl, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK ? header->value : NULL;
}

static int64_t seconds_of(const char *text)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return -1;
    long long value = strtoll(text, &end, 10);
    return value > INT32_MAX ? INT32_MAX : value;
}

/* "DIRECTIVE=N" in a list; -1 where it is not there. */
static int64_t directive_of(const char *list, const char *directive)
{
    size_t len = strlen(directive);
    while (list && *list) {
        list += strspn(list, " \t,");
        if (strncasecmp(list, directive, len) == 0 && list[len] == '=')
            return seconds_of(list + len + 1 + (list[len + 1] == '"'));
        list += strcspn(list, ",");
    }
    return -1;
}

static int64_t date_of(CURL *curl, const char *name)
{
    int64_t at;
    const char *text = header_of(curl, name);
    return text && time_from_http(text, &at) ? at : TIME_NONE;
}

/* RFC 9111 section 4.2.1; an Expires that is no date means: stale. */
static int64_t fresh_of(CURL *curl)
{
    const char *control = header_of(curl, "Cache-Control");
    int64_t fresh_s = directive_of(control, "max-age"), age_s = seconds_of(header_of(curl, "Age"));
    int64_t date_at = date_of(curl, "Date"), expires_at = date_of(curl, "Expires");
    if (control && (strcasestr(control, "no-cache") || strcasestr(control, "no-store")))
        return 0;
    if (fresh_s < 0 && header_of(curl, "Expires"))
        fresh_s = expires_at == TIME_NONE || date_at == TIME_NONE || expires_at < date_at
                      ? 0
                      : expires_at - date_at;
    if (fresh_s < 0)
        return -1;
    return age_s <= 0 ? fresh_s : fresh_s > age_s ? fresh_s - age_s : 0;
}

static int64_t retry_of(CURL *curl)
{
    int64_t at = date_of(curl, "Retry-After"), now = date_of(curl, "Date");
    if (at == TIME_NONE || now == TIME_NONE)
        return seconds_of(header_of(curl, "Retry-After"));
    return at > now ? at - now : 0;
}

static void keep_headers(CURL *curl, struct fetch_response *response)
{
    const char *etag = header_of(curl, "ETag"), *applied = header_of(curl, "Preference-Applied");
    if (etag && strlen(etag) < sizeof response->etag)
        strcpy(response->etag, etag);
    response->modified_at = date_of(curl, "Last-Modified");
    response->fresh_s = fresh_of(curl);
    response->retry_s = retry_of(curl);
    response->waited = applied && strncasecmp(applied, "wait", 4) == 0;
}

/* Turns a failed exchange into a sentence that names the other side. */
static int explain(const struct fetch *fetch, const struct transfer *transfer, CURLcode code,
                   const char *detail, struct error *err)
{
    const struct fetch_request *request = transfer->request;
    const char *where = fetch->socket_path ? fetch->socket_path
                        : request->shown   ? request->shown
                                           : request->url;
    if (transfer->too_large)
        return error_set(err, "the answer from %s is larger than %zu octets", where, transfer->max);
    if (transfer->no_memory)
        return error_set(err, "out of memory while reading the answer from %s", where);
    if (code == CURLE_ABORTED_BY_CALLBACK)
        return error_set(err, "the exchange with %s was broken off", where);
    if (transfer->stopped)
        return error_set(err, "the answer from %s was not taken to its end", where);
    if (code == CURLE_COULDNT_CONNECT && transfer->response->os_error)
        return error_set(err, "cannot connect to %s: %s", where, strerror(transfer->response->os_error));
    if (code == CURLE_OPERATION_TIMEDOUT) /* curl tells milliseconds and octets, never the same */
        detail = "";
    return error_set(err, "no answer from %s: %s", where, *detail ? detail : curl_easy_strerror(code));
}

int fetch_send(struct fetch *fetch, const struct fetch_request *request, struct fetch_response *response,
               struct error *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    struct transfer transfer = {request, response, request->body_max ? request->body_max : BODY_MAX, 0, false,
                                false,   false};
    long status = 0, os_error = 0, verify = 0;
    CURL *curl = fetch->curl;
    *response = (struct fetch_response){.modified_at = TIME_NONE, .fresh_s = -1, .retry_s = -1};
    struct curl_slist *headers = make_headers(request);
    if (!headers)
        return error_set(err, "out of memory");
    curl_easy_reset(curl); /* options only; the connection stays */
    CURLcode code = set_method(curl, request);
    if (code == CURLE_OK)
        code = set_route(curl, fetch);
    if (code == CURLE_OK)
        code = set_tls(curl, fetch);
    if (code == CURLE_OK)
        code = set_limits(curl, fetch, request);
    if (code == CURLE_OK) {
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
        curl_easy_setopt(curl, CURLOPT_USERAGENT, fetch->user_agent);
        curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);
        code = curl_easy_perform(curl);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &os_error);
    curl_easy_getinfo(curl, CURLINFO_SSL_VERIFYRESULT, &verify);
    response->status = (int)status;
    response->hung_up = code == CURLE_GOT_NOTHING || (code == CURLE_RECV_ERROR && status == 0);
    response->untrusted =
        code == CURLE_PEER_FAILED_VERIFICATION && verify > 1; /* 1: it is of one, but another host's */
    response->os_error = code == CURLE_OK ? 0 : (int)os_error;
    keep_content_type(curl, response);
    keep_headers(curl, response);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, NULL); /* it is on this stack */
    curl_slist_free_all(headers);
    return code == CURLE_OK ? 0 : explain(fetch, &transfer, code, detail, err);
}

void fetch_response_free(struct fetch_response *response)
{
    if (!response)
        return;
    buffer_free(&response->body);
    *response = (struct fetch_response){0};
}

bool fetch_url_is_good(const char *url)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL;
    bool good = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
    curl_free(scheme);
    curl_url_cleanup(parsed);
    return good;
}

/* Curl's "localhost" is this host, whatever a resolver says (RFC 6761 section 6.3). */
static bool is_this_host(char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *addresses;
    size_t len = strlen(host);
    if (strcasecmp(host, "localhost") == 0)
        return true;
    if (*host == '[' && host[len - 1] == ']') {
        host[len - 1] = 0;
        host++;
    }
    if (getaddrinfo(host, NULL, &hints, &addresses) != 0)
        return false;
    bool loopback = listen_is_loopback(addresses->ai_addr);
    freeaddrinfo(addresses);
    return loopback;
}

bool fetch_url_is_in_clear(const char *url)
{
    CURLU *parsed = curl_url();
    char *scheme = NULL, *host = NULL;
    bool safe = parsed && curl_url_set(parsed, CURLUPART_URL, url, 0) == CURLUE_OK &&
                curl_url_get(parsed, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (strcmp(scheme, "https") == 0 ||
                 (curl_url_get(parsed, CURLUPART_HOST, &host, 0) == CURLUE_OK && is_this_host(host)));
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parsed);
    return !safe;
}

bool fetch_url_escape(struct buffer *url, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool good =
            isalnum(c) || strchr("-._~", c) ? buffer_add(url, text, 1) : buffer_printf(url, "%%%02X", c);
        if (!good)
            return false;
    }
    return true;
}
