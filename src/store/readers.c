/* The read connections. Each keeps its snapshot from one look-up to the next for as long as nothing is committed:
 * to begin and end one costs more than a look-up. */
#include "internal.h"

#include <stdlib.h>

static struct reader *reader_open(const char *path, struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        error_set(err, "out of memory");
    else if (!(reader->db = db_open(path, DB_READER, err))) {
        free(reader);
        reader = NULL;
    }
    return reader;
}

static void reader_close(struct reader *reader)
{
    if (!reader)
        return;
    db_close(reader->db);
    free(reader);
}

struct reader *store_reader_take(struct store *store, struct error *err)
{
    struct reader *reader = NULL;
    pthread_mutex_lock(&store->reader_mutex);
    uint64_t commits = store->commits;
    if (store->idle_count)
        reader = store->idle[--store->idle_count];
    pthread_mutex_unlock(&store->reader_mutex);
    if (!reader && !(reader = reader_open(store->path, err)))
        return NULL;
    reader->commits = commits;
    if (!db_in_transaction(reader->db) && db_begin(reader->db, err) < 0) {
        reader_close(reader);
        return NULL;
    }
    return reader;
}

void store_reader_give(struct store *store, struct reader *reader)
{
    if (!reader)
        return;
    pthread_mutex_lock(&store->reader_mutex);
    if (store->committing || reader->commits != store->commits)
        db_rollback(reader->db);
    if (store->idle_count < READERS) {
        store->idle[store->idle_count++] = reader;
        reader = NULL;
    }
    pthread_mutex_unlock(&store->reader_mutex);
    reader_close(reader);
}

/* A commit also folds a long log into the database, as far as no snapshot is in the way: so none is kept through it.
 * One that is begun when all is folded reads the database alone, and does not hinder the log from being begun anew. */
void store_readers_before_commit(struct store *store)
{
    pthread_mutex_lock(&store->reader_mutex);
    store->committing = true;
    for (size_t i = 0; i < store->idle_count; i++)
        db_rollback(store->idle[i]->db);
    pthread_mutex_unlock(&store->reader_mutex);
}

void store_readers_after_commit(struct store *store)
{
    pthread_mutex_lock(&store->reader_mutex);
    store->committing = false;
    store->commits++;
    pthread_mutex_unlock(&store->reader_mutex);
}

void store_readers_close(struct store *store)
{
    while (store->idle_count)
        reader_close(store->idle[--store->idle_count]);
}
