#include <annul/reason.h>

#include <stddef.h>
#include <strings.h>

static const char *const names[] = {
    [REASON_UNSPECIFIED] = "unspecified",
    [REASON_KEY_COMPROMISE] = "keyCompromise",
    [REASON_CA_COMPROMISE] = "cACompromise",
    [REASON_AFFILIATION_CHANGED] = "affiliationChanged",
    [REASON_SUPERSEDED] = "superseded",
    [REASON_CESSATION_OF_OPERATION] = "cessationOfOperation",
    [REASON_CERTIFICATE_HOLD] = "certificateHold",
    [REASON_REMOVE_FROM_CRL] = "removeFromCRL",
    [REASON_PRIVILEGE_WITHDRAWN] = "privilegeWithdrawn",
    [REASON_AA_COMPROMISE] = "aACompromise",
};
enum { reason_count = sizeof names / sizeof *names };

const char *reason_name(int reason)
{
    return reason >= 0 && reason < reason_count ? names[reason] : NULL;
}

int reason_from_name(const char *name)
{
    for (int i = 0; i < reason_count; i++)
        if (names[i] && i != REASON_REMOVE_FROM_CRL && strcasecmp(names[i], name) == 0)
            return i;
    return -1;
}

static bool is_compromise(int reason)
{
    return reason == REASON_KEY_COMPROMISE || reason == REASON_CA_COMPROMISE ||
           reason == REASON_AA_COMPROMISE;
}

bool reason_may_become(int old, int wanted)
{
    if (old == wanted || wanted == REASON_CERTIFICATE_HOLD)
        return false;
    if (old == REASON_CERTIFICATE_HOLD || old == REASON_UNSPECIFIED)
        return true;
    return is_compromise(wanted) && !is_compromise(old);
}
