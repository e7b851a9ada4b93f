/* CRLs that were made elsewhere: whether they may come in, and what their entries change.
 *
 * A first pass verifies, and nothing is changed before it is through. A second one takes the entries into the store, where
 * few of them are new as a rule. The CRL is published when all of them are there: so whatever ends this in between, the
 * CRL before is served, no revocation is lost, and the same CRL goes on where this one was left.
 */
#include "internal.h"

#include <annul/clock.h>
#include <annul/fault.h>
#include <annul/hashset.h>
#include <annul/hex.h>
#include <annul/log.h>
#include <annul/plural.h>
#include <annul/scratch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 5000 /* changes in a transaction: others that write wait for so many */

/* One CRL on its way in. */
struct taking {
    struct admin *admin;
    const struct store_actor *actor;
    const struct issuer *issuer;
    const atomic_bool *stop;
    int der;                       /* the CRL, in a scratch file */
    struct crl_scan *scan, *other; /* what `facts` point into; and for whatever else is read */
    struct crl_facts facts;
    struct publication *whole, *delta; /* the present ones, or NULL */
    bool lacks_base;                   /* see struct admin_crl_taken */
    bool delta_counts;                 /* the present delta is newer than the present complete CRL */
    struct hashset held, still; /* serials that the present ones hold; and of these, that the new one lists */
    struct hashset *holds;      /* where note_holds puts them */
    bool no_memory;
    size_t count;
    struct cert_record rows[CHUNK]; /* to be changed; CERT_GOOD: released */
    struct admin_follow_count counts;
    size_t released;
    struct error *err;
};

static uint64_t hash_of(const struct serial *serial)
{
    return hashset_hash(serial_bytes(serial));
}

/* --- the file ------------------------------------------------------------------------------------------ */

/* From wherever it comes, in whatever form, to DER that nobody else can change. */
static enum admin_result copy(struct taking *t, int fd)
{
    const struct config *config = t->admin->issuers->config;
    uint8_t chunk[16384];
    size_t total = 0;
    long n = 0;
    struct crl_text *text = crl_text_new(scratch_read, &fd);
    if (!text) {
        error_set(t->err, "out of memory");
        return ADMIN_FAILED;
    }
    enum admin_result result = ADMIN_DONE;
    if ((t->der = scratch_open(config->crl_directory.text, t->err)) < 0)
        result = ADMIN_FAILED;
    while (result == ADMIN_DONE && (n = crl_text_read(text, chunk, sizeof chunk, t->err)) > 0) {
        if ((total += (size_t)n) > config->crl_upload_octets) {
            error_set(t->err, "the CRL has more than %zu octets (upload_max_mb)", config->crl_upload_octets);
            result = ADMIN_INVALID;
        } else if (scratch_add(t->der, (struct bytes){chunk, (size_t)n}, t->err) < 0) {
            result = ADMIN_FAILED;
        }
    }
    crl_text_free(text);
    return result == ADMIN_DONE && n < 0 ? ADMIN_INVALID : result;
}

/* Its digest stays zero: that the new one is another is known by then. */
static int scan_published(struct taking *t, const struct publication *p, crl_each *each,
                          struct crl_facts *facts)
{
    struct publication_reader reader = {p, 0};
    crl_scan_free(t->other);
    if (!(t->other = crl_scan_new(publication_read, &reader)))
        return error_set(t->err, "out of memory");
    return crl_scan_list(t->other, each, t, facts, t->err);
}

/* --- whether it may come in ---------------------------------------------------------------------------- */

static int check_scope(const struct taking *t)
{
    static const char *const names[] = {[CRL_ALL] = "all", [CRL_USER] = "user", [CRL_CA] = "ca"};
    const struct config_issuer *section = t->issuer->config;
    const struct crl_head *head = &t->facts.head;
    const char *point = section->distribution_point.text;
    if ((int)head->scope != section->crl_scope)
        return error_set(
            t->err,
            "scope: the CRL is for \"%s\" certificates, and crl_scope says \"%s\"; have the CA make "
            "another, or set crl_scope",
            names[head->scope], names[section->crl_scope]);
    if (!head->point.len ||
        (point && bytes_equal(head->point, (struct bytes){(const uint8_t *)point, strlen(point)})))
        return 0;
    if (point)
        return error_set(t->err, "scope: the CRL is that of %.*s, and distribution_point is %s",
                         (int)head->point.len, (const char *)head->point.at, point);
    return error_set(
        t->err,
        "scope: the CRL is that of %.*s alone (issuingDistributionPoint); where these are all the "
        "certificates, set distribution_point to that URL",
        (int)head->point.len, (const char *)head->point.at);
}

