/* The index.txt of openssl ca. Lines marked "openssl ca" were written by OpenSSL 3.0; what their subjects
 * must become was printed by `openssl x509 -subject -nameopt RFC2253,-esc_msb` for the same certificates. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <annul/index_txt.h>

#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static struct bytes bytes_of(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static int64_t at(const char *text)
{
    int64_t value = TIME_NONE;
    if (text)
        assert_true(time_from_text(text, &value));
    return value;
}

static const struct good_line {
    const char *spoken;
    const char *line;
    char status;
    const char *serial, *not_after, *revoked_at;
    int reason;
    const char *invalidity_at;
} good_lines[] = {
    {"openssl ca: valid", "V\t271121094104Z\t\t04\tunknown\t/O=M\\xFCller/CN=caf\\xE9", 'V', "04",
     "2027-11-21T09:41:04Z", NULL, REASON_UNSPECIFIED, NULL},
    {"openssl ca: expired by -updatedb", "E\t200201000000Z\t\t0C\tunknown\t/CN=gone", 'E', "0c",
     "2020-02-01T00:00:00Z", NULL, REASON_UNSPECIFIED, NULL},
    {"openssl ca: expiry after 2049", "V\t20600101000000Z\t\t0A\tunknown\t/CN=y2060", 'V', "0a",
     "2060-01-01T00:00:00Z", NULL, REASON_UNSPECIFIED, NULL},
    {"openssl ca -revoke", "R\t271121094104Z\t261121094105Z\t01\tunknown\t/C=DE/O=Example/CN=client-1", 'R',
     "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z", REASON_UNSPECIFIED, NULL},
    {"openssl ca -crl_reason unspecified", "R\t271121094104Z\t261121094105Z,unspecified\t03\tunknown\t/CN=a",
     'R', "03", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z", REASON_UNSPECIFIED, NULL},
    {"openssl ca -crl_reason keyCompromise",
     "R\t271121094104Z\t261121094105Z,keyCompromise\t0D\tunknown\t/CN=r13", 'R', "0d", "2027-11-21T09:41:04Z",
     "2026-11-21T09:41:05Z", REASON_KEY_COMPROMISE, NULL},
    {"openssl ca -crl_hold",
     "R\t271121094104Z\t261121094105Z,holdInstruction,holdInstructionReject\t0E\tunknown\t/CN=r14", 'R', "0e",
     "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z", REASON_CERTIFICATE_HOLD, NULL},
    {"openssl ca -crl_compromise",
     "R\t271121094104Z\t261121094105Z,keyTime,20260102030405Z\t0F\tunknown\t/CN=r15", 'R', "0f",
     "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z", REASON_KEY_COMPROMISE, "2026-01-02T03:04:05Z"},
    {"openssl ca -crl_CA_compromise",
     "R\t271121094104Z\t261121094105Z,CAkeyTime,20260102030405Z\t10\tunknown\t/CN=r16", 'R', "10",
     "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z", REASON_CA_COMPROMISE, "2026-01-02T03:04:05Z"},
    {"openssl ca -crl_reason CACompromise",
     "R\t271121094105Z\t261121094105Z,CACompromise\t11\tunknown\t/CN=r17", 'R', "11", "2027-11-21T09:41:05Z",
     "2026-11-21T09:41:05Z", REASON_CA_COMPROMISE, NULL},
    {"openssl ca -crl_reason certificateHold",
     "R\t271121094105Z\t261121094105Z,certificateHold\t12\tunknown\t/CN=r18", 'R', "12",
     "2027-11-21T09:41:05Z", "2026-11-21T09:41:05Z", REASON_CERTIFICATE_HOLD, NULL},
    {"reason in another case, as OpenSSL reads it too",
     "R\t271121094105Z\t261121094105Z,KEYCOMPROMISE\t11\tunknown\t/CN=a", 'R', "11", "2027-11-21T09:41:05Z",
     "2026-11-21T09:41:05Z", REASON_KEY_COMPROMISE, NULL},
    {"a plain reason with an argument, which OpenSSL ignores",
     "R\t271121094105Z\t261121094105Z,superseded,x,y\t11\tunknown\t/CN=a", 'R', "11", "2027-11-21T09:41:05Z",
     "2026-11-21T09:41:05Z", REASON_SUPERSEDED, NULL},
    {"two-digit year 49 is 2049", "V\t491231235959Z\t\t01\tunknown\t/CN=a", 'V', "01", "2049-12-31T23:59:59Z",
     NULL, REASON_UNSPECIFIED, NULL},
    {"two-digit year 50 is 1950", "E\t500101000000Z\t\t01\tunknown\t/CN=a", 'E', "01", "1950-01-01T00:00:00Z",
     NULL, REASON_UNSPECIFIED, NULL},
    {"revocation date with four-digit year", "R\t271121094104Z\t20500101000000Z\t01\tunknown\t/CN=a", 'R',
     "01", "2027-11-21T09:41:04Z", "2050-01-01T00:00:00Z", REASON_UNSPECIFIED, NULL},
    {"no expiry date", "V\t\t\t01\tunknown\t/CN=a", 'V', "01", NULL, NULL, REASON_UNSPECIFIED, NULL},
    {"no subject", "V\t271121094104Z\t\t01\tunknown\t", 'V', "01", "2027-11-21T09:41:04Z", NULL,
     REASON_UNSPECIFIED, NULL},
    {"an escaped tab in the subject", "V\t271121094104Z\t\t01\tunknown\t/CN=a\\\tb", 'V', "01",
     "2027-11-21T09:41:04Z", NULL, REASON_UNSPECIFIED, NULL},
    {"line from Windows", "V\t271121094104Z\t\t01\tunknown\t/CN=a\r", 'V', "01", "2027-11-21T09:41:04Z", NULL,
     REASON_UNSPECIFIED, NULL},
    {"serial 0", "V\t271121094104Z\t\t00\tunknown\t/CN=a", 'V', "00", "2027-11-21T09:41:04Z", NULL,
     REASON_UNSPECIFIED, NULL},
    {"serial of 20 octets, the largest",
     "V\t271121094104Z\t\tFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\tunknown\t/CN=a", 'V',
     "ffffffffffffffffffffffffffffffffffffffff", "2027-11-21T09:41:04Z", NULL, REASON_UNSPECIFIED, NULL},
    {"serial of 20 octets behind zeros",
     "V\t271121094104Z\t\t0000FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\tunknown\t/CN=a", 'V',
     "ffffffffffffffffffffffffffffffffffffffff", "2027-11-21T09:41:04Z", NULL, REASON_UNSPECIFIED, NULL},
};

static void reads_good_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good_lines); i++) {
        const struct good_line *good = &good_lines[i];
        struct index_row row;
        struct error err = {""};
        char serial[SERIAL_TEXT];
        if (index_row_parse(bytes_of(good->line), &row, &err) != FOUND)
            fail_msg("%s: %s", good->spoken, err.text);
        serial_to_text(&row.serial, serial);
        if (row.status != good->status || strcmp(serial, good->serial) != 0 ||
            row.not_after != at(good->not_after) || row.revoked_at != at(good->revoked_at) ||
            row.reason != good->reason || row.invalidity_at != at(good->invalidity_at))
            fail_msg("%s: read as %c %s, reason %d", good->spoken, row.status, serial, row.reason);
    }
}

static const struct {
    const char *spoken;
    const char *line;
    const char *complaint; /* part of the message */
} bad_lines[] = {
    {"five columns", "V\t271121094104Z\t\t01\t/CN=a", "six columns"},
    {"seven columns", "V\t271121094104Z\t\t01\tunknown\t/CN=a\tb", "six columns"},
    {"blanks for tabs", "V 271121094104Z  01 unknown /CN=a", "six columns"},
    {"unknown status", "X\t271121094104Z\t\t01\tunknown\t/CN=a", "not V, R or E"},
    {"status in lower case", "v\t271121094104Z\t\t01\tunknown\t/CN=a", "not V, R or E"},
    {"status of two letters", "VR\t271121094104Z\t\t01\tunknown\t/CN=a", "not V, R or E"},
    {"valid with a revocation date", "V\t271121094104Z\t261121094105Z\t01\tunknown\t/CN=a", "status is V"},
    {"revoked without a date", "R\t271121094104Z\t\t01\tunknown\t/CN=a", "revocation date"},
    {"revoked with a reason alone", "R\t271121094104Z\t,keyCompromise\t01\tunknown\t/CN=a",
     "revocation date"},
    {"February 30th", "V\t270230000000Z\t\t01\tunknown\t/CN=a", "expiry date"},
    {"expiry without Z", "V\t271121094104\t\t01\tunknown\t/CN=a", "expiry date"},
    {"expiry with an offset", "V\t271121094104+0100\t\t01\tunknown\t/CN=a", "expiry date"},
    {"hour 24", "R\t271121094104Z\t261121240000Z\t01\tunknown\t/CN=a", "revocation date"},
    {"unknown reason", "R\t271121094104Z\t261121094105Z,lost\t01\tunknown\t/CN=a", "\"lost\""},
    {"empty reason", "R\t271121094104Z\t261121094105Z,,x\t01\tunknown\t/CN=a", "reason"},
    {"openssl ca -crl_reason removeFromCRL",
     "R\t271121094104Z\t261121094105Z,removeFromCRL\t02\tunknown\t/CN=a", "delta CRL"},
    {"keyTime without a time", "R\t271121094104Z\t261121094105Z,keyTime\t01\tunknown\t/CN=a",
     "keyTime needs"},
    {"CAkeyTime with a bad time", "R\t271121094104Z\t261121094105Z,CAkeyTime,soon\t01\tunknown\t/CN=a",
     "CAkeyTime needs"},
    {"holdInstruction without one", "R\t271121094104Z\t261121094105Z,holdInstruction\t01\tunknown\t/CN=a",
     "holdInstruction needs"},
    {"no serial", "V\t271121094104Z\t\t\tunknown\t/CN=a", "serial"},
    {"negative serial", "V\t271121094104Z\t\t-01\tunknown\t/CN=a", "negative"},
    {"serial with 0x", "V\t271121094104Z\t\t0x01\tunknown\t/CN=a", "serial"},
    {"serial of 21 octets", "V\t271121094104Z\t\t01FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\tunknown\t/CN=a",
     "20 octets"},
};

