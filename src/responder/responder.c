#include <annul/responder.h>

#include "cache.h"

#include <annul/log.h>
#include <annul/reason.h>

#include <stdlib.h>
#include <string.h>

#define STATUSES (OCSP_UNAUTHORIZED + 1)
#define NOT_LISTED (-1) /* for the version of a row that is not there */
#define NOT_READ (-2)   /* of one that was not looked at yet */

/* What the response adds around ResponseData, signature and certificate. */
#define ENVELOPE_MAX 256

struct responder {
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    struct cache *cache;
    int64_t (*now)(void);
    struct ocsp_answer *errors[STATUSES]; /* by status */
};

/* A ResponseData on its way to the signer. */
struct responder_job {
    struct responder *responder;
    const struct issuer *issuer;
    responder_done *done;
    void *arg;
    struct ocsp_answer *answer;
    size_t room;                /* octets of answer->room */
    struct bytes response_data; /* within `buffer` */
    bool cacheable, in_flight;  /* in_flight: others may wait for it in the cache */
    struct cache_stamp stamp;
    struct bytes key; /* the CertID, within `key_octets` */
    uint8_t key_octets[CACHE_KEY_MAX];
    uint8_t buffer[];
};

void ocsp_answer_hold(struct ocsp_answer *answer)
{
    atomic_fetch_add_explicit(&answer->holders, 1, memory_order_relaxed);
}

void ocsp_answer_release(struct ocsp_answer *answer)
{
    if (!answer || atomic_fetch_sub_explicit(&answer->holders, 1, memory_order_acq_rel) > 1)
        return;
    struct ocsp_prepared *prepared = atomic_load_explicit(&answer->prepared, memory_order_acquire);
    if (prepared)
        prepared->free(prepared);
    free(answer);
}

static struct ocsp_answer *new_answer(size_t room)
{
    struct ocsp_answer *answer = calloc(1, sizeof *answer + room);
    if (answer) {
        answer->size = sizeof *answer + room;
        atomic_init(&answer->holders, 1);
        answer->der = answer->room;
    }
    return answer;
}

/* Error answers are made once: a flood of bad requests allocates nothing, and "out of memory" can be said. */
static bool make_errors(struct responder *responder)
{
    for (int status = OCSP_MALFORMED_REQUEST; status < STATUSES; status++) {
        struct ocsp_answer *answer = new_answer(OCSP_ERROR_LEN);
        if (!answer)
            return false;
        answer->status = (enum ocsp_status)status;
        answer->len = OCSP_ERROR_LEN;
        ocsp_error_response(answer->status, answer->der);
        responder->errors[status] = answer;
    }
    return true;
}

static struct ocsp_answer *error_answer(struct responder *responder, enum ocsp_status status)
{
    ocsp_answer_hold(responder->errors[status]);
    return responder->errors[status];
}

struct responder *responder_new(struct issuers *issuers, struct store *store, struct signer *signer,
                                size_t cache_octets, int64_t (*now)(void))
{
    struct responder *responder = calloc(1, sizeof *responder);
    if (!responder)
        return NULL;
    *responder = (struct responder){.issuers = issuers, .store = store, .signer = signer, .now = now};
    responder->cache = cache_new(cache_octets);
    if (responder->cache && make_errors(responder))
        return responder;
    responder_free(responder);
    return NULL;
}

void responder_free(struct responder *responder)
{
    if (!responder)
        return;
    for (int status = 0; status < STATUSES; status++)
        ocsp_answer_release(responder->errors[status]);
    cache_free(responder->cache);
    free(responder);
}

/* --- who answers --------------------------------------------------------------------------------------- */

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
    log_limited(LOG_LEVEL_INFO, "responder", "issuer %s: %s", issuer->config->name.text, err.text);
    return OCSP_UNAUTHORIZED;
}

/* --- what is said -------------------------------------------------------------------------------------- */

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
                                   struct ocsp_response_data *data, int64_t *version)
{
    struct cert_record record;
    struct error err;
    *version = NOT_LISTED;
    *single = (struct ocsp_single){.certid = id->whole, .reason = -1, .invalidity_at = TIME_NONE};
    switch (store_status(responder->store, issuer->id, &id->serial, &record, &err)) {
    case FAILED:
        log_limited(LOG_LEVEL_ERROR, "responder", "%s", err.text);
        return OCSP_INTERNAL_ERROR;
    case ABSENT:
        return answer_unlisted(issuer, single, data);
    case FOUND:
        break;
    }
    *version = record.version;
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
    log_limited(LOG_LEVEL_ERROR, "responder",
                "issuer %s: the OCSP signer's certificate is not valid now; renew it",
                issuer->config->name.text);
    return false;
}

