/* Where an OCSP response is believed or not. */
#include "internal.h"

#include <annul/ocsp_verify.h>

#include <openssl/asn1t.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#define CERTIFICATES_MAX 16 /* that may go along with a response */

static const uint8_t oid_basic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
/* id-pkix-ocsp: its extensions tell more, and none of them takes anything back. */
static const uint8_t arc_ocsp[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01};

/* --- the question -------------------------------------------------------------------------------------- */

static bool hash_issuer(const struct ocsp_question *question, enum certid_hash hash,
                        uint8_t name[CERTID_HASH_MAX], uint8_t key[CERTID_HASH_MAX])
{
    const struct certificate *issuer = question->issuer;
    return certid_digest(hash, (struct bytes){issuer->subject.at, issuer->subject.len}, name) &&
           certid_digest(hash, (struct bytes){issuer->key_bits.at, issuer->key_bits.len}, key);
}

size_t ocsp_question_put(const struct ocsp_question *question, uint8_t out[OCSP_QUESTION_MAX])
{
    uint8_t name[CERTID_HASH_MAX], key[CERTID_HASH_MAX];
    size_t len = certid_hash_len(question->hash);
    struct der_writer w;
    if (!hash_issuer(question, question->hash, name, key))
        return 0;
    der_writer_init(&w, out, OCSP_QUESTION_MAX);
    certid_put(&w, question->hash, (struct bytes){name, len}, (struct bytes){key, len}, &question->serial);
    for (int wraps = 0; wraps < 4; wraps++) /* Request, requestList, TBSRequest, OCSPRequest */
        der_wrap(&w, DER_SEQUENCE, 0);
    len = der_mark(&w);
    memmove(out, w.at, len);
    return len;
}

/* --- the answer, taken apart --------------------------------------------------------------------------- */

struct answer {
    struct bytes tbs; /* ResponseData, TLV: what is signed */
    struct bytes responder_id, sigalg, signature, certificates;
    size_t singles;
    struct certid id; /* of the first SingleResponse, as the rest below */
    struct ocsp_single single;
    int64_t produced_at, this_update, next_update; /* or TIME_NONE */
    bool strange;                                  /* an unknown critical extension */
};

static bool take_extensions(struct bytes *in, struct answer *answer)
{
    struct bytes explicit, list;
    struct ocsp_extension extension;
    if (in->len == 0)
        return true;
    if (!der_take(in, DER_CONTEXT_CONSTRUCTED(1), &explicit) || !der_take(&explicit, DER_SEQUENCE, &list) ||
        explicit.len)
        return false;
    while (list.len) {
        if (!ocsp_take_extension(&list, &extension))
            return false;
        bool known =
            extension.oid.len > sizeof arc_ocsp && memcmp(extension.oid.at, arc_ocsp, sizeof arc_ocsp) == 0;
        answer->strange |= extension.critical && !known;
    }
    return true;
}

static bool take_single(struct bytes *in, struct answer *answer)
{
    struct bytes content, explicit;
    answer->next_update = TIME_NONE;
    if (!der_take(in, DER_SEQUENCE, &content) || !certid_take(&content, &answer->id) ||
        !ocsp_take_status(&content, &answer->single) || !ocsp_take_time(&content, &answer->this_update))
        return false;
    if (der_peek(content) == DER_CONTEXT_CONSTRUCTED(0) &&
        (!der_take(&content, DER_CONTEXT_CONSTRUCTED(0), &explicit) ||
         !ocsp_take_time(&explicit, &answer->next_update) || explicit.len))
        return false;
    return take_extensions(&content, answer) && content.len == 0;
}

