/* Published files: made whole, then seen. */
#ifndef ANNUL_PUBLISHER_FILES_H
#define ANNUL_PUBLISHER_FILES_H

#include <annul/publisher.h>

#include <stdatomic.h>

/* What publisher_current gives, with its count of holders. */
struct held_publication {
    struct publication publication; /* first */
    atomic_int holders;
};

/* Names of an issuer's files. */
#define PUBLISHED_PATH 4096
void published_path(char out[PUBLISHED_PATH], const char *folder, int64_t number, const char *ending);

/* Writes the octets [offset, offset + len) of `spool` as NUMBER.crl, and as PEM, NUMBER.pem; each under a
 * temporary name in `folder`, synced, renamed; then syncs the folder. Gives the SHA-256 of the DER. */
int published_write(int spool, uint64_t offset, uint64_t len, const char *folder, int64_t number,
                    uint8_t digest[32], struct error *err);

/* Opens the files of a CRL that the store describes, and compares them with its digest. NULL with the reason.
 */
struct held_publication *published_open(const char *folder, const struct store_crl *crl, struct error *err);

/* Removes every file of the folder but those of `number`: older CRLs, and what a crash left. */
void published_clean(const char *folder, int64_t number);

#endif
