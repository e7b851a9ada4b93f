#include "internal.h"

#include <annul/log.h>
#include <annul/presigned.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The schema version tells the kind of file, too, so that nothing else is ever mistaken for one. */
#define KIND 73700000
#define KIND_VERSIONS 100000
#define VERSION (KIND + 1)
#define OTHER_KIND "is another kind of database; name a file of its own"

/* A row is about 30 octets and what was signed. */
static const char schema[] =
    "CREATE TABLE signer (" /* whose signatures these are */
    " id INTEGER PRIMARY KEY,"
    " lineage INTEGER NOT NULL,"
    " certs BLOB NOT NULL);" /* own delegates are of one lineage, and each has a certificate of its own */
    "CREATE TABLE answer ("
    " issuer INTEGER NOT NULL,"
    " hash INTEGER NOT NULL,"
    " serial BLOB NOT NULL," /* as in the status database */
    " signer INTEGER NOT NULL,"
    " sigalg INTEGER NOT NULL,"
    " next_update INTEGER NOT NULL,"
    " response_data BLOB NOT NULL,"
    " signature BLOB NOT NULL,"
    " PRIMARY KEY (issuer, hash, serial)) WITHOUT ROWID;";

enum presigned_statement { P_FIND, P_SIGNER_FIND, P_SIGNER_ADD, P_PUT, P_SWEEP, P_SWEEP_SIGNERS };

struct presigned {
    char *path;
    pthread_rwlock_t lock; /* held for writing while the file is replaced by another */
    struct readers readers;
    struct db *writer; /* NULL: could not be opened anew */
    _Atomic bool corrupt;
};

/* --- opening ------------------------------------------------------------------------------------------- */

static char *name_beside(const char *path, const char *suffix)
{
    char *name;
    return asprintf(&name, "%s%s", path, suffix) < 0 ? NULL : name;
}

/* The file goes away: to the name FILE-corrupt where `keep`. Its log is nothing without it. */
static void put_away(const char *path, bool keep)
{
    char *log = name_beside(path, "-wal"), *index = name_beside(path, "-shm"),
         *aside = name_beside(path, "-corrupt");
    if (log && index && aside) {
        unlink(log);
        unlink(index);
        if (!keep)
            unlink(path);
        else if (rename(path, aside) < 0)
            log_error("presigned", "%s: %s", path, strerror(errno));
    }
    free(log);
    free(index);
    free(aside);
}

static bool is_other_kind(int64_t version)
{
    return version != 0 && (version < KIND || version >= KIND + KIND_VERSIONS);
}

/* FOUND: it is ours. ABSENT: it must go away first. */
static enum outcome examine(struct db *db, const char *path, struct error *err)
{
    int64_t version;
    if (db_version_get(db, &version, err) < 0) {
        if (!db_is_corrupt(db))
            return FAILED;
        log_warn("presigned", "%s: %s: beginning anew; the file is kept as %s-corrupt", path, err->text,
                 path);
        put_away(path, true);
        return ABSENT;
    }
    if (version == VERSION || version == 0)
        return FOUND;
    if (is_other_kind(version))
        return error_set(err, OTHER_KIND);
    log_info("presigned", "%s: written by another version: beginning anew", path);
    put_away(path, false);
    return ABSENT;
}

static int make_schema(struct db *db, struct error *err)
{
    int64_t version;
    if (db_make_quick(db, err) < 0 || db_version_get(db, &version, err) < 0)
        return -1;
    if (version == VERSION)
        return 0;
    if (db_begin(db, err) < 0)
        return -1;
    if (db_run(db, schema, err) == 0 && db_version_set(db, VERSION, err) == 0)
        return db_commit(db, err);
    db_rollback(db);
    return -1;
}

/* It names every device, as the status database does. SQLite gives its log the same mode. */
static int make_file(const char *path, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return errno == EEXIST ? 0 : error_set(err, "%s", strerror(errno));
    close(fd); /* nobody has it open yet, so no lock goes with it */
    return 0;
}

static struct db *open_writer(const char *path, struct error *err)
{
    struct db *db = NULL;
    for (enum outcome found = ABSENT; found == ABSENT;) {
        db_close(db);
        db = make_file(path, err) == 0 ? db_open(path, DB_WRITER, err) : NULL;
        found = db ? examine(db, path, err) : FAILED;
        if (found == FAILED || (found == FOUND && make_schema(db, err) < 0)) {
            db_close(db);
            db = NULL;
            error_prefix(err, "%s", path);
            break;
        }
    }
    return db;
}

