/* CRLs of other CAs: read, verified and compared with the one before; made by hand, by OpenSSL, by `openssl ca`
 * and by python3-cryptography. */
#include "crl.h"

#include <annul/reason.h>
#include <annul/sigalg.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define THIS_UPDATE "2026-11-21T09:00:00Z"
#define NEXT_UPDATE "2026-11-28T09:00:00Z"
#define NOW "2026-11-22T09:00:00Z"

static struct fixture {
    EVP_PKEY *key;
    X509 *x509;
    struct certificate ca;
    struct crl_scan *scan, *file_scan; /* the second: of verify_file, whose facts point into it */
    struct source source;
    struct crl_facts facts;
    struct error err;
    int64_t now;
} f;

static struct certificate certificate_of(X509 *x509)
{
    struct certificate certificate;
    struct error err;
    struct buffer der = x509_der(x509);
    if (certificate_from_der(bytes_of(&der), &certificate, &err) < 0)
        fail_msg("%s", err.text);
    buffer_free(&der);
    return certificate;
}

static int fixture_make(void **state)
{
    (void)state;
    f.key = key_make("P-256");
    f.x509 = x509_make_ca("CRL CA", f.key);
    f.ca = certificate_of(f.x509);
    f.scan = crl_scan_new(source_read, &f.source);
    f.now = at_text(NOW);
    return f.scan ? 0 : -1;
}

static int fixture_free(void **state)
{
    (void)state;
    crl_scan_free(f.scan);
    crl_scan_free(f.file_scan);
    certificate_free(&f.ca);
    X509_free(f.x509);
    EVP_PKEY_free(f.key);
    return 0;
}

struct seen {
    size_t count;
    struct crl_entry entries[16];
};

static int see(void *arg, const struct crl_entry *entry)
{
    struct seen *seen = arg;
    if (seen->count < COUNT(seen->entries))
        seen->entries[seen->count] = *entry;
    seen->count++;
    return 0;
}

static int scan_list(struct bytes list, size_t chunk, struct seen *seen)
{
    f.source = (struct source){.rest = list, .chunk = chunk};
    f.err = (struct error){""};
    *seen = (struct seen){0};
    return crl_scan_list(f.scan, see, seen, &f.facts, &f.err);
}

static int verify(struct bytes list, size_t chunk, const struct certificate *issuer, int64_t now)
{
    f.source = (struct source){.rest = list, .chunk = chunk};
    f.err = (struct error){""};
    return crl_verify(f.scan, issuer, now, NULL, NULL, &f.facts, &f.err);
}

/* --- the form ------------------------------------------------------------------------------------------ */

#define SIGNED(tbs) "30{ " tbs ALGORITHM "03{000102} }"
#define V1(entries, extensions) SIGNED("30{ " ALGORITHM NAME T1 T2 entries extensions " }")
#define ONE(more) SIGNED(TBS(LIST(ENTRY("05", more)), BOTH))
#define EXTENDED(extension) SIGNED(WITH(extension))
#define NUMBERED(octets) SIGNED(TBS("", EXTENSIONS("30{ 06{551d14} 04{ 02{" octets "} } }")))
#define DIRECTORY "a4{ " NAME " }"

