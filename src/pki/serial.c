#include <annul/serial.h>
#include <annul/der.h>
#include <annul/hex.h>

#include <string.h>
#include <strings.h>

bool serial_from_octets(struct bytes octets, struct serial *serial)
{
    if (octets.len == 0)
        return false;
    while (octets.len > 1 && octets.at[0] == 0) {
        octets.at++;
        octets.len--;
    }
    if (octets.len > SERIAL_MAX)
        return false;
    serial->len = (uint8_t)octets.len;
    memcpy(serial->octets, octets.at, octets.len);
    return true;
}

bool serial_from_integer(struct bytes content, struct serial *serial)
{
    bool padded = content.len > 1 && content.at[0] == 0 && !(content.at[1] & 0x80); /* X.690 section 8.3.2 */
    return content.len > 0 && !(content.at[0] & 0x80) && !padded && serial_from_octets(content, serial);
}

static bool serial_from_decimal(const char *text, struct serial *serial)
{
    uint8_t number[SERIAL_MAX] = {0};
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        unsigned carry = (unsigned)(*text - '0');
        for (int i = SERIAL_MAX - 1; i >= 0; i--) {
            carry += number[i] * 10u;
            number[i] = (uint8_t)carry;
            carry >>= 8;
        }
        if (carry)
            return false;
    }
    return serial_from_octets((struct bytes){number, sizeof number}, serial);
}

bool serial_from_text(const char *text, struct serial *serial)
{
    uint8_t number[SERIAL_MAX] = {0};
    size_t digits = 0;
    if (strncasecmp(text, "dec:", 4) == 0)
        return serial_from_decimal(text + 4, serial);
    if (strncasecmp(text, "0x", 2) == 0)
        text += 2;
    for (; *text; text++) {
        if ((*text == ':' || *text == ' ') && digits)
            continue;
        int digit = hex_digit(*text);
        if (digit < 0 || number[0] >> 4) /* not hex, or the shift below would lose a digit */
            return false;
        for (size_t i = 0; i < SERIAL_MAX; i++)
            number[i] = (uint8_t)(number[i] << 4 | (i + 1 < SERIAL_MAX ? number[i + 1] >> 4 : digit));
        digits++;
    }
    return digits && serial_from_octets((struct bytes){number, sizeof number}, serial);
}

int serial_compare(const struct serial *a, const struct serial *b)
{
    return a->len != b->len ? (a->len > b->len) - (a->len < b->len) : memcmp(a->octets, b->octets, a->len);
}

void serial_to_text(const struct serial *serial, char out[SERIAL_TEXT])
{
    hex_encode(serial->octets, serial->len, out);
}

size_t serial_to_der(struct bytes octets, uint8_t out[SERIAL_MAX + 3])
{
    size_t sign = octets.at[0] >> 7;
    out[0] = DER_INTEGER;
    out[1] = (uint8_t)(octets.len + sign);
    out[2] = 0;
    memcpy(out + 2 + sign, octets.at, octets.len);
    return 2 + sign + octets.len;
}

struct bytes serial_bytes(const struct serial *serial)
{
    return (struct bytes){serial->octets, serial->len};
}
