/* The entries of a CRL. OpenSSL reads it: CRLs of other CAs have extensions that our own scanner refuses. */
#include "import.h"
#include "issuers.h"

#include <annul/reason.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <limits.h>
#include <string.h>
#include <time.h>

static X509_CRL *parse(struct bytes text)
{
    const unsigned char *at = text.at;
    X509_CRL *crl = NULL;
    if (text.len <= INT_MAX && memmem(text.at, text.len, "-----BEGIN X509 CRL-----", 24)) {
        BIO *bio = BIO_new_mem_buf(text.at, (int)text.len);
        crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
        BIO_free(bio);
    } else if (text.len <= LONG_MAX) {
        crl = d2i_X509_CRL(NULL, &at, (long)text.len);
        if (crl && at != text.at + text.len) {
            X509_CRL_free(crl);
            crl = NULL;
        }
    }
    ERR_clear_error();
    return crl;
}

/* Each check has an error of its own. Whoever signs a CRL of ours may end our certificates; nobody else may.
 */
static int check(const char *file, const char *name, X509_CRL *crl, const struct certificate *issuer)
{
    if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer->x509)) != 0)
        return ctl_fail(CTL_USAGE, "%s: the CRL is not from %s: it names another issuer", file, name);
    if (X509_CRL_verify(crl, certificate_key(issuer)) != 1) {
        ERR_clear_error();
        return ctl_fail(CTL_USAGE,
                        "%s: the CRL's signature was not made with the key in the certificate of %s", file,
                        name);
    }
    if (!certificate_may_sign_crls(issuer))
        return ctl_fail(CTL_USAGE, "%s: the certificate of %s may not sign CRLs (keyUsage)", file, name);
    if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
        return ctl_fail(CTL_USAGE, "%s: a delta CRL holds changes only; import the complete CRL", file);
    return CTL_OK;
}

static bool read_time(const ASN1_TIME *time, int64_t *at)
{
    struct tm tm;
    if (!time || ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *at = (int64_t)timegm(&tm);
    return true;
}

static int read_reason(X509_REVOKED *entry, struct ctl_import_row *row, struct error *err)
{
    int found;
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &found, NULL);
    if (!reason)
        return found == -1 ? 0 : error_set(err, "its reason cannot be read");
    long number = ASN1_ENUMERATED_get(reason);
    ASN1_ENUMERATED_free(reason);
    row->reason = (int)number;
    if (number == REASON_REMOVE_FROM_CRL)
        return error_set(err, "the reason removeFromCRL belongs in delta CRLs only");
    if (number < 0 || number > REASON_AA_COMPROMISE || !reason_name((int)number))
        return error_set(err, "the reason %ld does not exist (RFC 5280 section 5.3.1)", number);
    return 0;
}

static int read_invalidity(X509_REVOKED *entry, struct ctl_import_row *row, struct error *err)
{
    int found;
    ASN1_GENERALIZEDTIME *time = X509_REVOKED_get_ext_d2i(entry, NID_invalidity_date, &found, NULL);
    bool good = time ? read_time(time, &row->invalidity_at) : found == -1;
    ASN1_GENERALIZEDTIME_free(time);
    return good ? 0 : error_set(err, "its invalidityDate cannot be read");
}

static int read_entry(X509_REVOKED *entry, struct ctl_import_row *row, struct error *err)
{
    const ASN1_INTEGER *number = X509_REVOKED_get0_serialNumber(entry);
    struct bytes octets = {ASN1_STRING_get0_data(number), (size_t)ASN1_STRING_length(number)};
    *row = (struct ctl_import_row){
        .revoked = true, .reason = REASON_UNSPECIFIED, .not_after = TIME_NONE, .invalidity_at = TIME_NONE};
    if (ASN1_STRING_type(number) != V_ASN1_INTEGER || !serial_from_octets(octets, &row->serial))
        return error_set(err, "its serial number is negative or longer than 20 octets");
    if (!read_time(X509_REVOKED_get0_revocationDate(entry), &row->revoked_at))
        return error_set(err, "its revocation date cannot be read");
    if (X509_REVOKED_get_ext_by_NID(entry, NID_certificate_issuer, -1) >= 0)
        return error_set(err, "it is of another issuer (indirect CRL, RFC 5280 section 5.3.3)");
    return read_reason(entry, row, err) < 0 ? -1 : read_invalidity(entry, row, err);
}

static int add_entries(struct ctl_importer *importer, X509_CRL *crl)
{
    STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(crl);
    int code = CTL_OK, count = entries ? sk_X509_REVOKED_num(entries) : 0;
    importer->unit = "entry";
    importer->total = (size_t)count;
    for (int i = 0; i < count && code == CTL_OK; i++) {
        struct ctl_import_row row;
        struct error err;
        size_t place = (size_t)i + 1;
        code = read_entry(sk_X509_REVOKED_value(entries, i), &row, &err) < 0
                   ? ctl_importer_bad(importer, place, &err)
                   : ctl_importer_add(importer, place, &row);
    }
    return code;
}

int ctl_import_crl(struct ctl_importer *importer, struct bytes text)
{
    struct certificate issuer;
    X509_CRL *crl = parse(text);
    if (!crl)
        return ctl_fail(CTL_USAGE, "%s: not a CRL in PEM or DER", importer->file);
    int code = ctl_issuer_certificate(importer->ctl, importer->issuer, &issuer);
    if (code == CTL_OK)
        code = check(importer->file, importer->issuer, crl, &issuer);
    if (code == CTL_OK)
        code = add_entries(importer, crl);
    certificate_free(&issuer);
    X509_CRL_free(crl);
    return code;
}
