/* CRLs: OpenSSL reads and verifies what is streamed out; the scanner takes exactly that, however it arrives.
 */
#include "crl.h"

#include <annul/reason.h>
#include <annul/sigalg.h>

#define THIS_UPDATE "2026-11-21T09:00:00Z"
#define NEXT_UPDATE "2026-11-28T09:00:00Z"

static struct fixture {
    EVP_PKEY *key;
    X509 *ca;
    const struct sigalg *sigalg;
    struct crl_head head;
    struct crl_scan *scan;
} f;

static const uint8_t key_id[20] = {0xfe, 0xdc, 0xba, 0x98};

static struct source source;

static int fixture_make(void **state)
{
    (void)state;
    f.key = key_make("P-256");
    f.ca = x509_make_ca("CRL CA", f.key);
    f.sigalg = sigalg_for_key(f.key);
    const unsigned char *name;
    size_t len;
    assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(f.ca), &name, &len), 1);
    f.head = (struct crl_head){.issuer = {name, len},
                               .sigalg = f.sigalg->der,
                               .key_id = {key_id, sizeof key_id},
                               .number = 1,
                               .this_update = at_text(THIS_UPDATE),
                               .next_update = at_text(NEXT_UPDATE)};
    f.scan = crl_scan_new(source_read, &source);
    return f.scan ? 0 : -1;
}

static int fixture_free(void **state)
{
    (void)state;
    crl_scan_free(f.scan);
    X509_free(f.ca);
    EVP_PKEY_free(f.key);
    return 0;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static struct buffer tbs_make(const struct crl_head *head, const struct buffer *entries)
{
    struct buffer suffix = {0}, tbs = {0};
    assert_true(crl_suffix(&suffix, head));
    assert_true(crl_prefix(&tbs, head, entries->len, suffix.len));
    assert_true(buffer_add(&tbs, entries->at, entries->len) && buffer_add(&tbs, suffix.at, suffix.len));
    buffer_free(&suffix);
    return tbs;
}

static struct buffer crl_make(const struct buffer *tbs)
{
    struct buffer crl = {0}, behind = {0}, signature = sign_octets(f.key, f.sigalg->digest, bytes_of(tbs));
    assert_true(crl_envelope(&crl, &behind, tbs->len, f.sigalg->der, bytes_of(&signature)));
    assert_true(buffer_add(&crl, tbs->at, tbs->len) && buffer_add(&crl, behind.at, behind.len));
    buffer_free(&behind);
    buffer_free(&signature);
    return crl;
}

/* OpenSSL's view of a CRL around these entries, verified. */
static X509_CRL *crl_read_back(const struct crl_head *head, const struct buffer *entries)
{
    struct buffer tbs = tbs_make(head, entries), crl = crl_make(&tbs);
    const unsigned char *at = crl.at;
    X509_CRL *theirs = d2i_X509_CRL(NULL, &at, (long)crl.len);
    assert_non_null(theirs);
    assert_ptr_equal(at, crl.at + crl.len);
    assert_int_equal(X509_CRL_verify(theirs, f.key), 1);
    assert_int_equal(X509_CRL_get_version(theirs), X509_CRL_VERSION_2);
    assert_int_equal(X509_NAME_cmp(X509_CRL_get_issuer(theirs), X509_get_subject_name(f.ca)), 0);
    assert_int_equal(asn1_time(X509_CRL_get0_lastUpdate(theirs)), head->this_update);
    assert_int_equal(asn1_time(X509_CRL_get0_nextUpdate(theirs)), head->next_update);
    buffer_free(&tbs);
    buffer_free(&crl);
    return theirs;
}

static void add_entry(struct buffer *entries, const struct crl_entry *entry)
{
    uint8_t out[CRL_ENTRY_MAX];
    assert_true(buffer_add(entries, out, crl_entry_encode(entry, out)));
}

static struct serial serial_of(const char *text)
{
    struct serial serial;
    assert_true(serial_from_text(text, &serial));
    return serial;
}

static void number_n(size_t n, struct serial *serial)
{
    char text[2 * sizeof n + 1];
    snprintf(text, sizeof text, "%zx", n + 1);
    *serial = serial_of(text);
}

static const struct {
    const char *spoken, *serial;
    int64_t revoked_at;
    int reason;
    int64_t invalidity_at;
} entries_table[] = {
    {"no reason", "01", 1700000000, REASON_UNSPECIFIED, TIME_NONE},
    {"keyCompromise", "7f", 1700000000, REASON_KEY_COMPROMISE, TIME_NONE},
    {"serial with the high bit", "80", 1700000000, REASON_SUPERSEDED, TIME_NONE},
    {"on hold", "ff", 1700000000, REASON_CERTIFICATE_HOLD, TIME_NONE},
    {"invalidityDate alone", "0100", 1700000000, REASON_UNSPECIFIED, 1600000000},
    {"both", "0101", 1700000000, REASON_AA_COMPROMISE, 1600000000},
    {"the last second of UTCTime", "0102", 2524607999, REASON_UNSPECIFIED, TIME_NONE},
    {"the first of GeneralizedTime", "0103", 2524608000, REASON_UNSPECIFIED, TIME_NONE},
    {"invalidityDate before 1950", "0104", 1700000000, REASON_CA_COMPROMISE, -700000000},
    {"20 octets", "7fffffffffffffffffffffffffffffffffffffff", 2524608000, REASON_PRIVILEGE_WITHDRAWN, 1},
    {"2^160 - 1, the longest entry", "ffffffffffffffffffffffffffffffffffffffff", 2524608000,
     REASON_KEY_COMPROMISE, 1},
};

static struct crl_entry entry_of(size_t row)
{
    return (struct crl_entry){serial_of(entries_table[row].serial), entries_table[row].revoked_at,
                              entries_table[row].reason, entries_table[row].invalidity_at};
}

static void check_entry(size_t row, const X509_REVOKED *theirs)
{
    const char *spoken = entries_table[row].spoken;
    const ASN1_TIME *at = X509_REVOKED_get0_revocationDate(theirs);
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_REVOKED_get0_serialNumber(theirs), NULL), *wanted = NULL;
    BN_hex2bn(&wanted, entries_table[row].serial);
    check_row(spoken, BN_cmp(number, wanted) == 0);
    BN_free(number);
    BN_free(wanted);
    check_row(spoken, asn1_time(at) == entries_table[row].revoked_at);
    check_row(spoken,
              ASN1_STRING_type(at) ==
                  (entries_table[row].revoked_at < 2524608000 ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME));
    int critical = -1;
    ASN1_ENUMERATED *reason = X509_REVOKED_get_ext_d2i(theirs, NID_crl_reason, &critical, NULL);
    bool has_reason = entries_table[row].reason != REASON_UNSPECIFIED;
    check_row(spoken, (reason != NULL) == has_reason);
    if (reason)
        check_row(spoken, ASN1_ENUMERATED_get(reason) == entries_table[row].reason && critical == 0);
    ASN1_ENUMERATED_free(reason);
    ASN1_GENERALIZEDTIME *invalid = X509_REVOKED_get_ext_d2i(theirs, NID_invalidity_date, &critical, NULL);
    bool has_invalidity = entries_table[row].invalidity_at != TIME_NONE;
    check_row(spoken, (invalid != NULL) == has_invalidity);
    if (invalid)
        check_row(spoken, asn1_time(invalid) == entries_table[row].invalidity_at && critical == 0);
    ASN1_GENERALIZEDTIME_free(invalid);
    check_row(spoken,
              sk_X509_EXTENSION_num(X509_REVOKED_get0_extensions(theirs)) ==
                  (has_reason || has_invalidity ? has_reason + has_invalidity : -1)); /* -1: no field */
}

