/* GET / in a browser: who is served here, where, and how brokers are made to heed it. The text is www/ *.html, in which
 * {{key}} stands for a value, and {{?key}}…{{/}} is left out where that is empty. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/plural.h>

#include <openssl/evp.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Lists of an issuer that have one row. */
struct list {
    enum list_kind { LIST_WHOLE, LIST_DELTA, LIST_SHARDS, LIST_KINDS } kind;
    char number[CRL_NUMBER_TEXT]; /* of shards: none */
    int64_t entries, this_update,
        next_update; /* of shards: all; of the one that ends first. TIME_NONE: not there yet */
};

enum state { STATE_CURRENT, STATE_ENDS, STATE_ENDED, STATE_MISSING, STATE_OCSP };

/* What the values are about. */
struct view {
    struct request *request;
    char host[256]; /* as the client calls us */
    int64_t now;
    const struct issuer *issuer;
    struct list lists[LIST_KINDS];
    size_t count;
    const struct list *list;
};

typedef bool value(struct buffer *out, const struct view *view);
static bool expand(struct buffer *out, const char *text, const struct view *view);

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

static bool add_file(struct buffer *out, const char *name, const struct view *view)
{
    const char *text = asset_text(name);
    return text && expand(out, text, view);
}

static bool add_time(struct buffer *out, int64_t at)
{
    char text[TIME_TEXT];
    time_to_text(at, text);
    text[10] = ' '; /* for people */
    return buffer_printf(out, "%.16s UTC", text);
}

/* --- lists --------------------------------------------------------------------------------------------- */

static bool publishes(const struct issuer *issuer)
{
    return issuer->crl_sigalg || config_has_foreign_crls(issuer->config);
}

/* Takes one more into a row: what is missing or ends first counts. */
static void take_list(const struct view *view, struct crl_part part, struct list *list)
{
    struct publication *p = publisher_current(view->request->services->publisher, view->issuer, part);
    if (!p || p->next_update < list->next_update) {
        list->this_update = p ? p->this_update : TIME_NONE;
        list->next_update = p ? p->next_update : TIME_NONE;
    }
    if (p) {
        list->entries += p->entries;
        snprintf(list->number, sizeof list->number, "%s", part.shard == CRL_WHOLE ? p->crl_number : "");
    }
    publication_release(p);
}

static void take_lists(struct view *view)
{
    const struct issuer *issuer = view->issuer;
    view->count = 0;
    if (!publishes(issuer))
        return;
    for (enum list_kind kind = 0; kind < LIST_KINDS; kind++) {
        struct list list = {.kind = kind, .next_update = INT64_MAX};
        unsigned shards = kind == LIST_SHARDS ? issuer->config->shards : 0;
        for (int shard = 0; shard < (int)shards; shard++)
            take_list(view, (struct crl_part){shard, false}, &list);
        if (kind != LIST_SHARDS)
            take_list(view, (struct crl_part){CRL_WHOLE, kind == LIST_DELTA}, &list);
        if (kind == LIST_WHOLE || shards || (kind == LIST_DELTA && list.next_update != TIME_NONE))
            view->lists[view->count++] = list;
    }
}

static int64_t life_s(const struct list *list)
{
    return list->next_update == TIME_NONE ? 1 : list->next_update - list->this_update;
}

static int64_t left_s(const struct view *view)
{
    int64_t end = view->list->next_update;
    return end == TIME_NONE || end <= view->now ? 0 : end - view->now;
}

static enum state state_of_list(const struct list *list, int64_t now)
{
    int64_t end = list->next_update;
    if (end == TIME_NONE)
        return STATE_MISSING;
    if (end <= now)
        return STATE_ENDED;
    return end - now < life_s(list) / 4 ? STATE_ENDS : STATE_CURRENT;
}

static enum state state_of(const struct view *view)
{
    enum state worst = view->count ? STATE_CURRENT : STATE_OCSP;
    for (size_t i = 0; i < view->count; i++) {
        enum state state = state_of_list(&view->lists[i], view->now);
        worst = state > worst ? state : worst;
    }
    return worst;
}

