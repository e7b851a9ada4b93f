/* HTTP requests to a server of our own that does what it is told to, and what it should not. */
#include "unit.h"

#include <annul/clock.h>
#include <annul/fetch.h>

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>

static int listener = -1;
static unsigned port;
static pthread_t thread;

/* --- the server ---------------------------------------------------------------------------------------- */

/* Until the other side has gone. */
static void drip(int fd)
{
    while (send(fd, "0", 1, MSG_NOSIGNAL) == 1)
        usleep(20000);
}

/* Whole answers by path; "/hops/N" leads on to "/hops/N-1", and "/hops/0" has an end. */
static const struct {
    const char *path, *answer;
} answers[] = {
    {"/hops/0", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere"},
    {"/file", "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"},
    {"/loop", "HTTP/1.1 302 Found\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n"},
    {"/ten", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789"},
    {"/endless", "HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=x\r\n\r\n01234567890123456789"},
    {"/short", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n012"},
    {"/drip", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"},
    {"/retry", "HTTP/1.1 503 Busy\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n"},
    {"/retry-date", "HTTP/1.1 503 Busy\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nRetry-After: Sat, 21 Nov "
                    "2026 09:05:00 GMT\r\n"
                    "Content-Length: 0\r\n\r\n"},
    {"/retry-past", "HTTP/1.1 503 Busy\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nRetry-After: Sat, 21 Nov "
                    "2026 08:00:00 GMT\r\n"
                    "Content-Length: 0\r\n\r\n"},
    {"/retry-soon", "HTTP/1.1 503 Busy\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n"},
    {"/retry-never", "HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"},
    {"/kept", "HTTP/1.1 200 OK\r\nETag: \"a b\"\r\nLast-Modified: Sat, 21 Nov 2026 09:00:00 GMT\r\n"
              "Cache-Control: public, Max-Age=\"600\"\r\nAge: 100\r\nPreference-Applied: "
              "wait=20\r\nContent-Length: 0\r\n\r\n"},
    {"/expires",
     "HTTP/1.1 200 OK\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\nExpires: Sat, 21 Nov 2026 09:01:00 GMT\r\n"
     "Content-Length: 0\r\n\r\n"},
    {"/expired", "HTTP/1.1 200 OK\r\nExpires: 0\r\nContent-Length: 0\r\n\r\n"},
    {"/no-store", "HTTP/1.1 200 OK\r\nCache-Control: max-age=600, no-store\r\nContent-Length: 0\r\n\r\n"},
};

static void answer(int fd, const char *request)
{
    char path[64], head[128];
    unsigned hops;
    if (sscanf(request, "%*s %63s", path) != 1)
        return;
    if (sscanf(path, "/hops/%u", &hops) == 1 && hops > 0) {
        snprintf(head, sizeof head, "HTTP/1.1 302 Found\r\nLocation: /hops/%u\r\nContent-Length: 0\r\n\r\n",
                 hops - 1);
        send(fd, head, strlen(head), MSG_NOSIGNAL);
    }
    for (size_t i = 0; i < COUNT(answers); i++)
        if (strcmp(answers[i].path, path) == 0)
            send(fd, answers[i].answer, strlen(answers[i].answer), MSG_NOSIGNAL);
    if (strcmp(path, "/drip") == 0)
        drip(fd);
}

/* One connection after the other, one request each. */
static void *serve(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        char request[2048] = "";
        size_t len = 0;
        while (len < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
            ssize_t n = read(fd, request + len, sizeof request - 1 - len);
            if (n <= 0)
                break;
            len += (size_t)n;
            request[len] = 0;
        }
        answer(fd, request);
    }
    return NULL;
}

static int start(void **state)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    struct error err;
    (void)state;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 16), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    port = ntohs(address.sin_port);
    assert_int_equal(fetch_start(&err), 0);
    return pthread_create(&thread, NULL, serve, NULL);
}

static int stop(void **state)
{
    (void)state;
    shutdown(listener, SHUT_RDWR);
    pthread_join(thread, NULL);
    close(listener);
    fetch_stop();
    return 0;
}

/* --- the client ---------------------------------------------------------------------------------------- */

/* With what `request` has beside the URL. */
static int get(const char *path, struct fetch_request request, struct fetch_response *response,
               struct error *err)
{
    char url[128];
    struct fetch *fetch = fetch_new(&(struct fetch_options){0}, err);
    assert_non_null(fetch);
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    request.method = "GET";
    request.url = url;
    err->text[0] = 0;
    int result = fetch_send(fetch, &request, response, err);
    fetch_free(fetch);
    return result;
}

static void redirects_are_followed_as_far_as_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        unsigned redirects;
        int status; /* 0: fails */
    } rows[] = {
        {"/hops/0", 0, 200}, {"/hops/1", 0, 302}, {"/hops/1", 1, 200}, {"/hops/3", 3, 200},
        {"/hops/4", 3, 0},   {"/loop", 3, 0},     {"/file", 0, 302},   {"/file", 3, 0},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fetch_response response;
        struct error err;
        int result =
            get(rows[i].path, (struct fetch_request){.redirects = rows[i].redirects}, &response, &err);
        check_row(rows[i].path, (result == 0) == (rows[i].status != 0));
        check_row(rows[i].path, result < 0 || response.status == rows[i].status);
        check_row(rows[i].path, response.body.len == (rows[i].status == 200 ? 4 : 0));
        check_row(rows[i].path, result == 0 || strstr(err.text, rows[i].path));
        fetch_response_free(&response);
    }
}

