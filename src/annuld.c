/* annuld: the status server. `main` is the boot order; the exit is its mirror. */
#include <annul/admin.h>
#include <annul/clock.h>
#include <annul/config.h>
#include <annul/fetch.h>
#include <annul/hex.h>
#include <annul/http.h>
#include <annul/intake.h>
#include <annul/issuer.h>
#include <annul/log.h>
#include <annul/publisher.h>
#include <annul/responder.h>
#include <annul/signer.h>
#include <annul/store.h>

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static const char usage[] = "usage: annuld [-c FILE]      serve, in the foreground\n"
                            "       annuld [-c FILE] -t   check the configuration and all it points to\n"
                            "       annuld -V             print the version\n"
                            "See annuld(8) and annuld.conf(5).\n";

/* Stop signals are taken by sigwait; every thread started from here on leaves them alone. */
static void prepare_signals(sigset_t *stop)
{
    sigemptyset(stop);
    sigaddset(stop, SIGTERM);
    sigaddset(stop, SIGINT);
    sigaddset(stop, SIGHUP);
    pthread_sigmask(SIG_BLOCK, stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as we may have: every connection takes one. And one heap for all threads: an answer is made in one
 * and freed in another, and what each thread's own heap keeps of that would be many times the cache. */
static void set_limits(void)
{
    mallopt(M_ARENA_MAX, 1);
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int number_issuers(struct issuers *issuers, struct store *store, struct error *err)
{
    for (size_t i = 0; i < issuers->count; i++) {
        struct issuer *issuer = &issuers->list[i];
        if (store_issuer(store, issuer->config->name.text, issuer->fingerprint, &issuer->id, err) < 0)
            return -1;
    }
    return 0;
}

/* What is legal, and yet may surprise. */
static void warn(const struct config *config)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        const struct config_issuer *issuer = &config->issuers[i];
        if (issuer->delta_distribution_point.text && issuer->key.text)
            log_warn(
                "annuld",
                "issuer %s: with delta_distribution_point the whole CRL changes by schedule alone "
                "(crl_refresh), and so do chain.pem and bundle.pem: brokers that do not know deltas (Erlang, "
                "EMQX, nginx) learn of a revocation then; for them use OCSP or shards, or take it out",
                issuer->name.text);
    }
}

/* Everything that can be known before serving, and nothing is changed. */
static int check(const struct config *config, struct error *err)
{
    struct issuers *issuers = issuers_load(config, err);
    struct error why;
    int result = issuers ? 0 : -1;
    for (size_t i = 0; result == 0 && i < issuers->count; i++) {
        const struct issuer *issuer = &issuers->list[i];
        if (store_check(config->database.text, issuer->config->name.text, issuer->fingerprint, &why) < 0)
            result = config_error(config, config->database.line, err, "%s", why.text);
    }
    issuers_free(issuers);
    if (result < 0 || http_check(config, err) < 0 || publisher_check(config, err) < 0 ||
        intake_check(config, err) < 0 || responder_presign_check(config, err) < 0)
        return -1;
    return signer_check(config, err);
}

/* In the log, out of reach of who rewrites the database: what the audit trail was until now. */
static void log_audit_head(struct store *store)
{
    struct audit_head head;
    struct error err;
    char hash[2 * AUDIT_HASH + 1];
    if (store_audit_head(store, &head, &err) < 0)
        log_error("audit", "%s", err.text);
    else if (head.damaged)
        log_error("audit", "the head was damaged by another program; see `annulctl audit verify`");
    else {
        hex_encode(head.hash, AUDIT_HASH, hash);
        log_info("audit", "the last entry is %lld, with the hash %s", (long long)head.id, hash);
    }
}

/* SIGINT or SIGTERM. */
static int await_stop(const sigset_t *stop, struct store *store)
{
    static const struct timespec day = {.tv_sec = 86400};
    for (;;) {
        int received = sigtimedwait(stop, NULL, &day);
        if (received == SIGINT || received == SIGTERM)
            return received;
        if (received == SIGHUP) /* a terminal went, or somebody expects a reload */
            log_warn("annuld", "SIGHUP: the configuration is not read anew; restart to take up another");
        else if (errno == EAGAIN)
            log_audit_head(store);
    }
}

static int serve(struct config *config, const sigset_t *stop, struct error *err)
{
    int result = -1;
    struct issuers *issuers = NULL;
    struct signer *signer = NULL;
    struct store *store = NULL;
    struct publisher *publisher = NULL;
    struct responder *responder = NULL;
    struct intake *intake = NULL;
    struct http *http = NULL;

    if (!(issuers = issuers_load(config, err)) || !(store = store_open(config->database.text, err)) ||
        number_issuers(issuers, store, err) < 0 || !(signer = signer_start(issuers, err)) ||
        !(publisher = publisher_start(config, issuers, store, signer, err)) ||
        !(responder = responder_new(issuers, store, signer, config->ocsp_cache_octets, clock_now)) ||
        responder_presign(responder, config, err) < 0)
        goto out;
    struct admin admin = {.issuers = issuers, .store = store, .publisher = publisher};
    if (fetch_start(err) < 0 || !(intake = intake_start(&admin, err)))
        goto out;
    struct http_services services = {config, issuers, store, signer, responder, publisher, &admin, intake};
    if (!(http = http_start(&services, err)))
        goto out;

    log_info("annuld", "version " ANNUL_VERSION ", %zu issuers: serving", issuers->count);
    log_audit_head(store);
    sd_notify(0, "READY=1");
    int received = await_stop(stop, store);
    sd_notify(0, "STOPPING=1");
    log_info("annuld", "%s: stopping", received == SIGINT ? "SIGINT" : "SIGTERM");
    result = 0;
out:
    publisher_halt(
        publisher); /* whoever waits for a CRL or a signature hears now: then nothing sleeps any more */
    intake_halt(intake);
    http_halt(http);
    responder_presign_stop(responder);
    signer_halt(signer);
    http_stop(http);
    intake_stop(intake);
    fetch_stop();
    publisher_stop(publisher);
    signer_stop(signer);
    responder_free(responder);
    if (result == 0)
        log_audit_head(store);
    store_close(store);
    issuers_free(issuers);
    return result;
}

int main(int argc, char **argv)
{
    const char *path = ANNUL_SYSCONFDIR "/annuld.conf";
    bool only_check = false;
    int option;
    sigset_t stop;
    struct error err = {""};

    while ((option = getopt(argc, argv, "c:tVh")) != -1) {
        switch (option) {
        case 'c':
            path = optarg;
            break;
        case 't':
            only_check = true;
            break;
        case 'V':
            puts("annuld " ANNUL_VERSION);
            return 0;
        default:
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    if (optind < argc) {
        fputs(usage, stderr);
        return 2;
    }
    prepare_signals(&stop);
    set_limits();
    struct config *config = config_load(path, &err);
    int result = -1;
    if (config) {
        log_set_level(config->log_level);
        log_set_format(config->log_format);
        warn(config);
        result = only_check ? check(config, &err) : serve(config, &stop, &err);
    }
    if (result < 0 && only_check)
        fprintf(stderr, "%s\n", err.text);
    else if (result < 0)
        log_error("annuld", "%s", err.text);
    else if (only_check)
        printf("%s: good\n", path);
    config_free(config);
    return result < 0;
}
