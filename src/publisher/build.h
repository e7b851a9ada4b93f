/* Builds one CRL: rows to DER to file. */
#ifndef ANNUL_PUBLISHER_BUILD_H
#define ANNUL_PUBLISHER_BUILD_H

#include "files.h"

/* Takes a number, streams the rows, has them signed, writes the files and records them. NULL with the reason;
 * then nothing that was served has changed. */
struct held_publication *crl_build(struct store *store, struct signer *signer, const struct issuer *issuer,
                                   const char *folder, int64_t now, struct error *err);

#endif
