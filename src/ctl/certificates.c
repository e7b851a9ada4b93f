/* revoke, release, status and list. */
#include "client.h"
#include "issuers.h"
#include "pages.h"
#include "print.h"

#include <annul/reason.h>
#include <annul/serial.h>
#include <annul/time.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* What revoke was asked to say beside the serial. */
struct cause {
    const char *reason; /* RFC spelling, or NULL */
    char invalidity[TIME_TEXT];
    bool has_invalidity;
};

static int width_of(int argc, char **serials)
{
    size_t width = 0;
    for (int i = 0; i < argc; i++)
        width = strlen(serials[i]) > width ? strlen(serials[i]) : width;
    return (int)width;
}

static void show(const struct ctl *ctl, const json_t *certificate, int width)
{
    const json_t *changed = json_object_get(certificate, "changed");
    if (ctl->option[CTL_JSON])
        ctl_print_json(certificate);
    else if (!ctl->option[CTL_QUIET])
        ctl_print_certificate(certificate, width, json_is_false(changed) ? "(was so already)" : NULL);
}

/* All serials are read before the first is sent: a slip of the pen changes nothing. The texts are brought to
 * the API's form, in place of what was typed. */
static int read_serials(int argc, char **argv, char (*serials)[SERIAL_TEXT])
{
    for (int i = 0; i < argc; i++) {
        struct serial serial;
        if (!serial_from_text(argv[i], &serial))
            return ctl_fail(CTL_USAGE,
                            "\"%s\" is not a serial number: hexadecimal digits, at most 20 octets, with or without "
                            "0x and colons, or dec: and decimal digits",
                            argv[i]);
        serial_to_text(&serial, serials[i]);
        argv[i] = serials[i];
    }
    return CTL_OK;
}

typedef int act_on_serial(struct ctl *ctl, const char *issuer, const char *serial, int width, const void *arg);

/* One after the other, whatever becomes of each; the worst code counts. No daemon, no more tries. */
static int each_serial(struct ctl *ctl, int argc, char **argv, act_on_serial *act, const void *arg)
{
    if (argc < 2)
        return ctl_fail(CTL_USAGE, "%s: give an issuer and its serial numbers", ctl->word[0]);
    char(*serials)[SERIAL_TEXT] = calloc((size_t)argc, sizeof *serials);
    if (!serials)
        return ctl_no_memory();
    int code = read_serials(argc - 1, argv + 1, serials);
    int width = width_of(argc - 1, argv + 1);
    for (int i = 1; i < argc && code != CTL_USAGE && code != CTL_UNREACHABLE && code != CTL_UNAUTHORISED; i++)
        code = ctl_worse(code, act(ctl, argv[0], argv[i], width, arg));
    free(serials);
    return code;
}

/* POST or GET of one certificate's URL, and what came back is shown. */
static int call_and_show(struct ctl *ctl, const struct ctl_call *call, int width, json_t **certificate)
{
    json_t *answer = NULL;
    int code = ctl_client_call(ctl, call, &answer);
    if (code == CTL_OK)
        show(ctl, answer, width);
    if (certificate)
        *certificate = answer;
    else
        json_decref(answer);
    return code;
}

/* --- revoke, release ---------------------------------------------------------------------------------- */