static const struct {
    const char *spoken, *text;
    const char *refusal; /* NULL: accepted */
} lists[] = {
    {"our own kind", ONE(""), NULL},
    {"entries in any order", SIGNED(TBS(LIST(ENTRY("06", "") ENTRY("05", "")), BOTH)), NULL},
    {"a serial twice", SIGNED(TBS(LIST(ENTRY("05", "") ENTRY("05", "")), BOTH)), NULL},
    {"an empty list of entries", SIGNED(TBS(LIST(""), BOTH)), NULL},
    {"no list of entries", SIGNED(TBS("", BOTH)), NULL},
    {"no extensions", SIGNED(TBS("", "")), NULL},
    {"entries and no extensions", SIGNED(TBS(LIST(ENTRY("05", "")), "")), NULL},
    {"version 1", V1(LIST(ENTRY("05", "")), ""), NULL},
    {"version 1 without entries", V1("", ""), NULL},
    {"GeneralizedTime before 2050", SIGNED("30{ " V2 ALGORITHM NAME GENERALIZED GENERALIZED BOTH " }"), NULL},
    {"an entry's GeneralizedTime", SIGNED(TBS(LIST("30{ 02{05} " GENERALIZED " }"), BOTH)), NULL},
    {"reason unspecified", ONE("30{ 30{ 06{551d15} 04{ 0a{00} } } }"), NULL},
    {"a critical reason", ONE("30{ 30{ 06{551d15} 01{ff} 04{ 0a{01} } } }"), NULL},
    {"an unknown extension of an entry", ONE("30{ " UNKNOWN("") REASON " }"), NULL},
    {"a serial of 20 octets", SIGNED(TBS(LIST(ENTRY("7f ff*19", "")), BOTH)), NULL},
    {"a serial of 20 octets and the sign", SIGNED(TBS(LIST(ENTRY("00 ff*20", "")), BOTH)), NULL},
    {"an unknown extension", EXTENDED(UNKNOWN("")), NULL},
    {"an authority by issuer and serial",
     SIGNED(TBS("", EXTENSIONS("30{ 06{551d23} 04{ 30{ a1{ " DIRECTORY " } 82{01} } } }" NUMBER))), NULL},
    {"an authority by all of them",
     SIGNED(TBS("", EXTENSIONS("30{ 06{551d23} 04{ 30{ 80{aa} a1{ " DIRECTORY " } 82{01} } } }" NUMBER))),
     NULL},
    {"an empty point", EXTENDED(POINT("")), NULL},
    {"a point that is not critical", EXTENDED("30{ 06{551d1c} 04{ 30{ " FULL(URI) " } } }"), NULL},
    {"a directory name before the URI", EXTENDED(POINT(FULL(DIRECTORY URI))), NULL},
    {"two URIs", EXTENDED(POINT(FULL(URI "86{62}"))), NULL},
    {"a long URI before another", EXTENDED(POINT(FULL("86{62*256}" URI))), NULL},
    {"a delta CRL",
     SIGNED(TBS(LIST(ENTRY("05", "30{ " REMOVE " }")), EXTENSIONS(AUTHORITY NUMBER BASE("00")))), NULL},
    {"a freshestCRL in a delta CRL", EXTENDED(BASE("04") FRESHEST("30{ " FULL(URI) " }")), NULL},
    {"a freshestCRL of use to others", EXTENDED(FRESHEST("30{ " FULL(DIRECTORY) " }")), NULL},
    {"number 2^159 - 1", NUMBERED("7f ff*19"), NULL},

    {"no nextUpdate", SIGNED("30{ " V2 ALGORITHM NAME T1 BOTH " }"), "nextUpdate"},
    {"version 3", SIGNED("30{ 02{02} " ALGORITHM NAME T1 T2 BOTH " }"), "version"},
    {"version 1, said aloud", SIGNED("30{ 02{00} " ALGORITHM NAME T1 T2 BOTH " }"), "version"},
    {"version 1 with extensions", V1("", BOTH), "version 1"},
    {"version 1 with a reason", V1(LIST(ENTRY("05", "30{ " REASON " }")), ""),
     "entry 1 of the CRL: it has ext"},
    {"serial zero", SIGNED(TBS(LIST(ENTRY("05", "") ENTRY("00", "")), BOTH)),
     "entry 2 of the CRL: its serial"},
    {"a negative serial", SIGNED(TBS(LIST(ENTRY("85", "")), BOTH)), "entry 1 of the CRL: its serial"},
    {"a serial of 21 octets", SIGNED(TBS(LIST(ENTRY("01*21", "")), BOTH)), "entry 1 of the CRL: its serial"},
    {"an empty serial", SIGNED(TBS(LIST(ENTRY("", "")), BOTH)), "entry 1 of the CRL: its serial"},
    {"a needless zero", SIGNED(TBS(LIST(ENTRY("0005", "")), BOTH)), "entry 1 of the CRL: its serial"},
    {"an entry without date", SIGNED(TBS(LIST("30{ 02{05} }"), BOTH)), "its date"},
    {"the 30th of February", SIGNED(TBS(LIST("30{ 02{05} 17{3236303233303039303030305a} }"), BOTH)),
     "its date"},
    {"an entry that is no SEQUENCE", SIGNED(TBS(LIST("31{ 02{05} " T1 " }"), BOTH)), "entry 1"},
    {"an entry that ends behind the list", SIGNED(TBS("30 0b 30{ 02{05} " T1 " }", BOTH)), "entry 1"},
    {"reason 7", ONE("30{ 30{ 06{551d15} 04{ 0a{07} } } }"), "reason does not exist"},
    {"a reason of two octets", ONE("30{ 30{ 06{551d15} 04{ 0a{0001} } } }"), "reason does not exist"},
    {"two reasons", ONE("30{ " REASON REASON " }"), "twice"},
    {"removal in a complete CRL", ONE("30{ " REMOVE " }"), "removeFromCRL"},
    {"an invalidityDate as UTCTime", ONE("30{ 30{ 06{551d18} 04{ " T1 " } } }"), "invalidityDate"},
    {"an unknown critical extension of an entry", ONE("30{ " UNKNOWN("01{ff}") " }"), "critical"},
    {"another issuer's entry", ONE("30{ 30{ 06{551d1d} 01{ff} 04{ 30{ " DIRECTORY " } } } }"),
     "another issuer"},
    {"the same, not critical", ONE("30{ 30{ 06{551d1d} 04{ 30{ " DIRECTORY " } } } }"), "another issuer"},
    {"empty extensions of an entry", ONE("3000"), "extensions"},
    {"an unknown critical extension", EXTENDED(UNKNOWN("01{ff}")), "critical extension"},
    {"critical FALSE, said aloud", EXTENDED(UNKNOWN("01{00}")), "malformed"},
    {"an empty list of extensions", SIGNED(TBS("", EXTENSIONS(""))), "empty"},
    {"an indirect CRL", EXTENDED(POINT(FULL(URI) "84{ff}")), "indirectCRL"},
    {"some reasons", EXTENDED(POINT(FULL(URI) "83{0640}")), "onlySomeReasons"},
    {"attribute certificates", EXTENDED(POINT(FULL(URI) "85{ff}")), "onlyContainsAttributeCerts"},
    {"users and CAs", EXTENDED(POINT("81{ff} 82{ff}")), "onlyContainsUserCerts"},
    {"a flag of two octets", EXTENDED(POINT("81{ffff}")), "issuingDistributionPoint is malformed"},
    {"a directory name alone", EXTENDED(POINT(FULL(DIRECTORY))), "URI"},
    {"a name relative to the issuer", EXTENDED(POINT("a0{ a1{ 30{ 06{550403} 0c{4341} } } }")), "URI"},
    {"two points", EXTENDED(POINT(FULL(URI)) POINT(FULL(URI))), "twice"},
    {"a negative number", NUMBERED("85"), "cRLNumber is negative"},
    {"a number of 21 octets", NUMBERED("01*21"), "20 octets"},
    {"a number with a needless zero", NUMBERED("0005"), "cRLNumber is malformed"},
    {"a base above the number", EXTENDED(BASE("06")), "base"},
    {"a base and no number", SIGNED(TBS("", EXTENSIONS(BASE("06")))), "base"},
    {"another algorithm outside", "30{ " TBS("", BOTH) "30{ 06{2a8648ce3d040303} } 03{000102} }",
     "algorithm"},
    {"no algorithm outside", "30{ " TBS("", BOTH) "03{000102} }", "algorithm"},
    {"no signature", "30{ " TBS("", BOTH) ALGORITHM " }", "signature"},
    {"an empty signature", "30{ " TBS("", BOTH) ALGORITHM "03{00} }", "signature"},
    {"unused bits in the signature", "30{ " TBS("", BOTH) ALGORITHM "03{010102} }", "signature"},
    {"a signature larger than is kept", "30{ " TBS("", BOTH) ALGORITHM "03{00*20000} }", "too large"},
    {"extensions larger than are kept", EXTENDED("30{ 06{2a0304} 04{00*20000} }"), "too large"},
    {"octets behind the signature", "30{ " TBS("", BOTH) ALGORITHM "03{000102} 0500 }", "where none belong"},
    {"octets behind it all", SIGNED(TBS("", BOTH)) "00", "behind the CRL"},
    {"octets behind the extensions", SIGNED(TBS("", BOTH "0500")), "where none belong"},
    {"a TBSCertList alone", TBS("", BOTH), "TBSCertList"},
    {"nothing", "", "CertificateList"},
};

