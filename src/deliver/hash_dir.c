/* A folder of CRLs by the hash of their issuer's name: HASH.r0, HASH.r1, ... (c_rehash, openssl-rehash(1)).
 *
 * Several issuers may have one hash: others of that name with another key, or a collision. A file's owner is therefore
 * found by its content, never by its number. */
#include "internal.h"

#include <annul/base64.h>
#include <annul/log.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define FILE_MAX (512u << 20)
#define NUMBER_MAX 99999 /* a hundred thousand files of one hash: somebody else's error */
#define COMPACT_AT 100   /* files of one hash that OpenSSL reads one by one */

enum { OTHERS = -1, BROKEN = -2 }; /* in place of an owner: a valid CRL that is none of ours; anything else */

/* One file that is there. */
struct slot {
    unsigned number;
    int owner;    /* of `crls`, or OTHERS or BROKEN */
    bool current; /* the octets are those to be delivered */
    int64_t this_update;
    ino_t inode;
};

/* The files of one hash. */
struct shelf {
    struct work *work;
    unsigned long hash;
    const struct deliver_crl *crls;
    struct buffer *pem; /* of each of them; empty where it has another hash */
    size_t count;
    int first;          /* of them with this hash */
    struct slot *slots; /* by number */
    size_t slot_count;
};

static void slot_path(const struct shelf *shelf, unsigned number, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%08lx.r%u", shelf->work->target->path, shelf->hash, number);
}

static bool is_ours(const struct shelf *shelf, size_t i)
{
    return shelf->pem[i].len > 0;
}

/* --- what is there ----------------------------------------------------------------------------------------- */

static int64_t this_update_of(const X509_CRL *crl)
{
    struct tm tm;
    return ASN1_TIME_to_tm(X509_CRL_get0_lastUpdate(crl), &tm) == 1 ? (int64_t)timegm(&tm) : INT64_MIN;
}

static X509_CRL *parse(const struct buffer *text)
{
    const unsigned char *der = text->at;
    BIO *bio = BIO_new_mem_buf(text->at, (int)text->len);
    X509_CRL *crl = bio ? PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL) : NULL;
    BIO_free(bio);
    if (!crl)
        crl = d2i_X509_CRL(NULL, &der, (long)text->len);
    ERR_clear_error();
    return crl;
}

static bool signed_by(X509_CRL *crl, const struct certificate *issuer)
{
    EVP_PKEY *key = certificate_key(issuer);
    bool good = X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer->x509)) == 0 && key &&
                X509_CRL_verify(crl, key) == 1;
    ERR_clear_error();
    return good;
}

static void find_owner(const struct shelf *shelf, const struct buffer *text, struct slot *slot)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (is_ours(shelf, i) && bytes_equal((struct bytes){text->at, text->len},
                                             (struct bytes){shelf->pem[i].at, shelf->pem[i].len})) {
            slot->owner = (int)i;
            slot->current = true;
            return;
        }
    X509_CRL *crl = text->len <= INT_MAX ? parse(text) : NULL;
    slot->owner = crl ? OTHERS : BROKEN;
    slot->this_update = crl ? this_update_of(crl) : INT64_MIN;
    for (size_t i = 0; crl && slot->owner == OTHERS && i < shelf->count; i++)
        if (is_ours(shelf, i) && signed_by(crl, shelf->crls[i].issuer))
            slot->owner = (int)i;
    X509_CRL_free(crl);
}

/* Many files may be links to one, which is read once. */
static bool known_inode(const struct shelf *shelf, size_t before, struct slot *slot)
{
    for (size_t i = 0; i < before; i++)
        if (shelf->slots[i].inode == slot->inode) {
            slot->owner = shelf->slots[i].owner;
            slot->current = shelf->slots[i].current;
            slot->this_update = shelf->slots[i].this_update;
            return true;
        }
    return false;
}

