/* What was asked, what was answered, and how fast: counted for /metrics. */
#ifndef ANNUL_HTTP_METERS_H
#define ANNUL_HTTP_METERS_H

#include "internal.h"

#include <annul/histogram.h>

enum meters_kind {
    METERS_OCSP,
    METERS_CRL,
    METERS_CRL_WAITED, /* slept until there was a newer one */
    METERS_CA,
    METERS_API,
    METERS_API_WAITED, /* slept until there was a change */
    METERS_MONITORING, /* /healthz, /readyz, /metrics */
    METERS_PAGE,
    METERS_NO_ROUTE, /* nothing is there, or nothing was understood */
    METERS_KINDS,
};
#define METERS_CODES 24

struct meters *meters_new(void);           /* NULL when out of memory */
void meters_free(struct meters *meters);   /* NULL-safe */
void meters_note(struct request *request); /* at its end */

struct meters_sums {
    uint64_t codes[METERS_CODES];
    struct histogram_sums times; /* of those that were answered */
};
void meters_read(const struct meters *meters, enum meters_kind kind, struct meters_sums *sums);

const char *meters_kind_name(enum meters_kind kind);
const char *meters_code_name(size_t code); /* "200"; NULL: no more */

#endif
