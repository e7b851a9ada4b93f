/* Serial numbers as people write them, against OpenSSL's BIGNUM. */
#include "fuzz.h"

#include <annul/serial.h>

#include <openssl/bn.h>
#include <strings.h>

static void compare_decimal(const char *text, const struct serial *serial)
{
    BIGNUM *theirs = NULL, *ours = BN_bin2bn(serial->octets, serial->len, NULL);
    CHECK(strncasecmp(text, "dec:", 4) != 0 ||
          (BN_dec2bn(&theirs, text + 4) > 0 && BN_cmp(theirs, ours) == 0));
    BN_free(theirs);
    BN_free(ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct serial serial, again;
    char canonical[SERIAL_TEXT];
    uint8_t der[SERIAL_MAX + 3];
    char *text = size < 10000 ? fuzz_text(data, size) : NULL;
    if (text && serial_from_text(text, &serial)) {
        CHECK(serial.len >= 1 && serial.len <= SERIAL_MAX && (serial.len == 1 || serial.octets[0] != 0));
        serial_to_text(&serial, canonical);
        CHECK(serial_from_text(canonical, &again) && serial_compare(&serial, &again) == 0);
        size_t len = serial_to_der(serial_bytes(&serial), der);
        CHECK(serial_from_integer((struct bytes){der + 2, len - 2}, &again));
        CHECK(serial_compare(&serial, &again) == 0);
        compare_decimal(text, &serial);
    }
    free(text);
    return 0;
}