static int look_at(struct shelf *shelf, size_t at, struct error *err)
{
    char path[PATH_MAX];
    struct stat status;
    struct buffer text = {0};
    struct slot *slot = &shelf->slots[at];
    slot_path(shelf, slot->number, path);
    if (stat(path, &status) < 0)
        return error_set(err, "%s: %s: remove it", path, strerror(errno));
    if (!S_ISREG(status.st_mode))
        return error_set(err, "%s: is no plain file: remove it", path);
    slot->inode = status.st_ino;
    if (known_inode(shelf, at, slot))
        return 0;
    if (file_read(path, FILE_MAX, &text) < 0)
        return error_set(err, "%s: %s: remove it", path, strerror(errno));
    find_owner(shelf, &text, slot);
    buffer_free(&text);
    return 0;
}

/* "1a2b3c4d.r7" of this hash. */
static bool parse_name(const struct shelf *shelf, const char *name, unsigned *number)
{
    char wanted[32];
    if (strlen(name) < 11 || strspn(name + 10, "0123456789") != strlen(name + 10) || strlen(name + 10) > 5)
        return false;
    *number = (unsigned)strtoul(name + 10, NULL, 10);
    snprintf(wanted, sizeof wanted, "%08lx.r%u", shelf->hash, *number);
    return strcmp(name, wanted) == 0;
}

static int by_number(const void *a, const void *b)
{
    const struct slot *x = a, *y = b;
    return (x->number > y->number) - (x->number < y->number);
}

static int find_slots(struct shelf *shelf, struct error *err)
{
    const char *folder = shelf->work->target->path;
    struct buffer found = {0};
    bool good = true;
    DIR *dir = opendir(folder);
    if (!dir)
        return error_set(err, "folder %s: %s: make it, and let the stapler's user write there", folder,
                         strerror(errno));
    for (struct dirent *entry; good && (entry = readdir(dir));) {
        struct slot slot = {0};
        if (parse_name(shelf, entry->d_name, &slot.number))
            good = buffer_add(&found, &slot, sizeof slot);
    }
    closedir(dir);
    shelf->slots = (struct slot *)(void *)found.at;
    shelf->slot_count = found.len / sizeof *shelf->slots;
    if (!good)
        return error_set(err, "out of memory");
    if (shelf->slot_count)
        qsort(shelf->slots, shelf->slot_count, sizeof *shelf->slots, by_number);
    for (size_t i = 0; i < shelf->slot_count; i++)
        if (look_at(shelf, i, err) < 0)
            return -1;
    return 0;
}

/* --- changes ----------------------------------------------------------------------------------------------- */

static const struct slot *slot_at(const struct shelf *shelf, unsigned number)
{
    for (size_t i = 0; i < shelf->slot_count; i++)
        if (shelf->slots[i].number == number)
            return &shelf->slots[i];
    return NULL;
}

static const struct slot *lowest_of(const struct shelf *shelf, int owner)
{
    for (size_t i = 0; i < shelf->slot_count; i++)
        if (shelf->slots[i].owner == owner)
            return &shelf->slots[i];
    return NULL;
}

static int put(const struct shelf *shelf, unsigned number, int owner, struct error *err)
{
    char path[PATH_MAX];
    slot_path(shelf, number, path);
    return place_put(shelf->work, path, (struct bytes){shelf->pem[owner].at, shelf->pem[owner].len}, err);
}

static int remove_from(const struct shelf *shelf, unsigned number, struct error *err)
{
    char path[PATH_MAX];
    for (size_t i = shelf->slot_count; i-- && shelf->slots[i].number >= number;) {
        slot_path(shelf, shelf->slots[i].number, path);
        if (place_remove(shelf->work, path, err) < 0)
            return -1;
    }
    return 0;
}

/* From the top down, every file that is not what it should be gets the newest CRL of its issuer: from here on, no number
 * shows an old one. */
static int refresh(struct shelf *shelf, struct error *err)
{
    for (size_t i = shelf->slot_count; i--;) {
        struct slot *slot = &shelf->slots[i];
        if (slot->owner == OTHERS || slot->current)
            continue;
        if (slot->owner == BROKEN)
            slot->owner = shelf->first;
        if (put(shelf, slot->number, slot->owner, err) < 0)
            return -1;
        slot->current = true;
    }
    return 0;
}

