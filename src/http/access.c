/* Who may what: by the route's row in the table of routes.c, and by nothing else. */
#include "guests.h"
#include "internal.h"
#include "tls.h"

#include <string.h>
#include <strings.h>

static bool is_within_scope(const struct request *request)
{
    switch (request->route->scope) {
    case SCOPE_PATH:
        return scope_has(request->scope, request->part[0]);
    case SCOPE_WITHIN:
    case SCOPE_NEAR:
        return true;
    case SCOPE_ALL:
        break;
    }
    return !request->scope;
}

static bool is_foreign_origin(void *arg, const char *value)
{
    struct request *request = arg;
    const char *host = request_header(request, MHD_HTTP_HEADER_HOST);
    const char *scheme = tls_is_on(request) ? "https://" : "http://";
    size_t len = strlen(scheme);
    return !host || strncasecmp(value, scheme, len) != 0 || strcasecmp(value + len, host) != 0;
}

static bool is_foreign_site(void *arg, const char *value)
{
    (void)arg;
    return strcmp(value, "same-origin") != 0 && strcmp(value, "none") != 0;
}

/* A change that a page of somebody else's had a browser send. A token it could not have; but who is known by where the
 * connection comes from is so for every page. */
static bool is_forged(struct request *request)
{
    return request->is_ambient && !(request->method & READ) &&
           (request_any_header(request, "Origin", is_foreign_origin, request) ||
            request_any_header(request, "Sec-Fetch-Site", is_foreign_site, request));
}

static bool is_for_everybody(const struct request *request)
{
    return request->route->least == ROLE_NONE || (request->route->scope == SCOPE_NEAR && !request->is_far);
}

bool access_check(struct request *request, enum MHD_Result *result)
{
    if (is_for_everybody(request))
        return true;
    if (!auth_check(request, result))
        return false;
    guests_welcome(request->connection, request->services->config->public.timeout_s);
    if (is_forged(request))
        *result = reply_problem(request, 403, "a page of another origin has sent this; send a token with it");
    else if (request->role < request->route->least)
        *result =
            reply_problem(request, 403, "this is for the role %s, and %s has the role %s",
                          role_name(request->route->least), request->actor_name, role_name(request->role));
    else if (!is_within_scope(request))
        *result = reply_problem(request, 403, "%s is for these issuers alone: %s", request->actor_name,
                                request->scope);
    else
        return true;
    return false;
}

enum MHD_Result api_me_get(struct request *request)
{
    return reply_json(request, 200,
                      json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", request->actor_name, "role",
                                role_name(request->role), "issuers", json_scope(request->scope), "expires_at",
                                json_time(request->expires_at), "version", ANNUL_VERSION));
}
