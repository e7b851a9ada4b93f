/* /metrics: what happens here, as Prometheus reads it (text format 0.0.4). */
#include "internal.h"
#include "meters.h"
#include "waiters.h"

#include <annul/clock.h>

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

/* Text that grows, until memory runs out. */
struct page {
    struct buffer out;
    bool good;
    const struct request *request;
    const struct http_services *services;
    const struct family *family;
};

/* A metric with all its labels. */
struct family {
    const char *name, *kind, *help;
    void (*put)(struct page *page);
    int64_t (*of_crl)(const struct publication *p); /* where `put` is put_crls */
};

/* A line of the present family: what follows its name. What goes into labels needs no escapes: the names of issuers have
 * none of these characters, and all else are names of ours. */
static void __attribute__((format(printf, 2, 3))) put(struct page *page, const char *format, ...)
{
    char line[256];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    page->good = page->good && buffer_printf(&page->out, "%s%s\n", page->family->name, line);
}

static void put_histogram(struct page *page, const char *label, const struct histogram_scale *scale,
                          const struct histogram_sums *sums)
{
    uint64_t count = 0;
    const char *comma = *label ? "," : "", *open = *label ? "{" : "", *close = *label ? "}" : "";
    for (int i = 0; i < HISTOGRAM_BOUNDS; i++) {
        count += sums->counts[i];
        put(page, "_bucket{%s%sle=\"%g\"} %" PRIu64, label, comma, (double)scale->bounds[i] * scale->unit,
            count);
    }
    count += sums->counts[HISTOGRAM_BOUNDS];
    put(page, "_bucket{%s%sle=\"+Inf\"} %" PRIu64, label, comma, count);
    put(page, "_sum%s%s%s %.15g", open, label, close, (double)sums->sum * scale->unit);
    put(page, "_count%s%s%s %" PRIu64, open, label, close, count);
}

static void put_build(struct page *page)
{
    put(page, "{version=\"" ANNUL_VERSION "\"} 1");
}

/* --- requests ------------------------------------------------------------------------------------------ */

/* Series that are zero are left out, but for one of each kind. */
static void put_requests(struct page *page)
{
    struct meters_sums sums;
    for (int kind = 0; kind < METERS_KINDS; kind++) {
        meters_read(page->request->meters, (enum meters_kind)kind, &sums);
        for (size_t i = 0; meters_code_name(i); i++)
            if (sums.codes[i] || i == 0)
                put(page, "{kind=\"%s\",code=\"%s\"} %" PRIu64, meters_kind_name((enum meters_kind)kind),
                    meters_code_name(i), sums.codes[i]);
    }
}

static void put_request_times(struct page *page)
{
    struct meters_sums sums;
    char label[40];
    for (int kind = 0; kind < METERS_KINDS; kind++) {
        meters_read(page->request->meters, (enum meters_kind)kind, &sums);
        snprintf(label, sizeof label, "kind=\"%s\"", meters_kind_name((enum meters_kind)kind));
        put_histogram(page, label, &histogram_times, &sums.times);
    }
}

static void put_asleep(struct page *page)
{
    put(page, " %u", http_asleep(page->request->http));
}

static void put_crl_waiting(struct page *page)
{
    put(page, " %zu", http_waiting(page->request->http, false));
}

static void put_changes_waiting(struct page *page)
{
    put(page, " %zu", http_waiting(page->request->http, true));
}

/* --- OCSP ---------------------------------------------------------------------------------------------- */

static struct responder_counts responder_counts(const struct page *page)
{
    struct responder_counts counts;
    responder_count(page->services->responder, &counts);
    return counts;
}

static void put_answers(struct page *page)
{
    struct responder_counts counts = responder_counts(page);
    put(page, "{made=\"signed\"} %" PRIu64, counts.signed_anew);
    put(page, "{made=\"shared\"} %" PRIu64, counts.given_shared);
    put(page, "{made=\"cached\"} %" PRIu64, counts.given_again);
    put(page, "{made=\"presigned\"} %" PRIu64, counts.given_presigned);
}

static void put_presigned(struct page *page)
{
    put(page, " %" PRIu64, responder_counts(page).signed_ahead);
}

static void put_errors(struct page *page)
{
    struct responder_counts counts = responder_counts(page);
    for (int status = OCSP_MALFORMED_REQUEST; status < OCSP_STATUSES; status++)
        if (status != 4)
            put(page, "{status=\"%s\"} %" PRIu64, ocsp_status_name((enum ocsp_status)status),
                counts.errors[status]);
}

static void put_cache(struct page *page)
{
    put(page, " %zu", responder_counts(page).cache_octets);
}

static void put_cache_max(struct page *page)
{
    put(page, " %zu", page->services->config->ocsp_cache_octets);
}

/* --- the signer, and who signs ------------------------------------------------------------------------- */

static const char *const signature_names[SIGNATURE_KINDS] = {
    [SIGNATURE_OCSP] = "ocsp", [SIGNATURE_CRL] = "crl"};

