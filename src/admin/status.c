/* Revoke and release. */
#include "internal.h"

#include <annul/fault.h>

#include <stdio.h>
#include <string.h>

const char *admin_status_text(const struct cert_record *record, char out[ADMIN_STATUS_TEXT])
{
    char date[TIME_TEXT];
    if (record->status == CERT_GOOD)
        return "good";
    time_to_text(record->revoked_at, date);
    snprintf(out, ADMIN_STATUS_TEXT, "%s (%s, %s)", record->status == CERT_HOLD ? "on hold" : "revoked",
             reason_name(record->reason), date);
    return out;
}

void admin_place(const struct issuer *issuer, struct cert_record *record)
{
    if (record->shard == 0 || record->shard > issuer->config->shards)
        record->shard = (unsigned)(issuer_shard_of(issuer, &record->serial) + 1); /* CRL_WHOLE: none */
}

/* One change of status with its audit entry. */
int admin_write_status(struct store_tx *tx, const char *action, const struct issuer *issuer,
                       const struct cert_record *before, struct cert_record *after, struct error *err)
{
    char was[ADMIN_STATUS_TEXT], is[ADMIN_STATUS_TEXT], detail[2 * ADMIN_STATUS_TEXT + 8];
    admin_place(issuer, after);
    if (store_tx_set_status(tx, issuer->id, before->status, after, err) < 0)
        return -1;
    snprintf(detail, sizeof detail, "%s -> %s", admin_status_text(before, was), admin_status_text(after, is));
    return store_tx_audit(tx, action, issuer->config->name.text, &after->serial, detail, err);
}

bool admin_apply_revocation(struct cert_record *record, int reason, int64_t revoked_at, int64_t invalidity_at)
{
    if (record->status != CERT_GOOD && !reason_may_become(record->reason, reason)) {
        /* the same again may still add when the key was lost */
        bool adds = record->status == CERT_REVOKED && record->reason == reason &&
                    record->invalidity_at == TIME_NONE && invalidity_at != TIME_NONE;
        if (adds)
            record->invalidity_at = invalidity_at;
        return adds;
    }
    if (record->status == CERT_GOOD) { /* later the first date stays: it has not been good since */
        record->revoked_at = revoked_at;
        record->invalidity_at = TIME_NONE; /* of a hold that was released */
    }
    record->status = reason == REASON_CERTIFICATE_HOLD ? CERT_HOLD : CERT_REVOKED;
    record->reason = reason;
    if (invalidity_at != TIME_NONE) /* what was known before stays known */
        record->invalidity_at = invalidity_at;
    return true;
}

/* Ends the transaction; what was changed goes to the publisher once it is on disk. */
enum admin_result admin_finish(struct admin *admin, struct store_tx *tx, enum admin_result result,
                               const struct issuer *changed, struct error *err)
{
    if (result == ADMIN_DONE && admin->seal && admin->seal(admin->seal_arg, tx, err) < 0)
        result = ADMIN_FAILED;
    if (result != ADMIN_DONE) {
        store_rollback(tx);
        return result;
    }
    if (store_commit(tx, err) < 0)
        return ADMIN_FAILED;
    if (admin->seal)
        fault_point("sealed");
    if (changed)
        publisher_changed(admin->publisher, changed);
    return ADMIN_DONE;
}

enum admin_result admin_find(struct store_tx *tx, const struct issuer *issuer, const struct serial *serial,
                             struct cert_record *record, struct error *err)
{
    char text[SERIAL_TEXT];
    enum outcome found = store_tx_certificate(tx, issuer->id, serial, record, err);
    if (found == FOUND)
        return ADMIN_DONE;
    if (found == FAILED)
        return ADMIN_FAILED;
    serial_to_text(serial, text);
    error_set(err,
              "issuer %s has no certificate %s; register it first, or revoke with the certificate itself",
              issuer->config->name.text, text);
    return ADMIN_NOT_FOUND;
}

/* What is not registered was read by nobody: where the change would register it, it is another than it was. */
static enum admin_result check_change(struct admin *admin, struct store_tx *tx,
                                      const struct admin_change *change, struct error *err)
{
    struct cert_record record;
    if (!admin->may_change)
        return ADMIN_DONE;
    enum admin_result result = admin_find(tx, change->issuer, change->serial, &record, err);
    if (result == ADMIN_NOT_FOUND && change->certificate) {
        error_set(err, "the certificate is not registered, so it cannot be as it was read");
        return ADMIN_STALE;
    }
    if (result != ADMIN_DONE)
        return result;
    if (!admin->may_change(admin->may_change_arg, &record)) {
        error_set(err, "the certificate has changed since it was read; read it again");
        result = ADMIN_STALE;
    }
    cert_record_free(&record);
    return result;
}

enum admin_result admin_make_change(struct admin *admin, const struct store_actor *actor,
                                    struct admin_change *change, admin_step *step, struct error *err)
{
    struct store_tx *tx = store_begin(admin->store, actor, err);
    *change->changed = false;
    if (!tx)
        return ADMIN_FAILED;
    change->now = actor->at;
    enum admin_result result = check_change(admin, tx, change, err);
    if (result == ADMIN_DONE)
        result = step(tx, change, err);
    bool news = *change->changed || change->learned;
    enum admin_result ended = admin_finish(admin, tx, result, news ? change->issuer : NULL, err);
    if (ended != ADMIN_DONE && result == ADMIN_DONE)
        cert_record_free(change->record);
    return ended;
}

