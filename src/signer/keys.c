/* The private keys, and the signatures made with them. Only annul-signer links to who calls this. */
#include "key_source.h"
#include "keys.h"

#include <annul/clock.h>
#include <annul/config.h>
#include <annul/log.h>
#include <annul/time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DAY_S 86400
#define RETRY_S 60 /* after keys that could not be taken up */

static EVP_PKEY *load_key(const struct config *config, const struct config_issuer *section,
                          const char *option, const struct config_value *source,
                          const struct config_value *passphrase, const struct certificate *certificate,
                          struct error *err)
{
    struct error why;
    EVP_PKEY *key = key_source_open(source->text, passphrase->text, &why);
    if (key && key_source_fits(key, certificate_key(certificate), &why) < 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    if (!key)
        config_error(config, source->line, err, "issuer \"%s\": %s %s: %s", section->name.text, option,
                     source->text, why.text);
    return key;
}

/* --- the OCSP keys of one issuer ----------------------------------------------------------------------- */

static void free_key(struct ocsp_key *key, unsigned threads)
{
    for (size_t i = 0; key->ready && i < (size_t)threads * SIGALGS; i++)
        EVP_PKEY_CTX_free(key->ready[i]);
    free(key->ready);
    EVP_PKEY_free(key->key);
    ocsp_signer_free(&key->signer);
}

void ocsp_keys_release(struct ocsp_keys *keys)
{
    if (!keys || atomic_fetch_sub(&keys->holders, 1) > 1)
        return;
    for (size_t i = 0; i < keys->count; i++)
        free_key(&keys->list[i], keys->threads);
    free(keys);
}

static int load_signer(const struct config *config, const struct issuer *issuer,
                       const struct config_signer *from, struct ocsp_key *key, struct error *err)
{
    struct buffer text = {0}, certs = {0};
    const struct config_value *file = &from->certificate;
    struct error why = {"no certificate"};
    int result =
        file_read(file->text, OCSP_CERTS_MAX, &text) < 0 ? error_set(&why, "%s", strerror(errno)) : 0;
    if (result == 0 &&
        certificates_from_text((struct bytes){text.at, text.len}, certificate_append, &certs, &why) < 1)
        result = -1;
    if (result == 0)
        result = ocsp_signer_init(&key->signer, issuer, (struct bytes){certs.at, certs.len}, false, &why);
    buffer_free(&text);
    buffer_free(&certs);
    if (result < 0)
        return config_error(config, file->line, err, "issuer \"%s\": ocsp_certificate %s: %s",
                            issuer->config->name.text, file->text, why.text);
    key->key = load_key(config, issuer->config, "ocsp_key", &from->key, &issuer->config->ocsp_key_passphrase,
                        &key->signer.certificate, err);
    return key->key ? 0 : -1;
}

static int issue_delegate(const struct config *config, const struct issuer *issuer, EVP_PKEY *ca_key,
                          const struct config_delegate *plan, int64_t now, struct ocsp_key *key,
                          struct error *err)
{
    struct buffer certs = {0};
    int result = delegate_issue(config, issuer, ca_key, plan, now, &key->key, &certs, err);
    if (result == 0)
        result = ocsp_signer_init(&key->signer, issuer, (struct bytes){certs.at, certs.len}, true, err);
    buffer_free(&certs);
    return result;
}

static int use_ca(const struct issuer *issuer, EVP_PKEY *ca_key, struct ocsp_key *key, struct error *err)
{
    struct bytes der = {issuer->ca.der.at, issuer->ca.der.len};
    if (EVP_PKEY_up_ref(ca_key) == 1)
        key->key = ca_key;
    return ocsp_signer_init(&key->signer, issuer, der, false, err);
}

/* All of them, or none. NULL with the reason. */
static struct ocsp_keys *make_keys(const struct signer_keys *keys, size_t index, int64_t now,
                                   struct error *err)
{
    const struct issuer *issuer = &keys->issuers->list[index];
    const struct config_issuer *section = issuer->config;
    const struct config *config = keys->issuers->config;
    EVP_PKEY *ca_key = keys->list[index].ca;
    struct ocsp_keys *made = calloc(1, sizeof *made);
    if (!made) {
        error_set(err, "out of memory");
        return NULL;
    }
    atomic_init(&made->holders, 1);
    made->threads = keys->threads;
    size_t count = section->signer_count + section->delegate_count;
    if (count == 0)
        count = ca_key ? 1 : 0; /* the CA itself; nobody, where CRLs from elsewhere are all there is */
    int result = 0;
    for (size_t i = 0; result == 0 && i < count; i++) {
        struct ocsp_key *key = &made->list[made->count++];
        key->ready = calloc((size_t)keys->threads * SIGALGS, sizeof *key->ready);
        if (section->signer_count)
            result = load_signer(config, issuer, &section->signers[i], key, err);
        else if (section->delegate_count)
            result = issue_delegate(config, issuer, ca_key, &section->delegates[i], now, key, err);
        else
            result = use_ca(issuer, ca_key, key, err);
        if (result == 0 && !key->ready)
            result = error_set(err, "out of memory");
    }
    if (result == 0)
        return made;
    ocsp_keys_release(made);
    return NULL;
}

/* What stat tells of a file, in one number that changes with it. Links are followed, so that a link that is moved
 * counts. */
static uint64_t look_at_file(uint64_t hash, const char *path)
{
    struct stat status;
    if (!path || stat(path, &status) < 0)
        status = (struct stat){0}; /* not there, or not a file */
    const uint64_t facts[] = {status.st_ino, (uint64_t)status.st_size, (uint64_t)status.st_mtim.tv_sec,
                              (uint64_t)status.st_mtim.tv_nsec, (uint64_t)status.st_ctim.tv_nsec};
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        hash = (hash ^ facts[i]) * UINT64_C(0x100000001b3);
    return hash;
}

/* Every file that the OCSP keys come from. */
static uint64_t look_at_files(const struct config_issuer *section)
{
    uint64_t hash = look_at_file(UINT64_C(0xcbf29ce484222325), section->ocsp_key_passphrase.text);
    for (size_t i = 0; i < section->signer_count; i++) {
        hash = look_at_file(hash, section->signers[i].certificate.text);
        hash = look_at_file(hash, section->signers[i].key.text);
    }
    return hash;
}

/* Ahead of their end by half of the shortest life. */
static int64_t when_to_renew(const struct config_issuer *section, int64_t now)
{
    int64_t shortest_s = INT64_MAX;
    for (size_t i = 0; i < section->delegate_count; i++)
        if (section->delegates[i].lifetime_s < shortest_s)
            shortest_s = section->delegates[i].lifetime_s;
    return section->delegate_count ? now + shortest_s / 2 : INT64_MAX;
}

/* The number of an issuer is in the name, so that finding a key costs nothing. */
#define ID_KEYS 65536

static void install(struct signer_keys *keys, size_t index, struct ocsp_keys *made)
{
    struct issuer_keys *at = &keys->list[index];
    for (size_t i = 0; i < made->count; i++)
        made->list[i].signer.id = (uint32_t)((index + 1) * ID_KEYS + at->used_ids++ % ID_KEYS);
    pthread_mutex_lock(&keys->mutex);
    struct ocsp_keys *gone = at->before;
    at->before = at->ocsp;
    at->ocsp = made;
    pthread_mutex_unlock(&keys->mutex);
    ocsp_keys_release(gone);
}

struct ocsp_keys *signer_keys_hold(struct signer_keys *keys, size_t issuer)
{
    pthread_mutex_lock(&keys->mutex);
    struct ocsp_keys *held = keys->list[issuer].ocsp;
    atomic_fetch_add(&held->holders, 1);
    pthread_mutex_unlock(&keys->mutex);
    return held;
}

struct ocsp_key *signer_keys_find(struct signer_keys *keys, uint32_t id, const struct issuer **issuer,
                                  struct ocsp_keys **held)
{
    struct ocsp_key *found = NULL;
    size_t index = id / ID_KEYS - 1; /* 0 becomes a number that is too large */
    if (index >= keys->issuers->count)
        return NULL;
    *issuer = &keys->issuers->list[index];
    pthread_mutex_lock(&keys->mutex);
    struct ocsp_keys *sets[] = {keys->list[index].ocsp, keys->list[index].before};
    for (size_t s = 0; !found && s < 2 && sets[s]; s++)
        for (size_t i = 0; !found && i < sets[s]->count; i++)
            if (sets[s]->list[i].signer.id == id) {
                found = &sets[s]->list[i];
                *held = sets[s];
                atomic_fetch_add(&sets[s]->holders, 1);
            }
    pthread_mutex_unlock(&keys->mutex);
    return found;
}

/* --- as time goes by ----------------------------------------------------------------------------------- */

/* Whether the certificate of a signer counts now. 0, or -1 with file, line and remedy. */
static int check_time(const struct signer_keys *keys, size_t index, size_t at, int64_t now, struct error *err)
{
    const struct issuer *issuer = &keys->issuers->list[index];
    const struct config_issuer *section = issuer->config;
    const struct certificate *own = &keys->list[index].ocsp->list[at].signer.certificate;
    /* the CA's, where it signs by itself: and a delegate of our own ends with it */
    const struct config_value *file =
        section->signer_count ? &section->signers[at].certificate : &section->certificate;
    bool over = now >= own->not_after;
    char when[TIME_TEXT];
    if (!over && now >= own->not_before)
        return 0;
    time_to_text(over ? own->not_after : own->not_before, when);
    return config_error(keys->issuers->config, file->line, err, "issuer \"%s\": %s %s: %s %s; %s",
                        section->name.text, section->signer_count ? "ocsp_certificate" : "certificate",
                        file->text, over ? "is past its end, which was" : "counts only from", when,
                        over ? "replace it" : "put one there that counts now, or set the clock");
}

int signer_keys_check(const struct signer_keys *keys, int64_t now, struct error *err)
{
    for (size_t i = 0; i < keys->issuers->count; i++)
        for (size_t at = 0; at < keys->list[i].ocsp->count; at++)
            if (check_time(keys, i, at, now, err) < 0)
                return -1;
    return 0;
}

/* Once a day from when an end is as near as a quarter of the certificate's life, or thirty days. */
static void warn_of_end(struct signer_keys *keys, size_t index, int64_t now)
{
    struct issuer_keys *at = &keys->list[index];
    if (now < at->warn_at)
        return;
    for (size_t i = 0; i < at->ocsp->count; i++) {
        const struct certificate *own = &at->ocsp->list[i].signer.certificate;
        int64_t near_s = (own->not_after - own->not_before) / 4, left_s = own->not_after - now;
        if (near_s > 30 * DAY_S)
            near_s = 30 * DAY_S;
        struct error why;
        bool counts = check_time(keys, index, i, now, &why) == 0;
        if (counts && left_s >= near_s)
            continue;
        at->warn_at = now + DAY_S;
        if (!counts) {
            log_error("signer", "%s", why.text);
            continue;
        }
        char *subject = certificate_subject_text(own);
        log_warn("signer", "issuer %s: the OCSP signer's certificate %s ends in %lld hours; replace it",
                 keys->issuers->list[index].config->name.text, subject ? subject : "",
                 (long long)left_s / 3600);
        free(subject);
    }
}

static bool one_is_valid(const struct ocsp_keys *keys, int64_t now)
{
    for (size_t i = 0; i < keys->count; i++)
        if (ocsp_signer_is_valid(&keys->list[i].signer, now))
            return true;
    return false;
}

/* Files changed, the end is near, or the clock was set back to before our delegates begin. */
static bool is_due(const struct issuer_keys *at, const struct config_issuer *section, uint64_t files,
                   int64_t now)
{
    return files != at->files || now >= at->renew_at ||
           (section->delegate_count && !one_is_valid(at->ocsp, now) && now < at->made_at);
}

/* A certificate that is not valid yet, or no more, does not replace one that is. */
static struct ocsp_keys *make_better_keys(const struct signer_keys *keys, size_t index, int64_t now,
                                          struct error *err)
{
    struct ocsp_keys *made = make_keys(keys, index, now, err);
    if (!made || one_is_valid(made, now) || !one_is_valid(keys->list[index].ocsp, now))
        return made;
    error_set(err, "issuer \"%s\": none of the new OCSP signers' certificates is valid now",
              keys->issuers->list[index].config->name.text);
    ocsp_keys_release(made);
    return NULL;
}

bool signer_keys_refresh(struct signer_keys *keys, size_t index, int64_t now)
{
    struct issuer_keys *at = &keys->list[index];
    const struct config_issuer *section = keys->issuers->list[index].config;
    uint64_t files = look_at_files(section);
    if (!is_due(at, section, files, now)) {
        warn_of_end(keys, index, now);
        return false;
    }
    struct error err;
    struct ocsp_keys *made = make_better_keys(keys, index, now, &err);
    at->files = files;
    at->made_at = now;
    at->warn_at = now;
    if (!made) { /* it may not be the files: a token that is busy, a passphrase that comes later */
        log_error("signer", "%s; the one before stays", err.text);
        at->renew_at = now + RETRY_S;
        return false;
    }
    at->renew_at = when_to_renew(section, now);
    install(keys, index, made);
    log_info("signer", "issuer %s: OCSP is signed with another key from now on", section->name.text);
    return true;
}

/* --- all of them --------------------------------------------------------------------------------------- */

static int load_issuer(struct signer_keys *keys, size_t index, int64_t now, struct error *err)
{
    const struct issuer *issuer = &keys->issuers->list[index];
    const struct config_issuer *section = issuer->config;
    struct issuer_keys *at = &keys->list[index];
    if (section->key.text && !(at->ca = load_key(keys->issuers->config, section, "key", &section->key,
                                                 &section->key_passphrase, &issuer->ca, err)))
        return -1;
    at->files = look_at_files(section);
    at->renew_at = when_to_renew(section, now);
    at->made_at = now;
    struct ocsp_keys *made = make_keys(keys, index, now, err);
    if (!made)
        return -1;
    /* Whoever still speaks of a key from before our start must not mean one of ours. */
    if (RAND_bytes((unsigned char *)&at->used_ids, sizeof at->used_ids) != 1) {
        ocsp_keys_release(made);
        return error_set(err, "OpenSSL has no random numbers");
    }
    install(keys, index, made);
    return 0;
}

struct signer_keys *signer_keys_load(struct issuers *issuers, struct error *err)
{
    if (key_source_begin(issuers->config, err) < 0)
        return NULL;
    struct signer_keys *keys = calloc(1, sizeof *keys + issuers->count * sizeof *keys->list);
    int64_t now = clock_now();
    if (!keys) {
        error_set(err, "out of memory");
        return NULL;
    }
    keys->issuers = issuers;
    keys->threads = issuers->config->signer_threads;
    pthread_mutex_init(&keys->mutex, NULL);
    pthread_cond_init(&keys->idle, NULL);
    for (unsigned i = 0; i < SIGALGS; i++) {
        const char *digest = sigalg_by_number(i)->digest;
        keys->digests[i] = digest ? EVP_MD_fetch(NULL, digest, NULL) : NULL;
    }
    for (size_t i = 0; i < issuers->count; i++)
        if (load_issuer(keys, i, now, err) < 0) {
            signer_keys_free(keys);
            return NULL;
        }
    return keys;
}

void signer_keys_free(struct signer_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->issuers->count; i++) {
        EVP_PKEY_free(keys->list[i].ca);
        ocsp_keys_release(keys->list[i].ocsp);
        ocsp_keys_release(keys->list[i].before);
    }
    for (unsigned i = 0; i < SIGALGS; i++)
        EVP_MD_free(keys->digests[i]);
    key_source_end();
    pthread_mutex_destroy(&keys->mutex);
    pthread_cond_destroy(&keys->idle);
    free(keys);
}

