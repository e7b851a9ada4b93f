/* Listeners, the life of a request, and shutdown. */
#include "guests.h"
#include "internal.h"
#include "meters.h"
#include "tls.h"
#include "waiters.h"

#include <annul/clock.h>
#include <annul/listen.h>
#include <annul/log.h>
#include <annul/scratch.h>

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define DISCARD_MAX (1 << 20)
#define BACKLOG 1024
/* A thread a connection: it sleeps while a change goes to disk, and who shared it could not share the sync (see
 * store.c). libmicrohttpd lets one thread take many connections that come at once, unless it may have but one. A thread
 * costs 16 KiB. */
#define ADMIN_CONNECTIONS GUESTS_MAX
#define ADMIN_WORKERS ADMIN_CONNECTIONS
#define ADMIN_WAITERS (ADMIN_CONNECTIONS / 2) /* the others are for those who ask … */
#define ADMIN_WAITERS_EACH 4                  /* … of one token or certificate … */
#define ADMIN_WAITERS_KEPT 8                  /* … and of the Unix socket, at least */
/* Of a connection. Beside HEAD_MAX: libmicrohttpd's records, and the header of the reply. libmicrohttpd clears all
 * of it after each request, so a public one has no more than it needs. */
#define PUBLIC_MEMORY (HEAD_MAX + 2048)
#define ADMIN_MEMORY 32768

struct listener {
    struct http *http;
    bool is_admin, is_far;
    struct MHD_Daemon *daemon;
};

struct http {
    struct http_services services;
    char *socket_path;
    size_t count;
    struct listener *listeners;
    pthread_mutex_t mutex;
    pthread_cond_t awake;
    unsigned asleep; /* connections that wait: for the signer, the publisher, or a newer CRL */
    bool stopping;   /* nothing goes to sleep any more */
    int64_t started_at;
    struct waiters *crl_waiters, *change_waiters;
    struct meters *meters;
    struct last_use *last_use;
};

/* --- the life of a request ----------------------------------------------------------------------------- */

bool request_sleep(struct request *request, handler *resume)
{
    struct http *http = request->http;
    pthread_mutex_lock(&http->mutex); /* libmicrohttpd must not be stopped while anything sleeps */
    bool stopping = http->stopping;
    http->asleep += !stopping;
    pthread_mutex_unlock(&http->mutex);
    if (stopping)
        return false;
    request->resume = resume;
    MHD_suspend_connection(request->connection);
    return true;
}

void request_wake(struct request *request)
{
    struct http *http = request->http; /* the request may be gone once the connection runs */
    MHD_resume_connection(request->connection);
    pthread_mutex_lock(&http->mutex);
    if (--http->asleep == 0)
        pthread_cond_broadcast(&http->awake);
    pthread_mutex_unlock(&http->mutex);
}

unsigned http_asleep(struct http *http)
{
    pthread_mutex_lock(&http->mutex);
    unsigned asleep = http->asleep;
    pthread_mutex_unlock(&http->mutex);
    return asleep;
}

size_t http_waiting(struct http *http, bool for_changes)
{
    return waiters_count(for_changes ? http->change_waiters : http->crl_waiters);
}

int64_t http_started_at(const struct http *http)
{
    return http->started_at;
}

static unsigned method_of(const char *name)
{
    static const struct {
        const char *name;
        unsigned method;
    } methods[] = {{"GET", GET}, {"HEAD", HEAD}, {"POST", POST}, {"PUT", PUT}, {"DELETE", DELETE}};
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].method;
    return 0;
}

static bool head_too_large(const struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    return info && info->header_size > HEAD_MAX;
}

/* libmicrohttpd takes a head that leaves it no memory for the header of a reply, and then says nothing: so this one
 * does not go through it. */
