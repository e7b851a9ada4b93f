/* The index.txt of an `openssl ca`: what is new in it becomes certificates and revocations.
 *
 * At each change the file is read once through. Of every line that was taken 64 bits are kept, so that only what is new is
 * looked up; at start that is everything, compared with the store. What openssl does to the file does not matter (it writes
 * index.txt.new and renames it; others append): a line is taken when its newline is there.
 */
#include "internal.h"

#include <annul/clock.h>
#include <annul/hashset.h>
#include <annul/index_txt.h>
#include <annul/log.h>
#include <annul/plural.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROWS 5000       /* looked up, and perhaps written, in one go */
#define WINDOW 65536    /* octets; a longer line is none of openssl's */
#define RETRY_MS 1000   /* after a trouble of our own */
#define GAP_MS 500      /* a file may be missing for so long … */
#define GAP_STEP_MS 20  /* … and is looked for so often */
#define REST_MAX_MS 200 /* between two readings */
#define NAMED_MAX 20    /* rows that went, told one by one */

struct index {
    struct source *source;
    struct watch watch;
    struct hashset lines;   /* that were taken, or told to be none */
    struct hashset revoked; /* serials whose rows said R when the file was last seen complete */
    bool due, complete;     /* it has changed; and nobody writes to it any more */
};

/* Once through the file. */
struct pass {
    struct index *index;
    struct hashset revoked; /* serials that say R now */
    size_t line;
    size_t kept; /* that say good, and are revoked here */
    struct admin_follow_count sums;
    size_t count;
    uint64_t hashes[ROWS];
    struct cert_record rows[ROWS];
    size_t at, have; /* the unread part of the window */
    bool skipping;   /* the rest of a line that is too long */
    uint8_t window[WINDOW];
    struct error err;
};

/* --- rows ---------------------------------------------------------------------------------------------- */

static void clear_rows(struct pass *pass)
{
    for (size_t i = 0; i < pass->count; i++)
        cert_record_free(&pass->rows[i]);
    pass->count = 0;
}

static int write_rows(struct pass *pass)
{
    struct source *source = pass->index->source;
    struct store_actor actor = {"index.txt", source->from, clock_now()};
    struct admin_follow_count counts;
    if (atomic_load(&source->intake->stopping))
        return error_set(&pass->err, "annuld is stopping");
    if (admin_follow(source->intake->admin, &actor, source->issuer, pass->rows, pass->count, &counts,
                     &pass->err) != ADMIN_DONE)
        return -1;
    for (size_t i = 0; i < pass->count; i++)
        if (!hashset_add(&pass->index->lines, pass->hashes[i]))
            return error_set(&pass->err, "out of memory");
    pass->sums.added += counts.added;
    pass->sums.changed += counts.changed;
    pass->kept += counts.kept;
    clear_rows(pass);
    return 0;
}

static int add_row(struct pass *pass, const struct index_row *from, uint64_t hash)
{
    struct buffer subject = {0};
    struct cert_record *row = &pass->rows[pass->count];
    if (from->name.len && (!index_name_to_rfc2253(from->name, &subject) || !buffer_add(&subject, "", 1))) {
        buffer_free(&subject);
        return error_set(&pass->err, "out of memory");
    }
    *row = (struct cert_record){.serial = from->serial,
                                .not_before = TIME_NONE,
                                .not_after = from->not_after,
                                .subject = (char *)subject.at,
                                .reason = from->reason,
                                .revoked_at = from->revoked_at,
                                .invalidity_at = from->invalidity_at};
    if (from->status == 'R')
        row->status = from->reason == REASON_CERTIFICATE_HOLD ? CERT_HOLD : CERT_REVOKED;
    pass->hashes[pass->count++] = hash;
    return pass->count == ROWS ? write_rows(pass) : 0;
}