/* Who is asked, and may he be. */
static enum ocsp_status accept_request(struct responder *responder, struct bytes der,
                                       struct ocsp_request *request, const struct issuer **answering)
{
    struct error err;
    enum ocsp_status status = ocsp_request_parse(der, request, &err);
    if (status != OCSP_SUCCESSFUL) {
        log_debug("responder", "malformed request: %s", err.text);
        return status;
    }
    *answering = find_issuer(responder, request);
    return *answering ? check_request_signature(*answering, request, der) : OCSP_UNAUTHORIZED;
}

/* `version` is that of the last row; it matters where there is one. */
static enum ocsp_status fill_response(struct responder *responder, const struct issuer *issuer,
                                      const struct ocsp_request *request, int64_t now,
                                      struct ocsp_response_data *data, int64_t *version)
{
    memcpy(data->responder_key_hash, issuer->responder_key_hash, sizeof data->responder_key_hash);
    if (!set_times(issuer, now, data))
        return OCSP_TRY_LATER;
    data->nonce = request->nonce;
    data->extended_revoke = false;
    for (data->count = 0; data->count < request->count; data->count++) {
        size_t i = data->count;
        enum ocsp_status status =
            answer_one(responder, issuer, &request->certs[i], &data->singles[i], data, version);
        if (status != OCSP_SUCCESSFUL)
            return status;
    }
    return OCSP_SUCCESSFUL;
}

/* --- making it ----------------------------------------------------------------------------------------- */

