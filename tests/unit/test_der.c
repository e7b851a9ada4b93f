/* DER, both ways. What is legal is X.690 sections 8.1 and 10.1; the writer is read back by OpenSSL. */
#include "unit.h"

#include <annul/der.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>

/* --- reading ------------------------------------------------------------------------------------------- */

static const struct {
    const char *spoken;
    const char *text;
    bool good;
    uint8_t tag;
    size_t content, rest;
} headers[] = {
    {"empty content", "04 00", true, 0x04, 0, 0},
    {"short form, largest", "04 7f 00*127", true, 0x04, 127, 0},
    {"one length octet, smallest", "04 81 80 00*128", true, 0x04, 128, 0},
    {"one length octet, largest", "04 81 ff 00*255", true, 0x04, 255, 0},
    {"two length octets, smallest", "04 82 01 00 00*256", true, 0x04, 256, 0},
    {"two length octets, largest", "04 82 ff ff 00*65535", true, 0x04, 65535, 0},
    {"three length octets, smallest", "04 83 01 00 00 00*65536", true, 0x04, 65536, 0},
    {"something behind", "02 01 05 30 00", true, 0x02, 1, 2},
    {"context tag, constructed", "a0 02 05 00", true, 0xa0, 2, 0},
    {"highest low tag number", "1e 00", true, 0x1e, 0, 0},
    {"nothing", "", false, 0, 0, 0},
    {"a tag alone", "30", false, 0, 0, 0},
    {"indefinite length", "30 80 00 00", false, 0, 0, 0},
    {"long form of 0", "04 81 00", false, 0, 0, 0},
    {"long form of a short length", "04 81 05 00*5", false, 0, 0, 0},
    {"long form of 127", "04 81 7f 00*127", false, 0, 0, 0},
    {"leading zero, two octets", "04 82 00 80 00*128", false, 0, 0, 0},
    {"leading zero, two octets, 255", "04 82 00 ff 00*255", false, 0, 0, 0},
    {"leading zero, three octets", "04 83 00 01 00 00*256", false, 0, 0, 0},
    {"leading zero, five octets", "04 85 00 00 00 01 00 00*256", false, 0, 0, 0},
    {"reserved length 0xff", "04 ff 00*127", false, 0, 0, 0},
    {"length of nine octets", "04 89 01 00*8 00", false, 0, 0, 0},
    {"high tag number", "1f 01 00", false, 0, 0, 0},
    {"high tag number, context", "bf 81 01 00", false, 0, 0, 0},
    {"content too short", "04 02 00", false, 0, 0, 0},
    {"length octets cut", "04 82 01", false, 0, 0, 0},
    {"2^40 - 1 octets promised", "04 85 ff*5 00*16", false, 0, 0, 0},
    {"2^63 octets promised", "04 88 80 00*7 00*16", false, 0, 0, 0},
    {"2^64 - 1 octets promised", "04 88 ff*8 00*16", false, 0, 0, 0},
};

static void tlvs_are_taken_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct buffer made = octets("%s", headers[i].text);
        struct bytes copy = exact_copy(bytes_of(&made)), in = copy, content;
        uint8_t tag = 0;
        check_row(headers[i].spoken, der_take_any(&in, &tag, &content) == headers[i].good);
        if (headers[i].good) {
            check_row(headers[i].spoken, tag == headers[i].tag && content.len == headers[i].content);
            check_row(headers[i].spoken, in.len == headers[i].rest && content.at + content.len == in.at);
            check_row(headers[i].spoken, in.at + in.len == copy.at + copy.len);
        } else {
            check_row(headers[i].spoken, in.at == copy.at && in.len == copy.len); /* unchanged */
        }
        exact_free(copy);
        buffer_free(&made);
    }
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    static const size_t lengths[] = {0, 1, 127, 128, 300, 70000};
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct buffer made = octets("30{ 00*%zu }", lengths[i]);
        for (size_t len = 0; len < made.len; len += len < 400 ? 1 : 997) {
            struct bytes copy = exact_copy((struct bytes){made.at, len}), in = copy, content;
            uint8_t tag;
            assert_false(der_take_any(&in, &tag, &content));
            assert_false(der_take(&in, DER_SEQUENCE, &content));
            assert_false(der_take_whole(&in, DER_SEQUENCE, &content));
            assert_int_equal(in.len, len);
            exact_free(copy);
        }
        buffer_free(&made);
    }
}