static void openssl_reads_every_kind_of_entry(void **state)
{
    (void)state;
    struct buffer entries = {0};
    for (size_t i = 0; i < COUNT(entries_table); i++) {
        struct crl_entry entry = entry_of(i);
        add_entry(&entries, &entry);
    }
    X509_CRL *theirs = crl_read_back(&f.head, &entries);
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(theirs);
    assert_int_equal(sk_X509_REVOKED_num(list), COUNT(entries_table));
    for (size_t i = 0; i < COUNT(entries_table); i++)
        check_entry(i, sk_X509_REVOKED_value(list, (int)i));
    X509_CRL_free(theirs);
    buffer_free(&entries);
}

static void the_longest_entry_has_its_room(void **state)
{
    (void)state;
    struct crl_entry entry = entry_of(COUNT(entries_table) - 1);
    uint8_t out[CRL_ENTRY_MAX];
    size_t len = crl_entry_encode(&entry, out);
    assert_in_range(len, 1, CRL_ENTRY_MAX);
    assert_int_equal(out[1], len - 2); /* a whole TLV, short form */
}

static void an_empty_list_has_no_field(void **state)
{
    (void)state;
    struct buffer none = {0}, tbs = tbs_make(&f.head, &none);
    X509_CRL *theirs = crl_read_back(&f.head, &none);
    assert_null(X509_CRL_get_REVOKED(theirs));
    X509_CRL_free(theirs);
    /* Behind nextUpdate come the extensions at once. */
    struct buffer next = octets("17{3236313132383039303030305a} a0");
    assert_non_null(memmem(tbs.at, tbs.len, next.at, next.len));
    buffer_free(&next);
    buffer_free(&tbs);
}

static void check_authority(X509_CRL *theirs)
{
    int critical = -1;
    AUTHORITY_KEYID *authority = X509_CRL_get_ext_d2i(theirs, NID_authority_key_identifier, &critical, NULL);
    assert_non_null(authority);
    assert_int_equal(critical, 0);
    assert_int_equal(ASN1_STRING_length(authority->keyid), sizeof key_id);
    assert_memory_equal(ASN1_STRING_get0_data(authority->keyid), key_id, sizeof key_id);
    assert_null(authority->issuer);
    assert_null(authority->serial);
    AUTHORITY_KEYID_free(authority);
}

static void numbers_and_authority_are_extensions(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {0, 1, 127, 128, 255, 256, 32767, 32768, 1763715600, INT64_MAX};
    struct buffer none = {0};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct crl_head head = f.head;
        head.number = numbers[i];
        X509_CRL *theirs = crl_read_back(&head, &none);
        int critical = -1;
        uint64_t read;
        ASN1_INTEGER *number = X509_CRL_get_ext_d2i(theirs, NID_crl_number, &critical, NULL);
        assert_non_null(number);
        assert_int_equal(critical, 0);
        assert_int_equal(ASN1_INTEGER_get_uint64(&read, number), 1);
        assert_true(read == numbers[i]);
        ASN1_INTEGER_free(number);
        check_authority(theirs);
        assert_int_equal(X509_CRL_get_ext_count(theirs), 2);
        X509_CRL_free(theirs);
    }
}

