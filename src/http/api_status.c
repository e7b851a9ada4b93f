/* /api/v1/status: the whole daemon at a glance. */
#include "internal.h"

#include "meters.h"

#include <annul/clock.h>

struct warnings {
    const struct request *request;
    const struct issuer *issuer;
    json_t *list;
};

static void add_warning(void *arg, enum publisher_warning warning, const struct issuer *issuer,
                        struct crl_part part, const char *text)
{
    struct warnings *warnings = arg;
    char part_text[CRL_PART_TEXT];
    const char *name = issuer->config->name.text;
    if ((warnings->issuer && warnings->issuer != issuer) || !scope_has(warnings->request->scope, name))
        return;
    crl_part_text(part, part_text);
    json_array_append_new(warnings->list, json_pack("{s:s, s:s, s:s, s:s}", "issuer", name, "kind",
                                                    warning_name(warning), "crl", part_text, "text", text));
}

json_t *json_warnings(struct request *request, const struct issuer *issuer)
{
    struct warnings warnings = {request, issuer, json_array()};
    publisher_warnings(request->services->publisher, clock_now(), add_warning, &warnings);
    return warnings.list;
}

/* As many of a hundred took no longer than this, in ms: within a bucket, in proportion. Those beyond all bounds count as
 * the last one. */
static double percentile(const struct histogram_sums *sums, uint64_t count, double of_hundred)
{
    double wanted = (double)count * of_hundred / 100, below = 0;
    for (int i = 0; i < HISTOGRAM_BOUNDS && count; i++) {
        double here = (double)sums->counts[i], from = i ? (double)histogram_times.bounds[i - 1] : 0;
        if (here > 0 && below + here >= wanted)
            return (from + ((double)histogram_times.bounds[i] - from) * (wanted - below) / here) / 1000;
        below += here;
    }
    return count ? (double)histogram_times.bounds[HISTOGRAM_BOUNDS - 1] / 1000 : 0;
}

/* Since the start, of those that were answered. */
static json_t *describe_requests(const struct request *request, enum meters_kind kind)
{
    struct meters_sums sums;
    uint64_t count = 0;
    meters_read(request->meters, kind, &sums);
    for (int i = 0; i <= HISTOGRAM_BOUNDS; i++)
        count += sums.times.counts[i];
    return json_pack("{s:I, s:f, s:f, s:f}", "count", (json_int_t)count, "seconds",
                     (double)sums.times.sum * histogram_times.unit, "p50_ms",
                     percentile(&sums.times, count, 50), "p99_ms", percentile(&sums.times, count, 99));
}

/* Where everybody asks, as it is configured. */
static json_t *describe_public(const struct config *config)
{
    json_t *list = json_array();
    for (size_t i = 0; i < config->public.listen_count; i++)
        json_array_append_new(list, json_string(config->public.listen[i].text));
    return list;
}

enum MHD_Result api_status_get(struct request *request)
{
    int64_t now = clock_now();
    struct readiness is;
    struct signer_counts signer;
    bool ready = health_is_ready(request->services, now, &is);
    signer_count(request->services->signer, &signer);
    json_t *requests =
        json_pack("{s:o, s:o, s:o}", "ocsp", describe_requests(request, METERS_OCSP), "crl",
                  describe_requests(request, METERS_CRL), "api", describe_requests(request, METERS_API));
    return reply_json(
        request, 200,
        json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:o, s:o, s:I, s:I, s:I}", "version",
                  ANNUL_VERSION, "public", describe_public(request->services->config), "started_at",
                  json_time(http_started_at(request->http)), "now", json_time(now), "ready", ready, "signer",
                  is.signer, "ocsp_signers", is.ocsp_signers, "crls", is.crls, "warnings",
                  json_warnings(request, NULL), "requests", requests, "waiters",
                  (json_int_t)http_waiting(request->http, false), "change_waiters",
                  (json_int_t)http_waiting(request->http, true), "queue", (json_int_t)signer.pending));
}
