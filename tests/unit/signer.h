/* What the tests of annul-signer share, from either end of its socket: three issuers, and something to sign. */
#ifndef ANNUL_TESTS_SIGNER_H
#define ANNUL_TESTS_SIGNER_H

#include "x509.h"

#include "signer/protocol.h"

#include <annul/clock.h>
#include <annul/signer.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

static char *folder, path[128], threads_path[128]; /* of annuld.conf; and of one with four threads */
static struct config *config;
static struct issuers *issuers;
static struct issuer *direct, *delegated, *own; /* the CA signs OCSP by itself; a delegate; two of its own */

#define PKI_ISSUERS                                                                                          \
    "issuer \"direct\" { certificate = \"pki/root.crt\" key = \"pki/root.key\" ocsp_validity = \"1h\" }\n"   \
    "issuer \"delegated\" { certificate = \"pki/issuing-client.crt\"\n"                                      \
    "  ocsp_certificate = \"pki/ocsp-issuing-client.crt\" ocsp_key = \"pki/ocsp-issuing-client.key\" }\n"    \
    "issuer \"own\" { certificate = \"pki/issuing-server.crt\" key = \"pki/issuing-server.key\"\n"           \
    "  delegate \"P-256\" { }\n delegate \"Ed25519\" { } }\n"

static inline void write_config(char file[128], const char *name, unsigned threads)
{
    const char *build = getenv("BUILD");
    char *program, *text;
    assert_true(asprintf(&text, "%s/annul-signer", build ? build : "build") > 0);
    assert_non_null(program = realpath(text, NULL));
    free(text);
    assert_true(asprintf(&text,
                         "public { listen = {\"127.0.0.1:1\"} }\nadmin { socket = \"x\" }\n"
                         "signer { program = \"%s\" threads = %u }\n" PKI_ISSUERS,
                         program, threads) > 0);
    snprintf(file, 128, "%s/%s", folder, name);
    file_put(file, text, strlen(text));
    free(text);
    free(program);
}

static inline int set_up(void **state)
{
    (void)state;
    struct error err = {""};
    folder = folder_make();
    shell("tests/pki.sh %s/pki", folder);
    write_config(path, "annuld.conf", 1);
    write_config(threads_path, "threads.conf", 4);
    if (!(config = config_load(path, &err)) || !(issuers = issuers_load(config, &err)))
        fail_msg("%s", err.text);
    direct = issuers_by_name(issuers, "direct");
    delegated = issuers_by_name(issuers, "delegated");
    own = issuers_by_name(issuers, "own");
    return 0;
}

static inline int tear_down(void **state)
{
    (void)state;
    issuers_free(issuers);
    config_free(config);
    folder_remove(folder);
    return 0;
}

/* A ResponseData about a serial of `about`, by the responder `by`. */
static inline struct bytes response_data(uint8_t room[1024], const struct issuer *about,
                                         const struct ocsp_signer *by, uint8_t serial, int64_t now,
                                         int64_t validity_s)
{
    uint8_t id_room[256];
    struct der_writer w;
    der_writer_init(&w, id_room, sizeof id_room);
    der_put(&w, (uint8_t[]){DER_INTEGER, 1, serial}, 3);
    der_put_tlv(&w, DER_OCTET_STRING, (struct bytes){about->key_hash[CERTID_SHA1], 20});
    der_put_tlv(&w, DER_OCTET_STRING, (struct bytes){about->name_hash[CERTID_SHA1], 20});
    der_put(&w, (uint8_t[]){0x30, 9, 6, 5, 0x2b, 0x0e, 3, 2, 0x1a, 5, 0}, 11);
    der_wrap(&w, DER_SEQUENCE, 0);
    struct ocsp_response_data data = {.responder_id = bytes_of(&by->responder_id),
                                      .produced_at = now,
                                      .this_update = now,
                                      .next_update = now + validity_s,
                                      .archive_cutoff_at = TIME_NONE,
                                      .count = 1};
    data.singles[0] =
        (struct ocsp_single){.certid = {w.at, der_mark(&w)}, .reason = -1, .invalidity_at = TIME_NONE};
    der_writer_init(&w, room, 1024);
    assert_true(ocsp_response_data_put(&w, &data));
    return (struct bytes){w.at, der_mark(&w)};
}

/* Nothing takes as long, however slow the machine. */
#define SOON_MS 20000

#endif
