/* Folders of CRLs by hash, for Erlang and for a running OpenSSL. */
#include "delivery.h"
#include "x509.h"

#include <annul/base64.h>

#include <openssl/pem.h>

#include <sys/wait.h>

enum { ONE, ROLLED, OTHER, CAS }; /* ROLLED has ONE's name and another key */

static struct {
    EVP_PKEY *key[CAS];
    struct certificate ca[CAS];
} f;

static int make_cas(void **state)
{
    (void)state;
    static const char *const names[CAS] = {"One", "One", "Other"};
    for (int i = 0; i < CAS; i++) {
        f.key[i] = key_make("P-256");
        X509 *x509 = x509_make_ca(names[i], f.key[i]);
        struct buffer der = x509_der(x509);
        assert_int_equal(certificate_from_der(bytes_of(&der), &f.ca[i], NULL), 0);
        buffer_free(&der);
        X509_free(x509);
    }
    return 0;
}

static int free_cas(void **state)
{
    (void)state;
    for (int i = 0; i < CAS; i++) {
        certificate_free(&f.ca[i]);
        EVP_PKEY_free(f.key[i]);
    }
    return 0;
}

/* A CRL with that number, and thisUpdate as many seconds after NOW; in DER. */
static struct buffer crl_make(int ca, long number)
{
    X509_CRL *crl = X509_CRL_new();
    ASN1_INTEGER *n = ASN1_INTEGER_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, NOW + number);
    assert_int_equal(ASN1_INTEGER_set(n, number), 1);
    X509_CRL_set_version(crl, X509_CRL_VERSION_2);
    X509_CRL_set_issuer_name(crl, X509_get_subject_name(f.ca[ca].x509));
    X509_CRL_set1_lastUpdate(crl, time);
    X509_CRL_set1_nextUpdate(crl, time);
    assert_int_equal(X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0), 1);
    assert_true(X509_CRL_sign(crl, f.key[ca], EVP_sha256()) > 0);
    unsigned char *der = NULL;
    int len = i2d_X509_CRL(crl, &der);
    struct buffer out = {0};
    assert_true(len > 0 && buffer_add(&out, der, (size_t)len));
    OPENSSL_free(der);
    ASN1_TIME_free(time);
    ASN1_INTEGER_free(n);
    X509_CRL_free(crl);
    return out;
}

/* "08ab12cd.r7" in the folder. */
static const char *slot(const struct place_of_delivery *p, int ca, unsigned number)
{
    char name[32];
    snprintf(name, sizeof name, "%08lx.r%u",
             X509_NAME_hash_ex(X509_get_subject_name(f.ca[ca].x509), NULL, NULL, NULL), number);
    return in_place(p, name);
}

static void slot_put(const struct place_of_delivery *p, int place, unsigned number, int ca, long crl_number)
{
    struct buffer der = crl_make(ca, crl_number), pem = {0};
    assert_true(pem_add(&pem, "X509 CRL", bytes_of(&der)));
    file_put(slot(p, place, number), pem.at, pem.len);
    buffer_free(&pem);
    buffer_free(&der);
}

/* Whose it is, and its number: 100 * CA + number; -1: no file; -2: no CRL in PEM from octet 0. */
static long slot_holds(const struct place_of_delivery *p, int place, unsigned number)
{
    struct buffer text;
    long found = -2;
    if (file_read(slot(p, place, number), 1 << 20, &text) < 0)
        return -1;
    BIO *bio = BIO_new_mem_buf(text.at, (int)text.len);
    X509_CRL *crl = strncmp((char *)text.at, "-----BEGIN X509 CRL", 19) == 0
                        ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)
                        : NULL;
    for (int i = 0; crl && i < CAS; i++)
        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(f.ca[i].x509)) == 0 &&
            X509_CRL_verify(crl, f.key[i]) == 1) {
            ASN1_INTEGER *n = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
            found = 100 * i + ASN1_INTEGER_get(n);
            ASN1_INTEGER_free(n);
        }
    X509_CRL_free(crl);
    BIO_free(bio);
    buffer_free(&text);
    return found;
}