static void the_form_is_looked_at(void **state)
{
    (void)state;
    struct seen seen;
    for (size_t i = 0; i < COUNT(lists); i++) {
        struct buffer made = octets("%s", lists[i].text);
        for (size_t k = 0; k < COUNT(chunks); k++) {
            int result = scan_list(bytes_of(&made), chunks[k], &seen);
            if (result != (lists[i].refusal ? -1 : 0))
                fail_row(lists[i].spoken, "%s", lists[i].refusal ? "was accepted" : f.err.text);
            if (lists[i].refusal && !strstr(f.err.text, lists[i].refusal))
                fail_row(lists[i].spoken, "\"%s\" is not in \"%s\"", lists[i].refusal, f.err.text);
            check_row(lists[i].spoken,
                      lists[i].refusal || (f.facts.len == made.len && f.facts.entries == seen.count));
        }
        buffer_free(&made);
    }
}

static void facts_say_what_is_there(void **state)
{
    (void)state;
    struct seen seen;
    struct buffer made = octets(
        "%s", SIGNED(TBS(LIST(ENTRY("7f01", "30{ " REMOVE " }") ENTRY("05", "30{ " INVALIDITY REASON " }")),
                         EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{0080 00*7} } }" BASE("7f")
                                        POINT(FULL(DIRECTORY URI) "82{ff}")
                                            FRESHEST("30{ " FULL("86{62}") " }") EXPIRED(GENERALIZED)))));
    struct buffer issuer = octets("%s", NAME), sigalg = octets("%s", ALGORITHM);
    for (size_t k = 0; k < COUNT(chunks); k++) {
        const struct crl_facts *facts = &f.facts;
        assert_int_equal(scan_list(bytes_of(&made), chunks[k], &seen), 0);
        assert_true(bytes_equal(facts->head.issuer, bytes_of(&issuer)));
        assert_true(bytes_equal(facts->head.sigalg, bytes_of(&sigalg)));
        assert_true(facts->has_key_id && facts->head.key_id.len == 20 && facts->head.key_id.at[19] == 0xaa);
        assert_int_equal(facts->head.this_update, at_text(THIS_UPDATE));
        assert_int_equal(facts->head.next_update, at_text(NEXT_UPDATE));
        assert_true(facts->has_number && facts->head.number == 0 && facts->number.len == 8);
        assert_true(facts->is_delta && facts->head.base == 0x7f && facts->base.len == 1);
        assert_true(bytes_equal(facts->head.point, bytes_of_text("http://a")));
        assert_int_equal(facts->head.scope, CRL_CA);
        assert_true(bytes_equal(facts->head.freshest, bytes_of_text("b")));
        assert_int_equal(facts->head.expired_since, at_text("2026-11-21T09:00:00Z"));
        assert_true(bytes_equal(facts->signature, (struct bytes){(const uint8_t *)"\1\2", 2}));
        assert_true(facts->entries == 2 && facts->len == made.len && seen.count == 2);
        assert_int_equal(seen.entries[0].reason, REASON_REMOVE_FROM_CRL);
        assert_int_equal(seen.entries[0].serial.len, 2);
        assert_int_equal(seen.entries[1].reason, REASON_KEY_COMPROMISE);
        assert_int_equal(seen.entries[1].invalidity_at, at_text("2026-11-21T09:00:00Z"));
    }
    buffer_free(&made);
    buffer_free(&issuer);
    buffer_free(&sigalg);
}

static void numbers_have_an_order_and_a_text(void **state)
{
    (void)state;
    static const struct {
        const char *octets, *text;
    } numbers[] = {
        {"00", "0"},
        {"01", "1"},
        {"7f", "127"},
        {"0080", "128"},
        {"7f ff*7", "9223372036854775807"},
        {"0080 00*7", "0x8000000000000000"},
        {"01 00*8", "0x010000000000000000"},
        {"7f ff*19", "0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"},
    };
    struct crl_number before = {0};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct seen seen;
        char text[CRL_NUMBER_TEXT];
        struct buffer made = octets("30{ 30{ " V2 ALGORITHM NAME T1 T2
                                    "a0{ 30{ 30{ 06{551d14} 04{ 02{%s} } } } } } " ALGORITHM "03{000102} }",
                                    numbers[i].octets);
        if (scan_list(bytes_of(&made), 7, &seen) < 0)
            fail_row(numbers[i].text, "%s", f.err.text);
        crl_number_to_text(&f.facts.number, text);
        assert_string_equal(text, numbers[i].text);
        assert_int_equal(crl_number_compare(&f.facts.number, &f.facts.number), 0);
        if (i) {
            assert_true(crl_number_compare(&before, &f.facts.number) < 0);
            assert_true(crl_number_compare(&f.facts.number, &before) > 0);
        }
        before = f.facts.number;
        buffer_free(&made);
    }
}

/* --- what OpenSSL signs -------------------------------------------------------------------------------- */

struct plan {
    X509 *ca;
    EVP_PKEY *key;
    const char *digest; /* NULL: the algorithm hashes by itself */
    bool pss;
    const EVP_MD *mask; /* of PSS; NULL: the digest */
    const char *this_update, *next_update;
    const char *key_id; /* hex; NULL: the CA's */
    size_t entries;
};

static void add_authority(X509_CRL *crl, const struct plan *plan)
{
    const ASN1_OCTET_STRING *own = X509_get0_subject_key_id(plan->ca);
    char hex[2 * 20 + 1] = "";
    if (own && !plan->key_id)
        hex_encode(ASN1_STRING_get0_data(own), 20, hex);
    struct buffer value = octets("30{ 80{%s} }", plan->key_id ? plan->key_id : hex);
    ASN1_OCTET_STRING *octet_string = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(octet_string, value.at, (int)value.len), 1);
    X509_EXTENSION *extension =
        X509_EXTENSION_create_by_NID(NULL, NID_authority_key_identifier, 0, octet_string);
    assert_int_equal(X509_CRL_add_ext(crl, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octet_string);
    buffer_free(&value);
}

static void add_revoked(X509_CRL *crl, size_t count)
{
    ASN1_TIME *at = ASN1_TIME_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    assert_int_equal(ASN1_TIME_set_string(at, "261120000000Z"), 1);
    for (size_t i = 0; i < count; i++) {
        X509_REVOKED *revoked = X509_REVOKED_new();
        assert_int_equal(ASN1_INTEGER_set_uint64(serial, count - i), 1);
        assert_int_equal(X509_REVOKED_set_serialNumber(revoked, serial), 1);
        assert_int_equal(X509_REVOKED_set_revocationDate(revoked, at), 1);
        assert_int_equal(X509_CRL_add0_revoked(crl, revoked), 1);
    }
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(at);
}

