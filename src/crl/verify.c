#include "internal.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <string.h>

#define AHEAD_S 300                     /* that a CA's clock may be ahead of ours */
#define WHOLE_MAX (UINT64_C(512) << 20) /* of a TBSCertList that must be in memory at once (Ed25519) */

struct verification {
    EVP_PKEY *key;
    const struct crl_facts *facts;
    EVP_MD_CTX *digest;    /* of everything */
    EVP_MD_CTX *signature; /* of the TBSCertList */
    bool begun;
    bool at_once;        /* the algorithm wants it whole */
    struct buffer whole; /* then it is here */
    struct error unfit;  /* why the signature cannot be checked; empty: it can */
};

/* --- the algorithm -------------------------------------------------------------------------------------- */

static const EVP_MD *algor_digest(const X509_ALGOR *algor)
{
    const ASN1_OBJECT *oid = NULL;
    if (!algor) /* RFC 4055 section 3.1: SHA-1, where it is not said */
        return EVP_sha1();
    X509_ALGOR_get0(&oid, NULL, NULL, algor);
    return EVP_get_digestbyobj(oid);
}

/* The digest that a MGF1 names. */
static const EVP_MD *mask_digest(const X509_ALGOR *mask)
{
    if (!mask)
        return EVP_sha1();
    if (OBJ_obj2nid(mask->algorithm) != NID_mgf1 || !mask->parameter)
        return NULL;
    X509_ALGOR *inner = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(X509_ALGOR), mask->parameter);
    const EVP_MD *digest = inner ? algor_digest(inner) : NULL;
    X509_ALGOR_free(inner);
    return digest;
}

/* RFC 4055 section 3.1. */
static bool begin_pss(EVP_MD_CTX *context, EVP_PKEY *key, const X509_ALGOR *algor)
{
    const ASN1_TYPE *parameter = algor->parameter;
    EVP_PKEY_CTX *options;
    RSA_PSS_PARAMS *pss =
        parameter ? ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), parameter) : NULL;
    if (!pss)
        return false;
    const EVP_MD *digest = algor_digest(pss->hashAlgorithm), *mask = mask_digest(pss->maskGenAlgorithm);
    long salt = pss->saltLength ? ASN1_INTEGER_get(pss->saltLength) : 20;
    bool good = digest && mask && salt >= 0 && salt <= INT16_MAX &&
                (!pss->trailerField || ASN1_INTEGER_get(pss->trailerField) == 1) &&
                EVP_DigestVerifyInit(context, &options, digest, NULL, key) == 1 &&
                EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) > 0 &&
                EVP_PKEY_CTX_set_rsa_mgf1_md(options, mask) > 0 &&
                EVP_PKEY_CTX_set_rsa_pss_saltlen(options, (int)salt) > 0;
    RSA_PSS_PARAMS_free(pss);
    return good;
}

static int begin_algorithm(struct verification *v, const X509_ALGOR *algor)
{
    struct error *unfit = &v->unfit;
    char name[80];
    int digest_nid, key_nid, kind = EVP_PKEY_get_base_id(v->key);
    OBJ_obj2txt(name, sizeof name, algor->algorithm, 0);
    if (OBJ_find_sigid_algs(OBJ_obj2nid(algor->algorithm), &digest_nid, &key_nid) != 1)
        return error_set(unfit, "the CRL's signature algorithm %s is not known", name);
    bool pss = key_nid == EVP_PKEY_RSA_PSS;
    if (kind != key_nid && !(pss && kind == EVP_PKEY_RSA))
        return error_set(unfit, "the CRL's signature algorithm %s does not fit the CA's key", name);
    const EVP_MD *digest = digest_nid == NID_undef ? NULL : EVP_get_digestbynid(digest_nid);
    if (digest_nid != NID_undef && (!digest || EVP_MD_get_size(digest) < 20)) /* less than SHA-1: broken */
        return error_set(unfit, "the CRL's signature algorithm %s is not safe", name);
    v->at_once = !digest && !pss;
    if (!(pss ? begin_pss(v->signature, v->key, algor)
              : EVP_DigestVerifyInit(v->signature, NULL, digest, NULL, v->key) == 1))
        return error_set(unfit, "the CRL's signature algorithm %s cannot be checked with the CA's key", name);
    return 0;
}

static void begin_signature(struct verification *v)
{
    struct bytes sigalg = v->facts->head.sigalg;
    const unsigned char *at = sigalg.at;
    X509_ALGOR *algor = d2i_X509_ALGOR(NULL, &at, (long)sigalg.len);
    if (algor)
        begin_algorithm(v, algor);
    else
        error_set(&v->unfit, "the CRL's signature algorithm is malformed");
    X509_ALGOR_free(algor);
    v->begun = true;
}

/* --- reading ------------------------------------------------------------------------------------------- */

static int digest_piece(void *arg, bool in_tbs, struct bytes piece, struct error *err)
{
    struct verification *v = arg;
    if (EVP_DigestUpdate(v->digest, piece.at, piece.len) != 1)
        return error_set(err, "OpenSSL cannot hash");
    if (!in_tbs)
        return 0;
    if (!v->begun)
        begin_signature(v);
    if (v->unfit.text[0]) /* which is told in its turn */
        return 0;
    if (!v->at_once)
        return EVP_DigestVerifyUpdate(v->signature, piece.at, piece.len) == 1
                   ? 0
                   : error_set(err, "OpenSSL cannot hash");
    if (piece.len > WHOLE_MAX - v->whole.len)
        return error_set(err, "the CRL is too large for its signature algorithm, which needs it in memory");
    return buffer_add(&v->whole, piece.at, piece.len) ? 0 : error_set(err, "out of memory");
}

