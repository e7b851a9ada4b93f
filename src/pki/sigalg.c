#include <annul/sigalg.h>

#include <openssl/evp.h>

#include <string.h>

#define ALGORITHM(family, name, digest, ...)                                                                 \
    {                                                                                                        \
        family, name, digest,                                                                                \
        {                                                                                                    \
            (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[])                                          \
            {                                                                                                \
                __VA_ARGS__                                                                                  \
            }                                                                                                \
        }                                                                                                    \
    }

/* RSA has NULL parameters (RFC 4055 section 5), ECDSA and Ed25519 none (RFC 5758 section 3.2, RFC 8410). */
#define RSA(name, digest, last)                                                                              \
    ALGORITHM(SIGALG_RSA, name, digest, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01,    \
              0x01, last, 0x05, 0x00)
#define ECDSA(name, digest, last)                                                                            \
    ALGORITHM(SIGALG_ECDSA, name, digest, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03,  \
              last)

static const struct sigalg algorithms[SIGALGS] = {
    RSA("sha256WithRSAEncryption", "SHA256", 0x0b),
    RSA("sha384WithRSAEncryption", "SHA384", 0x0c),
    RSA("sha512WithRSAEncryption", "SHA512", 0x0d),
    ECDSA("ecdsa-with-SHA256", "SHA256", 0x02),
    ECDSA("ecdsa-with-SHA384", "SHA384", 0x03),
    ECDSA("ecdsa-with-SHA512", "SHA512", 0x04),
    ALGORITHM(SIGALG_ED25519, "Ed25519", NULL, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70),
};
enum { RSA_SHA256, ECDSA_SHA256 = 3, ECDSA_SHA384, ECDSA_SHA512, ED25519 };

const struct sigalg *sigalg_for_key(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA"))
        return bits >= 2048 && bits <= 4096 ? &algorithms[RSA_SHA256] : NULL;
    if (EVP_PKEY_is_a(key, "ED25519"))
        return &algorithms[ED25519];
    char group[32];
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return NULL;
    if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)
        return &algorithms[ECDSA_SHA256];
    if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0)
        return &algorithms[ECDSA_SHA384];
    if (strcmp(group, "secp521r1") == 0 || strcmp(group, "P-521") == 0)
        return &algorithms[ECDSA_SHA512];
    return NULL;
}

unsigned sigalg_number(const struct sigalg *sigalg)
{
    return (unsigned)(sigalg - algorithms);
}

const struct sigalg *sigalg_by_number(unsigned number)
{
    return number < SIGALGS ? &algorithms[number] : NULL;
}

const struct sigalg *sigalg_by_oid(struct bytes oid)
{
    for (const struct sigalg *s = algorithms; s < algorithms + SIGALGS; s++)
        if (s->der.at[3] == oid.len && memcmp(s->der.at + 4, oid.at, oid.len) == 0)
            return s;
    return NULL;
}
