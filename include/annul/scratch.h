/* A file without a name, for octets that are too many for memory: it goes when it is closed, whatever crashes. */
#ifndef ANNUL_SCRATCH_H
#define ANNUL_SCRATCH_H

#include <annul/bytes.h>
#include <annul/error.h>

/* Makes one in `folder`, on the disk that it has. A descriptor for reading and writing, or -1 with the reason. */
int scratch_open(const char *folder, struct error *err);

/* Appends at the descriptor's position. 0, or -1 with the reason. */
int scratch_add(int fd, struct bytes piece, struct error *err);

/* A crl_read (annul/crl.h) of a file from its position on; `arg` points to the descriptor. */
long scratch_read(void *arg, uint8_t *into, size_t room, struct error *err);

/* Back to the beginning. */
int scratch_rewind(int fd, struct error *err);

#endif
