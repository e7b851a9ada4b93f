/* Which URL is answered by whom. */
#include "internal.h"

#include <annul/base64.h>

#include <stdlib.h>
#include <string.h>

#define OPEN ROLE_NONE, SCOPE_WITHIN, NULL, NULL, 0 /* to everybody, with any query */

const struct route public_routes[] = {
    {READ, "/", page_get, 0, OPEN},
    {READ, "/assets/{}", asset_get, 0, OPEN},
    {POST, "/", ocsp_post, BODY_OCSP_MAX, OPEN},
    {POST, "/ocsp", ocsp_post, BODY_OCSP_MAX, OPEN},
    {POST, "/ocsp/", ocsp_post, BODY_OCSP_MAX, OPEN},
    {READ, "/crl/bundle.pem", crl_bundle_get, 0, OPEN},
    {READ, "/crl/{}", crl_get, 0, OPEN},
    {READ, "/crl/{}/{}", crl_of_issuer_get, 0, OPEN},
    {READ, "/ca/bundle.pem", ca_bundle_get, 0, OPEN},
    {READ, "/ca/{}", ca_get, 0, OPEN},
    {0},
};

#define ISSUER "/api/v1/issuers/{}"
const struct route admin_routes[] = {
    {READ, "/", console_get, 0, OPEN},
    {READ, "/console/{}", asset_get, 0, OPEN},
    {READ, "/assets/{}", asset_get, 0, OPEN},
    {READ, "/healthz", health_get, 0, OPEN},
    {READ, "/readyz", ready_get, 0, OPEN},
    {READ, "/metrics", metrics_get, 0, OPEN},
    {READ, "/api/v1/openapi.json", openapi_get, 0, OPEN},
    {READ, "/api/v1/me", api_me_get, 0, ROLE_VIEWER, SCOPE_WITHIN, NULL, NULL, 0},
    {READ, "/api/v1/config", api_config_get, 0, ROLE_ADMINISTRATOR, SCOPE_ALL, NULL, NULL, 0},
    {READ, "/api/v1/issuers", api_issuers_get, 0, ROLE_VIEWER, SCOPE_WITHIN, NULL, NULL, 0},
    {READ, ISSUER, api_issuer_get, 0, ROLE_VIEWER, SCOPE_PATH, NULL, NULL, 0},
    {READ, ISSUER "/crls", api_crls_get, 0, ROLE_VIEWER, SCOPE_PATH, NULL, NULL, 0},
    {POST, ISSUER "/crl", api_crl_post, BODY_JSON_MAX, ROLE_ADMINISTRATOR, SCOPE_PATH, "publish", NULL,
     IF_MATCH},
    {PUT, ISSUER "/crl", api_crl_put, BODY_SPOOLED, ROLE_ADMINISTRATOR, SCOPE_PATH, "upload", NULL, IF_MATCH},
    {POST, ISSUER "/import", api_import_post, BODY_IMPORT_MAX, ROLE_ADMINISTRATOR, SCOPE_PATH, "import", NULL,
     0},
    {POST, ISSUER "/revoke-batch", api_revoke_batch_post, BODY_BATCH_MAX, ROLE_OPERATOR, SCOPE_PATH, "revoke",
     "reason atomic", 0},
    {READ, ISSUER "/certificates", api_certificates_get, 0, ROLE_VIEWER, SCOPE_PATH, NULL,
     "status q serial subject after limit", 0},
    {READ, ISSUER "/certificates/{}", api_certificate_get, 0, ROLE_VIEWER, SCOPE_PATH, NULL, NULL, 0},
    {READ, ISSUER "/certificates/{}/proof", api_proof_get, 0, ROLE_VIEWER, SCOPE_PATH, NULL, NULL, 0},
    {POST, ISSUER "/certificates/{}/revoke", api_revoke_post, BODY_JSON_MAX, ROLE_OPERATOR, SCOPE_PATH,
     "revoke", NULL, IF_MATCH},
    {POST, ISSUER "/certificates/{}/release", api_release_post, BODY_JSON_MAX, ROLE_OPERATOR, SCOPE_PATH,
     "release", NULL, IF_MATCH},
    {POST, "/api/v1/certificates", api_certificates_post, BODY_CERTIFICATES_MAX, ROLE_OPERATOR, SCOPE_WITHIN,
     "register", NULL, 0},
    {POST, "/api/v1/revoke", api_revoke_certificate_post, BODY_CERTIFICATES_MAX, ROLE_OPERATOR, SCOPE_WITHIN,
     "revoke", "reason", IF_MATCH},
    {READ, "/api/v1/audit", api_audit_get, 0, ROLE_VIEWER, SCOPE_WITHIN, NULL,
     "order after limit issuer serial actor action", 0},
    {READ, "/api/v1/changes", api_changes_get, 0, ROLE_VIEWER, SCOPE_WITHIN, NULL, "since limit issuer", 0},
    {READ, "/api/v1/status", api_status_get, 0, ROLE_VIEWER, SCOPE_WITHIN, NULL, NULL, 0},
    {READ, "/api/v1/tokens", api_tokens_get, 0, ROLE_ADMINISTRATOR, SCOPE_ALL, NULL, NULL, 0},
    {POST, "/api/v1/tokens", api_tokens_post, BODY_JSON_MAX, ROLE_ADMINISTRATOR, SCOPE_ALL, "token create",
     NULL, 0},
    {DELETE, "/api/v1/tokens/{}", api_token_delete, 0, ROLE_ADMINISTRATOR, SCOPE_ALL, "token revoke", NULL,
     0},
    {0},
};

