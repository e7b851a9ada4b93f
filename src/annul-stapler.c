/* annul-stapler: OCSP responses and CRLs, brought to where brokers and terminators read them. */
#include <annul/log.h>
#include <annul/stapler.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char usage[] =
    "usage: annul-stapler [-c FILE]                  fetch and deliver, in the foreground\n"
    "       annul-stapler [-c FILE] --once           what is due now, for cron\n"
    "       annul-stapler [-c FILE] -t               check the configuration and all it points to\n"
    "       annul-stapler [-c FILE] status [--json]  print what is there, and until when\n"
    "       annul-stapler -V                         print the version\n"
    "See annul-stapler(8) and annul-stapler.conf(5).\n";

struct options {
    const char *path;
    bool check, once, status, json;
};

/* Stop signals are read by the main thread; every thread started from here on leaves them alone. */
static void prepare_signals(sigset_t *stop)
{
    sigemptyset(stop);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGINT);
    sigaddset(stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* Whether to go on; else the exit status is in `result`. */
static bool read_options(int argc, char **argv, struct options *options, int *result)
{
    static const struct option names[] = {{"once", no_argument, NULL, 'o'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {0}};
    int option;
    *result = 2;
    while ((option = getopt_long(argc, argv, "c:tVh", names, NULL)) != -1) {
        switch (option) {
        case 'c':
            options->path = optarg;
            break;
        case 't':
            options->check = true;
            break;
        case 'o':
            options->once = true;
            break;
        case 'j':
            options->json = true;
            break;
        case 'V':
            puts("annul-stapler " ANNUL_VERSION);
            *result = 0;
            return false;
        default:
            *result = option == 'h' ? 0 : 2;
            fputs(usage, option == 'h' ? stdout : stderr);
            return false;
        }
    }
    options->status = optind + 1 == argc && strcmp(argv[optind], "status") == 0;
    if ((optind == argc || options->status) && !(options->json && !options->status) &&
        options->check + options->once + options->status <= 1)
        return true;
    fputs(usage, stderr);
    return false;
}

static int act(const struct stapler_config *config, const struct options *options, const sigset_t *stop,
               struct error *err)
{
    if (options->status)
        return (int)stapler_status(config, options->json, stdout, err);
    if (!options->check)
        return (int)stapler_run(config, options->once, stop, err);
    if (stapler_check(config, err) < 0)
        return STAPLER_FAILED;
    printf("%s: good\n", options->path);
    return STAPLER_GOOD;
}

int main(int argc, char **argv)
{
    struct options options = {.path = ANNUL_SYSCONFDIR "/annul-stapler.conf"};
    struct error err = {""};
    sigset_t stop;
    int result;
    if (!read_options(argc, argv, &options, &result))
        return result;
    struct stapler_config *config = stapler_config_load(options.path, &err);
    result = STAPLER_FAILED;
    if (config) {
        log_set_level(stapler_config_log_level(config));
        if (!options.status && !options.check)
            prepare_signals(&stop);
        result = act(config, &options, &stop, &err);
    }
    if (err.text[0] && (options.check || options.status))
        fprintf(stderr, "%s\n", err.text);
    else if (err.text[0])
        log_error("stapler", "%s", err.text);
    stapler_config_free(config);
    return result;
}
