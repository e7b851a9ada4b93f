/* What the queries need of a database: the wall behind which SQLite stands, and one day PostgreSQL.
 *
 * A connection and its statements belong to one thread at a time. Statements are prepared once a connection
 * and kept, indexed by their enum. Parameters are $1, $2 … in order of first use, counted from 1; columns
 * from 0. Views that columns give last until the next step.
 */
#ifndef ANNUL_STORE_DB_H
#define ANNUL_STORE_DB_H

#include <annul/bytes.h>
#include <annul/error.h>

struct db;
struct db_statement;

/* A glance reads a database that nobody writes, without leaving a trace beside it. */
enum db_mode { DB_WRITER, DB_READER, DB_GLANCE };

/* A writer makes the file where there is none. NULL with the reason. */
struct db *db_open(const char *path, enum db_mode mode, struct error *err);
void db_close(struct db *db); /* NULL-safe */

/* For a writer, once it is known that the database is ours to write: every commit is on disk when it returns.
 */
int db_make_durable(struct db *db, struct error *err);

/* The same, but the last commits may be lost to a power cut; those before, and the file, are not. */
int db_make_quick(struct db *db, struct error *err);

/* Whether something failed because the file is damaged, or is no database. */
bool db_is_corrupt(const struct db *db);

int db_version_get(struct db *db, int64_t *version, struct error *err);
int db_version_set(struct db *db, int64_t version, struct error *err);

/* Runs statements that give no rows. */
int db_run(struct db *db, const char *sql, struct error *err);

/* A writer's transaction excludes other writers from its beginning. A reader's is one snapshot, from its first
 * statement on; an error may end it. */
int db_begin(struct db *db, struct error *err);
int db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db); /* nothing where there is no transaction */
bool db_in_transaction(struct db *db);

/* The statement `index` of this connection, prepared at first use and ready to bind. NULL with the reason. */
struct db_statement *db_prepare(struct db *db, size_t index, const char *sql, struct error *err);
#define DB_STATEMENTS 64

void db_bind_int(struct db_statement *s, int at, int64_t value);
void db_bind_time(struct db_statement *s, int at, int64_t value);                /* TIME_NONE: NULL */
void db_bind_blob(struct db_statement *s, int at, const void *data, size_t len); /* must outlive the steps */
void db_bind_text(struct db_statement *s, int at, const char *text);             /* NULL: NULL; the same */

/* FOUND: a row. ABSENT: no more; the statement is reset. FAILED: the reason; the same. */
enum outcome db_step(struct db_statement *s, struct error *err);
void db_reset(struct db_statement *s); /* before the rows are at an end */

/* Steps once and resets: for statements without rows. */
int db_do(struct db_statement *s, struct error *err);

/* What a value was written as; SQLite takes any in every column. */
enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB, DB_OTHER };
enum db_type db_type(struct db_statement *s, int column);

int64_t db_int(struct db_statement *s, int column);
int64_t db_time(struct db_statement *s, int column); /* NULL: TIME_NONE */
struct bytes db_blob(struct db_statement *s, int column);
const char *db_text(struct db_statement *s, int column); /* NULL: NULL */

#endif
