#include "internal.h"

#include <annul/log.h>

#include <stdlib.h>
#include <string.h>

/* Error answers are made once: a flood of bad requests allocates nothing, and "out of memory" can be said. */
static bool make_errors(struct responder *responder)
{
    for (int status = OCSP_MALFORMED_REQUEST; status < OCSP_STATUSES; status++) {
        struct ocsp_answer *answer = answer_new(OCSP_ERROR_LEN);
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
    for (int status = 0; status < OCSP_STATUSES; status++)
        ocsp_answer_release(responder->errors[status]);
    presigner_free(responder->presigner);
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

/* --- what is asked ------------------------------------------------------------------------------------- */

/* By policy a nonce is repeated, or passed over, or must be there. */
static enum ocsp_status apply_nonce_policy(struct question *q)
{
    if (q->issuer->config->nonce == NONCE_REQUIRE && q->request.nonce.len == 0)
        return OCSP_UNAUTHORIZED;
    if (q->issuer->config->nonce != NONCE_IGNORE)
        return OCSP_SUCCESSFUL;
    if (q->request.nonce_is_critical) /* as any other critical extension that we do not honour */
        return OCSP_MALFORMED_REQUEST;
    q->request.nonce.len = 0;
    return OCSP_SUCCESSFUL;
}

static enum ocsp_status choose_signer(struct question *q)
{
    q->signer = ocsp_signers_choose(issuer_ocsp_signers(q->issuer), q->request.preferred, q->now, &q->sigalg);
    if (q->signer)
        return OCSP_SUCCESSFUL;
    log_limited(LOG_LEVEL_ERROR, "responder",
                "issuer %s: no OCSP signer has a certificate that is valid now; renew it",
                q->issuer->config->name.text);
    return OCSP_TRY_LATER;
}

/* An answer about one certificate and without nonce is for everybody who asks the same: by the same hash, for the
 * same algorithm. */
static void make_key(struct question *q)
{
    struct bytes id = q->request.certs[0].whole;
    if (q->request.count > 1 || q->request.nonce.len || id.len >= CACHE_KEY_MAX)
        return;
    q->key_octets[0] = (uint8_t)sigalg_number(q->sigalg);
    memcpy(q->key_octets + 1, id.at, id.len);
    q->key.at = q->key_octets;
    q->key.len = id.len + 1;
}

/* Who is asked, may he be, and how will he answer. */
static enum ocsp_status take_question(struct responder *responder, struct bytes der, struct question *q)
{
    struct error err;
    q->now = responder->now();
    q->len = der.len;
    q->key.len = 0;
    q->presign = q->ahead = false;
    enum ocsp_status status = ocsp_request_parse(der, &q->request, &err);
    if (status != OCSP_SUCCESSFUL) {
        log_debug("responder", "malformed request: %s", err.text);
        return status;
    }
    q->issuer = find_issuer(responder, &q->request);
    if (!q->issuer || !config_signs_ocsp(q->issuer->config))
        return OCSP_UNAUTHORIZED;
    if ((status = check_request_signature(q->issuer, &q->request, der)) != OCSP_SUCCESSFUL ||
        (status = apply_nonce_policy(q)) != OCSP_SUCCESSFUL || (status = choose_signer(q)) != OCSP_SUCCESSFUL)
        return status;
    make_key(q);
    q->presign = responder->presigner && q->key.len && presign_concerns(q);
    return OCSP_SUCCESSFUL;
}

/* --- what was signed before ---------------------------------------------------------------------------- */

/* Whether the row is still the one that the answer speaks of: at once where nothing was changed since, else
 * by one look-up. */
static bool is_still_true(struct responder *responder, const struct question *q,
                          const struct ocsp_answer *answer, struct cache_stamp stamp)
{
    struct cert_record record;
    int64_t change = store_change(responder->store);
    if (stamp.change == change && stamp.version != NOT_LISTED)
        return true;
    enum outcome found =
        store_status(responder->store, q->issuer->id, &q->request.certs[0].serial, &record, NULL);
    if (found == FAILED || (found == FOUND ? record.version : NOT_LISTED) != stamp.version)
        return false;
    cache_restamp(responder->cache, q->key, answer, change);
    return true;
}

static struct ocsp_answer *find_cached(struct responder *responder, const struct question *q)
{
    struct cache_stamp stamp;
    struct ocsp_answer *answer = cache_find(responder->cache, q->key, &stamp);
    if (!answer)
        return NULL;
    if (age_of(q->now, answer->this_update, answer->next_update) != AGE_OVER &&
        stamp.lineage == q->signer->lineage && is_still_true(responder, q, answer, stamp)) {
        count_up(&responder->counters.given_again);
        return answer;
    }
    ocsp_answer_release(answer);
    return NULL;
}

/* From the file into the cache. */
static struct ocsp_answer *find_presigned(struct responder *responder, const struct question *q)
{
    struct cache_stamp stamp;
    struct ocsp_answer *answer = q->presign ? presign_find(responder, q, &stamp) : NULL;
    if (answer) {
        cache_put(responder->cache, q->key, answer, stamp);
        count_up(&responder->counters.given_presigned);
    }
    return answer;
}

static void sign_in_background(struct responder *responder, const struct question *q)
{
    struct responder_job *job;
    bool joined;
    struct cache_stamp nobody_joins = {.version = NOT_READ};
    if (!cache_take_off(responder->cache, q->key, nobody_joins, NULL, &joined))
        return; /* somebody has, already */
    if (job_prepare(responder, q, &job) == OCSP_SUCCESSFUL) {
        job_is_in_flight(job);
        responder_sign(job, NULL, NULL);
        return;
    }
    waiters_tell(responder, cache_land(responder->cache, q->key), responder->errors[OCSP_TRY_LATER]);
}

static enum ocsp_status answer(struct responder *responder, struct bytes der, struct ocsp_answer **cached,
                               struct responder_job **job)
{
    struct question q;
    enum ocsp_status status = take_question(responder, der, &q);
    if (status != OCSP_SUCCESSFUL)
        return status;
    if (q.key.len && ((*cached = find_cached(responder, &q)) || (*cached = find_presigned(responder, &q)))) {
        if (age_of(q.now, (*cached)->this_update, (*cached)->next_update) == AGE_RENEW)
            sign_in_background(responder, &q);
        return OCSP_SUCCESSFUL;
    }
    return job_prepare(responder, &q, job);
}

struct ocsp_answer *responder_begin(struct responder *responder, struct bytes der, struct responder_job **job)
{
    struct ocsp_answer *cached = NULL;
    *job = NULL;
    enum ocsp_status status = answer(responder, der, &cached, job);
    if (status != OCSP_SUCCESSFUL)
        count_up(&responder->counters.errors[status]);
    return status == OCSP_SUCCESSFUL ? cached : error_answer(responder, status);
}

void responder_count(struct responder *responder, struct responder_counts *counts)
{
    const struct responder_counters *c = &responder->counters;
    counts->given_again = atomic_load_explicit(&c->given_again, memory_order_relaxed);
    counts->given_shared = atomic_load_explicit(&c->given_shared, memory_order_relaxed);
    counts->given_presigned = atomic_load_explicit(&c->given_presigned, memory_order_relaxed);
    counts->signed_ahead = atomic_load_explicit(&c->signed_ahead, memory_order_relaxed);
    counts->signed_anew = atomic_load_explicit(&c->signed_anew, memory_order_relaxed);
    for (int status = 0; status < OCSP_STATUSES; status++)
        counts->errors[status] = atomic_load_explicit(&c->errors[status], memory_order_relaxed);
    counts->cache_octets = cache_octets(responder->cache);
}
