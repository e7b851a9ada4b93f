/* GET / in a browser: who is served here, and where. */
#include "internal.h"

#include <annul/hex.h>

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add_escaped(struct buffer *out, const char *text)
{
    bool good = true;
    for (; *text && good; text++) {
        const char *entity = *text == '<'   ? "&lt;"
                             : *text == '>' ? "&gt;"
                             : *text == '&' ? "&amp;"
                             : *text == '"' ? "&quot;"
                                            : NULL;
        good = entity ? buffer_add_text(out, entity) : buffer_add(out, text, 1);
    }
    return good;
}

/* One list, with links; nothing where there is none. `path`: behind /crl/, without ending. */
static bool add_crl(struct request *request, struct buffer *out, const struct issuer *issuer,
                    struct crl_part part, const char *title, const char *path)
{
    char next_update[TIME_TEXT];
    struct publication *p = publisher_current(request->services->publisher, issuer, part);
    if (!p)
        return true;
    time_to_text(p->next_update, next_update);
    bool good =
        buffer_printf(out,
                      "<dt>%s</dt><dd><a href=\"/crl/%s.crl\">DER</a> <a href=\"/crl/%s.pem\">PEM</a>, "
                      "number %s, %lld entries, valid until %s</dd>",
                      title, path, path, p->crl_number, (long long)p->entries, next_update);
    publication_release(p);
    return good;
}

static bool add_shards(struct buffer *out, const struct issuer *issuer)
{
    const char *name = issuer->config->name.text;
    unsigned shards = issuer->config->shards;
    bool good = !shards || buffer_printf(out, "<dt>Its %u shards</dt><dd>", shards);
    for (unsigned i = 0; good && i < shards; i++)
        good = buffer_printf(out, "<a href=\"/crl/%s/%u.crl\">%u</a> ", name, i, i);
    return good && (!shards || buffer_add_text(out, "in DER; <code>.pem</code> instead of <code>.crl</code> "
                                                    "for PEM</dd>"));
}

static bool add_crls(struct request *request, struct buffer *out, const struct issuer *issuer)
{
    char delta[CONFIG_URL_MAX];
    const char *name = issuer->config->name.text;
    snprintf(delta, sizeof delta, "%s-delta", name);
    return add_crl(request, out, issuer, (struct crl_part){CRL_WHOLE, false}, "CRL", name) &&
           add_crl(request, out, issuer, (struct crl_part){CRL_WHOLE, true}, "Delta CRL", delta) &&
           add_shards(out, issuer) &&
           buffer_printf(out, "<dt>With the CAs above</dt><dd><a href=\"/crl/%s/chain.pem\">PEM</a></dd>",
                         name);
}

static bool add_issuer(struct request *request, struct buffer *out, const struct issuer *issuer)
{
    const char *name = issuer->config->name.text;
    char print[65];
    uint8_t digest[32];
    size_t len;
    char *subject = certificate_subject_text(&issuer->ca);
    bool good = subject &&
                EVP_Q_digest(NULL, "SHA256", NULL, issuer->ca.der.at, issuer->ca.der.len, digest, &len) == 1;
    hex_encode(digest, sizeof digest, print);
    good = good && buffer_printf(out, "<section><h2>%s</h2><p>", name) && add_escaped(out, subject) &&
           buffer_printf(
               out,
               "</p><dl><dt>SHA-256 fingerprint</dt><dd><code>%s</code></dd><dt>CA certificate</dt><dd><a "
               "href=\"/ca/%s.cer\">DER</a> <a href=\"/ca/%s.pem\">PEM</a></dd>",
               print, name, name) &&
           add_crls(request, out, issuer) && buffer_add_text(out, "</dl></section>\n");
    free(subject);
    return good;
}

enum MHD_Result page_get(struct request *request)
{
    static const char mark[] = "<!--ISSUERS-->\n";
    const char *page = asset_text("index.html"), *cut = page ? strstr(page, mark) : NULL;
    const struct issuers *issuers = request->services->issuers;
    struct buffer out = {0};
    bool good = cut && buffer_add(&out, page, (size_t)(cut - page));
    for (size_t i = 0; i < issuers->count && good; i++)
        good = add_issuer(request, &out, &issuers->list[i]);
    good = good && buffer_add_text(&out, cut + sizeof mark - 1);
    struct MHD_Response *response =
        good ? MHD_create_response_from_buffer(out.len, out.at, MHD_RESPMEM_MUST_COPY) : NULL;
    buffer_free(&out);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, "text/html; charset=utf-8");
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
        assets_add_policy(response);
    }
    return reply_queue(request, 200, response);
}