static int check_kind(const char *path, struct error *err)
{
    struct error damaged;
    int64_t version = 0;
    struct db *db = db_open(path, DB_GLANCE, &damaged); /* what is damaged will be put aside */
    if (db && db_version_get(db, &version, &damaged) < 0)
        version = 0;
    db_close(db);
    return is_other_kind(version) ? error_set(err, OTHER_KIND) : 0;
}

int presigned_check(const char *path, const char *database, struct error *err)
{
    struct stat own, other;
    bool is_there = stat(path, &own) == 0;
    if (strcmp(path, database) == 0 ||
        (is_there && stat(database, &other) == 0 && own.st_dev == other.st_dev && own.st_ino == other.st_ino))
        error_set(err, "is the status database; name a file of its own");
    else if (is_there && !S_ISREG(own.st_mode))
        error_set(err, "is not a file");
    else if (is_there && access(path, R_OK | W_OK) != 0)
        error_set(err, "%s; it must be annuld's user's", strerror(errno));
    else if (store_check_folder(path, err) == 0 && (!is_there || check_kind(path, err) == 0))
        return 0;
    return error_prefix(err, "%s", path);
}

struct presigned *presigned_open(const char *path, struct error *err)
{
    struct presigned *presigned = calloc(1, sizeof *presigned);
    if (!presigned || !(presigned->path = strdup(path))) {
        error_set(err, "out of memory");
        free(presigned);
        return NULL;
    }
    pthread_rwlock_init(&presigned->lock, NULL);
    readers_init(&presigned->readers, presigned->path);
    presigned->writer = open_writer(path, err);
    if (presigned->writer)
        return presigned;
    presigned_close(presigned);
    return NULL;
}

void presigned_close(struct presigned *presigned)
{
    if (!presigned)
        return;
    readers_close(&presigned->readers);
    db_close(presigned->writer);
    pthread_mutex_destroy(&presigned->readers.mutex);
    pthread_rwlock_destroy(&presigned->lock);
    free(presigned->path);
    free(presigned);
}

/* Nobody is inside while the file is replaced. */
static int begin_anew(struct presigned *presigned, struct error *err)
{
    pthread_rwlock_wrlock(&presigned->lock);
    log_error("presigned", "%s: damaged: beginning anew; the file is kept as %s-corrupt", presigned->path,
              presigned->path);
    readers_close(&presigned->readers);
    db_close(presigned->writer);
    put_away(presigned->path, true);
    presigned->writer = open_writer(presigned->path, err);
    atomic_store(&presigned->corrupt, false);
    pthread_rwlock_unlock(&presigned->lock);
    return presigned->writer ? error_set(err, "%s: was damaged", presigned->path) : -1;
}

/* --- reading ------------------------------------------------------------------------------------------- */

static enum outcome find(struct db *db, struct presigned_entry *entry, presigned_take *take, void *arg,
                         struct error *err)
{
    struct serial_key key = serial_key(&entry->serial);
    struct db_statement *s =
        db_prepare(db, P_FIND,
                   "SELECT s.lineage, a.sigalg, a.next_update, a.response_data, a.signature, s.certs "
                   "FROM answer a JOIN signer s ON s.id = a.signer "
                   "WHERE a.issuer = $1 AND a.hash = $2 AND a.serial = $3",
                   err);
    if (!s)
        return FAILED;
    db_bind_int(s, 1, entry->issuer);
    db_bind_int(s, 2, entry->hash);
    db_bind_blob(s, 3, key.octets, serial_key_len(key));
    enum outcome found = db_step(s, err);
    if (found != FOUND)
        return found;
    entry->lineage = (uint64_t)db_int(s, 0);
    entry->sigalg = (unsigned)db_int(s, 1);
    entry->next_update = db_int(s, 2);
    entry->response_data = db_blob(s, 3);
    entry->signature = db_blob(s, 4);
    entry->certs = db_blob(s, 5);
    take(arg, entry);
    db_reset(s);
    return FOUND;
}

