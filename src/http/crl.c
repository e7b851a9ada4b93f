/* CRLs at their URLs: one of an issuer's, those of a chain, or everybody's. */
#include "internal.h"

#include "header.h"
#include "waiters.h"

#include <annul/clock.h>
#include <annul/fault.h>
#include <annul/hex.h>

#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const char type_der[] = "application/pkix-crl", type_pem[] = "application/x-pem-file";

#define SMALL 16384 /* octets that are sent together with the header, rather than from a file behind it */
#define BLOCK 32768 /* octets of several files that are on their way at a time */

/* --- what a URL means ---------------------------------------------------------------------------------- */

void crl_part_text(struct crl_part part, char out[CRL_PART_TEXT])
{
    if (part.shard == CRL_WHOLE)
        snprintf(out, CRL_PART_TEXT, part.delta ? "delta" : "whole");
    else
        snprintf(out, CRL_PART_TEXT, "%d", part.shard);
}

static const struct issuer *next_of(const struct request *request, const struct issuer *issuer)
{
    const struct issuers *issuers = request->services->issuers;
    switch (request->crl.kind) {
    case CRL_CHAIN:
        return issuer->above;
    case CRL_BUNDLE:
        return issuer + 1 < issuers->list + issuers->count ? issuer + 1 : NULL;
    case CRL_SINGLE:
        break;
    }
    return NULL;
}

static bool is_part(struct crl_part a, struct crl_part b)
{
    return a.shard == b.shard && a.delta == b.delta;
}

bool crl_concerns(const struct request *request, const void *arg)
{
    const struct crl_news *news = arg;
    const struct issuer *at = is_part(news->part, request->crl.part) ? request->crl.issuer : NULL;
    while (at && at != news->issuer)
        at = next_of(request, at);
    return at != NULL;
}

/* --- what is there ------------------------------------------------------------------------------------- */

/* The publications that a representation consists of, held. */
struct crl_set {
    bool pem;
    uint64_t len;
    int64_t modified_at, expires_at;
    char etag[80];
    size_t count;
    struct publication *list[];
};

static void release(struct crl_set *set)
{
    for (size_t i = 0; set && i < set->count; i++)
        publication_release(set->list[i]);
    free(set);
}

static int file_of(const struct crl_set *set, size_t index, uint64_t *len)
{
    const struct publication *p = set->list[index];
    *len = set->pem ? p->pem_len : p->der_len;
    return set->pem ? p->pem_fd : p->der_fd;
}

static enum MHD_Result problem(struct request *request, const struct issuer *issuer,
                               const struct publication *p)
{
    char part[CRL_PART_TEXT];
    const char *name = issuer->config->name.text;
    crl_part_text(request->crl.part, part);
    if (p)
        return reply_problem(request, 503,
                             "issuer %s: the CRL (%s) has expired and there is no new one; see annuld's log",
                             name, part);
    if (!issuer->crl_sigalg)
        return reply_problem(request, 404, "issuer %s: no CRL is published here", name);
    return reply_problem(request, 503, "issuer %s: the CRL (%s) is not built yet", name, part);
}

/* Of several, one that comes from elsewhere and has not come is left out, like that of a CA that is not configured. */
static bool may_lack(const struct request *request, const struct issuer *issuer)
{
    return !issuer->crl_sigalg && (request->crl.kind == CRL_BUNDLE || issuer != request->crl.issuer);
}

/* A list's own hash; or that of the hashes, where there are several. */
static bool make_etag(const struct request *request, struct crl_set *set)
{
    struct buffer all = {0};
    uint8_t digest[32];
    size_t len;
    if (request->crl.kind == CRL_SINGLE) {
        snprintf(set->etag, sizeof set->etag, "%s%s", set->list[0]->etag, set->pem ? "-pem" : "");
        return true;
    }
    bool good = true;
    for (size_t i = 0; good && i < set->count; i++)
        good = buffer_add_text(&all, set->list[i]->etag);
    good = good && EVP_Q_digest(NULL, "SHA256", NULL, all.at, all.len, digest, &len) == 1;
    buffer_free(&all);
    if (good)
        hex_encode(digest, sizeof digest, set->etag);
    return good;
}

static bool describe(const struct request *request, struct crl_set *set)
{
    uint64_t len;
    set->pem = request->crl.pem;
    set->modified_at = TIME_NONE;
    set->expires_at = INT64_MAX;
    for (size_t i = 0; i < set->count; i++) {
        const struct publication *p = set->list[i];
        file_of(set, i, &len);
        set->len += len;
        if (p->published_at > set->modified_at)
            set->modified_at = p->published_at;
        if (p->next_update < set->expires_at)
            set->expires_at = p->next_update;
    }
    /* an issuer's CRLs have different dates (annul/publisher.h), those of two issuers need not: so the date of several is one
     * at which the newest of them was there already */
    if (request->crl.kind != CRL_SINGLE)
        set->modified_at++;
    return make_etag(request, set);
}

