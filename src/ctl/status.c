#include "issuers.h"
#include "print.h"
#include "serials.h"

#include <stdlib.h>
#include <string.h>

static int code_of_status(const char *status)
{
    static const struct {
        const char *status;
        int code;
    } codes[] = {{"good", CTL_OK}, {"revoked", CTL_REVOKED}, {"hold", CTL_ON_HOLD}};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (strcmp(codes[i].status, status) == 0)
            return codes[i].code;
    return ctl_fail(CTL_UNREACHABLE,
                    "the daemon answers with the status \"%s\", which this version does not know", status);
}

static int show_unknown(const struct ctl *ctl, const char *issuer, const char *serial, int width)
{
    json_t *unknown = json_pack("{s:s, s:s, s:s}", "issuer", issuer, "serial", serial, "status", "unknown");
    if (!unknown)
        return ctl_no_memory();
    ctl_serial_show(ctl, unknown, width);
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
    struct ctl_call call = {
        .method = "GET", .path = path, .about = (const char *)about.at, .may_be_absent = true};
    code = ctl_serial_call(ctl, &call, width, &certificate);
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
                      : ctl_fail(CTL_UNKNOWN, "%s: the daemon has no issuer that signed certificate %s",
                                 files->file, serial);
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
        if (code == CTL_OK &&
            certificates_from_text((struct bytes){text.at, text.len}, status_certificate, &files, &err) < 0)
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
                                 : ctl_serials_each(ctl, argc, argv, status_one, NULL);
}
