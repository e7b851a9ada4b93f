/* Who signs OCSP for an issuer: the order, the wishes of who asks, and which answers outlive a change. */
#include "x509.h"

#include <annul/ocsp_signer.h>

static struct fixture {
    char *folder, path[256];
    EVP_PKEY *key, *ec_key, *other_ec_key, *rsa_key, *ed_key, *weak_key;
    X509 *ca, *ec, *ec_renewed, *other_ec, *rsa, *ed;
} f;

#define DELEGATE "extendedKeyUsage", "OCSPSigning"

static X509 *delegate(const char *cn, EVP_PKEY *key, const char *serial)
{
    return x509_make(&(struct x509_plan){cn, key, f.ca, f.key, serial, (const char *[]){DELEGATE, NULL}});
}

static int fixture_make(void **state)
{
    (void)state;
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annuld.conf", f.folder);
    f.key = key_make("P-256");
    f.ec_key = key_make("P-384");
    f.other_ec_key = key_make("P-256");
    f.rsa_key = key_make("RSA-2048");
    f.ed_key = key_make("ED25519");
    f.weak_key = key_make("RSA-1024");
    f.ca = x509_make_ca("One CA", f.key);
    f.ec = delegate("ec", f.ec_key, "05");
    f.ec_renewed = delegate("ec", f.other_ec_key, "06");
    f.other_ec = delegate("other ec", f.other_ec_key, "07");
    f.rsa = delegate("rsa", f.rsa_key, "08");
    f.ed = delegate("ed", f.ed_key, "09");
    x509_put(f.folder, "ca.crt", f.ca, NULL);
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    X509 *const certificates[] = {f.ca, f.ec, f.ec_renewed, f.other_ec, f.rsa, f.ed};
    EVP_PKEY *const keys[] = {f.key, f.ec_key, f.other_ec_key, f.rsa_key, f.ed_key, f.weak_key};
    for (size_t i = 0; i < COUNT(certificates); i++)
        X509_free(certificates[i]);
    for (size_t i = 0; i < COUNT(keys); i++)
        EVP_PKEY_free(keys[i]);
    folder_remove(f.folder);
    return 0;
}

struct loaded {
    struct config *config;
    struct issuers *issuers;
};

/* With these keys in the issuer's section. */
static struct loaded load(const char *keys)
{
    struct loaded l;
    struct error err = {""};
    char *text;
    assert_true(asprintf(&text,
                         "public { listen = {\"127.0.0.1:0\"} } admin { socket = \"s\" }\n"
                         "issuer \"x\" { certificate = \"ca.crt\" key = \"k\" %s }\n",
                         keys) > 0);
    file_put(f.path, text, strlen(text));
    free(text);
    if (!(l.config = config_load(f.path, &err)) || !(l.issuers = issuers_load(l.config, &err)))
        fail_msg("%s", err.text);
    return l;
}

static void unload(struct loaded *l)
{
    issuers_free(l->issuers);
    config_free(l->config);
}

static struct ocsp_signer made(const struct loaded *l, X509 *x509, X509 *behind, bool is_ours)
{
    struct ocsp_signer signer;
    struct error err = {""};
    struct buffer certs = x509_der(x509), more = behind ? x509_der(behind) : (struct buffer){0};
    assert_true(buffer_add(&certs, more.at, more.len));
    if (ocsp_signer_init(&signer, &l->issuers->list[0], bytes_of(&certs), is_ours, &err) < 0)
        fail_msg("%s", err.text);
    buffer_free(&certs);
    buffer_free(&more);
    return signer;
}

/* --- who may sign -------------------------------------------------------------------------------------- */