static struct signer_counts signer_counts(const struct page *page)
{
    struct signer_counts counts;
    signer_count(page->services->signer, &counts);
    return counts;
}

static void put_signer_up(struct page *page)
{
    put(page, " %d", signer_is_up(page->services->signer));
}

static void put_queue(struct page *page)
{
    put(page, " %u", signer_counts(page).pending);
}

static void put_queue_max(struct page *page)
{
    put(page, " %u", signer_counts(page).pending_max);
}

static void put_refused(struct page *page)
{
    struct signer_counts counts = signer_counts(page);
    put(page, "{reason=\"down\"} %" PRIu64, counts.refused_down);
    put(page, "{reason=\"busy\"} %" PRIu64, counts.refused_busy);
}

static void put_signatures(struct page *page)
{
    struct signer_counts counts = signer_counts(page);
    for (int kind = 0; kind < SIGNATURE_KINDS; kind++) {
        put(page, "{kind=\"%s\",result=\"made\"} %" PRIu64, signature_names[kind], counts.made[kind]);
        put(page, "{kind=\"%s\",result=\"failed\"} %" PRIu64, signature_names[kind], counts.failed[kind]);
    }
}

static void put_signature_times(struct page *page)
{
    struct signer_counts counts = signer_counts(page);
    char label[40];
    for (int kind = 0; kind < SIGNATURE_KINDS; kind++) {
        snprintf(label, sizeof label, "kind=\"%s\"", signature_names[kind]);
        put_histogram(page, label, &histogram_times, &counts.took[kind]);
    }
}

static void put_ocsp_signers(struct page *page, bool end)
{
    for (size_t i = 0; i < page->services->issuers->count; i++) {
        const struct issuer *issuer = &page->services->issuers->list[i];
        const struct ocsp_signers *signers = issuer_ocsp_signers(issuer);
        for (size_t k = 0; signers && k < signers->count; k++) {
            const struct ocsp_signer *signer = &signers->list[k];
            put(page, "{issuer=\"%s\",signer=\"%zu\",algorithm=\"%s\"} %" PRId64, issuer->config->name.text,
                k + 1, signer->sigalg->name,
                end ? signer->certificate.not_after : signer->certificate.not_before);
        }
    }
}

static void put_ocsp_signer_starts(struct page *page)
{
    put_ocsp_signers(page, false);
}

static void put_ocsp_signer_ends(struct page *page)
{
    put_ocsp_signers(page, true);
}

/* --- CRLs ---------------------------------------------------------------------------------------------- */

static void put_crl(struct page *page, const struct issuer *issuer, struct crl_part part)
{
    struct publication *p = publisher_current(page->services->publisher, issuer, part);
    char text[CRL_PART_TEXT];
    crl_part_text(part, text);
    if (p)
        put(page, "{issuer=\"%s\",crl=\"%s\"} %" PRId64, issuer->config->name.text, text,
            page->family->of_crl(p));
    publication_release(p);
}

static void put_crls(struct page *page)
{
    for (size_t i = 0; i < page->services->issuers->count; i++) {
        const struct issuer *issuer = &page->services->issuers->list[i];
        put_crl(page, issuer, (struct crl_part){CRL_WHOLE, false});
        put_crl(page, issuer, (struct crl_part){CRL_WHOLE, true});
        for (int shard = 0; shard < (int)issuer->config->shards; shard++)
            put_crl(page, issuer, (struct crl_part){shard, false});
    }
}

static int64_t this_update(const struct publication *p)
{
    return p->this_update;
}

static int64_t next_update(const struct publication *p)
{
    return p->next_update;
}

static int64_t entries(const struct publication *p)
{
    return p->entries;
}

static int64_t size(const struct publication *p)
{
    return (int64_t)p->der_len;
}

static void put_builds(struct page *page)
{
    struct publisher_counts counts;
    publisher_count(page->services->publisher, &counts);
    put(page, "{result=\"made\"} %" PRIu64, counts.made);
    put(page, "{result=\"failed\"} %" PRIu64, counts.failed);
}

static void put_build_times(struct page *page)
{
    struct publisher_counts counts;
    publisher_count(page->services->publisher, &counts);
    put_histogram(page, "", &histogram_times, &counts.took);
}

/* What was put last: one kind of warning may be there twice about a CRL, and a series only once. */
struct warnings {
    struct page *page;
    enum publisher_warning warning;
    const struct issuer *issuer;
    struct crl_part part;
};

static void put_warning(void *arg, enum publisher_warning warning, const struct issuer *issuer,
                        struct crl_part part, const char *text)
{
    struct warnings *last = arg;
    char part_text[CRL_PART_TEXT];
    (void)text; /* as a label it would make a new series whenever a number in it moves */
    if (last->issuer == issuer && last->warning == warning && last->part.shard == part.shard &&
        last->part.delta == part.delta)
        return;
    *last = (struct warnings){last->page, warning, issuer, part};
    crl_part_text(part, part_text);
    put(last->page, "{kind=\"%s\",issuer=\"%s\",crl=\"%s\"} 1", warning_name(warning),
        issuer->config->name.text, part_text);
}

