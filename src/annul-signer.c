/* annul-signer: holds the private keys and signs for annuld what it understands. */
#include <annul/clock.h>
#include <annul/config.h>
#include <annul/issuer.h>
#include <annul/log.h>
#include <annul/signer.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

static const char usage[] =
    "usage: annul-signer -c FILE -s FD   serve annuld on a connected socket\n"
    "       annul-signer -c FILE         serve annuld on the socket that systemd passes\n"
    "       annul-signer -c FILE -t      check that every key is there and fits\n"
    "annuld starts it; see annul-signer(8).\n";

/* No core file, no other process of this user looking in, no new rights. */
static void harden(void)
{
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#ifndef __SANITIZE_ADDRESS__ /* the leak checker traces its own process */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
    signal(SIGINT, SIG_IGN); /* Ctrl-C is annuld's; when it goes, the socket closes */
    signal(SIGPIPE, SIG_IGN);
}

/* Connections come one after another: annuld holds one for as long as it lives. */
static int serve_listener(struct signer_keys *keys, int listener, struct error *err)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return error_set(err, "accept: %s", strerror(errno));
        if (signer_serve(keys, fd, err) < 0)
            log_warn("signer", "%s", err->text);
        close(fd);
    }
}

static int serve(struct signer_keys *keys, int fd, struct error *err)
{
    if (fd >= 0)
        return signer_serve(keys, fd, err);
    if (sd_listen_fds(1) != 1 || sd_is_socket_unix(SD_LISTEN_FDS_START, SOCK_SEQPACKET, 1, NULL, 0) <= 0)
        return error_set(err, "no socket: give -s FD, or start it by annul-signer.socket");
    sd_notify(0, "READY=1");
    return serve_listener(keys, SD_LISTEN_FDS_START, err);
}

int main(int argc, char **argv)
{
    const char *path = ANNUL_SYSCONFDIR "/annuld.conf";
    int option, fd = -1, check = 0, failed = 1;
    struct error err = {""};
    struct config *config = NULL;
    struct issuers *issuers = NULL;
    struct signer_keys *keys = NULL;

    while ((option = getopt(argc, argv, "c:s:th")) != -1) {
        if (option == 'c')
            path = optarg;
        else if (option == 's')
            fd = atoi(optarg);
        else if (option == 't')
            check = 1;
        else {
            fputs(usage, option == 'h' ? stdout : stderr);
            return option == 'h' ? 0 : 2;
        }
    }
    harden();
    if (!(config = config_load(path, &err)))
        goto out;
    log_set_level(config->log_level);
    log_set_format(config->log_format);
    if (!(issuers = issuers_load(config, &err)) || !(keys = signer_keys_load(issuers, &err)))
        goto out;
    failed = (check ? signer_keys_check(keys, clock_now(), &err) : serve(keys, fd, &err)) < 0;
out:
    if (failed)
        log_error("signer", "%s", err.text);
    signer_keys_free(keys);
    issuers_free(issuers);
    config_free(config);
    return failed;
}
