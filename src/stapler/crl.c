/* One CRL at one URL: fetched into a file, verified from there, and kept as DER. */
#include "stapler.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX (4 << 20)
#define SLOW_MS 10000
#define REDIRECTS 3
#define HASTY_MS 1000
#define HASTY_MAX                                                                                            \
    5 /* so many new ones in a row, each within such a time: then one a second, which is soon enough */
#define HASTY_S 1
#define VALIDATORS_MAX (FETCH_ETAG_MAX + 32)

/* --- from octets to what is held ----------------------------------------------------------------------- */

/* Octets out of a file, and the DER that was made of them into another. */
struct tee {
    int from, to; /* -1: nowhere */
    struct crl_text *text;
};

static long read_file(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct tee *tee = arg;
    ssize_t n;
    do
        n = read(tee->from, into, room);
    while (n < 0 && errno == EINTR);
    return n < 0 ? error_set(err, "%s", strerror(errno)) : n;
}

static long read_tee(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct tee *tee = arg;
    long n = crl_text_read(tee->text, into, room, err);
    if (n > 0 && tee->to >= 0 && !disk_write(tee->to, (struct bytes){into, (size_t)n}))
        return error_set(err, "cache: %s", strerror(errno));
    return n;
}

/* Reads `from` from its start, once for this CA; with `to` the DER goes there. `now` TIME_NONE: at its own thisUpdate. */
static int verify_by(int from, int to, const struct certificate *issuer, int64_t now, struct held *held,
                     struct error *err)
{
    struct tee tee = {from, to, NULL};
    int result = -1;
    crl_scan_free(held->scan);
    held->scan = crl_scan_new(read_tee, &tee);
    tee.text = crl_text_new(read_file, &tee);
    if (!held->scan || !tee.text)
        error_set(err, "out of memory");
    else if (lseek(from, 0, SEEK_SET) < 0 ||
             (to >= 0 && (lseek(to, 0, SEEK_SET) < 0 || ftruncate(to, 0) < 0)))
        error_set(err, "cache: %s", strerror(errno));
    else if (now == TIME_NONE)
        result = crl_scan_list(held->scan, NULL, NULL, &held->facts, err);
    else
        result = crl_verify(held->scan, issuer, now, NULL, NULL, &held->facts, err);
    crl_text_free(tee.text);
    return result;
}

static int describe(struct held *held, const struct certificate *issuer, struct error *err)
{
    const struct crl_head *head = &held->facts.head;
    if (held->facts.is_delta)
        return error_set(err, "it is a delta CRL; give the URL of the complete one");
    if (certificate_from_der((struct bytes){issuer->der.at, issuer->der.len}, &held->issuer, err) < 0)
        return -1;
    held->window = (struct window){head->this_update, head->next_update};
    crl_number_to_text(&held->facts.number, held->number);
    return 0;
}

/* By whichever of the CAs it is; the reason is that of the one whose name it has. */
static int verify(struct stapler *stapler, const struct crl *crl, int from, int to, int64_t now,
                  struct held *held, struct error *err)
{
    struct authorities authorities = {0};
    struct error why;
    int result = authorities_load(stapler->config, crl->item.section, &authorities, err);
    if (result == 0)
        result = error_set(err, "no CA certificates; add issuer = {…}");
    bool named = false;
    for (size_t i = 0; result < 0 && i < authorities.count; i++) {
        const struct certificate *ca = &authorities.list[i];
        result = verify_by(from, to, ca, now, held, &why);
        if (result == 0)
            result = describe(held, ca, &why);
        bool is_named = bytes_equal(held->facts.head.issuer, (struct bytes){ca->subject.at, ca->subject.len});
        if (result < 0 && (i == 0 || is_named || !named))
            *err = why;
        named |= is_named;
    }
    authorities_free(&authorities);
    return result;
}

/* --- the cache ----------------------------------------------------------------------------------------- */

/* What the next request is made conditional by: "MODIFIED ETAG". It is written behind the CRL itself; by that of an older one
 * the server gives the newer. */
