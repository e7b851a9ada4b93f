#include "issuers.h"
#include "client.h"
#include "print.h"

#include <stdlib.h>
#include <string.h>

int ctl_issuers_get(struct ctl *ctl, json_t **issuers)
{
    json_t *answer = NULL;
    int code = ctl_client_get(ctl, "/api/v1/issuers", "list the issuers", &answer);
    *issuers = json_incref(json_object_get(answer, "issuers"));
    json_decref(answer);
    if (code == CTL_OK && !json_is_array(*issuers)) {
        json_decref(*issuers);
        *issuers = NULL;
        return ctl_fail(CTL_UNREACHABLE, "list the issuers: the answer has no issuers");
    }
    return code;
}

static const json_t *find_issuer(const json_t *issuers, const char *name)
{
    for (size_t i = 0; i < json_array_size(issuers); i++) {
        const json_t *issuer = json_array_get(issuers, i);
        if (strcmp(ctl_json_text(issuer, "name", ""), name) == 0)
            return issuer;
    }
    return NULL;
}

static int fail_no_issuer(const json_t *issuers, const char *name)
{
    struct buffer names = {0};
    for (size_t i = 0; i < json_array_size(issuers); i++)
        buffer_printf(&names, "%s%s", i ? ", " : "", ctl_json_text(json_array_get(issuers, i), "name", "?"));
    int code = ctl_fail(CTL_REFUSED, "the daemon has no issuer \"%s\"; it has: %s", name,
                        names.len ? (const char *)names.at : "none");
    buffer_free(&names);
    return code;
}

int ctl_issuer_check(struct ctl *ctl, const char *name)
{
    json_t *issuers = NULL;
    int code = ctl_issuers_get(ctl, &issuers);
    if (code == CTL_OK && !find_issuer(issuers, name))
        code = fail_no_issuer(issuers, name);
    json_decref(issuers);
    return code;
}

static int keep_certificate(void *arg, struct certificate *certificate, struct error *err)
{
    struct certificate *first = arg;
    if (first->x509)
        return error_set(err, "more than one certificate");
    *first = *certificate;
    *certificate = (struct certificate){0};
    return 0;
}

static bool read_certificate(const json_t *issuer, struct certificate *certificate, struct error *err)
{
    const char *pem = ctl_json_text(issuer, "certificate", "");
    *certificate = (struct certificate){0};
    if (certificates_from_text((struct bytes){(const uint8_t *)pem, strlen(pem)}, keep_certificate,
                               certificate, err) == 1)
        return true;
    certificate_free(certificate);
    return false;
}

int ctl_issuer_certificate(struct ctl *ctl, const char *name, struct certificate *certificate)
{
    struct error err;
    json_t *issuers = NULL;
    *certificate = (struct certificate){0};
    int code = ctl_issuers_get(ctl, &issuers);
    const json_t *issuer = code == CTL_OK ? find_issuer(issuers, name) : NULL;
    if (code == CTL_OK && !issuer)
        code = fail_no_issuer(issuers, name);
    else if (code == CTL_OK && !read_certificate(issuer, certificate, &err))
        code = ctl_fail(CTL_UNREACHABLE, "the daemon's certificate of %s: %s", name, err.text);
    json_decref(issuers);
    return code;
}

const char *ctl_issuer_of(const json_t *issuers, const struct certificate *certificate)
{
    for (size_t i = 0; i < json_array_size(issuers); i++) {
        const json_t *issuer = json_array_get(issuers, i);
        struct certificate candidate;
        if (!read_certificate(issuer, &candidate, NULL))
            continue;
        bool signed_it = certificate_issued_by(certificate, &candidate) == 1;
        certificate_free(&candidate);
        if (signed_it)
            return json_string_value(json_object_get(issuer, "name"));
    }
    return NULL;
}

static bool add_issuer(struct ctl_table *table, const json_t *issuer)
{
    const json_t *crl = json_object_get(issuer, "crl");
    bool good = ctl_table_add(table, "%s", ctl_json_text(issuer, "name", "?"));
    if (json_is_object(crl))
        good = good && ctl_table_add(table, "%s", ctl_json_text(crl, "crl_number", "-")) &&
               ctl_table_add(table, "%lld", json_integer_value(json_object_get(crl, "entries"))) &&
               ctl_table_add(table, "%s", ctl_json_text(crl, "next_update", "-"));
    else
        for (int i = 0; i < 3; i++)
            good = good && ctl_table_add(table, "-");
    return good && ctl_table_add(table, "%s", ctl_json_text(issuer, "subject", "-"));
}

int ctl_issuers(struct ctl *ctl, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct ctl_table table = {.columns = 5};
    json_t *answer = NULL;
    int code = ctl_client_get(ctl, "/api/v1/issuers", "list the issuers", &answer);
    if (code == CTL_OK && ctl->option[CTL_JSON]) {
        ctl_print_json(answer);
        goto out;
    }
    static const char *const heads[] = {"ISSUER", "CRL", "ENTRIES", "NEXT UPDATE", "SUBJECT"};
    bool good = code == CTL_OK;
    for (size_t head = 0; head < table.columns; head++)
        good = good && ctl_table_add(&table, "%s", heads[head]);
    const json_t *issuers = json_object_get(answer, "issuers");
    for (size_t i = 0; i < json_array_size(issuers); i++)
        good = good && add_issuer(&table, json_array_get(issuers, i));
    if (good)
        ctl_table_print(&table);
    else if (code == CTL_OK)
        code = ctl_no_memory();
out:
    ctl_table_free(&table);
    json_decref(answer);
    return code;
}
