/* A folder, by inotify. A file is watched by way of its folder, so that one that takes its place is seen. */
#include "internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define GONE_MS 1000 /* how often a folder is looked for that is not there */
#define COMPLETE (IN_CLOSE_WRITE | IN_MOVED_TO)
#define FOLDER_GONE (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)

int watch_open(struct watch *watch, struct source *source, bool is_folder, struct error *err)
{
    *watch = (struct watch){.source = source, .inotify = -1, .descriptor = -1};
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

/* From here on nothing is missed; what was before is looked at as if it came now. */
static bool begin(struct watch *watch, watch_each *each, void *arg)
{
    struct error why;
    watch->descriptor = inotify_add_watch(watch->inotify, watch->folder,
                                          COMPLETE | IN_MODIFY | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR);
    if (watch->descriptor < 0) {
        error_set(&why, "%s cannot be watched: %s", watch->folder, strerror(errno));
        source_tell(watch->source, &why);
        return source_rest(watch->source, GONE_MS);
    }
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

static void take_event(struct watch *watch, const struct inotify_event *event, watch_each *each, void *arg)
{
    enum watch_event what = event->mask & COMPLETE ? WATCH_COMPLETE : WATCH_WRITTEN;
    if (event->mask & IN_Q_OVERFLOW)
        each(arg, WATCH_COMPLETE, NULL);
    else if (event->wd != watch->descriptor)
        return; /* of a folder before */
    else if (event->mask & FOLDER_GONE)
        end(watch);
    else if (event->len && concerns(watch, event->name))
        each(arg, what, event->name);
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
    return true;
}
