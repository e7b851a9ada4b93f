/* Certificate revocation lists (RFC 5280 section 5), streamed both ways: memory does not grow with the list.
 *
 * No I/O and no clock: octets leave through buffers of the caller, and arrive through a read function.
 * Any thread, one object by one thread.
 */
#ifndef ANNUL_CRL_H
#define ANNUL_CRL_H

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/serial.h>
#include <annul/time.h>

/* One entry of revokedCertificates. */
struct crl_entry {
    struct serial serial;
    int64_t revoked_at;
    int reason;            /* CRLReason; unspecified is left out of the encoding (RFC 5280 section 5.3.1) */
    int64_t invalidity_at; /* or TIME_NONE */
};

#define CRL_ENTRY_MAX 96 /* octets: serial 23, date 17, reason 12, invalidityDate 26, and headers */

/* Writes the entry's DER forwards; returns its length. */
size_t crl_entry_encode(const struct crl_entry *entry, uint8_t out[CRL_ENTRY_MAX]);

/* What stands before and behind the entries. */
struct crl_head {
    struct bytes issuer; /* Name TLV: the CA's subject, octet for octet */
    struct bytes sigalg; /* AlgorithmIdentifier TLV */
    struct bytes key_id; /* content of the authority key identifier */
    uint64_t number;     /* CRLNumber, below 2^63 here; the RFC's limit is 2^159 */
    int64_t this_update, next_update;
};

/* Appends what stands in a TBSCertList before `entries_len` octets of entries (none: no revokedCertificates
 * field at all), with the header of the TBSCertList itself; `suffix_len` is what crl_suffix will append. */
bool crl_prefix(struct buffer *out, const struct crl_head *head, uint64_t entries_len, size_t suffix_len);

/* Appends what stands behind the entries: crlExtensions with authorityKeyIdentifier and cRLNumber. */
bool crl_suffix(struct buffer *out, const struct crl_head *head);

/* Around a TBSCertList of `tbs_len` octets: the header of the CertificateList before it, and signature
 * algorithm and value behind it. */
bool crl_envelope(struct buffer *before, struct buffer *behind, uint64_t tbs_len, struct bytes sigalg,
                  struct bytes signature);

/* --- reading ------------------------------------------------------------------------------------------- */

/* Gives up to `room` octets; 0 at the end, -1 on error. */
typedef long crl_read(void *arg, uint8_t *into, size_t room);

/* Called for each entry in order; other than 0 stops the scan. */
typedef int crl_each(void *arg, const struct crl_entry *entry);

/* What a scan found. The views point into the scanner, until it is used again or freed. */
struct crl_facts {
    struct crl_head head; /* number is 0 where has_number is false */
    bool has_number;
    bool has_key_id;
    uint64_t entries;
    uint64_t len; /* octets of the TBSCertList */
};

struct crl_scan;
struct crl_scan *crl_scan_new(crl_read *read, void *arg); /* NULL when out of memory */
void crl_scan_free(struct crl_scan *scan);

/* Reads one TBSCertList, checking its form and the order of serials (strictly rising). Only the extensions
 * that crl_suffix writes are accepted, so that a signer never signs what it does not understand. `each` may
 * be NULL. 0, or -1 with the reason; octets behind the TBSCertList are an error. */
int crl_scan_tbs(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                 struct error *err);

#endif
