#include "forward.h"

#include <annul/clock.h>

#include <stdlib.h>
#include <string.h>

#define ENTRIES 1024 /* the oldest makes room */
#define FAILED_S 10  /* a failure is not tried again for so long */

struct entry {
    uint8_t id[CERTID_DER_MAX];
    size_t len;
    struct held *held; /* NULL: it failed … */
    struct error why;  /* … for this reason */
    int64_t fresh_until;
};

struct forward {
    struct stapler *stapler;
    struct authorities authorities;
    pthread_mutex_t lock; /* of all; one fetch at a time, so that a stranger cannot make us many */
    struct fetch *fetch;
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
    forward->stapler = stapler;
    forward->fetch = stapler_new_fetch(config, err);
    if (forward->fetch && authorities_load(config, &config->mirror, &forward->authorities, err) == 0)
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
    fetch_free(forward->fetch);
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
    struct entry *entry = &forward->entries[forward->next];
    forward->next = (forward->next + 1) % ENTRIES;
    forward->count += forward->count < ENTRIES;
    held_release(entry->held);
    *entry = (struct entry){.len = id->whole.len};
    memcpy(entry->id, id->whole.at, id->whole.len);
    return entry;
}

/* A failure leaves what was there, which is given out to its end. */
static void refresh(struct forward *forward, struct entry *entry, const struct certificate *ca,
                    const struct certid *id)
{
    struct ocsp_question question = {ca, id->serial, id->hash};
    struct ask ask = {forward->stapler->config->upstream.text, &question, NULL};
    struct attempt attempt;
    int64_t now = clock_now();
    ocsp_ask(forward->stapler, forward->fetch, &ask, NULL, &attempt);
    entry->fresh_until = now + FAILED_S;
    entry->why = attempt.err;
    if (!attempt.held)
        return;
    held_release(entry->held);
    entry->held = attempt.held;
    entry->fresh_until = attempt.fresh_s >= 0
                             ? now + (attempt.fresh_s > SCHEDULE_MIN_S ? attempt.fresh_s : SCHEDULE_MIN_S)
                             : schedule_refresh(attempt.held->window, now, -1, 0, stapler_random());
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
    struct entry *entry = find_entry(forward, id);
    if (!entry)
        entry = make_entry(forward, id);
    if (entry->fresh_until <= clock_now())
        refresh(forward, entry, ca, id);
    struct held *held =
        entry->held && entry->held->window.end_at > clock_now() ? held_hold(entry->held) : NULL;
    if (!held)
        *err = entry->why;
    pthread_mutex_unlock(&forward->lock);
    return held;
}
