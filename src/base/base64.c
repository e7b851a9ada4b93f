#include <annul/base64.h>
#include <annul/hex.h>

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const uint8_t *data, size_t len, char *out)
{
    char *start = out;
    for (; len >= 3; data += 3, len -= 3) {
        uint32_t group = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = alphabet[group >> 6 & 63];
        *out++ = alphabet[group & 63];
    }
    if (len) {
        uint32_t group = (uint32_t)data[0] << 16 | (len == 2 ? (uint32_t)data[1] << 8 : 0);
        *out++ = alphabet[group >> 18];
        *out++ = alphabet[group >> 12 & 63];
        *out++ = len == 2 ? alphabet[group >> 6 & 63] : '=';
        *out++ = '=';
    }
    return (size_t)(out - start);
}

/* The value of each letter, plus one; 0: not in the alphabet. */
static const uint8_t values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

static int value_of(char letter)
{
    return values[(uint8_t)letter] - 1;
}

long base64_decode(const char *text, size_t len, uint8_t *out)
{
    size_t pads = 0;
    while (pads < 2 && len > 0 && text[len - 1] == '=') {
        len--;
        pads++;
    }
    size_t tail = len % 4;
    if (tail == 1 || (pads && (tail + pads) != 4))
        return -1;
    uint8_t *start = out;
    for (; len >= 4; text += 4, len -= 4) {
        int a = value_of(text[0]), b = value_of(text[1]), c = value_of(text[2]), d = value_of(text[3]);
        if ((a | b | c | d) < 0)
            return -1;
        *out++ = (uint8_t)(a << 2 | b >> 4);
        *out++ = (uint8_t)(b << 4 | c >> 2);
        *out++ = (uint8_t)(c << 6 | d);
    }
    if (tail == 0)
        return out - start;
    int a = value_of(text[0]), b = value_of(text[1]), c = tail == 3 ? value_of(text[2]) : 0;
    if ((a | b | c) < 0 || (tail == 2 ? b & 15 : c & 3)) /* bits left over are zero (RFC 4648 section 3.5) */
        return -1;
    *out++ = (uint8_t)(a << 2 | b >> 4);
    if (tail == 3)
        *out++ = (uint8_t)(b << 4 | c >> 2);
    return out - start;
}

#define LINE 48 /* octets in 64 characters */

bool pem_add(struct buffer *pem, const char *label, struct bytes der)
{
    size_t lines = (der.len + LINE - 1) / LINE;
    if (!buffer_printf(pem, "-----BEGIN %s-----\n", label) ||
        !buffer_reserve(pem, BASE64_ENCODED_LEN(der.len) + lines))
        return false;
    for (size_t at = 0; at < der.len; at += LINE) {
        size_t part = der.len - at < LINE ? der.len - at : LINE;
        pem->len += base64_encode(der.at + at, part, (char *)pem->at + pem->len);
        pem->at[pem->len++] = '\n';
    }
    return buffer_printf(pem, "-----END %s-----\n", label);
}

long percent_decode(char *text, size_t len)
{
    char *out = memchr(text, '%', len);
    if (!out)
        return (long)len;
    for (size_t i = (size_t)(out - text); i < len; i++) {
        if (text[i] != '%') {
            *out++ = text[i];
            continue;
        }
        if (len - i < 3)
            return -1;
        int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
        if (high < 0 || low < 0 || (high | low) == 0)
            return -1;
        *out++ = (char)(high << 4 | low);
        i += 2;
    }
    return out - text;
}
