/* The certificate status database: every query, transaction and migration is behind these functions.
 *
 * One process at a time has the database (a lock file beside it says so). Any thread may call; writers take
 * turns, readers do not wait for writers (WAL). A change is on disk (synchronous=FULL) when the function that
 * made it returns, and every look-up that begins then sees it. What another program writes into the file meanwhile (a
 * shell) may stay unseen until the next change made here. Functions return an outcome (FAILED with the reason, ABSENT, FOUND) or 0/-1.
 * Times are Unix seconds.
 */
#ifndef ANNUL_STORE_H
#define ANNUL_STORE_H

#include <annul/access.h>
#include <annul/audit.h>
#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/histogram.h>
#include <annul/serial.h>
#include <annul/time.h>

struct store;

/* Opens or makes the database and brings it up to the present schema. Refuses one that is newer than this
 * program, and one that another process has. NULL with the reason. */
struct store *store_open(const char *path, struct error *err);

/* 0 where store_open, and store_issuer for this issuer, would succeed: for `annuld -t`. Creates nothing. */
int store_check(const char *path, const char *name, const uint8_t fingerprint[32], struct error *err);

void store_close(struct store *store); /* NULL-safe; no other thread may be inside */

/* --- issuers ------------------------------------------------------------------------------------------- */

/* Finds or makes the row of an issuer. -1 where the name is another CA's (other fingerprint). */
int store_issuer(struct store *store, const char *name, const uint8_t fingerprint[32], int64_t *id,
                 struct error *err);

/* How many certificates it has. No cost with their number. 0 or -1. */
struct store_issuer_counts {
    int64_t good, revoked, held;
};
int store_issuer_counts(struct store *store, int64_t issuer, struct store_issuer_counts *counts,
                        struct error *err);

/* --- certificates -------------------------------------------------------------------------------------- */

enum cert_status { CERT_GOOD = 0, CERT_REVOKED = 1, CERT_HOLD = 2 };

struct cert_record {
    struct serial serial;
    enum cert_status status;
    int64_t not_before, not_after; /* or TIME_NONE */
    unsigned shard;                /* 1 + the number of the CRL's shard that it belongs to; 0: none */
    char *subject;                 /* or NULL; cert_record_free */
    int64_t version;               /* change counter when the status last changed; 0: never */
    int reason;                    /* the last three only where not good */
    int64_t revoked_at;
    int64_t invalidity_at; /* or TIME_NONE */
};
void cert_record_free(struct cert_record *record); /* NULL-safe */

/* The status of a serial, without subject and dates: what OCSP asks. */
enum outcome store_status(struct store *store, int64_t issuer, const struct serial *serial,
                          struct cert_record *record, struct error *err);

/* The whole record. */
enum outcome store_certificate(struct store *store, int64_t issuer, const struct serial *serial,
                               struct cert_record *record, struct error *err);

struct store_filter {
    int status;          /* enum cert_status, or -1: any */
    const char *serial;  /* what it begins with, lower-case hex; or NULL */
    const char *subject; /* what it, or the CN in it, begins with (ASCII case ignored); or NULL. With `serial`
                                   either one suffices */
    const struct serial *after; /* begin behind it, or NULL */
    int after_way;              /* that store_search gave with it, else 0 */
    size_t limit;
    size_t look; /* at about so many at most, whether they match or not; 0: as many as it takes */
};

/* Gives records in the order of serials; `each` must not keep them. Other than 0 stops. 0 or -1. */
typedef int store_each(void *arg, const struct cert_record *record);
int store_list(struct store *store, int64_t issuer, const struct store_filter *filter, store_each *each,
               void *arg, struct error *err);

/* The same for pages. What is found by its subject comes behind what is found by its serial, and in the order of names,
 * unless few have the status that is sought. FOUND: there are more, or there may be, behind `next`. ABSENT: that was all. No
 * cost with the number of certificates, but for what is looked at in vain: see `look`. */
#define STORE_WAYS 5
struct store_next {
    struct serial after;
    int way; /* from 0 to STORE_WAYS */
};
enum outcome store_search(struct store *store, int64_t issuer, const struct store_filter *filter,
                          store_each *each, void *arg, struct store_next *next, struct error *err);

/* The number of the last committed change. No database access; any thread. */
int64_t store_change(const struct store *store);

/* How many certificates were registered since the database was opened. The same. */
int64_t store_registrations(const struct store *store);