static bool take_data(struct bytes tbs, struct answer *answer)
{
    struct bytes content, version, number, list;
    if (!der_take(&tbs, DER_SEQUENCE, &content) ||
        (der_peek(content) == DER_CONTEXT_CONSTRUCTED(0) && /* v1 said aloud: not DER, but seen */
         (!der_take(&content, DER_CONTEXT_CONSTRUCTED(0), &version) ||
          !der_take(&version, DER_INTEGER, &number) || version.len || number.len != 1 || number.at[0])) ||
        !(der_take_whole(&content, DER_CONTEXT_CONSTRUCTED(1), &answer->responder_id) ||
          der_take_whole(&content, DER_CONTEXT_CONSTRUCTED(2), &answer->responder_id)) ||
        !ocsp_take_time(&content, &answer->produced_at) || !der_take(&content, DER_SEQUENCE, &list))
        return false;
    for (; list.len; answer->singles++) {
        struct bytes other;
        if (!(answer->singles ? der_take(&list, DER_SEQUENCE, &other) : take_single(&list, answer)))
            return false;
    }
    return take_extensions(&content, answer) && content.len == 0;
}

static bool take_basic(struct bytes basic, struct answer *answer)
{
    struct bytes content, bits, explicit;
    if (!der_take(&basic, DER_SEQUENCE, &content) || basic.len ||
        !der_take_whole(&content, DER_SEQUENCE, &answer->tbs) ||
        !der_take_whole(&content, DER_SEQUENCE, &answer->sigalg) ||
        !der_take(&content, DER_BIT_STRING, &bits) || bits.len < 2 || bits.at[0])
        return false;
    answer->signature = (struct bytes){bits.at + 1, bits.len - 1};
    if (content.len && (!der_take(&content, DER_CONTEXT_CONSTRUCTED(0), &explicit) ||
                        !der_take(&explicit, DER_SEQUENCE, &answer->certificates) || explicit.len))
        return false;
    return content.len == 0 && take_data(answer->tbs, answer);
}

/* The status comes first: an error has nothing behind it (RFC 6960 section 4.2.1). */
static bool take_response(struct bytes der, enum ocsp_status *status, struct bytes *bytes)
{
    struct bytes outer, value;
    if (!der_take(&der, DER_SEQUENCE, &outer) || der.len || !der_take(&outer, DER_ENUMERATED, &value) ||
        value.len != 1 || value.at[0] >= OCSP_STATUSES || value.at[0] == 4)
        return false;
    *status = (enum ocsp_status)value.at[0];
    *bytes = outer;
    return *status == OCSP_SUCCESSFUL || outer.len == 0;
}

static bool take_basic_bytes(struct bytes rest, struct bytes *basic)
{
    struct bytes explicit, content, oid;
    return der_take(&rest, DER_CONTEXT_CONSTRUCTED(0), &explicit) && rest.len == 0 &&
           der_take(&explicit, DER_SEQUENCE, &content) && explicit.len == 0 &&
           der_take(&content, DER_OID, &oid) &&
           bytes_equal(oid, (struct bytes){oid_basic, sizeof oid_basic}) &&
           der_take(&content, DER_OCTET_STRING, basic) && content.len == 0;
}

/* --- who signed it ------------------------------------------------------------------------------------- */

static bool is_named(struct bytes responder_id, const struct certificate *certificate)
{
    struct buffer id = {0};
    struct bytes name = {certificate->subject.at, certificate->subject.len},
                 key = {certificate->key_bits.at, certificate->key_bits.len};
    bool made = der_peek(responder_id) == DER_CONTEXT_CONSTRUCTED(1) ? ocsp_responder_by_name(&id, name)
                                                                     : ocsp_responder_by_key(&id, key);
    bool same = made && bytes_equal((struct bytes){id.at, id.len}, responder_id);
    buffer_free(&id);
    return same;
}

/* RSA-PSS has one OID for all digests: which it is, is in its parameters (RFC 4055 section 3.1). */
static int digest_of_pss(const X509_ALGOR *algorithm)
{
    const ASN1_TYPE *parameter = algorithm->parameter;
    RSA_PSS_PARAMS *pss =
        parameter ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), parameter) : NULL;
    int digest = NID_undef;
    if (pss && pss->hashAlgorithm)
        digest = OBJ_obj2nid(pss->hashAlgorithm->algorithm);
    else if (pss)
        digest = NID_sha1;
    RSA_PSS_PARAMS_free(pss);
    return digest;
}

