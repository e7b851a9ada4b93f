#include "build.h"
#include "splice.h"

#include <annul/fault.h>
#include <annul/reason.h>

#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

struct build {
    struct crl_order *order;
    struct store_crl_key key;
    struct store_crl crl;
    struct crl_head head;
    char point[CONFIG_URL_MAX + 1];
    struct spool spool;
    struct splice splice;
};

/* --- what it is ---------------------------------------------------------------------------------------- */

static int64_t lifetime_s(const struct issuer *issuer, struct crl_part part)
{
    return part.delta ? issuer->config->delta_lifetime_s : issuer->config->crl_lifetime_s;
}

/* All but number, base and times. A delta has the issuingDistributionPoint of its base (RFC 5280 section 5.2.4). */
static void describe(const struct issuer *issuer, struct crl_part part, char point[CONFIG_URL_MAX + 1],
                     struct crl_head *head)
{
    const struct config_issuer *config = issuer->config;
    const char *freshest = config->delta_distribution_point.text;
    size_t len = issuer_point(issuer, (struct crl_part){part.shard, false}, point);
    *head = (struct crl_head){.issuer = {issuer->ca.subject.at, issuer->ca.subject.len},
                              .sigalg = issuer->crl_sigalg->der,
                              .key_id = {issuer->key_id, issuer->key_id_len},
                              .point = {(const uint8_t *)point, len},
                              .scope = (enum crl_scope)config->crl_scope};
    if (freshest && part.shard == CRL_WHOLE && !part.delta)
        head->freshest = (struct bytes){(const uint8_t *)freshest, strlen(freshest)};
    if (config->keep_expired && !part.delta)
        head->expired_since = issuer->ca.not_before;
}

bool crl_shape(const struct issuer *issuer, struct crl_part part, uint8_t shape[32])
{
    char point[CONFIG_URL_MAX + 1];
    struct crl_head head;
    struct buffer text = {0};
    describe(issuer, part, point, &head);
    head.next_update = lifetime_s(issuer, part);
    bool good = crl_prefix(&text, &head, 0, 0) && crl_suffix(&text, &head) &&
                EVP_Q_digest(NULL, "SHA256", NULL, text.at, text.len, shape, NULL) == 1;
    buffer_free(&text);
    return good;
}

/* --- entries ------------------------------------------------------------------------------------------- */

/* It has been on a regular CRL past its expiry (RFC 5280 section 3.3). */
static bool has_served(const struct build *build, const struct cert_record *record)
{
    const struct held_publication *before = build->order->before;
    return before && !build->order->issuer->config->keep_expired && record->not_after != TIME_NONE &&
           record->not_after < before->crl.regular_at && record->version <= before->crl.regular_covers;
}

static bool add_entry(struct build *build, const struct cert_record *record, int reason)
{
    struct crl_entry entry = {record->serial, record->revoked_at, reason, record->invalidity_at};
    return spool_entry(&build->spool, &entry);
}

static int add_listed(void *arg, const struct cert_record *record)
{
    struct build *build = arg;
    return has_served(build, record) || add_entry(build, record, record->reason) ? 0 : -1;
}

static int add_change(void *arg, const struct cert_record *record)
{
    return add_entry(arg, record, record->status == CERT_GOOD ? REASON_REMOVE_FROM_CRL : record->reason) ? 0
                                                                                                         : -1;
}

static int splice_change(void *arg, const struct cert_record *record)
{
    struct build *build = arg;
    if (!splice_until(&build->splice, &build->spool, &record->serial))
        return -1;
    return record->status == CERT_GOOD ? 0 : add_listed(build, record);
}

static int add_changes(struct build *build, struct store *store, const struct crl_base *base,
                       struct error *err)
{
    spool_rewind(&build->spool);
    build->crl.base = base->number;
    build->crl.base_covers = base->covers;
    enum outcome told =
        store_crl_scan_since(store, &build->key, base->covers, add_change, build, &build->crl.covers, err);
    return told == FOUND ? 0 : -1; /* entries of the whole do not move */
}

/* From the CRL before. ABSENT: an entry has gone from or to another shard since, which shows in the rows alone. */
static enum outcome add_spliced(struct build *build, struct store *store, struct error *err)
{
    const struct held_publication *before = build->order->before;
    splice_init(&build->splice, before);
    enum outcome told = store_crl_scan_since(store, &build->key, before->crl.covers, splice_change, build,
                                             &build->crl.covers, err);
    if (told == FOUND && !splice_rest(&build->splice, &build->spool))
        told = FAILED;
    if (build->splice.is_damaged)
        error_set(err, "the CRL before is damaged");
    return told;
}

static int add_listing(struct build *build, struct store *store, struct error *err)
{
    enum outcome spliced = build->order->splice ? add_spliced(build, store, err) : ABSENT;
    if (spliced != ABSENT)
        return spliced == FOUND ? 0 : -1;
    return store_crl_scan(store, &build->key, add_listed, build, &build->crl.covers, err);
}

/* The entries, with room left in front. */
static int add_entries(struct build *build, struct store *store, struct error *err)
{
    const struct crl_order *order = build->order;
    int result;
    if (order->part.delta) {
        result = add_changes(build, store, &order->bases[0], err);
        if (result == 0 && build->spool.entries > order->delta_max &&
            order->bases[1].number != order->bases[0].number)
            result = add_changes(build, store, &order->bases[1], err);
    } else {
        result = add_listing(build, store, err);
    }
    if (result == 0 && spool_flush(&build->spool))
        return 0;
    return build->spool.failure ? spool_error(&build->spool, err) : -1;
}

