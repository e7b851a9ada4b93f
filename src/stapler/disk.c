/* Files of our own: what was verified, so that a restart needs no network. */
#include "stapler.h"

#include <annul/hex.h>

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const kinds[] = {"ocsp", "crl", "deliver", "revoked"};

char *disk_path(const struct stapler_config *config, const char *kind, const char *id, const char *ending)
{
    char *path;
    return asprintf(&path, "%s/%s/%s%s", config->cache.text, kind, id, ending) < 0 ? NULL : path;
}

void disk_id(struct bytes octets, char id[ID_TEXT])
{
    uint8_t digest[32] = {0};
    size_t len;
    EVP_Q_digest(NULL, "SHA256", NULL, octets.at, octets.len, digest, &len);
    hex_encode(digest, sizeof digest, id);
}

static int check_folder(const char *path, struct error *err)
{
    if (access(path, R_OK | W_OK | X_OK) < 0)
        return error_set(err, "%s: %s; let the stapler's user write there", path, strerror(errno));
    return 0;
}

static int make_folder(const char *path, struct error *err)
{
    if (mkdir(path, 0750) < 0 && errno != EEXIST)
        return error_set(err, "%s: %s", path, strerror(errno));
    return check_folder(path, err);
}

int disk_make(const struct stapler_config *config, struct error *err)
{
    int result = make_folder(config->cache.text, err);
    for (size_t i = 0; result == 0 && i < sizeof kinds / sizeof *kinds; i++) {
        char *path = disk_path(config, kinds[i], "", "");
        result = path ? make_folder(path, err) : error_set(err, "out of memory");
        free(path);
    }
    return result;
}

int disk_lock(const struct stapler_config *config, struct error *err)
{
    char *path;
    if (asprintf(&path, "%s/lock", config->cache.text) < 0)
        return error_set(err, "out of memory");
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        error_set(err, "%s: %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        error_set(err, "%s: %s", path,
                  errno == EWOULDBLOCK
                      ? "another annul-stapler is at work with this cache; stop it, or give this one its own"
                      : strerror(errno));
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

int disk_check(const struct stapler_config *config, struct error *err)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < sizeof kinds / sizeof *kinds; i++) {
        char *path = disk_path(config, kinds[i], "", "");
        if (!path)
            return error_set(err, "out of memory");
        if (access(path, F_OK) == 0 || errno != ENOENT)
            result = check_folder(path, err);
        free(path);
    }
    return result;
}

bool disk_write(int fd, struct bytes octets)
{
    while (octets.len) {
        ssize_t n = write(fd, octets.at, octets.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        octets.at += n;
        octets.len -= (size_t)n;
    }
    return true;
}

static int sync_folder_of(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len == 0 || len >= sizeof folder)
        return 0;
    memcpy(folder, path, len);
    folder[len] = 0;
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

int disk_install(int fd, const char *temporary, const char *path, struct error *err)
{
    if (fsync(fd) < 0 || rename(temporary, path) < 0 || sync_folder_of(path) < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    return 0;
}

/* Each thread has its own, by a number that it has in the next life, too: two items may be of one certificate, and what a
 * crash leaves is written over. */
static char *temporary_of(const char *path)
{
    static atomic_uint threads;
    static _Thread_local unsigned number;
    char *temporary;
    if (!number)
        number = atomic_fetch_add(&threads, 1) + 1;
    return asprintf(&temporary, "%s.%u.tmp", path, number) < 0 ? NULL : temporary;
}

int disk_put(const char *path, struct bytes content, struct error *err)
{
    char *temporary = temporary_of(path);
    if (!temporary)
        return error_set(err, "out of memory");
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int result = -1;
    if (fd < 0 || !disk_write(fd, content))
        error_set(err, "%s: %s", path, strerror(errno));
    else
        result = disk_install(fd, temporary, path, err);
    if (fd >= 0)
        close(fd);
    if (result < 0)
        unlink(temporary);
    free(temporary);
    return result;
}
