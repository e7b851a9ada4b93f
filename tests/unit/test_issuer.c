/* The CAs of a configuration, and the certificates that must be refused for one. */
#include "x509.h"

#include <annul/ocsp_signer.h>

#include <openssl/ocsp.h>

static struct fixture {
    char *folder, path[256];
    EVP_PKEY *key, *other_key, *weak_key;
    X509 *ca, *other;
} f;

#define CA "basicConstraints", "critical,CA:TRUE"

static int fixture_make(void **state)
{
    (void)state;
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annuld.conf", f.folder);
    f.key = key_make("P-256");
    f.other_key = key_make("P-384");
    f.weak_key = key_make("RSA-1024");
    f.ca = x509_make_ca("One CA", f.key);
    f.other = x509_make_ca("Other CA", f.other_key);
    x509_put(f.folder, "ca.crt", f.ca, NULL);
    x509_put(f.folder, "other.crt", f.other, NULL);
    x509_put_new(f.folder, "no-crl.crt", f.key, NULL, NULL,
                 (const char *[]){CA, "keyUsage", "keyCertSign", NULL});
    x509_put_new(f.folder, "no-key-usage.crt", f.key, NULL, NULL, (const char *[]){CA, NULL});
    x509_put_new(f.folder, "long-key-id.crt", f.key, NULL, NULL,
                 (const char *[]){CA, "subjectKeyIdentifier", "0102030405", NULL});
    x509_put_new(f.folder, "leaf.crt", f.other_key, f.ca, f.key, NULL);
    x509_put_new(f.folder, "weak-ca.crt", f.weak_key, NULL, NULL, (const char *[]){CA, NULL});
    X509 *renewed =
        x509_make(&(struct x509_plan){"One CA", f.key, NULL, NULL, "77", (const char *[]){CA, NULL}});
    x509_put(f.folder, "renewed.crt", renewed, NULL);
    x509_put_new(f.folder, "same-key.crt", f.key, NULL, NULL,
                 (const char *[]){CA, NULL}); /* under another name */
    X509_free(renewed);
    shell("cd %s && cat ca.crt leaf.crt > ca-and-leaf.crt && : > empty.crt && echo garbage > garbage.crt && "
          "mkdir folder.crt",
          f.folder);
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    X509_free(f.ca);
    X509_free(f.other);
    EVP_PKEY_free(f.key);
    EVP_PKEY_free(f.other_key);
    EVP_PKEY_free(f.weak_key);
    folder_remove(f.folder);
    return 0;
}

#define SERVERS "public { listen = {\"127.0.0.1:0\"} } admin { socket = \"s\" }\n"

static struct config *configure(const char *issuers)
{
    struct error err = {""};
    char *text;
    assert_true(asprintf(&text, SERVERS "%s", issuers) > 0);
    file_put(f.path, text, strlen(text));
    free(text);
    struct config *config = config_load(f.path, &err);
    if (!config)
        fail_msg("%s", err.text);
    return config;
}

