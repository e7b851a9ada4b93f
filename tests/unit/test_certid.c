/* CertIDs (RFC 6960 section 4.1.1) and revocation reasons (RFC 5280 section 5.3.1). */
#include "x509.h"

#include <annul/certid.h>
#include <annul/reason.h>

#include <openssl/ocsp.h>

#define SHA1 "06{2b0e03021a}"
#define SHA256 "06{608648016503040201}"
#define SHA384 "06{608648016503040202}"
#define SHA512 "06{608648016503040203}"
#define MD5 "06{2a864886f70d0205}"

static const struct {
    const char *spoken, *text;
    bool good;
    enum certid_hash hash;
    size_t hash_len;
} certids[] = {
    {"SHA-1 with NULL", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} 02{2a} }", true, CERTID_SHA1, 20},
    {"SHA-1 without parameters", "30{ 30{ " SHA1 " } 04{aa*20} 04{bb*20} 02{2a} }", true, CERTID_SHA1, 20},
    {"SHA-256 with NULL", "30{ 30{ " SHA256 " 0500 } 04{aa*32} 04{bb*32} 02{2a} }", true, CERTID_SHA256, 32},
    {"SHA-256 without parameters", "30{ 30{ " SHA256 " } 04{aa*32} 04{bb*32} 02{2a} }", true, CERTID_SHA256,
     32},
    {"SHA-384 with NULL", "30{ 30{ " SHA384 " 0500 } 04{aa*48} 04{bb*48} 02{2a} }", true, CERTID_SHA384, 48},
    {"SHA-384 without parameters", "30{ 30{ " SHA384 " } 04{aa*48} 04{bb*48} 02{2a} }", true, CERTID_SHA384,
     48},
    {"SHA-512 with NULL", "30{ 30{ " SHA512 " 0500 } 04{aa*64} 04{bb*64} 02{2a} }", true, CERTID_SHA512, 64},
    {"SHA-512 without parameters", "30{ 30{ " SHA512 " } 04{aa*64} 04{bb*64} 02{2a} }", true, CERTID_SHA512,
     64},
    {"MD5: well-formed, but unknown", "30{ 30{ " MD5 " 0500 } 04{aa*16} 04{bb*16} 02{2a} }", true,
     CERTID_OTHER, 16},
    {"unknown algorithm with parameters", "30{ 30{ 06{2a03} 30{02{01}} } 04{aa*16} 04{bb*16} 02{2a} }", true,
     CERTID_OTHER, 16},

    {"SHA-1 hashes of 19 octets", "30{ 30{ " SHA1 " 0500 } 04{aa*19} 04{bb*19} 02{2a} }", false, 0, 0},
    {"SHA-1 hashes of 21 octets", "30{ 30{ " SHA1 " 0500 } 04{aa*21} 04{bb*21} 02{2a} }", false, 0, 0},
    {"SHA-1 with a key hash of SHA-256", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*32} 02{2a} }", false, 0, 0},
    {"SHA-256 with a name hash of SHA-1", "30{ 30{ " SHA256 " 0500 } 04{aa*20} 04{bb*32} 02{2a} }", false, 0,
     0},
    {"SHA-512 of 65 octets", "30{ 30{ " SHA512 " } 04{aa*65} 04{bb*65} 02{2a} }", false, 0, 0},
    {"empty hashes", "30{ 30{ " SHA1 " 0500 } 04{} 04{} 02{2a} }", false, 0, 0},
    {"other parameters than NULL", "30{ 30{ " SHA1 " 3000 } 04{aa*20} 04{bb*20} 02{2a} }", false, 0, 0},
    {"a NULL that holds something", "30{ 30{ " SHA1 " 05{00} } 04{aa*20} 04{bb*20} 02{2a} }", false, 0, 0},
    {"two NULLs", "30{ 30{ " SHA1 " 0500 0500 } 04{aa*20} 04{bb*20} 02{2a} }", false, 0, 0},
    {"no algorithm", "30{ 04{aa*20} 04{bb*20} 02{2a} }", false, 0, 0},
    {"an algorithm without OID", "30{ 30{ 0500 } 04{aa*20} 04{bb*20} 02{2a} }", false, 0, 0},
    {"no key hash", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 02{2a} }", false, 0, 0},
    {"no serial", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} }", false, 0, 0},
    {"an empty serial", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} 02{} }", false, 0, 0},
    {"a negative serial", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} 02{80} }", false, 0, 0},
    {"a serial of 21 octets", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} 02{7f*21} }", false, 0, 0},
    {"octets behind the serial", "30{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} 02{2a} 0500 }", false, 0, 0},
    {"no SEQUENCE", "31{ 30{ " SHA1 " 0500 } 04{aa*20} 04{bb*20} 02{2a} }", false, 0, 0},
    {"nothing", "", false, 0, 0},
};

