/* What staples and CRLs have in common: how a fetch ends, and what is said of it. */
#include "stapler.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <stdlib.h>
#include <string.h>

#define HAPROXY_EARLY_S 300 /* before nextUpdate it stops stapling */

static void say_failure(struct item *item, const struct attempt *attempt, int64_t now)
{
    char until[TIME_TEXT];
    bool same = strcmp(item->failure.text, attempt->err.text) == 0;
    item->failure = attempt->err;
    if (same) /* it was said */
        return;
    bool has = item->held && item->held->window.end_at > now;
    bool near = has && item->held->window.end_at - now <
                           (item->held->window.end_at - item->held->window.begin_at) / 4;
    bool loud = item->grave || near || !has || !attempt->temporary; /* it may not pass by itself */
    enum log_level level = loud ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN;
    if (!has) {
        log_write(level, "stapler", "%s: %s; there is nothing to give out%s", item->name, attempt->err.text,
                  item->grave ? ", and the certificate says Must-Staple" : "");
        return;
    }
    time_to_text(item->held->window.end_at, until);
    log_write(level, "stapler", "%s: %s; the present one stays, it ends at %s", item->name, attempt->err.text,
              until);
}

static void say_success(struct item *item, const struct attempt *attempt)
{
    char until[TIME_TEXT];
    const struct held *held = item->held;
    bool again = item->failure.text[0];
    item->failure.text[0] = 0;
    if (!attempt->held) {
        if (again)
            log_info("stapler", "%s: reached again, %s has nothing newer", item->name, attempt->source);
        return;
    }
    time_to_text(held->window.end_at, until);
    if (held->scan)
        log_info("stapler", "%s: CRL number %s until %s", item->name, held->number, until);
    else if (held->verdict.status == OCSP_CERT_REVOKED)
        log_error("stapler", "%s: the certificate is REVOKED, says %s; policy: %s", item->name,
                  attempt->source,
                  item->section->revoked == REVOKED_WITHHOLD ? "nothing is stapled"
                  : item->section->revoked == REVOKED_HOOK   ? "it is stapled, and the hook told"
                                                             : "it is stapled");
    else
        log_info("stapler", "%s: good until %s, says %s", item->name, until, attempt->source);
}

struct window item_window(const struct item *item)
{
    struct window window = item->held->window;
    for (size_t i = 0; i < item->section->place_count && !item->held->scan; i++)
        if (item->section->places[i].target.kind == DELIVER_HAPROXY) {
            window.end_at -= HAPROXY_EARLY_S;
            break;
        }
    return window;
}

/* Those that bring this item out are due. */
static void wake_outlets(struct stapler *stapler, const struct item *item)
{
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->staple ? &outlet->staple->item == item : outlet->section == item->section)
            stapler_wake(stapler, &outlet->job);
    }
}

void item_done(struct stapler *stapler, struct item *item, struct attempt *attempt)
{
    int64_t now = clock_now();
    stapler_lock(stapler);
    bool first = !item->tried;
    if (attempt->unchanged && item->held->window.end_at <= now) {
        attempt->unchanged = false;
        attempt->temporary = true;
        error_set(&attempt->err, "%s has nothing newer than what has ended", attempt->source);
    }
    item->tried = true;
    if (attempt->held || attempt->unchanged) {
        if (attempt->held) {
            held_release(item->held);
            item->held = attempt->held;
            item->near = item->ended = false;
        }
        item->success_at = now;
        item->failures = 0;
        snprintf(item->source, sizeof item->source, "%s", attempt->source);
        say_success(item, attempt);
        item->job.due_at = attempt->waited ? (attempt->pause_s ? now + attempt->pause_s : AT_ONCE)
                                           : schedule_refresh(item_window(item), now, attempt->fresh_s,
                                                              item->section->interval_s, stapler_random());
    } else {
        item->failures++;
        item->temporary = attempt->temporary;
        say_failure(item, attempt, now);
        item->job.due_at = schedule_retry(now, item->failures, attempt->retry_s,
                                          item->held ? item_window(item).end_at : NEVER,
                                          item->section->interval_s, stapler_random());
    }
    if (attempt->held || first)
        wake_outlets(stapler, item);
    stapler->dirty = true;
    stapler_unlock(stapler);
}

/* An eighth of its life is left, and nothing better to be had. */
static void look_ahead(struct item *item, int64_t now)
{
    char until[TIME_TEXT];
    const struct window window = item->held->window;
    if (item->near || !item->failures || !schedule_is_aging(window, now))
        return;
    item->near = true;
    time_to_text(window.end_at, until);
    log_error("stapler", "%s: what is there ends at %s, and could not be renewed: %.300s", item->name, until,
              item->failure.text);
}

void item_look(struct item *item, int64_t now)
{
    if (item->held && item->held->window.end_at > now)
        look_ahead(item, now);
    if (item->ended || !item->held || item->held->window.end_at > now)
        return;
    item->ended = true;
    log_error("stapler", "%s: what is there has ended%s", item->name,
              item->held->scan ? ": brokers refuse every client of that CA"
              : item->grave    ? " and is withdrawn; the certificate says Must-Staple"
                               : " and is withdrawn");
}

void item_free(struct item *item)
{
    held_release(item->held);
    free(item->name);
}
