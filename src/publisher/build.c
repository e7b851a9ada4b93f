#include "build.h"

#include <annul/crl.h>
#include <annul/fault.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 65536

/* The CRL takes shape in a nameless file. The lengths in front of the entries are known only behind them, so
 * the entries begin at an offset that leaves room for whatever goes before. */
struct spool {
    int fd;
    uint64_t entries_at, end;
    int64_t entries;
    size_t pending; /* octets in `chunk` that are not in the file yet */
    int failure;    /* errno of a write */
    uint8_t chunk[CHUNK];
};

static bool spool_put(struct spool *spool, const void *data, size_t len, uint64_t offset)
{
    for (const char *at = data; len && !spool->failure;) {
        ssize_t n = pwrite(spool->fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            spool->failure = n < 0 ? errno : EIO;
            break;
        }
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return !spool->failure;
}

static bool spool_flush(struct spool *spool)
{
    bool good = spool_put(spool, spool->chunk, spool->pending, spool->end);
    spool->end += spool->pending;
    spool->pending = 0;
    return good;
}

static int spool_entry(void *arg, const struct cert_record *record)
{
    struct spool *spool = arg;
    struct crl_entry entry = {record->serial, record->revoked_at, record->reason, record->invalidity_at};
    if (CHUNK - spool->pending < CRL_ENTRY_MAX && !spool_flush(spool))
        return -1;
    spool->pending += crl_entry_encode(&entry, spool->chunk + spool->pending);
    spool->entries++;
    return 0;
}

static int spool_open(struct spool *spool, const char *folder, struct error *err)
{
    char path[PUBLISHED_PATH];
    snprintf(path, sizeof path, "%s/spool-XXXXXX", folder);
    spool->fd = mkostemp(path, O_CLOEXEC);
    if (spool->fd < 0)
        return error_set(err, "spool file %s: %s", path, strerror(errno));
    unlink(path);
    return 0;
}

/* Entries from the store, with room left in front. */
static int spool_rows(struct spool *spool, struct store *store, const struct issuer *issuer,
                      const struct crl_head *head, int64_t *covers, struct error *err)
{
    struct buffer largest = {0};
    bool known = crl_prefix(&largest, head, UINT32_MAX, 0);
    spool->entries_at = spool->end = largest.len + 64;
    buffer_free(&largest);
    if (!known)
        return error_set(err, "out of memory");
    if (store_crl_scan(store, issuer->id, spool_entry, spool, covers, err) == 0 && spool_flush(spool))
        return 0;
    return spool->failure ? error_set(err, "spool file: %s", strerror(spool->failure)) : -1;
}

/* What stands around the entries, and the signature; gives where the whole CRL begins. */
static int spool_sign(struct spool *spool, struct signer *signer, const struct issuer *issuer,
                      const struct crl_head *head, uint64_t *begin, struct error *err)
{
    struct buffer prefix = {0}, suffix = {0}, before = {0}, behind = {0};
    uint8_t signature[SIGNATURE_MAX];
    size_t signature_len;
    int result = -1;
    uint64_t entries_len = spool->end - spool->entries_at;
    if (!crl_suffix(&suffix, head) || !crl_prefix(&prefix, head, entries_len, suffix.len)) {
        error_set(err, "out of memory");
        goto out;
    }
    uint64_t tbs_at = spool->entries_at - prefix.len, tbs_len = prefix.len + entries_len + suffix.len;
    if (!spool_put(spool, prefix.at, prefix.len, tbs_at) ||
        !spool_put(spool, suffix.at, suffix.len, spool->end))
        goto out;
    if (signer_sign_crl(signer, issuer, spool->fd, tbs_at, tbs_len, signature, &signature_len, err) < 0)
        goto out;
    fault_point("crl-signed");
    if (!crl_envelope(&before, &behind, tbs_len, head->sigalg, (struct bytes){signature, signature_len})) {
        error_set(err, "out of memory");
        goto out;
    }
    *begin = tbs_at - before.len;
    spool->end = tbs_at + tbs_len + behind.len;
    if (spool_put(spool, before.at, before.len, *begin) &&
        spool_put(spool, behind.at, behind.len, tbs_at + tbs_len))
        result = 0;
out:
    if (spool->failure)
        error_set(err, "spool file: %s", strerror(spool->failure));
    buffer_free(&prefix);
    buffer_free(&suffix);
    buffer_free(&before);
    buffer_free(&behind);
    return result;
}

static int build_files(struct spool *spool, struct store *store, struct signer *signer,
                       const struct issuer *issuer, const char *folder, struct store_crl *crl,
                       struct error *err)
{
    uint64_t begin;
    struct crl_head head = {
        .issuer = {issuer->ca.subject.at, issuer->ca.subject.len},
        .sigalg = issuer->crl_sigalg->der,
        .key_id = {issuer->key_id, issuer->key_id_len},
        .number = (uint64_t)crl->number,
        .this_update = crl->this_update,
        .next_update = crl->next_update,
    };
    if (spool_open(spool, folder, err) < 0 ||
        spool_rows(spool, store, issuer, &head, &crl->covers, err) < 0 ||
        spool_sign(spool, signer, issuer, &head, &begin, err) < 0 ||
        published_write(spool->fd, begin, spool->end - begin, folder, crl->number, crl->digest, err) < 0)
        return -1;
    crl->entries = spool->entries;
    return 0;
}

struct held_publication *crl_build(struct store *store, struct signer *signer, const struct issuer *issuer,
                                   const char *folder, int64_t now, struct error *err)
{
    struct store_crl crl = {.this_update = now, .next_update = now + issuer->config->crl_lifetime_s};
    struct spool *spool = calloc(1, sizeof *spool);
    int result = spool ? 0 : error_set(err, "out of memory");
    if (spool) {
        spool->fd = -1;
        result = store_crl_take_number(store, issuer->id, now, &crl.number, err);
    }
    if (result == 0) {
        fault_point("crl-number-taken");
        result = build_files(spool, store, signer, issuer, folder, &crl, err);
    }
    if (spool && spool->fd >= 0)
        close(spool->fd);
    free(spool);
    fault_point("crl-renamed");
    if (result < 0 || store_crl_published(store, issuer->id, &crl, err) < 0)
        return NULL;
    fault_point("crl-recorded");
    return published_open(folder, &crl, err);
}
