#include "forward.h"

#include <annul/clock.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ENTRIES 1024 /* the oldest makes room */
#define FAILED_S 10  /* a failure is not tried again for so long */
#define FETCHES 8    /* at once, so that a stranger cannot make us many */
#define WAITERS 64   /* at once, for what others fetch, or to fetch */
#define WAIT_S 3     /* for which a client is kept at the most */

struct entry {
    uint8_t id[CERTID_DER_MAX];
    size_t len;
    struct held *held; /* NULL: it failed … */
    struct error why;  /* … for this reason */
    int64_t fresh_until;
    bool fetching; /* somebody does, without the lock: it stays where it is */
};

struct forward {
    struct stapler *stapler;
    struct authorities authorities;
    pthread_mutex_t lock; /* of what follows; never held over a fetch */
    pthread_cond_t fetched;
    struct fetch *idle[FETCHES];
    size_t idle_count, waiters;
    size_t count, next;
    struct entry entries[ENTRIES];
};

struct forward *forward_new(struct stapler *stapler, struct error *err)
{
    const struct stapler_config *config = stapler->config;
    struct forward *forward = calloc(1, sizeof *forward);
    if (!forward) {
        error_set(err, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&forward->lock, NULL);
    pthread_cond_init(&forward->fetched, NULL);
    forward->stapler = stapler;
    while (forward->idle_count < FETCHES &&
           (forward->idle[forward->idle_count] = stapler_new_fetch(config, err)))
        forward->idle_count++;
    if (forward->idle_count == FETCHES &&
        authorities_load(config, &config->mirror, &forward->authorities, err) == 0)
        return forward;
    forward_free(forward);
    return NULL;
}

void forward_free(struct forward *forward)
{
    if (!forward)
        return;
    for (size_t i = 0; i < forward->count; i++)
        held_release(forward->entries[i].held);
    authorities_free(&forward->authorities);
    while (forward->idle_count)
        fetch_free(forward->idle[--forward->idle_count]);
    pthread_cond_destroy(&forward->fetched);
    pthread_mutex_destroy(&forward->lock);
    free(forward);
}

static const struct certificate *find_ca(const struct forward *forward, const struct certid *id)
{
    for (size_t i = 0; i < forward->authorities.count && id->hash != CERTID_OTHER; i++) {
        const struct certificate *ca = &forward->authorities.list[i];
        uint8_t name[CERTID_HASH_MAX], key[CERTID_HASH_MAX];
        if (certid_digest(id->hash, (struct bytes){ca->subject.at, ca->subject.len}, name) &&
            certid_digest(id->hash, (struct bytes){ca->key_bits.at, ca->key_bits.len}, key) &&
            memcmp(name, id->name_hash.at, id->name_hash.len) == 0 &&
            memcmp(key, id->key_hash.at, id->key_hash.len) == 0)
            return ca;
    }
    return NULL;
}

static struct entry *find_entry(struct forward *forward, const struct certid *id)
{
    for (size_t i = 0; i < forward->count; i++)
        if (bytes_equal((struct bytes){forward->entries[i].id, forward->entries[i].len}, id->whole))
            return &forward->entries[i];
    return NULL;
}

static struct entry *make_entry(struct forward *forward, const struct certid *id)
{
    struct entry *entry;
    do {
        entry = &forward->entries[forward->next];
        forward->next = (forward->next + 1) % ENTRIES;
    } while (entry->fetching);
    forward->count += forward->count < ENTRIES;
    held_release(entry->held);
    *entry = (struct entry){.len = id->whole.len};
    memcpy(entry->id, id->whole.at, id->whole.len);
    return entry;
}

/* A failure leaves what was there, which is given out to its end; so does what is older. */
static void take(struct entry *entry, struct attempt *attempt)
{
    int64_t now = clock_now();
    entry->fresh_until = now + FAILED_S;
    entry->why = attempt->err;
    if (attempt->held && entry->held && held_is_behind(attempt->held, entry->held))
        held_release(attempt->held);
    else if (attempt->held) {
        held_release(entry->held);
        entry->held = attempt->held;
        entry->fresh_until =
            attempt->fresh_s >= 0
                ? now + (attempt->fresh_s > SCHEDULE_MIN_S ? attempt->fresh_s : SCHEDULE_MIN_S)
                : schedule_refresh(entry->held->window, now, -1, 0, stapler_random());
    }
}

/* With the lock, which it lets go of meanwhile. */
static void refresh(struct forward *forward, struct entry *entry, const struct certificate *ca,
                    const struct certid *id)
{
    struct ocsp_question question = {ca, id->serial, id->hash};
    struct ask ask = {forward->stapler->config->upstream.text, &question, NULL};
    struct attempt attempt;
    struct fetch *fetch = forward->idle[--forward->idle_count];
    entry->fetching = true;
    pthread_mutex_unlock(&forward->lock);
    ocsp_ask(forward->stapler, fetch, &ask, NULL, &attempt);
    pthread_mutex_lock(&forward->lock);
    take(entry, &attempt);
    entry->fetching = false;
    forward->idle[forward->idle_count++] = fetch;
    pthread_cond_broadcast(&forward->fetched);
}

/* With the lock: the entry, as young as it can be had in time; NULL where there is none yet. */
static struct entry *look_up(struct forward *forward, const struct certificate *ca, const struct certid *id)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    for (;;) {
        struct entry *entry = find_entry(forward, id);
        if (entry && !entry->fetching && entry->fresh_until > clock_now())
            return entry;
        if (!(entry && entry->fetching) && forward->idle_count) {
            entry = entry ? entry : make_entry(forward, id);
            refresh(forward, entry, ca, id);
            return entry;
        }
        bool late = forward->waiters >= WAITERS;
        forward->waiters++;
        late =
            late || pthread_cond_clockwait(&forward->fetched, &forward->lock, CLOCK_MONOTONIC, &until) != 0;
        forward->waiters--;
        if (late)
            return find_entry(forward, id);
    }
}

struct held *forward_ask(struct forward *forward, const struct certid *id, struct error *err)
{
    const struct certificate *ca = find_ca(forward, id);
    if (!forward->stapler->config->upstream.text || !ca || id->whole.len > CERTID_DER_MAX) {
        error_set(err, ca ? "it is not held by this CertID, and no upstream is configured"
                          : "of no CA that we know");
        return NULL;
    }
    pthread_mutex_lock(&forward->lock);
    const struct entry *entry = look_up(forward, ca, id);
    struct held *held =
        entry && entry->held && entry->held->window.end_at > clock_now() ? held_hold(entry->held) : NULL;
    if (!held && entry && entry->why.text[0])
        *err = entry->why;
    else if (!held)
        error_set(err, "upstream is slow; ask again");
    pthread_mutex_unlock(&forward->lock);
    return held;
}
