/* OCSP requests: those that OpenSSL makes, and those that nobody should. */
#include "x509.h"

#include <annul/ocsp.h>

#include <openssl/ocsp.h>

#define ALGORITHM "30{ 06{2b0e03021a} 0500 }" /* SHA-1 */
#define CERTID "30{ " ALGORITHM " 04{aa*20} 04{bb*20} 02{2a} }"
#define REQUEST "30{ " CERTID " }"
#define LIST "30{ " REQUEST " }"
#define WHOLE(tbs) "30{ 30{ " tbs " } }"
#define EXTENSION(oid, more) "30{ 06{" oid "} " more " }"
#define EXTENSIONS(list) "a2{ 30{ " list " } }"
#define SINGLE_EXTENSIONS(list) "a0{ 30{ " list " } }"

#define NONCE "2b0601050507300102"
#define RESPONSE_TYPES "2b0601050507300104"
#define SERVICE_LOCATOR "2b0601050507300107"
#define PREFERRED_ALGORITHMS "2b0601050507300108"
#define UNHEARD_OF "2a0304"
#define CRITICAL "01{ff}"
#define SOME_NONCE EXTENSION(NONCE, "04{ 04{01*16} }")

static const struct {
    const char *spoken, *text;
    bool good;
} requests[] = {
    {"the least there is", WHOLE(LIST), true},
    {"v1 said aloud", WHOLE("a0{ 02{00} }" LIST), true},
    {"v2", WHOLE("a0{ 02{01} }" LIST), false},
    {"v257", WHOLE("a0{ 02{0100} }" LIST), false},
    {"a version without number", WHOLE("a0{ }" LIST), false},
    {"a version with more", WHOLE("a0{ 02{00} 02{00} }" LIST), false},
    {"requestorName, a directoryName", WHOLE("a1{ a4{ 30{ 31{ 30{ 06{550403} 0c{61} } } } } }" LIST), true},
    {"requestorName, an rfc822Name", WHOLE("a1{ 81{614062} }" LIST), true},
    {"v1 said aloud and requestorName", WHOLE("a0{ 02{00} } a1{ 81{614062} }" LIST), true},
    {"requestorName before the version", WHOLE("a1{ 81{614062} } a0{ 02{00} }" LIST), false},
    {"two CertIDs", WHOLE("30{ " REQUEST REQUEST " }"), true},

    {"octets behind the OCSPRequest", WHOLE(LIST) "00", false},
    {"a second OCSPRequest", WHOLE(LIST) WHOLE(LIST), false},
    {"octets behind the TBSRequest", "30{ 30{ " LIST " } 0500 }", false},
    {"octets behind the signature", "30{ 30{ " LIST " } a0{ 3000 } 0500 }", false},
    {"octets behind the requestList", WHOLE(LIST "0500"), false},
    {"a second requestList", WHOLE(LIST LIST), false},
    {"octets behind the extensions", WHOLE(LIST EXTENSIONS(SOME_NONCE) "0500"), false},
    {"octets behind the SEQUENCE of extensions", WHOLE(LIST "a2{ 30{ " SOME_NONCE " } 0500 }"), false},
    {"octets in the list that are no extension", WHOLE(LIST EXTENSIONS(SOME_NONCE "0500")), false},
    {"octets behind an extension's value", WHOLE(LIST EXTENSIONS(EXTENSION(NONCE, "04{ 04{01*16} } 0500"))),
     false},
    {"octets in the requestList that are no Request", WHOLE("30{ " REQUEST " 0500 }"), false},
    {"octets behind the CertID", WHOLE("30{ 30{ " CERTID " 0500 } }"), false},
    {"octets behind the singleRequestExtensions",
     WHOLE("30{ 30{ " CERTID SINGLE_EXTENSIONS(EXTENSION(UNHEARD_OF, "0400")) " 0500 } }"), false},
    {"octets behind the serial", WHOLE("30{ 30{ 30{ " ALGORITHM " 04{aa*20} 04{bb*20} 02{2a} 0500 } } }"),
     false},
    {"octets behind the algorithm's parameters",
     WHOLE("30{ 30{ 30{ 30{ 06{2b0e03021a} 0500 0500 } 04{aa*20} 04{bb*20} 02{2a} } } }"), false},

    {"no CertID", WHOLE("3000"), false},
    {"an empty Request", WHOLE("30{ 3000 }"), false},
    {"an empty TBSRequest", "30{ 3000 }", false},
    {"an empty OCSPRequest", "3000", false},
    {"nothing", "", false},
    {"extensions before the list", WHOLE(EXTENSIONS(SOME_NONCE) LIST), false},
    {"extensions with the tag of a single request", WHOLE(LIST SINGLE_EXTENSIONS(SOME_NONCE)), false},
    {"single extensions with the tag of a request",
     WHOLE("30{ 30{ " CERTID EXTENSIONS(EXTENSION(UNHEARD_OF, "0400")) " } }"), false},
    {"extensions twice",
     WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, "0400")) EXTENSIONS(EXTENSION(UNHEARD_OF, "0400"))), false},

    {"an unknown extension", WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, "0400"))), true},
    {"an unknown extension, critical FALSE said aloud",
     WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, "01{00} 0400"))), true},
    {"an unknown critical extension", WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, CRITICAL "0400"))), false},
    {"an unknown extension, critical by BER's TRUE",
     WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, "01{01} 0400"))), false},
    {"an unknown critical extension behind a nonce",
     WHOLE(LIST EXTENSIONS(SOME_NONCE EXTENSION(UNHEARD_OF, CRITICAL "0400"))), false},
    {"a critical flag of two octets", WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, "01{0000} 0400"))), false},
    {"a critical flag without octet", WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, "0100 0400"))), false},
    {"an extension without value", WHOLE(LIST EXTENSIONS(EXTENSION(UNHEARD_OF, ""))), false},
    {"an unknown extension in a single request",
     WHOLE("30{ 30{ " CERTID SINGLE_EXTENSIONS(EXTENSION(UNHEARD_OF, "0400")) " } }"), true},
    {"an unknown critical extension in a single request",
     WHOLE("30{ 30{ " CERTID SINGLE_EXTENSIONS(EXTENSION(UNHEARD_OF, CRITICAL "0400")) " } }"), false},
    {"an unknown critical extension in the second request",
     WHOLE("30{ " REQUEST " 30{ " CERTID SINGLE_EXTENSIONS(EXTENSION(UNHEARD_OF, CRITICAL "0400")) " } }"),
     false},
    {"acceptable responses, critical",
     WHOLE(LIST EXTENSIONS(EXTENSION(RESPONSE_TYPES, CRITICAL "04{ 30{ 06{2b0601050507300101} } }"))), true},
    {"acceptable responses, critical, the basic one among others",
     WHOLE(LIST EXTENSIONS(
         EXTENSION(RESPONSE_TYPES, CRITICAL "04{ 30{ 06{2a0304} 06{2b0601050507300101} 06{2a0305} } }"))),
     true},
    {"acceptable responses, critical, without the basic one",
     WHOLE(LIST EXTENSIONS(EXTENSION(RESPONSE_TYPES, CRITICAL "04{ 30{ 06{2b0601050507300102} } }"))), false},
    {"acceptable responses, critical, none",
     WHOLE(LIST EXTENSIONS(EXTENSION(RESPONSE_TYPES, CRITICAL "04{ 3000 }"))), false},
    {"acceptable responses, critical, octets behind the list",
     WHOLE(LIST EXTENSIONS(EXTENSION(RESPONSE_TYPES, CRITICAL "04{ 30{ 06{2b0601050507300101} } 0500 }"))),
     false},
    {"acceptable responses, critical, octets in the list",
     WHOLE(LIST EXTENSIONS(EXTENSION(RESPONSE_TYPES, CRITICAL "04{ 30{ 06{2b0601050507300101} 0500 } }"))),
     false},
    {"acceptable responses without the basic one, which is but a wish",
     WHOLE(LIST EXTENSIONS(EXTENSION(RESPONSE_TYPES, "04{ 30{ 06{2b0601050507300102} } }"))), true},
    {"a critical nonce", WHOLE(LIST EXTENSIONS(EXTENSION(NONCE, CRITICAL "04{ 04{01*16} }"))), true},
    {"a critical nonce of one CertID",
     WHOLE("30{ 30{ " CERTID SINGLE_EXTENSIONS(EXTENSION(NONCE, CRITICAL "04{ 04{01*16} }")) " } }"), false},
    {"preferred algorithms, critical",
     WHOLE(LIST EXTENSIONS(
         EXTENSION(PREFERRED_ALGORITHMS, CRITICAL "04{ 30{ 30{ 30{ 06{ 2a8648ce3d040302 } } } } }"))),
     true},
    {"a service locator, critical, in a single request",
     WHOLE("30{ 30{ " CERTID SINGLE_EXTENSIONS(EXTENSION(SERVICE_LOCATOR, CRITICAL "04{ 3000 }")) " } }"),
     true},

    {"indefinite length", "30 80 30{ " LIST " } 0000", false},
    {"a length in long form that need not be", "30 81 46 30{ " LIST " }", false},
    {"another tag", "31{ 30{ " LIST " } }", false},
    {"a negative serial", WHOLE("30{ 30{ 30{ " ALGORITHM " 04{aa*20} 04{bb*20} 02{ff} } } }"), false},
    {"a serial of 21 octets", WHOLE("30{ 30{ 30{ " ALGORITHM " 04{aa*20} 04{bb*20} 02{01*21} } } }"), false},
};

