#include <annul/access.h>

#include <stddef.h>
#include <string.h>

static const char *const names[] = {[ROLE_NONE] = "nobody",
                                    [ROLE_VIEWER] = "viewer",
                                    [ROLE_OPERATOR] = "operator",
                                    [ROLE_ADMINISTRATOR] = "administrator"};

const char *role_name(enum role role)
{
    return names[role];
}

enum role role_from_name(const char *name)
{
    for (enum role role = ROLE_ADMINISTRATOR; role > ROLE_NONE; role--)
        if (strcmp(names[role], name) == 0)
            return role;
    return ROLE_NONE;
}

bool scope_has(const char *scope, const char *issuer)
{
    if (!scope)
        return true;
    size_t wanted = issuer ? strlen(issuer) : 0;
    for (size_t len; wanted && *scope; scope += len + (scope[len] == ' ')) {
        len = strcspn(scope, " ");
        if (len == wanted && memcmp(scope, issuer, len) == 0)
            return true;
    }
    return false;
}
