/* Which request, and who is asking: a bearer token, or a process on this machine that owns us anyway. */
#include "internal.h"
#include "tls.h"

#include <annul/clock.h>
#include <annul/hex.h>
#include <annul/log.h>

#include <stdio.h>
#include <stdlib.h>
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
    request->role = ROLE_ADMINISTRATOR;
    request->expires_at = TIME_NONE;
    request->is_ambient = true;
    return true;
}

static void take_holder(struct request *request, struct admin_holder *holder)
{
    snprintf(request->actor_name, sizeof request->actor_name, "token:%s", holder->name);
    request->role = holder->role;
    request->scope = request->scope_of_token = holder->scope;
    request->expires_at = holder->expires_at;
}

/* Who has the right token is never made to wait for those at the same address who have not. */
static bool refuse(struct request *request, const char *why, const char *answer, enum MHD_Result *result)
{
    request->retry_s = refused_stranger(request, why);
    if (request->retry_s == 0)
        *result = reply_problem(request, 401, "%s", answer);
    else
        *result =
            reply_problem(request, 429,
                          "too many attempts without a good token came from %s; the next one is looked at "
                          "in %lld s, and a good token at once",
                          request->actor_origin, (long long)request->retry_s);
    return false;
}

static bool check_token(struct request *request, const char *token, enum MHD_Result *result)
{
    struct error err;
    char why[160];
    struct admin_holder holder;
    int64_t now = clock_now();
    switch (admin_token_check(request->services->admin, token, now, &holder, &err)) {
    case FOUND:
        take_holder(request, &holder);
        last_use_note(request->last_use, &holder, now);
        return true;
    case ABSENT:
        log_limited(LOG_LEVEL_WARN, "admin", "refused a token from %s: %s", request->actor_origin, err.text);
        snprintf(why, sizeof why, "a token that is %s", err.text);
        return refuse(request, why, "this token is not good: it is unknown, revoked or expired", result);
    case FAILED:
        break;
    }
    *result = reply_problem(request, 503, "%s", err.text);
    return false;
}

static const struct config_client *client_of(const struct config *config, const char *subject)
{
    for (size_t i = 0; i < config->admin.client_count; i++)
        if (strcmp(config->admin.clients[i].subject.text, subject) == 0)
            return &config->admin.clients[i];
    return NULL;
}

static bool take_client(struct request *request, const struct certificate *certificate, struct error *err)
{
    char *subject = certificate_subject_text(certificate);
    const struct config_client *client = subject ? client_of(request->services->config, subject) : NULL;
    if (client) {
        snprintf(request->actor_name, sizeof request->actor_name, "cert:%s", subject);
        request->role = client->role;
        request->scope = client->scope;
        request->expires_at = certificate->not_after;
        request->is_ambient = true;
    } else {
        error_set(err, "no client section is for the certificate of %s", subject ? subject : "?");
    }
    free(subject);
    return client;
}

/* ABSENT: it has shown none. */
static enum outcome check_client(struct request *request, enum MHD_Result *result)
{
    struct error err;
    struct certificate certificate;
    bool broken;
    enum outcome found = tls_client(request, &certificate, &broken, &err);
    if (found == ABSENT)
        return ABSENT;
    bool taken = found == FOUND && take_client(request, &certificate, &err);
    if (found == FOUND)
        certificate_free(&certificate);
    if (taken)
        return FOUND;
    if (broken) {
        *result = reply_problem(request, 503, "%s", err.text);
        return FAILED;
    }
    log_limited(LOG_LEVEL_WARN, "admin", "refused a client certificate from %s: %s", request->actor_origin,
                err.text);
    refuse(request, err.text,
           "this client certificate is not good here: it is not of client_ca, expired, revoked, or in no "
           "client section",
           result);
    return FAILED;
}

/* The header, and what of it is a bearer token; both may be NULL. */
static const char *token_of(struct request *request, const char **header)
{
    static const char scheme[] = "Bearer ";
    *header = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    bool bears = *header && strncasecmp(*header, scheme, sizeof scheme - 1) == 0;
    return bears ? *header + sizeof scheme - 1 : NULL;
}

bool auth_check(struct request *request, enum MHD_Result *result)
{
    const char *header, *token = token_of(request, &header);
    origin_text(request->connection, request->actor_origin);
    if (!header && is_peer(request))
        return true;
    enum outcome client = header ? ABSENT : check_client(request, result);
    if (client != ABSENT)
        return client == FOUND;
    if (token)
        return check_token(request, token, result);
    return refuse(request, "no token",
                  "send the header Authorization: Bearer TOKEN; `annulctl token create NAME` on the daemon's "
                  "machine makes a token",
                  result);
}

/* --- still good ---------------------------------------------------------------------------------------- */

static enum outcome token_lasts(struct request *request, const char *token, struct error *err)
{
    struct admin_holder holder;
    enum outcome found = admin_token_check(request->services->admin, token, clock_now(), &holder, err);
    if (found == FOUND)
        free(holder.scope);
    return found;
}

static enum outcome client_lasts(struct request *request, struct error *err)
{
    struct certificate certificate;
    bool broken;
    enum outcome found = tls_client(request, &certificate, &broken, err);
    if (found == FOUND)
        certificate_free(&certificate);
    return found == FAILED && !broken ? ABSENT : found;
}

enum outcome auth_lasts(struct request *request, struct error *err)
{
    const char *header, *token = token_of(request, &header);
    if (!*request->actor_name) /* nobody was asked who he is */
        return FOUND;
    if (token)
        return token_lasts(request, token, err);
    return strcmp(request->actor_origin, "unix") == 0 ? FOUND : client_lasts(request, err);
}

bool auth_check_again(struct request *request, enum MHD_Result *result)
{
    struct error err;
    enum outcome lasts = auth_lasts(request, &err);
    if (lasts == ABSENT)
        *result = reply_problem(request, 401, "%s was good when this call began, and is no more",
                                request->actor_name);
    else if (lasts == FAILED)
        *result = reply_problem(request, 503, "%s", err.text);
    return lasts == FOUND;
}

struct store_actor auth_actor(const struct request *request)
{
    return (struct store_actor){request->actor_name, request->actor_origin, clock_now()};
}
