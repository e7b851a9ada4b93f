/* The threads that build. */
#include "build.h"
#include "internal.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <openssl/crypto.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define TICK_MS 1000 /* how often the wall clock is looked at */
#define RETRY_MAX_MS 60000
#define REST 10 /* the whole of a sharded issuer is built at most one tenth of the time */
#define WARN_MS 60000
#define NEXT_SECOND_MS 100 /* how often it is looked for */

/* --- one build ----------------------------------------------------------------------------------------- */

/* No two CRLs of a line have the same date of modification, so that it can tell them apart. */
void line_install(struct line *line, struct held_publication *made)
{
    struct held_publication *old = line->current;
    struct publication *p = &made->publication;
    p->published_at = clock_now();
    if (old && p->published_at <= old->publication.published_at)
        p->published_at = old->publication.published_at + 1;
    line->current = made;
    publication_release(old ? &old->publication : NULL);
}

static void note_success(struct line *line, struct held_publication *made, int64_t took_ms)
{
    char name[LINE_NAME];
    const struct publication *p = &made->publication;
    line_install(line, made);
    line->retry_ms = LINE_RETRY_MS;
    if (line->part.shard == CRL_WHOLE && !line->part.delta && line->issuer->config->shards)
        line->not_before_ms =
            clock_monotonic_ms() + (took_ms * REST < RETRY_MAX_MS ? took_ms * REST : RETRY_MAX_MS);
    log_info("publisher", "issuer %s: %s %s with %" PRId64 " entries, %" PRIu64 " octets, in %" PRId64 " ms",
             line->issuer->config->name.text, line_name(line->part, name), p->crl_number, p->entries,
             p->der_len, took_ms);
}

static void note_failure(struct line *line, const struct error *why)
{
    char name[LINE_NAME];
    line->not_before_ms =
        line->asked ? 0 : clock_monotonic_ms() + line->retry_ms; /* asked while it failed: at once */
    line->retry_ms = line->retry_ms * 2 < RETRY_MAX_MS ? line->retry_ms * 2 : RETRY_MAX_MS;
    if (line->current)
        line->current->entries_len = 0; /* next time from the rows */
    log_error("publisher", "issuer %s: no new %s, the old one stays: %s", line->issuer->config->name.text,
              line_name(line->part, name), why->text);
}

static struct crl_order order_of(struct desk *desk, struct line *line, int64_t now)
{
    const struct line *whole = &desk->lines[LINE_WHOLE];
    struct crl_order order = {.issuer = line->issuer,
                              .part = line->part,
                              .folder = line->folder,
                              .shape = line->shape,
                              .now = now,
                              .this_update = line_this_update(desk, line, now),
                              .regular = line_is_regular(line, now),
                              .before = line->current};
    if (line->part.delta) { /* clients may still have the base before; where that is too far, it stays so */
        const struct store_crl *base = &whole->current->crl;
        struct crl_base present = {base->number, base->covers}, before = {base->base, base->base_covers};
        bool is_far = line->current && line->current->crl.base == present.number;
        order.bases[0] = before.number && !is_far ? before : present;
        order.bases[1] = present;
        order.delta_max = line_delta_max(whole);
    } else {
        order.splice = line->current && !order.regular && line->current->entries_len &&
                       line->current->crl.covers >= line->moved;
    }
    published_hold(order.before);
    return order;
}

static struct held_publication *build(struct publisher *publisher, struct crl_order *order, struct error *err)
{
    int64_t start_us = clock_monotonic_us();
    struct held_publication *made = crl_build(publisher->store, publisher->signer, order, err);
    atomic_fetch_add(made ? &publisher->made : &publisher->failed, 1);
    if (made) {
        histogram_add(&publisher->took, &histogram_times, (uint64_t)(clock_monotonic_us() - start_us));
        published_clean(order->folder, made->publication.number);
    }
    publication_release(order->before ? &order->before->publication : NULL);
    return made;
}

void publisher_tell_news(struct publisher *publisher, const struct line *line)
{
    pthread_mutex_lock(&publisher->news_mutex);
    if (publisher->news)
        publisher->news(publisher->news_arg, line->issuer, line->part);
    pthread_mutex_unlock(&publisher->news_mutex);
}

/* A base and a delta that come together have one number and say the same (RFC 5280 section 5.2.3). Where something has
 * changed in between they would not: then the delta comes by itself. */
static void build_companion(struct publisher *publisher, struct desk *desk,
                            const struct held_publication *base)
{
    struct line *delta = &desk->lines[LINE_DELTA];
    struct error err;
    if (delta->building || (delta->current && delta->current->crl.number > base->crl.number) ||
        store_change(publisher->store) != base->crl.covers)
        return;
    struct crl_order order = order_of(desk, delta, clock_now());
    order.number = base->crl.number;
    order.this_update = base->crl.this_update;
    delta->building = true;
    pthread_mutex_unlock(&publisher->mutex);
    struct held_publication *made = build(publisher, &order, &err);
    pthread_mutex_lock(&publisher->mutex);
    delta->building = false;
    if (made)
        note_success(delta, made, 0);
    else
        note_failure(delta, &err);
    pthread_mutex_unlock(&publisher->mutex);
    if (made)
        publisher_tell_news(publisher, delta);
    pthread_mutex_lock(&publisher->mutex);
}

