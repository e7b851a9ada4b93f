/* annuld's side of annul-signer: what becomes of requests when it dies, and what a hostile one can do to annuld. */
#include "signer.h"

#include <sys/un.h>

/* --- submitting ---------------------------------------------------------------------------------------- */

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

static bool sign(struct signer *signer, struct bytes data, struct counts *counts)
{
    const struct ocsp_signer *by = &issuer_ocsp_signers(direct)->list[0];
    return signer_sign_ocsp(signer, by, by->sigalg, data, count, counts);
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
    struct signer *signer = signer_start(issuers, &err);
    assert_non_null(signer);
    assert_true(signer_is_up(signer));
    struct bytes data =
        response_data(room, direct, &issuer_ocsp_signers(direct)->list[0], 5, time(NULL), 3600);
    for (int i = 0; i < 100; i++)
        assert_true(sign(signer, data, &counts));
    await(&counts, 100);
    assert_int_equal(counts.good, 100);

    /* stopped, with requests under way, then killed: they fail, the next ones succeed */
    pid_t first = child_of_ours();
    assert_true(first > 0);
    kill(first, SIGSTOP);
    assert_int_equal(waitpid(first, NULL, WUNTRACED), first);
    for (int i = 0; i < 50; i++)
        assert_true(sign(signer, data, &counts));
    kill(first, SIGKILL);
    await(&counts, 150);
    assert_int_equal(counts.bad, 50);
    for (int i = 0; i < 1000 && !signer_is_up(signer); i++)
        poll(NULL, 0, 5);
    assert_true(child_of_ours() != first);
    assert_true(sign(signer, data, &counts));
    await(&counts, 151);
    assert_int_equal(counts.good, 101);

    /* more than it can hold: refused at once, and nothing is lost of the rest */
    kill(child_of_ours(), SIGSTOP);
    int accepted = 0;
    while (accepted < 100000 && sign(signer, data, &counts))
        accepted++;
    assert_true(accepted < 100000);
    kill(child_of_ours(), SIGCONT);
    await(&counts, 151 + accepted);
    signer_stop(signer);
}

/* --- a signer that is none ----------------------------------------------------------------------------- */

