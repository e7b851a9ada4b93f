/* From where authentication failed: how often such attempts are looked at, and told of in the audit trail.
 *
 * An address has its attempts answered at once for as long as they are few. Then it waits a second, and twice as long after
 * each attempt that is looked at, up to an hour; after an hour of peace it is forgotten. Addresses that are too many to be
 * told apart wait together. Any thread; the time is an argument.
 */
#ifndef ANNUL_HTTP_STRANGERS_H
#define ANNUL_HTTP_STRANGERS_H

#include <stdbool.h>
#include <stdint.h>

#define STRANGERS_KNOWN 64   /* told apart at a time; the rest are "others" */
#define STRANGERS_PATIENCE 8 /* attempts that are answered without a wait */

struct stranger {
    bool due;          /* this attempt is to have an entry in the audit trail */
    bool other;        /* … as one of the others */
    unsigned left_out; /* attempts before it that had none */
    int64_t wait_ms;   /* for which attempts are not looked at; 0: this one is */
};

/* An attempt has failed. `network` is what is slowed down. */
struct stranger strangers_failed(const char *network, int64_t now_ms);

/* Forgets all of them; gives those of which not all was told. */
typedef void strangers_each(void *arg, const char *network, unsigned left_out);
void strangers_forget(strangers_each *each, void *arg);

#endif
