/* A set of octet strings that keeps 64 bits of each: a million take 16 MiB at the most, whatever their length.
 *
 * The hash has a key that nobody outside knows (SipHash-2-4), so no one can choose a string that passes for another; that
 * two do by chance is as likely as one in 2^64 for each pair. One thread at a time.
 */
#ifndef ANNUL_HASHSET_H
#define ANNUL_HASHSET_H

#include <annul/bytes.h>

/* All zero is an empty set. */
struct hashset {
    uint64_t *slots; /* 0: free */
    size_t room, count;
};

/* The hash, which is never 0; the same for as long as the process lives. */
uint64_t hashset_hash(struct bytes text);

bool hashset_has(const struct hashset *set, uint64_t hash);

/* False when out of memory. */
bool hashset_add(struct hashset *set, uint64_t hash);
void hashset_free(struct hashset *set); /* leaves it empty */

#endif
