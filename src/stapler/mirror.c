/* The one file here that knows libmicrohttpd. A thread a connection: they are few, all from this host, and one that is
 * forwarded may wait. */
#include "mirror.h"

#include "forward.h"

#include <annul/base64.h>
#include <annul/clock.h>
#include <annul/config_file.h>
#include <annul/listen.h>

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 256
#define TIMEOUT_S 30
#define FRESH_S 30 /* how long a client may keep what it got */

struct mirror {
    struct stapler *stapler;
    struct forward *forward;
    size_t count;
    struct MHD_Daemon *daemons[];
};

struct request {
    struct mirror *mirror;
    struct MHD_Connection *connection;
    bool is_post, began;
    struct buffer body;
};

/* --- replies ------------------------------------------------------------------------------------------- */

static enum MHD_Result send_reply(struct request *request, unsigned status, struct MHD_Response *response)
{
    if (!response)
        return MHD_NO;
    enum MHD_Result result = MHD_queue_response(request->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

/* `text` is for a person. Never 200: brokers staple whatever comes with that. */
static enum MHD_Result refuse(struct request *request, unsigned status, const char *text)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    }
    return send_reply(request, status, response);
}

static enum MHD_Result reply(struct request *request, const char *type, struct bytes body)
{
    struct MHD_Response *response =
        MHD_create_response_from_buffer(body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);
    if (response)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    return send_reply(request, MHD_HTTP_OK, response);
}

/* What was verified, with what HTTP needs to know of it. */
static enum MHD_Result reply_held(struct request *request, const char *type, struct bytes body,
                                  int64_t end_at)
{
    char etag[2 + ID_TEXT], control[48];
    int64_t left_s = end_at - clock_now() - 1;
    disk_id(body, etag + 1);
    etag[0] = '"';
    strcat(etag, "\"");
    snprintf(control, sizeof control, "max-age=%d",
             (int)(left_s < 0         ? 0
                   : left_s < FRESH_S ? left_s
                                      : FRESH_S));
    const char *known =
        MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
    bool same =
        !request->is_post && known && strstr(known, etag); /* 64 digits: in whatever list they stand */
    struct MHD_Response *response = MHD_create_response_from_buffer(
        same ? 0 : body.len, (void *)(uintptr_t)body.at, MHD_RESPMEM_MUST_COPY);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, etag);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, control);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    }
    return send_reply(request, same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
}

/* --- OCSP ---------------------------------------------------------------------------------------------- */

static bool is_about(const struct staple *staple, const struct certid *id)
{
    size_t len = id->hash == CERTID_OTHER ? 0 : certid_hash_len(id->hash);
    return len && serial_compare(&staple->serial, &id->serial) == 0 &&
           memcmp(staple->name_hash[id->hash], id->name_hash.at, len) == 0 &&
           memcmp(staple->key_hash[id->hash], id->key_hash.at, len) == 0;
}

/* What we know of a certificate that is asked for. */
struct finding {
    struct held *held; /* an answer to this very CertID: others are no use to who asks */
    bool ours;         /* it is had, or fetched, by this CertID */
    bool withhold;     /* so a section wants it, should it be revoked */
};

static struct finding find(struct stapler *stapler, const struct certid *id)
{
    struct finding found = {NULL, false, false};
    stapler_lock(stapler);
    for (size_t i = 0; i < stapler->staples.count; i++) {
        const struct staple *staple = stapler->staples.at[i];
        struct held *held = staple->item.held;
        if (!staple->issuer.len || !is_about(staple, id))
            continue;
        found.ours = id->hash == CERTID_SHA1; /* which is what we ask by */
        found.withhold |= staple->item.section->revoked == REVOKED_WITHHOLD;
        if (found.ours && !found.held && held && strcmp(held->certificate_id, staple->id) == 0)
            found.held = held_hold(held);
    }
    stapler_unlock(stapler);
    return found;
}

