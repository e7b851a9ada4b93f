/* The ladder that decides whether an OCSP response is believed: each rung with an answer that stumbles on it alone. The
 * answers are made by OpenSSL's OCSP code, not by ours. */
#include "x509.h"

#include <annul/ocsp_verify.h>
#include <annul/reason.h>

#include <openssl/ocsp.h>
#include <openssl/rsa.h>

#define NOW at_text("2026-11-21T09:00:00Z")
#define HOUR 3600

static struct fixture {
    EVP_PKEY *ca_key, *other_key, *delegate_key, *rsa_key;
    X509 *ca, *renamed, *delegate, *no_eku, *no_signing, *foreign, *forged, *later, *over, *weak, *pss;
    struct certificate issuer;
} f;

static X509 *delegate_make(X509 *issuer, EVP_PKEY *issuer_key, const char *const *extensions)
{
    return x509_make(&(struct x509_plan){"delegate", f.delegate_key, issuer, issuer_key, "0d", extensions});
}

static void sign_again(X509 *x509, const char *not_before, const char *not_after)
{
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notBefore(x509), not_before), 1);
    assert_int_equal(ASN1_TIME_set_string(X509_getm_notAfter(x509), not_after), 1);
    assert_true(X509_sign(x509, f.ca_key, EVP_sha256()) > 0);
}

static int fixture_make(void **state)
{
    (void)state;
    static const char *const ocsp[] = {"extendedKeyUsage", "OCSPSigning", "keyUsage",
                                       "critical,digitalSignature", NULL};
    static const char *const server[] = {"extendedKeyUsage", "serverAuth", NULL};
    static const char *const encipher[] = {"extendedKeyUsage", "OCSPSigning", "keyUsage",
                                           "critical,keyEncipherment", NULL};
    struct error err;
    f.ca_key = key_make("P-256");
    f.other_key = key_make("RSA-2048");
    f.delegate_key = key_make("P-384");
    f.ca = x509_make_ca("Verify CA", f.ca_key);
    f.renamed = x509_make_ca("Other CA", f.other_key);
    X509 *impostor = x509_make_ca("Verify CA", f.other_key); /* the name, but not the key */
    f.delegate = delegate_make(f.ca, f.ca_key, ocsp);
    f.no_eku = delegate_make(f.ca, f.ca_key, server);
    f.no_signing = delegate_make(f.ca, f.ca_key, encipher);
    f.foreign = delegate_make(f.renamed, f.other_key, ocsp);
    f.forged = delegate_make(impostor, f.other_key, ocsp);
    f.later = delegate_make(f.ca, f.ca_key, ocsp);
    sign_again(f.later, "261121100000Z", "491231235959Z");
    f.over = delegate_make(f.ca, f.ca_key, ocsp);
    sign_again(f.over, "000101000000Z", "261121090000Z");
    f.weak = delegate_make(f.ca, f.ca_key, ocsp);
    assert_true(X509_sign(f.weak, f.ca_key, EVP_sha1()) > 0);
    f.rsa_key = key_make("RSA-2048");
    f.pss = x509_make(&(struct x509_plan){"delegate", f.rsa_key, f.ca, f.ca_key, "0e", ocsp});
    X509_free(impostor);
    struct buffer der = x509_der(f.ca);
    assert_int_equal(certificate_from_der(bytes_of(&der), &f.issuer, &err), 0);
    buffer_free(&der);
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    X509 *all[] = {f.ca,     f.renamed, f.delegate, f.no_eku, f.no_signing, f.foreign,
                   f.forged, f.later,   f.over,     f.weak,   f.pss};
    for (size_t i = 0; i < COUNT(all); i++)
        X509_free(all[i]);
    EVP_PKEY_free(f.ca_key);
    EVP_PKEY_free(f.other_key);
    EVP_PKEY_free(f.delegate_key);
    EVP_PKEY_free(f.rsa_key);
    certificate_free(&f.issuer);
    return 0;
}

/* --- answers by OpenSSL -------------------------------------------------------------------------------- */

/* All zero is what a good responder that signs with the CA's key says about serial 42 at NOW. */
struct plan {
    X509 **about;  /* the CA that is meant; NULL: ours */
    X509 **signer; /* NULL: the CA */
    EVP_PKEY **key;
    const char *serial; /* NULL: 2a */
    const EVP_MD *(*certid)(void), *(*digest)(void);
    int status, reason;
    int64_t this_in_s, next_in_s; /* from NOW; both 0: an hour ago and in a day */
    bool no_next, no_certificates, by_key;
    bool pss;
    X509 **before; /* goes along in front of the signer's own */
    int singles;
    const char *extension; /* OID of a critical one that means nothing */
};

static ASN1_TIME *time_make(int64_t at)
{
    return ASN1_GENERALIZEDTIME_set(NULL, (time_t)at);
}

