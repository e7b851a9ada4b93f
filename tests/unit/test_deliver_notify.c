/* Signals to the process that is meant, and commands that end. */
#include "deliver/internal.h"

#include "delivery.h"

#include <annul/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

static struct {
    char *folder;
    char path[4][512];
    struct deliver_notify notify;
    struct error err;
    const char *argv[4];
} f;

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

static const char *file(const char *name)
{
    static unsigned next;
    char *path = f.path[next++ % 4];
    snprintf(path, sizeof *f.path, "%s/%s", f.folder, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    memset(&f, 0, sizeof f);
    f.folder = folder_make();
    signals = 0;
    signal(SIGUSR1, count_signal);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    folder_remove(f.folder);
    return 0;
}

static enum outcome tell(void)
{
    static const struct notice notice = {.event = "staple", .path = "/a path", .certificate = "c\"d"};
    return notify_send(&f.notify, &notice, &f.err);
}

/* --- signals ------------------------------------------------------------------------------------------- */

static void pid_put(const char *text)
{
    static char path[512];
    snprintf(path, sizeof path, "%s", file("pid"));
    file_put(path, text, strlen(text));
    f.notify.pid_file = path;
    f.notify.signal_number = SIGUSR1;
}

static void pid_put_mine(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d\n", (int)getpid());
    pid_put(text);
}

static void the_process_of_the_file_gets_it(void **state)
{
    (void)state;
    pid_put_mine();
    assert_int_equal(tell(), FOUND);
    assert_int_equal(signals, 1);
    f.notify.process = "test_deliver_notify"; /* of which the kernel keeps 15 characters */
    assert_int_equal(tell(), FOUND);
    assert_int_equal(signals, 2);
}

static void nobody_else_does(void **state)
{
    (void)state;
    pid_put_mine();
    f.notify.process = "mosquitto";
    assert_int_equal(tell(), FAILED);
    assert_says(f.err, "not mosquitto: it got no signal");

    f.notify.process = NULL;
    struct timespec old[2] = {{.tv_sec = 946684800}, {.tv_sec = 946684800}};
    assert_int_equal(utimensat(AT_FDCWD, f.notify.pid_file, old, 0), 0);
    assert_int_equal(tell(), FAILED);
    assert_says(f.err, "younger than the file: it got no signal");
    f.notify.process = "test_deliver_notify"; /* a name says more than a clock that may have jumped */
    assert_int_equal(tell(), FOUND);
    assert_int_equal(signals, 1);
}

/* A broker that is just starting: its file is there, its handler is not. */
static void who_would_end_by_it_gets_none(void **state)
{
    (void)state;
    pid_put_mine();
    signal(SIGUSR1, SIG_DFL);
    assert_int_equal(tell(), FAILED);
    assert_says(f.err, "has no handler for signal 10");
    signal(SIGUSR1, count_signal);
    assert_int_equal(tell(), FOUND);
    assert_int_equal(signals, 1);
}

static void pid_files_that_name_nobody(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",      "\n",
        "0",     "1",
        "-1",    "x",
        "12x",   "99999999999",
        "12 34", "111111111111111111111111111111111111111111111111111111111111111111111"};
    for (size_t i = 0; i < COUNT(texts); i++) {
        pid_put(texts[i]);
        check_row(texts[i], tell() == FAILED);
        check_row(texts[i], strstr(f.err.text, f.notify.pid_file));
    }
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    char text[32];
    snprintf(text, sizeof text, "%d", (int)child);
    pid_put(text);
    assert_int_equal(tell(), ABSENT);
    assert_says(f.err, "is the consumer running?");
    f.notify.pid_file = "/nonexistent/pid";
    assert_int_equal(tell(), ABSENT);
    assert_says(f.err, "is the consumer running?");
}

/* --- commands ------------------------------------------------------------------------------------------ */

static void command_put(const char *script)
{
    static char path[512];
    snprintf(path, sizeof path, "%s", file("hook"));
    script_put(path, script);
    f.argv[0] = path;
    f.notify.command = f.argv;
}