static const char *const state_names[] = {"current", "ends", "ended", "missing", "ocsp"};

static bool add_state(struct buffer *out, const struct view *view)
{
    return buffer_add_text(out, state_names[state_of(view)]);
}

static bool add_list_state(struct buffer *out, const struct view *view)
{
    return buffer_add_text(out, state_names[state_of_list(view->list, view->now)]);
}

static bool add_state_text(struct buffer *out, const struct view *view)
{
    static const char *const texts[] = {"Current", "Ends soon", "Ended", "Not there yet", "OCSP only"};
    return buffer_add_text(out, texts[state_of(view)]);
}

static bool add_title(struct buffer *out, const struct view *view)
{
    static const char *const titles[] = {"List (CRL)", "Changes (delta CRL)", "Shards"};
    return buffer_add_text(out, titles[view->list->kind]);
}

static bool add_shard_links(struct buffer *out, const struct view *view)
{
    const char *name = view->issuer->config->name.text;
    unsigned shards = view->issuer->config->shards;
    bool good = buffer_printf(out, "<details><summary>%u lists</summary>", shards);
    for (unsigned i = 0; i < shards && good; i++)
        good = buffer_printf(out, "<a href=\"/crl/%s/%u.crl\">%u</a> ", name, i, i);
    return good && buffer_add_text(out, "in DER; <code>.pem</code> for PEM</details>");
}

static bool add_links(struct buffer *out, const struct view *view)
{
    const char *name = view->issuer->config->name.text;
    const char *behind = view->list->kind == LIST_DELTA ? "-delta" : "";
    if (view->list->kind == LIST_SHARDS)
        return add_shard_links(out, view);
    if (view->list->next_update == TIME_NONE)
        return true;
    return buffer_printf(out,
                         "<a href=\"/crl/%s%s.crl\" aria-label=\"%s%s.crl, DER\">DER</a> "
                         "<a href=\"/crl/%s%s.pem\" aria-label=\"%s%s.pem, PEM\">PEM</a>",
                         name, behind, name, behind, name, behind, name, behind);
}

static bool add_left(struct buffer *out, const struct view *view)
{
    int64_t left = left_s(view), days = left / 86400, hours = left / 3600 % 24, minutes = left / 60 % 60;
    if (left == 0)
        return buffer_add_text(out, view->list->next_update == TIME_NONE ? "Not there yet" : "Ended");
    if (days)
        return buffer_printf(out, "%" PRId64 " d %" PRId64 " h left", days, hours);
    return buffer_printf(out, "%" PRId64 " h %" PRId64 " min left", hours, minutes);
}

static bool add_number(struct buffer *out, const struct view *view)
{
    return buffer_add_text(out, view->list->number);
}

static bool add_entries(struct buffer *out, const struct view *view)
{
    int64_t entries = view->list->entries;
    return buffer_printf(out, "%" PRId64 " %s", entries, plural((uint64_t)entries, "entry", "entries"));
}

static bool add_until(struct buffer *out, const struct view *view)
{
    return view->list->next_update == TIME_NONE || add_time(out, view->list->next_update);
}

static bool add_left_s(struct buffer *out, const struct view *view)
{
    return buffer_printf(out, "%" PRId64, left_s(view));
}

static bool add_life_s(struct buffer *out, const struct view *view)
{
    return buffer_printf(out, "%" PRId64, life_s(view->list));
}

static bool add_lists(struct buffer *out, const struct view *view)
{
    struct view each = *view;
    bool good = true;
    for (size_t i = 0; i < view->count && good; i++) {
        each.list = &view->lists[i];
        good = add_file(out, "list.html", &each);
    }
    return good;
}

/* --- an issuer ----------------------------------------------------------------------------------------- */

static bool add_name(struct buffer *out, const struct view *view)
{
    return buffer_add_text(out, view->issuer->config->name.text);
}

static bool add_subject(struct buffer *out, const struct view *view)
{
    char *subject = certificate_subject_text(&view->issuer->ca);
    bool good = subject && add_escaped(out, subject);
    free(subject);
    return good;
}

