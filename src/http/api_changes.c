/* /api/v1/changes: what has happened since, and with Prefer: wait=N what happens next. */
#include "internal.h"

#include "waiters.h"

#include <annul/number.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define RETRY_S "5"
#define LOOK_MAX 10000 /* entries for one answer, however few of them are for this client */

struct feed {
    struct request *request;
    char *issuer; /* NULL: any */
    bool begins;  /* without `since`: from now on */
    int64_t since, limit;
    json_t *list;
    int64_t next; /* all that was looked at is up to here */
    bool at_end;
};

static bool parse_arguments(struct feed *feed, struct error *err)
{
    char *since = request_argument(feed->request, "since"), *limit = request_argument(feed->request, "limit");
    int64_t from = 0, most = LIMIT_DEFAULT;
    bool good = true;
    if (since && !number_from_text(since, INT64_MAX, &from))
        good = error_set(err, "since must be a number, as \"next\" gave it") == 0;
    else if (limit && (!number_from_text(limit, LIMIT_MAX, &most) || most < 1))
        good = error_set(err, "limit must be from 1 to %d", LIMIT_MAX) == 0;
    feed->begins = !since;
    feed->since = from;
    feed->limit = most;
    free(since);
    free(limit);
    return good;
}

static bool is_wanted(const struct feed *feed, const struct audit_row *row)
{
    return row->action && !audit_is_refusal(row->action) && scope_has(feed->request->scope, row->issuer) &&
           (!feed->issuer || (row->issuer && strcmp(row->issuer, feed->issuer) == 0));
}

static int add_change(void *arg, const struct audit_row *row)
{
    struct feed *feed = arg;
    bool wanted = is_wanted(feed, row);
    if (wanted && json_array_size(feed->list) == (size_t)feed->limit)
        return 1;
    feed->next = row->id;
    return wanted ? json_array_append_new(feed->list, json_change(row)) : 0;
}

/* 0 or -1. */
static int look(struct feed *feed, struct audit_head *head, struct error *err)
{
    struct store *store = feed->request->services->store;
    feed->next = feed->since;
    if (!feed->begins && feed->since < INT64_MAX) {
        struct store_audit_filter filter = {.from = feed->since + 1, .limit = LOOK_MAX};
        return store_audit_list(store, &filter, add_change, feed, head, err);
    }
    if (store_audit_head(store, head, err) < 0)
        return -1;
    feed->next = head->id;
    return 0;
}

static enum MHD_Result reply_feed(struct request *request, struct feed *feed)
{
    char applied[32];
    snprintf(applied, sizeof applied, "wait=%" PRId64, request->waiting.granted_s);
    if (request->waiting.slept)
        request_add_header(request, MHD_HTTP_HEADER_PREFERENCE_APPLIED, applied);
    else if (request->waiting.over) /* as many wait as may */
        request_add_header(request, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_S);
    return reply_json(request, 200,
                      json_pack("{s:O, s:I}", "changes", feed->list, "next", (json_int_t)feed->next));
}

static handler api_changes_again;

/* Looks, until there is something or the client's time is over. */
static enum MHD_Result answer(struct request *request, struct feed *feed)
{
    for (;;) {
        struct error err;
        struct audit_head head;
        uint64_t news = waiters_news(request->waiters); /* before the look at what is there */
        if (look(feed, &head, &err) < 0)
            return reply_problem(request, 503, "%s", err.text);
        if (feed->since > head.id)
            return reply_problem(request, 409,
                                 "since is beyond the last entry, %" PRId64
                                 ": this database is not the one that gave it; begin anew without it",
                                 head.id);
        const struct waiting *waiting = &request->waiting;
        if (feed->begins || feed->next < head.id || json_array_size(feed->list) || !waiting->granted_s ||
            waiting->over)
            return reply_feed(request, feed);
        if (waiters_add(request, api_changes_again, news))
            return MHD_YES;
    }
}

static enum MHD_Result api_changes_again(struct request *request)
{
    struct error err;
    enum MHD_Result result;
    waiters_back(request);
    if (request->waiting.slept && !auth_check_again(request, &result))
        return result;
    struct feed feed = {
        .request = request, .issuer = request_argument(request, "issuer"), .list = json_array()};
    result =
        parse_arguments(&feed, &err) ? answer(request, &feed) : reply_problem(request, 400, "%s", err.text);
    json_decref(feed.list);
    free(feed.issuer);
    return result;
}

enum MHD_Result api_changes_get(struct request *request)
{
    waiters_grant(request, request->services->config->crl_wait_max_s);
    return api_changes_again(request);
}
