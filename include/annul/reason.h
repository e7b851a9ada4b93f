/* Revocation reasons: CRLReason of RFC 5280 section 5.3.1. */
#ifndef ANNUL_REASON_H
#define ANNUL_REASON_H

#include <stdbool.h>

enum reason {
    REASON_UNSPECIFIED = 0,
    REASON_KEY_COMPROMISE = 1,
    REASON_CA_COMPROMISE = 2,
    REASON_AFFILIATION_CHANGED = 3,
    REASON_SUPERSEDED = 4,
    REASON_CESSATION_OF_OPERATION = 5,
    REASON_CERTIFICATE_HOLD = 6,
    REASON_REMOVE_FROM_CRL = 8, /* only in delta CRLs; nobody can ask for it */
    REASON_PRIVILEGE_WITHDRAWN = 9,
    REASON_AA_COMPROMISE = 10,
};

/* The RFC's spelling ("keyCompromise"), or NULL for a number that is none (7 is unused). */
const char *reason_name(int reason);

/* By name, case ignored; removeFromCRL is not accepted. Returns -1 where it is none. */
int reason_from_name(const char *name);

/* Whether a certificate revoked for `old` may get the reason `wanted` without having been good between:
 * a hold may become anything, a reason left open may be filled in, and a compromise found later replaces
 * a harmless reason. Nothing goes back to hold. */
bool reason_may_become(int old, int wanted);

#endif