/* As `openssl x509 -fingerprint` has it. */
static bool add_fingerprint(struct buffer *out, const struct view *view)
{
    const struct certificate *ca = &view->issuer->ca;
    uint8_t digest[32];
    size_t len;
    bool good = EVP_Q_digest(NULL, "SHA256", NULL, ca->der.at, ca->der.len, digest, &len) == 1;
    for (size_t i = 0; i < sizeof digest && good; i++)
        good = buffer_printf(out, "%s%s%02X", i ? ":" : "", i && i % 8 == 0 ? "<wbr>" : "", digest[i]);
    return good;
}

static bool add_ca_until(struct buffer *out, const struct view *view)
{
    return add_time(out, view->issuer->ca.not_after);
}

static bool add_above(struct buffer *out, const struct view *view)
{
    return !view->issuer->above || buffer_add_text(out, view->issuer->above->config->name.text);
}

static bool add_above_lists(struct buffer *out, const struct view *view)
{
    return !view->count || view->lists[0].next_update == TIME_NONE || add_above(out, view);
}

static bool add_aliases(struct buffer *out, const struct view *view)
{
    const struct config_issuer *section = view->issuer->config;
    bool good = true;
    for (const struct config_alias *a = section->aliases; a < section->aliases + section->alias_count && good;
         a++)
        good = buffer_add_text(out, "<a href=\"") && add_escaped(out, a->path.text) &&
               buffer_add_text(out, "\">") && add_escaped(out, a->path.text) &&
               buffer_printf(out, "</a> <span class=\"aside\">%s</span> ", a->pem ? "PEM" : "DER");
    return good;
}

/* --- configuration of consumers ------------------------------------------------------------------------ */

static bool add_configure(struct buffer *out, const struct view *view)
{
    return !publishes(view->issuer) || add_file(out, "configure.html", view);
}

static bool add_chain(struct buffer *out, const struct view *view)
{
    bool good = true;
    for (const struct issuer *at = view->issuer; at && good; at = at->above)
        good = buffer_printf(out, "%s%s", at == view->issuer ? "" : " ", at->config->name.text);
    return good;
}

static bool add_crl_urls(struct buffer *out, const struct view *view)
{
    bool good = true;
    for (const struct issuer *at = view->issuer; at && good; at = at->above)
        if (publishes(at))
            good =
                buffer_printf(out, "%s\"http://%s/crl/%s.crl\"", at == view->issuer ? "" : ",\n            ",
                              view->host, at->config->name.text);
    return good;
}

/* Whether a chain's lists are not all here. */
static bool is_incomplete(const struct issuer *issuer)
{
    while (publishes(issuer) && issuer->above)
        issuer = issuer->above;
    return !publishes(issuer) || !issuer->is_root;
}

static bool add_incomplete(struct buffer *out, const struct view *view)
{
    return !is_incomplete(view->issuer) || buffer_add_text(out, "yes");
}

static bool add_crl_check(struct buffer *out, const struct view *view)
{
    return buffer_add_text(out, is_incomplete(view->issuer) ? "peer" : "true");
}

static bool add_deltas(struct buffer *out, const struct view *view)
{
    bool has = view->issuer->crl_sigalg && view->issuer->config->delta_distribution_point.text;
    return !has || buffer_add_text(out, "yes");
}

static bool add_ocsp(struct buffer *out, const struct view *view)
{
    return !config_signs_ocsp(view->issuer->config) || buffer_add_text(out, "yes");
}

static const struct config_alias *pem_alias(const struct config_issuer *section)
{
    for (size_t i = 0; i < section->alias_count; i++)
        if (section->aliases[i].pem)
            return &section->aliases[i];
    return NULL;
}

static bool add_pem_alias(struct buffer *out, const struct view *view)
{
    const struct config_alias *alias = pem_alias(view->issuer->config);
    return !alias || add_escaped(out, alias->path.text);
}

static bool add_no_pem_alias(struct buffer *out, const struct view *view)
{
    return pem_alias(view->issuer->config) || buffer_add_text(out, "yes");
}

/* --- the page ------------------------------------------------------------------------------------------ */

