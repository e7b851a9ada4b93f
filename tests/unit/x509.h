/* Keys and certificates that OpenSSL makes, for the tests that need some. */
#ifndef ANNUL_TESTS_X509_H
#define ANNUL_TESTS_X509_H

#include "unit.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <sys/stat.h>

/* "P-256", "RSA-2048", "ED25519", "X25519", ... */
static inline EVP_PKEY *key_make(const char *kind)
{
    EVP_PKEY *key = strncmp(kind, "RSA-", 4) == 0
                        ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)atoi(kind + 4))
                    : strstr(kind, "25519") ? EVP_PKEY_Q_keygen(NULL, NULL, kind)
                                            : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
    assert_non_null(key);
    return key;
}

struct x509_plan {
    const char *cn;
    EVP_PKEY *key;
    X509 *issuer; /* NULL: signed by itself */
    EVP_PKEY *issuer_key;
    const char *serial;            /* hex; NULL: 01 */
    const char *const *extensions; /* name and value in turn, as in openssl.cnf; NULL at the end */
};

static inline void add_extensions(X509 *x509, X509 *issuer, const char *const *extensions)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    for (; extensions && *extensions; extensions += 2) {
        X509_EXTENSION *extension = X509V3_EXT_nconf(NULL, &context, extensions[0], extensions[1]);
        assert_non_null(extension);
        assert_int_equal(X509_add_ext(x509, extension, -1), 1);
        X509_EXTENSION_free(extension);
    }
}

/* Valid from 2000 to 2049, so that no test depends on the day it runs. Free with X509_free. */
static inline X509 *x509_make(const struct x509_plan *plan)
{
    X509 *x509 = X509_new();
    X509_NAME *name = X509_get_subject_name(x509);
    BIGNUM *serial = NULL;
    assert_true(BN_hex2bn(&serial, plan->serial ? plan->serial : "01") > 0);
    assert_non_null(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)));
    BN_free(serial);
    assert_int_equal(X509_set_version(x509, X509_VERSION_3), 1);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Unit", -1, -1, 0), 1);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)plan->cn, -1, -1, 0), 1);
    X509 *issuer = plan->issuer ? plan->issuer : x509;
    assert_int_equal(X509_set_issuer_name(x509, X509_get_subject_name(issuer)), 1);
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(x509), "000101000000Z"), 1);
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x509), "491231235959Z"), 1);
    assert_int_equal(X509_set_pubkey(x509, plan->key), 1);
    add_extensions(x509, issuer, plan->extensions);
    EVP_PKEY *signer = plan->issuer ? plan->issuer_key : plan->key;
    assert_true(X509_sign(x509, signer, EVP_PKEY_is_a(signer, "ED25519") ? NULL : EVP_sha256()) > 0);
    return x509;
}

static inline X509 *x509_make_ca(const char *cn, EVP_PKEY *key)
{
    static const char *const extensions[] = {"basicConstraints",
                                             "critical,CA:TRUE",
                                             "keyUsage",
                                             "critical,keyCertSign,cRLSign,digitalSignature",
                                             "subjectKeyIdentifier",
                                             "hash",
                                             NULL};
    return x509_make(&(struct x509_plan){.cn = cn, .key = key, .extensions = extensions});
}

static inline struct buffer x509_der(X509 *x509)
{
    unsigned char *der = NULL;
    struct buffer out = {0};
    int len = i2d_X509(x509, &der);
    assert_true(len > 0 && buffer_add(&out, der, (size_t)len));
    OPENSSL_free(der);
    return out;
}

/* --- files --------------------------------------------------------------------------------------------- */

/* In PEM: the certificate, or where there is none the key. Written beside and renamed, as whoever renews certificates
 * does. */
static inline void x509_put(const char *folder, const char *name, X509 *x509, EVP_PKEY *key)
{
    char *path, *fresh;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0 && asprintf(&fresh, "%s.new", path) > 0);
    FILE *file = fopen(fresh, "we");
    assert_non_null(file);
    assert_int_equal(fchmod(fileno(file), 0600), 0);
    assert_int_equal(
        x509 ? PEM_write_X509(file, x509) : PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(rename(fresh, path), 0);
    free(fresh);
    free(path);
}

/* One that is made for it, and is named as the file. */
static inline void x509_put_new(const char *folder, const char *name, EVP_PKEY *key, X509 *issuer,
                                EVP_PKEY *issuer_key, const char *const *extensions)
{
    X509 *x509 = x509_make(&(struct x509_plan){name, key, issuer, issuer_key, "05", extensions});
    x509_put(folder, name, x509, NULL);
    X509_free(x509);
}

/* --- signatures, times --------------------------------------------------------------------------------- */

/* Octets signed with a key; `digest` NULL: the algorithm hashes by itself. */
static inline struct buffer sign_octets(EVP_PKEY *key, const char *digest, struct bytes data)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct buffer out = {0};
    size_t len = 0;
    assert_int_equal(EVP_DigestSignInit_ex(context, NULL, digest, NULL, NULL, key, NULL), 1);
    assert_int_equal(EVP_DigestSign(context, NULL, &len, data.at, data.len), 1);
    assert_true(buffer_reserve(&out, len));
    assert_int_equal(EVP_DigestSign(context, out.at, &len, data.at, data.len), 1);
    out.len = len;
    EVP_MD_CTX_free(context);
    return out;
}

/* Unix seconds of a time that OpenSSL holds. */
static inline int64_t asn1_time(const ASN1_TIME *time)
{
    struct tm tm;
    assert_non_null(time);
    assert_int_equal(ASN1_TIME_to_tm(time, &tm), 1);
    return (int64_t)timegm(&tm);
}

#endif
