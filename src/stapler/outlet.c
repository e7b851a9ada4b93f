/* From what is had to where consumers read it. */
#include "stapler.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_S 5 /* how soon a restarted HAProxy is seen */
#define STATE_MAX 4096

static job_run outlet_work;

/* --- paths --------------------------------------------------------------------------------------------- */

static bool add_filled(struct buffer *out, const char *pattern, const char *certificate_path)
{
    const char *slash = strrchr(certificate_path, '/'), *name = slash ? slash + 1 : certificate_path,
               *dot = strrchr(name, '.');
    size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    while (*pattern) {
        bool good;
        if (strncmp(pattern, "{certificate}", 13) == 0) {
            good = buffer_add_text(out, certificate_path);
            pattern += 13;
        } else if (strncmp(pattern, "{name}", 6) == 0) {
            good = buffer_add(out, name, len);
            pattern += 6;
        } else {
            good = buffer_add(out, pattern++, 1);
        }
        if (!good)
            return false;
    }
    return buffer_add(out, "", 1);
}

char *outlet_path(const struct place *place, const char *certificate_path)
{
    struct buffer out = {0};
    if (!place->path.text)
        return NULL;
    if (!certificate_path)
        return strdup(place->path.text);
    if (add_filled(&out, place->path.text, certificate_path))
        return (char *)out.at;
    buffer_free(&out);
    return NULL;
}

/* --- what must not be forgotten over a restart --------------------------------------------------------- */

struct saving {
    struct stapler *stapler;
    const struct outlet *outlet;
};

/* Said once until it can be saved again. */
static void save_state(void *arg, const struct deliver_state *state)
{
    const struct saving *saving = arg;
    struct buffer text = {0};
    char *path = disk_path(saving->stapler->config, "deliver", saving->outlet->id, ".state");
    struct error err;
    int result = -1;
    if (path && buffer_printf(&text, "%d %u %lld %s\n", state->pending, state->failures,
                              (long long)state->retry_at, state->instance))
        result = disk_put(path, (struct bytes){text.at, text.len}, &err);
    else
        error_set(&err, "out of memory");
    if (!atomic_exchange(&saving->stapler->forgetful, result < 0) && result < 0)
        log_error("stapler",
                  "cache: %s: what was delivered is not remembered over a restart; delivery goes on",
                  err.text);
    buffer_free(&text);
    free(path);
}

static void load_state(struct stapler *stapler, struct outlet *outlet)
{
    struct deliver_state *state = &outlet->state;
    struct buffer text = {0};
    long long retry_at = 0;
    int pending = 0, instance = 0;
    char *path = disk_path(stapler->config, "deliver", outlet->id, ".state");
    if (path && file_read(path, STATE_MAX, &text) == 0 &&
        sscanf((const char *)text.at, "%d %u %lld %n", &pending, &state->failures, &retry_at, &instance) ==
            3) {
        state->pending = pending != 0;
        state->retry_at = retry_at;
        snprintf(state->instance, sizeof state->instance, "%.*s",
                 (int)strcspn((const char *)text.at + instance, "\n"), (const char *)text.at + instance);
    }
    buffer_free(&text);
    free(path);
}

/* --- making -------------------------------------------------------------------------------------------- */

/* Two that write one file would undo each other. */
static bool is_taken(const struct stapler *stapler, const char *path)
{
    for (size_t i = 0; path && i < stapler->outlets.count; i++) {
        const struct outlet *other = stapler->outlets.at[i];
        bool gone = other->staple && access(other->staple->path, F_OK) < 0; /* it is about to be dropped */
        if (!gone && other->path && other->target.kind != DELIVER_HITCH && strcmp(other->path, path) == 0)
            return true;
    }
    return false;
}