/* Delivers CRLs, each as 100 * CA + number. */
static enum deliver_outcome give_crls(struct place_of_delivery *p, size_t count, const long *wanted)
{
    struct deliver_crl crls[8] = {0};
    struct buffer der[8] = {0};
    for (size_t i = 0; i < count; i++) {
        der[i] = crl_make((int)(wanted[i] / 100), wanted[i] % 100);
        crls[i] = (struct deliver_crl){bytes_of(&der[i]), &f.ca[wanted[i] / 100], "1", NOW};
    }
    enum deliver_outcome outcome = deliver_crls(&p->delivery, crls, count, &p->err);
    if (outcome == DELIVER_FAILED)
        print_error("%s\n", p->err.text);
    for (size_t i = 0; i < count; i++)
        buffer_free(&der[i]);
    return outcome;
}
#define GIVE(p, ...) give_crls(p, sizeof((long[]){__VA_ARGS__}) / sizeof(long), (const long[]){__VA_ARGS__})

static struct place_of_delivery *folder_open(enum deliver_kind kind)
{
    struct place_of_delivery *p = place_open(kind, "");
    p->path[strlen(p->path) - 1] = 0; /* the slash */
    return p;
}

/* --- Erlang's way -------------------------------------------------------------------------------------- */

static void one_file_an_issuer(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR);
    assert_int_equal(GIVE(p, 1, 201), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 0), 1);
    assert_int_equal(slot_holds(p, OTHER, 0), 201);
    assert_int_equal(file_count(p->folder), 2);
    ino_t inode = inode_of(slot(p, OTHER, 0));
    assert_int_equal(GIVE(p, 2, 202), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 0), 2);
    assert_int_equal(slot_holds(p, OTHER, 0), 202);
    assert_int_not_equal(inode_of(slot(p, OTHER, 0)), inode);
    assert_int_equal(file_count(p->folder), 2);
    place_close(p);
}

/* ECDSA signs other octets each time, so what is "the same" is made once. */
static void the_same_is_left_alone(void **state)
{
    (void)state;
    static const enum deliver_kind kinds[] = {DELIVER_HASH_DIR, DELIVER_HASH_DIR_LIVE};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct place_of_delivery *p = folder_open(kinds[i]);
        struct buffer der = crl_make(ONE, 1);
        struct deliver_crl crl = {bytes_of(&der), &f.ca[ONE], NULL, NOW};
        assert_int_equal(deliver_crls(&p->delivery, &crl, 1, &p->err), DELIVER_DONE);
        ino_t inode = inode_of(slot(p, ONE, 0));
        p->state = (struct deliver_state){0};
        assert_int_equal(deliver_crls(&p->delivery, &crl, 1, &p->err), DELIVER_SAME);
        assert_int_equal(inode_of(slot(p, ONE, 0)), inode);
        assert_int_equal(file_count(p->folder), 1);
        buffer_free(&der);
        place_close(p);
    }
}

static void leftovers_go(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR);
    slot_put(p, ONE, 0, ONE, 1);
    slot_put(p, ONE, 1, ONE, 0);
    file_put(slot(p, ONE, 2), "", 0);
    file_put(slot(p, ONE, 3), "Certificate Revocation List (CRL):\n", 35);
    slot_put(p, ONE, 7, ONE, 1); /* behind a gap */
    file_put(in_place(p, "README"), "mine", 4);
    slot_put(p, OTHER, 1, OTHER, 1); /* of another hash */
    assert_int_equal(GIVE(p, 5), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 0), 5);
    assert_int_equal(slot_holds(p, OTHER, 1), 201);
    assert_file(in_place(p, "README"), "mine");
    assert_int_equal(file_count(p->folder), 3);
    place_close(p);
}

static void two_keys_of_one_name(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR);
    assert_int_equal(GIVE(p, 1, 101), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 0), 1);
    assert_int_equal(slot_holds(p, ONE, 1), 101);
    assert_int_equal(GIVE(p, 102, 2), DELIVER_DONE); /* each keeps its place */
    assert_int_equal(slot_holds(p, ONE, 0), 2);
    assert_int_equal(slot_holds(p, ONE, 1), 102);
    assert_int_equal(file_count(p->folder), 2);
    assert_int_equal(GIVE(p, 103), DELIVER_DONE); /* another target's, or the operator's, stays */
    assert_int_equal(slot_holds(p, ONE, 0), 2);
    assert_int_equal(slot_holds(p, ONE, 1), 103);
    place_close(p);
}

static void others_move_down(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR);
    slot_put(p, ONE, 0, ONE, 1);
    slot_put(p, ONE, 1, ONE, 2);
    slot_put(p, ONE, 4, ROLLED, 9);
    assert_int_equal(GIVE(p, 3), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 0), 3);
    assert_int_equal(slot_holds(p, ONE, 1), 109);
    assert_int_equal(file_count(p->folder), 2);
    place_close(p);
}

