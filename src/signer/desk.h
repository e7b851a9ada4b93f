/* Where annul-signer signs ResponseData: threads that take from one ring and give to the other. */
#ifndef ANNUL_SIGNER_DESK_H
#define ANNUL_SIGNER_DESK_H

#include "keys.h"

struct desk;

/* Takes the memory and the doorbells of both rings, which become the desk's, and starts signing. `socket` is shut down
 * when the other side says nonsense. NULL with the reason: then the descriptors are closed. */
struct desk *desk_open(struct signer_keys *keys, int socket, int memory, int requests, int replies,
                       struct error *err);

/* Waits until its threads have ended; where one does not, ends the process by SIGALRM. NULL-safe. */
void desk_close(struct desk *desk);

#endif
