/* The threads that build. */
#include "build.h"
#include "internal.h"

#include <annul/clock.h>
#include <annul/fault.h>
#include <annul/log.h>
#include <annul/plural.h>

#include <openssl/crypto.h>

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define RETRY_MAX_MS 60000
#define REST 10 /* the whole of a sharded issuer is built at most one tenth of the time */
#define WARN_MS 60000
#define NEXT_SECOND_MS 100 /* how often it is looked for */

/* --- one build ----------------------------------------------------------------------------------------- */

/* No two CRLs of a line have the same date of modification, so that it can tell them apart. */
struct held_publication *line_install(struct line *line, struct held_publication *made)
{
    struct held_publication *old = line->current;
    struct publication *p = &made->publication;
    p->published_at = clock_now();
    if (old && p->published_at <= old->publication.published_at)
        p->published_at = old->publication.published_at + 1;
    line->current = made;
    line->last_update = made->crl.this_update;
    return old;
}

static void note_success(struct line *line, int64_t took_ms)
{
    line->retry_ms = LINE_RETRY_MS;
    if (line->part.shard == CRL_WHOLE && !line->part.delta && line->issuer->config->shards)
        line->not_before_ms =
            clock_monotonic_ms() + (took_ms * REST < RETRY_MAX_MS ? took_ms * REST : RETRY_MAX_MS);
}

static void note_failure(struct line *line)
{
    line->not_before_ms =
        line->asked ? 0 : clock_monotonic_ms() + line->retry_ms; /* asked while it failed: at once */
    line->retry_ms = line->retry_ms * 2 < RETRY_MAX_MS ? line->retry_ms * 2 : RETRY_MAX_MS;
    if (line->current)
        line->current->entries_len = 0; /* next time from the rows */
}

static void log_build(const struct line *line, const struct publication *made, int64_t took_ms,
                      const struct error *why)
{
    char name[LINE_NAME];
    const char *issuer = line->issuer->config->name.text, *what = line_name(line->part, name);
    if (made)
        log_info("publisher", "issuer %s: %s %s with %" PRId64 " %s, %" PRIu64 " octets, in %" PRId64 " ms",
                 issuer, what, made->crl_number, made->entries,
                 plural((uint64_t)made->entries, "entry", "entries"), made->der_len, took_ms);
    else
        log_error("publisher", "issuer %s: no new %s, the old one stays: %s", issuer, what, why->text);
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
        order.splice = line->current && !order.regular && line->current->entries_len;
    }
    published_hold(order.before);
    return order;
}

void publisher_tell_news(struct publisher *publisher, const struct line *line)
{
    pthread_mutex_lock(&publisher->news_mutex);
    if (publisher->news)
        publisher->news(publisher->news_arg, line->issuer, line->part);
    pthread_mutex_unlock(&publisher->news_mutex);
}

static void release(struct held_publication *held)
{
    publication_release(held ? &held->publication : NULL);
}

/* Without the mutex, but for the moment of installing: nobody who serves waits for a disk. `line` is marked as building, so
 * nobody else installs anything there. */
static bool make(struct publisher *publisher, struct line *line, struct crl_order *order, struct error *err)
{
    struct held_publication *old = NULL;
    int64_t start_us = clock_monotonic_us();
    struct held_publication *made = crl_build(publisher->store, publisher->signer, order, err);
    int64_t took_us = clock_monotonic_us() - start_us, took_ms = took_us / 1000;
    atomic_fetch_add(made ? &publisher->made : &publisher->failed, 1);
    if (made) {
        histogram_add(&publisher->took, &histogram_times, (uint64_t)took_us);
        published_clean(order->folder, made->publication.number);
    }
    pthread_mutex_lock(&publisher->mutex);
    if (made) {
        old = line_install(line, made);
        note_success(line, took_ms);
    } else if (!order->is_late) {
        note_failure(line);
    }
    pthread_mutex_unlock(&publisher->mutex);
    release(old);
    release(order->before);
    if (!order->is_late)
        log_build(line, made ? &made->publication : NULL, took_ms, err);
    if (made)
        publisher_tell_news(publisher, line);
    return made;
}

/* A base and a delta that come together have one number and say the same (RFC 5280 section 5.2.3). Where something has
 * changed in between they would not: then the delta comes by itself. */
