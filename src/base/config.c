#include <annul/config.h>

#include <annul/bytes.h>

#include <confuse.h>

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CONFIG_MAX (4 << 20)

/* libconfuse takes the end of the file for the end of every open section. So a key that is known outside of
 * sections alone is put behind the text: where a brace is missing, it is refused. */
#define END_KEY "end_of_annuld_conf"

/* --- the keys, each with its default ------------------------------------------------------------------- */

static int note_line(cfg_t *section, cfg_opt_t *option);

static cfg_opt_t public_keys[] = {
    CFG_STR_LIST("listen", NULL, CFGF_NONE), CFG_INT("workers", 2, CFGF_NONE),
    CFG_INT("connections", 8192, CFGF_NONE), CFG_INT("connections_per_address", 2048, CFGF_NONE),
    CFG_STR("timeout", "15s", CFGF_NONE),    CFG_END(),
};
static cfg_opt_t admin_keys[] = {
    CFG_STR_LIST("listen", NULL, CFGF_NONE),
    CFG_STR("socket", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t database_keys[] = {
    CFG_STR("path", "/var/lib/annul/annul.db", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t crl_keys[] = {
    CFG_STR("directory", "/var/lib/annul/crl", CFGF_NONE),
    CFG_INT("delay_ms", 50, CFGF_NONE),
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
    CFG_END(),
};
static cfg_opt_t alias_keys[] = {
    CFG_STR("format", "der", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t delegate_keys[] = {
    CFG_STR("lifetime", "14d", CFGF_NONE),
    CFG_STR("chain", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t issuer_keys[] = {
    CFG_STR("certificate", NULL, CFGF_NONE),
    CFG_STR("key", NULL, CFGF_NONE),
    CFG_STR("key_passphrase", NULL, CFGF_NONE),
    CFG_STR_LIST("ocsp_certificate", NULL, CFGF_NONE),
    CFG_STR_LIST("ocsp_key", NULL, CFGF_NONE),
    CFG_STR("ocsp_key_passphrase", NULL, CFGF_NONE),
    CFG_SEC("delegate", delegate_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_STR("request_signers", NULL, CFGF_NONE),
    CFG_STR("unlisted", "unknown", CFGF_NONE),
    CFG_STR("nonce", "echo", CFGF_NONE),
    CFG_STR("responder_id", "key", CFGF_NONE),
    CFG_STR("archive_cutoff", "0s", CFGF_NONE),
    CFG_STR("crl_reference", NULL, CFGF_NONE),
    CFG_STR("crl_lifetime", "7d", CFGF_NONE),
    CFG_STR("crl_refresh", "1d", CFGF_NONE),
    CFG_STR("ocsp_validity", "1d", CFGF_NONE),
    CFG_STR("presign", "none", CFGF_NONE),
    CFG_INT("presign_rate", 200, CFGF_NONE),
    CFG_STR_LIST("presign_hashes", NULL, CFGF_NONE),
    CFG_SEC("alias", alias_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END(),
};
static cfg_opt_t keys[] = {
    CFG_SEC("public", public_keys, CFGF_NONE),
    CFG_SEC("admin", admin_keys, CFGF_NONE),
    CFG_SEC("database", database_keys, CFGF_NONE),
    CFG_SEC("crl", crl_keys, CFGF_NONE),
    CFG_SEC("ocsp", ocsp_keys, CFGF_NONE),
    CFG_SEC("signer", signer_keys, CFGF_NONE),
    CFG_SEC("log", log_keys, CFGF_NONE),
    CFG_SEC("issuer", issuer_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_BOOL(END_KEY, cfg_false, CFGF_NONE),
    CFG_END(),
};

/* --- libconfuse tells the line only while it reads: note it then --------------------------------------- */

static struct line {
    const cfg_t *section;
    const char *key; /* points into the tables above */
    int line;
} * lines;
static size_t line_count;
static const char *reading_path;
static struct error *reading_error;

static int note_line(cfg_t *section, cfg_opt_t *option)
{
    struct line *more = realloc(lines, (line_count + 1) * sizeof *lines);
    if (!more)
        return -1;
    lines = more;
    lines[line_count++] = (struct line){section, option->name, section->line};
    return 0;
}

static int line_of(const cfg_t *section, const char *key)
{
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].section == section && strcmp(lines[i].key, key) == 0)
            return lines[i].line;
    return section->line;
}

/* Where a section begins, as nearly as it can be known: its first key. */
static int line_of_section(const cfg_t *section)
{
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].section == section)
            return lines[i].line;
    return section->line;
}

static void note_lines(cfg_opt_t *table)
{
    for (; table->name; table++) {
        table->validcb = note_line;
        if (table->type == CFGT_SEC)
            note_lines(table->subopts);
    }
}

static void reading_failed(cfg_t *cfg, const char *format, va_list args)
{
    char message[400];
    if (reading_error->text[0]) /* the first message is the cause */
        return;
    vsnprintf(message, sizeof message, format, args);
    const char *remedy = "";
    if (strstr(message, END_KEY))
        snprintf(message, sizeof message, "the file ends inside a section: a closing brace is missing");
    else if (strstr(message, "no such option"))
        remedy = " (annuld.conf(5) lists the keys of each section)";
    error_set(reading_error, "%s:%d: %s%s", reading_path, cfg->line, message, remedy);
}

int config_error(const struct config *config, int line, struct error *err, const char *format, ...)
{
    char message[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(err, "%s:%d: %s", config->path, line, message);
}

/* --- from libconfuse's tree to ours -------------------------------------------------------------------- */

static struct config_value value_of(cfg_t *section, const char *key)
{
    const char *text = cfg_getstr(section, key);
    return (struct config_value){text ? strdup(text) : NULL, line_of(section, key)};
}

/* A file name: relative ones are taken from the folder of the configuration file. */
static void make_absolute(const struct config *config, struct config_value *file)
{
    if (!file->text || file->text[0] == '/')
        return;
    char *real = realpath(config->path, NULL), *absolute = NULL;
    char *slash = real ? strrchr(real, '/') : NULL;
    if (slash && asprintf(&absolute, "%.*s/%s", (int)(slash - real), real, file->text) > 0) {
        free(file->text);
        file->text = absolute;
    }
    free(real);
}

static struct config_value file_of(const struct config *config, cfg_t *section, const char *key)
{
    struct config_value value = value_of(section, key);
    make_absolute(config, &value);
    return value;
}

bool config_is_uri(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    return len >= 2 && text[0] >= 'a' && text[0] <= 'z' && text[len] == ':';
}

/* Where a secret is: a file name, or a URI, which stays as it is. */
static struct config_value secret_of(const struct config *config, cfg_t *section, const char *key)
{
    const char *text = cfg_getstr(section, key);
    return text && config_is_uri(text) ? value_of(section, key) : file_of(config, section, key);
}

static size_t list_of(cfg_t *section, const char *key, struct config_value **list)
{
    size_t count = cfg_size(section, key);
    *list = calloc(count ? count : 1, sizeof **list);
    if (!*list)
        return 0;
    for (size_t i = 0; i < count; i++)
        (*list)[i] =
            (struct config_value){strdup(cfg_getnstr(section, key, (unsigned)i)), line_of(section, key)};
    return count;
}

static int number_of(const struct config *config, cfg_t *section, const char *key, long low, long high,
                     unsigned *number, struct error *err)
{
    long value = cfg_getint(section, key);
    if (value < low || value > high)
        return config_error(config, line_of(section, key), err, "%s = %ld: must be from %ld to %ld", key,
                            value, low, high);
    *number = (unsigned)value;
    return 0;
}

bool config_duration(const char *text, int64_t *seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {0, 1}};
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || text[0] < '0' || text[0] > '9' || number > INT32_MAX || (*end && end[1]))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit == *end) {
            *seconds = number * units[i].seconds;
            return true;
        }
    }
    return false;
}

static int duration_of(const struct config *config, cfg_t *section, const char *key, int64_t low,
                       int64_t high, int64_t *seconds, struct error *err)
{
    const char *text = cfg_getstr(section, key);
    if (!config_duration(text, seconds))
        return config_error(config, line_of(section, key), err,
                            "%s = \"%s\": not a duration; write 90s, 15m, 12h or 7d", key, text);
    if (*seconds < low || *seconds > high)
        return config_error(config, line_of(section, key), err, "%s = \"%s\": must be from %llds to %llds",
                            key, text, (long long)low, (long long)high);
    return 0;
}

/* Of a list: its value number `at`. */
static int choice_at(const struct config *config, cfg_t *section, const char *key, unsigned at,
                     const char *const *choices, struct error *err)
{
    const char *text = cfg_getnstr(section, key, at);
    char known[128] = "";
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0)
            return i;
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, choices[i], sizeof known - strlen(known) - 1);
    }
    return config_error(config, line_of(section, key), err, "%s = \"%s\": must be one of %s", key, text,
                        known);
}

static int choice_of(const struct config *config, cfg_t *section, const char *key, const char *const *choices,
                     struct error *err)
{
    return choice_at(config, section, key, 0, choices, err);
}

/* Names stand in URLs and in file names. */
static bool name_is_legal(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= 64 && name[0] != '.' && name[0] != '-' && strcmp(name, "bundle") != 0 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len &&
           !(len > 6 && strcmp(name + len - 6, "-delta") == 0);
}

static int read_alias(const struct config *config, cfg_t *section, struct config_alias *alias,
                      struct error *err)
{
    static const char *const formats[] = {"der", "pem", NULL};
    static const char *const taken[] = {"/crl/", "/ca/", "/ocsp", "/M"};
    const char *path = cfg_title(section);
    alias->path = (struct config_value){strdup(path), line_of_section(section)};
    if (path[0] != '/' || path[1] == 0 || strpbrk(path, "?#% "))
        return config_error(config, alias->path.line, err,
                            "alias \"%s\": must be a URL path such as \"/ca.crl\", without ? # %% or blanks",
                            path);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strncmp(path, taken[i], strlen(taken[i])) == 0)
            return config_error(config, alias->path.line, err,
                                "alias \"%s\": paths that begin with %s have a meaning already", path,
                                taken[i]);
    int format = choice_of(config, section, "format", formats, err);
    alias->pem = format == 1;
    return format < 0 ? -1 : 0;
}

