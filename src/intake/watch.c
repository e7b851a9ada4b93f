/* A folder, by inotify. A file is watched by way of its folder, so that one that takes its place is seen; where it is a link,
 * by way of the folder that it leads to, too. What inotify does not tell (of a network's file systems, of links that lead to
 * links, of folders above that were renamed) a look at times does.
 */
#include "internal.h"

#include <annul/clock.h>
#include <annul/hashset.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define GONE_MS 1000 /* how often a folder is looked for that is not there */
#define COMPLETE (IN_CLOSE_WRITE | IN_MOVED_TO)
#define WATCHED (COMPLETE | IN_MODIFY | IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define FOLDER_GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

int watch_open(struct watch *watch, struct source *source, bool is_folder, struct error *err)
{
    *watch = (struct watch){.source = source, .inotify = -1, .descriptor = -1, .target = -1};
    const char *slash = is_folder ? NULL : strrchr(source->from, '/');
    watch->name = slash ? slash + 1 : NULL;
    watch->folder = strndup(source->from, slash > source->from ? (size_t)(slash - source->from)
                                          : slash              ? 1
                                                               : strlen(source->from));
    if (!watch->folder)
        return error_set(err, "out of memory");
    watch->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return watch->inotify < 0 ? error_set(err, "inotify: %s", strerror(errno)) : 0;
}

void watch_close(struct watch *watch)
{
    if (watch->inotify >= 0)
        close(watch->inotify);
    free(watch->folder);
}

uint64_t watch_identity(const char *path, const struct stat *status)
{
    char text[PATH_MAX + 128];
    int len = snprintf(text, sizeof text, "%lld %lld %lld %lld.%ld %s", (long long)status->st_dev,
                       (long long)status->st_ino, (long long)status->st_size,
                       (long long)status->st_mtim.tv_sec, status->st_mtim.tv_nsec, path);
    return hashset_hash(
        (struct bytes){(const uint8_t *)text, len < (int)sizeof text ? (size_t)len : sizeof text});
}

/* Of the file, or of all that are in the folder, whatever their order. 0: there is none. */
static uint64_t identity(const struct watch *watch)
{
    const char *from = watch->source->from;
    struct stat status;
    uint64_t sum = 0;
    if (watch->name)
        return stat(from, &status) == 0 ? watch_identity(from, &status) : 0;
    DIR *folder = opendir(from);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && fstatat(dirfd(folder), entry->d_name, &status, 0) == 0)
            sum += watch_identity(entry->d_name, &status);
    if (folder)
        closedir(folder);
    return sum;
}

/* Where the file really is may change at any time. */
static void follow(struct watch *watch)
{
    char path[PATH_MAX], *slash;
    int before = watch->target;
    watch->target = -1;
    if (watch->name && realpath(watch->source->from, path) && (slash = strrchr(path, '/'))) {
        snprintf(watch->target_name, sizeof watch->target_name, "%s", slash + 1);
        slash[slash == path] = 0;
        watch->target = inotify_add_watch(watch->inotify, path, WATCHED);
    }
    if (before >= 0 && before != watch->target && before != watch->descriptor)
        inotify_rm_watch(watch->inotify, before);
}

/* From here on nothing is missed; what was before is looked at as if it came now. */
static bool begin(struct watch *watch, watch_each *each, void *arg)
{
    struct error why;
    watch->descriptor = inotify_add_watch(watch->inotify, watch->folder, WATCHED);
    if (watch->descriptor < 0) {
        error_set(&why, "%s cannot be watched: %s", watch->folder, strerror(errno));
        source_tell(watch->source, &why);
        return source_rest(watch->source, GONE_MS);
    }
    follow(watch);
    watch->looked_ms = clock_monotonic_ms();
    watch->last = watch->told = identity(watch);
    each(arg, WATCH_COMPLETE, NULL);
    return true;
}

static void end(struct watch *watch)
{
    inotify_rm_watch(watch->inotify, watch->descriptor); /* of a folder that has gone it fails */
    watch->descriptor = -1;
}

/* Kubernetes replaces files by renaming a link beside them whose name begins with two dots. */
static bool concerns(const struct watch *watch, const char *name)
{
    return watch->name ? strcmp(name, watch->name) == 0 || strncmp(name, "..", 2) == 0 : name[0] != '.';
}

/* A link is complete when it is made; any other file is when its writer closes it. */
static bool is_link(const struct watch *watch, const char *name)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", watch->folder, name);
    return lstat(path, &status) == 0 &&
           (S_ISLNK(status.st_mode) || (S_ISREG(status.st_mode) && status.st_nlink > 1));
}

static void take_change(struct watch *watch, const struct inotify_event *event, watch_each *each, void *arg)
{
    bool complete = event->mask & COMPLETE || (event->mask & IN_CREATE && is_link(watch, event->name));
    if (!complete && event->mask & IN_CREATE)
        return;
    if (complete && watch->name)
        watch->last = watch->told = identity(watch);
    each(arg, complete ? WATCH_COMPLETE : WATCH_WRITTEN, event->name);
}

static void take_event(struct watch *watch, const struct inotify_event *event, watch_each *each, void *arg)
{
    if (event->mask & IN_Q_OVERFLOW)
        each(arg, WATCH_COMPLETE, NULL);
    else if (event->wd == watch->descriptor && event->mask & FOLDER_GONE)
        end(watch);
    else if (event->len && ((event->wd == watch->descriptor && concerns(watch, event->name)) ||
                            (event->wd == watch->target && strcmp(event->name, watch->target_name) == 0)))
        take_change(watch, event, each, arg);
}

static void take_events(struct watch *watch, watch_each *each, void *arg)
{
    union {
        struct inotify_event first;
        char octets[16384];
    } room;
    ssize_t n;
    while ((n = read(watch->inotify, room.octets, sizeof room.octets)) > 0)
        for (char *at = room.octets; at < room.octets + n;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
            take_event(watch, event, each, arg);
            at += sizeof *event + event->len;
        }
}

/* At what inotify may not have told. What is as it was a look before is complete, as far as can be seen. */
static void look(struct watch *watch, watch_each *each, void *arg)
{
    int before = watch->descriptor;
    watch->looked_ms = clock_monotonic_ms();
    watch->descriptor = inotify_add_watch(watch->inotify, watch->folder, WATCHED);
    if (before != watch->descriptor && before != watch->target)
        inotify_rm_watch(watch->inotify, before); /* another folder has this name now */
    uint64_t now = identity(watch);
    bool quiet = now == watch->last;
    watch->last = now;
    if (now == watch->told)
        return;
    if (quiet)
        watch->told = now;
    each(arg, quiet ? WATCH_COMPLETE : WATCH_WRITTEN, NULL);
}

bool watch_wait(struct watch *watch, int timeout_ms, watch_each *each, void *arg)
{
    struct intake *intake = watch->source->intake;
    if (watch->descriptor < 0)
        return begin(watch, each, arg);
    struct pollfd wait[] = {{watch->inotify, POLLIN, 0}, {intake->stop_fd, POLLIN, 0}};
    poll(wait, 2, timeout_ms);
    if (atomic_load(&intake->stopping))
        return false;
    take_events(watch, each, arg);
    if (watch->descriptor >= 0 && clock_monotonic_ms() - watch->looked_ms >= WATCH_LOOK_MS)
        look(watch, each, arg);
    follow(watch);
    return true;
}
