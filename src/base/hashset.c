#include <annul/hashset.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define ROOM_MIN 1024

static uint64_t key[2];
static pthread_once_t key_made = PTHREAD_ONCE_INIT;

static void make_key(void)
{
    if (getrandom(key, sizeof key, 0) != (ssize_t)sizeof key)
        abort(); /* of so few octets it cannot fail (getrandom(2)) */
}

static uint64_t turn(uint64_t v, int bits)
{
    return v << bits | v >> (64 - bits);
}

static void mix(uint64_t v[4], int rounds)
{
    while (rounds--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = turn(v[1], 13) ^ v[0];
        v[3] = turn(v[3], 16) ^ v[2];
        v[0] = turn(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = turn(v[1], 17) ^ v[2];
        v[3] = turn(v[3], 21) ^ v[0];
        v[2] = turn(v[2], 32);
    }
}

static void take_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    mix(v, 2);
    v[0] ^= word;
}

uint64_t hashset_hash(struct bytes text)
{
    pthread_once(&key_made, make_key);
    uint64_t v[4] = {key[0] ^ UINT64_C(0x736f6d6570736575), key[1] ^ UINT64_C(0x646f72616e646f6d),
                     key[0] ^ UINT64_C(0x6c7967656e657261), key[1] ^ UINT64_C(0x7465646279746573)};
    uint64_t last = (uint64_t)text.len << 56, word;
    for (; text.len >= sizeof word; text.at += sizeof word, text.len -= sizeof word) {
        memcpy(&word, text.at, sizeof word);
        take_word(v, word);
    }
    for (size_t i = 0; i < text.len; i++)
        last |= (uint64_t)text.at[i] << (8 * i);
    take_word(v, last);
    v[2] ^= 0xff;
    mix(v, 4);
    uint64_t hash = v[0] ^ v[1] ^ v[2] ^ v[3];
    return hash ? hash : 1;
}

/* Where it is, or would be. */
static uint64_t *find(const struct hashset *set, uint64_t hash)
{
    size_t at = (size_t)hash & (set->room - 1);
    while (set->slots[at] && set->slots[at] != hash)
        at = (at + 1) & (set->room - 1);
    return &set->slots[at];
}

bool hashset_has(const struct hashset *set, uint64_t hash)
{
    return set->count && *find(set, hash);
}

static bool grow(struct hashset *set)
{
    struct hashset larger = {.room = set->room ? set->room * 2 : ROOM_MIN, .count = set->count};
    if (!(larger.slots = calloc(larger.room, sizeof *larger.slots)))
        return false;
    for (size_t i = 0; i < set->room; i++)
        if (set->slots[i])
            *find(&larger, set->slots[i]) = set->slots[i];
    free(set->slots);
    *set = larger;
    return true;
}

bool hashset_add(struct hashset *set, uint64_t hash)
{
    if (set->count >= set->room / 4 * 3 && !grow(set))
        return false;
    uint64_t *slot = find(set, hash);
    set->count += *slot == 0;
    *slot = hash;
    return true;
}

void hashset_free(struct hashset *set)
{
    free(set->slots);
    *set = (struct hashset){0};
}
