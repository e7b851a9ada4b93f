/* The threads that build, and what others see of it. */
#include <annul/publisher.h>

#include "build.h"
#include "line.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TICK_MS 1000 /* how often the wall clock is looked at */
#define RETRY_MIN_MS 500
#define RETRY_MAX_MS 60000
#define REST 10 /* the whole of a sharded issuer is built at most one tenth of the time */
#define WARN_MS 60000

struct asker {
    publisher_done *done;
    void *arg;
    unsigned left; /* lines */
    struct error *failure;
};

struct builder {
    struct publisher *publisher;
    pthread_t thread;
    bool short_only, runs;
};

struct publisher {
    const struct config *config;
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* the builders */
    bool stopping;
    int64_t warn_ms; /* when to look for warnings */
    struct builder builders[2];
    pthread_mutex_t news_mutex; /* while the listener is called */
    publisher_news *news;
    void *news_arg;
    struct desk desks[]; /* as issuers->list */
};

static struct desk *desk_of(struct publisher *publisher, const struct issuer *issuer)
{
    return &publisher->desks[issuer - publisher->issuers->list];
}

static void tell_news(struct publisher *publisher, const struct line *line)
{
    pthread_mutex_lock(&publisher->news_mutex);
    if (publisher->news)
        publisher->news(publisher->news_arg, line->issuer, line->part);
    pthread_mutex_unlock(&publisher->news_mutex);
}

/* --- those who wait for a build ------------------------------------------------------------------------ */

/* Takes a list of those who asked off a line, when it is built (NULL), or is not going to be. They are told outside of the
 * mutex: those who have heard from all their lines are put to `ready`. */
static void answer(struct asking **list, const struct error *failure, struct asking **ready)
{
    while (*list) {
        struct asking *asking = *list;
        struct asker *asker = asking->asker;
        *list = asking->next;
        if (failure && !asker->failure && (asker->failure = malloc(sizeof *failure)))
            *asker->failure = *failure;
        if (--asker->left == 0) {
            asking->next = *ready;
            *ready = asking;
        } else {
            free(asking);
        }
    }
}

static void tell(struct asking *ready)
{
    while (ready) {
        struct asking *next = ready->next;
        ready->asker->done(ready->asker->arg, ready->asker->failure ? ready->asker->failure->text : NULL);
        free(ready->asker->failure);
        free(ready->asker);
        free(ready);
        ready = next;
    }
}

/* --- one build ----------------------------------------------------------------------------------------- */

/* No two CRLs of a line have the same date of modification, so that it can tell them apart. */
static void install(struct line *line, struct held_publication *made)
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
    install(line, made);
    line->retry_ms = RETRY_MIN_MS;
    if (line->part.shard == CRL_WHOLE && !line->part.delta && line->issuer->config->shards)
        line->not_before_ms =
            clock_monotonic_ms() + (took_ms * REST < RETRY_MAX_MS ? took_ms * REST : RETRY_MAX_MS);
    log_info("publisher", "issuer %s: %s %s with %" PRId64 " entries, %" PRIu64 " octets, in %" PRId64 " ms",
             line->issuer->config->name.text, line_name(line->part, name), p->crl_number, p->entries, p->der_len,
             took_ms);
}

static void note_failure(struct line *line, const struct error *why)
{
    char name[LINE_NAME];
    line->not_before_ms = line->asked ? 0 : clock_monotonic_ms() + line->retry_ms; /* asked while it failed: at once */
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
                              .regular = line_is_regular(line, now),
                              .before = line->current};
    if (line->part.delta) { /* clients may still have the base before */
        const struct store_crl *base = &whole->current->crl;
        struct crl_base present = {base->number, base->covers}, before = {base->base, base->base_covers};
        order.bases[0] = before.number ? before : present;
        order.bases[1] = before.number ? present : (struct crl_base){0};
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
    struct held_publication *made = crl_build(publisher->store, publisher->signer, order, err);
    if (made)
        published_clean(order->folder, made->publication.number);
    publication_release(order->before ? &order->before->publication : NULL);
    return made;
}

/* A base and a delta that come together have one number and say the same (RFC 5280 section 5.2.3). Where something has
 * changed in between they would not: then the delta comes by itself. */
