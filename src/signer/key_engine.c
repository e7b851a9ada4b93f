/* Engines are deprecated since OpenSSL 3.0 and gone in 4.0, but Debian 12 has PKCS #11 in no other form. So this file,
 * and no other, is compiled with them; where there are none it finds none. */
#undef OPENSSL_NO_DEPRECATED
#define OPENSSL_SUPPRESS_DEPRECATED
#include "key_engine.h"

#if __has_include(<openssl/engine.h>)
#include <openssl/engine.h>
#endif

#if defined(OPENSSL_NO_ENGINE) || !__has_include(<openssl/engine.h>)

EVP_PKEY *key_engine_open(const char *id, const char *uri, const char *pin, UI_METHOD *ui, void *ui_arg,
                          int *found)
{
    (void)id, (void)uri, (void)pin, (void)ui, (void)ui_arg;
    *found = 0;
    return NULL;
}

#else

EVP_PKEY *key_engine_open(const char *id, const char *uri, const char *pin, UI_METHOD *ui, void *ui_arg,
                          int *found)
{
    EVP_PKEY *key = NULL;
    ENGINE *engine = ENGINE_by_id(id);
    *found = engine != NULL;
    if (engine && ENGINE_init(engine)) {
        /* The engine keeps one PIN for all tokens, and would not ask for that of the next. */
        if (!pin || ENGINE_ctrl_cmd_string(engine, "PIN", pin, 1))
            key = ENGINE_load_private_key(engine, uri, ui, ui_arg); /* it holds the engine from now on */
        ENGINE_finish(engine);
    }
    ENGINE_free(engine);
    return key;
}

#endif
