/* JSON in and out. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/utf8.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YEAR_1950 (-631152000)   /* where the dates of X.509 begin */
#define CLOCKS_DIFFER_S (5 * 60) /* so much at most */

json_t *json_quote(const char *text)
{
    return json_stringn(text, utf8_len(text));
}

json_t *json_time(int64_t at)
{
    char text[TIME_TEXT];
    if (at == TIME_NONE)
        return json_null();
    time_to_text(at, text);
    return json_string(text);
}

json_t *json_scope(const char *scope)
{
    json_t *list = scope ? json_array() : json_null();
    while (list && scope && *scope) {
        size_t len = strcspn(scope, " ");
        json_array_append_new(list, json_stringn(scope, len));
        scope += len + (scope[len] == ' ');
    }
    return list;
}

json_t *json_certificate(const struct issuer *issuer, const struct cert_record *record)
{
    static const char *const names[] = {
        [CERT_GOOD] = "good", [CERT_REVOKED] = "revoked", [CERT_HOLD] = "hold"};
    char serial[SERIAL_TEXT];
    serial_to_text(&record->serial, serial);
    json_t *object = json_pack("{s:s, s:s, s:s?, s:o, s:o, s:s, s:I}", "issuer", issuer->config->name.text,
                               "serial", serial, "subject", record->subject, "not_before",
                               json_time(record->not_before), "not_after", json_time(record->not_after),
                               "status", names[record->status], "version", (json_int_t)record->version);
    if (!object || record->status == CERT_GOOD)
        return object;
    json_object_set_new(object, "reason", json_string(reason_name(record->reason)));
    json_object_set_new(object, "revoked_at", json_time(record->revoked_at));
    if (record->invalidity_at != TIME_NONE)
        json_object_set_new(object, "invalidity_at", json_time(record->invalidity_at));
    return object;
}

json_t *json_body(struct request *request, enum MHD_Result *result)
{
    json_error_t why;
    if (request->body.len == 0)
        return json_object();
    json_t *json =
        json_loadb((const char *)request->body.at, request->body.len, JSON_REJECT_DUPLICATES, &why);
    if (json_is_object(json))
        return json;
    if (json)
        *result = reply_problem(request, 400, "the body must be a JSON object");
    else
        *result = reply_problem(request, 400, "the body is not JSON: line %d, column %d: %s", why.line,
                                why.column, why.text);
    json_decref(json);
    return NULL;
}

bool json_no_body(struct request *request, enum MHD_Result *result)
{
    json_t *body = json_body(request, result);
    size_t members = json_object_size(body);
    if (members)
        *result = reply_problem(request, 422, "the body has members, and nothing here heeds them");
    bool good = body && !members;
    json_decref(body);
    return good;
}

char *json_document(const json_t *json)
{
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL, *line = NULL;
    if (text && asprintf(&line, "%s\n", text) < 0)
        line = NULL;
    free(text);
    return line;
}

bool json_text_member(json_t *object, const char *name, const char **text, struct error *err)
{
    json_t *value = json_object_get(object, name);
    *text = json_string_value(value);
    if (*text || !value || json_is_null(value))
        return true;
    error_set(err, "%s must be a string", name);
    return false;
}

bool json_time_member(json_t *object, const char *name, int64_t *at, struct error *err)
{
    const char *text;
    *at = TIME_NONE;
    if (!json_text_member(object, name, &text, err))
        return false;
    if (!text || time_from_text(text, at))
        return true;
    error_set(err, "%s must be a time such as \"2026-01-31T12:00:00Z\"", name);
    return false;
}

bool json_past_member(json_t *object, const char *name, int64_t *at, struct error *err)
{
    if (!json_time_member(object, name, at, err))
        return false;
    if (*at == TIME_NONE || (*at >= YEAR_1950 && *at <= clock_now() + CLOCKS_DIFFER_S))
        return true;
    error_set(err, "%s must be a time that has come, and not before 1950", name);
    return false;
}

bool json_only(json_t *object, const char *const *known, struct error *err)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const char *const *name = known;
        while (*name && strcmp(*name, key) != 0)
            name++;
        if (!*name) {
            char list[128] = "";
            for (name = known; *name; name++) {
                strncat(list, name == known ? "" : ", ", sizeof list - strlen(list) - 1);
                strncat(list, *name, sizeof list - strlen(list) - 1);
            }
            error_set(err, "unknown member \"%.64s\"; known here: %s", key, list);
            return false;
        }
    }
    return true;
}
