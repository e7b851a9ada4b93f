/* The dialogue with HAProxy's socket, here with one that says what it is told to. */
#include "delivery.h"

#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>

#define ENDLESS "endless"

static struct {
    struct place_of_delivery *p;
    char socket[300];
    int listener;
    pthread_t thread;
    pthread_mutex_t lock;
    const char *info, *staple, *set, *commit; /* its answers; "": it hangs up; ENDLESS */
    char heard[4096];                         /* the first words of each command, and '|' */
    struct buffer last;                       /* all of the last one that was not "show info" */
} f = {.lock = PTHREAD_MUTEX_INITIALIZER};

#define INFO(pid) "Name: HAProxy\nPid: " pid "\nStart_time_sec: 1700000000\n\n"

static bool is_whole(const struct buffer *command)
{
    const char *text = (char *)command->at;
    return command->len >= 2 && text[command->len - 1] == '\n' &&
           (!strstr(text, "<<\n") || text[command->len - 2] == '\n');
}

static void hear(int fd, struct buffer *command)
{
    while (!is_whole(command)) {
        assert_true(buffer_reserve(command, 4097));
        ssize_t n = recv(fd, command->at + command->len, 4096, 0);
        if (n <= 0)
            return;
        command->len += (size_t)n;
        command->at[command->len] = 0;
    }
}

static const char *answer(const struct buffer *command)
{
    static const char *const starts[] = {"show info", "set ssl ocsp-response", "set ssl crl-file",
                                         "commit ssl crl-file", "abort ssl crl-file"};
    const char *answers[] = {f.info, f.staple, f.set, f.commit, "Transaction aborted"};
    for (size_t i = 0; i < COUNT(starts); i++)
        if (strncmp((char *)command->at, starts[i], strlen(starts[i])) == 0) {
            size_t len = strlen(f.heard);
            snprintf(f.heard + len, sizeof f.heard - len, "%s|", starts[i]);
            return answers[i];
        }
    return "Unknown command";
}

static void say(int fd, const char *text)
{
    static const char piece[4096] = "all work and no play ";
    if (strcmp(text, ENDLESS) != 0)
        send(fd, text, strlen(text), MSG_NOSIGNAL);
    else
        while (send(fd, piece, sizeof piece, MSG_NOSIGNAL) > 0)
            ;
}

static void *serve(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(f.listener, NULL, NULL)) >= 0; close(fd)) {
        struct buffer command = {0};
        hear(fd, &command);
        pthread_mutex_lock(&f.lock);
        const char *text = command.len ? answer(&command) : "";
        if (command.len && strncmp((char *)command.at, "show", 4) != 0) {
            buffer_free(&f.last);
            f.last = command;
            command = (struct buffer){0};
        }
        pthread_mutex_unlock(&f.lock);
        say(fd, text);
        buffer_free(&command);
    }
    return NULL;
}

static void start_haproxy(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unlink(f.socket);
    strcpy(address.sun_path, f.socket);
    f.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(f.listener, 8), 0);
    assert_int_equal(pthread_create(&f.thread, NULL, serve, NULL), 0);
}

static void stop_haproxy(void)
{
    shutdown(f.listener, SHUT_RDWR);
    pthread_join(f.thread, NULL);
    close(f.listener);
    f.listener = -1;
}

static int set_up(void **state)
{
    (void)state;
    f.p = place_open(DELIVER_HAPROXY, "crls.pem");
    snprintf(f.socket, sizeof f.socket, "%s", in_place(f.p, "socket"));
    f.p->target.socket = f.socket;
    f.info = INFO("7");
    f.staple = "OCSP Response updated!\n\n";
    f.set = "transaction created for CRL x!\n\n";
    f.commit = "Committing x.\nSuccess!\n\n";
    f.heard[0] = 0;
    start_haproxy();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (f.listener >= 0)
        stop_haproxy();
    buffer_free(&f.last);
    place_close(f.p);
    return 0;
}

static void assert_heard(const char *wanted)
{
    pthread_mutex_lock(&f.lock);
    assert_string_equal(f.heard, wanted);
    f.heard[0] = 0;
    pthread_mutex_unlock(&f.lock);
}

/* The room gives octets and parses none. */
static enum deliver_outcome give_crl(const char *octets)
{
    struct certificate ca = {0};
    if (certificate_from_file(in_place(f.p, "ca.pem"), &ca, NULL) < 0) {
        shell(
            "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout /dev/null -out %s "
            "-subj /CN=CA 2>/dev/null",
            in_place(f.p, "ca.pem"));
        assert_int_equal(certificate_from_file(in_place(f.p, "ca.pem"), &ca, NULL), 0);
    }
    struct deliver_crl crl = {bytes_of_text(octets), &ca, NULL, NOW};
    enum deliver_outcome outcome = deliver_crls(&f.p->delivery, &crl, 1, &f.p->err);
    certificate_free(&ca);
    return outcome;
}

static void a_staple_is_written_and_pushed_once(void **state)
{
    (void)state;
    assert_true(deliver_is_polled(&f.p->target));
    assert_int_equal(give(f.p, "foobar"), DELIVER_DONE);
    assert_file(in_place(f.p, "server.pem.ocsp"), "foobar");
    assert_heard("show info|set ssl ocsp-response|");
    assert_string_equal((char *)f.last.at, "set ssl ocsp-response <<\nZm9vYmFy\n\n");
    assert_string_equal(f.p->saved.instance, "7 1700000000");
    assert_int_equal(give(f.p, "foobar"), DELIVER_SAME);
    assert_heard("show info|");
}

