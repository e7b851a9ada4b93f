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

int authorities_load(const struct stapler_config *config, const struct section *section, const char *file,
                     struct authorities *authorities, struct error *err)
{
    const struct values *lists[] = {&section->issuers, &config->authorities};
    int result = file ? add_file(file, authorities, err) : 0;
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; result == 0 && i < lists[l]->count; i++)
            result = add_file(lists[l]->list[i].text, authorities, err);
    return result;
}

void authorities_free(struct authorities *authorities)
{
    for (size_t i = 0; i < authorities->count; i++)
        certificate_free(&authorities->list[i]);
    free(authorities->list);
    *authorities = (struct authorities){0};
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