static const struct {
    const char *spoken, *text;
    int line;
    const char *names, *remedy;
} refused[] = {
    {"not a CA", "issuer \"x\" {\n certificate = \"leaf.crt\"\n key = \"k\"\n}\n", 3, "leaf.crt", "not a CA"},
    {"keyUsage without cRLSign", "issuer \"x\" {\n certificate = \"no-crl.crt\"\n key = \"k\"\n}\n", 3,
     "no-crl.crt", "cRLSign"},
    {"a key that is too short", "issuer \"x\" {\n certificate = \"weak-ca.crt\"\n key = \"k\"\n}\n", 3,
     "weak-ca.crt", "RSA 2048"},
    {"no such certificate", "issuer \"x\" {\n certificate = \"nowhere.crt\"\n key = \"k\"\n}\n", 3,
     "nowhere.crt", "No such file"},
    {"an empty certificate", "issuer \"x\" {\n certificate = \"empty.crt\"\n key = \"k\"\n}\n", 3,
     "empty.crt", "empty"},
    {"garbage", "issuer \"x\" {\n certificate = \"garbage.crt\"\n key = \"k\"\n}\n", 3, "garbage.crt",
     "not a certificate"},
    {"a folder", "issuer \"x\" {\n certificate = \"folder.crt\"\n key = \"k\"\n}\n", 3, "folder.crt",
     "directory"},
    {"no such request_signers",
     "issuer \"x\" {\n certificate = \"ca.crt\"\n key = \"k\"\n request_signers = \"nowhere.crt\"\n}\n", 5,
     "request_signers", "nowhere.crt: No such file"},
    {"request_signers with a leaf",
     "issuer \"x\" {\n certificate = \"ca.crt\"\n key = \"k\"\n request_signers = \"ca-and-leaf.crt\"\n}\n",
     5, "CN=leaf.crt", "is not a CA; put"},
    {"request_signers without certificate",
     "issuer \"x\" {\n certificate = \"ca.crt\"\n key = \"k\"\n request_signers = \"garbage.crt\"\n}\n", 5,
     "garbage.crt", "request_signers"},
    {"the same CA twice",
     "issuer \"x\" { certificate = \"ca.crt\" key = \"k\" }\nissuer \"y\" {\n certificate = \"ca.crt\" key = "
     "\"k\" }\n",
     4, "\"y\"", "\"x\""},
    {"the same CA, renewed",
     "issuer \"x\" { certificate = \"ca.crt\" key = \"k\" }\nissuer \"y\" {\n certificate = \"renewed.crt\" "
     "key = \"k\" }\n",
     4, "\"y\"", "same CA"},
};

static void every_complaint_names_file_line_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct config *config = configure(refused[i].text);
        struct error err = {""};
        char prefix[300];
        check_row(refused[i].spoken, issuers_load(config, &err) == NULL);
        snprintf(prefix, sizeof prefix, "%s:%d: issuer \"", f.path, refused[i].line);
        if (strncmp(err.text, prefix, strlen(prefix)) != 0)
            fail_row(refused[i].spoken, "does not begin with %s: %s", prefix, err.text);
        if (!strstr(err.text, refused[i].names) || !strcasestr(err.text, refused[i].remedy))
            fail_row(refused[i].spoken, "%s", err.text);
        config_free(config);
    }
}

static struct issuers *loaded(const struct config *config)
{
    struct error err = {""};
    struct issuers *issuers = issuers_load(config, &err);
    if (!issuers)
        fail_msg("%s", err.text);
    return issuers;
}

static void a_ca_that_signs_all_itself(void **state)
{
    (void)state;
    struct config *config = configure("issuer \"x\" { certificate = \"ca.crt\" key = \"k\" }\n");
    struct issuers *issuers = loaded(config);
    struct issuer *issuer = &issuers->list[0];
    assert_int_equal(issuers->count, 1);
    assert_string_equal(issuer->crl_sigalg->name, "ecdsa-with-SHA256");
    assert_null(issuer_ocsp_signers(issuer)); /* annul-signer has not said yet who */
    assert_null(issuer->request_signers);
    /* Both are SHA-1 of the key's BIT STRING content: OpenSSL's "hash" of RFC 5280 section 4.2.1.2, method 1.
     */
    assert_int_equal(issuer->key_id_len, 20);
    assert_memory_equal(issuer->key_id, issuer->key_hash[CERTID_SHA1], 20);
    assert_ptr_equal(issuers_by_name(issuers, "x"), issuer);
    assert_null(issuers_by_name(issuers, "X"));
    assert_ptr_equal(issuers_by_fingerprint(issuers, issuer->fingerprint), issuer);
    assert_null(issuers_by_fingerprint(issuers, (const uint8_t[32]){0}));
    issuers_free(issuers);
    config_free(config);
}

