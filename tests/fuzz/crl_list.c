/* What annuld and the stapler read before they trust a CRL of another CA: in any pieces the same facts, and
 * OpenSSL finds the same in it. That none has a good signature is checked on the way. */
#include "source.h"

#include <annul/der.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

struct seen {
    uint64_t count;
    bool removes;
};

static int see(void *arg, const struct crl_entry *entry)
{
    struct seen *seen = arg;
    CHECK(entry->serial.len >= 1 && entry->serial.len <= SERIAL_MAX && entry->serial.octets[0]);
    seen->count++;
    seen->removes |= entry->reason == 8;
    return 0;
}

static void check_number(const struct crl_number *number)
{
    char text[CRL_NUMBER_TEXT];
    CHECK(number->len <= CRL_NUMBER_MAX && (number->len == 0 || number->octets[0]));
    crl_number_to_text(number, text);
    CHECK(strlen(text) < sizeof text);
}

static void compare(struct bytes list, const struct crl_facts *facts)
{
    const unsigned char *at = list.at;
    X509_CRL *theirs = d2i_X509_CRL(NULL, &at, (long)list.len);
    if (theirs) { /* it looks into names and algorithms, too */
        STACK_OF(X509_REVOKED) *entries = X509_CRL_get_REVOKED(theirs);
        CHECK(at == list.at + list.len);
        CHECK((uint64_t)(entries ? sk_X509_REVOKED_num(entries) : 0) == facts->entries);
        CHECK(facts->is_delta == (X509_CRL_get_ext_by_NID(theirs, NID_delta_crl, -1) >= 0));
        CHECK(facts->has_number == (X509_CRL_get_ext_by_NID(theirs, NID_crl_number, -1) >= 0));
        CHECK(X509_CRL_get0_nextUpdate(theirs));
    }
    ERR_clear_error();
    X509_CRL_free(theirs);
}

/* A CA that signed nothing of this. */
static struct certificate *stranger(void)
{
    static struct certificate certificate;
    struct error err;
    if (certificate.x509)
        return &certificate;
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    X509 *x509 = X509_new();
    unsigned char *der = NULL;
    CHECK(key && x509 && X509_set_pubkey(x509, key) == 1 &&
          ASN1_INTEGER_set(X509_get_serialNumber(x509), 1) && ASN1_TIME_set(X509_getm_notBefore(x509), 0) &&
          ASN1_TIME_set(X509_getm_notAfter(x509), 1) && X509_sign(x509, key, EVP_sha256()) > 0);
    int len = i2d_X509(x509, &der);
    CHECK(len > 0 && certificate_from_der((struct bytes){der, (size_t)len}, &certificate, &err) == 0);
    OPENSSL_free(der);
    X509_free(x509);
    EVP_PKEY_free(key);
    return &certificate;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct source source;
    static struct crl_scan *scan;
    struct bytes list = {data, size};
    struct crl_facts facts;
    struct error err;
    int result[chunk_count];
    if (!scan)
        CHECK(scan = crl_scan_new(source_read, &source));
    source = (struct source){list, 65536};
    CHECK(crl_verify(scan, stranger(), 0, NULL, NULL, &facts, &err) < 0);
    for (int i = 0; i < chunk_count; i++) {
        struct seen seen = {0};
        source = (struct source){list, chunks[i]};
        result[i] = crl_scan_list(scan, see, &seen, &facts, &err);
        CHECK(result[i] == result[0]);
        CHECK(result[i] < 0 ||
              (facts.len == size && facts.entries == seen.count && (facts.is_delta || !seen.removes)));
    }
    if (result[0] == 0) {
        check_number(&facts.number);
        check_number(&facts.base);
        CHECK(facts.head.point.len <= CRL_URI_MAX && facts.head.freshest.len <= CRL_URI_MAX);
        compare(list, &facts);
    }
    return 0;
}
