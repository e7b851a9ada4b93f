/* What annul-signer reads before it signs a CRL: in any pieces the same facts, and OpenSSL reads the same in
 * it. */
#include "source.h"

#include <annul/der.h>

#include <openssl/err.h>
#include <openssl/x509.h>

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

/* We write what we read: the same head around no entries at all is read again. */
static void check_head(struct crl_scan *scan, struct source *source, const struct crl_head *head)
{
    struct buffer suffix = {0}, tbs = {0};
    struct crl_facts again;
    struct error err;
    if (head->key_id.len < 128) { /* longer ones do not fit */
        CHECK(crl_suffix(&suffix, head) && crl_prefix(&tbs, head, 0, suffix.len));
        CHECK(buffer_add(&tbs, suffix.at, suffix.len));
        *source = (struct source){{tbs.at, tbs.len}, 65536};
        CHECK(crl_scan_tbs(scan, NULL, NULL, &again, &err) == 0);
        CHECK(again.head.number == head->number && again.head.base == head->base);
        CHECK(again.head.scope == head->scope && again.head.expired_since == head->expired_since);
    }
    buffer_free(&suffix);
    buffer_free(&tbs);
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
    static struct source source;
    static struct crl_scan *scan;
    struct bytes tbs = {data, size};
    struct crl_facts facts;
    struct error err;
    int result[chunk_count];
    if (!scan)
        CHECK(scan = crl_scan_new(source_read, &source));
    for (int i = 0; i < chunk_count; i++) {
        struct last last = {0};
        source = (struct source){tbs, chunks[i]};
        result[i] = crl_scan_tbs(scan, see, &last, &facts, &err);
        CHECK(result[i] == result[0]);
        CHECK(result[i] < 0 || (facts.len == size && facts.entries == last.count));
    }
    if (result[0] == 0) {
        compare(tbs, &facts);
        check_head(scan, &source, &facts.head); /* the last: `facts` points into the scanner */
    }
    return 0;
}
