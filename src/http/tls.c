#include "tls.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

#define FILE_MAX 65536
#define CHAIN_MAX 8 /* certificates that are sent */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

/* Our certificate with those above it, and its key, in PEM with a NUL behind. */
struct pair {
    struct buffer certificate, key;
    struct stat was[2]; /* of the files, before they were read */
};

static struct {
    const struct config *config;
    pthread_mutex_t mutex;
    struct pair pair; /* the last that was good */
    struct buffer client_ca;
    struct MHD_OptionItem options[4];
} tls = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static gnutls_datum_t datum_of(const struct buffer *pem)
{
    return (gnutls_datum_t){pem->at, (unsigned)pem->len - 1};
}

/* --- files --------------------------------------------------------------------------------------------- */

static void pair_free(struct pair *pair)
{
    buffer_free(&pair->certificate);
    if (pair->key.at)
        explicit_bzero(pair->key.at, pair->key.len);
    buffer_free(&pair->key);
}

static int read_file(const struct config *config, const struct config_value *file, struct buffer *into,
                     struct error *err)
{
    if (file_read(file->text, FILE_MAX, into) == 0 && buffer_add(into, "", 1))
        return 0;
    return config_error(config, file->line, err, "%s: %s", file->text, strerror(errno));
}

static int read_pair(const struct config *config, struct pair *pair, struct error *err)
{
    const struct config_value *certificate = &config->admin.tls_certificate, *key = &config->admin.tls_key;
    gnutls_certificate_credentials_t credentials;
    if (stat(certificate->text, &pair->was[0]) < 0 || stat(key->text, &pair->was[1]) < 0)
        memset(pair->was, 0, sizeof pair->was); /* to read them says why */
    if (read_file(config, certificate, &pair->certificate, err) < 0 ||
        read_file(config, key, &pair->key, err) < 0)
        return -1;
    if (pair->was[1].st_mode & S_IROTH)
        return config_error(config, key->line, err,
                            "admin: tls_key %s: everyone on this machine can read it; chmod 600", key->text);
    if (gnutls_certificate_allocate_credentials(&credentials) < 0)
        return error_set(err, "out of memory");
    gnutls_datum_t chain = datum_of(&pair->certificate), secret = datum_of(&pair->key);
    int failure = gnutls_certificate_set_x509_key_mem(credentials, &chain, &secret, GNUTLS_X509_FMT_PEM);
    gnutls_certificate_free_credentials(credentials);
    if (failure >= 0)
        return 0;
    return config_error(config, certificate->line, err,
                        "admin: tls_certificate %s and tls_key %s: %s; they must be in PEM, without a "
                        "passphrase, and belong to each other",
                        certificate->text, key->text, gnutls_strerror(failure));
}

static int add_pem(void *arg, struct certificate *certificate, struct error *err)
{
    bool good = certificate_to_pem((struct bytes){certificate->der.at, certificate->der.len}, arg);
    return good ? 0 : error_set(err, "out of memory");
}

static int read_client_ca(const struct config *config, struct buffer *pem, struct error *err)
{
    for (size_t i = 0; i < config->admin.client_ca_count; i++) {
        const struct config_value *file = &config->admin.client_ca[i];
        struct buffer text = {0};
        struct error why;
        int result = read_file(config, file, &text, err);
        if (result == 0 &&
            certificates_from_text((struct bytes){text.at, text.len - 1}, add_pem, pem, &why) < 0)
            result = config_error(config, file->line, err, "admin: client_ca %s: %s", file->text, why.text);
        buffer_free(&text);
        if (result < 0)
            return -1;
    }
    return config->admin.client_ca_count && !buffer_add(pem, "", 1) ? error_set(err, "out of memory") : 0;
}

/* A subject that is written otherwise than we write it would be nobody's, or somebody else's. */
static int check_clients(const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config->admin.client_count; i++) {
        const struct config_value *subject = &config->admin.clients[i].subject;
        if (!certificate_is_subject_text(subject->text))
            return config_error(config, subject->line, err,
                                "client \"%s\": no certificate has this subject; write it as `openssl x509 "
                                "-noout -subject -nameopt RFC2253,utf8,-esc_msb` shows it, in single quotes",
                                subject->text);
    }
    return 0;
}

int tls_check(const struct config *config, struct error *err)
{
    struct pair pair = {0};
    struct buffer client_ca = {0};
    int result = check_clients(config, err);
    if (result == 0 && config->admin.tls_certificate.text &&
        (read_pair(config, &pair, err) < 0 || read_client_ca(config, &client_ca, err) < 0))
        result = -1;
    pair_free(&pair);
    buffer_free(&client_ca);
    return result;
}

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Where only one of the two is there yet, or one is half written, the last good pair stays. */
static void refresh(void)
{
    struct stat now[2];
    struct pair fresh = {0};
    struct error err;
    const struct config *config = tls.config;
    if (stat(config->admin.tls_certificate.text, &now[0]) == 0 &&
        stat(config->admin.tls_key.text, &now[1]) == 0 && is_same_file(&now[0], &tls.pair.was[0]) &&
        is_same_file(&now[1], &tls.pair.was[1]))
        return;
    if (read_pair(config, &fresh, &err) < 0) {
        log_limited(LOG_LEVEL_WARN, "tls", "%s; going on with those from before", err.text);
        pair_free(&fresh);
        return;
    }
    pair_free(&tls.pair);
    tls.pair = fresh;
    log_info("tls", "took up the certificate in %s", config->admin.tls_certificate.text);
}

