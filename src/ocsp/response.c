#include <annul/ocsp.h>

#include <annul/reason.h>

#include <string.h>

/* Whole Extension TLVs or their fixed beginnings, spelled out once. */
static const uint8_t oid_basic[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
static const uint8_t oid_nonce[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};
static const uint8_t extended_revoke[] = {0x30, 0x0f, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05,
                                          0x07, 0x30, 0x01, 0x09, 0x04, 0x02, 0x05, 0x00};
static const uint8_t oid_invalidity[] = {0x06, 0x03, 0x55, 0x1d, 0x18};

static void put_generalized(struct der_writer *w, int64_t at)
{
    uint8_t time[DER_TIME_MAX];
    der_put(w, time, time_to_generalized(at, time));
}

/* singleExtensions [1] with invalidityDate (RFC 6960 section 4.4.5: CRL entry extensions are allowed) */
static void put_invalidity(struct der_writer *w, int64_t at)
{
    size_t outer = der_mark(w), list = outer, extension = outer, value = outer;
    put_generalized(w, at);
    der_wrap(w, DER_OCTET_STRING, value);
    der_put(w, oid_invalidity, sizeof oid_invalidity);
    der_wrap(w, DER_SEQUENCE, extension);
    der_wrap(w, DER_SEQUENCE, list);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(1), outer);
}

static void put_status(struct der_writer *w, const struct ocsp_single *single)
{
    size_t info = der_mark(w);
    if (single->status != OCSP_CERT_REVOKED) {
        const uint8_t tag = single->status == OCSP_CERT_GOOD ? DER_CONTEXT(0) : DER_CONTEXT(2);
        der_wrap(w, tag, info);
        return;
    }
    if (single->reason >= 0) { /* revocationReason [0] EXPLICIT CRLReason */
        size_t reason = der_mark(w), value = reason;
        der_put_byte(w, (uint8_t)single->reason);
        der_wrap(w, DER_ENUMERATED, value);
        der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), reason);
    }
    put_generalized(w, single->revoked_at);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(1), info);
}

static void put_single(struct der_writer *w, const struct ocsp_single *single, int64_t this_update,
                       int64_t next_update)
{
    size_t whole = der_mark(w);
    if (single->status == OCSP_CERT_REVOKED && single->invalidity_at != TIME_NONE)
        put_invalidity(w, single->invalidity_at);
    size_t next = der_mark(w);
    put_generalized(w, next_update);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), next);
    put_generalized(w, this_update);
    put_status(w, single);
    der_put_bytes(w, single->certid);
    der_wrap(w, DER_SEQUENCE, whole);
}

static void put_extensions(struct der_writer *w, const struct ocsp_response_data *data)
{
    size_t outer = der_mark(w);
    if (data->extended_revoke)
        der_put(w, extended_revoke, sizeof extended_revoke);
    if (data->nonce.len) {
        size_t extension = der_mark(w);
        der_put_tlv(w, DER_OCTET_STRING, data->nonce);
        der_put(w, oid_nonce, sizeof oid_nonce);
        der_wrap(w, DER_SEQUENCE, extension);
    }
    if (der_mark(w) == outer)
        return;
    der_wrap(w, DER_SEQUENCE, outer);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(1), outer);
}

bool ocsp_response_data_put(struct der_writer *w, const struct ocsp_response_data *data)
{
    size_t whole = der_mark(w);
    put_extensions(w, data);
    size_t responses = der_mark(w);
    for (size_t i = data->count; i > 0; i--)
        put_single(w, &data->singles[i - 1], data->this_update, data->next_update);
    der_wrap(w, DER_SEQUENCE, responses);
    put_generalized(w, data->produced_at);
    size_t responder = der_mark(w);
    der_put_tlv(w, DER_OCTET_STRING,
                (struct bytes){data->responder_key_hash, sizeof data->responder_key_hash});
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(2), responder);
    der_wrap(w, DER_SEQUENCE, whole);
    return !w->overflow;
}

bool ocsp_response_put(struct der_writer *w, struct bytes response_data, struct bytes sigalg,
                       struct bytes signature, struct bytes certificates)
{
    size_t whole = der_mark(w);
    if (certificates.len) {
        size_t certs = der_mark(w);
        der_put_bytes(w, certificates);
        der_wrap(w, DER_SEQUENCE, certs);
        der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), certs);
    }
    size_t bits = der_mark(w);
    der_put_bytes(w, signature);
    der_put_byte(w, 0); /* unused bits */
    der_wrap(w, DER_BIT_STRING, bits);
    der_put_bytes(w, sigalg);
    der_put_bytes(w, response_data);
    der_wrap(w, DER_SEQUENCE, whole); /* BasicOCSPResponse */
    der_wrap(w, DER_OCTET_STRING, whole);
    der_put(w, oid_basic, sizeof oid_basic);
    der_wrap(w, DER_SEQUENCE, whole); /* ResponseBytes */
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), whole);
    const uint8_t status[] = {DER_ENUMERATED, 1, OCSP_SUCCESSFUL};
    der_put(w, status, sizeof status);
    der_wrap(w, DER_SEQUENCE, whole);
    return !w->overflow;
}

void ocsp_error_response(enum ocsp_status status, uint8_t out[OCSP_ERROR_LEN])
{
    memcpy(out, (uint8_t[]){DER_SEQUENCE, 3, DER_ENUMERATED, 1, (uint8_t)status}, OCSP_ERROR_LEN);
}

