/* The schedule: when is which CRL due. */
#include <annul/publisher.h>

#include "build.h"
#include "files.h"

#include <annul/clock.h>
#include <annul/log.h>

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
#define RETRY_MAX_MS 60000

/* One issuer's CRL. Guarded by the publisher's mutex, but for what only the thread uses. */
/* One who has asked for a CRL at once. */
struct asker {
    struct asker *next;
    publisher_done *done;
    void *arg;
};

struct schedule {
    const struct issuer *issuer;
    char *folder; /* NULL: no CA key */
    struct held_publication *current;
    int64_t due_ms;                 /* monotonic; 0: no change waits */
    struct asker *asked, *building; /* who waits for the next build, and for the one under way */
    int64_t retry_ms;               /* the thread's: pause after the next failure */
    int64_t not_before_ms;          /* the thread's: after a failure */
};

struct publisher {
    const struct config *config;
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* the thread */
    bool stopping;
    struct schedule list[]; /* as issuers->list */
};

static struct schedule *schedule_of(struct publisher *publisher, const struct issuer *issuer)
{
    return &publisher->list[issuer - publisher->issuers->list];
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static bool is_due(const struct schedule *schedule, int64_t now, int64_t now_ms)
{
    if (!schedule->folder || now_ms < schedule->not_before_ms)
        return false;
    if (!schedule->current || schedule->asked)
        return true;
    const struct publication *p = &schedule->current->publication;
    return (schedule->due_ms && schedule->due_ms <= now_ms) ||
           now >= p->this_update + schedule->issuer->config->crl_refresh_s ||
           p->this_update > now + 300; /* the clock was ahead and is right again */
}

/* No two CRLs of an issuer have the same date of modification, so that it can tell them apart. */
static void note_published(struct publication *p, const struct publication *before)
{
    p->published_at = clock_now();
    if (before && p->published_at <= before->published_at)
        p->published_at = before->published_at + 1;
}

static void note_success(struct schedule *schedule, struct held_publication *made)
{
    struct held_publication *old = schedule->current;
    note_published(&made->publication, old ? &old->publication : NULL);
    schedule->current = made;
    schedule->retry_ms = 500;
    log_info("publisher", "issuer %s: CRL %" PRId64 " with %" PRId64 " entries, %" PRIu64 " octets",
             schedule->issuer->config->name.text, made->publication.number, made->publication.entries,
             made->publication.der_len);
    publication_release(old ? &old->publication : NULL);
}

static void note_failure(struct schedule *schedule, const struct error *why, int64_t now_ms)
{
    schedule->not_before_ms = now_ms + schedule->retry_ms;
    schedule->retry_ms = schedule->retry_ms * 2 < RETRY_MAX_MS ? schedule->retry_ms * 2 : RETRY_MAX_MS;
    if (!schedule->due_ms)
        schedule->due_ms = now_ms;
    if (schedule->asked) /* while this one failed: at once */
        schedule->not_before_ms = 0;
    log_error("publisher", "issuer %s: no new CRL, the old one stays: %s",
              schedule->issuer->config->name.text, why->text);
}

static void tell(struct asker *askers, const char *failure)
{
    while (askers) {
        struct asker *next = askers->next;
        askers->done(askers->arg, failure);
        free(askers);
        askers = next;
    }
}

static void build_one(struct publisher *publisher, struct schedule *schedule)
{
    struct error err = {""};
    schedule->due_ms = 0; /* what is committed from here on asks again */
    schedule->building = schedule->asked;
    schedule->asked = NULL;
    pthread_mutex_unlock(&publisher->mutex);
    struct held_publication *made =
        crl_build(publisher->store, publisher->signer, schedule->issuer, schedule->folder, clock_now(), &err);
    if (made)
        published_clean(schedule->folder, made->publication.number);
    pthread_mutex_lock(&publisher->mutex);
    if (made)
        note_success(schedule, made);
    else
        note_failure(schedule, &err, clock_monotonic_ms());
    struct asker *askers = schedule->building;
    schedule->building = NULL;
    pthread_mutex_unlock(&publisher->mutex);
    tell(askers, made ? NULL : err.text);
    pthread_mutex_lock(&publisher->mutex);
}

/* Until the next change falls due, or the wall clock is to be looked at. */
static void wait_for_work(struct publisher *publisher, int64_t now_ms)
{
    int64_t until_ms = now_ms + TICK_MS;
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        int64_t due_ms = publisher->list[i].due_ms;
        if (due_ms && due_ms < publisher->list[i].not_before_ms)
            due_ms = publisher->list[i].not_before_ms;
        if (due_ms && due_ms < until_ms)
            until_ms = due_ms;
    }
    struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
    pthread_cond_timedwait(&publisher->wake, &publisher->mutex, &until);
}

