/* OCSP requests, against OpenSSL: what we take OpenSSL takes, and reads the same serials and hashes in it. */
#include "fuzz.h"

#include <annul/ocsp.h>

#include <openssl/err.h>
#include <openssl/ocsp.h>

static bool same(struct bytes ours, const ASN1_STRING *theirs)
{
    return bytes_equal(ours,
                       (struct bytes){ASN1_STRING_get0_data(theirs), (size_t)ASN1_STRING_length(theirs)});
}

static void compare(const struct ocsp_request *ours, OCSP_REQUEST *theirs)
{
    CHECK((int)ours->count == OCSP_request_onereq_count(theirs));
    CHECK(ours->is_signed == (OCSP_request_is_signed(theirs) != 0));
    for (int i = 0; i < (int)ours->count; i++) {
        ASN1_OCTET_STRING *name, *key;
        ASN1_OBJECT *algorithm;
        ASN1_INTEGER *serial;
        const struct certid *our = &ours->certs[i];
        CHECK(OCSP_id_get0_info(&name, &algorithm, &key, &serial,
                                OCSP_onereq_get0_id(OCSP_request_onereq_get0(theirs, i))));
        CHECK(same(our->name_hash, name) && same(our->key_hash, key));
        CHECK(ASN1_STRING_type(serial) == V_ASN1_INTEGER && same(serial_bytes(&our->serial), serial));
        static const int nids[] = {NID_sha1, NID_sha256, NID_sha384, NID_sha512};
        for (int hash = 0; hash < CERTID_HASHES; hash++)
            CHECK((OBJ_obj2nid(algorithm) == nids[hash]) == (our->hash == (enum certid_hash)hash));
    }
}

static void compare_nonce(const struct ocsp_request *ours, OCSP_REQUEST *theirs)
{
    int at = OCSP_REQUEST_get_ext_by_NID(theirs, NID_id_pkix_OCSP_Nonce, -1);
    CHECK((at >= 0) == (ours->nonce.len > 0));
    if (at >= 0)
        CHECK(same(ours->nonce, X509_EXTENSION_get_data(OCSP_REQUEST_get_ext(theirs, at))));
}

/* What we pass over without looking inside, so that OpenSSL may find fault with it: names, signatures,
 * unknown algorithms' parameters, the OIDs of extensions. */
static bool has_passed_over(struct bytes der, const struct ocsp_request *ours)
{
    struct bytes outer, tbs, skipped, list, one;
    bool found = ours->is_signed;
    for (size_t i = 0; i < ours->count; i++)
        found |= ours->certs[i].hash == CERTID_OTHER;
    CHECK(der_take(&der, DER_SEQUENCE, &outer) && der_take(&outer, DER_SEQUENCE, &tbs));
    der_take(&tbs, DER_CONTEXT_CONSTRUCTED(0), &skipped);
    found |= der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(1);
    der_take(&tbs, DER_CONTEXT_CONSTRUCTED(1), &skipped);
    CHECK(der_take(&tbs, DER_SEQUENCE, &list));
    found |= tbs.len != 0;
    while (der_take(&list, DER_SEQUENCE, &one))
        found |= der_take(&one, DER_SEQUENCE, &skipped) && one.len != 0;
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ocsp_request ours;
    struct bytes der = {data, size};
    struct error err;
    const unsigned char *at = data;
    if (ocsp_request_parse(der, &ours, &err) != OCSP_SUCCESSFUL)
        return 0;
    OCSP_REQUEST *theirs = d2i_OCSP_REQUEST(NULL, &at, (long)size);
    if (theirs) {
        CHECK(at == data + size);
        compare(&ours, theirs);
        compare_nonce(&ours, theirs);
    } else {
        CHECK(has_passed_over(der, &ours));
        ERR_clear_error();
    }
    OCSP_REQUEST_free(theirs);
    return 0;
}
