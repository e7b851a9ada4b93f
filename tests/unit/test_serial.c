/* Serial numbers; OpenSSL's BIGNUM says which is larger, and reads the INTEGERs that are written. */
#include "unit.h"

#include <annul/serial.h>

#include <openssl/asn1.h>
#include <openssl/bn.h>

#define F20 "ffffffffffffffffffffffffffffffffffffffff"

static const struct {
    const char *spoken, *text, *canonical; /* NULL: refused */
} texts[] = {
    {"one digit", "1", "01"},
    {"zero", "0", "00"},
    {"many zeros", "0000", "00"},
    {"0x", "0x1f", "1f"},
    {"0X", "0X1F", "1f"},
    {"upper case", "ABCDEF", "abcdef"},
    {"odd number of digits", "abc", "0abc"},
    {"leading zeros go", "0000abcd", "abcd"},
    {"a sign octet goes", "00ff", "ff"},
    {"high bit", "80", "80"},
    {"colons", "01:23:45", "012345"},
    {"colons and a leading zero octet", "00:C3:01", "c301"},
    {"blanks", "01 23 45", "012345"},
    {"as openssl x509 -text prints it", "5c:1f:0a:99", "5c1f0a99"},
    {"2^160 - 1, largest that fits", F20, F20},
    {"2^160 - 1 with leading zeros", "0000000000" F20, F20},
    {"2^160 - 1 with 0x and zeros", "0x00" F20, F20},
    {"2^160", "010000000000000000000000000000000000000000", NULL},
    {"41 digits that need 161 bits", "1" F20, NULL},
    {"nothing", "", NULL},
    {"0x alone", "0x", NULL},
    {"0x twice", "0x0x1", NULL},
    {"not hex", "12g4", NULL},
    {"minus", "-1", NULL},
    {"plus", "+1", NULL},
    {"a leading colon", ":01", NULL},
    {"a leading blank", " 01", NULL},
    {"colons alone", ":::", NULL},
    {"a newline", "01\n", NULL},
    {"a tab", "01\t02", NULL},
    {"a comma", "01,02", NULL},

    {"decimal zero", "dec:0", "00"},
    {"decimal with leading zeros", "dec:000255", "ff"},
    {"decimal 255", "dec:255", "ff"},
    {"decimal 256", "dec:256", "0100"},
    {"DEC in capitals", "DEC:10", "0a"},
    {"decimal 2^64", "dec:18446744073709551616", "010000000000000000"},
    {"decimal 2^159 - 1", "dec:730750818665451459101842416358141509827966271487",
     "7fffffffffffffffffffffffffffffffffffffff"},
    {"decimal 2^160 - 1, largest that fits", "dec:1461501637330902918203684832716283019655932542975", F20},
    {"decimal 2^160 - 1 with leading zeros",
     "dec:00000000000000000000000000000000001461501637330902918203684832716283019655932542975", F20},
    {"decimal 2^160", "dec:1461501637330902918203684832716283019655932542976", NULL},
    {"decimal 10 times 2^160", "dec:14615016373309029182036848327162830196559325429760", NULL},
    {"decimal without digits", "dec:", NULL},
    {"decimal with hex digits", "dec:1f", NULL},
    {"decimal with a sign", "dec:-1", NULL},
    {"decimal with a blank", "dec: 1", NULL},
    {"decimal with a colon", "dec:1:2", NULL},
    {"decimal with a fraction", "dec:1.0", NULL},
};

static void every_spelling_gives_one_canonical_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct serial serial;
        char out[SERIAL_TEXT];
        if (!texts[i].canonical) {
            check_row(texts[i].spoken, !serial_from_text(texts[i].text, &serial));
            continue;
        }
        check_row(texts[i].spoken, serial_from_text(texts[i].text, &serial));
        serial_to_text(&serial, out);
        if (strcmp(out, texts[i].canonical) != 0)
            fail_row(texts[i].spoken, "%s, not %s", out, texts[i].canonical);
    }
}

static const struct {
    const char *spoken, *content, *canonical; /* NULL: refused */
} integers[] = {
    {"zero", "00", "00"},
    {"127", "7f", "7f"},
    {"128 has a sign octet", "00 80", "80"},
    {"-128", "80", NULL},
    {"-1", "ff", NULL},
    {"empty", "", NULL},
    {"20 octets, positive", "7f ff*19", "7fffffffffffffffffffffffffffffffffffffff"},
    {"20 octets, negative", "80 00*19", NULL},
    {"20 octets and a sign octet", "00 ff*20", F20},
    {"21 octets", "01 00*20", NULL},
    {"21 octets and a sign octet", "00 80 00*20", NULL},
};