static void legal_requests_are_told_from_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct buffer made = octets("%s", requests[i].text);
        struct bytes copy = exact_copy(bytes_of(&made));
        struct ocsp_request request;
        struct error err = {""};
        enum ocsp_status status = ocsp_request_parse(copy, &request, &err);
        if ((status == OCSP_SUCCESSFUL) != requests[i].good)
            fail_row(requests[i].spoken, "%s %s", ocsp_status_name(status), err.text);
        check_row(requests[i].spoken, status == OCSP_SUCCESSFUL || status == OCSP_MALFORMED_REQUEST);
        check_row(requests[i].spoken, requests[i].good || err.text[0]);
        exact_free(copy);
        buffer_free(&made);
    }
}

/* What we take, OpenSSL takes too: the rows above are not just our own idea of DER. */
static void openssl_reads_what_we_accept(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        if (!requests[i].good)
            continue;
        struct buffer made = octets("%s", requests[i].text);
        const unsigned char *at = made.at;
        OCSP_REQUEST *theirs = d2i_OCSP_REQUEST(NULL, &at, (long)made.len);
        check_row(requests[i].spoken, theirs && at == made.at + made.len);
        OCSP_REQUEST_free(theirs);
        buffer_free(&made);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct buffer made = octets("%s", requests[i].text);
        for (size_t len = 0; requests[i].good && len < made.len; len++) {
            struct bytes copy = exact_copy((struct bytes){made.at, len});
            struct ocsp_request request;
            struct error err;
            check_row(requests[i].spoken, ocsp_request_parse(copy, &request, &err) == OCSP_MALFORMED_REQUEST);
            exact_free(copy);
        }
        buffer_free(&made);
    }
}

