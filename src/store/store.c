/* Opening, connections, transactions. */
#include "internal.h"

#include <annul/clock.h>
#include <annul/fault.h>

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static int take_lock(struct store *store, struct error *err)
{
    char *path;
    if (asprintf(&path, "%s.lock", store->path) < 0)
        return error_set(err, "out of memory");
    store->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int result = 0;
    if (store->lock < 0)
        result = error_set(err, "database lock %s: %s", path, strerror(errno));
    else if (flock(store->lock, LOCK_EX | LOCK_NB) < 0)
        result = error_set(err, "database %s: another annuld has it open", store->path);
    free(path);
    return result;
}

static int read_change(struct store *store, struct error *err)
{
    struct db_statement *s = db_prepare(store->writer, Q_LAST_CHANGE, "SELECT counter FROM change", err);
    if (!s || db_step(s, err) != FOUND)
        return -1;
    atomic_store(&store->change, db_int(s, 0));
    db_reset(s);
    return 0;
}

struct store *store_open(const char *path, struct error *err)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store || !(store->path = strdup(path))) {
        error_set(err, "out of memory");
        free(store);
        return NULL;
    }
    store->lock = -1;
    turns_init(&store->turns);
    readers_init(&store->readers, store->path);
    pthread_mutex_init(&store->listening, NULL);
    mode_t mask = umask(0077); /* whoever reads it knows every device */
    int failed = take_lock(store, err) < 0 || !(store->writer = db_open(path, DB_WRITER, err));
    if (!failed && (store_migrate(store->writer, err) < 0 || read_change(store, err) < 0))
        failed = error_prefix(err, "%s", path);
    umask(mask);
    if (failed) {
        store_close(store);
        return NULL;
    }
    return store;
}

/* Whether a daemon has it: then its log is being written, and must be read along. */
static bool is_locked(const char *path)
{
    char *name;
    if (asprintf(&name, "%s.lock", path) < 0)
        return true;
    int fd = open(name, O_RDWR | O_CLOEXEC);
    bool locked = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
    if (fd >= 0)
        close(fd);
    free(name);
    return locked;
}

static enum outcome find_issuer(struct db *db, const char *name, const uint8_t fingerprint[32], int64_t *id,
                                struct error *err)
{
    struct db_statement *s =
        db_prepare(db, Q_ISSUER_FIND, "SELECT id, fingerprint FROM issuer WHERE name = $1", err);
    if (!s)
        return FAILED;
    db_bind_text(s, 1, name);
    enum outcome found = db_step(s, err);
    if (found != FOUND)
        return found;
    *id = db_int(s, 0);
    if (!bytes_equal(db_blob(s, 1), (struct bytes){fingerprint, 32}))
        found = error_set(err,
                          "issuer \"%s\": the database knows another CA (other subject or key) by this name; "
                          "give the new CA a section of its own name",
                          name);
    db_reset(s);
    return found;
}

int store_check_folder(const char *path, struct error *err)
{
    char *copy = strdup(path);
    const char *folder = copy ? dirname(copy) : ".";
    int result =
        access(folder, W_OK | X_OK) == 0 ? 0 : error_set(err, "the folder %s: %s", folder, strerror(errno));
    free(copy);
    return result;
}

int store_check(const char *path, const char *name, const uint8_t fingerprint[32], struct error *err)
{
    if (access(path, F_OK) != 0)
        return store_check_folder(path, err) < 0 ? error_prefix(err, "database %s", path) : 0;
    if (access(path, R_OK | W_OK) != 0)
        return error_set(err, "database %s: %s", path, strerror(errno));
    struct db *db = db_open(path, is_locked(path) ? DB_READER : DB_GLANCE, err);
    int64_t version, id;
    int result = db ? db_version_get(db, &version, err) : -1;
    if (result == 0 && version > store_schema_version())
        result = error_set(err, "database %s: schema version %lld is newer than this program's %lld", path,
                           (long long)version, (long long)store_schema_version());
    if (result == 0 && version > 0 && find_issuer(db, name, fingerprint, &id, err) == FAILED)
        result = -1;
    db_close(db);
    return result;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    readers_close(&store->readers);
    db_close(store->writer); /* last: SQLite then folds the log into the database */
    if (store->lock >= 0)
        close(store->lock);
    turns_destroy(&store->turns);
    pthread_mutex_destroy(&store->readers.mutex);
    pthread_mutex_destroy(&store->listening);
    free(store->path);
    free(store);
}

int64_t store_change(const struct store *store)
{
    return atomic_load(&store->change);
}

int64_t store_registrations(const struct store *store)
{
    return atomic_load(&store->registrations);
}

void store_count(const struct store *store, struct store_counts *counts)
{
    *counts = (struct store_counts){.commits_failed = atomic_load(&store->commits_failed)};
    histogram_read(&store->commit_times, &counts->commit_times);
    histogram_read(&store->commit_sizes, &counts->commit_sizes);
}

/* --- transactions --------------------------------------------------------------------------------------
 *
 * To sync is what a commit costs, so writers that wait for their turn share one: who ends while another is next
 * leaves his changes in the open transaction of the database, the batch, and the last one commits it for all. Behind
 * others in the batch one works inside a savepoint, which takes back his changes alone. None waits longer for it than
 * for the statements of those who were waiting before: nobody is in a batch twice, as he sleeps until it is over. */

/* Tells the members. Each may free his transaction then. */
static void end_batch(struct store *store, int result, const struct error *why)
{
    if (result < 0 && store->batch.count)
        atomic_fetch_add(&store->commits_failed, 1);
    for (struct store_tx *tx = store->batch.first, *next; tx; tx = next) {
        next = tx->next;
        turn_end(&store->turns, tx, result, why);
    }
    store->batch = (struct batch){0};
}

