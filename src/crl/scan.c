#include <annul/crl.h>

#include <annul/der.h>
#include <annul/reason.h>

#include <stdlib.h>
#include <string.h>

/* Everything but the list of entries must fit in here at once: issuer name, extensions, one entry. */
#define WINDOW 65536
#define KEEP_MAX 16384 /* of the head's views together */

struct crl_scan {
    crl_read *read;
    void *arg;
    uint64_t total;  /* octets that were taken out of the window so far */
    size_t at, have; /* the unread part of the window */
    bool failed;
    struct error why; /* of the read function */
    uint8_t window[WINDOW];
    size_t kept;
    uint8_t keep[KEEP_MAX]; /* octets that facts point to */
};

struct crl_scan *crl_scan_new(crl_read *read, void *arg)
{
    struct crl_scan *scan = malloc(sizeof *scan);
    if (scan) {
        scan->read = read;
        scan->arg = arg;
    }
    return scan;
}

void crl_scan_free(struct crl_scan *scan)
{
    free(scan);
}

/* Tries to have at least `wanted` octets in the window; gives all that are there. */
static struct bytes look(struct crl_scan *scan, size_t wanted)
{
    if (scan->have - scan->at < wanted && scan->at) {
        memmove(scan->window, scan->window + scan->at, scan->have - scan->at);
        scan->have -= scan->at;
        scan->at = 0;
    }
    while (scan->have - scan->at < wanted && !scan->failed && wanted <= WINDOW) {
        long n = scan->read(scan->arg, scan->window + scan->have, WINDOW - scan->have, &scan->why);
        if (n < 0)
            scan->failed = true;
        if (n <= 0)
            break;
        scan->have += (size_t)n;
    }
    return (struct bytes){scan->window + scan->at, scan->have - scan->at};
}

static void skip(struct crl_scan *scan, size_t len)
{
    scan->at += len;
    scan->total += len;
}

/* A header alone, of something that may be larger than the window. */
static bool take_header(struct crl_scan *scan, uint8_t tag, uint64_t *len)
{
    uint8_t found;
    struct bytes seen = look(scan, DER_HEADER_MAX + 2);
    int header = der_read_header(seen.at, seen.len, &found, len);
    if (header <= 0 || found != tag)
        return false;
    skip(scan, (size_t)header);
    return true;
}

/* A whole TLV; the view lasts until the next look. */
static bool take_whole(struct crl_scan *scan, uint8_t tag, struct bytes *whole)
{
    uint8_t found;
    uint64_t len;
    struct bytes seen = look(scan, DER_HEADER_MAX + 2);
    int header = der_read_header(seen.at, seen.len, &found, &len);
    if (header <= 0 || found != tag || len > WINDOW / 2)
        return false;
    seen = look(scan, (size_t)header + (size_t)len);
    if (seen.len < (size_t)header + (size_t)len)
        return false;
    *whole = (struct bytes){seen.at, (size_t)header + (size_t)len};
    skip(scan, whole->len);
    return true;
}

static bool keep(struct crl_scan *scan, struct bytes from, struct bytes *view)
{
    if (from.len > KEEP_MAX - scan->kept)
        return false;
    *view = (struct bytes){scan->keep + scan->kept, from.len};
    memcpy(scan->keep + scan->kept, from.at, from.len);
    scan->kept += from.len;
    return true;
}

/* UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 5.1.2.4). */
static bool read_time(uint8_t tag, struct bytes content, int64_t *at)
{
    uint8_t der[DER_TIME_MAX];
    return time_from_der(tag, content, at) && time_to_der(*at, der) && der[0] == tag;
}

static bool take_time(struct crl_scan *scan, int64_t *at)
{
    struct bytes seen = look(scan, DER_TIME_MAX), rest = seen, content;
    uint8_t tag;
    if (!der_take_any(&rest, &tag, &content) || !read_time(tag, content, at))
        return false;
    skip(scan, seen.len - rest.len);
    return true;
}

static bool take_entry_extension(struct bytes *list, struct crl_entry *entry)
{
    struct bytes extension, oid, value, content;
    if (!der_take(list, DER_SEQUENCE, &extension) || !der_take(&extension, DER_OID, &oid) ||
        !der_take(&extension, DER_OCTET_STRING, &value) || extension.len || oid.len != 3 ||
        oid.at[0] != 0x55 || oid.at[1] != 0x1d)
        return false;
    if (oid.at[2] == 0x15 && entry->reason == REASON_UNSPECIFIED) {
        if (!der_take(&value, DER_ENUMERATED, &content) || value.len || content.len != 1)
            return false;
        entry->reason = content.at[0];
        return reason_name(entry->reason) && entry->reason != REASON_UNSPECIFIED &&
               entry->reason != REASON_REMOVE_FROM_CRL; /* that is for delta CRLs alone */
    }
    return oid.at[2] == 0x18 && entry->invalidity_at == TIME_NONE &&
           der_take(&value, DER_GENERALIZED_TIME, &content) && value.len == 0 &&
           time_from_der(DER_GENERALIZED_TIME, content, &entry->invalidity_at);
}