static void what_is_no_delegate_is_refused(void **state)
{
    (void)state;
    struct loaded l = load("");
    EVP_PKEY *strangers_key = key_make("P-256");
    X509 *stranger = x509_make_ca("Stranger", strangers_key),
         *of_stranger = x509_make(&(struct x509_plan){"a", f.ec_key, stranger, strangers_key, "05",
                                                      (const char *[]){DELEGATE, NULL}}),
         *forged = x509_make(
             &(struct x509_plan){"b", f.ec_key, f.ca, strangers_key, "05", (const char *[]){DELEGATE, NULL}}),
         *plain = x509_make(&(struct x509_plan){"c", f.ec_key, f.ca, f.key, "05", NULL}),
         *server = x509_make(&(struct x509_plan){"d", f.ec_key, f.ca, f.key, "05",
                                                 (const char *[]){"extendedKeyUsage", "serverAuth", NULL}}),
         *weak = delegate("e", f.weak_key, "05"),
         *no_signatures =
             x509_make(&(struct x509_plan){"f", f.ec_key, f.ca, f.key, "05",
                                           (const char *[]){DELEGATE, "keyUsage", "keyEncipherment", NULL}});
    const struct {
        const char *spoken;
        X509 *x509;
        const char *why;
    } rows[] = {
        {"another CA", stranger, "not issued by this CA"},
        {"another CA's", of_stranger, "not issued by this CA"},
        {"forged", forged, "not issued by this CA"},
        {"no purpose", plain, "OCSPSigning"},
        {"another purpose", server, "OCSPSigning"},
        {"a weak key", weak, "RSA 2048"},
        {"a key that may not sign", no_signatures, "digitalSignature"},
    };
    for (size_t i = 0; i < 2 * COUNT(rows); i++) { /* ours or not: the CA's word counts */
        struct ocsp_signer signer;
        struct error err = {""};
        struct buffer der = x509_der(rows[i / 2].x509);
        check_row(rows[i / 2].spoken,
                  ocsp_signer_init(&signer, &l.issuers->list[0], bytes_of(&der), i % 2, &err) < 0);
        assert_says(err, rows[i / 2].why);
        ocsp_signer_free(&signer);
        for (size_t len = 0; len < der.len; len += 7) {
            check_row(rows[i / 2].spoken, ocsp_signer_init(&signer, &l.issuers->list[0],
                                                           (struct bytes){der.at, len}, i % 2, &err) < 0);
            ocsp_signer_free(&signer);
        }
        buffer_free(&der);
    }
    X509 *const all[] = {stranger, of_stranger, forged, plain, server, weak, no_signatures};
    for (size_t i = 0; i < COUNT(all); i++)
        X509_free(all[i]);
    EVP_PKEY_free(strangers_key);
    unload(&l);
}

static void it_has_what_a_response_needs(void **state)
{
    (void)state;
    for (int by_name = 0; by_name < 2; by_name++) {
        struct loaded l = load(by_name ? "responder_id = \"name\"" : "");
        struct ocsp_signer signer = made(&l, f.rsa, f.ca, false), ca = made(&l, f.ca, NULL, false);
        struct buffer own = x509_der(f.rsa), behind = x509_der(f.ca), id = {0}, ca_id = {0};
        assert_true(buffer_add(&own, behind.at, behind.len));
        assert_true(bytes_equal(bytes_of(&signer.certs), bytes_of(&own)));
        assert_int_equal(ca.certs.len, 0); /* who asks has it */
        assert_string_equal(signer.sigalg->name, "sha256WithRSAEncryption");
        assert_true(by_name ? ocsp_responder_by_name(&id, bytes_of(&signer.certificate.subject)) &&
                                  ocsp_responder_by_name(&ca_id, bytes_of(&ca.certificate.subject))
                            : ocsp_responder_by_key(&id, bytes_of(&signer.certificate.key_bits)) &&
                                  ocsp_responder_by_key(&ca_id, bytes_of(&ca.certificate.key_bits)));
        assert_true(bytes_equal(bytes_of(&signer.responder_id), bytes_of(&id)));
        assert_true(bytes_equal(bytes_of(&ca.responder_id), bytes_of(&ca_id)));
        buffer_free(&own);
        buffer_free(&behind);
        buffer_free(&id);
        buffer_free(&ca_id);
        ocsp_signer_free(&signer);
        ocsp_signer_free(&ca);
        unload(&l);
    }
}