static void every_changed_octet_is_survived(void **state)
{
    (void)state;
    struct buffer made = octets("%s", WHOLE("a0{ 02{00} } a1{ 81{614062} }" LIST EXTENSIONS(
                                          SOME_NONCE EXTENSION(UNHEARD_OF, "01{00} 0400"))));
    for (size_t at = 0; at < made.len; at++)
        for (int value = 0; value < 256; value++) {
            struct bytes copy = exact_copy(bytes_of(&made));
            ((uint8_t *)(uintptr_t)copy.at)[at] = (uint8_t)value;
            struct ocsp_request request;
            struct error err;
            if (ocsp_request_parse(copy, &request, &err) == OCSP_SUCCESSFUL) {
                const struct bytes *whole = &request.certs[0].whole;
                assert_in_range(request.count, 1, OCSP_CERTIDS_MAX);
                assert_true(whole->at >= copy.at && whole->at + whole->len <= copy.at + copy.len);
            }
            exact_free(copy);
        }
    buffer_free(&made);
}

/* --- nonces -------------------------------------------------------------------------------------------- */

static const struct {
    const char *spoken, *value; /* of the extension */
    bool good;
} nonces[] = {
    {"no octet", "04{ 0400 }", false},
    {"1 octet, smallest legal", "04{ 04{01} }", true},
    {"16 octets", "04{ 04{01*16} }", true},
    {"32 octets", "04{ 04{01*32} }", true},
    {"128 octets, largest legal", "04{ 04{01*128} }", true},
    {"129 octets", "04{ 04{01*129} }", false},
    {"1000 octets", "04{ 04{01*1000} }", false},
    {"raw, no octet", "04{ }", false},
    {"raw, 1 octet", "04{ 01 }", true},
    {"raw, 16 octets", "04{ 01*16 }", true},
    {"raw, 128 octets", "04{ 01*128 }", true},
    {"raw, 129 octets", "04{ 01*129 }", false},
    {"raw, 131 octets, as many as 128 with their header", "04{ 01*131 }", false},
    {"raw, begins like an OCTET STRING", "04{ 04 20 01*14 }", true},
};

