/* Bearer tokens: made once, shown once, kept as hashes. */
#include "internal.h"

#include <annul/hex.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char prefix[] = "annul_";

static bool hash_token(const char *token, uint8_t hash[STORE_TOKEN_HASH])
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

/* "ops: operator of issuing-client, issuing-server, until 2027-02-19T10:14:06Z", and what comes of it */
static bool describe(const struct store_token *token, const char *end, struct buffer *out)
{
    char until[TIME_TEXT];
    bool good = buffer_printf(out, "%s: %s", token->name, role_name(token->role));
    for (const char *at = token->scope; good && at && *at;) {
        size_t len = strcspn(at, " ");
        good = buffer_printf(out, "%s%.*s", at == token->scope ? " of " : ", ", (int)len, at);
        at += len + (at[len] == ' ');
    }
    if (good && token->expires_at != TIME_NONE) {
        time_to_text(token->expires_at, until);
        good = buffer_printf(out, ", until %s", until);
    }
    return good && buffer_add(out, end, strlen(end) + 1);
}

static enum admin_result add(struct store_tx *tx, const struct store_token *token, int64_t *id,
                             struct error *err)
{
    struct buffer detail = {0};
    enum outcome added = store_tx_token_add(tx, token, id, err);
    if (added == ABSENT) {
        error_set(
            err,
            "a token named \"%s\" was made before; names are not used twice, so that the audit stays clear",
            token->name);
        return ADMIN_CONFLICT;
    }
    enum admin_result result = ADMIN_FAILED;
    if (added == FOUND && !describe(token, "", &detail))
        error_set(err, "out of memory");
    else if (added == FOUND &&
             store_tx_audit(tx, "token create", NULL, NULL, (const char *)detail.at, err) == 0)
        result = ADMIN_DONE;
    buffer_free(&detail);
    return result;
}

enum admin_result admin_token_create(struct admin *admin, const struct store_actor *actor,
                                     const struct store_token *wanted, char token[ADMIN_TOKEN], int64_t *id,
                                     struct error *err)
{
    uint8_t hash[STORE_TOKEN_HASH];
    struct store_token row = *wanted;
    row.hash = hash;
    if (row.expires_at != TIME_NONE && row.expires_at <= actor->at) {
        error_set(err, "expires_at is in the past");
        return ADMIN_INVALID;
    }
    if (!make_token(token) || !hash_token(token, hash)) {
        error_set(err, "OpenSSL gives no random octets");
        return ADMIN_FAILED;
    }
    struct store_tx *tx = store_begin(admin->store, actor, err);
    return tx ? admin_finish(admin, tx, add(tx, &row, id, err), NULL, err) : ADMIN_FAILED;
}

struct revocation {
    struct buffer detail;
    bool described, was_revoked;
};

static int note_token(void *arg, const struct store_token *token)
{
    struct revocation *revocation = arg;
    revocation->was_revoked = token->revoked_at != TIME_NONE;
    revocation->described = describe(token, " -> revoked", &revocation->detail);
    return 1;
}

static enum admin_result revoke(struct store_tx *tx, int64_t id, struct revocation *revocation,
                                struct error *err)
{
    enum outcome found = store_tx_token(tx, id, note_token, revocation, err);
    if (found == ABSENT) {
        error_set(err, "no token has the id %lld", (long long)id);
        return ADMIN_NOT_FOUND;
    }
    if (found == FOUND && revocation->was_revoked)
        return ADMIN_DONE;
    if (found == FOUND && !revocation->described)
        error_set(err, "out of memory");
    bool done = found == FOUND && revocation->described && store_tx_token_revoke(tx, id, err) == FOUND &&
                store_tx_audit(tx, "token revoke", NULL, NULL, (const char *)revocation->detail.at, err) == 0;
    return done ? ADMIN_DONE : ADMIN_FAILED;
}

enum admin_result admin_token_revoke(struct admin *admin, const struct store_actor *actor, int64_t id,
                                     struct error *err)
{
    struct revocation revocation = {0};
    struct store_tx *tx = store_begin(admin->store, actor, err);
    if (!tx)
        return ADMIN_FAILED;
    enum admin_result result = admin_finish(admin, tx, revoke(tx, id, &revocation, err), NULL, err);
    buffer_free(&revocation.detail);
    return result;
}

enum admin_result admin_token_used(struct admin *admin, const struct store_actor *actor, int64_t id,
                                   struct error *err)
{
    struct store_tx *tx = store_begin(admin->store, actor, err);
    if (!tx)
        return ADMIN_FAILED;
    enum admin_result result = store_tx_token_used(tx, id, err) == 0 ? ADMIN_DONE : ADMIN_FAILED;
    return admin_finish(admin, tx, result, NULL, err);
}

/* --- who asks ------------------------------------------------------------------------------------------ */

struct search {
    uint8_t hash[STORE_TOKEN_HASH];
    struct admin_holder *holder;
    int64_t revoked_at;
    bool found, no_memory;
};

static int compare(void *arg, const struct store_token *token)
{
    struct search *search = arg;
    if (CRYPTO_memcmp(search->hash, token->hash, STORE_TOKEN_HASH) != 0)
        return 0;
    *search->holder = (struct admin_holder){.id = token->id,
                                            .role = token->role,
                                            .scope = token->scope ? strdup(token->scope) : NULL,
                                            .expires_at = token->expires_at,
                                            .last_used_at = token->last_used_at};
    snprintf(search->holder->name, sizeof search->holder->name, "%s", token->name);
    search->revoked_at = token->revoked_at;
    search->no_memory = token->scope && !search->holder->scope;
    search->found = true;
    return 1;
}

/* Why a token that there is, or was, is not good; NULL: it is. */
static const char *fault_of(const struct search *search, int64_t now)
{
    if (!search->found)
        return "unknown";
    if (search->revoked_at != TIME_NONE)
        return "revoked";
    bool expired = search->holder->expires_at != TIME_NONE && search->holder->expires_at <= now;
    return expired ? "expired" : NULL;
}

enum outcome admin_token_check(struct admin *admin, const char *token, int64_t now,
                               struct admin_holder *holder, struct error *err)
{
    struct search search = {.holder = holder};
    *holder = (struct admin_holder){0};
    if (strlen(token) != ADMIN_TOKEN - 1 || strncmp(token, prefix, sizeof prefix - 1) != 0) {
        error_set(err, "unknown");
        return ABSENT;
    }
    if (!hash_token(token, search.hash))
        return error_set(err, "OpenSSL cannot hash");
    if (store_token_find(admin->store, search.hash, compare, &search, err) < 0)
        return FAILED;
    if (search.no_memory)
        return error_set(err, "out of memory");
    const char *fault = fault_of(&search, now);
    if (!fault)
        return FOUND;
    error_set(err, "%s%s%s", fault, search.found ? ", " : "", holder->name);
    free(holder->scope);
    holder->scope = NULL;
    return ABSENT;
}
