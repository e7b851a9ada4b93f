#include <annul/index_txt.h>

#include <annul/hex.h>

#include <openssl/objects.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { COLUMN_STATUS, COLUMN_NOT_AFTER, COLUMN_REVOKED, COLUMN_SERIAL, COLUMN_FILE, COLUMN_NAME, COLUMNS };

#define NEVER "99991231235959Z"
#define WORD_MAX 64 /* a reason, or the name of an attribute */

/* --- reading ------------------------------------------------------------------------------------------ */

/* What the second part of the revocation column may say. */
static const struct word {
    const char *text;
    int reason;
    enum { PLAIN, WITH_HOLD, WITH_TIME, REFUSED } form;
} words[] = {
    {"unspecified", REASON_UNSPECIFIED, PLAIN},
    {"keyCompromise", REASON_KEY_COMPROMISE, PLAIN},
    {"CACompromise", REASON_CA_COMPROMISE, PLAIN},
    {"affiliationChanged", REASON_AFFILIATION_CHANGED, PLAIN},
    {"superseded", REASON_SUPERSEDED, PLAIN},
    {"cessationOfOperation", REASON_CESSATION_OF_OPERATION, PLAIN},
    {"certificateHold", REASON_CERTIFICATE_HOLD, PLAIN},
    {"privilegeWithdrawn", REASON_PRIVILEGE_WITHDRAWN, PLAIN}, /* newer than most OpenSSL in the field */
    {"aACompromise", REASON_AA_COMPROMISE, PLAIN},
    {"holdInstruction", REASON_CERTIFICATE_HOLD, WITH_HOLD},
    {"keyTime", REASON_KEY_COMPROMISE, WITH_TIME},
    {"CAkeyTime", REASON_CA_COMPROMISE, WITH_TIME},
    {"removeFromCRL", REASON_REMOVE_FROM_CRL, REFUSED},
};

static bool is_blank(struct bytes line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.at[i] != ' ' && line.at[i] != '\t')
            return false;
    return true;
}

/* OpenSSL's TXT_DB: a tab behind a backslash belongs to the column. False where there are not six. */
static bool split_columns(struct bytes line, struct bytes columns[COLUMNS])
{
    size_t start = 0, n = 0;
    for (size_t i = 0; i <= line.len; i++) {
        if (i < line.len && (line.at[i] != '\t' || (i > 0 && line.at[i - 1] == '\\')))
            continue;
        if (n == COLUMNS)
            return false;
        columns[n++] = (struct bytes){line.at + start, i - start};
        start = i + 1;
    }
    return n == COLUMNS;
}

/* Cuts at the first comma: what stands before it is given, `rest` goes on behind it. */
static struct bytes take_part(struct bytes *rest)
{
    const uint8_t *comma = rest->len ? memchr(rest->at, ',', rest->len) : NULL;
    struct bytes part = {rest->at, comma ? (size_t)(comma - rest->at) : rest->len};
    rest->at += part.len + (comma ? 1 : 0);
    rest->len -= part.len + (comma ? 1 : 0);
    return part;
}

static bool read_time(struct bytes text, int64_t *at)
{
    return text.len && time_from_index((const char *)text.at, text.len, at);
}

static const struct word *find_word(struct bytes text)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strlen(words[i].text) == text.len && strncasecmp(words[i].text, (const char *)text.at, text.len) == 0)
            return &words[i];
    return NULL;
}

/* For messages: untrusted text cut to what a line can bear. */
#define SHOWN(text) (int)((text).len < WORD_MAX ? (text).len : WORD_MAX), (const char *)(text).at

static int read_reason(struct bytes text, struct bytes argument, struct index_row *row, struct error *err)
{
    const struct word *word = find_word(text);
    if (!word)
        return error_set(err, "\"%.*s\" is not a revocation reason that openssl ca writes", SHOWN(text));
    row->reason = word->reason;
    switch (word->form) {
    case WITH_TIME:
        if (!read_time(argument, &row->invalidity_at))
            return error_set(err, "%s needs the time of the compromise behind it, as YYYYMMDDHHMMSSZ, not \"%.*s\"",
                             word->text, SHOWN(argument));
        break;
    case WITH_HOLD: /* RFC 5280 dropped the instruction; the hold is what counts */
        if (argument.len == 0)
            return error_set(err, "holdInstruction needs the instruction's name or OID behind it");
        break;
    case REFUSED:
        return error_set(err, "removeFromCRL belongs in delta CRLs only; make the row V if the certificate was "
                              "released, or give the reason for which it stays revoked");
    case PLAIN:
        break;
    }
    return 0;
}

