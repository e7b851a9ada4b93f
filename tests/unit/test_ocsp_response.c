/* OCSP responses: OpenSSL reads and verifies what we write; what a signer would be given is read strictly. */
#include "x509.h"

#include <annul/ocsp.h>
#include <annul/reason.h>
#include <annul/sigalg.h>

#include <openssl/ocsp.h>

#define PRODUCED "2026-11-21T09:00:00Z"
#define THIS_UPDATE "2026-11-21T08:59:00Z"
#define NEXT_UPDATE "2026-11-22T09:00:00Z"

static struct fixture {
    EVP_PKEY *ca_key, *delegate_key;
    X509 *ca, *delegate;
    struct buffer by_key, by_name; /* ResponderID of the CA */
    struct buffer by_delegate;
} f;

static struct bytes key_bits(X509 *x509)
{
    const ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(x509);
    return (struct bytes){ASN1_STRING_get0_data(bits), (size_t)ASN1_STRING_length(bits)};
}

static bool responder_by_name(struct buffer *out, X509 *x509)
{
    const unsigned char *der;
    size_t len;
    assert_int_equal(X509_NAME_get0_der(X509_get_subject_name(x509), &der, &len), 1);
    return ocsp_responder_by_name(out, (struct bytes){der, len});
}

static int fixture_make(void **state)
{
    (void)state;
    static const char *const extensions[] = {"extendedKeyUsage", "OCSPSigning", NULL};
    f.ca_key = key_make("P-256");
    f.delegate_key = key_make("P-384");
    f.ca = x509_make_ca("Response CA", f.ca_key);
    f.delegate = x509_make(&(struct x509_plan){"delegate", f.delegate_key, f.ca, f.ca_key, "0d", extensions});
    assert_true(ocsp_responder_by_key(&f.by_key, key_bits(f.ca)));
    assert_true(ocsp_responder_by_key(&f.by_delegate, key_bits(f.delegate)));
    assert_true(responder_by_name(&f.by_name, f.ca));
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    X509_free(f.ca);
    X509_free(f.delegate);
    EVP_PKEY_free(f.ca_key);
    EVP_PKEY_free(f.delegate_key);
    buffer_free(&f.by_key);
    buffer_free(&f.by_name);
    buffer_free(&f.by_delegate);
    return 0;
}

static OCSP_CERTID *certid_make(const EVP_MD *digest, unsigned serial)
{
    ASN1_INTEGER *number = ASN1_INTEGER_new();
    assert_int_equal(ASN1_INTEGER_set_uint64(number, serial), 1);
    OCSP_CERTID *id =
        OCSP_cert_id_new(digest, X509_get_subject_name(f.ca), X509_get0_pubkey_bitstr(f.ca), number);
    ASN1_INTEGER_free(number);
    assert_non_null(id);
    return id;
}

static struct buffer certid_der(const EVP_MD *digest, unsigned serial)
{
    struct buffer out = {0};
    unsigned char *der = NULL;
    OCSP_CERTID *id = certid_make(digest, serial);
    int len = i2d_OCSP_CERTID(id, &der);
    assert_true(len > 0 && buffer_add(&out, der, (size_t)len));
    OPENSSL_free(der);
    OCSP_CERTID_free(id);
    return out;
}

#define CRL_URL "http://crl.example/one.crl"

static struct ocsp_response_data data_by(const struct buffer *responder_id)
{
    return (struct ocsp_response_data){.responder_id = bytes_of(responder_id),
                                       .produced_at = at_text(PRODUCED),
                                       .this_update = at_text(THIS_UPDATE),
                                       .next_update = at_text(NEXT_UPDATE),
                                       .archive_cutoff_at = TIME_NONE,
                                       .crl_url = bytes_of_text(CRL_URL)};
}

static struct buffer response_data(const struct ocsp_response_data *data)
{
    uint8_t room[8192];
    struct der_writer w;
    struct buffer out = {0};
    der_writer_init(&w, room, sizeof room);
    assert_true(ocsp_response_data_put(&w, data));
    assert_true(buffer_add(&out, w.at, der_mark(&w)));
    return out;
}

static struct buffer response(const struct ocsp_response_data *data, EVP_PKEY *key, struct bytes certificates)
{
    const struct sigalg *sigalg = sigalg_for_key(key);
    struct buffer tbs = response_data(data), signature = sign_octets(key, sigalg->digest, bytes_of(&tbs)),
                  out = {0};
    uint8_t room[16384];
    struct der_writer w;
    der_writer_init(&w, room, sizeof room);
    assert_true(ocsp_response_put(&w, bytes_of(&tbs), sigalg->der, bytes_of(&signature), certificates));
    assert_true(buffer_add(&out, w.at, der_mark(&w)));
    buffer_free(&tbs);
    buffer_free(&signature);
    return out;
}

static void verify(OCSP_BASICRESP *basic)
{
    X509_STORE *store = X509_STORE_new();
    STACK_OF(X509) *known = sk_X509_new_null();
    assert_int_equal(X509_STORE_add_cert(store, f.ca), 1);
    assert_true(sk_X509_push(known, f.ca) > 0);
    assert_int_equal(OCSP_basic_verify(basic, known, store, 0), 1);
    sk_X509_free(known);
    X509_STORE_free(store);
}

