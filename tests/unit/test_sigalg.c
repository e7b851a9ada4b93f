/* Signature algorithms, against OpenSSL's own table of them. */
#include "x509.h"

#include <annul/der.h>
#include <annul/sigalg.h>

static struct bytes oid_of(const ASN1_OBJECT *object)
{
    return (struct bytes){OBJ_get0_data(object), OBJ_length(object)};
}

static const struct sigalg *by_name(const char *name)
{
    return sigalg_by_oid(oid_of(OBJ_nid2obj(OBJ_txt2nid(name))));
}

static const struct {
    const char *name, *digest;
    enum sigalg_family family;
    int key; /* NID of the public key's algorithm */
} known[] = {
    {"sha256WithRSAEncryption", "SHA256", SIGALG_RSA, NID_rsaEncryption},
    {"sha384WithRSAEncryption", "SHA384", SIGALG_RSA, NID_rsaEncryption},
    {"sha512WithRSAEncryption", "SHA512", SIGALG_RSA, NID_rsaEncryption},
    {"ecdsa-with-SHA256", "SHA256", SIGALG_ECDSA, NID_X9_62_id_ecPublicKey},
    {"ecdsa-with-SHA384", "SHA384", SIGALG_ECDSA, NID_X9_62_id_ecPublicKey},
    {"ecdsa-with-SHA512", "SHA512", SIGALG_ECDSA, NID_X9_62_id_ecPublicKey},
    {"ED25519", NULL, SIGALG_ED25519, NID_ED25519},
};

static void openssl_knows_them_by_the_same_oids(void **state)
{
    (void)state;
    assert_int_equal(COUNT(known), SIGALGS);
    for (size_t i = 0; i < COUNT(known); i++) {
        const struct sigalg *sigalg = by_name(known[i].name);
        int digest = 0, key = 0;
        check_row(known[i].name, sigalg != NULL);
        check_row(known[i].name,
                  strcasecmp(sigalg->name, known[i].name) == 0 && sigalg->family == known[i].family);
        check_row(known[i].name, OBJ_find_sigid_algs(OBJ_txt2nid(known[i].name), &digest, &key) == 1);
        check_row(known[i].name, key == known[i].key);
        if (known[i].digest)
            check_row(known[i].name,
                      OBJ_txt2nid(sigalg->digest) == digest && digest == OBJ_txt2nid(known[i].digest));
        else
            check_row(known[i].name, sigalg->digest == NULL && digest == NID_undef);
    }
}

/* Parameters: NULL for RSA, absent for the others; and nothing behind them. */
static void identifiers_are_der(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(known); i++) {
        const struct sigalg *sigalg = by_name(known[i].name);
        const unsigned char *at = sigalg->der.at;
        X509_ALGOR *theirs = d2i_X509_ALGOR(NULL, &at, (long)sigalg->der.len);
        const ASN1_OBJECT *object;
        int parameters;
        check_row(known[i].name, theirs && at == sigalg->der.at + sigalg->der.len);
        X509_ALGOR_get0(&object, &parameters, NULL, theirs);
        check_row(known[i].name, OBJ_obj2nid(object) == OBJ_txt2nid(known[i].name));
        check_row(known[i].name, parameters == (sigalg->family == SIGALG_RSA ? V_ASN1_NULL : V_ASN1_UNDEF));
        X509_ALGOR_free(theirs);
    }
}

static void numbers_name_each_of_them(void **state)
{
    (void)state;
    for (unsigned number = 0; number < SIGALGS; number++) {
        const struct sigalg *sigalg = sigalg_by_number(number);
        assert_non_null(sigalg);
        assert_int_equal(sigalg_number(sigalg), number);
        for (unsigned other = 0; other < number; other++)
            assert_false(bytes_equal(sigalg->der, sigalg_by_number(other)->der));
    }
    static const unsigned none[] = {SIGALGS, SIGALGS + 1, 1u << 31, UINT32_MAX};
    for (size_t i = 0; i < COUNT(none); i++)
        assert_null(sigalg_by_number(none[i]));
}

static void other_oids_are_none(void **state)
{
    (void)state;
    static const char *const others[] = {
        "sha1WithRSAEncryption", "sha224WithRSAEncryption", "RSASSA-PSS", "rsaEncryption", "ecdsa-with-SHA1",
        "ecdsa-with-SHA224",     "id-ecPublicKey",          "ED448",      "X25519",        "sha256",
        "dsa_with_SHA256"};
    for (size_t i = 0; i < COUNT(others); i++) {
        check_row(others[i], OBJ_txt2nid(others[i]) != NID_undef);
        check_row(others[i], by_name(others[i]) == NULL);
    }
    for (size_t i = 0; i < COUNT(known);
         i++) { /* each beginning, and one octet more; in memory of its size */
        struct bytes oid = oid_of(OBJ_nid2obj(OBJ_txt2nid(known[i].name)));
        for (size_t len = 0; len < oid.len; len++) {
            struct bytes copy = exact_copy((struct bytes){oid.at, len});
            assert_null(sigalg_by_oid(copy));
            exact_free(copy);
        }
        struct buffer more = {0};
        assert_true(buffer_add(&more, oid.at, oid.len) && buffer_add(&more, "\x01", 1));
        assert_null(sigalg_by_oid(bytes_of(&more)));
        buffer_free(&more);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_knows_them_by_the_same_oids),
        cmocka_unit_test(identifiers_are_der),
        cmocka_unit_test(numbers_name_each_of_them),
        cmocka_unit_test(other_oids_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
