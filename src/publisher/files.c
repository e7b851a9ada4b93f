#include "files.h"

#include <annul/base64.h>
#include <annul/fault.h>
#include <annul/hex.h>
#include <annul/log.h>

#include <openssl/evp.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 49152 /* a whole number of PEM lines */
#define LINE 48     /* octets in 64 characters */

static const char pem_head[] = "-----BEGIN X509 CRL-----\n", pem_tail[] = "-----END X509 CRL-----\n";

void published_path(char out[PUBLISHED_PATH], const char *folder, int64_t number, const char *ending)
{
    snprintf(out, PUBLISHED_PATH, "%s/%" PRId64 "%s", folder, number, ending);
}

static bool write_all(int fd, const void *data, size_t len)
{
    for (const char *at = data; len;) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool read_all(int fd, void *data, size_t len, uint64_t offset)
{
    for (char *at = data; len;) {
        ssize_t n = pread(fd, at, len, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += n;
        offset += (uint64_t)n;
        len -= (size_t)n;
    }
    return true;
}

static size_t pem_lines(const uint8_t *data, size_t len, char *out)
{
    char *start = out;
    for (size_t at = 0; at < len; at += LINE) {
        out += base64_encode(data + at, len - at < LINE ? len - at : LINE, out);
        *out++ = '\n';
    }
    return (size_t)(out - start);
}

/* One pass over the spool feeds the digest and both files. */
static bool copy(int spool, uint64_t offset, uint64_t len, int der, int pem, EVP_MD_CTX *digest)
{
    uint8_t chunk[CHUNK];
    char text[CHUNK / LINE * 65];
    if (!write_all(pem, pem_head, sizeof pem_head - 1))
        return false;
    while (len) {
        size_t part = len < CHUNK ? (size_t)len : CHUNK;
        if (!read_all(spool, chunk, part, offset) || EVP_DigestUpdate(digest, chunk, part) != 1 ||
            !write_all(der, chunk, part) || !write_all(pem, text, pem_lines(chunk, part, text)))
            return false;
        offset += part;
        len -= part;
    }
    return write_all(pem, pem_tail, sizeof pem_tail - 1) && fsync(der) == 0 && fsync(pem) == 0;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

int published_write(int spool, uint64_t offset, uint64_t len, const char *folder, int64_t number,
                    uint8_t digest[32], struct error *err)
{
    char der_tmp[PUBLISHED_PATH], pem_tmp[PUBLISHED_PATH], der_path[PUBLISHED_PATH], pem_path[PUBLISHED_PATH];
    published_path(der_tmp, folder, number, ".crl.tmp");
    published_path(pem_tmp, folder, number, ".pem.tmp");
    published_path(der_path, folder, number, ".crl");
    published_path(pem_path, folder, number, ".pem");
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int der = open(der_tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int pem = open(pem_tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    int result = -1;
    if (der < 0 || pem < 0 || !ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1 ||
        !copy(spool, offset, len, der, pem, ctx) || EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
        goto out;
    fault_point("crl-written");
    if (rename(der_tmp, der_path) < 0)
        goto out;
    fault_point("crl-half-renamed");
    if (rename(pem_tmp, pem_path) < 0 || sync_folder(folder) < 0)
        goto out;
    result = 0;
out:
    if (result < 0) {
        error_set(err, "CRL file %s: %s", der_path, strerror(errno));
        unlink(der_tmp);
        unlink(pem_tmp);
    }
    if (der >= 0)
        close(der);
    if (pem >= 0)
        close(pem);
    EVP_MD_CTX_free(ctx);
    return result;
}

static bool digest_matches(int fd, uint64_t len, const uint8_t wanted[32])
{
    uint8_t chunk[CHUNK], found[32];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (uint64_t at = 0; good && at < len;) {
        size_t part = len - at < CHUNK ? (size_t)(len - at) : CHUNK;
        good = read_all(fd, chunk, part, at) && EVP_DigestUpdate(ctx, chunk, part) == 1;
        at += part;
    }
    good = good && EVP_DigestFinal_ex(ctx, found, NULL) == 1 && memcmp(found, wanted, sizeof found) == 0;
    EVP_MD_CTX_free(ctx);
    return good;
}

static int open_to_read(const char *folder, int64_t number, const char *ending, uint64_t *len)
{
    char path[PUBLISHED_PATH];
    struct stat status;
    published_path(path, folder, number, ending);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &status) == 0)
        *len = (uint64_t)status.st_size;
    return fd;
}

/* The PEM is made of the DER, and goes without a digest: but a crash may have cut it short. */
static uint64_t pem_len_of(uint64_t der_len)
{
    uint64_t text = (der_len + 2) / 3 * 4;
    return sizeof pem_head - 1 + text + (der_len + LINE - 1) / LINE + sizeof pem_tail - 1;
}

static void name_number(struct publication *p, const struct store_crl *crl)
{
    struct crl_number number = {.len = crl->crl_number.len};
    memcpy(number.octets, crl->crl_number.octets, sizeof number.octets);
    if (number.len)
        crl_number_to_text(&number, p->crl_number);
    else
        snprintf(p->crl_number, sizeof p->crl_number, "%" PRId64, crl->number);
}

struct held_publication *published_open(const char *folder, struct crl_part part, const struct store_crl *crl,
                                        struct error *err)
{
    struct held_publication *held = calloc(1, sizeof *held);
    if (!held) {
        error_set(err, "out of memory");
        return NULL;
    }
    struct publication *p = &held->publication;
    atomic_init(&held->holders, 1);
    held->crl = *crl;
    *p = (struct publication){.part = part,
                              .number = crl->number,
                              .this_update = crl->this_update,
                              .next_update = crl->next_update,
                              .entries = crl->entries,
                              .base = part.delta ? crl->base : 0};
    name_number(p, crl);
    hex_encode(crl->digest, sizeof crl->digest, p->etag);
    p->der_fd = open_to_read(folder, crl->number, ".crl", &p->der_len);
    p->pem_fd = open_to_read(folder, crl->number, ".pem", &p->pem_len);
    if (p->der_fd >= 0 && p->pem_fd >= 0 && p->pem_len == pem_len_of(p->der_len))
        return held;
    error_set(err, "%s/%" PRId64 ".crl: missing or damaged", folder, crl->number);
    publication_release(p);
    return NULL;
}

struct held_publication *published_take_up(const char *folder, struct crl_part part,
                                           const struct store_crl *crl, struct error *err)
{
    struct held_publication *held = published_open(folder, part, crl, err);
    if (!held || digest_matches(held->publication.der_fd, held->publication.der_len, crl->digest))
        return held;
    error_set(err, "%s/%" PRId64 ".crl: damaged", folder, crl->number);
    publication_release(&held->publication);
    return NULL;
}

void published_hold(struct held_publication *held)
{
    if (held)
        atomic_fetch_add(&held->holders, 1);
}

void publication_release(struct publication *publication)
{
    struct held_publication *held = (struct held_publication *)publication;
    if (!held || atomic_fetch_sub(&held->holders, 1) > 1)
        return;
    if (publication->der_fd >= 0)
        close(publication->der_fd);
    if (publication->pem_fd >= 0)
        close(publication->pem_fd);
    free(held);
}

void published_clean(const char *folder, int64_t number)
{
    char der[64], pem[64], path[PUBLISHED_PATH + 256];
    snprintf(der, sizeof der, "%" PRId64 ".crl", number);
    snprintf(pem, sizeof pem, "%" PRId64 ".pem", number);
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (name[0] == '.' || strcmp(name, der) == 0 || strcmp(name, pem) == 0 || entry->d_type == DT_DIR)
            continue; /* deltas and shards have folders of their own */
        snprintf(path, sizeof path, "%s/%s", folder, name);
        if (unlink(path) < 0)
            log_warn("publisher", "cannot remove %s: %s", path, strerror(errno));
    }
    if (dir)
        closedir(dir);
}
