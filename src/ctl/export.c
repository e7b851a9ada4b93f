#include "client.h"
#include "pages.h"
#include "print.h"
#include "progress.h"

#include <annul/clock.h>
#include <annul/index_txt.h>
#include <annul/plural.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct exporter {
    FILE *out;
    int64_t now;
    struct buffer line, name;
    struct ctl_progress progress;
    const char *issuer, *file; /* NULL: standard output */
    size_t rows;
    long lost_reasons, lost_invalidities; /* what index.txt cannot say */
    uint64_t *valid_names;                /* hashes of the subjects of V rows */
    size_t valid_names_len;
};

/* --- rows ---------------------------------------------------------------------------------------------- */

static int64_t time_at(const json_t *object, const char *key, bool *good)
{
    int64_t at = TIME_NONE;
    const char *text = ctl_json_text(object, key, NULL);
    if (text && !time_from_text(text, &at))
        *good = false;
    return at;
}

static bool read_certificate(const json_t *object, int64_t now, struct index_row *row)
{
    bool good = true;
    const char *status = ctl_json_text(object, "status", ""), *reason = ctl_json_text(object, "reason", NULL);
    bool is_good = strcmp(status, "good") == 0;
    *row = (struct index_row){.not_after = time_at(object, "not_after", &good),
                              .revoked_at = time_at(object, "revoked_at", &good),
                              .invalidity_at = time_at(object, "invalidity_at", &good)};
    bool expired = row->not_after != TIME_NONE && row->not_after < now;
    row->status = !is_good ? 'R' : expired ? 'E' : 'V';
    row->reason = reason ? reason_from_name(reason) : REASON_UNSPECIFIED;
    if (!serial_from_text(ctl_json_text(object, "serial", ""), &row->serial) || row->reason < 0)
        return false;
    if (!is_good && strcmp(status, "revoked") != 0 && strcmp(status, "hold") != 0)
        return false;
    return good && (is_good || row->revoked_at != TIME_NONE);
}

/* FNV-1a, to notice two valid certificates of one subject. */
static bool note_name(struct exporter *exporter, struct bytes name)
{
    uint64_t hash = 0xcbf29ce484222325;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ name.at[i]) * 0x100000001b3;
    if ((exporter->valid_names_len & (exporter->valid_names_len + 1)) == 0) { /* full at 2^n - 1 */
        uint64_t *more = realloc(exporter->valid_names, (2 * exporter->valid_names_len + 1) * sizeof *more);
        if (!more)
            return false;
        exporter->valid_names = more;
    }
    exporter->valid_names[exporter->valid_names_len++] = hash;
    return true;
}

static int fail_to_write(const struct exporter *exporter)
{
    return exporter->file ? ctl_fail(CTL_USAGE, "cannot write %s: %s", exporter->file, strerror(errno))
                          : CTL_USAGE; /* main says why */
}

static int write_certificate(struct exporter *exporter, const json_t *object)
{
    struct index_row row;
    const char *subject = ctl_json_text(object, "subject", NULL);
    exporter->line.len = exporter->name.len = 0;
    if (!read_certificate(object, exporter->now, &row))
        return ctl_fail(CTL_UNREACHABLE,
                        "the daemon's answer about serial %s is not one that this version reads",
                        ctl_json_text(object, "serial", "?"));
    if (subject && !index_name_from_rfc2253(subject, &exporter->name))
        return ctl_no_memory();
    row.name = (struct bytes){exporter->name.at, exporter->name.len};
    if (!index_row_write(&row, &exporter->line) || (row.status == 'V' && !note_name(exporter, row.name)))
        return ctl_no_memory();
    exporter->lost_reasons += (index_row_loss(&row) & INDEX_LOSES_REASON) != 0;
    exporter->lost_invalidities += (index_row_loss(&row) & INDEX_LOSES_INVALIDITY) != 0;
    exporter->rows++;
    if (fwrite(exporter->line.at, 1, exporter->line.len, exporter->out) != exporter->line.len)
        return fail_to_write(exporter);
    return CTL_OK;
}

static int write_page(void *arg, const json_t *certificates)
{
    struct exporter *exporter = arg;
    int code = CTL_OK;
    for (size_t i = 0; i < json_array_size(certificates) && code == CTL_OK; i++)
        code = write_certificate(exporter, json_array_get(certificates, i));
    ctl_progress_show(&exporter->progress, exporter->rows, 0);
    return code;
}