static void build_companion(struct publisher *publisher, struct desk *desk, const struct held_publication *base)
{
    struct line *delta = &desk->lines[LINE_DELTA];
    struct error err;
    if (delta->building || (delta->current && delta->current->crl.number > base->crl.number) ||
        store_change(publisher->store) != base->crl.covers)
        return;
    struct crl_order order = order_of(desk, delta, base->crl.this_update);
    order.number = base->crl.number;
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
        tell_news(publisher, delta);
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
    answer(&line->underway, made ? NULL : &err, &ready);
    pthread_mutex_unlock(&publisher->mutex);
    if (made)
        tell_news(publisher, line);
    tell(ready);
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
        desk->look_ms = now_ms + RETRY_MIN_MS;
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
            if (line->not_before_ms > now_ms) {
                if (line->not_before_ms < *until_ms)
                    *until_ms = line->not_before_ms;
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

static void *run(void *arg)
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

/* --- start and stop ------------------------------------------------------------------------------------ */

static int make_folder(const struct config *config, const char *path, struct error *err)
{
    if (mkdir(path, 0755) == 0 || (errno == EEXIST && access(path, W_OK | X_OK) == 0))
        return 0;
    return config_error(config, config->crl_directory.line, err, "crl directory %s: %s", path,
                        strerror(errno));
}

int publisher_check(const struct config *config, struct error *err)
{
    const char *path = config->crl_directory.text;
    if (access(path, W_OK | X_OK) == 0)
        return 0;
    if (errno != ENOENT)
        return config_error(config, config->crl_directory.line, err, "crl directory %s: %s", path,
                            strerror(errno));
    char *copy = strdup(path), *slash = copy ? strrchr(copy, '/') : NULL;
    if (slash)
        *slash = 0;
    int result =
        slash && access(*copy ? copy : "/", W_OK | X_OK) == 0
            ? 0
            : config_error(
                  config, config->crl_directory.line, err,
                  "crl directory %s: is not there and cannot be made; make it, owned by annuld's user", path);
    free(copy);
    return result;
}

static int name_folder(struct publisher *publisher, struct line *line, struct error *err)
{
    const char *directory = publisher->config->crl_directory.text, *issuer = line->issuer->config->name.text;
    int len = line->part.delta                ? asprintf(&line->folder, "%s/%s/delta", directory, issuer)
              : line->part.shard == CRL_WHOLE ? asprintf(&line->folder, "%s/%s", directory, issuer)
                                              : asprintf(&line->folder, "%s/%s/%d", directory, issuer,
                                                         line->part.shard);
    if (len >= 0)
        return make_folder(publisher->config, line->folder, err);
    line->folder = NULL;
    return error_set(err, "out of memory");
}

/* What was published before is served at once; whether it is due is seen later. */
static int take_up(struct publisher *publisher, struct line *line, struct error *err)
{
    struct store_crl_key key = {line->issuer->id, line->part.shard, line->part.delta};
    struct store_crl crl;
    struct error why;
    enum outcome found = store_crl_last(publisher->store, &key, &crl, err);
    if (found == FAILED)
        return -1;
    if (found == FOUND && !(line->part.delta && line->issuer->crl_sigalg && !line_has_deltas(line))) {
        line->current = published_take_up(line->folder, line->part, &crl, &why);
        if (line->current)
            line->current->publication.published_at = clock_now();
        else
            log_warn("publisher", "issuer %s: %s: building it anew", line->issuer->config->name.text, why.text);
    }
    published_clean(line->folder, line->current ? crl.number : -1);
    return 0;
}

static int open_line(struct publisher *publisher, struct line *line, const struct issuer *issuer,
                     struct crl_part part, struct error *err)
{
    *line = (struct line){.issuer = issuer, .part = part, .retry_ms = RETRY_MIN_MS};
    if (issuer->crl_sigalg && !crl_shape(issuer, part, line->shape))
        return error_set(err, "OpenSSL cannot hash");
    return name_folder(publisher, line, err) < 0 ? -1 : take_up(publisher, line, err);
}

static int shard_of(const void *arg, const struct serial *serial)
{
    return issuer_shard_of(arg, serial);
}

static int open_desk(struct publisher *publisher, struct desk *desk, const struct issuer *issuer,
                     struct error *err)
{
    size_t shards = issuer->config->shards, count = LINE_SHARDS + shards;
    desk->issuer = issuer;
    desk->look_ms = 1;
    desk->is_root = certificate_issued_by(&issuer->ca, &issuer->ca) == 1;
    for (size_t i = 0; i < publisher->issuers->count && !desk->is_root; i++)
        if (certificate_issued_by(&issuer->ca, &publisher->issuers->list[i].ca) == 1)
            desk->above = &publisher->desks[i];
    if (store_reshard(publisher->store, issuer->id, (unsigned)shards, shard_of, issuer, err) < 0)
        return -1;
    if (!(desk->lines = calloc(count, sizeof *desk->lines)))
        return error_set(err, "out of memory");
    for (size_t i = 0; i < count; i++) {
        struct crl_part part = {i < LINE_SHARDS ? CRL_WHOLE : (int)(i - LINE_SHARDS), i == LINE_DELTA};
        desk->count++;
        if (open_line(publisher, &desk->lines[i], issuer, part, err) < 0)
            return -1;
    }
    return 0;
}

static void free_publisher(struct publisher *publisher)
{
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct desk *desk = &publisher->desks[i];
        for (size_t k = 0; k < desk->count; k++) {
            struct held_publication *current = desk->lines[k].current;
            publication_release(current ? &current->publication : NULL);
            free(desk->lines[k].folder);
        }
        free(desk->lines);
    }
    pthread_cond_destroy(&publisher->wake);
    pthread_mutex_destroy(&publisher->mutex);
    pthread_mutex_destroy(&publisher->news_mutex);
    free(publisher);
}

static int start(struct publisher *publisher, struct error *err)
{
    if (make_folder(publisher->config, publisher->config->crl_directory.text, err) < 0)
        return -1;
    for (size_t i = 0; i < publisher->issuers->count; i++)
        if (open_desk(publisher, &publisher->desks[i], &publisher->issuers->list[i], err) < 0)
            return -1;
    publisher->warn_ms = clock_monotonic_ms() + WARN_MS / 10; /* let what is due be built first */
    for (size_t i = 0; i < sizeof publisher->builders / sizeof *publisher->builders; i++) {
        struct builder *builder = &publisher->builders[i];
        *builder = (struct builder){.publisher = publisher, .short_only = i > 0};
        if (pthread_create(&builder->thread, NULL, run, builder) != 0)
            return error_set(err, "cannot start a thread");
        builder->runs = true;
    }
    return 0;
}

struct publisher *publisher_start(const struct config *config, struct issuers *issuers, struct store *store,
                                  struct signer *signer, struct error *err)
{
    struct publisher *publisher = calloc(1, sizeof *publisher + issuers->count * sizeof *publisher->desks);
    if (!publisher) {
        error_set(err, "out of memory");
        return NULL;
    }
    publisher->config = config;
    publisher->issuers = issuers;
    publisher->store = store;
    publisher->signer = signer;
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&publisher->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&publisher->mutex, NULL);
    pthread_mutex_init(&publisher->news_mutex, NULL);
    if (start(publisher, err) == 0)
        return publisher;
    publisher_stop(publisher);
    return NULL;
}

