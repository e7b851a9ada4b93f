/* From a ResponseData to a signed answer. */
#include "internal.h"

#include <annul/log.h>

#include <stdlib.h>
#include <string.h>

/* A ResponseData on its way to the signer. */
struct responder_job {
    struct responder *responder;
    const struct issuer *issuer;
    const struct ocsp_signer *signer;
    const struct sigalg *sigalg;
    responder_done *done;
    void *arg;
    struct ocsp_answer *answer;
    size_t room;                /* octets of answer->room */
    struct bytes response_data; /* within `buffer` */
    bool in_flight;             /* others may wait for it in the cache */
    bool ahead;                 /* nobody has asked yet */
    bool keep;                  /* on disk, too, by this hash and serial */
    enum certid_hash hash;
    struct serial serial;
    struct cache_stamp stamp;
    struct bytes key; /* within `key_octets`; empty: it is for one client */
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

struct ocsp_answer *answer_new(size_t room)
{
    struct ocsp_answer *answer = malloc(sizeof *answer + room);
    if (answer) {
        memset(answer, 0, sizeof *answer); /* the room is written before it is read */
        answer->size = sizeof *answer + room;
        atomic_init(&answer->holders, 1);
        answer->der = answer->room;
    }
    return answer;
}

/* --- making it ----------------------------------------------------------------------------------------- */

static struct responder_job *make_job(struct responder *responder, const struct question *q,
                                      const struct ocsp_response_data *data)
{
    size_t data_room = OCSP_RESPONSE_DATA_ROOM(data->count, q->len, data);
    size_t room = data_room + SIGNATURE_MAX + q->signer->certs.len + OCSP_ENVELOPE_MAX;
    struct responder_job *job = malloc(sizeof *job + data_room);
    struct ocsp_answer *answer = answer_new(room);
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
    job->issuer = q->issuer;
    job->signer = q->signer;
    job->sigalg = q->sigalg;
    job->answer = answer;
    job->room = room;
    job->response_data = (struct bytes){w.at, der_mark(&w)};
    job->in_flight = false;
    job->ahead = q->ahead;
    job->keep = q->presign && q->request.preferred.len == 0; /* what nobody has wished otherwise */
    job->hash = q->request.certs[0].hash;
    job->serial = q->request.certs[0].serial;
    job->key = (struct bytes){job->key_octets, q->key.len};
    memcpy(job->key_octets, q->key_octets, q->key.len);
    return job;
failed:
    free(job);
    free(answer);
    return NULL;
}

enum ocsp_status job_prepare(struct responder *responder, const struct question *q,
                             struct responder_job **job)
{
    struct ocsp_response_data data;
    struct cache_stamp stamp = {.change = store_change(responder->store), /* before any row is read */
                                .lineage = q->signer->lineage};
    enum ocsp_status status = truth_tell(responder, q, &data, &stamp.version);
    if (status != OCSP_SUCCESSFUL)
        return status;
    *job = make_job(responder, q, &data);
    if (!*job)
        return OCSP_INTERNAL_ERROR;
    (*job)->stamp = stamp;
    (*job)->keep &= stamp.version != NOT_LISTED;
    return OCSP_SUCCESSFUL;
}

void job_is_in_flight(struct responder_job *job)
{
    job->in_flight = true;
}

static bool write_response(struct responder_job *job, struct bytes signature)
{
    struct ocsp_answer *answer = job->answer;
    const struct buffer *certs = &job->signer->certs;
    struct der_writer w;
    der_writer_init(&w, answer->room, job->room);
    if (!ocsp_response_put(&w, job->response_data, job->sigalg->der, signature,
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
    if (job->done && !job->ahead)
        count_up(&job->responder->counters.errors[OCSP_TRY_LATER]);
    job->answer->status = OCSP_TRY_LATER;
    job->answer->der = job->answer->room;
    job->answer->len = OCSP_ERROR_LEN;
    ocsp_error_response(OCSP_TRY_LATER, job->answer->der);
}

void waiters_tell(struct responder *responder, struct cache_waiter *waiters, struct ocsp_answer *answer)
{
    struct responder_counters *counters = &responder->counters;
    while (waiters) {
        struct cache_waiter *next = waiters->next;
        ocsp_answer_hold(answer);
        count_up(answer->status == OCSP_SUCCESSFUL ? &counters->given_shared
                                                   : &counters->errors[answer->status]);
        waiters->done(waiters->arg, answer);
        free(waiters);
        waiters = next;
    }
}

/* Tells the one who asked first, and those who joined. */
static void finish(struct responder_job *job)
{
    struct cache *cache = job->responder->cache;
    if (job->key.len && job->answer->status == OCSP_SUCCESSFUL)
        cache_put(cache, job->key, job->answer, job->stamp);
    if (job->in_flight)
        waiters_tell(job->responder, cache_land(cache, job->key), job->answer);
    if (job->done)
        job->done(job->arg, job->answer);
    else
        ocsp_answer_release(job->answer);
    free(job);
}

static void keep(const struct responder_job *job, struct bytes signature)
{
    struct presigned_entry entry = {.issuer = job->issuer->id,
                                    .hash = (int)job->hash,
                                    .serial = job->serial,
                                    .lineage = job->signer->lineage,
                                    .sigalg = sigalg_number(job->sigalg),
                                    .next_update = job->answer->next_update,
                                    .response_data = job->response_data,
                                    .signature = signature,
                                    .certs = {job->signer->certs.at, job->signer->certs.len}};
    presigner_keep(job->responder->presigner, &entry);
}

static void signed_or_not(void *arg, struct bytes signature, const char *failure)
{
    struct responder_job *job = arg;
    if (failure)
        write_failure(job, failure);
    else if (!write_response(job, signature))
        write_failure(job, "the response is too large");
    else {
        count_up(job->ahead ? &job->responder->counters.signed_ahead : &job->responder->counters.signed_anew);
        if (job->keep)
            keep(job, signature);
    }
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
    if (job->key.len && !job->in_flight && join(job)) {
        responder_drop(job);
        return;
    }
    if (signer_sign_ocsp(job->responder->signer, job->signer, job->sigalg, job->response_data, signed_or_not,
                         job))
        return;
    write_failure(job, "annul-signer is down or busy");
    finish(job);
}
