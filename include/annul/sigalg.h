/* Signature algorithms by key: one choice a kind of key, known before anything is signed, because a CRL names
 * its algorithm inside the signed part (RFC 5280 section 5.1.1.2). Any thread. */
#ifndef ANNUL_SIGALG_H
#define ANNUL_SIGALG_H

#include <annul/bytes.h>
#include <openssl/types.h>

#define SIGNATURE_MAX 512 /* RSA-4096 */

/* A key signs by any algorithm of its family. */
enum sigalg_family { SIGALG_RSA, SIGALG_ECDSA, SIGALG_ED25519 };

struct sigalg {
    enum sigalg_family family;
    const char *name;   /* "ecdsa-with-SHA256" */
    const char *digest; /* OpenSSL's name, or NULL where the algorithm hashes by itself (Ed25519) */
    struct bytes der;   /* AlgorithmIdentifier */
};

#define SIGALGS 7

/* What a key signs with unless somebody wishes otherwise. RSA 2048 to 4096 and P-256: SHA-256; P-384: SHA-384;
 * P-521: SHA-512; Ed25519. NULL for any other key. */
const struct sigalg *sigalg_for_key(const EVP_PKEY *key);

/* NULL for one that we do not know; `oid` is the content of the OBJECT IDENTIFIER. */
const struct sigalg *sigalg_by_oid(struct bytes oid);

/* Below SIGALGS; the same in annuld and annul-signer. NULL for a number that is none. */
unsigned sigalg_number(const struct sigalg *sigalg);
const struct sigalg *sigalg_by_number(unsigned number);

#endif