static int read_cause(const struct ctl *ctl, struct cause *cause)
{
    const char *reason = ctl->option[CTL_REASON], *time = ctl->option[CTL_INVALIDITY];
    int64_t at;
    *cause = (struct cause){0};
    if (reason && reason_from_name(reason) < 0)
        return ctl_fail(CTL_USAGE,
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

static int revoke_one(struct ctl *ctl, const char *issuer, const char *serial, int width, const void *arg)
{
    const struct cause *cause = arg;
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
        show(ctl, answer, width);
out:
    json_decref(answer);
    free(path);
    buffer_free(&about);
    return code;
}

struct sole {
    struct buffer pem;
    int certificates;
};

static int take_sole(void *arg, struct certificate *certificate, struct error *err)
{
    struct sole *sole = arg;
    if (sole->certificates++)
        return error_set(err, "it holds more than one certificate; give the one to revoke in a file of its own");
    struct bytes der = {certificate->der.at, certificate->der.len};
    return certificate_to_pem(der, &sole->pem) ? 0 : error_set(err, "out of memory");
}

/* The one certificate of a file, as PEM: a chain or a key beside it must not be revoked or sent by accident. */
static int read_sole(const char *path, struct buffer *pem)
{
    struct buffer text = {0};
    struct sole sole = {0};
    struct error err;
    int code = ctl_read_file(path, &text);
    if (code == CTL_OK &&
        certificates_from_text((struct bytes){text.at, text.len}, take_sole, &sole, &err) < 0) {
        code = ctl_fail(CTL_USAGE, "%s: %s", path, err.text);
        buffer_free(&sole.pem);
    }
    buffer_free(&text);
    *pem = sole.pem;
    return code;
}

/* POST /api/v1/revoke has no place for an invalidity date: the certificate is registered first, and then
 * revoked by the issuer and serial that come back. */
static int register_and_revoke(struct ctl *ctl, const struct ctl_call *revoke, const struct cause *cause)
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

static int revoke_file(struct ctl *ctl, const char *file, const struct cause *cause)
{
    struct buffer pem = {0}, about = {0};
    char *path = cause->reason ? ctl_client_path("/api/v1/revoke?reason={}", cause->reason)
                               : ctl_client_path("/api/v1/revoke");
    int code = read_sole(file, &pem);
    if (code == CTL_OK && (!path || !buffer_printf(&about, "revoke the certificate in %s", file)))
        code = ctl_no_memory();
    if (code == CTL_OK) {
        struct ctl_call call = {.method = "POST",
                                .path = path,
                                .body = {pem.at, pem.len},
                                .content_type = "application/x-pem-file",
                                .about = (const char *)about.at};
        code = cause->has_invalidity ? register_and_revoke(ctl, &call, cause) : call_and_show(ctl, &call, 0, NULL);
    }
    free(path);
    buffer_free(&pem);
    buffer_free(&about);
    return code;
}

int ctl_revoke(struct ctl *ctl, int argc, char **argv)
{
    struct cause cause;
    int code = read_cause(ctl, &cause);
    if (code != CTL_OK)
        return code;
    if (!ctl->option[CTL_CERT])
        return each_serial(ctl, argc, argv, revoke_one, &cause);
    for (int i = 0; i < argc && code != CTL_UNREACHABLE && code != CTL_UNAUTHORISED; i++)
        code = ctl_worse(code, revoke_file(ctl, argv[i], &cause));
    return code;
}

static int release_one(struct ctl *ctl, const char *issuer, const char *serial, int width, const void *arg)
{
    (void)arg;
    struct buffer about = {0};
    char *path = ctl_client_path("/api/v1/issuers/{}/certificates/{}/release", issuer, serial);
    int code = CTL_OK;
    if (!path || !buffer_printf(&about, "release %s of %s", serial, issuer)) {
        code = ctl_no_memory();
    } else {
        struct ctl_call call = {.method = "POST", .path = path, .about = (const char *)about.at};
        code = call_and_show(ctl, &call, width, NULL);
    }
    free(path);
    buffer_free(&about);
    return code;
}

int ctl_release(struct ctl *ctl, int argc, char **argv)
{
    return each_serial(ctl, argc, argv, release_one, NULL);
}

/* --- status ------------------------------------------------------------------------------------------- */

static int code_of_status(const char *status)
{
    static const struct {
        const char *status;
        int code;
    } codes[] = {{"good", CTL_OK}, {"revoked", CTL_REVOKED}, {"hold", CTL_ON_HOLD}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].status, status) == 0)
            return codes[i].code;
    return ctl_fail(CTL_UNREACHABLE, "the daemon answers with the status \"%s\", which this version does not know",
                    status);
}

static int show_unknown(const struct ctl *ctl, const char *issuer, const char *serial, int width)
{
    json_t *unknown = json_pack("{s:s, s:s, s:s}", "issuer", issuer, "serial", serial, "status", "unknown");
    if (!unknown)
        return ctl_no_memory();
    show(ctl, unknown, width);
    json_decref(unknown);
    return CTL_UNKNOWN;
}

