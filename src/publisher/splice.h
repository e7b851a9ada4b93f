/* The entries of a CRL that we made before, to go on from: those that did not change are copied as they are. */
#ifndef ANNUL_PUBLISHER_SPLICE_H
#define ANNUL_PUBLISHER_SPLICE_H

#include "files.h"
#include "spool.h"

#define SPLICE_WINDOW 65536
struct splice {
    int fd;
    uint64_t offset, left; /* of what is not in the window yet */
    size_t at, have;
    bool is_damaged; /* the file is not what it was */
    uint8_t window[SPLICE_WINDOW];
};

/* Only where `before` says where its entries are. */
void splice_init(struct splice *splice, const struct held_publication *before);

/* Copies all entries below `serial`, and passes over one that is of this very serial. False where the file is damaged, or
 * the spool cannot be written. */
bool splice_until(struct splice *splice, struct spool *spool, const struct serial *serial);
bool splice_rest(struct splice *splice, struct spool *spool);

#endif