/* --- our side of a handshake --------------------------------------------------------------------------- */

/* What it gives becomes GnuTLS's. */
static int give_certificate(gnutls_session_t session, const struct gnutls_cert_retr_st *info,
                            gnutls_pcert_st **certificates, unsigned *count, gnutls_ocsp_data_st **ocsp,
                            unsigned *ocsp_count, gnutls_privkey_t *key, unsigned *flags)
{
    (void)session, (void)info;
    *count = CHAIN_MAX;
    *ocsp = NULL;
    *ocsp_count = 0;
    *flags = GNUTLS_CERT_RETR_DEINIT_ALL;
    *certificates = gnutls_calloc(CHAIN_MAX, sizeof **certificates);
    if (!*certificates || gnutls_privkey_init(key) < 0) {
        gnutls_free(*certificates);
        return -1;
    }
    pthread_mutex_lock(&tls.mutex);
    refresh();
    gnutls_datum_t chain = datum_of(&tls.pair.certificate), secret = datum_of(&tls.pair.key);
    int result = gnutls_pcert_list_import_x509_raw(*certificates, count, &chain, GNUTLS_X509_FMT_PEM, 0);
    if (result < 0)
        *count = 0;
    else
        result = gnutls_privkey_import_x509_raw(*key, &secret, GNUTLS_X509_FMT_PEM, NULL, 0);
    pthread_mutex_unlock(&tls.mutex);
    if (result >= 0)
        return 0;
    while (*count)
        gnutls_pcert_deinit(&(*certificates)[--*count]);
    gnutls_free(*certificates);
    gnutls_privkey_deinit(*key);
    return -1;
}

static time_t now(time_t *at)
{
    time_t time = (time_t)clock_now();
    if (at)
        *at = time;
    return time;
}

int tls_start(const struct config *config, struct error *err)
{
    size_t count = 0;
    tls.config = config;
    gnutls_global_set_time_function(now);
    if (config->admin.tls_certificate.text &&
        (read_pair(config, &tls.pair, err) < 0 || read_client_ca(config, &tls.client_ca, err) < 0))
        return -1;
    tls.options[count++] =
        (struct MHD_OptionItem){MHD_OPTION_HTTPS_CERT_CALLBACK2, 0, (void *)(intptr_t)give_certificate};
    tls.options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)PRIORITIES};
    if (tls.client_ca.len)
        tls.options[count++] = (struct MHD_OptionItem){MHD_OPTION_HTTPS_MEM_TRUST, 0, tls.client_ca.at};
    tls.options[count] = (struct MHD_OptionItem){MHD_OPTION_END, 0, NULL};
    return 0;
}

void tls_stop(void)
{
    pair_free(&tls.pair);
    buffer_free(&tls.client_ca);
}

const struct MHD_OptionItem *tls_options(void)
{
    return tls.options;
}

/* --- the client's side --------------------------------------------------------------------------------- */

static gnutls_session_t session_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

bool tls_is_on(const struct request *request)
{
    return session_of(request->connection);
}

void tls_send(struct MHD_Connection *connection, const char *text, size_t len)
{
    gnutls_session_t session = session_of(connection);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ssize_t sent = session ? gnutls_record_send(session, text, len)
                   : info  ? send(info->connect_fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT)
                           : -1;
    if (sent < 0)
        log_debug("http", "a refusal was not sent");
}

/* Now, and for each request: a connection may outlast the certificate. */
static int verify(gnutls_session_t session, struct error *err)
{
    unsigned status = 0;
    gnutls_typed_vdata_st purpose = {GNUTLS_DT_KEY_PURPOSE_OID,
                                     (uint8_t *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT, 0};
    gnutls_datum_t text;
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0)
        return error_set(err, "the certificate cannot be verified");
    if (status == 0)
        return 0;
    if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0) < 0)
        return error_set(err, "the certificate is not good");
    while (text.size && text.data[text.size - 1] == ' ')
        text.size--;
    error_set(err, "%.*s", (int)text.size, (const char *)text.data);
    gnutls_free(text.data);
    return -1;
}

/* What we tell others of a certificate counts here, too. */
static int check_revocation(struct request *request, const struct certificate *certificate, bool *broken,
                            struct error *err)
{
    struct cert_record record;
    const struct issuer *issuer = issuers_of_certificate(request->services->issuers, certificate);
    enum outcome found =
        issuer ? store_status(request->services->store, issuer->id, &certificate->serial, &record, err)
               : ABSENT;
    *broken = found == FAILED;
    if (found == FAILED)
        return -1;
    if (found == ABSENT || record.status == CERT_GOOD)
        return 0;
    return error_set(err, "the certificate is %s", record.status == CERT_HOLD ? "on hold" : "revoked");
}

enum outcome tls_client(struct request *request, struct certificate *certificate, bool *broken,
                        struct error *err)
{
    unsigned count = 0;
    gnutls_session_t session = session_of(request->connection);
    const gnutls_datum_t *sent = session ? gnutls_certificate_get_peers(session, &count) : NULL;
    *broken = false;
    if (!sent || count == 0)
        return ABSENT;
    if (verify(session, err) < 0)
        return FAILED;
    for (unsigned i = count; i-- > 0;) { /* ours is the last that is read */
        if (certificate_from_der((struct bytes){sent[i].data, sent[i].size}, certificate, err) < 0)
            return FAILED;
        int result = check_revocation(request, certificate, broken, err);
        if (result < 0 || i > 0)
            certificate_free(certificate);
        if (result < 0)
            return FAILED;
    }
    return FOUND;
}
