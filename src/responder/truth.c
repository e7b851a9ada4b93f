/* What the database says of a certificate, as a ResponseData. */
#include "internal.h"

#include <annul/log.h>
#include <annul/reason.h>

#include <string.h>

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

/* The last CRL that this revocation is on, if there is one yet. */
static void refer_to_crl(struct responder *responder, const struct issuer *issuer,
                         const struct cert_record *record, struct ocsp_single *single)
{
    struct store_crl_key whole = {issuer->id, CRL_WHOLE, false};
    struct store_crl crl;
    if (issuer->config->crl_reference.text && store_crl_last(responder->store, &whole, &crl, NULL) == FOUND &&
        crl.covers >= record->version) {
        single->crl_number = crl.number;
        single->crl_at = crl.this_update;
    }
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
    if (issuer->config->invalidity_date)
        single->invalidity_at = record.invalidity_at;
    refer_to_crl(responder, issuer, &record, single);
    return OCSP_SUCCESSFUL;
}

static enum ocsp_status describe(const struct question *q, struct ocsp_response_data *data)
{
    const struct config_issuer *section = q->issuer->config;
    int64_t signer_ends = q->signer->certificate.not_after,
            statuses_end = atomic_load_explicit(&q->issuer->statuses_end, memory_order_acquire);
    if (statuses_end <= q->now)
        return OCSP_TRY_LATER;
    data->responder_id = (struct bytes){q->signer->responder_id.at, q->signer->responder_id.len};
    data->produced_at = data->this_update = q->now;
    data->next_update = q->now + section->ocsp_validity_s;
    if (data->next_update > signer_ends) /* a response never outlives the certificate of its signer */
        data->next_update = signer_ends;
    if (data->next_update > statuses_end) /* nor the CRL that it is derived from */
        data->next_update = statuses_end;
    data->archive_cutoff_at = section->archive_cutoff_s ? q->now - section->archive_cutoff_s : TIME_NONE;
    const char *url = section->crl_reference.text;
    data->crl_url = (struct bytes){(const uint8_t *)url, url ? strlen(url) : 0};
    data->nonce = q->request.nonce;
    data->extended_revoke = false;
    return OCSP_SUCCESSFUL;
}

enum ocsp_status truth_tell(struct responder *responder, const struct question *q,
                            struct ocsp_response_data *data, int64_t *version)
{
    enum ocsp_status status = describe(q, data);
    for (data->count = 0; status == OCSP_SUCCESSFUL && data->count < q->request.count; data->count++)
        status = answer_one(responder, q->issuer, &q->request.certs[data->count], &data->singles[data->count],
                            data, version);
    return status;
}