/* --- the checks ---------------------------------------------------------------------------------------- */

/* Octet for octet as a rule. Other CAs' software may spell the same name otherwise (string types, case), which
 * RFC 5280 section 7.1 calls equal. */
static bool same_name(struct bytes name, const struct certificate *issuer)
{
    if (bytes_equal(name, (struct bytes){issuer->subject.at, issuer->subject.len}))
        return true;
    const unsigned char *at = name.at;
    X509_NAME *theirs = d2i_X509_NAME(NULL, &at, (long)name.len);
    bool same =
        theirs && at == name.at + name.len && X509_NAME_cmp(theirs, X509_get_subject_name(issuer->x509)) == 0;
    X509_NAME_free(theirs);
    return same;
}

static bool same_key_id(const struct crl_facts *facts, const struct certificate *issuer)
{
    struct bytes ours = certificate_key_id(issuer);
    return !facts->has_key_id || ours.len == 0 || bytes_equal(facts->head.key_id, ours);
}

static bool signature_is_good(struct verification *v)
{
    struct bytes signature = v->facts->signature;
    int good = v->at_once
                   ? EVP_DigestVerify(v->signature, signature.at, signature.len, v->whole.at, v->whole.len)
                   : EVP_DigestVerifyFinal(v->signature, signature.at, signature.len);
    return good == 1;
}

static int error_at(struct error *err, const char *what, int64_t at)
{
    char text[TIME_TEXT];
    time_to_text(at, text);
    return error_set(err, "%s %s", what, text);
}

static int check(struct verification *v, const struct certificate *issuer, int64_t now, struct error *err)
{
    const struct crl_head *head = &v->facts->head;
    if (!same_name(head->issuer, issuer))
        return error_set(err, "the CRL is of another issuer: its name is not the CA's subject");
    if (!same_key_id(v->facts, issuer))
        return error_set(err, "the CRL is of another key of the CA: its authorityKeyIdentifier is not the "
                              "CA's subjectKeyIdentifier");
    if (!certificate_may_sign_crls(issuer))
        return error_set(err, "the CA's certificate may not sign CRLs (keyUsage)");
    if (v->unfit.text[0])
        return error_set(err, "%s", v->unfit.text);
    if (!signature_is_good(v))
        return error_set(err, "the CRL's signature was not made with the CA's key, or the CRL was changed");
    if (head->next_update <= head->this_update)
        return error_set(err, "the CRL's nextUpdate is not behind its thisUpdate");
    if (head->this_update > now + AHEAD_S)
        return error_at(err, "the CRL is of the future: its thisUpdate is", head->this_update);
    if (head->next_update < now)
        return error_at(err, "the CRL is out of date: its nextUpdate was", head->next_update);
    return 0;
}

int crl_verify(struct crl_scan *scan, const struct certificate *issuer, int64_t now, crl_each *each,
               void *arg, struct crl_facts *facts, struct error *err)
{
    struct verification v = {.key = certificate_key(issuer),
                             .facts = facts,
                             .digest = EVP_MD_CTX_new(),
                             .signature = EVP_MD_CTX_new()};
    int result = -1;
    if (!v.key || !v.digest || !v.signature || EVP_DigestInit_ex(v.digest, EVP_sha256(), NULL) != 1)
        error_set(err, "OpenSSL cannot use the CA's key");
    else if (crl_scan_tapped(scan, each, arg, digest_piece, &v, facts, err) == 0)
        result = check(&v, issuer, now, err);
    if (result == 0 && EVP_DigestFinal_ex(v.digest, facts->digest, NULL) != 1)
        result = error_set(err, "OpenSSL cannot hash");
    ERR_clear_error();
    EVP_MD_CTX_free(v.digest);
    EVP_MD_CTX_free(v.signature);
    buffer_free(&v.whole);
    return result;
}

/* --- one behind another -------------------------------------------------------------------------------- */

int crl_follows(const struct crl_facts *before, const struct crl_facts *after, struct error *err)
{
    char old[CRL_NUMBER_TEXT], new[CRL_NUMBER_TEXT];
    int order = crl_number_compare(&after->number, &before->number);
    crl_number_to_text(&before->number, old);
    crl_number_to_text(&after->number, new);
    if (after->head.scope != before->head.scope)
        return error_set(err, "the CRL has another scope (onlyContainsUserCerts, onlyContainsCACerts) than "
                              "the one before");
    if (!bytes_equal(after->head.point, before->head.point))
        return error_set(err, "the CRL has another issuingDistributionPoint than the one before");
    if (before->has_number && !after->has_number)
        return error_set(err, "the CRL has no number, and the one before has %s", old);
    if (order < 0)
        return error_set(err, "the CRL's number %s is below %s, the number of the one before", new, old);
    if (after->head.this_update < before->head.this_update)
        return error_at(err, "the CRL's thisUpdate is before that of the one before, which is",
                        before->head.this_update);
    if (after->has_number && before->has_number && order == 0 && after->is_delta == before->is_delta &&
        memcmp(after->digest, before->digest, CRL_DIGEST_LEN) != 0)
        return error_set(err, "the CRL has the number %s of the one before, and other octets", new);
    if (after->is_delta && !before->is_delta && crl_number_compare(&after->base, &before->number) > 0)
        return error_set(err, "the delta CRL goes on from a complete CRL later than %s, the one before", old);
    return 0;
}
