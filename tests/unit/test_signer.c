/* annul-signer over its socket: what it refuses, and what becomes of requests when it dies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "signer/protocol.h"

#include <annul/crl.h>
#include <annul/ocsp.h>
#include <annul/signer.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[64], path[128];
static struct config *config;
static struct issuers *issuers;
static struct issuer *direct, *delegated; /* the CA signs OCSP by itself; a delegate does */

static void shell(const char *format, ...)
{
    char command[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

static int set_up(void **state)
{
    struct error err;
    const char *build = getenv("BUILD");
    (void)state;
    strcpy(folder, "/tmp/annul-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    shell("tests/pki.sh %s/pki", folder);
    snprintf(path, sizeof path, "%s/annuld.conf", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file,
            "public { listen = {\"127.0.0.1:1\"} }\nadmin { socket = \"x\" }\nsigner { program = "
            "\"%s/annul-signer\" }\n"
            "issuer \"direct\" { certificate = \"%s/pki/root.crt\" key = \"%s/pki/root.key\" ocsp_validity = "
            "\"1h\" }\n"
            "issuer \"delegated\" { certificate = \"%s/pki/issuing-client.crt\"\n"
            "  ocsp_certificate = \"%s/pki/ocsp-issuing-client.crt\" ocsp_key = "
            "\"%s/pki/ocsp-issuing-client.key\" }\n",
            build ? build : "build", folder, folder, folder, folder, folder);
    fclose(file);
    config = config_load(path, &err);
    assert_non_null(config);
    if (config->signer_program.text[0] != '/')
        assert_non_null(config->signer_program.text);
    /* a relative program is taken from the configuration's folder: name it from here */
    free(config->signer_program.text);
    char *real;
    assert_true(asprintf(&real, "%s/annul-signer", build ? build : "build") > 0);
    config->signer_program.text = realpath(real, NULL);
    free(real);
    assert_non_null(config->signer_program.text);
    issuers = issuers_load(config, &err);
    assert_non_null(issuers);
    direct = issuers_by_name(issuers, "direct");
    delegated = issuers_by_name(issuers, "delegated");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    issuers_free(issuers);
    config_free(config);
    shell("rm -rf %s", folder);
    return 0;
}

/* --- the raw socket ------------------------------------------------------------------------------------ */

struct raw {
    int fd;
    pid_t child;
};

static struct raw raw_start(void)
{
    struct raw raw;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    raw.child = fork();
    if (raw.child == 0) {
        char number[16];
        close(pair[0]);
        snprintf(number, sizeof number, "%d", pair[1]);
        execl(config->signer_program.text, "annul-signer", "-c", path, "-s", number, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    raw.fd = pair[0];
    struct signer_reply ready;
    assert_int_equal(recv(raw.fd, &ready, sizeof ready, 0), sizeof ready);
    assert_int_equal(ready.id, SIGNER_READY_ID);
    return raw;
}

/* Ends with the socket, and with status 0: so its leak check passed, too. */
static void raw_stop(struct raw raw)
{
    int status;
    close(raw.fd);
    assert_int_equal(waitpid(raw.child, &status, 0), raw.child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Sends one request and gives the reply's text; true where it is a signature. */
static bool raw_ask(struct raw raw, struct signer_request request, struct bytes payload, int file,
                    char text[600])
{
    struct iovec parts[] = {{&request, sizeof request}, {(void *)(uintptr_t)payload.at, payload.len}};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (file >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof file), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(header), &file, sizeof file);
    }
    assert_true(sendmsg(raw.fd, &message, 0) > 0);
    uint8_t packet[1024];
    ssize_t n = recv(raw.fd, packet, sizeof packet, 0);
    struct signer_reply reply;
    assert_true(n >= (ssize_t)sizeof reply);
    memcpy(&reply, packet, sizeof reply);
    assert_int_equal(reply.id, request.id);
    memset(text, 0, 600);
    memcpy(text, packet + sizeof reply, (size_t)n - sizeof reply);
    return !reply.refused;
}

static struct signer_request request_for(const struct issuer *issuer, uint32_t kind)
{
    static uint64_t id = 100;
    struct signer_request request = {.id = ++id, .version = SIGNER_VERSION, .kind = kind};
    memcpy(request.issuer, issuer->fingerprint, sizeof request.issuer);
    return request;
}

/* --- what there is to sign ----------------------------------------------------------------------------- */

/* A ResponseData about serial 5 of `about`, by the responder of `by`. */
static struct bytes response_data(uint8_t room[1024], const struct issuer *about, const struct issuer *by,
                                  int64_t now, int64_t validity_s)
{
    static uint8_t id_room[256];
    struct der_writer w;
    der_writer_init(&w, id_room, sizeof id_room);
    der_put(&w, (uint8_t[]){DER_INTEGER, 1, 5}, 3);
    der_put_tlv(&w, DER_OCTET_STRING, (struct bytes){about->key_hash[CERTID_SHA1], 20});
    der_put_tlv(&w, DER_OCTET_STRING, (struct bytes){about->name_hash[CERTID_SHA1], 20});
    der_put(&w, (uint8_t[]){0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0}, 11);
    der_wrap(&w, DER_SEQUENCE, 0);
    struct ocsp_response_data data = {
        .produced_at = now, .this_update = now, .next_update = now + validity_s, .count = 1};
    data.singles[0] =
        (struct ocsp_single){.certid = {w.at, der_mark(&w)}, .reason = -1, .invalidity_at = TIME_NONE};
    memcpy(data.responder_key_hash, by->responder_key_hash, sizeof data.responder_key_hash);
    der_writer_init(&w, room, 1024);
    assert_true(ocsp_response_data_put(&w, &data));
    return (struct bytes){w.at, der_mark(&w)};
}

/* A TBSCertList without entries, in a file. */
static int tbs_crl(const struct crl_head *head, uint64_t *len)
{
    struct buffer tbs = {0}, suffix = {0};
    assert_true(crl_suffix(&suffix, head) && crl_prefix(&tbs, head, 0, suffix.len) &&
                buffer_add(&tbs, suffix.at, suffix.len));
    int fd = memfd_create("tbs", 0);
    assert_int_equal(write(fd, tbs.at, tbs.len), tbs.len);
    *len = tbs.len;
    buffer_free(&tbs);
    buffer_free(&suffix);
    return fd;
}

static struct crl_head head_of(const struct issuer *issuer, int64_t now)
{
    return (struct crl_head){.issuer = {issuer->ca.subject.at, issuer->ca.subject.len},
                             .sigalg = sigalg_for_key(certificate_key(&issuer->ca))->der,
                             .key_id = {issuer->key_id, issuer->key_id_len},
                             .number = 7,
                             .this_update = now,
                             .next_update = now + 3600};
}

/* --- tests --------------------------------------------------------------------------------------------- */

static void signs_response_data(void **state)
{
    (void)state;
    struct raw raw = raw_start();
    uint8_t room[1024];
    char text[600];
    int64_t now = time(NULL);
    struct bytes data = response_data(room, direct, direct, now, 3600);
    assert_true(raw_ask(raw, request_for(direct, SIGNER_OCSP), data, -1, text));

    static const struct {
        const char *what;
        const char *reason;
        int64_t shift_s, validity_s;
        bool other_subject, other_responder, other_issuer;
    } refused[] = {
        {"valid for longer than configured", "times", 0, 3600 + 301, false, false, false},
        {"from the future", "times", 400, 100, false, false, false},
        {"nextUpdate before thisUpdate", "times", 0, -1, false, false, false},
        {"about another CA's certificate", "names another issuer", 0, 3600, true, false, false},
        {"in another responder's name", "ResponderID", 0, 3600, false, true, false},
        {"for another issuer's key", "ResponderID", 0, 3600, false, false, true},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        data = response_data(room, refused[i].other_subject ? delegated : direct,
                             refused[i].other_responder ? delegated : direct, now + refused[i].shift_s,
                             refused[i].validity_s);
        bool good = raw_ask(raw, request_for(refused[i].other_issuer ? delegated : direct, SIGNER_OCSP), data,
                            -1, text);
        if (good || !strstr(text, refused[i].reason))
            fail_msg("%s: %s", refused[i].what, good ? "was signed" : text);
    }
    raw_stop(raw);
}

static void refuses_certificates(void **state)
{
    (void)state;
    struct raw raw = raw_start();
    char text[600], name[160];
    unsigned char *tbs = NULL;
    snprintf(name, sizeof name, "%s/pki/intermediate-client.crt", folder);
    FILE *file = fopen(name, "r");
    X509 *x509 = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    int len = i2d_re_X509_tbs(x509, &tbs);
    assert_true(len > 0);
    X509_free(x509);

    assert_false(raw_ask(raw, request_for(direct, SIGNER_OCSP), (struct bytes){tbs, (size_t)len}, -1, text));
    assert_non_null(strstr(text, "not a ResponseData"));

    int fd = memfd_create("tbs", 0);
    assert_int_equal(write(fd, tbs, (size_t)len), len);
    struct signer_request request = request_for(direct, SIGNER_CRL);
    request.len = (uint64_t)len;
    assert_false(raw_ask(raw, request, (struct bytes){0}, fd, text));
    assert_non_null(strstr(text, "not a TBSCertList"));
    close(fd);
    OPENSSL_free(tbs);

    /* a digest alone, an unknown kind, an unknown issuer, another version */
    uint8_t digest[32] = {0};
    assert_false(raw_ask(raw, request_for(direct, SIGNER_OCSP), (struct bytes){digest, 32}, -1, text));
    assert_false(raw_ask(raw, request_for(direct, 3), (struct bytes){digest, 32}, -1, text));
    request = request_for(direct, SIGNER_OCSP);
    request.issuer[0] ^= 1;
    assert_false(raw_ask(raw, request, (struct bytes){digest, 32}, -1, text));
    assert_non_null(strstr(text, "no such issuer"));
    raw_stop(raw);
}

static void signs_tbs_cert_list(void **state)
{
    (void)state;
    struct raw raw = raw_start();
    char text[600];
    int64_t now = time(NULL);
    uint64_t len;
    struct crl_head good = head_of(direct, now);
    struct {
        const char *what;
        struct crl_head head;
        const struct issuer *issuer;
        int64_t longer;
        bool no_file, is_good;
    } cases[] = {
        {"as configured", good, direct, 0, false, true},
        {"another issuer's name", good, direct, 0, false, false},
        {"another signature algorithm", good, direct, 0, false, false},
        {"too long a life", good, direct, 0, false, false},
        {"from the future", good, direct, 0, false, false},
        {"an issuer without a CA key", head_of(delegated, now), delegated, 0, false, false},
        {"no file", good, direct, 0, true, false},
        {"shorter than said", good, direct, 1, false, false},
        {"longer than said", good, direct, -1, false, false},
    };
    cases[1].head.issuer = head_of(delegated, now).issuer;
    cases[2].head.sigalg = head_of(delegated, now).sigalg;
    cases[3].head.next_update = now + config->issuers[0].crl_lifetime_s + 301;
    cases[4].head.this_update = now + 400;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int fd = tbs_crl(&cases[i].head, &len);
        struct signer_request request = request_for(cases[i].issuer, SIGNER_CRL);
        request.len = len + (uint64_t)cases[i].longer;
        if (raw_ask(raw, request, (struct bytes){0}, cases[i].no_file ? -1 : fd, text) != cases[i].is_good)
            fail_msg("%s: %s", cases[i].what, cases[i].is_good ? text : "was signed");
        close(fd);
    }
    raw_stop(raw);
}

/* --- the client ---------------------------------------------------------------------------------------- */

struct counts {
    _Atomic int good, bad;
};

static void count(void *arg, struct bytes signature, const char *failure)
{
    struct counts *counts = arg;
    (void)failure;
    if (signature.len)
        counts->good++;
    else
        counts->bad++;
}

static void await(struct counts *counts, int all)
{
    for (int i = 0; i < 2000 && counts->good + counts->bad < all; i++)
        poll(NULL, 0, 5);
    assert_int_equal(counts->good + counts->bad, all);
}

static pid_t child_of_ours(void)
{
    char command[64];
    int pid = 0;
    snprintf(command, sizeof command, "pgrep -P %d -x annul-signer", (int)getpid());
    FILE *pipe = popen(command, "r");
    if (fscanf(pipe, "%d", &pid) != 1)
        pid = 0;
    pclose(pipe);
    return pid;
}

static void every_request_ends_once(void **state)
{
    (void)state;
    struct error err;
    struct counts counts = {0, 0};
    uint8_t room[1024];
    struct signer *signer = signer_start(config, &err);
    assert_non_null(signer);
    assert_true(signer_is_up(signer));
    struct bytes data = response_data(room, direct, direct, time(NULL), 3600);
    for (int i = 0; i < 100; i++)
        assert_true(signer_sign_ocsp(signer, direct, data, count, &counts));
    await(&counts, 100);
    assert_int_equal(counts.good, 100);

    /* stopped, with requests under way, then killed: they fail, the next ones succeed */
    pid_t first = child_of_ours();
    assert_true(first > 0);
    kill(first, SIGSTOP);
    for (int i = 0; i < 50; i++)
        assert_true(signer_sign_ocsp(signer, direct, data, count, &counts));
    kill(first, SIGKILL);
    await(&counts, 150);
    assert_int_equal(counts.bad, 50);
    for (int i = 0; i < 1000 && !signer_is_up(signer); i++)
        poll(NULL, 0, 5);
    assert_true(child_of_ours() != first);
    assert_true(signer_sign_ocsp(signer, direct, data, count, &counts));
    await(&counts, 151);
    assert_int_equal(counts.good, 101);

    /* more than it can hold: refused at once, and nothing is lost of the rest */
    kill(child_of_ours(), SIGSTOP);
    int accepted = 0;
    while (accepted < 100000 && signer_sign_ocsp(signer, direct, data, count, &counts))
        accepted++;
    assert_true(accepted < 100000);
    kill(child_of_ours(), SIGCONT);
    await(&counts, 151 + accepted);
    signer_stop(signer);
}

static void a_missing_key_is_reported(void **state)
{
    (void)state;
    struct error err;
    shell("mv %s/pki/root.key %s/pki/away.key", folder, folder);
    assert_null(signer_start(config, &err));
    assert_int_equal(signer_check(config, &err), -1);
    shell("cp %s/pki/issuing-client.key %s/pki/root.key", folder, folder); /* another's */
    assert_null(signer_start(config, &err));
    shell("cp %s/pki/away.key %s/pki/root.key; chmod 644 %s/pki/root.key", folder, folder, folder);
    assert_null(signer_start(config, &err));
    shell("mv %s/pki/away.key %s/pki/root.key; chmod 600 %s/pki/root.key", folder, folder, folder);
    assert_int_equal(signer_check(config, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signs_response_data),       cmocka_unit_test(refuses_certificates),
        cmocka_unit_test(signs_tbs_cert_list),       cmocka_unit_test(every_request_ends_once),
        cmocka_unit_test(a_missing_key_is_reported),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