static void save_validators(const struct stapler *stapler, const struct crl *crl)
{
    struct buffer text = {0};
    struct error err;
    char *path = disk_path(stapler->config, "crl", crl->id, ".etag");
    if (path && buffer_printf(&text, "%lld %s\n", (long long)crl->modified_at, crl->etag) &&
        disk_put(path, (struct bytes){text.at, text.len}, &err) < 0)
        log_limited(LOG_LEVEL_ERROR, "stapler", "cache: %s", err.text);
    buffer_free(&text);
    free(path);
}

static void load_validators(const struct stapler *stapler, struct crl *crl)
{
    struct buffer text = {0};
    long long modified_at;
    int at = 0;
    char *path = disk_path(stapler->config, "crl", crl->id, ".etag");
    if (path && file_read(path, VALIDATORS_MAX, &text) == 0 &&
        sscanf((const char *)text.at, "%lld %n", &modified_at, &at) == 1) {
        crl->modified_at = modified_at;
        snprintf(crl->etag, sizeof crl->etag, "%.*s", (int)strcspn((const char *)text.at + at, "\n"),
                 (const char *)text.at + at);
    }
    buffer_free(&text);
    free(path);
}

/* It was verified when it was new, and is looked at as of then: whether it has ended since is another question, and what
 * comes later must not go back behind it in any case. */
static void restore(struct stapler *stapler, struct crl *crl)
{
    char *path = disk_path(stapler->config, "crl", crl->id, ".der");
    struct held *held = held_new();
    struct error err;
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    crl->item.job.due_at = AT_ONCE;
    if (fd >= 0 && held && verify_by(fd, -1, NULL, TIME_NONE, held, &err) == 0 &&
        verify(stapler, crl, fd, -1, held->facts.head.this_update, held, &err) == 0 && held_map(held, fd)) {
        crl->item.held = held;
        held = NULL;
        load_validators(stapler, crl);
        snprintf(crl->item.source, sizeof crl->item.source, "cache");
    } else if (fd >= 0) {
        log_warn("stapler", "cache: %s is passed over: %s", path, err.text);
    }
    if (fd >= 0)
        close(fd);
    held_release(held);
    free(path);
}

/* Two sections may have one URL, and different CAs for it. */
static bool name_file(const struct section *section, const char *url, char id[ID_TEXT])
{
    struct buffer name = {0};
    bool good = buffer_printf(&name, "%s %s", section->name.text, url);
    if (good)
        disk_id((struct bytes){name.at, name.len}, id);
    buffer_free(&name);
    return good;
}

struct crl *crl_new(struct stapler *stapler, const struct section *section, const char *url)
{
    struct crl *crl = calloc(1, sizeof *crl);
    if (!crl || !(crl->item.name = strdup(url))) {
        free(crl);
        return NULL;
    }
    crl->item.section = section;
    crl->item.job = (struct job){.run = crl_work, .due_at = NEVER};
    crl->modified_at = TIME_NONE;
    if (name_file(section, url, crl->id)) {
        restore(stapler, crl);
        return crl;
    }
    crl_free(crl);
    return NULL;
}

static int add_urls(void *arg, struct certificate *certificate, struct error *err)
{
    return certificate_crl_urls(certificate, arg) ? 0 : error_set(err, "out of memory");
}

int crl_urls_of(const char *path, struct buffer *urls, struct error *err)
{
    struct buffer text = {0};
    if (file_read(path, FILE_MAX, &text) < 0)
        return error_set(err, "%s", strerror(errno));
    long count = certificates_from_text((struct bytes){text.at, text.len}, add_urls, urls, err);
    buffer_free(&text);
    return count < 0 ? -1 : 0;
}

struct crl *crl_new_broken(const struct section *section, const char *name, const char *why)
{
    struct crl *crl = calloc(1, sizeof *crl);
    if (!crl || !(crl->item.name = strdup(name))) {
        free(crl);
        return NULL;
    }
    crl->item.section = section;
    crl->item.job = (struct job){.run = crl_work, .due_at = NEVER};
    crl->item.tried = true;
    crl->item.failures = 1;
    error_set(&crl->item.failure, "%s", why);
    return crl;
}