static void a_folder_of_that_name_is_named(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR);
    assert_int_equal(mkdir(slot(p, ONE, 1), 0755), 0);
    assert_int_equal(GIVE(p, 1), DELIVER_FAILED);
    assert_says(p->err, ".r1");
    assert_says(p->err, "remove it");
    place_close(p);
}

/* What Erlang reads: of each issuer the highest of the files from 0 to the first gap. -1: none of it. */
static long erlang_sees(const struct place_of_delivery *p, int ca, bool *broken)
{
    long seen = -1, found;
    for (unsigned n = 0; (found = slot_holds(p, ONE, n)) != -1; n++) {
        *broken = *broken || found == -2;
        if (found / 100 == ca && found >= 0)
            seen = found;
    }
    return seen;
}

/* The power goes after each of the changes in turn: every issuer's CRL is there, and none older than before. */
static void at_each_moment_there_is_a_crl(void **state)
{
    (void)state;
    long seen_one = 0;
    for (int step = 1, ended = 0; !ended; step++) {
        struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR);
        slot_put(p, ONE, 0, ROLLED, 1);
        slot_put(p, ONE, 1, ONE, 1);
        slot_put(p, ONE, 2, ROLLED, 1);
        slot_put(p, ONE, 3, ONE, 1);
        slot_put(p, ONE, 5, ONE, 0); /* not to be seen when the gap is filled */
        pid_t child = fork();
        if (child == 0) {
            char fault[64];
            snprintf(fault, sizeof fault, "deliver-renamed:%d", step);
            setenv("ANNUL_FAULT", fault, 1);
            _exit(GIVE(p, 2, 102) == DELIVER_DONE ? 0 : 1);
        }
        int status;
        bool broken = false;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status) ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
        ended = WIFEXITED(status);
        long one = erlang_sees(p, ONE, &broken), rolled = erlang_sees(p, ROLLED, &broken);
        assert_false(broken);
        assert_in_range(one, step > 2 ? 2 : 1, 2); /* .r5, which is hidden, and .r3 are the first */
        assert_in_range(rolled, 101, 102);
        seen_one = one;
        assert_int_equal(GIVE(p, 2, 102), DELIVER_DONE); /* and the next start ends it */
        assert_int_equal(file_count(p->folder), 2);
        place_close(p);
    }
    assert_int_equal(seen_one, 2);
}

/* --- a running OpenSSL --------------------------------------------------------------------------------- */

static void a_new_one_is_appended(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR_LIVE);
    assert_int_equal(GIVE(p, 1, 101), DELIVER_DONE);
    assert_false(p->state.pending || p->saved.pending);
    assert_int_equal(GIVE(p, 2, 102), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 2), 2);
    assert_int_equal(slot_holds(p, ONE, 3), 102);
    assert_int_equal(inode_of(slot(p, ONE, 0)),
                     inode_of(slot(p, ONE, 2))); /* who starts later reads it once */
    assert_int_equal(inode_of(slot(p, ONE, 1)), inode_of(slot(p, ONE, 3)));
    assert_int_equal(file_count(p->folder), 4);
    place_close(p);
}

static void what_a_gap_hides_goes(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR_LIVE);
    slot_put(p, ONE, 0, ONE, 1);
    file_put(slot(p, ONE, 1), "broken", 6);
    slot_put(p, ONE, 3, ONE, 1);
    assert_int_equal(GIVE(p, 2), DELIVER_DONE);
    for (unsigned n = 0; n < 3; n++)
        assert_int_equal(slot_holds(p, ONE, n), 2);
    assert_int_equal(file_count(p->folder), 3);
    place_close(p);
}

static void a_hundred_are_made_one_where_a_reload_follows(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR_LIVE);
    char command[512];
    const char *argv[] = {command, NULL};
    snprintf(command, sizeof command, "%s/hook", p->folder);
    script_put(command, "#!/bin/sh\necho told >>${0%/*}/log\n");
    slot_put(p, ONE, 0, ONE, 1);
    for (unsigned n = 1; n < 100; n++)
        assert_int_equal(link(slot(p, ONE, 0), slot(p, ONE, n)), 0);
    assert_int_equal(GIVE(p, 2), DELIVER_DONE); /* nobody can be told */
    assert_int_equal(slot_holds(p, ONE, 100), 2);
    assert_int_equal(inode_of(slot(p, ONE, 0)), inode_of(slot(p, ONE, 100)));

    p->target.notify.command = argv;
    assert_int_equal(GIVE(p, 3), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 0), 3);
    assert_file(in_place(p, "log"), "told\n");
    assert_int_equal(file_count(p->folder), 3);
    assert_int_equal(GIVE(p, 4), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 1), 4);
    assert_file(in_place(p, "log"), "told\n"); /* it sees that by itself */
    place_close(p);
}