static void a_ca_whose_key_is_elsewhere(void **state)
{
    (void)state;
    struct config *config = configure(
        "issuer \"x\" { certificate = \"ca.crt\" ocsp_certificate = \"nowhere.crt\" ocsp_key = \"k\" "
        "request_signers = \"ca.crt\" }\n");
    struct issuers *issuers = loaded(config); /* who signs OCSP is annul-signer's to read */
    assert_null(issuers->list[0].crl_sigalg); /* no CA key, no CRL */
    assert_non_null(issuers->list[0].request_signers);
    issuers_free(issuers);
    config_free(config);
}

static void key_ids_are_taken_from_the_certificate_or_made(void **state)
{
    (void)state;
    struct config *config = configure("issuer \"x\" { certificate = \"long-key-id.crt\" key = \"k\" }\n");
    struct issuers *issuers = loaded(config);
    assert_int_equal(issuers->list[0].key_id_len, 5);
    assert_memory_equal(issuers->list[0].key_id, "\1\2\3\4\5", 5);
    issuers_free(issuers);
    config_free(config);
    config = configure("issuer \"x\" { certificate = \"no-key-usage.crt\" key = \"k\" }\n");
    issuers = loaded(config);
    assert_int_equal(issuers->list[0].key_id_len, 20);
    assert_memory_equal(issuers->list[0].key_id, issuers->list[0].key_hash[CERTID_SHA1], 20);
    issuers_free(issuers);
    config_free(config);
}

/* Who a CA is does not change with its certificate. */
static void a_fingerprint_outlives_the_certificate(void **state)
{
    (void)state;
    uint8_t fingerprints[4][32];
    static const char *const texts[] = {"issuer \"x\" { certificate = \"ca.crt\" key = \"k\" }\n",
                                        "issuer \"x\" { certificate = \"renewed.crt\" key = \"k\" }\n",
                                        "issuer \"x\" { certificate = \"other.crt\" key = \"k\" }\n",
                                        "issuer \"x\" { certificate = \"same-key.crt\" key = \"k\" }\n"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct config *config = configure(texts[i]);
        struct issuers *issuers = loaded(config);
        memcpy(fingerprints[i], issuers->list[0].fingerprint, 32);
        issuers_free(issuers);
        config_free(config);
    }
    assert_memory_equal(fingerprints[0], fingerprints[1], 32);
    assert_memory_not_equal(fingerprints[0], fingerprints[2], 32);
    assert_memory_not_equal(fingerprints[0], fingerprints[3], 32);
}

static const struct issuer *ask(struct issuers *issuers, const EVP_MD *digest, X509 *name, X509 *key)
{
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    assert_int_equal(ASN1_INTEGER_set(serial, 42), 1);
    OCSP_CERTID *id =
        OCSP_cert_id_new(digest, X509_get_subject_name(name), X509_get0_pubkey_bitstr(key), serial);
    unsigned char *der = NULL;
    int len = i2d_OCSP_CERTID(id, &der);
    struct bytes in = {der, (size_t)len};
    struct certid ours;
    assert_true(certid_take(&in, &ours));
    const struct issuer *found = issuers_by_certid(issuers, &ours);
    OPENSSL_free(der);
    OCSP_CERTID_free(id);
    ASN1_INTEGER_free(serial);
    return found;
}

static void cas_are_found_by_certid_of_any_hash(void **state)
{
    (void)state;
    struct config *config = configure("issuer \"x\" { certificate = \"ca.crt\" key = \"k\" }\n"
                                      "issuer \"y\" { certificate = \"other.crt\" key = \"k\" }\n");
    struct issuers *issuers = loaded(config);
    const EVP_MD *digests[] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
    for (size_t i = 0; i < COUNT(digests); i++) {
        assert_ptr_equal(ask(issuers, digests[i], f.ca, f.ca), &issuers->list[0]);
        assert_ptr_equal(ask(issuers, digests[i], f.other, f.other), &issuers->list[1]);
        assert_null(ask(issuers, digests[i], f.ca, f.other));
        assert_null(ask(issuers, digests[i], f.other, f.ca));
    }
    assert_null(ask(issuers, EVP_sha224(), f.ca, f.ca)); /* an algorithm that we do not know */
    issuers_free(issuers);
    config_free(config);
}

