/* Certificates and the signature algorithm that goes with a key. OpenSSL makes them all. */
#include "x509.h"

#include <annul/certificate.h>
#include <annul/sigalg.h>

#include <openssl/bio.h>
#include <openssl/pem.h>

static struct fixture {
    EVP_PKEY *ca_key, *leaf_key;
    X509 *ca, *leaf;
    struct buffer ca_der, leaf_der;
} f;

static int fixture_make(void **state)
{
    (void)state;
    static const char *const extensions[] = {"basicConstraints", "critical,CA:FALSE", "keyUsage",
                                             "critical,digitalSignature", NULL};
    f.ca_key = key_make("P-256");
    f.leaf_key = key_make("P-256");
    f.ca = x509_make_ca("Unit CA", f.ca_key);
    f.leaf = x509_make(&(struct x509_plan){"leaf", f.leaf_key, f.ca, f.ca_key, "00ff00", extensions});
    f.ca_der = x509_der(f.ca);
    f.leaf_der = x509_der(f.leaf);
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    X509_free(f.ca);
    X509_free(f.leaf);
    EVP_PKEY_free(f.ca_key);
    EVP_PKEY_free(f.leaf_key);
    buffer_free(&f.ca_der);
    buffer_free(&f.leaf_der);
    return 0;
}

static void add_pem(struct buffer *text, X509 *x509, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    assert_int_equal(x509 ? PEM_write_bio_X509(bio, x509)
                          : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
                     1);
    long len = BIO_get_mem_data(bio, &data);
    assert_true(buffer_add(text, data, (size_t)len));
    BIO_free(bio);
}

/* --- one certificate ----------------------------------------------------------------------------------- */

static void the_fields_are_those_of_openssl(void **state)
{
    (void)state;
    struct certificate c;
    struct error err;
    assert_int_equal(certificate_from_der(bytes_of(&f.leaf_der), &c, &err), 0);
    assert_true(bytes_equal(bytes_of(&c.der), bytes_of(&f.leaf_der)));
    assert_int_equal(c.serial.len, 2);
    assert_memory_equal(c.serial.octets, "\xff\x00", 2);
    assert_int_equal(c.not_before, at_text("2000-01-01T00:00:00Z"));
    assert_int_equal(c.not_after, at_text("2049-12-31T23:59:59Z"));
    assert_false(c.is_ca);

    unsigned char *name = NULL;
    int len = i2d_X509_NAME(X509_get_subject_name(f.ca), &name);
    assert_true(bytes_equal(bytes_of(&c.issuer), (struct bytes){name, (size_t)len}));
    OPENSSL_free(name);
    name = NULL;
    len = i2d_X509_NAME(X509_get_subject_name(f.leaf), &name);
    assert_true(bytes_equal(bytes_of(&c.subject), (struct bytes){name, (size_t)len}));
    OPENSSL_free(name);

    /* An uncompressed P-256 point: 04 and two coordinates, without the unused-bits octet. */
    assert_int_equal(c.key_bits.len, 65);
    assert_int_equal(c.key_bits.at[0], 4);
    certificate_free(&c);
    assert_null(c.x509);
    certificate_free(&c);
    certificate_free(NULL);
}

static void other_octets_are_refused(void **state)
{
    (void)state;
    struct certificate c;
    struct error err;
    struct buffer longer = {0}, garbage = octets("30{ 02{01} }");
    assert_true(buffer_add(&longer, f.leaf_der.at, f.leaf_der.len) && buffer_add(&longer, "", 1));
    assert_int_equal(certificate_from_der(bytes_of(&longer), &c, &err), -1);
    assert_null(c.x509);
    assert_int_equal(certificate_from_der(bytes_of(&garbage), &c, &err), -1);
    for (size_t len = 0; len < f.leaf_der.len; len += 7) {
        struct bytes copy = exact_copy((struct bytes){f.leaf_der.at, len});
        assert_int_equal(certificate_from_der(copy, &c, &err), -1);
        assert_null(c.x509);
        exact_free(copy);
    }
    buffer_free(&longer);
    buffer_free(&garbage);
}

static void a_negative_serial_is_refused(void **state)
{
    (void)state;
    /* the content of the serial, 02 03 00 ff 00, becomes ff ff 00 */
    struct buffer der = {0};
    assert_true(buffer_add(&der, f.leaf_der.at, f.leaf_der.len));
    uint8_t *serial = memmem(der.at, der.len, "\x02\x03\x00\xff\x00", 5);
    assert_non_null(serial);
    serial[2] = 0xfe;
    struct certificate c;
    struct error err;
    assert_int_equal(certificate_from_der(bytes_of(&der), &c, &err), -1);
    assert_says(err, "RFC 5280");
    buffer_free(&der);
}

