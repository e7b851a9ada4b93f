#include "config.h"

#include <annul/config_file.h>
#include <annul/fetch.h>

#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

/* --- the keys, each with its default ------------------------------------------------------------------- */

static cfg_opt_t place_keys[] = {
    CFG_STR("kind", "file", CFGF_NONE),       CFG_STR("path", NULL, CFGF_NONE),
    CFG_STR("format", NULL, CFGF_NONE),       CFG_STR("socket", NULL, CFGF_NONE),
    CFG_STR("crl_name", NULL, CFGF_NONE),     CFG_INT("bufsize", 16384, CFGF_NONE),
    CFG_STR("owner", NULL, CFGF_NONE),        CFG_STR("group", NULL, CFGF_NONE),
    CFG_STR("mode", NULL, CFGF_NONE),         CFG_STR("pid_file", NULL, CFGF_NONE),
    CFG_STR("process", NULL, CFGF_NONE),      CFG_STR("signal", "HUP", CFGF_NONE),
    CFG_STR_LIST("command", NULL, CFGF_NONE), CFG_STR("unit", NULL, CFGF_NONE),
    CFG_STR("timeout", "30s", CFGF_NONE),     CFG_END(),
};
static cfg_opt_t staple_keys[] = {
    CFG_STR_LIST("certificate", NULL, CFGF_NONE),
    CFG_STR_LIST("issuer", NULL, CFGF_NONE),
    CFG_STR_LIST("responder", NULL, CFGF_NONE),
    CFG_STR("interval", "0s", CFGF_NONE),
    CFG_STR("revoked", "publish", CFGF_NONE),
    CFG_STR_LIST("hook", NULL, CFGF_NONE),
    CFG_BOOL("chain", cfg_false, CFGF_NONE),
    CFG_SEC("deliver", place_keys, CFGF_MULTI),
    CFG_END(),
};
static cfg_opt_t crl_keys[] = {
    CFG_STR_LIST("url", NULL, CFGF_NONE),       CFG_STR_LIST("certificate", NULL, CFGF_NONE),
    CFG_STR_LIST("issuer", NULL, CFGF_NONE),    CFG_STR("interval", "1h", CFGF_NONE),
    CFG_SEC("deliver", place_keys, CFGF_MULTI), CFG_END(),
};
static cfg_opt_t cache_keys[] = {
    CFG_STR("directory", "/var/lib/annul-stapler", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t fetch_keys[] = {
    CFG_INT("workers", 4, CFGF_NONE),
    CFG_STR("connect_timeout", "5s", CFGF_NONE),
    CFG_STR("timeout", "60s", CFGF_NONE),
    CFG_STR("wait", "60s", CFGF_NONE),
    CFG_INT("crl_mb", 64, CFGF_NONE),
    CFG_STR("proxy", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t mirror_keys[] = {
    CFG_STR_LIST("listen", NULL, CFGF_NONE),
    CFG_STR("upstream", NULL, CFGF_NONE),
    CFG_STR_LIST("issuer", NULL, CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t log_keys[] = {
    CFG_STR("level", "info", CFGF_NONE),
    CFG_END(),
};
static cfg_opt_t keys[] = {
    CFG_SEC("cache", cache_keys, CFGF_NONE),
    CFG_SEC("fetch", fetch_keys, CFGF_NONE),
    CFG_SEC("mirror", mirror_keys, CFGF_NONE),
    CFG_SEC("log", log_keys, CFGF_NONE),
    CFG_STR_LIST("authorities", NULL, CFGF_NONE),
    CFG_SEC("staple", staple_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CFG_SEC("crl", crl_keys, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES),
    CONFIG_FILE_END(),
};

/* --- lists --------------------------------------------------------------------------------------------- */

static struct values list_of(cfg_t *section, const char *key)
{
    struct values values;
    values.count = config_list_of(section, key, &values.list);
    return values;
}

static struct values files_of(const char *path, cfg_t *section, const char *key)
{
    struct values values = list_of(section, key);
    for (size_t i = 0; i < values.count; i++)
        config_make_absolute(path, &values.list[i]);
    return values;
}

static int check_urls(const char *path, const char *key, const struct values *urls, struct error *err)
{
    for (size_t i = 0; i < urls->count; i++)
        if (!fetch_url_is_good(urls->list[i].text))
            return config_file_error(path, urls->list[i].line, err,
                                     "%s \"%s\": must be a URL such as \"http://status.example/ocsp\"", key,
                                     urls->list[i].text);
    return 0;
}

/* --- deliver sections ---------------------------------------------------------------------------------- */

static int read_owner(const char *path, cfg_t *section, struct deliver_target *target, struct error *err)
{
    const char *owner = cfg_getstr(section, "owner"), *group = cfg_getstr(section, "group"),
               *mode = cfg_getstr(section, "mode");
    const struct passwd *user = owner ? getpwnam(owner) : NULL;
    const struct group *entry = group ? getgrnam(group) : NULL;
    char *end = "";
    if (owner && !user)
        return config_file_error(path, config_line_of(section, "owner"), err, "owner = \"%s\": no such user",
                                 owner);
    if (group && !entry)
        return config_file_error(path, config_line_of(section, "group"), err, "group = \"%s\": no such group",
                                 group);
    target->uid = user ? user->pw_uid : DELIVER_KEEP;
    target->gid = entry ? entry->gr_gid : DELIVER_KEEP;
    target->mode = mode ? (mode_t)strtoul(mode, &end, 8) : DELIVER_KEEP;
    if (mode && (*end || !*mode || target->mode > 0777))
        return config_file_error(path, config_line_of(section, "mode"), err,
                                 "mode = \"%s\": must be octal, such as \"0640\"", mode);
    return 0;
}

static int signal_of(const char *name)
{
    for (int number = 1; number < NSIG; number++) {
        const char *known = sigabbrev_np(number);
        if (known && strcmp(known, name) == 0)
            return number;
    }
    return -1;
}

/* As execve takes it; borrows the texts. NULL when out of memory. */
static const char **argv_of(const struct values *command)
{
    const char **argv = calloc(command->count + 1, sizeof *argv);
    for (size_t i = 0; argv && i < command->count; i++)
        argv[i] = command->list[i].text;
    return argv;
}

static int read_notify(const char *path, cfg_t *section, struct place *place, struct error *err)
{
    struct deliver_notify *notify = &place->target.notify;
    int64_t timeout_s;
    place->pid_file = config_file_of(path, section, "pid_file");
    place->process = config_value_of(section, "process");
    place->unit = config_value_of(section, "unit");
    place->command = list_of(section, "command");
    place->argv = argv_of(&place->command);
    if (!place->argv)
        return error_set(err, "out of memory");
    notify->pid_file = place->pid_file.text;
    notify->process = place->process.text;
    notify->unit = place->unit.text;
    notify->command = place->command.count ? place->argv : NULL;
    notify->signal_number = signal_of(cfg_getstr(section, "signal"));
    if (notify->signal_number < 0)
        return config_file_error(path, config_line_of(section, "signal"), err,
                                 "signal = \"%s\": must be a name such as \"HUP\" or \"USR1\"",
                                 cfg_getstr(section, "signal"));
    if (config_duration_of(path, section, "timeout", 1, 3600, &timeout_s, err) < 0)
        return -1;
    notify->timeout_ms = timeout_s * 1000;
    return 0;
}

static const struct {
    const char *name;
    enum deliver_kind kind;
    bool staples, crls, needs_path;
} kinds[] = {
    {"file", DELIVER_FILE, true, true, true},
    {"nginx", DELIVER_NGINX, true, false, true},
    {"hitch", DELIVER_HITCH, true, false, true},
    {"haproxy", DELIVER_HAPROXY, true, true, false},
    {"hash-dir", DELIVER_HASH_DIR, false, true, true},
    {"hash-dir-live", DELIVER_HASH_DIR_LIVE, false, true, true},
};

static int read_kind(const char *path, struct place *place, bool is_crl, struct error *err)
{
    const char *name = place->kind.text;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(kinds[i].name, name) != 0)
            continue;
        if (!(is_crl ? kinds[i].crls : kinds[i].staples))
            return config_file_error(path, place->line, err, "kind = \"%s\": not for %s", name,
                                     is_crl ? "CRLs" : "staples");
        if ((kinds[i].needs_path || is_crl) && !place->path.text)
            return config_file_error(path, place->line, err, "deliver, kind \"%s\": no path; add path = …",
                                     name);
        place->target.kind = kinds[i].kind;
        return 0;
    }
    return config_file_error(
        path, place->line, err,
        "kind = \"%s\": must be one of file, nginx, hitch, haproxy, hash-dir, hash-dir-live", name);
}

static int read_place(const char *path, cfg_t *section, bool is_crl, struct place *place, struct error *err)
{
    static const char *const formats[] = {"der", "pem", NULL};
    unsigned bufsize;
    place->line = config_line_of_section(section);
    place->kind = config_value_of(section, "kind");
    place->path = config_file_of(path, section, "path");
    place->socket = config_file_of(path, section, "socket");
    place->crl_name = config_value_of(section, "crl_name");
    int format = cfg_getstr(section, "format") ? config_choice_of(path, section, "format", formats, err)
                                               : is_crl; /* what brokers read */
    if (format < 0 || read_kind(path, place, is_crl, err) < 0 ||
        config_number_of(path, section, "bufsize", 1024, 1 << 30, &bufsize, err) < 0 ||
        read_owner(path, section, &place->target, err) < 0)
        return -1;
    place->target.format = format ? DELIVER_PEM : DELIVER_DER;
    place->target.path = place->path.text;
    place->target.socket = place->socket.text;
    place->target.crl_name = place->crl_name.text;
    place->target.bufsize = bufsize;
    return read_notify(path, section, place, err);
}

static int read_places(const char *path, cfg_t *from, bool is_crl, struct section *section, struct error *err)
{
    size_t count = cfg_size(from, "deliver");
    section->places = calloc(count ? count : 1, sizeof *section->places);
    if (!section->places)
        return error_set(err, "out of memory");
    for (size_t i = 0; i < count; i++) {
        section->place_count++;
        if (read_place(path, cfg_getnsec(from, "deliver", (unsigned)i), is_crl, &section->places[i], err) < 0)
            return -1;
    }
    return 0;
}

/* --- staple and crl sections --------------------------------------------------------------------------- */

/* It stands in URLs and file names. */
static int read_name(const char *path, cfg_t *from, struct config_value *name, struct error *err)
{
    static const char legal[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    *name = (struct config_value){strdup(cfg_title(from)), config_line_of_section(from)};
    size_t len = strlen(name->text);
    if (len == 0 || len > 64 || name->text[0] == '.' || strspn(name->text, legal) != len)
        return config_file_error(path, name->line, err,
                                 "\"%s\": a section's name has 1 to 64 letters, digits and . _ -",
                                 name->text);
    return 0;
}

/* These go on with what they have until they are told. HAProxy takes another staple by its socket, but not none. */
static int check_told(const char *path, const struct section *section, struct error *err)
{
    for (size_t i = 0; i < section->place_count; i++) {
        const struct place *place = &section->places[i];
        enum deliver_kind kind = place->target.kind;
        if ((kind == DELIVER_NGINX || kind == DELIVER_HITCH ||
             (kind == DELIVER_HAPROXY && section->revoked == REVOKED_WITHHOLD)) &&
            !place->pid_file.text && !place->command.count && !place->unit.text)
            return config_file_error(path, place->line, err,
                                     "deliver, kind \"%s\": lets go of a staple only when it is told; add "
                                     "pid_file, command or unit",
                                     place->kind.text);
    }
    return 0;
}

static int read_staple(const char *path, cfg_t *from, struct section *section, struct error *err)
{
    static const char *const policies[] = {"publish", "withhold", "hook", NULL};
    if (read_name(path, from, &section->name, err) < 0)
        return -1;
    section->sources = files_of(path, from, "certificate");
    section->issuers = files_of(path, from, "issuer");
    section->urls = list_of(from, "responder");
    section->hook = list_of(from, "hook");
    section->hook_argv = argv_of(&section->hook);
    if (!section->hook_argv)
        return error_set(err, "out of memory");
    int policy = config_choice_of(path, from, "revoked", policies, err);
    if (policy < 0 || check_urls(path, "responder", &section->urls, err) < 0 ||
        config_duration_of(path, from, "interval", 0, 366 * 86400LL, &section->interval_s, err) < 0)
        return -1;
    section->chain = cfg_getbool(from, "chain");
    section->revoked = (enum revoked_policy)policy;
    if (section->sources.count == 0)
        return config_file_error(path, section->name.line, err, "staple \"%s\": no certificate",
                                 section->name.text);
    if ((section->revoked == REVOKED_HOOK) != (section->hook.count > 0))
        return config_file_error(path, section->name.line, err,
                                 "staple \"%s\": revoked = \"hook\" and hook = {…} go together",
                                 section->name.text);
    return read_places(path, from, false, section, err) < 0 ? -1 : check_told(path, section, err);
}

static int read_crl(const char *path, cfg_t *from, struct section *section, struct error *err)
{
    if (read_name(path, from, &section->name, err) < 0)
        return -1;
    section->sources = files_of(path, from, "certificate");
    section->issuers = files_of(path, from, "issuer");
    section->urls = list_of(from, "url");
    if (check_urls(path, "url", &section->urls, err) < 0 ||
        config_duration_of(path, from, "interval", 1, 366 * 86400LL, &section->interval_s, err) < 0)
        return -1;
    if (section->sources.count == 0 && section->urls.count == 0)
        return config_file_error(path, section->name.line, err,
                                 "crl \"%s\": neither url nor certificate; add url = {\"http://…\"}",
                                 section->name.text);
    return read_places(path, from, true, section, err);
}

typedef int read_section(const char *path, cfg_t *from, struct section *section, struct error *err);

static int read_sections(const char *path, cfg_t *root, const char *kind, read_section *read,
                         struct section **sections, size_t *count, struct error *err)
{
    size_t wanted = cfg_size(root, kind);
    *sections = calloc(wanted ? wanted : 1, sizeof **sections);
    if (!*sections)
        return error_set(err, "out of memory");
    while (*count < wanted) {
        cfg_t *from = cfg_getnsec(root, kind, (unsigned)*count);
        if (read(path, from, &(*sections)[(*count)++], err) < 0)
            return -1;
    }
    return 0;
}

static int read_general(struct stapler_config *config, cfg_t *root, struct error *err)
{
    cfg_t *fetch = cfg_getsec(root, "fetch"), *mirror = cfg_getsec(root, "mirror"),
          *log = cfg_getsec(root, "log");
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};
    unsigned crl_mb;
    config->cache = config_file_of(config->path, cfg_getsec(root, "cache"), "directory");
    config->proxy = config_value_of(fetch, "proxy");
    config->authorities = files_of(config->path, root, "authorities");
    config->listen = list_of(mirror, "listen");
    config->upstream = config_value_of(mirror, "upstream");
    config->mirror.issuers = files_of(config->path, mirror, "issuer");
    struct values upstream = {&config->upstream, config->upstream.text != NULL};
    int level = config_choice_of(config->path, log, "level", levels, err);
    if (level < 0 || check_urls(config->path, "upstream", &upstream, err) < 0 ||
        config_number_of(config->path, fetch, "workers", 1, 64, &config->workers, err) < 0 ||
        config_number_of(config->path, fetch, "crl_mb", 1, 4096, &crl_mb, err) < 0 ||
        config_duration_of(config->path, fetch, "connect_timeout", 1, 600, &config->connect_s, err) < 0 ||
        config_duration_of(config->path, fetch, "timeout", 1, 86400, &config->timeout_s, err) < 0 ||
        config_duration_of(config->path, fetch, "wait", 0, 3600, &config->wait_s, err) < 0)
        return -1;
    config->crl_octets = (size_t)crl_mb << 20;
    config->log_level = (enum log_level)level;
    return 0;
}

struct stapler_config *stapler_config_load(const char *path, struct error *err)
{
    struct stapler_config *config = calloc(1, sizeof *config);
    if (!config || !(config->path = strdup(path))) {
        free(config);
        error_set(err, "out of memory");
        return NULL;
    }
    cfg_t *root = config_file_read(path, keys, "annul-stapler.conf(5)", err);
    bool good =
        root && read_general(config, root, err) == 0 &&
        read_sections(path, root, "staple", read_staple, &config->staples, &config->staple_count, err) == 0 &&
        read_sections(path, root, "crl", read_crl, &config->crls, &config->crl_count, err) == 0;
    if (good && config->staple_count + config->crl_count == 0) {
        config_file_error(path, root->line, err, "nothing to do; add a staple or a crl section");
        good = false;
    }
    config_file_free(root);
    if (good)
        return config;
    stapler_config_free(config);
    return NULL;
}

enum log_level stapler_config_log_level(const struct stapler_config *config)
{
    return config->log_level;
}

/* --- the end ------------------------------------------------------------------------------------------- */

static void free_values(struct values *values)
{
    config_free_list(values->list, values->count);
}

static void free_place(struct place *place)
{
    struct config_value *all[] = {&place->kind,     &place->path,    &place->socket, &place->crl_name,
                                  &place->pid_file, &place->process, &place->unit};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]->text);
    free_values(&place->command);
    free(place->argv);
}

static void free_sections(struct section *sections, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t p = 0; p < sections[i].place_count; p++)
            free_place(&sections[i].places[p]);
        free(sections[i].places);
        free(sections[i].name.text);
        free_values(&sections[i].issuers);
        free_values(&sections[i].sources);
        free_values(&sections[i].urls);
        free_values(&sections[i].hook);
        free(sections[i].hook_argv);
    }
    free(sections);
}

void stapler_config_free(struct stapler_config *config)
{
    if (!config)
        return;
    free_sections(config->staples, config->staple_count);
    free_sections(config->crls, config->crl_count);
    free_values(&config->authorities);
    free_values(&config->listen);
    free_values(&config->mirror.issuers);
    free(config->cache.text);
    free(config->proxy.text);
    free(config->upstream.text);
    free(config->path);
    free(config);
}