/* ocsp_certificate and ocsp_key: the first belongs to the first, and so on. */
static int read_signers(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                        struct error *err)
{
    struct config_value *certificates, *keys_of;
    size_t count = list_of(section, "ocsp_certificate", &certificates),
           key_count = list_of(section, "ocsp_key", &keys_of);
    issuer->signers = calloc(count > key_count ? count : key_count ? key_count : 1, sizeof *issuer->signers);
    for (size_t i = 0; issuer->signers && (i < count || i < key_count); i++) {
        struct config_signer *signer = &issuer->signers[issuer->signer_count++];
        if (i < count)
            signer->certificate = certificates[i];
        if (i < key_count)
            signer->key = keys_of[i];
        make_absolute(config, &signer->certificate);
        if (signer->key.text && !config_is_uri(signer->key.text))
            make_absolute(config, &signer->key);
    }
    free(certificates);
    free(keys_of);
    if (count == key_count && count <= CONFIG_SIGNERS_MAX)
        return 0;
    if (count == key_count)
        return config_error(config, issuer->name.line, err, "issuer \"%s\": more than %d ocsp_certificate",
                            issuer->name.text, CONFIG_SIGNERS_MAX);
    return config_error(config, issuer->name.line, err,
                        "issuer \"%s\": ocsp_certificate and ocsp_key go together; %s is missing",
                        issuer->name.text, count < key_count ? "ocsp_certificate" : "ocsp_key");
}