/* --- lineage ------------------------------------------------------------------------------------------- */

static uint64_t lineage_of(const char *keys, X509 *x509, X509 *behind, bool is_ours)
{
    struct loaded l = load(keys);
    struct ocsp_signer signer = made(&l, x509, behind, is_ours);
    uint64_t lineage = signer.lineage;
    ocsp_signer_free(&signer);
    unload(&l);
    return lineage;
}

/* Answers of one lineage may be given for another's; so whatever an answer shows must tell them apart. */
static void lineages_tell_apart_what_answers_show(void **state)
{
    (void)state;
    const struct {
        const char *spoken, *keys;
        X509 *x509, *behind;
        bool is_ours;
    } rows[] = {
        {"a delegate", "", f.ec, NULL, false},
        {"the same key, as our own", "", f.ec, NULL, true},
        {"another certificate of this name", "", f.ec_renewed, NULL, false},
        {"with a chain", "", f.ec, f.ca, false},
        {"the CA", "", f.ca, NULL, false},
        {"by name", "responder_id = \"name\"", f.ec, NULL, false},
        {"ours, by name", "responder_id = \"name\"", f.ec, NULL, true},
        {"another validity", "ocsp_validity = \"2d\"", f.ec, NULL, false},
        {"ours, another validity", "ocsp_validity = \"2d\"", f.ec, NULL, true},
        {"archive_cutoff", "archive_cutoff = \"86400\"", f.ec, NULL, false},
        {"another archive_cutoff", "archive_cutoff = \"86401\"", f.ec, NULL, false},
        {"ours, archive_cutoff", "archive_cutoff = \"86400\"", f.ec, NULL, true},
        {"crl_reference", "crl_reference = \"http://x/a\"", f.ec, NULL, false},
        {"another crl_reference", "crl_reference = \"http://x/b\"", f.ec, NULL, false},
        {"ours, crl_reference", "crl_reference = \"http://x/a\"", f.ec, NULL, true},
    };
    uint64_t lineages[COUNT(rows)];
    for (size_t i = 0; i < COUNT(rows); i++) {
        lineages[i] = lineage_of(rows[i].keys, rows[i].x509, rows[i].behind, rows[i].is_ours);
        for (size_t k = 0; k < i; k++)
            if (lineages[k] == lineages[i])
                fail_row(rows[i].spoken, "the same as \"%s\"", rows[k].spoken);
        check_row(rows[i].spoken,
                  lineages[i] == lineage_of(rows[i].keys, rows[i].x509, rows[i].behind, rows[i].is_ours));
    }
}

/* Renewed delegates of our own are all the CA's word; and what an answer does not show changes nothing. */
static void lineages_outlive_what_answers_do_not_show(void **state)
{
    (void)state;
    uint64_t ours = lineage_of("", f.ec, NULL, true), file = lineage_of("", f.ec, NULL, false);
    assert_true(lineage_of("", f.ec_renewed, NULL, true) == ours);
    assert_true(lineage_of("", f.rsa, f.ca, true) == ours);
    static const char *const others[] = {"unlisted = \"good\"", "nonce = \"ignore\"",
                                         "crl_lifetime = \"9d\""};
    for (size_t i = 0; i < COUNT(others); i++) {
        check_row(others[i], lineage_of(others[i], f.ec, NULL, true) == ours);
        check_row(others[i], lineage_of(others[i], f.ec, NULL, false) == file);
    }
}

/* --- choosing ------------------------------------------------------------------------------------------ */

#define RSA_SHA256 "2a864886f70d01010b"
#define RSA_SHA384 "2a864886f70d01010c"
#define RSA_SHA512 "2a864886f70d01010d"
#define RSA_SHA1 "2a864886f70d010105"
#define EC_SHA256 "2a8648ce3d040302"
#define EC_SHA384 "2a8648ce3d040303"
#define EC_SHA512 "2a8648ce3d040304"
#define ED "2b6570"
#define WISH(oid) "30{ 30{ 06{" oid "} } }"

