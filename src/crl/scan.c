#include "internal.h"

#include <annul/der.h>
#include <annul/reason.h>

#include <stdlib.h>
#include <string.h>

/* Everything but the list of entries must fit in here at once: issuer name, extensions, one entry. */
#define WINDOW 65536
#define KEEP_MAX 18432 /* of what facts point to together */

struct crl_scan {
    crl_read *read;
    void *arg;
    bool strict; /* our own, and a TBSCertList alone */
    bool v1;
    bool removes; /* an entry with removeFromCRL was seen */
    crl_tap *tap; /* or NULL */
    void *tap_arg;
    bool in_tbs;
    uint64_t total;        /* octets that were taken out of the window so far */
    size_t at, have, told; /* what is taken, what is there, and what the tap has seen of the window */
    bool failed;
    struct error why; /* of the read function, or the tap */
    uint8_t window[WINDOW];
    size_t kept;
    uint8_t keep[KEEP_MAX];
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

/* --- the window ---------------------------------------------------------------------------------------- */

static void tell(struct crl_scan *scan)
{
    struct bytes piece = {scan->window + scan->told, scan->at - scan->told};
    if (scan->tap && piece.len && !scan->failed)
        scan->failed = scan->tap(scan->tap_arg, scan->in_tbs, piece, &scan->why) < 0;
    scan->told = scan->at;
}

/* Moves only what must move: so all that goes before the entries is still there when the tap is first told. */
static void refill(struct crl_scan *scan, size_t wanted)
{
    if (wanted > WINDOW - scan->at) {
        tell(scan);
        memmove(scan->window, scan->window + scan->at, scan->have - scan->at);
        scan->have -= scan->at;
        scan->at = scan->told = 0;
    }
    while (scan->have - scan->at < wanted && !scan->failed) {
        long n = scan->read(scan->arg, scan->window + scan->have, WINDOW - scan->have, &scan->why);
        if (n < 0)
            scan->failed = true;
        if (n <= 0)
            break;
        scan->have += (size_t)n;
    }
}

/* Tries to have at least `wanted` octets in the window, which are no more than it holds; gives all that are
 * there. */
static inline struct bytes look(struct crl_scan *scan, size_t wanted)
{
    if (scan->have - scan->at < wanted)
        refill(scan, wanted);
    return (struct bytes){scan->window + scan->at, scan->have - scan->at};
}

static inline void skip(struct crl_scan *scan, size_t len)
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

/* A whole TLV, and its content within; the views last until the next look. */
static bool take(struct crl_scan *scan, uint8_t tag, struct bytes *whole, struct bytes *content)
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
    *content = (struct bytes){seen.at + header, (size_t)len};
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

static bool take_kept(struct crl_scan *scan, uint8_t tag, struct bytes *whole)
{
    struct bytes content;
    return take(scan, tag, whole, &content) && keep(scan, *whole, whole);
}

/* --- entries ------------------------------------------------------------------------------------------- */

/* UTCTime through 2049, GeneralizedTime from 2050 (RFC 5280 section 5.1.2.4); others are less careful. */
static bool take_time(struct bytes *in, bool strict, int64_t *at)
{
    struct bytes content;
    uint8_t tag;
    return der_take_any(in, &tag, &content) && time_from_der(tag, content, at) &&
           (!strict || tag == time_der_tag(*at));
}

static const char *parse_reason(struct crl_scan *scan, struct bytes value, struct crl_entry *entry)
{
    struct bytes content;
    if (!der_take(&value, DER_ENUMERATED, &content) || value.len || content.len != 1 ||
        !reason_name(content.at[0]))
        return "its reason does not exist (RFC 5280 section 5.3.1)";
    entry->reason = content.at[0];
    if (entry->reason == REASON_REMOVE_FROM_CRL)
        scan->removes = true;
    return scan->strict && entry->reason == REASON_UNSPECIFIED ? "its reason is unspecified(0), said aloud"
                                                               : NULL;
}

static const char *parse_invalidity(struct bytes value, struct crl_entry *entry)
{
    struct bytes content;
    return der_take(&value, DER_GENERALIZED_TIME, &content) && value.len == 0 &&
                   time_from_der(DER_GENERALIZED_TIME, content, &entry->invalidity_at)
               ? NULL
               : "its invalidityDate is malformed";
}

static const char *parse_entry_extensions(struct crl_scan *scan, struct bytes list, struct crl_entry *entry)
{
    bool has_reason = false, has_invalidity = false;
    while (list.len) {
        struct crl_extension extension;
        const char *wrong = NULL;
        if (!crl_take_extension(&list, &extension))
            return "an extension of it is malformed";
        if (scan->strict && extension.critical)
            return "it has a critical extension";
        if (extension.id == CRL_REASON && !has_reason) {
            has_reason = true;
            wrong = parse_reason(scan, extension.value, entry);
        } else if (extension.id == CRL_INVALIDITY && !has_invalidity) {
            has_invalidity = true;
            wrong = parse_invalidity(extension.value, entry);
        } else if (extension.id == CRL_REASON || extension.id == CRL_INVALIDITY) {
            wrong = "it has an extension twice";
        } else if (extension.id == CRL_CERTIFICATE_ISSUER) {
            wrong = "it is of another issuer (indirect CRL, RFC 5280 section 5.3.3)";
        } else if (scan->strict || extension.critical) {
            wrong = extension.critical ? "it has a critical extension that is not known"
                                       : "it has an extension that we do not write";
        }
        if (wrong)
            return wrong;
    }
    return NULL;
}

/* What is wrong with an entry's content, or NULL. */
static const char *parse_entry(struct crl_scan *scan, struct bytes content, struct crl_entry *entry)
{
    struct bytes serial, list;
    entry->reason = REASON_UNSPECIFIED;
    entry->invalidity_at = TIME_NONE;
    if (!der_take(&content, DER_INTEGER, &serial) || !serial_from_integer(serial, &entry->serial))
        return "its serial number is missing, negative, not DER, or longer than 20 octets";
    if (!scan->strict && entry->serial.octets[0] == 0)
        return "its serial number is zero";
    if (!take_time(&content, scan->strict, &entry->revoked_at))
        return "its date is missing or malformed";
    if (content.len == 0)
        return NULL;
    if (!der_take(&content, DER_SEQUENCE, &list) || content.len || list.len == 0)
        return "its extensions are malformed";
    return scan->v1 ? "it has extensions, which a CRL of version 1 has not"
                    : parse_entry_extensions(scan, list, entry);
}

static int scan_entries(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                        struct error *err)
{
    uint64_t len;
    struct crl_entry entries[2] = {0}; /* this one and the one before, in turn */
    if (!take_header(scan, DER_SEQUENCE, &len) || (len == 0 && scan->strict))
        return error_set(err, "revokedCertificates is no SEQUENCE, or empty (RFC 5280 section 5.1.2.6)");
    for (uint64_t end = scan->total + len; scan->total < end; facts->entries++) {
        unsigned long long place = facts->entries + 1;
        struct crl_entry *entry = &entries[place & 1], *before = &entries[~place & 1];
        struct bytes whole, content;
        if (!take(scan, DER_SEQUENCE, &whole, &content) || scan->total > end)
            return error_set(err, "entry %llu of the CRL is malformed or cut off", place);
        const char *wrong = parse_entry(scan, content, entry);
        if (wrong)
            return error_set(err, "entry %llu of the CRL: %s", place, wrong);
        if (scan->strict && place > 1 && serial_compare(&before->serial, &entry->serial) >= 0)
            return error_set(err, "entry %llu of the CRL is out of order", place);
        if (each && each(arg, entry) != 0)
            return error_set(err, "stopped at entry %llu", place);
    }
    return 0;
}

/* --- the list ------------------------------------------------------------------------------------------ */

/* Others leave the version out: it is 1 then, and there are no extensions. */
static bool take_version(struct crl_scan *scan)
{
    struct bytes whole, content;
    scan->v1 = !scan->strict && der_peek(look(scan, 1)) != DER_INTEGER;
    return scan->v1 || (take(scan, DER_INTEGER, &whole, &content) && content.len == 1 && content.at[0] == 1);
}

static bool take_times(struct crl_scan *scan, struct crl_head *head)
{
    struct bytes seen = look(scan, 2 * DER_TIME_MAX), rest = seen;
    if (!take_time(&rest, scan->strict, &head->this_update) ||
        !take_time(&rest, scan->strict, &head->next_update))
        return false;
    skip(scan, seen.len - rest.len);
    return true;
}

static int take_extensions(struct crl_scan *scan, struct crl_facts *facts, struct error *err)
{
    struct bytes whole, content, list;
    if (!scan->strict && der_peek(look(scan, 1)) != DER_CONTEXT_CONSTRUCTED(0))
        return 0;
    if (!take(scan, DER_CONTEXT_CONSTRUCTED(0), &whole, &content) ||
        !der_take(&content, DER_SEQUENCE, &list) || content.len)
        return error_set(err, "the CRL's extensions are missing or malformed");
    if (scan->v1)
        return error_set(err, "the CRL has extensions, and says that it is of version 1");
    if (!keep(scan, list, &list))
        return error_set(err, "the CRL's extensions are too large");
    return crl_parse_extensions(list, scan->strict, facts, err);
}

static int scan_tbs(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                    struct error *err)
{
    uint64_t len, end;
    if (!take_header(scan, DER_SEQUENCE, &len))
        return error_set(err, "not a TBSCertList: no SEQUENCE");
    end = scan->total + len;
    if (!take_version(scan))
        return error_set(err, "not a TBSCertList of version 2");
    if (!take_kept(scan, DER_SEQUENCE, &facts->head.sigalg))
        return error_set(err, "not a TBSCertList: no signature algorithm");
    if (!take_kept(scan, DER_SEQUENCE, &facts->head.issuer))
        return error_set(err, "not a TBSCertList: no issuer");
    if (!take_times(scan, &facts->head))
        return error_set(err, "not a TBSCertList: thisUpdate and nextUpdate are missing or malformed");
    if (der_peek(look(scan, 1)) == DER_SEQUENCE && scan->total < end &&
        scan_entries(scan, each, arg, facts, err) < 0)
        return -1;
    if (take_extensions(scan, facts, err) < 0)
        return -1;
    if (scan->removes && !facts->is_delta)
        return error_set(err, "an entry has the reason removeFromCRL, and the CRL is no delta CRL");
    if (scan->total != end)
        return error_set(err, "octets inside the TBSCertList where none belong");
    return 0;
}

static int scan_list(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                     struct error *err)
{
    uint64_t len, end;
    struct bytes whole, content;
    if (!take_header(scan, DER_SEQUENCE, &len))
        return error_set(err, "not a CertificateList: no SEQUENCE");
    end = scan->total + len;
    tell(scan);
    scan->in_tbs = true;
    if (scan_tbs(scan, each, arg, facts, err) < 0)
        return -1;
    tell(scan);
    scan->in_tbs = false;
    if (!take(scan, DER_SEQUENCE, &whole, &content) || !bytes_equal(whole, facts->head.sigalg))
        return error_set(err, "the signature algorithm inside the CRL and the one outside differ "
                              "(RFC 5280 section 5.1.1.2)");
    if (!take(scan, DER_BIT_STRING, &whole, &content) || content.len < 2 || content.at[0] != 0)
        return error_set(err, "the CRL's signature is missing or malformed");
    content.at++; /* no unused bits */
    content.len--;
    if (!keep(scan, content, &facts->signature))
        return error_set(err, "the CRL's signature is too large");
    if (scan->total != end)
        return error_set(err, "octets inside the CertificateList where none belong");
    return 0;
}

typedef int scan_what(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                      struct error *err);

/* What went wrong with the reading comes before what then was wrong with the form. */
static int scan_all(struct crl_scan *scan, scan_what *what, crl_each *each, void *arg,
                    struct crl_facts *facts, struct error *err)
{
    *facts = (struct crl_facts){0};
    scan->total = scan->at = scan->have = scan->told = scan->kept = 0;
    scan->failed = scan->removes = scan->v1 = scan->in_tbs = false;
    scan->why = (struct error){"the CRL could not be read"};
    int result = what(scan, each, arg, facts, err);
    if (result == 0 && look(scan, 1).len)
        result = error_set(err, "octets behind the CRL");
    tell(scan);
    facts->len = scan->total;
    return scan->failed ? error_set(err, "%s", scan->why.text) : result;
}

int crl_scan_tbs(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts, struct error *err)
{
    scan->strict = true;
    scan->tap = NULL;
    return scan_all(scan, scan_tbs, each, arg, facts, err);
}

int crl_scan_tapped(struct crl_scan *scan, crl_each *each, void *arg, crl_tap *tap, void *tap_arg,
                    struct crl_facts *facts, struct error *err)
{
    scan->strict = false;
    scan->tap = tap;
    scan->tap_arg = tap_arg;
    return scan_all(scan, scan_list, each, arg, facts, err);
}

int crl_scan_list(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                  struct error *err)
{
    return crl_scan_tapped(scan, each, arg, NULL, NULL, facts, err);
}