/* Parsed, with nothing behind it, and verified; OpenSSL would write the same octets, so it is DER. */
static OCSP_BASICRESP *accepted(const struct buffer *der)
{
    const unsigned char *at = der->at;
    unsigned char *again = NULL;
    OCSP_RESPONSE *whole = d2i_OCSP_RESPONSE(NULL, &at, (long)der->len);
    assert_non_null(whole);
    assert_ptr_equal(at, der->at + der->len);
    assert_int_equal(OCSP_response_status(whole), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    int len = i2d_OCSP_RESPONSE(whole, &again);
    assert_int_equal(len, der->len);
    assert_memory_equal(again, der->at, der->len);
    OPENSSL_free(again);
    OCSP_BASICRESP *basic = OCSP_response_get1_basic(whole);
    assert_non_null(basic);
    OCSP_RESPONSE_free(whole);
    verify(basic);
    return basic;
}

/* --- writing ------------------------------------------------------------------------------------------- */

#define REVOKED_ON(at, why, invalid_since)                                                                   \
    {                                                                                                        \
        .status = OCSP_CERT_REVOKED, .revoked_at = (at), .reason = (why), .invalidity_at = (invalid_since)   \
    }

static const struct {
    const char *spoken;
    struct ocsp_single single;
} singles[] = {
    {"good", {.status = OCSP_CERT_GOOD, .reason = -1, .invalidity_at = TIME_NONE}},
    {"unknown", {.status = OCSP_CERT_UNKNOWN, .reason = -1, .invalidity_at = TIME_NONE}},
    {"revoked without reason", REVOKED_ON(1700000000, -1, TIME_NONE)},
    {"revoked, unspecified", REVOKED_ON(1700000000, REASON_UNSPECIFIED, TIME_NONE)},
    {"revoked, keyCompromise", REVOKED_ON(1700000000, REASON_KEY_COMPROMISE, TIME_NONE)},
    {"revoked, aACompromise", REVOKED_ON(1700000000, REASON_AA_COMPROMISE, TIME_NONE)},
    {"on hold", REVOKED_ON(1700000000, REASON_CERTIFICATE_HOLD, TIME_NONE)},
    {"revoked with invalidityDate", REVOKED_ON(1700000000, REASON_KEY_COMPROMISE, 1600000000)},
    {"revoked with invalidityDate, no reason", REVOKED_ON(1700000000, -1, 1600000000)},
    {"never issued: revoked in 1970", REVOKED_ON(0, REASON_CERTIFICATE_HOLD, TIME_NONE)},
    {"revoked after 2049", REVOKED_ON(2524608000, REASON_SUPERSEDED, TIME_NONE)},
    {"revoked, with the first CRL",
     {.status = OCSP_CERT_REVOKED,
      .revoked_at = 1700000000,
      .reason = -1,
      .invalidity_at = TIME_NONE,
      .crl_number = 1,
      .crl_at = 1700000001}},
    {"revoked, with a CRL whose number needs a zero before it",
     {.status = OCSP_CERT_REVOKED,
      .revoked_at = 1700000000,
      .reason = REASON_KEY_COMPROMISE,
      .invalidity_at = TIME_NONE,
      .crl_number = 128,
      .crl_at = 1700000001}},
    {"revoked, with invalidityDate and the last CRL that there can be",
     {.status = OCSP_CERT_REVOKED,
      .revoked_at = 1700000000,
      .reason = REASON_KEY_COMPROMISE,
      .invalidity_at = 1600000000,
      .crl_number = INT64_MAX,
      .crl_at = 2524608000}},
};
enum { WITH_EVERYTHING = COUNT(singles) - 1 };

/* Present, not critical, and this time; or absent where TIME_NONE is wanted. */
static void check_time(const char *spoken, OCSP_SINGLERESP *theirs, int nid, int64_t wanted)
{
    int critical = 0;
    ASN1_GENERALIZEDTIME *at = OCSP_SINGLERESP_get1_ext_d2i(theirs, nid, &critical, NULL);
    check_row(spoken, (at != NULL) == (wanted != TIME_NONE));
    if (at)
        check_row(spoken, asn1_time(at) == wanted && critical == 0);
    ASN1_GENERALIZEDTIME_free(at);
}

/* As OpenSSL would write it: its type says nothing of what is inside. */
static void check_crl_id(const char *spoken, OCSP_SINGLERESP *theirs, const struct ocsp_single *wanted)
{
    int critical = 0;
    OCSP_CRLID *ours = OCSP_SINGLERESP_get1_ext_d2i(theirs, NID_id_pkix_OCSP_CrlID, &critical, NULL);
    check_row(spoken, (ours != NULL) == (wanted->crl_number != 0));
    if (!ours)
        return;
    long number = (long)wanted->crl_number;
    unsigned char *a = NULL, *b = NULL;
    uint8_t time[DER_TIME_MAX + 1] = {0};
    time_to_generalized(wanted->crl_at, time);
    X509_EXTENSION *made = OCSP_crlID_new(CRL_URL, &number, (char *)time + 2);
    OCSP_CRLID *their_own = made ? X509V3_EXT_d2i(made) : NULL;
    check_row(spoken, their_own && critical == 0);
    int a_len = i2d_OCSP_CRLID(ours, &a), b_len = i2d_OCSP_CRLID(their_own, &b);
    check_row(spoken, a_len > 0 && a_len == b_len && memcmp(a, b, (size_t)a_len) == 0);
    OPENSSL_free(a);
    OPENSSL_free(b);
    OCSP_CRLID_free(ours);
    OCSP_CRLID_free(their_own);
    X509_EXTENSION_free(made);
}

static void check_single_extensions(const char *spoken, OCSP_SINGLERESP *theirs,
                                    const struct ocsp_single *wanted, int64_t archive_cutoff_at)
{
    int64_t invalidity_at = wanted->status == OCSP_CERT_REVOKED ? wanted->invalidity_at : TIME_NONE;
    check_time(spoken, theirs, NID_invalidity_date, invalidity_at);
    check_time(spoken, theirs, NID_id_pkix_OCSP_archiveCutoff, archive_cutoff_at);
    check_crl_id(spoken, theirs, wanted);
    check_row(spoken, OCSP_SINGLERESP_get_ext_count(theirs) == (invalidity_at != TIME_NONE) +
                                                                   (archive_cutoff_at != TIME_NONE) +
                                                                   (wanted->crl_number != 0));
}

static void check_single(const char *spoken, OCSP_BASICRESP *basic, int index,
                         const struct ocsp_single *wanted, int64_t archive_cutoff_at)
{
    static const int statuses[] = {V_OCSP_CERTSTATUS_GOOD, V_OCSP_CERTSTATUS_REVOKED,
                                   V_OCSP_CERTSTATUS_UNKNOWN};
    OCSP_SINGLERESP *theirs = OCSP_resp_get0(basic, index);
    ASN1_GENERALIZEDTIME *revoked_at = NULL, *this_update, *next_update;
    int reason = -1;
    int status = OCSP_single_get0_status(theirs, &reason, &revoked_at, &this_update, &next_update);
    check_row(spoken, status == statuses[wanted->status]);
    check_row(spoken, asn1_time(this_update) == at_text(THIS_UPDATE));
    check_row(spoken, asn1_time(next_update) == at_text(NEXT_UPDATE));
    bool revoked = wanted->status == OCSP_CERT_REVOKED;
    check_row(spoken, (revoked_at != NULL) == revoked);
    if (revoked)
        check_row(spoken, asn1_time(revoked_at) == wanted->revoked_at && reason == wanted->reason);
    check_single_extensions(spoken, theirs, wanted, archive_cutoff_at);
}

static void check_accepted(const char *spoken, const struct ocsp_single *single,
                           const struct buffer *responder_id, int64_t archive_cutoff_at)
{
    struct buffer id = certid_der(EVP_sha256(), 42);
    struct ocsp_response_data data = data_by(responder_id);
    data.archive_cutoff_at = archive_cutoff_at;
    data.count = 1;
    data.singles[0] = *single;
    data.singles[0].certid = bytes_of(&id);
    struct buffer der = response(&data, f.ca_key, (struct bytes){0});
    OCSP_BASICRESP *basic = accepted(&der);
    check_row(spoken, OCSP_resp_count(basic) == 1);
    check_single(spoken, basic, 0, single, archive_cutoff_at);
    check_row(spoken, asn1_time(OCSP_resp_get0_produced_at(basic)) == at_text(PRODUCED));
    check_row(spoken, OCSP_BASICRESP_get_ext_count(basic) == 0);
    OCSP_BASICRESP_free(basic);
    buffer_free(&der);
    buffer_free(&id);
}

static void openssl_accepts_every_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(singles); i++) {
        check_accepted(singles[i].spoken, &singles[i].single, &f.by_key, TIME_NONE);
        check_accepted(singles[i].spoken, &singles[i].single, &f.by_name, 0);
        check_accepted(singles[i].spoken, &singles[i].single, &f.by_key, at_text("1996-11-21T09:00:00Z"));
        check_accepted(singles[i].spoken, &singles[i].single, &f.by_key, at_text("2050-01-01T00:00:00Z"));
    }
}

