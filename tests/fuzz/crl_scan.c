/* What annul-signer reads before it signs a CRL: in any pieces the same facts, and OpenSSL reads the same in
 * it. */
#include "fuzz.h"

#include <annul/crl.h>
#include <annul/der.h>

#include <openssl/err.h>
#include <openssl/x509.h>

struct source {
    struct bytes rest;
    size_t chunk;
};

static long source_read(void *arg, uint8_t *into, size_t room, struct error *err)
{
    (void)err;
    struct source *source = arg;
    size_t n = source->rest.len < room ? source->rest.len : room;
    n = n < source->chunk ? n : source->chunk;
    if (n)
        memcpy(into, source->rest.at, n);
    source->rest.at += n;
    source->rest.len -= n;
    return (long)n;
}

struct last {
    uint64_t count;
    struct serial serial;
};

static int see(void *arg, const struct crl_entry *entry)
{
    struct last *last = arg;
    CHECK(last->count++ == 0 || serial_compare(&last->serial, &entry->serial) < 0);
    last->serial = entry->serial;
    return 0;
}

/* A signature around it, of no meaning, so that OpenSSL reads it as a CRL. */
static void compare(struct bytes tbs, const struct crl_facts *facts)
{
    struct buffer crl = {0}, behind = {0};
    CHECK(crl_envelope(&crl, &behind, tbs.len, facts->head.sigalg, (struct bytes){(const uint8_t *)"x", 1}));
    CHECK(buffer_add(&crl, tbs.at, tbs.len) && buffer_add(&crl, behind.at, behind.len));
    const unsigned char *at = crl.at;
    X509_CRL *theirs = d2i_X509_CRL(NULL, &at, (long)crl.len);
    if (theirs) { /* it looks into names and algorithms, which we compare octet for octet with our own */
        STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(theirs);
        CHECK(at == crl.at + crl.len);
        CHECK((uint64_t)(list ? sk_X509_REVOKED_num(list) : 0) == facts->entries);
    }
    ERR_clear_error();
    X509_CRL_free(theirs);
    buffer_free(&crl);
    buffer_free(&behind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t chunks[] = {1, 7, 65536};
    static struct source source;
    static struct crl_scan *scan;
    struct bytes tbs = {data, size};
    struct crl_facts facts;
    struct error err;
    int result[3];
    if (!scan)
        CHECK(scan = crl_scan_new(source_read, &source));
    for (int i = 0; i < 3; i++) {
        struct last last = {0};
        source = (struct source){tbs, chunks[i]};
        result[i] = crl_scan_tbs(scan, see, &last, &facts, &err);
        CHECK(result[i] == result[0]);
        CHECK(result[i] < 0 || (facts.len == size && facts.entries == last.count));
    }
    if (result[0] == 0)
        compare(tbs, &facts);
    return 0;
}
