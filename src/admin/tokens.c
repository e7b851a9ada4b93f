/* Bearer tokens: made once, shown once, kept as hashes. */
#include "internal.h"

#include <annul/hex.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <string.h>

static const char prefix[] = "annul_";

static bool hash_token(const char *token, uint8_t hash[32])
{
    size_t len;
    return EVP_Q_digest(NULL, "SHA256", NULL, token, strlen(token), hash, &len) == 1;
}

static bool make_token(char token[ADMIN_TOKEN])
{
    uint8_t secret[32];
    if (RAND_bytes(secret, sizeof secret) != 1)
        return false;
    memcpy(token, prefix, sizeof prefix);
    hex_encode(secret, sizeof secret, token + sizeof prefix - 1);
    OPENSSL_cleanse(secret, sizeof secret);
    return true;
}

enum admin_result admin_token_create(struct admin *admin, const struct store_actor *actor, const char *name,
                                     char token[ADMIN_TOKEN], int64_t *id, struct error *err)
{
    uint8_t hash[32];
    if (!make_token(token) || !hash_token(token, hash)) {
        error_set(err, "OpenSSL gives no random octets");
        return ADMIN_FAILED;
    }
    struct store_tx *tx = store_begin(admin->store, actor, err);
    if (!tx)
        return ADMIN_FAILED;
    enum outcome added = store_tx_token_add(tx, name, hash, id, err);
    enum admin_result result = added == FOUND ? ADMIN_DONE : added == ABSENT ? ADMIN_CONFLICT : ADMIN_FAILED;
    if (added == ABSENT)
        error_set(
            err,
            "a token named \"%s\" was made before; names are not used twice, so that the audit stays clear",
            name);
    if (result == ADMIN_DONE && store_tx_audit(tx, "token create", NULL, NULL, name, err) < 0)
        result = ADMIN_FAILED;
    return admin_finish(admin, tx, result, NULL, err);
}

enum admin_result admin_token_revoke(struct admin *admin, const struct store_actor *actor, int64_t id,
                                     struct error *err)
{
    char detail[32];
    struct store_tx *tx = store_begin(admin->store, actor, err);
    if (!tx)
        return ADMIN_FAILED;
    enum outcome found = store_tx_token_revoke(tx, id, err);
    enum admin_result result = found == FOUND ? ADMIN_DONE : found == ABSENT ? ADMIN_NOT_FOUND : ADMIN_FAILED;
    if (found == ABSENT)
        error_set(err, "no token has the id %lld", (long long)id);
    snprintf(detail, sizeof detail, "id %lld", (long long)id);
    if (result == ADMIN_DONE && store_tx_audit(tx, "token revoke", NULL, NULL, detail, err) < 0)
        result = ADMIN_FAILED;
    return admin_finish(admin, tx, result, NULL, err);
}

enum outcome admin_token_check(struct admin *admin, const char *token, char name[64], struct error *err)
{
    uint8_t hash[32];
    if (strlen(token) != ADMIN_TOKEN - 1 || strncmp(token, prefix, sizeof prefix - 1) != 0)
        return ABSENT;
    if (!hash_token(token, hash))
        return error_set(err, "OpenSSL cannot hash");
    return store_token_find(admin->store, hash, name, err);
}