static void sign_crl(X509_CRL *crl, const struct plan *plan)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;
    const EVP_MD *digest = plan->digest ? EVP_get_digestbyname(plan->digest) : NULL;
    assert_int_equal(EVP_DigestSignInit(context, &options, digest, NULL, plan->key), 1);
    if (plan->pss) {
        assert_true(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md(options, plan->mask ? plan->mask : digest) > 0);
        assert_true(EVP_PKEY_CTX_set_rsa_pss_saltlen(options, 21) > 0);
    }
    assert_true(X509_CRL_sign_ctx(crl, context) > 0);
    EVP_MD_CTX_free(context);
}

static void set_time(X509_CRL *crl, int (*set)(X509_CRL *, const ASN1_TIME *), const char *text)
{
    ASN1_TIME *time = ASN1_TIME_set(NULL, at_text(text));
    assert_int_equal(set(crl, time), 1);
    ASN1_TIME_free(time);
}

static X509_CRL *openssl_crl(const struct plan *plan)
{
    X509_CRL *crl = X509_CRL_new();
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(plan->ca)), 1);
    set_time(crl, X509_CRL_set1_lastUpdate, plan->this_update ? plan->this_update : THIS_UPDATE);
    set_time(crl, X509_CRL_set1_nextUpdate, plan->next_update ? plan->next_update : NEXT_UPDATE);
    add_revoked(crl, plan->entries);
    add_authority(crl, plan);
    sign_crl(crl, plan);
    return crl;
}

static struct buffer openssl_der(const struct plan *plan)
{
    X509_CRL *crl = openssl_crl(plan);
    unsigned char *der = NULL;
    struct buffer out = {0};
    int len = i2d_X509_CRL(crl, &der);
    assert_true(len > 0 && buffer_add(&out, der, (size_t)len));
    OPENSSL_free(der);
    X509_CRL_free(crl);
    return out;
}

static void every_algorithm_is_verified(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *digest;
        bool pss;
        const char *mask;
        const char *refusal;
    } algorithms[] = {
        {"P-256", "SHA256", false, NULL, NULL},       {"P-384", "SHA384", false, NULL, NULL},
        {"P-521", "SHA512", false, NULL, NULL},       {"P-256", "SHA1", false, NULL, NULL},
        {"RSA-2048", "SHA256", false, NULL, NULL},    {"RSA-2048", "SHA512", false, NULL, NULL},
        {"RSA-2048", "SHA1", false, NULL, NULL},      {"RSA-2048", "SHA256", true, NULL, NULL},
        {"RSA-2048", "SHA384", true, "SHA1", NULL},   {"RSA-2048", "SHA1", true, NULL, NULL},
        {"RSA-2048", "MD5", false, NULL, "not safe"}, {"ED25519", NULL, false, NULL, NULL},
        {"ED448", NULL, false, NULL, NULL},
    };
    for (size_t i = 0; i < COUNT(algorithms); i++) {
        const char *spoken = algorithms[i].kind;
        EVP_PKEY *key =
            strcmp(spoken, "ED448") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED448") : key_make(spoken);
        /* The certificate is signed with another key: nobody looks. */
        X509 *x509 =
            x509_make(&(struct x509_plan){.cn = "CRL CA", .key = key, .issuer = f.x509, .issuer_key = f.key});
        struct certificate ca = certificate_of(x509);
        struct plan plan = {.ca = x509,
                            .key = key,
                            .digest = algorithms[i].digest,
                            .pss = algorithms[i].pss,
                            .mask = algorithms[i].mask ? EVP_get_digestbyname(algorithms[i].mask) : NULL,
                            .key_id = "aa*20",
                            .entries = 3};
        struct buffer der = openssl_der(&plan);
        for (size_t k = 0; k < COUNT(chunks); k++) {
            int result = verify(bytes_of(&der), chunks[k], &ca, f.now);
            if (result != (algorithms[i].refusal ? -1 : 0))
                fail_row(spoken, "%s with %s", algorithms[i].refusal ? "was accepted" : f.err.text,
                         algorithms[i].digest);
            check_row(spoken, !algorithms[i].refusal || strstr(f.err.text, algorithms[i].refusal));
        }
        der.at[der.len / 2] ^= 1; /* in the TBSCertList, or its form */
        assert_int_equal(verify(bytes_of(&der), 65536, &ca, f.now), -1);
        der.at[der.len / 2] ^= 1;
        der.at[der.len - 1] ^= 1;
        assert_int_equal(verify(bytes_of(&der), 65536, &ca, f.now), -1);
        buffer_free(&der);
        certificate_free(&ca);
        X509_free(x509);
        EVP_PKEY_free(key);
    }
    assert_int_equal(ERR_peek_error(), 0);
}