static void nonces_have_1_to_128_octets(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(nonces); i++) {
        struct buffer made = octets(WHOLE(LIST EXTENSIONS(EXTENSION(NONCE, "%s"))), nonces[i].value);
        struct buffer value = octets("%s", nonces[i].value);
        struct bytes rest = bytes_of(&value), content;
        struct ocsp_request request;
        struct error err = {""};
        enum ocsp_status status = ocsp_request_parse(bytes_of(&made), &request, &err);
        check_row(nonces[i].spoken, status == (nonces[i].good ? OCSP_SUCCESSFUL : OCSP_MALFORMED_REQUEST));
        if (nonces[i].good) { /* the value as it came, with or without its inner header */
            assert_true(der_take(&rest, DER_OCTET_STRING, &content));
            check_row(nonces[i].spoken, bytes_equal(request.nonce, content));
        } else {
            assert_says(err, "nonce");
        }
        buffer_free(&value);
        buffer_free(&made);
    }
}

static void one_nonce_only(void **state)
{
    (void)state;
    struct ocsp_request request;
    struct error err;
    struct buffer made = octets("%s", WHOLE(LIST EXTENSIONS(SOME_NONCE SOME_NONCE)));
    assert_int_equal(ocsp_request_parse(bytes_of(&made), &request, &err), OCSP_MALFORMED_REQUEST);
    buffer_free(&made);
    made = octets("%s", WHOLE(LIST EXTENSIONS(EXTENSION(NONCE, CRITICAL "04{ 04{01*16} }"))));
    assert_int_equal(ocsp_request_parse(bytes_of(&made), &request, &err), OCSP_SUCCESSFUL);
    assert_int_equal(request.nonce.len, 18);
    buffer_free(&made);
    made = octets("%s", WHOLE(LIST));
    assert_int_equal(ocsp_request_parse(bytes_of(&made), &request, &err), OCSP_SUCCESSFUL);
    assert_int_equal(request.nonce.len, 0);
    buffer_free(&made);
}

/* --- preferred signature algorithms -------------------------------------------------------------------- */

#define OID_RSA_SHA256 "06{2a864886f70d01010b}"
#define OID_ECDSA_SHA384 "06{2a8648ce3d040303}"
#define WISH(algorithm) "30{ 30{ " algorithm " } }"
#define RSA_WISH WISH(OID_RSA_SHA256 "0500")
#define ECDSA_WISH WISH(OID_ECDSA_SHA384)
#define WISH_WITH_KEY "30{ 30{ " OID_ECDSA_SHA384 " } 30{ 06{2a8648ce3d0201} 06{2a8648ce3d030107} } }"
#define PREFERRED(value) EXTENSION(PREFERRED_ALGORITHMS, "04{ " value " }")
#define WISHES(list) WHOLE(LIST EXTENSIONS(PREFERRED("30{ " list " }")))