/* Since it was opened, for metrics. The same. */
struct store_counts {
    uint64_t commits_failed;
    struct histogram_sums commit_times,
        commit_sizes; /* those that succeeded; and how many transactions each had */
};
void store_count(const struct store *store, struct store_counts *counts);

/* --- one transaction of changes ------------------------------------------------------------------------ */

/* What happened, for the audit table. */
struct store_actor {
    const char *name;   /* "token:ops", "uid:0" */
    const char *origin; /* "127.0.0.1", "unix" */
    int64_t at;         /* now */
};

struct store_tx;

/* Begins; waits for other writers. End it with commit or rollback, in the same thread. NULL with the reason.
 */
struct store_tx *store_begin(struct store *store, const struct store_actor *actor, struct error *err);

/* The same for many changes at once: nobody's commit waits for them, and none fails with them. */
struct store_tx *store_begin_alone(struct store *store, const struct store_actor *actor, struct error *err);

/* On disk when it returns 0. The transaction is over either way. Those that other threads commit meanwhile may share
 * one sync; where that fails, all of them do, and none has changed anything. */
int store_commit(struct store_tx *tx, struct error *err);
void store_rollback(struct store_tx *tx); /* NULL-safe */

/* The record as this transaction sees it. */
enum outcome store_tx_certificate(struct store_tx *tx, int64_t issuer, const struct serial *serial,
                                  struct cert_record *record, struct error *err);

/* FOUND: it was there already, and stays as it was. ABSENT: added. */
enum outcome store_tx_register(struct store_tx *tx, int64_t issuer, const struct cert_record *record,
                               struct error *err);

/* Writes subject, dates and shard, as they are in `record`, of one that is registered. Where it is revoked, it goes to the
 * list of that shard. */
int store_tx_set_facts(struct store_tx *tx, int64_t issuer, const struct cert_record *record,
                       struct error *err);

/* Writes status, reason, times and shard as they are in `record`; the rules are the caller's (see annul/admin.h), who also
 * knows which status it `was`. CERT_GOOD releases. Gives the new version in `record`. */
int store_tx_set_status(struct store_tx *tx, int64_t issuer, enum cert_status was, struct cert_record *record,
                        struct error *err);

/* One row of the audit trail, chained to the one before. `issuer` and `serial` may be NULL; texts are UTF-8. */
int store_tx_audit(struct store_tx *tx, const char *action, const char *issuer, const struct serial *serial,
                   const char *detail, struct error *err);

/* --- the audit trail ----------------------------------------------------------------------------------- */

struct store_audit_filter {
    bool newest;                 /* first; else the oldest first */
    int64_t from;                /* id to begin with */
    const struct serial *serial; /* only what is about it; NULL: any */
    size_t limit;
};

/* Gives rows as they stand in the database now, whoever wrote them, and the head of the same moment. 0 or -1; `each`
 * stops it with other than 0. */
typedef int store_each_audit(void *arg, const struct audit_row *row);
int store_audit_list(struct store *store, const struct store_audit_filter *filter, store_each_audit *each,
                     void *arg, struct audit_head *head, struct error *err);

int store_audit_head(struct store *store, struct audit_head *head, struct error *err);

/* Calls `hear` when something was committed that has an audit entry and was not refused; in the thread of a writer, so
 * it must not wait. One can listen; NULL ends it, and when that returns nobody is in there. */
typedef void store_hear(void *arg);
void store_listen(struct store *store, store_hear *hear, void *arg);

/* --- answers to calls that may be repeated -------------------------------------------------------------- */

#define STORE_ANSWERS 1024         /* that are kept, the newest of each actor … */
#define STORE_ANSWER_S (24 * 3600) /* … for so long */

struct store_answer {
    uint8_t request[32]; /* SHA-256 of the call */
    unsigned status;
    char *type, *etag, *body; /* "": there is none; of store_answer_find: store_answer_free */
};

/* Keeps what the actor's call with this key is answered. */
int store_tx_answer(struct store_tx *tx, const char *key, const struct store_answer *answer,
                    struct error *err);
enum outcome store_answer_find(struct store *store, const struct store_actor *actor, const char *key,
                               struct store_answer *answer, struct error *err);
void store_answer_free(struct store_answer *answer);

/* --- CRLs ---------------------------------------------------------------------------------------------- */

