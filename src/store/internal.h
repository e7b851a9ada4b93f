/* Shared by the files of this folder only. */
#ifndef ANNUL_STORE_INTERNAL_H
#define ANNUL_STORE_INTERNAL_H

#include "db.h"

#include <annul/store.h>

#include <pthread.h>
#include <stdatomic.h>

#define READERS 64 /* connections kept; more readers at once open and close their own */

/* The read connections of one file. */
struct readers {
    const char *path;
    pthread_mutex_t mutex;
    uint64_t commits; /* so far, in this process: nobody else writes */
    bool committing;
    struct reader *idle[READERS]; /* with a snapshot that is current, or none */
    size_t idle_count;
};

struct reader {
    struct db *db;
    uint64_t commits; /* at least so many its snapshot shows */
};

/* Whether files can be made in the folder of this one. 0, or -1 with the reason. */
int store_check_folder(const char *path, struct error *err);

void readers_init(struct readers *readers, const char *path); /* keeps the pointer */
void readers_close(struct readers *readers);                  /* those that are idle */

/* A read connection, and for as long as it is held one snapshot with all that was committed before. NULL with the
 * reason. */
struct reader *readers_take(struct readers *readers, struct error *err);
void readers_give(struct readers *readers, struct reader *reader); /* NULL-safe */

/* Around each commit, whether it succeeds or not. */
void readers_before_commit(struct readers *readers);
void readers_after_commit(struct readers *readers);

/* Whose turn it is to write: first come, first served, so that one who writes much does not starve the others. */
struct turns {
    pthread_mutex_t mutex;
    bool taken;
    struct store_tx *first, *last; /* who waits */
};

void turns_init(struct turns *turns);
void turns_destroy(struct turns *turns);
void turn_take(struct turns *turns, struct store_tx *tx); /* waits for it */
void turn_pass(struct turns *turns);                      /* to the next */
bool turn_next_joins(struct turns *turns);                /* one waits who will take the batch over */

/* Passes the turn on, and sleeps until another thread tells what became of the transaction. */
int turn_pass_and_wait(struct turns *turns, struct store_tx *tx, struct error *why);
void turn_end(struct turns *turns, struct store_tx *tx, int result, const struct error *why);

/* Transactions whose changes are in the database's open one, and whose threads wait for the commit. */
struct batch {
    struct store_tx *first; /* the latest; NULL: none */
    int64_t change;         /* the counter of the latest change, or 0 */
    int64_t registrations;
    bool audited;
    unsigned count; /* of transactions that are to be committed */
};

struct store {
    char *path;
    int lock; /* descriptor of the lock file */
    struct turns turns;
    struct db *writer; /* these two belong to whose turn it is */
    struct batch batch;
    _Atomic int64_t change;
    _Atomic int64_t registrations;
    struct readers readers;
    struct histogram commit_times, commit_sizes;
    _Atomic uint64_t commits_failed;
    pthread_mutex_t listening;
    store_hear *hear; /* NULL: nobody listens */
    void *hear_arg;
};

/* What a transaction did to one issuer, that goes into its row at once. */
struct tally {
    int64_t issuer;                    /* 0: to none */
    bool changed;                      /* the status of one */
    int64_t registered, revoked, held; /* more than before */
};

struct store_tx {
    struct store *store;
    struct db *db;
    struct store_actor actor;
    int64_t change;     /* counter of this transaction's changes; 0 until there is one */
    struct tally tally; /* not written yet */
    int64_t registrations;
    bool audited;          /* something that was not refused */
    bool alone;            /* shares its commit with nobody */
    bool nested;           /* in a savepoint, as there were others in the batch */
    struct store_tx *next; /* of those who wait for their turn, and then of the batch */

    pthread_cond_t wake; /* of its thread; the rest is guarded by the mutex of the turns */
    bool has_turn, over;
    int result; /* once it is over */
    struct error why;
};

/* Brings the schema up to date, or refuses a newer one. */
int store_migrate(struct db *db, struct error *err);
int64_t store_schema_version(void);

/* Takes the rows of the audit trail that have no hash yet into the chain, which they begin. */
int store_chain_audit(struct db *db, struct error *err);