static void each_check_has_its_error(void **state)
{
    (void)state;
    static const char *const no_crls[] = {"basicConstraints", "critical,CA:TRUE", "keyUsage",
                                          "critical,keyCertSign", NULL};
    static const char *const no_key_id[] = {"basicConstraints", "critical,CA:TRUE", NULL};
    EVP_PKEY *other_key = key_make("P-256"), *rsa = key_make("RSA-2048");
    X509 *other_name = x509_make_ca("Other CA", f.key), *same_name = x509_make_ca("CRL CA", other_key),
         *may_not = x509_make(&(struct x509_plan){.cn = "CRL CA", .key = f.key, .extensions = no_crls}),
         *any_id = x509_make(&(struct x509_plan){.cn = "CRL CA", .key = f.key, .extensions = no_key_id}),
         *other_case = x509_make(&(struct x509_plan){.cn = "crl ca", .key = f.key, .extensions = no_key_id}),
         *other_kind = x509_make(&(struct x509_plan){.cn = "CRL CA", .key = rsa, .extensions = no_key_id}),
         *no_id_other =
             x509_make(&(struct x509_plan){.cn = "CRL CA", .key = other_key, .extensions = no_key_id});
    const struct {
        const char *spoken;
        X509 *issuer; /* NULL: the one that made it */
        const char *this_update, *next_update, *now, *key_id;
        const char *refusal;
    } rows[] = {
        {"all is well", .refusal = NULL},
        {"another CA with the same key", other_name, .refusal = "another issuer"},
        {"another key with the same name", same_name, .refusal = "another key"},
        {"another key identifier", NULL, .key_id = "bb*20", .refusal = "another key"},
        {"a CA that may not sign CRLs", may_not, .refusal = "keyUsage"},
        {"a CA without key identifier", any_id, .refusal = NULL},
        {"its name in other letters", other_case, .refusal = NULL},
        {"a key of another kind", other_kind, .refusal = "does not fit"},
        {"another key without identifier", no_id_other, .refusal = "signature was not made"},
        {"five minutes ahead", .now = "2026-11-21T08:55:00Z", .refusal = NULL},
        {"more than five minutes ahead", .now = "2026-11-21T08:54:59Z", .refusal = "future"},
        {"its last second", .now = NEXT_UPDATE, .refusal = NULL},
        {"a second too late", .now = "2026-11-28T09:00:01Z", .refusal = "2026-11-28T09:00:00Z"},
        {"no time at all", .next_update = THIS_UPDATE, .now = THIS_UPDATE,
         .refusal = "nextUpdate is not behind"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct plan plan = {.ca = f.x509,
                            .key = f.key,
                            .digest = "SHA256",
                            .this_update = rows[i].this_update,
                            .next_update = rows[i].next_update,
                            .key_id = rows[i].key_id,
                            .entries = 2};
        struct certificate issuer = certificate_of(rows[i].issuer ? rows[i].issuer : f.x509);
        struct buffer der = openssl_der(&plan);
        int result = verify(bytes_of(&der), 65536, &issuer, rows[i].now ? at_text(rows[i].now) : f.now);
        if (result != (rows[i].refusal ? -1 : 0))
            fail_row(rows[i].spoken, "%s", rows[i].refusal ? "was accepted" : f.err.text);
        if (rows[i].refusal && !strstr(f.err.text, rows[i].refusal))
            fail_row(rows[i].spoken, "\"%s\" is not in \"%s\"", rows[i].refusal, f.err.text);
        buffer_free(&der);
        certificate_free(&issuer);
    }
    X509 *all[] = {other_name, same_name, may_not, any_id, other_case, other_kind, no_id_other};
    for (size_t i = 0; i < COUNT(all); i++)
        X509_free(all[i]);
    EVP_PKEY_free(other_key);
    EVP_PKEY_free(rsa);
}

static void no_octet_may_change_or_be_missing(void **state)
{
    (void)state;
    struct buffer der =
        openssl_der(&(struct plan){.ca = f.x509, .key = f.key, .digest = "SHA256", .entries = 2});
    for (size_t len = 0; len < der.len; len++)
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct bytes cut = exact_copy((struct bytes){der.at, len});
            assert_int_equal(verify(cut, chunks[k], &f.ca, f.now), -1);
            assert_true(f.err.text[0]);
            exact_free(cut);
        }
    for (size_t i = 0; i < der.len; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            der.at[i] ^= (uint8_t)(1 << bit);
            if (verify(bytes_of(&der), 65536, &f.ca, f.now) == 0)
                fail_msg("octet %zu, bit %u does not matter", i, bit);
            der.at[i] ^= (uint8_t)(1 << bit);
        }
    assert_int_equal(verify(bytes_of(&der), 65536, &f.ca, f.now), 0);
    f.source = (struct source){bytes_of(&der), 1, 0, 100};
    assert_int_equal(crl_verify(f.scan, &f.ca, f.now, NULL, NULL, &f.facts, &f.err), -1);
    assert_says(f.err, "cable");
    buffer_free(&der);
}

static void long_lists_are_verified_and_digested(void **state)
{
    (void)state;
    struct buffer der =
        openssl_der(&(struct plan){.ca = f.x509, .key = f.key, .digest = "SHA256", .entries = 20000});
    uint8_t digest[CRL_DIGEST_LEN];
    assert_int_equal(EVP_Digest(der.at, der.len, digest, NULL, EVP_sha256(), NULL), 1);
    for (size_t k = 0; k < COUNT(chunks); k++) {
        if (verify(bytes_of(&der), chunks[k], &f.ca, f.now) < 0)
            fail_msg("%s", f.err.text);
        assert_true(f.facts.entries == 20000 && f.facts.len == der.len);
        assert_memory_equal(f.facts.digest, digest, sizeof digest);
    }
    buffer_free(&der);
}

/* --- one behind another -------------------------------------------------------------------------------- */

/* "7" is a complete CRL, "7:5" a delta CRL with base 5, "" one without number. */
static struct crl_facts facts_of(const char *text, int64_t this_update, const char *point,
                                 enum crl_scope scope, uint8_t octet)
{
    struct crl_facts facts = {.head = {.this_update = this_update, .scope = scope}, .digest = {octet}};
    unsigned number = 0, base = 0;
    facts.has_number = sscanf(text, "%u:%u", &number, &base) >= 1;
    facts.is_delta = strchr(text, ':') != NULL;
    facts.number.len = number > 0;
    facts.number.octets[0] = (uint8_t)number;
    facts.base.len = base > 0;
    facts.base.octets[0] = (uint8_t)base;
    facts.head.point = bytes_of_text(point);
    return facts;
}

static void one_follows_another_or_not(void **state)
{
    (void)state;
    static const struct {
        const char *spoken, *before, *after;
        int later; /* seconds from one to the other */
        const char *point;
        enum crl_scope scope;
        bool same_octets;
        const char *refusal;
    } rows[] = {
        {"the next", "7", "8", 1, "a", CRL_USER, false, NULL},
        {"some are skipped", "7", "200", 1, "a", CRL_USER, false, NULL},
        {"in the same second", "7", "8", 0, "a", CRL_USER, false, NULL},
        {"the same again", "7", "7", 0, "a", CRL_USER, true, NULL},
        {"the same number, other octets", "7", "7", 1, "a", CRL_USER, false, "other octets"},
        {"back", "7", "6", 1, "a", CRL_USER, false, "below 7"},
        {"back in time", "7", "8", -1, "a", CRL_USER, false, "thisUpdate"},
        {"another point", "7", "8", 1, "b", CRL_USER, false, "issuingDistributionPoint"},
        {"no point", "7", "8", 1, "", CRL_USER, false, "issuingDistributionPoint"},
        {"another scope", "7", "8", 1, "a", CRL_CA, false, "scope"},
        {"no number any more", "7", "", 1, "a", CRL_USER, false, "no number"},
        {"the first number", "", "1", 1, "a", CRL_USER, false, NULL},
        {"never a number", "", "", 1, "a", CRL_USER, false, NULL},
        {"number zero again", "0", "0", 1, "a", CRL_USER, false, "other octets"},
        {"a delta of it", "7", "8:7", 1, "a", CRL_USER, false, NULL},
        {"a delta of an older one", "7", "8:5", 1, "a", CRL_USER, false, NULL},
        {"a delta issued with it", "7", "7:5", 0, "a", CRL_USER, false, NULL},
        {"a delta of a later one", "7", "9:8", 1, "a", CRL_USER, false, "later than 7"},
        {"a delta before it", "7", "6:5", 1, "a", CRL_USER, false, "below 7"},
        {"a delta of another scope", "7", "8:7", 1, "a", CRL_ALL, false, "scope"},
        {"the next delta", "7:5", "8:5", 1, "a", CRL_USER, false, NULL},
        {"the next delta, of a newer base", "7:5", "9:8", 1, "a", CRL_USER, false, NULL},
        {"another delta of that number", "7:5", "7:5", 1, "a", CRL_USER, false, "other octets"},
        {"the complete one issued with a delta", "7:5", "7", 0, "a", CRL_USER, false, NULL},
    };
    int64_t at = at_text(THIS_UPDATE);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct crl_facts before = facts_of(rows[i].before, at, "a", CRL_USER, 1);
        struct crl_facts after = facts_of(rows[i].after, at + rows[i].later, rows[i].point, rows[i].scope,
                                          rows[i].same_octets ? 1 : 2);
        struct error err = {""};
        int result = crl_follows(&before, &after, &err);
        if (result != (rows[i].refusal ? -1 : 0) || (rows[i].refusal && !strstr(err.text, rows[i].refusal)))
            fail_row(rows[i].spoken, "%d \"%s\"", result, err.text);
    }
}