static int note_hold(void *arg, const struct crl_entry *entry)
{
    struct taking *t = arg;
    if (entry->reason == REASON_CERTIFICATE_HOLD && !hashset_add(&t->held, hash_of(&entry->serial)))
        t->no_memory = true;
    return t->no_memory;
}

/* Compares with the present ones. Their distribution point matters to a delta alone, whose base has the same: of what comes
 * instead of another, distribution_point has said whether it is the one that is wanted, and the CA may have moved it. Of their holds, notes those that end unless the new one lists them, too. A complete CRL
 * speaks of all; a delta, of what the delta before it said of the same base. */
static enum admin_result check_order(struct taking *t)
{
    struct crl_facts whole, delta;
    if (t->whole) {
        if (scan_published(t, t->whole, t->facts.is_delta ? NULL : note_hold, &whole) < 0)
            return ADMIN_FAILED;
        if (!t->facts.is_delta)
            whole.head.point = t->facts.head.point;
        t->lacks_base = t->facts.is_delta && crl_number_compare(&t->facts.base, &whole.number) > 0;
        if (crl_follows(&whole, &t->facts, t->err) < 0)
            return ADMIN_CONFLICT;
    } else if (t->facts.is_delta) {
        t->lacks_base = true;
        error_set(t->err, "delta base: there is no complete CRL here that it goes on from; give that first");
        return ADMIN_CONFLICT;
    }
    if (!t->delta)
        return ADMIN_DONE;
    if (scan_published(t, t->delta, NULL, &delta) < 0)
        return ADMIN_FAILED;
    delta.head.point = t->facts.head.point;
    if (crl_follows(&delta, &t->facts, t->err) < 0)
        return ADMIN_CONFLICT;
    if (t->whole && crl_number_compare(&delta.number, &whole.number) <= 0)
        return ADMIN_DONE;
    return scan_published(t, t->delta, note_hold, &delta) < 0 ? ADMIN_FAILED : ADMIN_DONE;
}

static bool is_present(const struct taking *t)
{
    const struct publication *p = t->facts.is_delta ? t->delta : t->whole;
    char digest[2 * CRL_DIGEST_LEN + 1];
    hex_encode(t->facts.digest, CRL_DIGEST_LEN, digest);
    return p && strcmp(digest, p->etag) == 0;
}

static enum admin_result check(struct taking *t, bool *changed)
{
    if (scratch_rewind(t->der, t->err) < 0)
        return ADMIN_FAILED;
    if (crl_verify(t->scan, &t->issuer->ca, clock_now(), NULL, NULL, &t->facts, t->err) < 0)
        return ADMIN_INVALID;
    *changed = !is_present(t);
    if (!*changed)
        return ADMIN_DONE;
    return check_scope(t) < 0 ? ADMIN_INVALID : check_order(t);
}

/* --- what it changes ----------------------------------------------------------------------------------- */

static int release(struct store_tx *tx, struct taking *t, const struct serial *serial)
{
    struct cert_record record;
    enum outcome found = store_tx_certificate(tx, t->issuer->id, serial, &record, t->err);
    if (found != FOUND)
        return found == ABSENT ? 0 : -1;
    struct cert_record was = record;
    int result = 0;
    if (record.status == CERT_HOLD) {
        record.status = CERT_GOOD;
        result = admin_write_status(tx, "release", t->issuer, &was, &record, t->err);
        t->released++;
    }
    cert_record_free(&record);
    return result;
}