static void certificates_find_their_ca(void **state)
{
    (void)state;
    struct config *config = configure("issuer \"x\" { certificate = \"ca.crt\" key = \"k\" }\n"
                                      "issuer \"y\" { certificate = \"other.crt\" key = \"k\" }\n");
    struct issuers *issuers = loaded(config);
    X509 *made[] = {x509_make(&(struct x509_plan){"a", f.key, f.ca, f.key, "05", NULL}),
                    x509_make(&(struct x509_plan){"b", f.key, f.other, f.other_key, "05", NULL}),
                    x509_make(&(struct x509_plan){"c", f.key, f.ca, f.other_key, "05", NULL}), /* forged */
                    x509_make(&(struct x509_plan){"d", f.key, NULL, NULL, "05", NULL})};
    const struct issuer *wanted[] = {&issuers->list[0], &issuers->list[1], NULL, NULL};
    for (size_t i = 0; i < COUNT(made); i++) {
        struct buffer der = x509_der(made[i]);
        struct certificate certificate;
        struct error err;
        assert_int_equal(certificate_from_der(bytes_of(&der), &certificate, &err), 0);
        assert_ptr_equal(issuers_of_certificate(issuers, &certificate), wanted[i]);
        certificate_free(&certificate);
        buffer_free(&der);
        X509_free(made[i]);
    }
    issuers_free(issuers);
    issuers_free(NULL);
    config_free(config);
}

static void put_ca(const char *file, const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
    X509 *x509 =
        x509_make(&(struct x509_plan){cn, key, issuer, issuer_key, "06", (const char *[]){CA, NULL}});
    x509_put(f.folder, file, x509, NULL);
    X509_free(x509);
}

static void each_ca_knows_the_one_above(void **state)
{
    (void)state;
    put_ca("below.crt", "Below", f.other_key, f.ca, f.key);
    put_ca("one-by-other.crt", "One CA", f.key, f.other, f.other_key);
    put_ca("other-by-one.crt", "Other CA", f.other_key, f.ca, f.key);
    struct config *config = configure("issuer \"below\" { certificate = \"below.crt\" key = \"k\" }\n"
                                      "issuer \"top\" { certificate = \"ca.crt\" key = \"k\" }\n");
    struct issuers *issuers = loaded(config);
    assert_ptr_equal(issuers->list[0].above, &issuers->list[1]);
    assert_false(issuers->list[0].is_root);
    assert_null(issuers->list[1].above);
    assert_true(issuers->list[1].is_root);
    issuers_free(issuers);
    config_free(config);

    /* who certified one another: the way up ends */
    config = configure("issuer \"x\" { certificate = \"one-by-other.crt\" key = \"k\" }\n"
                       "issuer \"y\" { certificate = \"other-by-one.crt\" key = \"k\" }\n"
                       "issuer \"below\" { certificate = \"below.crt\" key = \"k\" }\n");
    issuers = loaded(config);
    assert_ptr_equal(issuers->list[0].above, &issuers->list[1]);
    assert_null(issuers->list[1].above);
    assert_false(issuers->list[1].is_root);
    assert_ptr_equal(issuers->list[2].above, &issuers->list[0]);
    issuers_free(issuers);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_complaint_names_file_line_and_remedy),
        cmocka_unit_test(a_ca_that_signs_all_itself),
        cmocka_unit_test(a_ca_whose_key_is_elsewhere),
        cmocka_unit_test(key_ids_are_taken_from_the_certificate_or_made),
        cmocka_unit_test(a_fingerprint_outlives_the_certificate),
        cmocka_unit_test(cas_are_found_by_certid_of_any_hash),
        cmocka_unit_test(certificates_find_their_ca),
        cmocka_unit_test(each_ca_knows_the_one_above),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
