/* Paths of CRLs that the configuration names: aliases, and those of the distribution points. */
#include "internal.h"

#include <string.h>

static const struct config_alias *alias_of(const struct config_issuer *section, const char *path)
{
    for (size_t a = 0; a < section->alias_count; a++)
        if (strcmp(section->aliases[a].path.text, path) == 0)
            return &section->aliases[a];
    return NULL;
}

bool crl_find(struct request *request)
{
    const struct issuers *issuers = request->services->issuers;
    for (size_t i = 0; i < issuers->count; i++) {
        const struct issuer *issuer = &issuers->list[i];
        const struct config_alias *alias = alias_of(issuer->config, request->url);
        struct crl_part part;
        bool is_point = issuer_part_of_path(issuer, request->url, &part);
        if (!alias && !is_point)
            continue;
        if (!is_point)
            part = (struct crl_part){CRL_WHOLE, false};
        /* where it is both, the alias says the format: EMQX wants PEM at a distribution point */
        request->crl = (struct crl_resource){CRL_SINGLE, issuer, part, alias && alias->pem};
        return true;
    }
    return false;
}

/* Whether one issuer's alias or distribution point has this path. */
static bool has_path(const struct config_issuer *section, const char *path)
{
    struct issuer issuer = {.config = section};
    struct crl_part part;
    return alias_of(section, path) || issuer_part_of_path(&issuer, path, &part);
}

static int check_path(const struct config *config, const struct config_issuer *section, const char *path,
                      int line, struct error *err)
{
    for (const struct config_issuer *other = config->issuers; path && other < section; other++)
        if (has_path(other, path))
            return config_error(config, line, err, "path %s: is issuer \"%s\"'s already; choose another",
                                path, other->name.text);
    return 0;
}

static int check_point(const struct config *config, const struct config_issuer *section, struct crl_part part,
                       int line, struct error *err)
{
    struct issuer issuer = {.config = section};
    char uri[CONFIG_URL_MAX + 1];
    return issuer_point(&issuer, part, uri) == 0
               ? 0
               : check_path(config, section, strchr(uri + strlen("http://"), '/'), line, err);
}

/* Two issuers' distribution points may differ by the host: here it is the path alone that tells them apart. */
static int check_paths(const struct config *config, const struct config_issuer *section, struct error *err)
{
    if (check_point(config, section, (struct crl_part){CRL_WHOLE, false}, section->distribution_point.line,
                    err) < 0 ||
        check_point(config, section, (struct crl_part){CRL_WHOLE, true},
                    section->delta_distribution_point.line, err) < 0)
        return -1;
    for (int shard = 0; shard < (int)section->shards; shard++)
        if (check_point(config, section, (struct crl_part){shard, false},
                        section->shard_distribution_point.line, err) < 0)
            return -1;
    for (size_t a = 0; a < section->alias_count; a++)
        if (check_path(config, section, section->aliases[a].path.text, section->aliases[a].path.line, err) <
            0)
            return -1;
    return 0;
}

int crl_check_paths(const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config->issuer_count; i++)
        if (check_paths(config, &config->issuers[i], err) < 0)
            return -1;
    return 0;
}
