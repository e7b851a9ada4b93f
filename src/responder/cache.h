/* Signed answers, kept for those who ask the same again.
 *
 * What is cached is the signature, not the truth: an answer carries the row that it speaks of (the whole of
 * it: was it listed, and in which version) and the store's change counter as it was before that row was read.
 * The owner compares (see responder.c); the cache only keeps. Bounded in octets, sharded by key, least
 * recently used goes first. Any thread.
 */
#ifndef ANNUL_RESPONDER_CACHE_H
#define ANNUL_RESPONDER_CACHE_H

#include <annul/responder.h>

/* A CertID with SHA-512, and how it is signed; a longer one (odd DER) is not cached. */
#define CACHE_KEY_MAX 192

struct cache;

/* The row that an answer speaks of, when it was known to be so, and in whose name. */
struct cache_stamp {
    int64_t change;   /* store_change() before the row was read */
    int64_t version;  /* of the row; -1: not listed */
    uint64_t lineage; /* of who signed it */
};

struct cache *cache_new(size_t max_octets); /* NULL when out of memory */
void cache_free(struct cache *cache);       /* NULL-safe; nobody may be inside */

size_t cache_octets(struct cache *cache); /* that it has */

/* The answer for a key, held, with its stamp; NULL: none. */
struct ocsp_answer *cache_find(struct cache *cache, struct bytes key, struct cache_stamp *stamp);

/* Notes that the row was still the same at change counter `change`, if the answer is still this one. */
void cache_restamp(struct cache *cache, struct bytes key, const struct ocsp_answer *answer, int64_t change);

/* Keeps an answer (takes a hold of its own), in place of an older one for the same key. */
void cache_put(struct cache *cache, struct bytes key, struct ocsp_answer *answer, struct cache_stamp stamp);

/* --- single flight ------------------------------------------------------------------------------------- */

/* One who waits for the signature that another has asked for. */
struct cache_waiter {
    struct cache_waiter *next;
    responder_done *done;
    void *arg;
};

/* True: this key is not being signed, and now is, by the caller, who must call cache_land. False with
 * `joined`: a signature of the same state of the database is under way, and `waiter` (malloc'ed, now the
 * cache's) hears of it. False without: one is under way, but of an older state: sign alone, and do not call
 * cache_land. */
bool cache_take_off(struct cache *cache, struct bytes key, struct cache_stamp stamp,
                    struct cache_waiter *waiter, bool *joined);

/* The signature has come, or has failed: gives those who wait. */
struct cache_waiter *cache_land(struct cache *cache, struct bytes key);

#endif