static void dates_change_their_type_in_2050(void **state)
{
    (void)state;
    struct buffer none = {0};
    struct crl_head head = f.head;
    head.this_update = at_text("2049-12-31T23:59:59Z");
    head.next_update = at_text("2050-01-01T00:00:00Z");
    X509_CRL *theirs = crl_read_back(&head, &none);
    assert_int_equal(ASN1_STRING_type(X509_CRL_get0_lastUpdate(theirs)), V_ASN1_UTCTIME);
    assert_int_equal(ASN1_STRING_type(X509_CRL_get0_nextUpdate(theirs)), V_ASN1_GENERALIZEDTIME);
    X509_CRL_free(theirs);
}

static void the_envelope_appends(void **state)
{
    (void)state;
    struct buffer before = octets("ee"), behind = octets("ff ff");
    struct buffer algorithm = octets("30{ 06{2a} }"), signature = octets("05 06 07");
    assert_true(crl_envelope(&before, &behind, 300, bytes_of(&algorithm), bytes_of(&signature)));
    struct buffer wanted_before = octets("ee 30 82 01 37"); /* 300, 5 of the algorithm, 6 of the signature */
    struct buffer wanted_behind = octets("ff ff 30{ 06{2a} } 03{ 00 05 06 07 }");
    assert_true(bytes_equal(bytes_of(&before), bytes_of(&wanted_before)));
    assert_true(bytes_equal(bytes_of(&behind), bytes_of(&wanted_behind)));
    struct buffer *all[] = {&before, &behind, &algorithm, &signature, &wanted_before, &wanted_behind};
    for (size_t i = 0; i < COUNT(all); i++)
        buffer_free(all[i]);
}

/* --- reading ------------------------------------------------------------------------------------------- */

struct count {
    uint64_t seen, stop_at;
    bool strict; /* compare with the table */
};

static int count_entry(void *arg, const struct crl_entry *entry)
{
    struct count *count = arg;
    if (count->strict) {
        struct crl_entry wanted = entry_of(count->seen);
        check_row(entries_table[count->seen].spoken, serial_compare(&wanted.serial, &entry->serial) == 0 &&
                                                         wanted.revoked_at == entry->revoked_at &&
                                                         wanted.reason == entry->reason &&
                                                         wanted.invalidity_at == entry->invalidity_at);
    }
    return ++count->seen == count->stop_at;
}

static int scan(struct bytes tbs, size_t chunk, struct count *count, struct crl_facts *facts,
                struct error *err)
{
    source = (struct source){.rest = tbs, .chunk = chunk};
    *err = (struct error){""};
    return crl_scan_tbs(f.scan, count ? count_entry : NULL, count, facts, err);
}

static void check_facts(const struct crl_facts *facts, const struct crl_head *head, size_t entries,
                        size_t len)
{
    assert_true(bytes_equal(facts->head.issuer, head->issuer));
    assert_true(bytes_equal(facts->head.sigalg, head->sigalg));
    assert_true(bytes_equal(facts->head.key_id, head->key_id));
    assert_true(facts->has_number && facts->has_key_id);
    assert_true(facts->head.number == head->number);
    assert_int_equal(facts->head.this_update, head->this_update);
    assert_int_equal(facts->head.next_update, head->next_update);
    assert_true(facts->entries == entries && facts->len == len);
}

