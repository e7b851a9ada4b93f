/* Certificates, their status, and who changed it. */
#include "internal.h"

#include <annul/hex.h>

#include <stdlib.h>
#include <string.h>

void cert_record_free(struct cert_record *record)
{
    if (!record)
        return;
    free(record->subject);
    record->subject = NULL;
}

/* Columns version, status, reason, revoked_at, invalid_at; all NULL where there is no revocation row. */
static void read_revocation(struct db_statement *s, int column, struct cert_record *record)
{
    record->version = db_int(s, column);
    record->status = (enum cert_status)db_int(s, column + 1);
    record->reason = (int)db_int(s, column + 2);
    record->revoked_at = db_int(s, column + 3);
    record->invalidity_at = db_time(s, column + 4);
}

static enum outcome status_by(struct db *db, int64_t issuer, const struct serial *serial,
                              struct cert_record *record, struct error *err)
{
    struct serial_key key = serial_key(serial);
    struct db_statement *revoked = db_prepare(db, Q_STATUS,
                                              "SELECT version, status, reason, revoked_at, invalid_at FROM "
                                              "revocation WHERE issuer = $1 AND serial = $2",
                                              err);
    struct db_statement *listed =
        db_prepare(db, Q_LISTED, "SELECT 1 FROM certificate WHERE issuer = $1 AND serial = $2", err);
    *record = (struct cert_record){
        .serial = *serial, .not_before = TIME_NONE, .not_after = TIME_NONE, .invalidity_at = TIME_NONE};
    if (!revoked || !listed)
        return FAILED;
    db_bind_int(revoked, 1, issuer);
    db_bind_blob(revoked, 2, key.octets, serial_key_len(key));
    enum outcome outcome = db_step(revoked, err);
    if (outcome == FOUND) {
        read_revocation(revoked, 0, record);
        db_reset(revoked);
    }
    if (outcome != ABSENT)
        return outcome;
    db_bind_int(listed, 1, issuer);
    db_bind_blob(listed, 2, key.octets, serial_key_len(key));
    outcome = db_step(listed, err);
    if (outcome == FOUND)
        db_reset(listed);
    return outcome;
}

enum outcome store_status(struct store *store, int64_t issuer, const struct serial *serial,
                          struct cert_record *record, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    if (!reader)
        return FAILED;
    enum outcome outcome = status_by(reader->db, issuer, serial, record, err);
    readers_give(&store->readers, reader);
    return outcome;
}

int record_read(struct db_statement *s, struct cert_record *record, struct error *err)
{
    *record = (struct cert_record){
        .not_before = db_time(s, 1), .not_after = db_time(s, 2), .shard = (unsigned)db_int(s, 4)};
    const char *subject = db_text(s, 3);
    record->subject = subject ? strdup(subject) : NULL;
    read_revocation(s, 5, record);
    if (!serial_from_key(db_blob(s, 0), &record->serial) || (subject && !record->subject)) {
        cert_record_free(record);
        return error_set(err, "database: a row with an illegal serial, or out of memory");
    }
    return 0;
}

enum outcome certificate_by(struct db *db, int64_t issuer, const struct serial *serial,
                            struct cert_record *record, struct error *err)
{
    struct serial_key key = serial_key(serial);
    struct db_statement *s = db_prepare(
        db, Q_CERTIFICATE,
        "SELECT " RECORD_COLUMNS " FROM " RECORD_TABLES " WHERE c.issuer = $1 AND c.serial = $2", err);
    if (!s)
        return FAILED;
    db_bind_int(s, 1, issuer);
    db_bind_blob(s, 2, key.octets, serial_key_len(key));
    enum outcome outcome = db_step(s, err);
    if (outcome == FOUND) {
        if (record_read(s, record, err) < 0)
            outcome = FAILED;
        db_reset(s);
    }
    return outcome;
}

enum outcome store_certificate(struct store *store, int64_t issuer, const struct serial *serial,
                               struct cert_record *record, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    if (!reader)
        return FAILED;
    enum outcome outcome = certificate_by(reader->db, issuer, serial, record, err);
    readers_give(&store->readers, reader);
    return outcome;
}

enum outcome store_tx_certificate(struct store_tx *tx, int64_t issuer, const struct serial *serial,
                                  struct cert_record *record, struct error *err)
{
    return certificate_by(tx->db, issuer, serial, record, err);
}

/* All changes of a transaction carry one number. */
static int take_change(struct store_tx *tx, struct error *err)
{
    if (tx->change)
        return 0;
    struct db_statement *s =
        db_prepare(tx->db, Q_NEXT_CHANGE, "UPDATE change SET counter = counter + 1 RETURNING counter", err);
    if (!s || db_step(s, err) != FOUND)
        return -1;
    tx->change = db_int(s, 0);
    db_reset(s);
    return 0;
}

