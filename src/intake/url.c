/* A CRL that is pulled from where its CA publishes it. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/log.h>
#include <annul/scratch.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WAIT_S 60 /* how long the other side may hold a request until there is something new (RFC 7240) */
#define TRANSFER_S 240 /* and then take to bring it */
#define SLOW_MS 30000  /* … without a pause of so long */
#define FULL_S 5       /* between requests to one who holds them else: too many others wait there */
#define AT_ONCE_MAX                                                                                          \
    3 /* new CRLs in a row after which one who has not held a request is asked again at once */
#define BACKOFF_MAX_MS 300000
#define LEFT_MIN_S 10 /* near the end of a CRL it is asked for so often, and not more */

struct pull {
    struct source *source;
    char etag[FETCH_ETAG_MAX]; /* of what was taken last */
    int64_t modified_at;       /* the same, or TIME_NONE */
    int64_t next_update;       /* the same; 0: nothing yet */
    bool waits;  /* the other side has held a request until there was something new (RFC 7240) */
    int at_once; /* new ones in a row that came without waiting */
    int failures;
};

/* What an exchange writes to. */
struct sink {
    int fd;
    struct error err;
};

static int take_piece(void *arg, struct bytes piece)
{
    struct sink *sink = arg;
    return scratch_add(sink->fd, piece, &sink->err);
}

/* --- when ---------------------------------------------------------------------------------------------- */

/* As configured, but long before the CRL ends; not all who do so at once. */
static int64_t next_pause(const struct pull *pull)
{
    int64_t pause_s = pull->source->issuer->config->crl_url_interval_s;
    if (pull->waits && FULL_S < pause_s)
        pause_s = FULL_S;
    if (pull->next_update) {
        int64_t quarter_s = (pull->next_update - clock_now()) / 4;
        quarter_s = quarter_s < LEFT_MIN_S ? LEFT_MIN_S : quarter_s;
        pause_s = quarter_s < pause_s ? quarter_s : pause_s;
    }
    int64_t pause_ms = pause_s * 1000;
    return pause_ms - clock_monotonic_ms() % (pause_ms / 8 + 1);
}

static int64_t fail(struct pull *pull, const struct error *why)
{
    int64_t pause_ms = 1000;
    for (int i = 0; i < pull->failures && pause_ms < BACKOFF_MAX_MS; i++)
        pause_ms *= 2;
    pull->failures++;
    source_tell(pull->source, why);
    return pause_ms < BACKOFF_MAX_MS ? pause_ms : BACKOFF_MAX_MS;
}

/* Who has something new is asked again at once: that request may be held. */
static int64_t succeed(struct pull *pull, const struct fetch_response *response, bool changed)
{
    pull->failures = 0;
    source_is_well(pull->source);
    pull->waits |= response->waited;
    pull->at_once = changed && !response->waited ? pull->at_once + 1 : 0;
    return response->waited || (changed && pull->at_once <= AT_ONCE_MAX) ? 0 : next_pause(pull);
}

/* --- one exchange -------------------------------------------------------------------------------------- */

#define HEADER_MAX (FETCH_ETAG_MAX + 32)

static bool is_conditional(const struct pull *pull)
{
    return pull->etag[0] || pull->modified_at != TIME_NONE;
}

/* Headers that make it conditional; `room` holds them. */
static void make_headers(const struct pull *pull, char room[2][HEADER_MAX], const char *list[3])
{
    char date[TIME_HTTP];
    list[0] = is_conditional(pull) ? room[0] : NULL;
    list[1] = room[1];
    list[2] = NULL;
    snprintf(room[1], HEADER_MAX, "Prefer: wait=%d", WAIT_S);
    if (pull->etag[0]) {
        snprintf(room[0], HEADER_MAX, "If-None-Match: %s", pull->etag);
    } else if (list[0]) {
        time_to_http(pull->modified_at, date);
        snprintf(room[0], HEADER_MAX, "If-Modified-Since: %s", date);
    }
}

/* A whole body is in the file. */
static int64_t take(struct pull *pull, int fd, const struct fetch_response *response)
{
    struct source *source = pull->source;
    struct store_actor actor = {"crl_url", source->from, clock_now()};
    struct admin_crl_taken taken;
    struct error err;
    if (scratch_rewind(fd, &err) < 0 || source_take(source, fd, &actor, &taken, &err) != ADMIN_DONE) {
        error_prefix(&err, "%s", source->from);
        return fail(pull, &err);
    }
    memcpy(pull->etag, response->etag, sizeof pull->etag);
    pull->modified_at = response->modified_at;
    pull->next_update = taken.next_update;
    return succeed(pull, response, taken.changed);
}

static int64_t judge(struct pull *pull, int fd, const struct fetch_response *response)
{
    struct error err;
    if (response->status == 200)
        return take(pull, fd, response);
    if (response->status == 304 && is_conditional(pull))
        return succeed(pull, response, false);
    error_set(&err, "%s: the answer has status %d", pull->source->from, response->status);
    return fail(pull, &err);
}

/* Returns how long to rest. */
static int64_t exchange(struct pull *pull, int fd)
{
    char room[2][HEADER_MAX];
    const char *headers[3];
    struct source *source = pull->source;
    struct sink sink = {.fd = fd};
    struct fetch_request request = {.method = "GET",
                                    .url = source->from,
                                    .headers = headers,
                                    .total_ms = (WAIT_S + TRANSFER_S) * 1000,
                                    .slow_ms = WAIT_S * 1000 + SLOW_MS,
                                    .stop = &source->intake->stopping,
                                    .body_max = source->intake->admin->issuers->config->crl_upload_octets,
                                    .sink = take_piece,
                                    .sink_arg = &sink};
    struct fetch_response response;
    struct error err;
    make_headers(pull, room, headers);
    int sent = fetch_send(source->fetch, &request, &response, &err);
    int64_t pause_ms =
        sent < 0 ? fail(pull, sink.err.text[0] ? &sink.err : &err) : judge(pull, fd, &response);
    fetch_response_free(&response);
    return pause_ms;
}

void url_run(struct source *source)
{
    struct pull pull = {.source = source, .modified_at = TIME_NONE};
    int64_t pause_ms = 0;
    do {
        struct error err;
        int fd = scratch_open(source->intake->admin->issuers->config->crl_directory.text, &err);
        pause_ms = fd < 0 ? fail(&pull, &err) : exchange(&pull, fd);
        if (fd >= 0)
            close(fd);
    } while (source_rest(source, pause_ms));
}
