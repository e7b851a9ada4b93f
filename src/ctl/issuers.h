/* The issuers of a daemon, for the commands that need their certificates. */
#ifndef ANNUL_CTL_ISSUERS_H
#define ANNUL_CTL_ISSUERS_H

#include "ctl.h"

#include <annul/certificate.h>
#include <jansson.h>

/* The array of issuer objects; the caller's to json_decref. CTL_OK or a code, after a message. */
int ctl_issuers_get(struct ctl *ctl, json_t **issuers);

/* CTL_OK where the daemon has an issuer of this name, else CTL_REFUSED after a message that lists those it
 * has. */
int ctl_issuer_check(struct ctl *ctl, const char *name);

/* Its certificate, freed with certificate_free. CTL_OK or a code, after a message. */
int ctl_issuer_certificate(struct ctl *ctl, const char *name, struct certificate *certificate);

/* Name of the issuer that signed `certificate`, borrowed from `issuers`; NULL where there is none. */
const char *ctl_issuer_of(const json_t *issuers, const struct certificate *certificate);

#endif