static const struct route ocsp_get_route = {READ, NULL, ocsp_get, 0, OPEN};
static const struct route configured_route = {READ, NULL, crl_configured_get, 0, OPEN};

static void clear_parts(struct request *request)
{
    for (size_t i = 0; i < PARTS_MAX; i++) {
        free(request->part[i]);
        request->part[i] = NULL;
    }
}

static bool take_part(struct request *request, size_t index, const char *at, size_t len)
{
    char *part = strndup(at, len);
    long decoded = part ? percent_decode(part, len) : -1;
    request->part[index] = part;
    if (decoded <= 0)
        return false;
    part[decoded] = 0;
    return true;
}

/* Whether the raw path fits the pattern; fills in the parts. */
static bool path_fits(struct request *request, const char *pattern)
{
    const char *at = request->url;
    size_t parts = 0;
    clear_parts(request);
    while (*pattern) {
        if (strncmp(pattern, "{}", 2) == 0) {
            size_t len = strcspn(at, "/");
            if (len == 0 || !take_part(request, parts++, at, len))
                return false;
            at += len;
            pattern += 2;
        } else if (*pattern++ != *at++) {
            return false;
        }
    }
    return *at == 0;
}

static bool take_route(struct request *request, const struct route *route)
{
    request->allowed |= route->methods;
    if (!(route->methods & request->method))
        return false;
    request->route = route;
    request->body_max =
        route->body_max == BODY_SPOOLED ? request->services->config->crl_upload_octets : route->body_max;
    return true;
}

/* What the configuration names goes before all else, for it stands in certificates. */
static bool find_configured(struct request *request)
{
    return !request->is_admin && crl_find(request) && take_route(request, &configured_route);
}

void route_find(struct request *request)
{
    if (request->method & READ && find_configured(request))
        return;
    if (!request->is_admin && ocsp_path(request->url)) { /* no other path can be one of these */
        take_route(request, &ocsp_get_route);
        return;
    }
    for (const struct route *r = request->is_admin ? admin_routes : public_routes; r->methods; r++)
        if (path_fits(request, r->path) && take_route(request, r))
            return;
    if (!request->allowed)
        find_configured(request);
}

/* --- what a call must not have ------------------------------------------------------------------------- */

/* What nobody looks at would be taken for heeded. */
bool route_check(struct request *request, enum MHD_Result *result)
{
    const struct route *route = request->route;
    if (route->action && !route->heeds && request_header(request, MHD_HTTP_HEADER_IF_MATCH)) {
        *result = reply_problem(request, 400,
                                "If-Match is not for this path: nothing that it could name is changed");
        return false;
    }
    return arguments_check(request, result);
}
