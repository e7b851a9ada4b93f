/* Pieces of OCSP messages that more than one file of this folder reads. Each moves `in` past what it took. */
#ifndef ANNUL_OCSP_INTERNAL_H
#define ANNUL_OCSP_INTERNAL_H

#include <annul/ocsp.h>

struct ocsp_extension {
    struct bytes oid, value;
    bool critical;
};

bool ocsp_take_extension(struct bytes *in, struct ocsp_extension *extension);

bool ocsp_take_time(struct bytes *in, int64_t *at); /* GeneralizedTime */

/* CertStatus: status, revoked_at and reason of `single`. */
bool ocsp_take_status(struct bytes *in, struct ocsp_single *single);

#endif
