/* What the stapler tells of itself: status.json in the cache, `annul-stapler status`, and Prometheus. */
#include "stapler.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MAX (64 << 20)

static char *status_path(const struct stapler_config *config)
{
    char *path;
    return asprintf(&path, "%s/status.json", config->cache.text) < 0 ? NULL : path;
}

/* --- writing ------------------------------------------------------------------------------------------- */

static json_t *time_json(int64_t at)
{
    char text[TIME_TEXT];
    if (at <= 0 || at == NEVER)
        return json_null();
    time_to_text(at, text);
    return json_string(text);
}

static json_t *text_json(const char *text)
{
    json_t *json = text && *text ? json_string(text) : NULL;
    return json ? json : json_null(); /* a name that is not UTF-8 */
}

static const char *state_of(const struct item *item, int64_t now)
{
    const struct held *held = item->held;
    if (!held || held->window.end_at <= now)
        return held ? "ended" : "missing";
    return !held->scan && held->verdict.status == OCSP_CERT_REVOKED ? "revoked" : "good";
}

static json_t *item_json(const struct item *item, const char *kind, int64_t now)
{
    const struct held *held = item->held;
    return json_pack("{s:s, s:o, s:o, s:s, s:o, s:o, s:o, s:o, s:i, s:b, s:o, s:o}", "kind", kind, "section",
                     text_json(item->section->name.text), "name", text_json(item->name), "state",
                     state_of(item, now), "source", text_json(item->source), "success_at",
                     time_json(item->success_at), "next_at",
                     item->job.busy ? json_string("now") : time_json(item->job.due_at), "ends_at",
                     time_json(held ? held->window.end_at : 0), "failures", (int)item->failures, "temporary",
                     item->temporary, "error", text_json(item->failure.text), "number",
                     text_json(held ? held->number : NULL));
}

static json_t *outlets_json(struct stapler *stapler, const struct section *section,
                            const struct staple *staple)
{
    json_t *list = json_array();
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        const struct outlet *outlet = stapler->outlets.at[i];
        if (outlet->section == section && outlet->staple == staple)
            json_array_append_new(list, json_pack("{s:s, s:o, s:b, s:o, s:o, s:o}", "kind",
                                                  outlet->place ? outlet->place->kind.text : "hook", "path",
                                                  text_json(outlet->path), "delivered", outlet->delivered,
                                                  "delivered_at", time_json(outlet->delivered_at), "error",
                                                  text_json(outlet->failure.text), "away",
                                                  text_json(outlet->away.text)));
    }
    return list;
}

static json_t *staple_json(struct stapler *stapler, const struct staple *staple, int64_t now)
{
    json_t *json = item_json(&staple->item, "staple", now);
    json_object_set_new(json, "must_staple", json_boolean(staple->must_staple));
    json_object_set_new(json, "skipped", text_json(staple->skipped.text));
    json_object_set_new(json, "broken", json_boolean(staple->broken));
    json_object_set_new(json, "consumers", outlets_json(stapler, staple->item.section, staple));
    return json;
}

char *status_json(struct stapler *stapler)
{
    json_t *items = json_array();
    int64_t now = clock_now();
    stapler_lock(stapler);
    for (size_t i = 0; i < stapler->staples.count; i++)
        json_array_append_new(items, staple_json(stapler, stapler->staples.at[i], now));
    for (size_t i = 0; i < stapler->crls.count; i++) {
        const struct crl *crl = stapler->crls.at[i];
        json_t *json = item_json(&crl->item, "crl", now);
        json_object_set_new(json, "consumers", outlets_json(stapler, crl->item.section, NULL));
        json_array_append_new(items, json);
    }
    stapler_unlock(stapler);
    json_t *whole = json_pack("{s:o, s:o}", "written_at", time_json(now), "items", items);
    char *text = whole ? json_dumps(whole, JSON_INDENT(2)) : NULL;
    json_decref(whole);
    return text;
}

void status_save(struct stapler *stapler)
{
    struct error err;
    char *text = status_json(stapler), *path = status_path(stapler->config);
    if (text && path && disk_put(path, (struct bytes){(const uint8_t *)text, strlen(text)}, &err) < 0)
        log_limited(LOG_LEVEL_WARN, "stapler", "status: %s", err.text);
    free(text);
    free(path);
}