static void the_tag_must_be_the_wanted_one(void **state)
{
    (void)state;
    struct buffer made = octets("02 01 05 04 01 06");
    struct bytes in = bytes_of(&made), content, whole;
    assert_false(der_take(&in, DER_OCTET_STRING, &content));
    assert_false(der_take_whole(&in, DER_OCTET_STRING, &content));
    assert_int_equal(in.len, 6);
    assert_int_equal(der_peek(in), DER_INTEGER);
    assert_true(der_take_whole(&in, DER_INTEGER, &whole));
    assert_int_equal(whole.len, 3);
    assert_memory_equal(whole.at, "\x02\x01\x05", 3);
    assert_true(der_take(&in, DER_OCTET_STRING, &content));
    assert_int_equal(content.len, 1);
    assert_int_equal(content.at[0], 6);
    assert_int_equal(der_peek(in), 0);
    assert_false(der_take(&in, DER_INTEGER, &content));
    assert_int_equal(der_peek((struct bytes){0}), 0);
    struct bytes none = {0};
    assert_false(der_take(&none, DER_INTEGER, &content));
    buffer_free(&made);
}

static const struct {
    const char *spoken, *text;
    int header; /* what der_read_header gives */
    uint64_t len;
} header_only[] = {
    {"nothing yet", "", 0, 0},
    {"a tag", "30", 0, 0},
    {"short", "30 05", 2, 5},
    {"two of four octets", "30 82", 0, 0},
    {"three of four octets", "30 82 01", 0, 0},
    {"four octets", "30 82 01 00", 4, 256},
    {"4 GiB - 1", "30 84 ff*4", 6, UINT32_MAX},
    {"4 GiB, five octets", "30 85 01 00*4", 7, (uint64_t)1 << 32},
    {"1 TiB - 1, the most we read", "30 85 ff*5", 7, ((uint64_t)1 << 40) - 1},
    {"six octets", "30 86 01 00*5", -1, 0},
    {"indefinite", "30 80", -1, 0},
    {"not minimal", "30 81 7f", -1, 0},
    {"leading zero", "30 82 00 ff", -1, 0},
    {"high tag", "3f 01", -1, 0},
};

static void headers_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(header_only); i++) {
        struct buffer made = octets("%s", header_only[i].text);
        struct bytes copy = exact_copy(bytes_of(&made));
        uint8_t tag;
        uint64_t len = 0;
        int header = der_read_header(copy.at, copy.len, &tag, &len);
        if (header != header_only[i].header)
            fail_row(header_only[i].spoken, "%d, not %d", header, header_only[i].header);
        if (header > 0)
            check_row(header_only[i].spoken, len == header_only[i].len && tag == DER_SEQUENCE);
        exact_free(copy);
        buffer_free(&made);
    }
}

/* --- writing ------------------------------------------------------------------------------------------- */

static const struct {
    uint64_t len;
    const char *header;
} written_headers[] = {
    {0, "30 00"},
    {127, "30 7f"},
    {128, "30 81 80"},
    {255, "30 81 ff"},
    {256, "30 82 01 00"},
    {65535, "30 82 ff ff"},
    {65536, "30 83 01 00 00"},
    {0xffffff, "30 83 ff ff ff"},
    {0x1000000, "30 84 01 00 00 00"},
    {UINT32_MAX, "30 84 ff ff ff ff"},
    {(uint64_t)1 << 32, "30 85 01 00 00 00 00"},
};

static void headers_are_minimal(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(written_headers); i++) {
        struct buffer wanted = octets("%s", written_headers[i].header);
        uint8_t out[16];
        assert_int_equal(der_header_len(written_headers[i].len), wanted.len);
        assert_int_equal(der_write_header(out, DER_SEQUENCE, written_headers[i].len), wanted.len);
        assert_memory_equal(out, wanted.at, wanted.len);
        buffer_free(&wanted);
    }
    assert_int_equal(der_header_len(UINT32_MAX), DER_HEADER_MAX);
}

