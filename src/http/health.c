/* /healthz: the process serves. /readyz: everything that it needs is there. */
#include "internal.h"

#include <annul/clock.h>

enum MHD_Result health_get(struct request *request)
{
    return reply_json(request, 200, json_pack("{s:s}", "status", "ok"));
}

/* Every issuer has somebody whose signature counts now. */
static bool ocsp_is_ready(const struct issuers *issuers, int64_t now)
{
    const struct sigalg *sigalg;
    for (size_t i = 0; i < issuers->count; i++)
        if (config_signs_ocsp(issuers->list[i].config) &&
            !ocsp_signers_choose(issuer_ocsp_signers(&issuers->list[i]), (struct bytes){0}, now, &sigalg))
            return false;
    return true;
}

bool health_is_ready(const struct http_services *s, int64_t now, struct readiness *is)
{
    *is = (struct readiness){.signer = signer_is_up(s->signer),
                             .ocsp_signers = ocsp_is_ready(s->issuers, now),
                             .crls = publisher_is_ready(s->publisher, now)};
    return is->signer && is->ocsp_signers && is->crls;
}

const char *warning_name(enum publisher_warning warning)
{
    static const char *const names[] = {[WARN_OVERDUE] = "overdue",
                                        [WARN_ENDS] = "ends",
                                        [WARN_LONG] = "long",
                                        [WARN_CHAIN] = "chain",
                                        [WARN_UNLISTED] = "unlisted"};
    return names[warning];
}

static void add_warning(void *arg, enum publisher_warning warning, const struct issuer *issuer,
                        struct crl_part part, const char *text)
{
    char part_text[CRL_PART_TEXT];
    crl_part_text(part, part_text);
    json_array_append_new(arg, json_pack("{s:s, s:s, s:s, s:s}", "kind", warning_name(warning), "issuer",
                                         issuer->config->name.text, "crl", part_text, "text", text));
}

/* Warnings do not stop the service: they say what will, unless somebody sees to it. */
enum MHD_Result ready_get(struct request *request)
{
    int64_t now = clock_now();
    struct readiness is;
    bool ready = health_is_ready(request->services, now, &is);
    json_t *warnings = json_array();
    publisher_warnings(request->services->publisher, now, add_warning, warnings);
    return reply_json(request, ready ? 200 : 503,
                      json_pack("{s:s, s:b, s:b, s:b, s:o}", "status", ready ? "ready" : "not ready",
                                "signer", is.signer, "ocsp_signers", is.ocsp_signers, "crls", is.crls,
                                "warnings", warnings));
}
