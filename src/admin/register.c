/* Certificates come in: by themselves, to be revoked, or as rows from elsewhere. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

struct naming {
    const struct issuer *issuer;
    unsigned shard; /* as in struct cert_record */
};

static int name_shard(void *arg, struct bytes uri)
{
    struct naming *naming = arg;
    struct crl_part part;
    if (!issuer_part_of_uri(naming->issuer, uri, &part) || part.shard == CRL_WHOLE)
        return 0;
    naming->shard = (unsigned)part.shard + 1;
    return 1;
}

/* A CRL whose scope is user or CA certificates tells nothing of the other kind. */
static int check_scope(const struct issuer *issuer, const struct certificate *certificate,
                       const char *subject, struct error *err)
{
    int scope = issuer->config->crl_scope;
    if (scope == CRL_ALL || (scope == CRL_CA) == certificate->is_ca)
        return 0;
    return error_set(err,
                     "%s is %s certificate, and issuer %s lists those of the other kind alone (crl_scope)",
                     subject, certificate->is_ca ? "a CA" : "no CA", issuer->config->name.text);
}

/* What certificates_from_text gave, kept until the transaction. */
struct intake {
    struct admin *admin;
    const char *scope;
    bool forbidden; /* one was of an issuer that is not within it */
    size_t count, room;
    struct intake_row {
        const struct issuer *issuer;
        struct cert_record record;
        bool learned; /* something of one that was known */
    } * rows;
};

static int take_in(void *arg, struct certificate *certificate, struct error *err)
{
    struct intake *intake = arg;
    char *subject = certificate_subject_text(certificate);
    const struct issuer *issuer = issuers_of_certificate(intake->admin->issuers, certificate);
    if (!issuer || !subject) {
        error_set(err, "certificate %zu (%s) was issued by none of the configured CAs", intake->count + 1,
                  subject ? subject : "?");
        free(subject);
        return -1;
    }
    intake->forbidden = !scope_has(intake->scope, issuer->config->name.text);
    if (intake->forbidden) {
        error_set(err, "certificate %zu (%s) is of issuer %s, which is not within the scope of this access",
                  intake->count + 1, subject, issuer->config->name.text);
        free(subject);
        return -1;
    }
    struct naming naming = {issuer, 0};
    certificate_points(certificate, name_shard, &naming);
    if (check_scope(issuer, certificate, subject, err) < 0) {
        free(subject);
        return -1;
    }
    if (intake->count == intake->room) {
        size_t room = intake->room ? intake->room * 2 : 16;
        struct intake_row *rows = realloc(intake->rows, room * sizeof *rows);
        if (!rows) {
            free(subject);
            return error_set(err, "out of memory");
        }
        intake->rows = rows;
        intake->room = room;
    }
    intake->rows[intake->count++] = (struct intake_row){.issuer = issuer,
                                                        .record = {.serial = certificate->serial,
                                                                   .not_before = certificate->not_before,
                                                                   .not_after = certificate->not_after,
                                                                   .shard = naming.shard,
                                                                   .subject = subject,
                                                                   .invalidity_at = TIME_NONE}};
    return 0;
}

static void intake_free(struct intake *intake)
{
    for (size_t i = 0; i < intake->count; i++)
        cert_record_free(&intake->rows[i].record);
    free(intake->rows);
}

static int register_one(struct store_tx *tx, const struct issuer *issuer, const struct cert_record *record,
                        enum outcome *before, bool *learned, struct error *err)
{
    *before = admin_register_row(tx, "register", issuer, record, true, learned, err);
    if (*before != ABSENT)
        return *before == FAILED ? -1 : 0;
    return store_tx_audit(tx, "register", issuer->config->name.text, &record->serial,
                          record->subject ? record->subject : "", err);
}

static enum admin_result give(struct store_tx *tx, const struct intake_row *row, admin_each *each, void *arg,
                              struct error *err)
{
    struct cert_record record;
    enum admin_result result = admin_find(tx, row->issuer, &row->record.serial, &record, err);
    if (result != ADMIN_DONE)
        return result;
    each(arg, row->issuer, &record);
    cert_record_free(&record);
    return ADMIN_DONE;
}

static enum admin_result read_certificates(struct intake *intake, struct bytes text, struct error *err)
{
    if (certificates_from_text(text, take_in, intake, err) >= 0)
        return ADMIN_DONE;
    return intake->forbidden ? ADMIN_FORBIDDEN : ADMIN_INVALID;
}

