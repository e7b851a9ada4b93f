/* The rules of change: what an administrator may do, each in one durable transaction with its audit entry.
 *
 * Whoever calls has authenticated the actor. Any thread.
 */
#ifndef ANNUL_ADMIN_H
#define ANNUL_ADMIN_H

#include <annul/issuer.h>
#include <annul/publisher.h>
#include <annul/reason.h>
#include <annul/store.h>

#include <stdatomic.h>

struct admin {
    struct issuers *issuers;
    struct store *store;
    struct publisher *publisher;

    /* Of one call, in a copy; NULL: none. What is to be on disk together with a change of one transaction: it is called
     * when all results are there, and -1 undoes the change. And whether a certificate may be changed as it is now. */
    int (*seal)(void *arg, struct store_tx *tx, struct error *err);
    void *seal_arg;
    bool (*may_change)(void *arg, const struct cert_record *record);
    void *may_change_arg;
};

enum admin_result {
    ADMIN_DONE,
    ADMIN_NOT_FOUND, /* no such serial or token */
    ADMIN_CONFLICT,  /* the state does not allow it */
    ADMIN_STALE,     /* struct admin's may_change does not */
    ADMIN_INVALID,   /* the input cannot be what it should */
    ADMIN_FORBIDDEN, /* it is about an issuer that is not within the scope */
    ADMIN_FAILED,    /* the store did: nothing has changed */
};

/* Revokes, or puts on hold. One who is revoked already stays as he is, unless the reason may legally become
 * the new one (annul/reason.h); the date of revocation then stays the first. `record` is the outcome (free
 * it), `changed` whether anything was written. `invalidity_at` may be TIME_NONE. */
enum admin_result admin_revoke(struct admin *admin, const struct store_actor *actor,
                               const struct issuer *issuer, const struct serial *serial, int reason,
                               int64_t invalidity_at, struct cert_record *record, bool *changed,
                               struct error *err);

/* One of many. */
struct admin_revocation {
    struct serial serial;
    int reason;
    int64_t invalidity_at; /* or TIME_NONE */
    enum admin_result result;
    bool changed;
};

/* Revokes many by the rules of admin_revoke, in one transaction. Those whose `result` is not ADMIN_DONE already are
 * passed over; an unknown serial gets ADMIN_NOT_FOUND, and the others are revoked; the audit trail tells of both. Where `atomic`, the first of
 * either kind ends it: ADMIN_CONFLICT, and nothing has changed. ADMIN_FAILED the same. */
enum admin_result admin_revoke_many(struct admin *admin, const struct store_actor *actor,
                                    const struct issuer *issuer, struct admin_revocation *list, size_t count,
                                    bool atomic, struct error *err);

/* Ends a hold. Released before: nothing changes. Never on hold, or revoked for good: ADMIN_CONFLICT. */
enum admin_result admin_release(struct admin *admin, const struct store_actor *actor,
                                const struct issuer *issuer, const struct serial *serial,
                                struct cert_record *record, bool *changed, struct error *err);

/* Registers every certificate of a PEM text, or one in DER; all or none. Their issuers are found by
 * signature. `each` is called for each before the commit, with its record. ADMIN_INVALID: one of them is no
 * certificate, or of none of our CAs. ADMIN_FORBIDDEN: of one that is not within `scope` (annul/access.h). */
typedef int admin_each(void *arg, const struct issuer *issuer, const struct cert_record *record);
enum admin_result admin_register(struct admin *admin, const struct store_actor *actor, const char *scope,
                                 struct bytes text, admin_each *each, void *arg, size_t *added, size_t *known,
                                 struct error *err);

/* Registers one certificate if it is not, and revokes it, in one transaction. */
enum admin_result admin_revoke_certificate(struct admin *admin, const struct store_actor *actor,
                                           const char *scope, struct bytes text, int reason,
                                           const struct issuer **issuer, struct cert_record *record,
                                           bool *changed, struct error *err);

