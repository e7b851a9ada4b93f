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

void readers_init(struct readers *readers, const char *path)
{
    *readers = (struct readers){.path = path};
    pthread_mutex_init(&readers->mutex, NULL);
}

struct reader *readers_take(struct readers *readers, struct error *err)
{
    struct reader *reader = NULL;
    pthread_mutex_lock(&readers->mutex);
    uint64_t commits = readers->commits;
    if (readers->idle_count)
        reader = readers->idle[--readers->idle_count];
    pthread_mutex_unlock(&readers->mutex);
    if (!reader && !(reader = reader_open(readers->path, err)))
        return NULL;
    reader->commits = commits;
    if (!db_in_transaction(reader->db) && db_begin(reader->db, err) < 0) {
        reader_close(reader);
        return NULL;
    }
    return reader;
}

void readers_give(struct readers *readers, struct reader *reader)
{
    if (!reader)
        return;
    pthread_mutex_lock(&readers->mutex);
    if (readers->committing || reader->commits != readers->commits)
        db_rollback(reader->db);
    if (readers->idle_count < READERS) {
        readers->idle[readers->idle_count++] = reader;
        reader = NULL;
    }
    pthread_mutex_unlock(&readers->mutex);
    reader_close(reader);
}

/* A commit also folds a long log into the database, as far as no snapshot is in the way: so none is kept through it.
 * One that is begun when all is folded reads the database alone, and does not hinder the log from being begun anew. */
void readers_before_commit(struct readers *readers)
{
    pthread_mutex_lock(&readers->mutex);
    readers->committing = true;
    for (size_t i = 0; i < readers->idle_count; i++)
        db_rollback(readers->idle[i]->db);
    pthread_mutex_unlock(&readers->mutex);
}

void readers_after_commit(struct readers *readers)
{
    pthread_mutex_lock(&readers->mutex);
    readers->committing = false;
    readers->commits++;
    pthread_mutex_unlock(&readers->mutex);
}

void readers_close(struct readers *readers)
{
    while (readers->idle_count)
        reader_close(readers->idle[--readers->idle_count]);
}