enum admin_result admin_may_revoke(const struct issuer *issuer, const struct serial *serial,
                                   struct error *err)
{
    if (!issuer->is_root || serial_compare(serial, &issuer->ca.serial) != 0)
        return ADMIN_DONE;
    error_set(
        err,
        "it is the certificate of issuer %s itself, which nobody above has signed: a root cannot revoke "
        "itself; take it away from all who trust it",
        issuer->config->name.text);
    return ADMIN_INVALID;
}

enum admin_result admin_revoke_in(struct store_tx *tx, struct admin_change *change, struct error *err)
{
    struct cert_record *record = change->record;
    enum admin_result result = admin_may_revoke(change->issuer, change->serial, err);
    *change->changed = false;
    if (result == ADMIN_DONE)
        result = admin_find(tx, change->issuer, change->serial, record, err);
    if (result != ADMIN_DONE)
        return result;
    struct cert_record before = *record;
    *change->changed = admin_apply_revocation(record, change->reason, change->now, change->invalidity_at);
    if (*change->changed && admin_write_status(tx, "revoke", change->issuer, &before, record, err) < 0)
        result = ADMIN_FAILED;
    if (result != ADMIN_DONE)
        cert_record_free(record);
    return result;
}

enum admin_result admin_revoke(struct admin *admin, const struct store_actor *actor,
                               const struct issuer *issuer, const struct serial *serial, int reason,
                               int64_t invalidity_at, struct cert_record *record, bool *changed,
                               struct error *err)
{
    struct admin_change change = {.issuer = issuer,
                                  .serial = serial,
                                  .reason = reason,
                                  .invalidity_at = invalidity_at,
                                  .record = record,
                                  .changed = changed};
    return admin_make_change(admin, actor, &change, admin_revoke_in, err);
}

#define UNKNOWN_ENTRIES 4 /* a transaction has thousands of lines */

/* What could not be done of many, in the same transaction: an entry for each of the first certificates, one for the others,
 * and one for those that were passed over. */
static int audit_refused(struct store_tx *tx, const struct issuer *issuer,
                         const struct admin_revocation *list, size_t count, struct error *err)
{
    static const char action[] = AUDIT_REFUSED "revoke";
    const char *name = issuer->config->name.text;
    size_t invalid = 0, unknown = 0;
    char detail[64];
    for (size_t i = 0; i < count; i++) {
        invalid += list[i].result == ADMIN_INVALID;
        if (list[i].result == ADMIN_NOT_FOUND && unknown++ < UNKNOWN_ENTRIES &&
            store_tx_audit(tx, action, name, &list[i].serial, "no such certificate", err) < 0)
            return -1;
    }
    snprintf(detail, sizeof detail, "no such certificate: %zu lines of %zu", unknown, count);
    if (unknown > UNKNOWN_ENTRIES && store_tx_audit(tx, action, name, NULL, detail, err) < 0)
        return -1;
    snprintf(detail, sizeof detail, "%zu of %zu lines cannot be read", invalid, count);
    return invalid ? store_tx_audit(tx, action, name, NULL, detail, err) : 0;
}

enum admin_result admin_revoke_many(struct admin *admin, const struct store_actor *actor,
                                    const struct issuer *issuer, struct admin_revocation *list, size_t count,
                                    bool atomic, struct error *err)
{
    struct store_tx *tx = store_begin_alone(admin->store, actor, err);
    enum admin_result result = ADMIN_DONE;
    bool any = false;
    if (!tx)
        return ADMIN_FAILED;
    for (size_t i = 0; i < count && result == ADMIN_DONE; i++) {
        struct admin_revocation *one = &list[i];
        struct cert_record record;
        struct admin_change change = {.issuer = issuer,
                                      .serial = &one->serial,
                                      .now = actor->at,
                                      .reason = one->reason,
                                      .invalidity_at = one->invalidity_at,
                                      .record = &record,
                                      .changed = &one->changed};
        if (one->result == ADMIN_DONE) {
            one->result = admin_revoke_in(tx, &change, err);
            if (one->result == ADMIN_DONE)
                cert_record_free(&record);
            any |= one->changed;
        }
        if (one->result == ADMIN_FAILED)
            result = ADMIN_FAILED;
        else if (one->result != ADMIN_DONE && atomic)
            result = ADMIN_CONFLICT;
    }
    if (result == ADMIN_DONE && audit_refused(tx, issuer, list, count, err) < 0)
        result = ADMIN_FAILED;
    return admin_finish(admin, tx, result, any ? issuer : NULL, err);
}

static enum admin_result release_in(struct store_tx *tx, struct admin_change *change, struct error *err)
{
    struct cert_record *record = change->record;
    enum admin_result result = admin_find(tx, change->issuer, change->serial, record, err);
    if (result != ADMIN_DONE || (record->status == CERT_GOOD && record->version != 0))
        return result; /* released before: the same again is no error */
    if (record->status == CERT_GOOD) {
        error_set(err, "not on hold: there is nothing to release");
        result = ADMIN_CONFLICT;
    } else if (record->status == CERT_REVOKED) {
        error_set(err, "revoked for good (%s): only a hold can be released", reason_name(record->reason));
        result = ADMIN_CONFLICT;
    } else {
        struct cert_record before = *record;
        record->status = CERT_GOOD;
        *change->changed = true;
        if (admin_write_status(tx, "release", change->issuer, &before, record, err) < 0)
            result = ADMIN_FAILED;
    }
    if (result != ADMIN_DONE)
        cert_record_free(record);
    return result;
}

enum admin_result admin_release(struct admin *admin, const struct store_actor *actor,
                                const struct issuer *issuer, const struct serial *serial,
                                struct cert_record *record, bool *changed, struct error *err)
{
    struct admin_change change = {.issuer = issuer, .serial = serial, .record = record, .changed = changed};
    return admin_make_change(admin, actor, &change, release_in, err);
}