static OCSP_CERTID *certid_make(const struct plan *plan)
{
    X509 *ca = plan->about ? *plan->about : f.ca;
    BIGNUM *number = NULL;
    assert_true(BN_hex2bn(&number, plan->serial ? plan->serial : "2a") > 0);
    ASN1_INTEGER *serial = BN_to_ASN1_INTEGER(number, NULL);
    OCSP_CERTID *id = OCSP_cert_id_new(plan->certid ? plan->certid() : EVP_sha1(), X509_get_subject_name(ca),
                                       X509_get0_pubkey_bitstr(ca), serial);
    BN_free(number);
    ASN1_INTEGER_free(serial);
    assert_non_null(id);
    return id;
}

static void add_single(OCSP_BASICRESP *basic, const struct plan *plan)
{
    bool usual = plan->this_in_s == 0 && plan->next_in_s == 0;
    OCSP_CERTID *id = certid_make(plan);
    ASN1_TIME *revoked = time_make(NOW - HOUR),
              *this_update = time_make(NOW + (usual ? -HOUR : plan->this_in_s)),
              *next_update = plan->no_next ? NULL : time_make(NOW + (usual ? 24 * HOUR : plan->next_in_s));
    assert_non_null(
        OCSP_basic_add1_status(basic, id, plan->status, plan->reason, revoked, this_update, next_update));
    ASN1_TIME_free(revoked);
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    OCSP_CERTID_free(id);
}

static void add_extension(OCSP_BASICRESP *basic, const char *oid)
{
    ASN1_OBJECT *object = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    assert_int_equal(ASN1_OCTET_STRING_set(value, (const unsigned char *)"\x05\x00", 2), 1);
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, object, 1, value);
    assert_int_equal(OCSP_BASICRESP_add_ext(basic, extension, -1), 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(object);
}

static struct buffer answer_make(const struct plan *plan)
{
    X509 *signer = plan->signer ? *plan->signer : f.ca;
    EVP_PKEY *key = plan->key ? *plan->key : plan->signer ? f.delegate_key : f.ca_key;
    OCSP_BASICRESP *basic = OCSP_BASICRESP_new();
    struct buffer out = {0};
    unsigned char *der = NULL;
    for (int i = 0; i < (plan->singles ? plan->singles : 1); i++)
        add_single(basic, plan);
    if (plan->extension)
        add_extension(basic, plan->extension);
    unsigned long flags =
        (plan->by_key ? OCSP_RESPID_KEY : 0) | (plan->no_certificates || !plan->signer ? OCSP_NOCERTS : 0);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    EVP_PKEY_CTX *options;
    assert_int_equal(
        EVP_DigestSignInit(context, &options, plan->digest ? plan->digest() : EVP_sha256(), NULL, key), 1);
    if (plan->pss)
        assert_true(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0);
    if (plan->before)
        assert_int_equal(OCSP_basic_add1_cert(basic, *plan->before), 1);
    assert_int_equal(OCSP_basic_sign_ctx(basic, signer, context, NULL, flags), 1);
    EVP_MD_CTX_free(context);
    OCSP_RESPONSE *response = OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic);
    int len = i2d_OCSP_RESPONSE(response, &der);
    assert_true(len > 0 && buffer_add(&out, der, (size_t)len));
    OPENSSL_free(der);
    OCSP_RESPONSE_free(response);
    OCSP_BASICRESP_free(basic);
    return out;
}

static int verify(struct bytes der, struct ocsp_verdict *verdict, struct error *err)
{
    struct ocsp_question question = {.issuer = &f.issuer, .serial = {1, {0x2a}}, .hash = CERTID_SHA1};
    struct bytes copy = exact_copy(der);
    err->text[0] = 0;
    int result = ocsp_verify(copy, &question, NOW, verdict, err);
    exact_free(copy);
    return result;
}

/* --- the ladder ---------------------------------------------------------------------------------------- */

