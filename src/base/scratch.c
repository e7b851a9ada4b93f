#include <annul/scratch.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int scratch_open(const char *folder, struct error *err)
{
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : error_set(err, "scratch file in %s: %s", folder, strerror(errno));
}

int scratch_add(int fd, struct bytes piece, struct error *err)
{
    while (piece.len) {
        ssize_t n = write(fd, piece.at, piece.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return error_set(err, "scratch file: %s", strerror(n < 0 ? errno : ENOSPC));
        piece.at += n;
        piece.len -= (size_t)n;
    }
    return 0;
}

long scratch_read(void *arg, uint8_t *into, size_t room, struct error *err)
{
    ssize_t n;
    do
        n = read(*(int *)arg, into, room);
    while (n < 0 && errno == EINTR);
    return n < 0 ? error_set(err, "%s", strerror(errno)) : (long)n;
}

int scratch_rewind(int fd, struct error *err)
{
    return lseek(fd, 0, SEEK_SET) == 0 ? 0 : error_set(err, "scratch file: %s", strerror(errno));
}