static void the_scanner_reads_what_is_written(void **state)
{
    (void)state;
    struct buffer entries = {0};
    struct crl_head head = f.head;
    head.number = INT64_MAX;
    for (size_t i = 0; i < COUNT(entries_table); i++) {
        struct crl_entry entry = entry_of(i);
        add_entry(&entries, &entry);
    }
    struct buffer tbs = tbs_make(&head, &entries);
    for (size_t i = 0; i < COUNT(chunks); i++) {
        struct count count = {.strict = true};
        struct crl_facts facts;
        struct error err;
        if (scan(bytes_of(&tbs), chunks[i], &count, &facts, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(count.seen, COUNT(entries_table));
        check_facts(&facts, &head, COUNT(entries_table), tbs.len);
        assert_int_equal(scan(bytes_of(&tbs), chunks[i], NULL, &facts, &err),
                         0); /* nobody wants the entries */
    }
    struct count count = {.stop_at = 3};
    struct crl_facts facts;
    struct error err;
    assert_int_equal(scan(bytes_of(&tbs), 7, &count, &facts, &err), -1);
    assert_int_equal(count.seen, 3);
    buffer_free(&tbs);
    buffer_free(&entries);
}

static const uint8_t too_long[CRL_URI_MAX + 1] = {[0 ... CRL_URI_MAX] = 'a'};
#define ADD_URI "http://crl.example.com/add.crl"

static struct bytes long_uri(void)
{
    static uint8_t uri[CRL_URI_MAX];
    memset(uri, 'a', sizeof uri);
    memcpy(uri, "http://", 7);
    return (struct bytes){uri, sizeof uri};
}

static void check_uri(const char *spoken, const DIST_POINT_NAME *name, struct bytes wanted)
{
    check_row(spoken, name && name->type == 0 && sk_GENERAL_NAME_num(name->name.fullname) == 1);
    const GENERAL_NAME *only = sk_GENERAL_NAME_value(name->name.fullname, 0);
    check_row(spoken, only->type == GEN_URI);
    struct bytes uri = {ASN1_STRING_get0_data(only->d.ia5), (size_t)ASN1_STRING_length(only->d.ia5)};
    check_row(spoken, bytes_equal(uri, wanted));
}

/* OpenSSL finds each extension, as critical as it must be, and what it says; or none. */
static void check_head(const char *spoken, X509_CRL *crl, const struct crl_head *head)
{
    int critical;
    uint64_t base = 0;
    ASN1_INTEGER *delta = X509_CRL_get_ext_d2i(crl, NID_delta_crl, &critical, NULL);
    check_row(spoken,
              head->base ? delta && critical == 1 && ASN1_INTEGER_get_uint64(&base, delta) == 1 : !delta);
    check_row(spoken, base == head->base);
    ASN1_INTEGER_free(delta);
    ISSUING_DIST_POINT *point = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, &critical, NULL);
    check_row(spoken, (point != NULL) == (head->point.len || head->scope != CRL_ALL));
    if (point) {
        check_row(spoken, critical == 1 && point->onlyuser == (head->scope == CRL_USER ? 0xff : 0) &&
                              point->onlyCA == (head->scope == CRL_CA ? 0xff : 0));
        check_row(spoken, !point->onlysomereasons && !point->indirectCRL && !point->onlyattr);
        check_row(spoken, head->point.len || !point->distpoint);
        if (head->point.len)
            check_uri(spoken, point->distpoint, head->point);
    }
    ISSUING_DIST_POINT_free(point);
    CRL_DIST_POINTS *freshest = X509_CRL_get_ext_d2i(crl, NID_freshest_crl, &critical, NULL);
    check_row(spoken, (freshest != NULL) == (head->freshest.len > 0));
    if (freshest) {
        check_row(spoken, critical == 0 && sk_DIST_POINT_num(freshest) == 1);
        check_uri(spoken, sk_DIST_POINT_value(freshest, 0)->distpoint, head->freshest);
    }
    CRL_DIST_POINTS_free(freshest);
    ASN1_OBJECT *oid = OBJ_txt2obj("2.5.29.60", 1);
    X509_EXTENSION *expired = X509_CRL_get_ext(crl, X509_CRL_get_ext_by_OBJ(crl, oid, -1));
    check_row(spoken, (expired != NULL) == (head->expired_since != 0));
    if (expired) {
        const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(expired);
        const unsigned char *at = ASN1_STRING_get0_data(value);
        ASN1_GENERALIZEDTIME *since = d2i_ASN1_GENERALIZEDTIME(NULL, &at, ASN1_STRING_length(value));
        check_row(spoken, !X509_EXTENSION_get_critical(expired) && asn1_time(since) == head->expired_since);
        ASN1_GENERALIZEDTIME_free(since);
    }
    ASN1_OBJECT_free(oid);
}

static void every_kind_of_head_is_read(void **state)
{
    (void)state;
    const struct bytes uri = bytes_of_text(ADD_URI);
    const struct {
        const char *spoken;
        struct crl_head head;
        bool good;
    } heads[] = {
        {"nothing special", {.base = 0}, true},
        {"a delta", {.base = 1}, true},
        {"a delta of all there is", {.base = INT64_MAX}, true},
        {"a shard", {.point = uri}, true},
        {"users", {.scope = CRL_USER}, true},
        {"CAs at a point", {.scope = CRL_CA, .point = uri}, true},
        {"a base with its delta", {.freshest = uri}, true},
        {"expired ones, too", {.expired_since = 1700000000}, true},
        {"expired ones since 1960", {.expired_since = -300000000}, true},
        {"everything, at its longest",
         {.point = long_uri(), .scope = CRL_USER, .freshest = long_uri(), .expired_since = 1},
         true},
        {"a delta with everything",
         {.base = INT64_MAX, .point = long_uri(), .scope = CRL_CA, .expired_since = 1},
         true},
        {"a delta with a delta", {.base = 1, .freshest = uri}, false},
        {"a base of the future", {.base = UINT64_MAX}, false},
        {"a point that is none", {.point = bytes_of_text("http://a b")}, false},
        {"a freshest that is too long", {.freshest = {too_long, sizeof too_long}}, false},
    };
    struct buffer none = {0};
    for (size_t i = 0; i < COUNT(heads); i++) {
        const char *spoken = heads[i].spoken;
        struct crl_head head = heads[i].head;
        head.issuer = f.head.issuer;
        head.sigalg = f.head.sigalg;
        head.key_id = f.head.key_id;
        head.number = INT64_MAX;
        head.this_update = f.head.this_update;
        head.next_update = f.head.next_update;
        struct buffer suffix = {0};
        check_row(spoken, crl_suffix(&suffix, &head) == heads[i].good);
        buffer_free(&suffix);
        if (!heads[i].good)
            continue;
        X509_CRL *theirs = crl_read_back(&head, &none);
        check_head(spoken, theirs, &head);
        X509_CRL_free(theirs);
        struct buffer tbs = tbs_make(&head, &none);
        struct crl_facts facts;
        struct error err;
        if (scan(bytes_of(&tbs), 7, NULL, &facts, &err) < 0)
            fail_row(spoken, "%s", err.text);
        check_facts(&facts, &head, 0, tbs.len);
        check_row(spoken, facts.is_delta == (head.base != 0) && facts.head.base == head.base);
        check_row(spoken, bytes_equal(facts.head.point, head.point) && facts.head.scope == head.scope);
        check_row(spoken, bytes_equal(facts.head.freshest, head.freshest));
        check_row(spoken, facts.head.expired_since == head.expired_since);
        buffer_free(&tbs);
    }
}

static void lists_of_every_size_verify(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 2, 3, 100000};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        struct buffer entries = {0};
        for (size_t n = 0; n < sizes[i]; n++) {
            struct crl_entry entry = {
                {0}, 1700000000, n % 3 ? REASON_SUPERSEDED : REASON_UNSPECIFIED, TIME_NONE};
            number_n(n * 7, &entry.serial);
            add_entry(&entries, &entry);
        }
        X509_CRL *theirs = crl_read_back(&f.head, &entries);
        STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(theirs);
        assert_int_equal(list ? sk_X509_REVOKED_num(list) : 0, sizes[i]);
        X509_CRL_free(theirs);
        struct buffer tbs = tbs_make(&f.head, &entries);
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct crl_facts facts;
            struct error err;
            if (scan(bytes_of(&tbs), chunks[k], NULL, &facts, &err) < 0)
                fail_msg("%zu entries by %zu: %s", sizes[i], chunks[k], err.text);
            check_facts(&facts, &f.head, sizes[i], tbs.len);
        }
        buffer_free(&tbs);
        buffer_free(&entries);
    }
}

