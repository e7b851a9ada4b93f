#include "internal.h"

#include <annul/der.h>
#include <annul/reason.h>

#include <string.h>

/* No entry is longer than the short form of a length can say, so it is written forwards at once. */
size_t crl_entry_encode(const struct crl_entry *entry, uint8_t out[CRL_ENTRY_MAX])
{
    static const uint8_t reason[] = {0x30, 10, 0x06, 3, 0x55, 0x1d, CRL_REASON, 0x04, 3, DER_ENUMERATED, 1};
    static const uint8_t invalidity[] = {0x30, 24, 0x06, 3, 0x55, 0x1d, CRL_INVALIDITY, 0x04, DER_TIME_MAX};
    uint8_t *at = out + 2;
    at += serial_to_der(serial_bytes(&entry->serial), at);
    at += time_to_der(entry->revoked_at, at);
    uint8_t *list = at;
    at += 2;
    if (entry->reason != REASON_UNSPECIFIED) {
        memcpy(at, reason, sizeof reason);
        at += sizeof reason;
        *at++ = (uint8_t)entry->reason;
    }
    if (entry->invalidity_at != TIME_NONE) { /* always GeneralizedTime (RFC 5280 section 5.3.2) */
        memcpy(at, invalidity, sizeof invalidity);
        at += sizeof invalidity;
        at += time_to_generalized(entry->invalidity_at, at);
    }
    if (at == list + 2) {
        at = list; /* no extensions, no list of them */
    } else {
        list[0] = DER_SEQUENCE;
        list[1] = (uint8_t)(at - list - 2);
    }
    out[0] = DER_SEQUENCE;
    out[1] = (uint8_t)(at - out - 2);
    return (size_t)(at - out);
}

static bool add_header(struct buffer *out, uint8_t tag, uint64_t len)
{
    uint8_t header[DER_HEADER_MAX + 2];
    return buffer_add(out, header, der_write_header(header, tag, len));
}

bool crl_prefix(struct buffer *out, const struct crl_head *head, uint64_t entries_len, size_t suffix_len)
{
    static const uint8_t v2[] = {DER_INTEGER, 1, 1};
    uint8_t this_update[DER_TIME_MAX], next_update[DER_TIME_MAX];
    size_t this_len = time_to_der(head->this_update, this_update);
    size_t next_len = time_to_der(head->next_update, next_update);
    uint64_t list_len = entries_len ? der_header_len(entries_len) + entries_len : 0;
    uint64_t len =
        sizeof v2 + head->sigalg.len + head->issuer.len + this_len + next_len + list_len + suffix_len;
    return add_header(out, DER_SEQUENCE, len) && buffer_add(out, v2, sizeof v2) &&
           buffer_add(out, head->sigalg.at, head->sigalg.len) &&
           buffer_add(out, head->issuer.at, head->issuer.len) && buffer_add(out, this_update, this_len) &&
           buffer_add(out, next_update, next_len) &&
           (entries_len == 0 || add_header(out, DER_SEQUENCE, entries_len));
}

/* What was written since `mark` becomes the value of an extension. */
static void wrap_extension(struct der_writer *w, enum crl_extension_id id, bool critical, size_t mark)
{
    der_wrap(w, DER_OCTET_STRING, mark);
    if (critical)
        der_put(w, (uint8_t[]){DER_BOOLEAN, 1, 0xff}, 3);
    der_put(w, (uint8_t[]){DER_OID, 3, 0x55, 0x1d, (uint8_t)id}, 5);
    der_wrap(w, DER_SEQUENCE, mark);
}

static void put_number(struct der_writer *w, enum crl_extension_id id, bool critical, uint64_t number)
{
    size_t mark = der_mark(w);
    der_put_unsigned(w, number);
    wrap_extension(w, id, critical, mark);
}

/* distributionPoint [0] of a fullName [0] that is one URI [6]. */
static void put_uri(struct der_writer *w, struct bytes uri)
{
    size_t mark = der_mark(w);
    der_put_tlv(w, DER_CONTEXT(6), uri);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
    der_wrap(w, DER_CONTEXT_CONSTRUCTED(0), mark);
}

static void put_point(struct der_writer *w, const struct crl_head *head)
{
    size_t mark = der_mark(w);
    if (head->scope != CRL_ALL)
        der_put(w, (uint8_t[]){(uint8_t)DER_CONTEXT(head->scope == CRL_USER ? 1 : 2), 1, 0xff}, 3);
    if (head->point.len)
        put_uri(w, head->point);
    der_wrap(w, DER_SEQUENCE, mark);
    wrap_extension(w, CRL_POINT, true, mark);
}

static void put_freshest(struct der_writer *w, struct bytes uri)
{
    size_t mark = der_mark(w);
    put_uri(w, uri);
    der_wrap(w, DER_SEQUENCE, mark);
    der_wrap(w, DER_SEQUENCE, mark);
    wrap_extension(w, CRL_FRESHEST, false, mark);
}

static void put_expired(struct der_writer *w, int64_t since)
{
    uint8_t time[DER_TIME_MAX];
    size_t mark = der_mark(w);
    der_put(w, time, time_to_generalized(since, time));
    wrap_extension(w, CRL_EXPIRED_CERTS, false, mark);
}

static void put_authority(struct der_writer *w, struct bytes key_id)
{
    size_t mark = der_mark(w);
    der_put_tlv(w, DER_CONTEXT(0), key_id); /* keyIdentifier (RFC 5280 section 5.2.1) */
    der_wrap(w, DER_SEQUENCE, mark);
    wrap_extension(w, CRL_AUTHORITY, false, mark);
}

static bool head_is_good(const struct crl_head *head)
{
    return head->number <= INT64_MAX && head->base <= head->number && !(head->base && head->freshest.len) &&
           (head->point.len == 0 || crl_uri_is_good(head->point)) &&
           (head->freshest.len == 0 || crl_uri_is_good(head->freshest));
}

bool crl_suffix(struct buffer *out, const struct crl_head *head)
{
    uint8_t room[1024]; /* two URIs, and 200 octets of all the rest */
    struct der_writer w;
    der_writer_init(&w, room, sizeof room);
    if (head->expired_since)
        put_expired(&w, head->expired_since);
    if (head->freshest.len)
        put_freshest(&w, head->freshest);
    if (head->point.len || head->scope != CRL_ALL)
        put_point(&w, head);
    if (head->base)
        put_number(&w, CRL_DELTA_INDICATOR, true, head->base);
    put_number(&w, CRL_NUMBER, false, head->number);
    put_authority(&w, head->key_id);
    der_wrap(&w, DER_SEQUENCE, 0);
    der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), 0);
    return head_is_good(head) && !w.overflow && buffer_add(out, w.at, der_mark(&w));
}

bool crl_envelope(struct buffer *before, struct buffer *behind, uint64_t tbs_len, struct bytes sigalg,
                  struct bytes signature)
{
    size_t start = behind->len;
    return buffer_add(behind, sigalg.at, sigalg.len) &&
           add_header(behind, DER_BIT_STRING, signature.len + 1) && buffer_add(behind, "", 1) &&
           buffer_add(behind, signature.at, signature.len) &&
           add_header(before, DER_SEQUENCE, tbs_len + behind->len - start);
}
