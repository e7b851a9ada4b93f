#include <annul/utf8.h>

#include <string.h>

size_t utf8_take(struct bytes text, uint32_t *c)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = text.at[0];
    size_t len = lead < 0x80 ? 1 : lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 0;
    if (len == 0 || len > text.len || lead > 0xf4)
        return 0;
    *c = len == 1 ? lead : lead & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((text.at[i] & 0xc0) != 0x80)
            return 0;
        *c = *c << 6 | (text.at[i] & 0x3f);
    }
    return *c < smallest[len] || *c > 0x10ffff || (*c >= 0xd800 && *c < 0xe000) ? 0 : len;
}

size_t utf8_len(const char *text)
{
    uint32_t c;
    struct bytes rest = {(const uint8_t *)text, strlen(text)};
    for (size_t len; rest.len && (len = utf8_take(rest, &c)); rest.len -= len)
        rest.at += len;
    return (size_t)((const char *)rest.at - text);
}
