/* Calls of the admin API (/api/v1). A call that fails has told the reader why when it returns. */
#ifndef ANNUL_CTL_CLIENT_H
#define ANNUL_CTL_CLIENT_H

#include "ctl.h"

#include <jansson.h>

struct ctl_call {
    const char *method;
    const char *path;
    struct bytes body;
    const char *content_type; /* NULL: no body */
    const char *about;        /* what a message begins with: "revoke 1a2b of issuing-client" */
    bool lines;               /* the answer is NDJSON, and becomes an array */
    bool may_be_absent;       /* 404 is CTL_UNKNOWN, without a message */
};

/* Reads the options and the environment, and the token; connects with the first call. CTL_OK or a code. */
int ctl_client_open(struct ctl *ctl);
void ctl_client_close(struct ctl *ctl);

/* CTL_OK, with the answer's JSON in `*answer` (the caller's to json_decref; NULL where there is no content),
 * or the exit code that the answer stands for. `answer` may be NULL. */
int ctl_client_call(struct ctl *ctl, const struct ctl_call *call, json_t **answer);

/* GET of a path. */
int ctl_client_get(struct ctl *ctl, const char *path, const char *about, json_t **answer);

/* POST of a JSON object, which it takes; NULL: no body. */
int ctl_client_post(struct ctl *ctl, const char *path, const char *about, json_t *body, json_t **answer);

/* A path: each {} of `pattern` is the next argument, percent-encoded. malloc'ed, or NULL when out of memory.
 */
char *ctl_client_path(const char *pattern, ...);

/* What exit code an HTTP status stands for. */
int ctl_client_code(int status);

#endif
