/* CRLs in a file that is replaced, or in a folder where they are put. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/hashset.h>
#include <annul/log.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct files {
    struct source *source;
    struct watch watch;
    struct hashset seen;  /* files as they were when they were taken or refused */
    struct hashset early; /* deltas whose bases were not here yet … */
    unsigned taken;       /* … when the issuer had so many CRLs */
    bool retry;           /* after a trouble of our own */
};

/* `old`: it may have been lying there for long, so that newer ones have come since. */
static void take_open(struct files *files, const char *path, int fd, uint64_t id, bool old)
{
    struct store_actor actor = {"crl_file", path, clock_now()};
    struct admin_crl_taken taken;
    struct error err;
    enum admin_result result = source_take(files->source, fd, &actor, &taken, &err);
    files->retry |= result == ADMIN_FAILED;
    if (result != ADMIN_FAILED)
        hashset_add(taken.lacks_base ? &files->early : &files->seen, id);
    if (result == ADMIN_DONE) {
        source_is_well(files->source);
    } else if (result == ADMIN_CONFLICT && old) {
        log_debug("intake", "%s: %s", path, err.text);
    } else {
        error_prefix(&err, "%s", path);
        source_tell(files->source, &err);
    }
}

static void take_file(struct files *files, const char *path, bool old)
{
    struct stat status;
    struct error why;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* should it be a pipe */
    if (fd < 0 || fstat(fd, &status) < 0) {
        error_set(&why, "%s: %s", path, strerror(errno));
        source_tell(files->source, &why);
    } else if (S_ISREG(status.st_mode)) {
        uint64_t id = watch_identity(path, &status);
        if (!hashset_has(&files->seen, id) && !hashset_has(&files->early, id))
            take_open(files, path, fd, id, old);
    }
    if (fd >= 0)
        close(fd);
}

struct candidate {
    char *path;
    struct timespec at;
};

static int by_age(const void *a, const void *b)
{
    const struct timespec *one = &((const struct candidate *)a)->at,
                          *other = &((const struct candidate *)b)->at;
    int seconds = (one->tv_sec > other->tv_sec) - (one->tv_sec < other->tv_sec);
    return seconds ? seconds : (one->tv_nsec > other->tv_nsec) - (one->tv_nsec < other->tv_nsec);
}

/* False when out of memory. */
static bool add_candidate(struct candidate **list, size_t *count, const char *folder, const char *name)
{
    struct stat status;
    struct candidate *longer = realloc(*list, (*count + 1) * sizeof **list);
    if (!longer)
        return false;
    *list = longer;
    struct candidate *one = &longer[*count];
    if (asprintf(&one->path, "%s/%s", folder, name) < 0)
        return false;
    one->at = stat(one->path, &status) == 0 ? status.st_mtim : (struct timespec){0};
    (*count)++;
    return true;
}

/* All that is in the folder: the oldest first, as if they had come just so. */
static void take_all(struct files *files)
{
    struct candidate *list = NULL;
    size_t count = 0;
    DIR *folder = opendir(files->source->from);
    for (struct dirent *entry; folder && (entry = readdir(folder));)
        if (entry->d_name[0] != '.' && !add_candidate(&list, &count, files->source->from, entry->d_name))
            files->retry = true;
    if (folder)
        closedir(folder);
    if (count)
        qsort(list, count, sizeof *list, by_age);
    for (size_t i = 0; i < count; i++) {
        take_file(files, list[i].path, true);
        free(list[i].path);
    }
    free(list);
}

static void something_happened(void *arg, enum watch_event event, const char *name)
{
    struct files *files = arg;
    char path[PATH_MAX];
    if (event == WATCH_WRITTEN || atomic_load(&files->source->intake->stopping))
        return;
    if (files->watch.name) {
        take_file(files, files->source->from, !name);
    } else if (!name) {
        take_all(files);
    } else {
        snprintf(path, sizeof path, "%s/%s", files->source->from, name);
        take_file(files, path, false);
    }
}

/* A base that has come, wherever from, may be that of deltas that were here before it. */
static void look_for_bases(struct files *files)
{
    unsigned taken = source_taken(files->source);
    if (taken == files->taken)
        return;
    files->taken = taken;
    if (files->early.count) {
        hashset_free(&files->early);
        something_happened(files, WATCH_COMPLETE, NULL);
    }
}

void file_run(struct source *source)
{
    struct files files = {.source = source};
    struct stat status;
    struct error err;
    bool is_folder = stat(source->from, &status) == 0 && S_ISDIR(status.st_mode);
    if (watch_open(&files.watch, source, is_folder, &err) < 0)
        source_tell(source, &err);
    else
        while (watch_wait(&files.watch, WATCH_LOOK_MS, something_happened, &files)) {
            look_for_bases(&files);
            if (files.retry) {
                files.retry = false;
                something_happened(&files, WATCH_COMPLETE, NULL);
            }
        }
    watch_close(&files.watch);
    hashset_free(&files.seen);
    hashset_free(&files.early);
}
