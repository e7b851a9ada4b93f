/* The run: jobs, the threads that do them, and the clock. */
#include "stapler.h"

#include "mirror.h"
#include "watch.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <openssl/rand.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* How soon a clock that was set is noticed, too: tests set theirs often. */
#ifdef ANNUL_TEST
#define TICK_MS 50
#else
#define TICK_MS 1000
#endif
#define ONCE_MS 200  /* how soon a run that ends by itself notices a signal */
#define CRLS_MAX 256 /* each may keep a thread waiting */

uint32_t stapler_random(void)
{
    uint32_t random = 0;
    RAND_bytes((unsigned char *)&random, sizeof random);
    return random;
}

struct fetch *stapler_new_fetch(const struct stapler_config *config, struct error *err)
{
    return fetch_new(&(struct fetch_options){.user_agent = "annul-stapler/" ANNUL_VERSION,
                                             .connect_ms = config->connect_s * 1000,
                                             .proxy = config->proxy.text},
                     err);
}

bool list_add(struct list *list, void *one)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 16;
        void **at = realloc(list->at, room * sizeof *at);
        if (!at)
            return false;
        list->at = at;
        list->room = room;
    }
    list->at[list->count++] = one;
    return true;
}

void list_remove(struct list *list, const void *one)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->at[i] != one)
            continue;
        memmove(&list->at[i], &list->at[i + 1], (list->count - i - 1) * sizeof *list->at);
        list->count--;
        return;
    }
}

void stapler_lock(struct stapler *stapler)
{
    pthread_mutex_lock(&stapler->lock);
}

void stapler_unlock(struct stapler *stapler)
{
    pthread_mutex_unlock(&stapler->lock);
}

void stapler_wake(struct stapler *stapler, struct job *job)
{
    job->due_at = AT_ONCE;
    job->again = job->busy;
    pthread_cond_signal(&stapler->work);
}

/* --- workers ------------------------------------------------------------------------------------------- */

/* Once: what was due when we began, and what came of that. */
static bool is_due(const struct stapler *stapler, const struct job *job, int64_t now)
{
    return !job->busy && job->due_at <= (stapler->once ? stapler->started_at : now) &&
           !(job->is_staple && stapler->staples_at_work >= stapler->config->workers);
}

/* The one that has been due longest, or NULL. With the lock. */
static struct job *find_due(struct stapler *stapler)
{
    const struct list *lists[] = {&stapler->outlets, &stapler->crls, &stapler->staples};
    int64_t now = clock_now();
    struct job *found = NULL;
    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            struct job *job = lists[l]->at[i];
            if (is_due(stapler, job, now) && (!found || job->due_at < found->due_at))
                found = job;
        }
    return found;
}

static void do_job(struct stapler *stapler, struct job *job)
{
    job->busy = true;
    job->again = false;
    stapler->at_work++;
    stapler->staples_at_work += job->is_staple;
    stapler_unlock(stapler);
    job->run(stapler, job);
    stapler_lock(stapler);
    job->busy = false;
    if (job->again)
        job->due_at = AT_ONCE;
    stapler->at_work--;
    stapler->staples_at_work -= job->is_staple;
    pthread_cond_signal(&stapler->work); /* it may have kept another one back */
    pthread_cond_signal(&stapler->rest);
}

static void *work(void *arg)
{
    struct stapler *stapler = arg;
    stapler_lock(stapler);
    while (!atomic_load(&stapler->stopping)) {
        struct job *job = find_due(stapler);
        if (job)
            do_job(stapler, job);
        else
            pthread_cond_wait(&stapler->work, &stapler->lock);
    }
    stapler_unlock(stapler);
    return NULL;
}

/* --- the main thread ----------------------------------------------------------------------------------- */

static void look_at_items(struct stapler *stapler, int64_t now)
{
    for (size_t i = 0; i < stapler->staples.count; i++) {
        struct staple *staple = stapler->staples.at[i];
        item_look(&staple->item, now);
        stapler->rescan |= !staple->skipped.text[0] && staple->not_after <= now; /* it expired meanwhile */
        stapler->rescan |= watch_is_over(stapler, staple);
    }
    for (size_t i = 0; i < stapler->crls.count; i++)
        item_look(stapler->crls.at[i], now);
}

