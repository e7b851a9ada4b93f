/* annul-signer over its socket and its rings: what it signs, what it refuses, and what a hostile annuld can do to it. */
#include "signer.h"

#include <annul/crl.h>

#include <dirent.h>

/* --- the raw socket ------------------------------------------------------------------------------------ */

#define SIGNERS 4 /* one of "direct", one of "delegated", two of "own" */

struct raw {
    int fd;
    pid_t child;
    struct ocsp_signer signers[SIGNERS]; /* as announced */
    struct signer_message announced[SIGNERS];
    uint8_t *memory;
    int doorbells[2];
    struct ring requests, replies;
};

union packet {
    struct signer_message head;
    uint8_t octets[SIGNER_MESSAGE_MAX + 1];
};

/* The payload's length; the reason why it refuses is text. */
static size_t receive(const struct raw *raw, union packet *packet)
{
    struct pollfd wait = {.fd = raw->fd, .events = POLLIN};
    assert_int_equal(poll(&wait, 1, 10000), 1);
    ssize_t n = recv(raw->fd, packet, SIGNER_MESSAGE_MAX, 0);
    assert_true(n >= (ssize_t)sizeof packet->head);
    assert_int_equal(packet->head.version, SIGNER_VERSION);
    packet->octets[n] = 0;
    return (size_t)n - sizeof packet->head;
}

static void receive_announcements(struct raw *raw)
{
    static union packet packet;
    struct error err = {""};
    for (int i = 0; i < SIGNERS; i++) {
        size_t len = receive(raw, &packet);
        struct issuer *issuer = issuers_by_fingerprint(issuers, packet.head.issuer);
        assert_int_equal(packet.head.kind, SIGNER_ANNOUNCE);
        assert_non_null(issuer);
        raw->announced[i] = packet.head;
        if (ocsp_signer_init(&raw->signers[i], issuer, (struct bytes){packet.head.payload, len},
                             packet.head.is_ours, &err) < 0)
            fail_msg("%s", err.text);
        raw->signers[i].id = (uint32_t)packet.head.id;
    }
    assert_int_equal(receive(raw, &packet), 0);
    assert_int_equal(packet.head.kind, SIGNER_READY);
}

static struct raw raw_start(const char *file)
{
    struct raw raw = {.doorbells = {-1, -1}};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    raw.child = fork();
    if (raw.child == 0) {
        char number[16];
        close(pair[0]);
        snprintf(number, sizeof number, "%d", pair[1]);
        execl(config->signer_program.text, "annul-signer", "-c", file, "-s", number, (char *)NULL);
        _exit(127);
    }
    close(pair[1]);
    raw.fd = pair[0];
    receive_announcements(&raw);
    return raw;
}

/* The status of its end, which must come soon. */
static int raw_wait(struct raw *raw)
{
    int status = -1;
    pid_t ended = 0;
    close(raw->fd);
    for (int i = 0; i < 4000 && (ended = waitpid(raw->child, &status, WNOHANG)) == 0; i++)
        poll(NULL, 0, 5);
    if (ended == 0) {
        kill(raw->child, SIGKILL);
        waitpid(raw->child, &status, 0);
    }
    for (int i = 0; i < SIGNERS; i++)
        ocsp_signer_free(&raw->signers[i]);
    for (int i = 0; i < 2; i++)
        if (raw->doorbells[i] >= 0)
            close(raw->doorbells[i]);
    if (raw->memory)
        munmap(raw->memory, SIGNER_MEMORY);
    assert_int_equal(ended, raw->child);
    return status;
}

static void raw_end(struct raw *raw, int wanted)
{
    int status = raw_wait(raw);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), wanted);
}

/* Ends with the socket, soon, and with status 0: so its leak check passed, too. */
static void raw_stop(struct raw *raw)
{
    raw_end(raw, 0);
}

/* The same after what it calls an error of the socket. */
static void raw_stop_failed(struct raw *raw)
{
    raw_end(raw, 1);
}

#define FDS_MAX 4

static void raw_send(const struct raw *raw, const struct signer_request *request, const int *fds,
                     size_t count)
{
    struct iovec part = {(void *)(uintptr_t)request, sizeof *request};
    union {
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count) {
        message.msg_control = control.room;
        message.msg_controllen = CMSG_SPACE(count * sizeof *fds);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(count * sizeof *fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(header), fds, count * sizeof *fds);
    }
    assert_int_equal(sendmsg(raw->fd, &message, 0), sizeof *request);
}