enum outcome presigned_find(struct presigned *presigned, int64_t issuer, int hash,
                            const struct serial *serial, presigned_take *take, void *arg, struct error *err)
{
    struct presigned_entry entry = {.issuer = issuer, .hash = hash, .serial = *serial};
    pthread_rwlock_rdlock(&presigned->lock);
    struct reader *reader = readers_take(&presigned->readers, err);
    enum outcome found = reader ? find(reader->db, &entry, take, arg, err) : FAILED;
    if (reader && db_is_corrupt(reader->db))
        atomic_store(&presigned->corrupt, true);
    readers_give(&presigned->readers, reader);
    pthread_rwlock_unlock(&presigned->lock);
    return found;
}

/* --- writing ------------------------------------------------------------------------------------------- */

/* There are few, so they are looked for one by one. */
static int find_signer(struct db *db, const struct presigned_entry *entry, int64_t *id, struct error *err)
{
    struct db_statement *find =
        db_prepare(db, P_SIGNER_FIND, "SELECT id FROM signer WHERE lineage = $1 AND certs = $2", err);
    struct db_statement *add =
        db_prepare(db, P_SIGNER_ADD, "INSERT INTO signer (lineage, certs) VALUES ($1, $2) RETURNING id", err);
    enum outcome found = ABSENT;
    for (int i = 0; find && add && found == ABSENT && i < 2; i++) {
        struct db_statement *s = i ? add : find;
        db_bind_int(s, 1, (int64_t)entry->lineage);
        db_bind_blob(s, 2, entry->certs.at, entry->certs.len);
        found = db_step(s, err);
        if (found == FOUND) {
            *id = db_int(s, 0);
            db_reset(s);
        }
    }
    return found == FOUND ? 0 : -1;
}

static int put_one(struct db *db, const struct presigned_entry *entry, struct error *err)
{
    struct serial_key key = serial_key(&entry->serial);
    int64_t signer;
    struct db_statement *s = db_prepare(
        db, P_PUT,
        "INSERT INTO answer (issuer, hash, serial, signer, sigalg, next_update, response_data, signature) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (issuer, hash, serial) DO UPDATE SET "
        "signer = excluded.signer, sigalg = excluded.sigalg, next_update = excluded.next_update, "
        "response_data = excluded.response_data, signature = excluded.signature",
        err);
    if (!s || find_signer(db, entry, &signer, err) < 0)
        return -1;
    db_bind_int(s, 1, entry->issuer);
    db_bind_int(s, 2, entry->hash);
    db_bind_blob(s, 3, key.octets, serial_key_len(key));
    db_bind_int(s, 4, signer);
    db_bind_int(s, 5, entry->sigalg);
    db_bind_int(s, 6, entry->next_update);
    db_bind_blob(s, 7, entry->response_data.at, entry->response_data.len);
    db_bind_blob(s, 8, entry->signature.at, entry->signature.len);
    return db_do(s, err);
}

static int begin(struct presigned *presigned, struct error *err)
{
    if (!presigned->writer) {
        presigned->writer = open_writer(presigned->path, err);
        if (!presigned->writer)
            return -1;
    }
    if (atomic_load(&presigned->corrupt) || db_is_corrupt(presigned->writer))
        return begin_anew(presigned, err);
    return db_begin(presigned->writer, err);
}

static int end(struct presigned *presigned, int result, struct error *err)
{
    if (result == 0) {
        readers_before_commit(&presigned->readers);
        result = db_commit(presigned->writer, err);
        readers_after_commit(&presigned->readers);
    }
    if (result == 0)
        return 0;
    db_rollback(presigned->writer);
    return db_is_corrupt(presigned->writer) ? begin_anew(presigned, err) : -1;
}

int presigned_put(struct presigned *presigned, const struct presigned_entry *const *entries, size_t count,
                  struct error *err)
{
    if (begin(presigned, err) < 0)
        return -1;
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++)
        result = put_one(presigned->writer, entries[i], err);
    return end(presigned, result, err);
}

int presigned_sweep(struct presigned *presigned, int64_t now, struct error *err)
{
    if (begin(presigned, err) < 0)
        return -1;
    struct db *db = presigned->writer;
    struct db_statement *answers = db_prepare(db, P_SWEEP, "DELETE FROM answer WHERE next_update <= $1", err);
    struct db_statement *signers = db_prepare(
        db, P_SWEEP_SIGNERS, "DELETE FROM signer WHERE id NOT IN (SELECT signer FROM answer)", err);
    if (answers)
        db_bind_int(answers, 1, now);
    return end(presigned, answers && signers && db_do(answers, err) == 0 ? db_do(signers, err) : -1, err);
}