/* --- texts with several -------------------------------------------------------------------------------- */

struct seen {
    size_t count, stop_at;
    struct serial last;
};

static int see(void *arg, struct certificate *certificate, struct error *err)
{
    struct seen *seen = arg;
    seen->last = certificate->serial;
    if (++seen->count == seen->stop_at)
        return error_set(err, "enough");
    return 0;
}

static void pem_may_hold_several_and_other_blocks(void **state)
{
    (void)state;
    struct buffer text = {0};
    struct seen seen = {0};
    struct error err;
    assert_true(buffer_add_text(&text, "subject=/O=Unit/CN=leaf\nissuer=whoever\n"));
    add_pem(&text, f.leaf, NULL);
    add_pem(&text, NULL, f.leaf_key);
    add_pem(&text, f.ca, NULL);
    assert_true(buffer_add_text(&text, "\n# the end\n"));
    assert_int_equal(certificates_from_text(bytes_of(&text), see, &seen, &err), 2);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.last.octets[0], 1);

    seen = (struct seen){.stop_at = 1};
    assert_int_equal(certificates_from_text(bytes_of(&text), see, &seen, &err), -1);
    assert_int_equal(seen.count, 1);
    assert_string_equal(err.text, "enough");
    buffer_free(&text);
}

static void der_text_is_one_certificate(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct error err;
    assert_int_equal(certificates_from_text(bytes_of(&f.leaf_der), see, &seen, &err), 1);
    struct buffer two = {0};
    assert_true(buffer_add(&two, f.leaf_der.at, f.leaf_der.len) &&
                buffer_add(&two, f.ca_der.at, f.ca_der.len));
    assert_int_equal(certificates_from_text(bytes_of(&two), see, &seen, &err), -1);
    assert_int_equal(seen.count, 1);
    buffer_free(&two);
}

static void texts_without_certificates_are_refused(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct error err;
    struct buffer key = {0}, cut = {0};
    add_pem(&key, NULL, f.leaf_key);
    assert_int_equal(certificates_from_text(bytes_of(&key), see, &seen, &err), -1);
    assert_says(err, "CERTIFICATE");
    assert_int_equal(certificates_from_text((struct bytes){0}, see, &seen, &err), -1);
    assert_says(err, "empty");
    assert_int_equal(certificates_from_text(bytes_of_text("garbage"), see, &seen, &err), -1);
    assert_says(err, "not a certificate");
    assert_int_equal(certificates_from_text(
                         bytes_of_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), see,
                         &seen, &err),
                     -1);

    add_pem(&cut, f.leaf, NULL);
    add_pem(&cut, f.ca, NULL);
    for (size_t len = cut.len - 2; len > cut.len / 2 + 40; len -= 11) /* somewhere within the second */
        if (certificates_from_text((struct bytes){cut.at, len}, see, &seen, &err) != -1)
            fail_msg("%zu of %zu octets were taken", len, cut.len);
    cut.at[cut.len / 4] = '!';
    assert_int_equal(certificates_from_text(bytes_of(&cut), see, &seen, &err), -1);
    buffer_free(&key);
    buffer_free(&cut);
}

static void files_are_named_in_errors(void **state)
{
    (void)state;
    char *folder = folder_make(), path[256];
    struct certificate c;
    struct error err;
    snprintf(path, sizeof path, "%s/c.crt", folder);
    assert_int_equal(certificate_from_file(path, &c, &err), -1);
    assert_says(err, path);
    assert_says(err, "No such file");
    file_put(path, "garbage", 7);
    assert_int_equal(certificate_from_file(path, &c, &err), -1);
    assert_says(err, path);
    assert_null(c.x509);

    struct buffer text = {0};
    add_pem(&text, f.leaf, NULL); /* the first counts */
    add_pem(&text, f.ca, NULL);
    file_put(path, text.at, text.len);
    assert_int_equal(certificate_from_file(path, &c, &err), 0);
    assert_memory_equal(c.serial.octets, "\xff\x00", 2);
    certificate_free(&c);

    add_pem(&text, f.ca, NULL); /* a damaged one behind good ones */
    text.at[text.len - 100] = '!';
    file_put(path, text.at, text.len);
    assert_int_equal(certificate_from_file(path, &c, &err), -1);
    assert_null(c.x509);
    buffer_free(&text);
    file_put(path, f.ca_der.at, f.ca_der.len);
    assert_int_equal(certificate_from_file(path, &c, &err), 0);
    assert_true(c.is_ca);
    certificate_free(&c);
    folder_remove(folder);
}

