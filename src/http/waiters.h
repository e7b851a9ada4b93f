/* Clients that wait (Prefer: wait=N): on the public side for a CRL newer than theirs, on the admin side for the next change.
 *
 * Each is a suspended connection and nothing else: no worker, no timer, no poll. One thread watches all of their sockets
 * for clients that go away, and sleeps until one does, until the first one's time is over, or until there is news.
 */
#ifndef ANNUL_HTTP_WAITERS_H
#define ANNUL_HTTP_WAITERS_H

#include "internal.h"

struct waiters;

/* At most `max` may wait, of these `each` of one actor (or, where there are none, of one network), and `kept` are for the
 * Unix socket alone. NULL with the reason. */
struct waiters *waiters_start(size_t max, size_t kept, size_t each, struct error *err);

/* There is something new: whom it concerns goes on. NULL: it is everybody. Any thread. */
typedef bool waiters_concerns(const struct request *request, const void *news);
void waiters_announce(struct waiters *waiters, waiters_concerns *concerns, const void *news);

/* Ends the waiting of all, now, and takes no more. Returns when the workers have answered them, or after two seconds.
 * NULL-safe. */
void waiters_halt(struct waiters *waiters);

/* The same, and ends the thread: when no request is left, and nobody tells any more. NULL-safe. */
void waiters_stop(struct waiters *waiters);

/* Takes note of how long the client is ready to wait (Prefer), and grants at most `max_s` of it. */
void waiters_grant(struct request *request, int64_t max_s);

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
