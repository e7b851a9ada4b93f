/* /api/v1/issuers, and a CRL published at once. */
#include "internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *describe_crl(const struct publication *p)
{
    if (!p)
        return json_null();
    json_t *object = json_pack("{s:I, s:s, s:o, s:o, s:I, s:I, s:s}", "number", (json_int_t)p->number,
                               "crl_number", p->crl_number, "this_update", json_time(p->this_update),
                               "next_update", json_time(p->next_update), "entries", (json_int_t)p->entries,
                               "bytes", (json_int_t)p->der_len, "etag", p->etag);
    if (object && p->part.delta)
        json_object_set_new(object, "base", json_integer(p->base));
    if (object && p->part.shard != CRL_WHOLE)
        json_object_set_new(object, "shard", json_integer(p->part.shard));
    return object;
}

json_t *json_crl(const struct request *request, const struct issuer *issuer, struct crl_part part)
{
    struct publication *p = publisher_current(request->services->publisher, issuer, part);
    json_t *object = describe_crl(p);
    publication_release(p);
    return object;
}

static json_t *describe_shards(const struct request *request, const struct issuer *issuer)
{
    json_t *list = json_array();
    for (int shard = 0; shard < (int)issuer->config->shards; shard++)
        json_array_append_new(list, json_crl(request, issuer, (struct crl_part){shard, false}));
    return list;
}

/* In order of preference; the first that is valid signs, unless a client wishes an algorithm of another. */
static json_t *describe_signers(const struct issuer *issuer)
{
    json_t *list = json_array();
    const struct ocsp_signers *signers = issuer_ocsp_signers(issuer);
    for (size_t i = 0; signers && i < signers->count; i++) {
        const struct certificate *own = &signers->list[i].certificate;
        char *subject = certificate_subject_text(own);
        json_array_append_new(list,
                              json_pack("{s:s?, s:s, s:o, s:o}", "subject", subject, "algorithm",
                                        signers->list[i].sigalg->name, "not_before",
                                        json_time(own->not_before), "not_after", json_time(own->not_after)));
        free(subject);
    }
    return list;
}

static json_t *describe_presigned(const struct request *request, const struct issuer *issuer)
{
    struct presign_progress progress;
    if (!responder_presign_progress(request->services->responder, issuer, &progress))
        return json_null();
    return json_pack("{s:I, s:o}", "entries", (json_int_t)progress.entries, "checked_at",
                     json_time(progress.at));
}

/* Null where the database cannot be read. */
static json_t *describe_counts(const struct request *request, const struct issuer *issuer)
{
    struct store_issuer_counts counts;
    if (store_issuer_counts(request->services->store, issuer->id, &counts, NULL) < 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I}", "good", (json_int_t)counts.good, "revoked",
                     (json_int_t)counts.revoked, "hold", (json_int_t)counts.held);
}

static json_t *describe_issuer(struct request *request, const struct issuer *issuer)
{
    struct buffer pem = {0};
    char *subject = certificate_subject_text(&issuer->ca);
    json_t *object = NULL;
    if (subject && certificate_to_pem((struct bytes){issuer->ca.der.at, issuer->ca.der.len}, &pem) &&
        buffer_add(&pem, "", 1))
        object = json_pack("{s:s, s:s, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                           issuer->config->name.text, "subject", subject, "certificate", (char *)pem.at,
                           "key", issuer->crl_sigalg != NULL, "crl",
                           json_crl(request, issuer, (struct crl_part){CRL_WHOLE, false}), "delta",
                           json_crl(request, issuer, (struct crl_part){CRL_WHOLE, true}), "shards",
                           describe_shards(request, issuer), "ocsp_signers", describe_signers(issuer),
                           "presigned", describe_presigned(request, issuer), "certificates",
                           describe_counts(request, issuer), "warnings", json_warnings(request, issuer));
    buffer_free(&pem);
    free(subject);
    return object;
}

enum MHD_Result api_issuers_get(struct request *request)
{
    json_t *list = json_array();
    const struct issuers *issuers = request->services->issuers;
    for (size_t i = 0; i < issuers->count; i++)
        if (scope_has(request->scope, issuers->list[i].config->name.text))
            json_array_append_new(list, describe_issuer(request, &issuers->list[i]));
    return reply_json(request, 200, json_pack("{s:o}", "issuers", list));
}

enum MHD_Result api_issuer_get(struct request *request)
{
    enum MHD_Result result;
    const struct issuer *issuer = api_issuer(request, &result);
    return issuer ? reply_json(request, 200, describe_issuer(request, issuer)) : result;
}