/* --- what to tell -------------------------------------------------------------------------------------- */

static int compare_hashes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static long count_doubles(struct exporter *exporter)
{
    long doubles = 0;
    if (exporter->valid_names_len)
        qsort(exporter->valid_names, exporter->valid_names_len, sizeof(uint64_t), compare_hashes);
    for (size_t i = 1; i < exporter->valid_names_len; i++)
        doubles += exporter->valid_names[i] == exporter->valid_names[i - 1];
    return doubles;
}

static void warn_of_losses(struct exporter *exporter, const char *file)
{
    long doubles = count_doubles(exporter);
    if (exporter->lost_reasons)
        ctl_fail(CTL_OK,
                 "warning: %ld reasons have no spelling in an index.txt: aACompromise is written as "
                 "keyCompromise, privilegeWithdrawn without a reason",
                 exporter->lost_reasons);
    if (exporter->lost_invalidities)
        ctl_fail(
            CTL_OK,
            "warning: %ld invalidity dates are left out: an index.txt has them only with keyCompromise and "
            "cACompromise",
            exporter->lost_invalidities);
    if (doubles)
        ctl_fail(CTL_OK,
                 "warning: %ld valid certificates share their subject with another; openssl ca takes that "
                 "only with `unique_subject = no` in its configuration or in %s.attr",
                 doubles, file ? file : "index.txt");
}

/* --- the file ------------------------------------------------------------------------------------------ */

static int sync_folder(const char *file)
{
    char *copy = strdup(file);
    int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    free(copy);
    return result;
}

/* The rights of the file that is replaced, or those that a new file gets. */
static mode_t wanted_mode(const char *file)
{
    struct stat info;
    if (stat(file, &info) == 0)
        return info.st_mode & 0777;
    mode_t mask = umask(0);
    umask(mask);
    return 0666 & ~mask;
}

static int write_all(struct ctl *ctl, struct exporter *exporter)
{
    struct ctl_filter filter = {.issuer = exporter->issuer, .limit = LONG_MAX};
    ctl_progress_start(ctl, &exporter->progress);
    int code = ctl_pages_walk(ctl, &filter, write_page, exporter);
    ctl_progress_clear(&exporter->progress);
    if (code == CTL_OK && fflush(exporter->out) != 0)
        code = fail_to_write(exporter);
    return code;
}

/* Another reader, `openssl ca` above all, sees the old file or the new one, never half of one. */
static int export_to_file(struct ctl *ctl, struct exporter *exporter, const char *file)
{
    char temporary[PATH_MAX];
    int code = CTL_OK, fd = -1;
    if (snprintf(temporary, sizeof temporary, "%s.XXXXXX", file) >= (int)sizeof temporary)
        return ctl_fail(CTL_USAGE, "cannot write %s: %s", file, strerror(ENAMETOOLONG));
    if ((fd = mkostemp(temporary, O_CLOEXEC)) < 0 || !(exporter->out = fdopen(fd, "w"))) {
        code = ctl_fail(CTL_USAGE, "cannot write %s: %s", temporary, strerror(errno));
        goto out;
    }
    code = write_all(ctl, exporter);
    if (code != CTL_OK)
        goto out;
    if (fchmod(fd, wanted_mode(file)) < 0 || fsync(fd) < 0 || rename(temporary, file) < 0 ||
        sync_folder(file) < 0)
        code = ctl_fail(CTL_USAGE, "cannot write %s: %s", file, strerror(errno));
out:
    if (code != CTL_OK && fd >= 0)
        unlink(temporary);
    if (exporter->out)
        fclose(exporter->out);
    else if (fd >= 0)
        close(fd);
    return code;
}

int ctl_export(struct ctl *ctl, int argc, char **argv)
{
    const char *file = argc > 1 && strcmp(argv[1], "-") != 0 ? argv[1] : NULL;
    struct exporter exporter = {
        .out = file ? NULL : stdout, .now = clock_now(), .issuer = argv[0], .file = file};
    int code = file ? export_to_file(ctl, &exporter, file) : write_all(ctl, &exporter);
    if (code == CTL_OK)
        warn_of_losses(&exporter, file);
    if (code == CTL_OK && file && !ctl->option[CTL_QUIET])
        printf("%zu %s written to %s\n", exporter.rows, plural(exporter.rows, "certificate", "certificates"),
               file);
    buffer_free(&exporter.line);
    buffer_free(&exporter.name);
    free(exporter.valid_names);
    return code;
}
