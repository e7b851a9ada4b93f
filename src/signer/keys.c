/* The private keys, and the signatures made with them. Only annul-signer links to who calls this. */
#include "keys.h"

#include <annul/config.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int no_passphrase(char *buffer, int size, int writing, void *arg)
{
    (void)buffer, (void)size, (void)writing, (void)arg;
    return -1;
}

static EVP_PKEY *read_key(const char *path, const char **fault)
{
    struct stat status;
    FILE *file = fopen(path, "re");
    if (!file) {
        *fault = strerror(errno);
        return NULL;
    }
    EVP_PKEY *key = NULL;
    if (fstat(fileno(file), &status) == 0 && status.st_mode & S_IROTH)
        *fault = "everyone on this machine can read it; chmod 600";
    else if (!(key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL)))
        *fault = "not a private key in PEM without a passphrase";
    ERR_clear_error();
    fclose(file);
    return key;
}

static EVP_PKEY *load_key(const struct config *config, const struct config_issuer *section,
                          const char *option, const struct config_value *file,
                          const struct certificate *certificate, struct error *err)
{
    const char *fault = NULL;
    EVP_PKEY *key = read_key(file->text, &fault);
    if (key && EVP_PKEY_eq(key, certificate_key(certificate)) != 1) {
        fault = "does not belong to the certificate beside it";
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    if (!key)
        config_error(config, file->line, err, "issuer \"%s\": %s %s: %s", section->name.text, option,
                     file->text, fault);
    return key;
}

struct signer_keys *signer_keys_load(struct issuers *issuers, struct error *err)
{
    struct signer_keys *keys = calloc(1, sizeof *keys + issuers->count * sizeof *keys->list);
    if (!keys) {
        error_set(err, "out of memory");
        return NULL;
    }
    keys->issuers = issuers;
    pthread_mutex_init(&keys->mutex, NULL);
    pthread_cond_init(&keys->idle, NULL);
    for (size_t i = 0; i < issuers->count; i++) {
        const struct issuer *issuer = &issuers->list[i];
        const struct config_issuer *section = issuer->config;
        struct signer_pair *pair = &keys->list[i];
        if (section->key.text &&
            !(pair->crl = load_key(issuers->config, section, "key", &section->key, &issuer->ca, err)))
            goto failed;
        if (issuer->delegate.x509)
            pair->ocsp =
                load_key(issuers->config, section, "ocsp_key", &section->ocsp_key, &issuer->delegate, err);
        else if (pair->crl && EVP_PKEY_up_ref(pair->crl) == 1)
            pair->ocsp = pair->crl;
        if (!pair->ocsp)
            goto failed;
    }
    return keys;
failed:
    signer_keys_free(keys);
    return NULL;
}

void signer_keys_free(struct signer_keys *keys)
{
    if (!keys)
        return;
    for (size_t i = 0; i < keys->issuers->count; i++) {
        EVP_PKEY_free(keys->list[i].crl);
        EVP_PKEY_free(keys->list[i].ocsp);
    }
    pthread_mutex_destroy(&keys->mutex);
    pthread_cond_destroy(&keys->idle);
    free(keys);
}

int signer_key_sign(EVP_PKEY *key, const struct sigalg *sigalg, struct bytes data, uint8_t *signature,
                    size_t *len)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    *len = SIGNATURE_MAX;
    int good = ctx && EVP_DigestSignInit_ex(ctx, NULL, sigalg->digest, NULL, NULL, key, NULL) == 1 &&
               EVP_DigestSign(ctx, signature, len, data.at, data.len) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good ? 0 : -1;
}
