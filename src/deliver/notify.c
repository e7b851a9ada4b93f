/* Telling a consumer: a signal to the process of a pid file, a command, or systemd. */
#include "internal.h"

#include <annul/clock.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TIMEOUT_MS 30000
#define OUTPUT_MAX 200 /* of what a failed command said last: enough for a reason */

extern char **environ;

bool notify_is_set(const struct deliver_notify *notify)
{
    return notify->pid_file || notify->command || notify->unit;
}

/* --- signals ----------------------------------------------------------------------------------------------- */

static enum outcome read_pid(const char *path, pid_t *pid, struct error *err)
{
    struct buffer text = {0};
    if (file_read(path, 64, &text) < 0) {
        bool absent = errno == ENOENT;
        error_set(err, "pid file %s: %s: is the consumer running?", path, strerror(errno));
        return absent ? ABSENT : FAILED;
    }
    char *end;
    long number = strtol((char *)text.at, &end, 10);
    bool good = number > 1 && number <= INT32_MAX && strspn(end, " \r\n") == strlen(end);
    buffer_free(&text);
    if (!good)
        return error_set(err, "pid file %s: holds no process number", path);
    *pid = (pid_t)number;
    return FOUND;
}

/* /proc/PID/stat: "PID (COMM) STATE ...", of which field 22 is the start in ticks since the machine's. */
static bool process_facts(pid_t pid, char comm[64], int64_t *started_at)
{
    char path[64];
    struct buffer text = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (file_read(path, 4096, &text) < 0)
        return false;
    char *open = strchr((char *)text.at, '('), *close = strrchr((char *)text.at, ')');
    unsigned long long ticks = 0;
    bool good =
        open && close &&
        sscanf(close + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &ticks) == 1;
    if (good) {
        struct timespec now, up;
        clock_gettime(CLOCK_REALTIME, &now);
        clock_gettime(CLOCK_BOOTTIME, &up);
        snprintf(comm, 64, "%.*s", (int)(close - open - 1), open + 1);
        *started_at = now.tv_sec - up.tv_sec + (int64_t)ticks / sysconf(_SC_CLK_TCK);
    }
    buffer_free(&text);
    return good;
}

/* Whether the process has a handler for it, or waits for it, or ignores it: any other is ended by it. One that is just
 * starting has written its pid file already, but may not be there yet. */
static bool survives(pid_t pid, int signal_number)
{
    static const char *const masks[] = {"\nSigBlk:", "\nSigIgn:", "\nSigCgt:"};
    char path[64];
    struct buffer text = {0};
    unsigned long long found = 0;
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    bool readable = file_read(path, 65536, &text) == 0;
    for (size_t i = 0; readable && i < sizeof masks / sizeof *masks; i++) {
        const char *mask = strstr((char *)text.at, masks[i]);
        found |= mask ? strtoull(mask + strlen(masks[i]), NULL, 16) : 0;
    }
    buffer_free(&text);
    return found >> (signal_number - 1) & 1;
}

/* That the number in the file still is the consumer's, and not that of whoever got it after the consumer's end. */
static int check_process(const struct deliver_notify *notify, pid_t pid, struct error *err)
{
    char comm[64];
    int64_t started_at;
    struct stat status;
    if (!process_facts(pid, comm, &started_at) || stat(notify->pid_file, &status) < 0)
        return error_set(err, "pid file %s: process %d cannot be looked at: %s", notify->pid_file, (int)pid,
                         strerror(errno));
    if (notify->process && strncmp(notify->process, comm, 15) != 0) /* the kernel keeps 15 characters */
        return error_set(err, "pid file %s: process %d is %s, not %s: it got no signal", notify->pid_file,
                         (int)pid, comm, notify->process);
    if (!notify->process && started_at > status.st_mtime + 2)
        return error_set(err,
                         "pid file %s: process %d (%s) is younger than the file: it got no signal; is the "
                         "consumer running?",
                         notify->pid_file, (int)pid, comm);
    if (!survives(pid, notify->signal_number))
        return error_set(
            err, "pid file %s: process %d (%s) has no handler for signal %d, which would end it: it got none",
            notify->pid_file, (int)pid, comm, notify->signal_number);
    return 0;
}

static enum outcome send_signal(const struct deliver_notify *notify, struct error *err)
{
    pid_t pid = 0;
    enum outcome outcome = read_pid(notify->pid_file, &pid, err);
    if (outcome != FOUND)
        return outcome;
    int fd = pidfd_open(pid, 0); /* what is checked is what is signalled */
    if (fd < 0) {
        bool absent = errno == ESRCH;
        error_set(err, "pid file %s: process %d: %s: is the consumer running?", notify->pid_file, (int)pid,
                  strerror(errno));
        return absent ? ABSENT : FAILED;
    }
    if (check_process(notify, pid, err) < 0)
        outcome = FAILED;
    else if (pidfd_send_signal(fd, notify->signal_number, NULL, 0) < 0)
        outcome = error_set(err, "signal %d to process %d of %s: %s", notify->signal_number, (int)pid,
                            notify->pid_file, strerror(errno));
    close(fd);
    return outcome;
}

/* --- commands ---------------------------------------------------------------------------------------------- */