static struct signer_request request_of(uint32_t kind, const struct issuer *issuer)
{
    static uint64_t id = 100;
    struct signer_request request = {.id = ++id, .version = SIGNER_VERSION, .kind = kind};
    if (issuer)
        memcpy(request.issuer, issuer->fingerprint, sizeof request.issuer);
    return request;
}

/* Over the socket: sends one request and gives the answer's text; true where it is a signature. */
static bool ask_crl(const struct raw *raw, struct signer_request request, int file, char text[600])
{
    static union packet packet;
    raw_send(raw, &request, &file, file >= 0);
    size_t len = receive(raw, &packet);
    assert_int_equal(packet.head.id, request.id);
    assert_true(len < 600);
    memcpy(text, packet.head.payload, len + 1);
    return !packet.head.refused;
}

/* --- the raw rings ------------------------------------------------------------------------------------- */

static int memory_of(size_t size, int seals)
{
    int fd = memfd_create("rings", MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

static void raw_share_with(struct raw *raw, int requests, int replies)
{
    struct signer_request request = request_of(SIGNER_RINGS, NULL);
    int memory = memory_of(SIGNER_MEMORY, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
    raw_send(raw, &request, (const int[]){memory, requests, replies}, 3);
    raw->memory = mmap(NULL, SIGNER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    assert_ptr_not_equal(raw->memory, MAP_FAILED);
    close(memory);
    ring_init(&raw->requests, raw->memory, SIGNER_REQUESTS_SIZE, requests);
    ring_init(&raw->replies, raw->memory + RING_MEMORY(SIGNER_REQUESTS_SIZE), SIGNER_REPLIES_SIZE, replies);
}

static void raw_share(struct raw *raw)
{
    raw->doorbells[0] = eventfd(0, 0);
    raw->doorbells[1] = eventfd(0, EFD_NONBLOCK);
    raw_share_with(raw, raw->doorbells[0], raw->doorbells[1]);
}

static struct raw raw_start_with_rings(const char *file)
{
    struct raw raw = raw_start(file);
    raw_share(&raw);
    return raw;
}

static bool raw_put(struct raw *raw, struct ring_request head, struct bytes data)
{
    if (!head.until_ms)
        head.until_ms = clock_monotonic_ms() + 60000;
    return ring_put(&raw->requests, (struct bytes){(const uint8_t *)&head, sizeof head}, data);
}

struct answer {
    struct ring_reply head;
    size_t len;
    union {
        uint8_t payload[SIGNATURE_MAX + 1];
        char text[SIGNATURE_MAX + 1];
    };
};

/* False where none comes in `patience_ms`. */
static bool raw_take(struct raw *raw, struct answer *answer, int patience_ms)
{
    uint8_t octets[sizeof answer->head + SIGNATURE_MAX];
    struct pollfd wait = {.fd = raw->doorbells[1], .events = POLLIN};
    eventfd_t rings;
    long len;
    while ((len = ring_take(&raw->replies, octets, sizeof octets)) == 0) {
        if (ring_sleep(&raw->replies) && poll(&wait, 1, patience_ms) == 0)
            return false;
        eventfd_read(raw->doorbells[1], &rings);
    }
    assert_true(len >= (long)sizeof answer->head);
    memcpy(&answer->head, octets, sizeof answer->head);
    answer->len = (size_t)len - sizeof answer->head;
    memcpy(answer->payload, octets + sizeof answer->head, answer->len);
    answer->payload[answer->len] = 0;
    return true;
}

/* One request and its answer; true where it is a signature. */
static bool ask(struct raw *raw, uint32_t signer, unsigned sigalg, struct bytes data, struct answer *answer)
{
    static uint64_t id = 100;
    assert_true(raw_put(raw, (struct ring_request){.id = ++id, .signer = signer, .sigalg = sigalg}, data));
    ring_notify(&raw->requests);
    assert_true(raw_take(raw, answer, SOON_MS));
    assert_int_equal(answer->head.id, id);
    return !answer->head.refused;
}

static bool is_signed_by(const struct ocsp_signer *signer, const struct sigalg *sigalg, struct bytes data,
                         const struct answer *answer)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = EVP_DigestVerifyInit_ex(context, NULL, sigalg->digest, NULL, NULL,
                                        certificate_key(&signer->certificate), NULL) == 1 &&
                EVP_DigestVerify(context, answer->payload, answer->len, data.at, data.len) == 1;
    EVP_MD_CTX_free(context);
    return good;
}

/* --- what there is to sign ----------------------------------------------------------------------------- */

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

/* --- what is signed ------------------------------------------------------------------------------------ */

static void says_who_signs_before_it_is_ready(void **state)
{
    (void)state;
    struct raw raw = raw_start(path);
    struct issuer *const of[SIGNERS] = {direct, delegated, own, own};
    static const struct {
        unsigned index, count;
        bool is_ours;
        const char *sigalg;
    } wanted[SIGNERS] = {{0, 1, false, "ecdsa-with-SHA384"},
                         {0, 1, false, "ecdsa-with-SHA256"},
                         {0, 2, true, "ecdsa-with-SHA256"},
                         {1, 2, true, "Ed25519"}};
    for (int i = 0; i < SIGNERS; i++) {
        const struct signer_message *head = &raw.announced[i];
        assert_memory_equal(head->issuer, of[i]->fingerprint, sizeof head->issuer);
        assert_int_equal(head->index, wanted[i].index);
        assert_int_equal(head->count, wanted[i].count);
        assert_int_equal(head->is_ours, wanted[i].is_ours);
        assert_string_equal(raw.signers[i].sigalg->name, wanted[i].sigalg);
        for (int other = 0; other < i; other++)
            assert_true(head->id != raw.announced[other].id);
    }
    raw_stop(&raw);
}

static void signs_response_data(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    uint8_t room[1024];
    struct answer answer;
    int64_t now = time(NULL);
    const struct ocsp_signer *by = &raw.signers[0], *other = &raw.signers[1];
    unsigned usual = sigalg_number(by->sigalg);
    static const struct {
        const char *what;
        const char *reason;
        int64_t shift_s, validity_s;
        bool other_subject, other_responder, other_signer;
    } refused[] = {
        {"valid for longer than configured", "times", 0, 3600 + 301, false, false, false},
        {"from the future", "times", 400, 100, false, false, false},
        {"from the past", "times", -400, 3600, false, false, false},
        {"nextUpdate before thisUpdate", "times", 0, -1, false, false, false},
        {"about another CA's certificate", "names another issuer", 0, 3600, true, false, false},
        {"in another responder's name", "ResponderID", 0, 3600, false, true, false},
        {"for another signer's key", "ResponderID", 0, 3600, false, false, true},
    };
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct bytes data = response_data(room, refused[i].other_subject ? delegated : direct,
                                          refused[i].other_responder ? other : by, 5,
                                          now + refused[i].shift_s, refused[i].validity_s);
        bool good = ask(&raw, refused[i].other_signer ? other->id : by->id,
                        refused[i].other_signer ? sigalg_number(other->sigalg) : usual, data, &answer);
        if (good || !strstr(answer.text, refused[i].reason))
            fail_row(refused[i].what, "%s", good ? "was signed" : answer.text);
    }
    struct bytes data = response_data(room, direct, by, 5, now, 3600);
    assert_true(ask(&raw, by->id, usual, data, &answer));
    assert_true(is_signed_by(by, by->sigalg, data, &answer));
    raw_stop(&raw);
}

/* A key signs by every algorithm of its family and by no other; signers that there are not sign nothing. */
static void signs_by_algorithms_of_the_key(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    uint8_t room[1024];
    struct answer answer;
    const struct issuer *const of[SIGNERS] = {direct, delegated, own, own};
    for (int i = 0; i < SIGNERS; i++) {
        const struct ocsp_signer *by = &raw.signers[i];
        struct bytes data = response_data(room, of[i], by, 5, time(NULL), 3600);
        for (unsigned number = 0; number < SIGALGS + 2; number++) {
            const struct sigalg *sigalg = sigalg_by_number(number);
            bool fits = sigalg && sigalg->family == by->sigalg->family;
            assert_int_equal(ask(&raw, by->id, number, data, &answer), fits);
            if (fits)
                assert_true(is_signed_by(by, sigalg, data, &answer));
            else
                assert_non_null(strstr(answer.text, "not an algorithm of this key"));
        }
        assert_false(ask(&raw, by->id, UINT32_MAX, data, &answer));
    }
    struct bytes data = response_data(room, direct, &raw.signers[0], 5, time(NULL), 3600);
    const uint32_t ids[] = {
        0,          1,          UINT32_MAX, raw.signers[0].id ^ 0x8000, raw.signers[3].id ^ 0x8000,
        0x7fffffff, 0xffff0000, 0x50000};
    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_false(ask(&raw, ids[i], sigalg_number(raw.signers[0].sigalg), data, &answer));
        assert_non_null(strstr(answer.text, "no such signer"));
    }
    raw_stop(&raw);
}

static struct buffer tbs_certificate(void)
{
    struct buffer out = {0};
    unsigned char *tbs = NULL;
    char name[160];
    snprintf(name, sizeof name, "%s/pki/intermediate-client.crt", folder);
    FILE *file = fopen(name, "r");
    X509 *x509 = PEM_read_X509(file, NULL, NULL, NULL);
    fclose(file);
    int len = i2d_re_X509_tbs(x509, &tbs);
    assert_true(len > 0 && buffer_add(&out, tbs, (size_t)len));
    OPENSSL_free(tbs);
    X509_free(x509);
    return out;
}

static void refuses_certificates(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    struct answer answer;
    struct buffer tbs = tbs_certificate();
    for (int i = 0; i < SIGNERS; i++) {
        unsigned usual = sigalg_number(raw.signers[i].sigalg);
        assert_false(ask(&raw, raw.signers[i].id, usual, bytes_of(&tbs), &answer));
        assert_non_null(strstr(answer.text, "not a ResponseData"));
        /* a digest alone, and nothing at all */
        uint8_t digest[32] = {0};
        assert_false(ask(&raw, raw.signers[i].id, usual, (struct bytes){digest, 32}, &answer));
        assert_false(ask(&raw, raw.signers[i].id, usual, (struct bytes){0}, &answer));
    }
    char text[600];
    int fd = memfd_create("tbs", 0);
    assert_int_equal(write(fd, tbs.at, tbs.len), tbs.len);
    struct signer_request request = request_of(SIGNER_CRL, direct);
    request.len = tbs.len;
    assert_false(ask_crl(&raw, request, fd, text));
    assert_non_null(strstr(text, "not a TBSCertList"));
    request.issuer[0] ^= 1;
    assert_false(ask_crl(&raw, request, fd, text));
    assert_non_null(strstr(text, "no such issuer"));
    close(fd);
    buffer_free(&tbs);
    raw_stop(&raw);
}

static void signs_tbs_cert_list(void **state)
{
    (void)state;
    struct raw raw = raw_start(path);
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
    for (size_t i = 0; i < COUNT(cases); i++) {
        int fd = tbs_crl(&cases[i].head, &len);
        struct signer_request request = request_of(SIGNER_CRL, cases[i].issuer);
        request.len = len + (uint64_t)cases[i].longer;
        if (ask_crl(&raw, request, cases[i].no_file ? -1 : fd, text) != cases[i].is_good)
            fail_row(cases[i].what, "%s", cases[i].is_good ? text : "was signed");
        close(fd);
    }
    raw_stop(&raw);
}

/* --- a hostile annuld ---------------------------------------------------------------------------------- */

/* It hung up, soon, and raw_stop sees that it ended well. */
static bool hung_up(const struct raw *raw)
{
    struct pollfd wait = {.fd = raw->fd, .events = POLLIN};
    uint8_t octet;
    return poll(&wait, 1, SOON_MS) == 1 && recv(raw->fd, &octet, 1, MSG_DONTWAIT) <= 0;
}

/* It still does its work. */
static void assert_signs(struct raw *raw)
{
    uint8_t room[1024];
    struct answer answer;
    const struct ocsp_signer *by = &raw->signers[0];
    struct bytes data = response_data(room, direct, by, 5, time(NULL), 3600);
    assert_true(ask(raw, by->id, sigalg_number(by->sigalg), data, &answer));
    assert_true(is_signed_by(by, by->sigalg, data, &answer));
}

static void memory_that_could_be_taken_away_is_refused(void **state)
{
    (void)state;
    enum { ALL = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL };
    static const struct {
        const char *spoken;
        long more;
        int seals;
        const char *path; /* instead of a memfd */
    } rows[] = {
        {"not sealed", 0, 0, NULL},
        {"sealed against growth alone", 0, F_SEAL_GROW, NULL},
        {"a page too small", -4096, ALL, NULL},
        {"one octet too small", -1, ALL, NULL},
        {"one octet too large", 1, ALL, NULL},
        {"nothing", -(long)SIGNER_MEMORY, ALL, NULL},
        {"that cannot be written", 0, ALL | F_SEAL_WRITE, NULL},
        {"a device", 0, 0, "/dev/null"},
        {"a folder", 0, 0, "/tmp"},
        {"a file", 0, 0, "/etc/passwd"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct raw raw = raw_start(path);
        struct signer_request request = request_of(SIGNER_RINGS, NULL);
        int memory = rows[i].path ? open(rows[i].path, O_RDONLY)
                                  : memory_of((size_t)((long)SIGNER_MEMORY + rows[i].more), rows[i].seals);
        const int fds[] = {memory, eventfd(0, 0), eventfd(0, EFD_NONBLOCK)};
        raw_send(&raw, &request, fds, 3);
        check_row(rows[i].spoken, hung_up(&raw));
        for (int k = 0; k < 3; k++)
            close(fds[k]);
        raw_stop(&raw);
    }
}

/* Refused; and every descriptor that came along is closed, which the reading end of a pipe tells. */
static void check_refused(struct raw *raw, struct signer_request request, size_t count)
{
    int pair[2], fds[FDS_MAX];
    char text[600];
    static union packet packet;
    assert_int_equal(pipe(pair), 0);
    for (size_t i = 0; i < count; i++)
        fds[i] = pair[1];
    raw_send(raw, &request, fds, count);
    size_t len = receive(raw, &packet);
    assert_int_equal(packet.head.id, request.id);
    assert_true(packet.head.refused);
    memcpy(text, packet.head.payload, len + 1);
    assert_non_null(strstr(text, "not a request"));
    close(pair[1]);
    struct pollfd wait = {.fd = pair[0], .events = POLLIN};
    assert_int_equal(poll(&wait, 1, SOON_MS), 1);
    assert_int_equal(read(pair[0], text, 1), 0);
    close(pair[0]);
}

static void requests_that_are_none_are_refused(void **state)
{
    (void)state;
    struct raw raw = raw_start(path);
    static const uint32_t kinds[] = {0, SIGNER_READY, SIGNER_ANNOUNCE, SIGNER_CRL + 1, UINT32_MAX};
    for (size_t count = 0; count <= FDS_MAX; count++) {
        for (size_t i = 0; i < COUNT(kinds); i++)
            check_refused(&raw, request_of(kinds[i], direct), count);
        struct signer_request request = request_of(SIGNER_CRL, direct);
        request.version = SIGNER_VERSION - 1;
        check_refused(&raw, request, count);
        request = request_of(SIGNER_RINGS, NULL);
        request.version = SIGNER_VERSION + 1;
        check_refused(&raw, request, count);
        if (count > 1)
            check_refused(&raw, request_of(SIGNER_CRL, direct), count);
    }
    raw_share(&raw);
    assert_signs(&raw);
    raw_stop(&raw);
}

static unsigned count_fds(pid_t pid)
{
    char name[64];
    unsigned count = 0;
    snprintf(name, sizeof name, "/proc/%d/fd", (int)pid);
    DIR *folder_of_fds = opendir(name);
    if (!folder_of_fds)
        skip(); /* it lets nobody but root look in */
    while (readdir(folder_of_fds))
        count++;
    closedir(folder_of_fds);
    return count;
}

/* Whatever comes with a message, and whatever becomes of that, it keeps none. */
static void no_descriptor_is_left_of_a_message(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    char text[600];
    uint64_t len;
    struct crl_head good = head_of(direct, time(NULL)), other = head_of(delegated, time(NULL));
    assert_signs(&raw);
    unsigned before = count_fds(raw.child);
    for (int i = 0; i < 20; i++) {
        for (size_t count = 0; count <= FDS_MAX; count++)
            check_refused(&raw, request_of(UINT32_MAX, direct), count);
        check_refused(&raw, request_of(SIGNER_CRL, direct), 2);
        struct signer_request request = request_of(SIGNER_CRL, direct);
        int files[] = {tbs_crl(&good, &request.len), tbs_crl(&other, &len), open("/", O_RDONLY)};
        assert_true(ask_crl(&raw, request, files[0], text));
        for (size_t k = 1; k < COUNT(files); k++)
            assert_false(ask_crl(&raw, request, files[k], text));
        request.issuer[0] ^= 1;
        assert_false(ask_crl(&raw, request, files[0], text));
        for (size_t k = 0; k < COUNT(files); k++)
            close(files[k]);
    }
    unsigned after = count_fds(raw.child);
    for (int i = 0; i < SOON_MS && after > before; i++) { /* it may be looking at a file just now */
        poll(NULL, 0, 1);
        after = count_fds(raw.child);
    }
    assert_int_equal(after, before);
    raw_stop(&raw);
}

/* Without them it could do nothing for this annuld, which would wait for ever: it hangs up. */
static void rings_that_are_none_end_it(void **state)
{
    (void)state;
    struct signer_request request = request_of(SIGNER_RINGS, NULL);
    int fds[FDS_MAX];
    for (size_t count = 0; count <= FDS_MAX; count++) {
        struct raw raw = count < 3 ? raw_start(path) : raw_start_with_rings(path); /* once is enough */
        for (size_t i = 0; i < count; i++)
            fds[i] = raw.fd;
        raw_send(&raw, &request, fds, count);
        assert_true(hung_up(&raw));
        raw_stop(&raw);
    }
}

static void messages_of_another_size_end_it(void **state)
{
    (void)state;
    static const size_t lens[] = {1, 8, sizeof(struct signer_request) - 1, sizeof(struct signer_request) + 1,
                                  65536};
    static uint8_t octets[65536];
    for (size_t i = 0; i < COUNT(lens); i++) {
        struct raw raw = raw_start_with_rings(path);
        struct signer_request request = request_of(SIGNER_CRL, direct);
        memcpy(octets, &request, sizeof request);
        assert_int_equal(send(raw.fd, octets, lens[i], 0), lens[i]);
        assert_true(hung_up(&raw));
        raw_stop_failed(&raw);
    }
}

/* What stands in the rings is nonsense: it hangs up. */
static void nonsense_in_the_rings_ends_it(void **state)
{
    (void)state;
    enum { WHOLE = sizeof(uint64_t) + sizeof(struct ring_request) };
    static const struct {
        const char *spoken;
        uint64_t put, len;
    } rows[] = {
        {"less than a length", 4, 100},
        {"a length and no more", 8, 32},
        {"more than the ring holds", SIGNER_REQUESTS_SIZE + 8, 64},
        {"put before taken", (uint64_t)-8, 64},
        {"put far away", UINT64_C(1) << 63, 64},
        {"a record of nothing", 64, 0},
        {"a record without a head", 64, sizeof(struct ring_request) - 1},
        {"a record that goes beyond put", WHOLE, sizeof(struct ring_request) + 1},
        {"a record that is too long", SIGNER_REQUESTS_SIZE,
         sizeof(struct ring_request) + SIGNER_DATA_MAX + 1},
        {"a record of all there is", SIGNER_REQUESTS_SIZE, UINT64_MAX},
        {"a record of almost all there is", SIGNER_REQUESTS_SIZE, UINT64_MAX - 15},
    };
    for (size_t i = 0; i < 2 * COUNT(rows); i++) { /* before it has signed anything, and after */
        const char *spoken = rows[i / 2].spoken;
        struct raw raw = raw_start_with_rings(path);
        if (i % 2)
            assert_signs(&raw);
        struct ring_shared *shared = raw.requests.shared;
        memcpy(shared->octets + raw.requests.at, &rows[i / 2].len, sizeof rows[i / 2].len);
        atomic_store(&shared->put, raw.requests.at + rows[i / 2].put);
        eventfd_write(raw.doorbells[0], 1);
        check_row(spoken, hung_up(&raw));
        raw_stop(&raw);
    }
}

/* What it says of its own and nobody believes: it goes on. */
static void nonsense_of_the_taker_is_survived(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    uint8_t room[1024];
    struct answer answer;
    assert_signs(&raw);
    const struct ocsp_signer *by = &raw.signers[0];
    struct bytes data = response_data(room, direct, by, 5, time(NULL), 3600);
    static const uint64_t lies[] = {8, SIGNER_REPLIES_SIZE, UINT64_C(1) << 63,
                                    (uint64_t) - (SIGNER_REPLIES_SIZE + 64)};
    for (size_t i = 0; i < COUNT(lies); i++) {
        struct ring_request head = {.id = 7, .signer = by->id, .sigalg = sigalg_number(by->sigalg)};
        uint64_t taken = atomic_load(&raw.replies.shared->taken);
        atomic_store(&raw.replies.shared->taken, taken + lies[i]);
        assert_true(raw_put(&raw, head, data));
        ring_notify(&raw.requests);
        assert_false(raw_take(&raw, &answer, 100)); /* dropped */
        atomic_store(&raw.replies.shared->taken, taken);
        assert_signs(&raw);
    }
    eventfd_write(raw.doorbells[0], UINT64_MAX - 2); /* rings without reason */
    assert_signs(&raw);
    raw_stop(&raw);
}

/* A doorbell that never rings, or that stays full: it ends with annuld all the same, or the next annuld could not be
 * served. */
static void doorbells_that_are_none_do_not_hold_it(void **state)
{
    (void)state;
    int pipes[2], others[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(pipe(others), 0);
    int full = eventfd(0, 0), quiet = eventfd(0, EFD_NONBLOCK), null = open("/dev/null", O_RDWR);
    assert_int_equal(eventfd_write(full, UINT64_MAX - 1), 0);
    const struct {
        const char *spoken;
        int requests, replies;
        enum { NOBODY, WHO_SLEEPS, WHO_RINGS } held; /* for ever */
    } rows[] = {
        {"a pipe that holds nothing", pipes[0], quiet, WHO_SLEEPS},
        {"the end of a pipe that is written to", others[1], quiet, NOBODY},
        {"an eventfd that does not wait", quiet, quiet, NOBODY},
        {"a device", null, null, NOBODY},
        {"a full doorbell of replies", eventfd(0, 0), full, WHO_RINGS},
    };
    struct raw raws[COUNT(rows)];
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct raw raw = raw_start(path);
        uint8_t room[1024];
        const struct ocsp_signer *by = &raw.signers[0];
        raw_share_with(&raw, rows[i].requests, rows[i].replies);
        struct bytes data = response_data(room, direct, by, 5, time(NULL), 3600);
        struct ring_request head = {.id = 1, .signer = by->id, .sigalg = sigalg_number(by->sigalg)};
        assert_true(raw_put(&raw, head, data));
        atomic_store(&raw.replies.shared->asleep, 1); /* so that it rings */
        eventfd_write(rows[i].requests, 1);
        for (int k = 0; rows[i].held && k < 4000; k++) {
            if (rows[i].held == WHO_SLEEPS ? raw.requests.shared->asleep : !raw.replies.shared->asleep)
                break;
            poll(NULL, 0, 5);
        }
        shutdown(raw.fd, SHUT_RDWR);
        raws[i] = raw;
    }
    for (size_t i = 0; i < COUNT(rows); i++) {
        int status = raw_wait(&raws[i]);
        check_row(rows[i].spoken, rows[i].held ? WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM
                                               : WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    const int fds[] = {pipes[0], pipes[1], others[0], others[1], full, quiet, null, rows[4].requests};
    for (size_t i = 0; i < COUNT(fds); i++)
        close(fds[i]);
}

struct flipper {
    _Atomic uint8_t *octet;
    _Atomic bool over;
};

static void *flip(void *arg)
{
    struct flipper *flipper = arg;
    while (!atomic_load(&flipper->over))
        atomic_fetch_xor(flipper->octet, 1);
    return NULL;
}

/* The ResponderID changes while the signer works: what it signs is what it has checked, so the true one. */
static void what_is_signed_is_what_was_checked(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    uint8_t room[1024];
    struct answer answer;
    const struct ocsp_signer *by = &raw.signers[0];
    struct bytes data = response_data(room, direct, by, 5, time(NULL), 3600);
    const uint8_t *id = memmem(data.at, data.len, by->responder_id.at, by->responder_id.len);
    assert_non_null(id);
    size_t into =
        sizeof(uint64_t) + sizeof(struct ring_request) + (size_t)(id - data.at) + by->responder_id.len - 1;
    unsigned outcomes[2] = {0};
    for (int i = 0; i < 400; i++) {
        size_t at = (raw.requests.at + into) % SIGNER_REQUESTS_SIZE;
        struct flipper flipper = {.octet = (_Atomic uint8_t *)(raw.requests.shared->octets + at)};
        struct ring_request head = {.id = 9, .signer = by->id, .sigalg = sigalg_number(by->sigalg)};
        pthread_t thread;
        assert_true(raw_put(&raw, head, data));
        assert_int_equal(pthread_create(&thread, NULL, flip, &flipper), 0);
        ring_notify(&raw.requests);
        bool taken = raw_take(&raw, &answer, SOON_MS);
        atomic_store(&flipper.over, true);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(taken);
        outcomes[answer.head.refused]++;
        if (!answer.head.refused)
            assert_true(is_signed_by(by, by->sigalg, data, &answer));
    }
    assert_int_equal(outcomes[0] + outcomes[1], 400);
    raw_stop(&raw);
}

/* --- many ---------------------------------------------------------------------------------------------- */

#define MANY 3000

/* Each about a serial of its own, by each signer in turn; the answers come in any order, each once. */
static void every_thread_answers_once(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(threads_path);
    static uint8_t rooms[SIGNERS][1024], seen[MANY];
    struct bytes datas[SIGNERS];
    const struct issuer *const of[SIGNERS] = {direct, delegated, own, own};
    for (int i = 0; i < SIGNERS; i++)
        datas[i] = response_data(rooms[i], of[i], &raw.signers[i], 5, time(NULL), 3600);
    memset(seen, 0, sizeof seen);
    int put = 0;
    for (int taken = 0; taken < MANY; taken++) {
        struct answer answer;
        while (put < MANY) {
            const struct ocsp_signer *by = &raw.signers[put % SIGNERS];
            struct ring_request head = {
                .id = (uint64_t)put + 1, .signer = by->id, .sigalg = sigalg_number(by->sigalg)};
            if (!raw_put(&raw, head, datas[put % SIGNERS]))
                break;
            put++;
        }
        ring_notify(&raw.requests);
        assert_true(raw_take(&raw, &answer, SOON_MS));
        assert_true(answer.head.id >= 1 && answer.head.id <= MANY);
        size_t index = (size_t)answer.head.id - 1;
        const struct ocsp_signer *by = &raw.signers[index % SIGNERS];
        assert_int_equal(seen[index]++, 0);
        assert_false(answer.head.refused);
        assert_true(is_signed_by(by, by->sigalg, datas[index % SIGNERS], &answer));
    }
    struct answer none;
    assert_false(raw_take(&raw, &none, 50));
    raw_stop(&raw);
}

static void what_nobody_waits_for_is_dropped(void **state)
{
    (void)state;
    struct raw raw = raw_start_with_rings(path);
    uint8_t room[1024];
    struct answer answer;
    const struct ocsp_signer *by = &raw.signers[0];
    struct bytes data = response_data(room, direct, by, 5, time(NULL), 3600);
    for (uint64_t id = 1; id <= 20; id++) {
        struct ring_request head = {.id = id,
                                    .signer = by->id,
                                    .sigalg = sigalg_number(by->sigalg),
                                    .until_ms = clock_monotonic_ms() + (id % 5 ? -1 : 60000)};
        assert_true(raw_put(&raw, head, data));
    }
    ring_notify(&raw.requests);
    for (uint64_t id = 5; id <= 20; id += 5) {
        assert_true(raw_take(&raw, &answer, SOON_MS));
        assert_int_equal(answer.head.id, id);
        assert_false(answer.head.refused);
    }
    raw_stop(&raw);
}

/* With all that is under way unanswered, at any moment. */
static void it_ends_with_annuld(void **state)
{
    (void)state;
    uint8_t room[1024];
    for (int i = 0; i < 6; i++) {
        struct raw raw = raw_start_with_rings(i % 2 ? threads_path : path);
        const struct ocsp_signer *by = &raw.signers[0];
        struct bytes data = response_data(room, direct, by, 5, time(NULL), 3600);
        struct ring_request head = {.id = 1, .signer = by->id, .sigalg = sigalg_number(by->sigalg)};
        for (int k = 0; k < i * 100; k++)
            assert_true(raw_put(&raw, head, data));
        if (i)
            ring_notify(&raw.requests);
        raw_stop(&raw);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_who_signs_before_it_is_ready),
        cmocka_unit_test(signs_response_data),
        cmocka_unit_test(signs_by_algorithms_of_the_key),
        cmocka_unit_test(refuses_certificates),
        cmocka_unit_test(signs_tbs_cert_list),
        cmocka_unit_test(memory_that_could_be_taken_away_is_refused),
        cmocka_unit_test(requests_that_are_none_are_refused),
        cmocka_unit_test(no_descriptor_is_left_of_a_message),
        cmocka_unit_test(rings_that_are_none_end_it),
        cmocka_unit_test(messages_of_another_size_end_it),
        cmocka_unit_test(nonsense_in_the_rings_ends_it),
        cmocka_unit_test(nonsense_of_the_taker_is_survived),
        cmocka_unit_test(doorbells_that_are_none_do_not_hold_it),
        cmocka_unit_test(what_is_signed_is_what_was_checked),
        cmocka_unit_test(every_thread_answers_once),
        cmocka_unit_test(what_nobody_waits_for_is_dropped),
        cmocka_unit_test(it_ends_with_annuld),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