/* Collisions of SHA-1 and MD5 can be made: whoever has a hash of theirs signed has signed something else as well. What is
 * not known here is not believed either. */
static bool is_safe(const X509_ALGOR *algorithm)
{
    int digest, key;
    if (OBJ_find_sigid_algs(OBJ_obj2nid(algorithm->algorithm), &digest, &key) != 1)
        return false;
    if (key == EVP_PKEY_RSA_PSS)
        digest = digest_of_pss(algorithm);
    switch (digest) {
    case NID_sha224:
    case NID_sha256:
    case NID_sha384:
    case NID_sha512:
    case NID_sha3_224:
    case NID_sha3_256:
    case NID_sha3_384:
    case NID_sha3_512:
        return true;
    default: /* those hash by themselves */
        return key == EVP_PKEY_ED25519 || key == EVP_PKEY_ED448;
    }
}

static int check_delegate(const struct certificate *delegate, const struct certificate *issuer, int64_t now,
                          struct error *err)
{
    const X509_ALGOR *algorithm;
    if (certificate_issued_by(delegate, issuer) != 1)
        return error_set(err,
                         "its signer's certificate was not issued by the CA that issued the certificate");
    X509_get0_signature(NULL, &algorithm, delegate->x509);
    if (!is_safe(algorithm))
        return error_set(err, "its signer's certificate is not signed with SHA-2 or better");
    if (!certificate_is_ocsp_delegate(delegate))
        return error_set(err, "its signer's certificate has no id-kp-OCSPSigning");
    if (!certificate_may_sign_ocsp(delegate))
        return error_set(err, "its signer's keyUsage does not allow signatures");
    if (now < delegate->not_before - OCSP_SKEW_S)
        return error_set(err, "its signer's certificate is not valid yet");
    if (now >= delegate->not_after)
        return error_set(err, "its signer's certificate has expired");
    return 0;
}

/* The octets as they came are what is verified: ASN1_TYPE keeps them, where OpenSSL's OCSP structures would be encoded
 * anew. */
static int check_signature(const struct answer *answer, const struct certificate *signer, struct error *err)
{
    const unsigned char *at = answer->sigalg.at, *tbs = answer->tbs.at;
    X509_ALGOR *algorithm = d2i_X509_ALGOR(NULL, &at, (long)answer->sigalg.len);
    ASN1_TYPE *data = d2i_ASN1_TYPE(NULL, &tbs, (long)answer->tbs.len);
    ASN1_BIT_STRING *signature = ASN1_BIT_STRING_new();
    EVP_PKEY *key = certificate_key(signer);
    int result = -1;
    if (!algorithm || !data || !signature || !key ||
        ASN1_STRING_set(signature, answer->signature.at, (int)answer->signature.len) != 1)
        error_set(err, "its signature algorithm or its signer's key cannot be read");
    else if (!is_safe(algorithm))
        error_set(err, "it is not signed with SHA-2 or better");
    else if (ASN1_item_verify(ASN1_ITEM_rptr(ASN1_ANY), algorithm, signature, data, key) != 1)
        error_set(err, "its signature is wrong");
    else
        result = 0;
    ERR_clear_error();
    X509_ALGOR_free(algorithm);
    ASN1_TYPE_free(data);
    ASN1_BIT_STRING_free(signature);
    return result;
}

/* Believed if one of the certificates within that the ResponderID names is the signer's: a CA may give its delegates one
 * name, or one key. The reason is that of the first. */
