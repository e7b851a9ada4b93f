/* /api/v1/audit */
#include "internal.h"

#include <annul/hex.h>
#include <annul/number.h>

#include <stdlib.h>
#include <string.h>

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define LOOK_MAX 10000 /* entries for one page, however few of them are sought */

struct query {
    char *order, *after, *limit, *issuer, *serial, *actor, *action;
    struct serial wanted;
    size_t page;
    struct store_audit_filter filter;
};

/* `after` itself is not given again, in either direction. */
static bool parse_place(struct query *query, struct error *err)
{
    struct store_audit_filter *filter = &query->filter;
    int64_t after;
    filter->newest = !query->order || strcmp(query->order, "newest") == 0;
    filter->from = filter->newest ? INT64_MAX : INT64_MIN;
    if (!filter->newest && strcmp(query->order, "oldest") != 0)
        return error_set(err, "order must be newest or oldest") == 0;
    if (!query->after)
        return true;
    if (!number_from_text(query->after, INT64_MAX - 1, &after))
        return error_set(err, "after must be a number, as \"next\" gave it") == 0;
    filter->from = filter->newest ? after - 1 : after + 1;
    return true;
}

static bool parse_query(struct query *query, struct error *err)
{
    int64_t limit = LIMIT_DEFAULT;
    if (!parse_place(query, err))
        return false;
    if (query->limit && (!number_from_text(query->limit, LIMIT_MAX, &limit) || limit < 1))
        return error_set(err, "limit must be from 1 to %d", LIMIT_MAX) == 0;
    if (query->serial && !serial_from_text(query->serial, &query->wanted))
        return error_set(err, "serial must be a serial number: hex, or dec: and decimal digits") == 0;
    query->page = (size_t)limit;
    query->filter.limit = LOOK_MAX;
    query->filter.serial = query->serial ? &query->wanted : NULL;
    return true;
}

/* null where it is not UTF-8. */
static json_t *text_or_null(const char *text, bool *damaged)
{
    json_t *json = text ? json_string(text) : json_null();
    *damaged |= !json;
    return json ? json : json_null();
}

static json_t *time_or_null(int64_t at, bool *damaged)
{
    char text[TIME_TEXT];
    int64_t back;
    time_to_text(at, text);
    bool good = time_from_text(text, &back) && back == at;
    *damaged |= !good;
    return good ? json_string(text) : json_null();
}

static json_t *describe_hash(const uint8_t hash[AUDIT_HASH])
{
    char text[2 * AUDIT_HASH + 1];
    hex_encode(hash, AUDIT_HASH, text);
    return json_string(text);
}

json_t *json_change(const struct audit_row *row)
{
    char serial[SERIAL_TEXT] = "";
    bool damaged = row->damaged;
    if (row->serial.len)
        serial_to_text(&row->serial, serial);
    json_t *object =
        json_pack("{s:I, s:o, s:o, s:o, s:o, s:o, s:s?, s:o}", "id", (json_int_t)row->id, "at",
                  time_or_null(row->at, &damaged), "actor", text_or_null(row->actor, &damaged), "origin",
                  text_or_null(row->origin, &damaged), "action", text_or_null(row->action, &damaged),
                  "issuer", text_or_null(row->issuer, &damaged), "serial", *serial ? serial : NULL, "detail",
                  text_or_null(row->detail, &damaged));
    if (object && damaged)
        json_object_set_new(object, "damaged", json_true());
    return object;
}

static json_t *describe(const struct audit_row *row)
{
    json_t *object = json_change(row);
    if (object)
        json_object_set_new(object, "hash", describe_hash(row->hash));
    return object;
}

struct page {
    const struct request *request;
    const struct query *query;
    json_t *list;
    size_t looked;
    int64_t last; /* the next page begins behind it */
    bool more;    /* or there may be */
};

static bool is(const char *sought, const char *text)
{
    return !sought || (text && strcmp(sought, text) == 0);
}

static bool is_wanted(const struct page *page, const struct audit_row *row)
{
    const struct query *query = page->query;
    return scope_has(page->request->scope, row->issuer) && is(query->issuer, row->issuer) &&
           is(query->actor, row->actor) && is(query->action, row->action);
}

static int add_to_page(void *arg, const struct audit_row *row)
{
    struct page *page = arg;
    bool wanted = is_wanted(page, row), has_room = json_array_size(page->list) < page->query->page;
    page->more = ++page->looked == LOOK_MAX || (wanted && !has_room);
    if (wanted && !has_room)
        return 1;
    if (has_room)
        page->last = row->id;
    return wanted ? json_array_append_new(page->list, describe(row)) : 0;
}

/* It is of no use to who does not see every entry. */
static json_t *describe_head(const struct request *request, const struct audit_head *head)
{
    if (request->scope)
        return json_null();
    return json_pack("{s:I, s:o}", "id", (json_int_t)head->id, "hash",
                     head->damaged ? json_null() : describe_hash(head->hash));
}

static enum MHD_Result reply_page(struct request *request, const struct query *query)
{
    struct error err;
    struct audit_head head;
    struct page page = {.request = request, .query = query, .list = json_array()};
    if (store_audit_list(request->services->store, &query->filter, add_to_page, &page, &head, &err) < 0) {
        json_decref(page.list);
        return reply_problem(request, 503, "%s", err.text);
    }
    return reply_json(request, 200,
                      json_pack("{s:o, s:o, s:o}", "audit", page.list, "next",
                                page.more ? json_integer(page.last) : json_null(), "head",
                                describe_head(request, &head)));
}

enum MHD_Result api_audit_get(struct request *request)
{
    struct error err;
    struct query query = {.order = request_argument(request, "order"),
                          .after = request_argument(request, "after"),
                          .limit = request_argument(request, "limit"),
                          .issuer = request_argument(request, "issuer"),
                          .serial = request_argument(request, "serial"),
                          .actor = request_argument(request, "actor"),
                          .action = request_argument(request, "action")};
    enum MHD_Result result =
        parse_query(&query, &err) ? reply_page(request, &query) : reply_problem(request, 400, "%s", err.text);
    free(query.order);
    free(query.after);
    free(query.limit);
    free(query.issuer);
    free(query.serial);
    free(query.actor);
    free(query.action);
    return result;
}
