/* PEM or DER of a CRL: in any pieces the same octets, and what OpenSSL decodes out of a PEM that we take. */
#include "source.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>

static int read_all(struct bytes text, size_t chunk, struct buffer *der)
{
    struct source source = {text, chunk};
    struct error err;
    struct crl_text *reader = crl_text_new(source_read, &source);
    long n;
    CHECK(reader);
    do {
        CHECK(buffer_reserve(der, chunk + 1));
        n = crl_text_read(reader, der->at + der->len, chunk, &err);
        CHECK(n <= (long)chunk);
        der->len += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    crl_text_free(reader);
    return (int)n;
}

/* OpenSSL is stricter about the form of lines, so it may refuse; what it takes is the same. */
static void compare(struct bytes text, struct bytes der)
{
    BIO *bio = BIO_new_mem_buf(text.at, (int)text.len);
    char *name = NULL, *header = NULL;
    unsigned char *data = NULL;
    long len;
    CHECK(bio);
    if (PEM_read_bio(bio, &name, &header, &data, &len) == 1 && strcmp(name, PEM_STRING_X509_CRL) == 0)
        CHECK(bytes_equal(der, (struct bytes){data, (size_t)len}));
    ERR_clear_error();
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    BIO_free(bio);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes text = {data, size};
    struct buffer der[chunk_count] = {{0}};
    int result[chunk_count];
    for (int i = 0; i < chunk_count; i++) {
        result[i] = read_all(text, chunks[i], &der[i]);
        CHECK(result[i] == result[0]);
        CHECK(result[i] < 0 ||
              bytes_equal((struct bytes){der[i].at, der[i].len}, (struct bytes){der[0].at, der[0].len}));
    }
    if (result[0] == 0) {
        if (size && data[0] == 0x30)
            CHECK(bytes_equal(text, (struct bytes){der[0].at, der[0].len}));
        else
            compare(text, (struct bytes){der[0].at, der[0].len});
    }
    for (int i = 0; i < chunk_count; i++)
        buffer_free(&der[i]);
    return 0;
}