enum admin_result admin_register(struct admin *admin, const struct store_actor *actor, const char *scope,
                                 struct bytes text, admin_each *each, void *arg, size_t *added, size_t *known,
                                 struct error *err)
{
    struct intake intake = {.admin = admin, .scope = scope};
    *added = *known = 0;
    enum admin_result result = read_certificates(&intake, text, err);
    if (result != ADMIN_DONE)
        goto out;
    struct store_tx *tx = store_begin(admin->store, actor, err);
    result = tx ? ADMIN_DONE : ADMIN_FAILED;
    for (size_t i = 0; i < intake.count && result == ADMIN_DONE; i++) {
        struct intake_row *row = &intake.rows[i];
        enum outcome before;
        if (register_one(tx, row->issuer, &row->record, &before, &row->learned, err) < 0)
            result = ADMIN_FAILED;
        *added += before == ABSENT;
        *known += before == FOUND;
    }
    for (size_t i = 0; i < intake.count && result == ADMIN_DONE; i++)
        result = give(tx, &intake.rows[i], each, arg, err);
    if (tx)
        result = admin_finish(admin, tx, result, NULL, err);
    for (size_t i = 0; i < intake.count && result == ADMIN_DONE; i++)
        if (intake.rows[i].learned) /* it may have turned out to be another shard's */
            publisher_changed(admin->publisher, intake.rows[i].issuer);
out:
    intake_free(&intake);
    return result;
}

static enum admin_result register_and_revoke(struct store_tx *tx, struct admin_change *change,
                                             struct error *err)
{
    enum outcome before;
    if (register_one(tx, change->issuer, change->certificate, &before, &change->learned, err) < 0)
        return ADMIN_FAILED;
    return admin_revoke_in(tx, change, err);
}

enum admin_result admin_revoke_certificate(struct admin *admin, const struct store_actor *actor,
                                           const char *scope, struct bytes text, int reason,
                                           const struct issuer **issuer, struct cert_record *record,
                                           bool *changed, struct error *err)
{
    struct intake intake = {.admin = admin, .scope = scope};
    *changed = false;
    enum admin_result result = read_certificates(&intake, text, err);
    if (result == ADMIN_DONE && intake.count != 1) {
        result = ADMIN_INVALID;
        error_set(err, "%zu certificates, where the one to revoke belongs", intake.count);
    } else if (result == ADMIN_DONE) {
        const struct intake_row *row = intake.rows;
        struct admin_change change = {.issuer = *issuer = row->issuer,
                                      .serial = &row->record.serial,
                                      .reason = reason,
                                      .invalidity_at = TIME_NONE,
                                      .certificate = &row->record,
                                      .record = record,
                                      .changed = changed};
        result = admin_make_change(admin, actor, &change, register_and_revoke, err);
    }
    intake_free(&intake);
    return result;
}

/* --- rows from elsewhere ------------------------------------------------------------------------------- */

/* A certificate that was known before has a history: its change has an entry of its own. */
static int import_status(struct store_tx *tx, const struct issuer *issuer, const struct cert_record *row,
                         bool known, struct admin_import_count *counts, struct error *err)
{
    struct cert_record record;
    if (store_tx_certificate(tx, issuer->id, &row->serial, &record, err) != FOUND)
        return -1;
    struct cert_record was = record;
    bool changed = admin_apply_revocation(&record, row->reason, row->revoked_at, row->invalidity_at);
    admin_place(issuer, &record);
    int result = 0;
    if (changed)
        result = known ? admin_write_status(tx, "import", issuer, &was, &record, err)
                       : store_tx_set_status(tx, issuer->id, was.status, &record, err);
    counts->changed += changed;
    cert_record_free(&record);
    return result;
}

enum admin_result admin_import(struct admin *admin, const struct store_actor *actor,
                               const struct issuer *issuer, const struct cert_record *rows, size_t count,
                               struct admin_import_count *counts, struct error *err)
{
    struct store_tx *tx = store_begin_alone(admin->store, actor, err);
    char detail[128];
    *counts = (struct admin_import_count){0};
    if (!tx)
        return ADMIN_FAILED;
    for (size_t i = 0; i < count; i++) {
        bool learned;
        enum outcome before = admin_register_row(tx, "import", issuer, &rows[i], false, &learned, err);
        if (before == FAILED || (rows[i].status != CERT_GOOD &&
                                 import_status(tx, issuer, &rows[i], before == FOUND, counts, err) < 0))
            return admin_finish(admin, tx, ADMIN_FAILED, NULL, err);
        counts->added += before == ABSENT;
        counts->known += before == FOUND;
    }
    snprintf(detail, sizeof detail, "%zu rows: %zu added, %zu known, %zu revoked", count, counts->added,
             counts->known, counts->changed);
    if (store_tx_audit(tx, "import", issuer->config->name.text, NULL, detail, err) < 0)
        return admin_finish(admin, tx, ADMIN_FAILED, NULL, err);
    return admin_finish(admin, tx, ADMIN_DONE, counts->changed ? issuer : NULL, err);
}