static int count(void *arg, struct bytes piece)
{
    *(size_t *)arg += piece.len;
    return 0;
}

static int refuse(void *arg, struct bytes piece)
{
    (void)arg, (void)piece;
    return -1;
}

static void no_answer_is_larger_than_allowed(void **state)
{
    (void)state;
    struct fetch_response response;
    struct error err;
    size_t taken = 0;
    assert_int_equal(get("/ten", (struct fetch_request){.body_max = 10}, &response, &err), 0);
    assert_memory_equal(response.body.at, "0123456789", 11); /* a NUL behind it */
    fetch_response_free(&response);
    assert_int_equal(get("/ten", (struct fetch_request){.body_max = 9}, &response, &err), -1);
    assert_says(err, "larger than 9 octets");
    fetch_response_free(&response);
    assert_int_equal(get("/endless", (struct fetch_request){.body_max = 19}, &response, &err), -1);
    assert_says(err, "larger than 19 octets");
    fetch_response_free(&response);
    assert_int_equal(get("/endless",
                         (struct fetch_request){.body_max = 20, .sink = count, .sink_arg = &taken}, &response,
                         &err),
                     0);
    assert_int_equal(taken, 20);
    assert_int_equal(response.body.len, 0);
    assert_string_equal(response.content_type, "text/html");
    fetch_response_free(&response);
    assert_int_equal(get("/ten", (struct fetch_request){.sink = refuse}, &response, &err), -1);
    assert_says(err, "not taken to its end");
    fetch_response_free(&response);
}

static void nothing_takes_longer_than_allowed(void **state)
{
    (void)state;
    static const atomic_bool stopped = true;
    static const struct {
        const char *spoken;
        struct fetch_request request;
        int64_t least_ms, most_ms;
        const char *says;
    } rows[] = {
        {"in all", {.total_ms = 200}, 200, 900, "no answer from http://127.0.0.1"},
        {"fewer than 100 octets a second", {.slow_ms = 1000}, 900, 4000, "no answer from http://127.0.0.1"},
        {"stopped", {.stop = &stopped}, 0, 2000, "broken off"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fetch_response response;
        struct error err;
        int64_t begun_ms = clock_monotonic_ms();
        check_row(rows[i].spoken, get("/drip", rows[i].request, &response, &err) == -1);
        int64_t took_ms = clock_monotonic_ms() - begun_ms;
        if (took_ms < rows[i].least_ms || took_ms > rows[i].most_ms)
            fail_row(rows[i].spoken, "took %lld ms", (long long)took_ms);
        check_row(rows[i].spoken, strstr(err.text, rows[i].says));
        fetch_response_free(&response);
    }
}

static void half_an_answer_is_none(void **state)
{
    (void)state;
    struct fetch_response response;
    struct error err;
    assert_int_equal(get("/short", (struct fetch_request){0}, &response, &err), -1);
    assert_says(err, "no answer from");
    fetch_response_free(&response);
    assert_int_equal(get("/nothing", (struct fetch_request){0}, &response, &err), -1);
    assert_says(err, "no answer from");
    fetch_response_free(&response);
}

static void what_http_says_of_keeping_it(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int64_t retry_s, fresh_s;
    } rows[] = {
        {"/retry", 120, -1},
        {"/retry-date", 300, -1},
        {"/retry-past", 0, -1},
        {"/retry-soon", -1, -1},
        {"/retry-never", INT32_MAX, -1},
        {"/kept", -1, 500},
        {"/expires", -1, 60},
        {"/expired", -1, 0},
        {"/no-store", -1, 0},
        {"/hops/0", -1, -1},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fetch_response response;
        struct error err;
        check_row(rows[i].path, get(rows[i].path, (struct fetch_request){0}, &response, &err) == 0);
        if (response.retry_s != rows[i].retry_s || response.fresh_s != rows[i].fresh_s)
            fail_row(rows[i].path, "retry %lld, fresh %lld", (long long)response.retry_s,
                     (long long)response.fresh_s);
        bool kept = strcmp(rows[i].path, "/kept") == 0;
        check_row(rows[i].path, response.waited == kept);
        check_row(rows[i].path, strcmp(response.etag, kept ? "\"a b\"" : "") == 0);
        check_row(rows[i].path, response.modified_at == (kept ? at_text("2026-11-21T09:00:00Z") : TIME_NONE));
        fetch_response_free(&response);
    }
}

static void nobody_there(void **state)
{
    (void)state;
    struct fetch_response response;
    struct error err;
    struct fetch *fetch = fetch_new(&(struct fetch_options){0}, &err);
    struct fetch_request request = {.method = "GET", .url = "http://127.0.0.1:1/"};
    assert_int_equal(fetch_send(fetch, &request, &response, &err), -1);
    assert_int_equal(response.os_error, ECONNREFUSED);
    assert_says(err, "Connection refused");
    fetch_response_free(&response);
    fetch_free(fetch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redirects_are_followed_as_far_as_allowed),
        cmocka_unit_test(no_answer_is_larger_than_allowed),
        cmocka_unit_test(nothing_takes_longer_than_allowed),
        cmocka_unit_test(half_an_answer_is_none),
        cmocka_unit_test(what_http_says_of_keeping_it),
        cmocka_unit_test(nobody_there),
    };
    return cmocka_run_group_tests_name("fetch", tests, start, stop);
}
