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
        if (!ocsp_signers_choose(issuer_ocsp_signers(&issuers->list[i]), (struct bytes){0}, now, &sigalg))
            return false;
    return true;
}

enum MHD_Result ready_get(struct request *request)
{
    const struct http_services *s = request->services;
    int64_t now = clock_now();
    bool signer = signer_is_up(s->signer), crls = publisher_is_ready(s->publisher, now),
         ocsp = ocsp_is_ready(s->issuers, now), ready = signer && crls && ocsp;
    return reply_json(request, ready ? 200 : 503,
                      json_pack("{s:s, s:b, s:b, s:b}", "status", ready ? "ready" : "not ready", "signer",
                                signer, "ocsp_signers", ocsp, "crls", crls));
}