static void check_good(size_t row, const struct certid *id, struct bytes whole)
{
    uint8_t filler[CERTID_HASH_MAX];
    check_row(certids[row].spoken, id->hash == certids[row].hash);
    check_row(certids[row].spoken, bytes_equal(id->whole, whole));
    memset(filler, 0xaa, sizeof filler);
    check_row(certids[row].spoken, bytes_equal(id->name_hash, (struct bytes){filler, certids[row].hash_len}));
    memset(filler, 0xbb, sizeof filler);
    check_row(certids[row].spoken, bytes_equal(id->key_hash, (struct bytes){filler, certids[row].hash_len}));
    check_row(certids[row].spoken, id->serial.len == 1 && id->serial.octets[0] == 0x2a);
}

static void certids_are_taken_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(certids); i++) {
        struct buffer made = octets("%s", certids[i].text), longer = octets("%s 05 00", certids[i].text);
        struct bytes copy = exact_copy(bytes_of(&made)), in = copy, more = bytes_of(&longer);
        struct certid id;
        check_row(certids[i].spoken, certid_take(&in, &id) == certids[i].good);
        if (certids[i].good) {
            check_good(i, &id, copy);
            check_row(certids[i].spoken, in.len == 0);
            check_row(certids[i].spoken, certid_take(&more, &id) && more.len == 2); /* what follows is left */
        }
        exact_free(copy);
        buffer_free(&made);
        buffer_free(&longer);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct buffer made = octets("%s", certids[0].text);
    for (size_t len = 0; len < made.len; len++) {
        struct bytes copy = exact_copy((struct bytes){made.at, len}), in = copy;
        struct certid id;
        assert_false(certid_take(&in, &id));
        exact_free(copy);
    }
    buffer_free(&made);
}

/* OpenSSL makes the CertID of a certificate; ours must hold the hashes that we make of the same CA. */
static void openssl_hashes_the_same(void **state)
{
    (void)state;
    EVP_PKEY *key = key_make("P-256");
    X509 *ca = x509_make_ca("Certid CA", key);
    const EVP_MD *digests[CERTID_HASHES] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
    for (int hash = 0; hash < CERTID_HASHES; hash++) {
        BIGNUM *number = NULL;
        assert_true(BN_hex2bn(&number, "00c0ffee00") > 0);
        ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
        OCSP_CERTID *theirs =
            OCSP_cert_id_new(digests[hash], X509_get_subject_name(ca), X509_get0_pubkey_bitstr(ca), serial);
        unsigned char *der = NULL;
        int len = i2d_OCSP_CERTID(theirs, &der);
        struct bytes in = {der, (size_t)len};
        struct certid id;
        assert_true(certid_take(&in, &id));
        assert_int_equal(id.hash, hash);
        assert_int_equal(certid_hash_len((enum certid_hash)hash), EVP_MD_get_size(digests[hash]));
        assert_int_equal(id.serial.len, 4);
        assert_memory_equal(id.serial.octets, "\xc0\xff\xee\x00", 4);

        uint8_t room[CERTID_DER_MAX];
        struct der_writer w;
        der_writer_init(&w, room, sizeof room);
        certid_put(&w, id.hash, id.name_hash, id.key_hash, &id.serial);
        assert_true(bytes_equal((struct bytes){w.at, der_mark(&w)}, (struct bytes){der, (size_t)len}));

        const unsigned char *name;
        size_t name_len;
        uint8_t out[CERTID_HASH_MAX];
        const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(ca);
        assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(ca), &name, &name_len), 1);
        assert_true(certid_digest((enum certid_hash)hash, (struct bytes){name, name_len}, out));
        assert_true(bytes_equal(id.name_hash, (struct bytes){out, id.name_hash.len}));
        struct bytes content = {ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits)};
        assert_true(certid_digest((enum certid_hash)hash, content, out));
        assert_true(bytes_equal(id.key_hash, (struct bytes){out, id.key_hash.len}));

        OPENSSL_free(der);
        OCSP_CERTID_free(theirs);
        ASN1_INTEGER_free(serial);
        BN_free(number);
    }
    X509_free(ca);
    EVP_PKEY_free(key);
}