static void pem_comes_back_through_openssl(void **state)
{
    (void)state;
    struct buffer pem = {0}, wanted = {0};
    assert_true(certificate_to_pem(bytes_of(&f.leaf_der), &pem));
    add_pem(&wanted, f.leaf, NULL);
    assert_int_equal(pem.len, wanted.len);
    assert_memory_equal(pem.at, wanted.at, pem.len);
    buffer_free(&pem);
    buffer_free(&wanted);
}

/* --- what a certificate is for ------------------------------------------------------------------------- */

static struct certificate parse(X509 *x509)
{
    struct buffer der = x509_der(x509);
    struct certificate c;
    struct error err = {""};
    if (certificate_from_der(bytes_of(&der), &c, &err) < 0)
        fail_msg("%s", err.text);
    buffer_free(&der);
    return c;
}

static void issuers_are_found_by_name_and_signature(void **state)
{
    (void)state;
    EVP_PKEY *other_key = key_make("P-256");
    X509 *same_name = x509_make_ca("Unit CA", other_key), *same_key = x509_make_ca("Other CA", f.ca_key);
    struct certificate leaf = parse(f.leaf), ca = parse(f.ca), name = parse(same_name), key = parse(same_key);
    assert_int_equal(certificate_issued_by(&leaf, &ca), 1);
    assert_int_equal(certificate_issued_by(&ca, &ca), 1);
    assert_int_equal(certificate_issued_by(&leaf, &name), 0);
    assert_int_equal(certificate_issued_by(&leaf, &key), 0);
    assert_int_equal(certificate_issued_by(&ca, &leaf), 0);
    certificate_free(&leaf);
    certificate_free(&ca);
    certificate_free(&name);
    certificate_free(&key);
    X509_free(same_name);
    X509_free(same_key);
    EVP_PKEY_free(other_key);
}

static const struct {
    const char *spoken;
    const char *extensions[9];
    bool is_ca, is_delegate, may_sign_crls;
    const char *key_id; /* hex */
} uses[] = {
    {"no extensions", {NULL}, false, false, true, ""},
    {"a CA that signs CRLs",
     {"basicConstraints", "CA:TRUE", "keyUsage", "keyCertSign,cRLSign", NULL},
     true,
     false,
     true,
     ""},
    {"a CA that does not",
     {"basicConstraints", "CA:TRUE", "keyUsage", "keyCertSign", NULL},
     true,
     false,
     false,
     ""},
    {"keyCertSign without basicConstraints",
     {"keyUsage", "keyCertSign,cRLSign", NULL},
     false,
     false,
     true,
     ""},
    {"cA FALSE", {"basicConstraints", "CA:FALSE", NULL}, false, false, true, ""},
    {"a delegate", {"extendedKeyUsage", "OCSPSigning", NULL}, false, true, true, ""},
    {"a delegate that is more", {"extendedKeyUsage", "serverAuth,OCSPSigning", NULL}, false, true, true, ""},
    {"a server", {"extendedKeyUsage", "serverAuth", NULL}, false, false, true, ""},
    /* RFC 6960 section 4.2.2.2: the purpose must be there by name */
    {"anyExtendedKeyUsage", {"extendedKeyUsage", "anyExtendedKeyUsage", NULL}, false, false, true, ""},
    {"a key identifier", {"subjectKeyIdentifier", "01:02:ff", NULL}, false, false, true, "0102ff"},
};

static void uses_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(uses); i++) {
        X509 *x509 =
            x509_make(&(struct x509_plan){"use", f.leaf_key, f.ca, f.ca_key, "05", uses[i].extensions});
        struct certificate c = parse(x509);
        struct buffer key_id = octets("%s", uses[i].key_id);
        check_row(uses[i].spoken, c.is_ca == uses[i].is_ca);
        check_row(uses[i].spoken, certificate_is_ocsp_delegate(&c) == uses[i].is_delegate);
        check_row(uses[i].spoken, certificate_may_sign_crls(&c) == uses[i].may_sign_crls);
        check_row(uses[i].spoken, bytes_equal(certificate_key_id(&c), bytes_of(&key_id)));
        buffer_free(&key_id);
        certificate_free(&c);
        X509_free(x509);
    }
}

static void subjects_are_rfc2253_in_utf8(void **state)
{
    (void)state;
    X509 *x509 = x509_make(&(struct x509_plan){"M\xc3\xbcller, A+B", f.leaf_key, f.ca, f.ca_key, "05", NULL});
    struct certificate c = parse(x509);
    char *text = certificate_subject_text(&c);
    assert_string_equal(text, "CN=M\xc3\xbcller\\, A\\+B,O=Unit");
    free(text);
    certificate_free(&c);
    X509_free(x509);
}