void crl_free(struct crl *crl)
{
    fetch_free(crl->fetch);
    item_free(&crl->item);
    free(crl);
}

/* --- fetching ------------------------------------------------------------------------------------------ */

static int into_file(void *arg, struct bytes piece)
{
    return disk_write(*(int *)arg, piece) ? 0 : -1;
}

static bool is_same(const struct buffer *a, const struct buffer *b)
{
    return bytes_equal((struct bytes){a->at, a->len}, (struct bytes){b->at, b->len});
}

bool crl_same_ca(const struct held *a, const struct held *b)
{
    return is_same(&a->issuer.subject, &b->issuer.subject) &&
           is_same(&a->issuer.key_bits, &b->issuer.key_bits);
}

/* Numbers are compared within one CA. Another's would be a new beginning, and is one when the old CRL has ended: before
 * that its clients would go unlooked at, and the numbers of the other stand in the way when the first returns. */
static int check_order(const struct held *before, const struct held *held, struct error *err)
{
    if (!before)
        return 0;
    if (crl_same_ca(before, held))
        return crl_follows(&before->facts, &held->facts, err);
    if (before->window.end_at <= clock_now())
        return 0;
    char *old = certificate_subject_text(&before->issuer), *new = certificate_subject_text(&held->issuer);
    error_set(err, "it is a CRL of ANOTHER CA, or of another key: %.150s, and the one before is of %.150s",
              new ? new : "?", old ? old : "?");
    free(old);
    free(new);
    return -1;
}

/* What came is verified, and takes the old one's place. `temporary` is its name on the disk until then. */
static void accept_new(struct stapler *stapler, struct crl *crl, int raw, struct attempt *attempt)
{
    char *temporary = disk_path(stapler->config, "crl", crl->id, ".der.tmp"),
         *path = disk_path(stapler->config, "crl", crl->id, ".der");
    struct held *held = held_new(), *before = crl->item.held;
    struct error *err = &attempt->err, why;
    int fd = temporary ? open(temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640) : -1;
    if (!held || !path || fd < 0) {
        error_set(err, "cache: %s", strerror(errno));
        attempt->temporary = true;
    } else if (verify(stapler, crl, raw, fd, clock_now(), held, &why) < 0 ||
               check_order(before, held, &why) < 0) {
        *err = why;
    } else if (before && memcmp(before->facts.digest, held->facts.digest, CRL_DIGEST_LEN) == 0) {
        attempt->unchanged = true;
    } else if (disk_install(fd, temporary, path, err) < 0 || !held_map(held, fd)) {
        attempt->temporary = true;
    } else {
        attempt->held = held;
        held = NULL;
    }
    if (fd >= 0)
        close(fd);
    if (temporary && !attempt->held)
        unlink(temporary);
    held_release(held);
    free(temporary);
    free(path);
}

/* Whether a request can be one that waits for what is newer than `held`. */
static bool may_wait(const struct stapler *stapler, const struct crl *crl, const struct held *held)
{
    return crl->etag[0] && stapler->config->wait_s > 0 && !stapler->once &&
           !schedule_is_aging(held->window, clock_now());
}

/* Conditions by which the server can say that there is nothing new, and the wish to be told as soon as there is. */
static void set_headers(const struct stapler *stapler, const struct crl *crl,
                        char lines[2][FETCH_ETAG_MAX + 24], const char *headers[3])
{
    size_t count = 0;
    char date[TIME_HTTP];
    if (!crl->item.held || schedule_is_aging(crl->item.held->window, clock_now()) ||
        (!crl->etag[0] && crl->modified_at == TIME_NONE))
        return;
    if (crl->etag[0]) {
        snprintf(lines[0], sizeof lines[0], "If-None-Match: %s", crl->etag);
    } else {
        time_to_http(crl->modified_at, date);
        snprintf(lines[0], sizeof lines[0], "If-Modified-Since: %s", date);
    }
    headers[count++] = lines[0];
    bool reached =
        crl->item.success_at && crl->item.failures == 0; /* first we want to know that it is there */
    if (may_wait(stapler, crl, crl->item.held) && reached) {
        snprintf(lines[1], sizeof lines[1], "Prefer: wait=%lld", (long long)stapler->config->wait_s);
        headers[count++] = lines[1];
    }
}

