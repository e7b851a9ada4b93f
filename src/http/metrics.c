/* /metrics: what happens here, as Prometheus reads it (text format 0.0.4). */
#include "internal.h"

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

static bool add_crls(struct buffer *out, const struct http_services *services)
{
    bool good = begin(out, "annul_crl_next_update_seconds", "gauge",
                      "nextUpdate of the CRL that is served, as Unix time.");
    for (size_t i = 0; good && i < services->issuers->count; i++) {
        const struct issuer *issuer = &services->issuers->list[i];
        struct publication *p =
            publisher_current(services->publisher, issuer, (struct crl_part){CRL_WHOLE, false});
        good = !p || (buffer_add_text(out, "annul_crl_next_update_seconds{") &&
                      add_label(out, "issuer", issuer->config->name.text) &&
                      buffer_printf(out, "} %" PRId64 "\n", p->next_update));
        publication_release(p);
    }
    return good;
}

enum MHD_Result metrics_get(struct request *request)
{
    struct buffer out = {0};
    const struct http_services *services = request->services;
    enum MHD_Result result = MHD_NO;
    if (add_answers(&out, services) && add_signers(&out, services) && add_crls(&out, services))
        result = reply_bytes(request, 200, type_metrics, (struct bytes){out.at, out.len});
    buffer_free(&out);
    return result;
}
