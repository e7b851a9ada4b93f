#include "internal.h"

#include <annul/fault.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where a file is, and the name under which it is made. */
struct place {
    char path[PATH_MAX], folder[PATH_MAX], temporary[PATH_MAX];
};

static const char *remedy(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return ": make room";
    case EACCES:
    case EPERM:
    case EROFS:
        return ": let the stapler's user write there";
    case ENOENT:
    case ENOTDIR:
        return ": make the folder";
    default:
        return "";
    }
}

static int fail(const char *path, int number, struct error *err)
{
    return error_set(err, "%s: %s; what was there is unchanged%s", path, strerror(number), remedy(number));
}

static int too_long(const char *path, struct error *err)
{
    return error_set(err, "%.100s...: the path is too long", path);
}

static int place_find(const char *path, bool follow, struct place *place, struct error *err)
{
    if (!follow || !realpath(path, place->path)) { /* or not there yet */
        if (strlen(path) >= sizeof place->path)
            return too_long(path, err);
        strcpy(place->path, path);
    }
    const char *slash = strrchr(place->path, '/');
    const char *name = slash ? slash + 1 : place->path;
    size_t len = (size_t)(name - place->path);
    snprintf(place->folder, sizeof place->folder, "%.*s", (int)(slash ? len : 1), slash ? place->path : ".");
    int n = snprintf(place->temporary, sizeof place->temporary, "%.*s.%s.annul", (int)len, place->path, name);
    return n >= 0 && (size_t)n < sizeof place->temporary ? 0 : too_long(path, err);
}

static bool write_all(int fd, struct bytes content)
{
    while (content.len) {
        ssize_t n = write(fd, content.at, content.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        content.at += n;
        content.len -= (size_t)n;
    }
    return true;
}

/* Owner and mode: configured, or of the old file. Where we may not give it to its old owner, all may read it, as what it
 * says is public: else the consumer could not. */
static bool dress(int fd, const struct deliver_target *target, const struct stat *old)
{
    struct stat mine;
    if (fstat(fd, &mine) < 0)
        return false;
    bool keeps = target->uid == DELIVER_KEEP && target->gid == DELIVER_KEEP;
    uid_t uid = target->uid != DELIVER_KEEP ? target->uid : old ? old->st_uid : mine.st_uid;
    gid_t gid = target->gid != DELIVER_KEEP ? target->gid : old ? old->st_gid : mine.st_gid;
    mode_t mode = target->mode != DELIVER_KEEP ? target->mode : old ? old->st_mode & 0777 : 0644;
    if ((uid != mine.st_uid || gid != mine.st_gid) && fchown(fd, uid, gid) < 0) {
        if (!keeps || errno != EPERM)
            return false;
        mode |= target->mode == DELIVER_KEEP ? 0444 : 0;
    }
    return fchmod(fd, mode) == 0;
}

static int make_temporary(const struct place *place, const struct deliver_target *target,
                          struct bytes content)
{
    struct stat old;
    bool is_there = stat(place->path, &old) == 0;
    if (unlink(place->temporary) < 0 && errno != ENOENT)
        return -1;
    int fd = open(place->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    bool good = write_all(fd, content) && dress(fd, target, is_there ? &old : NULL) && fsync(fd) == 0;
    int number = errno;
    good = close(fd) == 0 && good;
    errno = number;
    return good ? 0 : -1;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

/* The temporary file is whole: it becomes the file. */
static int take_place(struct work *work, const struct place *place, struct error *err)
{
    fault_point("deliver-written");
    if (rename(place->temporary, place->path) < 0) {
        int number = errno;
        unlink(place->temporary);
        return fail(place->path, number, err);
    }
    fault_point("deliver-renamed");
    work->changed = true;
    if (sync_folder(place->folder) < 0)
        return error_set(err, "%s: replaced, but the folder cannot be synced: %s", place->path,
                         strerror(errno));
    return 0;
}

static bool holds(const char *path, struct bytes content)
{
    struct buffer old = {0};
    bool same =
        file_read(path, content.len, &old) == 0 && bytes_equal((struct bytes){old.at, old.len}, content);
    buffer_free(&old);
    return same;
}

int place_put(struct work *work, const char *path, struct bytes content, struct error *err)
{
    struct place place;
    if (place_find(path, true, &place, err) < 0)
        return -1;
    if (holds(place.path, content))
        return 0;
    work_begin(work);
    if (make_temporary(&place, work->target, content) < 0) {
        int number = errno;
        unlink(place.temporary);
        return fail(path, number, err);
    }
    return take_place(work, &place, err);
}

int place_link(struct work *work, const char *from, const char *path, struct error *err)
{
    struct place place;
    struct stat one, other;
    if (place_find(path, true, &place, err) < 0)
        return -1;
    if (stat(from, &one) == 0 && stat(place.path, &other) == 0 && one.st_dev == other.st_dev &&
        one.st_ino == other.st_ino) /* where rename does nothing */
        return 0;
    work_begin(work);
    if ((unlink(place.temporary) < 0 && errno != ENOENT) || link(from, place.temporary) < 0)
        return fail(path, errno, err);
    return take_place(work, &place, err);
}

int place_remove(struct work *work, const char *path, struct error *err)
{
    struct place place;
    struct stat status;
    if (place_find(path, false, &place, err) < 0)
        return -1;
    if (lstat(path, &status) < 0 && errno == ENOENT)
        return 0;
    work_begin(work);
    if (unlink(path) < 0)
        return fail(path, errno, err);
    work->changed = true;
    if (sync_folder(place.folder) < 0)
        return error_set(err, "%s: removed, but the folder cannot be synced: %s", path, strerror(errno));
    return 0;
}

int place_check(const char *path, struct error *err)
{
    struct place place;
    struct stat status;
    if (place_find(path, true, &place, err) < 0)
        return -1;
    if (stat(place.path, &status) == 0 && !S_ISREG(status.st_mode))
        return error_set(err, "%s: is no plain file: remove it or name another", path);
    if (access(place.folder, W_OK | X_OK) < 0)
        return error_set(err, "folder %s: %s%s", place.folder, strerror(errno), remedy(errno));
    return 0;
}
