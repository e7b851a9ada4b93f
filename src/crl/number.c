#include <annul/crl.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

int crl_number_compare(const struct crl_number *a, const struct crl_number *b)
{
    return a->len != b->len ? (a->len > b->len) - (a->len < b->len) : memcmp(a->octets, b->octets, a->len);
}

void crl_number_to_text(const struct crl_number *number, char out[CRL_NUMBER_TEXT])
{
    if (number->len > 8 || (number->len == 8 && number->octets[0] & 0x80)) {
        memcpy(out, "0x", 2);
        for (int i = 0; i < number->len; i++)
            snprintf(out + 2 + 2 * i, 3, "%02X", number->octets[i]);
        return;
    }
    uint64_t value = 0;
    for (int i = 0; i < number->len; i++)
        value = value << 8 | number->octets[i];
    snprintf(out, CRL_NUMBER_TEXT, "%" PRIu64, value);
}