static enum MHD_Result answer_ocsp(struct request *request, struct bytes der)
{
    struct ocsp_request ocsp;
    struct error err = {"there is no response to this at present"};
    if (ocsp_request_parse(der, &ocsp, &err) != OCSP_SUCCESSFUL)
        return refuse(request, MHD_HTTP_BAD_REQUEST, err.text);
    if (ocsp.count != 1)
        return refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, "one certificate at a time");
    struct finding found = find(request->mirror->stapler, &ocsp.certs[0]);
    struct held *held = found.held;
    if (!held && !found.ours)
        held = forward_ask(request->mirror->forward, &ocsp.certs[0], &err);
    bool withheld = held && found.withhold && held->verdict.status == OCSP_CERT_REVOKED;
    enum MHD_Result result =
        held && !withheld && held->window.end_at > clock_now()
            ? reply_held(request, "application/ocsp-response", held->der, held->window.end_at)
            : refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE, err.text);
    held_release(held);
    return result;
}

static enum MHD_Result answer_get(struct request *request, const char *path)
{
    char *text = strdup(path);
    if (!text)
        return MHD_NO;
    enum MHD_Result result = answer_ocsp(request, ocsp_path_decode(text));
    free(text);
    return result;
}

/* --- CRLs ---------------------------------------------------------------------------------------------- */

/* NULL: there is none of that name. */
static const struct section *find_section(const struct stapler *stapler, const char *name, size_t len)
{
    const struct stapler_config *config = stapler->config;
    for (size_t i = 0; i < config->crl_count; i++) {
        const char *own = config->crls[i].name.text;
        if (strlen(own) == len && memcmp(own, name, len) == 0)
            return &config->crls[i];
    }
    return NULL;
}

static bool are_good(const struct lists *lists)
{
    int64_t now = clock_now();
    bool good = lists->count > 0 && !lists->missing;
    for (size_t i = 0; i < lists->count; i++)
        good = good && lists->held[i]->window.end_at > now;
    return good;
}

static enum MHD_Result reply_crls(struct request *request, bool pem, const struct lists *lists)
{
    struct held **held = lists->held;
    struct buffer text = {0};
    int64_t end_at = INT64_MAX;
    bool good = true;
    for (size_t i = 0; i < lists->count; i++) {
        end_at = held[i]->window.end_at < end_at ? held[i]->window.end_at : end_at;
        good = good && (!pem || pem_add(&text, "X509 CRL", held[i]->der));
    }
    enum MHD_Result result = MHD_NO;
    if (good && pem)
        result = reply_held(request, "application/x-pem-file", (struct bytes){text.at, text.len}, end_at);
    else if (good)
        result = reply_held(request, "application/pkix-crl", held[0]->der, end_at);
    buffer_free(&text);
    return result;
}

/* "/crl/NAME.crl", "/crl/NAME.pem" */
static enum MHD_Result answer_crl(struct request *request, const char *name)
{
    struct lists lists;
    const char *dot = strrchr(name, '.');
    bool pem = dot && strcmp(dot, ".pem") == 0, der = dot && strcmp(dot, ".crl") == 0;
    if (!pem && !der)
        return refuse(request, MHD_HTTP_NOT_FOUND, "the names are /crl/NAME.crl and /crl/NAME.pem");
    struct stapler *stapler = request->mirror->stapler;
    const struct section *section = find_section(stapler, name, (size_t)(dot - name));
    if (!section)
        return refuse(request, MHD_HTTP_NOT_FOUND, "no crl section of that name");
    if (lists_hold(stapler, section, &lists) < 0)
        return MHD_NO;
    enum MHD_Result result;
    if (!are_good(&lists))
        result = refuse(request, MHD_HTTP_SERVICE_UNAVAILABLE,
                        "a CRL is missing or has ended; see the stapler's log");
    else if (der && lists.count > 1)
        result = refuse(request, MHD_HTTP_NOT_FOUND, "several CRLs: they are in the .pem");
    else
        result = reply_crls(request, pem, &lists);
    lists_release(&lists);
    return result;
}

/* --- the rest ------------------------------------------------------------------------------------------ */

static enum MHD_Result answer_metrics(struct request *request)
{
    struct buffer text = {0};
    enum MHD_Result result = MHD_NO;
    if (status_metrics(request->mirror->stapler, &text))
        result = reply(request, "text/plain; version=0.0.4", (struct bytes){text.at, text.len});
    buffer_free(&text);
    return result;
}

static enum MHD_Result answer_status(struct request *request)
{
    char *text = status_json(request->mirror->stapler);
    enum MHD_Result result =
        text ? reply(request, "application/json", (struct bytes){(const uint8_t *)text, strlen(text)})
             : MHD_NO;
    free(text);
    return result;
}

