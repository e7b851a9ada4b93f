/* Published files: made whole, then seen. */
#ifndef ANNUL_PUBLISHER_FILES_H
#define ANNUL_PUBLISHER_FILES_H

#include <annul/publisher.h>

#include <stdatomic.h>

/* What publisher_current gives, with its count of holders. */
struct held_publication {
    struct publication publication; /* first */
    atomic_int holders;
    struct store_crl crl;             /* as the store has it */
    uint64_t entries_at, entries_len; /* where in the DER they are; 0: not known */
};

/* Names of a CRL's files. */
#define PUBLISHED_PATH 4096
void published_path(char out[PUBLISHED_PATH], const char *folder, int64_t number, const char *ending);

/* Writes the octets [offset, offset + len) of `spool` as NUMBER.crl, and as PEM, NUMBER.pem; each under a
 * temporary name in `folder`, the DER synced, renamed; then syncs the folder. Gives the SHA-256 of the DER. */
int published_write(int spool, uint64_t offset, uint64_t len, const char *folder, int64_t number,
                    uint8_t digest[32], struct error *err);

/* Opens the files of a CRL that the store describes. NULL with the reason. */
struct held_publication *published_open(const char *folder, struct crl_part part, const struct store_crl *crl,
                                        struct error *err);

/* The same, and compares the DER with its digest: for what was written by another process. The PEM is mended. */
struct held_publication *published_take_up(const char *folder, struct crl_part part,
                                           const struct store_crl *crl, struct error *err);

void published_hold(struct held_publication *held); /* NULL-safe, like publication_release */

/* Removes every file of the folder but those of `number`: older CRLs, and what a crash left. */
void published_clean(const char *folder, int64_t number);

#endif