/* --- DER and PEM --------------------------------------------------------------------------------------- */

static struct buffer read_text(struct bytes text, size_t chunk, size_t room, int *result)
{
    struct source inner = {.rest = text, .chunk = chunk};
    struct crl_text *reader = crl_text_new(source_read, &inner);
    struct buffer out = {0};
    long n;
    assert_non_null(reader);
    f.err = (struct error){""};
    do {
        assert_true(buffer_reserve(&out, room));
        n = crl_text_read(reader, out.at + out.len, room, &f.err);
        out.len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    *result = (int)n;
    crl_text_free(reader);
    return out;
}

#define BEGIN "-----BEGIN X509 CRL-----"
#define STOP "-----END X509 CRL-----"

static void der_comes_out_of_every_form(void **state)
{
    (void)state;
    static const struct {
        const char *spoken, *text;
        const char *der; /* NULL: refused */
        const char *refusal;
    } rows[] = {
        {"PEM", BEGIN "\nMAMCAQU=\n" STOP "\n", "3003020105", NULL},
        {"no end of the last line", BEGIN "\nMAMCAQU=\n" STOP, "3003020105", NULL},
        {"CRLF", BEGIN "\r\nMAMC\r\nAQU=\r\n" STOP "\r\n", "3003020105", NULL},
        {"blank lines", "\n\n" BEGIN "\n\nMAMC\n\nAQU=\n\n" STOP "\n\n \t\n", "3003020105", NULL},
        {"lines of one letter", BEGIN "\nM\nA\nM\nC\nA\nQ\nU\n=\n" STOP "\n", "3003020105", NULL},
        {"blanks around the lines", BEGIN "  \n  MAMCAQU=\t\n" STOP "  \n", "3003020105", NULL},
        {"text before it",
         "Certificate Revocation List (CRL):\n  Version 2 -----BEGIN\n" BEGIN "\nMAMCAQU=\n" STOP "\n",
         "3003020105", NULL},
        {"a byte order mark before text",
         "\xef\xbb\xbf"
         "text\n" BEGIN "\nMAMCAQU=\n" STOP "\n",
         "3003020105", NULL},
        {"no padding", BEGIN "\nMAMCAQU\n" STOP "\n", "3003020105", NULL},
        {"nothing in it", BEGIN "\n" STOP "\n", "", NULL},
        {"DER", "0\x03\x02\x01\x05", "3003020105", NULL},

        {"nothing", "", NULL, "neither"},
        {"only text", "Hello\nWorld\n", NULL, "neither"},
        {"a certificate", "-----BEGIN CERTIFICATE-----\nMAMC\n-----END CERTIFICATE-----\n", NULL,
         "something else"},
        {"a certificate before it",
         "-----BEGIN CERTIFICATE-----\nMAMC\n-----END CERTIFICATE-----\n" BEGIN "\nMAMC\n" STOP, NULL,
         "something else"},
        {"BEGIN behind other text", "x" BEGIN "\nMAMC\n" STOP "\n", NULL, "neither"},
        {"two of them", BEGIN "\nMAMC\n" STOP "\n" BEGIN "\nMAMC\n" STOP "\n", NULL, "behind"},
        {"text behind it", BEGIN "\nMAMC\n" STOP "\nx", NULL, "behind"},
        {"no END", BEGIN "\nMAMC\n", NULL, "END"},
        {"END of another", BEGIN "\nMAMC\n-----END CERTIFICATE-----\n", NULL, "dashes"},
        {"END with a tail", BEGIN "\nMAMC\n" STOP "x\n", NULL, "dashes"},
        {"a dash in the base64", BEGIN "\nMA-C\n" STOP "\n", NULL, "dashes"},
        {"a letter that is none", BEGIN "\nMA!C\n" STOP "\n", NULL, "base64"},
        {"a header", BEGIN "\nProc-Type: 4,ENCRYPTED\n\nMAMC\n" STOP "\n", NULL, "dashes"},
        {"a letter too many", BEGIN "\nMAMCA\n" STOP "\n", NULL, "base64"},
        {"more behind the padding", BEGIN "\nMAMCAQU=\nMAMC\n" STOP "\n", NULL, "base64"},
        {"bits left over", BEGIN "\nMAMCAQV=\n" STOP "\n", NULL, "base64"},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t k = 0; k < COUNT(chunks); k++)
            for (size_t room = 1; room <= 64; room *= 8) {
                int result;
                struct buffer der = read_text(bytes_of_text(rows[i].text), chunks[k], room, &result);
                struct buffer wanted = octets("%s", rows[i].der ? rows[i].der : "");
                if (result != (rows[i].der ? 0 : -1) ||
                    (rows[i].refusal && !strstr(f.err.text, rows[i].refusal)))
                    fail_row(rows[i].spoken, "%d \"%s\"", result, f.err.text);
                check_row(rows[i].spoken, !rows[i].der || bytes_equal(bytes_of(&der), bytes_of(&wanted)));
                buffer_free(&der);
                buffer_free(&wanted);
            }
}

/* 8192 letters are decoded at a time: padding may be their last one, and more behind it. */
static void padding_ends_a_pem_wherever_it_is(void **state)
{
    (void)state;
    static char text[20000];
    int result;
    for (int more = 0; more < 2; more++) {
        memset(text, 0, sizeof text);
        memcpy(text, BEGIN "\n", sizeof BEGIN);
        memset(text + sizeof BEGIN, 'A', 8191);
        strcat(text, more ? "=\nAAAA\n" STOP : "=\n" STOP);
        struct buffer der = read_text(bytes_of_text(text), 65536, 65536, &result);
        assert_int_equal(result, more ? -1 : 0);
        assert_true(more || der.len == 8192 / 4 * 3 - 1);
        buffer_free(&der);
    }
}

static void read_errors_come_through(void **state)
{
    (void)state;
    static const char *const texts[] = {"text\n" BEGIN "\nMAMCAQU=\n" STOP "\n\n", "0\x03\x02\x01\x05"};
    for (size_t i = 0; i < COUNT(texts); i++)
        for (long at = 1; at <= (long)strlen(texts[i]) + 1; at++) {
            struct source inner = {bytes_of_text(texts[i]), 1, 0, at};
            struct crl_text *reader = crl_text_new(source_read, &inner);
            uint8_t into[16];
            long n;
            f.err = (struct error){""};
            while ((n = crl_text_read(reader, into, sizeof into, &f.err)) > 0)
                continue;
            crl_text_free(reader);
            assert_int_equal(n, -1);
            assert_says(f.err, "cable");
        }
}

/* As `openssl crl -text` writes it, through both readers. */
static void pem_of_openssl_is_verified(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 5000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct plan plan = {.ca = f.x509, .key = f.key, .digest = "SHA256", .entries = sizes[i]};
        X509_CRL *crl = openssl_crl(&plan);
        BIO *bio = BIO_new(BIO_s_mem());
        assert_int_equal(X509_CRL_print(bio, crl), 1);
        assert_int_equal(PEM_write_bio_X509_CRL(bio, crl), 1);
        char *text;
        long len = BIO_get_mem_data(bio, &text);
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct source inner = {.rest = {(const uint8_t *)text, (size_t)len}, .chunk = chunks[k]};
            struct crl_text *reader = crl_text_new(source_read, &inner);
            struct crl_scan *scan = crl_scan_new(crl_text_read, reader);
            if (crl_verify(scan, &f.ca, f.now, NULL, NULL, &f.facts, &f.err) < 0)
                fail_msg("%s", f.err.text);
            assert_true(f.facts.entries == sizes[i]);
            crl_scan_free(scan);
            crl_text_free(reader);
        }
        BIO_free(bio);
        X509_CRL_free(crl);
    }
}