static void say(int fd, struct signer_message head, struct bytes payload)
{
    struct iovec parts[] = {{&head, sizeof head}, {(void *)(uintptr_t)payload.at, payload.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    head.version = SIGNER_VERSION;
    memcpy(head.issuer, direct->fingerprint, sizeof head.issuer);
    sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* Ends while it says who signs; in its next life it says all of it. */
static void *say_half(void *arg)
{
    static uint8_t octets[SIGNER_MESSAGE_MAX];
    const int *listener = arg;
    struct bytes certificate = bytes_of(&direct->ca.der);
    const struct signer_message ready = {.kind = SIGNER_READY};
    int fd = accept(*listener, NULL, NULL);
    say(fd, ready, (struct bytes){0});
    recv(fd, octets, sizeof octets, 0); /* the rings */
    say(fd, (struct signer_message){.kind = SIGNER_ANNOUNCE, .id = 1, .index = 0, .count = 2}, certificate);
    close(fd);
    fd = accept(*listener, NULL, NULL);
    say(fd, (struct signer_message){.kind = SIGNER_ANNOUNCE, .id = 2, .index = 0, .count = 2}, certificate);
    say(fd, (struct signer_message){.kind = SIGNER_ANNOUNCE, .id = 3, .index = 1, .count = 2}, certificate);
    say(fd, ready, (struct bytes){0});
    while (recv(fd, octets, sizeof octets, 0) > 0)
        ;
    close(fd);
    return NULL;
}

static int listen_as_signer(void)
{
    static struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", folder);
    unlink(address.sun_path);
    int listener = socket(AF_UNIX, SOCK_SEQPACKET, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(listener, 2), 0);
    config->signer_socket.text = address.sun_path;
    return listener;
}

static void stop_listening(int listener)
{
    close(listener);
    config->signer_socket.text = NULL;
}

static void half_of_an_announcement_is_forgotten(void **state)
{
    (void)state;
    struct error err = {""};
    pthread_t thread;
    int listener = listen_as_signer();
    assert_int_equal(pthread_create(&thread, NULL, say_half, &listener), 0);
    struct signer *signer = signer_start(issuers, &err);
    assert_non_null(signer);
    const struct ocsp_signers *said = NULL;
    for (int i = 0; i < 2000 && !(said && said->count == 2); i++) {
        poll(NULL, 0, 5);
        said = issuer_ocsp_signers(direct);
    }
    signer_stop(signer);
    assert_int_equal(pthread_join(thread, NULL), 0);
    stop_listening(listener);
    assert_int_equal(said->count, 2);
    assert_int_equal(said->list[0].id, 2);
    assert_int_equal(said->list[1].id, 3);
}

/* --- answers that are too long ------------------------------------------------------------------------- */

static uint8_t too_long[SIGNATURE_MAX + 1];

/* The next request, and the descriptors that come along. False when annuld hangs up. */
static bool hear(int fd, struct signer_request *request, int fds[3])
{
    union {
        char room[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {request, sizeof *request};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    if (recvmsg(fd, &message, 0) != sizeof *request)
        return false;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header)
        memcpy(fds, CMSG_DATA(header), header->cmsg_len - CMSG_LEN(0));
    return true;
}

static void answer_crl(int fd, size_t len)
{
    struct signer_request request;
    int fds[3] = {-1, -1, -1};
    if (hear(fd, &request, fds))
        say(fd, (struct signer_message){.kind = SIGNER_CRL, .id = request.id}, (struct bytes){too_long, len});
    close(fds[0]);
}

/* Takes one request from the rings, and puts an answer of so many octets. */
static void answer_ocsp(const int fds[3], size_t len)
{
    static union {
        struct ring_request head;
        uint8_t octets[sizeof(struct ring_request) + SIGNER_DATA_MAX];
    } taken;
    struct ring requests, replies;
    eventfd_t rings;
    uint8_t *at = mmap(NULL, SIGNER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    ring_init(&requests, at, SIGNER_REQUESTS_SIZE, fds[1]);
    ring_init(&replies, at + RING_MEMORY(SIGNER_REQUESTS_SIZE), SIGNER_REPLIES_SIZE, fds[2]);
    while (ring_take(&requests, taken.octets, sizeof taken.octets) == 0)
        if (ring_sleep(&requests))
            eventfd_read(fds[1], &rings);
    struct ring_reply reply = {.id = taken.head.id};
    ring_put(&replies, (struct bytes){(const uint8_t *)&reply, sizeof reply}, (struct bytes){too_long, len});
    ring_notify(&replies);
    munmap(at, SIGNER_MEMORY);
}

/* One life: a CRL's answer that is too long, one that is as long as may be, and an OCSP answer of `len`; until annuld
 * hangs up. */
static void live(int listener, size_t len)
{
    struct signer_request request;
    int fd = accept(listener, NULL, NULL), fds[3];
    say(fd, (struct signer_message){.kind = SIGNER_ANNOUNCE, .id = 1, .count = 1}, bytes_of(&direct->ca.der));
    say(fd, (struct signer_message){.kind = SIGNER_READY}, (struct bytes){0});
    if (hear(fd, &request, fds)) {
        answer_crl(fd, SIGNATURE_MAX + 1);
        answer_crl(fd, SIGNATURE_MAX);
        answer_ocsp(fds, len);
        while (hear(fd, &request, fds))
            ;
        for (int i = 0; i < 3; i++)
            close(fds[i]);
    }
    close(fd);
}

static void *live_twice(void *arg)
{
    memset(too_long, 'x', sizeof too_long);
    live(*(const int *)arg, SIGNATURE_MAX + 1);
    live(*(const int *)arg, SIGNATURE_MAX);
    return NULL;
}

static int sign_crl(struct signer *signer, size_t *len, struct error *err)
{
    uint8_t signature[SIGNATURE_MAX];
    int fd = memfd_create("crl", 0), result = signer_sign_crl(signer, direct, fd, 0, 1, signature, len, err);
    close(fd);
    return result;
}

/* None overruns anything or is taken for a signature; and it is up again soon. */
static void answers_that_are_too_long_are_none(void **state)
{
    (void)state;
    struct error err = {""};
    struct counts counts = {0, 0};
    uint8_t room[1024];
    pthread_t thread;
    int listener = listen_as_signer();
    assert_int_equal(pthread_create(&thread, NULL, live_twice, &listener), 0);
    struct signer *signer = signer_start(issuers, &err);
    assert_non_null(signer);
    for (int life = 0; life < 2; life++) {
        size_t len = 0;
        for (int i = 0; i < 2000 && !signer_is_up(signer); i++)
            poll(NULL, 0, 5);
        assert_int_equal(sign_crl(signer, &len, &err), -1);
        assert_says(err, "annul-signer: xxx");
        assert_int_equal(len, 0);
        assert_int_equal(sign_crl(signer, &len, &err), 0);
        assert_int_equal(len, SIGNATURE_MAX);
        struct bytes data =
            response_data(room, direct, &issuer_ocsp_signers(direct)->list[0], 5, time(NULL), 3600);
        assert_true(sign(signer, data, &counts));
        await(&counts, life + 1);
        assert_int_equal(counts.bad, 1);
        assert_int_equal(counts.good, life);
        if (life == 0)
            for (int i = 0; i < 2000 && signer_is_up(signer); i++)
                poll(NULL, 0, 1);
    }
    signer_stop(signer);
    assert_int_equal(pthread_join(thread, NULL), 0);
    stop_listening(listener);
}

static void a_missing_key_is_reported(void **state)
{
    (void)state;
    struct error err;
    shell("mv %s/pki/root.key %s/pki/away.key", folder, folder);
    assert_null(signer_start(issuers, &err));
    assert_int_equal(signer_check(config, &err), -1);
    shell("cp %s/pki/issuing-client.key %s/pki/root.key", folder, folder); /* another's */
    assert_null(signer_start(issuers, &err));
    shell("cp %s/pki/away.key %s/pki/root.key; chmod 644 %s/pki/root.key", folder, folder, folder);
    assert_null(signer_start(issuers, &err));
    shell("mv %s/pki/away.key %s/pki/root.key; chmod 600 %s/pki/root.key", folder, folder, folder);
    assert_int_equal(signer_check(config, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_ends_once),
        cmocka_unit_test(half_of_an_announcement_is_forgotten),
        cmocka_unit_test(answers_that_are_too_long_are_none),
        cmocka_unit_test(a_missing_key_is_reported),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
