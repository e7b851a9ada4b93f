/* /metrics: what happens here, as Prometheus reads it (text format 0.0.4). */
#include "internal.h"
#include "waiters.h"

#include <annul/clock.h>

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char type_metrics[] = "text/plain; version=0.0.4; charset=utf-8";

static bool begin(struct buffer *out, const char *name, const char *kind, const char *help)
{
    return buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* Within a label's quotes. */
static bool add_label(struct buffer *out, const char *name, const char *value)
{
    bool good = buffer_printf(out, "%s=\"", name);
    for (; good && *value; value++) {
        if (*value == '\n')
            good = buffer_add_text(out, "\\n");
        else
            good = (*value != '"' && *value != '\\') || buffer_add(out, "\\", 1);
        if (good && *value != '\n')
            good = buffer_add(out, value, 1);
    }
    return good && buffer_add(out, "\"", 1);
}

static bool add_answers(struct buffer *out, const struct http_services *services)
{
    struct responder_counts counts;
    responder_count(services->responder, &counts);
    bool good = begin(out, "annul_ocsp_answers_total", "counter",
                      "Successful OCSP answers, by how they were made.") &&
                buffer_printf(out,
                              "annul_ocsp_answers_total{made=\"signed\"} %" PRIu64 "\n"
                              "annul_ocsp_answers_total{made=\"cached\"} %" PRIu64 "\n"
                              "annul_ocsp_answers_total{made=\"presigned\"} %" PRIu64 "\n",
                              counts.signed_anew, counts.given_again, counts.given_presigned) &&
                begin(out, "annul_ocsp_presigned_total", "counter",
                      "OCSP answers signed ahead, before anybody asked.") &&
                buffer_printf(out, "annul_ocsp_presigned_total %" PRIu64 "\n", counts.signed_ahead) &&
                begin(out, "annul_ocsp_errors_total", "counter", "OCSP error responses, by status.");
    for (int status = OCSP_MALFORMED_REQUEST; good && status < OCSP_STATUSES; status++)
        if (status != 4)
            good = buffer_printf(out, "annul_ocsp_errors_total{status=\"%s\"} %" PRIu64 "\n",
                                 ocsp_status_name((enum ocsp_status)status), counts.errors[status]);
    return good;
}

static bool add_signers(struct buffer *out, const struct http_services *services)
{
    bool good = begin(out, "annul_signer_up", "gauge", "Whether annul-signer is there.") &&
                buffer_printf(out, "annul_signer_up %d\n", signer_is_up(services->signer)) &&
                begin(out, "annul_ocsp_signer_end_seconds", "gauge",
                      "When the certificate of an OCSP signer ends, as Unix time.");
    for (size_t i = 0; good && i < services->issuers->count; i++) {
        const struct issuer *issuer = &services->issuers->list[i];
        const struct ocsp_signers *signers = issuer_ocsp_signers(issuer);
        for (size_t k = 0; good && signers && k < signers->count; k++) {
            char number[24];
            snprintf(number, sizeof number, "%zu", k + 1);
            good = buffer_add_text(out, "annul_ocsp_signer_end_seconds{") &&
                   add_label(out, "issuer", issuer->config->name.text) && add_label(out, ",signer", number) &&
                   add_label(out, ",algorithm", signers->list[k].sigalg->name) &&
                   buffer_printf(out, "} %" PRId64 "\n", signers->list[k].certificate.not_after);
        }
    }
    return good;
}

/* The labels that say which CRL. */
static bool add_crl_labels(struct buffer *out, const struct issuer *issuer, struct crl_part part)
{
    char text[CRL_PART_TEXT];
    crl_part_text(part, text);
    return add_label(out, "issuer", issuer->config->name.text) && add_label(out, ",crl", text);
}

static bool add_next_update(struct buffer *out, const struct http_services *services,
                            const struct issuer *issuer, struct crl_part part)
{
    struct publication *p = publisher_current(services->publisher, issuer, part);
    bool good =
        !p || (buffer_add_text(out, "annul_crl_next_update_seconds{") && add_crl_labels(out, issuer, part) &&
               buffer_printf(out, "} %" PRId64 "\n", p->next_update));
    publication_release(p);
    return good;
}

static bool add_crls(struct buffer *out, const struct http_services *services)
{
    bool good = begin(out, "annul_crl_next_update_seconds", "gauge",
                      "nextUpdate of the CRL that is served, as Unix time.");
    for (size_t i = 0; good && i < services->issuers->count; i++) {
        const struct issuer *issuer = &services->issuers->list[i];
        good = add_next_update(out, services, issuer, (struct crl_part){CRL_WHOLE, false}) &&
               add_next_update(out, services, issuer, (struct crl_part){CRL_WHOLE, true});
        for (int shard = 0; good && shard < (int)issuer->config->shards; shard++)
            good = add_next_update(out, services, issuer, (struct crl_part){shard, false});
    }
    return good;
}

/* Text that grows, until memory runs out; and what it grew by last, for a series may stand there only once. */
struct growing {
    struct buffer *out;
    bool good;
    enum publisher_warning warning;
    const struct issuer *issuer;
    struct crl_part part;
};

static void add_warning(void *arg, enum publisher_warning warning, const struct issuer *issuer,
                        struct crl_part part, const char *text)
{
    struct growing *growing = arg;
    (void)text; /* as a label it would make a new series whenever a number in it moves */
    if (growing->issuer == issuer && growing->warning == warning && growing->part.shard == part.shard &&
        growing->part.delta == part.delta)
        return;
    growing->issuer = issuer;
    growing->warning = warning;
    growing->part = part;
    growing->good = growing->good && buffer_add_text(growing->out, "annul_warning{") &&
                    add_label(growing->out, "kind", warning_name(warning)) &&
                    buffer_add_text(growing->out, ",") && add_crl_labels(growing->out, issuer, part) &&
                    buffer_add_text(growing->out, "} 1\n");
}

static bool add_warnings(struct buffer *out, const struct http_services *services)
{
    struct growing growing = {
        .out = out,
        .good =
            begin(out, "annul_warning", "gauge", "What an operator should see to; /readyz says it in words."),
    };
    publisher_warnings(services->publisher, clock_now(), add_warning, &growing);
    return growing.good;
}

static bool add_waiting(struct buffer *out, const struct request *request)
{
    return begin(out, "annul_crl_waiting", "gauge", "Clients that wait for a newer CRL.") &&
           buffer_printf(out, "annul_crl_waiting %zu\n", waiters_count(request->waiters));
}

enum MHD_Result metrics_get(struct request *request)
{
    struct buffer out = {0};
    const struct http_services *services = request->services;
    enum MHD_Result result = MHD_NO;
    if (add_answers(&out, services) && add_signers(&out, services) && add_crls(&out, services) &&
        add_waiting(&out, request) && add_warnings(&out, services))
        result = reply_bytes(request, 200, type_metrics, (struct bytes){out.at, out.len});
    buffer_free(&out);
    return result;
}