int store_tally(struct store_tx *tx, struct error *err)
{
    const struct tally *tally = &tx->tally;
    if (!tally->issuer)
        return 0;
    struct db_statement *s =
        db_prepare(tx->db, Q_TALLY,
                   "UPDATE issuer SET changed = COALESCE($1, changed), registered = "
                   "registered + $2, revoked = revoked + $3, held = held + $4 WHERE id = $5",
                   err);
    if (!s)
        return -1;
    db_bind_time(s, 1, tally->changed ? tx->change : TIME_NONE);
    db_bind_int(s, 2, tally->registered);
    db_bind_int(s, 3, tally->revoked);
    db_bind_int(s, 4, tally->held);
    db_bind_int(s, 5, tally->issuer);
    tx->tally = (struct tally){0};
    return db_do(s, err);
}

/* The tally of this issuer; that of another is written. NULL: that failed. */
static struct tally *tally_of(struct store_tx *tx, int64_t issuer, struct error *err)
{
    if (tx->tally.issuer != issuer && store_tally(tx, err) < 0)
        return NULL;
    tx->tally.issuer = issuer;
    return &tx->tally;
}

static int mark_issuer(struct store_tx *tx, int64_t issuer, struct error *err)
{
    struct tally *tally = tally_of(tx, issuer, err);
    if (tally)
        tally->changed = true;
    return tally ? 0 : -1;
}

/* One more, or less, of a status; those that are good are the rest. */
static void count_status(struct tally *tally, enum cert_status status, int more)
{
    tally->revoked += status == CERT_REVOKED ? more : 0;
    tally->held += status == CERT_HOLD ? more : 0;
}

int counts_by(struct db *db, int64_t issuer, struct store_issuer_counts *counts, struct error *err)
{
    struct db_statement *s =
        db_prepare(db, Q_COUNTS, "SELECT registered, revoked, held FROM issuer WHERE id = $1", err);
    if (!s)
        return -1;
    db_bind_int(s, 1, issuer);
    enum outcome outcome = db_step(s, err);
    if (outcome != FOUND)
        return outcome == ABSENT ? error_set(err, "database: the issuer is gone") : -1;
    *counts = (struct store_issuer_counts){.revoked = db_int(s, 1), .held = db_int(s, 2)};
    counts->good = db_int(s, 0) - counts->revoked - counts->held;
    db_reset(s);
    return 0;
}

int store_issuer_counts(struct store *store, int64_t issuer, struct store_issuer_counts *counts,
                        struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    int result = reader ? counts_by(reader->db, issuer, counts, err) : -1;
    readers_give(&store->readers, reader);
    return result;
}

static int mark_shard(struct store_tx *tx, int64_t issuer, unsigned shard, struct error *err)
{
    struct db_statement *s =
        db_prepare(tx->db, Q_MARK_SHARD,
                   "INSERT INTO crl_sequence (issuer, shard, number, changed) VALUES ($1, $2, 0, $3) "
                   "ON CONFLICT (issuer, shard) DO UPDATE SET changed = excluded.changed",
                   err);
    if (!s)
        return -1;
    db_bind_int(s, 1, issuer);
    db_bind_int(s, 2, (int64_t)shard - 1);
    db_bind_int(s, 3, tx->change);
    return db_do(s, err);
}

/* An entry has gone from one shard to another; it is rare, so all of them are made anew. */
static int mark_moved(struct store_tx *tx, int64_t issuer, struct error *err)
{
    if (take_change(tx, err) < 0 || mark_issuer(tx, issuer, err) < 0)
        return -1;
    struct db_statement *s =
        db_prepare(tx->db, Q_MARK_MOVED,
                   "UPDATE crl_sequence SET changed = $1, moved = $1 WHERE issuer = $2 AND shard >= 0", err);
    if (!s)
        return -1;
    db_bind_int(s, 1, tx->change);
    db_bind_int(s, 2, issuer);
    return db_do(s, err);
}

/* A column that is NULL where there is no shard. */
static void bind_shard(struct db_statement *s, int at, unsigned shard)
{
    db_bind_time(s, at, shard ? (int64_t)shard - 1 : TIME_NONE);
}