/* `path` becomes the outlet's. */
static int add_outlet(struct stapler *stapler, const struct section *section, const struct place *place,
                      char *path, struct staple *staple, struct error *err)
{
    struct outlet *outlet = calloc(1, sizeof *outlet);
    struct buffer identity = {0};
    if (!outlet || !list_add(&stapler->outlets, outlet) ||
        !buffer_printf(&identity, "%s %s %s %s", place ? place->kind.text : "hook", path ? path : "",
                       staple ? staple->item.name : "",
                       place && place->socket.text ? place->socket.text : "")) {
        free(outlet);
        free(path);
        return error_set(err, "out of memory");
    }
    outlet->job = (struct job){.run = outlet_work, .due_at = NEVER};
    outlet->section = section;
    outlet->place = place;
    outlet->staple = staple;
    outlet->path = path;
    if (place)
        outlet->target = place->target;
    outlet->target.path = path;
    disk_id((struct bytes){identity.at, identity.len}, outlet->id);
    buffer_free(&identity);
    load_state(stapler, outlet);
    outlet->job.due_at = AT_ONCE;
    return 0;
}

/* The hook of revoked certificates: a file in the cache, and the command that is told of it. */
static int add_hook(struct stapler *stapler, const struct section *section, struct staple *staple,
                    struct error *err)
{
    char id[ID_TEXT];
    disk_id((struct bytes){(const uint8_t *)staple->item.name, strlen(staple->item.name)}, id);
    char *path = disk_path(stapler->config, "revoked", id, ".der");
    if (!path || add_outlet(stapler, section, NULL, path, staple, err) < 0)
        return error_set(err, "out of memory");
    struct outlet *outlet = stapler->outlets.at[stapler->outlets.count - 1];
    outlet->target = (struct deliver_target){.kind = DELIVER_FILE,
                                             .path = path,
                                             .uid = DELIVER_KEEP,
                                             .gid = DELIVER_KEEP,
                                             .mode = DELIVER_KEEP,
                                             .notify = {.command = section->hook_argv}};
    return 0;
}

int outlets_make(struct stapler *stapler, const struct section *section, struct staple *staple,
                 struct error *err)
{
    size_t count = staple && staple->place ? 0 : section->place_count; /* consumers staple the first alone */
    for (size_t i = 0; i < count; i++) {
        const struct place *place = &section->places[i];
        char *path = outlet_path(place, staple ? staple->path : NULL);
        if (staple && place->target.kind != DELIVER_HITCH && is_taken(stapler, path)) {
            log_error("stapler", "%s: is not delivered to %s, which is another's: give each its own path",
                      staple->path, path);
            free(path);
            continue;
        }
        if ((!path && place->path.text) || add_outlet(stapler, section, place, path, staple, err) < 0)
            return error_set(err, "out of memory");
    }
    return staple && section->revoked == REVOKED_HOOK ? add_hook(stapler, section, staple, err) : 0;
}

void outlet_free(struct outlet *outlet)
{
    free(outlet->path);
    free(outlet);
}

/* --- delivering ---------------------------------------------------------------------------------------- */

/* hitch does not take one that says revoked, and would go on with the good one before. */
static bool is_withheld(const struct outlet *outlet)
{
    return outlet->section->revoked == REVOKED_WITHHOLD || outlet->target.kind == DELIVER_HITCH;
}

static bool is_given(const struct stapler *stapler, const struct outlet *outlet, const struct held *held,
                     int64_t now)
{
    bool revoked = held && held->verdict.status == OCSP_CERT_REVOKED;
    return held && schedule_withdraw(held->window, stapler->once) > now && (outlet->place || revoked) &&
           !(revoked && is_withheld(outlet));
}

/* HAProxy takes staples later only where the file was there at its start: an empty one is made before the first fetch,
 * but none that is there is emptied. */
static bool lacks_file(const struct outlet *outlet)
{
    struct buffer path = {0};
    bool lacks = outlet->target.kind == DELIVER_HAPROXY &&
                 buffer_printf(&path, "%s.ocsp", outlet->staple->path) &&
                 access((const char *)path.at, F_OK) < 0;
    buffer_free(&path);
    return lacks;
}