/* What is to be kept, and has no file below the limit: the CRL of an owner, or a file of others. */
struct mover {
    int owner;               /* or OTHERS */
    const struct slot *slot; /* of others: theirs */
};

/* The next one from *at on. False: none is left. */
static bool next_mover(const struct shelf *shelf, unsigned limit, size_t *at, struct mover *mover)
{
    for (; *at < shelf->count + shelf->slot_count; ++*at) {
        if (*at < shelf->count) {
            *mover = (struct mover){(int)*at, lowest_of(shelf, (int)*at)};
            if (!is_ours(shelf, *at) || (mover->slot && mover->slot->number < limit))
                continue;
        } else {
            *mover = (struct mover){OTHERS, &shelf->slots[*at - shelf->count]};
            if (mover->slot->owner != OTHERS || mover->slot->number < limit)
                continue;
        }
        ++*at;
        return true;
    }
    return false;
}

static int move(const struct shelf *shelf, const struct mover *mover, unsigned number, struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    if (mover->owner >= 0)
        return put(shelf, number, mover->owner, err);
    slot_path(shelf, mover->slot->number, from);
    slot_path(shelf, number, to);
    return place_link(shelf->work, from, to, err);
}

/* A number below the limit is free where nothing is, or a second copy. */
static bool is_free(const struct shelf *shelf, unsigned number)
{
    const struct slot *slot = slot_at(shelf, number);
    return !slot || (slot->owner != OTHERS && lowest_of(shelf, slot->owner) != slot);
}

/* One file an issuer, numbered from 0. At each moment every issuer's newest CRL can be seen. */
static int compact(struct shelf *shelf, struct error *err)
{
    unsigned limit = 0;
    size_t at = 0;
    struct mover mover;
    if (refresh(shelf, err) < 0)
        return -1;
    for (size_t i = 0; i < shelf->count; i++)
        limit += is_ours(shelf, i);
    for (size_t i = 0; i < shelf->slot_count; i++)
        limit += shelf->slots[i].owner == OTHERS;
    for (unsigned number = 0; number < limit; number++)
        if (is_free(shelf, number) && next_mover(shelf, limit, &at, &mover) &&
            move(shelf, &mover, number, err) < 0)
            return -1;
    return remove_from(shelf, limit, err);
}

static unsigned first_gap(const struct shelf *shelf)
{
    unsigned gap = 0;
    while (gap < shelf->slot_count && shelf->slots[gap].number == gap)
        gap++;
    return gap;
}

static int link_older(const struct shelf *shelf, int owner, unsigned newest, struct error *err)
{
    char from[PATH_MAX], to[PATH_MAX];
    slot_path(shelf, newest, from);
    for (size_t i = shelf->slot_count; i--;) {
        const struct slot *slot = &shelf->slots[i];
        slot_path(shelf, slot->number, to);
        if ((slot->owner == owner || (slot->owner == BROKEN && owner == shelf->first)) && !slot->current &&
            place_link(shelf->work, from, to, err) < 0)
            return -1;
    }
    return 0;
}

static const struct slot *highest_of(const struct shelf *shelf, int owner)
{
    for (size_t i = shelf->slot_count; i--;)
        if (shelf->slots[i].owner == owner)
            return &shelf->slots[i];
    return NULL;
}