/* Those of the list: an EC key P-384, RSA, another EC key P-256, Ed25519. A digit says from when to when each is valid:
 * see `windows`. */
enum { EC, RSA, OTHER_EC, ED25519, NOBODY };

static const struct {
    int64_t from, until;
} windows[] = {{0, 1000}, {0, 500}, {500, 1000}, {900, 1000}};

static const struct {
    const char *spoken, *windows, *wishes;
    int64_t now;
    int chosen;
    const char *sigalg;
} choices[] = {
    {"the first, by what its key prefers", "0000", "", 10, EC, "ecdsa-with-SHA384"},
    {"the next where the first is over", "1000", "", 600, RSA, "sha256WithRSAEncryption"},
    {"the next where the first is not yet", "2000", "", 10, RSA, "sha256WithRSAEncryption"},
    {"the third where two are over", "1100", "", 600, OTHER_EC, "ecdsa-with-SHA256"},
    {"notBefore is within", "2200", "", 500, EC, "ecdsa-with-SHA384"},
    {"notAfter is not", "1000", "", 500, RSA, "sha256WithRSAEncryption"},
    {"a second before it is", "1000", "", 499, EC, "ecdsa-with-SHA384"},
    {"nobody", "1111", "", 600, NOBODY, NULL},
    {"nobody yet", "2222", "", 499, NOBODY, NULL},

    {"a wish that the first fulfils", "0000", WISH(EC_SHA384), 10, EC, "ecdsa-with-SHA384"},
    {"another hash of the first key's", "0000", WISH(EC_SHA256), 10, EC, "ecdsa-with-SHA256"},
    {"SHA-512 of the first key's", "0000", WISH(EC_SHA512), 10, EC, "ecdsa-with-SHA512"},
    {"RSA, which is second", "0000", WISH(RSA_SHA256), 10, RSA, "sha256WithRSAEncryption"},
    {"RSA with SHA-384", "0000", WISH(RSA_SHA384), 10, RSA, "sha384WithRSAEncryption"},
    {"RSA with SHA-512", "0000", WISH(RSA_SHA512), 10, RSA, "sha512WithRSAEncryption"},
    {"Ed25519, which is last", "0000", WISH(ED), 10, ED25519, "Ed25519"},
    {"the first of several wishes", "0000", WISH(RSA_SHA512) WISH(EC_SHA384), 10, RSA,
     "sha512WithRSAEncryption"},
    {"unknown ones are passed over", "0000", WISH("2a0304") WISH(RSA_SHA1) WISH(RSA_SHA384), 10, RSA,
     "sha384WithRSAEncryption"},
    {"unknown ones alone: as without", "0000", WISH("2a0304") WISH(RSA_SHA1), 10, EC, "ecdsa-with-SHA384"},
    {"a wish whose key is over: the next wish", "0100", WISH(RSA_SHA256) WISH(ED), 600, ED25519, "Ed25519"},
    {"a wish whose key is over: as without", "0100", WISH(RSA_SHA256), 600, EC, "ecdsa-with-SHA384"},
    {"a wish whose first key is over: the second of its kind", "1000", WISH(EC_SHA384), 600, OTHER_EC,
     "ecdsa-with-SHA384"},
    {"a wish, and nobody", "1111", WISH(EC_SHA384), 600, NOBODY, NULL},
    {"a wish that only one not yet valid fulfils", "0003", WISH(ED), 10, EC, "ecdsa-with-SHA384"},
    {"a wish with a kind of key", "0000", "30{ 30{ 06{" RSA_SHA256 "} 0500 } 30{ 06{2a03} } }", 10, RSA,
     "sha256WithRSAEncryption"},
};