static int check_key_kind(const struct config *config, const struct config_value *kind, struct error *err)
{
    static const char *const kinds[] = {"P-256",    "P-384",    "P-521",  "RSA-2048",
                                        "RSA-3072", "RSA-4096", "Ed25519"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i], kind->text) == 0)
            return 0;
    return config_error(config, kind->line, err,
                        "delegate \"%s\": name the kind of its key: P-256, P-384, P-521, RSA-2048, RSA-3072, "
                        "RSA-4096 or Ed25519",
                        kind->text);
}

static int read_delegates(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                          struct error *err)
{
    size_t count = cfg_size(section, "delegate");
    issuer->delegates = calloc(count ? count : 1, sizeof *issuer->delegates);
    for (size_t i = 0; issuer->delegates && i < count; i++) {
        cfg_t *at = cfg_getnsec(section, "delegate", (unsigned)i);
        struct config_delegate *delegate = &issuer->delegates[issuer->delegate_count++];
        delegate->kind = (struct config_value){strdup(cfg_title(at)), line_of_section(at)};
        delegate->chain = file_of(config, at, "chain");
        if (check_key_kind(config, &delegate->kind, err) < 0 ||
            duration_of(config, at, "lifetime", 3600, 366 * 86400LL, &delegate->lifetime_s, err) < 0)
            return -1;
    }
    if (count && issuer->signer_count)
        return config_error(
            config, issuer->name.line, err,
            "issuer \"%s\": either ocsp_certificate and ocsp_key, or delegate sections, whose "
            "certificates annul-signer issues by itself",
            issuer->name.text);
    if (count && !issuer->key.text)
        return config_error(config, issuer->name.line, err,
                            "issuer \"%s\": a delegate is issued with the CA's key; add key = \"FILE\"",
                            issuer->name.text);
    return 0;
}

