#include "internal.h"

#include <annul/reason.h>

#include <string.h>

/* Whole Extension TLVs or their fixed beginnings, spelled out once. */
static const uint8_t oid_basic[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
static const uint8_t oid_nonce[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};
static const uint8_t extended_revoke[] = {0x30, 0x0f, 0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05,
                                          0x07, 0x30, 0x01, 0x09, 0x04, 0x02, 0x05, 0x00};
static const uint8_t oid_crl[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x03};
static const uint8_t oid_archive_cutoff[] = {0x06, 0x09, 0x2b, 0x06, 0x01, 0x05,
                                             0x05, 0x07, 0x30, 0x01, 0x06};
static const uint8_t oid_invalidity[] = {0x06, 0x03, 0x55, 0x1d, 0x18};

#define OCTETS(known) ((struct bytes){known, sizeof known})

static void put_generalized(struct der_writer *w, int64_t at)
{
    uint8_t time[DER_TIME_MAX];
    der_put(w, time, time_to_generalized(at, time));
}

bool ocsp_responder_by_key(struct buffer *out, struct bytes key_bits)
{
    uint8_t id[24] = {DER_CONTEXT_CONSTRUCTED(2), 22, DER_OCTET_STRING, 20}, hash[CERTID_HASH_MAX];
    if (!certid_digest(CERTID_SHA1, key_bits, hash))
        return false;
    memcpy(id + 4, hash, 20);
    return buffer_add(out, id, sizeof id);
}

bool ocsp_responder_by_name(struct buffer *out, struct bytes name)
{
    uint8_t header[DER_HEADER_MAX];
    return buffer_add(out, header, der_write_header(header, DER_CONTEXT_CONSTRUCTED(1), name.len)) &&
           buffer_add(out, name.at, name.len);
}

/* Around the extension's value, which was written since `mark`; `oid` is a TLV. */
static void wrap_extension(struct der_writer *w, const uint8_t *oid, size_t oid_len, size_t mark)
{
    der_wrap(w, DER_OCTET_STRING, mark);
    der_put(w, oid, oid_len);
    der_wrap(w, DER_SEQUENCE, mark);
}

/* CrlID (RFC 6960 section 4.4.2) */
static void put_crl_id(struct der_writer *w, const struct ocsp_single *single, struct bytes url)
{
    size_t value = der_mark(w), part = value;
    put_generalized(w, single->crl_at);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(2), part);
    part = der_mark(w);
    der_put_unsigned(w, (uint64_t)single->crl_number);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(1), part);
    part = der_mark(w);
    der_put_tlv(w, DER_IA5STRING, url);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), part);
    der_wrap(w, DER_SEQUENCE, value);
    wrap_extension(w, oid_crl, sizeof oid_crl, value);
}

/* singleExtensions [1]; invalidityDate may be there because CRL entry extensions may (section 4.4.5). */
static void put_single_extensions(struct der_writer *w, const struct ocsp_single *single,
                                  const struct ocsp_response_data *data)
{
    size_t outer = der_mark(w), mark = outer;
    if (single->status == OCSP_CERT_REVOKED && single->invalidity_at != TIME_NONE) {
        put_generalized(w, single->invalidity_at);
        wrap_extension(w, oid_invalidity, sizeof oid_invalidity, mark);
    }
    if (single->status == OCSP_CERT_REVOKED && single->crl_number)
        put_crl_id(w, single, data->crl_url);
    mark = der_mark(w);
    if (data->archive_cutoff_at != TIME_NONE) {
        put_generalized(w, data->archive_cutoff_at);
        wrap_extension(w, oid_archive_cutoff, sizeof oid_archive_cutoff, mark);
    }
    if (der_mark(w) == outer)
        return;
    der_wrap(w, DER_SEQUENCE, outer);
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

static void put_single(struct der_writer *w, const struct ocsp_single *single,
                       const struct ocsp_response_data *data)
{
    size_t whole = der_mark(w);
    put_single_extensions(w, single, data);
    size_t next = der_mark(w);
    put_generalized(w, data->next_update);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), next);
    put_generalized(w, data->this_update);
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
        size_t mark = der_mark(w);
        der_put_bytes(w, data->nonce);
        wrap_extension(w, oid_nonce, sizeof oid_nonce, mark);
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
        put_single(w, &data->singles[i - 1], data);
    der_wrap(w, DER_SEQUENCE, responses);
    put_generalized(w, data->produced_at);
    der_put_bytes(w, data->responder_id);
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

bool ocsp_take_time(struct bytes *in, int64_t *at)
{
    struct bytes time;
    return der_take(in, DER_GENERALIZED_TIME, &time) && time_from_der(DER_GENERALIZED_TIME, time, at);
}

bool ocsp_take_status(struct bytes *in, struct ocsp_single *single)
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
    if (tag != DER_CONTEXT_CONSTRUCTED(1) || !ocsp_take_time(&info, &single->revoked_at))
        return false;
    if (info.len == 0)
        return true;
    if (!der_take(&info, DER_CONTEXT_CONSTRUCTED(0), &explicit) || info.len ||
        !der_take(&explicit, DER_ENUMERATED, &reason) || explicit.len || reason.len != 1)
        return false;
    single->reason = reason.at[0];
    return reason_name(single->reason) != NULL;
}