/* Counts what a transaction did for the time when it is on disk. */
static void add_to_batch(struct batch *batch, const struct store_tx *tx)
{
    if (tx->change)
        batch->change = tx->change; /* the highest: they are in order */
    batch->registrations += tx->registrations;
    batch->audited |= tx->audited;
    batch->count++;
}

void store_listen(struct store *store, store_hear *hear, void *arg)
{
    pthread_mutex_lock(&store->listening);
    store->hear = hear;
    store->hear_arg = arg;
    pthread_mutex_unlock(&store->listening);
}

static void tell(struct store *store)
{
    pthread_mutex_lock(&store->listening);
    if (store->hear)
        store->hear(store->hear_arg);
    pthread_mutex_unlock(&store->listening);
}

static int commit_batch(struct store *store, struct error *why)
{
    const struct batch *batch = &store->batch;
    readers_before_commit(&store->readers);
    fault_point("store-commit");
    int64_t start_us = clock_monotonic_us();
    int result = db_commit(store->writer, why);
    if (result == 0) {
        histogram_add(&store->commit_times, &histogram_times, (uint64_t)(clock_monotonic_us() - start_us));
        histogram_add(&store->commit_sizes, &histogram_numbers, store->batch.count);
    }
    fault_point("store-committed");
    readers_after_commit(&store->readers);
    /* Before another writer can commit; and after the readers know, or an old answer would pass for a new one. */
    if (result == 0 && batch->change)
        atomic_store(&store->change, batch->change);
    if (result == 0)
        atomic_fetch_add(&store->registrations, batch->registrations);
    if (result == 0 && batch->audited)
        tell(store);
    end_batch(store, result, why);
    return result;
}

/* A turn ends without a change of its own: the batch is left to the next, or committed. */
static void leave(struct store *store)
{
    struct error why = {"database: a change that was to be committed with this one failed in the middle of "
                        "writing, and this one was undone with it; try again"};
    if (!db_in_transaction(store->writer)) /* for want of room, say, SQLite rolls all of it back by itself */
        end_batch(store, -1, &why);
    else if (!turn_next_joins(&store->turns))
        commit_batch(store, &why);
    turn_pass(&store->turns);
}

static struct store_tx *tx_new(struct store *store, const struct store_actor *actor, bool alone)
{
    struct store_tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return NULL;
    *tx = (struct store_tx){.store = store, .db = store->writer, .actor = *actor, .alone = alone};
    pthread_cond_init(&tx->wake, NULL);
    return tx;
}

static void tx_free(struct store_tx *tx)
{
    pthread_cond_destroy(&tx->wake);
    free(tx);
}

static struct store_tx *begin(struct store *store, const struct store_actor *actor, bool alone,
                              struct error *err)
{
    struct store_tx *tx = tx_new(store, actor, alone);
    if (!tx) {
        error_set(err, "out of memory");
        return NULL;
    }
    turn_take(&store->turns, tx);
    tx->nested = store->batch.first != NULL;
    if ((tx->nested ? db_run(tx->db, "SAVEPOINT member", err) : db_begin(tx->db, err)) == 0)
        return tx;
    leave(store);
    tx_free(tx);
    return NULL;
}

struct store_tx *store_begin(struct store *store, const struct store_actor *actor, struct error *err)
{
    return begin(store, actor, false, err);
}

struct store_tx *store_begin_alone(struct store *store, const struct store_actor *actor, struct error *err)
{
    return begin(store, actor, true, err);
}

int store_commit(struct store_tx *tx, struct error *err)
{
    struct store *store = tx->store;
    struct error why;
    int result;
    if (store_tally(tx, err) < 0) {
        store_rollback(tx);
        return -1;
    }
    if (tx->nested && db_in_transaction(tx->db) && db_run(tx->db, "RELEASE SAVEPOINT member", &why) < 0)
        db_rollback(tx->db); /* the commit then fails for all */
    add_to_batch(&store->batch, tx);
    if (db_in_transaction(tx->db) && !tx->alone && turn_next_joins(&store->turns)) {
        tx->next = store->batch.first;
        store->batch.first = tx;
        result = turn_pass_and_wait(&store->turns, tx, &why);
    } else {
        result = commit_batch(store, &why);
        turn_pass(&store->turns);
    }
    if (result < 0 && err)
        *err = why;
    tx_free(tx);
    return result;
}

void store_rollback(struct store_tx *tx)
{
    if (!tx)
        return;
    if (!tx->nested || (db_in_transaction(tx->db) &&
                        db_run(tx->db, "ROLLBACK TO SAVEPOINT member; RELEASE SAVEPOINT member", NULL) < 0))
        db_rollback(tx->db);
    leave(tx->store);
    tx_free(tx);
}

int store_issuer(struct store *store, const char *name, const uint8_t fingerprint[32], int64_t *id,
                 struct error *err)
{
    struct store_actor actor = {"annuld", "start", 0};
    struct store_tx *tx = store_begin(store, &actor, err);
    if (!tx)
        return -1;
    enum outcome found = find_issuer(tx->db, name, fingerprint, id, err);
    int result = found == FOUND ? 0 : -1;
    if (found == ABSENT) {
        struct db_statement *add = db_prepare(
            tx->db, Q_ISSUER_ADD, "INSERT INTO issuer (name, fingerprint) VALUES ($1, $2) RETURNING id", err);
        if (add) {
            db_bind_text(add, 1, name);
            db_bind_blob(add, 2, fingerprint, 32);
        }
        if (add && db_step(add, err) == FOUND) {
            *id = db_int(add, 0);
            result = 0;
            db_reset(add);
        }
    }
    if (result < 0) {
        store_rollback(tx);
        return -1;
    }
    return store_commit(tx, err);
}
