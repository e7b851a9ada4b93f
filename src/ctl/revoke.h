/* The two ways of revoke. */
#ifndef ANNUL_CTL_REVOKE_H
#define ANNUL_CTL_REVOKE_H

#include "ctl.h"

#include <annul/time.h>
#include <jansson.h>

/* What revoke was asked to say beside the serial. */
struct ctl_cause {
    const char *reason; /* RFC spelling, or NULL */
    char invalidity[TIME_TEXT];
    bool has_invalidity;
    json_t *issuers; /* an object: its keys are the issuers of what was revoked */
};

/* revoke --from: the serials of a file, thousands a call. CTL_OK or the worst code, after a message a line. */
int ctl_revoke_from(struct ctl *ctl, const char *issuer, const struct ctl_cause *cause);

#endif