static const struct {
    const char *text;
    bool is_subject;
} subject_texts[] = {
    {"CN=alice", true},
    {"CN=alice,O=Annul Demo", true},
    {"CN=M\xc3\xbcller\\, A\\+B,O=Unit", true},
    {"CN=boss\\,O\\=x", false}, /* '=' needs no escape */
    {"CN=boss\\,O=x", true},
    {"CN=a+UID=7,OU=x+OU=y,C=DE", true},
    {"CN=\\ a\\\\b\\\"c\\ ,O=\\#1", true},
    {"CN=a\\0Ab", true},
    {"CN=a\nb", false}, /* a control character has an escape */
    {"1.2.3.4=#0C0161", true},
    {"CN=a\"b", false},
    {"CN=alice, O=Annul Demo", false},
    {"cn=alice", false},
    {"commonName=alice", false},
    {"NOBODY=alice", false},
    {"CN=", false},
    {"CN=a,", false},
    {"CN=a\\", false},
    {"CN=a\\4", false},
    {"=a", false},
    {"", false},
};

static void a_subject_has_one_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(subject_texts); i++)
        check_row(subject_texts[i].text,
                  certificate_is_subject_text(subject_texts[i].text) == subject_texts[i].is_subject);
}

/* --- signature algorithms ------------------------------------------------------------------------------ */

static const struct {
    const char *kind, *name;
} algorithms[] = {
    {"RSA-2048", "sha256WithRSAEncryption"}, {"RSA-3072", "sha256WithRSAEncryption"},
    {"P-256", "ecdsa-with-SHA256"},          {"P-384", "ecdsa-with-SHA384"},
    {"P-521", "ecdsa-with-SHA512"},          {"ED25519", "Ed25519"},
};

/* OpenSSL signs a certificate with the same key and digest: the AlgorithmIdentifier it writes is the oracle.
 */
static void algorithms_are_written_as_openssl_does(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(algorithms); i++) {
        EVP_PKEY *key = key_make(algorithms[i].kind);
        const struct sigalg *sigalg = sigalg_for_key(key);
        if (!sigalg)
            fail_row(algorithms[i].kind, "no algorithm");
        assert_string_equal(sigalg->name, algorithms[i].name);

        X509 *x509 = x509_make(&(struct x509_plan){.cn = "algorithm", .key = key});
        EVP_MD *digest = sigalg->digest ? EVP_MD_fetch(NULL, sigalg->digest, NULL) : NULL;
        assert_true(X509_sign(x509, key, digest) > 0);
        const X509_ALGOR *theirs;
        X509_get0_signature(NULL, &theirs, x509);
        unsigned char *der = NULL;
        int len = i2d_X509_ALGOR(theirs, &der);
        check_row(algorithms[i].kind, bytes_equal(sigalg->der, (struct bytes){der, (size_t)len}));

        struct buffer signature = sign_octets(key, sigalg->digest, bytes_of_text("x"));
        check_row(algorithms[i].kind, signature.len <= SIGNATURE_MAX);
        buffer_free(&signature);
        OPENSSL_free(der);
        EVP_MD_free(digest);
        X509_free(x509);
        EVP_PKEY_free(key);
    }
}

static void other_keys_have_no_algorithm(void **state)
{
    (void)state;
    static const char *const kinds[] = {"RSA-1024", "P-224", "secp256k1", "brainpoolP256r1", "X25519"};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        EVP_PKEY *key = key_make(kinds[i]);
        check_row(kinds[i], sigalg_for_key(key) == NULL);
        EVP_PKEY_free(key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fields_are_those_of_openssl),
        cmocka_unit_test(other_octets_are_refused),
        cmocka_unit_test(a_negative_serial_is_refused),
        cmocka_unit_test(pem_may_hold_several_and_other_blocks),
        cmocka_unit_test(der_text_is_one_certificate),
        cmocka_unit_test(texts_without_certificates_are_refused),
        cmocka_unit_test(files_are_named_in_errors),
        cmocka_unit_test(pem_comes_back_through_openssl),
        cmocka_unit_test(issuers_are_found_by_name_and_signature),
        cmocka_unit_test(uses_are_read),
        cmocka_unit_test(subjects_are_rfc2253_in_utf8),
        cmocka_unit_test(a_subject_has_one_text),
        cmocka_unit_test(algorithms_are_written_as_openssl_does),
        cmocka_unit_test(other_keys_have_no_algorithm),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