/* NULL: a problem was queued. */
static struct crl_set *hold_all(struct request *request, int64_t now, enum MHD_Result *result)
{
    struct crl_set *set = calloc(1, sizeof *set + request->services->issuers->count * sizeof *set->list);
    *result = MHD_NO;
    if (!set)
        return NULL;
    for (const struct issuer *at = request->crl.issuer; at; at = next_of(request, at)) {
        struct publication *p = publisher_current(request->services->publisher, at, request->crl.part);
        if (!p && may_lack(request, at))
            continue;
        if (!p || p->next_update <= now) {
            *result = problem(request, at, p);
            publication_release(p);
            release(set);
            return NULL;
        }
        set->list[set->count++] = p;
    }
    if (set->count && describe(request, set))
        return set;
    if (!set->count)
        *result = reply_problem(request, 404, "no CRL is published here");
    release(set);
    return NULL;
}

/* --- the octets ---------------------------------------------------------------------------------------- */

/* As many of them as there are, from `offset` of the whole on. */
static ssize_t read_set(const struct crl_set *set, uint64_t offset, char *into, size_t room)
{
    size_t done = 0;
    for (size_t i = 0; i < set->count && done < room;) {
        uint64_t len;
        int fd = file_of(set, i, &len);
        if (offset >= len) {
            offset -= len;
            i++;
            continue;
        }
        size_t part = len - offset < room - done ? (size_t)(len - offset) : room - done;
        ssize_t n = pread(fd, into + done, part, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        done += (size_t)n;
        offset += (uint64_t)n;
    }
    return (ssize_t)done;
}

/* What is read for a response that libmicrohttpd asks for in blocks. */
struct reading {
    struct crl_set *set;
    uint64_t offset; /* of the response */
};

static ssize_t read_block(void *arg, uint64_t at, char *into, size_t room)
{
    struct reading *reading = arg;
    ssize_t n = read_set(reading->set, reading->offset + at, into, room);
    return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void end_reading(void *arg)
{
    struct reading *reading = arg;
    release(reading->set);
    free(reading);
}

static struct MHD_Response *from_memory(struct crl_set *set, uint64_t first, size_t count)
{
    char *octets = malloc(count ? count : 1);
    struct MHD_Response *response = NULL;
    if (octets && read_set(set, first, octets, count) == (ssize_t)count)
        response = MHD_create_response_from_buffer(count, octets, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(octets);
    return response;
}

/* From the page cache to the socket; the response owns a descriptor of its own. */
static struct MHD_Response *from_file(struct crl_set *set, uint64_t first, uint64_t count)
{
    uint64_t len;
    int fd = fcntl(file_of(set, 0, &len), F_DUPFD_CLOEXEC, 0);
    struct MHD_Response *response = fd < 0 ? NULL : MHD_create_response_from_fd_at_offset64(count, fd, first);
    if (!response && fd >= 0)
        close(fd);
    return response;
}

/* Takes the set: it is held for as long as somebody reads. */
static struct MHD_Response *from_files(struct crl_set **set, uint64_t first, uint64_t count)
{
    struct reading *reading = malloc(sizeof *reading);
    struct MHD_Response *response =
        reading ? MHD_create_response_from_callback(count, BLOCK, read_block, reading, end_reading) : NULL;
    if (!response) {
        free(reading);
        return NULL;
    }
    *reading = (struct reading){*set, first};
    *set = NULL;
    return response;
}

static struct MHD_Response *response_of(struct crl_set **set, uint64_t first, uint64_t count)
{
    return count <= SMALL       ? from_memory(*set, first, (size_t)count)
           : (*set)->count == 1 ? from_file(*set, first, count)
                                : from_files(set, first, count);
}

/* --- the answer ---------------------------------------------------------------------------------------- */

/* If-Range (RFC 9110 section 13.1.5): a part only of what the client has the rest of. A date counts where nothing else
 * can have had it. */
static bool range_is_of(struct request *request, const struct representation *r, int64_t now)
{
    int64_t at;
    const char *value = request_header(request, MHD_HTTP_HEADER_IF_RANGE);
    if (!value || header_is_etag(value, r->etag))
        return true;
    return time_from_http(value, &at) && at == r->modified_at && at < now;
}

/* Which octets are the answer. */
static enum header_range find_range(struct request *request, const struct representation *r, uint64_t len,
                                    int64_t now, uint64_t *first, uint64_t *count)
{
    const char *value = request->method == GET ? request_header(request, MHD_HTTP_HEADER_RANGE) : NULL;
    enum header_range range = RANGE_ALL;
    if (value && range_is_of(request, r, now))
        range = header_range(value, len, first, count);
    if (range != RANGE_PART) {
        *first = 0;
        *count = len;
    }
    return range;
}

/* May take the set, whose ETag stays until the reply is queued. */
static enum MHD_Result reply_set(struct request *request, struct crl_set **set,
                                 const struct representation *r, int64_t now)
{
    static const unsigned status[] = {
        [RANGE_ALL] = 200, [RANGE_PART] = 206, [RANGE_NONE] = MHD_HTTP_RANGE_NOT_SATISFIABLE};
    uint64_t first, count, len = (*set)->len;
    char place[80];
    enum header_range range = find_range(request, r, len, now, &first, &count);
    struct MHD_Response *response = range == RANGE_NONE
                                        ? MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT)
                                        : response_of(set, first, count);
    if (!response)
        return reply_problem(request, 503, "out of memory or file descriptors");
    if (range == RANGE_NONE)
        snprintf(place, sizeof place, "bytes */%" PRIu64, len);
    else
        snprintf(place, sizeof place, "bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, first, first + count - 1,
                 len);
    if (range != RANGE_ALL)
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_RANGE, place);
    if (range != RANGE_NONE) {
        reply_add_validators(response, r);
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->type);
        MHD_add_response_header(response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
    }
    return reply_queue(request, status[range], response);
}

/* Once more after each sleep: then there is something new, or its time is over. */
static enum MHD_Result answer(struct request *request)
{
    const struct waiting *waiting = &request->waiting;
    waiters_back(request);
    for (;;) {
        enum MHD_Result result;
        int64_t now = clock_now();
        uint64_t news = waiters_news(request->waiters); /* before the look at what is there */
        struct crl_set *set = hold_all(request, now, &result);
        if (!set)
            return result;
        struct representation r = {
            .type = set->pem ? type_pem : type_der,
            .etag = set->etag,
            .modified_at = set->modified_at,
            .expires_at = set->expires_at,
            /* a cache that kept it would give it to those who wait, at once and again and again */
            .fresh_s = waiting->granted_s ? 0 : reply_fresh_s(set->expires_at, now),
            .awaitable = request->services->config->crl_wait_max_s > 0,
            .waited_s = waiting->slept ? waiting->granted_s : 0,
        };
        bool has_it = request_has_it(request, &r);
        if (has_it && waiting->granted_s && !waiting->over) {
            release(set);
            fault_pause("crl-looked");
            if (waiters_add(request, answer, news))
                return MHD_YES;
            continue;
        }
        result = has_it ? reply_not_modified(request, &r) : reply_set(request, &set, &r, now);
        release(set);
        return result;
    }
}

static enum MHD_Result begin(struct request *request)
{
    waiters_grant(request, request->services->config->crl_wait_max_s);
    return answer(request);
}

/* --- the routes ---------------------------------------------------------------------------------------- */

/* Takes ".crl" or ".pem" off a name. False where it ends in neither. */
static bool take_ending(char *name, bool *pem)
{
    char *dot = strrchr(name, '.');
    if (!dot || (strcmp(dot, ".crl") != 0 && strcmp(dot, ".pem") != 0))
        return false;
    *pem = strcmp(dot, ".pem") == 0;
    *dot = 0;
    return true;
}

/* A number of an issuer's shards, in its one form. */
static bool take_shard(const struct issuer *issuer, const char *text, int *shard)
{
    char canonical[CRL_PART_TEXT];
    *shard = atoi(text);
    crl_part_text((struct crl_part){*shard, false}, canonical);
    return strlen(text) < 6 && strcmp(text, canonical) == 0 && *shard >= 0 &&
           *shard < (int)issuer->config->shards;
}

static enum MHD_Result no_crl(struct request *request)
{
    return reply_problem(request, 404, "no CRL of that name");
}

enum MHD_Result crl_get(struct request *request)
{
    static const char behind[] = "-delta"; /* no issuer's name ends so */
    struct crl_resource *crl = &request->crl;
    char *name = request->part[0];
    if (!take_ending(name, &crl->pem))
        return no_crl(request);
    size_t len = strlen(name), behind_len = sizeof behind - 1;
    crl->part =
        (struct crl_part){CRL_WHOLE, len > behind_len && strcmp(name + len - behind_len, behind) == 0};
    if (crl->part.delta)
        name[len - behind_len] = 0;
    crl->issuer = issuers_by_name(request->services->issuers, name);
    if (!crl->issuer)
        return no_crl(request);
    if (crl->part.delta && !crl->issuer->config->delta_distribution_point.text)
        return reply_problem(request, 404, "issuer %s: no delta CRLs are published here", name);
    return begin(request);
}

/* /crl/ISSUER/chain.pem, and the shards. */
enum MHD_Result crl_of_issuer_get(struct request *request)
{
    struct crl_resource *crl = &request->crl;
    char *name = request->part[1];
    *crl = (struct crl_resource){.issuer = issuers_by_name(request->services->issuers, request->part[0])};
    if (!crl->issuer)
        return no_crl(request);
    if (strcmp(name, "chain.pem") == 0)
        *crl = (struct crl_resource){CRL_CHAIN, crl->issuer, {CRL_WHOLE, false}, true};
    else if (!take_ending(name, &crl->pem) || !take_shard(crl->issuer, name, &crl->part.shard))
        return no_crl(request);
    return begin(request);
}

enum MHD_Result crl_bundle_get(struct request *request)
{
    request->crl =
        (struct crl_resource){CRL_BUNDLE, request->services->issuers->list, {CRL_WHOLE, false}, true};
    return begin(request);
}

/* crl_find has said which. */
enum MHD_Result crl_configured_get(struct request *request)
{
    return begin(request);
}
