/* Getting hold of a signer: starting one, or connecting to one that the system manager runs. */
#include "launch.h"

#include <annul/signer.h>

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SOCKET 3 /* where annul-signer finds its end */

extern char **environ;

static char *find_program(const struct config *config)
{
    char own[4096], *path = NULL;
    if (config->signer_program.text)
        return strdup(config->signer_program.text);
    ssize_t len = readlink("/proc/self/exe", own, sizeof own - 1);
    if (len > 0) {
        own[len] = 0;
        char *slash = strrchr(own, '/');
        if (slash && asprintf(&path, "%.*s/annul-signer", (int)(slash - own), own) > 0 &&
            access(path, X_OK) == 0)
            return path;
        free(path);
    }
    return strdup(ANNUL_LIBEXECDIR "/annul-signer");
}

static int spawn(const char *program, char *const argv[], int socket, pid_t *child, struct error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    if (socket >= 0)
        posix_spawn_file_actions_adddup2(&actions, socket, CHILD_SOCKET);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    int failure = posix_spawn(child, program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return failure ? error_set(err, "cannot start %s: %s", program, strerror(failure)) : 0;
}

static int connect_to(const char *path, struct error *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path)
        return error_set(err, "signer socket %s: the path is too long", path);
    strcpy(address.sun_path, path);
    int fd =
        socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* it may listen and not accept */
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        error_set(err, "signer socket %s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

static int start_child(struct launch *launch, struct error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_set(err, "socketpair: %s", strerror(errno));
    char *argv[] = {"annul-signer", "-c", launch->config->path, "-s", "3", NULL};
    int result = spawn(launch->program, argv, pair[1], &launch->child, err);
    close(pair[1]);
    if (result < 0) {
        launch->child = 0;
        close(pair[0]);
        return -1;
    }
    return pair[0];
}

void launch_reap(struct launch *launch)
{
    if (!launch->child)
        return;
    kill(launch->child, SIGKILL); /* its socket is closed: it is going or stuck */
    while (waitpid(launch->child, NULL, 0) < 0 && errno == EINTR)
        ;
    launch->child = 0;
}

int launch_signer(struct launch *launch, struct error *err)
{
    const char *path = launch->config->signer_socket.text;
    return path ? connect_to(path, err) : start_child(launch, err);
}

int launch_prepare(struct launch *launch, const struct config *config)
{
    *launch = (struct launch){.config = config, .program = find_program(config)};
    return launch->program ? 0 : -1;
}

void launch_forget(struct launch *launch)
{
    free(launch->program);
    launch->program = NULL;
}

/* Where the signer is a service of its own, its keys are not for our eyes unless we are root. */
static int check_socket(const struct config *config, struct error *err)
{
    const struct config_value *socket = &config->signer_socket;
    if (access(socket->text, R_OK | W_OK) == 0)
        return 0;
    return config_error(
        config, socket->line, err,
        "signer socket %s: %s; start annul-signer.socket (the keys are checked by annul-signer -t as "
        "the user that may read them)",
        socket->text, strerror(errno));
}

int signer_check(const struct config *config, struct error *err)
{
    char *program = find_program(config);
    char *argv[] = {"annul-signer", "-c", config->path, "-t", NULL};
    pid_t child;
    int status = -1;
    if (config->signer_socket.text && geteuid() != 0) {
        free(program);
        return check_socket(config, err);
    }
    if (!program)
        return error_set(err, "out of memory");
    int result = spawn(program, argv, -1, &child, err);
    free(program);
    if (result < 0)
        return -1;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    return error_set(err, "annul-signer refuses the keys; its own message says why");
}
