#include "config_admin.h"

#include <annul/bytes.h>

#include <stdlib.h>
#include <string.h>

#define SUBJECT_MAX 200
#define ALL_ISSUERS "*" /* no issuer has such a name */

static cfg_opt_t client_keys[] = {
    CFG_STR("role", "viewer", CFGF_NONE),
    CFG_STR_LIST("issuers", "{\"" ALL_ISSUERS "\"}", CFGF_NONE),
    CFG_END(),
};
cfg_opt_t config_admin_keys[] = {
    CFG_STR_LIST("listen", NULL, CFGF_NONE),
    CFG_STR("socket", NULL, CFGF_NONE),
    CFG_STR("tls_certificate", NULL, CFGF_NONE),
    CFG_STR("tls_key", NULL, CFGF_NONE),
    CFG_STR_LIST("client_ca", NULL, CFGF_NONE),
    CFG_SEC("client", client_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_END(),
};

static bool is_issuer(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->issuer_count; i++)
        if (strcmp(config->issuers[i].name.text, name) == 0)
            return true;
    return false;
}

/* The list as a scope; see annul/access.h. */
static int read_scope(const struct config *config, cfg_t *section, struct config_client *client,
                      struct error *err)
{
    struct buffer scope = {0};
    size_t count = cfg_size(section, "issuers");
    if (count == 1 && strcmp(cfg_getstr(section, "issuers"), ALL_ISSUERS) == 0)
        return 0;
    for (unsigned i = 0; i < count; i++) {
        const char *name = cfg_getnstr(section, "issuers", i);
        bool known = is_issuer(config, name);
        if (known && buffer_printf(&scope, "%s%s", i ? " " : "", name))
            continue;
        buffer_free(&scope);
        return known ? error_set(err, "out of memory")
                     : config_error(config, config_line_of(section, "issuers"), err,
                                    "client \"%s\": issuers: no issuer section is named \"%s\"",
                                    client->subject.text, name);
    }
    if (count == 0)
        return config_error(config, config_line_of(section, "issuers"), err,
                            "client \"%s\": issuers = {}: name at least one, or take it out for all",
                            client->subject.text);
    if (!buffer_add(&scope, "", 1))
        return error_set(err, "out of memory");
    client->scope = (char *)scope.at;
    return 0;
}

static int read_client(const struct config *config, cfg_t *section, struct config_client *client,
                       struct error *err)
{
    static const char *const roles[] = {"viewer", "operator", "administrator", NULL};
    client->subject = (struct config_value){strdup(cfg_title(section)), config_line_of_section(section)};
    int role = config_choice_of(config->path, section, "role", roles, err);
    if (role < 0)
        return -1;
    client->role = role_from_name(roles[role]);
    if (!strchr(client->subject.text, '=') || strlen(client->subject.text) > SUBJECT_MAX)
        return config_error(config, client->subject.line, err,
                            "client \"%s\": the title is the subject of a certificate, such as "
                            "\"CN=alice,O=Example\", of at most %d octets",
                            client->subject.text, SUBJECT_MAX);
    return read_scope(config, section, client, err);
}

static int check_access(const struct config *config, struct error *err)
{
    bool certificate = config->admin.tls_certificate.text, key = config->admin.tls_key.text;
    if (certificate != key)
        return config_error(config,
                            certificate ? config->admin.tls_certificate.line : config->admin.tls_key.line,
                            err, "admin: tls_certificate and tls_key go together: %s is missing",
                            certificate ? "tls_key" : "tls_certificate");
    if (certificate && config->admin.listen_count == 0)
        return config_error(config, config->admin.tls_certificate.line, err,
                            "admin: tls_certificate is of no use without listen");
    if (config->admin.client_ca_count && !certificate)
        return config_error(config, config->admin.client_ca[0].line, err,
                            "admin: client_ca is of no use without tls_certificate and tls_key");
    if (config->admin.client_count && !config->admin.client_ca_count)
        return config_error(config, config->admin.clients[0].subject.line, err,
                            "client \"%s\": add client_ca = {\"FILE\"}, the CAs of clients",
                            config->admin.clients[0].subject.text);
    if (config->admin.client_ca_count && !config->admin.client_count)
        return config_error(config, config->admin.client_ca[0].line, err,
                            "admin: client_ca lets nobody in by itself; add client \"SUBJECT\" { role = … }");
    return 0;
}

int config_read_access(struct config *config, cfg_t *admin, struct error *err)
{
    size_t count = cfg_size(admin, "client");
    config->admin.tls_certificate = config_file_of(config->path, admin, "tls_certificate");
    config->admin.tls_key = config_file_of(config->path, admin, "tls_key");
    config->admin.client_ca_count = config_list_of(admin, "client_ca", &config->admin.client_ca);
    for (size_t i = 0; i < config->admin.client_ca_count; i++)
        config_make_absolute(config->path, &config->admin.client_ca[i]);
    config->admin.clients = calloc(count ? count : 1, sizeof *config->admin.clients);
    for (size_t i = 0; config->admin.clients && i < count; i++)
        if (read_client(config, cfg_getnsec(admin, "client", (unsigned)i),
                        &config->admin.clients[config->admin.client_count++], err) < 0)
            return -1;
    return config->admin.clients ? check_access(config, err) : error_set(err, "out of memory");
}

void config_free_access(struct config *config)
{
    for (size_t i = 0; i < config->admin.client_count; i++) {
        free(config->admin.clients[i].subject.text);
        free(config->admin.clients[i].scope);
    }
    free(config->admin.clients);
    config_free_list(config->admin.client_ca, config->admin.client_ca_count);
    free(config->admin.tls_certificate.text);
    free(config->admin.tls_key.text);
}