static bool parse_entry(struct bytes whole, struct crl_entry *entry)
{
    struct bytes content, serial, time, list;
    uint8_t tag;
    entry->reason = REASON_UNSPECIFIED;
    entry->invalidity_at = TIME_NONE;
    if (!der_take(&whole, DER_SEQUENCE, &content) || !der_take(&content, DER_INTEGER, &serial) ||
        !serial_from_integer(serial, &entry->serial) || !der_take_any(&content, &tag, &time) ||
        !read_time(tag, time, &entry->revoked_at))
        return false;
    if (content.len == 0)
        return true;
    if (!der_take(&content, DER_SEQUENCE, &list) || content.len || list.len == 0)
        return false;
    while (list.len)
        if (!take_entry_extension(&list, entry))
            return false;
    return true;
}

static int scan_entries(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                        struct error *err)
{
    uint64_t len;
    struct serial before = {0};
    if (!take_header(scan, DER_SEQUENCE, &len) || len == 0)
        return error_set(err, "revokedCertificates is no SEQUENCE, or empty (RFC 5280 section 5.1.2.6)");
    for (uint64_t end = scan->total + len; scan->total < end; facts->entries++) {
        struct crl_entry entry;
        struct bytes whole;
        if (!take_whole(scan, DER_SEQUENCE, &whole) || scan->total > end || !parse_entry(whole, &entry))
            return error_set(err, "entry %llu of the CRL is not one that we write",
                             (unsigned long long)facts->entries + 1);
        if (facts->entries && serial_compare(&before, &entry.serial) >= 0)
            return error_set(err, "entry %llu of the CRL is out of order",
                             (unsigned long long)facts->entries + 1);
        before = entry.serial;
        if (each && each(arg, &entry) != 0)
            return error_set(err, "stopped at entry %llu", (unsigned long long)facts->entries + 1);
    }
    return 0;
}

static bool take_number(struct bytes value, struct crl_facts *facts)
{
    struct bytes number;
    if (facts->has_number || !der_take(&value, DER_INTEGER, &number) || value.len || number.len == 0 ||
        number.len > 8 || number.at[0] & 0x80 ||
        (number.len > 1 && number.at[0] == 0 && !(number.at[1] & 0x80)))
        return false;
    for (size_t i = 0; i < number.len; i++)
        facts->head.number = facts->head.number << 8 | number.at[i];
    return facts->has_number = true;
}

static bool take_authority(struct crl_scan *scan, struct bytes value, struct crl_facts *facts)
{
    struct bytes content, id;
    if (facts->has_key_id || !der_take(&value, DER_SEQUENCE, &content) || value.len ||
        !der_take(&content, DER_CONTEXT(0), &id) || content.len || !keep(scan, id, &facts->head.key_id))
        return false;
    return facts->has_key_id = true;
}

static bool parse_extensions(struct crl_scan *scan, struct bytes whole, struct crl_facts *facts)
{
    static const struct bytes authority = {(const uint8_t *)"\x55\x1d\x23", 3},
                              number = {(const uint8_t *)"\x55\x1d\x14", 3};
    struct bytes explicit, list, extension, oid, value;
    if (!der_take(&whole, DER_CONTEXT_CONSTRUCTED(0), &explicit) ||
        !der_take(&explicit, DER_SEQUENCE, &list) || explicit.len || list.len == 0)
        return false;
    while (list.len) {
        if (!der_take(&list, DER_SEQUENCE, &extension) || !der_take(&extension, DER_OID, &oid) ||
            !der_take(&extension, DER_OCTET_STRING, &value) || extension.len) /* so none is critical */
            return false;
        if (!(bytes_equal(oid, number) && take_number(value, facts)) &&
            !(bytes_equal(oid, authority) && take_authority(scan, value, facts)))
            return false;
    }
    return true;
}

static int scan_body(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                     struct error *err)
{
    struct bytes whole;
    uint64_t len, end;
    if (!take_header(scan, DER_SEQUENCE, &len))
        return error_set(err, "not a TBSCertList: no SEQUENCE");
    end = scan->total + len;
    if (!take_whole(scan, DER_INTEGER, &whole) || whole.len != 3 || whole.at[2] != 1)
        return error_set(err, "not a TBSCertList of version 2");
    if (!take_whole(scan, DER_SEQUENCE, &whole) || !keep(scan, whole, &facts->head.sigalg))
        return error_set(err, "not a TBSCertList: no signature algorithm");
    if (!take_whole(scan, DER_SEQUENCE, &whole) || !keep(scan, whole, &facts->head.issuer))
        return error_set(err, "not a TBSCertList: no issuer");
    if (!take_time(scan, &facts->head.this_update) || !take_time(scan, &facts->head.next_update))
        return error_set(err, "not a TBSCertList: thisUpdate and nextUpdate are missing or malformed");
    if (der_peek(look(scan, 1)) == DER_SEQUENCE && scan_entries(scan, each, arg, facts, err) < 0)
        return -1;
    if (!take_whole(scan, DER_CONTEXT_CONSTRUCTED(0), &whole) || !parse_extensions(scan, whole, facts))
        return error_set(err, "CRL extensions are missing, malformed, or others than we write");
    if (scan->total != end || look(scan, 1).len)
        return error_set(err, "octets behind the TBSCertList, or inside where none belong");
    return 0;
}

int crl_scan_tbs(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts, struct error *err)
{
    *facts = (struct crl_facts){0};
    scan->total = scan->at = scan->have = scan->kept = 0;
    scan->failed = false;
    scan->why = (struct error){"the CRL could not be read"};
    int result = scan_body(scan, each, arg, facts, err);
    if (scan->failed)
        return error_set(err, "%s", scan->why.text);
    facts->len = scan->total;
    return result;
}
