#include "config_admin.h"
#include "config_issuer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the keys, each with its default ------------------------------------------------------------------- */

static cfg_opt_t public_keys[] = {
    CFG_STR_LIST("listen", NULL, CFGF_NONE), CFG_INT("workers", 2, CFGF_NONE),
    CFG_INT("connections", 8192, CFGF_NONE), CFG_INT("connections_per_address", 2048, CFGF_NONE),
    CFG_STR("timeout", "15s", CFGF_NONE),    CFG_END(),
};
static cfg_opt_t database_keys[] = {
    CFG_STR("path", "/var/lib/annul/annul.db", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t crl_keys[] = {
    CFG_STR("directory", "/var/lib/annul/crl", CFGF_NONE),
    CFG_INT("delay_ms", 50, CFGF_NONE),
    CFG_STR("wait_max", "60s", CFGF_NONE),
    CFG_INT("waiters", 4096, CFGF_NONE),
    CFG_INT("waiters_per_address", 256, CFGF_NONE),
    CFG_INT("upload_max_mb", 64, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t signer_keys[] = {
    CFG_STR("program", NULL, CFGF_NONE),
    CFG_STR("socket", NULL, CFGF_NONE),
    CFG_INT("threads", 1, CFGF_NONE),
    CFG_STR("openssl_config", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t ocsp_keys[] = {
    CFG_INT("cache_mb", 64, CFGF_NONE),
    CFG_STR("max_age", "30s", CFGF_NONE),
    CFG_STR("error_status", "200", CFGF_NONE),
    CFG_STR("presigned", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t log_keys[] = {
    CFG_STR("level", "info", CFGF_NONE),
    CFG_STR("format", "logfmt", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t keys[] = {
    CFG_SEC("public", public_keys, CFGF_NONE),
    CFG_SEC("admin", config_admin_keys, CFGF_NONE),
    CFG_SEC("database", database_keys, CFGF_NONE),
    CFG_SEC("crl", crl_keys, CFGF_NONE),
    CFG_SEC("ocsp", ocsp_keys, CFGF_NONE),
    CFG_SEC("signer", signer_keys, CFGF_NONE),
    CFG_SEC("log", log_keys, CFGF_NONE),
    CFG_SEC("issuer", config_issuer_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CONFIG_FILE_END(),
};

int config_error(const struct config *config, int line, struct error *err, const char *format, ...)
{
    char message[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (line == 0) /* its section is not in the file */
        return error_set(err, "%s: %s", config->path, message);
    return error_set(err, "%s:%d: %s", config->path, line, message);
}

static int read_issuers(struct config *config, cfg_t *root, struct error *err)
{
    config->issuer_count = cfg_size(root, "issuer");
    if (config->issuer_count == 0)
        return config_error(config, root->line, err,
                            "no issuer; add issuer \"NAME\" { certificate = … key = … }");
    config->issuers = calloc(config->issuer_count, sizeof *config->issuers);
    for (size_t i = 0; config->issuers && i < config->issuer_count; i++)
        if (config_read_issuer(config, cfg_getnsec(root, "issuer", (unsigned)i), &config->issuers[i], err) <
            0)
            return -1;
    return config->issuers ? 0 : error_set(err, "out of memory");
}

/* Two ports 0 are two ports. */
static int check_apart(const struct config *config, const struct config_value *one,
                       const struct config_value *other, struct error *err)
{
    const char *colon = strrchr(one->text, ':');
    if (strcmp(one->text, other->text) != 0 || (colon && strcmp(colon, ":0") == 0))
        return 0;
    return config_error(config, one->line, err, "listen \"%s\": is there twice; take one of them out",
                        one->text);
}

static int check_listens(const struct config *config, struct error *err)
{
    size_t admin = config->admin.listen_count, count = config->public.listen_count + admin;
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < i; j++) {
            const struct config_value *a =
                i < admin ? &config->admin.listen[i] : &config->public.listen[i - admin];
            const struct config_value *b =
                j < admin ? &config->admin.listen[j] : &config->public.listen[j - admin];
            if (check_apart(config, a, b, err) < 0)
                return -1;
        }
    return 0;
}

static int read_listeners(struct config *config, cfg_t *root, struct error *err)
{
    cfg_t *public = cfg_getsec(root, "public"), *admin = cfg_getsec(root, "admin");
    int64_t timeout_s = 0;
    config->public.listen_count = config_list_of(public, "listen", &config->public.listen);
    config->admin.listen_count = config_list_of(admin, "listen", &config->admin.listen);
    config->admin.socket = config_file_of(config->path, admin, "socket");
    if (config->public.listen_count == 0)
        return config_error(config, public->line, err, "public: no listen; add listen = {\"0.0.0.0:80\"}");
    if (config->admin.listen_count == 0 && !config->admin.socket.text)
        return config_error(config, admin->line, err,
                            "admin: add socket = \"/run/annul/admin.sock\" or listen");
    if (config->admin.socket.text && strlen(config->admin.socket.text) > 107)
        return config_error(config, config->admin.socket.line, err,
                            "admin socket %s: a Unix socket's path has at most 107 octets",
                            config->admin.socket.text);
    if (config_number_of(config->path, public, "workers", 1, 64, &config->public.workers, err) < 0 ||
        config_number_of(config->path, public, "connections", 16, 1000000, &config->public.connections, err) <
            0 ||
        config_number_of(config->path, public, "connections_per_address", 1, 1000000,
                         &config->public.connections_per_address, err) < 0 ||
        config_duration_of(config->path, public, "timeout", 1, 3600, &timeout_s, err) < 0)
        return -1;
    config->public.timeout_s = (unsigned)timeout_s;
    return check_listens(config, err);
}

static int read_ocsp(struct config *config, cfg_t *ocsp, struct error *err)
{
    static const char *const statuses[] = {"200", "5xx", NULL};
    unsigned cache_mb = 0;
    int status = config_choice_of(config->path, ocsp, "error_status", statuses, err);
    if (status < 0 || config_number_of(config->path, ocsp, "cache_mb", 1, 1 << 20, &cache_mb, err) < 0 ||
        config_duration_of(config->path, ocsp, "max_age", 0, 86400, &config->ocsp_max_age_s, err) < 0)
        return -1;
    config->ocsp_cache_octets = (size_t)cache_mb << 20;
    config->ocsp_errors_as_5xx = status == 1;
    config->presigned = config_file_of(config->path, ocsp, "presigned");
    if (!config->presigned.text &&
        asprintf(&config->presigned.text, "%s-presigned", config->database.text) < 0)
        return error_set(err, "out of memory");
    return 0;
}

static int read_crl(struct config *config, cfg_t *crl, struct error *err)
{
    unsigned delay = 0, upload_mb = 0;
    config->crl_directory = config_file_of(config->path, crl, "directory");
    if (config_number_of(config->path, crl, "delay_ms", 0, 1000, &delay, err) < 0 ||
        config_duration_of(config->path, crl, "wait_max", 0, 3600, &config->crl_wait_max_s, err) < 0 ||
        config_number_of(config->path, crl, "waiters", 1, 500000, &config->crl_waiters, err) < 0 ||
        config_number_of(config->path, crl, "waiters_per_address", 1, 500000,
                         &config->crl_waiters_per_address, err) < 0 ||
        config_number_of(config->path, crl, "upload_max_mb", 1, 4095, &upload_mb, err) < 0)
        return -1;
    config->crl_delay_ms = delay;
    config->crl_upload_octets = (size_t)upload_mb << 20;
    return 0;
}

static int read_rest(struct config *config, cfg_t *root, struct error *err)
{
    cfg_t *log = cfg_getsec(root, "log"), *signer = cfg_getsec(root, "signer");
    config->database = config_file_of(config->path, cfg_getsec(root, "database"), "path");
    config->signer_program = config_file_of(config->path, signer, "program");
    config->signer_socket = config_file_of(config->path, signer, "socket");
    if (config_number_of(config->path, signer, "threads", 1, 64, &config->signer_threads, err) < 0)
        return -1;
    config->openssl_config = config_file_of(config->path, signer, "openssl_config");
    int level = log_level_parse(cfg_getstr(log, "level"));
    if (level < 0)
        return config_error(config, config_line_of(log, "level"), err,
                            "level = \"%s\": must be one of error, warn, info, debug",
                            cfg_getstr(log, "level"));
    config->log_level = (enum log_level)level;
    static const char *const formats[] = {[LOG_FORMAT_LOGFMT] = "logfmt", [LOG_FORMAT_JSON] = "json", NULL};
    int format = config_choice_of(config->path, log, "format", formats, err);
    if (format < 0)
        return -1;
    config->log_format = (enum log_format)format;
    if (read_crl(config, cfg_getsec(root, "crl"), err) < 0)
        return -1;
    return read_ocsp(config, cfg_getsec(root, "ocsp"), err);
}

struct config *config_load(const char *path, struct error *err)
{
    struct config *config = calloc(1, sizeof *config);
    if (!config || !(config->path = strdup(path))) {
        free(config);
        error_set(err, "out of memory");
        return NULL;
    }
    cfg_t *root = config_file_read(path, keys, "annuld.conf(5)", err);
    bool good = root && read_listeners(config, root, err) == 0 && read_rest(config, root, err) == 0 &&
                read_issuers(config, root, err) == 0 &&
                config_read_access(config, cfg_getsec(root, "admin"), err) == 0;
    config_file_free(root);
    if (good)
        return config;
    config_free(config);
    return NULL;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; config->issuers && i < config->issuer_count; i++)
        config_free_issuer(&config->issuers[i]);
    free(config->issuers);
    config_free_list(config->public.listen, config->public.listen_count);
    config_free_list(config->admin.listen, config->admin.listen_count);
    free(config->admin.socket.text);
    config_free_access(config);
    free(config->database.text);
    free(config->presigned.text);
    free(config->crl_directory.text);
    free(config->signer_program.text);
    free(config->signer_socket.text);
    free(config->openssl_config.text);
    free(config->path);
    free(config);
}
