/* The entries of a CRL, of whatever age. */
#include "import.h"
#include "issuers.h"

#include <annul/crl.h>

#include <string.h>

struct source {
    struct bytes text, left;
    struct crl_text *reader;
    struct crl_scan *scan;
};

static long read_text(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct source *source = arg;
    size_t n = source->left.len < room ? source->left.len : room;
    (void)err;
    memcpy(into, source->left.at, n);
    source->left.at += n;
    source->left.len -= n;
    return (long)n;
}

static void source_close(struct source *source)
{
    crl_scan_free(source->scan);
    crl_text_free(source->reader);
    source->scan = NULL;
    source->reader = NULL;
}

/* From the beginning. */
static bool source_open(struct source *source)
{
    source_close(source);
    source->left = source->text;
    source->reader = crl_text_new(read_text, source);
    source->scan = source->reader ? crl_scan_new(crl_text_read, source->reader) : NULL;
    return source->scan != NULL;
}

struct adding {
    struct ctl_importer *importer;
    size_t place;
    int code;
};

static int add_entry(void *arg, const struct crl_entry *entry)
{
    struct adding *adding = arg;
    struct ctl_import_row row = {.serial = entry->serial,
                                 .revoked = true,
                                 .revoked_at = entry->revoked_at,
                                 .reason = entry->reason,
                                 .not_after = TIME_NONE,
                                 .invalidity_at = entry->invalidity_at};
    adding->code = ctl_importer_add(adding->importer, ++adding->place, &row);
    return adding->code == CTL_OK ? 0 : -1;
}

/* Three readings: what it is, whether it is the CA's (an old one is taken, too: so `now` is its own time), and the entries. */
static int import(struct ctl_importer *importer, struct source *source, const struct certificate *issuer)
{
    struct adding adding = {importer, 0, CTL_OK};
    struct crl_facts facts;
    struct error err = {"out of memory"};
    if (!source_open(source) || crl_scan_list(source->scan, NULL, NULL, &facts, &err) < 0)
        return ctl_fail(CTL_USAGE, "%s: not a CRL in PEM or DER: %s", importer->file, err.text);
    if (facts.is_delta)
        return ctl_fail(CTL_USAGE, "%s: a delta CRL holds changes only; import the complete CRL",
                        importer->file);
    int64_t its_time = facts.head.this_update;
    if (!source_open(source) || crl_verify(source->scan, issuer, its_time, NULL, NULL, &facts, &err) < 0)
        return ctl_fail(CTL_USAGE, "%s: the CRL is not from %s: %s", importer->file, importer->issuer,
                        err.text);
    importer->unit = "entry";
    importer->units = "entries";
    importer->total = (size_t)facts.entries;
    if (!source_open(source) || crl_scan_list(source->scan, add_entry, &adding, &facts, &err) < 0)
        return adding.code != CTL_OK ? adding.code : ctl_fail(CTL_USAGE, "%s: %s", importer->file, err.text);
    return CTL_OK;
}

int ctl_import_crl(struct ctl_importer *importer, struct bytes text)
{
    struct certificate issuer;
    struct source source = {.text = text};
    int code = ctl_issuer_certificate(importer->ctl, importer->issuer, &issuer);
    if (code == CTL_OK)
        code = import(importer, &source, &issuer);
    source_close(&source);
    certificate_free(&issuer);
    return code;
}