static void another_process_is_told_again(void **state)
{
    (void)state;
    assert_int_equal(give(f.p, "foobar"), DELIVER_DONE);
    f.info = INFO("8");
    f.heard[0] = 0;
    assert_int_equal(give(f.p, "foobar"), DELIVER_DONE);
    assert_heard("show info|set ssl ocsp-response|");
    stop_haproxy();
    assert_int_equal(give(f.p, "foobar"), DELIVER_SAME); /* it will read the file */
    assert_int_equal(give(f.p, "other"), DELIVER_DONE);
    assert_false(f.p->state.pending);
    assert_int_equal(f.p->state.retry_at, 0);
    assert_file(in_place(f.p, "server.pem.ocsp"), "other");
    start_haproxy();
    assert_int_equal(give(f.p, "other"), DELIVER_DONE); /* it may have been there all the time */
    assert_false(f.p->saved.pending);
    assert_heard("show info|set ssl ocsp-response|");
}

static void a_refusal_is_tried_again(void **state)
{
    (void)state;
    static const char *const answers[] = {
        "OCSP single response: Certificate ID does not match any certificate.\n\n", "", ENDLESS,
        "\x01\xff\n"};
    for (size_t i = 0; i < COUNT(answers); i++) {
        f.staple = answers[i];
        check_row(answers[i], give(f.p, "foobar") == DELIVER_FAILED);
        check_row(answers[i], f.p->saved.pending && f.p->saved.failures == i + 1);
        check_row(answers[i], strstr(f.p->err.text, f.socket));
        for (const char *c = f.p->err.text; *c; c++)
            check_row(answers[i], *c >= ' ' && *c <= '~');
    }
    f.staple = ENDLESS;
    assert_int_equal(give(f.p, "foobar"), DELIVER_FAILED);
    assert_says(f.p->err, "Message too long");
    f.staple = "OCSP Response updated!\n\n";
    assert_int_equal(give(f.p, "foobar"), DELIVER_DONE);
    assert_int_equal(f.p->saved.failures, 0);
}

static void what_is_no_haproxy(void **state)
{
    (void)state;
    static const char *const answers[] = {"", "Pid: 7\n", "Name: x\nPid: x\nStart_time_sec: y\n", ENDLESS};
    for (size_t i = 0; i < COUNT(answers); i++) {
        f.info = answers[i];
        check_row(answers[i], give(f.p, "foobar") == DELIVER_FAILED);
    }
}

static void crls_are_set_and_committed(void **state)
{
    (void)state;
    f.p->target.crl_name = "named";
    assert_int_equal(give_crl("foobar"), DELIVER_DONE);
    assert_file(f.p->path, "-----BEGIN X509 CRL-----\nZm9vYmFy\n-----END X509 CRL-----\n");
    assert_heard("show info|set ssl crl-file|commit ssl crl-file|");
    assert_string_equal((char *)f.last.at, "commit ssl crl-file named\n");
    assert_int_equal(give_crl("foobar"), DELIVER_SAME);
    assert_heard("show info|");
    f.commit = "unable to load the CRL\n";
    assert_int_equal(give_crl("other"), DELIVER_FAILED);
    assert_says(f.p->err, "unable to load the CRL");
    assert_heard("show info|set ssl crl-file|commit ssl crl-file|abort ssl crl-file|");
    f.set = "Can't replace\n";
    assert_int_equal(give_crl("other"), DELIVER_FAILED);
    assert_says(f.p->err, "Can't replace");
    assert_heard("show info|set ssl crl-file|abort ssl crl-file|");
    assert_string_equal((char *)f.last.at, "abort ssl crl-file named\n");
}

static void what_is_too_large_goes_by_reload(void **state)
{
    (void)state;
    char large[12001], command[300];
    const char *argv[] = {command, NULL};
    memset(large, 'x', 12000);
    large[12000] = 0;
    assert_int_equal(give_crl(large), DELIVER_FAILED);
    assert_says(f.p->err, "raise tune.bufsize, or configure a reload");
    assert_true(exists(in_place(f.p, "crls.pem")));
    snprintf(command, sizeof command, "%s", in_place(f.p, "hook"));
    script_put(command, "#!/bin/sh\necho told >>${0%/*}/log\n");
    f.p->target.notify.command = argv;
    assert_int_equal(give_crl(large), DELIVER_DONE);
    f.info = INFO("8"); /* the reload's */
    assert_int_equal(give_crl(large), DELIVER_SAME);
    assert_file(in_place(f.p, "log"), "told\n");
    assert_heard("");
    f.p->target.bufsize = 32768;
    assert_int_equal(give_crl(large), DELIVER_DONE); /* and the socket may be used again */
    assert_heard("show info|set ssl crl-file|commit ssl crl-file|");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_staple_is_written_and_pushed_once),
        TEST(another_process_is_told_again),
        TEST(a_refusal_is_tried_again),
        TEST(what_is_no_haproxy),
        TEST(crls_are_set_and_committed),
        TEST(what_is_too_large_goes_by_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