static enum MHD_Result answer(struct request *request, const char *url, const char *method)
{
    const char *path = ocsp_path(url);
    request->is_post = strcmp(method, "POST") == 0;
    if (request->is_post)
        return answer_ocsp(request, (struct bytes){request->body.at, request->body.len});
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
        return refuse(request, MHD_HTTP_METHOD_NOT_ALLOWED, "GET, HEAD or POST");
    if (path)
        return answer_get(request, path);
    if (strncmp(url, "/crl/", 5) == 0)
        return answer_crl(request, url + 5);
    if (strcmp(url, "/metrics") == 0)
        return answer_metrics(request);
    if (strcmp(url, "/status") == 0)
        return answer_status(request);
    return refuse(request, MHD_HTTP_NOT_FOUND, "nothing is at this path");
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *data_len,
                              void **state)
{
    struct request *request = *state;
    (void)version;
    if (!request) {
        *state = request = calloc(1, sizeof *request);
        if (!request)
            return MHD_NO;
        request->mirror = arg;
        request->connection = connection;
        return MHD_YES;
    }
    if (*data_len == 0)
        return answer(request, url, method);
    if (request->body.len + *data_len > OCSP_REQUEST_MAX || !buffer_add(&request->body, data, *data_len))
        return MHD_NO;
    *data_len = 0;
    return MHD_YES;
}

static void end(void *arg, struct MHD_Connection *connection, void **state,
                enum MHD_RequestTerminationCode code)
{
    struct request *request = *state;
    (void)arg, (void)connection, (void)code;
    if (request)
        buffer_free(&request->body);
    free(request);
    *state = NULL;
}

/* Percent signs are ours to decode, once. */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

/* --- boot and end -------------------------------------------------------------------------------------- */

int mirror_check(const struct stapler_config *config, struct error *err)
{
    for (size_t i = 0; i < config->listen.count; i++) {
        const struct config_value *listen = &config->listen.list[i];
        struct addrinfo *addresses;
        struct error why;
        if (listen_resolve(listen->text, &addresses, &why) < 0)
            return config_file_error(config->path, listen->line, err, "mirror: %s", why.text);
        bool loopback = listen_is_loopback(addresses->ai_addr);
        freeaddrinfo(addresses);
        if (!loopback)
            return config_file_error(config->path, listen->line, err,
                                     "mirror: listen \"%s\": only loopback addresses; it is for this host",
                                     listen->text);
    }
    return 0;
}

static struct MHD_Daemon *serve(struct mirror *mirror, const struct config_value *listen, struct error *err)
{
    struct error why;
    int fd = listen_tcp(listen->text, &why);
    if (fd < 0) {
        config_file_error(mirror->stapler->config->path, listen->line, err, "mirror: %s", why.text);
        return NULL;
    }
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION, 0, NULL, NULL, handle, mirror,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_CONNECTION_TIMEOUT,
        TIMEOUT_S, MHD_OPTION_THREAD_STACK_SIZE, (size_t)1 << 18, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes,
        NULL, MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_END);
    if (!daemon)
        config_file_error(mirror->stapler->config->path, listen->line, err, "mirror: cannot serve %s",
                          listen->text);
    return daemon;
}

int mirror_start(struct stapler *stapler, struct mirror **out, struct error *err)
{
    const struct values *listen = &stapler->config->listen;
    if (mirror_check(stapler->config, err) < 0)
        return -1;
    if (listen->count == 0)
        return 0;
    struct mirror *mirror = *out = calloc(1, sizeof *mirror + listen->count * sizeof mirror->daemons[0]);
    if (!mirror)
        return error_set(err, "out of memory");
    mirror->stapler = stapler;
    mirror->forward = forward_new(stapler, err);
    if (!mirror->forward)
        return -1;
    for (; mirror->count < listen->count; mirror->count++)
        if (!(mirror->daemons[mirror->count] = serve(mirror, &listen->list[mirror->count], err)))
            return -1;
    return 0;
}

void mirror_stop(struct mirror *mirror)
{
    if (!mirror)
        return;
    for (size_t i = 0; i < mirror->count; i++)
        MHD_stop_daemon(mirror->daemons[i]);
    forward_free(mirror->forward);
    free(mirror);
}