static void the_first_wish_that_can_be_fulfilled_is(void **state)
{
    (void)state;
    struct loaded l = load("");
    X509 *const certificates[] = {f.ec, f.rsa, f.other_ec, f.ed};
    struct ocsp_signers *signers = calloc(1, sizeof *signers);
    for (signers->count = 0; signers->count < COUNT(certificates); signers->count++)
        signers->list[signers->count] = made(&l, certificates[signers->count], NULL, false);
    for (size_t i = 0; i < COUNT(choices); i++) {
        struct buffer wishes = octets("%s", choices[i].wishes);
        const struct sigalg *sigalg = NULL;
        for (size_t k = 0; k < signers->count; k++) {
            signers->list[k].certificate.not_before = windows[choices[i].windows[k] - '0'].from;
            signers->list[k].certificate.not_after = windows[choices[i].windows[k] - '0'].until;
        }
        const struct ocsp_signer *chosen =
            ocsp_signers_choose(signers, bytes_of(&wishes), choices[i].now, &sigalg);
        check_row(choices[i].spoken,
                  chosen == (choices[i].chosen == NOBODY ? NULL : &signers->list[choices[i].chosen]));
        if (chosen && strcmp(sigalg->name, choices[i].sigalg) != 0)
            fail_row(choices[i].spoken, "%s", sigalg->name);
        buffer_free(&wishes);
    }
    ocsp_signers_free(signers);
    unload(&l);
}

static void nobody_chooses_nobody(void **state)
{
    (void)state;
    const struct sigalg *sigalg;
    const struct ocsp_signers none = {.count = 0};
    assert_null(ocsp_signers_choose(NULL, (struct bytes){0}, 10, &sigalg));
    assert_null(ocsp_signers_choose(&none, (struct bytes){0}, 10, &sigalg));
    ocsp_signers_free(NULL);
}

/* --- replacing ----------------------------------------------------------------------------------------- */

static struct ocsp_signers *list_of(const struct loaded *l, X509 *x509)
{
    struct ocsp_signers *signers = calloc(1, sizeof *signers);
    signers->list[signers->count++] = made(l, x509, NULL, false);
    return signers;
}

/* Who holds a list from before may use it for an hour; after that it goes at the next change. */
static void lists_from_before_last_for_an_hour(void **state)
{
    (void)state;
    struct loaded l = load("");
    struct issuer *issuer = &l.issuers->list[0];
    X509 *const certificates[] = {f.ec, f.rsa, f.other_ec, f.ed};
    struct ocsp_signers *lists[COUNT(certificates)];
    assert_null(issuer_ocsp_signers(issuer));
    for (size_t i = 0; i < COUNT(certificates); i++) {
        lists[i] = list_of(&l, certificates[i]);
        issuer_ocsp_signers_set(issuer, lists[i]);
        assert_ptr_equal(issuer_ocsp_signers(issuer), lists[i]);
        for (size_t k = 0; k <= i; k++) { /* under ASan: still there */
            struct buffer der = x509_der(certificates[k]);
            assert_true(bytes_equal(bytes_of(&lists[k]->list[0].certificate.der), bytes_of(&der)));
            assert_ptr_equal(lists[k]->retired, k ? lists[k - 1] : NULL);
            buffer_free(&der);
        }
    }
    lists[2]->retired_ms -= 3600000 - 60000; /* not yet an hour ago */
    lists[1]->retired_ms -= 3600000;
    lists[0]->retired_ms -= 3600000;
    struct ocsp_signers *last = list_of(&l, f.ca);
    issuer_ocsp_signers_set(issuer, last);
    assert_ptr_equal(last->retired, lists[3]);
    assert_ptr_equal(lists[3]->retired, lists[2]);
    assert_null(lists[2]->retired); /* and the older ones are gone, or the leak check will tell */
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_delegate_is_refused),
        cmocka_unit_test(it_has_what_a_response_needs),
        cmocka_unit_test(lineages_tell_apart_what_answers_show),
        cmocka_unit_test(lineages_outlive_what_answers_do_not_show),
        cmocka_unit_test(the_first_wish_that_can_be_fulfilled_is),
        cmocka_unit_test(nobody_chooses_nobody),
        cmocka_unit_test(lists_from_before_last_for_an_hour),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
