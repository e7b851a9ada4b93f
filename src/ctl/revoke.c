#include "revoke.h"
#include "issuers.h"
#include "print.h"
#include "serials.h"

#include <annul/certificate.h>
#include <annul/reason.h>

#include <stdlib.h>

static int read_cause(const struct ctl *ctl, struct ctl_cause *cause)
{
    const char *reason = ctl->option[CTL_REASON], *time = ctl->option[CTL_INVALIDITY];
    int64_t at;
    *cause = (struct ctl_cause){0};
    if (reason && reason_from_name(reason) < 0)
        return ctl_fail(
            CTL_USAGE,
            "--reason %s is none of unspecified, keyCompromise, cACompromise, affiliationChanged, "
            "superseded, cessationOfOperation, certificateHold, privilegeWithdrawn, aACompromise",
            reason);
    if (reason)
        cause->reason = reason_name(reason_from_name(reason));
    if (time && !time_from_text(time, &at))
        return ctl_fail(CTL_USAGE, "--invalidity %s: write the time in UTC as 2026-11-21T09:00:00Z", time);
    if (time) {
        time_to_text(at, cause->invalidity);
        cause->has_invalidity = true;
    }
    return CTL_OK;
}

/* `certificate` is what the API says of it now. */
static void note_issuer(const struct ctl_cause *cause, const json_t *certificate)
{
    if (json_is_true(json_object_get(certificate, "changed")))
        json_object_set_new(cause->issuers, ctl_json_text(certificate, "issuer", "?"), json_true());
}

/* Whoever checks CRLs alone lets in what was revoked, until the CA says so itself. */
static void tell_of_foreign_crls(struct ctl *ctl, const struct ctl_cause *cause)
{
    json_t *issuers = NULL;
    if (json_object_size(cause->issuers) == 0 || ctl_issuers_get(ctl, &issuers) != CTL_OK)
        return;
    for (size_t i = 0; i < json_array_size(issuers); i++) {
        const json_t *issuer = json_array_get(issuers, i);
        const char *name = ctl_json_text(issuer, "name", "?");
        if (json_is_false(json_object_get(issuer, "key")) && json_object_get(cause->issuers, name))
            ctl_fail(CTL_OK,
                     "%s's CRLs are made elsewhere: only OCSP tells of this until an uploaded CRL lists it; "
                     "revoke it there too, and upload",
                     name);
    }
    json_decref(issuers);
}

static int revoke_one(struct ctl *ctl, const char *issuer, const char *serial, int width, const void *arg)
{
    const struct ctl_cause *cause = arg;
    struct buffer about = {0};
    json_t *answer = NULL;
    json_t *body = json_pack("{s:s*, s:s*}", "reason", cause->reason, "invalidity_at",
                             cause->has_invalidity ? cause->invalidity : NULL);
    char *path = ctl_client_path("/api/v1/issuers/{}/certificates/{}/revoke", issuer, serial);
    int code = CTL_OK;
    if (!body || !path || !buffer_printf(&about, "revoke %s of %s", serial, issuer)) {
        json_decref(body);
        code = ctl_no_memory();
        goto out;
    }
    code = ctl_client_post(ctl, path, (const char *)about.at, body, &answer);
    if (code == CTL_OK)
        ctl_serial_show(ctl, answer, width);
    note_issuer(cause, answer);
out:
    json_decref(answer);
    free(path);
    buffer_free(&about);
    return code;
}

struct sole {
    struct buffer pem;
    int certificates;
    bool is_ca;
};

static int take_sole(void *arg, struct certificate *certificate, struct error *err)
{
    struct sole *sole = arg;
    if (sole->certificates++)
        return error_set(err,
                         "it holds more than one certificate; give the one to revoke in a file of its own");
    sole->is_ca = certificate->is_ca;
    struct bytes der = {certificate->der.at, certificate->der.len};
    return certificate_to_pem(der, &sole->pem) ? 0 : error_set(err, "out of memory");
}

/* The one certificate of a file, as PEM: a chain or a key beside it must not be revoked or sent by accident, nor a CA by the
 * wrong file's name. */
