/* Gives DER files to the room deliver/, for the tests with real consumers:
 *
 *   deliver [OPTIONS] staple CERTIFICATE ISSUER [RESPONSE]    no response: withdrawn
 *   deliver [OPTIONS] crls ISSUER=CRL...
 *
 * Prints "same" or "delivered", or the error, and then ends with 1. What is to be remembered is in the file --state. */
#include <annul/clock.h>
#include <annul/deliver.h>

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX (256u << 20)
#define CRLS_MAX 16

static const char *const kinds[] = {
    [DELIVER_FILE] = "file",       [DELIVER_NGINX] = "nginx",       [DELIVER_HITCH] = "hitch",
    [DELIVER_HAPROXY] = "haproxy", [DELIVER_HASH_DIR] = "hash-dir", [DELIVER_HASH_DIR_LIVE] = "hash-dir-live",
};

static void die(const char *what, const char *problem)
{
    fprintf(stderr, "%s: %s\n", what, problem);
    exit(2);
}

static enum deliver_kind kind_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i], name) == 0)
            return (enum deliver_kind)i;
    die(name, "no kind of target");
    return DELIVER_FILE;
}

static struct buffer read_file(const char *path)
{
    struct buffer content;
    if (file_read(path, FILE_MAX, &content) < 0)
        die(path, "cannot be read");
    return content;
}

/* --- the state, a file of one line */

static void state_load(const char *path, struct deliver_state *state)
{
    FILE *file = path ? fopen(path, "re") : NULL;
    int pending = 0;
    if (!file)
        return;
    if (fscanf(file, "%d %u %" SCNd64 " %63[^\n]", &pending, &state->failures, &state->retry_at,
               state->instance) < 3)
        die(path, "no state");
    state->pending = pending;
    fclose(file);
}

static void state_save(void *path, const struct deliver_state *state)
{
    FILE *file = path ? fopen(path, "we") : NULL;
    if (!path)
        return;
    if (!file)
        die(path, strerror(errno));
    fprintf(file, "%d %u %" PRId64 " %s\n", state->pending, state->failures, state->retry_at,
            state->instance);
    if (fclose(file) != 0)
        die(path, strerror(errno));
}

/* --- the two calls */

static enum deliver_outcome give_staple(const struct delivery *delivery, char **args, int count,
                                        struct error *err)
{
    struct buffer der = {0};
    if (count < 2)
        die("staple", "CERTIFICATE ISSUER [RESPONSE] are wanted");
    if (count > 2)
        der = read_file(args[2]);
    struct deliver_staple staple = {.certificate_path = args[0],
                                    .issuer_path = args[1],
                                    .der = {der.at, der.len},
                                    .expires_at = delivery->now + 60};
    enum deliver_outcome outcome = deliver_staple(delivery, &staple, err);
    buffer_free(&der);
    return outcome;
}

static enum deliver_outcome give_crls(const struct delivery *delivery, char **args, int count,
                                      struct error *err)
{
    struct certificate issuers[CRLS_MAX];
    struct buffer der[CRLS_MAX];
    struct deliver_crl crls[CRLS_MAX];
    if (count > CRLS_MAX)
        die("crls", "too many");
    for (int i = 0; i < count; i++) {
        char *equals = strchr(args[i], '=');
        if (!equals)
            die(args[i], "ISSUER=CRL is wanted");
        *equals = 0;
        der[i] = read_file(equals + 1);
        if (certificate_from_file(args[i], &issuers[i], err) < 0)
            die(args[i], err->text);
        crls[i] = (struct deliver_crl){{der[i].at, der[i].len}, &issuers[i], "1", delivery->now + 60};
    }
    enum deliver_outcome outcome = deliver_crls(delivery, crls, (size_t)count, err);
    for (int i = 0; i < count; i++) {
        buffer_free(&der[i]);
        certificate_free(&issuers[i]);
    }
    return outcome;
}

int main(int argc, char **argv)
{
    enum { KIND, FORM, PATH, SOCKET, PID_FILE, PROCESS, COMMAND, STATE };
    static const struct option options[] = {
        {"kind", 1, NULL, KIND},       {"format", 1, NULL, FORM},       {"path", 1, NULL, PATH},
        {"socket", 1, NULL, SOCKET},   {"pid-file", 1, NULL, PID_FILE}, {"process", 1, NULL, PROCESS},
        {"command", 1, NULL, COMMAND}, {"state", 1, NULL, STATE},       {0}};
    const char *command[] = {NULL, NULL};
    char *state_path = NULL;
    struct deliver_state state = {0};
    struct deliver_target target = {.uid = DELIVER_KEEP, .gid = DELIVER_KEEP, .mode = DELIVER_KEEP};
    target.notify.signal_number = SIGHUP;
    for (int option; (option = getopt_long(argc, argv, "+", options, NULL)) != -1;)
        switch (option) {
        case KIND:
            target.kind = kind_of(optarg);
            break;
        case FORM:
            target.format = strcmp(optarg, "pem") == 0 ? DELIVER_PEM : DELIVER_DER;
            break;
        case PATH:
            target.path = optarg;
            break;
        case SOCKET:
            target.socket = optarg;
            break;
        case PID_FILE:
            target.notify.pid_file = optarg;
            break;
        case PROCESS:
            target.notify.process = optarg;
            break;
        case COMMAND:
            command[0] = optarg;
            target.notify.command = command;
            break;
        case STATE:
            state_path = optarg;
            break;
        default:
            return 2;
        }
    if (argc - optind < 2)
        die(argv[0], "staple or crls, and what");
    state_load(state_path, &state);
    struct delivery delivery = {&target, &state, state_save, state_path, clock_now()};
    struct error err = {0};
    const char *what = argv[optind++];
    bool is_staple = strcmp(what, "staple") == 0;
    enum deliver_outcome outcome = DELIVER_FAILED;
    if (deliver_check(&target, is_staple ? argv[optind] : NULL, &err) == 0)
        outcome = is_staple ? give_staple(&delivery, argv + optind, argc - optind, &err)
                            : give_crls(&delivery, argv + optind, argc - optind, &err);
    puts(outcome == DELIVER_FAILED ? err.text : outcome == DELIVER_SAME ? "same" : "delivered");
    return outcome == DELIVER_FAILED;
}
