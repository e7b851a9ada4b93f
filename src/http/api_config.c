/* /api/v1/config: the configuration in force, by the keys of annuld.conf(5) and as that would read the values. Files are
 * named, and what is in them is not told. */
#include "internal.h"

#include <annul/certid.h>
#include <annul/crl.h>

#include <string.h>

/* A file may have any name. */
static json_t *utf8(const char *text)
{
    json_t *json = json_string(text);
    return json ? json : json_string("not UTF-8");
}

static json_t *text(const struct config_value *value)
{
    return value->text ? utf8(value->text) : json_null();
}

static json_t *list(const struct config_value *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, utf8(values[i].text));
    return array;
}

static json_t *duration(int64_t seconds)
{
    return json_sprintf("%llds", (long long)seconds);
}

/* Without the parts of a URL in which people put passwords: those before an @, and the query. */
static json_t *urls(const struct config_value *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *url = values[i].text, *host = strstr(url, "://") + 3;
        size_t authority = strcspn(host, "/?#");
        const char *at = memrchr(host, '@', authority);
        const char *rest = at ? at + 1 : host;
        size_t len = strcspn(rest, "?#");
        json_array_append_new(array, json_sprintf("%.*s%s%.*s%s", (int)(host - url), url, at ? "…@" : "",
                                                  (int)len, rest, rest[len] ? "?…" : ""));
    }
    return array;
}

/* --- sections ------------------------------------------------------------------------------------------ */

static json_t *describe_public(const struct config *config)
{
    return json_pack("{s:o, s:i, s:i, s:i, s:o}", "listen",
                     list(config->public.listen, config->public.listen_count), "workers",
                     (int)config->public.workers, "connections", (int)config->public.connections,
                     "connections_per_address", (int)config->public.connections_per_address, "timeout",
                     duration(config->public.timeout_s));
}

static json_t *describe_clients(const struct config *config)
{
    json_t *array = json_array();
    for (size_t i = 0; i < config->admin.client_count; i++) {
        const struct config_client *client = &config->admin.clients[i];
        json_array_append_new(array,
                              json_pack("{s:o, s:s, s:o}", "subject", text(&client->subject), "role",
                                        role_name(client->role), "issuers", json_scope(client->scope)));
    }
    return array;
}

static json_t *describe_admin(const struct config *config)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "socket", text(&config->admin.socket), "listen",
                     list(config->admin.listen, config->admin.listen_count), "tls_certificate",
                     text(&config->admin.tls_certificate), "tls_key", text(&config->admin.tls_key),
                     "client_ca", list(config->admin.client_ca, config->admin.client_ca_count), "client",
                     describe_clients(config));
}

static json_t *describe_crl(const struct config *config)
{
    return json_pack("{s:o, s:i, s:o, s:i, s:i, s:i}", "directory", text(&config->crl_directory), "delay_ms",
                     (int)config->crl_delay_ms, "wait_max", duration(config->crl_wait_max_s), "waiters",
                     (int)config->crl_waiters, "waiters_per_address", (int)config->crl_waiters_per_address,
                     "upload_max_mb", (int)(config->crl_upload_octets >> 20));
}

static json_t *describe_ocsp(const struct config *config)
{
    return json_pack("{s:i, s:o, s:s, s:o}", "cache_mb", (int)(config->ocsp_cache_octets >> 20), "max_age",
                     duration(config->ocsp_max_age_s), "error_status",
                     config->ocsp_errors_as_5xx ? "5xx" : "200", "presigned", text(&config->presigned));
}

static json_t *describe_signer(const struct config *config)
{
    return json_pack("{s:o, s:o, s:i, s:o}", "program", text(&config->signer_program), "socket",
                     text(&config->signer_socket), "threads", (int)config->signer_threads, "openssl_config",
                     text(&config->openssl_config));
}

static json_t *describe_log(const struct config *config)
{
    static const char *const levels[] = {[LOG_LEVEL_ERROR] = "error",
                                         [LOG_LEVEL_WARN] = "warn",
                                         [LOG_LEVEL_INFO] = "info",
                                         [LOG_LEVEL_DEBUG] = "debug"};
    return json_pack("{s:s, s:s}", "level", levels[config->log_level], "format",
                     config->log_format == LOG_FORMAT_JSON ? "json" : "logfmt");
}

/* --- an issuer ----------------------------------------------------------------------------------------- */

/* Sets keys of an object from one that is used up. */
static void add(json_t *object, json_t *more)
{
    json_object_update(object, more);
    json_decref(more);
}

static json_t *signer_files(const struct config_issuer *issuer, bool keys)
{
    json_t *array = json_array();
    for (size_t i = 0; i < issuer->signer_count; i++)
        json_array_append_new(array, text(keys ? &issuer->signers[i].key : &issuer->signers[i].certificate));
    return array;
}