/* The Name itself, not a hash of it; OpenSSL verifies by it. */
static void responders_are_named_by_key_or_by_name(void **state)
{
    (void)state;
    const struct {
        const struct buffer *id;
        X509 *responder;
        EVP_PKEY *key;
        bool by_name;
    } rows[] = {{&f.by_key, f.ca, f.ca_key, false},
                {&f.by_name, f.ca, f.ca_key, true},
                {&f.by_delegate, f.delegate, f.delegate_key, false}};
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct buffer id = certid_der(EVP_sha1(), 42), certificate = x509_der(rows[i].responder);
        struct ocsp_response_data data = data_by(rows[i].id);
        const ASN1_OCTET_STRING *hash = NULL;
        const X509_NAME *name = NULL;
        data.count = 1;
        data.singles[0] = singles[0].single;
        data.singles[0].certid = bytes_of(&id);
        struct buffer der = response(&data, rows[i].key, bytes_of(&certificate));
        OCSP_BASICRESP *basic = accepted(&der);
        assert_int_equal(OCSP_resp_get0_id(basic, &hash, &name), 1);
        assert_true((name != NULL) == rows[i].by_name && (hash == NULL) == rows[i].by_name);
        if (name)
            assert_int_equal(X509_NAME_cmp(name, X509_get_subject_name(rows[i].responder)), 0);
        OCSP_BASICRESP_free(basic);
        buffer_free(&der);
        buffer_free(&certificate);
        buffer_free(&id);
    }
}

