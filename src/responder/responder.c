#include <annul/responder.h>

#include <annul/log.h>
#include <annul/reason.h>

#include <stdlib.h>
#include <string.h>

struct responder {
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    int64_t (*now)(void);
};

/* A ResponseData on its way to the signer. The last part of `answer` is its room, sized for the whole
 * response; the ResponseData is kept apart because it ends up in the middle. */
struct responder_job {
    struct responder *responder;
    const struct issuer *issuer;
    responder_done *done;
    void *arg;
    struct ocsp_answer *answer;
    size_t room;                /* octets of answer->der */
    struct bytes response_data; /* within `buffer` */
    uint8_t buffer[];
};

/* What the response adds around ResponseData, signature and certificate. */
#define ENVELOPE_MAX 256

struct responder *responder_new(struct issuers *issuers, struct store *store, struct signer *signer,
                                int64_t (*now)(void))
{
    struct responder *responder = malloc(sizeof *responder);
    if (responder)
        *responder = (struct responder){issuers, store, signer, now};
    return responder;
}

void responder_free(struct responder *responder)
{
    free(responder);
}

static struct ocsp_answer *error_answer(enum ocsp_status status)
{
    struct ocsp_answer *answer = calloc(1, sizeof *answer + OCSP_ERROR_LEN);
    if (answer) {
        answer->status = status;
        answer->len = OCSP_ERROR_LEN;
        ocsp_error_response(status, answer->der);
    }
    return answer;
}

/* --- who answers ---------------------------------------------------------------------------------------- */

/* One response has one signature: every CertID must be of one CA. A delegate may speak for its own CA alone,
 * and what a CA signs itself is about what it issued (RFC 6960 section 4.2.2.2). */
static struct issuer *find_issuer(struct responder *responder, const struct ocsp_request *request)
{
    struct issuer *issuer = issuers_by_certid(responder->issuers, &request->certs[0]);
    for (size_t i = 1; issuer && i < request->count; i++)
        if (issuers_by_certid(responder->issuers, &request->certs[i]) != issuer)
            return NULL;
    return issuer;
}

static enum ocsp_status check_request_signature(const struct issuer *issuer,
                                                const struct ocsp_request *request, struct bytes der)
{
    struct error err;
    if (!issuer->request_signers)
        return OCSP_SUCCESSFUL;
    if (!request->is_signed)
        return OCSP_SIG_REQUIRED;
    if (ocsp_request_verify(der, issuer->request_signers, &err) == 1)
        return OCSP_SUCCESSFUL;
    log_info("responder", "issuer %s: %s", issuer->config->name.text, err.text);
    return OCSP_UNAUTHORIZED;
}

/* --- what is said --------------------------------------------------------------------------------------- */

/* A serial that is not in the database: by policy. */
static enum ocsp_status answer_unlisted(const struct issuer *issuer, struct ocsp_single *single,
                                        struct ocsp_response_data *data)
{
    switch (issuer->config->unlisted) {
    case UNLISTED_UNKNOWN:
        single->status = OCSP_CERT_UNKNOWN;
        return OCSP_SUCCESSFUL;
    case UNLISTED_GOOD:
        single->status = OCSP_CERT_GOOD;
        return OCSP_SUCCESSFUL;
    case UNLISTED_REVOKED: /* RFC 6960 section 2.2 */
        single->status = OCSP_CERT_REVOKED;
        single->reason = REASON_CERTIFICATE_HOLD;
        single->revoked_at = 0;
        data->extended_revoke = true;
        return OCSP_SUCCESSFUL;
    case UNLISTED_UNAUTHORIZED:
        return OCSP_UNAUTHORIZED;
    }
    return OCSP_INTERNAL_ERROR;
}

static enum ocsp_status answer_one(struct responder *responder, const struct issuer *issuer,
                                   const struct certid *id, struct ocsp_single *single,
                                   struct ocsp_response_data *data)
{
    struct cert_record record;
    struct error err;
    *single = (struct ocsp_single){.certid = id->whole, .reason = -1, .invalidity_at = TIME_NONE};
    switch (store_status(responder->store, issuer->id, &id->serial, &record, &err)) {
    case FAILED:
        log_error("responder", "%s", err.text);
        return OCSP_INTERNAL_ERROR;
    case ABSENT:
        return answer_unlisted(issuer, single, data);
    case FOUND:
        break;
    }
    if (record.status == CERT_GOOD) {
        single->status = OCSP_CERT_GOOD;
        return OCSP_SUCCESSFUL;
    }
    single->status = OCSP_CERT_REVOKED;
    single->revoked_at = record.revoked_at;
    single->reason = record.reason == REASON_UNSPECIFIED ? -1 : record.reason;
    single->invalidity_at = record.invalidity_at;
    return OCSP_SUCCESSFUL;
}

