/* The audit trail as a chain: the hash of each row is over the row and the hash of the row before, so that a row that is
 * changed, taken out, put in or moved breaks it there; the head, kept apart, tells of the last row.
 *
 * What is hashed, by SHA-256: the hash before (of the first row: 32 zero octets); id and at, 8 octets each, the most
 * significant first; then actor, origin, action, issuer, serial and detail, each behind its length in 4 octets in the
 * same order, and ffffffff alone for one that is absent. Of the serial, the octets of the number without leading zeros.
 * No I/O.
 */
#ifndef ANNUL_AUDIT_H
#define ANNUL_AUDIT_H

#include <annul/error.h>
#include <annul/serial.h>

#define AUDIT_HASH 32

struct audit_row {
    int64_t id; /* the first is 1; they rise, in general by one */
    int64_t at;
    const char *actor, *origin; /* as in struct store_actor */
    const char *action, *issuer;
    struct serial serial; /* len 0: it is about none; so is issuer where NULL */
    const char *detail;
    uint8_t hash[AUDIT_HASH];
    bool damaged; /* a column holds what annuld cannot have written; what could be read of it is here */
};

/* Whether an action is an attempt that was refused: it begins with AUDIT_REFUSED. */
#define AUDIT_REFUSED "refused "
bool audit_is_refusal(const char *action);

/* The last row. */
struct audit_head {
    int64_t id; /* 0: there is none yet */
    uint8_t hash[AUDIT_HASH];
    bool damaged;
};

/* What `hash` must be. False where OpenSSL fails. */
bool audit_hash(const uint8_t before[AUDIT_HASH], const struct audit_row *row, uint8_t hash[AUDIT_HASH]);

/* --- checking ------------------------------------------------------------------------------------------ */

/* Takes all rows in the order of their ids, one after the other, and finds the first that is wrong. Those behind it
 * are looked at only to tell what is wrong with it. All zero is the beginning. */
struct audit_check {
    int64_t rows;
    struct audit_head last; /* the last good row */
    /* the rest is private */
    bool wrong;               /* there is a … */
    struct audit_row suspect; /* … and this is a copy */
    struct audit_head behind; /* the last of those behind it */
    struct error fault;       /* once it is known */
};

/* False where memory ran out. */
bool audit_check_row(struct audit_check *check, const struct audit_row *row);

/* At the end. 0, or -1 with the row and what is wrong. */
int audit_check_end(struct audit_check *check, const struct audit_head *head, struct error *err);

void audit_check_free(struct audit_check *check);

#endif