static bool add_host(struct buffer *out, const struct view *view)
{
    return buffer_add_text(out, view->host);
}

static bool add_now(struct buffer *out, const struct view *view)
{
    return add_time(out, view->now);
}

static bool add_each(struct buffer *out, const struct view *view, const char *file)
{
    const struct issuers *issuers = view->request->services->issuers;
    struct view each = *view;
    bool good = true;
    for (size_t i = 0; i < issuers->count && good; i++) {
        each.issuer = &issuers->list[i];
        take_lists(&each);
        good = add_file(out, file, &each);
    }
    return good;
}

static bool add_index(struct buffer *out, const struct view *view)
{
    return add_each(out, view, "index-issuer.html");
}

static bool add_issuers(struct buffer *out, const struct view *view)
{
    return add_each(out, view, "issuer.html");
}

static const struct {
    const char *key;
    value *add;
} values[] = {
    {"above", add_above},
    {"above_lists", add_above_lists},
    {"aliases", add_aliases},
    {"ca_until", add_ca_until},
    {"chain", add_chain},
    {"configure", add_configure},
    {"crl_check", add_crl_check},
    {"crl_urls", add_crl_urls},
    {"deltas", add_deltas},
    {"entries", add_entries},
    {"fingerprint", add_fingerprint},
    {"host", add_host},
    {"incomplete", add_incomplete},
    {"index", add_index},
    {"issuers", add_issuers},
    {"left", add_left},
    {"left_s", add_left_s},
    {"life_s", add_life_s},
    {"links", add_links},
    {"list_state", add_list_state},
    {"lists", add_lists},
    {"name", add_name},
    {"no_pem_alias", add_no_pem_alias},
    {"now", add_now},
    {"number", add_number},
    {"ocsp", add_ocsp},
    {"pem_alias", add_pem_alias},
    {"state", add_state},
    {"state_text", add_state_text},
    {"subject", add_subject},
    {"title", add_title},
    {"until", add_until},
};

static bool add_value(struct buffer *out, const char *key, size_t len, const struct view *view)
{
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (strncmp(values[i].key, key, len) == 0 && !values[i].key[len])
            return values[i].add(out, view);
    return false;
}

/* Behind a {{?key}}: where to go on. NULL: out of memory. */
static const char *after_condition(const char *key, const char *end, const struct view *view)
{
    static const char close[] = "{{/}}";
    struct buffer is = {0};
    bool good = add_value(&is, key, (size_t)(end - key), view), empty = is.len == 0;
    buffer_free(&is);
    const char *past = good && empty ? strstr(end, close) : end;
    return !good || !past ? NULL : past + (empty ? sizeof close - 1 : 2);
}

static bool expand(struct buffer *out, const char *text, const struct view *view)
{
    const char *open;
    while (text && (open = strstr(text, "{{"))) {
        const char *key = open + 2, *end = strstr(key, "}}");
        if (!end || !buffer_add(out, text, (size_t)(open - text)))
            return false;
        text = end + 2;
        if (*key == '?')
            text = after_condition(key + 1, end, view);
        else if (*key != '/' && !add_value(out, key, (size_t)(end - key), view))
            return false;
    }
    return text && buffer_add_text(out, text);
}

/* The Host of the request where it can be one, so that nothing else gets into the page. */
static void take_host(struct view *view)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";
    const char *host = request_header(view->request, MHD_HTTP_HEADER_HOST);
    if (!host || !*host || host[strspn(host, allowed)] || strlen(host) >= sizeof view->host)
        host = view->request->services->config->public.listen[0].text;
    snprintf(view->host, sizeof view->host, "%s", host);
}

enum MHD_Result page_get(struct request *request)
{
    struct view view = {.request = request, .now = clock_now()};
    struct buffer out = {0};
    take_host(&view);
    struct MHD_Response *response =
        add_file(&out, "index.html", &view)
            ? reply_from_bytes("text/html; charset=utf-8", (struct bytes){out.at, out.len})
            : NULL;
    buffer_free(&out);
    if (response) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
        assets_add_policy(response);
    }
    return reply_queue(request, 200, response);
}