static void build_one(struct publisher *publisher, struct desk *desk, struct line *line)
{
    struct error err = {""};
    struct asking *ready = NULL;
    int64_t start_ms = clock_monotonic_ms();
    struct crl_order order = order_of(desk, line, clock_now());
    line->building = true;
    line->underway = line->asked;
    line->asked = NULL;
    pthread_mutex_unlock(&publisher->mutex);
    struct held_publication *made = build(publisher, &order, &err);
    pthread_mutex_lock(&publisher->mutex);
    if (made) {
        published_hold(made);
        note_success(line, made, clock_monotonic_ms() - start_ms);
        if (line_has_deltas(line) && !line->part.delta)
            build_companion(publisher, desk, made);
        publication_release(&made->publication);
    } else {
        note_failure(line, &err);
    }
    line->building = false;
    askers_answer(&line->underway, made ? NULL : &err, &ready);
    pthread_mutex_unlock(&publisher->mutex);
    if (made)
        publisher_tell_news(publisher, line);
    askers_tell(ready);
    pthread_mutex_lock(&publisher->mutex);
}

/* --- the threads --------------------------------------------------------------------------------------- */

static void note_change(void *arg, int shard, int64_t changed, int64_t moved)
{
    struct desk *desk = arg;
    struct line *line = desk_line(desk, (struct crl_part){shard, false});
    if (!line)
        return;
    line->changed = changed;
    line->moved = moved;
    if (shard == CRL_WHOLE)
        desk->lines[LINE_DELTA].changed = changed;
}

/* Asks the store what has changed, where that is due. */
static void look(struct publisher *publisher, int64_t now_ms)
{
    struct error err;
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct desk *desk = &publisher->desks[i];
        if (!desk->look_ms || desk->look_ms > now_ms)
            continue;
        desk->look_ms = 0; /* what is committed from here on asks again */
        if (store_crl_changed(publisher->store, desk->issuer->id, note_change, desk, &err) == 0)
            continue;
        log_error("publisher", "issuer %s: %s", desk->issuer->config->name.text, err.text);
        desk->look_ms = now_ms + LINE_RETRY_MS;
    }
}

/* The first line that this thread may build; short ones first. `until_ms` becomes earlier where one only rests. */
static struct line *next_line(struct publisher *publisher, bool short_only, int64_t now_ms, struct desk **of,
                              int64_t *until_ms)
{
    struct line *found = NULL;
    int64_t now = clock_now();
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct desk *desk = &publisher->desks[i];
        if (desk->look_ms && desk->look_ms < *until_ms)
            *until_ms = desk->look_ms;
        for (size_t k = 0; k < desk->count; k++) {
            struct line *line = &desk->lines[k];
            bool is_long = line_is_long(line);
            if (line->building || (is_long && (short_only || found)) || !line_is_due(desk, line, now))
                continue;
            int64_t from_ms =
                line_this_update(desk, line, now) ? line->not_before_ms : now_ms + NEXT_SECOND_MS;
            if (from_ms > now_ms) {
                if (from_ms < *until_ms)
                    *until_ms = from_ms;
                continue;
            }
            found = line;
            *of = desk;
            if (!is_long)
                return found;
        }
    }
    return found;
}

/* Tells the log what is newly wrong. */
static void warn(struct publisher *publisher, int64_t now_ms)
{
    char text[256];
    int64_t now = clock_now();
    if (now_ms < publisher->warn_ms)
        return;
    publisher->warn_ms = now_ms + WARN_MS;
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct desk *desk = &publisher->desks[i];
        for (size_t k = 0; k < desk->count; k++) {
            struct line *line = &desk->lines[k];
            unsigned found = line_warnings(desk, line, now), fresh = found & ~line->warned;
            line->warned = found;
            for (unsigned w = 0; fresh >> w; w++) {
                if (!(fresh >> w & 1))
                    continue;
                line_warning_text(desk, line, (enum publisher_warning)w, now, text);
                log_warn("publisher", "issuer %s: %s", desk->issuer->config->name.text, text);
            }
        }
    }
}

void *builder_run(void *arg)
{
    struct builder *builder = arg;
    struct publisher *publisher = builder->publisher;
    pthread_mutex_lock(&publisher->mutex);
    while (!publisher->stopping) {
        int64_t now_ms = clock_monotonic_ms(), until_ms = now_ms + TICK_MS;
        struct desk *desk = NULL;
        look(publisher, now_ms);
        struct line *line = next_line(publisher, builder->short_only, now_ms, &desk, &until_ms);
        if (line) {
            build_one(publisher, desk, line);
            continue;
        }
        if (!builder->short_only)
            warn(publisher, now_ms);
        struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
        pthread_cond_timedwait(&publisher->wake, &publisher->mutex, &until);
    }
    pthread_mutex_unlock(&publisher->mutex);
    OPENSSL_thread_stop();
    return NULL;
}