static json_t *describe_delegates(const struct config_issuer *issuer)
{
    json_t *array = json_array();
    for (size_t i = 0; i < issuer->delegate_count; i++)
        json_array_append_new(array, json_pack("{s:o, s:o, s:o}", "kind", text(&issuer->delegates[i].kind),
                                               "lifetime", duration(issuer->delegates[i].lifetime_s), "chain",
                                               text(&issuer->delegates[i].chain)));
    return array;
}

static json_t *describe_aliases(const struct config_issuer *issuer)
{
    json_t *array = json_array();
    for (size_t i = 0; i < issuer->alias_count; i++)
        json_array_append_new(array, json_pack("{s:o, s:s}", "path", text(&issuer->aliases[i].path), "format",
                                               issuer->aliases[i].pem ? "pem" : "der"));
    return array;
}

static json_t *describe_hashes(unsigned chosen)
{
    static const char *const names[] = {"sha1", "sha256", "sha384", "sha512"};
    json_t *array = json_array();
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (chosen & 1u << i)
            json_array_append_new(array, json_string(names[i]));
    return array;
}

static json_t *describe_answers(const struct config_issuer *issuer)
{
    static const char *const unlisted[] = {[UNLISTED_UNKNOWN] = "unknown",
                                           [UNLISTED_GOOD] = "good",
                                           [UNLISTED_REVOKED] = "revoked",
                                           [UNLISTED_UNAUTHORIZED] = "unauthorized"};
    static const char *const nonces[] = {
        [NONCE_ECHO] = "echo", [NONCE_IGNORE] = "ignore", [NONCE_REQUIRE] = "require"};
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:s, s:i, s:o, s:o}", "unlisted", unlisted[issuer->unlisted],
        "nonce", nonces[issuer->nonce], "responder_id", issuer->responder_by_name ? "name" : "key",
        "invalidity_date", issuer->invalidity_date ? "yes" : "no", "archive_cutoff",
        duration(issuer->archive_cutoff_s), "ocsp_validity", duration(issuer->ocsp_validity_s),
        "crl_reference", text(&issuer->crl_reference), "presign", issuer->presign ? "all" : "none",
        "presign_rate", (int)issuer->presign_rate, "presign_hashes", describe_hashes(issuer->presign_hashes),
        "request_signers", text(&issuer->request_signers));
}

static json_t *describe_crls(const struct config_issuer *issuer)
{
    static const char *const scopes[] = {[CRL_ALL] = "all", [CRL_USER] = "user", [CRL_CA] = "ca"};
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:s, s:i, s:o, s:o, s:o}", "crl_lifetime",
                     duration(issuer->crl_lifetime_s), "crl_refresh", duration(issuer->crl_refresh_s),
                     "delta_lifetime", duration(issuer->delta_lifetime_s), "alias", describe_aliases(issuer),
                     "crl_scope", scopes[issuer->crl_scope], "expired_on_crl",
                     issuer->keep_expired ? "keep" : "prune", "shards", (int)issuer->shards,
                     "distribution_point", text(&issuer->distribution_point), "shard_distribution_point",
                     text(&issuer->shard_distribution_point), "delta_distribution_point",
                     text(&issuer->delta_distribution_point));
}

static json_t *describe_foreign(const struct config_issuer *issuer)
{
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "crl_upload", issuer->crl_upload, "crl_file",
                     list(issuer->crl_files, issuer->crl_file_count), "crl_url",
                     urls(issuer->crl_urls, issuer->crl_url_count), "crl_url_interval",
                     duration(issuer->crl_url_interval_s), "index", text(&issuer->index));
}

static json_t *describe_issuers(const struct config *config)
{
    json_t *array = json_array();
    for (size_t i = 0; i < config->issuer_count; i++) {
        const struct config_issuer *issuer = &config->issuers[i];
        json_t *object =
            json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", text(&issuer->name), "certificate",
                      text(&issuer->certificate), "key", text(&issuer->key), "key_passphrase",
                      text(&issuer->key_passphrase), "ocsp_certificate", signer_files(issuer, false),
                      "ocsp_key", signer_files(issuer, true), "ocsp_key_passphrase",
                      text(&issuer->ocsp_key_passphrase), "delegate", describe_delegates(issuer));
        add(object, describe_answers(issuer));
        add(object, describe_crls(issuer));
        add(object, describe_foreign(issuer));
        json_array_append_new(array, object);
    }
    return array;
}

enum MHD_Result api_config_get(struct request *request)
{
    const struct config *config = request->services->config;
    return reply_json(request, 200,
                      json_pack("{s:o, s:o, s:o, s:{s:o}, s:o, s:o, s:o, s:o, s:o}", "file",
                                utf8(config->path), "public", describe_public(config), "admin",
                                describe_admin(config), "database", "path", text(&config->database), "crl",
                                describe_crl(config), "ocsp", describe_ocsp(config), "signer",
                                describe_signer(config), "log", describe_log(config), "issuer",
                                describe_issuers(config)));
}
