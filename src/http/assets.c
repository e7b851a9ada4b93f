/* The files of www/, which are compiled in: pages, and what they load. */
#include "internal.h"

#include <annul/hex.h>

#include <openssl/evp.h>

#include <string.h>

static const struct {
    const char *name, *text;
} files[] = {
#include "www.inc"
};

const char *asset_text(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0)
            return files[i].text;
    return NULL;
}

static const char *type_of(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".json", "application/json"},
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].ending, ending) == 0)
            return types[i].type;
    return "text/plain; charset=utf-8";
}

void assets_add_policy(struct MHD_Response *response)
{
    MHD_add_response_header(
        response, "Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "img-src 'self' data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'");
}

static enum MHD_Result reply_asset(struct request *request, const char *name)
{
    const char *text = asset_text(name);
    uint8_t digest[32];
    char etag[65] = "";
    size_t len;
    if (!text)
        return reply_problem(request, 404, "nothing is at this path");
    struct bytes body = {(const uint8_t *)text, strlen(text)};
    if (EVP_Q_digest(NULL, "SHA256", NULL, body.at, body.len, digest, &len) != 1)
        return MHD_NO;
    hex_encode(digest, sizeof digest, etag);
    /* asked for each time, or an update of the program would have one file of the old and one of the new */
    struct representation r = {
        .etag = etag, .modified_at = TIME_NONE, .expires_at = TIME_NONE, .fresh_s = 0, .coarse = true};
    if (request_has_it(request, &r))
        return reply_not_modified(request, &r);
    struct MHD_Response *response = reply_from_bytes(type_of(name), body);
    if (response) {
        reply_add_validators(response, &r);
        assets_add_policy(response);
    }
    return reply_queue(request, MHD_HTTP_OK, response);
}

enum MHD_Result asset_get(struct request *request)
{
    return reply_asset(request, request->url + 1);
}

enum MHD_Result console_get(struct request *request)
{
    return reply_asset(request, "console/index.html");
}

enum MHD_Result openapi_get(struct request *request)
{
    return reply_asset(request, "openapi.json");
}