/* --- around them --------------------------------------------------------------------------------------- */

static int open_spool(struct build *build, struct error *err)
{
    struct buffer largest = {0};
    bool known = crl_prefix(&largest, &build->head, UINT32_MAX, 0);
    uint64_t room = largest.len + 64;
    buffer_free(&largest);
    return known ? spool_open(&build->spool, build->order->folder, room, err)
                 : error_set(err, "out of memory");
}

static bool put(struct spool *spool, const struct buffer *data, uint64_t offset)
{
    return spool_put(spool, (struct bytes){data->at, data->len}, offset);
}

/* What stands around the entries, and the signature; gives where the whole CRL begins. */
static int add_signature(struct build *build, struct signer *signer, uint64_t *begin, struct error *err)
{
    struct buffer prefix = {0}, suffix = {0}, before = {0}, behind = {0};
    struct spool *spool = &build->spool;
    uint8_t signature[SIGNATURE_MAX];
    size_t signature_len;
    int result = -1;
    uint64_t entries_len = spool->end - spool->entries_at;
    if (!crl_suffix(&suffix, &build->head) || !crl_prefix(&prefix, &build->head, entries_len, suffix.len)) {
        error_set(err, "out of memory");
        goto out;
    }
    uint64_t tbs_at = spool->entries_at - prefix.len, tbs_len = prefix.len + entries_len + suffix.len;
    if (!put(spool, &prefix, tbs_at) || !put(spool, &suffix, spool->end))
        goto out;
    if (signer_sign_crl(signer, build->order->issuer, spool->fd, tbs_at, tbs_len, signature, &signature_len,
                        err) < 0)
        goto out;
    fault_point("crl-signed");
    if (!crl_envelope(&before, &behind, tbs_len, build->head.sigalg,
                      (struct bytes){signature, signature_len})) {
        error_set(err, "out of memory");
        goto out;
    }
    *begin = tbs_at - before.len;
    spool->end = tbs_at + tbs_len + behind.len;
    if (put(spool, &before, *begin) && put(spool, &behind, tbs_at + tbs_len))
        result = 0;
out:
    if (spool->failure)
        spool_error(spool, err);
    buffer_free(&prefix);
    buffer_free(&suffix);
    buffer_free(&before);
    buffer_free(&behind);
    return result;
}

/* What the next ones go on from. */
static void note_history(struct build *build)
{
    const struct crl_order *order = build->order;
    struct store_crl *crl = &build->crl;
    const struct store_crl *last = order->before ? &order->before->crl : NULL;
    memcpy(crl->shape, order->shape, sizeof crl->shape);
    crl->entries = build->spool.entries;
    if (order->part.delta)
        return;
    if (order->regular) {
        crl->regular_at = crl->this_update;
        crl->regular_covers = crl->covers;
    } else if (last) {
        crl->regular_at = last->regular_at;
        crl->regular_covers = last->regular_covers;
    }
    if (last && memcmp(last->shape, crl->shape, sizeof crl->shape) == 0) { /* deltas are for one scope */
        crl->base = last->number;
        crl->base_covers = last->covers;
    }
}

static bool is_late(struct build *build)
{
    struct crl_order *order = build->order;
    order->is_late = order->number && build->crl.covers != order->covers;
    return order->is_late;
}

static struct held_publication *build_with_number(struct build *build, struct store *store,
                                                  struct signer *signer, struct error *err)
{
    const struct crl_order *order = build->order;
    uint64_t begin, entries_at, entries_len;
    build->head.number = (uint64_t)build->crl.number;
    build->head.this_update = build->crl.this_update;
    build->head.next_update = build->crl.next_update;
    if (open_spool(build, err) < 0 || add_entries(build, store, err) < 0 || is_late(build))
        return NULL;
    entries_len = build->spool.end - build->spool.entries_at;
    build->head.base = (uint64_t)build->crl.base;
    if (add_signature(build, signer, &begin, err) < 0)
        return NULL;
    entries_at = build->spool.entries_at - begin;
    note_history(build);
    if (published_write(build->spool.fd, begin, build->spool.end - begin, order->folder, build->crl.number,
                        build->crl.digest, err) < 0)
        return NULL;
    fault_point("crl-renamed");
    if (store_crl_published(store, &build->key, &build->crl, err) < 0)
        return NULL;
    fault_point("crl-recorded");
    struct held_publication *held = published_open(order->folder, order->part, &build->crl, err);
    if (held && entries_len) {
        held->entries_at = entries_at;
        held->entries_len = entries_len;
    }
    return held;
}

struct held_publication *crl_build(struct store *store, struct signer *signer, struct crl_order *order,
                                   struct error *err)
{
    struct held_publication *held = NULL;
    struct build *build = calloc(1, sizeof *build);
    if (!build) {
        error_set(err, "out of memory");
        return NULL;
    }
    build->order = order;
    build->key = (struct store_crl_key){order->issuer->id, order->part.shard, order->part.delta};
    build->spool.fd = -1;
    build->crl = (struct store_crl){.number = order->number,
                                    .this_update = order->this_update,
                                    .next_update = order->now + lifetime_s(order->issuer, order->part)};
    describe(order->issuer, order->part, build->point, &build->head);
    if (order->number ||
        store_crl_take_number(store, &build->key, order->now, &build->crl.number, err) == 0) {
        fault_point("crl-number-taken");
        held = build_with_number(build, store, signer, err);
    }
    spool_close(&build->spool);
    free(build);
    return held;
}