/* --- Prometheus ---------------------------------------------------------------------------------------- */

/* A label's value (exposition format 0.0.4). */
static bool add_label(struct buffer *out, const char *name, const char *value)
{
    bool good = buffer_printf(out, "%s=\"", name);
    for (; good && *value; value++)
        good = *value == '\n' ? buffer_add_text(out, "\\n")
                              : (*value != '"' && *value != '\\' ? true : buffer_add(out, "\\", 1)) &&
                                    buffer_add(out, value, 1);
    return good && buffer_add(out, "\"", 1);
}

static const struct {
    const char *name, *help;
} metrics[] = {
    {"annul_stapler_end_timestamp_seconds", "When what is had ends; 0: nothing is there."},
    {"annul_stapler_success_timestamp_seconds", "When a fetch last succeeded; 0: not since the start."},
    {"annul_stapler_next_timestamp_seconds", "When the next fetch is due; 0: now, or never."},
    {"annul_stapler_failures", "Failed fetches in a row."},
    {"annul_stapler_must_staple", "1 where the certificate says Must-Staple."},
    {"annul_stapler_revoked", "1 where the response says revoked."},
    {"annul_stapler_skipped", "1 where nothing need be fetched for the certificate."},
    {"annul_stapler_broken",
     "1 where a person has to see to the certificate: nothing can be fetched for it."},
    {"annul_stapler_delivery_failures",
     "Consumers that it could not be delivered to; of a CRL, its section's."},
};

static long long count_undelivered(const struct stapler *stapler, const struct item *item)
{
    long long count = 0;
    for (size_t i = 0; i < stapler->outlets.count; i++) {
        const struct outlet *outlet = stapler->outlets.at[i];
        bool its = item->job.is_staple ? outlet->staple && &outlet->staple->item == item
                                       : !outlet->staple && outlet->section == item->section;
        count += its && outlet->failure.text[0];
    }
    return count;
}

static long long metric_of(const struct stapler *stapler, const struct item *item, size_t metric)
{
    const struct staple *staple = item->job.is_staple ? (const struct staple *)item : NULL;
    const struct held *held = item->held;
    switch (metric) {
    case 0:
        return held ? (long long)held->window.end_at : 0;
    case 1:
        return (long long)item->success_at;
    case 2:
        return item->job.due_at == NEVER ? 0 : (long long)item->job.due_at;
    case 3:
        return item->failures;
    case 4:
        return item->grave;
    case 5:
        return held && !held->scan && held->verdict.status == OCSP_CERT_REVOKED;
    case 6:
        return staple && staple->skipped.text[0] && !staple->broken;
    case 7:
        return staple && staple->broken;
    default:
        return count_undelivered(stapler, item);
    }
}

static bool add_metric(const struct stapler *stapler, struct buffer *out, const struct list *items,
                       const char *kind, size_t metric)
{
    bool good = true;
    for (size_t i = 0; good && i < items->count; i++) {
        const struct item *item = items->at[i];
        good = buffer_printf(out, "%s{kind=\"%s\",", metrics[metric].name, kind) &&
               add_label(out, "section", item->section->name.text) && buffer_add(out, ",", 1) &&
               add_label(out, "name", item->name) &&
               buffer_printf(out, "} %lld\n", metric_of(stapler, item, metric));
    }
    return good;
}

bool status_metrics(struct stapler *stapler, struct buffer *out)
{
    bool good = true;
    stapler_lock(stapler);
    for (size_t m = 0; good && m < sizeof metrics / sizeof *metrics; m++)
        good = buffer_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", metrics[m].name, metrics[m].help,
                             metrics[m].name) &&
               add_metric(stapler, out, &stapler->staples, "staple", m) &&
               add_metric(stapler, out, &stapler->crls, "crl", m);
    stapler_unlock(stapler);
    return good;
}

/* --- annul-stapler status ------------------------------------------------------------------------------ */

