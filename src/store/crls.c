/* CRL numbers, what was published, and the rows that make a CRL. */
#include "internal.h"

#include <string.h>

static const struct store_actor publisher = {"annuld", "publisher", 0};

int store_crl_take_number(struct store *store, const struct store_crl_key *key, int64_t now, int64_t *number,
                          struct error *err)
{
    struct store_tx *tx = store_begin(store, &publisher, err);
    if (!tx)
        return -1;
    struct db_statement *s = db_prepare(
        tx->db, Q_CRL_NUMBER,
        "INSERT INTO crl_sequence (issuer, shard, number) VALUES ($1, $2, $3) ON CONFLICT (issuer, shard) DO "
        "UPDATE SET number = CASE WHEN crl_sequence.number < excluded.number THEN excluded.number "
        "ELSE crl_sequence.number + 1 END RETURNING number",
        err);
    if (s) {
        db_bind_int(s, 1, key->issuer);
        db_bind_int(s, 2, key->shard);
        db_bind_int(s, 3, now > 0 ? now : 1);
    }
    if (!s || db_step(s, err) != FOUND) {
        store_rollback(tx);
        return -1;
    }
    *number = db_int(s, 0);
    db_reset(s);
    return store_commit(tx, err);
}

static int record_publication(struct store_tx *tx, const struct store_crl_key *key,
                              const struct store_crl *crl, struct error *err)
{
    struct db_statement *s = db_prepare(
        tx->db, Q_CRL_PUBLISHED,
        "INSERT INTO publication (issuer, shard, delta, number, covers, this_update, next_update, entries, "
        "digest, "
        "shape, regular_at, regular_covers, base, base_covers, crl_number) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) "
        "ON CONFLICT (issuer, shard, delta) DO UPDATE SET number = excluded.number, covers = "
        "excluded.covers, "
        "this_update = excluded.this_update, next_update = excluded.next_update, entries = excluded.entries, "
        "digest = excluded.digest, shape = excluded.shape, regular_at = excluded.regular_at, "
        "regular_covers = excluded.regular_covers, base = excluded.base, base_covers = excluded.base_covers, "
        "crl_number = excluded.crl_number",
        err);
    if (!s)
        return -1;
    db_bind_int(s, 1, key->issuer);
    db_bind_int(s, 2, key->shard);
    db_bind_int(s, 3, key->delta);
    db_bind_int(s, 4, crl->number);
    db_bind_int(s, 5, crl->covers);
    db_bind_int(s, 6, crl->this_update);
    db_bind_int(s, 7, crl->next_update);
    db_bind_int(s, 8, crl->entries);
    db_bind_blob(s, 9, crl->digest, sizeof crl->digest);
    db_bind_blob(s, 10, crl->shape, sizeof crl->shape);
    db_bind_int(s, 11, crl->regular_at);
    db_bind_int(s, 12, crl->regular_covers);
    db_bind_int(s, 13, crl->base);
    db_bind_int(s, 14, crl->base_covers);
    db_bind_blob(s, 15, crl->crl_number.octets, crl->crl_number.len);
    return db_do(s, err);
}

int store_crl_published(struct store *store, const struct store_crl_key *key, const struct store_crl *crl,
                        struct error *err)
{
    struct store_tx *tx = store_begin(store, &publisher, err);
    if (!tx)
        return -1;
    if (record_publication(tx, key, crl, err) == 0)
        return store_commit(tx, err);
    store_rollback(tx);
    return -1;
}

static bool read_digest(struct db_statement *s, int column, uint8_t digest[32])
{
    struct bytes found = db_blob(s, column);
    if (found.len == 32)
        memcpy(digest, found.at, 32);
    return found.len == 32;
}

static enum outcome read_publication(struct db_statement *s, struct store_crl *crl)
{
    struct bytes number = db_blob(s, 11);
    *crl = (struct store_crl){.number = db_int(s, 0),
                              .covers = db_int(s, 1),
                              .this_update = db_int(s, 2),
                              .next_update = db_int(s, 3),
                              .entries = db_int(s, 4),
                              .regular_at = db_int(s, 7),
                              .regular_covers = db_int(s, 8),
                              .base = db_int(s, 9),
                              .base_covers = db_int(s, 10)};
    return read_digest(s, 5, crl->digest) && read_digest(s, 6, crl->shape) &&
                   (number.len == 0 || serial_from_octets(number, &crl->crl_number))
               ? FOUND
               : ABSENT;
}

enum outcome store_crl_last(struct store *store, const struct store_crl_key *key, struct store_crl *crl,
                            struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s =
        reader ? db_prepare(
                     reader->db, Q_CRL_LAST,
                     "SELECT number, covers, this_update, next_update, entries, digest, shape, regular_at, "
                     "regular_covers, base, base_covers, crl_number "
                     "FROM publication WHERE issuer = $1 AND shard = $2 AND delta = $3",
                     err)
               : NULL;
    enum outcome outcome = FAILED;
    if (s) {
        db_bind_int(s, 1, key->issuer);
        db_bind_int(s, 2, key->shard);
        db_bind_int(s, 3, key->delta);
        outcome = db_step(s, err);
    }
    if (outcome == FOUND) {
        outcome = read_publication(s, crl);
        db_reset(s);
    }
    readers_give(&store->readers, reader);
    return outcome;
}

