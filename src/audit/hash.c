/* The hash of a row. */
#include <annul/audit.h>

#include <openssl/evp.h>

#include <string.h>

static void put_number(uint8_t *out, uint64_t number, int octets)
{
    for (int i = 0; i < octets; i++)
        out[i] = (uint8_t)(number >> 8 * (octets - 1 - i));
}

static bool add_octets(EVP_MD_CTX *md, struct bytes octets)
{
    uint8_t len[4];
    put_number(len, octets.at ? octets.len : UINT32_MAX, sizeof len);
    return EVP_DigestUpdate(md, len, sizeof len) == 1 &&
           (!octets.at || EVP_DigestUpdate(md, octets.at, octets.len) == 1);
}

static bool add_text(EVP_MD_CTX *md, const char *text)
{
    return add_octets(md, (struct bytes){(const uint8_t *)text, text ? strlen(text) : 0});
}

bool audit_hash(const uint8_t before[AUDIT_HASH], const struct audit_row *row, uint8_t hash[AUDIT_HASH])
{
    uint8_t numbers[16];
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    put_number(numbers, (uint64_t)row->id, 8);
    put_number(numbers + 8, (uint64_t)row->at, 8);
    bool good = md && EVP_DigestInit_ex(md, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(md, before, AUDIT_HASH) == 1 &&
                EVP_DigestUpdate(md, numbers, sizeof numbers) == 1 && add_text(md, row->actor) &&
                add_text(md, row->origin) && add_text(md, row->action) && add_text(md, row->issuer) &&
                add_octets(md, row->serial.len ? serial_bytes(&row->serial) : (struct bytes){NULL, 0}) &&
                add_text(md, row->detail) && EVP_DigestFinal_ex(md, hash, NULL) == 1;
    EVP_MD_CTX_free(md);
    return good;
}

bool audit_is_refusal(const char *action)
{
    return strncmp(action, AUDIT_REFUSED, sizeof AUDIT_REFUSED - 1) == 0;
}