static const struct {
    const char *spoken, *text;
    bool good;
    const char *oids[3]; /* in hex */
} wishes[] = {
    {"none at all", WHOLE(LIST), true, {NULL}},
    {"a list of nothing", WISHES(""), true, {NULL}},
    {"one", WISHES(RSA_WISH), true, {"2a864886f70d01010b"}},
    {"two, in their order", WISHES(ECDSA_WISH RSA_WISH), true, {"2a8648ce3d040303", "2a864886f70d01010b"}},
    {"one that we do not know",
     WISHES(WISH("06{2a0304} 3000") ECDSA_WISH),
     true,
     {"2a0304", "2a8648ce3d040303"}},
    {"one with a kind of key",
     WISHES(WISH_WITH_KEY RSA_WISH),
     true,
     {"2a8648ce3d040303", "2a864886f70d01010b"}},
    {"critical",
     WHOLE(LIST EXTENSIONS(EXTENSION(PREFERRED_ALGORITHMS, CRITICAL "04{ 30{ " RSA_WISH " } }"))),
     true,
     {"2a864886f70d01010b"}},
    {"beside a nonce",
     WHOLE(LIST EXTENSIONS(SOME_NONCE PREFERRED("30{ " RSA_WISH " }"))),
     true,
     {"2a864886f70d01010b"}},
    {"twice",
     WHOLE(LIST EXTENSIONS(PREFERRED("30{ " RSA_WISH " }") PREFERRED("30{ " RSA_WISH " }"))),
     false,
     {NULL}},
    {"twice, empty", WHOLE(LIST EXTENSIONS(PREFERRED("3000") PREFERRED("3000"))), false, {NULL}},
    {"no octets", WHOLE(LIST EXTENSIONS(PREFERRED(""))), false, {NULL}},
    {"not a list", WHOLE(LIST EXTENSIONS(PREFERRED(OID_RSA_SHA256))), false, {NULL}},
    {"octets behind the list", WHOLE(LIST EXTENSIONS(PREFERRED("30{ " RSA_WISH " } 0500"))), false, {NULL}},
    {"octets in the list", WISHES(RSA_WISH "0500"), false, {NULL}},
    {"octets behind a wish", WISHES("30{ 30{ " OID_RSA_SHA256 " } 0500 }"), false, {NULL}},
    {"octets behind a kind of key", WISHES("30{ 30{ " OID_RSA_SHA256 " } 3000 3000 }"), false, {NULL}},
    {"an algorithm without sequence", WISHES("30{ " OID_RSA_SHA256 " }"), false, {NULL}},
    {"an algorithm without OID", WISHES("30{ 30{ 0500 } }"), false, {NULL}},
    {"a wish for nothing", WISHES("3000"), false, {NULL}},
    {"a wish that goes beyond the list",
     WHOLE(LIST EXTENSIONS(PREFERRED("30{ 30 0e 30{ " OID_RSA_SHA256 " } }"))),
     false,
     {NULL}},
};

static void check_wishes(const char *spoken, struct bytes preferred, const char *const oids[3])
{
    struct bytes oid;
    size_t count = 0;
    for (; ocsp_take_preferred(&preferred, &oid); count++) {
        check_row(spoken, count < 3 && oids[count]);
        struct buffer wanted = octets("%s", oids[count]);
        check_row(spoken, bytes_equal(oid, bytes_of(&wanted)));
        buffer_free(&wanted);
    }
    check_row(spoken, preferred.len == 0 && (count == 3 || !oids[count]));
}

static void wishes_for_algorithms_are_taken_in_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(wishes); i++) {
        struct buffer made = octets("%s", wishes[i].text);
        struct bytes copy = exact_copy(bytes_of(&made));
        struct ocsp_request request;
        struct error err = {""};
        bool good = ocsp_request_parse(copy, &request, &err) == OCSP_SUCCESSFUL;
        if (good != wishes[i].good)
            fail_row(wishes[i].spoken, "%s", good ? "was accepted" : err.text);
        if (good)
            check_wishes(wishes[i].spoken, request.preferred, wishes[i].oids);
        else
            assert_says(err, "preferred signature algorithms");
        exact_free(copy);
        buffer_free(&made);
    }
}

/* In a single request's extensions they are somebody else's, and not looked at. */
static void wishes_of_one_certid_are_passed_over(void **state)
{
    (void)state;
    struct ocsp_request request;
    struct error err;
    struct buffer made =
        octets("%s", WHOLE("30{ 30{ " CERTID SINGLE_EXTENSIONS(PREFERRED("30{ " RSA_WISH " }")) " } }"));
    assert_int_equal(ocsp_request_parse(bytes_of(&made), &request, &err), OCSP_SUCCESSFUL);
    assert_int_equal(request.preferred.len, 0);
    buffer_free(&made);
}

/* --- the number of CertIDs ----------------------------------------------------------------------------- */