static int write_rows(struct taking *t)
{
    if (atomic_load(t->stop))
        return error_set(t->err, "annuld is stopping");
    struct store_tx *tx = t->count ? store_begin_alone(t->admin->store, t->actor, t->err) : NULL;
    if (!tx)
        return t->count ? -1 : 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct cert_record *row = &t->rows[i];
        if ((row->status == CERT_GOOD ? release(tx, t, &row->serial)
                                      : admin_take_row(tx, t->issuer, row, &t->counts, t->err)) < 0) {
            store_rollback(tx);
            return -1;
        }
    }
    t->count = 0;
    return store_commit(tx, t->err);
}

static int add_row(struct taking *t, const struct cert_record *row)
{
    t->rows[t->count++] = *row;
    return t->count == CHUNK ? write_rows(t) : 0;
}

/* An entry of the new CRL. */
static int take_entry(void *arg, const struct crl_entry *entry)
{
    struct taking *t = arg;
    struct cert_record row = {.serial = entry->serial,
                              .status = entry->reason == REASON_CERTIFICATE_HOLD ? CERT_HOLD : CERT_REVOKED,
                              .not_before = TIME_NONE,
                              .not_after = TIME_NONE,
                              .reason = entry->reason,
                              .revoked_at = entry->revoked_at,
                              .invalidity_at = entry->invalidity_at};
    if (entry->reason == REASON_REMOVE_FROM_CRL) {
        row.status = CERT_GOOD;
        return add_row(t, &row);
    }
    uint64_t hash = t->held.count ? hash_of(&entry->serial) : 0;
    if (t->held.count && hashset_has(&t->held, hash) && !hashset_add(&t->still, hash))
        return error_set(t->err, "out of memory");
    enum outcome news = admin_is_news(t->admin, t->issuer, &row, NULL, t->err);
    return news == FOUND ? add_row(t, &row) : news == FAILED ? -1 : 0;
}

static int take_entries(struct taking *t)
{
    struct crl_facts facts;
    struct error why = {""};
    crl_scan_free(t->other);
    if (!(t->other = crl_scan_new(scratch_read, &t->der)))
        return error_set(t->err, "out of memory");
    t->err->text[0] = 0;
    if (scratch_rewind(t->der, t->err) == 0 && crl_scan_list(t->other, take_entry, t, &facts, &why) == 0)
        return write_rows(t);
    return t->err->text[0] ? -1 : error_set(t->err, "%s", why.text); /* the reason is that of take_entry */
}

static int note_still(void *arg, const struct crl_entry *entry)
{
    struct taking *t = arg;
    uint64_t hash = hash_of(&entry->serial);
    t->no_memory |= hashset_has(&t->held, hash) && !hashset_add(&t->still, hash);
    return t->no_memory;
}

struct page {
    struct taking *taking;
    struct serial last;
    size_t seen;
};

static int note_gone(void *arg, const struct cert_record *record)
{
    struct page *page = arg;
    struct taking *t = page->taking;
    uint64_t hash = hash_of(&record->serial);
    page->last = record->serial;
    page->seen++;
    if (hashset_has(&t->held, hash) && !hashset_has(&t->still, hash))
        t->rows[t->count++] = (struct cert_record){.serial = record->serial, .status = CERT_GOOD};
    return 0;
}

/* Holds that the CRL before had, and that have ended. Someone else's holds are not theirs. */
static int release_gone(struct taking *t)
{
    struct crl_facts facts;
    struct page page = {.taking = t};
    struct store_filter filter = {.status = CERT_HOLD, .limit = CHUNK};
    if (t->held.count && t->facts.is_delta && scan_published(t, t->whole, note_still, &facts) < 0)
        return -1;
    if (t->held.count == t->still.count)
        return 0;
    do {
        page.seen = 0;
        if (store_list(t->admin->store, t->issuer->id, &filter, note_gone, &page, t->err) < 0 ||
            write_rows(t) < 0)
            return -1;
        filter.after = &page.last;
    } while (page.seen == CHUNK);
    return 0;
}

