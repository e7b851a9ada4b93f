/* CRL numbers, what was published, and the rows that make a CRL. */
#include "internal.h"

#include <string.h>

static const struct store_actor publisher = {"annuld", "publisher", 0};

int store_crl_take_number(struct store *store, int64_t issuer, int64_t now, int64_t *number,
                          struct error *err)
{
    struct store_tx *tx = store_begin(store, &publisher, err);
    if (!tx)
        return -1;
    struct db_statement *s = db_prepare(
        tx->db, Q_CRL_NUMBER,
        "INSERT INTO crl (issuer, number) VALUES ($1, $2) ON CONFLICT (issuer) DO UPDATE "
        "SET number = CASE WHEN crl.number < excluded.number THEN excluded.number ELSE crl.number + 1 END "
        "RETURNING number",
        err);
    if (s) {
        db_bind_int(s, 1, issuer);
        db_bind_int(s, 2, now > 0 ? now : 1);
    }
    if (!s || db_step(s, err) != FOUND) {
        store_rollback(tx);
        return -1;
    }
    *number = db_int(s, 0);
    db_reset(s);
    return store_commit(tx, err);
}

int store_crl_published(struct store *store, int64_t issuer, const struct store_crl *crl, struct error *err)
{
    struct store_tx *tx = store_begin(store, &publisher, err);
    if (!tx)
        return -1;
    struct db_statement *s = db_prepare(
        tx->db, Q_CRL_PUBLISHED,
        "UPDATE crl SET published = $1, covers = $2, this_update = $3, next_update = $4, entries = $5, "
        "digest = $6 WHERE issuer = $7",
        err);
    if (s) {
        db_bind_int(s, 1, crl->number);
        db_bind_int(s, 2, crl->covers);
        db_bind_int(s, 3, crl->this_update);
        db_bind_int(s, 4, crl->next_update);
        db_bind_int(s, 5, crl->entries);
        db_bind_blob(s, 6, crl->digest, sizeof crl->digest);
        db_bind_int(s, 7, issuer);
    }
    if (!s || db_do(s, err) < 0) {
        store_rollback(tx);
        return -1;
    }
    return store_commit(tx, err);
}

enum outcome store_crl_last(struct store *store, int64_t issuer, struct store_crl *crl, int64_t *changed,
                            struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s =
        reader ? db_prepare(reader->db, Q_CRL_LAST,
                            "SELECT i.changed, c.published, c.covers, c.this_update, c.next_update, "
                            "c.entries, c.digest "
                            "FROM issuer i LEFT JOIN crl c ON c.issuer = i.id WHERE i.id = $1",
                            err)
               : NULL;
    enum outcome outcome = FAILED;
    if (s) {
        db_bind_int(s, 1, issuer);
        outcome = db_step(s, err);
    }
    if (outcome == FOUND) {
        struct bytes digest = db_blob(s, 6);
        *changed = db_int(s, 0);
        *crl = (struct store_crl){.number = db_int(s, 1),
                                  .covers = db_int(s, 2),
                                  .this_update = db_int(s, 3),
                                  .next_update = db_int(s, 4),
                                  .entries = db_int(s, 5)};
        if (digest.len == sizeof crl->digest)
            memcpy(crl->digest, digest.at, digest.len);
        else
            outcome = ABSENT;
        db_reset(s);
    }
    readers_give(&store->readers, reader);
    return outcome;
}

static int scan(struct db *db, int64_t issuer, store_each *each, void *arg, int64_t *covers,
                struct error *err)
{
    struct db_statement *change = db_prepare(db, Q_LAST_CHANGE, "SELECT counter FROM change", err);
    struct db_statement *s = db_prepare(db, Q_CRL_SCAN,
                                        "SELECT serial, version, status, reason, revoked_at, invalid_at "
                                        "FROM revocation WHERE issuer = $1 AND status <> 0 ORDER BY serial",
                                        err);
    if (!change || !s || db_step(change, err) != FOUND)
        return -1;
    *covers = db_int(change, 0);
    db_reset(change);
    db_bind_int(s, 1, issuer);
    enum outcome outcome;
    while ((outcome = db_step(s, err)) == FOUND) {
        struct cert_record record = {.version = db_int(s, 1),
                                     .status = (enum cert_status)db_int(s, 2),
                                     .not_before = TIME_NONE,
                                     .not_after = TIME_NONE,
                                     .reason = (int)db_int(s, 3),
                                     .revoked_at = db_int(s, 4),
                                     .invalidity_at = db_time(s, 5)};
        if (!serial_from_key(db_blob(s, 0), &record.serial)) {
            outcome = FAILED;
            error_set(err, "database: a revocation with an illegal serial");
        } else if (each(arg, &record) != 0) {
            outcome = FAILED;
            error_set(err, "stopped");
        }
        if (outcome == FAILED) {
            db_reset(s);
            break;
        }
    }
    return outcome == FAILED ? -1 : 0;
}

int store_crl_scan(struct store *store, int64_t issuer, store_each *each, void *arg, int64_t *covers,
                   struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    if (!reader)
        return -1;
    int result = scan(reader->db, issuer, each, arg, covers, err);
    readers_give(&store->readers, reader);
    return result;
}
