/* Questions about certificates that are not in the configuration, for the mirror: asked upstream, verified by the CAs that
 * are in it, and kept for as long as the answer is young. */
#ifndef ANNUL_STAPLER_FORWARD_H
#define ANNUL_STAPLER_FORWARD_H

#include "stapler.h"

struct forward;

struct forward *forward_new(struct stapler *stapler, struct error *err);
void forward_free(struct forward *forward); /* NULL-safe */

/* The answer, held, or NULL with the reason. Any thread. Of those that ask the same at once, one fetches,
 * and takes as long as that; the others wait a few seconds at the most, or get what was there before. */
struct held *forward_ask(struct forward *forward, const struct certid *id, struct error *err);

#endif