static void put_warnings(struct page *page)
{
    struct warnings last = {.page = page};
    publisher_warnings(page->services->publisher, clock_now(), put_warning, &last);
}

/* --- the database -------------------------------------------------------------------------------------- */

static struct store_counts store_counts(const struct page *page)
{
    struct store_counts counts;
    store_count(page->services->store, &counts);
    return counts;
}

static void put_commit_times(struct page *page)
{
    struct store_counts counts = store_counts(page);
    put_histogram(page, "", &histogram_times, &counts.commit_times);
}

static void put_commit_sizes(struct page *page)
{
    struct store_counts counts = store_counts(page);
    put_histogram(page, "", &histogram_numbers, &counts.commit_sizes);
}

static void put_commits_failed(struct page *page)
{
    put(page, " %" PRIu64, store_counts(page).commits_failed);
}

/* --- all of it ----------------------------------------------------------------------------------------- */

#define A "annul_"
static const struct family families[] = {
    {A "build_info", "gauge", "The version that runs.", put_build, NULL},
    {A "http_requests_total", "counter", "Requests, by what they were for and the HTTP status of the answer.",
     put_requests, NULL},
    {A "http_request_duration_seconds", "histogram",
     "From a request's first line to its answer, before that is sent.", put_request_times, NULL},
    {A "http_asleep", "gauge",
     "Requests that wait: for a signature, for a CRL that is built, for a newer CRL, for a change.",
     put_asleep, NULL},
    {A "ocsp_answers_total", "counter", "Successful OCSP answers, by how they were made.", put_answers, NULL},
    {A "ocsp_presigned_total", "counter", "OCSP answers signed ahead, before anybody asked.", put_presigned,
     NULL},
    {A "ocsp_errors_total", "counter", "OCSP error responses, by status.", put_errors, NULL},
    {A "ocsp_cache_bytes", "gauge", "Memory of the OCSP answers that are kept.", put_cache, NULL},
    {A "ocsp_cache_max_bytes", "gauge", "How much it may be.", put_cache_max, NULL},
    {A "signer_up", "gauge", "Whether annul-signer is there.", put_signer_up, NULL},
    {A "signer_queue", "gauge", "Signatures that annul-signer was asked for and has not made yet.", put_queue,
     NULL},
    {A "signer_queue_max", "gauge", "How many it may be; who comes then hears tryLater.", put_queue_max,
     NULL},
    {A "signer_refused_total", "counter", "Signatures that annul-signer could not even be asked for.",
     put_refused, NULL},
    {A "signatures_total", "counter", "Signatures that annul-signer was asked for, and what became of them.",
     put_signatures, NULL},
    {A "signature_duration_seconds", "histogram", "From asking annul-signer to the signature.",
     put_signature_times, NULL},
    {A "ocsp_signer_start_seconds", "gauge",
     "When the certificate of an OCSP signer becomes valid, as Unix time.", put_ocsp_signer_starts, NULL},
    {A "ocsp_signer_end_seconds", "gauge", "When the certificate of an OCSP signer ends, as Unix time.",
     put_ocsp_signer_ends, NULL},
    {A "crl_this_update_seconds", "gauge", "thisUpdate of the CRL that is served, as Unix time.", put_crls,
     this_update},
    {A "crl_next_update_seconds", "gauge", "nextUpdate of the CRL that is served, as Unix time.", put_crls,
     next_update},
    {A "crl_entries", "gauge", "Certificates on the CRL that is served.", put_crls, entries},
    {A "crl_size_bytes", "gauge", "Size of the CRL that is served, in DER.", put_crls, size},
    {A "crl_builds_total", "counter", "CRLs that were to be built here, and what became of them.", put_builds,
     NULL},
    {A "crl_build_duration_seconds", "histogram", "How long those took that were made.", put_build_times,
     NULL},
    {A "crl_waiting", "gauge", "Clients that wait for a newer CRL.", put_crl_waiting, NULL},
    {A "changes_waiting", "gauge", "Clients that wait for the next change.", put_changes_waiting, NULL},
    {A "store_commit_duration_seconds", "histogram", "How long the database took to commit.",
     put_commit_times, NULL},
    {A "store_commit_transactions", "histogram", "How many transactions shared a commit.", put_commit_sizes,
     NULL},
    {A "store_commits_failed_total", "counter", "Commits that failed, and with them all their transactions.",
     put_commits_failed, NULL},
    {A "warning", "gauge", "What an operator should see to; /readyz says it in words.", put_warnings, NULL},
};

enum MHD_Result metrics_get(struct request *request)
{
    struct page page = {.good = true, .request = request, .services = request->services};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct family *family = page.family = &families[i];
        page.good = page.good && buffer_printf(&page.out, "# HELP %s %s\n# TYPE %s %s\n", family->name,
                                               family->help, family->name, family->kind);
        family->put(&page);
    }
    enum MHD_Result result =
        page.good ? reply_bytes(request, 200, type_metrics, (struct bytes){page.out.at, page.out.len})
                  : MHD_NO;
    buffer_free(&page.out);
    return result;
}