static void make_companion(struct publisher *publisher, struct desk *desk)
{
    const struct store_crl *base = &desk->lines[LINE_WHOLE].current->crl;
    struct line *delta = &desk->lines[LINE_DELTA];
    struct error err;
    pthread_mutex_lock(&publisher->mutex);
    bool is_late = delta->building || (delta->current && delta->current->crl.number > base->number);
    struct crl_order order;
    if (!is_late) {
        order = order_of(desk, delta, clock_now());
        order.number = base->number;
        order.covers = base->covers;
        order.this_update = base->this_update;
        delta->building = true;
    }
    pthread_mutex_unlock(&publisher->mutex);
    if (is_late)
        return;
    make(publisher, delta, &order, &err);
    pthread_mutex_lock(&publisher->mutex);
    delta->building = false;
    pthread_mutex_unlock(&publisher->mutex);
}

static void build_one(struct publisher *publisher, struct desk *desk, struct line *line)
{
    struct error err = {""};
    struct asking *ready = NULL;
    struct crl_order order = order_of(desk, line, clock_now());
    line->building = true;
    line->underway = line->asked;
    line->asked = NULL;
    pthread_mutex_unlock(&publisher->mutex);
    bool made = make(publisher, line, &order, &err);
    if (made && line_has_deltas(line) && !line->part.delta)
        make_companion(publisher, desk);
    pthread_mutex_lock(&publisher->mutex);
    line->building = false;
    askers_answer(&line->underway, made ? NULL : &err, &ready);
    pthread_mutex_unlock(&publisher->mutex);
    askers_tell(ready);
    pthread_mutex_lock(&publisher->mutex);
}

/* --- the threads --------------------------------------------------------------------------------------- */

struct looking {
    struct publisher *publisher;
    struct desk *desk;
};

static void note_change(void *arg, int shard, int64_t changed)
{
    const struct looking *looking = arg;
    struct line *line = desk_line(looking->desk, (struct crl_part){shard, false});
    struct line *delta = shard == CRL_WHOLE ? &looking->desk->lines[LINE_DELTA] : NULL;
    pthread_mutex_lock(&looking->publisher->mutex);
    if (line && line->changed < changed) /* two threads may look */
        line->changed = changed;
    if (delta && delta->changed < changed)
        delta->changed = changed;
    pthread_mutex_unlock(&looking->publisher->mutex);
}

/* Asks the store what has changed, where that is due. The mutex is not held while it does. */
static void look(struct publisher *publisher, int64_t now_ms)
{
    struct error err;
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct looking looking = {publisher, &publisher->desks[i]};
        int64_t *look_ms = &looking.desk->look_ms;
        if (!*look_ms || *look_ms > now_ms)
            continue;
        *look_ms = 0; /* what is committed from here on asks again */
        pthread_mutex_unlock(&publisher->mutex);
        int result =
            store_crl_changed(publisher->store, looking.desk->issuer->id, note_change, &looking, &err);
        if (result < 0)
            log_error("publisher", "issuer %s: %s", looking.desk->issuer->config->name.text, err.text);
        pthread_mutex_lock(&publisher->mutex);
        if (result < 0)
            *look_ms = now_ms + LINE_RETRY_MS;
    }
}

/* When it may be built: 0 where it is not due. */
static int64_t buildable_ms(const struct desk *desk, struct line *line, int64_t now, int64_t now_ms)
{
    if (line->building || !line_is_due(desk, line, now)) {
        line->due_since_ms = 0;
        return 0;
    }
    if (!line->due_since_ms)
        line->due_since_ms = now_ms;
    return line_this_update(desk, line, now) ? line->not_before_ms + 1 : now_ms + NEXT_SECOND_MS;
}

/* Of the lines that this thread may build the one that has waited longest, so that none waits for ever. `until_ms` becomes
 * earlier where one only rests. */
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
            int64_t from_ms = buildable_ms(desk, line, now, now_ms);
            if (!from_ms || (short_only && line_is_long(line)))
                continue;
            if (from_ms > now_ms) {
                if (from_ms < *until_ms)
                    *until_ms = from_ms;
            } else if (!found || line->due_since_ms < found->due_since_ms) {
                found = line;
                *of = desk;
            }
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
