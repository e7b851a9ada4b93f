#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int spool_open(struct spool *spool, const char *folder, uint64_t entries_at, struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/spool-XXXXXX", folder);
    spool->fd = mkostemp(path, O_CLOEXEC);
    if (spool->fd < 0)
        return error_set(err, "spool file %s: %s", path, strerror(errno));
    unlink(path);
    spool->entries_at = entries_at;
    spool->failure = 0;
    spool_rewind(spool);
    return 0;
}

void spool_rewind(struct spool *spool)
{
    spool->end = spool->entries_at;
    spool->entries = 0;
    spool->pending = 0;
}

void spool_close(struct spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    spool->fd = -1;
}

bool spool_put(struct spool *spool, struct bytes data, uint64_t offset)
{
    while (data.len && !spool->failure) {
        ssize_t n = pwrite(spool->fd, data.at, data.len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            spool->failure = n < 0 ? errno : EIO;
            break;
        }
        data.at += n;
        data.len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return !spool->failure;
}

bool spool_flush(struct spool *spool)
{
    bool good = spool_put(spool, (struct bytes){spool->chunk, spool->pending}, spool->end);
    spool->end += spool->pending;
    spool->pending = 0;
    return good;
}

static bool make_room(struct spool *spool)
{
    return SPOOL_CHUNK - spool->pending >= CRL_ENTRY_MAX || spool_flush(spool);
}

bool spool_entry(struct spool *spool, const struct crl_entry *entry)
{
    if (!make_room(spool))
        return false;
    spool->pending += crl_entry_encode(entry, spool->chunk + spool->pending);
    spool->entries++;
    return true;
}

bool spool_encoded(struct spool *spool, struct bytes entry)
{
    if (entry.len > CRL_ENTRY_MAX || !make_room(spool))
        return false;
    memcpy(spool->chunk + spool->pending, entry.at, entry.len);
    spool->pending += entry.len;
    spool->entries++;
    return true;
}

int spool_error(const struct spool *spool, struct error *err)
{
    return error_set(err, "spool file: %s",
                     spool->failure ? strerror(spool->failure) : "an entry is too long");
}
