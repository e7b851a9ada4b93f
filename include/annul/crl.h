/* Certificate revocation lists (RFC 5280 section 5), streamed both ways: memory does not grow with the list.
 *
 * No I/O and no clock: octets leave through buffers of the caller, and arrive through a read function.
 * Any thread, one object by one thread.
 */
#ifndef ANNUL_CRL_H
#define ANNUL_CRL_H

#include <annul/bytes.h>
#include <annul/certificate.h>
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

/* Writes the entry's DER forwards; returns its length. removeFromCRL is for delta CRLs alone. */
size_t crl_entry_encode(const struct crl_entry *entry, uint8_t out[CRL_ENTRY_MAX]);

/* Whose certificates it lists (RFC 5280 section 5.2.5). */
enum crl_scope { CRL_ALL, CRL_USER, CRL_CA };

#define CRL_URI_MAX 255

/* What stands before and behind the entries. Zero is absent, in all from `base` on. */
struct crl_head {
    struct bytes issuer; /* Name TLV: the CA's subject, octet for octet */
    struct bytes sigalg; /* AlgorithmIdentifier TLV */
    struct bytes key_id; /* content of the authority key identifier */
    uint64_t number;     /* CRLNumber, below 2^63 here; the RFC's limit is 2^159 */
    int64_t this_update, next_update;

    uint64_t base;         /* number of the CRL that this delta goes on from; 0: a complete CRL */
    struct bytes point;    /* URI in the issuingDistributionPoint; printable ASCII, at most CRL_URI_MAX */
    enum crl_scope scope;  /* in the issuingDistributionPoint; CRL_ALL and no point: the CRL has none */
    struct bytes freshest; /* URI of the delta CRL (freshestCRL), like `point`; in complete CRLs only */
    int64_t expired_since; /* expiredCertsOnCRL (X.509 section 9.5.2.8): lists what expired since then, too */
};

/* Appends what stands in a TBSCertList before `entries_len` octets of entries (none: no revokedCertificates
 * field at all), with the header of the TBSCertList itself; `suffix_len` is what crl_suffix will append. */
bool crl_prefix(struct buffer *out, const struct crl_head *head, uint64_t entries_len, size_t suffix_len);

/* Appends what stands behind the entries: crlExtensions. False also for a head that crl_scan_tbs would refuse:
 * URIs that are none, a base above the number, a delta CRL that names a freshest. */
bool crl_suffix(struct buffer *out, const struct crl_head *head);

/* Around a TBSCertList of `tbs_len` octets: the header of the CertificateList before it, and signature
 * algorithm and value behind it. */
bool crl_envelope(struct buffer *before, struct buffer *behind, uint64_t tbs_len, struct bytes sigalg,
                  struct bytes signature);

/* --- reading ------------------------------------------------------------------------------------------- */

/* Gives up to `room` octets; 0 at the end, -1 on error, whose reason it may set. */
typedef long crl_read(void *arg, uint8_t *into, size_t room, struct error *err);

/* Called for each entry in order; other than 0 stops the scan. */
typedef int crl_each(void *arg, const struct crl_entry *entry);

/* DER out of a CRL in DER or PEM, told apart by content: text before the one PEM block (as `openssl crl -text`
 * writes it) is passed over; anything but blanks behind it is an error. Memory does not grow with the list.
 * Give crl_text_read and the object to crl_scan_new, or call it yourself to see the DER go by. */
struct crl_text;
struct crl_text *crl_text_new(crl_read *read, void *arg); /* NULL when out of memory */
crl_read crl_text_read;
void crl_text_free(struct crl_text *text); /* NULL-safe */

/* A CRLNumber of any CA: big-endian, without leading zeros; zero has no octets. */
#define CRL_NUMBER_MAX 20
struct crl_number {
    uint8_t len;
    uint8_t octets[CRL_NUMBER_MAX];
};

/* Order as numbers: below, equal, above zero. */
int crl_number_compare(const struct crl_number *a, const struct crl_number *b);

/* Decimal below 2^63, "0x8000000000000000" from there on, as openssl prints the long ones. */
#define CRL_NUMBER_TEXT (2 + 2 * CRL_NUMBER_MAX + 1)
void crl_number_to_text(const struct crl_number *number, char out[CRL_NUMBER_TEXT]);

#define CRL_DIGEST_LEN 32

/* What a scan found. The views point into the scanner, until it is used again or freed. */
struct crl_facts {
    struct crl_head head; /* its number and base are 0 where they are missing, or 2^63 and above */
    bool has_number;
    bool has_key_id;
    bool is_delta;
    struct crl_number number, base; /* the same in full: these may be of any CA */
    uint64_t entries;
    uint64_t len;                   /* octets of what was read: the TBSCertList or the CertificateList */
    struct bytes signature;         /* crl_scan_list and crl_verify: content of the BIT STRING */
    uint8_t digest[CRL_DIGEST_LEN]; /* crl_verify: SHA-256 of the whole CRL in DER */
};

struct crl_scan;
struct crl_scan *crl_scan_new(crl_read *read, void *arg); /* NULL when out of memory */
void crl_scan_free(struct crl_scan *scan);                /* NULL-safe */

/* Reads one TBSCertList of our own, checking its form and the order of serials (strictly rising). Only what
 * the functions above write is accepted, so that a signer never signs what it does not understand. `each` may
 * be NULL. 0, or -1 with the reason; octets behind the TBSCertList are an error. */
int crl_scan_tbs(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                 struct error *err);

/* Reads one CertificateList of any CA, version 1 too: entries in any order, a serial perhaps twice, extensions
 * that are not critical and not known are skipped. Refused is what would make its entries mean something else:
 * indirect CRLs, those of some reasons or of attribute certificates, unknown critical extensions, a
 * distribution point without a URI; besides, CRLs without nextUpdate and serials that RFC 5280 forbids. Where
 * there are several URIs, the facts have the first http:// one, or else the first. Only the form is looked at:
 * whether the CA signed it, crl_verify says. */
int crl_scan_list(struct crl_scan *scan, crl_each *each, void *arg, struct crl_facts *facts,
                  struct error *err);

/* --- trusting ------------------------------------------------------------------------------------------ */

/* Everybody who lets a CRL decide something asks here. Reads like crl_scan_list, then checks in this order:
 * issuer's name, key identifier, keyUsage of the CA, signature, thisUpdate not in the future, nextUpdate not
 * past. Whether it may replace another, crl_follows says.
 *
 * SHA-1 is taken here, where ocsp_verify refuses it: nobody but the CA chooses what is in a CRL, so that a collision
 * cannot be prepared as it can with what is signed for whoever asks; and old CAs have no other. MD5 is refused.
 *
 * `each` is called BEFORE the signature is known to be good: keep what it gives apart until this returns 0. */
int crl_verify(struct crl_scan *scan, const struct certificate *issuer, int64_t now, crl_each *each,
               void *arg, struct crl_facts *facts, struct error *err);

/* Whether `after` may come behind `before`, which was verified earlier, of the same CA: number and thisUpdate
 * never go back, the same number only with the same octets (complete and delta CRL may share one), scope and
 * point are the same, and a delta's base is not above the complete CRL before it. Of `before` only these are
 * looked at, so that nothing else need be kept: is_delta, has_number, number, digest, and in the head
 * this_update, scope and point. */
int crl_follows(const struct crl_facts *before, const struct crl_facts *after, struct error *err);

#endif
