/* Subjects between the two forms: X509_NAME_oneline, as an index.txt has it, and RFC 2253. */
#include <annul/index_txt.h>

#include <annul/hex.h>
#include <annul/utf8.h>

#include <openssl/objects.h>

#include <ctype.h>
#include <string.h>

#define ATTRIBUTE_MAX 64

static bool is_known_attribute(const char *name)
{
    return name[strspn(name, "0123456789.")] == 0 || OBJ_sn2nid(name) != NID_undef ||
           OBJ_ln2nid(name) != NID_undef;
}

/* Length of "CN=" at the start of `text`, or 0. The first attribute of a name is believed, whatever it is:
 * configurations name their own (oid_section). */
static size_t attribute_len(struct bytes text, bool first)
{
    char name[ATTRIBUTE_MAX];
    size_t len = 0;
    while (len < text.len && len < sizeof name && (isalnum(text.at[len]) || memchr("-. ", text.at[len], 3)))
        len++;
    if (len == 0 || len >= sizeof name || len == text.len || text.at[len] != '=')
        return 0;
    memcpy(name, text.at, len);
    name[len] = 0;
    return first || is_known_attribute(name) ? len + 1 : 0;
}

static bool starts_part(struct bytes name, size_t at)
{
    if (name.at[at] != '/' && (name.at[at] != '+' || at == 0))
        return false;
    if (at && name.at[at - 1] == '\\')
        return false;
    return attribute_len((struct bytes){name.at + at + 1, name.len - at - 1}, at == 0) > 0;
}

static int hex_pair(const uint8_t *at)
{
    int high = hex_digit((char)at[0]), low = hex_digit((char)at[1]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Undoes what X509_NAME_oneline and TXT_DB did to a value. A backslash is not escaped by the former, so one
 * is taken for an escape only where it would have written just that. */
static bool read_value(struct bytes text, struct buffer *value)
{
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.at[i];
        size_t left = text.len - i - 1;
        int byte = c == '\\' && left >= 3 && text.at[i + 1] == 'x' ? hex_pair(text.at + i + 2) : -1;
        if (byte >= 0 && (byte < ' ' || byte > '~')) {
            c = (uint8_t)byte;
            i += 3;
        } else if (c == '\\' && left && memchr("/+\t", text.at[i + 1], 3)) {
            c = text.at[++i];
        }
        if (!buffer_add(value, &c, 1))
            return false;
    }
    return true;
}

static bool put_utf8(uint32_t c, struct buffer *out)
{
    uint8_t text[3] = {(uint8_t)c};
    if (c < 0x80)
        return buffer_add(out, text, 1);
    if (c < 0x800) {
        text[0] = (uint8_t)(0xc0 | c >> 6);
        text[1] = (uint8_t)(0x80 | (c & 0x3f));
        return buffer_add(out, text, 2);
    }
    text[0] = (uint8_t)(0xe0 | c >> 12);
    text[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
    text[2] = (uint8_t)(0x80 | (c & 0x3f));
    return buffer_add(out, text, 3);
}

static bool is_utf8(struct bytes text)
{
    uint32_t c;
    for (size_t len; text.len; text.at += len, text.len -= len)
        if ((len = utf8_take(text, &c)) == 0)
            return false;
    return true;
}

/* The index does not say which string type a value had: NULs come from BMPString, octets that are not UTF-8
 * from T61String, which OpenSSL takes for Latin-1. `unit` is the octets of a character. */
static bool recode(struct buffer *value, size_t unit)
{
    struct buffer utf8 = {0};
    bool good = true;
    for (size_t i = 0; good && i + unit <= value->len; i += unit) {
        uint32_t c = unit == 1 ? value->at[i] : (uint32_t)(value->at[i] << 8 | value->at[i + 1]);
        good = put_utf8(c >= 0xd800 && c < 0xe000 ? 0xfffd : c, &utf8);
    }
    buffer_free(value);
    *value = utf8;
    return good;
}

static bool to_utf8(struct buffer *value)
{
    if (value->len && value->len % 2 == 0 && memchr(value->at, 0, value->len))
        return recode(value, 2);
    return is_utf8((struct bytes){value->at, value->len}) || recode(value, 1);
}

static bool put_value_rfc2253(struct bytes value, struct buffer *out)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.at[i];
        bool edge = (c == ' ' && (i == 0 || i + 1 == value.len)) || (c == '#' && i == 0);
        bool good = c < ' ' || c == 0x7f                ? buffer_printf(out, "\\%02X", c)
                    : edge || memchr(",+\"\\<>;", c, 7) ? buffer_printf(out, "\\%c", c)
                                                        : buffer_add(out, &c, 1);
        if (!good)
            return false;
    }
    return true;
}