/* A response never outlives the certificate of its signer. False where that is over already. */
static bool set_times(const struct issuer *issuer, int64_t now, struct ocsp_response_data *data)
{
    const struct certificate *signer = issuer_ocsp_certificate(issuer);
    data->produced_at = data->this_update = now;
    data->next_update = now + issuer->config->ocsp_validity_s;
    if (data->next_update > signer->not_after)
        data->next_update = signer->not_after;
    if (data->next_update > now && signer->not_before <= now)
        return true;
    log_error("responder", "issuer %s: the OCSP signer's certificate is not valid now; renew it",
              issuer->config->name.text);
    return false;
}

static enum ocsp_status fill_response(struct responder *responder, struct bytes der,
                                      struct ocsp_request *request, const struct issuer **answering,
                                      struct ocsp_response_data *data)
{
    struct error err;
    enum ocsp_status status = ocsp_request_parse(der, request, &err);
    if (status != OCSP_SUCCESSFUL) {
        log_debug("responder", "malformed request: %s", err.text);
        return status;
    }
    struct issuer *issuer = find_issuer(responder, request);
    if (!issuer)
        return OCSP_UNAUTHORIZED;
    status = check_request_signature(issuer, request, der);
    if (status != OCSP_SUCCESSFUL)
        return status;
    memcpy(data->responder_key_hash, issuer->responder_key_hash, sizeof data->responder_key_hash);
    if (!set_times(issuer, responder->now(), data))
        return OCSP_TRY_LATER;
    data->nonce = request->nonce;
    data->extended_revoke = false;
    for (data->count = 0; data->count < request->count; data->count++) {
        size_t i = data->count;
        status = answer_one(responder, issuer, &request->certs[i], &data->singles[i], data);
        if (status != OCSP_SUCCESSFUL)
            return status;
    }
    *answering = issuer;
    return OCSP_SUCCESSFUL;
}

/* --- making it ------------------------------------------------------------------------------------------ */

static struct responder_job *make_job(struct responder *responder, const struct issuer *issuer,
                                      const struct ocsp_response_data *data, size_t request_len)
{
    size_t data_room = OCSP_RESPONSE_DATA_ROOM(data->count, request_len);
    size_t room = data_room + SIGNATURE_MAX + issuer->ocsp_certs.len + ENVELOPE_MAX;
    struct responder_job *job = calloc(1, sizeof *job + data_room);
    struct ocsp_answer *answer = calloc(1, sizeof *answer + room);
    struct der_writer w;
    if (!job || !answer)
        goto failed;
    der_writer_init(&w, job->buffer, data_room);
    if (!ocsp_response_data_put(&w, data))
        goto failed;
    answer->has_nonce = data->nonce.len != 0;
    answer->this_update = data->this_update;
    answer->next_update = data->next_update;
    job->responder = responder;
    job->issuer = issuer;
    job->answer = answer;
    job->room = room;
    job->response_data = (struct bytes){w.at, der_mark(&w)};
    return job;
failed:
    free(job);
    free(answer);
    return NULL;
}

struct ocsp_answer *responder_begin(struct responder *responder, struct bytes request,
                                    struct responder_job **job)
{
    struct ocsp_request parsed;
    struct ocsp_response_data data;
    const struct issuer *issuer = NULL;
    *job = NULL;
    enum ocsp_status status = fill_response(responder, request, &parsed, &issuer, &data);
    if (status != OCSP_SUCCESSFUL)
        return error_answer(status);
    *job = make_job(responder, issuer, &data, request.len);
    return *job ? NULL : error_answer(OCSP_INTERNAL_ERROR);
}

static struct ocsp_answer *finish(struct responder_job *job, struct bytes signature)
{
    struct ocsp_answer *answer = job->answer;
    const struct buffer *certs = &job->issuer->ocsp_certs;
    struct der_writer w;
    der_writer_init(&w, answer->der, job->room);
    if (!ocsp_response_put(&w, job->response_data, job->issuer->ocsp_sigalg->der, signature,
                           (struct bytes){certs->at, certs->len}))
        return NULL;
    answer->status = OCSP_SUCCESSFUL;
    answer->len = der_mark(&w);
    memmove(answer->der, w.at, answer->len);
    return answer;
}

static void fail(struct ocsp_answer *answer, enum ocsp_status status)
{
    answer->status = status;
    answer->len = OCSP_ERROR_LEN;
    ocsp_error_response(status, answer->der);
}

static void signed_or_not(void *arg, struct bytes signature, const char *failure)
{
    struct responder_job *job = arg;
    struct ocsp_answer *answer = job->answer;
    if (failure || !finish(job, signature)) {
        log_warn("responder", "issuer %s: no signature: %s", job->issuer->config->name.text,
                 failure ? failure : "too large");
        fail(answer, OCSP_TRY_LATER);
    }
    job->done(job->arg, answer);
    free(job);
}

void responder_sign(struct responder_job *job, responder_done *done, void *arg)
{
    job->done = done;
    job->arg = arg;
    if (signer_sign_ocsp(job->responder->signer, job->issuer, job->response_data, signed_or_not, job))
        return;
    fail(job->answer, OCSP_TRY_LATER);
    done(arg, job->answer);
    free(job);
}