static enum MHD_Result refuse_head(struct request *request)
{
    char reply[160], date[TIME_HTTP];
    bool url = strlen(request->url) > HEAD_MAX / 2;
    const char *status = url ? "414 URI Too Long" : "431 Request Header Fields Too Large";
    request->status = url ? 414 : 431;
    request->answered_us = clock_monotonic_us();
    time_to_http(clock_now(), date);
    int len =
        snprintf(reply, sizeof reply,
                 "HTTP/1.1 %s\r\nDate: %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status, date);
    tls_send(request->connection, reply, (size_t)len);
    return MHD_NO; /* hang up */
}

static bool has_body(struct request *request)
{
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    return length ? strcmp(length, "0") != 0
                  : request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
}

/* The header is there, the body is not. What can be refused now is refused without reading it. */
static enum MHD_Result begin(struct request *request)
{
    enum MHD_Result result;
    request->method = method_of(request->method_name);
    route_find(request);
    if (!request->route && request->allowed)
        return reply_problem(request, 405, "%s is not for this path", request->method_name);
    if (!request->route)
        return reply_problem(request, 404, "nothing is at this path");
    if (!access_check(request, &result) || !route_check(request, &result))
        return result;
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    if (length && strtoull(length, NULL, 10) > request->body_max)
        return reply_problem(request, 413, "the body may have %zu octets here", request->body_max);
    struct error err;
    if (request->route->body_max == BODY_SPOOLED &&
        (request->spool = scratch_open(request->services->config->crl_directory.text, &err)) < 0)
        return reply_problem(request, 503, "%s", err.text);
    return MHD_YES;
}

/* A full disk is told when the body is through. */
static bool keep_body(struct request *request, const char *data, size_t len)
{
    struct error err;
    if (request->spool < 0)
        return buffer_add(&request->body, data, len);
    request->spooled += len;
    if (!request->failure &&
        scratch_add(request->spool, (struct bytes){(const uint8_t *)data, len}, &err) < 0)
        return (request->failure = strdup(err.text));
    return true;
}

static enum MHD_Result take_body(struct request *request, const char *data, size_t len)
{
    if (request->discarded == 0 && request->body.len + request->spooled + len <= request->body_max)
        return keep_body(request, data, len) ? MHD_YES : MHD_NO;
    request->discarded += len; /* it told nothing of its size: read a little more, so that it hears why */
    return request->discarded <= DISCARD_MAX ? MHD_YES : MHD_NO;
}

static enum MHD_Result arrive(struct request *request)
{
    if (request->is_admin)
        request_identify(request);
    if (head_too_large(request))
        return refuse_head(request);
    /* after a reply that comes so early, libmicrohttpd ends the connection: only where a body is on its way */
    return has_body(request) ? begin(request) : MHD_YES;
}

/* A proxy's form of the request line, "GET http://host/path", means the same (RFC 9112 section 3.2.2). */
static const char *without_authority(const char *url)
{
    if (strncasecmp(url, "http://", 7) != 0)
        return url;
    const char *path = strchr(url + 7, '/');
    return path ? path : "/";
}

static enum MHD_Result go_on(struct request *request, const char *data, size_t *data_len)
{
    if (request->resume) {
        handler *resume = request->resume;
        request->resume = NULL;
        return resume(request);
    }
    if (*data_len) {
        enum MHD_Result result = take_body(request, data, *data_len);
        *data_len = 0;
        return result;
    }
    if (request->discarded)
        return reply_problem(request, 413, "the body may have %zu octets here", request->body_max);
    enum MHD_Result result = MHD_YES;
    if (request->route ? !auth_check_again(request, &result) /* the body may have come long after the head */
                       : (result = begin(request)) != MHD_YES || request->over)
        return result;
    return repeat_check(request, &result) ? request->route->handle(request) : result;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *connection, const char *url,
                              const char *method, const char *version, const char *data, size_t *data_len,
                              void **state)
{
    struct request *request = *state;
    (void)arg, (void)version;
    if (!request ||
        request->over) /* note_uri could not allocate; or the answer did not go out, as we are stopping */
        return MHD_NO;
    bool is_new = !request->connection;
    if (is_new) {
        request->connection = connection;
        request->method_name = method;
        request->url = without_authority(url);
    }
    log_set_request(request->id);
    enum MHD_Result result = is_new ? arrive(request) : go_on(request, data, data_len);
    log_set_request(NULL);
    return result;
}

/* Called before anything else of a request: its state begins. */
static void *note_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct listener *listener = arg;
    struct request *request = calloc(1, sizeof *request);
    (void)uri, (void)connection;
    if (request) {
        request->http = listener->http;
        request->services = &listener->http->services;
        request->waiters = listener->is_admin ? listener->http->change_waiters : listener->http->crl_waiters;
        request->meters = listener->http->meters;
        request->last_use = listener->http->last_use;
        request->began_us = clock_monotonic_us();
        request->is_admin = listener->is_admin;
        request->is_far = listener->is_far;
        request->spool = -1;
    }
    return request;
}

/* A line a change, whatever came of it. After the answer, which need not wait for the log. */
static void log_end(const struct request *request)
{
    if (!request->status || !request->actor_name[0] || request->method & READ)
        return;
    log_set_request(request->id);
    log_change(request->actor_name, request->actor_origin, request->status, "%s %s", request->method_name,
               request->url);
    log_set_request(NULL);
}

