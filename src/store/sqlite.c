/* SQLite behind db.h; the only file that knows it. */
#include "db.h"

#include <annul/time.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct db_statement {
    sqlite3_stmt *stmt;
    struct db *db;
};

struct db {
    sqlite3 *sqlite;
    bool corrupt;
    enum db_mode mode;
    struct db_statement begin, commit, rollback;
    struct db_statement statements[DB_STATEMENTS];
};

static int failed(struct db *db, struct error *err)
{
    int code = sqlite3_errcode(db->sqlite) & 0xff;
    db->corrupt |= code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
    return error_set(err, "database: %s", sqlite3_errmsg(db->sqlite));
}

static int open_file(struct db *db, const char *path, enum db_mode mode)
{
    if (mode != DB_GLANCE)
        return sqlite3_open_v2(
            path, &db->sqlite,
            SQLITE_OPEN_NOMUTEX |
                (mode == DB_WRITER ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY),
            NULL);
    char *uri = sqlite3_mprintf("file:%s?immutable=1", path);
    for (char *c = uri ? uri + 5 : NULL; c && c < uri + 5 + strlen(path); c++)
        if (strchr("?#%", *c)) {
            sqlite3_free(uri); /* rather no glance than another file */
            return sqlite3_open_v2(path, &db->sqlite, SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY, NULL);
        }
    int code = sqlite3_open_v2(uri ? uri : "", &db->sqlite,
                               SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
    sqlite3_free(uri);
    return code;
}

struct db *db_open(const char *path, enum db_mode mode, struct error *err)
{
    struct db *db = calloc(1, sizeof *db);
    if (!db) {
        error_set(err, "out of memory");
        return NULL;
    }
    db->mode = mode;
    if (open_file(db, path, mode) != SQLITE_OK) {
        error_set(err, "database %s: %s", path, sqlite3_errmsg(db->sqlite));
        db_close(db);
        return NULL;
    }
    sqlite3_extended_result_codes(db->sqlite, 1);
    sqlite3_busy_timeout(db->sqlite, 2500); /* for a shell that writes beside us */
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    return db;
}

/* FULL: with WAL, every commit is synced before it returns, so nothing acknowledged is lost to a power cut.
 */
int db_make_durable(struct db *db, struct error *err)
{
    return db_run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -16000",
                  err);
}

int db_make_quick(struct db *db, struct error *err)
{
    return db_run(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL", err);
}

bool db_is_corrupt(const struct db *db)
{
    return db->corrupt;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < DB_STATEMENTS; i++)
        sqlite3_finalize(db->statements[i].stmt);
    sqlite3_finalize(db->begin.stmt);
    sqlite3_finalize(db->commit.stmt);
    sqlite3_finalize(db->rollback.stmt);
    sqlite3_close(db->sqlite);
    free(db);
}

int db_version_get(struct db *db, int64_t *version, struct error *err)
{
    sqlite3_stmt *stmt;
    if (sqlite3_prepare_v2(db->sqlite, "PRAGMA user_version", -1, &stmt, NULL) != SQLITE_OK)
        return failed(db, err);
    int result = sqlite3_step(stmt) == SQLITE_ROW ? 0 : failed(db, err);
    *version = result == 0 ? sqlite3_column_int64(stmt, 0) : 0;
    sqlite3_finalize(stmt);
    return result;
}

int db_version_set(struct db *db, int64_t version, struct error *err)
{
    char sql[64];
    snprintf(sql, sizeof sql, "PRAGMA user_version = %lld", (long long)version);
    return db_run(db, sql, err);
}

int db_run(struct db *db, const char *sql, struct error *err)
{
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : failed(db, err);
}

static struct db_statement *prepare(struct db *db, struct db_statement *s, const char *sql, struct error *err)
{
    s->db = db;
    if (s->stmt ||
        sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, &s->stmt, NULL) == SQLITE_OK)
        return s;
    failed(db, err);
    return NULL;
}

struct db_statement *db_prepare(struct db *db, size_t index, const char *sql, struct error *err)
{
    return prepare(db, &db->statements[index], sql, err);
}

int db_begin(struct db *db, struct error *err)
{
    struct db_statement *s =
        prepare(db, &db->begin, db->mode == DB_WRITER ? "BEGIN IMMEDIATE" : "BEGIN", err);
    if (!s || !prepare(db, &db->commit, "COMMIT", err) ||
        !prepare(db, &db->rollback, "ROLLBACK", err)) /* now, so that it cannot fail later */
        return -1;
    return db_do(s, err);
}

int db_commit(struct db *db, struct error *err)
{
    if (db_do(&db->commit, err) == 0)
        return 0;
    db_rollback(db);
    return -1;
}

void db_rollback(struct db *db)
{
    if (db_in_transaction(db))
        db_do(&db->rollback, NULL);
}

bool db_in_transaction(struct db *db)
{
    return !sqlite3_get_autocommit(db->sqlite);
}

void db_bind_int(struct db_statement *s, int at, int64_t value)
{
    sqlite3_bind_int64(s->stmt, at, value);
}

void db_bind_time(struct db_statement *s, int at, int64_t value)
{
    if (value == TIME_NONE)
        sqlite3_bind_null(s->stmt, at);
    else
        sqlite3_bind_int64(s->stmt, at, value);
}

void db_bind_blob(struct db_statement *s, int at, const void *data, size_t len)
{
    sqlite3_bind_blob64(s->stmt, at, data ? data : "", len, SQLITE_STATIC);
}

void db_bind_text(struct db_statement *s, int at, const char *text)
{
    if (text)
        sqlite3_bind_text(s->stmt, at, text, -1, SQLITE_STATIC);
    else
        sqlite3_bind_null(s->stmt, at);
}

enum outcome db_step(struct db_statement *s, struct error *err)
{
    int code = sqlite3_step(s->stmt);
    if (code == SQLITE_ROW)
        return FOUND;
    enum outcome outcome = code == SQLITE_DONE ? ABSENT : FAILED;
    if (outcome == FAILED)
        failed(s->db, err);
    db_reset(s);
    return outcome;
}

void db_reset(struct db_statement *s)
{
    sqlite3_reset(s->stmt);
    sqlite3_clear_bindings(s->stmt); /* they point to the caller's memory */
}

int db_do(struct db_statement *s, struct error *err)
{
    enum outcome outcome = db_step(s, err);
    if (outcome == FOUND)
        db_reset(s);
    return outcome == FAILED ? -1 : 0;
}

enum db_type db_type(struct db_statement *s, int column)
{
    switch (sqlite3_column_type(s->stmt, column)) {
    case SQLITE_NULL:
        return DB_NULL;
    case SQLITE_INTEGER:
        return DB_INT;
    case SQLITE_TEXT:
        return DB_TEXT;
    case SQLITE_BLOB:
        return DB_BLOB;
    default:
        return DB_OTHER;
    }
}

int64_t db_int(struct db_statement *s, int column)
{
    return sqlite3_column_int64(s->stmt, column);
}

int64_t db_time(struct db_statement *s, int column)
{
    return sqlite3_column_type(s->stmt, column) == SQLITE_NULL ? TIME_NONE
                                                               : sqlite3_column_int64(s->stmt, column);
}

struct bytes db_blob(struct db_statement *s, int column)
{
    const void *data = sqlite3_column_blob(s->stmt, column);
    return (struct bytes){data, data ? (size_t)sqlite3_column_bytes(s->stmt, column) : 0};
}

const char *db_text(struct db_statement *s, int column)
{
    return (const char *)sqlite3_column_text(s->stmt, column);
}