static int read_revocation(struct bytes column, struct index_row *row, struct error *err)
{
    if (row->status != 'R')
        return column.len == 0 ? 0
                               : error_set(err, "status is %c, but there is a revocation date (column 3); a revoked "
                                                "certificate has status R",
                                           row->status);
    struct bytes time = take_part(&column);
    if (!read_time(time, &row->revoked_at))
        return error_set(err, "revocation date \"%.*s\" (column 3) is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ",
                         SHOWN(time));
    if (column.len == 0)
        return 0;
    struct bytes reason = take_part(&column);
    return read_reason(reason, column, row, err);
}

static int read_serial(struct bytes column, struct serial *serial, struct error *err)
{
    char text[4 * SERIAL_TEXT];
    if (column.len && column.at[0] == '-')
        return error_set(err, "serial %.*s (column 4) is negative (RFC 5280 section 4.1.2.2)", SHOWN(column));
    bool good = column.len > 0 && column.len < sizeof text;
    for (size_t i = 0; good && i < column.len; i++)
        good = hex_digit((char)column.at[i]) >= 0;
    if (good) {
        memcpy(text, column.at, column.len);
        text[column.len] = 0;
        good = serial_from_text(text, serial);
    }
    return good ? 0
                : error_set(err, "serial \"%.*s\" (column 4) is not a hexadecimal number of at most 20 octets",
                            SHOWN(column));
}

static struct bytes known_name(struct bytes column)
{
    bool unknown = column.len == 7 && memcmp(column.at, "unknown", 7) == 0;
    return unknown ? (struct bytes){0} : column;
}

enum outcome index_row_parse(struct bytes line, struct index_row *row, struct error *err)
{
    struct bytes columns[COLUMNS];
    if (line.len && line.at[line.len - 1] == '\r')
        line.len--;
    if (is_blank(line) || line.at[0] == '#')
        return ABSENT;
    if (memchr(line.at, 0, line.len))
        return error_set(err, "a NUL character; this is not an index.txt"), FAILED;
    if (!split_columns(line, columns))
        return error_set(err, "a line of an index.txt has six columns with tabs between"), FAILED;
    struct bytes status = columns[COLUMN_STATUS];
    if (status.len != 1 || !memchr("VRE", status.at[0], 3))
        return error_set(err, "status \"%.*s\" (column 1) is not V, R or E", SHOWN(status)), FAILED;
    *row = (struct index_row){.status = (char)status.at[0],
                              .not_after = TIME_NONE,
                              .revoked_at = TIME_NONE,
                              .reason = REASON_UNSPECIFIED,
                              .invalidity_at = TIME_NONE,
                              .name = known_name(columns[COLUMN_NAME])};
    struct bytes expiry = columns[COLUMN_NOT_AFTER];
    if (expiry.len && !read_time(expiry, &row->not_after))
        return error_set(err, "expiry date \"%.*s\" (column 2) is not YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ",
                         SHOWN(expiry)),
               FAILED;
    if (read_revocation(columns[COLUMN_REVOKED], row, err) < 0 ||
        read_serial(columns[COLUMN_SERIAL], &row->serial, err) < 0)
        return FAILED;
    return FOUND;
}

/* --- writing ------------------------------------------------------------------------------------------ */

