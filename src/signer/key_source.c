#include "key_source.h"
#include "key_engine.h"

#include <openssl/conf.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/store.h>
#include <openssl/ui.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_FILE_MAX 65536 /* RSA-4096 in PEM takes 3300 octets; PKCS #12 may carry a chain */
#define PASSPHRASE_FILE_MAX 1024

struct passphrase {
    char text[PASSPHRASE_FILE_MAX + 1];
    size_t len; /* 0: there is none */
    bool asked; /* somebody wanted to know it */
};

/* What OpenSSL complained of first: the cause. Never octets of the input. */
static const char *openssl_reason(void)
{
    unsigned long code = ERR_peek_error();
    const char *reason =
        ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return reason ? reason : "OpenSSL gives no reason";
}

int key_source_begin(const struct config *config, struct error *err)
{
    const struct config_value *file = &config->openssl_config;
    if (!file->text || CONF_modules_load_file(file->text, NULL, 0) > 0)
        return 0;
    config_error(config, file->line, err, "signer openssl_config %s: %s; see config(5ssl)", file->text,
                 openssl_reason());
    ERR_clear_error();
    return -1;
}

void key_source_end(void)
{
    CONF_modules_unload(1);
}

/* --- files --------------------------------------------------------------------------------------------- */

static bool begins(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* The file that is meant: malloc'ed. NULL without a reason: `source` is a URI of something else. */
static char *file_name(const char *source, struct error *err)
{
    char *name = NULL;
    if (begins(source, "credential:")) {
        const char *folder = getenv("CREDENTIALS_DIRECTORY");
        const char *credential = source + strlen("credential:");
        if (!folder)
            error_set(err, "systemd has passed no credentials; add LoadCredential=%s:FILE to the unit",
                      credential);
        else if (strchr(credential, '/'))
            error_set(err, "the name of a credential has no slash");
        else if (asprintf(&name, "%s/%s", folder, credential) < 0)
            name = NULL;
        return name;
    }
    if (begins(source, "file:"))
        source += strlen(begins(source, "file://") ? "file://" : "file:");
    return config_is_uri(source) ? NULL : strdup(source);
}

/* Less than `room` octets of a file that holds a secret; no copy of them stays behind. How many, or -1. */
static ssize_t read_secret(const char *name, void *into, size_t room, struct error *err)
{
    struct stat status;
    ssize_t n, len = 0;
    int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        len = error_set(err, "%s", strerror(errno));
    else if (status.st_mode & S_IROTH)
        len = error_set(err, "everyone on this machine can read it; chmod 600");
    while (len >= 0 && (n = read(fd, (char *)into + len, room - (size_t)len)) != 0) {
        if (n > 0)
            len += n;
        else if (errno != EINTR)
            len = error_set(err, "%s", strerror(errno));
    }
    if (len == (ssize_t)room)
        len = error_set(err, "more than %zu octets", room - 1);
    if (fd >= 0)
        close(fd);
    return len;
}

/* --- the passphrase ------------------------------------------------------------------------------------ */

static int read_passphrase(const char *source, struct passphrase *passphrase, struct error *err)
{
    struct error why = {"must be a file, or credential:NAME"};
    char *name = file_name(source, &why);
    ssize_t len = name ? read_secret(name, passphrase->text, sizeof passphrase->text, &why) : -1;
    free(name);
    if (len >= 0)
        passphrase->len = strcspn(passphrase->text, "\n");
    passphrase->text[passphrase->len] = 0;
    if (len >= 0 && passphrase->len == 0)
        error_set(&why, "its first line, the passphrase, is empty");
    return passphrase->len ? 0 : error_set(err, "passphrase %s: %s", source, why.text);
}

/* OpenSSL's question to the user is answered from the file. */
static int answer(UI *ui, UI_STRING *string)
{
    struct passphrase *passphrase = UI_get0_user_data(ui);
    if (UI_get_string_type(string) != UIT_PROMPT)
        return 1;
    passphrase->asked = true;
    return passphrase->len && UI_set_result_ex(ui, string, passphrase->text, (int)passphrase->len) == 0;
}

/* --- the key ------------------------------------------------------------------------------------------- */

static EVP_PKEY *first_key(OSSL_STORE_CTX *store)
{
    EVP_PKEY *key = NULL;
    if (store && OSSL_STORE_expect(store, OSSL_STORE_INFO_PKEY) == 1)
        while (!key && !OSSL_STORE_eof(store) && !OSSL_STORE_error(store)) {
            OSSL_STORE_INFO *info = OSSL_STORE_load(store);
            if (info && OSSL_STORE_INFO_get_type(info) == OSSL_STORE_INFO_PKEY)
                key = OSSL_STORE_INFO_get1_PKEY(info);
            OSSL_STORE_INFO_free(info);
        }
    OSSL_STORE_close(store);
    return key;
}

static EVP_PKEY *open_file(const char *name, struct passphrase *passphrase, UI_METHOD *ui, struct error *err)
{
    char *text = malloc(KEY_FILE_MAX + 1);
    ssize_t len = text ? read_secret(name, text, KEY_FILE_MAX + 1, err) : error_set(err, "out of memory");
    EVP_PKEY *key = NULL;
    if (len >= 0) {
        BIO *bio = BIO_new_mem_buf(text, (int)len);
        key = first_key(bio ? OSSL_STORE_attach(bio, "file", NULL, NULL, ui, passphrase, NULL, NULL, NULL)
                            : NULL);
        BIO_free(bio);
        if (!key && !passphrase->asked)
            error_set(err, "not a private key in PEM, DER or PKCS #12");
        else if (!key)
            error_set(err, passphrase->len ? "the passphrase is wrong"
                                           : "has a passphrase; put that into a file and name it with "
                                             "key_passphrase, or ocsp_key_passphrase");
    }
    OPENSSL_clear_free(text, KEY_FILE_MAX + 1);
    return key;
}

static EVP_PKEY *open_uri(const char *uri, struct passphrase *passphrase, UI_METHOD *ui, struct error *err)
{
    char scheme[32] = "";
    size_t len = strcspn(uri, ":");
    memcpy(scheme, uri, len < sizeof scheme ? len : 0);
    OSSL_STORE_LOADER *loader = OSSL_STORE_LOADER_fetch(NULL, scheme, NULL);
    OSSL_STORE_LOADER_free(loader);
    ERR_clear_error();
    EVP_PKEY *key;
    int found = 1;
    if (loader)
        key = first_key(OSSL_STORE_open_ex(uri, NULL, NULL, ui, passphrase, NULL, NULL, NULL));
    else
        key = key_engine_open(scheme, uri, passphrase->len ? passphrase->text : NULL, ui, passphrase, &found);
    if (!found)
        error_set(
            err,
            "OpenSSL has no provider and no engine for it; install one and name it in the file that signer "
            "{ openssl_config = \"FILE\" } names (annul-signer(8))");
    else if (!key && passphrase->asked && !passphrase->len)
        error_set(
            err, "needs a PIN; put that into a file and name it with key_passphrase, or ocsp_key_passphrase");
    else if (!key)
        error_set(err, "cannot be opened: %s", openssl_reason());
    return key;
}

EVP_PKEY *key_source_open(const char *source, const char *passphrase_file, struct error *err)
{
    struct passphrase passphrase = {.len = 0};
    EVP_PKEY *key = NULL;
    struct error why = {""};
    UI_METHOD *ui = UI_create_method("annul-signer");
    char *name = file_name(source, &why);
    if (!ui || UI_method_set_reader(ui, answer) != 0)
        error_set(err, "out of memory");
    else if (why.text[0])
        error_set(err, "%s", why.text);
    else if (!passphrase_file || read_passphrase(passphrase_file, &passphrase, err) == 0)
        key = name ? open_file(name, &passphrase, ui, err) : open_uri(source, &passphrase, ui, err);
    OPENSSL_cleanse(&passphrase, sizeof passphrase);
    ERR_clear_error();
    UI_destroy_method(ui);
    free(name);
    return key;
}

/* --- the key and its certificate ----------------------------------------------------------------------- */

const char *key_source_properties(const EVP_PKEY *key, char room[KEY_PROPERTIES_MAX])
{
    const OSSL_PROVIDER *provider = EVP_PKEY_get0_provider(key);
    const char *name = provider ? OSSL_PROVIDER_get0_name(provider) : "default"; /* an engine has none */
    if (strcmp(name, "default") == 0)
        return NULL;
    snprintf(room, KEY_PROPERTIES_MAX, "?provider=%s", name);
    return room;
}

EVP_MD_CTX *key_source_sign_begin(EVP_PKEY *key, const struct sigalg *sigalg)
{
    char room[KEY_PROPERTIES_MAX];
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    if (context && EVP_DigestSignInit_ex(context, NULL, sigalg->digest, NULL,
                                         key_source_properties(key, room), key, NULL) == 1)
        return context;
    EVP_MD_CTX_free(context);
    return NULL;
}

int key_source_fits(EVP_PKEY *key, EVP_PKEY *public, struct error *err)
{
    static const uint8_t message[] = "annul-signer: do key and certificate belong together?";
    static const char other[] = "does not belong to the certificate beside it";
    const struct sigalg *sigalg = sigalg_for_key(public);
    uint8_t signature[SIGNATURE_MAX];
    size_t len = sizeof signature;
    if (!sigalg || !EVP_PKEY_is_a(key, EVP_PKEY_get0_type_name(public)) ||
        EVP_PKEY_get_size(key) > SIGNATURE_MAX)
        return error_set(err, other);
    EVP_MD_CTX *signing = key_source_sign_begin(key, sigalg), *verifying = EVP_MD_CTX_new();
    int result = 0;
    if (!signing || !verifying || EVP_DigestSign(signing, signature, &len, message, sizeof message) != 1)
        result = error_set(err, "does not sign: %s", openssl_reason());
    else if (EVP_DigestVerifyInit_ex(verifying, NULL, sigalg->digest, NULL, NULL, public, NULL) != 1 ||
             EVP_DigestVerify(verifying, signature, len, message, sizeof message) != 1)
        result = error_set(err, other);
    EVP_MD_CTX_free(signing);
    EVP_MD_CTX_free(verifying);
    ERR_clear_error();
    return result;
}