/* As many as a request may ask about, of all statuses and hashes in turn: none is mixed up. */
static void several_are_answered_in_order(void **state)
{
    (void)state;
    const EVP_MD *digests[] = {EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512()};
    struct buffer ids[OCSP_CERTIDS_MAX];
    struct ocsp_response_data data = data_by(&f.by_key);
    data.count = OCSP_CERTIDS_MAX;
    data.archive_cutoff_at = at_text("2020-01-01T00:00:00Z");
    for (unsigned i = 0; i < OCSP_CERTIDS_MAX; i++) {
        ids[i] = certid_der(digests[i % 4], i + 100);
        data.singles[i] = singles[i % COUNT(singles)].single;
        data.singles[i].certid = bytes_of(&ids[i]);
    }
    struct buffer der = response(&data, f.ca_key, (struct bytes){0});
    OCSP_BASICRESP *basic = accepted(&der);
    assert_int_equal(OCSP_resp_count(basic), OCSP_CERTIDS_MAX);
    for (unsigned i = 0; i < OCSP_CERTIDS_MAX; i++) {
        OCSP_CERTID *id = certid_make(digests[i % 4], i + 100);
        assert_int_equal(OCSP_resp_find(basic, id, -1), i);
        check_single("in order", basic, (int)i, &singles[i % COUNT(singles)].single, data.archive_cutoff_at);
        OCSP_CERTID_free(id);
        buffer_free(&ids[i]);
    }
    OCSP_BASICRESP_free(basic);
    buffer_free(&der);
}

/* NULL, not critical (RFC 6960 section 4.4.8) */
static void check_extended_revoke(OCSP_BASICRESP *basic, bool wanted)
{
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.48.1.9", 1);
    int at = OCSP_BASICRESP_get_ext_by_OBJ(basic, oid, -1);
    ASN1_OBJECT_free(oid);
    assert_int_equal(at >= 0, wanted);
    if (at < 0)
        return;
    X509_EXTENSION *extension = OCSP_BASICRESP_get_ext(basic, at);
    ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(extension);
    assert_int_equal(X509_EXTENSION_get_critical(extension), 0);
    assert_int_equal(ASN1_STRING_length(value), 2);
    assert_memory_equal(ASN1_STRING_get0_data(value), "\x05\x00", 2);
}

static void check_extensions(int nonce_len, bool extended)
{
    struct buffer id = certid_der(EVP_sha1(), 42), nonce = octets("04{a5*%d}", nonce_len);
    struct ocsp_response_data data = data_by(&f.by_key);
    data.count = 1;
    data.singles[0] = singles[0].single;
    data.singles[0].certid = bytes_of(&id);
    data.extended_revoke = extended;
    OCSP_REQUEST *request = OCSP_REQUEST_new();
    if (nonce_len) {
        unsigned char asked[128];
        memset(asked, 0xa5, sizeof asked);
        data.nonce = bytes_of(&nonce);
        assert_int_equal(OCSP_request_add1_nonce(request, asked, nonce_len), 1);
    }
    struct buffer der = response(&data, f.ca_key, (struct bytes){0});
    OCSP_BASICRESP *basic = accepted(&der);
    assert_int_equal(OCSP_check_nonce(request, basic), nonce_len ? 1 : 2); /* 1 equal, 2 both absent */
    assert_int_equal(OCSP_BASICRESP_get_ext_count(basic), (nonce_len != 0) + extended);
    check_extended_revoke(basic, extended);
    OCSP_BASICRESP_free(basic);
    OCSP_REQUEST_free(request);
    buffer_free(&der);
    buffer_free(&nonce);
    buffer_free(&id);
}

static void nonce_and_extended_revoke_stand_where_they_belong(void **state)
{
    (void)state;
    for (int nonce_len = 0; nonce_len <= 128; nonce_len += 16) {
        check_extensions(nonce_len, false);
        check_extensions(nonce_len, true);
    }
}

static void a_delegate_brings_its_certificates(void **state)
{
    (void)state;
    struct buffer id = certid_der(EVP_sha1(), 42), chain = x509_der(f.delegate), ca = x509_der(f.ca);
    assert_true(buffer_add(&chain, ca.at, ca.len));
    struct ocsp_response_data data = data_by(&f.by_delegate);
    data.count = 1;
    data.singles[0] = singles[4].single;
    data.singles[0].certid = bytes_of(&id);
    struct buffer der = response(&data, f.delegate_key, bytes_of(&chain));
    OCSP_BASICRESP *basic = accepted(&der);
    const STACK_OF(X509) *certificates = OCSP_resp_get0_certs(basic);
    assert_int_equal(sk_X509_num(certificates), 2);
    assert_int_equal(X509_cmp(sk_X509_value(certificates, 0), f.delegate), 0);
    assert_int_equal(X509_cmp(sk_X509_value(certificates, 1), f.ca), 0);
    const ASN1_OCTET_STRING *hash;
    const X509_NAME *name;
    assert_int_equal(OCSP_resp_get0_id(basic, &hash, &name), 1);
    assert_null(name); /* byKey */
    assert_int_equal(ASN1_STRING_length(hash), 20);
    unsigned char wanted[20];
    assert_int_equal(X509_pubkey_digest(f.delegate, EVP_sha1(), wanted, NULL), 1);
    assert_memory_equal(ASN1_STRING_get0_data(hash), wanted, 20);
    OCSP_BASICRESP_free(basic);
    buffer_free(&der);
    buffer_free(&ca);
    buffer_free(&chain);
    buffer_free(&id);
}