/* HAProxy wants the CA's certificate in a file. */
static char *issuer_file(struct stapler *stapler, const struct outlet *outlet)
{
    struct buffer pem = {0};
    struct error err;
    char *path = disk_path(stapler->config, "ocsp", outlet->staple->id, ".issuer");
    if (path && access(path, F_OK) < 0 &&
        (!certificate_to_pem((struct bytes){outlet->staple->issuer.at, outlet->staple->issuer.len}, &pem) ||
         disk_put(path, (struct bytes){pem.at, pem.len}, &err) < 0)) {
        free(path);
        path = NULL;
    }
    buffer_free(&pem);
    return path;
}

/* The first fetch will tell; a run that ends by itself waits for it also where it could still give out what is held. With the
 * lock. */
static bool is_undecided(const struct stapler *stapler, const struct staple *staple)
{
    const struct item *item = &staple->item;
    bool coming = stapler->once && item->job.due_at <= stapler->started_at;
    return (!item->held || coming) && !item->tried && !staple->skipped.text[0];
}

static enum deliver_outcome give_staple(struct stapler *stapler, struct outlet *outlet,
                                        const struct delivery *delivery, bool *delivered, int64_t *next_at,
                                        struct error *err)
{
    stapler_lock(stapler);
    bool undecided = is_undecided(stapler, outlet->staple);
    bool waits = undecided && !lacks_file(outlet);
    struct held *held = waits ? NULL : held_hold(outlet->staple->item.held);
    stapler_unlock(stapler);
    if (waits)
        return DELIVER_SAME;
    bool given = is_given(stapler, outlet, held, delivery->now);
    struct deliver_staple staple = {.certificate_path = outlet->staple->path};
    if (given) {
        staple.der = held->der;
        staple.expires_at = held->window.end_at;
        *next_at = schedule_withdraw(held->window, stapler->once);
    }
    char *issuer = outlet->target.kind == DELIVER_HAPROXY && outlet->staple->issuer.len
                       ? issuer_file(stapler, outlet)
                       : NULL;
    staple.issuer_path = issuer;
    enum deliver_outcome outcome = deliver_staple(delivery, &staple, err);
    *delivered = given && outcome != DELIVER_FAILED;
    if (outcome == DELIVER_DONE && outlet->place && !undecided)
        log_info("stapler", "%s: %s %s", outlet->staple->path, given ? "delivered to" : "withdrawn from",
                 outlet->path ? outlet->path : outlet->place->kind.text);
    free(issuer);
    held_release(held);
    return outcome;
}

/* A reader of hash folders finds each CRL by itself; a bundle with one of them missing has every client of that CA
 * refused. */
static bool is_whole_wanted(const struct outlet *outlet)
{
    return outlet->target.kind != DELIVER_HASH_DIR && outlet->target.kind != DELIVER_HASH_DIR_LIVE;
}

static enum deliver_outcome give_held(const struct outlet *outlet, const struct delivery *delivery,
                                      const struct lists *lists, struct error *err)
{
    struct deliver_crl *crls = calloc(lists->count, sizeof *crls);
    if (!crls)
        return (enum deliver_outcome)error_set(err, "out of memory");
    for (size_t i = 0; i < lists->count; i++) {
        const struct held *held = lists->held[i];
        crls[i] = (struct deliver_crl){held->der, &held->issuer, held->number, held->window.end_at};
    }
    enum deliver_outcome outcome = deliver_crls(delivery, crls, lists->count, err);
    if (outcome == DELIVER_DONE)
        log_info("stapler", "crl %s: delivered to %s", outlet->section->name.text, outlet->path);
    free(crls);
    return outcome;
}