static void refuses_bad_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad_lines); i++) {
        struct index_row row;
        struct error err = {""};
        if (index_row_parse(bytes_of(bad_lines[i].line), &row, &err) != FAILED)
            fail_msg("%s: was taken", bad_lines[i].spoken);
        if (!strstr(err.text, bad_lines[i].complaint))
            fail_msg("%s: says \"%s\"", bad_lines[i].spoken, err.text);
    }
}

static void refuses_a_nul(void **state)
{
    (void)state;
    static const uint8_t line[] = "V\t271121094104Z\t\t01\tunknown\t/CN=a\0b";
    struct index_row row;
    assert_int_equal(index_row_parse((struct bytes){line, sizeof line - 1}, &row, NULL), FAILED);
}

static void passes_over_what_is_no_row(void **state)
{
    (void)state;
    static const char *const lines[] = {"",     "\r",          "   ",
                                        "\t\t", "# a comment", "#V\t271121094104Z\t\t01\tunknown\t/CN=a"};
    for (size_t i = 0; i < COUNT(lines); i++) {
        struct index_row row;
        assert_int_equal(index_row_parse(bytes_of(lines[i]), &row, NULL), ABSENT);
    }
}

/* Whatever the bytes are, the parser stays inside them; the sanitizers watch. */
static void survives_every_cut(void **state)
{
    (void)state;
    static const char line[] =
        "R\t271121094104Z\t261121094105Z,CAkeyTime,20260102030405Z\t10\tunknown\t/CN=r\\x41\\/+b";
    for (size_t len = 0; len < sizeof line; len++) {
        uint8_t *cut = malloc(len ? len : 1); /* of just this size, so that one octet too far is noticed */
        struct index_row row;
        struct buffer subject = {0};
        assert_non_null(cut);
        memcpy(cut, line, len);
        if (index_row_parse((struct bytes){cut, len}, &row, NULL) == FOUND)
            assert_true(index_name_to_rfc2253(row.name, &subject));
        buffer_free(&subject);
        free(cut);
    }
}

