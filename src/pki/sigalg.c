#include <annul/sigalg.h>

#include <openssl/evp.h>

#include <string.h>

#define ALGORITHM(name, digest, ...)                                                                         \
    {                                                                                                        \
        name, digest,                                                                                        \
        {                                                                                                    \
            (const uint8_t[]){__VA_ARGS__}, sizeof(const uint8_t[])                                          \
            {                                                                                                \
                __VA_ARGS__                                                                                  \
            }                                                                                                \
        }                                                                                                    \
    }

/* RSA has NULL parameters (RFC 4055 section 5), ECDSA and Ed25519 none (RFC 5758 section 3.2, RFC 8410). */
static const struct sigalg rsa_sha256 =
    ALGORITHM("sha256WithRSAEncryption", "SHA256", 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
              0x01, 0x01, 0x0b, 0x05, 0x00);
static const struct sigalg ecdsa_sha256 = ALGORITHM("ecdsa-with-SHA256", "SHA256", 0x30, 0x0a, 0x06, 0x08,
                                                    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02);
static const struct sigalg ecdsa_sha384 = ALGORITHM("ecdsa-with-SHA384", "SHA384", 0x30, 0x0a, 0x06, 0x08,
                                                    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03);
static const struct sigalg ecdsa_sha512 = ALGORITHM("ecdsa-with-SHA512", "SHA512", 0x30, 0x0a, 0x06, 0x08,
                                                    0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x04);
static const struct sigalg ed25519 = ALGORITHM("Ed25519", NULL, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70);

const struct sigalg *sigalg_for_key(const EVP_PKEY *key)
{
    int bits = EVP_PKEY_get_bits(key);
    if (EVP_PKEY_is_a(key, "RSA"))
        return bits >= 2048 && bits <= 4096 ? &rsa_sha256 : NULL;
    if (EVP_PKEY_is_a(key, "ED25519"))
        return &ed25519;
    char group[32];
    if (!EVP_PKEY_is_a(key, "EC") || EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1)
        return NULL;
    if (strcmp(group, "prime256v1") == 0 || strcmp(group, "P-256") == 0)
        return &ecdsa_sha256;
    if (strcmp(group, "secp384r1") == 0 || strcmp(group, "P-384") == 0)
        return &ecdsa_sha384;
    if (strcmp(group, "secp521r1") == 0 || strcmp(group, "P-521") == 0)
        return &ecdsa_sha512;
    return NULL;
}
