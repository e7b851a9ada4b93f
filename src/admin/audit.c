/* Entries about what is no change of the store's. */
#include "internal.h"

enum admin_result admin_note(struct admin *admin, const struct store_actor *actor, const char *action,
                             const struct issuer *issuer, const struct serial *serial, const char *detail,
                             struct error *err)
{
    struct store_tx *tx = store_begin(admin->store, actor, err);
    if (!tx)
        return ADMIN_FAILED;
    const char *name = issuer ? issuer->config->name.text : NULL;
    bool good = store_tx_audit(tx, action, name, serial, detail, err) == 0;
    return admin_finish(admin, tx, good ? ADMIN_DONE : ADMIN_FAILED, NULL, err);
}
