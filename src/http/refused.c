/* Refused attempts go into the audit trail: each of somebody we know; of strangers, as many as cannot fill the disk. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <pthread.h>
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

#define ADDRESSES 64         /* told apart at a time; the rest are "others" */
#define PAUSE_MIN_MS 1000    /* between two entries about one address; it doubles with each … */
#define PAUSE_MAX_MS 3600000 /* … and is forgotten after as long a peace */

static struct address {
    char origin[64]; /* "": free */
    int64_t next_ms, pause_ms;
    unsigned left_out; /* attempts since the last entry */
} addresses[ADDRESSES + 1] = {[ADDRESSES] = {.origin = "others"}};
static struct address *const others = &addresses[ADDRESSES];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_free(const struct address *address, int64_t now_ms)
{
    return !*address->origin || now_ms >= address->next_ms + PAUSE_MAX_MS;
}

/* The one of this origin, or one that is free; what that has left out goes to the others. */
static struct address *find(const char *origin, int64_t now_ms)
{
    struct address *found = others;
    for (size_t i = 0; i < ADDRESSES; i++) {
        if (strcmp(addresses[i].origin, origin) == 0)
            return &addresses[i];
        if (found == others && is_free(&addresses[i], now_ms))
            found = &addresses[i];
    }
    if (found == others)
        return found;
    others->left_out += found->left_out;
    *found = (struct address){0};
    snprintf(found->origin, sizeof found->origin, "%s", origin);
    return found;
}

/* Whether it is time for an entry; then with what was left out before. */
static bool take(const char *origin, struct address *copy)
{
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&mutex);
    struct address *address = find(origin, now_ms);
    bool due = now_ms >= address->next_ms;
    if (due) {
        bool peace = now_ms >= address->next_ms + PAUSE_MAX_MS || !address->pause_ms;
        address->pause_ms = peace ? PAUSE_MIN_MS : 2 * address->pause_ms;
        if (address->pause_ms > PAUSE_MAX_MS)
            address->pause_ms = PAUSE_MAX_MS;
        address->next_ms = now_ms + address->pause_ms;
        *copy = *address;
        address->left_out = 0;
    } else {
        address->left_out++;
    }
    pthread_mutex_unlock(&mutex);
    return due;
}

#define ACTION AUDIT_REFUSED "authentication"

void refused_stranger(struct request *request, const char *why)
{
    char detail[240];
    struct address address;
    if (!take(request->actor_origin, &address))
        return;
    struct store_actor actor = {"unknown", address.origin, clock_now()};
    if (address.left_out)
        snprintf(detail, sizeof detail, "%s; %u attempts before it had no entry", why, address.left_out);
    else
        snprintf(detail, sizeof detail, "%s", why);
    note(request->services->admin, &actor, ACTION, NULL, NULL, detail);
}

void refused_stop(struct admin *admin)
{
    for (size_t i = 0; i <= ADDRESSES; i++) {
        char detail[64];
        struct store_actor actor = {"unknown", addresses[i].origin, clock_now()};
        snprintf(detail, sizeof detail, "%u attempts had no entry", addresses[i].left_out);
        if (addresses[i].left_out)
            note(admin, &actor, ACTION, NULL, NULL, detail);
        addresses[i].left_out = 0;
    }
}