/* How apps/ca.c spells a reason: alone, and with the time of the compromise. */
static const struct {
    const char *plain, *timed;
    bool exact;
} spellings[] = {
    [REASON_UNSPECIFIED] = {NULL, NULL, true}, /* RFC 5280 section 5.3.1: rather absent than unspecified */
    [REASON_KEY_COMPROMISE] = {"keyCompromise", "keyTime", true},
    [REASON_CA_COMPROMISE] = {"CACompromise", "CAkeyTime", true},
    [REASON_AFFILIATION_CHANGED] = {"affiliationChanged", NULL, true},
    [REASON_SUPERSEDED] = {"superseded", NULL, true},
    [REASON_CESSATION_OF_OPERATION] = {"cessationOfOperation", NULL, true},
    [REASON_CERTIFICATE_HOLD] = {"certificateHold", NULL, true},
    [REASON_PRIVILEGE_WITHDRAWN] = {NULL, NULL, false},
    [REASON_AA_COMPROMISE] = {"keyCompromise", "keyTime", false},
};

static size_t spelling_of(int reason)
{
    return reason >= 0 && (size_t)reason < sizeof spellings / sizeof *spellings ? (size_t)reason : 0;
}

unsigned index_row_loss(const struct index_row *row)
{
    size_t reason = spelling_of(row->reason);
    if (row->status != 'R')
        return INDEX_LOSES_NOTHING;
    return (spellings[reason].exact ? 0u : INDEX_LOSES_REASON) |
           (row->invalidity_at == TIME_NONE || spellings[reason].timed ? 0u : INDEX_LOSES_INVALIDITY);
}

static bool write_revocation(const struct index_row *row, struct buffer *out)
{
    char time[16];
    uint8_t compromised[DER_TIME_MAX];
    size_t reason = spelling_of(row->reason);
    if (row->status != 'R')
        return true;
    time_to_index(row->revoked_at, time);
    if (row->invalidity_at != TIME_NONE && spellings[reason].timed) {
        time_to_generalized(row->invalidity_at, compromised);
        return buffer_printf(out, "%s,%s,%.15s", time, spellings[reason].timed, (const char *)compromised + 2);
    }
    const char *plain = spellings[reason].plain;
    return buffer_printf(out, "%s%s%s", time, plain ? "," : "", plain ? plain : "");
}

bool index_row_write(const struct index_row *row, struct buffer *out)
{
    char expiry[16] = NEVER, serial[SERIAL_TEXT];
    size_t before = out->len;
    if (row->not_after != TIME_NONE)
        time_to_index(row->not_after, expiry);
    serial_to_text(&row->serial, serial);
    for (char *digit = serial; *digit; digit++)
        *digit = (char)toupper((unsigned char)*digit);
    struct bytes name = row->name.len ? row->name : (struct bytes){(const uint8_t *)"unknown", 7};
    bool good = buffer_printf(out, "%c\t%s\t", row->status, expiry) && write_revocation(row, out) &&
                buffer_printf(out, "\t%s\tunknown\t", serial) && buffer_add(out, name.at, name.len) &&
                buffer_add_text(out, "\n");
    if (!good)
        out->len = before;
    return good;
}

/* --- subjects ----------------------------------------------------------------------------------------- */

static bool is_known_attribute(const char *name)
{
    return name[strspn(name, "0123456789.")] == 0 || OBJ_sn2nid(name) != NID_undef || OBJ_ln2nid(name) != NID_undef;
}

/* Length of "CN=" at the start of `text`, or 0. The first attribute of a name is believed, whatever it is:
 * configurations name their own (oid_section). */
static size_t attribute_len(struct bytes text, bool first)
{
    char name[WORD_MAX];
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

/* Undoes what X509_NAME_oneline and TXT_DB did to a value. A backslash is not escaped by the former, so one is
 * taken for an escape only where it would have written just that. */
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

/* The next character by UTF-8 (RFC 3629); its length, or 0 where it is not well-formed. */
static size_t take_utf8(struct bytes text, uint32_t *c)
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
        if ((len = take_utf8(text, &c)) == 0)
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
        bool good = c < ' ' || c == 0x7f                   ? buffer_printf(out, "\\%02X", c)
                    : edge || memchr(",+\"\\<>;", c, 7)    ? buffer_printf(out, "\\%c", c)
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
           read_value((struct bytes){part.at + attribute, part.len - attribute}, scratch) && to_utf8(scratch) &&
           put_value_rfc2253((struct bytes){scratch->at, scratch->len}, out);
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