static int write_audit(struct taking *t, const char *number)
{
    char detail[192];
    struct store_tx *tx = store_begin(t->admin->store, t->actor, t->err);
    if (!tx)
        return -1;
    snprintf(detail, sizeof detail, "%s %s, %llu %s: %zu added, %zu revoked, %zu released",
             t->facts.is_delta ? "delta" : "CRL", number, (unsigned long long)t->facts.entries,
             plural(t->facts.entries, "entry", "entries"), t->counts.added, t->counts.changed, t->released);
    if (store_tx_audit(tx, "crl", t->issuer->config->name.text, NULL, detail, t->err) == 0)
        return store_commit(tx, t->err);
    store_rollback(tx);
    return -1;
}

static enum admin_result bring_in(struct taking *t)
{
    char number[CRL_NUMBER_TEXT];
    crl_number_to_text(&t->facts.number, number);
    if (take_entries(t) < 0 || release_gone(t) < 0 || write_audit(t, number) < 0)
        return ADMIN_FAILED;
    fault_point("crl-taken-in");
    if (publisher_take(t->admin->publisher, t->issuer, t->der, 0, &t->facts, t->err) < 0)
        return ADMIN_FAILED;
    log_info("admin", "issuer %s: %s %s of the CA, %llu %s: %zu added, %zu revoked, %zu released",
             t->issuer->config->name.text, t->facts.is_delta ? "delta" : "CRL", number,
             (unsigned long long)t->facts.entries, plural(t->facts.entries, "entry", "entries"),
             t->counts.added, t->counts.changed, t->released);
    return ADMIN_DONE;
}

/* --- all together -------------------------------------------------------------------------------------- */

static void free_taking(struct taking *t)
{
    if (t->der >= 0)
        close(t->der);
    crl_scan_free(t->scan);
    crl_scan_free(t->other);
    publication_release(t->whole);
    publication_release(t->delta);
    hashset_free(&t->held);
    hashset_free(&t->still);
    free(t);
}

enum admin_result admin_take_crl(struct admin *admin, const struct store_actor *actor, struct issuer *issuer,
                                 int fd, const atomic_bool *stop, struct admin_crl_taken *taken,
                                 struct error *err)
{
    struct taking *t = calloc(1, sizeof *t);
    *taken = (struct admin_crl_taken){.part = {CRL_WHOLE, false}};
    if (!config_has_foreign_crls(issuer->config)) {
        error_set(err,
                  issuer->config->key.text ? "issuer %s: its key is here, so its CRLs are made here"
                                           : "issuer %s: no CRL is taken for it; see crl_upload",
                  issuer->config->name.text);
        free(t);
        return ADMIN_CONFLICT;
    }
    if (!t || !(t->scan = crl_scan_new(scratch_read, &t->der))) {
        free(t);
        error_set(err, "out of memory");
        return ADMIN_FAILED;
    }
    t->admin = admin;
    t->actor = actor;
    t->issuer = issuer;
    t->stop = stop;
    t->der = -1;
    t->err = err;
    t->whole = publisher_current(admin->publisher, issuer, (struct crl_part){CRL_WHOLE, false});
    t->delta = publisher_current(admin->publisher, issuer, (struct crl_part){CRL_WHOLE, true});
    enum admin_result result = copy(t, fd);
    if (result == ADMIN_DONE)
        result = check(t, &taken->changed);
    if (result == ADMIN_DONE && taken->changed)
        result = bring_in(t);
    taken->part.delta = t->facts.is_delta;
    taken->lacks_base = t->lacks_base;
    taken->next_update = t->facts.head.next_update;
    if (result == ADMIN_DONE && !t->facts.is_delta)
        atomic_store_explicit(&issuer->statuses_end, t->facts.head.next_update, memory_order_release);
    free_taking(t);
    return result;
}

void admin_take_up_crls(struct admin *admin)
{
    for (size_t i = 0; i < admin->issuers->count; i++) {
        struct issuer *issuer = &admin->issuers->list[i];
        struct publication *p =
            publisher_current(admin->publisher, issuer, (struct crl_part){CRL_WHOLE, false});
        if (p && config_has_foreign_crls(issuer->config))
            atomic_store_explicit(&issuer->statuses_end, p->next_update, memory_order_release);
        publication_release(p);
    }
}
