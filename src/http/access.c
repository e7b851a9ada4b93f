/* Who may what: by the route's row in the table of routes.c, and by nothing else. */
#include "internal.h"

static bool refuse_role(struct request *request, enum MHD_Result *result)
{
    *result = reply_problem(request, 403, "this is for the role %s, and %s has the role %s",
                            role_name(request->route->least), request->actor_name, role_name(request->role));
    return false;
}

static bool is_within_scope(const struct request *request)
{
    switch (request->route->scope) {
    case SCOPE_PATH:
        return scope_has(request->scope, request->part[0]);
    case SCOPE_WITHIN:
        return true;
    case SCOPE_ALL:
        break;
    }
    return !request->scope;
}

bool access_check(struct request *request, enum MHD_Result *result)
{
    if (request->route->least == ROLE_NONE)
        return true;
    if (!auth_check(request, result))
        return false;
    if (request->role < request->route->least)
        return refuse_role(request, result);
    if (is_within_scope(request))
        return true;
    *result =
        reply_problem(request, 403, "%s is for these issuers alone: %s", request->actor_name, request->scope);
    return false;
}

enum MHD_Result api_me_get(struct request *request)
{
    return reply_json(request, 200,
                      json_pack("{s:s, s:s, s:o, s:o, s:s}", "name", request->actor_name, "role",
                                role_name(request->role), "issuers", json_scope(request->scope), "expires_at",
                                json_time(request->expires_at), "version", ANNUL_VERSION));
}