static void nested_content_is_wrapped(void **state)
{
    (void)state;
    static const size_t lengths[] = {0,   1,   121, 122, 123, 124, 125,   126,
                                     127, 128, 249, 250, 255, 256, 65530, 65536};
    static uint8_t content[70000], room[70100];
    for (size_t i = 0; i < COUNT(lengths); i++) {
        struct der_writer w;
        der_writer_init(&w, room, sizeof room);
        der_put(&w, "\x05\x00", 2); /* something behind, which is not to be wrapped */
        size_t outer = der_mark(&w);
        assert_int_equal(outer, 2);
        der_put_tlv(&w, DER_OCTET_STRING, (struct bytes){content, lengths[i]});
        der_put_unsigned(&w, 1);
        der_wrap(&w, DER_SEQUENCE, outer);
        assert_false(w.overflow);
        struct buffer wanted = octets("30{ 02{01} 04{ 00*%zu } } 05 00", lengths[i]);
        assert_int_equal(der_mark(&w), wanted.len);
        assert_memory_equal(w.at, wanted.at, wanted.len);
        assert_ptr_equal(w.at + wanted.len, room + sizeof room);
        buffer_free(&wanted);
    }
}

static const struct {
    uint64_t value;
    const char *der;
} unsigned_integers[] = {
    {0, "02 01 00"},
    {1, "02 01 01"},
    {127, "02 01 7f"},
    {128, "02 02 00 80"},
    {255, "02 02 00 ff"},
    {256, "02 02 01 00"},
    {32767, "02 02 7f ff"},
    {32768, "02 03 00 80 00"},
    {65535, "02 03 00 ff ff"},
    {INT64_MAX, "02 08 7f ff*7"},
    {(uint64_t)1 << 63, "02 09 00 80 00*7"},
    {UINT64_MAX, "02 09 00 ff*8"},
};

static void integers_are_minimal_and_positive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(unsigned_integers); i++) {
        struct buffer wanted = octets("%s", unsigned_integers[i].der);
        uint8_t room[16];
        struct der_writer w;
        der_writer_init(&w, room, sizeof room);
        der_put_unsigned(&w, unsigned_integers[i].value);
        assert_int_equal(der_mark(&w), wanted.len);
        assert_memory_equal(w.at, wanted.at, wanted.len);

        const unsigned char *at = w.at;
        uint64_t read = 0;
        ASN1_INTEGER *integer = d2i_ASN1_INTEGER(NULL, &at, (long)der_mark(&w));
        assert_non_null(integer);
        assert_int_equal(ASN1_INTEGER_get_uint64(&read, integer), 1);
        assert_true(read == unsigned_integers[i].value);
        ASN1_INTEGER_free(integer);
        buffer_free(&wanted);
    }
}

/* A SEQUENCE of 02 02 00 80 and an OCTET STRING of 200, as it should be, for any room. */
static size_t write_sample(struct der_writer *w)
{
    static const uint8_t content[200];
    size_t whole = der_mark(w);
    der_put_tlv(w, DER_OCTET_STRING, (struct bytes){content, sizeof content});
    der_put_unsigned(w, 128);
    der_put_byte(w, 0);
    der_put_byte(w, DER_NULL);
    der_wrap(w, DER_SEQUENCE, whole);
    return der_mark(w);
}

static void overflow_is_noticed_at_every_size(void **state)
{
    (void)state;
    struct buffer wanted = octets("30{ 05 00 02 02 00 80 04{ 00*200 } }");
    for (size_t room = 0; room <= wanted.len + 1; room++) {
        uint8_t *buffer = malloc(room ? room : 1); /* exactly: a write before its start is seen */
        struct der_writer w;
        der_writer_init(&w, buffer, room);
        size_t len = write_sample(&w);
        assert_int_equal(w.overflow, room < wanted.len);
        assert_true(len <= room);
        if (!w.overflow) {
            assert_int_equal(len, wanted.len);
            assert_memory_equal(w.at, wanted.at, wanted.len);
        }
        size_t before = der_mark(&w);
        if (w.overflow) { /* once set, nothing more is written, not even what would fit */
            der_put(&w, NULL, 0);
            der_put_byte(&w, 1);
            assert_int_equal(der_mark(&w), before);
            assert_true(w.overflow);
        }
        free(buffer);
    }
    buffer_free(&wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tlvs_are_taken_or_not),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(the_tag_must_be_the_wanted_one),
        cmocka_unit_test(headers_alone),
        cmocka_unit_test(headers_are_minimal),
        cmocka_unit_test(nested_content_is_wrapped),
        cmocka_unit_test(integers_are_minimal_and_positive),
        cmocka_unit_test(overflow_is_noticed_at_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
