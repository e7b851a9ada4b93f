/* HAProxy's runtime API: one command a connection, the answer up to its end. */
#include "internal.h"

#include <annul/base64.h>
#include <annul/clock.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define DIALOGUE_MS 5000
#define REPLY_MAX 65536
#define BUFSIZE 16384 /* HAProxy's default of tune.bufsize */
#define MARGIN 1280   /* of it for the command, its file name, and what HAProxy reserves (tune.maxrewrite) */

static int fail(const struct deliver_target *target, const char *what, struct error *err)
{
    return error_set(err, "HAProxy's socket %s: %s: %s", target->socket, what, strerror(errno));
}

/* FOUND; ABSENT where nobody listens. */
static enum outcome dial(const struct deliver_target *target, int *fd, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(target->socket) >= sizeof address.sun_path)
        return error_set(err, "HAProxy's socket %s: the path is too long", target->socket);
    strcpy(address.sun_path, target->socket);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd >= 0 && connect(*fd, (struct sockaddr *)&address, sizeof address) == 0)
        return FOUND;
    int number = errno;
    if (*fd >= 0)
        close(*fd);
    errno = number;
    fail(target, "cannot connect", err);
    return number == ENOENT || number == ECONNREFUSED ? ABSENT : FAILED;
}

static bool wait_for(int fd, short events, int64_t until)
{
    for (;;) {
        int64_t left = until - clock_monotonic_ms();
        struct pollfd wanted = {.fd = fd, .events = events};
        int n = poll(&wanted, 1, left > 0 ? (int)left : 0);
        if (n > 0)
            return true;
        if (n == 0)
            errno = ETIMEDOUT;
        if (n == 0 || errno != EINTR)
            return false;
    }
}

static bool say(int fd, struct bytes text, int64_t until)
{
    while (text.len) {
        ssize_t n = send(fd, text.at, text.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno != EAGAIN || !wait_for(fd, POLLOUT, until)))
            return false;
        if (n > 0) {
            text.at += n;
            text.len -= (size_t)n;
        }
    }
    return true;
}

/* Up to the end of the connection, which HAProxy closes. */
static bool hear(int fd, struct buffer *reply, int64_t until)
{
    for (;;) {
        if (!buffer_reserve(reply, 4097))
            return false;
        ssize_t n = recv(fd, reply->at + reply->len, 4096, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno != EAGAIN || !wait_for(fd, POLLIN, until)))
            return false;
        if (n == 0) {
            reply->at[reply->len] = 0;
            return true;
        }
        reply->len += n > 0 ? (size_t)n : 0;
        if (reply->len > REPLY_MAX) {
            errno = EMSGSIZE;
            return false;
        }
    }
}

/* FOUND with a reply, NUL behind it; free it with buffer_free. */
static enum outcome ask(const struct deliver_target *target, struct bytes command, struct buffer *reply,
                        struct error *err)
{
    int fd = -1;
    int64_t until = clock_monotonic_ms() + DIALOGUE_MS;
    *reply = (struct buffer){0};
    enum outcome outcome = dial(target, &fd, err);
    if (outcome != FOUND)
        return outcome;
    if (!say(fd, command, until) || !hear(fd, reply, until)) {
        fail(target, "no complete reply", err);
        buffer_free(reply);
        outcome = FAILED;
    }
    close(fd);
    return outcome;
}

/* The reply in one line, for an error. */
static const char *plain(struct buffer *reply)
{
    char *text = (char *)reply->at;
    for (char *c = text; *c; c++)
        if (*c < ' ' || *c > '~')
            *c = ' ';
    return text + strspn(text, " ");
}

/* Says it, and wants to hear `wanted`. */
static int order(const struct deliver_target *target, const char *what, const struct buffer *command,
                 const char *wanted, struct error *err)
{
    struct buffer reply;
    if (ask(target, (struct bytes){command->at, command->len}, &reply, err) != FOUND)
        return -1;
    int result = strstr((char *)reply.at, wanted) ? 0 : -1;
    if (result < 0)
        error_set(err, "HAProxy's socket %s: \"%s\" was answered: %.200s", target->socket, what,
                  plain(&reply));
    buffer_free(&reply);
    return result;
}

enum outcome haproxy_instance(const struct deliver_target *target, char *instance, size_t room,
                              struct error *err)
{
    static const char show[] = "show info\n";
    struct buffer reply;
    enum outcome outcome = ask(target, (struct bytes){(const uint8_t *)show, sizeof show - 1}, &reply, err);
    if (outcome != FOUND)
        return outcome;
    unsigned long pid = 0, start = 0;
    const char *pid_at = strstr((char *)reply.at, "\nPid: ");
    const char *start_at = strstr((char *)reply.at, "\nStart_time_sec: ");
    if (!pid_at || !start_at || sscanf(pid_at, " Pid: %lu", &pid) != 1 ||
        sscanf(start_at, " Start_time_sec: %lu", &start) != 1)
        outcome = error_set(err, "HAProxy's socket %s: \"show info\" was answered: %.200s", target->socket,
                            plain(&reply));
    snprintf(instance, room, "%lu %lu", pid, start);
    buffer_free(&reply);
    return outcome;
}

int haproxy_push_staple(const struct deliver_target *target, struct bytes der, struct error *err)
{
    struct buffer command = {0};
    size_t len = BASE64_ENCODED_LEN(der.len);
    int result = -1;
    if (!buffer_add_text(&command, "set ssl ocsp-response <<\n") || !buffer_reserve(&command, len + 2)) {
        error_set(err, "out of memory");
    } else {
        command.len += base64_encode(der.at, der.len, (char *)command.at + command.len);
        buffer_add_text(&command, "\n\n");
        result = order(target, "set ssl ocsp-response", &command, "OCSP Response updated!", err);
    }
    buffer_free(&command);
    return result;
}

bool haproxy_can_take(const struct deliver_target *target, size_t len)
{
    size_t bufsize = target->bufsize ? target->bufsize : BUFSIZE;
    return len + MARGIN <= bufsize;
}

static int crl_order(const struct deliver_target *target, const char *verb, struct bytes payload,
                     const char *wanted, struct error *err)
{
    struct buffer command = {0};
    char what[32];
    snprintf(what, sizeof what, "%s ssl crl-file", verb);
    bool good =
        buffer_printf(&command, "%s %s%s\n", what, target->crl_name ? target->crl_name : target->path,
                      payload.len ? " <<" : "") &&
        (!payload.len || (buffer_add(&command, payload.at, payload.len) && buffer_add_text(&command, "\n")));
    int result = good ? order(target, what, &command, wanted, err) : error_set(err, "out of memory");
    buffer_free(&command);
    return result;
}

int haproxy_push_crls(const struct deliver_target *target, struct bytes pem, struct error *err)
{
    static const struct bytes nothing = {0};
    if (crl_order(target, "set", pem, "transaction ", err) == 0 &&
        crl_order(target, "commit", nothing, "Success!", err) == 0)
        return 0;
    crl_order(target, "abort", nothing, "", NULL); /* or the next one would build on what was refused */
    return -1;
}
