#include <annul/certificate.h>
#include <annul/base64.h>
#include <annul/time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (1 << 20)

/* Lenient to forms that RFC 5280 forbids but certificates in the field have: OpenSSL reads the time. */
static bool read_time(const ASN1_TIME *time, int64_t *at)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(time, &tm) != 1)
        return false;
    *at = (int64_t)timegm(&tm);
    return true;
}

static bool read_name(const X509_NAME *name, struct buffer *into)
{
    const unsigned char *der;
    size_t len;
    return X509_NAME_get0_der(name, &der, &len) == 1 && buffer_add(into, der, len);
}

static bool read_fields(struct certificate *c)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(c->x509);
    const ASN1_BIT_STRING *key = X509_get0_pubkey_bitstr(c->x509);
    struct bytes magnitude = {ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial)};
    c->is_ca = (X509_get_extension_flags(c->x509) & EXFLAG_CA) != 0;
    return ASN1_STRING_type(serial) == V_ASN1_INTEGER && serial_from_octets(magnitude, &c->serial) &&
           read_time(X509_get0_notBefore(c->x509), &c->not_before) &&
           read_time(X509_get0_notAfter(c->x509), &c->not_after) &&
           read_name(X509_get_issuer_name(c->x509), &c->issuer) &&
           read_name(X509_get_subject_name(c->x509), &c->subject) && key &&
           buffer_add(&c->key_bits, ASN1_STRING_get0_data(key), (size_t)ASN1_STRING_length(key));
}

int certificate_from_der(struct bytes der, struct certificate *certificate, struct error *err)
{
    *certificate = (struct certificate){0};
    const unsigned char *at = der.at;
    certificate->x509 = d2i_X509(NULL, &at, (long)der.len);
    if (!certificate->x509 || at != der.at + der.len) {
        ERR_clear_error();
        certificate_free(certificate);
        return error_set(err, "not a certificate in DER or PEM");
    }
    if (!buffer_add(&certificate->der, der.at, der.len) || !read_fields(certificate)) {
        ERR_clear_error();
        certificate_free(certificate);
        return error_set(err, "a certificate whose serial number or dates break RFC 5280");
    }
    return 0;
}

static int give_one(struct bytes der, certificate_each *each, void *arg, struct error *err)
{
    struct certificate certificate;
    if (certificate_from_der(der, &certificate, err) < 0)
        return -1;
    int stop = each(arg, &certificate, err);
    certificate_free(&certificate);
    return stop ? -1 : 0;
}

static long each_pem(struct bytes text, certificate_each *each, void *arg, struct error *err)
{
    BIO *bio = BIO_new_mem_buf(text.at, (int)text.len);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len, count = 0;
    while (bio && count >= 0 && PEM_read_bio(bio, &name, &header, &data, &len) == 1) {
        if (strcmp(name, PEM_STRING_X509) == 0 || strcmp(name, PEM_STRING_X509_OLD) == 0) {
            count = give_one((struct bytes){data, (size_t)len}, each, arg, err) < 0 ? -1 : count + 1;
        }
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_clear_free(data, (size_t)len); /* a key may stand beside the certificate */
    }
    unsigned long reason = ERR_peek_last_error();
    if (count >= 0 && ERR_GET_REASON(reason) != PEM_R_NO_START_LINE)
        count = error_set(err, "damaged PEM after %ld certificates", count);
    ERR_clear_error();
    BIO_free(bio);
    return count;
}

long certificates_from_text(struct bytes text, certificate_each *each, void *arg, struct error *err)
{
    static const char mark[] = "-----BEGIN ";
    if (text.len == 0 || text.len > INT32_MAX)
        return error_set(err, "empty, where a certificate in DER or PEM belongs");
    if (!memmem(text.at, text.len, mark, sizeof mark - 1))
        return give_one(text, each, arg, err) < 0 ? -1 : 1;
    long count = each_pem(text, each, arg, err);
    return count == 0 ? error_set(err, "PEM without any CERTIFICATE block") : count;
}

