/* What calls were answered, for when they are repeated. */
#include "internal.h"

#include <stdlib.h>
#include <string.h>

/* What is too old, whoever's it is, and what the actor has with this key. */
static int forget_old(struct store_tx *tx, const char *key, struct error *err)
{
    struct db_statement *s = db_prepare(
        tx->db, Q_ANSWER_FORGET_OLD, "DELETE FROM answer WHERE at <= $1 OR (actor = $2 AND key = $3)", err);
    if (!s)
        return -1;
    db_bind_int(s, 1, tx->actor.at - STORE_ANSWER_S);
    db_bind_text(s, 2, tx->actor.name);
    db_bind_text(s, 3, key);
    return db_do(s, err);
}

/* What the actor has too many of. */
static int forget_surplus(struct store_tx *tx, struct error *err)
{
    struct db_statement *s =
        db_prepare(tx->db, Q_ANSWER_FORGET_SURPLUS,
                   "DELETE FROM answer WHERE actor = $1 AND id <= "
                   "(SELECT id FROM answer WHERE actor = $1 ORDER BY id DESC LIMIT 1 OFFSET $2)",
                   err);
    if (!s)
        return -1;
    db_bind_text(s, 1, tx->actor.name);
    db_bind_int(s, 2, STORE_ANSWERS);
    return db_do(s, err);
}

int store_tx_answer(struct store_tx *tx, const char *key, const struct store_answer *answer,
                    struct error *err)
{
    if (forget_old(tx, key, err) < 0)
        return -1;
    struct db_statement *s =
        db_prepare(tx->db, Q_ANSWER_ADD,
                   "INSERT INTO answer (actor, key, request, at, status, type, etag, body) "
                   "VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                   err);
    if (!s)
        return -1;
    db_bind_text(s, 1, tx->actor.name);
    db_bind_text(s, 2, key);
    db_bind_blob(s, 3, answer->request, sizeof answer->request);
    db_bind_int(s, 4, tx->actor.at);
    db_bind_int(s, 5, answer->status);
    db_bind_text(s, 6, answer->type);
    db_bind_text(s, 7, answer->etag);
    db_bind_text(s, 8, answer->body);
    return db_do(s, err) < 0 ? -1 : forget_surplus(tx, err);
}

static int read_answer(struct db_statement *s, struct store_answer *answer, struct error *err)
{
    struct bytes request = db_blob(s, 0);
    *answer = (struct store_answer){.status = (unsigned)db_int(s, 1)};
    if (request.len == sizeof answer->request)
        memcpy(answer->request, request.at, request.len);
    char **const texts[] = {&answer->type, &answer->etag, &answer->body};
    bool good = true;
    for (int i = 0; i < 3; i++) {
        const char *text = db_text(s, 2 + i);
        good &= (*texts[i] = strdup(text ? text : "")) != NULL;
    }
    if (good)
        return 0;
    store_answer_free(answer);
    return error_set(err, "out of memory");
}

enum outcome store_answer_find(struct store *store, const struct store_actor *actor, const char *key,
                               struct store_answer *answer, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct db_statement *s = reader ? db_prepare(reader->db, Q_ANSWER_FIND,
                                                 "SELECT request, status, type, etag, body FROM answer "
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
    free(answer->etag);
    free(answer->body);
}
