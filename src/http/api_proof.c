/* What the world is told of a certificate: OCSP is asked as anybody would ask it, and its answer believed or not as
 * anybody would; and whether the published CRL tells of the last change. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/ocsp_verify.h>
#include <annul/reason.h>

#include <string.h>

static json_t *describe_verdict(const struct ocsp_verdict *verdict)
{
    static const char *const statuses[] = {
        [OCSP_CERT_GOOD] = "good", [OCSP_CERT_REVOKED] = "revoked", [OCSP_CERT_UNKNOWN] = "unknown"};
    json_t *object =
        json_pack("{s:s, s:s, s:o, s:o, s:o}", "response", ocsp_status_name(verdict->response), "status",
                  statuses[verdict->status], "produced_at", json_time(verdict->produced_at), "this_update",
                  json_time(verdict->this_update), "next_update", json_time(verdict->next_update));
    if (!object || verdict->status != OCSP_CERT_REVOKED)
        return object;
    json_object_set_new(object, "revoked_at", json_time(verdict->revoked_at));
    if (verdict->reason >= 0)
        json_object_set_new(object, "reason", json_string(reason_name(verdict->reason)));
    return object;
}

/* Null, with the reason, where the answer is none that a client may use. */
static json_t *judge(const struct ocsp_question *question, const struct ocsp_answer *answer,
                     struct error *err)
{
    struct ocsp_verdict verdict;
    struct bytes der = {answer->der, answer->len};
    if (ocsp_verify(der, question, clock_now(), &verdict, err) == 0)
        return describe_verdict(&verdict);
    if (answer->status == OCSP_SUCCESSFUL)
        return NULL;
    return json_pack("{s:s}", "response", ocsp_status_name(answer->status));
}

/* What a CRL says of one serial. */
struct entry_sought {
    const struct serial *serial;
    bool found, is_revoked;
};

static int look_at(void *arg, const struct crl_entry *entry)
{
    struct entry_sought *sought = arg;
    sought->found = serial_compare(&entry->serial, sought->serial) == 0;
    sought->is_revoked = sought->found && entry->reason != REASON_REMOVE_FROM_CRL;
    return sought->found;
}

/* A CRL of another's making says what that one knows, whenever it was made: it is read. */
static bool says_so(const struct publication *p, const struct cert_record *record)
{
    struct entry_sought sought = {.serial = &record->serial};
    struct publication_reader reader = {p, 0};
    struct crl_scan *scan = crl_scan_new(publication_read, &reader);
    struct crl_facts facts;
    struct error err;
    bool whole = scan && crl_scan_list(scan, look_at, &sought, &facts, &err) == 0;
    crl_scan_free(scan);
    if (!sought.found)
        return whole && !p->part.delta && record->status == CERT_GOOD;
    return sought.is_revoked == (record->status != CERT_GOOD);
}

/* One of ours that is from behind the last change has it. */
static bool covers(struct request *request, const struct issuer *issuer, const struct publication *p,
                   const struct cert_record *record)
{
    struct store_crl_key key = {issuer->id, p->part.shard, p->part.delta};
    struct store_crl last;
    if (!issuer->crl_sigalg)
        return says_so(p, record);
    return store_crl_last(request->services->store, &key, &last, NULL) == FOUND && last.number == p->number &&
           last.covers >= record->version;
}

static void add_crl(struct request *request, const struct issuer *issuer, struct crl_part part,
                    const struct cert_record *record, json_t *list)
{
    struct publication *p = publisher_current(request->services->publisher, issuer, part);
    size_t before = json_array_size(list);
    api_add_crl(request, issuer, part, list);
    json_t *object = json_array_get(list, before);
    bool is_same = p && p->number == json_integer_value(json_object_get(object, "number"));
    if (object)
        json_object_set_new(object, "covers", json_boolean(is_same && covers(request, issuer, p, record)));
    publication_release(p);
}

/* Those that a revocation of it would be on. */
static json_t *describe_crls(struct request *request, const struct issuer *issuer,
                             const struct cert_record *record)
{
    json_t *list = json_array();
    int shard = record->shard ? (int)record->shard - 1 : issuer_shard_of(issuer, &record->serial);
    add_crl(request, issuer, (struct crl_part){CRL_WHOLE, false}, record, list);
    add_crl(request, issuer, (struct crl_part){CRL_WHOLE, true}, record, list);
    if (shard != CRL_WHOLE)
        add_crl(request, issuer, (struct crl_part){shard, false}, record, list);
    return list;
}

/* `answer` is NULL where nobody here signs OCSP responses. */
static enum MHD_Result reply_proof(struct request *request, const struct ocsp_answer *answer)
{
    enum MHD_Result result;
    struct cert_record record;
    struct error err;
    struct certificate ca = {0}; /* a copy: that of the issuer is not for several threads */
    const struct issuer *issuer = api_certificate(request, &record, &result);
    if (!issuer)
        return result;
    json_t *ocsp = answer ? NULL : json_null();
    if (answer && certificate_from_der((struct bytes){issuer->ca.der.at, issuer->ca.der.len}, &ca, &err) == 0)
        ocsp = judge(&(struct ocsp_question){&ca, record.serial, CERTID_SHA1}, answer, &err);
    result = ocsp ? reply_json(request, 200,
                               json_pack("{s:o, s:o, s:o}", "certificate", json_certificate(issuer, &record),
                                         "ocsp", ocsp, "crls", describe_crls(request, issuer, &record)))
                  : reply_problem(request, 503, "our own OCSP answer is not to be believed: %s", err.text);
    certificate_free(&ca);
    cert_record_free(&record);
    return result;
}

static enum MHD_Result resume(struct request *request)
{
    struct ocsp_answer *answer = request->answer;
    request->answer = NULL;
    enum MHD_Result result = reply_proof(request, answer);
    ocsp_answer_release(answer);
    return result;
}

static void answered(void *arg, struct ocsp_answer *answer)
{
    struct request *request = arg;
    request->answer = answer;
    request_wake(request);
}

enum MHD_Result api_proof_get(struct request *request)
{
    enum MHD_Result result;
    struct cert_record record;
    struct responder_job *job;
    uint8_t der[OCSP_QUESTION_MAX];
    const struct issuer *issuer = api_certificate(request, &record, &result);
    if (!issuer)
        return result;
    struct ocsp_question question = {.issuer = &issuer->ca, .serial = record.serial, .hash = CERTID_SHA1};
    cert_record_free(&record);
    if (!config_signs_ocsp(issuer->config))
        return reply_proof(request, NULL);
    size_t len = ocsp_question_put(&question, der);
    struct ocsp_answer *answer =
        responder_begin(request->services->responder, (struct bytes){der, len}, &job);
    if (answer || !job) {
        request->answer = answer;
        return answer ? resume(request) : reply_problem(request, 503, "out of memory");
    }
    if (!request_sleep(request, resume)) {
        responder_drop(job);
        return reply_problem(request, 503, "annuld is stopping");
    }
    responder_sign(job, answered, request);
    return MHD_YES;
}