static int check_delegates(const struct answer *answer, const struct certificate *issuer, int64_t now,
                           int64_t *end_at, struct error *err)
{
    struct bytes rest = answer->certificates, whole;
    struct certificate delegate;
    struct error why;
    bool named = false;
    int result = -1;
    error_set(err, "its signer is neither the CA nor within the response");
    for (size_t i = 0; result < 0 && rest.len; i++) {
        if (i == CERTIFICATES_MAX)
            return error_set(err, "more than %d certificates go along with the response", CERTIFICATES_MAX);
        if (!der_take_whole(&rest, DER_SEQUENCE, &whole) || certificate_from_der(whole, &delegate, &why) < 0)
            return error_set(err, "certificate %zu of the response is not one", i + 1);
        if (is_named(answer->responder_id, &delegate)) {
            result = check_delegate(&delegate, issuer, now, &why);
            if (result == 0)
                result = check_signature(answer, &delegate, &why);
            if (!named)
                *err = why;
            named = true;
            *end_at = delegate.not_after;
        }
        certificate_free(&delegate);
    }
    return result;
}

static int check_signer(const struct answer *answer, const struct certificate *issuer, int64_t now,
                        int64_t *end_at, struct error *err)
{
    return is_named(answer->responder_id, issuer) ? check_signature(answer, issuer, err)
                                                  : check_delegates(answer, issuer, now, end_at, err);
}

/* --- what it says -------------------------------------------------------------------------------------- */

static int check_certid(const struct certid *id, const struct ocsp_question *question, struct error *err)
{
    uint8_t name[CERTID_HASH_MAX], key[CERTID_HASH_MAX];
    if (id->hash != question->hash)
        return error_set(err, "its CertID has another hash than was asked for");
    if (!hash_issuer(question, id->hash, name, key))
        return error_set(err, "out of memory");
    if (!bytes_equal(id->name_hash, (struct bytes){name, certid_hash_len(id->hash)}) ||
        !bytes_equal(id->key_hash, (struct bytes){key, certid_hash_len(id->hash)}))
        return error_set(err, "it is about a certificate of another CA");
    if (serial_compare(&id->serial, &question->serial) != 0)
        return error_set(err, "it is about another serial number");
    return 0;
}

static int check_window(const struct answer *answer, int64_t now, struct error *err)
{
    char text[TIME_TEXT];
    if (answer->this_update > now + OCSP_SKEW_S) {
        time_to_text(answer->this_update, text);
        return error_set(err, "thisUpdate %s is in the future: is a clock wrong?", text);
    }
    if (answer->next_update == TIME_NONE)
        return error_set(err, "it has no nextUpdate (RFC 5019 section 2.2.4 wants one)");
    if (answer->next_update <= answer->this_update)
        return error_set(err, "nextUpdate is not after thisUpdate");
    if (answer->next_update <= now) {
        time_to_text(answer->next_update, text);
        return error_set(err, "it expired at %s", text);
    }
    return 0;
}

int ocsp_verify(struct bytes der, const struct ocsp_question *question, int64_t now,
                struct ocsp_verdict *verdict, struct error *err)
{
    struct answer answer = {0};
    struct bytes rest, basic;
    int64_t signer_end_at = INT64_MAX;
    *verdict = (struct ocsp_verdict){.reason = -1};
    if (!take_response(der, &verdict->response, &rest))
        return error_set(err, "not an OCSP response");
    if (verdict->response != OCSP_SUCCESSFUL)
        return error_set(err, "the responder says %s", ocsp_status_name(verdict->response));
    if (!take_basic_bytes(rest, &basic))
        return error_set(err, "the response is not a basic one (RFC 6960 section 4.2.1)");
    if (!take_basic(basic, &answer))
        return error_set(err, "the response is malformed");
    if (answer.singles != 1)
        return error_set(err, "it has %zu SingleResponses where one was asked for", answer.singles);
    if (answer.strange)
        return error_set(err, "it has an unknown critical extension");
    if (check_signer(&answer, question->issuer, now, &signer_end_at, err) < 0 ||
        check_certid(&answer.id, question, err) < 0 || check_window(&answer, now, err) < 0)
        return -1;
    verdict->status = answer.single.status;
    verdict->revoked_at = answer.single.revoked_at;
    verdict->reason = answer.single.reason;
    verdict->produced_at = answer.produced_at;
    verdict->this_update = answer.this_update;
    verdict->next_update = answer.next_update;
    verdict->end_at = signer_end_at < answer.next_update ? signer_end_at : answer.next_update;
    return 0;
}
