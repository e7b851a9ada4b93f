/* Refused attempts go into the audit trail, as many as cannot fill the disk. */
#include "internal.h"
#include "strangers.h"

#include <annul/clock.h>
#include <annul/log.h>
#include <annul/utf8.h>

#include <stdio.h>
#include <string.h>

static void note(struct admin *admin, const struct store_actor *actor, const char *action,
                 const struct issuer *issuer, const struct serial *serial, const char *detail)
{
    struct error err;
    if (admin_note(admin, actor, action, issuer, serial, detail, &err) != ADMIN_DONE)
        log_limited(LOG_LEVEL_ERROR, "admin", "audit of %s by %s: %s", action, actor->name, err.text);
}

/* `why`, and how many there were that are told of only so. */
static void describe(const struct stranger *stranger, const char *why, char *detail, size_t room)
{
    char known[640];
    snprintf(known, sizeof known, "%s", why);
    known[utf8_len(known)] = 0; /* what is half a character, or never was one, would pass for damage */
    if (stranger->left_out)
        snprintf(detail, room, "%s; %u attempts before it had no entry", known, stranger->left_out);
    else
        snprintf(detail, room, "%s", known);
}

/* --- of somebody we know ------------------------------------------------------------------------------- */

void refused_call(struct request *request, unsigned status, const char *why)
{
    char action[40], text[660], detail[720];
    struct serial serial;
    struct stranger stranger = strangers_failed(STRANGERS_ACTORS, request->actor_name, clock_monotonic_ms());
    if (!stranger.due)
        return;
    struct store_actor actor = auth_actor(request);
    const struct issuer *issuer =
        request->part[0] ? issuers_by_name(request->services->issuers, request->part[0]) : NULL;
    bool of_serial = request->part[1] && serial_from_text(request->part[1], &serial);
    snprintf(action, sizeof action, AUDIT_REFUSED "%s",
             request->route->action ? request->route->action : "read");
    snprintf(text, sizeof text, "%u: %s", status, why);
    describe(&stranger, text, detail, sizeof detail);
    note(request->services->admin, &actor, action, issuer, of_serial ? &serial : NULL, detail);
}

/* --- of strangers -------------------------------------------------------------------------------------- */

#define ACTION AUDIT_REFUSED "authentication"

int64_t refused_stranger(struct request *request, const char *why)
{
    char detail[720], network[ORIGIN_TEXT];
    origin_network(request->connection, network);
    struct stranger stranger = strangers_failed(STRANGERS_NETWORKS, network, clock_monotonic_ms());
    struct store_actor actor = {"unknown", stranger.other ? "others" : request->actor_origin, clock_now()};
    describe(&stranger, why, detail, sizeof detail);
    if (stranger.due)
        note(request->services->admin, &actor, ACTION, NULL, NULL, detail);
    if (strcmp(request->actor_origin, "unix") == 0) /* whoever may connect there is one of us */
        return 0;
    return (stranger.wait_ms + 999) / 1000;
}

/* --- in the end ---------------------------------------------------------------------------------------- */

static void tell(struct admin *admin, const struct store_actor *actor, const char *action, unsigned left_out)
{
    char detail[64];
    snprintf(detail, sizeof detail, "%u attempts had no entry", left_out);
    note(admin, actor, action, NULL, NULL, detail);
}

static void tell_of_network(void *arg, const char *network, unsigned left_out)
{
    tell(arg, &(struct store_actor){"unknown", network, clock_now()}, ACTION, left_out);
}

static void tell_of_actor(void *arg, const char *name, unsigned left_out)
{
    tell(arg, &(struct store_actor){name, "annuld", clock_now()}, AUDIT_REFUSED "calls", left_out);
}

void refused_stop(struct admin *admin)
{
    strangers_forget(STRANGERS_NETWORKS, tell_of_network, admin);
    strangers_forget(STRANGERS_ACTORS, tell_of_actor, admin);
}
