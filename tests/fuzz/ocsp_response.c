/* What a responder sends. The input is a ResponseData, which is signed here: so nothing is stopped at the signature, and what
 * we believe is compared with what OpenSSL reads in the same octets. */
#include "fuzz.h"

#include <annul/ocsp_verify.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>

#define NOW 1795275409 /* when the seeds were made */

static const char ca_pem[] = "-----BEGIN CERTIFICATE-----\n"
                             "MIIBYzCCAQigAwIBAgIBATAKBggqhkjOPQQDAjAPMQ0wCwYDVQQDDARGdXp6MCAX\n"
                             "DTI2MTEyMTE1MzY0OVoYDzIxMjYxMDI4MTUzNjQ5WjAPMQ0wCwYDVQQDDARGdXp6\n"
                             "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEE+Iai1Q4gM2RuGTRsYMri8G9J6+r\n"
                             "yUzXTWiFnHLbhlFGL+1OJAS9xRRQsiUa+bmrr9LPH6gBa0YWjhqy8YszK6NTMFEw\n"
                             "HQYDVR0OBBYEFN93iRNZtm3KBQR2GUZPpoVVI48QMB8GA1UdIwQYMBaAFN93iRNZ\n"
                             "tm3KBQR2GUZPpoVVI48QMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAw\n"
                             "RgIhALLZmSgePK1ijrOPyFwBCpB8GkcyaWx4tkwRA5MyfoynAiEA6eknkRbrKNmT\n"
                             "QunfHVAd15XYo2Ed2195XrPXsXz6D0A=\n"
                             "-----END CERTIFICATE-----\n";
static const char key_pem[] = /* worth nothing: of this file alone */
    "-----BEGIN PRIVATE KEY-----\n"
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgUM3xm8xhH/I6qBXF\n"
    "/iHgenW7m2wDFLTJ+qM69H2xB5ehRANCAAQT4hqLVDiAzZG4ZNGxgyuLwb0nr6vJ\n"
    "TNdNaIWcctuGUUYv7U4kBL3FFFCyJRr5uauv0s8fqAFrRhaOGrLxizMr\n"
    "-----END PRIVATE KEY-----\n";

static const uint8_t sigalg[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};

static struct certificate issuer;
static EVP_PKEY *key;

static void make_issuer(void)
{
    struct buffer der = {0};
    BIO *bio = BIO_new_mem_buf(key_pem, -1);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    BIO_free(bio);
    struct bytes text = {(const uint8_t *)ca_pem, sizeof ca_pem - 1};
    CHECK(key && certificates_from_text(text, certificate_append, &der, NULL) == 1);
    CHECK(certificate_from_der((struct bytes){der.at, der.len}, &issuer, NULL) == 0);
    buffer_free(&der);
}

static size_t wrap_signed(struct bytes tbs, uint8_t *room, size_t size)
{
    uint8_t signature[128];
    size_t len = sizeof signature;
    struct der_writer w;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    CHECK(EVP_DigestSignInit_ex(context, NULL, "SHA256", NULL, NULL, key, NULL) == 1);
    CHECK(EVP_DigestSign(context, signature, &len, tbs.at, tbs.len) == 1);
    EVP_MD_CTX_free(context);
    der_writer_init(&w, room, size);
    CHECK(ocsp_response_put(&w, tbs, (struct bytes){sigalg, sizeof sigalg}, (struct bytes){signature, len},
                            (struct bytes){0}));
    len = der_mark(&w);
    memmove(room, w.at, len);
    return len;
}

static bool is_time(const ASN1_GENERALIZEDTIME *time, int64_t at)
{
    struct tm tm;
    return time && ASN1_TIME_to_tm(time, &tm) == 1 && (int64_t)timegm(&tm) == at;
}

static void compare(OCSP_BASICRESP *basic, const struct ocsp_verdict *ours)
{
    static const int statuses[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
                                   V_OCSP_CERTSTATUS_UNKNOWN};
    int status, reason = -1;
    ASN1_GENERALIZEDTIME *revoked, *this_update, *next_update;
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    STACK_OF(X509) *signers = sk_X509_new_null();
    CHECK(basic && OCSP_resp_count(basic) == 1 && ASN1_INTEGER_set(serial, 0x2a) == 1);
    sk_X509_push(signers, issuer.x509);
    CHECK(OCSP_basic_verify(basic, signers, NULL, OCSP_NOVERIFY) == 1);
    OCSP_CERTID *id = OCSP_cert_id_new(EVP_sha1(), X509_get_subject_name(issuer.x509),
                                       X509_get0_pubkey_bitstr(issuer.x509), serial);
    CHECK(OCSP_resp_find_status(basic, id, &status, &reason, &revoked, &this_update, &next_update) == 1);
    CHECK(status == statuses[ours->status] && reason == ours->reason);
    CHECK(is_time(this_update, ours->this_update) && is_time(next_update, ours->next_update));
    CHECK(ours->status != OCSP_CERT_REVOKED || is_time(revoked, ours->revoked_at));
    CHECK(ours->end_at == ours->next_update && ours->end_at > NOW && ours->this_update <= NOW + OCSP_SKEW_S);
    OCSP_CERTID_free(id);
    ASN1_INTEGER_free(serial);
    sk_X509_free(signers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ocsp_verdict verdict;
    struct error err = {""};
    if (!key)
        make_issuer();
    uint8_t *room = malloc(size + OCSP_ENVELOPE_MAX + 128);
    CHECK(room);
    size_t len = wrap_signed((struct bytes){data, size}, room, size + OCSP_ENVELOPE_MAX + 128);
    struct ocsp_question question = {.issuer = &issuer, .serial = {1, {0x2a}}, .hash = CERTID_SHA1};
    if (ocsp_verify((struct bytes){room, len}, &question, NOW, &verdict, &err) == 0) {
        const unsigned char *at = room;
        OCSP_RESPONSE *response = d2i_OCSP_RESPONSE(NULL, &at, (long)len);
        CHECK(response && at == room + len);
        OCSP_BASICRESP *basic = OCSP_response_get1_basic(response);
        compare(basic, &verdict);
        OCSP_BASICRESP_free(basic);
        OCSP_RESPONSE_free(response);
    } else {
        CHECK(err.text[0]);
    }
    ERR_clear_error();
    free(room);
    return 0;
}
