/* Walking an issuer's certificates, page by page. */
#ifndef ANNUL_CTL_PAGES_H
#define ANNUL_CTL_PAGES_H

#include "ctl.h"

#include <jansson.h>

/* What to walk; NULL: no such filter. */
struct ctl_filter {
    const char *issuer;
    const char *status;
    const char *query, *serial, *subject; /* at most one of them */
    long limit;                           /* at most so many certificates */
};

/* Takes an array of certificate objects; other than CTL_OK ends the walk. */
typedef int ctl_page(void *arg, const json_t *certificates);

/* CTL_OK when all pages were taken, or the code of what went wrong. */
int ctl_pages_walk(struct ctl *ctl, const struct ctl_filter *filter, ctl_page *page, void *arg);

#endif
