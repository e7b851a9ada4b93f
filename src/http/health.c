/* /healthz: the process serves. /readyz: everything that it needs is there. */
#include "internal.h"

#include <annul/clock.h>

enum MHD_Result health_get(struct request *request)
{
    return reply_json(request, 200, json_pack("{s:s}", "status", "ok"));
}

enum MHD_Result ready_get(struct request *request)
{
    const struct http_services *s = request->services;
    bool signer = signer_is_up(s->signer), crls = publisher_is_ready(s->publisher, clock_now());
    return reply_json(request, signer && crls ? 200 : 503,
                      json_pack("{s:s, s:b, s:b}", "status", signer && crls ? "ready" : "not ready", "signer",
                                signer, "crls", crls));
}