/* A new CRL gets the next number; then what is behind it is for those who start later. What a gap hides goes first. */
static int append(struct shelf *shelf, struct error *err)
{
    unsigned next = first_gap(shelf);
    if (remove_from(shelf, next, err) < 0)
        return -1;
    shelf->slot_count = next;
    for (size_t i = 0; i < shelf->count; i++) {
        const struct slot *top = is_ours(shelf, i) ? highest_of(shelf, (int)i) : NULL;
        if (!is_ours(shelf, i))
            continue;
        unsigned newest = top && top->current ? top->number : next++;
        if (newest > NUMBER_MAX)
            return error_set(
                err, "folder %s: %08lx.r%u is the last number: empty the folder and restart its reader",
                shelf->work->target->path, shelf->hash, NUMBER_MAX);
        if (put(shelf, newest, (int)i, err) < 0 || link_older(shelf, (int)i, newest, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_news(const struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++) {
        const struct slot *top = highest_of(shelf, (int)i);
        if (is_ours(shelf, i) && !(top && top->current))
            return true;
    }
    return false;
}

/* Of two CRLs a running OpenSSL keeps the one that it has, unless the other's thisUpdate is later: so that of a second
 * change within one second is not taken. */
static bool is_taken(const struct shelf *shelf, size_t i)
{
    const struct slot *top = is_ours(shelf, i) ? highest_of(shelf, (int)i) : NULL;
    if (!top || top->current)
        return true;
    X509_CRL *crl = parse(&shelf->pem[i]);
    bool later = crl && this_update_of(crl) > top->this_update;
    X509_CRL_free(crl);
    return later;
}

static bool are_taken(const struct shelf *shelf)
{
    for (size_t i = 0; i < shelf->count; i++)
        if (!is_taken(shelf, i))
            return false;
    return true;
}

static int put_live(struct shelf *shelf, bool *reload, struct error *err)
{
    const struct deliver_target *target = shelf->work->target;
    bool taken = are_taken(shelf), can_reload = notify_is_set(&target->notify);
    if (can_reload && (!taken || (shelf->slot_count >= COMPACT_AT && has_news(shelf)))) {
        *reload = true;
        return compact(shelf, err);
    }
    if (!taken)
        log_warn("deliver",
                 "folder %s: a CRL whose thisUpdate is not later than that of the one before: a running "
                 "OpenSSL keeps "
                 "the old one until the next; configure a reload",
                 target->path);
    return append(shelf, err);
}

static int put_shelf(struct shelf *shelf, bool *reload, struct error *err)
{
    if (find_slots(shelf, err) < 0)
        return -1;
    if (shelf->work->target->kind == DELIVER_HASH_DIR_LIVE)
        return put_live(shelf, reload, err);
    *reload = true;
    return compact(shelf, err);
}

/* --- all hashes -------------------------------------------------------------------------------------------- */

static bool name_hash(const struct deliver_crl *crl, unsigned long *hash)
{
    int good = 0;
    *hash = X509_NAME_hash_ex(X509_get_subject_name(crl->issuer->x509), NULL, NULL, &good);
    return good == 1;
}

/* The PEM of each CRL with the hash of crls[first]; 0 where a CRL before it had that hash already. */
static int fill(struct shelf *shelf, size_t first, struct error *err)
{
    unsigned long hash;
    for (size_t i = 0; i < shelf->count; i++) {
        if (!name_hash(&shelf->crls[i], &hash))
            return error_set(err, "no hash of the name of CRL issuer %zu: %s", i,
                             "OpenSSL has no SHA-1 here");
        if (i == first)
            shelf->hash = hash;
    }
    for (size_t i = 0; i < shelf->count; i++) {
        name_hash(&shelf->crls[i], &hash);
        if (hash != shelf->hash)
            continue;
        if (i < first)
            return 0;
        if (!pem_add(&shelf->pem[i], "X509 CRL", shelf->crls[i].der))
            return error_set(err, "out of memory");
    }
    return 1;
}

int hash_dir_put(struct work *work, const struct deliver_crl *crls, size_t count, bool *reload,
                 struct error *err)
{
    int result = 0;
    *reload = false;
    for (size_t first = 0; result == 0 && first < count; first++) {
        struct shelf shelf = {.work = work, .crls = crls, .count = count, .first = (int)first};
        shelf.pem = calloc(count, sizeof *shelf.pem);
        if (!shelf.pem)
            return error_set(err, "out of memory");
        result = fill(&shelf, first, err);
        if (result == 1)
            result = put_shelf(&shelf, reload, err);
        for (size_t i = 0; i < count; i++)
            buffer_free(&shelf.pem[i]);
        free(shelf.pem);
        free(shelf.slots);
    }
    return result;
}
