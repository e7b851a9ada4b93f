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
#define BEGIN_SYNC (8 << 20)

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

/* To the disk as it comes, so that little is left to wait for. */
static bool write_der(int from, uint64_t offset, uint64_t len, int der, uint8_t digest[32])
{
    uint8_t chunk[CHUNK];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1;
    for (uint64_t done = 0; good && done < len;) {
        size_t part = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
        good = read_all(from, chunk, part, offset + done) && EVP_DigestUpdate(ctx, chunk, part) == 1 &&
               write_all(der, chunk, part);
        if (done / BEGIN_SYNC != (done + part) / BEGIN_SYNC)
            sync_file_range(der, 0, 0, SYNC_FILE_RANGE_WRITE);
        done += part;
    }
    good = good && EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return good;
}

/* Gives the PEM of a DER file in pieces; false where `give` says so, or the file cannot be read. */
typedef bool pem_piece(int fd, const void *piece, size_t len, uint64_t offset);

static bool make_pem(int from, uint64_t offset, uint64_t len, pem_piece *give, int fd)
{
    uint8_t chunk[CHUNK];
    char text[CHUNK / LINE * 65];
    uint64_t at = sizeof pem_head - 1;
    bool good = give(fd, pem_head, sizeof pem_head - 1, 0);
    for (uint64_t done = 0; good && done < len;) {
        size_t part = len - done < CHUNK ? (size_t)(len - done) : CHUNK, text_len;
        good = read_all(from, chunk, part, offset + done);
        text_len = pem_lines(chunk, part, text);
        good = good && give(fd, text, text_len, at);
        at += text_len;
        done += part;
    }
    return good && give(fd, pem_tail, sizeof pem_tail - 1, at);
}

static bool write_piece(int fd, const void *piece, size_t len, uint64_t offset)
{
    (void)offset;
    return write_all(fd, piece, len);
}

static bool is_piece(int fd, const void *piece, size_t len, uint64_t offset)
{
    char found[CHUNK / LINE * 65];
    return read_all(fd, found, len, offset) && memcmp(found, piece, len) == 0;
}

static int sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int result = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        close(fd);
    return result;
}

static int open_new(const char *folder, int64_t number, const char *ending)
{
    char path[PUBLISHED_PATH];
    published_path(path, folder, number, ending);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
}

static bool into_place(const char *folder, int64_t number, const char *from, const char *to)
{
    char tmp[PUBLISHED_PATH], path[PUBLISHED_PATH];
    published_path(tmp, folder, number, from);
    published_path(path, folder, number, to);
    return rename(tmp, path) == 0;
}

/* The PEM is not waited for: if a crash cuts it short, it is made anew. */
int published_write(int spool, uint64_t offset, uint64_t len, const char *folder, int64_t number,
                    uint8_t digest[32], struct error *err)
{
    int der = open_new(folder, number, ".crl.tmp"), pem = open_new(folder, number, ".pem.tmp");
    bool good = der >= 0 && pem >= 0 && write_der(spool, offset, len, der, digest) &&
                make_pem(spool, offset, len, write_piece, pem) && fsync(der) == 0;
    fault_point("crl-written");
    good = good && into_place(folder, number, ".crl.tmp", ".crl");
    fault_point("crl-half-renamed");
    good = good && into_place(folder, number, ".pem.tmp", ".pem") && sync_folder(folder) == 0;
    if (!good) {
        char path[PUBLISHED_PATH];
        int reason = errno;
        published_path(path, folder, number, ".crl.tmp");
        unlink(path);
        published_path(path, folder, number, ".pem.tmp");
        unlink(path);
        error_set(err, "CRL file %s/%" PRId64 ".crl: %s", folder, number, strerror(reason));
    }
    if (der >= 0)
        close(der);
    if (pem >= 0)
        close(pem);
    return good ? 0 : -1;
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
    if (p->der_fd >= 0 && p->pem_fd >= 0)
        return held;
    error_set(err, "%s/%" PRId64 ".crl: missing", folder, crl->number);
    publication_release(p);
    return NULL;
}

/* Makes the PEM of a DER file that is good, where it is not there as it should be. */
static bool mend_pem(const char *folder, const struct store_crl *crl)
{
    uint64_t der_len = 0, pem_len = 0;
    int der = open_to_read(folder, crl->number, ".crl", &der_len), made = -1;
    int pem = open_to_read(folder, crl->number, ".pem", &pem_len);
    bool good = der >= 0 && digest_matches(der, der_len, crl->digest);
    if (good && (pem < 0 || !make_pem(der, 0, der_len, is_piece, pem))) {
        made = open_new(folder, crl->number, ".pem.tmp");
        good = made >= 0 && make_pem(der, 0, der_len, write_piece, made) &&
               into_place(folder, crl->number, ".pem.tmp", ".pem");
    }
    int all[] = {der, pem, made};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
    return good;
}

struct held_publication *published_take_up(const char *folder, struct crl_part part,
                                           const struct store_crl *crl, struct error *err)
{
    if (mend_pem(folder, crl))
        return published_open(folder, part, crl, err);
    error_set(err, "%s/%" PRId64 ".crl: missing or damaged", folder, crl->number);
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

long publication_read(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct publication_reader *reader = arg;
    ssize_t n;
    do
        n = pread(reader->publication->der_fd, into, room, (off_t)reader->at);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_set(err, "the CRL that is published: %s", strerror(errno));
    reader->at += (uint64_t)n;
    return (long)n;
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
