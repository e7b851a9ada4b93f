/* The audit trail. Each row is chained to the one that the head tells of, within the transaction of its change: a member
 * of a batch that is rolled back takes its rows and its head with it. */
#include "internal.h"

#include <string.h>

#define COLUMNS "id, at, actor, origin, action, issuer, serial, detail, hash"

static enum outcome read_head(struct db *db, struct audit_head *head, struct error *err)
{
    struct db_statement *s = db_prepare(db, Q_AUDIT_HEAD, "SELECT id, hash FROM audit_head", err);
    enum outcome found = s ? db_step(s, err) : FAILED;
    *head = (struct audit_head){.damaged = true};
    if (found != FOUND)
        return found;
    struct bytes hash = db_blob(s, 1);
    head->id = db_int(s, 0);
    head->damaged = hash.len != (head->id ? AUDIT_HASH : 0) || head->id < 0 || head->id == INT64_MAX;
    if (hash.len == AUDIT_HASH)
        memcpy(head->hash, hash.at, AUDIT_HASH);
    db_reset(s);
    return FOUND;
}

static int write_head(struct db *db, const struct audit_row *row, struct error *err)
{
    struct db_statement *s =
        db_prepare(db, Q_AUDIT_HEAD_SET, "UPDATE audit_head SET id = $1, hash = $2", err);
    if (!s)
        return -1;
    db_bind_int(s, 1, row->id);
    db_bind_blob(s, 2, row->hash, AUDIT_HASH);
    return db_do(s, err);
}

/* ABSENT: there is a row of that number. */
static enum outcome insert(struct db *db, const struct audit_row *row, struct error *err)
{
    struct serial_key key = serial_key(&row->serial);
    struct db_statement *s =
        db_prepare(db, Q_AUDIT,
                   "INSERT INTO audit (" COLUMNS ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) "
                   "ON CONFLICT (id) DO NOTHING RETURNING 1",
                   err);
    if (!s)
        return FAILED;
    db_bind_int(s, 1, row->id);
    db_bind_int(s, 2, row->at);
    db_bind_text(s, 3, row->actor);
    db_bind_text(s, 4, row->origin);
    db_bind_text(s, 5, row->action);
    db_bind_text(s, 6, row->issuer);
    if (row->serial.len)
        db_bind_blob(s, 7, key.octets, serial_key_len(key));
    db_bind_text(s, 8, row->detail);
    db_bind_blob(s, 9, row->hash, AUDIT_HASH);
    enum outcome added = db_step(s, err);
    if (added == FOUND)
        db_reset(s);
    return added;
}

int store_tx_audit(struct store_tx *tx, const char *action, const char *issuer, const struct serial *serial,
                   const char *detail, struct error *err)
{
    struct audit_head head;
    enum outcome found = read_head(tx->db, &head, err), added = ABSENT;
    if (found != FAILED && head.damaged)
        return error_set(err,
                         "database: the table audit_head was damaged by another program; AUDIT in annuld(8) "
                         "has the remedy");
    if (found == FAILED)
        return -1;
    struct audit_row row = {.id = head.id,
                            .at = tx->actor.at,
                            .actor = tx->actor.name,
                            .origin = tx->actor.origin,
                            .action = action,
                            .issuer = issuer,
                            .serial = serial ? *serial : (struct serial){0},
                            .detail = detail};
    while (added == ABSENT) {
        row.id++; /* what another program put there stays, for the check to name; nobody is stopped by it */
        if (!audit_hash(head.hash, &row, row.hash))
            return error_set(err, "OpenSSL cannot hash");
        added = insert(tx->db, &row, err);
    }
    tx->audited |= !audit_is_refusal(action);
    return added == FOUND ? write_head(tx->db, &row, err) : -1;
}

/* --- reading ------------------------------------------------------------------------------------------- */

/* What a value is must be asked before it is read, which may convert it. */
static bool is(struct db_statement *s, int column, enum db_type type, struct audit_row *row)
{
    bool good = db_type(s, column) == type;
    row->damaged |= !good;
    return good;
}

static const char *read_text(struct db_statement *s, int column, struct audit_row *row)
{
    if (!is(s, column, DB_TEXT, row))
        return NULL;
    const char *text = db_text(s, column);
    row->damaged |= !text || strlen(text) != db_blob(s, column).len; /* it goes on behind a NUL */
    return text;
}

static void read_serial(struct db_statement *s, struct audit_row *row)
{
    if (!is(s, 6, DB_BLOB, row))
        return;
    struct bytes stored = db_blob(s, 6);
    bool good = serial_from_key(stored, &row->serial);
    struct serial_key key = serial_key(&row->serial); /* there is one spelling of it */
    row->damaged |= !good || !bytes_equal(stored, (struct bytes){key.octets, serial_key_len(key)});
}

