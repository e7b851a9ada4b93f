#include <annul/index_txt.h>

#include <annul/hex.h>

#include <ctype.h>
#include <string.h>
#include <strings.h>

enum { COLUMN_STATUS, COLUMN_NOT_AFTER, COLUMN_REVOKED, COLUMN_SERIAL, COLUMN_FILE, COLUMN_NAME, COLUMNS };

#define NEVER "99991231235959Z"
#define WORD_MAX 64 /* octets of a column that a message shows */

/* --- reading ------------------------------------------------------------------------------------------- */

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
        if (strlen(words[i].text) == text.len &&
            strncasecmp(words[i].text, (const char *)text.at, text.len) == 0)
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
            return error_set(
                err, "%s needs the time of the compromise behind it, as YYYYMMDDHHMMSSZ, not \"%.*s\"",
                word->text, SHOWN(argument));
        break;
    case WITH_HOLD: /* RFC 5280 dropped the instruction; the hold is what counts */
        if (argument.len == 0)
            return error_set(err, "holdInstruction needs the instruction's name or OID behind it");
        break;
    case REFUSED:
        return error_set(err,
                         "removeFromCRL belongs in delta CRLs only; make the row V if the certificate was "
                         "released, or give the reason for which it stays revoked");
    case PLAIN:
        break;
    }
    return 0;
}

static int read_revocation(struct bytes column, struct index_row *row, struct error *err)
{
    if (row->status != 'R')
        return column.len == 0
                   ? 0
                   : error_set(err,
                               "status is %c, but there is a revocation date (column 3); a revoked "
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
    return good
               ? 0
               : error_set(err, "serial \"%.*s\" (column 4) is not a hexadecimal number of at most 20 octets",
                           SHOWN(column));
}

static struct bytes known_name(struct bytes column)
{
    if (column.len == 7 && memcmp(column.at, "unknown", 7) == 0)
        column.len = 0;
    return column;
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

/* --- writing ------------------------------------------------------------------------------------------- */

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
        return buffer_printf(out, "%s,%s,%.15s", time, spellings[reason].timed,
                             (const char *)compromised + 2);
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