/* The same in the table of the revoked. */
static int set_revoked_facts(struct store_tx *tx, int64_t issuer, const struct cert_record *record,
                             struct error *err)
{
    struct serial_key key = serial_key(&record->serial);
    struct db_statement *set =
        db_prepare(tx->db, Q_SET_NOT_AFTER,
                   "UPDATE revocation SET not_after = $1 WHERE issuer = $2 AND serial = $3", err);
    struct db_statement *move =
        db_prepare(tx->db, Q_MOVE_SHARD,
                   "UPDATE revocation SET shard = $1 WHERE issuer = $2 AND serial = $3 AND shard <> $1 "
                   "AND $1 < (SELECT shards FROM issuer WHERE id = $2) RETURNING 1",
                   err);
    if (!set || !move)
        return -1;
    db_bind_time(set, 1, record->not_after);
    db_bind_int(set, 2, issuer);
    db_bind_blob(set, 3, key.octets, serial_key_len(key));
    if (db_do(set, err) < 0)
        return -1;
    bind_shard(move, 1, record->shard);
    db_bind_int(move, 2, issuer);
    db_bind_blob(move, 3, key.octets, serial_key_len(key));
    enum outcome moved = db_step(move, err);
    if (moved != FOUND)
        return moved == ABSENT ? 0 : -1;
    db_reset(move);
    return mark_moved(tx, issuer, err);
}

int store_tx_set_facts(struct store_tx *tx, int64_t issuer, const struct cert_record *record,
                       struct error *err)
{
    struct serial_key key = serial_key(&record->serial);
    struct db_statement *s =
        db_prepare(tx->db, Q_SET_FACTS,
                   "UPDATE certificate SET not_before = $1, not_after = $2, subject = $3, "
                   "shard = $4 WHERE issuer = $5 AND serial = $6",
                   err);
    if (!s)
        return -1;
    db_bind_time(s, 1, record->not_before);
    db_bind_time(s, 2, record->not_after);
    db_bind_text(s, 3, record->subject);
    bind_shard(s, 4, record->shard);
    db_bind_int(s, 5, issuer);
    db_bind_blob(s, 6, key.octets, serial_key_len(key));
    return db_do(s, err) < 0 ? -1 : set_revoked_facts(tx, issuer, record, err);
}

enum outcome store_tx_register(struct store_tx *tx, int64_t issuer, const struct cert_record *record,
                               struct error *err)
{
    struct serial_key key = serial_key(&record->serial);
    struct db_statement *add =
        db_prepare(tx->db, Q_REGISTER,
                   "INSERT INTO certificate (issuer, serial, not_before, not_after, subject, shard) "
                   "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (issuer, serial) DO NOTHING RETURNING 1",
                   err);
    if (!add)
        return FAILED;
    db_bind_int(add, 1, issuer);
    db_bind_blob(add, 2, key.octets, serial_key_len(key));
    db_bind_time(add, 3, record->not_before);
    db_bind_time(add, 4, record->not_after);
    db_bind_text(add, 5, record->subject);
    bind_shard(add, 6, record->shard);
    enum outcome added = db_step(add, err);
    if (added != FOUND)
        return added == ABSENT ? FOUND : FAILED;
    db_reset(add);
    struct tally *tally = tally_of(tx, issuer, err);
    if (!tally)
        return FAILED;
    tally->registered++;
    tx->registrations++;
    return ABSENT;
}

int store_tx_set_status(struct store_tx *tx, int64_t issuer, enum cert_status was, struct cert_record *record,
                        struct error *err)
{
    struct serial_key key = serial_key(&record->serial);
    if (take_change(tx, err) < 0 || mark_issuer(tx, issuer, err) < 0 ||
        (record->shard && mark_shard(tx, issuer, record->shard, err) < 0))
        return -1;
    struct db_statement *s = db_prepare(
        tx->db, Q_SET_STATUS,
        "INSERT INTO revocation (issuer, serial, version, status, reason, revoked_at, invalid_at, not_after, "
        "shard) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (issuer, serial) DO UPDATE SET "
        "version = "
        "excluded.version, "
        "status = excluded.status, reason = excluded.reason, revoked_at = excluded.revoked_at, "
        "invalid_at = excluded.invalid_at, not_after = excluded.not_after, shard = excluded.shard",
        err);
    if (!s)
        return -1;
    count_status(&tx->tally, was, -1);
    count_status(&tx->tally, record->status, +1);
    record->version = tx->change;
    db_bind_int(s, 1, issuer);
    db_bind_blob(s, 2, key.octets, serial_key_len(key));
    db_bind_int(s, 3, record->version);
    db_bind_int(s, 4, (int64_t)record->status);
    db_bind_int(s, 5, record->reason);
    db_bind_int(s, 6, record->revoked_at);
    db_bind_time(s, 7, record->invalidity_at);
    db_bind_time(s, 8, record->not_after);
    bind_shard(s, 9, record->shard);
    return db_do(s, err);
}