static void the_promised_room_is_enough(void **state)
{
    (void)state;
    struct buffer url = octets("68*255");
    for (size_t count = 1; count <= OCSP_CERTIDS_MAX; count++) {
        struct buffer ids[OCSP_CERTIDS_MAX], nonce = octets("04{00*128}");
        struct ocsp_response_data data = data_by(&f.by_key);
        size_t request_len = nonce.len; /* what surely came in a request: the CertIDs and the nonce */
        data.count = count;
        data.nonce = bytes_of(&nonce);
        data.extended_revoke = true;
        data.archive_cutoff_at = 0;
        data.crl_url = bytes_of(&url);
        for (size_t i = 0; i < count; i++) {
            ids[i] = certid_der(EVP_sha512(), 0xffffffff);
            data.singles[i] = singles[WITH_EVERYTHING].single;
            data.singles[i].certid = bytes_of(&ids[i]);
            request_len += ids[i].len;
        }
        size_t room = OCSP_RESPONSE_DATA_ROOM(count, request_len, &data);
        uint8_t *buffer = malloc(room);
        struct der_writer w;
        der_writer_init(&w, buffer, room);
        assert_true(ocsp_response_data_put(&w, &data));
        der_writer_init(&w, buffer, 300);
        assert_false(ocsp_response_data_put(&w, &data));
        free(buffer);
        for (size_t i = 0; i < count; i++)
            buffer_free(&ids[i]);
        buffer_free(&nonce);
    }
    buffer_free(&url);
}

static void errors_are_five_octets(void **state)
{
    (void)state;
    static const struct {
        enum ocsp_status status;
        int theirs;
        const char *name;
    } errors[] = {
        {OCSP_MALFORMED_REQUEST, OCSP_RESPONSE_STATUS_MALFORMEDREQUEST, "malformedRequest"},
        {OCSP_INTERNAL_ERROR, OCSP_RESPONSE_STATUS_INTERNALERROR, "internalError"},
        {OCSP_TRY_LATER, OCSP_RESPONSE_STATUS_TRYLATER, "tryLater"},
        {OCSP_SIG_REQUIRED, OCSP_RESPONSE_STATUS_SIGREQUIRED, "sigRequired"},
        {OCSP_UNAUTHORIZED, OCSP_RESPONSE_STATUS_UNAUTHORIZED, "unauthorized"},
    };
    for (size_t i = 0; i < COUNT(errors); i++) {
        uint8_t der[OCSP_ERROR_LEN];
        const unsigned char *at = der;
        ocsp_error_response(errors[i].status, der);
        OCSP_RESPONSE *theirs = d2i_OCSP_RESPONSE(NULL, &at, sizeof der);
        assert_non_null(theirs);
        assert_ptr_equal(at, der + sizeof der);
        assert_int_equal(OCSP_response_status(theirs), errors[i].theirs);
        assert_null(OCSP_response_get1_basic(theirs));
        assert_string_equal(ocsp_status_name(errors[i].status), errors[i].name);
        OCSP_RESPONSE_free(theirs);
    }
    assert_string_equal(ocsp_status_name(OCSP_SUCCESSFUL), "successful");
}

/* --- reading what is to be signed ---------------------------------------------------------------------- */

static struct certid ids_read[OCSP_CERTIDS_MAX];

static void check_read(const struct buffer *der, const struct ocsp_response_data *data)
{
    struct ocsp_response_data back;
    struct error err = {""};
    if (!ocsp_response_data_parse(bytes_of(der), &back, ids_read, &err))
        fail_msg("%s", err.text);
    assert_true(bytes_equal(back.responder_id, data->responder_id));
    assert_int_equal(back.archive_cutoff_at, data->archive_cutoff_at);
    assert_int_equal(back.produced_at, data->produced_at);
    assert_int_equal(back.this_update, data->this_update);
    assert_int_equal(back.next_update, data->next_update);
    assert_int_equal(back.count, data->count);
    assert_int_equal(back.extended_revoke, data->extended_revoke);
    assert_true(bytes_equal(back.nonce, data->nonce));
    assert_true(bytes_equal(back.crl_url, data->crl_url));
    for (unsigned i = 0; i < data->count; i++) {
        const struct ocsp_single *ours = &back.singles[i], *wanted = &data->singles[i];
        check_row(singles[i].spoken, ours->status == wanted->status && ours->reason == wanted->reason);
        check_row(singles[i].spoken, ours->invalidity_at == wanted->invalidity_at);
        check_row(singles[i].spoken,
                  ours->crl_number == wanted->crl_number && ours->crl_at == wanted->crl_at);
        if (wanted->status == OCSP_CERT_REVOKED)
            check_row(singles[i].spoken, ours->revoked_at == wanted->revoked_at);
        check_row(singles[i].spoken, bytes_equal(ids_read[i].whole, wanted->certid));
        check_row(singles[i].spoken, ids_read[i].hash == CERTID_SHA384 && ids_read[i].serial.octets[0] == i);
    }
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct buffer ids[COUNT(singles)], nonce = octets("04{77*32}");
    struct ocsp_response_data data = data_by(&f.by_key), back;
    data.count = COUNT(singles);
    for (unsigned i = 0; i < COUNT(singles); i++) {
        ids[i] = certid_der(EVP_sha384(), i);
        data.singles[i] = singles[i].single;
        data.singles[i].certid = bytes_of(&ids[i]);
    }
    for (int extras = 0; extras < 16; extras++) {
        data.extended_revoke = extras & 1;
        data.archive_cutoff_at = extras & 4 ? at_text("2016-11-21T09:00:00Z") : TIME_NONE;
        data.responder_id = bytes_of(extras & 8 ? &f.by_name : &f.by_key);
        data.nonce = extras & 2 ? bytes_of(&nonce) : (struct bytes){0};
        struct buffer der = response_data(&data);
        check_read(&der, &data);
        for (size_t len = 0; len < der.len; len++) {
            struct bytes copy = exact_copy((struct bytes){der.at, len});
            struct error err;
            assert_false(ocsp_response_data_parse(copy, &back, ids_read, &err));
            exact_free(copy);
        }
        buffer_free(&der);
    }
    for (unsigned i = 0; i < COUNT(singles); i++)
        buffer_free(&ids[i]);
    buffer_free(&nonce);
}