int store_crl_changed(struct store *store, int64_t issuer, store_each_changed *each, void *arg,
                      struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s =
        reader ? db_prepare(reader->db, Q_CRL_CHANGED,
                            "SELECT -1, changed FROM issuer WHERE id = $1 UNION ALL "
                            "SELECT shard, changed FROM crl_sequence WHERE issuer = $1 AND shard >= 0",
                            err)
               : NULL;
    enum outcome outcome = FAILED;
    if (s)
        db_bind_int(s, 1, issuer);
    while (s && (outcome = db_step(s, err)) == FOUND)
        each(arg, (int)db_int(s, 0), db_int(s, 1));
    readers_give(&store->readers, reader);
    return outcome == FAILED ? -1 : 0;
}

/* --- rows ---------------------------------------------------------------------------------------------- */

static int read_row(struct db_statement *s, struct cert_record *record, struct error *err)
{
    *record = (struct cert_record){.version = db_int(s, 1),
                                   .status = (enum cert_status)db_int(s, 2),
                                   .not_before = TIME_NONE,
                                   .not_after = db_time(s, 6),
                                   .reason = (int)db_int(s, 3),
                                   .revoked_at = db_int(s, 4),
                                   .invalidity_at = db_time(s, 5)};
    return serial_from_key(db_blob(s, 0), &record->serial)
               ? 0
               : error_set(err, "database: a revocation with an illegal serial");
}

#define ROW "SELECT serial, version, status, reason, revoked_at, invalid_at, not_after FROM revocation "

static struct db_statement *rows_of(struct db *db, const struct store_crl_key *key, struct error *err)
{
    struct db_statement *s =
        key->shard < 0
            ? db_prepare(db, Q_CRL_SCAN, ROW "WHERE issuer = $1 AND status <> 0 ORDER BY serial", err)
            : db_prepare(db, Q_CRL_SCAN_SHARD,
                         ROW "WHERE issuer = $1 AND shard = $2 AND status <> 0 ORDER BY serial", err);
    if (s)
        db_bind_int(s, 1, key->issuer);
    if (s && key->shard >= 0)
        db_bind_int(s, 2, key->shard);
    return s;
}

/* What changed is little: so by an index with the version, and sorted then. COALESCE keeps those of serials, which would go
 * through all rows, from being taken for the order. */
static struct db_statement *rows_since(struct db *db, const struct store_crl_key *key, int64_t since,
                                       struct error *err)
{
    struct db_statement *s =
        key->shard < 0
            ? db_prepare(db, Q_CRL_SCAN_SINCE,
                         ROW "WHERE issuer = $1 AND version > $2 ORDER BY COALESCE(serial, serial)", err)
            : db_prepare(
                  db, Q_CRL_SCAN_SHARD_SINCE,
                  ROW "WHERE issuer = $1 AND version > $2 AND shard = $3 ORDER BY COALESCE(serial, serial)",
                  err);
    if (s) {
        db_bind_int(s, 1, key->issuer);
        db_bind_int(s, 2, since);
    }
    if (s && key->shard >= 0)
        db_bind_int(s, 3, key->shard);
    return s;
}

static int give_rows(struct db_statement *s, store_each *each, void *arg, struct error *err)
{
    enum outcome outcome;
    while ((outcome = db_step(s, err)) == FOUND) {
        struct cert_record record;
        bool good = read_row(s, &record, err) == 0;
        if (good && each(arg, &record) == 0)
            continue;
        db_reset(s);
        return good ? error_set(err, "stopped") : -1;
    }
    return outcome == FAILED ? -1 : 0;
}

/* The change counter of a snapshot, and what it was when an entry last went from or to another shard. */
static int read_counters(struct db *db, const struct store_crl_key *key, int64_t *covers, int64_t *moved,
                         struct error *err)
{
    struct db_statement *s = db_prepare(db, Q_CRL_COUNTERS,
                                        "SELECT counter, COALESCE((SELECT moved FROM crl_sequence WHERE "
                                        "issuer = $1 AND shard = $2), 0) FROM change",
                                        err);
    if (!s)
        return -1;
    db_bind_int(s, 1, key->issuer);
    db_bind_int(s, 2, key->shard);
    if (db_step(s, err) != FOUND)
        return -1;
    *covers = db_int(s, 0);
    *moved = db_int(s, 1);
    db_reset(s);
    return 0;
}

#define ALL (-1)

static enum outcome scan(struct store *store, const struct store_crl_key *key, int64_t since,
                         store_each *each, void *arg, int64_t *covers, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    enum outcome outcome = FAILED;
    int64_t moved;
    if (reader && read_counters(reader->db, key, covers, &moved, err) == 0) {
        struct db_statement *rows = NULL;
        if (since != ALL && moved > since)
            outcome = ABSENT;
        else
            rows = since == ALL ? rows_of(reader->db, key, err) : rows_since(reader->db, key, since, err);
        if (rows && give_rows(rows, each, arg, err) == 0)
            outcome = FOUND;
    }
    readers_give(&store->readers, reader);
    return outcome;
}