/* Takes over rows from elsewhere (an index.txt, a CRL), all or none. A row that says good never un-revokes;
 * one that says revoked carries its own date. */
struct admin_import_count {
    size_t added, changed, known;
};
enum admin_result admin_import(struct admin *admin, const struct store_actor *actor,
                               const struct issuer *issuer, const struct cert_record *rows, size_t count,
                               struct admin_import_count *counts, struct error *err);

/* Follows a list that is kept elsewhere, from which most rows are known: only those that tell something new are written,
 * in one transaction, and what had a status already and changes it gets an audit entry of its own. The rules are those of
 * admin_import. `kept` counts rows that say good of what is revoked here, and stays so. */
struct admin_follow_count {
    size_t added, changed, kept;
};
enum admin_result admin_follow(struct admin *admin, const struct store_actor *actor,
                               const struct issuer *issuer, const struct cert_record *rows, size_t count,
                               struct admin_follow_count *counts, struct error *err);

/* Takes the CRL, complete or a delta, in DER or PEM, that file `fd` holds from its position on, for an issuer whose key is
 * elsewhere. ADMIN_INVALID: it is not one, or not the CA's, or not valid now. ADMIN_CONFLICT: it may not come behind the
 * present one. Then everything stays as it was. Its entries become statuses, of which no revocation is ever taken back: only
 * a hold ends, where the CRL before had it and this one has not, or a delta says so. Then it is published.
 * Where that fails in between, or `stop` becomes true (ADMIN_FAILED), the same CRL is to be given again: it goes on.
 * One call at a time for an issuer. Memory does not grow with the list. */
struct admin_crl_taken {
    struct crl_part part;
    int64_t next_update;
    bool changed;    /* false: it was the present one already */
    bool lacks_base; /* ADMIN_CONFLICT: a delta whose base is not here; it may be taken when that is */
};
enum admin_result admin_take_crl(struct admin *admin, const struct store_actor *actor, struct issuer *issuer,
                                 int fd, const atomic_bool *stop, struct admin_crl_taken *taken,
                                 struct error *err);

/* At start: until when the statuses hold that came from CRLs before (issuer->statuses_end). */
void admin_take_up_crls(struct admin *admin);

/* ADMIN_INVALID where it is the issuer's own certificate that it has signed itself: whoever trusts a root asks nobody about
 * it, and its own signature cannot say that its signatures count no more. Revoking asks it by itself. */
enum admin_result admin_may_revoke(const struct issuer *issuer, const struct serial *serial,
                                   struct error *err);

/* An entry in the audit trail by itself: of an attempt that was refused, or of what the store does not do. */
enum admin_result admin_note(struct admin *admin, const struct store_actor *actor, const char *action,
                             const struct issuer *issuer, const struct serial *serial, const char *detail,
                             struct error *err);

/* A token is "annul_" and 64 hex digits; only its SHA-256 is kept. Of `wanted`: name, role, scope and expires_at, which must
 * be in the future. */
#define ADMIN_TOKEN 71
enum admin_result admin_token_create(struct admin *admin, const struct store_actor *actor,
                                     const struct store_token *wanted, char token[ADMIN_TOKEN], int64_t *id,
                                     struct error *err);
enum admin_result admin_token_revoke(struct admin *admin, const struct store_actor *actor, int64_t id,
                                     struct error *err);

/* Who has a token. */
struct admin_holder {
    int64_t id;
    char name[64];
    enum role role;
    char *scope; /* as in annul/access.h; malloc'ed */
    int64_t expires_at, last_used_at;
};

/* Whose token it is. ABSENT: nobody's, or it is good no more; `err` says which, for the log and not for who asks. */
enum outcome admin_token_check(struct admin *admin, const char *token, int64_t now,
                               struct admin_holder *holder, struct error *err);

/* That a token was used, by its actor's clock: on disk when it returns. */
enum admin_result admin_token_used(struct admin *admin, const struct store_actor *actor, int64_t id,
                                   struct error *err);

#endif
