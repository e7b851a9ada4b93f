/* The query: a table says which arguments a route knows (routes.c), and each stands for itself once. */
#include "internal.h"

#include <annul/base64.h>

#include <stdlib.h>
#include <string.h>

/* Percent-decoded, malloc'ed; NULL: it cannot be, or there is a NUL in it. */
static char *decode(const char *raw)
{
    char *value = strdup(raw);
    long len = value ? percent_decode(value, strlen(value)) : -1;
    if (len >= 0 && !memchr(value, 0, (size_t)len)) {
        value[len] = 0;
        return value;
    }
    free(value);
    return NULL;
}

char *request_argument(struct request *request, const char *name)
{
    const char *raw = MHD_lookup_connection_value(request->connection, MHD_GET_ARGUMENT_KIND, name);
    return raw && *raw ? decode(raw) : NULL;
}

/* --- those that nobody looks at ------------------------------------------------------------------------ */

struct check {
    struct request *request;
    const char *known;
    struct error why;
};

static bool is_known(const char *known, const char *name)
{
    size_t len = strlen(name);
    while (*known) {
        size_t each = strcspn(known, " ");
        if (each == len && memcmp(known, name, len) == 0)
            return true;
        known += each + (known[each] == ' ');
    }
    return false;
}

static int check_value(const char *name, const char *value, struct error *why)
{
    char *decoded = decode(value);
    bool good = decoded;
    free(decoded);
    return good ? 0
                : error_set(why, "%.64s cannot be read: behind %% are two hex digits, and 00 is none", name);
}

static enum MHD_Result check_one(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct check *check = arg;
    int result;
    if (!is_known(check->known, name))
        result = error_set(&check->why, "unknown argument \"%.64s\"; known here: %s", name,
                           *check->known ? check->known : "none");
    else if (MHD_lookup_connection_value(check->request->connection, kind, name) != value)
        result = error_set(&check->why, "%s is given more than once", name);
    else
        result = value ? check_value(name, value, &check->why) : 0;
    return result == 0 ? MHD_YES : MHD_NO;
}

bool arguments_check(struct request *request, enum MHD_Result *result)
{
    const char *known = request->route->arguments;
    struct check check = {request, known ? known : "", {""}};
    if (request->route->least == ROLE_NONE) /* pages and public URLs: others may have added to these */
        return true;
    MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, check_one, &check);
    if (*check.why.text)
        *result = reply_problem(request, 400, "%s", check.why.text);
    return !*check.why.text;
}