/* By hand: 21, 22 and 23 November 2026, 09:00. */
#define RESPONDER "a2{ 04{cc*20} }"
#define T1 "18{32303236313132313039303030305a}"
#define T2 "18{32303236313132323039303030305a}"
#define T3 "18{32303236313132333039303030305a}"
#define T1_UTC "17{3236313132313039303030305a}"
#define ID "30{ 30{ 06{2b0e03021a} 0500 } 04{aa*20} 04{bb*20} 02{2a} }"
#define GOOD "8000"
#define TIMES T1 " a0{ " T2 " }"
#define SINGLE(fields) "30{ " ID fields " }"
#define ONE SINGLE(GOOD TIMES)
#define REVOKED(reason) "a1{ " T1 reason " }"
#define INVALIDITY "30{ 06{551d18} 04{ " T1 " } }"
#define ARCHIVE(time) "30{ 06{2b0601050507300106} 04{ " time " } }"
#define URL "a0{ 16{6162} }"
#define NUMBER(hex) "a1{ 02{" hex "} }"
#define CRL_TIME "a2{ " T1 " }"
#define CRL_ID(parts) "30{ 06{2b0601050507300103} 04{ 30{ " parts " } } }"
#define SOME_CRL CRL_ID(URL NUMBER("07") CRL_TIME)
#define LISTED(extensions) SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS(extensions))
#define SINGLE_EXTENSIONS(list) "a1{ 30{ " list " } }"
#define DATA(responses, extensions) "30{ " RESPONDER T1 "30{ " responses " } " extensions " }"
#define NONCE(value) "30{ 06{2b0601050507300102} " value " }"
#define SOME_NONCE NONCE("04{ 04{dd*16} }")
#define EXTENDED "30{ 06{2b0601050507300109} 04{ 0500 } }"
#define EXTENSIONS(list) "a1{ 30{ " list " } }"

