/* Rows on their way to POST .../import, whatever file they come from. */
#ifndef ANNUL_CTL_IMPORT_H
#define ANNUL_CTL_IMPORT_H

#include "ctl.h"
#include "progress.h"

#include <annul/certificate.h>
#include <annul/serial.h>
#include <annul/time.h>

struct ctl_import_row {
    struct serial serial;
    bool revoked;
    int reason;                                   /* of a revoked one; certificateHold makes it a hold */
    int64_t not_after, revoked_at, invalidity_at; /* or TIME_NONE */
    const char *subject;                          /* RFC 2253, or NULL */
};

struct ctl_importer {
    struct ctl *ctl;
    const char *issuer, *file;
    const char *unit, *units; /* what `place` counts: "entry", "entries" */
    bool skip_bad;

    char *path;          /* of the API */
    struct buffer lines; /* NDJSON that is not sent yet */
    size_t rows;         /* in it */
    size_t first, last;  /* places of its first and last row */
    size_t sent;         /* place of the last row that the daemon has taken */
    size_t done, total;  /* places behind us, and of the file (0: not known) */
    struct ctl_progress progress;

    long registered, changed, known, skipped; /* sums */
};

/* All return CTL_OK or a code, after a message. */
int ctl_importer_start(struct ctl_importer *importer);
int ctl_importer_add(struct ctl_importer *importer, size_t place, const struct ctl_import_row *row);
int ctl_importer_finish(struct ctl_importer *importer); /* sends the rest and prints the sums */
void ctl_importer_end(struct ctl_importer *importer);   /* frees */

/* A row that cannot be read: ends the import, or is counted with --skip-bad. */
int ctl_importer_bad(struct ctl_importer *importer, size_t place, const struct error *err);

/* The kinds of file; `text` is the whole content. */
int ctl_import_index(struct ctl_importer *importer, struct bytes text);
int ctl_import_crl(struct ctl_importer *importer, struct bytes text);

#endif
