/* Keys in an OpenSSL engine: for systems that have no PKCS #11 provider. */
#ifndef ANNUL_SIGNER_KEY_ENGINE_H
#define ANNUL_SIGNER_KEY_ENGINE_H

#include <openssl/types.h>

/* Has the engine called `id` open a key; `pin` may be NULL, and is asked for by `ui` then. NULL where it cannot, or
 * where no such engine is there, which `found` tells; OpenSSL's error queue says more. */
EVP_PKEY *key_engine_open(const char *id, const char *uri, const char *pin, UI_METHOD *ui, void *ui_arg,
                          int *found);

#endif