/* A 404 speaks of the serial only if there is such an issuer. */
static int status_one(struct ctl *ctl, const char *issuer, const char *serial, int width, const void *arg)
{
    (void)arg;
    struct buffer about = {0};
    json_t *certificate = NULL;
    char *path = ctl_client_path("/api/v1/issuers/{}/certificates/{}", issuer, serial);
    int code = CTL_OK;
    if (!path || !buffer_printf(&about, "status of %s of %s", serial, issuer)) {
        code = ctl_no_memory();
        goto out;
    }
    struct ctl_call call = {.method = "GET", .path = path, .about = (const char *)about.at, .may_be_absent = true};
    code = call_and_show(ctl, &call, width, &certificate);
    if (code == CTL_OK)
        code = code_of_status(ctl_json_text(certificate, "status", ""));
    else if (code == CTL_UNKNOWN && (code = ctl_issuer_check(ctl, issuer)) == CTL_OK)
        code = show_unknown(ctl, issuer, serial, width);
out:
    json_decref(certificate);
    free(path);
    buffer_free(&about);
    return code;
}

struct status_files {
    struct ctl *ctl;
    json_t *issuers;
    const char *file;
    int code;
};

static int status_certificate(void *arg, struct certificate *certificate, struct error *err)
{
    (void)err;
    struct status_files *files = arg;
    char serial[SERIAL_TEXT];
    const char *issuer = ctl_issuer_of(files->issuers, certificate);
    serial_to_text(&certificate->serial, serial);
    int code = issuer ? status_one(files->ctl, issuer, serial, 0, NULL)
                      : ctl_fail(CTL_UNKNOWN, "%s: the daemon has no issuer that signed certificate %s", files->file,
                                 serial);
    files->code = ctl_worse(files->code, code);
    return 0;
}

static int status_of_files(struct ctl *ctl, int argc, char **argv)
{
    struct status_files files = {.ctl = ctl};
    files.code = ctl_issuers_get(ctl, &files.issuers);
    for (int i = 0; files.issuers && i < argc; i++) {
        struct error err;
        struct buffer text = {0};
        files.file = argv[i];
        int code = ctl_read_file(argv[i], &text);
        if (code == CTL_OK && certificates_from_text((struct bytes){text.at, text.len}, status_certificate, &files,
                                                     &err) < 0)
            code = ctl_fail(CTL_USAGE, "%s: %s", argv[i], err.text);
        files.code = ctl_worse(files.code, code);
        buffer_free(&text);
    }
    json_decref(files.issuers);
    return files.code;
}

int ctl_status(struct ctl *ctl, int argc, char **argv)
{
    return ctl->option[CTL_CERT] ? status_of_files(ctl, argc, argv)
                                 : each_serial(ctl, argc, argv, status_one, NULL);
}

/* --- list --------------------------------------------------------------------------------------------- */

struct listing {
    const struct ctl *ctl;
    int serial_width; /* the widest so far: the list is printed as it comes */
};

static int print_page(void *arg, const json_t *page)
{
    struct listing *listing = arg;
    size_t i;
    json_t *certificate;
    json_array_foreach (page, i, certificate) {
        int len = (int)json_string_length(json_object_get(certificate, "serial"));
        listing->serial_width = len > listing->serial_width ? len : listing->serial_width;
    }
    json_array_foreach (page, i, certificate) {
        if (listing->ctl->option[CTL_JSON])
            ctl_print_json(certificate);
        else
            ctl_print_certificate(certificate, listing->serial_width, NULL);
    }
    /* A reader that has gone (`| head`) ends the walk. */
    return fflush(stdout) == 0 ? CTL_OK : ctl_fail(CTL_USAGE, "cannot write to standard output");
}

static int read_limit(const struct ctl *ctl, long *limit)
{
    char *end;
    const char *text = ctl->option[CTL_LIMIT], *status = ctl->option[CTL_STATUS];
    *limit = text ? strtol(text, &end, 10) : LONG_MAX;
    if (text && (*text < '0' || *text > '9' || *end || *limit < 1))
        return ctl_fail(CTL_USAGE, "--limit %s is not a number of certificates from 1", text);
    if (status && strcmp(status, "good") != 0 && strcmp(status, "revoked") != 0 && strcmp(status, "hold") != 0)
        return ctl_fail(CTL_USAGE, "--status %s is none of good, revoked, hold", status);
    return CTL_OK;
}

int ctl_list(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    struct listing listing = {.ctl = ctl};
    struct ctl_filter filter = {
        .issuer = argv[0], .status = ctl->option[CTL_STATUS], .query = ctl->option[CTL_QUERY]};
    int code = read_limit(ctl, &filter.limit);
    return code == CTL_OK ? ctl_pages_walk(ctl, &filter, print_page, &listing) : code;
}