/* Ours without ANNUL_*, and the notice. NULL when out of memory; free_environment. */
static char **make_environment(const struct notice *notice)
{
    const struct {
        const char *name, *value;
    } news[] = {{"EVENT", notice->event},
                {"PATH", notice->path},
                {"CERTIFICATE", notice->certificate},
                {"EXPIRES", notice->expires},
                {"CRLS", notice->crls}};
    enum { NEWS = sizeof news / sizeof *news };
    size_t count = 0, n = 0;
    while (environ[count])
        count++;
    char **all = calloc(count + NEWS + 1, sizeof *all);
    bool good = all;
    for (size_t i = 0; good && i < count; i++)
        if (strncmp(environ[i], "ANNUL_", 6) != 0)
            good = (all[n++] = strdup(environ[i]));
    for (size_t i = 0; good && i < NEWS; i++)
        if (news[i].value)
            good = asprintf(&all[n++], "ANNUL_%s=%s", news[i].name, news[i].value) >= 0;
    if (good)
        return all;
    for (size_t i = 0; all && i < n; i++)
        free(all[i]);
    free(all);
    return NULL;
}

static void free_environment(char **all)
{
    for (char **one = all; one && *one; one++)
        free(*one);
    free(all);
}

/* In a process group of its own, with default signals, nothing on standard input, both outputs into `output`. */
static int spawn(const char *const *command, char **environment, int output, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int number = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (number == 0)
        number = posix_spawn_file_actions_adddup2(&actions, output, 1);
    if (number == 0)
        number = posix_spawn_file_actions_adddup2(&actions, output, 2);
    if (number == 0)
        number = posix_spawnp(pid, command[0], &actions, &attributes, (char *const *)(uintptr_t)command,
                              environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return number;
}

/* Reads what is there and keeps the end of it. False at the end. */
static bool drain(int fd, char said[OUTPUT_MAX + 1])
{
    char piece[OUTPUT_MAX];
    ssize_t n = read(fd, piece, sizeof piece);
    if (n <= 0)
        return n < 0 && (errno == EAGAIN || errno == EINTR);
    size_t old = strlen(said), keep = (size_t)(OUTPUT_MAX - n) < old ? (size_t)(OUTPUT_MAX - n) : old;
    memmove(said, said + old - keep, keep);
    for (ssize_t i = 0; i < n; i++)
        said[keep++] = piece[i] < ' ' || piece[i] > '~' ? ' ' : piece[i];
    said[keep] = 0;
    return true;
}

/* Until the command itself has ended; what it left in the background may keep the pipe. False: the time is over. */
static bool wait_for(int process, int output, int64_t until, char said[OUTPUT_MAX + 1])
{
    struct pollfd both[] = {{.fd = process, .events = POLLIN}, {.fd = output, .events = POLLIN}};
    for (;;) {
        int64_t left = until - clock_monotonic_ms();
        int n = left > 0 ? poll(both, 2, left > INT32_MAX ? INT32_MAX : (int)left) : 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        if (both[1].revents && !drain(output, said))
            both[1].fd = -1;
        else if (!both[1].revents && both[0].revents)
            return true;
    }
}

static int judge(const char *name, int status, const char *said, struct error *err)
{
    const char *colon = *said ? ": " : "";
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        return error_set(err, "%s: exit code %d%s%s", name, WEXITSTATUS(status), colon, said);
    return error_set(err, "%s: ended by signal %d%s%s", name, WTERMSIG(status), colon, said);
}

static int wait_and_judge(const char *name, pid_t pid, int output, int64_t timeout_ms, struct error *err)
{
    char said[OUTPUT_MAX + 1] = "";
    int status = 0, process = pidfd_open(pid, 0);
    bool ended = process >= 0 && wait_for(process, output, clock_monotonic_ms() + timeout_ms, said);
    if (!ended) {
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL); /* it may have left its group */
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (process >= 0)
        close(process);
    return ended ? judge(name, status, said, err)
                 : error_set(err, "%s: took more than %lld ms and was killed", name, (long long)timeout_ms);
}

static int run(const char *const *command, const struct notice *notice, int64_t timeout_ms, struct error *err)
{
    int pipe_fds[2];
    pid_t pid = 0;
    char **environment = make_environment(notice);
    if (!environment)
        return error_set(err, "out of memory");
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        free_environment(environment);
        return error_set(err, "%s: no pipe: %s", command[0], strerror(errno));
    }
    fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK);
    int number = spawn(command, environment, pipe_fds[1], &pid);
    close(pipe_fds[1]);
    free_environment(environment);
    int result = number ? error_set(err, "%s: cannot be run: %s", command[0], strerror(number))
                        : wait_and_judge(command[0], pid, pipe_fds[0], timeout_ms, err);
    close(pipe_fds[0]);
    return result;
}

enum outcome notify_send(const struct deliver_notify *notify, const struct notice *notice, struct error *err)
{
    int64_t timeout_ms = notify->timeout_ms ? notify->timeout_ms : TIMEOUT_MS;
    const char *const reload[] = {"systemctl", "reload", "--", notify->unit, NULL};
    enum outcome outcome = notify->pid_file ? send_signal(notify, err) : FOUND;
    if (outcome != FOUND)
        return outcome;
    if (notify->command && run(notify->command, notice, timeout_ms, err) < 0)
        return FAILED;
    if (notify->unit && run(reload, notice, timeout_ms, err) < 0)
        return error_prefix(err, "systemctl reload %s", notify->unit);
    return FOUND;
}

int notify_check(const struct deliver_notify *notify, struct error *err)
{
    if (notify->command && (!notify->command[0] || notify->command[0][0] != '/'))
        return error_set(err, "command %s: an absolute path is wanted",
                         notify->command[0] ? notify->command[0] : "\"\"");
    if (notify->command && access(notify->command[0], X_OK) < 0)
        return error_set(err, "command %s: %s", notify->command[0], strerror(errno));
    if (notify->pid_file && (notify->signal_number < 1 || notify->signal_number >= NSIG))
        return error_set(err, "pid file %s: %d is no signal", notify->pid_file, notify->signal_number);
    return 0;
}