/* Entries of `total` octets together: each has its header, a serial of n octets with theirs, and 15 of time.
 */
static struct buffer entries_of_length(size_t total, size_t *count)
{
    struct buffer entries = {0};
    *count = (total + 38) / 39;
    size_t each = total / *count, longer = total % *count;
    for (size_t i = 0; i < *count; i++) {
        struct crl_entry entry = {{0}, 1700000000, REASON_UNSPECIFIED, TIME_NONE};
        entry.serial.len = (uint8_t)(each - 19 + (i >= *count - longer));
        entry.serial.octets[0] = 1;
        entry.serial.octets[entry.serial.len - 2] |= (uint8_t)(i >> 8);
        entry.serial.octets[entry.serial.len - 1] = (uint8_t)i;
        add_entry(&entries, &entry);
    }
    assert_int_equal(entries.len, total);
    return entries;
}

static void every_length_of_header_is_right(void **state)
{
    (void)state;
    static const struct {
        size_t total;
        const char *header;
    } lists[] = {
        {127, "30 7f"},       {128, "30 81 80"},      {255, "30 81 ff"},
        {256, "30 82 01 00"}, {65535, "30 82 ff ff"}, {65536, "30 83 01 00 00"},
    };
    for (size_t i = 0; i < COUNT(lists); i++) {
        size_t count;
        struct buffer entries = entries_of_length(lists[i].total, &count), tbs = tbs_make(&f.head, &entries);
        struct buffer seen = octets("17{3236313132383039303030305a} %s 30", lists[i].header);
        check_row(lists[i].header, memmem(tbs.at, 200, seen.at, seen.len) != NULL);
        X509_CRL *theirs = crl_read_back(&f.head, &entries);
        assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(theirs)), count);
        X509_CRL_free(theirs);
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct crl_facts facts;
            struct error err;
            if (scan(bytes_of(&tbs), chunks[k], NULL, &facts, &err) < 0)
                fail_row(lists[i].header, "%s", err.text);
            check_facts(&facts, &f.head, count, tbs.len);
        }
        buffer_free(&seen);
        buffer_free(&tbs);
        buffer_free(&entries);
    }
}

/* Lengths of the whole TBSCertList and CertificateList around their own boundaries: a serial, and so the
 * entry, grows octet by octet. */
static void headers_around_it_all_are_right(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 60; n++) {
        struct buffer entries = {0};
        for (size_t i = 0; i < n; i++) {
            struct crl_entry entry = {{0}, 1700000000, REASON_UNSPECIFIED, TIME_NONE};
            entry.serial.len = (uint8_t)(1 + i / 3);
            memset(entry.serial.octets, 0x11, sizeof entry.serial.octets);
            entry.serial.octets[entry.serial.len - 1] = (uint8_t)(1 + i % 3);
            add_entry(&entries, &entry);
        }
        X509_CRL_free(crl_read_back(&f.head, &entries));
        buffer_free(&entries);
    }
}