static const struct {
    const char *spoken;
    const char *index;
    const char *rfc2253;
} names[] = {
    {"openssl ca: plain", "/C=DE/O=Example/CN=client-1", "CN=client-1,O=Example,C=DE"},
    {"openssl ca: comma and escaped plus", "/C=DE/O=Example, Inc./CN=client \\+ 2",
     "CN=client \\+ 2,O=Example\\, Inc.,C=DE"},
    {"openssl ca: escaped slashes", "/O=A\\/B/CN=a\\/CN=evil", "CN=a/CN=evil,O=A/B"},
    {"openssl ca: leading hash", "/DC=org/DC=example/CN=#lead", "CN=\\#lead,DC=example,DC=org"},
    {"openssl ca: blanks at both ends", "/CN= lead and trail ", "CN=\\ lead and trail\\ "},
    {"openssl ca: two values in one part", "/O=x/serialNumber=77+CN=multi", "CN=multi+serialNumber=77,O=x"},
    {"openssl ca: what RFC 2253 escapes",
     "/CN=quote\"back\\slash<>;=", "CN=quote\\\"back\\\\slash\\<\\>\\;="},
    {"openssl ca: mail address", "/CN=mail/emailAddress=a@example.org", "emailAddress=a@example.org,CN=mail"},
    {"openssl ca: a tab", "/CN=tab\\x09inside", "CN=tab\\09inside"},
    {"UTF8String", "/O=M\\xC3\\xBCller/CN=caf\\xC3\\xA9", "CN=caf\xC3\xA9,O=M\xC3\xBCller"},
    {"dotted OID", "/O=x/1.2.3.4=y", "1.2.3.4=y,O=x"},
    {"an attribute of one's own comes first", "/myAttribute=1/CN=x", "CN=x,myAttribute=1"},
    {"one part", "/CN=x", "CN=x"},
    {"an empty value", "/O=/CN=x", "CN=x,O="},
};

