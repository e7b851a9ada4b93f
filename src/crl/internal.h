/* Between the files of this room. */
#ifndef ANNUL_CRL_INTERNAL_H
#define ANNUL_CRL_INTERNAL_H

#include <annul/crl.h>

/* --- extensions.c: of the list and of its entries ------------------------------------------------------ */

/* Content of an OBJECT IDENTIFIER below id-ce (2.5.29): two octets that are the same, and one of these. */
enum crl_extension_id {
    CRL_NUMBER = 0x14,
    CRL_REASON = 0x15,
    CRL_INVALIDITY = 0x18,
    CRL_DELTA_INDICATOR = 0x1b,
    CRL_POINT = 0x1c,
    CRL_CERTIFICATE_ISSUER = 0x1d,
    CRL_AUTHORITY = 0x23,
    CRL_FRESHEST = 0x2e,
    CRL_EXPIRED_CERTS = 0x3c,
};

struct crl_extension {
    int id; /* as above; -1: not below id-ce */
    bool critical;
    struct bytes value; /* content of the OCTET STRING */
};

/* The next one of a list, by DER: `critical` is not there where it is FALSE. */
bool crl_take_extension(struct bytes *list, struct crl_extension *extension);

/* All of a list's crlExtensions, which the facts will point into. */
int crl_parse_extensions(struct bytes list, bool strict, struct crl_facts *facts, struct error *err);

/* What we write, and others may: printable ASCII without blanks, at most CRL_URI_MAX octets. */
bool crl_uri_is_good(struct bytes uri);

/* --- scan.c -------------------------------------------------------------------------------------------- */

/* Given every octet of the list once, in few large pieces, while it is read: first what is outside the
 * TBSCertList, then the TBSCertList from the time on when facts->head.sigalg is known, then the rest. */
typedef int crl_tap(void *arg, bool in_tbs, struct bytes piece, struct error *err);

/* crl_scan_list with a tap. */
int crl_scan_tapped(struct crl_scan *scan, crl_each *each, void *arg, crl_tap *tap, void *tap_arg,
                    struct crl_facts *facts, struct error *err);

#endif