static void at_most_32_certids(void **state)
{
    (void)state;
    for (size_t count = OCSP_CERTIDS_MAX - 1; count <= OCSP_CERTIDS_MAX + 1; count++) {
        struct buffer list = {0};
        for (size_t i = 0; i < count; i++)
            assert_true(
                buffer_printf(&list, "30{ 30{ " ALGORITHM " 04{aa*20} 04{bb*20} 02{%02zx} } }", i + 1));
        struct buffer made = octets(WHOLE("30{ %.*s }"), (int)list.len, (const char *)list.at);
        struct ocsp_request request;
        struct error err;
        enum ocsp_status status = ocsp_request_parse(bytes_of(&made), &request, &err);
        assert_int_equal(status, count <= OCSP_CERTIDS_MAX ? OCSP_SUCCESSFUL : OCSP_MALFORMED_REQUEST);
        if (status == OCSP_SUCCESSFUL)
            assert_int_equal(request.count, count);
        else
            assert_says(err, "32");
        for (size_t i = 0; status == OCSP_SUCCESSFUL && i < count; i++)
            assert_int_equal(request.certs[i].serial.octets[0], i + 1);
        buffer_free(&made);
        buffer_free(&list);
    }
}

/* --- requests that OpenSSL makes ----------------------------------------------------------------------- */

static OCSP_CERTID *certid_make(const EVP_MD *digest, X509 *ca, const char *serial_hex)
{
    BIGNUM *number = NULL;
    assert_true(BN_hex2bn(&number, serial_hex) > 0);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    OCSP_CERTID *id =
        OCSP_cert_id_new(digest, X509_get_subject_name(ca), X509_get0_pubkey_bitstr(ca), serial);
    assert_non_null(id);
    ASN1_INTEGER_free(serial);
    BN_free(number);
    return id;
}

static struct buffer request_der(OCSP_REQUEST *request)
{
    unsigned char *der = NULL;
    struct buffer out = {0};
    int len = i2d_OCSP_REQUEST(request, &der);
    assert_true(len > 0 && buffer_add(&out, der, (size_t)len));
    OPENSSL_free(der);
    return out;
}

static struct bytes bytes_of_asn1(const ASN1_STRING *string)
{
    return (struct bytes){ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string)};
}

/* Each CertID as OpenSSL holds it, against ours. */
static void check_certids(OCSP_REQUEST *theirs, const struct ocsp_request *ours)
{
    assert_int_equal(ours->count, OCSP_request_onereq_count(theirs));
    for (size_t i = 0; i < ours->count; i++) {
        OCSP_CERTID *id = OCSP_onereq_get0_id(OCSP_request_onereq_get0(theirs, (int)i));
        ASN1_OCTET_STRING *name, *key;
        ASN1_INTEGER *serial;
        unsigned char *der = NULL;
        assert_int_equal(OCSP_id_get0_info(&name, NULL, &key, &serial, id), 1);
        const struct certid *our = &ours->certs[i];
        assert_true(bytes_equal(our->name_hash, bytes_of_asn1(name)));
        assert_true(bytes_equal(our->key_hash, bytes_of_asn1(key)));
        assert_true(bytes_equal(serial_bytes(&our->serial), bytes_of_asn1(serial)));
        int len = i2d_OCSP_CERTID(id, &der);
        assert_true(bytes_equal(our->whole, (struct bytes){der, (size_t)len}));
        OPENSSL_free(der);
    }
}

static void check_one_of_openssl(X509 *ca, enum certid_hash hash, const EVP_MD *digest, size_t count,
                                 int nonce_len)
{
    static const char *const serials[] = {"2a", "80", "ffffffffffffffffffffffffffffffffffffffff", "0100"};
    OCSP_REQUEST *theirs = OCSP_REQUEST_new();
    for (size_t i = 0; i < count; i++)
        assert_non_null(OCSP_request_add0_id(theirs, certid_make(digest, ca, serials[i])));
    uint8_t nonce[32];
    memset(nonce, 0x5a, sizeof nonce);
    if (nonce_len)
        assert_int_equal(OCSP_request_add1_nonce(theirs, nonce, nonce_len), 1);
    struct buffer der = request_der(theirs);
    struct ocsp_request ours;
    struct error err = {""};
    if (ocsp_request_parse(bytes_of(&der), &ours, &err) != OCSP_SUCCESSFUL)
        fail_msg("%s", err.text);
    check_certids(theirs, &ours);
    assert_int_equal(ours.certs[0].hash, hash);
    assert_false(ours.is_signed);
    assert_int_equal(ours.nonce.len, nonce_len ? nonce_len + 2 : 0);
    if (nonce_len)
        assert_memory_equal(ours.nonce.at + 2, nonce, (size_t)nonce_len);
    buffer_free(&der);
    OCSP_REQUEST_free(theirs);
}

