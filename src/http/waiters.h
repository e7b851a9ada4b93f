/* Clients that wait for a CRL newer than theirs: GET or HEAD with If-None-Match and Prefer: wait=N.
 *
 * Each is a suspended connection and nothing else: no worker, no timer, no poll. One thread watches all of their sockets
 * for clients that go away, and sleeps until one does, until the first one's time is over, or until the publisher has news.
 */
#ifndef ANNUL_HTTP_WAITERS_H
#define ANNUL_HTTP_WAITERS_H

#include "internal.h"

struct waiters;

/* Listens to the publisher from here on. NULL with the reason. */
struct waiters *waiters_start(const struct config *config, struct publisher *publisher, struct error *err);

/* Ends the waiting of all, now, and takes no more. Returns when the workers have answered them, or after two seconds.
 * NULL-safe. */
void waiters_halt(struct waiters *waiters);

/* The same, and ends the thread: when no request is left. NULL-safe. */
void waiters_stop(struct waiters *waiters);

/* How much news there was. Ask before looking at what is current, and hand it to waiters_add. */
uint64_t waiters_news(struct waiters *waiters);

/* Puts a request to sleep until something new comes that concerns it, or request->waiting.until_ms has passed: then `resume`
 * goes on with it. False: it does not sleep, because there was news since `news`, so look again; or because it may not,
 * and then waiting.over is set. */
bool waiters_add(struct request *request, handler *resume, uint64_t news);

/* The worker has come to a request that was released. It may never have slept. */
void waiters_back(struct request *request);

/* The request is at its end: its answer is out, or the client is gone. It may never have slept. */
void waiters_end(struct request *request);

size_t waiters_count(struct waiters *waiters);

#endif
