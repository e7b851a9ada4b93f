/* Answers that were signed ahead: to which questions, and which of them still hold.
 *
 * An answer from the file is given where it says of exactly the CertID that was asked exactly what we would say now,
 * and one of the same lineage signed it. So a file that is old, another database's or damaged costs signatures, and
 * nobody hears anything but the truth.
 */
#include "internal.h"

#include <annul/log.h>

static struct bytes usual_certid(const struct issuer *issuer, enum certid_hash hash,
                                 const struct serial *serial, uint8_t room[CERTID_DER_MAX])
{
    struct der_writer w;
    size_t len = certid_hash_len(hash);
    der_writer_init(&w, room, CERTID_DER_MAX);
    certid_put(&w, hash, (struct bytes){issuer->name_hash[hash], len},
               (struct bytes){issuer->key_hash[hash], len}, serial);
    return (struct bytes){w.at, der_mark(&w)};
}

bool presign_concerns(const struct question *q)
{
    const struct certid *id = &q->request.certs[0];
    uint8_t room[CERTID_DER_MAX];
    return q->issuer->config->presign && q->request.count == 1 && q->request.nonce.len == 0 &&
           q->issuer->config->presign_hashes & 1u << id->hash &&
           bytes_equal(id->whole, usual_certid(q->issuer, id->hash, &id->serial, room));
}

bool presign_question(const struct issuer *issuer, enum certid_hash hash, const struct serial *serial,
                      int64_t now, uint8_t room[CERTID_DER_MAX], struct question *q)
{
    struct bytes id = usual_certid(issuer, hash, serial, room);
    q->request.count = 1;
    q->request.nonce = q->request.preferred = (struct bytes){0};
    q->request.is_signed = false;
    q->len = id.len;
    q->now = now;
    q->issuer = issuer;
    q->signer = ocsp_signers_choose(issuer_ocsp_signers(issuer), q->request.preferred, now, &q->sigalg);
    q->key.len = 0; /* the cache is for what somebody asks */
    q->presign = q->ahead = true;
    return certid_take(&id, &q->request.certs[0]) && q->signer;
}

/* --- looking for one ----------------------------------------------------------------------------------- */

struct search {
    const struct question *q;
    struct ocsp_single truth;
    int64_t due_at;
    bool wanted; /* the answer itself */
    struct ocsp_answer *answer;
};

static bool says(const struct ocsp_single *said, const struct ocsp_single *truth)
{
    return bytes_equal(said->certid, truth->certid) && said->status == truth->status &&
           (said->status != OCSP_CERT_REVOKED ||
            (said->revoked_at == truth->revoked_at && said->reason == truth->reason &&
             said->invalidity_at == truth->invalidity_at));
}

static bool holds(const struct search *search, const struct presigned_entry *entry,
                  struct ocsp_response_data *data)
{
    struct certid ids[OCSP_CERTIDS_MAX];
    const struct question *q = search->q;
    return entry->lineage == q->signer->lineage && entry->sigalg == sigalg_number(q->sigalg) &&
           ocsp_response_data_parse(entry->response_data, data, ids, NULL) && data->count == 1 &&
           says(&data->singles[0], &search->truth) && data->nonce.len == 0 && !data->extended_revoke &&
           age_of(q->now, data->this_update, data->next_update) != AGE_OVER;
}

static struct ocsp_answer *make_answer(const struct search *search, const struct presigned_entry *entry,
                                       const struct ocsp_response_data *data)
{
    size_t room = entry->response_data.len + entry->signature.len + entry->certs.len + OCSP_ENVELOPE_MAX;
    struct ocsp_answer *answer = answer_new(room);
    struct der_writer w;
    if (!answer)
        return NULL;
    der_writer_init(&w, answer->room, room);
    if (!ocsp_response_put(&w, entry->response_data, search->q->sigalg->der, entry->signature,
                           entry->certs)) {
        ocsp_answer_release(answer);
        return NULL;
    }
    answer->status = OCSP_SUCCESSFUL;
    answer->this_update = data->this_update;
    answer->next_update = data->next_update;
    answer->der = w.at;
    answer->len = der_mark(&w);
    return answer;
}

static void take(void *arg, const struct presigned_entry *entry)
{
    struct search *search = arg;
    struct ocsp_response_data data;
    if (!holds(search, entry, &data))
        return;
    if (search->wanted)
        search->answer = make_answer(search, entry, &data);
    search->due_at = renew_at(data.this_update, data.next_update);
}

/* Nothing is ever kept of what is not listed. */
static void look(struct responder *responder, struct search *search, struct cache_stamp *stamp)
{
    const struct question *q = search->q;
    const struct certid *id = &q->request.certs[0];
    struct ocsp_response_data truth;
    struct error err;
    *stamp = (struct cache_stamp){.change = store_change(responder->store), .lineage = q->signer->lineage};
    if (truth_tell(responder, q, &truth, &stamp->version) != OCSP_SUCCESSFUL || stamp->version == NOT_LISTED)
        return;
    search->truth = truth.singles[0];
    if (presigned_find(presigner_file(responder->presigner), q->issuer->id, (int)id->hash, &id->serial, take,
                       search, &err) == FAILED)
        log_limited(LOG_LEVEL_WARN, "responder", "answers that were signed ahead: %s", err.text);
}

struct ocsp_answer *presign_find(struct responder *responder, const struct question *q,
                                 struct cache_stamp *stamp)
{
    struct search search = {.q = q, .wanted = true};
    look(responder, &search, stamp);
    return search.answer;
}

int64_t presign_due(struct responder *responder, const struct question *q)
{
    struct search search = {.q = q, .due_at = INT64_MIN};
    struct cache_stamp stamp;
    look(responder, &search, &stamp);
    return search.due_at;
}