static const struct {
    const char *spoken;
    struct plan plan;
    const char *says; /* NULL: believed */
} rungs[] = {
    {"the CA, by name", {0}, NULL},
    {"the CA, by key", {.by_key = true}, NULL},
    {"a delegate, by name", {.signer = &f.delegate}, NULL},
    {"a delegate, by key", {.signer = &f.delegate, .by_key = true}, NULL},
    {"revoked", {.status = V_OCSP_CERTSTATUS_REVOKED, .reason = OCSP_REVOKED_STATUS_KEYCOMPROMISE}, NULL},
    {"unknown", {.status = V_OCSP_CERTSTATUS_UNKNOWN}, NULL},
    {"a critical extension of OCSP itself", {.extension = "1.3.6.1.5.5.7.48.1.6"}, NULL},
    {"a clock that is five minutes ahead", {.this_in_s = OCSP_SKEW_S, .next_in_s = HOUR}, NULL},
    {"the last second", {.this_in_s = -HOUR, .next_in_s = 1}, NULL},
    {"two SingleResponses", {.singles = 2}, "2 SingleResponses"},
    {"an unknown critical extension", {.extension = "1.2.3.4"}, "unknown critical extension"},
    {"a delegate that is not there",
     {.signer = &f.delegate, .no_certificates = true},
     "neither the CA nor within"},
    {"another CA", {.signer = &f.renamed, .key = &f.other_key}, "not issued by the CA"},
    {"a delegate of another CA", {.signer = &f.foreign}, "not issued by the CA"},
    {"a delegate of a CA of our name", {.signer = &f.forged}, "not issued by the CA"},
    {"a delegate without its right", {.signer = &f.no_eku}, "no id-kp-OCSPSigning"},
    {"a delegate that may not sign", {.signer = &f.no_signing}, "keyUsage"},
    {"a delegate of tomorrow", {.signer = &f.later}, "not valid yet"},
    {"a delegate of yesterday", {.signer = &f.over}, "expired"},
    {"a delegate behind one of its name", {.signer = &f.delegate, .before = &f.over}, NULL},
    {"a delegate behind one of its name and another key", {.signer = &f.delegate, .before = &f.pss}, NULL},
    {"two delegates of that name, neither of use", {.signer = &f.later, .before = &f.over}, "expired"},
    {"RSA-PSS", {.signer = &f.pss, .key = &f.rsa_key, .pss = true}, NULL},
    {"RSA-PSS with SHA-1",
     {.signer = &f.pss, .key = &f.rsa_key, .pss = true, .digest = EVP_sha1},
     "not signed with SHA-2"},
    {"SHA-1", {.digest = EVP_sha1}, "not signed with SHA-2"},
    {"a delegate by SHA-1", {.signer = &f.weak}, "certificate is not signed with SHA-2"},
    {"another hash", {.certid = EVP_sha256}, "another hash"},
    {"a certificate of another CA", {.about = &f.renamed}, "another CA"},
    {"another serial", {.serial = "2b"}, "another serial"},
    {"a serial that begins alike", {.serial = "2a00"}, "another serial"},
    {"the future", {.this_in_s = OCSP_SKEW_S + 1, .next_in_s = HOUR}, "in the future"},
    {"no nextUpdate", {.no_next = true}, "no nextUpdate"},
    {"nextUpdate before thisUpdate", {.this_in_s = 60, .next_in_s = 59}, "not after thisUpdate"},
    {"expired this second", {.this_in_s = -HOUR, .next_in_s = 0}, "expired"},
};

static void each_rung_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rungs); i++) {
        struct ocsp_verdict verdict;
        struct error err;
        struct buffer der = answer_make(&rungs[i].plan);
        int result = verify(bytes_of(&der), &verdict, &err);
        if (result != (rungs[i].says ? -1 : 0) || (rungs[i].says && !strstr(err.text, rungs[i].says)))
            fail_row(rungs[i].spoken, "gave %d: %s", result, err.text);
        buffer_free(&der);
    }
}

static void what_it_says_is_given(void **state)
{
    (void)state;
    struct ocsp_verdict verdict;
    struct error err;
    struct buffer der = answer_make(
        &(struct plan){.status = V_OCSP_CERTSTATUS_REVOKED, .reason = OCSP_REVOKED_STATUS_KEYCOMPROMISE});
    assert_int_equal(verify(bytes_of(&der), &verdict, &err), 0);
    assert_int_equal(verdict.response, OCSP_SUCCESSFUL);
    assert_int_equal(verdict.status, OCSP_CERT_REVOKED);
    assert_int_equal(verdict.reason, REASON_KEY_COMPROMISE);
    assert_int_equal(verdict.revoked_at, NOW - HOUR);
    assert_int_equal(verdict.this_update, NOW - HOUR);
    assert_int_equal(verdict.next_update, NOW + 24 * HOUR);
    assert_int_equal(verdict.end_at, NOW + 24 * HOUR);
    buffer_free(&der);
}

/* Rule 3 of a stapler: the signer's certificate may be over before the response is. */
static void a_response_ends_with_its_delegate(void **state)
{
    (void)state;
    struct ocsp_verdict verdict;
    struct error err;
    X509 *keep = f.over;
    static const char *const ocsp[] = {"extendedKeyUsage", "OCSPSigning", NULL};
    f.over = delegate_make(f.ca, f.ca_key, ocsp);
    sign_again(f.over, "000101000000Z", "261121100000Z");
    struct buffer der = answer_make(&(struct plan){.signer = &f.over});
    assert_int_equal(verify(bytes_of(&der), &verdict, &err), 0);
    assert_int_equal(verdict.end_at, NOW + HOUR);
    assert_int_equal(verdict.next_update, NOW + 24 * HOUR);
    buffer_free(&der);
    X509_free(f.over);
    f.over = keep;
}

