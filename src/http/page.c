/* GET / in a browser: who is served here, and where. */
#include "internal.h"

#include <annul/hex.h>

#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name, *text;
} files[] = {
#include "www.inc"
};

static const char *file_named(const char *name)
{
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i].name, name) == 0)
            return files[i].text;
    return "";
}

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

static bool add_issuer(struct request *request, struct buffer *out, const struct issuer *issuer)
{
    const char *name = issuer->config->name.text;
    char next_update[TIME_TEXT] = "", print[65];
    uint8_t digest[32];
    size_t len;
    char *subject = certificate_subject_text(&issuer->ca);
    struct publication *p =
        publisher_current(request->services->publisher, issuer, (struct crl_part){CRL_WHOLE, false});
    bool good = subject &&
                EVP_Q_digest(NULL, "SHA256", NULL, issuer->ca.der.at, issuer->ca.der.len, digest, &len) == 1;
    hex_encode(digest, sizeof digest, print);
    good = good && buffer_printf(out, "<section><h2>%s</h2><p>", name) && add_escaped(out, subject) &&
           buffer_printf(
               out,
               "</p><dl><dt>SHA-256 fingerprint</dt><dd><code>%s</code></dd><dt>CA certificate</dt><dd><a "
               "href=\"/ca/%s.cer\">DER</a> <a href=\"/ca/%s.pem\">PEM</a></dd>",
               print, name, name);
    if (p) {
        time_to_text(p->next_update, next_update);
        good = good && buffer_printf(
                           out,
                           "<dt>CRL</dt><dd><a href=\"/crl/%s.crl\">DER</a> <a href=\"/crl/%s.pem\">PEM</a>, "
                           "number %lld, %lld entries, valid until %s</dd>",
                           name, name, (long long)p->number, (long long)p->entries, next_update);
    }
    publication_release(p);
    free(subject);
    return good && buffer_add_text(out, "</dl></section>\n");
}

enum MHD_Result page_get(struct request *request)
{
    static const char mark[] = "<!--ISSUERS-->\n";
    const char *page = file_named("index.html"), *cut = strstr(page, mark);
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
        MHD_add_response_header(response, "Content-Security-Policy",
                                "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'");
    }
    return reply_queue(request, 200, response);
}