static const struct {
    const char *spoken, *text;
    bool good;
} datas[] = {
    {"the least there is", DATA(ONE, ""), true},
    {"a nonce", DATA(ONE, EXTENSIONS(SOME_NONCE)), true},
    {"extended revoke", DATA(ONE, EXTENSIONS(EXTENDED)), true},
    {"both", DATA(ONE, EXTENSIONS(SOME_NONCE EXTENDED)), true},
    {"revoked, with all there is",
     DATA(SINGLE(REVOKED("a0{ 0a{01} }") TIMES SINGLE_EXTENSIONS(INVALIDITY)), ""), true},
    {"unknown", DATA(SINGLE("8200" TIMES), ""), true},
    {"archiveCutoff", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1))), ""), true},
    {"archiveCutoff of an unknown one", DATA(SINGLE("8200" TIMES SINGLE_EXTENSIONS(ARCHIVE(T1))), ""), true},
    {"CrlID", DATA(LISTED(SOME_CRL), ""), true},
    {"all three", DATA(LISTED(ARCHIVE(T1) SOME_CRL INVALIDITY), ""), true},
    {"two CrlIDs of one URL", DATA(LISTED(SOME_CRL) LISTED(CRL_ID(URL NUMBER("08") CRL_TIME)), ""), true},
    {"the largest number", DATA(LISTED(CRL_ID(URL NUMBER("7fffffffffffffff") CRL_TIME)), ""), true},
    {"a responder by name", "30{ a1{ 30{ 31{ 30{ 06{550403} 0c{61} } } } } " T1 "30{ " ONE " } }", true},

    {"a version", "30{ a0{ 02{00} } " RESPONDER T1 "30{ " ONE " } }", false},
    {"a responder of a third kind", "30{ a3{ 04{cc*20} } " T1 "30{ " ONE " } }", false},
    {"two responders", "30{ " RESPONDER RESPONDER T1 "30{ " ONE " } }", false},
    {"no responder", "30{ " T1 "30{ " ONE " } }", false},
    {"producedAt as UTCTime", "30{ " RESPONDER T1_UTC "30{ " ONE " } }", false},
    {"no producedAt", "30{ " RESPONDER "30{ " ONE " } }", false},
    {"no SingleResponse", DATA("", ""), false},
    {"no responses", "30{ " RESPONDER T1 " }", false},
    {"octets behind the ResponseData", DATA(ONE, "") "00", false},
    {"octets behind the responses", DATA(ONE, "0500"), false},
    {"octets behind the extensions", DATA(ONE, EXTENSIONS(SOME_NONCE) "0500"), false},
    {"octets that are no SingleResponse", DATA(ONE "0500", ""), false},
    {"octets behind nextUpdate", DATA(SINGLE(GOOD T1 " a0{ " T2 " 0500 }"), ""), false},
    {"octets behind a SingleResponse's fields", DATA(SINGLE(GOOD TIMES "0500"), ""), false},

    {"no nextUpdate", DATA(SINGLE(GOOD T1), ""), false},
    {"no thisUpdate", DATA(SINGLE(GOOD " a0{ " T2 " }"), ""), false},
    {"the second's thisUpdate is another", DATA(ONE SINGLE(GOOD T3 " a0{ " T2 " }"), ""), false},
    {"the second's nextUpdate is another", DATA(ONE SINGLE(GOOD T1 " a0{ " T3 " }"), ""), false},
    {"thisUpdate as UTCTime", DATA(SINGLE(GOOD T1_UTC " a0{ " T2 " }"), ""), false},
    {"good that holds something", DATA(SINGLE("80{00}" TIMES), ""), false},
    {"good as a constructed tag", DATA(SINGLE("a000" TIMES), ""), false},
    {"a fourth status", DATA(SINGLE("8300" TIMES), ""), false},
    {"revoked without time", DATA(SINGLE("a100" TIMES), ""), false},
    {"revoked, a reason that is none", DATA(SINGLE(REVOKED("a0{ 0a{07} }") TIMES), ""), false},
    {"revoked, a reason of two octets", DATA(SINGLE(REVOKED("a0{ 0a{0001} }") TIMES), ""), false},
    {"revoked, the reason as INTEGER", DATA(SINGLE(REVOKED("a0{ 02{01} }") TIMES), ""), false},
    {"revoked, octets behind the reason", DATA(SINGLE(REVOKED("a0{ 0a{01} 0500 }") TIMES), ""), false},
    {"revoked, octets behind the info", DATA(SINGLE(REVOKED("a0{ 0a{01} } 0500") TIMES), ""), false},
    {"good with invalidityDate", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(INVALIDITY)), ""), false},
    {"an empty list of single extensions", DATA(SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS("")), ""), false},
    {"two invalidityDates", DATA(SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS(INVALIDITY INVALIDITY)), ""),
     false},
    {"a critical invalidityDate",
     DATA(SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS("30{ 06{551d18} 01{ff} 04{ " T1 " } }")), ""), false},
    {"octets behind invalidityDate's value",
     DATA(SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS("30{ 06{551d18} 04{ " T1 " } 0500 }")), ""), false},
    {"octets behind invalidityDate",
     DATA(SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS("30{ 06{551d18} 04{ " T1 " 0500 } }")), ""), false},
    {"another single extension",
     DATA(SINGLE(REVOKED("") TIMES SINGLE_EXTENSIONS("30{ 06{551d15} 04{ 0a{01} } }")), ""), false},

    {"two archiveCutoffs", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1) ARCHIVE(T1))), ""), false},
    {"archiveCutoff as UTCTime", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1_UTC))), ""), false},
    {"octets behind archiveCutoff's time", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1 "0500"))), ""),
     false},
    {"the second's archiveCutoff is another",
     DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1))) SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T2))),
          ""),
     false},
    {"the second has no archiveCutoff", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1))) ONE, ""),
     false},
    {"the first has no archiveCutoff", DATA(ONE SINGLE(GOOD TIMES SINGLE_EXTENSIONS(ARCHIVE(T1))), ""),
     false},
    {"a critical archiveCutoff",
     DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS("30{ 06{2b0601050507300106} 01{ff} 04{ " T1 " } }")), ""),
     false},
    {"good with CrlID", DATA(SINGLE(GOOD TIMES SINGLE_EXTENSIONS(SOME_CRL)), ""), false},
    {"two CrlIDs", DATA(LISTED(SOME_CRL SOME_CRL), ""), false},
    {"the second's CrlID of another URL",
     DATA(LISTED(SOME_CRL) LISTED(CRL_ID("a0{ 16{6163} }" NUMBER("08") CRL_TIME)), ""), false},
    {"CrlID without URL", DATA(LISTED(CRL_ID(NUMBER("07") CRL_TIME)), ""), false},
    {"CrlID without number", DATA(LISTED(CRL_ID(URL CRL_TIME)), ""), false},
    {"CrlID without time", DATA(LISTED(CRL_ID(URL NUMBER("07"))), ""), false},
    {"CrlID of nothing", DATA(LISTED(CRL_ID("")), ""), false},
    {"CrlID with octets behind", DATA(LISTED(CRL_ID(URL NUMBER("07") CRL_TIME "0500")), ""), false},
    {"CrlID with octets behind the URL",
     DATA(LISTED(CRL_ID("a0{ 16{6162} 0500 }" NUMBER("07") CRL_TIME)), ""), false},
    {"CrlID with octets behind the number", DATA(LISTED(CRL_ID(URL "a1{ 02{07} 0500 }" CRL_TIME)), ""),
     false},
    {"CrlID with octets behind the time", DATA(LISTED(CRL_ID(URL NUMBER("07") "a2{ " T1 " 0500 }")), ""),
     false},
    {"CrlID number 0", DATA(LISTED(CRL_ID(URL NUMBER("00") CRL_TIME)), ""), false},
    {"a negative CrlID number", DATA(LISTED(CRL_ID(URL NUMBER("80") CRL_TIME)), ""), false},
    {"a CrlID number with a zero before it", DATA(LISTED(CRL_ID(URL NUMBER("0007") CRL_TIME)), ""), false},
    {"a CrlID number of no octets", DATA(LISTED(CRL_ID(URL NUMBER("") CRL_TIME)), ""), false},
    {"a CrlID number of 64 bits", DATA(LISTED(CRL_ID(URL NUMBER("008000000000000000") CRL_TIME)), ""), false},
    {"invalidityDate before CrlID", DATA(LISTED(INVALIDITY SOME_CRL), ""), false},
    {"CrlID before archiveCutoff", DATA(LISTED(SOME_CRL ARCHIVE(T1)), ""), false},
    {"extended revoke before the nonce", DATA(ONE, EXTENSIONS(EXTENDED SOME_NONCE)), false},

    {"an empty list of extensions", DATA(ONE, EXTENSIONS("")), false},
    {"another extension", DATA(ONE, EXTENSIONS("30{ 06{2b0601050507300106} 04{ " T1 " } }")), false},
    {"another extension behind the nonce", DATA(ONE, EXTENSIONS(SOME_NONCE "30{ 06{2a03} 0400 }")), false},
    {"a critical nonce", DATA(ONE, EXTENSIONS(NONCE("01{ff} 04{ 04{dd*16} }"))), false},
    {"two nonces", DATA(ONE, EXTENSIONS(SOME_NONCE SOME_NONCE)), false},
    {"an empty nonce", DATA(ONE, EXTENSIONS(NONCE("0400"))), false},
    {"a nonce of 129 octets", DATA(ONE, EXTENSIONS(NONCE("04{ 04{dd*129} }"))), false},
    {"extended revoke that holds something", DATA(ONE, EXTENSIONS("30{ 06{2b0601050507300109} 04{ 3000 } }")),
     false},
    {"octets behind the list of extensions", DATA(ONE, "a1{ 30{ " SOME_NONCE " } 0500 }"), false},

    {"a CertID without key hash", DATA("30{ 30{ 30{ 06{2b0e03021a} } 04{aa*20} 02{2a} }" GOOD TIMES " }", ""),
     false},
    {"nothing", "", false},
    {"a TBSCertificate of v1", "30{ 02{01} 30{ 06{2a8648ce3d040302} } 3000 3000 3000 3000 }", false},
};

