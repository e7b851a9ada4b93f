/* Shared by the files of this folder. */
#ifndef ANNUL_ADMIN_INTERNAL_H
#define ANNUL_ADMIN_INTERNAL_H

#include <annul/admin.h>

#define ADMIN_STATUS_TEXT 80
const char *admin_status_text(const struct cert_record *record, char out[ADMIN_STATUS_TEXT]);

/* Changes `record` as a revocation would; false where the rules leave it as it is. */
bool admin_apply_revocation(struct cert_record *record, int reason, int64_t revoked_at,
                            int64_t invalidity_at);

/* Where the certificate does not name the shard that lists it, its serial says. */
void admin_place(const struct issuer *issuer, struct cert_record *record);

/* Writes `after` and the audit entry. */
int admin_write_status(struct store_tx *tx, const char *action, const struct issuer *issuer,
                       const struct cert_record *before, struct cert_record *after, struct error *err);

/* Takes what `told` has and `is` lacks, and where it is certain what differs, too; whether that was anything. The texts stay
 * whose they are. (facts.c) */
bool admin_learn(struct cert_record *is, const struct cert_record *told, bool certain);

/* Registers a row: ABSENT. FOUND: it was known; what is learned of it has an audit entry with before and after. */
enum outcome admin_register_row(struct store_tx *tx, const char *action, const struct issuer *issuer,
                                const struct cert_record *row, bool certain, bool *learned,
                                struct error *err);

/* Whether a row from elsewhere tells something new: FOUND or ABSENT. `is` (or NULL) is set to the status now. */
enum outcome admin_is_news(struct admin *admin, const struct issuer *issuer, const struct cert_record *row,
                           enum cert_status *is, struct error *err);

/* Registers and revokes what a row from elsewhere says; a change to what was known before gets an audit entry. */
int admin_take_row(struct store_tx *tx, const struct issuer *issuer, const struct cert_record *row,
                   struct admin_follow_count *counts, struct error *err);

/* The record, to be freed where ADMIN_DONE. */
enum admin_result admin_find(struct store_tx *tx, const struct issuer *issuer, const struct serial *serial,
                             struct cert_record *record, struct error *err);

/* A change of one certificate, and what came of it. */
struct admin_change {
    const struct issuer *issuer;
    const struct serial *serial;
    int64_t now;
    int reason; /* the next two of a revocation */
    int64_t invalidity_at;
    const struct cert_record *certificate; /* to be registered before, or NULL */
    struct cert_record *record;            /* the outcome */
    bool *changed;
    bool learned; /* something from `certificate`: it may have turned out to be another shard's */
};

/* Begins, checks that the certificate may be changed as it is now, takes the step and finishes. */
typedef enum admin_result admin_step(struct store_tx *tx, struct admin_change *change, struct error *err);
enum admin_result admin_make_change(struct admin *admin, const struct store_actor *actor,
                                    struct admin_change *change, admin_step *step, struct error *err);

/* The step of admin_revoke. */
admin_step admin_revoke_in;

/* Commits or rolls back, and tells the publisher of `changed` (or NULL). */
enum admin_result admin_finish(struct admin *admin, struct store_tx *tx, enum admin_result result,
                               const struct issuer *changed, struct error *err);

#endif
