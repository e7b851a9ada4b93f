/* Which request, and who is asking: a bearer token, or a process on this machine that owns us anyway. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/hex.h>
#include <annul/log.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

void request_identify(struct request *request)
{
    static const char sane[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.";
    const char *wish = request_header(request, "X-Request-Id");
    size_t len = wish ? strlen(wish) : 0;
    uint8_t octets[16] = {0};
    if (len && len <= REQUEST_ID_MAX && strspn(wish, sane) == len) {
        memcpy(request->id, wish, len + 1);
        return;
    }
    if (getrandom(octets, sizeof octets, GRND_NONBLOCK) == sizeof octets)
        hex_encode(octets, sizeof octets, request->id);
}

static void note_origin(struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *address = info ? info->client_addr : NULL;
    snprintf(request->actor_origin, sizeof request->actor_origin, "unix");
    if (address && address->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)address)->sin_addr,
                  request->actor_origin, sizeof request->actor_origin);
    else if (address && address->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr,
                  request->actor_origin, sizeof request->actor_origin);
}

/* On the Unix socket the kernel says who it is: root, and the user that the daemon runs as, could read the
 * database and the socket's token anyway. */
static bool is_peer(struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t len = sizeof peer;
    int domain;
    socklen_t domain_len = sizeof domain;
    if (!info || getsockopt(info->connect_fd, SOL_SOCKET, SO_DOMAIN, &domain, &domain_len) < 0 ||
        domain != AF_UNIX || getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
        (peer.uid != 0 && peer.uid != geteuid()))
        return false;
    snprintf(request->actor_name, sizeof request->actor_name, "uid:%u", (unsigned)peer.uid);
    return true;
}

bool auth_check(struct request *request, enum MHD_Result *result)
{
    static const char scheme[] = "Bearer ";
    struct error err;
    char name[64];
    note_origin(request);
    const char *header = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    if (!header && is_peer(request))
        return true;
    if (!header || strncasecmp(header, scheme, sizeof scheme - 1) != 0) {
        refused_stranger(request, "no token");
        *result = reply_problem(request, 401,
                                "send the header Authorization: Bearer TOKEN; `annulctl token create "
                                "NAME` on the daemon's machine makes a token");
        return false;
    }
    switch (admin_token_check(request->services->admin, header + sizeof scheme - 1, name, &err)) {
    case FOUND:
        snprintf(request->actor_name, sizeof request->actor_name, "token:%s", name);
        return true;
    case ABSENT:
        log_limited(LOG_LEVEL_WARN, "admin", "refused a token from %s: unknown or revoked",
                    request->actor_origin);
        refused_stranger(request, "a token that is unknown or revoked");
        *result = reply_problem(request, 401, "this token is unknown or revoked");
        return false;
    case FAILED:
        break;
    }
    *result = reply_problem(request, 503, "%s", err.text);
    return false;
}

bool auth_covers(const struct request *request, const char *issuer)
{
    (void)request, (void)issuer; /* every token is for all of them */
    return true;
}

struct store_actor auth_actor(const struct request *request)
{
    return (struct store_actor){request->actor_name, request->actor_origin, clock_now()};
}
