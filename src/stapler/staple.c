/* One certificate, and the response that is stapled for it. */
#include "stapler.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (4 << 20)
#define SHORT_LIFE_S                                                                                         \
    (7 * 86400) /* it ends before a revocation would be heard of (CA/B baseline requirements 1.6.1) */

struct staple *staple_new(const struct section *section, const char *path, unsigned place)
{
    struct staple *staple = calloc(1, sizeof *staple);
    if (!staple || !(staple->path = strdup(path)) ||
        (place ? asprintf(&staple->item.name, "%s, certificate %u", path, place + 1)
               : asprintf(&staple->item.name, "%s", path)) < 0) {
        free(staple ? staple->path : NULL);
        free(staple);
        return NULL;
    }
    staple->place = place;
    staple->item.section = section;
    staple->item.job = (struct job){.run = staple_work, .is_staple = true, .due_at = NEVER};
    return staple;
}

void staple_free(struct staple *staple)
{
    buffer_free(&staple->issuer);
    buffer_free(&staple->urls);
    item_free(&staple->item);
    free(staple->path);
    free(staple);
}

/* --- the certificate ----------------------------------------------------------------------------------- */

/* The certificate at one place of a file; without `into` only its length is of interest: roots, which nobody has issued, come
 * last and do not count. */
struct pick {
    unsigned place, count;
    struct certificate *into;
};

static bool is_same(const struct buffer *a, const struct buffer *b)
{
    return bytes_equal((struct bytes){a->at, a->len}, (struct bytes){b->at, b->len});
}

static int pick(void *arg, struct certificate *certificate, struct error *err)
{
    struct pick *one = arg;
    (void)err;
    if (one->into && one->count == one->place) {
        *one->into = *certificate;
        *certificate = (struct certificate){0};
    }
    one->count += one->into || !is_same(&certificate->subject, &certificate->issuer);
    return 0;
}

