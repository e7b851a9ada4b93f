/* annul-stapler -t: all that the configuration points to. */
#include "mirror.h"

#include <annul/config_file.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int check_authorities(const struct stapler_config *config, const struct section *section, bool needed,
                             struct error *err)
{
    struct authorities authorities = {0};
    struct error why;
    int result = authorities_load(config, section, &authorities, &why);
    if (result < 0)
        result = config_file_error(
            config->path, section->issuers.count ? section->issuers.list[0].line : section->name.line, err,
            "%s", why.text);
    else if (needed && authorities.count == 0)
        result = config_file_error(config->path, section->name.line, err,
                                   "\"%s\": no CA certificate to verify with; add issuer = {\"ca.pem\"}",
                                   section->name.text);
    authorities_free(&authorities);
    return result;
}

struct checking {
    const struct stapler_config *config;
    const struct section *section;
    struct finder finder;
    struct list *paths; /* that places of all sections have: malloc'ed */
    struct error *err;
    int result;
};

/* Folders take many. */
static bool is_file(const struct deliver_target *target)
{
    return target->kind != DELIVER_HITCH && target->kind != DELIVER_HASH_DIR &&
           target->kind != DELIVER_HASH_DIR_LIVE;
}

/* Two that write one file would undo each other. */
static int check_path(const struct checking *checking, const struct place *place, const char *path)
{
    for (size_t i = 0; is_file(&place->target) && i < checking->paths->count; i++)
        if (strcmp(checking->paths->at[i], path) == 0)
            return config_file_error(checking->config->path, place->line, checking->err,
                                     "deliver: %s is written twice; give each its own path, of staples by "
                                     "{certificate} or {name} in it",
                                     path);
    char *copy = strdup(path);
    if (!copy || !list_add(checking->paths, copy))
        free(copy);
    return 0;
}

/* `certificate` NULL: of CRLs. */
static int check_place(const struct checking *checking, const struct place *place, const char *certificate)
{
    struct deliver_target target = place->target;
    struct error why;
    char *path = outlet_path(place, certificate);
    target.path = path;
    int result = path ? check_path(checking, place, path) : 0;
    if (result == 0 && deliver_check(&target, certificate, &why) < 0)
        result =
            config_file_error(checking->config->path, place->line, checking->err, "deliver: %s", why.text);
    free(path);
    return result;
}

static void check_certificate(void *arg, const char *path)
{
    struct checking *checking = arg;
    struct error why;
    if (checking->result < 0)
        return;
    if (staple_check(checking->config, &checking->finder, checking->section, path, &why) < 0) {
        checking->result = config_file_error(checking->config->path, checking->section->name.line,
                                             checking->err, "%s", why.text);
        return;
    }
    for (size_t i = 0; checking->result == 0 && i < checking->section->place_count; i++)
        checking->result = check_place(checking, &checking->section->places[i], path);
}

static int check_staples(const struct stapler_config *config, const struct section *section,
                         struct list *paths, struct error *err)
{
    struct checking checking = {.config = config, .section = section, .paths = paths, .err = err};
    long count = sources_each(section, check_certificate, &checking);
    if (checking.result == 0 && count == 0)
        checking.result =
            config_file_error(config->path, section->sources.list[0].line, err,
                              "certificate \"%s\": there is none", section->sources.list[0].text);
    if (checking.result == 0 && section->hook.count && section->hook_argv[0][0] != '/')
        checking.result = config_file_error(config->path, section->hook.list[0].line, err,
                                            "hook %s: an absolute path is wanted", section->hook_argv[0]);
    if (checking.result == 0 && section->hook.count && access(section->hook_argv[0], X_OK) < 0)
        checking.result = config_file_error(config->path, section->hook.list[0].line, err,
                                            "hook %s: cannot be executed", section->hook_argv[0]);
    finder_free(&checking.finder);
    return checking.result;
}

struct pointing {
    struct buffer urls;
    struct error why;
    int result;
};

static void check_points(void *arg, const char *path)
{
    struct pointing *pointing = arg;
    if (pointing->result == 0 && crl_urls_of(path, &pointing->urls, &pointing->why) < 0)
        pointing->result = error_prefix(&pointing->why, "%s", path);
}

static int check_sources(const struct stapler_config *config, const struct section *section,
                         struct error *err)
{
    struct pointing pointing = {.result = 0};
    if (sources_each(section, check_points, &pointing) < 0)
        pointing.result = error_set(&pointing.why, "the certificates cannot be listed");
    else if (pointing.result == 0 && section->urls.count == 0 && pointing.urls.len == 0)
        pointing.result = error_set(&pointing.why, "%s", CRL_NO_POINTS);
    buffer_free(&pointing.urls);
    return pointing.result < 0 ? config_file_error(config->path, section->name.line, err, "crl \"%s\": %s",
                                                   section->name.text, pointing.why.text)
                               : 0;
}

static int check_crls(const struct stapler_config *config, const struct section *section, struct list *paths,
                      struct error *err)
{
    const struct checking checking = {.config = config, .section = section, .paths = paths, .err = err};
    int result = check_sources(config, section, err);
    for (size_t i = 0; result == 0 && i < section->place_count; i++)
        result = check_place(&checking, &section->places[i], NULL);
    return result;
}

static int check_sections(const struct stapler_config *config, struct error *err)
{
    struct list paths = {0};
    int result = 0;
    for (size_t i = 0; result == 0 && i < config->staple_count; i++)
        if ((result = check_authorities(config, &config->staples[i], false, err)) == 0)
            result = check_staples(config, &config->staples[i], &paths, err);
    for (size_t i = 0; result == 0 && i < config->crl_count; i++)
        if ((result = check_authorities(config, &config->crls[i], true, err)) == 0)
            result = check_crls(config, &config->crls[i], &paths, err);
    for (size_t i = 0; i < paths.count; i++)
        free(paths.at[i]);
    free(paths.at);
    return result;
}

int stapler_check(const struct stapler_config *config, struct error *err)
{
    if (check_sections(config, err) < 0)
        return -1;
    if (access(config->cache.text, R_OK | W_OK | X_OK) < 0)
        return config_file_error(config->path, config->cache.line, err,
                                 "cache directory %s: make it, writable for the stapler's user",
                                 config->cache.text);
    struct error why;
    if (disk_check(config, &why) < 0)
        return config_file_error(config->path, config->cache.line, err, "cache directory %s", why.text);
    if (config->listen.count && check_authorities(config, &config->mirror, false, err) < 0)
        return -1;
    return mirror_check(config, err);
}