static const struct {
    const char *spoken, *text;
    bool good;
} tbss[] = {
    {"no entries", TBS("", BOTH), true},
    {"one entry", TBS(LIST(ENTRY("05", "")), BOTH), true},
    {"an entry with a reason", TBS(LIST(ENTRY("05", "30{ " REASON " }")), BOTH), true},
    {"an entry with invalidityDate", TBS(LIST(ENTRY("05", "30{ " INVALIDITY " }")), BOTH), true},
    {"an entry with both", TBS(LIST(ENTRY("05", "30{ " REASON INVALIDITY " }")), BOTH), true},
    {"rising serials", TBS(LIST(ENTRY("7f", "") ENTRY("0080", "") ENTRY("0100", "")), BOTH), true},

    {"falling serials", TBS(LIST(ENTRY("06", "") ENTRY("05", "")), BOTH), false},
    {"falling serials of differing length", TBS(LIST(ENTRY("0100", "") ENTRY("05", "")), BOTH), false},
    {"the same serial twice", TBS(LIST(ENTRY("05", "") ENTRY("05", "")), BOTH), false},
    {"the third falls", TBS(LIST(ENTRY("05", "") ENTRY("07", "") ENTRY("06", "")), BOTH), false},
    {"an empty revokedCertificates", TBS(LIST(""), BOTH), false},
    {"two lists", TBS(LIST(ENTRY("05", "")) LIST(ENTRY("06", "")), BOTH), false},
    {"an entry without serial", TBS(LIST("30{ " T1 " }"), BOTH), false},
    {"an entry without date", TBS(LIST("30{ 02{05} }"), BOTH), false},
    {"an entry with a negative serial", TBS(LIST(ENTRY("85", "")), BOTH), false},
    {"an entry with a serial of 21 octets", TBS(LIST(ENTRY("05*21", "")), BOTH), false},
    {"an entry that is a SET", TBS(LIST("31{ 02{05} " T1 " }"), BOTH), false},
    {"an entry with empty extensions", TBS(LIST(ENTRY("05", "3000")), BOTH), false},
    {"an entry with a critical reason",
     TBS(LIST(ENTRY("05", "30{ 30{ 06{551d15} 01{ff} 04{ 0a{01} } } }")), BOTH), false},
    {"an entry with reason unspecified", TBS(LIST(ENTRY("05", "30{ 30{ 06{551d15} 04{ 0a{00} } } }")), BOTH),
     false},
    {"an entry with reason 7", TBS(LIST(ENTRY("05", "30{ 30{ 06{551d15} 04{ 0a{07} } } }")), BOTH), false},
    {"an entry with two reasons", TBS(LIST(ENTRY("05", "30{ " REASON REASON " }")), BOTH), false},
    {"an entry with two invalidityDates", TBS(LIST(ENTRY("05", "30{ " INVALIDITY INVALIDITY " }")), BOTH),
     false},
    {"an entry with certificateIssuer", TBS(LIST(ENTRY("05", "30{ 30{ 06{551d1d} 04{ 3000 } } }")), BOTH),
     false},
    {"an entry with an unknown extension", TBS(LIST(ENTRY("05", "30{ 30{ 06{2a0304} 04{ 0500 } } }")), BOTH),
     false},
    {"a GeneralizedTime before 2050",
     "30{ " V2 ALGORITHM NAME "18{32303236313132313039303030305a} " T2 BOTH " }", false},
    {"octets behind an entry's fields", TBS(LIST(ENTRY("05", "30{ " REASON " } 0500")), BOTH), false},
    {"octets in the list that are no entry", TBS(LIST(ENTRY("05", "") "0500"), BOTH), false},
    {"an entry that ends behind its list",
     "30{ " V2 ALGORITHM NAME T1 T2 " 30 0b 30{ 02{05} " T1 " } " BOTH " }", false},
    {"an entry larger than the window", TBS(LIST("30{ 02{05} " T1 " 30{ 00*70000 } }"), BOTH), false},
    {"an issuer larger than the window", "30{ " V2 ALGORITHM "30{ 00*70000 } " T1 T2 BOTH " }", false},
    {"an issuer larger than is kept", "30{ " V2 ALGORITHM "30{ 00*20000 } " T1 T2 BOTH " }", false},

    {"v1: no version", "30{ " ALGORITHM NAME T1 T2 BOTH " }", false},
    {"v1 said aloud", "30{ 02{00} " ALGORITHM NAME T1 T2 BOTH " }", false},
    {"v3", "30{ 02{02} " ALGORITHM NAME T1 T2 BOTH " }", false},
    {"a version of two octets", "30{ 02{0001} " ALGORITHM NAME T1 T2 BOTH " }", false},
    {"no nextUpdate", "30{ " V2 ALGORITHM NAME T1 BOTH " }", false},
    {"no dates", "30{ " V2 ALGORITHM NAME BOTH " }", false},
    {"no issuer", "30{ " V2 ALGORITHM T1 T2 BOTH " }", false},
    {"no algorithm", "30{ " V2 "04{} " NAME T1 T2 BOTH " }", false},
    {"a date with an offset", "30{ " V2 ALGORITHM NAME "17{3236313132313039303030302b30303030} " T2 BOTH " }",
     false},

    {"no extensions", TBS("", ""), false},
    {"an empty list of extensions", TBS("", EXTENSIONS("")), false},
    {"a critical number", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 01{ff} 04{ 02{05} } }")), false},
    {"critical FALSE said aloud", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 01{00} 04{ 02{05} } }")),
     false},
    {"an unknown extension", TBS("", EXTENSIONS(AUTHORITY NUMBER "30{ 06{2a0304} 04{ 0500 } }")), false},

    {"a delta CRL", WITH(BASE("04")), true},
    {"a delta CRL that changes nothing", WITH(BASE("05")), true},
    {"a base above the number", WITH(BASE("06")), false},
    {"a base of zero", WITH(BASE("00")), false},
    {"a negative base", WITH(BASE("84")), false},
    {"two bases", WITH(BASE("04") BASE("04")), false},
    {"a base that is not critical", WITH("30{ 06{551d1b} 04{ 02{04} } }"), false},
    {"a delta CRL without number", TBS("", EXTENSIONS(AUTHORITY BASE("04"))), false},
    {"a delta CRL that removes",
     TBS(LIST(ENTRY("05", "30{ " REMOVE " }")), EXTENSIONS(AUTHORITY NUMBER BASE("04"))), true},
    {"a complete CRL that removes", TBS(LIST(ENTRY("05", "30{ " REMOVE " }")), BOTH), false},

    {"a point", WITH(POINT(FULL(URI))), true},
    {"a point for users", WITH(POINT(FULL(URI) "81{ff}")), true},
    {"a point for CAs", WITH(POINT(FULL(URI) "82{ff}")), true},
    {"a scope alone", WITH(POINT("81{ff}")), true},
    {"a URI of 255 octets", WITH(POINT(FULL("86{61*255}"))), true},
    {"a URI of 256 octets", WITH(POINT(FULL("86{61*256}"))), false},
    {"an empty URI", WITH(POINT(FULL("86{}"))), false},
    {"a URI with a blank", WITH(POINT(FULL("86{612061}"))), false},
    {"a URI that is not ASCII", WITH(POINT(FULL("86{61e461}"))), false},
    {"two URIs", WITH(POINT(FULL(URI URI))), false},
    {"a directory name", WITH(POINT(FULL("a4{ " NAME " }"))), false},
    {"a name relative to the issuer", WITH(POINT("a0{ a1{ 30{ 06{550403} 0c{4341} } } }")), false},
    {"octets behind the name", WITH(POINT("a0{ a0{ " URI " } 0500 }")), false},
    {"an empty issuingDistributionPoint", WITH(POINT("")), false},
    {"for users FALSE, said aloud", WITH(POINT(FULL(URI) "81{00}")), false},
    {"for users of another TRUE", WITH(POINT(FULL(URI) "81{01}")), false},
    {"for users and CAs", WITH(POINT(FULL(URI) "81{ff} 82{ff}")), false},
    {"scopes in the other order", WITH(POINT("82{ff} " FULL(URI))), false},
    {"some reasons", WITH(POINT(FULL(URI) "83{0640}")), false},
    {"an indirect CRL", WITH(POINT(FULL(URI) "84{ff}")), false},
    {"attribute certificates", WITH(POINT(FULL(URI) "85{ff}")), false},
    {"octets behind the point", WITH("30{ 06{551d1c} 01{ff} 04{ 30{ " FULL(URI) " } 0500 } }"), false},
    {"a point that is not critical", WITH("30{ 06{551d1c} 04{ 30{ " FULL(URI) " } } }"), false},
    {"two points", WITH(POINT(FULL(URI)) POINT(FULL(URI))), false},

    {"a freshestCRL", WITH(FRESHEST("30{ " FULL(URI) " }")), true},
    {"a critical freshestCRL", WITH("30{ 06{551d2e} 01{ff} 04{ 30{ 30{ " FULL(URI) " } } } }"), false},
    {"an empty freshestCRL", WITH(FRESHEST("")), false},
    {"a freshestCRL of two points", WITH(FRESHEST("30{ " FULL(URI) " } 30{ " FULL(URI) " }")), false},
    {"a freshestCRL with reasons", WITH(FRESHEST("30{ " FULL(URI) " 81{0640} }")), false},
    {"a freshestCRL without name", WITH(FRESHEST("30{ 82{00} }")), false},
    {"a freshestCRL in a delta CRL", WITH(BASE("04") FRESHEST("30{ " FULL(URI) " }")), false},
    {"two freshestCRLs", WITH(FRESHEST("30{ " FULL(URI) " }") FRESHEST("30{ " FULL(URI) " }")), false},

    {"expiredCertsOnCRL", WITH(EXPIRED(GENERALIZED)), true},
    {"expiredCertsOnCRL as UTCTime", WITH(EXPIRED(T1)), false},
    {"expiredCertsOnCRL since 1970", WITH(EXPIRED("18{31393730303130313030303030305a}")), false},
    {"a critical expiredCertsOnCRL", WITH("30{ 06{551d3c} 01{ff} 04{ " GENERALIZED " } }"), false},
    {"two of them", WITH(EXPIRED(GENERALIZED) EXPIRED(GENERALIZED)), false},
    {"all that a complete CRL may have",
     WITH(POINT(FULL(URI) "81{ff}") FRESHEST("30{ " FULL(URI) " }") EXPIRED(GENERALIZED)), true},
    {"all that a delta CRL may have", WITH(BASE("04") POINT(FULL(URI) "81{ff}") EXPIRED(GENERALIZED)), true},

    {"two numbers", TBS("", EXTENSIONS(AUTHORITY NUMBER NUMBER)), false},
    {"two authorities", TBS("", EXTENSIONS(AUTHORITY AUTHORITY NUMBER)), false},
    {"a negative number", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{85} } }")), false},
    {"a number of 2^63", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{0080 00*7} } }")), false},
    {"a number with a needless zero", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{0005} } }")),
     false},
    {"an empty number", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{} } }")), false},
    {"octets behind the number", TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{05} 0500 } }")), false},
    {"an authority with issuer and serial",
     TBS("", EXTENSIONS("30{ 06{551d23} 04{ 30{ 80{aa*20} a1{ 8600 } 82{01} } } }" NUMBER)), false},
    {"octets behind an extension's value",
     TBS("", EXTENSIONS(AUTHORITY "30{ 06{551d14} 04{ 02{05} } 0500 }")), false},
    {"octets behind the list of extensions", TBS("", "a0{ 30{ " AUTHORITY NUMBER " } 0500 }"), false},
    {"octets behind the extensions", TBS("", BOTH "0500"), false},
    {"octets behind the TBSCertList", TBS("", BOTH) "00", false},
    {"extensions before the entries", "30{ " V2 ALGORITHM NAME T1 T2 BOTH LIST(ENTRY("05", "")) " }", false},

    {"nothing", "", false},
    {"a SET", "31{ " V2 ALGORITHM NAME T1 T2 BOTH " }", false},
    {"indefinite length", "30 80 " V2 ALGORITHM NAME T1 T2 BOTH " 0000", false},
    {"a TBSCertificate of v1",
     "30{ 02{01} " ALGORITHM NAME "30{ " T1 T2 " } " NAME "30{ 30{ 06{2a8648ce3d0201} } 03{0004} } }", false},
};

