/* Who may what: a role, and the issuers that it is for. */
#ifndef ANNUL_ACCESS_H
#define ANNUL_ACCESS_H

#include <stdbool.h>

/* Each may what those before it may. The numbers stand in the database. */
enum role { ROLE_NONE, ROLE_VIEWER, ROLE_OPERATOR, ROLE_ADMINISTRATOR };

const char *role_name(enum role role);      /* "viewer" */
enum role role_from_name(const char *name); /* ROLE_NONE: it is no role's */

/* Whether an issuer is within a scope: names with a blank between two; NULL: all. An `issuer` of NULL is within that alone. */
bool scope_has(const char *scope, const char *issuer);

#endif