static void fetch_into(struct stapler *stapler, struct crl *crl, int raw, struct attempt *attempt)
{
    char lines[2][FETCH_ETAG_MAX + 24];
    const char *headers[3] = {NULL, NULL, NULL};
    struct fetch_response response;
    set_headers(stapler, crl, lines, headers);
    bool waits = headers[1] != NULL;
    struct fetch_request request = {
        .method = "GET",
        .url = crl->item.name,
        .headers = headers,
        .total_ms = (stapler->config->timeout_s + (waits ? stapler->config->wait_s : 0)) * 1000,
        .slow_ms = SLOW_MS + (waits ? stapler->config->wait_s * 1000 : 0),
        .body_max = stapler->config->crl_octets,
        .redirects = REDIRECTS,
        .stop = &stapler->stopping,
        .sink = into_file,
        .sink_arg = &raw};
    int64_t begun_ms = clock_monotonic_ms();
    if (fetch_send(crl->fetch, &request, &response, &attempt->err) < 0) {
        attempt->temporary = true;
    } else if (response.status == 304 && headers[0]) {
        attempt->unchanged = true;
    } else if (response.status != 200) {
        attempt->temporary = response.status >= 500 || response.status == 429 || response.status == 408;
        error_set(&attempt->err, "the server answers HTTP %d", response.status);
    } else {
        accept_new(stapler, crl, raw, attempt);
    }
    if (attempt->held || attempt->unchanged) {
        if (response.status == 200) {
            strcpy(crl->etag, response.etag);
            crl->modified_at = response.modified_at;
            save_validators(stapler, crl);
        }
        /* It kept us waiting for its whole time, or had something new, and is one that waits, although it need not have done so
         * for that: then ask on. What was not asked to wait may do so: the next request will show. */
        int64_t took_ms = clock_monotonic_ms() - begun_ms;
        bool held_up = took_ms >= stapler->config->wait_s * 500;
        crl->hasty = attempt->held && took_ms < HASTY_MS ? crl->hasty + 1 : 0;
        attempt->pause_s = crl->hasty < HASTY_MAX ? 0 : HASTY_S;
        crl->honours |= response.waited;
        bool is_one = crl->honours || crl->hasty < HASTY_MAX;
        attempt->waited = waits ? (attempt->held && is_one) || (response.waited && held_up)
                                : may_wait(stapler, crl, attempt->held ? attempt->held : crl->item.held);
    }
    attempt->fresh_s = response.fresh_s;
    attempt->retry_s = response.retry_s;
    fetch_response_free(&response);
}

void crl_work(struct stapler *stapler, struct job *job)
{
    struct crl *crl = (struct crl *)job;
    struct attempt attempt = {.fresh_s = -1, .retry_s = -1};
    char *path = disk_path(stapler->config, "crl", crl->id, ".part");
    int raw = path ? open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    snprintf(attempt.source, sizeof attempt.source, "%s", crl->item.name);
    if (raw < 0) {
        error_set(&attempt.err, "cache: %s: %s", stapler->config->cache.text, strerror(errno));
        attempt.temporary = true;
    } else if (crl->fetch || (crl->fetch = stapler_new_fetch(stapler->config, &attempt.err))) {
        unlink(path); /* nobody else needs its name */
        fetch_into(stapler, crl, raw, &attempt);
    }
    if (raw >= 0)
        close(raw);
    free(path);
    if (!atomic_load(&stapler->stopping))
        item_done(stapler, &crl->item, &attempt);
    else
        held_release(attempt.held);
}