static void what_a_command_gets(void **state)
{
    (void)state;
    command_put("#!/bin/sh\nprintf '%s|' \"$@\" \"$ANNUL_EVENT\" \"$ANNUL_PATH\" \"$ANNUL_CERTIFICATE\" "
                "\"${ANNUL_CRLS-none}\" \"${ANNUL_SECRET-none}\" \"$OWN\" \"$(cat)\" >${0%/*}/log\n");
    f.argv[1] = "a b; c";
    setenv("ANNUL_SECRET", "x", 1);
    setenv("OWN", "kept", 1);
    assert_int_equal(tell(), FOUND);
    assert_file(file("log"), "a b; c|staple|/a path|c\"d|none|none|kept||");
}

static void failures_are_said(void **state)
{
    (void)state;
    static const struct {
        const char *script, *says;
    } rows[] = {
        {"#!/bin/sh\nexit 3\n", "hook: exit code 3"},
        {"#!/bin/sh\necho first >&2; yes | head -c 100000; echo; echo the last words >&2; exit 1\n",
         "the last words"},
        {"#!/bin/sh\nkill -TERM $$\n", "ended by signal 15"},
        {"#!/nonexistent/interpreter\n", "cannot be run"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        command_put(rows[i].script);
        check_row(rows[i].script, tell() == FAILED);
        check_row(rows[i].script, strstr(f.err.text, rows[i].says));
    }
}

/* Neither gone, nor a zombie for whoever reaps here. */
static bool is_running(pid_t pid)
{
    char path[64], line[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "re");
    bool running = stat && fgets(line, sizeof line, stat) && !strstr(line, ") Z");
    if (stat)
        fclose(stat);
    return running;
}

static void what_takes_too_long_is_killed_with_its_children(void **state)
{
    (void)state;
    command_put("#!/bin/sh\ntrap '' TERM\nsleep 600 & echo $! >${0%/*}/child; wait\n");
    f.notify.timeout_ms = 300;
    int64_t start = clock_monotonic_ms();
    assert_int_equal(tell(), FAILED);
    assert_says(f.err, "took more than 300 ms and was killed");
    assert_true(clock_monotonic_ms() - start < 10000);
    struct buffer text;
    assert_int_equal(file_read(file("child"), 64, &text), 0);
    pid_t child = atoi((char *)text.at);
    buffer_free(&text);
    for (int i = 0; i < 2000 && is_running(child); i++) /* it was sent the signal, and may have to die yet */
        usleep(5000);
    assert_false(is_running(child));
}

static void what_stays_in_the_background_is_not_waited_for(void **state)
{
    (void)state;
    command_put("#!/bin/sh\nsleep 600 & echo $! >${0%/*}/child\n");
    f.notify.timeout_ms = 60000;
    int64_t start = clock_monotonic_ms();
    assert_int_equal(tell(), FOUND);
    assert_true(clock_monotonic_ms() - start < 30000);
    shell("kill $(cat %s)", file("child"));
}

static void a_unit_is_reloaded(void **state)
{
    (void)state;
    char path[2048];
    script_put(file("systemctl"), "#!/bin/sh\nprintf '%s|' \"$@\" >${0%/*}/log\n");
    char *before = strdup(getenv("PATH"));
    snprintf(path, sizeof path, "%s:%s", f.folder, before);
    setenv("PATH", path, 1);
    f.notify.unit = "-x.service"; /* no option */
    int result = tell();
    setenv("PATH", before, 1);
    free(before);
    assert_int_equal(result, FOUND);
    assert_file(file("log"), "reload|--|-x.service|");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_process_of_the_file_gets_it),
        TEST(nobody_else_does),
        TEST(who_would_end_by_it_gets_none),
        TEST(pid_files_that_name_nobody),
        TEST(what_a_command_gets),
        TEST(failures_are_said),
        TEST(what_takes_too_long_is_killed_with_its_children),
        TEST(what_stays_in_the_background_is_not_waited_for),
        TEST(a_unit_is_reloaded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