/* --- other people's programs --------------------------------------------------------------------------- */

static int verify_file(const char *folder, const char *name, const struct certificate *issuer)
{
    char path[4096];
    struct buffer text = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(file_read(path, 1 << 20, &text), 0);
    struct source inner = {.rest = bytes_of(&text), .chunk = 4096};
    struct crl_text *reader = crl_text_new(source_read, &inner);
    crl_scan_free(f.file_scan);
    f.file_scan = crl_scan_new(crl_text_read, reader);
    f.err = (struct error){""};
    int result = crl_verify(f.file_scan, issuer, f.now, NULL, NULL, &f.facts, &f.err);
    crl_text_free(reader);
    buffer_free(&text);
    return result;
}

static struct certificate certificate_at(const char *folder, const char *name)
{
    char path[4096];
    struct certificate certificate;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (certificate_from_file(path, &certificate, &f.err) < 0)
        fail_msg("%s", f.err.text);
    return certificate;
}

static const char ca_config[] = "[ca]\ndefault_ca = x\n"
                                "[x]\ndatabase = index.txt\ncrlnumber = crlnumber\ndefault_md = sha256\n"
                                "default_crl_days = 7\n"
                                "[bare]\n"
                                "[usual]\nauthorityKeyIdentifier = keyid:always\n"
                                "[point]\nissuingDistributionPoint = critical,@idp\n"
                                "freshestCRL = URI:http://d\n"
                                "[idp]\nfullname = URI:http://a\nonlyuser = TRUE\n"
                                "[delta]\n2.5.29.27 = critical,DER:020103\n"
                                "[indirect]\nissuingDistributionPoint = critical,@all\n"
                                "[all]\nfullname = URI:http://a\nindirectCRL = TRUE\n"
                                "[reasons]\nissuingDistributionPoint = critical,@some\n"
                                "[some]\nonlysomereasons = keyCompromise\n";
static const char ca_index[] =
    "R\t491231235959Z\t260101000000Z,keyCompromise\t0300\tunknown\t/CN=c\n"
    "R\t491231235959Z\t260101000000Z\t01\tunknown\t/CN=a\n"
    "R\t491231235959Z\t260101000000Z,holdInstruction,holdInstructionReject\t02\tunknown\t/CN=b\n"
    "R\t491231235959Z\t260101000000Z,keyTime,20251231000000Z\t0400\tunknown\t/CN=d\n"
    "V\t491231235959Z\t\t03\tunknown\t/CN=e\n";

static void file_put_in(const char *folder, const char *name, const void *data, size_t len)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    file_put(path, data, len);
}

static void openssl_ca_is_understood(void **state)
{
    (void)state;
    char *folder = folder_make();
    file_put_in(folder, "ca.cnf", ca_config, sizeof ca_config - 1);
    file_put_in(folder, "index.txt", ca_index, sizeof ca_index - 1);
    file_put_in(folder, "crlnumber", "05\n", 3);
    shell(
        "cd %s && openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 9000 -subj "
        "'/CN=openssl ca' "
        "2>log && for kind in bare usual point delta indirect reasons; do openssl ca -config ca.cnf -gencrl "
        "-keyfile ca.key -cert ca.crt -crl_lastupdate 20261121090000Z -crl_nextupdate 20261128090000Z "
        "-crlexts $kind -out $kind.pem 2>>log || exit 1; done; sed -i /crlnumber/d ca.cnf; openssl ca "
        "-config ca.cnf "
        "-gencrl -keyfile ca.key -cert ca.crt -crl_lastupdate 20261121090000Z -crl_nextupdate "
        "20261128090000Z "
        "-out numberless.pem 2>>log",
        folder);
    struct certificate ca = certificate_at(folder, "ca.crt");
    static const struct {
        const char *file, *refusal;
        uint64_t number;
    } rows[] = {{"bare.pem", NULL, 5},
                {"usual.pem", NULL, 6},
                {"point.pem", NULL, 7},
                {"delta.pem", NULL, 8},
                {"indirect.pem", "indirectCRL", 0},
                {"reasons.pem", "onlySomeReasons", 0},
                {"numberless.pem", NULL, 0}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        int result = verify_file(folder, rows[i].file, &ca);
        if (result != (rows[i].refusal ? -1 : 0) || (rows[i].refusal && !strstr(f.err.text, rows[i].refusal)))
            fail_row(rows[i].file, "%d \"%s\"", result, f.err.text);
        if (rows[i].refusal)
            continue;
        check_row(rows[i].file, f.facts.entries == 4 && f.facts.head.number == rows[i].number);
        check_row(rows[i].file, f.facts.has_number == (rows[i].number != 0));
        check_row(rows[i].file, f.facts.is_delta == (i == 3) && f.facts.head.base == (i == 3 ? 3 : 0));
        check_row(rows[i].file, bytes_equal(f.facts.head.point, bytes_of_text(i == 2 ? "http://a" : "")));
        check_row(rows[i].file, bytes_equal(f.facts.head.freshest, bytes_of_text(i == 2 ? "http://d" : "")));
        check_row(rows[i].file, f.facts.head.scope == (i == 2 ? CRL_USER : CRL_ALL));
    }
    certificate_free(&ca);
    folder_remove(folder);
}

