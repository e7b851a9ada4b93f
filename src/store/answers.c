/* What calls were answered, for when they are repeated. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

static int forget(struct store_tx *tx, int64_t id, struct error *err)
{
    struct db_statement *s = db_prepare(tx->db, Q_ANSWER_FORGET, "DELETE FROM answer WHERE id <= $1", err);
    if (!s)
        return -1;
    db_bind_int(s, 1, id - STORE_ANSWERS);
    return db_do(s, err);
}

int store_tx_answer(struct store_tx *tx, const char *key, const struct store_answer *answer,
                    struct error *err)
{
    struct db_statement *s =
        db_prepare(tx->db, Q_ANSWER_ADD,
                   "INSERT INTO answer (actor, key, request, at, status, type, body) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (actor, key) DO UPDATE "
                   "SET request = excluded.request, at = excluded.at, status = "
                   "excluded.status, type = excluded.type, body = excluded.body RETURNING id",
                   err);
    if (!s)
        return -1;
    db_bind_text(s, 1, tx->actor.name);
    db_bind_text(s, 2, key);
    db_bind_blob(s, 3, answer->request, sizeof answer->request);
    db_bind_int(s, 4, tx->actor.at);
    db_bind_int(s, 5, answer->status);
    db_bind_text(s, 6, answer->type);
    db_bind_text(s, 7, answer->body);
    if (db_step(s, err) != FOUND)
        return -1;
    int64_t id = db_int(s, 0);
    db_reset(s);
    return forget(tx, id, err);
}

static int read_answer(struct db_statement *s, struct store_answer *answer, struct error *err)
{
    struct bytes request = db_blob(s, 0);
    *answer = (struct store_answer){.status = (unsigned)db_int(s, 1)};
    if (request.len == sizeof answer->request)
        memcpy(answer->request, request.at, request.len);
    const char *type = db_text(s, 2), *body = db_text(s, 3);
    answer->type = strdup(type ? type : "");
    answer->body = strdup(body ? body : "");
    if (answer->type && answer->body)
        return 0;
    store_answer_free(answer);
    return error_set(err, "out of memory");
}

enum outcome store_answer_find(struct store *store, const struct store_actor *actor, const char *key,
                               struct store_answer *answer, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s = reader ? db_prepare(reader->db, Q_ANSWER_FIND,
                                                 "SELECT request, status, type, body FROM answer "
                                                 "WHERE actor = $1 AND key = $2 AND at > $3",
                                                 err)
                                    : NULL;
    enum outcome found = FAILED;
    if (s) {
        db_bind_text(s, 1, actor->name);
        db_bind_text(s, 2, key);
        db_bind_int(s, 3, actor->at - STORE_ANSWER_S);
        found = db_step(s, err);
    }
    if (found == FOUND) {
        if (read_answer(s, answer, err) < 0)
            found = FAILED;
        db_reset(s);
    }
    readers_give(&store->readers, reader);
    return found;
}

void store_answer_free(struct store_answer *answer)
{
    free(answer->type);
    free(answer->body);
}
