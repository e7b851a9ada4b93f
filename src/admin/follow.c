/* Lists that are kept elsewhere: row by row, what is new in them. */
#include "internal.h"

#include <stdio.h>
#include <stdlib.h>

static bool changes_status(const struct cert_record *row, const struct cert_record *record)
{
    struct cert_record after = *record;
    return row->status != CERT_GOOD &&
           admin_apply_revocation(&after, row->reason, row->revoked_at, row->invalidity_at);
}

/* A CRL has serials and statuses alone: they are looked up faster than the rest. */
static enum outcome look_up(struct store *store, int64_t issuer, const struct cert_record *row,
                            struct cert_record *record, struct error *err)
{
    if (row->subject || row->not_after != TIME_NONE)
        return store_certificate(store, issuer, &row->serial, record, err);
    return store_status(store, issuer, &row->serial, record, err);
}

enum outcome admin_is_news(struct admin *admin, const struct issuer *issuer, const struct cert_record *row,
                           enum cert_status *is, struct error *err)
{
    struct cert_record record;
    enum outcome found = look_up(admin->store, issuer->id, row, &record, err);
    if (is)
        *is = found == FOUND ? record.status : CERT_GOOD;
    if (found != FOUND)
        return found == ABSENT ? FOUND : FAILED;
    struct cert_record after = record;
    bool news = admin_learn(&after, row, false) || changes_status(row, &record);
    cert_record_free(&record);
    return news ? FOUND : ABSENT;
}

/* What was not known has no status to change from. */
static int write_status(struct store_tx *tx, const struct issuer *issuer, const struct cert_record *was,
                        struct cert_record *is, bool was_known, struct error *err)
{
    if (was_known)
        return admin_write_status(tx, "revoke", issuer, was, is, err);
    admin_place(issuer, is);
    return store_tx_set_status(tx, issuer->id, was->status, is, err);
}

int admin_take_row(struct store_tx *tx, const struct issuer *issuer, const struct cert_record *row,
                   struct admin_follow_count *counts, struct error *err)
{
    struct cert_record record;
    bool learned;
    enum outcome before = admin_register_row(tx, "import", issuer, row, false, &learned, err);
    if (before == FAILED)
        return -1;
    counts->added += before == ABSENT;
    if (row->status == CERT_GOOD)
        return 0;
    if (store_tx_certificate(tx, issuer->id, &row->serial, &record, err) != FOUND)
        return -1;
    struct cert_record was = record;
    int result = 0;
    if (admin_apply_revocation(&record, row->reason, row->revoked_at, row->invalidity_at)) {
        result = write_status(tx, issuer, &was, &record, before == FOUND, err);
        counts->changed++;
    }
    cert_record_free(&record);
    return result;
}

static enum admin_result take_news(struct admin *admin, const struct store_actor *actor,
                                   const struct issuer *issuer, const struct cert_record *const *news,
                                   size_t count, struct admin_follow_count *counts, struct error *err)
{
    struct store_tx *tx = store_begin_alone(admin->store, actor, err);
    enum admin_result result = tx ? ADMIN_DONE : ADMIN_FAILED;
    char detail[96];
    if (!tx)
        return result;
    for (size_t i = 0; i < count && result == ADMIN_DONE; i++)
        if (admin_take_row(tx, issuer, news[i], counts, err) < 0)
            result = ADMIN_FAILED;
    snprintf(detail, sizeof detail, "%zu rows: %zu added, %zu revoked", count, counts->added,
             counts->changed);
    if (result == ADMIN_DONE &&
        store_tx_audit(tx, "import", issuer->config->name.text, NULL, detail, err) < 0)
        result = ADMIN_FAILED;
    return admin_finish(admin, tx, result, counts->changed ? issuer : NULL, err);
}

enum admin_result admin_follow(struct admin *admin, const struct store_actor *actor,
                               const struct issuer *issuer, const struct cert_record *rows, size_t count,
                               struct admin_follow_count *counts, struct error *err)
{
    size_t news_count = 0;
    enum admin_result result = ADMIN_DONE;
    const struct cert_record **news = calloc(count ? count : 1, sizeof *news);
    *counts = (struct admin_follow_count){0};
    if (!news) {
        error_set(err, "out of memory");
        return ADMIN_FAILED;
    }
    for (size_t i = 0; i < count && result == ADMIN_DONE; i++) {
        enum cert_status is;
        enum outcome found = admin_is_news(admin, issuer, &rows[i], &is, err);
        if (found == FOUND)
            news[news_count++] = &rows[i];
        else if (found == FAILED)
            result = ADMIN_FAILED;
        counts->kept += rows[i].status == CERT_GOOD && is != CERT_GOOD;
    }
    if (result == ADMIN_DONE && news_count)
        result = take_news(admin, actor, issuer, news, news_count, counts, err);
    free(news);
    return result;
}