/* Told once, as long as it stays the same. */
static int pass_over(struct pass *pass, uint64_t hash, const char *why)
{
    log_error("intake", "issuer %s: %s:%zu: %s; the line is passed over",
              pass->index->source->issuer->config->name.text, pass->index->source->from, pass->line, why);
    return hashset_add(&pass->index->lines, hash) ? 0 : error_set(&pass->err, "out of memory");
}

static int take_line(struct pass *pass, struct bytes line)
{
    struct index_row row;
    struct error why;
    uint64_t hash = hashset_hash(line);
    bool known = hashset_has(&pass->index->lines, hash);
    pass->line++;
    if (known && line.len && line.at[0] != 'R')
        return 0;
    enum outcome read = index_row_parse(line, &row, &why);
    if (read == FAILED)
        return known ? 0 : pass_over(pass, hash, why.text);
    if (read == FOUND && row.status == 'R' &&
        !hashset_add(&pass->revoked, hashset_hash(serial_bytes(&row.serial))))
        return error_set(&pass->err, "out of memory");
    return read == FOUND && !known ? add_row(pass, &row, hash) : 0;
}

/* --- the file ------------------------------------------------------------------------------------------ */

/* All lines in the window that are complete. */
static int take_lines(struct pass *pass)
{
    const uint8_t *newline;
    while ((newline = memchr(pass->window + pass->at, '\n', pass->have - pass->at))) {
        struct bytes line = {pass->window + pass->at, (size_t)(newline - pass->window) - pass->at};
        pass->at += line.len + 1;
        if (pass->skipping)
            pass->skipping = false;
        else if (take_line(pass, line) < 0)
            return -1;
    }
    memmove(pass->window, pass->window + pass->at, pass->have - pass->at);
    pass->have -= pass->at;
    pass->at = 0;
    if (pass->have < WINDOW)
        return 0;
    uint64_t hash = hashset_hash((struct bytes){pass->window, pass->have});
    pass->have = 0;
    if (pass->skipping)
        return 0;
    pass->skipping = true;
    pass->line++;
    return hashset_has(&pass->index->lines, hash) ? 0
                                                  : pass_over(pass, hash, "a line of more than 65536 octets");
}

static int read_file(struct pass *pass, int fd)
{
    ssize_t n;
    while ((n = read(fd, pass->window + pass->have, WINDOW - pass->have)) != 0) {
        if (n < 0 && errno != EINTR)
            return error_set(&pass->err, "%s: %s", pass->index->source->from, strerror(errno));
        pass->have += n > 0 ? (size_t)n : 0;
        if (take_lines(pass) < 0)
            return -1;
    }
    return write_rows(pass);
}

/* --- what went ----------------------------------------------------------------------------------------- */

struct naming {
    const struct pass *pass;
    struct serial last;
    size_t seen, named;
};

static bool went(const struct pass *pass, uint64_t hash)
{
    return hashset_has(&pass->index->revoked, hash) && !hashset_has(&pass->revoked, hash);
}

static int name_one(void *arg, const struct cert_record *record)
{
    struct naming *naming = arg;
    const struct source *source = naming->pass->index->source;
    char serial[SERIAL_TEXT];
    if (!went(naming->pass, hashset_hash(serial_bytes(&record->serial))) || naming->named++ >= NAMED_MAX)
        return 0;
    serial_to_text(&record->serial, serial);
    log_error("intake",
              "issuer %s: %s: certificate %s was revoked, and its row has gone or says so no more: it stays "
              "revoked "
              "here; where it is a hold that has ended, release it (annulctl release)",
              source->issuer->config->name.text, source->from, serial);
    return 0;
}

/* The serials are in the store alone. */
static void name_those_that_went(const struct pass *pass, size_t count)
{
    static const enum cert_status statuses[] = {CERT_REVOKED, CERT_HOLD};
    const struct source *source = pass->index->source;
    struct naming naming = {.pass = pass};
    struct error err;
    for (size_t i = 0; i < 2; i++) {
        struct store_filter filter = {.status = (int)statuses[i], .limit = SIZE_MAX};
        if (store_list(source->intake->admin->store, source->issuer->id, &filter, name_one, &naming, &err) <
            0)
            log_error("intake", "%s", err.text);
    }
    if (count > NAMED_MAX)
        log_error("intake", "issuer %s: %s: %zu revoked rows have gone, all in all",
                  source->issuer->config->name.text, source->from, count);
}