static int keep_first(void *arg, struct certificate *certificate, struct error *err)
{
    (void)err;
    struct certificate *first = arg;
    if (!first->x509) {
        *first = *certificate;
        *certificate = (struct certificate){0}; /* now ours */
    }
    return 0;
}

int certificate_append(void *arg, struct certificate *certificate, struct error *err)
{
    bool added = buffer_add(arg, certificate->der.at, certificate->der.len);
    return added ? 0 : error_set(err, "out of memory");
}

int certificate_from_file(const char *path, struct certificate *certificate, struct error *err)
{
    struct buffer text = {0};
    *certificate = (struct certificate){0};
    if (file_read(path, FILE_MAX, &text) < 0)
        return error_set(err, "certificate %s: %s", path, strerror(errno));
    long count = certificates_from_text((struct bytes){text.at, text.len}, keep_first, certificate, err);
    buffer_free(&text);
    if (count < 0) {
        certificate_free(certificate);
        return error_prefix(err, "certificate %s", path);
    }
    return 0;
}

bool certificate_to_pem(struct bytes der, struct buffer *pem)
{
    return pem_add(pem, "CERTIFICATE", der);
}

int certificate_issued_by(const struct certificate *certificate, const struct certificate *issuer)
{
    if (!bytes_equal((struct bytes){certificate->issuer.at, certificate->issuer.len},
                     (struct bytes){issuer->subject.at, issuer->subject.len}))
        return 0;
    EVP_PKEY *key = certificate_key(issuer);
    int good = key ? X509_verify(certificate->x509, key) : -1;
    ERR_clear_error();
    return good == 1 ? 1 : good == 0 ? 0 : -1;
}

bool certificate_is_ocsp_delegate(const struct certificate *certificate)
{
    return (X509_get_extension_flags(certificate->x509) & EXFLAG_XKUSAGE) &&
           (X509_get_extended_key_usage(certificate->x509) & XKU_OCSP_SIGN);
}

struct bytes certificate_key_id(const struct certificate *certificate)
{
    const ASN1_OCTET_STRING *id = X509_get0_subject_key_id(certificate->x509);
    return id ? (struct bytes){ASN1_STRING_get0_data(id), (size_t)ASN1_STRING_length(id)} : (struct bytes){0};
}

static int each_uri(const GENERAL_NAMES *names, certificate_each_point *each, void *arg)
{
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type;
        const ASN1_STRING *uri = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
        struct bytes text = {ASN1_STRING_get0_data(uri), (size_t)ASN1_STRING_length(uri)};
        if (type == GEN_URI && each(arg, text) != 0)
            return -1;
    }
    return 0;
}

void certificate_points(const struct certificate *certificate, certificate_each_point *each, void *arg)
{
    CRL_DIST_POINTS *points = X509_get_ext_d2i(certificate->x509, NID_crl_distribution_points, NULL, NULL);
    for (int i = 0; points && i < sk_DIST_POINT_num(points); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(points, i);
        if (point->distpoint && point->distpoint->type == 0 &&
            each_uri(point->distpoint->name.fullname, each, arg) < 0)
            break;
    }
    ERR_clear_error();
    CRL_DIST_POINTS_free(points);
}

static bool may(const struct certificate *certificate, uint32_t usage)
{
    return !(X509_get_extension_flags(certificate->x509) & EXFLAG_KUSAGE) ||
           (X509_get_key_usage(certificate->x509) & usage);
}

bool certificate_may_sign_crls(const struct certificate *certificate)
{
    return may(certificate, KU_CRL_SIGN);
}

bool certificate_may_sign_ocsp(const struct certificate *certificate)
{
    return may(certificate, KU_DIGITAL_SIGNATURE | KU_NON_REPUDIATION);
}

EVP_PKEY *certificate_key(const struct certificate *certificate)
{
    return X509_get0_pubkey(certificate->x509);
}

void certificate_free(struct certificate *certificate)
{
    if (!certificate)
        return;
    X509_free(certificate->x509);
    buffer_free(&certificate->der);
    buffer_free(&certificate->issuer);
    buffer_free(&certificate->subject);
    buffer_free(&certificate->key_bits);
    *certificate = (struct certificate){0};
}