/* Its text is not told where it may hold a PIN. */
static int check_pin(const struct config *config, const struct config_issuer *issuer, const char *option,
                     const struct config_value *key, struct error *err)
{
    if (!key->text || !strcasestr(key->text, "pin-value"))
        return 0;
    return config_error(
        config, key->line, err,
        "issuer \"%s\": %s: a PIN must not stand in this file; put it into one of its own and "
        "name that with %s_passphrase",
        issuer->name.text, option, option);
}

static int check_passphrase(const struct config *config, const struct config_issuer *issuer,
                            const char *option, const struct config_value *passphrase, bool has_key,
                            struct error *err)
{
    if (!passphrase->text || has_key)
        return 0;
    return config_error(config, passphrase->line, err, "issuer \"%s\": %s_passphrase is of no use without %s",
                        issuer->name.text, option, option);
}

static int check_secrets(const struct config *config, const struct config_issuer *issuer, struct error *err)
{
    for (size_t i = 0; i < issuer->signer_count; i++)
        if (check_pin(config, issuer, "ocsp_key", &issuer->signers[i].key, err) < 0)
            return -1;
    if (check_pin(config, issuer, "key", &issuer->key, err) < 0 ||
        check_passphrase(config, issuer, "key", &issuer->key_passphrase, issuer->key.text, err) < 0)
        return -1;
    return check_passphrase(config, issuer, "ocsp_key", &issuer->ocsp_key_passphrase, issuer->signer_count,
                            err);
}

static int read_presigning(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                           struct error *err)
{
    static const char *const extents[] = {"none", "all", NULL};
    static const char *const hashes[] = {"sha1", "sha256", "sha384", "sha512", NULL};
    int extent = choice_of(config, section, "presign", extents, err);
    if (extent < 0 || number_of(config, section, "presign_rate", 1, 100000, &issuer->presign_rate, err) < 0)
        return -1;
    issuer->presign = extent == 1;
    for (unsigned i = 0; i < cfg_size(section, "presign_hashes"); i++) {
        int hash = choice_at(config, section, "presign_hashes", i, hashes, err);
        if (hash < 0)
            return -1;
        issuer->presign_hashes |= 1u << hash;
    }
    if (!issuer->presign_hashes)
        issuer->presign_hashes = 1; /* SHA-1 */
    return 0;
}