static void nothing_but_our_profile_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(tbss); i++) {
        struct buffer made = octets("%s", tbss[i].text);
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct crl_facts facts;
            struct error err;
            int result = scan(bytes_of(&made), chunks[k], NULL, &facts, &err);
            if (result != (tbss[i].good ? 0 : -1))
                fail_row(tbss[i].spoken, "%s", tbss[i].good ? err.text : "was accepted");
            check_row(tbss[i].spoken, tbss[i].good || err.text[0]);
        }
        buffer_free(&made);
    }
}

/* Both extensions "always" (RFC 5280 section 5.2): a caller can see that one is missing. */
static void missing_extensions_are_told(void **state)
{
    (void)state;
    struct crl_facts facts;
    struct error err;
    struct buffer made = octets("%s", TBS("", EXTENSIONS(NUMBER)));
    if (scan(bytes_of(&made), 7, NULL, &facts, &err) == 0)
        assert_true(facts.has_number && !facts.has_key_id);
    buffer_free(&made);
    made = octets("%s", TBS("", EXTENSIONS(AUTHORITY)));
    if (scan(bytes_of(&made), 7, NULL, &facts, &err) == 0)
        assert_true(!facts.has_number && facts.has_key_id);
    buffer_free(&made);
}

/* A serial that is not minimal is no DER (X.690 section 8.3.2), so the signed list would be none either. */
static void needless_zeros_in_serials_are_refused(void **state)
{
    (void)state;
    struct crl_facts facts;
    struct error err;
    struct buffer made = octets("%s", TBS(LIST(ENTRY("0005", "")), BOTH));
    int result = scan(bytes_of(&made), 7, NULL, &facts, &err);
    buffer_free(&made);
    assert_int_equal(result, -1);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct buffer made = octets("%s", TBS(LIST(ENTRY("05", "30{ " REASON " }") ENTRY("06", "")), BOTH));
    struct crl_facts facts;
    struct error err;
    assert_int_equal(scan(bytes_of(&made), 7, NULL, &facts, &err), 0);
    for (size_t len = 0; len < made.len; len++)
        for (size_t k = 0; k < COUNT(chunks); k++) {
            struct bytes copy = exact_copy((struct bytes){made.at, len});
            assert_int_equal(scan(copy, chunks[k], NULL, &facts, &err), -1);
            exact_free(copy);
        }
    buffer_free(&made);
}

