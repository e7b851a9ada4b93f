/* DER, both ways, without allocation.
 *
 * Reading: a `struct bytes` is the cursor; each take moves it past one TLV. Only what DER allows is taken:
 * definite, minimal lengths and low tag numbers (X.690 sections 8.1 and 10.1). What is not checked: that the
 * content of a primitive type is well formed; the callers do that for the types they use.
 *
 * Writing goes backwards, from the end of a fixed buffer to its start, so that every length is known when its
 * header is written and nothing is ever moved. Write the last field first.
 *
 * No I/O, no global state: any thread.
 */
#ifndef ANNUL_DER_H
#define ANNUL_DER_H

#include <annul/bytes.h>

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_IA5STRING = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
};
#define DER_CONTEXT(n) (0x80 | (n))             /* [n] IMPLICIT, primitive */
#define DER_CONTEXT_CONSTRUCTED(n) (0xa0 | (n)) /* [n] EXPLICIT, or IMPLICIT of a constructed type */

#define DER_HEADER_MAX 6 /* tag and length of anything below 4 GiB */

/* Tag of the next TLV, or 0 at the end. */
uint8_t der_peek(struct bytes in);

/* Takes the next TLV: its tag and content. False, with `in` unchanged, where there is none or it is not DER.
 */
bool der_take_any(struct bytes *in, uint8_t *tag, struct bytes *content);

/* The same where the tag must be `tag`. Here, because a CRL has millions, nearly all of the short form. */
static inline bool der_take(struct bytes *in, uint8_t tag, struct bytes *content)
{
    uint8_t found;
    if (in->len < 2 || in->at[0] != tag)
        return false;
    if (in->at[1] >= 0x80 || in->at[1] > in->len - 2)
        return der_take_any(in, &found, content);
    *content = (struct bytes){in->at + 2, in->at[1]};
    in->at += 2 + content->len;
    in->len -= 2 + content->len;
    return true;
}

/* The same, and gives header and content together. */
bool der_take_whole(struct bytes *in, uint8_t tag, struct bytes *whole);

/* Reads a header alone from the first `have` octets of something that may be larger than memory.
 * Returns the header's length, 0 where more octets are needed, -1 where it is not DER. */
int der_read_header(const uint8_t *at, size_t have, uint8_t *tag, uint64_t *len);

struct der_writer {
    uint8_t *start; /* of the buffer */
    uint8_t *at;    /* of what is written so far; it ends at `end` */
    uint8_t *end;
    bool overflow; /* once set, nothing more is written */
};

void der_writer_init(struct der_writer *w, uint8_t *buffer, size_t room);

/* How much is written: take it before writing a content, give it to der_wrap after. */
size_t der_mark(const struct der_writer *w);

/* Raw octets in front. */
void der_put(struct der_writer *w, const void *data, size_t len);
void der_put_bytes(struct der_writer *w, struct bytes data);
void der_put_byte(struct der_writer *w, uint8_t byte);

/* Tag and length in front of all that was written since `mark`. */
void der_wrap(struct der_writer *w, uint8_t tag, size_t mark);

/* One TLV with this content. */
void der_put_tlv(struct der_writer *w, uint8_t tag, struct bytes content);

/* A non-negative INTEGER, minimal. */
void der_put_unsigned(struct der_writer *w, uint64_t value);

/* Length of the header for a content of `len` octets, and the header itself (forwards). */
size_t der_header_len(uint64_t len);
size_t der_write_header(uint8_t *out, uint8_t tag, uint64_t len);

#endif