static int check_issuer(const struct config *config, const struct config_issuer *issuer, struct error *err)
{
    int line = issuer->name.line;
    const char *name = issuer->name.text;
    if (!name_is_legal(name))
        return config_error(config, line, err,
                            "issuer \"%s\": the name stands in URLs: use 1 to 64 of a-z A-Z 0-9 . _ -, not "
                            "\"bundle\", and no \"-delta\" at the end",
                            name);
    if (!issuer->certificate.text)
        return config_error(config, line, err, "issuer \"%s\": no CA certificate; add certificate = \"FILE\"",
                            name);
    if (!issuer->key.text && !issuer->signer_count)
        return config_error(config, line, err,
                            "issuer \"%s\": nothing can be signed for it; add key = \"FILE\" (the CA's), or "
                            "ocsp_certificate and ocsp_key (a delegate's)",
                            name);
    if (issuer->crl_reference.text && (strncmp(issuer->crl_reference.text, "http://", 7) != 0 ||
                                       strlen(issuer->crl_reference.text) > CONFIG_URL_MAX))
        return config_error(config, issuer->crl_reference.line, err,
                            "issuer \"%s\": crl_reference \"%s\": must be the http:// URL of its CRL, of at "
                            "most %d octets",
                            name, issuer->crl_reference.text, CONFIG_URL_MAX);
    if (check_secrets(config, issuer, err) < 0)
        return -1;
    if (issuer->crl_refresh_s * 2 > issuer->crl_lifetime_s)
        return config_error(
            config, line, err,
            "issuer \"%s\": crl_refresh must be at most half of crl_lifetime, or brokers lock "
            "everyone out when one refresh fails",
            name);
    return 0;
}

static int read_issuer(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                       struct error *err)
{
    static const char *const policies[] = {"unknown", "good", "revoked", "unauthorized", NULL};
    static const char *const nonce_policies[] = {"echo", "ignore", "require", NULL};
    static const char *const responder_ids[] = {"key", "name", NULL};
    issuer->name = (struct config_value){strdup(cfg_title(section)), line_of_section(section)};
    issuer->certificate = file_of(config, section, "certificate");
    issuer->key = secret_of(config, section, "key");
    issuer->key_passphrase = secret_of(config, section, "key_passphrase");
    issuer->ocsp_key_passphrase = secret_of(config, section, "ocsp_key_passphrase");
    issuer->request_signers = file_of(config, section, "request_signers");
    issuer->crl_reference = value_of(section, "crl_reference");
    int unlisted = choice_of(config, section, "unlisted", policies, err),
        nonce = choice_of(config, section, "nonce", nonce_policies, err),
        responder_id = choice_of(config, section, "responder_id", responder_ids, err);
    if (unlisted < 0 || nonce < 0 || responder_id < 0 ||
        duration_of(config, section, "archive_cutoff", 0, 100 * 366 * 86400LL, &issuer->archive_cutoff_s,
                    err) < 0 ||
        duration_of(config, section, "crl_lifetime", 600, 10 * 366 * 86400LL, &issuer->crl_lifetime_s, err) <
            0 ||
        duration_of(config, section, "crl_refresh", 60, 5 * 366 * 86400LL, &issuer->crl_refresh_s, err) < 0 ||
        duration_of(config, section, "ocsp_validity", 60, 366 * 86400LL, &issuer->ocsp_validity_s, err) < 0)
        return -1;
    issuer->unlisted = (enum unlisted)unlisted;
    issuer->nonce = (enum nonce_policy)nonce;
    issuer->responder_by_name = responder_id == 1;
    if (read_signers(config, section, issuer, err) < 0 || read_delegates(config, section, issuer, err) < 0 ||
        read_presigning(config, section, issuer, err) < 0)
        return -1;
    issuer->alias_count = cfg_size(section, "alias");
    issuer->aliases = calloc(issuer->alias_count ? issuer->alias_count : 1, sizeof *issuer->aliases);
    for (size_t i = 0; issuer->aliases && i < issuer->alias_count; i++)
        if (read_alias(config, cfg_getnsec(section, "alias", (unsigned)i), &issuer->aliases[i], err) < 0)
            return -1;
    return check_issuer(config, issuer, err);
}