static const char *string_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void print_left(FILE *out, int64_t left_s)
{
    if (left_s < 0)
        fprintf(out, "ended");
    else if (left_s >= 172800)
        fprintf(out, "%lldd", (long long)left_s / 86400);
    else if (left_s >= 7200)
        fprintf(out, "%lldh", (long long)left_s / 3600);
    else
        fprintf(out, "%lldm", (long long)left_s / 60);
}

static void print_item(FILE *out, const json_t *item, int64_t now)
{
    int64_t ends_at;
    const json_t *consumers = json_object_get(item, "consumers");
    const char *skipped = string_of(item, "skipped");
    bool broken = json_is_true(json_object_get(item, "broken"));
    bool has_end = time_from_text(string_of(item, "ends_at"), &ends_at);
    fprintf(out, "%s %s: ", string_of(item, "kind"), string_of(item, "name"));
    fprintf(out, "%s", broken ? "broken" : *skipped ? "skipped" : string_of(item, "state"));
    if (has_end) {
        fprintf(out, ", left ");
        print_left(out, ends_at - now);
    }
    fprintf(out, "%s\n", json_is_true(json_object_get(item, "must_staple")) ? ", Must-Staple" : "");
    fprintf(out, "    from %s, last success %s, next try %s\n", string_of(item, "source"),
            string_of(item, "success_at"), string_of(item, "next_at"));
    if (*string_of(item, "error") || *skipped)
        fprintf(out, "    %s\n", *skipped ? skipped : string_of(item, "error"));
    for (size_t i = 0; i < json_array_size(consumers); i++) {
        const json_t *consumer = json_array_get(consumers, i);
        const char *why =
            *string_of(consumer, "error") ? string_of(consumer, "error") : string_of(consumer, "away");
        fprintf(out, "    %s %s: %s%s%s\n", string_of(consumer, "kind"), string_of(consumer, "path"),
                json_is_true(json_object_get(consumer, "delivered")) ? "delivered" : "nothing delivered",
                *why ? ": " : "", why);
    }
}

static enum stapler_exit judge_item(const json_t *item, int64_t now)
{
    int64_t ends_at;
    const json_t *consumers = json_object_get(item, "consumers");
    if (*string_of(item, "skipped"))
        return json_is_true(json_object_get(item, "broken")) ? STAPLER_FAILED : STAPLER_GOOD;
    if (!time_from_text(string_of(item, "ends_at"), &ends_at) || ends_at <= now)
        return STAPLER_FAILED;
    for (size_t i = 0; i < json_array_size(consumers); i++)
        if (*string_of(json_array_get(consumers, i), "error"))
            return STAPLER_TEMPORARY;
    return *string_of(item, "error") ? STAPLER_TEMPORARY : STAPLER_GOOD;
}

static enum stapler_exit tell(const json_t *whole, bool json, FILE *out)
{
    enum stapler_exit worst = STAPLER_GOOD;
    int64_t now = clock_now();
    const json_t *items = json_object_get(whole, "items");
    if (json) {
        json_dumpf(whole, out, JSON_INDENT(2));
        fputc('\n', out);
    }
    for (size_t i = 0; i < json_array_size(items); i++) {
        const json_t *item = json_array_get(items, i);
        enum stapler_exit one = judge_item(item, now);
        if (one == STAPLER_FAILED || worst == STAPLER_GOOD)
            worst = one;
        if (!json)
            print_item(out, item, now);
    }
    return worst;
}

enum stapler_exit stapler_status(const struct stapler_config *config, bool json, FILE *out, struct error *err)
{
    struct buffer text = {0};
    json_error_t why;
    json_t *whole = NULL;
    enum stapler_exit result = STAPLER_FAILED;
    char *path = status_path(config);
    if (!path || file_read(path, STATUS_MAX, &text) < 0)
        error_set(err, "%s: %s; has annul-stapler run with this configuration?", path ? path : "status",
                  strerror(errno));
    else if (!(whole = json_loadb((const char *)text.at, text.len, 0, &why)))
        error_set(err, "%s: %s", path, why.text);
    else
        result = tell(whole, json, out);
    json_decref(whole);
    buffer_free(&text);
    free(path);
    return result;
}
