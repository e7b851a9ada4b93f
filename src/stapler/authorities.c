/* Files of certificates: which there are, and the CAs among them. */
#include "stapler.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX (4 << 20)

static int keep_ca(void *arg, struct certificate *certificate, struct error *err)
{
    struct authorities *authorities = arg;
    if (!certificate->is_ca)
        return 0;
    for (size_t i = 0; i < authorities->count; i++)
        if (authorities->list[i].der.len == certificate->der.len &&
            memcmp(authorities->list[i].der.at, certificate->der.at, certificate->der.len) == 0)
            return 0;
    struct certificate *longer =
        realloc(authorities->list, (authorities->count + 1) * sizeof *authorities->list);
    if (!longer)
        return error_set(err, "out of memory");
    authorities->list = longer;
    longer[authorities->count++] = *certificate;
    *certificate = (struct certificate){0}; /* now ours */
    return 0;
}

static int add_file(const char *path, struct authorities *authorities, struct error *err)
{
    struct buffer text = {0};
    if (file_read(path, FILE_MAX, &text) < 0)
        return error_set(err, "CA certificates %s: %s", path, strerror(errno));
    long count = certificates_from_text((struct bytes){text.at, text.len}, keep_ca, authorities, err);
    buffer_free(&text);
    return count < 0 ? error_prefix(err, "CA certificates %s", path) : 0;
}

static int add_files(const struct values *files, struct authorities *authorities, struct error *err)
{
    for (size_t i = 0; i < files->count; i++)
        if (add_file(files->list[i].text, authorities, err) < 0)
            return -1;
    return 0;
}

int authorities_load(const struct stapler_config *config, const struct section *section,
                     struct authorities *authorities, struct error *err)
{
    int result = add_files(&section->issuers, authorities, err);
    return result < 0 ? result : add_files(&config->authorities, authorities, err);
}

void authorities_free(struct authorities *authorities)
{
    for (size_t i = 0; i < authorities->count; i++)
        certificate_free(&authorities->list[i]);
    free(authorities->list);
    *authorities = (struct authorities){0};
}

/* --- issuers ------------------------------------------------------------------------------------------- */

static int prepare(struct finder *finder, const struct stapler_config *config, const struct section *section,
                   struct error *err)
{
    if (finder->section != section) {
        authorities_free(&finder->own);
        finder->section = NULL;
        if (add_files(&section->issuers, &finder->own, err) < 0)
            return -1;
        finder->section = section;
    }
    if (!finder->has_common && add_files(&config->authorities, &finder->common, err) < 0) {
        authorities_free(&finder->common);
        return -1;
    }
    finder->has_common = true;
    return 0;
}

enum outcome finder_find_issuer(struct finder *finder, const struct stapler_config *config,
                                const struct section *section, const char *file,
                                const struct certificate *certificate, const struct certificate **issuer,
                                struct error *err)
{
    const struct authorities *lists[] = {&finder->within, &finder->own, &finder->common};
    authorities_free(&finder->within);
    if (add_file(file, &finder->within, err) < 0 || prepare(finder, config, section, err) < 0)
        return FAILED;
    for (size_t l = 0; l < 3; l++)
        for (size_t i = 0; i < lists[l]->count; i++)
            if (certificate_issued_by(certificate, &lists[l]->list[i]) == 1) {
                *issuer = &lists[l]->list[i];
                return FOUND;
            }
    return ABSENT;
}

void finder_free(struct finder *finder)
{
    authorities_free(&finder->within);
    authorities_free(&finder->own);
    authorities_free(&finder->common);
    *finder = (struct finder){0};
}

/* --- sources ------------------------------------------------------------------------------------------- */

/* What consumers and we ourselves put beside certificates, and what editors leave, is none. */
static bool is_wanted(const char *name)
{
    static const char *const others[] = {".ocsp", ".issuer", ".sctl", ".key", ".conf", ".tmp", "~"};
    size_t len = strlen(name);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t end = strlen(others[i]);
        if (len >= end && strcmp(name + len - end, others[i]) == 0)
            return false;
    }
    return name[0] != '.';
}

static long each_of_pattern(const char *pattern, bool is_folder, each_file *each, void *arg)
{
    glob_t found;
    long count = 0;
    int result = glob(pattern, is_folder ? 0 : GLOB_NOCHECK, NULL, &found);
    for (size_t i = 0; result == 0 && i < found.gl_pathc; i++) {
        struct stat status;
        const char *path = found.gl_pathv[i], *slash = strrchr(path, '/');
        bool file =
            stat(path, &status) < 0 || S_ISREG(status.st_mode); /* what is missing is reported later */
        if (!file || ((is_folder || strcmp(path, pattern) != 0) && !is_wanted(slash ? slash + 1 : path)))
            continue;
        each(arg, path);
        count++;
    }
    if (result != GLOB_NOSPACE)
        globfree(&found);
    return result == 0 || result == GLOB_NOMATCH ? count : -1;
}

long sources_each(const struct section *section, each_file *each, void *arg)
{
    long count = 0;
    for (size_t i = 0; i < section->sources.count; i++) {
        struct stat status;
        const char *text = section->sources.list[i].text;
        char *pattern = NULL;
        bool is_folder = stat(text, &status) == 0 && S_ISDIR(status.st_mode);
        if (is_folder && asprintf(&pattern, "%s/*", text) < 0)
            return -1;
        long more = each_of_pattern(is_folder ? pattern : text, is_folder, each, arg);
        free(pattern);
        if (more < 0)
            return -1;
        count += more;
    }
    return count;
}