static enum deliver_outcome give_crls(struct stapler *stapler, struct outlet *outlet,
                                      const struct delivery *delivery, bool *delivered, struct error *err)
{
    struct lists lists;
    if (lists_hold(stapler, outlet->section, &lists) < 0)
        return (enum deliver_outcome)error_set(err, "out of memory");
    bool lacks = is_whole_wanted(outlet) && lists.missing, give = lists.count > 0 && !lacks;
    if (!give && lists.count > 0 && !outlet->waiting)
        log_warn("stapler", "crl %s: %s waits for %s", outlet->section->name.text, outlet->path,
                 lists.missing);
    outlet->waiting = !give && lists.count > 0;
    enum deliver_outcome outcome = give ? give_held(outlet, delivery, &lists, err) : DELIVER_SAME;
    *delivered = give && outcome != DELIVER_FAILED;
    lists_release(&lists);
    return outcome;
}

static bool is_of_socket(const struct outlet *outlet, const char *socket)
{
    return deliver_is_polled(&outlet->target) && strcmp(outlet->target.socket, socket) == 0;
}

/* One asks each socket whether another process answers, and wakes the others when one does. With the lock. */
static bool is_asked(const struct stapler *stapler, const struct outlet *outlet, int64_t until)
{
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        const struct outlet *other = stapler->outlets.at[i];
        if (other != outlet && is_of_socket(other, outlet->target.socket) && other->delivered &&
            other->job.due_at <= until)
            return true;
    }
    return false;
}

/* Those that have told another process than this one, or, where it has withdrawn, all: it asks no more. */
static void wake_others(struct stapler *stapler, const struct outlet *outlet)
{
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        struct outlet *other = stapler->outlets.at[i];
        if (other != outlet && is_of_socket(other, outlet->target.socket) && other->delivered &&
            (!outlet->delivered || strcmp(other->state.instance, outlet->state.instance) != 0))
            stapler_wake(stapler, &other->job);
    }
}

/* Nothing twice. */
static void say_undone(const struct outlet *outlet, enum deliver_outcome outcome, const struct error *err)
{
    const char *name = outlet->section->name.text;
    if (outcome == DELIVER_FAILED && strcmp(err->text, outlet->failure.text) != 0)
        log_error("stapler", "%s: %s", name, err->text);
    if (outcome == DELIVER_AWAY && strcmp(err->text, outlet->away.text) != 0)
        log_info("stapler", "%s: %s is there, and nobody to be told: %s", name, outlet->path, err->text);
}

static void outlet_work(struct stapler *stapler, struct job *job)
{
    struct outlet *outlet = (struct outlet *)job;
    struct deliver_state state = outlet->state;
    struct saving saving = {stapler, outlet};
    int64_t now = clock_now(), next_at = NEVER;
    struct delivery delivery = {&outlet->target, &state, save_state, &saving, now};
    struct error err = {""};
    const struct error nothing = {""};
    bool delivered = false;
    enum deliver_outcome outcome = outlet->staple
                                       ? give_staple(stapler, outlet, &delivery, &delivered, &next_at, &err)
                                       : give_crls(stapler, outlet, &delivery, &delivered, &err);
    say_undone(outlet, outcome, &err);
    if (state.retry_at && state.retry_at < next_at)
        next_at = state.retry_at > now ? state.retry_at : now + 1;
    stapler_lock(stapler);
    bool polled = deliver_is_polled(&outlet->target);
    bool news =
        polled && (strcmp(state.instance, outlet->state.instance) != 0 || delivered < outlet->delivered);
    if (polled && delivered && now + POLL_S < next_at && !is_asked(stapler, outlet, now + POLL_S))
        next_at = now + POLL_S;
    stapler->dirty |= outcome != DELIVER_SAME || outlet->failure.text[0] || outlet->away.text[0];
    if (outcome == DELIVER_DONE)
        outlet->delivered_at = now;
    outlet->delivered = delivered;
    outlet->failure = outcome == DELIVER_FAILED ? err : nothing;
    outlet->away = outcome == DELIVER_AWAY ? err : nothing;
    outlet->state = state;
    outlet->job.due_at = next_at;
    if (news)
        wake_others(stapler, outlet);
    stapler_unlock(stapler);
}
