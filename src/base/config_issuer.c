/* The issuer sections of annuld.conf. */
#include "config_issuer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static cfg_opt_t alias_keys[] = {
    CFG_STR("format", "der", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t delegate_keys[] = {
    CFG_STR("lifetime", "14d", CFGF_NONE),
    CFG_STR("chain", NULL, CFGF_NONE),
    CFG_END(),
};
cfg_opt_t config_issuer_keys[] = {
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
    CFG_STR("invalidity_date", "yes", CFGF_NONE),
    CFG_STR("crl_lifetime", "7d", CFGF_NONE),
    CFG_STR("crl_refresh", "1d", CFGF_NONE),
    CFG_STR("crl_scope", "all", CFGF_NONE),
    CFG_STR("expired_on_crl", "prune", CFGF_NONE),
    CFG_STR("distribution_point", NULL, CFGF_NONE),
    CFG_INT("shards", 0, CFGF_NONE),
    CFG_STR("shard_distribution_point", NULL, CFGF_NONE),
    CFG_STR("delta_distribution_point", NULL, CFGF_NONE),
    CFG_STR("delta_lifetime", "1d", CFGF_NONE),
    CFG_BOOL("crl_upload", cfg_false, CFGF_NONE),
    CFG_STR_LIST("crl_file", NULL, CFGF_NONE),
    CFG_STR_LIST("crl_url", NULL, CFGF_NONE),
    CFG_STR("crl_url_interval", "1h", CFGF_NONE),
    CFG_STR("index", NULL, CFGF_NONE),
    CFG_STR("ocsp_validity", "1d", CFGF_NONE),
    CFG_STR("presign", "none", CFGF_NONE),
    CFG_INT("presign_rate", 200, CFGF_NONE),
    CFG_STR_LIST("presign_hashes", "{sha1}", CFGF_NONE),
    CFG_SEC("alias", alias_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END(),
};
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
    alias->path = (struct config_value){strdup(path), config_line_of_section(section)};
    if (path[0] != '/' || path[1] == 0 || strpbrk(path, "?#% "))
        return config_error(config, alias->path.line, err,
                            "alias \"%s\": must be a URL path such as \"/ca.crl\", without ? # %% or blanks",
                            path);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        if (strncmp(path, taken[i], strlen(taken[i])) == 0)
            return config_error(config, alias->path.line, err,
                                "alias \"%s\": paths that begin with %s have a meaning already", path,
                                taken[i]);
    int format = config_choice_of(config->path, section, "format", formats, err);
    alias->pem = format == 1;
    return format < 0 ? -1 : 0;
}

/* ocsp_certificate and ocsp_key: the first belongs to the first, and so on. */
static int read_signers(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                        struct error *err)
{
    struct config_value *certificates, *keys_of;
    size_t count = config_list_of(section, "ocsp_certificate", &certificates),
           key_count = config_list_of(section, "ocsp_key", &keys_of);
    issuer->signers = calloc(count > key_count ? count : key_count ? key_count : 1, sizeof *issuer->signers);
    for (size_t i = 0; issuer->signers && (i < count || i < key_count); i++) {
        struct config_signer *signer = &issuer->signers[issuer->signer_count++];
        if (i < count)
            signer->certificate = certificates[i];
        if (i < key_count)
            signer->key = keys_of[i];
        config_make_absolute(config->path, &signer->certificate);
        if (signer->key.text && !config_is_uri(signer->key.text))
            config_make_absolute(config->path, &signer->key);
    }
    free(certificates);
    free(keys_of);
    if (count == key_count && count <= CONFIG_SIGNERS_MAX)
        return 0;
    if (count == key_count)
        return config_error(config, issuer->name.line, err, "issuer \"%s\": more than %d ocsp_certificate",
                            issuer->name.text, CONFIG_SIGNERS_MAX);
    return config_error(
        config, issuer->name.line, err,
        "issuer \"%s\": ocsp_certificate and ocsp_key go together, but there are %zu and %zu: %s "
        "is missing",
        issuer->name.text, count, key_count, count < key_count ? "ocsp_certificate" : "ocsp_key");
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
        delegate->kind = (struct config_value){strdup(cfg_title(at)), config_line_of_section(at)};
        delegate->chain = config_file_of(config->path, at, "chain");
        if (check_key_kind(config, &delegate->kind, err) < 0 ||
            config_duration_of(config->path, at, "lifetime", 3600, 366 * 86400LL, &delegate->lifetime_s,
                               err) < 0)
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
    int extent = config_choice_of(config->path, section, "presign", extents, err);
    if (extent < 0 ||
        config_number_of(config->path, section, "presign_rate", 1, 100000, &issuer->presign_rate, err) < 0)
        return -1;
    issuer->presign = extent == 1;
    if (issuer->presign && issuer->nonce == NONCE_REQUIRE)
        return config_error(
            config, config_line_of(section, "presign"), err,
            "issuer \"%s\": presign = \"all\" is of no use with nonce = \"require\": what is signed "
            "ahead has no nonce; take one of them out",
            issuer->name.text);
    if (cfg_size(section, "presign_hashes") == 0)
        return config_error(config, config_line_of(section, "presign_hashes"), err,
                            "issuer \"%s\": presign_hashes = {}: name at least one, or presign = \"none\"",
                            issuer->name.text);
    for (unsigned i = 0; i < cfg_size(section, "presign_hashes"); i++) {
        int hash = config_choice_at(config->path, section, "presign_hashes", i, hashes, err);
        if (hash < 0)
            return -1;
        if (issuer->presign_hashes & 1u << hash)
            return config_error(config, config_line_of(section, "presign_hashes"), err,
                                "issuer \"%s\": presign_hashes: \"%s\" is there twice; take one of them out",
                                issuer->name.text, hashes[hash]);
        issuer->presign_hashes |= 1u << hash;
    }
    return 0;
}

/* What RFC 3986 lets stand in a URI, with braces for the place of a number; and no query, which is no part of a path. */
static bool is_url(const char *text)
{
    static const char legal[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~:/@!$&'()*+,;=%[]{}";
    return strncmp(text, "http://", 7) == 0 && strchr(text + 7, '/') && strspn(text, legal) == strlen(text) &&
           strlen(text) <= CONFIG_URL_MAX;
}

static int check_url(const struct config *config, const struct config_issuer *issuer, const char *option,
                     const struct config_value *url, struct error *err)
{
    if (!url->text || is_url(url->text))
        return 0;
    return config_error(config, url->line, err,
                        "issuer \"%s\": %s \"%s\": must be an http:// URL with a path, in ASCII and without "
                        "blanks or a query, of "
                        "at most %d octets",
                        issuer->name.text, option, url->text, CONFIG_URL_MAX);
}

/* "http://host/crl/name/{}.crl": one place for the number. */
static bool has_place(const char *url)
{
    const char *place = strstr(strchr(url + 7, '/'), "{}"); /* not in the host */
    return place && !strpbrk(place + 2, "{}") && strcspn(url, "{}") == (size_t)(place - url);
}

/* Whether a URL is one of the shards', too. */
static bool is_shard(const struct config_issuer *issuer, const struct config_value *url)
{
    char shard[CONFIG_URL_MAX + 8];
    const char *pattern = issuer->shard_distribution_point.text,
               *place = pattern ? strstr(pattern, "{}") : NULL;
    for (unsigned n = 0; url->text && place && n < issuer->shards; n++) {
        snprintf(shard, sizeof shard, "%.*s%u%s", (int)(place - pattern), pattern, n, place + 2);
        if (strcmp(shard, url->text) == 0)
            return true;
    }
    return false;
}

static int check_points(const struct config *config, const struct config_issuer *issuer, struct error *err)
{
    const struct config_value *whole = &issuer->distribution_point,
                              *shard = &issuer->shard_distribution_point,
                              *delta = &issuer->delta_distribution_point;
    if (check_url(config, issuer, "distribution_point", whole, err) < 0 ||
        check_url(config, issuer, "shard_distribution_point", shard, err) < 0 ||
        check_url(config, issuer, "delta_distribution_point", delta, err) < 0)
        return -1;
    if (!issuer->shards != !shard->text)
        return config_error(config, shard->text ? shard->line : issuer->name.line, err,
                            "issuer \"%s\": shards and shard_distribution_point go together; %s is missing",
                            issuer->name.text, shard->text ? "shards" : "shard_distribution_point");
    if (shard->text && (!has_place(shard->text) || strlen(shard->text) > CONFIG_URL_MAX - 2))
        return config_error(
            config, shard->line, err,
            "issuer \"%s\": shard_distribution_point \"%s\": must have {} once, for the number of the "
            "shard, as in \"http://crl.example.org/crl/%s/{}.crl\"",
            issuer->name.text, shard->text, issuer->name.text);
    if (is_shard(issuer, whole) || is_shard(issuer, delta))
        return config_error(config, is_shard(issuer, whole) ? whole->line : delta->line, err,
                            "issuer \"%s\": %s is the URL of a shard; each CRL needs one of its own",
                            issuer->name.text,
                            is_shard(issuer, whole) ? "distribution_point" : "delta_distribution_point");
    if (delta->text && whole->text && strcmp(delta->text, whole->text) == 0)
        return config_error(
            config, delta->line, err,
            "issuer \"%s\": delta_distribution_point is the URL of the whole CRL; deltas need one of "
            "their own",
            issuer->name.text);
    return 0;
}

static int read_crls(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                     struct error *err)
{
    static const char *const scopes[] = {"all", "user", "ca", NULL}; /* as enum crl_scope */
    static const char *const expired[] = {"prune", "keep", NULL};
    int keep = config_choice_of(config->path, section, "expired_on_crl", expired, err);
    issuer->crl_scope = config_choice_of(config->path, section, "crl_scope", scopes, err);
    if (keep < 0 || issuer->crl_scope < 0 ||
        config_number_of(config->path, section, "shards", 0, CONFIG_SHARDS_MAX, &issuer->shards, err) < 0 ||
        config_duration_of(config->path, section, "crl_lifetime", 600, 10 * 366 * 86400LL,
                           &issuer->crl_lifetime_s, err) < 0 ||
        config_duration_of(config->path, section, "crl_refresh", 60, 5 * 366 * 86400LL,
                           &issuer->crl_refresh_s, err) < 0 ||
        config_duration_of(config->path, section, "delta_lifetime", 600, 366 * 86400LL,
                           &issuer->delta_lifetime_s, err) < 0)
        return -1;
    issuer->keep_expired = keep == 1;
    issuer->distribution_point = config_value_of(section, "distribution_point");
    issuer->shard_distribution_point = config_value_of(section, "shard_distribution_point");
    issuer->delta_distribution_point = config_value_of(section, "delta_distribution_point");
    return check_points(config, issuer, err);
}

/* What a URL of a CRL that is fetched must be like: it may be anywhere, and have a query. */
static bool is_fetchable(const char *url)
{
    size_t scheme = strncmp(url, "http://", 7) == 0 ? 7 : strncmp(url, "https://", 8) == 0 ? 8 : 0;
    return scheme && url[scheme] && url[scheme] != '/' && !strpbrk(url, " \"<>\\^`|");
}

bool config_has_foreign_crls(const struct config_issuer *issuer)
{
    return issuer->crl_upload || issuer->crl_file_count || issuer->crl_url_count;
}

bool config_signs_ocsp(const struct config_issuer *issuer)
{
    return issuer->key.text || issuer->signer_count;
}

static int read_foreign_crls(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                             struct error *err)
{
    issuer->crl_upload = cfg_getbool(section, "crl_upload");
    issuer->crl_file_count = config_list_of(section, "crl_file", &issuer->crl_files);
    issuer->crl_url_count = config_list_of(section, "crl_url", &issuer->crl_urls);
    issuer->index = config_file_of(config->path, section, "index");
    if (config_duration_of(config->path, section, "crl_url_interval", 1, 30 * 86400LL,
                           &issuer->crl_url_interval_s, err) < 0)
        return -1;
    for (size_t i = 0; i < issuer->crl_file_count; i++)
        config_make_absolute(config->path, &issuer->crl_files[i]);
    for (size_t i = 0; i < issuer->crl_url_count; i++)
        if (!is_fetchable(issuer->crl_urls[i].text))
            return config_error(config, issuer->crl_urls[i].line, err,
                                "issuer \"%s\": crl_url \"%s\": must be an http:// or https:// URL",
                                issuer->name.text, issuer->crl_urls[i].text);
    if (config_has_foreign_crls(issuer) && issuer->key.text)
        return config_error(
            config, issuer->key.line, err,
            "issuer \"%s\": its CRLs are made here, where its key is; crl_upload, crl_file and "
            "crl_url are for a CA whose key is elsewhere",
            issuer->name.text);
    if (issuer->shards && !issuer->key.text)
        return config_error(config, issuer->shard_distribution_point.line, err,
                            "issuer \"%s\": shards are made where the CA's key is; add key = \"FILE\", or "
                            "take shards and shard_distribution_point out",
                            issuer->name.text);
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
    if (!config_signs_ocsp(issuer) && !config_has_foreign_crls(issuer))
        return config_error(config, line, err,
                            "issuer \"%s\": nothing can be signed for it; add key = \"FILE\" (the CA's), or "
                            "ocsp_certificate and ocsp_key (a delegate's), or say where its CRLs come from: "
                            "crl_upload, crl_file or crl_url",
                            name);
    if (check_url(config, issuer, "crl_reference", &issuer->crl_reference, err) < 0 ||
        check_secrets(config, issuer, err) < 0)
        return -1;
    if (issuer->crl_refresh_s * 2 > issuer->crl_lifetime_s)
        return config_error(
            config, line, err,
            "issuer \"%s\": crl_refresh must be at most half of crl_lifetime, or brokers lock "
            "everyone out when one refresh fails",
            name);
    return 0;
}

int config_read_issuer(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                       struct error *err)
{
    static const char *const policies[] = {"unknown", "good", "revoked", "unauthorized", NULL};
    static const char *const nonce_policies[] = {"echo", "ignore", "require", NULL};
    static const char *const responder_ids[] = {"key", "name", NULL};
    static const char *const answers[] = {"no", "yes", NULL};
    issuer->name = (struct config_value){strdup(cfg_title(section)), config_line_of_section(section)};
    issuer->certificate = config_file_of(config->path, section, "certificate");
    issuer->key = config_secret_of(config->path, section, "key");
    issuer->key_passphrase = config_secret_of(config->path, section, "key_passphrase");
    issuer->ocsp_key_passphrase = config_secret_of(config->path, section, "ocsp_key_passphrase");
    issuer->request_signers = config_file_of(config->path, section, "request_signers");
    issuer->crl_reference = config_value_of(section, "crl_reference");
    int unlisted = config_choice_of(config->path, section, "unlisted", policies, err),
        nonce = config_choice_of(config->path, section, "nonce", nonce_policies, err),
        responder_id = config_choice_of(config->path, section, "responder_id", responder_ids, err),
        invalidity_date = config_choice_of(config->path, section, "invalidity_date", answers, err);
    if (unlisted < 0 || nonce < 0 || responder_id < 0 || invalidity_date < 0 ||
        config_duration_of(config->path, section, "archive_cutoff", 0, 100 * 366 * 86400LL,
                           &issuer->archive_cutoff_s, err) < 0 ||
        config_duration_of(config->path, section, "ocsp_validity", 60, 366 * 86400LL,
                           &issuer->ocsp_validity_s, err) < 0)
        return -1;
    issuer->unlisted = (enum unlisted)unlisted;
    issuer->nonce = (enum nonce_policy)nonce;
    issuer->responder_by_name = responder_id == 1;
    issuer->invalidity_date = invalidity_date == 1;
    if (read_crls(config, section, issuer, err) < 0 || read_foreign_crls(config, section, issuer, err) < 0 ||
        read_signers(config, section, issuer, err) < 0 || read_delegates(config, section, issuer, err) < 0 ||
        read_presigning(config, section, issuer, err) < 0)
        return -1;
    issuer->alias_count = cfg_size(section, "alias");
    issuer->aliases = calloc(issuer->alias_count ? issuer->alias_count : 1, sizeof *issuer->aliases);
    for (size_t i = 0; issuer->aliases && i < issuer->alias_count; i++)
        if (read_alias(config, cfg_getnsec(section, "alias", (unsigned)i), &issuer->aliases[i], err) < 0)
            return -1;
    return check_issuer(config, issuer, err);
}

void config_free_issuer(struct config_issuer *issuer)
{
    config_free_list(issuer->crl_files, issuer->crl_file_count);
    config_free_list(issuer->crl_urls, issuer->crl_url_count);
    free(issuer->index.text);
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
    free(issuer->distribution_point.text);
    free(issuer->shard_distribution_point.text);
    free(issuer->delta_distribution_point.text);
    free(issuer->key_passphrase.text);
    free(issuer->ocsp_key_passphrase.text);
    free(issuer->request_signers.text);
}