/* Writes what is left to write, before the commit. */
int store_tally(struct store_tx *tx, struct error *err);

/* A serial as it stands in the tables: its length in one octet, then the octets. */
struct serial_key {
    uint8_t octets[SERIAL_MAX + 1];
};
static inline struct serial_key serial_key(const struct serial *serial)
{
    struct serial_key key = {{serial->len}};
    for (size_t i = 0; i < serial->len; i++)
        key.octets[i + 1] = serial->octets[i];
    return key;
}
#define serial_key_len(key) ((size_t)(key).octets[0] + 1)

static inline bool serial_from_key(struct bytes key, struct serial *serial)
{
    return key.len > 1 && serial_from_octets((struct bytes){key.at + 1, key.len - 1}, serial);
}

/* A whole record. */
#define RECORD_COLUMNS                                                                                       \
    "c.serial, c.not_before, c.not_after, c.subject, COALESCE(c.shard + 1, 0), r.version, r.status, "        \
    "r.reason, r.revoked_at, "                                                                               \
    "r.invalid_at"
#define RECORD_TABLES RECORD_TABLES_BY("")
#define RECORD_TABLES_BY(index)                                                                              \
    "certificate c " index " LEFT JOIN revocation r ON r.issuer = c.issuer AND r.serial = c.serial"

int record_read(struct db_statement *s, struct cert_record *record, struct error *err);

enum outcome certificate_by(struct db *db, int64_t issuer, const struct serial *serial,
                            struct cert_record *record, struct error *err);

int counts_by(struct db *db, int64_t issuer, struct store_issuer_counts *counts, struct error *err);

/* Every statement, so that each connection keeps one of each. The text stands where it is used. */
enum statement {
    Q_ISSUER_FIND,
    Q_ISSUER_ADD,
    Q_STATUS,
    Q_LISTED,
    Q_CERTIFICATE,
    Q_LIST_ALL,
    Q_LIST_REVOKED,
    Q_LIST_HELD,
    Q_LIST_SAME_NAME,
    Q_LIST_NAMES,
    Q_LIST_SAME_LATER_NAME,
    Q_LIST_LATER_NAMES,
    Q_LIST_SAME_SUBJECT,
    Q_LIST_SUBJECTS,
    Q_REGISTER,
    Q_SET_FACTS,
    Q_SET_STATUS,
    Q_NEXT_CHANGE,
    Q_TALLY,
    Q_COUNTS,
    Q_LAST_CHANGE,
    Q_AUDIT,
    Q_AUDIT_HEAD,
    Q_AUDIT_HEAD_SET,
    Q_AUDIT_LIST,
    Q_AUDIT_NEWEST,
    Q_AUDIT_OF,
    Q_AUDIT_OF_NEWEST,
    Q_AUDIT_UNCHAINED,
    Q_AUDIT_CHAIN,
    Q_MARK_SHARD,
    Q_MARK_MOVED,
    Q_MOVE_SHARD,
    Q_SET_NOT_AFTER,
    Q_CRL_NUMBER,
    Q_CRL_PUBLISHED,
    Q_CRL_LAST,
    Q_CRL_CHANGED,
    Q_CRL_COUNTERS,
    Q_CRL_SCAN,
    Q_CRL_SCAN_SHARD,
    Q_CRL_SCAN_SINCE,
    Q_CRL_SCAN_SHARD_SINCE,
    Q_SHARDS,
    Q_SHARDS_SET,
    Q_SHARDS_PAGE,
    Q_SHARDS_PLACE,
    Q_SHARDS_FORGET,
    Q_TOKEN_ADD,
    Q_TOKEN_REVOKE,
    Q_TOKEN_USED,
    Q_TOKEN_FIND,
    Q_TOKEN_LIST,
    Q_ANSWER_ADD,
    Q_ANSWER_FIND,
    Q_ANSWER_FORGET_OLD,
    Q_ANSWER_FORGET_SURPLUS,
    Q_COUNT
};
_Static_assert(Q_COUNT <= DB_STATEMENTS, "more statements than a connection keeps");

#endif