static void look_for_those_that_went(struct pass *pass)
{
    struct index *index = pass->index;
    size_t count = 0;
    for (size_t i = 0; i < index->revoked.room; i++)
        count += index->revoked.slots[i] && !hashset_has(&pass->revoked, index->revoked.slots[i]);
    if (count)
        name_those_that_went(pass, count);
    else if (pass->kept)
        log_warn("intake", "issuer %s: %s: %zu rows say V of what is revoked here, and stays so",
                 index->source->issuer->config->name.text, index->source->from, pass->kept);
    hashset_free(&index->revoked);
    index->revoked = pass->revoked;
    pass->revoked = (struct hashset){0};
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static void report(const struct pass *pass)
{
    const struct source *source = pass->index->source;
    if (pass->sums.added || pass->sums.changed)
        log_info("intake", "issuer %s: %s: %zu %s new, %zu revoked", source->issuer->config->name.text,
                 source->from, pass->sums.added,
                 plural(pass->sums.added, "certificate is", "certificates are"), pass->sums.changed);
}

/* Between the two renames of openssl ca there is none. */
static int open_index(struct source *source, struct error *err)
{
    struct stat status;
    int fd = -1;
    for (int left_ms = GAP_MS; left_ms > 0 && fd < 0; left_ms -= GAP_STEP_MS) {
        fd = open(source->from, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        if (fd < 0 && (errno != ENOENT || !source_rest(source, GAP_STEP_MS)))
            break;
    }
    if (fd < 0)
        return error_set(err, "%s: %s", source->from, strerror(errno));
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    close(fd);
    return error_set(err, "%s: is no file", source->from);
}

/* 0, or -1 where it is to be tried again. */
static int go_through(struct index *index)
{
    struct pass *pass = calloc(1, sizeof *pass);
    struct error err = {"out of memory"};
    bool complete = index->complete;
    index->due = index->complete = false;
    int fd = pass ? open_index(index->source, &err) : -1, result = -1;
    if (fd >= 0) {
        pass->index = index;
        result = read_file(pass, fd);
        err = pass->err;
        clear_rows(pass);
        report(pass);
        if (result == 0 && complete)
            look_for_those_that_went(pass);
        hashset_free(&pass->revoked);
        close(fd);
    }
    free(pass);
    if (result == 0) {
        source_is_well(index->source);
    } else {
        source_tell(index->source, &err);
        index->due = true;
        index->complete = complete;
    }
    return result;
}

static void something_happened(void *arg, enum watch_event event, const char *name)
{
    struct index *index = arg;
    (void)name;
    index->due = true;
    index->complete |= event == WATCH_COMPLETE;
}

void index_run(struct source *source)
{
    struct index index = {.source = source};
    struct error err;
    bool going = true;
    if (watch_open(&index.watch, source, false, &err) < 0) {
        source_tell(source, &err);
        going = false;
    }
    while (going && watch_wait(&index.watch, index.due ? 0 : WATCH_LOOK_MS, something_happened, &index)) {
        if (!index.due)
            continue;
        int64_t began_ms = clock_monotonic_ms();
        int result = go_through(&index);
        /* Changes that come one by one must not have a long file read all the time. */
        int64_t took_ms = clock_monotonic_ms() - began_ms,
                rest_ms = took_ms < REST_MAX_MS ? took_ms : REST_MAX_MS;
        going = source_rest(source, result < 0 ? RETRY_MS : rest_ms);
    }
    watch_close(&index.watch);
    hashset_free(&index.lines);
    hashset_free(&index.revoked);
}