static int read_issuers(struct config *config, cfg_t *root, struct error *err)
{
    config->issuer_count = cfg_size(root, "issuer");
    if (config->issuer_count == 0)
        return config_error(config, root->line, err,
                            "no issuer; add issuer \"NAME\" { certificate = … key = … }");
    config->issuers = calloc(config->issuer_count, sizeof *config->issuers);
    for (size_t i = 0; config->issuers && i < config->issuer_count; i++)
        if (read_issuer(config, cfg_getnsec(root, "issuer", (unsigned)i), &config->issuers[i], err) < 0)
            return -1;
    return config->issuers ? 0 : error_set(err, "out of memory");
}

static int read_listeners(struct config *config, cfg_t *root, struct error *err)
{
    cfg_t *public = cfg_getsec(root, "public"), *admin = cfg_getsec(root, "admin");
    int64_t timeout_s = 0;
    config->public.listen_count = list_of(public, "listen", &config->public.listen);
    config->admin.listen_count = list_of(admin, "listen", &config->admin.listen);
    config->admin.socket = file_of(config, admin, "socket");
    if (config->public.listen_count == 0)
        return config_error(config, public->line, err, "public: no listen; add listen = {\"0.0.0.0:80\"}");
    if (config->admin.listen_count == 0 && !config->admin.socket.text)
        return config_error(config, admin->line, err,
                            "admin: add socket = \"/run/annul/admin.sock\" or listen");
    if (config->admin.socket.text && strlen(config->admin.socket.text) > 107)
        return config_error(config, config->admin.socket.line, err,
                            "admin socket %s: a Unix socket's path has at most 107 octets",
                            config->admin.socket.text);
    if (number_of(config, public, "workers", 1, 64, &config->public.workers, err) < 0 ||
        number_of(config, public, "connections", 16, 1000000, &config->public.connections, err) < 0 ||
        number_of(config, public, "connections_per_address", 1, 1000000,
                  &config->public.connections_per_address, err) < 0 ||
        duration_of(config, public, "timeout", 1, 3600, &timeout_s, err) < 0)
        return -1;
    config->public.timeout_s = (unsigned)timeout_s;
    return 0;
}

static int read_ocsp(struct config *config, cfg_t *ocsp, struct error *err)
{
    static const char *const statuses[] = {"200", "5xx", NULL};
    unsigned cache_mb = 0;
    int status = choice_of(config, ocsp, "error_status", statuses, err);
    if (status < 0 || number_of(config, ocsp, "cache_mb", 1, 1 << 20, &cache_mb, err) < 0 ||
        duration_of(config, ocsp, "max_age", 0, 86400, &config->ocsp_max_age_s, err) < 0)
        return -1;
    config->ocsp_cache_octets = (size_t)cache_mb << 20;
    config->ocsp_errors_as_5xx = status == 1;
    config->presigned = file_of(config, ocsp, "presigned");
    if (!config->presigned.text &&
        asprintf(&config->presigned.text, "%s-presigned", config->database.text) < 0)
        return error_set(err, "out of memory");
    return 0;
}

static int read_rest(struct config *config, cfg_t *root, struct error *err)
{
    cfg_t *log = cfg_getsec(root, "log"), *crl = cfg_getsec(root, "crl"),
          *signer = cfg_getsec(root, "signer");
    unsigned delay = 0;
    config->database = file_of(config, cfg_getsec(root, "database"), "path");
    config->crl_directory = file_of(config, crl, "directory");
    config->signer_program = file_of(config, signer, "program");
    config->signer_socket = file_of(config, signer, "socket");
    if (number_of(config, signer, "threads", 1, 64, &config->signer_threads, err) < 0)
        return -1;
    config->openssl_config = file_of(config, signer, "openssl_config");
    int level = log_level_parse(cfg_getstr(log, "level"));
    if (level < 0)
        return config_error(config, line_of(log, "level"), err,
                            "level = \"%s\": must be one of error, warn, info, debug",
                            cfg_getstr(log, "level"));
    config->log_level = (enum log_level)level;
    if (number_of(config, crl, "delay_ms", 0, 1000, &delay, err) < 0)
        return -1;
    config->crl_delay_ms = delay;
    return read_ocsp(config, cfg_getsec(root, "ocsp"), err);
}