static void errors_are_read_before_anything_else(void **state)
{
    (void)state;
    static const enum ocsp_status statuses[] = {OCSP_MALFORMED_REQUEST, OCSP_INTERNAL_ERROR, OCSP_TRY_LATER,
                                                OCSP_SIG_REQUIRED, OCSP_UNAUTHORIZED};
    for (size_t i = 0; i < COUNT(statuses); i++) {
        struct ocsp_verdict verdict;
        struct error err;
        uint8_t der[OCSP_ERROR_LEN];
        ocsp_error_response(statuses[i], der);
        assert_int_equal(verify((struct bytes){der, sizeof der}, &verdict, &err), -1);
        assert_int_equal(verdict.response, statuses[i]);
        assert_says(err, ocsp_status_name(statuses[i]));
    }
}

static void what_is_no_response_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spoken, *hex, *says;
    } rows[] = {
        {"nothing", "", "not an OCSP response"},
        {"HTML", "3c 68 74 6d 6c 3e", "not an OCSP response"},
        {"a status that is none", "30{ 0a{04} }", "not an OCSP response"},
        {"a status beyond the last", "30{ 0a{07} }", "not an OCSP response"},
        {"an error with something behind it", "30{ 0a{03} a0{ 05 00 } }", "not an OCSP response"},
        {"octets behind an error", "30{ 0a{03} } 00", "not an OCSP response"},
        {"success, and nothing", "30{ 0a{00} }", "not a basic one"},
        {"another type of response", "30{ 0a{00} a0{ 30{ 06{2b} 04{00} } } }", "not a basic one"},
        {"an empty basic one", "30{ 0a{00} a0{ 30{ 06{2b 06 01 05 05 07 30 01 01} 04{} } } }", "malformed"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct ocsp_verdict verdict;
        struct error err;
        struct buffer der = octets("%s", rows[i].hex);
        check_row(rows[i].spoken,
                  verify(bytes_of(&der), &verdict, &err) == -1 && strstr(err.text, rows[i].says));
        buffer_free(&der);
    }
}

/* Cut anywhere, one octet more, and each octet changed: never believed, but where the signature does not cover it, and
 * that is the certificates' padding at most. */
static void no_octet_can_be_changed(void **state)
{
    (void)state;
    struct ocsp_verdict verdict;
    struct error err;
    struct buffer der = answer_make(&(struct plan){0});
    for (size_t len = 0; len < der.len; len++)
        assert_int_equal(verify((struct bytes){der.at, len}, &verdict, &err), -1);
    for (size_t i = 0; i < der.len; i++) {
        der.at[i] ^= 1;
        if (verify(bytes_of(&der), &verdict, &err) == 0)
            fail_msg("octet %zu changed, and believed", i);
        der.at[i] ^= 1;
    }
    assert_true(buffer_add(&der, "", 1));
    assert_int_equal(verify(bytes_of(&der), &verdict, &err), -1);
    buffer_free(&der);
}

/* --- the question -------------------------------------------------------------------------------------- */

static void openssl_reads_the_question(void **state)
{
    (void)state;
    static const enum certid_hash hashes[] = {CERTID_SHA1, CERTID_SHA256, CERTID_SHA384, CERTID_SHA512};
    const EVP_MD *(*const theirs[])(void) = {EVP_sha1, EVP_sha256, EVP_sha384, EVP_sha512};
    for (size_t i = 0; i < COUNT(hashes); i++) {
        uint8_t der[OCSP_QUESTION_MAX];
        const unsigned char *at = der;
        struct ocsp_question question = {&f.issuer, {SERIAL_MAX, {0xff, 0xee}}, hashes[i]};
        size_t len = ocsp_question_put(&question, der);
        OCSP_REQUEST *request = d2i_OCSP_REQUEST(NULL, &at, (long)len);
        assert_true(request && at == der + len && OCSP_request_onereq_count(request) == 1);
        OCSP_CERTID *wanted = certid_make(
            &(struct plan){.certid = theirs[i], .serial = "ffee000000000000000000000000000000000000"});
        assert_int_equal(OCSP_id_cmp(OCSP_onereq_get0_id(OCSP_request_onereq_get0(request, 0)), wanted), 0);
        assert_int_equal(OCSP_REQUEST_get_ext_count(request), 0);
        OCSP_CERTID_free(wanted);
        OCSP_REQUEST_free(request);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rung_holds),
        cmocka_unit_test(what_it_says_is_given),
        cmocka_unit_test(a_response_ends_with_its_delegate),
        cmocka_unit_test(errors_are_read_before_anything_else),
        cmocka_unit_test(what_is_no_response_is_refused),
        cmocka_unit_test(no_octet_can_be_changed),
        cmocka_unit_test(openssl_reads_the_question),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