/* At each turn of the main thread; true: there is nothing left to do, where that is an end. */
static bool tick(struct stapler *stapler)
{
    stapler_lock(stapler);
    look_at_items(stapler, clock_now());
    if (find_due(stapler))
        pthread_cond_broadcast(&stapler->work);
    bool over = stapler->once && stapler->at_work == 0 && !find_due(stapler);
    bool dirty = stapler->dirty, rescan = watch_is_due(stapler);
    stapler->dirty = false;
    stapler_unlock(stapler);
    if (rescan)
        watch_rescan(stapler);
    if (dirty)
        status_save(stapler);
    return over;
}

/* That came since it was last asked for, or 0. */
static int take_signal(int signals)
{
    struct signalfd_siginfo signal;
    return read(signals, &signal, sizeof signal) == sizeof signal ? (int)signal.ssi_signo : 0;
}

static void say_stopping(int signal)
{
    log_info("stapler", "SIG%s: stopping", sigabbrev_np(signal));
}

/* False where a signal ended it before all was done. */
static bool run_once(struct stapler *stapler, int signals)
{
    int signal = 0;
    while (!signal && !tick(stapler)) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += ONCE_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        stapler_lock(stapler);
        if (stapler->at_work || find_due(stapler))
            pthread_cond_clockwait(&stapler->rest, &stapler->lock, CLOCK_MONOTONIC, &until);
        stapler_unlock(stapler);
        signal = take_signal(signals);
    }
    if (signal)
        say_stopping(signal);
    return !signal;
}

static void run_on(struct stapler *stapler, int signals)
{
    struct pollfd fds[] = {{signals, POLLIN, 0}, {watch_fd(stapler), POLLIN, 0}};
    for (;;) {
        int ready = poll(fds, 2, TICK_MS);
        int signal = ready > 0 && fds[0].revents ? take_signal(signals) : 0;
        if (signal && signal != SIGHUP) {
            say_stopping(signal);
            return;
        }
        if (signal) {
            log_info("stapler", "SIGHUP: certificates are read anew; the configuration only at a restart");
            watch_rescan(stapler);
        }
        if (ready > 0 && fds[1].revents)
            watch_changed(stapler);
        tick(stapler);
    }
}

/* --- boot and end -------------------------------------------------------------------------------------- */

static void keep_crl(struct stapler *stapler, const struct section *section, const char *name,
                     struct crl *crl)
{
    if (!crl || !list_add(&stapler->crls, crl))
        log_error("stapler", "crl %s: %s: out of memory, or more than %d CRLs", section->name.text, name,
                  CRLS_MAX);
}

static void add_crl(struct stapler *stapler, const struct section *section, const char *url)
{
    for (size_t i = 0; i < stapler->crls.count; i++) {
        const struct crl *other = stapler->crls.at[i];
        if (other->item.section == section && strcmp(other->item.name, url) == 0)
            return;
    }
    keep_crl(stapler, section, url, stapler->crls.count < CRLS_MAX ? crl_new(stapler, section, url) : NULL);
}

/* An item like others: so that the exit status, `status` and metrics tell of it. */
static void add_broken(struct stapler *stapler, const struct section *section, const char *name,
                       const char *why)
{
    log_error("stapler", "crl %s: %s: %s", section->name.text, name, why);
    keep_crl(stapler, section, name,
             stapler->crls.count < CRLS_MAX ? crl_new_broken(section, name, why) : NULL);
}

struct points {
    struct stapler *stapler;
    const struct section *section;
};

static void add_points_of(void *arg, const char *path)
{
    struct points *points = arg;
    struct buffer urls = {0};
    struct error err;
    if (crl_urls_of(path, &urls, &err) < 0)
        add_broken(points->stapler, points->section, path, err.text);
    else if (urls.len == 0)
        log_warn("stapler", "crl %s: %s: no certificate in it names a CRL", points->section->name.text, path);
    for (char *url = (char *)urls.at; url < (char *)urls.at + urls.len; url += strlen(url) + 1)
        add_crl(points->stapler, points->section, url);
    buffer_free(&urls);
}

static int add_section(struct stapler *stapler, const struct section *section, struct error *err)
{
    struct points points = {stapler, section};
    size_t before = stapler->crls.count;
    for (size_t i = 0; i < section->urls.count; i++)
        add_crl(stapler, section, section->urls.list[i].text);
    sources_each(section, add_points_of, &points);
    if (stapler->crls.count == before && section->sources.count)
        add_broken(stapler, section, section->sources.list[0].text, CRL_NO_POINTS);
    return outlets_make(stapler, section, NULL, err);
}

static int make_items(struct stapler *stapler, struct error *err)
{
    for (size_t i = 0; i < stapler->config->crl_count; i++)
        if (add_section(stapler, &stapler->config->crls[i], err) < 0)
            return -1;
    watch_rescan(stapler);
    return 0;
}