static void turns_names_both_ways(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        struct buffer forth = {0}, back = {0};
        assert_true(index_name_to_rfc2253(bytes_of(names[i].index), &forth) && buffer_add(&forth, "", 1));
        assert_true(index_name_from_rfc2253(names[i].rfc2253, &back) && buffer_add(&back, "", 1));
        if (strcmp((const char *)forth.at, names[i].rfc2253) != 0 ||
            strcmp((const char *)back.at, names[i].index) != 0)
            fail_msg("%s: \"%s\", and back \"%s\"", names[i].spoken, (const char *)forth.at,
                     (const char *)back.at);
        buffer_free(&forth);
        buffer_free(&back);
    }
}

static const struct {
    const char *spoken;
    const char *index;
    const char *rfc2253;
} names_one_way[] = {
    {"openssl ca: T61String is Latin-1", "/O=M\\xFCller/CN=caf\\xE9", "CN=caf\xC3\xA9,O=M\xC3\xBCller"},
    {"openssl ca: BMPString", "/O=\\x01|\\x00\\xF3\\x01B\\x00w/CN=b", "CN=b,O=\xC5\xBC\xC3\xB3\xC5\x82w"},
    {"bare slashes of OpenSSL before 3", "/O=A/B/CN=http://x/y", "CN=http://x/y,O=A/B"},
    {"a bare plus of OpenSSL before 3", "/CN=a+b", "CN=a\\+b"},
    {"a bare slash before something that is no attribute", "/CN=a/colour=red", "CN=a/colour=red"},
    {"an escape that oneline never writes stays", "/CN=a\\x41", "CN=a\\\\x41"},
    {"an escape that is cut off stays", "/CN=a\\xC", "CN=a\\\\xC"},
    {"a backslash at the end", "/CN=a\\", "CN=a\\\\"},
    {"a tab escaped by TXT_DB", "/CN=a\\\tb", "CN=a\\09b"},
    {"a single blank", "/CN= ", "CN=\\ "},
    {"no distinguished name", "client 7", "client 7"},
    {"a slash alone", "/", "/"},
    {"nothing", "", ""},
    {"bytes that are not UTF-8", "/CN=\\xF8\\x88", "CN=\xC3\xB8\xC2\x88"},
};

static void reads_names_of_all_versions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(names_one_way); i++) {
        struct buffer out = {0};
        const char *expected = names_one_way[i].rfc2253;
        assert_true(index_name_to_rfc2253(bytes_of(names_one_way[i].index), &out) && buffer_add(&out, "", 1));
        if (strcmp(expected, (const char *)out.at) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", names_one_way[i].spoken, (const char *)out.at, expected);
        buffer_free(&out);
    }
}