static void *run(void *arg)
{
    struct publisher *publisher = arg;
    pthread_mutex_lock(&publisher->mutex);
    while (!publisher->stopping) {
        bool built = false;
        int64_t now = clock_now(), now_ms = clock_monotonic_ms();
        for (size_t i = 0; i < publisher->issuers->count && !publisher->stopping; i++) {
            if (is_due(&publisher->list[i], now, now_ms)) {
                build_one(publisher, &publisher->list[i]);
                built = true;
            }
        }
        if (!built && !publisher->stopping)
            wait_for_work(publisher, now_ms);
    }
    pthread_mutex_unlock(&publisher->mutex);
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

/* What was published before is served at once; the schedule decides whether it is due. */
static int take_up(struct publisher *publisher, struct schedule *schedule, struct error *err)
{
    struct store_crl crl;
    int64_t changed;
    struct error why;
    if (asprintf(&schedule->folder, "%s/%s", publisher->config->crl_directory.text,
                 schedule->issuer->config->name.text) < 0) {
        schedule->folder = NULL;
        return error_set(err, "out of memory");
    }
    if (make_folder(publisher->config, schedule->folder, err) < 0)
        return -1;
    enum outcome found = store_crl_last(publisher->store, schedule->issuer->id, &crl, &changed, err);
    if (found == FAILED)
        return -1;
    if (found == FOUND) {
        schedule->current = published_open(schedule->folder, &crl, &why);
        if (schedule->current)
            note_published(&schedule->current->publication, NULL);
        if (!schedule->current)
            log_warn("publisher", "issuer %s: %s: building it anew", schedule->issuer->config->name.text,
                     why.text);
        else if (changed > crl.covers ||
                 crl.next_update - crl.this_update != schedule->issuer->config->crl_lifetime_s)
            schedule->due_ms =
                1; /* a revocation was committed, or the configuration changed, before a crash or stop */
    }
    published_clean(schedule->folder, schedule->current ? crl.number : -1);
    return 0;
}

static void free_publisher(struct publisher *publisher)
{
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct held_publication *current = publisher->list[i].current;
        publication_release(current ? &current->publication : NULL);
        free(publisher->list[i].folder);
    }
    pthread_cond_destroy(&publisher->wake);
    pthread_mutex_destroy(&publisher->mutex);
    free(publisher);
}

static int start(struct publisher *publisher, struct error *err)
{
    if (make_folder(publisher->config, publisher->config->crl_directory.text, err) < 0)
        return -1;
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct schedule *schedule = &publisher->list[i];
        schedule->issuer = &publisher->issuers->list[i];
        schedule->retry_ms = 500;
        if (schedule->issuer->crl_sigalg && take_up(publisher, schedule, err) < 0)
            return -1;
    }
    return pthread_create(&publisher->thread, NULL, run, publisher) == 0
               ? 0
               : error_set(err, "cannot start a thread");
}

struct publisher *publisher_start(const struct config *config, struct issuers *issuers, struct store *store,
                                  struct signer *signer, struct error *err)
{
    struct publisher *publisher = calloc(1, sizeof *publisher + issuers->count * sizeof *publisher->list);
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
    if (start(publisher, err) == 0)
        return publisher;
    free_publisher(publisher);
    return NULL;
}

void publisher_halt(struct publisher *publisher)
{
    struct asker *all = NULL;
    if (!publisher)
        return;
    pthread_mutex_lock(&publisher->mutex);
    publisher->stopping = true;
    for (size_t i = 0; i < publisher->issuers->count; i++) {
        struct asker **lists[] = {&publisher->list[i].asked, &publisher->list[i].building};
        for (size_t l = 0; l < 2; l++)
            while (*lists[l]) {
                struct asker *asker = *lists[l];
                *lists[l] = asker->next;
                asker->next = all;
                all = asker;
            }
    }
    pthread_cond_broadcast(&publisher->wake);
    pthread_mutex_unlock(&publisher->mutex);
    tell(all, "annuld is stopping");
}

void publisher_stop(struct publisher *publisher)
{
    if (!publisher)
        return;
    publisher_halt(publisher);
    pthread_join(publisher->thread, NULL);
    free_publisher(publisher);
}

/* --- for others ---------------------------------------------------------------------------------------- */

void publisher_changed(struct publisher *publisher, const struct issuer *issuer)
{
    struct schedule *schedule = schedule_of(publisher, issuer);
    if (!schedule->folder)
        return;
    pthread_mutex_lock(&publisher->mutex);
    if (!schedule->due_ms) { /* later changes do not push it back: never more than one delay */
        schedule->due_ms = clock_monotonic_ms() + publisher->config->crl_delay_ms;
        pthread_cond_signal(&publisher->wake);
    }
    pthread_mutex_unlock(&publisher->mutex);
}

void publisher_publish(struct publisher *publisher, const struct issuer *issuer, publisher_done *done,
                       void *arg)
{
    struct schedule *schedule = schedule_of(publisher, issuer);
    struct asker *asker = schedule->folder ? malloc(sizeof *asker) : NULL;
    if (!asker) {
        done(arg, schedule->folder ? "out of memory" : "no CA key is configured, so no CRL is made here");
        return;
    }
    pthread_mutex_lock(&publisher->mutex);
    bool stopping = publisher->stopping;
    *asker = (struct asker){schedule->asked, done, arg};
    if (!stopping) {
        schedule->asked = asker;
        schedule->not_before_ms = 0;
        pthread_cond_signal(&publisher->wake);
    }
    pthread_mutex_unlock(&publisher->mutex);
    if (stopping) {
        asker->next = NULL;
        tell(asker, "annuld is stopping");
    }
}

struct publication *publisher_current(struct publisher *publisher, const struct issuer *issuer)
{
    pthread_mutex_lock(&publisher->mutex);
    struct held_publication *held = schedule_of(publisher, issuer)->current;
    if (held)
        atomic_fetch_add(&held->holders, 1);
    pthread_mutex_unlock(&publisher->mutex);
    return held ? &held->publication : NULL;
}

bool publisher_is_ready(struct publisher *publisher, int64_t now)
{
    bool ready = true;
    pthread_mutex_lock(&publisher->mutex);
    for (size_t i = 0; i < publisher->issuers->count && ready; i++) {
        const struct schedule *schedule = &publisher->list[i];
        ready = !schedule->folder || (schedule->current && schedule->current->publication.next_update > now);
    }
    pthread_mutex_unlock(&publisher->mutex);
    return ready;
}