void publisher_halt(struct publisher *publisher)
{
    static const struct error stopping = {"annuld is stopping"};
    struct asking *ready = NULL;
    if (!publisher)
        return;
    pthread_mutex_lock(&publisher->mutex);
    publisher->stopping = true;
    for (size_t i = 0; i < publisher->issuers->count; i++)
        for (size_t k = 0; k < publisher->desks[i].count; k++) {
            answer(&publisher->desks[i].lines[k].asked, &stopping, &ready);
            answer(&publisher->desks[i].lines[k].underway, &stopping, &ready);
        }
    pthread_cond_broadcast(&publisher->wake);
    pthread_mutex_unlock(&publisher->mutex);
    tell(ready);
}

void publisher_stop(struct publisher *publisher)
{
    if (!publisher)
        return;
    publisher_halt(publisher);
    for (size_t i = 0; i < sizeof publisher->builders / sizeof *publisher->builders; i++)
        if (publisher->builders[i].runs)
            pthread_join(publisher->builders[i].thread, NULL);
    free_publisher(publisher);
}

/* --- for others ---------------------------------------------------------------------------------------- */

void publisher_changed(struct publisher *publisher, const struct issuer *issuer)
{
    struct desk *desk = desk_of(publisher, issuer);
    pthread_mutex_lock(&publisher->mutex);
    if (!desk->look_ms) { /* later changes do not push it back: never more than one delay */
        desk->look_ms = clock_monotonic_ms() + publisher->config->crl_delay_ms;
        pthread_cond_broadcast(&publisher->wake);
    }
    pthread_mutex_unlock(&publisher->mutex);
}

/* Deltas come with their base. */
static struct asking *ask(struct desk *desk, struct asker *asker)
{
    struct asking *made = NULL;
    for (size_t i = 0; i < desk->count; i++) {
        if (desk->lines[i].part.delta)
            continue;
        struct asking *asking = malloc(sizeof *asking);
        if (!asking)
            break;
        *asking = (struct asking){made, asker};
        made = asking;
        asker->left++;
    }
    return made;
}

