#include "internal.h"

#include <string.h>

/* The files of db/ in order of their names: append only. Version N is the database after the first N files.
 */
static const struct {
    const char *name, *sql;
} migrations[] = {
#include "migrations.inc"
};

int64_t store_schema_version(void)
{
    return sizeof migrations / sizeof *migrations;
}

static int migrate_one(struct db *db, int64_t from, struct error *err)
{
    if (db_begin(db, err) < 0)
        return -1;
    if (db_run(db, migrations[from].sql, err) < 0 ||
        (strstr(migrations[from].name, "_audit_chain") && store_chain_audit(db, err) < 0) ||
        db_version_set(db, from + 1, err) < 0) {
        db_rollback(db);
        return error_prefix(err, "migration %s", migrations[from].name);
    }
    return db_commit(db, err);
}

int store_migrate(struct db *db, struct error *err)
{
    int64_t version;
    if (db_version_get(db, &version, err) < 0)
        return -1;
    if (version > store_schema_version())
        return error_set(
            err,
            "the database has schema version %lld, this program knows %lld: install the version of "
            "Annul that wrote it, or a later one",
            (long long)version, (long long)store_schema_version());
    if (db_make_durable(db, err) < 0)
        return -1;
    for (; version < store_schema_version(); version++)
        if (migrate_one(db, version, err) < 0)
            return -1;
    return 0;
}
