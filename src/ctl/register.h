/* Sending certificates to the daemon, for `register` and `import`. */
#ifndef ANNUL_CTL_REGISTER_H
#define ANNUL_CTL_REGISTER_H

#include "ctl.h"
#include "progress.h"

#include <annul/certificate.h>

struct ctl_registration {
    struct ctl *ctl;
    const struct certificate
        *issuer;   /* certificates of another are malformed; NULL: the daemon finds theirs */
    bool skip_bad; /* those are left out then, and counted */

    const char *file; /* what is read now */
    long seen;        /* certificates in it so far */
    struct buffer pem;
    long chunk_first; /* ordinal in the file of the first one in `pem` */
    struct ctl_progress progress;
    int code;

    long registered, known, skipped; /* sums */
};

/* Sends every certificate in `text`, in calls below the API's 1 MiB; nothing else of the file leaves this
 * process, a private key least of all. CTL_OK or a code, after a message. */
int ctl_register_text(struct ctl_registration *registration, const char *file, struct bytes text);
void ctl_register_end(struct ctl_registration *registration);

#endif
