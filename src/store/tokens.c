/* Bearer tokens. */
#include "internal.h"

#include <stdio.h>

enum outcome store_tx_token_add(struct store_tx *tx, const char *name, const uint8_t hash[32], int64_t *id,
                                struct error *err)
{
    struct db_statement *s = db_prepare(tx->db, Q_TOKEN_ADD,
                                        "INSERT INTO token (name, hash, created_at) VALUES ($1, $2, $3) "
                                        "ON CONFLICT (name) DO NOTHING RETURNING id",
                                        err);
    if (!s)
        return FAILED;
    db_bind_text(s, 1, name);
    db_bind_blob(s, 2, hash, 32);
    db_bind_int(s, 3, tx->actor.at);
    enum outcome outcome = db_step(s, err);
    if (outcome == FOUND) {
        *id = db_int(s, 0);
        db_reset(s);
    }
    return outcome;
}

enum outcome store_tx_token_revoke(struct store_tx *tx, int64_t id, struct error *err)
{
    struct db_statement *s =
        db_prepare(tx->db, Q_TOKEN_REVOKE,
                   "UPDATE token SET revoked_at = COALESCE(revoked_at, $1) WHERE id = $2 RETURNING id", err);
    if (!s)
        return FAILED;
    db_bind_int(s, 1, tx->actor.at);
    db_bind_int(s, 2, id);
    enum outcome outcome = db_step(s, err);
    if (outcome == FOUND)
        db_reset(s);
    return outcome;
}

enum outcome store_token_find(struct store *store, const uint8_t hash[32], char name[64], struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    /* The index compares hashes of what the client sent: their timing tells nothing of any token. */
    struct db_statement *s =
        reader ? db_prepare(reader->db, Q_TOKEN_FIND,
                            "SELECT name FROM token WHERE hash = $1 AND revoked_at IS NULL", err)
               : NULL;
    enum outcome outcome = FAILED;
    if (s) {
        db_bind_blob(s, 1, hash, 32);
        outcome = db_step(s, err);
    }
    if (outcome == FOUND) {
        snprintf(name, 64, "%s", db_text(s, 0));
        db_reset(s);
    }
    readers_give(&store->readers, reader);
    return outcome;
}

int store_token_list(struct store *store, store_each_token *each, void *arg, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s =
        reader ? db_prepare(reader->db, Q_TOKEN_LIST,
                            "SELECT id, name, created_at, revoked_at FROM token ORDER BY id", err)
               : NULL;
    enum outcome outcome = s ? FOUND : FAILED;
    while (s && (outcome = db_step(s, err)) == FOUND) {
        struct store_token token = {db_int(s, 0), db_text(s, 1), db_int(s, 2), db_time(s, 3)};
        if (each(arg, &token) != 0) {
            db_reset(s);
            break;
        }
    }
    readers_give(&store->readers, reader);
    return outcome == FAILED ? -1 : 0;
}
