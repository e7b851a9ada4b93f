#include "cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define SHARDS 16
#define BUCKETS 4096  /* a shard */
#define OVERHEAD 2048 /* octets that an entry costs beside its answer: itself, the HTTP header, malloc */

struct entry {
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* by use; only where it has an answer */
    uint64_t hash;
    struct ocsp_answer *answer; /* NULL: only in flight */
    struct cache_stamp stamp;
    bool in_flight;
    struct cache_stamp flight;
    struct cache_waiter *waiters;
    size_t key_len;
    uint8_t key[];
};

struct shard {
    pthread_mutex_t mutex;
    size_t octets;
    struct entry *newest, *oldest;
    struct entry *buckets[BUCKETS];
};

struct cache {
    uint64_t seed;     /* so that nobody can choose keys of one bucket */
    size_t max_octets; /* a shard */
    struct shard shards[SHARDS];
};

struct cache *cache_new(size_t max_octets)
{
    struct cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return NULL;
    cache->max_octets = max_octets / SHARDS;
    if (getrandom(&cache->seed, sizeof cache->seed, 0) != sizeof cache->seed) {
        free(cache);
        return NULL;
    }
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&cache->shards[i].mutex, NULL);
    return cache;
}

/* FNV-1a from a secret beginning. */
static uint64_t hash_key(const struct cache *cache, struct bytes key)
{
    uint64_t hash = cache->seed;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ key.at[i]) * UINT64_C(0x100000001b3);
    return hash ^ hash >> 32;
}

static struct shard *lock_shard(struct cache *cache, uint64_t hash)
{
    struct shard *shard = &cache->shards[hash % SHARDS];
    pthread_mutex_lock(&shard->mutex);
    return shard;
}

static struct entry **find_link(struct shard *shard, uint64_t hash, struct bytes key)
{
    struct entry **link = &shard->buckets[hash / SHARDS % BUCKETS];
    while (*link && !((*link)->hash == hash && (*link)->key_len == key.len &&
                      memcmp((*link)->key, key.at, key.len) == 0))
        link = &(*link)->next;
    return link;
}

static struct entry *make_entry(struct entry **link, uint64_t hash, struct bytes key)
{
    struct entry *entry = key.len <= CACHE_KEY_MAX ? calloc(1, sizeof *entry + key.len) : NULL;
    if (!entry)
        return NULL;
    entry->hash = hash;
    entry->key_len = key.len;
    memcpy(entry->key, key.at, key.len);
    *link = entry;
    return entry;
}

/* The HTTP response has a copy of the octets. */
static size_t cost_of(const struct ocsp_answer *answer)
{
    return answer->size + answer->len + OVERHEAD;
}

static void unuse(struct shard *shard, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &shard->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &shard->oldest) = entry->newer;
}

static void use(struct shard *shard, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = shard->newest;
    *(shard->newest ? &shard->newest->newer : &shard->oldest) = entry;
    shard->newest = entry;
}

/* Lets go of the answer, and of the entry too unless a signature is on its way to it. */
static void drop_answer(struct shard *shard, struct entry *entry)
{
    unuse(shard, entry);
    shard->octets -= cost_of(entry->answer);
    ocsp_answer_release(entry->answer);
    entry->answer = NULL;
    if (entry->in_flight)
        return;
    *find_link(shard, entry->hash, (struct bytes){entry->key, entry->key_len}) = entry->next;
    free(entry);
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    for (int i = 0; i < SHARDS; i++) {
        while (cache->shards[i].oldest)
            drop_answer(&cache->shards[i], cache->shards[i].oldest);
        pthread_mutex_destroy(&cache->shards[i].mutex);
    }
    free(cache);
}

size_t cache_octets(struct cache *cache)
{
    size_t octets = 0;
    for (int i = 0; i < SHARDS; i++) {
        pthread_mutex_lock(&cache->shards[i].mutex);
        octets += cache->shards[i].octets;
        pthread_mutex_unlock(&cache->shards[i].mutex);
    }
    return octets;
}

struct ocsp_answer *cache_find(struct cache *cache, struct bytes key, struct cache_stamp *stamp)
{
    uint64_t hash = hash_key(cache, key);
    struct shard *shard = lock_shard(cache, hash);
    struct entry *entry = *find_link(shard, hash, key);
    struct ocsp_answer *answer = entry ? entry->answer : NULL;
    if (answer) {
        *stamp = entry->stamp;
        ocsp_answer_hold(answer);
        if (shard->newest != entry) {
            unuse(shard, entry);
            use(shard, entry);
        }
    }
    pthread_mutex_unlock(&shard->mutex);
    return answer;
}

void cache_restamp(struct cache *cache, struct bytes key, const struct ocsp_answer *answer, int64_t change)
{
    uint64_t hash = hash_key(cache, key);
    struct shard *shard = lock_shard(cache, hash);
    struct entry *entry = *find_link(shard, hash, key);
    if (entry && entry->answer == answer && entry->stamp.change < change)
        entry->stamp.change = change;
    pthread_mutex_unlock(&shard->mutex);
}

void cache_put(struct cache *cache, struct bytes key, struct ocsp_answer *answer, struct cache_stamp stamp)
{
    uint64_t hash = hash_key(cache, key);
    struct shard *shard = lock_shard(cache, hash);
    struct entry **link = find_link(shard, hash, key);
    struct entry *entry = *link ? *link : make_entry(link, hash, key);
    if (entry && entry->answer && entry->stamp.change > stamp.change)
        entry = NULL; /* a later truth is there already */
    if (entry) {
        ocsp_answer_hold(answer);
        if (entry->answer) {
            unuse(shard, entry);
            shard->octets -= cost_of(entry->answer);
            ocsp_answer_release(entry->answer);
        }
        entry->answer = answer;
        entry->stamp = stamp;
        shard->octets += cost_of(answer);
        use(shard, entry);
        while (shard->octets > cache->max_octets && shard->oldest)
            drop_answer(shard, shard->oldest);
    }
    pthread_mutex_unlock(&shard->mutex);
}

bool cache_take_off(struct cache *cache, struct bytes key, struct cache_stamp stamp,
                    struct cache_waiter *waiter, bool *joined)
{
    uint64_t hash = hash_key(cache, key);
    struct shard *shard = lock_shard(cache, hash);
    struct entry **link = find_link(shard, hash, key);
    struct entry *entry = *link ? *link : make_entry(link, hash, key);
    bool ours = entry && !entry->in_flight;
    *joined = entry && entry->in_flight && waiter && entry->flight.change == stamp.change &&
              entry->flight.version == stamp.version && entry->flight.lineage == stamp.lineage;
    if (ours) {
        entry->in_flight = true;
        entry->flight = stamp;
    } else if (*joined) {
        waiter->next = entry->waiters;
        entry->waiters = waiter;
    }
    pthread_mutex_unlock(&shard->mutex);
    return ours;
}

struct cache_waiter *cache_land(struct cache *cache, struct bytes key)
{
    uint64_t hash = hash_key(cache, key);
    struct shard *shard = lock_shard(cache, hash);
    struct entry **link = find_link(shard, hash, key), *entry = *link;
    struct cache_waiter *waiters = entry->waiters;
    entry->waiters = NULL;
    entry->in_flight = false;
    if (!entry->answer) {
        *link = entry->next;
        free(entry);
    }
    pthread_mutex_unlock(&shard->mutex);
    return waiters;
}