static void requests_of_openssl_are_understood(void **state)
{
    (void)state;
    EVP_PKEY *key = key_make("P-256");
    X509 *ca = x509_make_ca("Request CA", key);
    const EVP_MD *digests[CERTID_HASHES] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
    for (int hash = 0; hash < CERTID_HASHES; hash++)
        for (size_t count = 1; count <= 4; count++)
            for (int nonce_len = 0; nonce_len <= 32; nonce_len += 16)
                check_one_of_openssl(ca, (enum certid_hash)hash, digests[hash], count, nonce_len);
    X509_free(ca);
    EVP_PKEY_free(key);
}

static void check_signature(const struct buffer *der, X509 *trusted, int good)
{
    X509_STORE *store = X509_STORE_new();
    struct error err = {""};
    assert_int_equal(X509_STORE_add_cert(store, trusted), 1);
    assert_int_equal(ocsp_request_verify(bytes_of(der), store, &err), good);
    if (!good)
        assert_says(err, "request_signers");
    X509_STORE_free(store);
}

static void signed_requests_are_understood_and_verified(void **state)
{
    (void)state;
    EVP_PKEY *key = key_make("P-256"), *client_key = key_make("P-256");
    X509 *ca = x509_make_ca("Request CA", key), *stranger = x509_make_ca("Stranger", client_key);
    X509 *client = x509_make(&(struct x509_plan){"client", client_key, ca, key, "07", NULL});
    OCSP_REQUEST *theirs = OCSP_REQUEST_new();
    assert_non_null(OCSP_request_add0_id(theirs, certid_make(EVP_sha256(), ca, "2a")));
    struct buffer plain = request_der(theirs);
    assert_int_equal(OCSP_request_sign(theirs, client, client_key, EVP_sha256(), NULL, 0), 1);
    struct buffer der = request_der(theirs);

    struct ocsp_request ours;
    struct error err = {""};
    assert_int_equal(ocsp_request_parse(bytes_of(&der), &ours, &err), OCSP_SUCCESSFUL);
    assert_true(ours.is_signed); /* OCSP_request_sign put in a requestorName too */
    check_certids(theirs, &ours);
    check_signature(&der, ca, 1);
    check_signature(&der, stranger, 0);
    check_signature(&plain, ca, 0);
    for (size_t len = 0; len < der.len; len++) {
        struct bytes copy = exact_copy((struct bytes){der.at, len});
        assert_int_equal(ocsp_request_parse(copy, &ours, &err), OCSP_MALFORMED_REQUEST);
        exact_free(copy);
    }
    uint8_t *serial = memmem(der.at, der.len, "\x02\x01\x2a", 3);
    assert_non_null(serial);
    serial[2]++; /* one of the signed octets */
    assert_int_equal(ocsp_request_parse(bytes_of(&der), &ours, &err), OCSP_SUCCESSFUL);
    check_signature(&der, ca, 0);

    buffer_free(&der);
    buffer_free(&plain);
    OCSP_REQUEST_free(theirs);
    X509_free(client);
    X509_free(stranger);
    X509_free(ca);
    EVP_PKEY_free(client_key);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(legal_requests_are_told_from_others),
        cmocka_unit_test(openssl_reads_what_we_accept),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_changed_octet_is_survived),
        cmocka_unit_test(nonces_have_1_to_128_octets),
        cmocka_unit_test(one_nonce_only),
        cmocka_unit_test(wishes_for_algorithms_are_taken_in_order),
        cmocka_unit_test(wishes_of_one_certid_are_passed_over),
        cmocka_unit_test(at_most_32_certids),
        cmocka_unit_test(requests_of_openssl_are_understood),
        cmocka_unit_test(signed_requests_are_understood_and_verified),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
