/* Short-lived OCSP delegates that annul-signer issues to itself. */
#include "key_source.h"
#include "keys.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <string.h>

#define BACKDATED_S 300 /* for relying parties whose clocks are slow */
#define SERIAL_OCTETS 16

static EVP_PKEY *make_key(const char *kind)
{
    if (strncmp(kind, "RSA-", 4) == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)strtoul(kind + 4, NULL, 10));
    if (strcmp(kind, "Ed25519") == 0)
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind);
}

static bool set_serial(X509 *x509)
{
    unsigned char octets[SERIAL_OCTETS];
    if (RAND_bytes(octets, sizeof octets) != 1)
        return false;
    octets[0] = (octets[0] & 0x7f) | 0x40; /* positive, and of this length */
    BIGNUM *number = BN_bin2bn(octets, sizeof octets, NULL);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509));
    BN_free(number);
    return good;
}

static bool add_authority_key_id(X509 *x509, const struct issuer *issuer)
{
    AUTHORITY_KEYID *id = AUTHORITY_KEYID_new();
    bool good = id && (id->keyid = ASN1_OCTET_STRING_new()) &&
                ASN1_OCTET_STRING_set(id->keyid, issuer->key_id, (int)issuer->key_id_len) == 1 &&
                X509_add1_ext_i2d(x509, NID_authority_key_identifier, id, 0, 0) == 1;
    AUTHORITY_KEYID_free(id);
    return good;
}

static bool add_extensions(X509 *x509, const struct issuer *issuer)
{
    static const struct {
        int nid;
        const char *value;
    } template[] = {
        {NID_basic_constraints, "critical,CA:FALSE"}, {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "OCSPSigning"},           {NID_id_pkix_OCSP_noCheck, "yes"},
        {NID_subject_key_identifier, "hash"},
    };
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer->ca.x509, x509, NULL, NULL, 0);
    bool good = true;
    for (size_t i = 0; good && i < sizeof template / sizeof *template; i++) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, template[i].nid, template[i].value);
        good = extension && X509_add_ext(x509, extension, -1) == 1;
        X509_EXTENSION_free(extension);
    }
    return good && add_authority_key_id(x509, issuer);
}

static X509 *make_certificate(const struct issuer *issuer, EVP_PKEY *ca_key, EVP_PKEY *key,
                              int64_t lifetime_s, int64_t now)
{
    X509 *x509 = X509_new();
    X509_NAME *subject = x509 ? X509_get_subject_name(x509) : NULL;
    int64_t not_after = now + lifetime_s < issuer->ca.not_after ? now + lifetime_s : issuer->ca.not_after;
    char name[128];
    snprintf(name, sizeof name, "%.64s OCSP", issuer->config->name.text);
    EVP_MD_CTX *context = key_source_sign_begin(ca_key, issuer->crl_sigalg);
    if (x509 && context && X509_set_version(x509, X509_VERSION_3) == 1 && set_serial(x509) &&
        X509_set_issuer_name(x509, X509_get_subject_name(issuer->ca.x509)) == 1 &&
        X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_UTF8, (unsigned char *)name, -1, -1,
                                   0) == 1 &&
        ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)(now - BACKDATED_S)) &&
        ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)not_after) && X509_set_pubkey(x509, key) == 1 &&
        add_extensions(x509, issuer) && X509_sign_ctx(x509, context) > 0) {
        EVP_MD_CTX_free(context);
        return x509;
    }
    EVP_MD_CTX_free(context);
    X509_free(x509);
    return NULL;
}

/* --- what goes along ----------------------------------------------------------------------------------- */

#define CHAIN_MAX 16

struct chain {
    size_t count;
    struct certificate list[CHAIN_MAX];
};

static int keep(void *arg, struct certificate *certificate, struct error *err)
{
    struct chain *chain = arg;
    if (chain->count == CHAIN_MAX)
        return error_set(err, "more than %d certificates", CHAIN_MAX);
    chain->list[chain->count++] = *certificate;
    *certificate = (struct certificate){0}; /* now ours */
    return 0;
}

static bool is_the_same_ca(const struct certificate *a, const struct certificate *b)
{
    return bytes_equal((struct bytes){a->subject.at, a->subject.len},
                       (struct bytes){b->subject.at, b->subject.len}) &&
           EVP_PKEY_eq(certificate_key(a), certificate_key(b)) == 1;
}

/* Each is the CA's own, or issued another one of them: so they lead up from the CA, in any order and by several ways. */
static bool leads_up(const struct chain *chain, const struct certificate *one, const struct issuer *issuer)
{
    if (is_the_same_ca(one, &issuer->ca) || certificate_issued_by(&issuer->ca, one) == 1)
        return true;
    for (size_t i = 0; i < chain->count; i++)
        if (!is_the_same_ca(&chain->list[i], one) && certificate_issued_by(&chain->list[i], one) == 1)
            return true;
    return false;
}

static int check_chain(const struct chain *chain, const struct issuer *issuer, struct error *err)
{
    for (size_t i = 0; i < chain->count; i++) {
        if (leads_up(chain, &chain->list[i], issuer))
            continue;
        char *subject = certificate_subject_text(&chain->list[i]);
        error_set(err,
                  "%s is not above this CA; put the CA's certificate there, and those that lead up from it",
                  subject ? subject : "");
        free(subject);
        return -1;
    }
    return 0;
}

static int append_chain(const char *path, const struct issuer *issuer, struct buffer *certs,
                        struct error *err)
{
    struct buffer text = {0};
    struct chain chain = {0};
    int result = file_read(path, OCSP_CERTS_MAX, &text) < 0 ? error_set(err, "%s", strerror(errno)) : 0;
    if (result == 0 && certificates_from_text((struct bytes){text.at, text.len}, keep, &chain, err) < 0)
        result = -1;
    if (result == 0)
        result = check_chain(&chain, issuer, err);
    for (size_t i = 0; i < chain.count; i++) {
        if (result == 0)
            result = certificate_append(certs, &chain.list[i], err);
        certificate_free(&chain.list[i]);
    }
    buffer_free(&text);
    return result < 0 ? error_prefix(err, "chain %s", path) : 0;
}

int delegate_issue(const struct config *config, const struct issuer *issuer, EVP_PKEY *ca_key,
                   const struct config_delegate *plan, int64_t now, EVP_PKEY **key, struct buffer *certs,
                   struct error *err)
{
    unsigned char *der = NULL;
    struct error why = {"OpenSSL cannot make its key or certificate"};
    if (!(X509_get_key_usage(issuer->ca.x509) & KU_KEY_CERT_SIGN))
        return config_error(config, plan->kind.line, err,
                            "issuer \"%s\": delegate \"%s\": the CA's keyUsage lacks keyCertSign",
                            issuer->config->name.text, plan->kind.text);
    *key = make_key(plan->kind.text);
    X509 *x509 = *key ? make_certificate(issuer, ca_key, *key, plan->lifetime_s, now) : NULL;
    int len = x509 ? i2d_X509(x509, &der) : -1;
    bool good = len > 0 && buffer_add(certs, der, (size_t)len) &&
                (!plan->chain.text || append_chain(plan->chain.text, issuer, certs, &why) == 0);
    OPENSSL_free(der);
    X509_free(x509);
    ERR_clear_error();
    if (good)
        return 0;
    EVP_PKEY_free(*key);
    *key = NULL;
    return config_error(config, plan->kind.line, err, "issuer \"%s\": delegate \"%s\": %s",
                        issuer->config->name.text, plan->kind.text, why.text);
}