static void integers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(integers); i++) {
        struct buffer made = octets("%s", integers[i].content);
        struct bytes copy = exact_copy(bytes_of(&made));
        struct serial serial;
        char out[SERIAL_TEXT];
        check_row(integers[i].spoken, serial_from_integer(copy, &serial) == (integers[i].canonical != NULL));
        if (integers[i].canonical) {
            serial_to_text(&serial, out);
            assert_string_equal(out, integers[i].canonical);
        }
        exact_free(copy);
        buffer_free(&made);
    }
}

/* X.690 section 8.3.2: the first nine bits are not all the same. Otherwise the octets that a response echoes
 * and a CRL is signed with would be no DER, which strict readers (OpenSSL: "illegal padding") refuse. */
static void integers_with_needless_zeros_are_refused(void **state)
{
    (void)state;
    static const char *const contents[] = {"00 01", "00 7f", "00 00", "00 00 80", "00 7f ff*19"};
    for (size_t i = 0; i < COUNT(contents); i++) {
        struct buffer made = octets("%s", contents[i]);
        struct serial serial;
        check_row(contents[i], !serial_from_integer(bytes_of(&made), &serial));
        buffer_free(&made);
    }
}

static void octets_may_have_leading_zeros(void **state)
{
    (void)state;
    struct buffer made = octets("00*50 ff*20");
    struct serial serial;
    assert_true(serial_from_octets(bytes_of(&made), &serial));
    assert_int_equal(serial.len, 20);
    assert_false(serial_from_octets((struct bytes){0}, &serial));
    assert_true(serial_from_octets((struct bytes){made.at, 50}, &serial));
    assert_int_equal(serial.len, 1);
    assert_int_equal(serial.octets[0], 0);
    struct bytes view = serial_bytes(&serial);
    assert_ptr_equal(view.at, serial.octets);
    assert_int_equal(view.len, 1);
    buffer_free(&made);
}

static void order_is_that_of_the_numbers(void **state)
{
    (void)state;
    static const char *const rising[] = {"00",
                                         "01",
                                         "7f",
                                         "80",
                                         "ff",
                                         "0100",
                                         "01ff",
                                         "0200",
                                         "ffff",
                                         "00010000",
                                         "7fffffff",
                                         "80000000",
                                         "7fffffffffffffffffffffffffffffffffffff",
                                         "8000000000000000000000000000000000000000",
                                         F20};
    for (size_t i = 0; i < COUNT(rising); i++)
        for (size_t k = 0; k < COUNT(rising); k++) {
            struct serial a, b;
            BIGNUM *number_a = NULL, *number_b = NULL;
            assert_true(serial_from_text(rising[i], &a) && serial_from_text(rising[k], &b));
            assert_true(BN_hex2bn(&number_a, rising[i]) > 0 && BN_hex2bn(&number_b, rising[k]) > 0);
            int order = serial_compare(&a, &b), wanted = BN_cmp(number_a, number_b);
            assert_int_equal((order > 0) - (order < 0), wanted);
            BN_free(number_a);
            BN_free(number_b);
        }
}

static void integers_are_written_as_openssl_reads_them(void **state)
{
    (void)state;
    static const char *const numbers[] = {
        "00", "01", "7f", "80", "ff", "0100", "7fff", "8000", "7fffffffffffffffffffffffffffffffffffffff",
        F20};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct serial serial;
        uint8_t der[SERIAL_MAX + 3], *again = NULL;
        assert_true(serial_from_text(numbers[i], &serial));
        size_t len = serial_to_der(serial_bytes(&serial), der);
        BIGNUM *number = NULL;
        assert_true(BN_hex2bn(&number, numbers[i]) > 0);
        ASN1_INTEGER *wanted = BN_to_ASN1_INTEGER(number, NULL);
        int wanted_len = i2d_ASN1_INTEGER(wanted, &again);
        assert_int_equal(len, wanted_len);
        assert_memory_equal(der, again, len);
        OPENSSL_free(again);
        ASN1_INTEGER_free(wanted);
        BN_free(number);

        struct serial back;
        assert_true(serial_from_integer((struct bytes){der + 2, len - 2}, &back));
        assert_int_equal(serial_compare(&serial, &back), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_spelling_gives_one_canonical_form),
        cmocka_unit_test(integers_are_read),
        cmocka_unit_test(integers_with_needless_zeros_are_refused),
        cmocka_unit_test(octets_may_have_leading_zeros),
        cmocka_unit_test(order_is_that_of_the_numbers),
        cmocka_unit_test(integers_are_written_as_openssl_reads_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
