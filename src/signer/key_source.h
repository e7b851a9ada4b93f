/* Where a private key comes from: a file, a systemd credential, or whatever holds it behind a URI that an OpenSSL
 * provider or engine understands (pkcs11:, handle:). In annul-signer alone.
 *
 * No message tells a word of a key, of a passphrase or of a PIN.
 */
#ifndef ANNUL_SIGNER_KEY_SOURCE_H
#define ANNUL_SIGNER_KEY_SOURCE_H

#include <annul/config.h>
#include <annul/error.h>
#include <annul/sigalg.h>

/* Has OpenSSL load signer { openssl_config }, where there is one: providers and engines of this process alone. 0 or -1 with file and line. */
int key_source_begin(const struct config *config, struct error *err);

/* Ends them, when all keys are freed: later, at exit, the library that drives a token may be gone before them. */
void key_source_end(void);

/* Opens a private key: a file (PEM, DER, PKCS #12; "file:/…" is one as well), "credential:NAME", or a URI. The first
 * line of `passphrase_file` (or NULL) is the passphrase or the PIN; it may be "credential:NAME", too. Files that
 * everyone can read are refused. NULL with the reason and the remedy. Free with EVP_PKEY_free. */
EVP_PKEY *key_source_open(const char *source, const char *passphrase_file, struct error *err);

/* Properties by which OpenSSL signs where the key is: of two providers that know ECDSA it takes the first, and one that
 * cannot have the key. NULL where the first is right. `room` holds the text. */
#define KEY_PROPERTIES_MAX 64
const char *key_source_properties(const EVP_PKEY *key, char room[KEY_PROPERTIES_MAX]);

/* Ready to sign octets with the key, by any way that OpenSSL has for that. NULL where OpenSSL cannot. */
EVP_MD_CTX *key_source_sign_begin(EVP_PKEY *key, const struct sigalg *sigalg);

/* Whether a key signs what `public` verifies: by trying, because a token may keep to itself what could be compared,
 * or may forbid a key to sign. 0, or -1 with the reason. */
int key_source_fits(EVP_PKEY *key, EVP_PKEY *public, struct error *err);

#endif
