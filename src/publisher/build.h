/* Builds one CRL: rows to DER to file. */
#ifndef ANNUL_PUBLISHER_BUILD_H
#define ANNUL_PUBLISHER_BUILD_H

#include "files.h"

/* What a delta goes on from. */
struct crl_base {
    int64_t number, covers;
};

/* What is to be built. */
struct crl_order {
    const struct issuer *issuer;
    struct crl_part part;
    const char *folder;
    const uint8_t *shape; /* 32 octets: see crl_shape */
    int64_t now, this_update;
    int64_t covers;           /* with a number that was taken: it must tell of this, and no more … */
    bool is_late;             /* … and more has been committed: nothing was made */
    bool regular;             /* by schedule: what it lists past its expiry need not be on the next one */
    int64_t number;           /* taken already, for a base and a delta that come together; 0: to be taken */
    struct crl_base bases[2]; /* of a delta: the first; where more than delta_max came since, the second */
    int64_t delta_max;
    struct held_publication *before; /* the same CRL as it is now, or NULL */
    bool splice;                     /* what has not changed since is taken from it */
};

/* SHA-256 of all that the configuration says of a CRL, but for its entries: where it is not the same, a new one is due. */
bool crl_shape(const struct issuer *issuer, struct crl_part part, uint8_t shape[32]);

/* Takes a number, streams the entries, has them signed, writes the files and records them. NULL with the reason;
 * then nothing that was served has changed. */
struct held_publication *crl_build(struct store *store, struct signer *signer, struct crl_order *order,
                                   struct error *err);

#endif