static enum stapler_exit judge(struct stapler *stapler)
{
    enum stapler_exit result = STAPLER_GOOD;
    const struct list *lists[] = {&stapler->crls, &stapler->staples};
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->count; i++) {
            const struct item *item = lists[l]->at[i];
            if ((item->failures && !item->temporary) ||
                (item->job.is_staple && ((const struct staple *)item)->broken))
                return STAPLER_FAILED;
            if (item->failures)
                result = STAPLER_TEMPORARY;
        }
    for (size_t i = 0; i < stapler->outlets.count; i++)
        if (((const struct outlet *)stapler->outlets.at[i])->failure.text[0])
            result = STAPLER_TEMPORARY;
    return result;
}

static void free_items(struct stapler *stapler)
{
    for (size_t i = 0; i < stapler->outlets.count; i++)
        outlet_free(stapler->outlets.at[i]);
    for (size_t i = 0; i < stapler->staples.count; i++)
        staple_free(stapler->staples.at[i]);
    for (size_t i = 0; i < stapler->crls.count; i++)
        crl_free(stapler->crls.at[i]);
    for (size_t i = 0; i < stapler->idle.count; i++)
        fetch_free(stapler->idle.at[i]);
    free(stapler->idle.at);
    free(stapler->outlets.at);
    free(stapler->staples.at);
    free(stapler->crls.at);
}

/* As many threads as may fetch staples, one for each CRL, which may have to wait, and one for outlets. */
static size_t start_workers(struct stapler *stapler, pthread_t *threads)
{
    size_t count = 0, wanted = stapler->config->workers + stapler->crls.count + 1;
    while (count < wanted && pthread_create(&threads[count], NULL, work, stapler) == 0)
        count++;
    return count;
}

static enum stapler_exit run(struct stapler *stapler, const sigset_t *stop, struct error *err)
{
    pthread_t *threads = calloc(stapler->config->workers + CRLS_MAX + 1, sizeof *threads);
    struct mirror *mirror = NULL;
    size_t count = 0;
    enum stapler_exit result = STAPLER_FAILED;
    int signals = signalfd(-1, stop, SFD_CLOEXEC | SFD_NONBLOCK), lock = -1;
    bool made = disk_make(stapler->config, err) == 0;
    if (made && (lock = disk_lock(stapler->config, err)) < 0)
        result = STAPLER_TEMPORARY;
    else if (!threads || signals < 0)
        error_set(err, "out of memory or descriptors");
    else if (made && watch_start(stapler, err) == 0 && make_items(stapler, err) == 0 &&
             (stapler->once || mirror_start(stapler, &mirror, err) == 0)) {
        count = start_workers(stapler, threads);
        log_info("stapler", "version " ANNUL_VERSION ": %zu certificates, %zu CRLs", stapler->staples.count,
                 stapler->crls.count);
        sd_notify(0, "READY=1");
        bool whole = true;
        if (stapler->once)
            whole = run_once(stapler, signals);
        else
            run_on(stapler, signals);
        sd_notify(0, "STOPPING=1");
        result = !whole ? STAPLER_TEMPORARY : stapler->once ? judge(stapler) : STAPLER_GOOD;
    }
    stapler_lock(stapler);
    atomic_store(&stapler->stopping, true); /* of all that is being fetched, too */
    pthread_cond_broadcast(&stapler->work);
    stapler_unlock(stapler);
    mirror_stop(mirror);
    for (size_t i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    if (count)
        status_save(stapler);
    watch_stop(stapler);
    if (signals >= 0)
        close(signals);
    if (lock >= 0)
        close(lock);
    free(threads);
    return result;
}

enum stapler_exit stapler_run(const struct stapler_config *config, bool once, const sigset_t *stop,
                              struct error *err)
{
    struct stapler stapler = {
        .config = config, .once = once, .started_at = clock_now(), .dirty = true, .inotify = -1};
    if (fetch_start(err) < 0)
        return STAPLER_FAILED;
    pthread_mutex_init(&stapler.lock, NULL);
    pthread_cond_init(&stapler.work, NULL);
    pthread_cond_init(&stapler.rest, NULL);
    enum stapler_exit result = run(&stapler, stop, err);
    free_items(&stapler);
    pthread_mutex_destroy(&stapler.lock);
    pthread_cond_destroy(&stapler.work);
    pthread_cond_destroy(&stapler.rest);
    fetch_stop();
    return result;
}