static void read_hash(struct db_statement *s, struct audit_row *row)
{
    if (!is(s, 8, DB_BLOB, row))
        return;
    struct bytes hash = db_blob(s, 8);
    row->damaged |= hash.len != AUDIT_HASH;
    if (hash.len == AUDIT_HASH)
        memcpy(row->hash, hash.at, AUDIT_HASH);
}

/* All but the hash. */
static void read_row(struct db_statement *s, struct audit_row *row)
{
    *row = (struct audit_row){.id = db_int(s, 0)};
    if (is(s, 1, DB_INT, row))
        row->at = db_int(s, 1);
    row->actor = read_text(s, 2, row);
    row->origin = read_text(s, 3, row);
    row->action = read_text(s, 4, row);
    if (db_type(s, 5) != DB_NULL)
        row->issuer = read_text(s, 5, row);
    if (db_type(s, 6) != DB_NULL)
        read_serial(s, row);
    row->detail = read_text(s, 7, row);
}

/* Whatever another program has written until now: a snapshot that is kept may not show it. */
static struct reader *take_fresh(struct readers *readers, struct error *err)
{
    struct reader *reader = readers_take(readers, err);
    if (!reader)
        return NULL;
    db_rollback(reader->db);
    if (db_begin(reader->db, err) == 0)
        return reader;
    readers_give(readers, reader);
    return NULL;
}

#define LIST(where, order) "SELECT " COLUMNS " FROM audit WHERE " where " ORDER BY " order

static struct db_statement *list_statement(struct db *db, const struct store_audit_filter *filter,
                                           const struct serial_key *key, struct error *err)
{
    static const struct {
        enum statement index;
        const char *sql;
    } lists[2][2] = {
        {{Q_AUDIT_LIST, LIST("id >= $1", "id")}, {Q_AUDIT_NEWEST, LIST("id <= $1", "id DESC")}},
        {{Q_AUDIT_OF, LIST("id >= $1 AND serial = $2", "id")},
         {Q_AUDIT_OF_NEWEST, LIST("id <= $1 AND serial = $2", "id DESC")}},
    };
    bool of_serial = filter->serial;
    struct db_statement *s =
        db_prepare(db, lists[of_serial][filter->newest].index, lists[of_serial][filter->newest].sql, err);
    if (!s)
        return NULL;
    db_bind_int(s, 1, filter->from);
    if (of_serial)
        db_bind_blob(s, 2, key->octets, serial_key_len(*key));
    return s;
}

int store_audit_list(struct store *store, const struct store_audit_filter *filter, store_each_audit *each,
                     void *arg, struct audit_head *head, struct error *err)
{
    struct serial_key key = filter->serial ? serial_key(filter->serial) : (struct serial_key){0};
    struct reader *reader = take_fresh(&store->readers, err);
    struct db_statement *s = reader ? list_statement(reader->db, filter, &key, err) : NULL;
    enum outcome outcome = s ? FOUND : FAILED;
    for (size_t given = 0; s && given < filter->limit && (outcome = db_step(s, err)) == FOUND; given++) {
        struct audit_row row;
        read_row(s, &row);
        read_hash(s, &row);
        if (each(arg, &row) != 0)
            break;
    }
    if (s)
        db_reset(s);
    if (outcome != FAILED)
        outcome = read_head(reader->db, head, err) == FAILED ? FAILED : FOUND;
    readers_give(&store->readers, reader);
    return outcome == FAILED ? -1 : 0;
}

int store_audit_head(struct store *store, struct audit_head *head, struct error *err)
{
    struct reader *reader = take_fresh(&store->readers, err);
    enum outcome found = reader ? read_head(reader->db, head, err) : FAILED;
    readers_give(&store->readers, reader);
    return found == FAILED ? -1 : 0;
}

/* --- rows from before there was a chain ---------------------------------------------------------------- */

static int set_hash(struct db *db, const struct audit_row *row, struct error *err)
{
    struct db_statement *s = db_prepare(db, Q_AUDIT_CHAIN, "UPDATE audit SET hash = $1 WHERE id = $2", err);
    if (!s)
        return -1;
    db_bind_blob(s, 1, row->hash, AUDIT_HASH);
    db_bind_int(s, 2, row->id);
    return db_do(s, err);
}

int store_chain_audit(struct db *db, struct error *err)
{
    struct audit_row row = {0};
    struct audit_head head = {0};
    struct db_statement *s = db_prepare(db, Q_AUDIT_UNCHAINED,
                                        "SELECT " COLUMNS " FROM audit WHERE hash IS NULL ORDER BY id", err);
    enum outcome outcome = s ? FOUND : FAILED;
    while (s && (outcome = db_step(s, err)) == FOUND) {
        read_row(s, &row);
        if (!audit_hash(head.hash, &row, row.hash) || set_hash(db, &row, err) < 0) {
            db_reset(s);
            return error_prefix(err, "audit row %lld", (long long)row.id);
        }
        memcpy(head.hash, row.hash, AUDIT_HASH);
    }
    return outcome == FAILED ? -1 : row.id ? write_head(db, &row, err) : 0;
}