static void nothing_but_our_profile_is_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(datas); i++) {
        struct buffer made = octets("%s", datas[i].text);
        struct bytes copy = exact_copy(bytes_of(&made));
        struct ocsp_response_data data;
        struct error err = {""};
        if (ocsp_response_data_parse(copy, &data, ids_read, &err) != datas[i].good)
            fail_row(datas[i].spoken, "%s", datas[i].good ? err.text : "was accepted");
        check_row(datas[i].spoken, datas[i].good || err.text[0]);
        exact_free(copy);
        buffer_free(&made);
    }
}

/* An extension stands there once (RFC 5280 section 4.2), and ocsp_response_data_put writes it once. */
static void extended_revoke_twice_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {DATA(ONE, EXTENSIONS(EXTENDED EXTENDED)),
                                        DATA(ONE, EXTENSIONS(EXTENDED SOME_NONCE EXTENDED))};
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct buffer made = octets("%s", texts[i]);
        struct ocsp_response_data data;
        struct error err = {""};
        bool taken = ocsp_response_data_parse(bytes_of(&made), &data, ids_read, &err);
        buffer_free(&made);
        assert_false(taken);
    }
}

static void at_most_32_single_responses(void **state)
{
    (void)state;
    for (size_t count = OCSP_CERTIDS_MAX; count <= OCSP_CERTIDS_MAX + 1; count++) {
        struct buffer list = {0};
        for (size_t i = 0; i < count; i++)
            assert_true(buffer_add_text(&list, ONE));
        struct buffer made = octets(DATA("%.*s", ""), (int)list.len, (const char *)list.at);
        struct ocsp_response_data data;
        struct error err;
        bool taken = ocsp_response_data_parse(bytes_of(&made), &data, ids_read, &err);
        assert_int_equal(taken, count <= OCSP_CERTIDS_MAX);
        buffer_free(&made);
        buffer_free(&list);
    }
}

/* An OCSP key must never sign these, whoever asks. */
static void real_certificates_and_crls_are_refused(void **state)
{
    (void)state;
    struct ocsp_response_data data;
    struct error err;
    unsigned char *tbs = NULL;
    int len = i2d_re_X509_tbs(f.delegate, &tbs);
    assert_true(len > 0);
    assert_false(ocsp_response_data_parse((struct bytes){tbs, (size_t)len}, &data, ids_read, &err));
    OPENSSL_free(tbs);

    X509_CRL *crl = X509_CRL_new();
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, X509_get_subject_name(f.ca)), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, X509_get0_notBefore(f.ca)), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, X509_get0_notAfter(f.ca)), 1);
    assert_true(X509_CRL_sign(crl, f.ca_key, EVP_sha256()) > 0);
    tbs = NULL;
    len = i2d_re_X509_CRL_tbs(crl, &tbs);
    assert_true(len > 0);
    assert_false(ocsp_response_data_parse((struct bytes){tbs, (size_t)len}, &data, ids_read, &err));
    OPENSSL_free(tbs);
    X509_CRL_free(crl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_accepts_every_status),
        cmocka_unit_test(responders_are_named_by_key_or_by_name),
        cmocka_unit_test(several_are_answered_in_order),
        cmocka_unit_test(nonce_and_extended_revoke_stand_where_they_belong),
        cmocka_unit_test(a_delegate_brings_its_certificates),
        cmocka_unit_test(the_promised_room_is_enough),
        cmocka_unit_test(errors_are_five_octets),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(nothing_but_our_profile_is_accepted),
        cmocka_unit_test(extended_revoke_twice_is_refused),
        cmocka_unit_test(at_most_32_single_responses),
        cmocka_unit_test(real_certificates_and_crls_are_refused),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
