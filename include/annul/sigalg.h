/* Signature algorithms by key: one choice a kind of key, known before anything is signed, because a CRL names
 * its algorithm inside the signed part (RFC 5280 section 5.1.1.2). Any thread. */
#ifndef ANNUL_SIGALG_H
#define ANNUL_SIGALG_H

#include <annul/bytes.h>
#include <openssl/types.h>

#define SIGNATURE_MAX 512 /* RSA-4096 */

struct sigalg {
    const char *name;   /* "ecdsa-with-SHA256" */
    const char *digest; /* OpenSSL's name, or NULL where the algorithm hashes by itself (Ed25519) */
    struct bytes der;   /* AlgorithmIdentifier */
};

/* RSA 2048 to 4096 and P-256: SHA-256; P-384: SHA-384; P-521: SHA-512; Ed25519. NULL for any other key. */
const struct sigalg *sigalg_for_key(const EVP_PKEY *key);

#endif
