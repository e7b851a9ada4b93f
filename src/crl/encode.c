#include <annul/crl.h>

#include <annul/der.h>
#include <annul/reason.h>

#include <string.h>

static const uint8_t oid_reason[] = {0x06, 0x03, 0x55, 0x1d, 0x15};
static const uint8_t oid_invalidity[] = {0x06, 0x03, 0x55, 0x1d, 0x18};
static const uint8_t oid_number[] = {0x06, 0x03, 0x55, 0x1d, 0x14};
static const uint8_t oid_authority[] = {0x06, 0x03, 0x55, 0x1d, 0x23};

/* Extension, not critical: the value since `mark` gets its OCTET STRING and OID. */
static void wrap_extension(struct der_writer *w, const uint8_t *oid, size_t oid_len, size_t mark)
{
    der_wrap(w, DER_OCTET_STRING, mark);
    der_put(w, oid, oid_len);
    der_wrap(w, DER_SEQUENCE, mark);
}

size_t crl_entry_encode(const struct crl_entry *entry, uint8_t out[CRL_ENTRY_MAX])
{
    uint8_t room[CRL_ENTRY_MAX], time[DER_TIME_MAX], serial[SERIAL_MAX + 3];
    struct der_writer w;
    der_writer_init(&w, room, sizeof room);
    if (entry->invalidity_at != TIME_NONE) { /* always GeneralizedTime (RFC 5280 section 5.3.2) */
        size_t mark = der_mark(&w);
        der_put(&w, time, time_to_generalized(entry->invalidity_at, time));
        wrap_extension(&w, oid_invalidity, sizeof oid_invalidity, mark);
    }
    if (entry->reason != REASON_UNSPECIFIED) {
        size_t mark = der_mark(&w);
        der_put(&w, (uint8_t[]){DER_ENUMERATED, 1, (uint8_t)entry->reason}, 3);
        wrap_extension(&w, oid_reason, sizeof oid_reason, mark);
    }
    if (der_mark(&w))
        der_wrap(&w, DER_SEQUENCE, 0);
    der_put(&w, time, time_to_der(entry->revoked_at, time));
    der_put(&w, serial, serial_to_der(serial_bytes(&entry->serial), serial));
    der_wrap(&w, DER_SEQUENCE, 0);
    size_t len = der_mark(&w);
    memcpy(out, w.at, len);
    return len;
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

bool crl_suffix(struct buffer *out, const struct crl_head *head)
{
    uint8_t room[256];
    struct der_writer w;
    der_writer_init(&w, room, sizeof room);
    der_put_unsigned(&w, head->number);
    wrap_extension(&w, oid_number, sizeof oid_number, 0);
    size_t mark = der_mark(&w);
    der_put_tlv(&w, DER_CONTEXT(0), head->key_id); /* keyIdentifier (RFC 5280 section 5.2.1) */
    der_wrap(&w, DER_SEQUENCE, mark);
    wrap_extension(&w, oid_authority, sizeof oid_authority, mark);
    der_wrap(&w, DER_SEQUENCE, 0);
    der_wrap(&w, DER_CONTEXT_CONSTRUCTED(0), 0);
    return !w.overflow && buffer_add(out, w.at, der_mark(&w));
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