void publisher_publish(struct publisher *publisher, const struct issuer *issuer, publisher_done *done,
                       void *arg)
{
    struct desk *desk = desk_of(publisher, issuer);
    struct error why = {"out of memory"};
    struct asking *ready = NULL;
    struct asker *asker = calloc(1, sizeof *asker);
    struct asking *askings = NULL;
    if (!desk_is_ours(desk))
        error_set(&why, "no CA key is configured, so no CRL is made here");
    else if (asker)
        askings = ask(desk, asker);
    if (!askings || asker->left < desk->count - 1) {
        while (askings) {
            struct asking *next = askings->next;
            free(askings);
            askings = next;
        }
        free(asker);
        done(arg, why.text);
        return;
    }
    asker->done = done;
    asker->arg = arg;
    pthread_mutex_lock(&publisher->mutex);
    for (size_t i = 0; i < desk->count; i++) {
        struct line *line = &desk->lines[i];
        if (line->part.delta)
            continue;
        struct asking *asking = askings;
        askings = asking->next;
        asking->next = line->asked;
        line->asked = asking;
        line->not_before_ms = 0;
    }
    if (publisher->stopping) {
        error_set(&why, "annuld is stopping");
        for (size_t i = 0; i < desk->count; i++)
            answer(&desk->lines[i].asked, &why, &ready);
    }
    pthread_cond_broadcast(&publisher->wake);
    pthread_mutex_unlock(&publisher->mutex);
    tell(ready);
}

struct publication *publisher_current(struct publisher *publisher, const struct issuer *issuer,
                                      struct crl_part part)
{
    pthread_mutex_lock(&publisher->mutex);
    const struct line *line = desk_line(desk_of(publisher, issuer), part);
    struct held_publication *held = line ? line->current : NULL;
    published_hold(held);
    pthread_mutex_unlock(&publisher->mutex);
    return held ? &held->publication : NULL;
}

void publisher_listen(struct publisher *publisher, publisher_news *news, void *arg)
{
    pthread_mutex_lock(&publisher->news_mutex);
    publisher->news = news;
    publisher->news_arg = arg;
    pthread_mutex_unlock(&publisher->news_mutex);
}

void publisher_warnings(struct publisher *publisher, int64_t now, publisher_each_warning *each, void *arg)
{
    char text[256];
    pthread_mutex_lock(&publisher->mutex);
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        const struct desk *desk = &publisher->desks[i];
        for (size_t k = 0; k < desk->count; k++) {
            const struct line *line = &desk->lines[k];
            unsigned found = line_warnings(desk, line, now);
            for (unsigned w = 0; found >> w; w++) {
                if (!(found >> w & 1))
                    continue;
                line_warning_text(desk, line, (enum publisher_warning)w, now, text);
                each(arg, (enum publisher_warning)w, desk->issuer, line->part, text);
            }
        }
    }
    pthread_mutex_unlock(&publisher->mutex);
}

bool publisher_is_ready(struct publisher *publisher, int64_t now)
{
    bool ready = true;
    pthread_mutex_lock(&publisher->mutex);
    for (size_t i = 0; i < publisher->issuers->count && ready; i++) {
        const struct desk *desk = &publisher->desks[i];
        for (size_t k = 0; k < desk->count && ready; k++) {
            const struct line *line = &desk->lines[k];
            bool wanted = desk_is_ours(desk) && (!line->part.delta || line_has_deltas(line));
            ready = line->current ? line->current->publication.next_update > now : !wanted;
        }
    }
    pthread_mutex_unlock(&publisher->mutex);
    return ready;
}

int publisher_take(struct publisher *publisher, const struct issuer *issuer, int fd, uint64_t offset,
                   const struct crl_facts *facts, struct error *err)
{
    struct desk *desk = desk_of(publisher, issuer);
    struct line *line = &desk->lines[facts->is_delta ? LINE_DELTA : LINE_WHOLE];
    struct store_crl_key key = {issuer->id, CRL_WHOLE, facts->is_delta};
    struct store_crl crl = {.covers = store_change(publisher->store),
                            .this_update = facts->head.this_update,
                            .next_update = facts->head.next_update,
                            .entries = (int64_t)facts->entries,
                            .base = (int64_t)facts->head.base};
    struct bytes number = {facts->number.octets, facts->number.len};
    if (desk_is_ours(desk))
        return error_set(err, "its CA key is here, so its CRLs are made here");
    if (!serial_from_octets(number.len ? number : (struct bytes){(const uint8_t *)"", 1}, &crl.crl_number) ||
        store_crl_take_number(publisher->store, &key, clock_now(), &crl.number, err) < 0 ||
        published_write(fd, offset, facts->len, line->folder, crl.number, crl.digest, err) < 0)
        return -1;
    if (memcmp(crl.digest, facts->digest, sizeof crl.digest) != 0)
        return error_set(err, "the CRL was changed while it was read");
    if (store_crl_published(publisher->store, &key, &crl, err) < 0)
        return -1;
    struct held_publication *made = published_open(line->folder, line->part, &crl, err);
    if (!made)
        return -1;
    published_clean(line->folder, crl.number);
    pthread_mutex_lock(&publisher->mutex);
    install(line, made);
    pthread_mutex_unlock(&publisher->mutex);
    tell_news(publisher, line);
    return 0;
}
