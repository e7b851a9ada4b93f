/* annuld.conf: what annuld and annul-signer are told to do.  See annuld.conf(5).
 *
 * Reading it checks the syntax, the names, and each value by itself; what the values point to (certificates,
 * keys, folders) is checked by the rooms that use them, which report with config_error so that every message
 * begins with file and line.
 */
#ifndef ANNUL_CONFIG_H
#define ANNUL_CONFIG_H

#include <annul/access.h>
#include <annul/config_value.h>
#include <annul/error.h>
#include <annul/log.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum unlisted { UNLISTED_UNKNOWN, UNLISTED_GOOD, UNLISTED_REVOKED, UNLISTED_UNAUTHORIZED };
enum nonce_policy { NONCE_ECHO, NONCE_IGNORE, NONCE_REQUIRE };

struct config_alias {
    struct config_value path; /* "/ca.crl" */
    bool pem;
};

#define CONFIG_SIGNERS_MAX 8 /* ways to sign OCSP responses, an issuer */
#define CONFIG_URL_MAX 255
#define CONFIG_SHARDS_MAX 1024

/* A certificate and its key that sign OCSP responses. */
struct config_signer {
    struct config_value certificate, key;
};

/* A delegate that annul-signer issues to itself with the CA's key. */
struct config_delegate {
    struct config_value kind; /* "P-256", "RSA-2048" …, see annuld.conf(5) */
    int64_t lifetime_s;
    struct config_value chain; /* file of certificates that go along, or none */
};

struct config_issuer {
    struct config_value name;                /* the section's title; its line is the section's first */
    struct config_value certificate;         /* file names are absolute here */
    struct config_value key, key_passphrase; /* files, or URIs as they are */
    struct config_signer *signers;           /* none, and no delegates: the CA signs OCSP itself */
    size_t signer_count;
    struct config_value ocsp_key_passphrase; /* of all signers' keys */
    struct config_delegate *delegates;
    size_t delegate_count;
    struct config_value request_signers; /* CAs that requests must be signed under, or none */
    enum unlisted unlisted;
    enum nonce_policy nonce;
    bool responder_by_name;
    struct config_value crl_reference; /* URL of the CRL that revoked answers refer to, or none */
    bool invalidity_date;              /* OCSP says since when a key is thought to be compromised */
    int64_t archive_cutoff_s;          /* 0: not said */
    bool presign;                      /* OCSP answers are signed ahead … */
    unsigned presign_rate;             /* … so many a second at the most … */
    unsigned presign_hashes;           /* … by these hashes of the CertID: 1 << enum certid_hash */
    int64_t crl_lifetime_s, crl_refresh_s, ocsp_validity_s;
    /* URIs in the CRLs' IssuingDistributionPoint, as they stand in the certificates; or none. Shards are numbered from 0,
     * and their URI has "{}" for the number. A URI for deltas is what turns them on. */
    struct config_value distribution_point, shard_distribution_point, delta_distribution_point;
    unsigned shards;          /* 0: none */
    int64_t delta_lifetime_s; /* of a delta CRL */
    int crl_scope;            /* enum crl_scope */
    bool keep_expired;        /* on the CRL */
    /* Where CRLs come from that were made elsewhere; see config_has_foreign_crls. */
    bool crl_upload;                /* PUT by the API */
    struct config_value *crl_files; /* files or folders that are watched */
    struct config_value *crl_urls;  /* … that are asked every so often */
    size_t crl_file_count, crl_url_count;
    int64_t crl_url_interval_s;
    struct config_value index; /* index.txt of `openssl ca` that is watched, or none */
    struct config_alias *aliases;
    size_t alias_count;
};

/* A client that is known by its certificate. */
struct config_client {
    struct config_value subject; /* as certificate_subject_text has it */
    enum role role;
    char *scope; /* as in annul/access.h */
};

struct config {
    char *path; /* of the file, as given */
    struct {
        struct config_value *listen; /* "127.0.0.1:8080", "[::]:80" */
        size_t listen_count;
        unsigned workers, connections, connections_per_address;
        unsigned timeout_s;
    } public;
    struct {
        struct config_value *listen;
        size_t listen_count;
        struct config_value socket;
        struct config_value tls_certificate, tls_key; /* of `listen`; both or none */
        struct config_value *client_ca;               /* files */
        size_t client_ca_count;
        struct config_client *clients;
        size_t client_count;
    } admin;
    size_t ocsp_cache_octets;      /* bound of the signed answers that are kept */
    int64_t ocsp_max_age_s;        /* how long an HTTP cache may keep one */
    bool ocsp_errors_as_5xx;       /* tryLater and internalError, by their HTTP status too */
    struct config_value database;  /* path of the file */
    struct config_value presigned; /* path of the file of answers that were signed ahead */
    struct config_value crl_directory;
    int64_t crl_delay_ms;   /* how long changes are gathered before a CRL is built */
    int64_t crl_wait_max_s; /* how long a client may wait for the next one; 0: not at all */
    unsigned crl_waiters, crl_waiters_per_address;
    size_t crl_upload_octets; /* bound of a CRL from elsewhere */
    struct config_value signer_program, signer_socket;
    unsigned signer_threads;
    struct config_value openssl_config; /* of annul-signer */
    enum log_level log_level;
    enum log_format log_format;
    struct config_issuer *issuers;
    size_t issuer_count;
};

/* Reads a file. NULL with "FILE:LINE: what: remedy" in `err`. Not thread-safe (libconfuse). */
struct config *config_load(const char *path, struct error *err);

void config_free(struct config *config); /* NULL-safe */

/* Whether an issuer's CRLs are made elsewhere and come in here: it has no key then. */
bool config_has_foreign_crls(const struct config_issuer *issuer);

/* Whether anybody here may sign OCSP responses for it. */
bool config_signs_ocsp(const struct config_issuer *issuer);

/* Sets "FILE:LINE: " and the message; returns -1. */
int config_error(const struct config *config, int line, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether a text begins with a scheme, at least two of a-z 0-9 + . - and a colon: "pkcs11:…", "file:…",
 * "credential:…". */
bool config_is_uri(const char *text);

/* "90s", "15m", "12h", "7d", or plain seconds. False where it is none of these. */
bool config_duration(const char *text, int64_t *seconds);

#endif