static struct responder_job *make_job(struct responder *responder, const struct issuer *issuer,
                                      const struct ocsp_response_data *data, size_t request_len)
{
    size_t data_room = OCSP_RESPONSE_DATA_ROOM(data->count, request_len);
    size_t room = data_room + SIGNATURE_MAX + issuer->ocsp_certs.len + ENVELOPE_MAX;
    struct responder_job *job = calloc(1, sizeof *job + data_room);
    struct ocsp_answer *answer = new_answer(room);
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

/* The way of every answer that must be signed. */
static enum ocsp_status prepare_job(struct responder *responder, const struct issuer *issuer,
                                    const struct ocsp_request *request, size_t request_len, bool cacheable,
                                    struct responder_job **job)
{
    struct ocsp_response_data data;
    struct cache_stamp stamp = {.change = store_change(responder->store)}; /* before any row is read */
    enum ocsp_status status =
        fill_response(responder, issuer, request, responder->now(), &data, &stamp.version);
    if (status != OCSP_SUCCESSFUL)
        return status;
    *job = make_job(responder, issuer, &data, request_len);
    if (!*job)
        return OCSP_INTERNAL_ERROR;
    (*job)->cacheable = cacheable;
    if (cacheable) {
        struct bytes id = request->certs[0].whole;
        (*job)->stamp = stamp;
        (*job)->key = (struct bytes){(*job)->key_octets, id.len};
        memcpy((*job)->key_octets, id.at, id.len);
    }
    return OCSP_SUCCESSFUL;
}

static bool write_response(struct responder_job *job, struct bytes signature)
{
    struct ocsp_answer *answer = job->answer;
    const struct buffer *certs = &job->issuer->ocsp_certs;
    struct der_writer w;
    der_writer_init(&w, answer->room, job->room);
    if (!ocsp_response_put(&w, job->response_data, job->issuer->ocsp_sigalg->der, signature,
                           (struct bytes){certs->at, certs->len}))
        return false;
    answer->status = OCSP_SUCCESSFUL;
    answer->der = w.at;
    answer->len = der_mark(&w);
    return true;
}

static void write_failure(struct responder_job *job, const char *failure)
{
    log_limited(LOG_LEVEL_WARN, "responder", "issuer %s: no signature: %s", job->issuer->config->name.text,
                failure);
    job->answer->status = OCSP_TRY_LATER;
    job->answer->der = job->answer->room;
    job->answer->len = OCSP_ERROR_LEN;
    ocsp_error_response(OCSP_TRY_LATER, job->answer->der);
}

/* Tells the one who asked first, and those who joined. */
static void finish(struct responder_job *job)
{
    struct cache *cache = job->responder->cache;
    struct cache_waiter *waiters = NULL;
    if (job->cacheable && job->answer->status == OCSP_SUCCESSFUL)
        cache_put(cache, job->key, job->answer, job->stamp);
    if (job->in_flight)
        waiters = cache_land(cache, job->key);
    while (waiters) {
        struct cache_waiter *next = waiters->next;
        ocsp_answer_hold(job->answer);
        waiters->done(waiters->arg, job->answer);
        free(waiters);
        waiters = next;
    }
    if (job->done)
        job->done(job->arg, job->answer);
    else
        ocsp_answer_release(job->answer);
    free(job);
}

static void signed_or_not(void *arg, struct bytes signature, const char *failure)
{
    struct responder_job *job = arg;
    if (failure)
        write_failure(job, failure);
    else if (!write_response(job, signature))
        write_failure(job, "the response is too large");
    finish(job);
}

/* Joins one who has asked for the same signature; else tells others that they may join us. */
static bool join(struct responder_job *job)
{
    bool joined = false;
    struct cache_waiter *waiter = malloc(sizeof *waiter);
    if (!waiter)
        return false;
    *waiter = (struct cache_waiter){NULL, job->done, job->arg};
    job->in_flight = cache_take_off(job->responder->cache, job->key, job->stamp, waiter, &joined);
    if (!joined)
        free(waiter);
    return joined;
}

void responder_drop(struct responder_job *job)
{
    free(job->answer);
    free(job);
}

void responder_sign(struct responder_job *job, responder_done *done, void *arg)
{
    job->done = done;
    job->arg = arg;
    if (job->cacheable && !job->in_flight && join(job)) {
        responder_drop(job);
        return;
    }
    if (signer_sign_ocsp(job->responder->signer, job->issuer, job->response_data, signed_or_not, job))
        return;
    write_failure(job, "annul-signer is down or busy");
    finish(job);
}

/* --- what was signed before ---------------------------------------------------------------------------- */

/* Whether the row is still the one that the answer speaks of: at once where nothing was changed since, else
 * by one look-up. */
static bool is_still_true(struct responder *responder, const struct issuer *issuer, const struct certid *id,
                          const struct ocsp_answer *answer, struct cache_stamp stamp)
{
    struct cert_record record;
    int64_t change = store_change(responder->store);
    if (stamp.change == change && stamp.version != NOT_LISTED)
        return true;
    enum outcome found = store_status(responder->store, issuer->id, &id->serial, &record, NULL);
    if (found == FAILED || (found == FOUND ? record.version : NOT_LISTED) != stamp.version)
        return false;
    cache_restamp(responder->cache, id->whole, answer, change);
    return true;
}

/* Given again for three quarters of its life, so that whoever gets it can use it for a while; from half of it
 * on, whoever asks has it signed anew in the background. */
static struct ocsp_answer *find_cached(struct responder *responder, const struct issuer *issuer,
                                       const struct certid *id, bool *ageing)
{
    struct cache_stamp stamp;
    struct ocsp_answer *answer = cache_find(responder->cache, id->whole, &stamp);
    if (!answer)
        return NULL;
    int64_t age_s = responder->now() - answer->this_update,
            life_s = answer->next_update - answer->this_update;
    if (age_s < 0 || age_s >= life_s / 4 * 3 || !is_still_true(responder, issuer, id, answer, stamp)) {
        ocsp_answer_release(answer);
        return NULL;
    }
    *ageing = age_s >= life_s / 2;
    return answer;
}

static void sign_in_background(struct responder *responder, const struct issuer *issuer,
                               const struct ocsp_request *request, size_t request_len)
{
    struct responder_job *job;
    bool joined;
    struct bytes key = request->certs[0].whole;
    struct cache_stamp nobody_joins = {.version = NOT_READ};
    if (!cache_take_off(responder->cache, key, nobody_joins, NULL, &joined))
        return; /* somebody has, already */
    if (prepare_job(responder, issuer, request, request_len, true, &job) == OCSP_SUCCESSFUL) {
        job->in_flight = true;
        responder_sign(job, NULL, NULL);
        return;
    }
    for (struct cache_waiter *w = cache_land(responder->cache, key), *next; w; w = next) {
        next = w->next;
        w->done(w->arg, error_answer(responder, OCSP_TRY_LATER));
        free(w);
    }
}

struct ocsp_answer *responder_begin(struct responder *responder, struct bytes der, struct responder_job **job)
{
    struct ocsp_request request;
    const struct issuer *issuer = NULL;
    bool ageing = false;
    *job = NULL;
    enum ocsp_status status = accept_request(responder, der, &request, &issuer);
    if (status != OCSP_SUCCESSFUL)
        return error_answer(responder, status);
    bool cacheable =
        request.count == 1 && request.nonce.len == 0 && request.certs[0].whole.len <= CACHE_KEY_MAX;
    struct ocsp_answer *answer =
        cacheable ? find_cached(responder, issuer, &request.certs[0], &ageing) : NULL;
    if (answer && ageing)
        sign_in_background(responder, issuer, &request, der.len);
    if (answer)
        return answer;
    status = prepare_job(responder, issuer, &request, der.len, cacheable, job);
    return status == OCSP_SUCCESSFUL ? NULL : error_answer(responder, status);
}
