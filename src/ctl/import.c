#include "import.h"
#include "issuers.h"
#include "register.h"

#include <annul/der.h>

#include <stdio.h>
#include <string.h>

enum format { FORMAT_INDEX, FORMAT_CRL, FORMAT_CERTS, FORMATS };
static const char *const format_names[FORMATS] = {"index", "crl", "certs"};

static bool has(struct bytes text, const char *mark)
{
    return memmem(text.at, text.len, mark, strlen(mark)) != NULL;
}

/* In DER, a TBSCertificate begins with [0] or an INTEGER and goes on with one; a TBSCertList begins with its
 * version, an INTEGER, and goes on with an algorithm, or begins with the algorithm. */
static enum format tell_der(struct bytes text)
{
    struct bytes whole, tbs, part;
    uint8_t tag;
    if (!der_take(&text, DER_SEQUENCE, &whole) || !der_take(&whole, DER_SEQUENCE, &tbs))
        return FORMAT_INDEX;
    if (der_peek(tbs) == DER_INTEGER)
        der_take_any(&tbs, &tag, &part);
    else if (der_peek(tbs) == DER_CONTEXT_CONSTRUCTED(0))
        return FORMAT_CERTS;
    if (der_peek(tbs) != DER_SEQUENCE || !der_take_any(&tbs, &tag, &part) ||
        !der_take(&tbs, DER_SEQUENCE, &part))
        return FORMAT_CERTS;
    return der_peek(tbs) == DER_UTC_TIME || der_peek(tbs) == DER_GENERALIZED_TIME ? FORMAT_CRL : FORMAT_CERTS;
}

static enum format tell_format(struct bytes text)
{
    if (text.len && text.at[0] == DER_SEQUENCE)
        return tell_der(text);
    if (has(text, "-----BEGIN X509 CRL-----"))
        return FORMAT_CRL;
    return has(text, "-----BEGIN ") ? FORMAT_CERTS : FORMAT_INDEX;
}

static int choose_format(const struct ctl *ctl, struct bytes text, enum format *format)
{
    const char *name = ctl->option[CTL_FORMAT];
    if (!name) {
        *format = tell_format(text);
        return CTL_OK;
    }
    for (int i = 0; i < FORMATS; i++)
        if (strcmp(format_names[i], name) == 0) {
            *format = (enum format)i;
            return CTL_OK;
        }
    return ctl_fail(CTL_USAGE, "--format %s is none of index, crl, certs", name);
}

static int import_rows(struct ctl *ctl, const char *issuer, const char *file, struct bytes text,
                       enum format format)
{
    struct ctl_importer importer = {
        .ctl = ctl, .issuer = issuer, .file = file, .skip_bad = ctl->option[CTL_SKIP_BAD] != NULL};
    int code = ctl_importer_start(&importer);
    if (code == CTL_OK)
        code = format == FORMAT_CRL ? ctl_import_crl(&importer, text) : ctl_import_index(&importer, text);
    if (code == CTL_OK)
        code = ctl_importer_finish(&importer);
    if (code != CTL_OK && importer.sent)
        ctl_fail(code, "%s: up to %s %zu it is imported; doing all of it again is harmless", file,
                 importer.unit, importer.sent);
    ctl_progress_clear(&importer.progress);
    ctl_importer_end(&importer);
    return code;
}

static int import_certificates(struct ctl *ctl, const char *issuer, const char *file, struct bytes text)
{
    struct certificate certificate;
    struct ctl_registration registration = {
        .ctl = ctl, .issuer = &certificate, .skip_bad = ctl->option[CTL_SKIP_BAD] != NULL};
    int code = ctl_issuer_certificate(ctl, issuer, &certificate);
    if (code == CTL_OK)
        code = ctl_register_text(&registration, file, text);
    if (code == CTL_OK && !ctl->option[CTL_QUIET] && !ctl->option[CTL_JSON])
        printf("%ld registered, %ld known already, %ld skipped\n", registration.registered,
               registration.known, registration.skipped);
    ctl_register_end(&registration);
    certificate_free(&certificate);
    return code;
}

int ctl_import(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    struct buffer content = {0};
    enum format format = FORMAT_INDEX;
    int code = ctl_read_file(argv[1], &content);
    struct bytes text = {content.at, content.len};
    if (code == CTL_OK)
        code = choose_format(ctl, text, &format);
    if (code == CTL_OK)
        code = format == FORMAT_CERTS ? import_certificates(ctl, argv[0], argv[1], text)
                                      : import_rows(ctl, argv[0], argv[1], text, format);
    buffer_free(&content);
    return code;
}