static int pick_from(const char *path, struct pick *one, struct error *err)
{
    struct buffer text = {0};
    if (file_read(path, FILE_MAX, &text) < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    long count = certificates_from_text((struct bytes){text.at, text.len}, pick, one, err);
    buffer_free(&text);
    return count < 0 ? -1 : 0;
}

unsigned staple_count(const struct section *section, const char *path)
{
    struct pick all = {0};
    struct error err;
    return section->chain && pick_from(path, &all, &err) == 0 && all.count ? all.count : 1;
}

static int read_certificate(const struct staple *staple, struct certificate *certificate, struct error *err)
{
    struct pick one = {staple->place, 0, certificate};
    if (staple->place == 0)
        return certificate_from_file(staple->path, certificate, err);
    if (pick_from(staple->path, &one, err) < 0)
        return -1;
    return one.count > one.place ? 0 : error_set(err, "%s: is not there any more", staple->item.name);
}

static int find_issuer(const struct stapler_config *config, struct finder *finder, struct staple *staple,
                       const struct certificate *certificate, struct error *err)
{
    const struct certificate *ca = NULL;
    enum outcome found =
        finder_find_issuer(finder, config, staple->item.section, staple->path, certificate, &ca, err);
    if (found == FAILED)
        return -1;
    if (found == ABSENT)
        return error_set(
            err, "its CA's certificate is neither in the file nor among those configured; add issuer = {…}");
    struct bytes name = {ca->subject.at, ca->subject.len}, key = {ca->key_bits.at, ca->key_bits.len};
    bool good = true;
    for (enum certid_hash hash = 0; good && hash < CERTID_HASHES; hash++)
        good = certid_digest(hash, name, staple->name_hash[hash]) &&
               certid_digest(hash, key, staple->key_hash[hash]);
    return good && buffer_add(&staple->issuer, ca->der.at, ca->der.len) ? 0 : error_set(err, "out of memory");
}

static int find_urls(struct staple *staple, const struct certificate *certificate, struct error *err)
{
    const struct values *urls = &staple->item.section->urls;
    for (size_t i = 0; i < urls->count; i++)
        if (!buffer_add(&staple->urls, urls->list[i].text, strlen(urls->list[i].text) + 1))
            return error_set(err, "out of memory");
    if (urls->count == 0 && !certificate_ocsp_urls(certificate, &staple->urls))
        return error_set(err, "out of memory");
    return 0;
}

static int skip(const char *why, struct error *err)
{
    error_set(err, "%s", why);
    return 1;
}

/* 0; 1 where nothing need be fetched for it; -1 where that cannot be. */
static int take_certificate(const struct stapler_config *config, struct finder *finder, struct staple *staple,
                            const struct certificate *certificate, struct error *err)
{
    bool configured = staple->item.section->urls.count > 0;
    staple->serial = certificate->serial;
    staple->must_staple = staple->item.grave = certificate_must_staple(certificate);
    staple->not_after = certificate->not_after;
    if (certificate->not_after <= clock_now())
        return skip("the certificate has expired", err);
    if (find_urls(staple, certificate, err) < 0)
        return -1;
    if (!configured && certificate->not_after - certificate->not_before <= SHORT_LIFE_S &&
        !staple->must_staple)
        return skip("the certificate is short-lived", err);
    if (staple->urls.len == 0)
        return skip("the certificate names no OCSP responder", err);
    return find_issuer(config, finder, staple, certificate, err);
}

/* Nothing to fetch is no harm, unless the certificate says that there must be something. */
static bool is_broken(const struct staple *staple, int result)
{
    return result < 0 || (result > 0 && staple->must_staple);
}

static int check_one(const struct stapler_config *config, struct finder *finder, struct staple *staple,
                     struct error *err)
{
    struct certificate certificate = {0};
    if (read_certificate(staple, &certificate, err) < 0)
        return -1;
    int result = take_certificate(config, finder, staple, &certificate, err);
    certificate_free(&certificate);
    return is_broken(staple, result) ? error_prefix(err, "%s", staple->item.name) : 0;
}

int staple_check(const struct stapler_config *config, struct finder *finder, const struct section *section,
                 const char *path, struct error *err)
{
    unsigned count = staple_count(section, path);
    int result = 0;
    for (unsigned place = 0; result == 0 && place < count; place++) {
        struct staple *staple = staple_new(section, path, place);
        if (!staple)
            return error_set(err, "out of memory");
        result = check_one(config, finder, staple, err);
        staple_free(staple);
    }
    return result;
}

/* A response that was verified in an earlier life, as far as it is still good; and when it came. */
static struct held *from_cache(const struct stapler_config *config, const struct staple *staple,
                               int64_t *fetched_at)
{
    struct stat status;
    struct held *held = held_new();
    struct certificate issuer = {0};
    struct error err;
    char *path = disk_path(config, "ocsp", staple->id, ".der");
    bool good = false;
    if (held && path && file_read(path, OCSP_RESPONSE_MAX, &held->memory) == 0 &&
        certificate_from_der((struct bytes){staple->issuer.at, staple->issuer.len}, &issuer, &err) == 0) {
        struct ocsp_question question = {&issuer, staple->serial, CERTID_SHA1};
        held->der = (struct bytes){held->memory.at, held->memory.len};
        good = ocsp_verify(held->der, &question, clock_now(), &held->verdict, &err) == 0;
        if (!good)
            unlink(path);
        else if (stat(path, &status) == 0)
            *fetched_at = status.st_mtime;
        held->window = (struct window){held->verdict.this_update, held->verdict.end_at};
        strcpy(held->certificate_id, staple->id);
    }
    certificate_free(&issuer);
    free(path);
    if (good)
        return held;
    held_release(held);
    return NULL;
}

/* What is held is of the certificate that was there before: in use until the first attempt for the present one has ended,
 * and no longer, since it says nothing of it. */
static void forget_former(struct staple *staple)
{
    struct item *item = &staple->item;
    if (!item->held || strcmp(item->held->certificate_id, staple->id) == 0)
        return;
    held_release(item->held);
    item->held = NULL;
}

static void restore(struct stapler *stapler, struct staple *staple)
{
    struct item *item = &staple->item;
    int64_t fetched_at = 0;
    struct held *held = from_cache(stapler->config, staple, &fetched_at);
    item->job.due_at = AT_ONCE;
    if (!held)
        return;
    held_release(item->held);
    item->held = held;
    item->near = item->ended = false;
    snprintf(item->source, sizeof item->source, "cache");
    item->success_at = fetched_at;
    item->job.due_at =
        schedule_refresh(item_window(item), fetched_at, -1, item->section->interval_s, stapler_random());
}

bool staple_read(struct stapler *stapler, struct staple *staple)
{
    struct certificate certificate = {0};
    char id[ID_TEXT] = "";
    struct error err = {""};
    struct item *item = &staple->item;
    int result = read_certificate(staple, &certificate, &err);
    if (result == 0)
        disk_id((struct bytes){certificate.der.at, certificate.der.len}, id);
    if (result == 0 && strcmp(id, staple->id) == 0 && !staple->skipped.text[0] &&
        staple->not_after > clock_now()) {
        certificate_free(&certificate);
        return false;
    }
    if (staple->id[0] && id[0] && strcmp(id, staple->id) != 0)
        log_info("stapler", "%s: another certificate", item->name);
    strcpy(staple->id, id);
    staple->urls.len = staple->issuer.len = 0;
    staple->etag_url = NULL;
    item->tried = false;
    item->failures = 0;
    item->failure.text[0] = 0;
    item->job.due_at = NEVER;
    if (result == 0)
        result = take_certificate(stapler->config, &stapler->finder, staple, &certificate, &err);
    certificate_free(&certificate);
    staple->broken = is_broken(staple, result);
    if (result != 0 && strcmp(err.text, staple->skipped.text) != 0)
        log_write(staple->broken ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "stapler", "%s: skipped: %s%s",
                  item->name, err.text, staple->must_staple ? ", and the certificate says Must-Staple" : "");
    staple->skipped = err;
    if (result == 0) {
        staple->skipped.text[0] = 0;
        restore(stapler, staple);
    } else if (id[0]) { /* a file that cannot be read may be about to be written */
        forget_former(staple);
    }
    return true;
}

/* --- fetching ------------------------------------------------------------------------------------------ */

/* A response that a cache kept must not take the place of what is newer. */
static bool is_older(const struct staple *staple, const struct held *held)
{
    const struct held *present = staple->item.held;
    return present && strcmp(present->certificate_id, staple->id) == 0 && held_is_behind(held, present);
}

static void keep(struct stapler *stapler, struct staple *staple, struct held *held)
{
    struct error err;
    char *path = disk_path(stapler->config, "ocsp", staple->id, ".der");
    strcpy(held->certificate_id, staple->id);
    if (path && disk_put(path, held->der, &err) < 0)
        log_limited(LOG_LEVEL_ERROR, "stapler", "cache: %s; a restart will have to fetch again", err.text);
    free(path);
}

static void ask_all(struct stapler *stapler, struct staple *staple, const struct ocsp_question *question,
                    struct fetch *fetch, struct attempt *attempt)
{
    const char *end = (const char *)staple->urls.at + staple->urls.len;
    bool temporary = false;
    for (char *url = (char *)staple->urls.at; url < end; url += strlen(url) + 1) {
        const struct held *held = staple->item.held;
        bool has = held && strcmp(held->certificate_id, staple->id) == 0 &&
                   !schedule_is_aging(held->window, clock_now());
        struct ask ask = {url, question, has && url == staple->etag_url ? staple->etag : ""};
        ocsp_ask(stapler, fetch, &ask, staple->etag, attempt);
        if (attempt->held && is_older(staple, attempt->held)) {
            held_release(attempt->held);
            attempt->held = NULL;
            attempt->temporary = true;
            error_set(&attempt->err, "%s gives an older response than we have", url);
        }
        if (attempt->held)
            staple->etag_url = url;
        if (attempt->held || attempt->unchanged)
            return;
        temporary |= attempt->temporary;
    }
    attempt->temporary = temporary; /* one of them may get better by itself */
}

/* The one that was used last, whose connection is there. */
static struct fetch *borrow(struct stapler *stapler, struct error *err)
{
    stapler_lock(stapler);
    struct fetch *fetch = stapler->idle.count ? stapler->idle.at[--stapler->idle.count] : NULL;
    stapler_unlock(stapler);
    return fetch ? fetch : stapler_new_fetch(stapler->config, err);
}

static void give_back(struct stapler *stapler, struct fetch *fetch)
{
    stapler_lock(stapler);
    bool kept = fetch && list_add(&stapler->idle, fetch);
    stapler_unlock(stapler);
    if (!kept)
        fetch_free(fetch);
}

void staple_work(struct stapler *stapler, struct job *job)
{
    struct staple *staple = (struct staple *)job;
    struct certificate issuer = {0};
    struct attempt attempt = {.fresh_s = -1, .retry_s = -1};
    struct fetch *fetch = borrow(stapler, &attempt.err);
    if (fetch && certificate_from_der((struct bytes){staple->issuer.at, staple->issuer.len}, &issuer,
                                      &attempt.err) == 0) {
        struct ocsp_question question = {&issuer, staple->serial, CERTID_SHA1};
        ask_all(stapler, staple, &question, fetch, &attempt);
    }
    certificate_free(&issuer);
    give_back(stapler, fetch);
    if (attempt.held && staple->item.held && bytes_equal(attempt.held->der, staple->item.held->der) &&
        strcmp(staple->item.held->certificate_id, staple->id) == 0) {
        held_release(attempt.held);
        attempt.held = NULL;
        attempt.unchanged = true;
    }
    if (attempt.held) {
        keep(stapler, staple, attempt.held);
    } else if (!attempt.unchanged) {
        stapler_lock(stapler);
        forget_former(staple);
        stapler_unlock(stapler);
    }
    if (!atomic_load(&stapler->stopping))
        item_done(stapler, &staple->item, &attempt);
    else
        held_release(attempt.held);
}