/* --- reasons ------------------------------------------------------------------------------------------- */

static const struct {
    int number;
    const char *name;
    bool requestable;
} reasons[] = {
    {0, "unspecified", true},        {1, "keyCompromise", true},  {2, "cACompromise", true},
    {3, "affiliationChanged", true}, {4, "superseded", true},     {5, "cessationOfOperation", true},
    {6, "certificateHold", true},    {8, "removeFromCRL", false}, {9, "privilegeWithdrawn", true},
    {10, "aACompromise", true},
};

static void reasons_have_the_names_of_the_rfc(void **state)
{
    (void)state;
    static const int none[] = {-1, 7, 11, 255, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < COUNT(reasons); i++) {
        assert_string_equal(reason_name(reasons[i].number), reasons[i].name);
        assert_int_equal(reason_from_name(reasons[i].name), reasons[i].requestable ? reasons[i].number : -1);
    }
    for (size_t i = 0; i < COUNT(none); i++)
        assert_null(reason_name(none[i]));
    assert_int_equal(reason_from_name("KEYCOMPROMISE"), 1);
    assert_int_equal(reason_from_name("CACompromise"), 2); /* index.txt's spelling */
    assert_int_equal(reason_from_name("REMOVEFROMCRL"), -1);
    assert_int_equal(reason_from_name(""), -1);
    assert_int_equal(reason_from_name("1"), -1);
    assert_int_equal(reason_from_name("keyCompromise "), -1);
}

/* Rows: what it was; columns: what is wanted; in the order 0 1 2 3 4 5 6 8 9 10. */
static const char *const may_become[] = {
    /* 0  unspecified          */ "-+++++-+++",
    /* 1  keyCompromise        */ "----------",
    /* 2  cACompromise         */ "----------",
    /* 3  affiliationChanged   */ "-++------+",
    /* 4  superseded           */ "-++------+",
    /* 5  cessationOfOperation */ "-++------+",
    /* 6  certificateHold      */ "++++++-+++",
    /* 8  removeFromCRL        */ NULL, /* nothing is ever revoked for it */
    /* 9  privilegeWithdrawn   */ "-++------+",
    /* 10 aACompromise         */ "----------",
};

static void reasons_change_by_the_rules_only(void **state)
{
    (void)state;
    for (size_t old = 0; old < COUNT(reasons); old++)
        for (size_t wanted = 0; may_become[old] && wanted < COUNT(reasons); wanted++) {
            if (!reasons[wanted].requestable)
                continue;
            bool may = reason_may_become(reasons[old].number, reasons[wanted].number);
            if (may != (may_become[old][wanted] == '+'))
                fail_msg("%s to %s: %d", reasons[old].name, reasons[wanted].name, may);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certids_are_taken_or_not),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(openssl_hashes_the_same),
        cmocka_unit_test(reasons_have_the_names_of_the_rfc),
        cmocka_unit_test(reasons_change_by_the_rules_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
