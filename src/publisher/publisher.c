/* Start and stop, and what others see. */
#include "build.h"
#include "internal.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct desk *desk_of(struct publisher *publisher, const struct issuer *issuer)
{
    return &publisher->desks[issuer - publisher->issuers->list];
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
    int len = line->part.delta ? asprintf(&line->folder, "%s/%s/delta", directory, issuer)
              : line->part.shard == CRL_WHOLE
                  ? asprintf(&line->folder, "%s/%s", directory, issuer)
                  : asprintf(&line->folder, "%s/%s/%d", directory, issuer, line->part.shard);
    if (len >= 0)
        return make_folder(publisher->config, line->folder, err);
    line->folder = NULL;
    return error_set(err, "out of memory");
}

/* The key of a CA has come here: our numbers go on from those of its last CRL. */
static int follow_number(struct publisher *publisher, const struct line *line,
                         const struct store_crl_key *key, const struct store_crl *crl, struct error *err)
{
    struct bytes number = serial_bytes(&crl->crl_number);
    char text[SERIAL_TEXT];
    int64_t last = 0, taken;
    serial_to_text(&crl->crl_number, text);
    if (number.len >= sizeof last)
        return config_error(
            publisher->config, line->issuer->config->key.line, err,
            "issuer \"%s\": the CRL that its CA made elsewhere has the number 0x%s, and here numbers have "
            "less than 8 octets: go on making its CRLs there",
            line->issuer->config->name.text, text);
    for (size_t i = 0; i < number.len; i++)
        last = last << 8 | number.at[i];
    return store_crl_take_number(publisher->store, key, last + 1, &taken, err);
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
    if (found == FOUND)
        line->last_update = crl.this_update;
    if (found == FOUND && line->issuer->crl_sigalg && crl.crl_number.len &&
        follow_number(publisher, line, &key, &crl, err) < 0)
        return -1;
    if (found == FOUND && !(line->part.delta && line->issuer->crl_sigalg && !line_has_deltas(line))) {
        line->current = published_take_up(line->folder, line->part, &crl, &why);
        if (line->current)
            line->current->publication.published_at = clock_now();
        else
            log_warn("publisher", "issuer %s: %s: building it anew", line->issuer->config->name.text,
                     why.text);
    }
    published_clean(line->folder, line->current ? crl.number : -1);
    return 0;
}

static int open_line(struct publisher *publisher, struct line *line, const struct issuer *issuer,
                     struct crl_part part, struct error *err)
{
    *line = (struct line){.issuer = issuer, .part = part, .retry_ms = LINE_RETRY_MS};
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
    if (issuer->above)
        desk->above = &publisher->desks[issuer->above - publisher->issuers->list];
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
    publisher->warn_ms = clock_monotonic_ms() + 5000; /* what is due is built first */
    for (size_t i = 0; i < sizeof publisher->builders / sizeof *publisher->builders; i++) {
        struct builder *builder = &publisher->builders[i];
        *builder = (struct builder){.publisher = publisher, .short_only = i > 0};
        if (pthread_create(&builder->thread, NULL, builder_run, builder) != 0)
            return error_set(err, "cannot start a thread");
        builder->runs = true;
    }
    publisher->waits_run = pthread_create(&publisher->waits, NULL, askers_run, publisher) == 0;
    return publisher->waits_run ? 0 : error_set(err, "cannot start a thread");
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
            askers_answer(&publisher->desks[i].lines[k].asked, &stopping, &ready);
            askers_answer(&publisher->desks[i].lines[k].underway, &stopping, &ready);
        }
    pthread_cond_broadcast(&publisher->wake);
    pthread_mutex_unlock(&publisher->mutex);
    askers_tell(ready);
}

void publisher_stop(struct publisher *publisher)
{
    if (!publisher)
        return;
    publisher_halt(publisher);
    for (size_t i = 0; i < sizeof publisher->builders / sizeof *publisher->builders; i++)
        if (publisher->builders[i].runs)
            pthread_join(publisher->builders[i].thread, NULL);
    if (publisher->waits_run)
        pthread_join(publisher->waits, NULL);
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

void publisher_publish(struct publisher *publisher, const struct issuer *issuer, publisher_done *done,
                       void *arg)
{
    struct desk *desk = desk_of(publisher, issuer);
    const char *refusal = NULL;
    pthread_mutex_lock(&publisher->mutex);
    if (!desk_is_ours(desk))
        refusal = "no CA key is configured, so no CRL is made here";
    else if (publisher->stopping)
        refusal = "annuld is stopping";
    else if (askers_ask(desk, done, arg) < 0)
        refusal = "out of memory";
    pthread_cond_broadcast(&publisher->wake);
    pthread_mutex_unlock(&publisher->mutex);
    if (refusal)
        done(arg, refusal);
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

void publisher_count(struct publisher *publisher, struct publisher_counts *counts)
{
    *counts = (struct publisher_counts){.made = atomic_load(&publisher->made),
                                        .failed = atomic_load(&publisher->failed)};
    histogram_read(&publisher->took, &counts->took);
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
    struct held_publication *old = line_install(line, made);
    pthread_mutex_unlock(&publisher->mutex);
    publication_release(old ? &old->publication : NULL);
    publisher_tell_news(publisher, line);
    return 0;
}