/* --- signing ------------------------------------------------------------------------------------------- */

static EVP_PKEY_CTX *make_context(EVP_PKEY *key, const struct sigalg *sigalg, const EVP_MD *digest)
{
    char properties[KEY_PROPERTIES_MAX];
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, key, key_source_properties(key, properties));
    if (context && EVP_PKEY_sign_init(context) == 1 && EVP_PKEY_CTX_set_signature_md(context, digest) == 1 &&
        (sigalg->family != SIGALG_RSA || EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1))
        return context;
    EVP_PKEY_CTX_free(context);
    return NULL;
}

/* A signature of a digest, with a context that was made before: EVP_DigestSign would look up algorithms anew each
 * time. */
int signer_key_sign(const struct signer_keys *keys, struct signer_thread *thread, struct ocsp_key *key,
                    const struct sigalg *sigalg, struct bytes data, uint8_t *signature, size_t *len)
{
    unsigned number = sigalg_number(sigalg), digest_len;
    const EVP_MD *digest = keys->digests[number];
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (!sigalg->digest)
        return signer_key_sign_whole(key->key, sigalg, data, signature, len);
    EVP_PKEY_CTX **ready = &key->ready[thread->number * SIGALGS + number];
    if (!*ready)
        *ready = make_context(key->key, sigalg, digest);
    *len = SIGNATURE_MAX;
    if (*ready && EVP_DigestInit_ex2(thread->digest, digest, NULL) == 1 &&
        EVP_DigestUpdate(thread->digest, data.at, data.len) == 1 &&
        EVP_DigestFinal_ex(thread->digest, hash, &digest_len) == 1 &&
        EVP_PKEY_sign(*ready, signature, len, hash, digest_len) == 1)
        return 0;
    ERR_clear_error();
    return -1;
}

int signer_key_sign_whole(EVP_PKEY *key, const struct sigalg *sigalg, struct bytes data, uint8_t *signature,
                          size_t *len)
{
    EVP_MD_CTX *ctx = key_source_sign_begin(key, sigalg);
    *len = SIGNATURE_MAX;
    int good = ctx && EVP_DigestSign(ctx, signature, len, data.at, data.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good ? 0 : -1;
}
