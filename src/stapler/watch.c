#include "watch.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- the kernel's view --------------------------------------------------------------------------------- */

#define CHANGES                                                                                              \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)
#define LOOK_MS 60000  /* what no event tells of: folders made of patterns or links, or that were missing */
#define SETTLE_MS 1000 /* a link is there when it is made, a file has yet to be written */
#define GONE_S 10      /* as long a file may be missing that is being replaced */
#define GONE_TRIES 8   /* then nobody is there any more who could be told */

/* The folder that a file, folder or glob is in. Again for one that is watched changes nothing. */
static void watch_folder_of(const struct stapler *stapler, const char *source, bool loud)
{
    struct stat status;
    char *folder = strdup(source), *slash = folder ? strrchr(folder, '/') : NULL;
    bool is_folder = stat(source, &status) == 0 && S_ISDIR(status.st_mode);
    if (slash && !is_folder)
        slash[slash == folder] = 0;
    if (folder && inotify_add_watch(stapler->inotify, folder, CHANGES) < 0 && loud)
        log_warn("stapler", "%s: cannot be watched for new certificates (%s): it is looked at every minute",
                 folder, strerror(errno));
    free(folder);
}

static void watch_folders(const struct stapler *stapler, bool loud)
{
    for (size_t i = 0; i < stapler->config->staple_count; i++) {
        const struct values *sources = &stapler->config->staples[i].sources;
        for (size_t s = 0; s < sources->count; s++)
            watch_folder_of(stapler, sources->list[s].text, loud);
    }
}

int watch_start(struct stapler *stapler, struct error *err)
{
    stapler->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (stapler->inotify < 0)
        return error_set(err, "inotify: %s", strerror(errno));
    watch_folders(stapler, true);
    return 0;
}

int watch_fd(const struct stapler *stapler)
{
    return stapler->inotify;
}

void watch_stop(struct stapler *stapler)
{
    if (stapler->inotify >= 0)
        close(stapler->inotify);
    stapler->inotify = -1;
}

void watch_changed(struct stapler *stapler)
{
    char events[4096] __attribute__((aligned(8)));
    bool made = false, changed = false;
    ssize_t n;
    while ((n = read(stapler->inotify, events, sizeof events)) > 0)
        for (const char *at = events; at < events + n;) {
            const struct inotify_event *event = (const void *)at;
            made |= event->mask & IN_CREATE;
            changed |= !(event->mask & IN_CREATE);
            at += sizeof *event + event->len;
        }
    if (changed)
        watch_rescan(stapler);
    if (made)
        stapler->look_ms = clock_monotonic_ms() + SETTLE_MS;
}

bool watch_is_due(const struct stapler *stapler)
{
    return stapler->rescan || clock_monotonic_ms() >= stapler->look_ms;
}

/* --- ours ---------------------------------------------------------------------------------------------- */

struct rescan {
    struct stapler *stapler;
    const struct section *section;
    struct list seen; /* staples */
};

static struct staple *find_staple(const struct stapler *stapler, const struct section *section,
                                  const char *path, unsigned place)
{
    for (size_t i = 0; i < stapler->staples.count; i++) {
        struct staple *staple = stapler->staples.at[i];
        if (staple->item.section == section && staple->place == place && strcmp(staple->path, path) == 0)
            return staple;
    }
    return NULL;
}

/* Then it is looked at again when that has ended. */
static bool is_at_work(struct stapler *stapler, const struct staple *staple)
{
    bool busy = staple->item.job.busy;
    for (size_t i = 0; i < stapler->outlets.count && !busy; i++) {
        const struct outlet *outlet = stapler->outlets.at[i];
        busy = outlet->staple == staple && outlet->job.busy;
    }
    stapler->rescan |= busy;
    return busy;
}

static void wake_outlets(struct stapler *stapler, const struct staple *staple)
{
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->staple == staple)
            stapler_wake(stapler, &outlet->job);
    }
}

static void look_at_one(struct rescan *rescan, const char *path, unsigned place)
{
    struct stapler *stapler = rescan->stapler;
    struct error err;
    struct staple *staple = find_staple(stapler, rescan->section, path, place);
    if (!staple) {
        staple = staple_new(rescan->section, path, place);
        if (!staple || !list_add(&stapler->staples, staple) ||
            outlets_make(stapler, rescan->section, staple, &err) < 0) {
            log_error("stapler", "%s: out of memory", path);
            return;
        }
    }
    if (is_at_work(stapler, staple)) {
        list_add(&rescan->seen, staple);
        return;
    }
    staple->gone_at = 0;
    staple->withdrawing = false;
    if (staple_read(stapler, staple)) {
        wake_outlets(stapler, staple);
        pthread_cond_broadcast(&stapler->work);
        stapler->dirty = true;
    }
    list_add(&rescan->seen, staple);
}

