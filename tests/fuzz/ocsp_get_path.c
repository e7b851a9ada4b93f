/* The path of an OCSP GET: percent signs, then base64, as http/ does it. */
#include "fuzz.h"

#include <annul/base64.h>

#include <openssl/evp.h>

/* OpenSSL's decoder knows no missing padding and counts pads as octets: give it whole groups. */
static void compare(const char *text, size_t len, const uint8_t *ours, long ours_len)
{
    size_t pads = len % 4 ? 4 - len % 4 : 0;
    char *padded = malloc(len + 4);
    unsigned char *theirs = malloc(len + 4);
    CHECK(padded && theirs);
    memcpy(padded, text, len);
    memset(padded + len, '=', pads);
    int n = EVP_DecodeBlock(theirs, (unsigned char *)padded, (int)(len + pads));
    CHECK(n >= ours_len && n <= ours_len + 2);
    CHECK(memcmp(theirs, ours, (size_t)ours_len) == 0);
    free(theirs);
    free(padded);
}

static void check_round_trip(const uint8_t *octets, size_t len)
{
    char *text = malloc(BASE64_ENCODED_LEN(len) + 1);
    uint8_t *back = malloc(BASE64_ENCODED_LEN(len) / 4 * 3 + 3);
    CHECK(text && back);
    size_t n = base64_encode(octets, len, text);
    CHECK(n == BASE64_ENCODED_LEN(len));
    CHECK(base64_decode(text, n, back) == (long)len && memcmp(back, octets, len) == 0);
    free(back);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size ? size : 1);
    CHECK(text);
    if (size)
        memcpy(text, data, size);
    long len = percent_decode(text, size);
    CHECK(len <= (long)size);
    if (len >= 0) {
        uint8_t *out = malloc((size_t)len / 4 * 3 + 3); /* the room that the header asks for */
        CHECK(out);
        long octets = base64_decode(text, (size_t)len, out);
        if (octets > 0)
            compare(text, (size_t)len, out, octets);
        if (octets >= 0)
            check_round_trip(out, (size_t)octets);
        free(out);
    }
    free(text);
    return 0;
}