static const struct {
    const char *spoken;
    char status;
    const char *serial, *not_after, *revoked_at;
    int reason;
    const char *invalidity_at;
    const char *name;
    const char *line;
    unsigned loss;
} written[] = {
    {"valid", 'V', "1a2b", "2027-11-21T09:41:04Z", NULL, REASON_UNSPECIFIED, NULL, "/CN=a",
     "V\t271121094104Z\t\t1A2B\tunknown\t/CN=a\n", INDEX_LOSES_NOTHING},
    {"expiry in 2050", 'V', "00", "2050-01-01T00:00:00Z", NULL, REASON_UNSPECIFIED, NULL, "/CN=a",
     "V\t20500101000000Z\t\t00\tunknown\t/CN=a\n", INDEX_LOSES_NOTHING},
    {"no expiry known, no subject", 'V', "80", NULL, NULL, REASON_UNSPECIFIED, NULL, "",
     "V\t99991231235959Z\t\t80\tunknown\tunknown\n", INDEX_LOSES_NOTHING},
    {"unspecified is not spelled out", 'R', "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z",
     REASON_UNSPECIFIED, NULL, "/CN=a", "R\t271121094104Z\t261121094105Z\t01\tunknown\t/CN=a\n",
     INDEX_LOSES_NOTHING},
    {"cACompromise in OpenSSL's spelling", 'R', "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z",
     REASON_CA_COMPROMISE, NULL, "/CN=a",
     "R\t271121094104Z\t261121094105Z,CACompromise\t01\tunknown\t/CN=a\n", INDEX_LOSES_NOTHING},
    {"key compromised before", 'R', "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z",
     REASON_KEY_COMPROMISE, "2026-01-02T03:04:05Z", "/CN=a",
     "R\t271121094104Z\t261121094105Z,keyTime,20260102030405Z\t01\tunknown\t/CN=a\n", INDEX_LOSES_NOTHING},
    {"invalidity that has no place", 'R', "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z",
     REASON_SUPERSEDED, "2026-01-02T03:04:05Z", "/CN=a",
     "R\t271121094104Z\t261121094105Z,superseded\t01\tunknown\t/CN=a\n", INDEX_LOSES_INVALIDITY},
    {"privilegeWithdrawn", 'R', "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z",
     REASON_PRIVILEGE_WITHDRAWN, "2026-01-02T03:04:05Z", "/CN=a",
     "R\t271121094104Z\t261121094105Z\t01\tunknown\t/CN=a\n", INDEX_LOSES_REASON | INDEX_LOSES_INVALIDITY},
    {"aACompromise", 'R', "01", "2027-11-21T09:41:04Z", "2026-11-21T09:41:05Z", REASON_AA_COMPROMISE, NULL,
     "/CN=a", "R\t271121094104Z\t261121094105Z,keyCompromise\t01\tunknown\t/CN=a\n", INDEX_LOSES_REASON},
};

static void writes_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(written); i++) {
        struct buffer out = {0};
        struct index_row row = {.status = written[i].status,
                                .not_after = at(written[i].not_after),
                                .revoked_at = at(written[i].revoked_at),
                                .reason = written[i].reason,
                                .invalidity_at = at(written[i].invalidity_at),
                                .name = bytes_of(written[i].name)};
        assert_true(serial_from_text(written[i].serial, &row.serial));
        assert_true(index_row_write(&row, &out) && buffer_add(&out, "", 1));
        if (strcmp((const char *)out.at, written[i].line) != 0 || index_row_loss(&row) != written[i].loss)
            fail_msg("%s: \"%s\", losing %u", written[i].spoken, (const char *)out.at, index_row_loss(&row));
        buffer_free(&out);
    }
}

/* What openssl ca wrote is written the same, but for the pseudo-reason of a hold. */
static void keeps_lines_of_openssl(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good_lines); i++) {
        struct index_row row;
        struct buffer out = {0};
        if (strncmp(good_lines[i].spoken, "openssl ca", 10) != 0 ||
            strstr(good_lines[i].line, "unspecified") || strstr(good_lines[i].line, "holdInstruction"))
            continue;
        assert_int_equal(index_row_parse(bytes_of(good_lines[i].line), &row, NULL), FOUND);
        assert_true(index_row_write(&row, &out));
        assert_int_equal(out.len, strlen(good_lines[i].line) + 1);
        assert_memory_equal(out.at, good_lines[i].line, out.len - 1);
        buffer_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_good_lines),
        cmocka_unit_test(refuses_bad_lines),
        cmocka_unit_test(refuses_a_nul),
        cmocka_unit_test(passes_over_what_is_no_row),
        cmocka_unit_test(survives_every_cut),
        cmocka_unit_test(turns_names_both_ways),
        cmocka_unit_test(reads_names_of_all_versions),
        cmocka_unit_test(writes_lines),
        cmocka_unit_test(keeps_lines_of_openssl),
    };
    return cmocka_run_group_tests_name("index.txt", tests, NULL, NULL);
}