/* What we put there ourselves, now or in an earlier life, is no certificate. */
static bool is_ours(const struct stapler *stapler, const struct section *section, const char *path)
{
    for (size_t i = 0; i < section->place_count; i++) {
        char *own = outlet_path(&section->places[i], path);
        bool same = own && strcmp(own, path) == 0;
        free(own);
        if (same)
            return true;
    }
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        const struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->path && strcmp(outlet->path, path) == 0)
            return true;
    }
    return false;
}

static void look_at(void *arg, const char *path)
{
    struct rescan *rescan = arg;
    if (is_ours(rescan->stapler, rescan->section, path))
        return;
    unsigned count = staple_count(rescan->section, path);
    for (unsigned place = 0; place < count; place++)
        look_at_one(rescan, path, place);
}

static bool is_in(const struct list *list, const void *one)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i] == one)
            return true;
    return false;
}

static bool has_path_of_another(const struct stapler *stapler, const struct outlet *outlet)
{
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        const struct outlet *other = stapler->outlets.at[i];
        if (other->staple != outlet->staple && outlet->path && other->path &&
            outlet->target.kind != DELIVER_HITCH && strcmp(other->path, outlet->path) == 0)
            return true;
    }
    return false;
}

static void free_outlet(struct stapler *stapler, struct outlet *outlet)
{
    list_remove(&stapler->outlets, outlet);
    outlet_free(outlet);
}

/* Its outlets withdraw what they gave out; a consumer such as nginx would staple it for ever. */
static void withdraw(struct stapler *stapler, struct staple *staple)
{
    staple->withdrawing = true;
    staple->item.job.due_at = NEVER;
    held_release(staple->item.held);
    staple->item.held = NULL;
    for (size_t i = stapler->outlets.count; i-- > 0;) {
        struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->staple == staple && has_path_of_another(stapler, outlet))
            free_outlet(stapler, outlet);
    }
    wake_outlets(stapler, staple);
}

static bool is_withdrawn(const struct stapler *stapler, const struct staple *staple)
{
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        const struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->staple == staple && outlet->job.due_at == AT_ONCE)
            return false;
        if (outlet->staple == staple && outlet->state.retry_at && outlet->state.failures < GONE_TRIES)
            return false;
    }
    return true;
}

/* The file of a certificate is gone; it may be about to be replaced. Then it is served no more. */
static void drop(struct stapler *stapler, struct staple *staple)
{
    if (is_at_work(stapler, staple))
        return;
    if (!staple->gone_at) {
        log_info("stapler", "%s: is gone", staple->item.name);
        staple->gone_at = clock_now();
        error_set(&staple->skipped, "the file is gone");
        stapler->dirty = true;
    }
    if (clock_now() < staple->gone_at + GONE_S)
        return;
    if (!staple->withdrawing)
        withdraw(stapler, staple);
    if (!is_withdrawn(stapler, staple))
        return;
    for (size_t i = stapler->outlets.count; i-- > 0;) {
        struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->staple == staple)
            free_outlet(stapler, outlet);
    }
    list_remove(&stapler->staples, staple);
    staple_free(staple);
    stapler->dirty = true;
}

bool watch_is_over(const struct stapler *stapler, const struct staple *staple)
{
    return staple->gone_at && clock_now() >= staple->gone_at + GONE_S &&
           (!staple->withdrawing || is_withdrawn(stapler, staple));
}

void watch_rescan(struct stapler *stapler)
{
    stapler_lock(stapler);
    stapler->rescan = false;
    stapler->look_ms = clock_monotonic_ms() + LOOK_MS;
    watch_folders(stapler, false); /* one that was replaced is another one for the kernel */
    for (size_t i = 0; i < stapler->config->staple_count; i++) {
        struct rescan rescan = {stapler, &stapler->config->staples[i], {0}};
        if (sources_each(rescan.section, look_at, &rescan) < 0)
            log_error("stapler", "staple %s: the certificates cannot be listed", rescan.section->name.text);
        for (size_t s = stapler->staples.count; s-- > 0;) {
            struct staple *staple = stapler->staples.at[s];
            if (staple->item.section == rescan.section && !is_in(&rescan.seen, staple))
                drop(stapler, staple);
        }
        free(rescan.seen.at);
    }
    finder_free(&stapler->finder); /* another time their files may have changed */
    stapler_unlock(stapler);
}