static int read_sole(const struct ctl *ctl, const char *path, struct buffer *pem)
{
    struct buffer text = {0};
    struct sole sole = {0};
    struct error err;
    int code = ctl_read_file(path, &text);
    if (code == CTL_OK &&
        certificates_from_text((struct bytes){text.at, text.len}, take_sole, &sole, &err) < 0) {
        code = ctl_fail(CTL_USAGE, "%s: %s", path, err.text);
    } else if (code == CTL_OK && sole.is_ca && !ctl->option[CTL_EVEN_A_CA]) {
        code =
            ctl_fail(CTL_USAGE,
                     "%s: it is the certificate of a CA, and every certificate below it will be refused; if "
                     "that is meant, say --even-a-ca",
                     path);
    }
    buffer_free(&text);
    *pem = sole.pem;
    return code;
}

/* POST /api/v1/revoke has no place for an invalidity date: the certificate is registered first, and then
 * revoked by the issuer and serial that come back. */
static int register_and_revoke(struct ctl *ctl, const struct ctl_call *revoke, const struct ctl_cause *cause)
{
    json_t *answer = NULL;
    struct ctl_call call = *revoke;
    call.path = "/api/v1/certificates";
    int code = ctl_client_call(ctl, &call, &answer);
    const json_t *first = json_array_get(json_object_get(answer, "certificates"), 0);
    const char *issuer = ctl_json_text(first, "issuer", NULL), *serial = ctl_json_text(first, "serial", NULL);
    if (code == CTL_OK && (!issuer || !serial))
        code = ctl_fail(CTL_UNREACHABLE, "%s: the daemon does not say what it registered", call.about);
    if (code == CTL_OK)
        code = revoke_one(ctl, issuer, serial, 0, cause);
    json_decref(answer);
    return code;
}

static int revoke_file(struct ctl *ctl, const char *file, const struct ctl_cause *cause)
{
    struct buffer pem = {0}, about = {0};
    json_t *answer = NULL;
    char *path = cause->reason ? ctl_client_path("/api/v1/revoke?reason={}", cause->reason)
                               : ctl_client_path("/api/v1/revoke");
    int code = read_sole(ctl, file, &pem);
    if (code == CTL_OK && (!path || !buffer_printf(&about, "revoke the certificate in %s", file)))
        code = ctl_no_memory();
    if (code == CTL_OK) {
        struct ctl_call call = {.method = "POST",
                                .path = path,
                                .body = {pem.at, pem.len},
                                .content_type = "application/x-pem-file",
                                .about = (const char *)about.at};
        code = cause->has_invalidity ? register_and_revoke(ctl, &call, cause)
                                     : ctl_serial_call(ctl, &call, 0, &answer);
    }
    note_issuer(cause, answer);
    json_decref(answer);
    free(path);
    buffer_free(&pem);
    buffer_free(&about);
    return code;
}

static int revoke(struct ctl *ctl, int argc, char **argv, const struct ctl_cause *cause)
{
    int code = CTL_OK;
    if (ctl->option[CTL_FROM])
        return ctl_revoke_from(ctl, argv[0], cause);
    if (!ctl->option[CTL_CERT])
        return ctl_serials_each(ctl, argc, argv, revoke_one, cause);
    for (int i = 0; i < argc && !ctl->in_vain; i++)
        code = ctl_worse(code, revoke_file(ctl, argv[i], cause));
    return code;
}

int ctl_revoke(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_cause cause;
    int code = read_cause(ctl, &cause);
    if (code != CTL_OK)
        return code;
    if (ctl->option[CTL_FROM] && (ctl->option[CTL_CERT] || argc != 1))
        return ctl_fail(CTL_USAGE, "revoke --from FILE takes an issuer, and the serials from the file alone");
    if (!(cause.issuers = json_object()))
        return ctl_no_memory();
    code = revoke(ctl, argc, argv, &cause);
    tell_of_foreign_crls(ctl, &cause);
    json_decref(cause.issuers);
    return code;
}