static bool put_part_rfc2253(struct bytes part, struct buffer *scratch, struct buffer *out)
{
    size_t attribute = attribute_len(part, true);
    scratch->len = 0;
    return buffer_add(out, part.at, attribute) &&
           read_value((struct bytes){part.at + attribute, part.len - attribute}, scratch) &&
           to_utf8(scratch) && put_value_rfc2253((struct bytes){scratch->at, scratch->len}, out);
}

bool index_name_to_rfc2253(struct bytes name, struct buffer *out)
{
    struct buffer scratch = {0};
    bool good = true;
    if (name.len == 0 || !starts_part(name, 0)) {
        good = read_value(name, &scratch) && to_utf8(&scratch) && buffer_add(out, scratch.at, scratch.len);
        buffer_free(&scratch);
        return good;
    }
    for (size_t end = name.len, i = name.len; good && i-- > 0;) {
        if (!starts_part(name, i))
            continue;
        good = put_part_rfc2253((struct bytes){name.at + i + 1, end - i - 1}, &scratch, out) &&
               (i == 0 || buffer_add_text(out, name.at[i] == '+' ? "+" : ","));
        end = i;
    }
    buffer_free(&scratch);
    return good;
}

static bool put_byte_index(uint8_t c, struct buffer *out)
{
    if (c < ' ' || c > '~')
        return buffer_printf(out, "\\x%02X", c);
    return (c != '/' && c != '+') || buffer_add_text(out, "\\") ? buffer_add(out, &c, 1) : false;
}

/* One "CN=value" of RFC 2253, where a value may have \XX and \c. */
static bool put_part_index(struct bytes part, struct buffer *out)
{
    while (part.len && part.at[0] == ' ') {
        part.at++;
        part.len--;
    }
    for (size_t i = 0; i < part.len; i++) {
        uint8_t c = part.at[i];
        int byte = c == '\\' && part.len - i > 2 ? hex_pair(part.at + i + 1) : -1;
        if (byte >= 0) {
            c = (uint8_t)byte;
            i += 2;
        } else if (c == '\\' && i + 1 < part.len) {
            c = part.at[++i];
        }
        if (!put_byte_index(c, out))
            return false;
    }
    return true;
}

static bool ends_part(struct bytes text, size_t at)
{
    size_t backslashes = 0;
    if (text.at[at] != ',' && text.at[at] != '+')
        return false;
    while (backslashes < at && text.at[at - backslashes - 1] == '\\')
        backslashes++;
    return backslashes % 2 == 0;
}

bool index_name_from_rfc2253(const char *subject, struct buffer *out)
{
    struct bytes text = {(const uint8_t *)subject, strlen(subject)};
    if (!memchr(subject, '=', text.len)) /* no distinguished name */
        return put_part_index(text, out);
    if (!buffer_add_text(out, "/"))
        return false;
    size_t end = text.len;
    for (size_t i = text.len; i-- > 0;) {
        if (!ends_part(text, i))
            continue;
        if (!put_part_index((struct bytes){text.at + i + 1, end - i - 1}, out) ||
            !buffer_add_text(out, text.at[i] == '+' ? "+" : "/"))
            return false;
        end = i;
    }
    return put_part_index((struct bytes){text.at, end}, out);
}