const char *ocsp_status_name(enum ocsp_status status)
{
    switch (status) {
    case OCSP_SUCCESSFUL:
        return "successful";
    case OCSP_MALFORMED_REQUEST:
        return "malformedRequest";
    case OCSP_INTERNAL_ERROR:
        return "internalError";
    case OCSP_TRY_LATER:
        return "tryLater";
    case OCSP_SIG_REQUIRED:
        return "sigRequired";
    case OCSP_UNAUTHORIZED:
        return "unauthorized";
    }
    return "?";
}

/* --- understanding a ResponseData before it is signed -------------------------------------------------- */

static bool take_generalized(struct bytes *in, int64_t *at)
{
    struct bytes time;
    return der_take(in, DER_GENERALIZED_TIME, &time) && time_from_der(DER_GENERALIZED_TIME, time, at);
}

static bool take_status(struct bytes *in, struct ocsp_single *single)
{
    struct bytes info, explicit, reason;
    uint8_t tag;
    single->reason = -1;
    single->invalidity_at = TIME_NONE;
    if (!der_take_any(in, &tag, &info))
        return false;
    if (tag == DER_CONTEXT(0) || tag == DER_CONTEXT(2)) {
        single->status = tag == DER_CONTEXT(0) ? OCSP_CERT_GOOD : OCSP_CERT_UNKNOWN;
        return info.len == 0;
    }
    single->status = OCSP_CERT_REVOKED;
    if (tag != DER_CONTEXT_CONSTRUCTED(1) || !take_generalized(&info, &single->revoked_at))
        return false;
    if (info.len == 0)
        return true;
    if (!der_take(&info, DER_CONTEXT_CONSTRUCTED(0), &explicit) || info.len ||
        !der_take(&explicit, DER_ENUMERATED, &reason) || explicit.len || reason.len != 1)
        return false;
    single->reason = reason.at[0];
    return reason_name(single->reason) != NULL;
}

static bool take_octets(struct bytes *in, const uint8_t *octets, size_t len)
{
    if (in->len < len || memcmp(in->at, octets, len) != 0)
        return false;
    in->at += len;
    in->len -= len;
    return true;
}

static bool take_invalidity(struct bytes *in, int64_t *at)
{
    struct bytes explicit, list, extension, value;
    return der_take(in, DER_CONTEXT_CONSTRUCTED(1), &explicit) && der_take(&explicit, DER_SEQUENCE, &list) &&
           explicit.len == 0 && der_take(&list, DER_SEQUENCE, &extension) && list.len == 0 &&
           take_octets(&extension, oid_invalidity, sizeof oid_invalidity) &&
           der_take(&extension, DER_OCTET_STRING, &value) && extension.len == 0 &&
           take_generalized(&value, at) && value.len == 0;
}

static bool take_single(struct bytes *in, struct ocsp_response_data *data, struct ocsp_single *single,
                        struct certid *id)
{
    struct bytes content, explicit;
    int64_t this_update, next_update;
    if (!der_take(in, DER_SEQUENCE, &content) || !certid_take(&content, id) ||
        !take_status(&content, single) || !take_generalized(&content, &this_update) ||
        !der_take(&content, DER_CONTEXT_CONSTRUCTED(0), &explicit) ||
        !take_generalized(&explicit, &next_update) || explicit.len)
        return false;
    if (content.len &&
        (single->status != OCSP_CERT_REVOKED || !take_invalidity(&content, &single->invalidity_at)))
        return false;
    if (data->count == 0) {
        data->this_update = this_update;
        data->next_update = next_update;
    }
    single->certid = id->whole;
    return content.len == 0 && this_update == data->this_update && next_update == data->next_update;
}

static bool take_extensions(struct bytes *in, struct ocsp_response_data *data)
{
    struct bytes explicit, list, extension, value;
    if (!der_take(in, DER_CONTEXT_CONSTRUCTED(1), &explicit) || !der_take(&explicit, DER_SEQUENCE, &list) ||
        explicit.len || list.len == 0)
        return false;
    while (list.len) {
        if (!data->extended_revoke && take_octets(&list, extended_revoke, sizeof extended_revoke)) {
            data->extended_revoke = true;
            continue;
        }
        if (!der_take(&list, DER_SEQUENCE, &extension) ||
            !take_octets(&extension, oid_nonce, sizeof oid_nonce) || data->nonce.len ||
            !der_take(&extension, DER_OCTET_STRING, &value) || extension.len || value.len == 0 ||
            value.len > OCSP_NONCE_MAX + 3)
            return false;
        data->nonce = value;
    }
    return true;
}

bool ocsp_response_data_parse(struct bytes der, struct ocsp_response_data *data,
                              struct certid ids[OCSP_CERTIDS_MAX], struct error *err)
{
    struct bytes content, responder, key_hash, responses;
    *data = (struct ocsp_response_data){0};
    if (!der_take(&der, DER_SEQUENCE, &content) || der.len ||
        !der_take(&content, DER_CONTEXT_CONSTRUCTED(2), &responder) ||
        !der_take(&responder, DER_OCTET_STRING, &key_hash) || responder.len ||
        key_hash.len != sizeof data->responder_key_hash || !take_generalized(&content, &data->produced_at) ||
        !der_take(&content, DER_SEQUENCE, &responses)) {
        error_set(err, "not a ResponseData");
        return false;
    }
    memcpy(data->responder_key_hash, key_hash.at, key_hash.len);
    for (; responses.len; data->count++) {
        if (data->count == OCSP_CERTIDS_MAX ||
            !take_single(&responses, data, &data->singles[data->count], &ids[data->count])) {
            error_set(err, "SingleResponse %zu is not one that we write", data->count + 1);
            return false;
        }
    }
    if (data->count == 0 || (content.len && !take_extensions(&content, data)) || content.len) {
        error_set(err, "a ResponseData with no SingleResponse, or extensions that we do not write");
        return false;
    }
    return true;
}