static void end(void *arg, struct MHD_Connection *connection, void **state,
                enum MHD_RequestTerminationCode code)
{
    struct request *request = *state;
    (void)arg, (void)connection, (void)code;
    if (!request)
        return;
    waiters_end(request);
    repeat_end(request);
    meters_note(request);
    log_end(request);
    buffer_free(&request->body);
    if (request->spool >= 0)
        close(request->spool);
    for (size_t i = 0; i < PARTS_MAX; i++)
        free(request->part[i]);
    ocsp_answer_release(request->answer);
    free(request->scope_of_token);
    free(request->failure);
    free(request);
    *state = NULL;
}

/* Percent-decoding is ours: an OCSP request in a path must be decoded exactly once, and slashes in it kept.
 */
static size_t keep_escapes(void *arg, struct MHD_Connection *connection, char *text)
{
    (void)arg, (void)connection;
    return strlen(text);
}

static void log_mhd(void *arg, const char *format, va_list args)
{
    char message[512];
    (void)arg;
    vsnprintf(message, sizeof message, format, args);
    message[strcspn(message, "\n")] = 0;
    log_debug("http", "%s", message);
}

/* --- listeners ----------------------------------------------------------------------------------------- */

static int check_listen(const struct config *config, const struct config_value *value, bool is_admin,
                        struct error *err)
{
    struct addrinfo *addresses;
    struct error why;
    if (listen_resolve(value->text, &addresses, &why) < 0)
        return config_error(config, value->line, err, "%s", why.text);
    bool loopback = listen_is_loopback(addresses->ai_addr);
    freeaddrinfo(addresses);
    if (is_admin && !loopback && !config->admin.tls_certificate.text)
        return config_error(
            config, value->line, err,
            "admin listen \"%s\": only loopback addresses without TLS, because tokens would cross the "
            "network in the clear; add tls_certificate and tls_key",
            value->text);
    return 0;
}

int http_check(const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config->public.listen_count; i++)
        if (check_listen(config, &config->public.listen[i], false, err) < 0)
            return -1;
    for (size_t i = 0; i < config->admin.listen_count; i++)
        if (check_listen(config, &config->admin.listen[i], true, err) < 0)
            return -1;
    return tls_check(config, err) < 0 ? -1 : crl_check_paths(config, err);
}

static int bind_tcp(const struct config *config, const struct config_value *value, struct error *err)
{
    struct error why;
    int fd = listen_tcp(value->text, &why);
    return fd < 0 ? config_error(config, value->line, err, "%s", why.text) : fd;
}

/* A socket file that nobody answers on is left from a crash. */
static int bind_unix(const struct config *config, const struct config_value *value, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, value->text, sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
        close(fd);
        return config_error(config, value->line, err, "admin socket %s: another process listens on it",
                            value->text);
    }
    if (fd >= 0)
        close(fd);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct stat status;
    if (lstat(value->text, &status) == 0 && S_ISSOCK(status.st_mode))
        unlink(value->text);
    mode_t mask = umask(0117); /* user and group; who may do what is decided by credentials and tokens */
    int bound = fd >= 0 ? bind(fd, (struct sockaddr *)&address, sizeof address) : -1;
    umask(mask);
    if (bound < 0 || listen(fd, BACKLOG) < 0) {
        config_error(config, value->line, err, "admin socket %s: %s", value->text, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static bool is_beyond_loopback(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &len) < 0)
        return true;
    return address.ss_family != AF_UNIX && !listen_is_loopback((struct sockaddr *)&address);
}

static int serve(struct http *http, int fd, bool is_admin, bool with_tls, struct error *err)
{
    static const struct MHD_OptionItem none = {MHD_OPTION_END, 0, NULL};
    const struct config *config = http->services.config;
    struct listener *listener = &http->listeners[http->count];
    unsigned workers = is_admin ? ADMIN_WORKERS : config->public.workers;
    if (fd < 0)
        return -1;
    *listener = (struct listener){.http = http, .is_admin = is_admin, .is_far = is_beyond_loopback(fd)};
    listener->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
            (with_tls ? MHD_USE_TLS : 0),
        0, NULL, NULL, handle, listener, MHD_OPTION_EXTERNAL_LOGGER, log_mhd, NULL, MHD_OPTION_LISTEN_SOCKET,
        fd, MHD_OPTION_THREAD_POOL_SIZE, workers > 1 ? workers : 0, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)(is_admin ? ADMIN_MEMORY : PUBLIC_MEMORY), MHD_OPTION_CONNECTION_LIMIT,
        is_admin ? ADMIN_CONNECTIONS : config->public.connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
        is_admin ? 0 : config->public.connections_per_address, MHD_OPTION_NOTIFY_CONNECTION,
        with_tls ? guests_note : NULL, listener, MHD_OPTION_CONNECTION_TIMEOUT, config->public.timeout_s,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_URI_LOG_CALLBACK, note_uri, listener,
        MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_ARRAY, with_tls ? tls_options() : &none,
        MHD_OPTION_END);
    if (!listener->daemon) {
        close(fd);
        return error_set(
            err, "libmicrohttpd does not start; is the limit of open files high enough for %u connections?",
            config->public.connections);
    }
    http->count++;
    return 0;
}

