/* The index.txt of `openssl ca`, one line at a time.
 *
 * Six columns with tabs between: status (V valid, R revoked, E expired), notAfter, revocation, serial in hex,
 * file name, subject. The revocation column is "time", "time,reason" or "time,reason,argument". OpenSSL has
 * no specification of it; what is read and written here is what apps/ca.c does, in all versions in the field.
 *
 * Bytes in, struct out; no I/O, no clock, no allocation while parsing. Any thread.
 */
#ifndef ANNUL_INDEX_TXT_H
#define ANNUL_INDEX_TXT_H

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/reason.h>
#include <annul/serial.h>
#include <annul/time.h>

struct index_row {
    char status; /* 'V', 'R' or 'E' */
    struct serial serial;
    int64_t not_after;     /* TIME_NONE where the column is empty */
    int64_t revoked_at;    /* TIME_NONE unless status is 'R' */
    int reason;            /* enum reason; unspecified where none is named; 'R' only */
    int64_t invalidity_at; /* when a key was compromised (keyTime, CAkeyTime), or TIME_NONE */
    struct bytes name;     /* subject as it stands in the line, which it points into; empty where unknown */
};

/* One line, without its newline. FOUND: `row` is set; ABSENT: a comment or a blank line; FAILED: `err` has
 * what is wrong, without file or line number, which the caller knows. */
enum outcome index_row_parse(struct bytes line, struct index_row *row, struct error *err);

/* Appends the line with its newline; false when out of memory. What the format cannot say is written as the
 * nearest thing that it can; see index_row_loss. A missing notAfter becomes 99991231235959Z (RFC 5280 section
 * 4.1.2.5: no well-defined expiration date), for OpenSSL rejects an empty column. */
bool index_row_write(const struct index_row *row, struct buffer *out);

/* What index_row_write cannot keep of a row. */
enum index_loss {
    INDEX_LOSES_NOTHING = 0,
    INDEX_LOSES_REASON = 1,     /* aACompromise becomes keyCompromise, privilegeWithdrawn unspecified */
    INDEX_LOSES_INVALIDITY = 2, /* an invalidity date stands only with keyCompromise and CACompromise */
};
unsigned index_row_loss(const struct index_row *row);

/* Appends the subject of a row by RFC 2253 in UTF-8, as certificate_subject_text writes it: "/O=Demo/CN=x"
 * becomes "CN=x,O=Demo". Undoes \xHH, \/ and \+; a slash starts a new part only where an attribute that
 * OpenSSL knows, or a dotted OID, and an equals sign follow: older OpenSSL left the slashes of a value bare.
 * A name of another form is taken as it is. False when out of memory. */
bool index_name_to_rfc2253(struct bytes name, struct buffer *out);

/* The way back, for `name` of a row that is written. False when out of memory. */
bool index_name_from_rfc2253(const char *subject, struct buffer *out);

#endif
