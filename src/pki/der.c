#include <annul/der.h>

#include <string.h>

int der_read_header(const uint8_t *at, size_t have, uint8_t *tag, uint64_t *len)
{
    if (have < 2)
        return 0;
    if ((at[0] & 0x1f) == 0x1f) /* high tag numbers are nowhere in our formats */
        return -1;
    *tag = at[0];
    if (at[1] < 0x80) {
        *len = at[1];
        return 2;
    }
    size_t octets = at[1] & 0x7f;
    if (octets == 0 || octets > 5)
        return -1;
    if (have < 2 + octets)
        return 0;
    uint64_t value = 0;
    for (size_t i = 0; i < octets; i++)
        value = value << 8 | at[2 + i];
    if (value < 0x80 || at[2] == 0)
        return -1;
    *len = value;
    return (int)(2 + octets);
}

uint8_t der_peek(struct bytes in)
{
    return in.len ? in.at[0] : 0;
}

bool der_take_any(struct bytes *in, uint8_t *tag, struct bytes *content)
{
    uint64_t len;
    int header = der_read_header(in->at, in->len, tag, &len);
    if (header <= 0 || len > in->len - (size_t)header)
        return false;
    *content = (struct bytes){in->at + header, (size_t)len};
    in->at += (size_t)header + (size_t)len;
    in->len -= (size_t)header + (size_t)len;
    return true;
}

bool der_take_whole(struct bytes *in, uint8_t tag, struct bytes *whole)
{
    const uint8_t *start = in->at;
    struct bytes content;
    if (!der_take(in, tag, &content))
        return false;
    *whole = (struct bytes){start, (size_t)(in->at - start)};
    return true;
}

void der_writer_init(struct der_writer *w, uint8_t *buffer, size_t room)
{
    *w = (struct der_writer){buffer, buffer + room, buffer + room, false};
}

size_t der_mark(const struct der_writer *w)
{
    return (size_t)(w->end - w->at);
}

void der_put(struct der_writer *w, const void *data, size_t len)
{
    if (w->overflow || len > (size_t)(w->at - w->start)) {
        w->overflow = true;
        return;
    }
    w->at -= len;
    if (len)
        memcpy(w->at, data, len);
}

void der_put_bytes(struct der_writer *w, struct bytes data)
{
    der_put(w, data.at, data.len);
}

void der_put_byte(struct der_writer *w, uint8_t byte)
{
    der_put(w, &byte, 1);
}

size_t der_header_len(uint64_t len)
{
    size_t octets = 2;
    if (len >= 0x80)
        for (; len; len >>= 8)
            octets++;
    return octets;
}

size_t der_write_header(uint8_t *out, uint8_t tag, uint64_t len)
{
    size_t octets = der_header_len(len);
    out[0] = tag;
    if (octets == 2) {
        out[1] = (uint8_t)len;
        return 2;
    }
    out[1] = (uint8_t)(0x80 | (octets - 2));
    for (size_t i = octets; i > 2; i--, len >>= 8)
        out[i - 1] = (uint8_t)len;
    return octets;
}

void der_wrap(struct der_writer *w, uint8_t tag, size_t mark)
{
    uint8_t header[DER_HEADER_MAX + 2];
    der_put(w, header, der_write_header(header, tag, der_mark(w) - mark));
}

void der_put_tlv(struct der_writer *w, uint8_t tag, struct bytes content)
{
    size_t mark = der_mark(w);
    der_put_bytes(w, content);
    der_wrap(w, tag, mark);
}

void der_put_unsigned(struct der_writer *w, uint64_t value)
{
    size_t mark = der_mark(w);
    do
        der_put_byte(w, (uint8_t)value);
    while ((value >>= 8) != 0);
    if (!w->overflow && *w->at & 0x80)
        der_put_byte(w, 0); /* keep it positive */
    der_wrap(w, DER_INTEGER, mark);
}