/* --- its CRLs ------------------------------------------------------------------------------------------ */

/* Under the public listener; the file in PEM is beside it. */
static void write_path(const struct issuer *issuer, struct crl_part part, char *path, size_t room)
{
    const char *name = issuer->config->name.text;
    if (part.shard == CRL_WHOLE)
        snprintf(path, room, "/crl/%s%s.crl", name, part.delta ? "-delta" : "");
    else
        snprintf(path, room, "/crl/%s/%d.crl", name, part.shard);
}

void api_add_crl(struct request *request, const struct issuer *issuer, struct crl_part part, json_t *list)
{
    char text[CRL_PART_TEXT], path[160];
    json_t *object = json_crl(request, issuer, part);
    crl_part_text(part, text);
    write_path(issuer, part, path, sizeof path);
    if (json_is_object(object)) {
        json_object_set_new(object, "crl", json_string(text));
        json_object_set_new(object, "path", json_string(path));
        json_array_append(list, object);
    }
    json_decref(object);
}

enum MHD_Result api_crls_get(struct request *request)
{
    enum MHD_Result result;
    const struct issuer *issuer = api_issuer(request, &result);
    json_t *list = issuer ? json_array() : NULL;
    if (!issuer)
        return result;
    api_add_crl(request, issuer, (struct crl_part){CRL_WHOLE, false}, list);
    api_add_crl(request, issuer, (struct crl_part){CRL_WHOLE, true}, list);
    for (int shard = 0; shard < (int)issuer->config->shards; shard++)
        api_add_crl(request, issuer, (struct crl_part){shard, false}, list);
    return reply_json(request, 200, json_pack("{s:o}", "crls", list));
}

static bool names(struct request *request, const struct issuer *issuer, bool delta)
{
    struct publication *p =
        publisher_current(request->services->publisher, issuer, (struct crl_part){CRL_WHOLE, delta});
    bool named = p && request_may_change(request, p->etag);
    publication_release(p);
    return named;
}

bool crl_may_change(struct request *request, const struct issuer *issuer, enum MHD_Result *result)
{
    if (!request_header(request, MHD_HTTP_HEADER_IF_MATCH) || names(request, issuer, false) ||
        names(request, issuer, true))
        return true;
    *result =
        reply_problem(request, 412, "the CRL of issuer %s is another one since it was read; read it again",
                      issuer->config->name.text);
    return false;
}

/* In the publisher's thread. */
static void published(void *arg, const char *failure)
{
    struct request *request = arg;
    if (failure && !(request->failure = strdup(failure)))
        request->failure = strdup("out of memory");
    request_wake(request);
}

static int64_t number_of(struct request *request, const struct issuer *issuer)
{
    struct publication *p =
        publisher_current(request->services->publisher, issuer, (struct crl_part){CRL_WHOLE, false});
    int64_t number = p ? p->number : 0;
    publication_release(p);
    return number;
}

static enum admin_result note_end(struct request *request, const struct issuer *issuer, struct error *err)
{
    char detail[320];
    struct store_actor actor = auth_actor(request);
    if (request->failure)
        snprintf(detail, sizeof detail, "503: %s", request->failure);
    else
        snprintf(detail, sizeof detail, "number %" PRId64 " -> %" PRId64, request->crl_number,
                 number_of(request, issuer));
    return admin_note(request->services->admin, &actor,
                      request->failure ? AUDIT_REFUSED "publish" : "publish", issuer, NULL, detail, err);
}

static enum MHD_Result resume(struct request *request)
{
    struct error err;
    const struct issuer *issuer = issuers_by_name(request->services->issuers, request->part[0]);
    enum admin_result noted = note_end(request, issuer, &err);
    if (request->failure)
        return reply_problem(request, 503, "%s", request->failure);
    if (noted != ADMIN_DONE)
        return reply_result(request, noted, &err);
    return reply_and_keep(request, json_crl(request, issuer, (struct crl_part){CRL_WHOLE, false}));
}

enum MHD_Result api_crl_post(struct request *request)
{
    enum MHD_Result result;
    const struct issuer *issuer = api_issuer(request, &result);
    if (!issuer || !json_no_body(request, &result))
        return result;
    if (!issuer->crl_sigalg)
        return reply_problem(request, 409, "issuer %s: no CA key is configured, so no CRL is made here",
                             issuer->config->name.text);
    if (!crl_may_change(request, issuer, &result))
        return result;
    request->crl_number = number_of(request, issuer);
    if (!request_sleep(request, resume))
        return reply_problem(request, 503, "annuld is stopping");
    publisher_publish(request->services->publisher, issuer, published, request);
    return MHD_YES;
}