/* The value of the extension `oid`, a TLV, where that is the next one, not critical and not empty; else nothing. */
static struct bytes take_extension(struct bytes *list, struct bytes oid)
{
    struct bytes rest = *list, extension, its_oid, value;
    if (!der_take(&rest, DER_SEQUENCE, &extension) || !der_take_whole(&extension, DER_OID, &its_oid) ||
        !bytes_equal(its_oid, oid) || !der_take(&extension, DER_OCTET_STRING, &value) || extension.len ||
        value.len == 0)
        return (struct bytes){0};
    *list = rest;
    return value;
}

/* Absent leaves TIME_NONE. */
static bool take_time_extension(struct bytes *list, struct bytes oid, int64_t *at)
{
    struct bytes value = take_extension(list, oid);
    return value.len == 0 || (ocsp_take_time(&value, at) && value.len == 0);
}

/* A positive INTEGER of at most 63 bits. */
static bool take_crl_number(struct bytes *in, int64_t *number)
{
    struct bytes value;
    if (!der_take(in, DER_INTEGER, &value) || value.len == 0 || value.len > 8 || value.at[0] & 0x80 ||
        (value.at[0] == 0 && (value.len == 1 || !(value.at[1] & 0x80))))
        return false;
    for (size_t i = 0; i < value.len; i++)
        *number = *number << 8 | value.at[i];
    return true;
}

static bool take_crl_id(struct bytes *list, struct ocsp_response_data *data, struct ocsp_single *single)
{
    struct bytes value = take_extension(list, OCTETS(oid_crl)), crl_id, part, url;
    if (value.len == 0)
        return true;
    if (!der_take(&value, DER_SEQUENCE, &crl_id) || value.len ||
        !der_take(&crl_id, DER_CONTEXT_CONSTRUCTED(0), &part) || !der_take(&part, DER_IA5STRING, &url) ||
        part.len || !der_take(&crl_id, DER_CONTEXT_CONSTRUCTED(1), &part) ||
        !take_crl_number(&part, &single->crl_number) || part.len ||
        !der_take(&crl_id, DER_CONTEXT_CONSTRUCTED(2), &part) || !ocsp_take_time(&part, &single->crl_at) ||
        part.len || crl_id.len || (data->crl_url.at && !bytes_equal(data->crl_url, url)))
        return false;
    data->crl_url = url;
    return true;
}

/* Those that put_single_extensions writes, in its order. */
static bool take_single_extensions(struct bytes *in, struct ocsp_response_data *data,
                                   struct ocsp_single *single, int64_t *archive_cutoff_at)
{
    struct bytes explicit, list;
    return der_take(in, DER_CONTEXT_CONSTRUCTED(1), &explicit) && der_take(&explicit, DER_SEQUENCE, &list) &&
           explicit.len == 0 && list.len &&
           take_time_extension(&list, OCTETS(oid_archive_cutoff), archive_cutoff_at) &&
           (single->status != OCSP_CERT_REVOKED ||
            (take_crl_id(&list, data, single) &&
             take_time_extension(&list, OCTETS(oid_invalidity), &single->invalidity_at))) &&
           list.len == 0;
}

static bool take_single(struct bytes *in, struct ocsp_response_data *data, struct ocsp_single *single,
                        struct certid *id)
{
    struct bytes content, explicit;
    int64_t this_update, next_update, archive_cutoff_at = TIME_NONE;
    if (!der_take(in, DER_SEQUENCE, &content) || !certid_take(&content, id) ||
        !ocsp_take_status(&content, single) || !ocsp_take_time(&content, &this_update) ||
        !der_take(&content, DER_CONTEXT_CONSTRUCTED(0), &explicit) ||
        !ocsp_take_time(&explicit, &next_update) || explicit.len)
        return false;
    if (content.len && !take_single_extensions(&content, data, single, &archive_cutoff_at))
        return false;
    if (data->count == 0) {
        data->this_update = this_update;
        data->next_update = next_update;
        data->archive_cutoff_at = archive_cutoff_at;
    }
    single->certid = id->whole;
    return content.len == 0 && this_update == data->this_update && next_update == data->next_update &&
           archive_cutoff_at == data->archive_cutoff_at;
}

/* Those that put_extensions writes, in its order. */
static bool take_extensions(struct bytes *in, struct ocsp_response_data *data)
{
    struct bytes explicit, list;
    if (!der_take(in, DER_CONTEXT_CONSTRUCTED(1), &explicit) || !der_take(&explicit, DER_SEQUENCE, &list) ||
        explicit.len || list.len == 0)
        return false;
    data->nonce = take_extension(&list, OCTETS(oid_nonce));
    data->extended_revoke = bytes_equal(list, OCTETS(extended_revoke));
    return data->nonce.len <= OCSP_NONCE_MAX + 3 && (list.len == 0 || data->extended_revoke);
}

bool ocsp_response_data_parse(struct bytes der, struct ocsp_response_data *data,
                              struct certid ids[OCSP_CERTIDS_MAX], struct error *err)
{
    struct bytes content, responses;
    *data = (struct ocsp_response_data){.archive_cutoff_at = TIME_NONE};
    if (!der_take(&der, DER_SEQUENCE, &content) || der.len ||
        !(der_take_whole(&content, DER_CONTEXT_CONSTRUCTED(2), &data->responder_id) ||
          der_take_whole(&content, DER_CONTEXT_CONSTRUCTED(1), &data->responder_id)) ||
        !ocsp_take_time(&content, &data->produced_at) || !der_take(&content, DER_SEQUENCE, &responses)) {
        error_set(err, "not a ResponseData");
        return false;
    }
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
