#include "splice.h"

#include <annul/der.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

void splice_init(struct splice *splice, const struct held_publication *before)
{
    splice->fd = before->publication.der_fd;
    splice->offset = before->entries_at;
    splice->left = before->entries_len;
    splice->at = splice->have = 0;
    splice->is_damaged = false;
}

static bool fill(struct splice *splice)
{
    memmove(splice->window, splice->window + splice->at, splice->have - splice->at);
    splice->have -= splice->at;
    splice->at = 0;
    while (splice->left && splice->have < SPLICE_WINDOW) {
        size_t room = SPLICE_WINDOW - splice->have;
        ssize_t n = pread(splice->fd, splice->window + splice->have,
                          splice->left < room ? splice->left : room, (off_t)splice->offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        splice->have += (size_t)n;
        splice->offset += (uint64_t)n;
        splice->left -= (uint64_t)n;
    }
    return true;
}

static int damaged(struct splice *splice)
{
    splice->is_damaged = true;
    return -1;
}

/* The next entry and the content of its serial; 1, 0 at the end, -1 where there is none of ours. Our entries are short,
 * so that each length is one octet. */
static int next_entry(struct splice *splice, struct bytes *entry, struct bytes *serial)
{
    if (splice->have - splice->at < CRL_ENTRY_MAX && splice->left && !fill(splice))
        return damaged(splice);
    const uint8_t *at = splice->window + splice->at;
    size_t have = splice->have - splice->at;
    if (have == 0)
        return 0;
    if (have < 4 || at[0] != DER_SEQUENCE || at[1] > CRL_ENTRY_MAX - 2 || at[1] + 2u > have ||
        at[2] != DER_INTEGER || at[3] + 2u > at[1])
        return damaged(splice);
    *entry = (struct bytes){at, at[1] + 2u};
    *serial = (struct bytes){at + 4, at[3]};
    return 1;
}

/* Both are minimal and positive: the longer is the larger. */
static int compare(struct bytes a, struct bytes b)
{
    return a.len != b.len ? (a.len < b.len ? -1 : 1) : memcmp(a.at, b.at, a.len);
}

bool splice_until(struct splice *splice, struct spool *spool, const struct serial *serial)
{
    uint8_t der[SERIAL_MAX + 3];
    struct bytes wanted = {der + 2, serial_to_der(serial_bytes(serial), der) - 2}, entry, found;
    int more;
    while ((more = next_entry(splice, &entry, &found)) > 0) {
        int order = compare(found, wanted);
        if (order > 0)
            return true;
        if (order < 0 && !spool_encoded(spool, entry))
            return false;
        splice->at += entry.len;
    }
    return more == 0;
}

bool splice_rest(struct splice *splice, struct spool *spool)
{
    struct bytes entry, serial;
    int more;
    while ((more = next_entry(splice, &entry, &serial)) > 0) {
        if (!spool_encoded(spool, entry))
            return false;
        splice->at += entry.len;
    }
    return more == 0;
}