/* A CRL that was published. */
struct store_crl {
    int64_t number; /* of its files, and its CRLNumber where it was made here */
    int64_t covers; /* the change counter that it tells of */
    int64_t this_update, next_update, entries;
    uint8_t digest[32], shape[32];      /* SHA-256 of the DER, and of what it was configured to be */
    int64_t regular_at, regular_covers; /* complete: the last one that came by schedule; 0: none yet */
    int64_t base,
        base_covers; /* delta: its base; complete: the one published before it, on which deltas build; 0: none */
    struct serial crl_number; /* CRLNumber where it was made elsewhere; len 0: it was not */
};

/* Whose and which. */
struct store_crl_key {
    int64_t issuer;
    int shard; /* -1: all of the issuer's */
    bool delta;
};

/* Takes the next CRL number, durably, before anybody can see it: one more than any taken before, and not less
 * than `now`, so that it rises above the numbers of a predecessor that counted from one, and above those of a
 * database that was lost. A delta has its number from the sequence of its base. */
int store_crl_take_number(struct store *store, const struct store_crl_key *key, int64_t now, int64_t *number,
                          struct error *err);

/* Records what was published. */
int store_crl_published(struct store *store, const struct store_crl_key *key, const struct store_crl *crl,
                        struct error *err);

/* The last one published. ABSENT: none yet. */
enum outcome store_crl_last(struct store *store, const struct store_crl_key *key, struct store_crl *crl,
                            struct error *err);

/* Gives the change counter at the last change of the whole (shard -1) and of each shard that has changed ever. */
typedef void store_each_changed(void *arg, int shard, int64_t changed);
int store_crl_changed(struct store *store, int64_t issuer, store_each_changed *each, void *arg,
                      struct error *err);

/* Gives every revoked or held certificate of a CRL in serial order, without subject and notBefore, from one snapshot
 * whose change counter is `covers`. 0 or -1; `each` stops it with other than 0. */
int store_crl_scan(struct store *store, const struct store_crl_key *key, store_each *each, void *arg,
                   int64_t *covers, struct error *err);

/* The same of what has changed since the change counter was `since`, those that were released too. ABSENT: an entry has
 * gone from or to another shard since, which is no change of its own, so nothing was given. */
enum outcome store_crl_scan_since(struct store *store, const struct store_crl_key *key, int64_t since,
                                  store_each *each, void *arg, int64_t *covers, struct error *err);

/* Decides anew which shard lists each revoked certificate, where the number of shards is not what it was: the one that
 * its certificate names, else `shard_of` its serial. Shards that were published lose their shape, so that they are due.
 * Not while anything else is under way. */
typedef int store_shard_of(const void *arg, const struct serial *serial);
int store_reshard(struct store *store, int64_t issuer, unsigned shards, store_shard_of *shard_of,
                  const void *arg, struct error *err);

/* --- tokens -------------------------------------------------------------------------------------------- */

#define STORE_TOKEN_HASH 32
struct store_token {
    int64_t id;
    const char *name;    /* at most 63 octets */
    const uint8_t *hash; /* SHA-256 of the token */
    enum role role;
    const char *scope;                                        /* as in annul/access.h */
    int64_t created_at, expires_at, last_used_at, revoked_at; /* or TIME_NONE */
};

/* Of the token: name, hash, role, scope and expires_at. ABSENT where the name is taken. */
enum outcome store_tx_token_add(struct store_tx *tx, const struct store_token *token, int64_t *id,
                                struct error *err);
/* FOUND also where it was revoked before. */
enum outcome store_tx_token_revoke(struct store_tx *tx, int64_t id, struct error *err);
int store_tx_token_used(struct store_tx *tx, int64_t id, struct error *err);

/* Gives tokens, those too that are no longer good; `each` must not keep them. Other than 0 stops. 0 or -1. */
typedef int store_each_token(void *arg, const struct store_token *token);
int store_token_list(struct store *store, store_each_token *each, void *arg, struct error *err);

/* The one with this id: FOUND where `each` took it, and gave other than 0. */
enum outcome store_tx_token(struct store_tx *tx, int64_t id, store_each_token *each, void *arg,
                            struct error *err);

/* The same, of those whose hash begins like this one: to compare the rest, in constant time, is the caller's affair. */
int store_token_find(struct store *store, const uint8_t hash[STORE_TOKEN_HASH], store_each_token *each,
                     void *arg, struct error *err);

#endif
