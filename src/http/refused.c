/* Refused attempts go into the audit trail: each of somebody we know; of strangers, as many as cannot fill the disk. */
#include "internal.h"
#include "strangers.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static void note(struct admin *admin, const struct store_actor *actor, const char *action,
                 const struct issuer *issuer, const struct serial *serial, const char *detail)
{
    struct error err;
    if (admin_note(admin, actor, action, issuer, serial, detail, &err) != ADMIN_DONE)
        log_limited(LOG_LEVEL_ERROR, "admin", "audit of %s by %s: %s", action, actor->name, err.text);
}

/* --- of somebody we know ------------------------------------------------------------------------------- */

void refused_call(struct request *request, unsigned status, const char *why)
{
    char action[40], detail[660];
    struct serial serial;
    struct store_actor actor = auth_actor(request);
    const struct issuer *issuer =
        request->part[0] ? issuers_by_name(request->services->issuers, request->part[0]) : NULL;
    bool of_serial = request->part[1] && serial_from_text(request->part[1], &serial);
    snprintf(action, sizeof action, AUDIT_REFUSED "%s",
             request->route->action ? request->route->action : "read");
    snprintf(detail, sizeof detail, "%u: %s", status, why);
    note(request->services->admin, &actor, action, issuer, of_serial ? &serial : NULL, detail);
}

/* --- of strangers -------------------------------------------------------------------------------------- */

#define ACTION AUDIT_REFUSED "authentication"

/* What is slowed down: an address of IPv4, a /64 network of IPv6, for that is what one client has. */
static void network_of(const char *origin, char network[INET6_ADDRSTRLEN + 4])
{
    struct in6_addr address;
    snprintf(network, INET6_ADDRSTRLEN + 4, "%s", origin);
    if (inet_pton(AF_INET6, origin, &address) != 1)
        return;
    memset(&address.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &address, network, INET6_ADDRSTRLEN);
    strcat(network, "/64");
}

int64_t refused_stranger(struct request *request, const char *why)
{
    char detail[240], network[INET6_ADDRSTRLEN + 4];
    network_of(request->actor_origin, network);
    struct stranger stranger = strangers_failed(network, clock_monotonic_ms());
    struct store_actor actor = {"unknown", stranger.other ? "others" : request->actor_origin, clock_now()};
    if (stranger.left_out)
        snprintf(detail, sizeof detail, "%s; %u attempts before it had no entry", why, stranger.left_out);
    else
        snprintf(detail, sizeof detail, "%s", why);
    if (stranger.due)
        note(request->services->admin, &actor, ACTION, NULL, NULL, detail);
    if (strcmp(request->actor_origin, "unix") == 0) /* whoever may connect there is one of us */
        return 0;
    return (stranger.wait_ms + 999) / 1000;
}

static void tell(void *arg, const char *network, unsigned left_out)
{
    char detail[64];
    struct store_actor actor = {"unknown", network, clock_now()};
    snprintf(detail, sizeof detail, "%u attempts had no entry", left_out);
    note(arg, &actor, ACTION, NULL, NULL, detail);
}

void refused_stop(struct admin *admin)
{
    strangers_forget(tell, admin);
}
