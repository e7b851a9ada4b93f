/* Bearer tokens. */
#include "internal.h"

#include <string.h>

enum outcome store_tx_token_add(struct store_tx *tx, const struct store_token *token, int64_t *id,
                                struct error *err)
{
    struct db_statement *s =
        db_prepare(tx->db, Q_TOKEN_ADD,
                   "INSERT INTO token (name, hash, role, issuers, created_at, expires_at) "
                   "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name) DO NOTHING RETURNING id",
                   err);
    if (!s)
        return FAILED;
    db_bind_text(s, 1, token->name);
    db_bind_blob(s, 2, token->hash, STORE_TOKEN_HASH);
    db_bind_int(s, 3, token->role);
    db_bind_text(s, 4, token->scope);
    db_bind_int(s, 5, tx->actor.at);
    db_bind_time(s, 6, token->expires_at);
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

int store_tx_token_used(struct store_tx *tx, int64_t id, struct error *err)
{
    struct db_statement *s =
        db_prepare(tx->db, Q_TOKEN_USED, "UPDATE token SET last_used_at = $1 WHERE id = $2", err);
    if (!s)
        return -1;
    db_bind_int(s, 1, tx->actor.at);
    db_bind_int(s, 2, id);
    return db_do(s, err);
}

/* --- reading ------------------------------------------------------------------------------------------- */

#define SELECT                                                                                               \
    "SELECT id, name, hash, role, issuers, created_at, expires_at, last_used_at, revoked_at FROM token "

static enum outcome give(struct db_statement *s, store_each_token *each, void *arg, struct error *err)
{
    enum outcome outcome;
    while ((outcome = db_step(s, err)) == FOUND) {
        struct bytes hash = db_blob(s, 2);
        struct store_token token = {.id = db_int(s, 0),
                                    .name = db_text(s, 1),
                                    .hash = hash.at,
                                    .role = (enum role)db_int(s, 3),
                                    .scope = db_text(s, 4),
                                    .created_at = db_int(s, 5),
                                    .expires_at = db_time(s, 6),
                                    .last_used_at = db_time(s, 7),
                                    .revoked_at = db_time(s, 8)};
        bool good = hash.len == STORE_TOKEN_HASH && token.name && token.role >= ROLE_VIEWER &&
                    token.role <= ROLE_ADMINISTRATOR;
        if (good && each(arg, &token) != 0) /* another program's row is nobody's */
            break;
    }
    if (outcome == FOUND)
        db_reset(s);
    return outcome;
}

enum outcome store_tx_token(struct store_tx *tx, int64_t id, store_each_token *each, void *arg,
                            struct error *err)
{
    struct db_statement *s = db_prepare(tx->db, Q_TOKEN_GET, SELECT "WHERE id = $1", err);
    if (!s)
        return FAILED;
    db_bind_int(s, 1, id);
    return give(s, each, arg, err);
}

int store_token_list(struct store *store, store_each_token *each, void *arg, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s = reader ? db_prepare(reader->db, Q_TOKEN_LIST, SELECT "ORDER BY id", err) : NULL;
    enum outcome outcome = s ? give(s, each, arg, err) : FAILED;
    readers_give(&store->readers, reader);
    return outcome == FAILED ? -1 : 0;
}

/* An index takes longer the more of a value is right: so it sees no more of this one than it needs. */
#define SEEN 8

int store_token_find(struct store *store, const uint8_t hash[STORE_TOKEN_HASH], store_each_token *each,
                     void *arg, struct error *err)
{
    uint8_t low[STORE_TOKEN_HASH] = {0}, high[STORE_TOKEN_HASH];
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s =
        reader ? db_prepare(reader->db, Q_TOKEN_FIND, SELECT "WHERE hash BETWEEN $1 AND $2", err) : NULL;
    enum outcome outcome = FAILED;
    if (s) {
        memset(high, 0xff, sizeof high);
        memcpy(low, hash, SEEN);
        memcpy(high, hash, SEEN);
        db_bind_blob(s, 1, low, sizeof low);
        db_bind_blob(s, 2, high, sizeof high);
        outcome = give(s, each, arg, err);
    }
    readers_give(&store->readers, reader);
    return outcome == FAILED ? -1 : 0;
}