/* All of it is there, but the outermost header promises an octet more or less. */
static void the_outer_length_must_be_right(void **state)
{
    (void)state;
    struct buffer made = octets("%s", TBS("", BOTH));
    struct crl_facts facts;
    struct error err;
    assert_in_range(made.at[1], 2, 0x7e);
    for (size_t k = 0; k < COUNT(chunks); k++) {
        made.at[1]++;
        assert_int_equal(scan(bytes_of(&made), chunks[k], NULL, &facts, &err), -1);
        made.at[1] = (uint8_t)(made.at[1] - 2);
        assert_int_equal(scan(bytes_of(&made), chunks[k], NULL, &facts, &err), -1);
        made.at[1]++;
        assert_int_equal(scan(bytes_of(&made), chunks[k], NULL, &facts, &err), 0);
    }
    buffer_free(&made);
}

static void read_errors_are_told(void **state)
{
    (void)state;
    struct buffer made = octets("%s", TBS(LIST(ENTRY("05", "") ENTRY("06", "")), BOTH));
    struct crl_facts facts;
    struct error err;
    assert_int_equal(scan(bytes_of(&made), 1, NULL, &facts, &err), 0);
    long calls = source.calls;
    assert_true(calls > (long)made.len);
    for (long at = 1; at <= calls; at++) { /* the last one, at the very end, is no less an error */
        source = (struct source){bytes_of(&made), 1, 0, at};
        err = (struct error){""};
        assert_int_equal(crl_scan_tbs(f.scan, NULL, NULL, &facts, &err), -1);
        assert_says(err, "read");
    }
    assert_int_equal(scan(bytes_of(&made), 1, NULL, &facts, &err), 0); /* usable again */
    buffer_free(&made);
}

static void certificates_are_refused(void **state)
{
    (void)state;
    unsigned char *tbs = NULL;
    int len = i2d_re_X509_tbs(f.ca, &tbs);
    struct crl_facts facts;
    struct error err;
    assert_true(len > 0);
    assert_int_equal(scan((struct bytes){tbs, (size_t)len}, 65536, NULL, &facts, &err), -1);
    OPENSSL_free(tbs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_reads_every_kind_of_entry),
        cmocka_unit_test(the_longest_entry_has_its_room),
        cmocka_unit_test(an_empty_list_has_no_field),
        cmocka_unit_test(numbers_and_authority_are_extensions),
        cmocka_unit_test(dates_change_their_type_in_2050),
        cmocka_unit_test(the_envelope_appends),
        cmocka_unit_test(the_scanner_reads_what_is_written),
        cmocka_unit_test(every_kind_of_head_is_read),
        cmocka_unit_test(lists_of_every_size_verify),
        cmocka_unit_test(every_length_of_header_is_right),
        cmocka_unit_test(headers_around_it_all_are_right),
        cmocka_unit_test(nothing_but_our_profile_is_accepted),
        cmocka_unit_test(missing_extensions_are_told),
        cmocka_unit_test(needless_zeros_in_serials_are_refused),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(the_outer_length_must_be_right),
        cmocka_unit_test(read_errors_are_told),
        cmocka_unit_test(certificates_are_refused),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
