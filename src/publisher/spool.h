/* A CRL on its way: entries into a nameless file, then what stands around them. */
#ifndef ANNUL_PUBLISHER_SPOOL_H
#define ANNUL_PUBLISHER_SPOOL_H

#include <annul/crl.h>

/* The lengths in front of the entries are known only behind them, so the entries begin at an offset that leaves room
 * for whatever goes before. */
#define SPOOL_CHUNK 65536
struct spool {
    int fd; /* -1: not open */
    uint64_t entries_at, end;
    int64_t entries;
    size_t pending; /* octets in `chunk` that are not in the file yet */
    int failure;    /* errno of a write */
    uint8_t chunk[SPOOL_CHUNK];
};

/* Makes the file in `folder`; the entries will begin at `entries_at`. 0 or -1. */
int spool_open(struct spool *spool, const char *folder, uint64_t entries_at, struct error *err);
void spool_rewind(struct spool *spool); /* no entry is there any more */
void spool_close(struct spool *spool);

/* One more entry: to be encoded, or as it is. False where the file could not be written; spool_error says why. */
bool spool_entry(struct spool *spool, const struct crl_entry *entry);
bool spool_encoded(struct spool *spool, struct bytes entry);

/* Writes what is pending; octets anywhere. */
bool spool_flush(struct spool *spool);
bool spool_put(struct spool *spool, struct bytes data, uint64_t offset);

int spool_error(const struct spool *spool, struct error *err); /* sets the reason; -1 */

#endif