static void a_second_one_in_a_second_needs_a_reload(void **state)
{
    (void)state;
    struct place_of_delivery *p = folder_open(DELIVER_HASH_DIR_LIVE);
    char command[512];
    const char *argv[] = {command, NULL};
    snprintf(command, sizeof command, "%s/hook", p->folder);
    script_put(command, "#!/bin/sh\necho told >>${0%/*}/log\n");
    assert_int_equal(GIVE(p, 1), DELIVER_DONE);
    assert_int_equal(GIVE(p, 1), DELIVER_DONE); /* other octets, the same thisUpdate */
    assert_int_equal(slot_holds(p, ONE, 1), 1);
    p->target.notify.command = argv;
    assert_int_equal(GIVE(p, 2), DELIVER_DONE);
    assert_int_equal(slot_holds(p, ONE, 2), 2);
    assert_false(exists(in_place(p, "log")));
    assert_int_equal(GIVE(p, 2), DELIVER_DONE);
    assert_file(in_place(p, "log"), "told\n");
    assert_int_equal(slot_holds(p, ONE, 0), 2);
    assert_int_equal(slot_holds(p, ONE, 1), -1);
    place_close(p);
}

/* --- bundles, which need CRLs too ---------------------------------------------------------------------- */

static void bundles(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "crls.pem");
    struct buffer content;
    p->target.format = DELIVER_PEM;
    assert_int_equal(GIVE(p, 1, 201), DELIVER_DONE);
    assert_int_equal(file_read(p->path, 1 << 20, &content), 0);
    assert_int_equal(strncmp((char *)content.at, "-----BEGIN X509 CRL-----\n", 25), 0);
    assert_non_null(strstr((char *)content.at + 1, "-----END X509 CRL-----\n-----BEGIN X509 CRL-----\n"));
    assert_null(strstr((char *)content.at, "\n\n")); /* HAProxy's end of a payload */
    buffer_free(&content);

    p->target.format = DELIVER_DER;
    assert_int_equal(GIVE(p, 1, 201), DELIVER_FAILED);
    assert_says(p->err, "use PEM");
    assert_int_equal(GIVE(p, 1), DELIVER_DONE);
    assert_int_equal(file_read(p->path, 1 << 20, &content), 0);
    assert_int_equal(content.at[0], 0x30);
    buffer_free(&content);
    place_close(p);
}

static void a_command_learns_which_crls(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "crls.pem");
    char command[512], wanted[1024];
    const char *argv[] = {command, NULL};
    snprintf(command, sizeof command, "%s/hook", p->folder);
    script_put(command, "#!/bin/sh\nprintf '%s|' \"$ANNUL_EVENT\" \"$ANNUL_PATH\" \"$ANNUL_EXPIRES\" "
                        "\"$ANNUL_CRLS\" >${0%/*}/log\n");
    p->target.notify.command = argv;
    p->target.format = DELIVER_PEM;
    assert_int_equal(GIVE(p, 1, 201), DELIVER_DONE);
    snprintf(wanted, sizeof wanted, "crl|%s|2027-01-15T08:00:00Z|1 CN=One,O=Unit\n1 CN=Other,O=Unit|",
             p->path);
    assert_file(in_place(p, "log"), wanted);
    place_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_file_an_issuer),
        cmocka_unit_test(the_same_is_left_alone),
        cmocka_unit_test(leftovers_go),
        cmocka_unit_test(two_keys_of_one_name),
        cmocka_unit_test(others_move_down),
        cmocka_unit_test(a_folder_of_that_name_is_named),
        cmocka_unit_test(at_each_moment_there_is_a_crl),
        cmocka_unit_test(a_new_one_is_appended),
        cmocka_unit_test(what_a_gap_hides_goes),
        cmocka_unit_test(a_hundred_are_made_one_where_a_reload_follows),
        cmocka_unit_test(a_second_one_in_a_second_needs_a_reload),
        cmocka_unit_test(bundles),
        cmocka_unit_test(a_command_learns_which_crls),
    };
    return cmocka_run_group_tests(tests, make_cas, free_cas);
}