/* libconfuse 3.3 miscounts lines that hold comments: they become blanks before it sees them. */
static void blank_comments(char *text)
{
    char before = '\n';
    while (*text) {
        if (*text == '"' || *text == '\'') { /* to the closing quote, over escapes */
            char quote = *text++;
            while (*text && *text != quote)
                text += *text == '\\' && text[1] ? 2 : 1;
        } else if (*text == '#' || (strchr(" \t\n{}=,;", before) && text[0] == '/' && text[1] == '/')) {
            while (*text && *text != '\n')
                *text++ = ' ';
            before = ' ';
            continue;
        } else if (strchr(" \t\n{}=,;", before) && text[0] == '/' && text[1] == '*' &&
                   strstr(text + 2, "*/")) {
            for (char *end = strstr(text + 2, "*/") + 2; text < end; text++)
                *text = *text == '\n' ? '\n' : ' ';
            before = ' ';
            continue;
        }
        before = *text;
        text += *text != 0;
    }
}

static int read_text(struct config *config, cfg_t *root, struct error *err)
{
    struct buffer text = {0};
    if (file_read(config->path, CONFIG_MAX, &text) < 0)
        return error_set(err, "%s: %s", config->path, strerror(errno));
    int result = -1;
    if (buffer_add_text(&text, "\n" END_KEY " = true\n") && buffer_add(&text, "", 1)) {
        blank_comments((char *)text.at);
        result = cfg_parse_buf(root, (const char *)text.at);
    }
    buffer_free(&text);
    if (result != CFG_SUCCESS)
        return err->text[0] ? -1 : error_set(err, "%s: syntax error", config->path);
    if (!cfg_getbool(root, END_KEY))
        return error_set(err, "%s: the file ends inside a string or a comment", config->path);
    return 0;
}

struct config *config_load(const char *path, struct error *err)
{
    struct config *config = calloc(1, sizeof *config);
    int result = -1;
    err->text[0] = 0;
    reading_error = err;
    reading_path = path;
    if (!config || !(config->path = strdup(path))) {
        free(config);
        error_set(err, "out of memory");
        return NULL;
    }
    note_lines(keys);
    cfg_t *root = cfg_init(keys, CFGF_NONE);
    cfg_set_error_function(root, reading_failed);
    if (read_text(config, root, err) == 0 && read_listeners(config, root, err) == 0 &&
        read_rest(config, root, err) == 0)
        result = read_issuers(config, root, err);
    cfg_free(root);
    free(lines);
    lines = NULL;
    line_count = 0;
    if (result == 0)
        return config;
    config_free(config);
    return NULL;
}

static void free_list(struct config_value *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i].text);
    free(list);
}

static void free_issuer(struct config_issuer *issuer)
{
    for (size_t i = 0; issuer->aliases && i < issuer->alias_count; i++)
        free(issuer->aliases[i].path.text);
    free(issuer->aliases);
    free(issuer->name.text);
    free(issuer->certificate.text);
    free(issuer->key.text);
    for (size_t i = 0; i < issuer->signer_count; i++) {
        free(issuer->signers[i].certificate.text);
        free(issuer->signers[i].key.text);
    }
    free(issuer->signers);
    for (size_t i = 0; i < issuer->delegate_count; i++) {
        free(issuer->delegates[i].kind.text);
        free(issuer->delegates[i].chain.text);
    }
    free(issuer->delegates);
    free(issuer->crl_reference.text);
    free(issuer->key_passphrase.text);
    free(issuer->ocsp_key_passphrase.text);
    free(issuer->request_signers.text);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; config->issuers && i < config->issuer_count; i++)
        free_issuer(&config->issuers[i]);
    free(config->issuers);
    free_list(config->public.listen, config->public.listen_count);
    free_list(config->admin.listen, config->admin.listen_count);
    free(config->admin.socket.text);
    free(config->database.text);
    free(config->presigned.text);
    free(config->crl_directory.text);
    free(config->signer_program.text);
    free(config->signer_socket.text);
    free(config->openssl_config.text);
    free(config->path);
    free(config);
}