static int serve_all(struct http *http, struct error *err)
{
    const struct config *config = http->services.config;
    for (size_t i = 0; i < config->public.listen_count; i++)
        if (serve(http, bind_tcp(config, &config->public.listen[i], err), false, false, err) < 0)
            return -1;
    if (config->admin.socket.text) {
        if (serve(http, bind_unix(config, &config->admin.socket, err), true, false, err) < 0)
            return -1;
        http->socket_path = strdup(config->admin.socket.text);
    }
    /* last: who asks there whether we are ready finds the others open */
    for (size_t i = 0; i < config->admin.listen_count; i++)
        if (serve(http, bind_tcp(config, &config->admin.listen[i], err), true,
                  config->admin.tls_certificate.text, err) < 0)
            return -1;
    return 0;
}

/* In a thread of the publisher. */
static void hear_crl(void *arg, const struct issuer *issuer, struct crl_part part)
{
    const struct http *http = arg;
    struct crl_news news = {issuer, part};
    waiters_announce(http->crl_waiters, crl_concerns, &news);
}

/* In that of a writer. */
static void hear_change(void *arg)
{
    const struct http *http = arg;
    waiters_announce(http->change_waiters, NULL, NULL);
}

static int start_waiters(struct http *http, struct error *err)
{
    const struct config *config = http->services.config;
    unsigned half = config->public.connections / 2; /* the others are for those who ask */
    http->crl_waiters = waiters_start(config->crl_waiters < half ? config->crl_waiters : half, 0,
                                      config->crl_waiters_per_address, err);
    http->change_waiters =
        http->crl_waiters ? waiters_start(ADMIN_WAITERS, ADMIN_WAITERS_KEPT, ADMIN_WAITERS_EACH, err) : NULL;
    if (!http->change_waiters)
        return -1;
    publisher_listen(http->services.publisher, hear_crl, http);
    store_listen(http->services.store, hear_change, http);
    return 0;
}

struct http *http_start(const struct http_services *services, struct error *err)
{
    const struct config *config = services->config;
    struct http *http = calloc(1, sizeof *http);
    if (!http || !(http->listeners = calloc(config->public.listen_count + config->admin.listen_count + 1,
                                            sizeof *http->listeners))) {
        free(http);
        error_set(err, "out of memory");
        return NULL;
    }
    http->services = *services;
    http->started_at = clock_now();
    pthread_mutex_init(&http->mutex, NULL);
    pthread_cond_init(&http->awake, NULL);
    if (!(http->meters = meters_new()))
        error_set(err, "out of memory");
    else if (http_check(config, err) == 0 && tls_start(config, err) == 0 && start_waiters(http, err) == 0 &&
             (http->last_use = last_use_start(services->admin, err)) && serve_all(http, err) == 0)
        return http;
    http_stop(http);
    return NULL;
}

void http_halt(struct http *http)
{
    if (!http)
        return;
    pthread_mutex_lock(&http->mutex);
    http->stopping = true;
    pthread_mutex_unlock(&http->mutex);
    waiters_halt(http->crl_waiters);
    waiters_halt(http->change_waiters);
    pthread_mutex_lock(&http->mutex);
    while (http->asleep) /* the signer ends every request, by its deadline at the latest */
        pthread_cond_wait(&http->awake, &http->mutex);
    pthread_mutex_unlock(&http->mutex);
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    http_halt(http);
    for (size_t i = 0; i < http->count; i++)
        MHD_stop_daemon(http->listeners[i].daemon);
    publisher_listen(http->services.publisher, NULL, NULL);
    store_listen(http->services.store, NULL, NULL);
    waiters_stop(http->crl_waiters);
    waiters_stop(http->change_waiters);
    refused_stop(http->services.admin);
    last_use_stop(http->last_use);
    tls_stop();
    if (http->socket_path)
        unlink(http->socket_path);
    pthread_mutex_destroy(&http->mutex);
    pthread_cond_destroy(&http->awake);
    meters_free(http->meters);
    free(http->socket_path);
    free(http->listeners);
    free(http);
}