int store_crl_scan(struct store *store, const struct store_crl_key *key, store_each *each, void *arg,
                   int64_t *covers, struct error *err)
{
    return scan(store, key, ALL, each, arg, covers, err) == FOUND ? 0 : -1;
}

enum outcome store_crl_scan_since(struct store *store, const struct store_crl_key *key, int64_t since,
                                  store_each *each, void *arg, int64_t *covers, struct error *err)
{
    return scan(store, key, since, each, arg, covers, err);
}

/* --- another number of shards -------------------------------------------------------------------------- */

#define PAGE 4096

struct placing {
    struct serial serial;
    int64_t named; /* by the certificate, or TIME_NONE */
};

/* The next rows behind `after`; how many, or -1. */
static long next_page(struct store_tx *tx, int64_t issuer, const struct serial *after,
                      struct placing page[PAGE], struct error *err)
{
    struct serial_key key = after ? serial_key(after) : (struct serial_key){0};
    struct db_statement *s = db_prepare(tx->db, Q_SHARDS_PAGE,
                                        "SELECT r.serial, c.shard FROM revocation r LEFT JOIN certificate c "
                                        "ON c.issuer = r.issuer AND c.serial = r.serial "
                                        "WHERE r.issuer = $1 AND r.serial > $2 ORDER BY r.serial",
                                        err);
    if (!s)
        return -1;
    db_bind_int(s, 1, issuer);
    db_bind_blob(s, 2, key.octets, after ? serial_key_len(key) : 0);
    long count = 0;
    enum outcome outcome = FOUND;
    while (count < PAGE && (outcome = db_step(s, err)) == FOUND) {
        page[count].named = db_time(s, 1);
        if (!serial_from_key(db_blob(s, 0), &page[count++].serial))
            outcome = error_set(err, "database: a revocation with an illegal serial");
        if (outcome == FAILED)
            break;
    }
    db_reset(s);
    return outcome == FAILED ? -1 : count;
}

static int place(struct store_tx *tx, int64_t issuer, const struct serial *serial, int64_t shard,
                 struct error *err)
{
    struct serial_key key = serial_key(serial);
    struct db_statement *s = db_prepare(
        tx->db, Q_SHARDS_PLACE, "UPDATE revocation SET shard = $1 WHERE issuer = $2 AND serial = $3", err);
    if (!s)
        return -1;
    db_bind_time(s, 1, shard);
    db_bind_int(s, 2, issuer);
    db_bind_blob(s, 3, key.octets, serial_key_len(key));
    return db_do(s, err);
}

static int place_all(struct store_tx *tx, int64_t issuer, unsigned shards, store_shard_of *shard_of,
                     const void *arg, struct error *err)
{
    struct placing page[PAGE];
    struct serial after;
    long count = 0;
    for (bool first = true; first || count == PAGE; first = false) {
        count = next_page(tx, issuer, first ? NULL : &after, page, err);
        if (count < 0)
            return -1;
        for (long i = 0; i < count; i++) {
            bool named = page[i].named != TIME_NONE && page[i].named < (int64_t)shards;
            int64_t shard = shards == 0 ? TIME_NONE : named ? page[i].named : shard_of(arg, &page[i].serial);
            if (place(tx, issuer, &page[i].serial, shard, err) < 0)
                return -1;
        }
        if (count)
            after = page[count - 1].serial;
    }
    return 0;
}

static int forget_shards(struct store_tx *tx, int64_t issuer, unsigned shards, struct error *err)
{
    static const uint8_t no_shape[32] = {0};
    struct db_statement *set =
        db_prepare(tx->db, Q_SHARDS_SET, "UPDATE issuer SET shards = $1 WHERE id = $2", err);
    struct db_statement *forget = db_prepare(
        tx->db, Q_SHARDS_FORGET, "UPDATE publication SET shape = $1 WHERE issuer = $2 AND shard >= 0", err);
    if (!set || !forget)
        return -1;
    db_bind_int(set, 1, shards);
    db_bind_int(set, 2, issuer);
    db_bind_blob(forget, 1, no_shape, sizeof no_shape);
    db_bind_int(forget, 2, issuer);
    return db_do(set, err) < 0 ? -1 : db_do(forget, err);
}

int store_reshard(struct store *store, int64_t issuer, unsigned shards, store_shard_of *shard_of,
                  const void *arg, struct error *err)
{
    struct store_tx *tx = store_begin(store, &publisher, err);
    if (!tx)
        return -1;
    struct db_statement *s = db_prepare(tx->db, Q_SHARDS, "SELECT shards FROM issuer WHERE id = $1", err);
    if (s)
        db_bind_int(s, 1, issuer);
    bool known = s && db_step(s, err) == FOUND, same = known && db_int(s, 0) == shards;
    if (known)
        db_reset(s);
    if (known && !same && place_all(tx, issuer, shards, shard_of, arg, err) == 0 &&
        forget_shards(tx, issuer, shards, err) == 0)
        return store_commit(tx, err);
    store_rollback(tx);
    return same ? 0 : -1;
}
