/* PUT /api/v1/issuers/{issuer}/crl: a CRL that was made elsewhere. */
#include "internal.h"

#include <annul/scratch.h>

#include <string.h>

static enum MHD_Result resume(struct request *request)
{
    const struct issuer *issuer = issuers_by_name(request->services->issuers, request->part[0]);
    struct error err = {"out of memory"};
    if (request->result != ADMIN_DONE) {
        if (request->failure)
            error_set(&err, "%s", request->failure);
        return reply_result(request, request->result, &err);
    }
    json_t *object = json_crl(request, issuer, request->taken.part);
    if (json_is_object(object)) {
        json_object_set_new(object, "delta", json_boolean(request->taken.part.delta));
        json_object_set_new(object, "changed", json_boolean(request->taken.changed));
    }
    return reply_and_keep(request, object);
}

/* In a thread of the intake. */
static void taken(void *arg, enum admin_result result, const struct admin_crl_taken *what,
                  const struct error *err)
{
    struct request *request = arg;
    request->result = result;
    request->taken = *what;
    if (result != ADMIN_DONE)
        request->failure = strdup(err->text);
    request_wake(request);
}

/* While the connection sleeps. */
static void hand_over(struct request *request, const struct issuer *issuer)
{
    struct store_actor actor = auth_actor(request);
    int fd = request->spool;
    struct error err = {"another CRL of this issuer is being taken in; try again"};
    request->spool = -1;
    if (intake_upload(request->services->intake, issuer, fd, &actor, taken, request))
        return;
    taken(request, ADMIN_FAILED, &(struct admin_crl_taken){.changed = false}, &err);
}

enum MHD_Result api_crl_put(struct request *request)
{
    enum MHD_Result result;
    const struct issuer *issuer = api_issuer(request, &result);
    struct error err;
    if (!issuer)
        return result;
    if (issuer->crl_sigalg)
        return reply_problem(request, 409, "issuer %s: its key is here, so its CRLs are made here",
                             issuer->config->name.text);
    if (!issuer->config->crl_upload)
        return reply_problem(request, 409, "issuer %s: no CRL is taken by upload; set crl_upload = true",
                             issuer->config->name.text);
    if (!crl_may_change(request, issuer, &result))
        return result;
    if (request->failure || scratch_rewind(request->spool, &err) < 0)
        return reply_problem(request, 503, "%s", request->failure ? request->failure : err.text);
    if (!request_sleep(request, resume))
        return reply_problem(request, 503, "annuld is stopping");
    hand_over(request, issuer);
    return MHD_YES;
}