#define ORACLE "/usr/bin/python3 tests/unit/crl_oracle.py"

static void python_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum crl_scope scope;
        const char *point, *freshest;
    } rows[] = {
        {"ecdsa", CRL_ALL, "", ""},
        {"delta", CRL_ALL, "http://crl.example.com/one.crl", ""},
        {"user", CRL_USER, "http://crl.example.com/one.crl", "http://crl.example.com/delta.crl"},
        {"ca", CRL_CA, "http://crl.example.com/one.crl", ""},
        {"ed25519", CRL_ALL, "", ""},
    };
    char *folder = folder_make();
    shell(ORACLE " make %s", folder);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.ca", rows[i].name);
        struct certificate ca = certificate_at(folder, file);
        snprintf(file, sizeof file, "%s.crl", rows[i].name);
        if (verify_file(folder, file, &ca) < 0)
            fail_row(rows[i].name, "%s", f.err.text);
        check_row(rows[i].name, f.facts.entries == 3 && f.facts.number.len == 20 && f.facts.head.number == 0);
        check_row(rows[i].name, f.facts.is_delta == (i == 1) && f.facts.base.len == (i == 1 ? 9 : 0));
        check_row(rows[i].name, f.facts.head.scope == rows[i].scope && f.facts.has_key_id);
        check_row(rows[i].name, bytes_equal(f.facts.head.point, bytes_of_text(rows[i].point)));
        check_row(rows[i].name, bytes_equal(f.facts.head.freshest, bytes_of_text(rows[i].freshest)));
        certificate_free(&ca);
    }
    folder_remove(folder);
}

/* Ours as python reads it: every extension and every entry. */
static void python_understands_us(void **state)
{
    (void)state;
    static const struct {
        struct crl_head head;
        const char *said;
    } rows[] = {
        {{.base = 3, .point = {(const uint8_t *)"http://a", 8}, .scope = CRL_CA},
         "2.5.29.27 critical 3\n2.5.29.28 critical http://a user=0 ca=1\n"},
        {{.point = {(const uint8_t *)"http://a", 8},
          .scope = CRL_USER,
          .freshest = {(const uint8_t *)"http://d", 8},
          .expired_since = 1700000000},
         "2.5.29.28 critical http://a user=1 ca=0\n2.5.29.46 http://d\n"
         "2.5.29.60 180f32303233313131343232313332305a\n"},
        {{.scope = CRL_USER}, "2.5.29.28 critical  user=1 ca=0\n"},
    };
    const struct sigalg *sigalg = sigalg_for_key(f.key);
    char *folder = folder_make();
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct crl_head head = rows[i].head;
        head.issuer = bytes_of(&f.ca.subject);
        head.sigalg = sigalg->der;
        head.key_id = certificate_key_id(&f.ca);
        head.number = 7;
        head.this_update = at_text(THIS_UPDATE);
        head.next_update = at_text(NEXT_UPDATE);
        struct crl_entry entry = {
            {1, {0x80}}, head.this_update, head.base ? REASON_REMOVE_FROM_CRL : REASON_SUPERSEDED, TIME_NONE};
        uint8_t encoded[CRL_ENTRY_MAX];
        size_t len = crl_entry_encode(&entry, encoded);
        struct buffer suffix = {0}, tbs = {0}, crl = {0}, behind = {0}, wanted = {0};
        assert_true(crl_suffix(&suffix, &head) && crl_prefix(&tbs, &head, len, suffix.len));
        assert_true(buffer_add(&tbs, encoded, len) && buffer_add(&tbs, suffix.at, suffix.len));
        struct buffer signature = sign_octets(f.key, sigalg->digest, bytes_of(&tbs));
        assert_true(crl_envelope(&crl, &behind, tbs.len, sigalg->der, bytes_of(&signature)));
        assert_true(buffer_add(&crl, tbs.at, tbs.len) && buffer_add(&crl, behind.at, behind.len));
        char key_id[41];
        hex_encode(head.key_id.at, head.key_id.len, key_id);
        assert_true(buffer_printf(&wanted, "2.5.29.35 %s\n2.5.29.20 7\n%s80 %s\n", key_id, rows[i].said,
                                  head.base ? "removeFromCRL" : "superseded"));
        file_put_in(folder, "our.crl", crl.at, crl.len);
        file_put_in(folder, "wanted", wanted.at, wanted.len);
        shell(ORACLE " read %s/our.crl | diff %s/wanted - >&2", folder, folder);
        shell("openssl crl -inform DER -in %s/our.crl -text -out %s/log", folder, folder);
        if (verify_file(folder, "our.crl", &f.ca) < 0 || verify_file(folder, "log", &f.ca) < 0)
            fail_msg("%zu: %s", i, f.err.text);
        struct buffer *all[] = {&suffix, &tbs, &crl, &behind, &wanted, &signature};
        for (size_t k = 0; k < COUNT(all); k++)
            buffer_free(all[k]);
    }
    folder_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_form_is_looked_at),
        cmocka_unit_test(facts_say_what_is_there),
        cmocka_unit_test(numbers_have_an_order_and_a_text),
        cmocka_unit_test(every_algorithm_is_verified),
        cmocka_unit_test(each_check_has_its_error),
        cmocka_unit_test(no_octet_may_change_or_be_missing),
        cmocka_unit_test(long_lists_are_verified_and_digested),
        cmocka_unit_test(one_follows_another_or_not),
        cmocka_unit_test(der_comes_out_of_every_form),
        cmocka_unit_test(padding_ends_a_pem_wherever_it_is),
        cmocka_unit_test(read_errors_come_through),
        cmocka_unit_test(pem_of_openssl_is_verified),
        cmocka_unit_test(openssl_ca_is_understood),
        cmocka_unit_test(python_is_understood),
        cmocka_unit_test(python_understands_us),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
