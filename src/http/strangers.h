/* From where authentication failed, and who was refused: how often such attempts are looked at, and told of in the audit
 * trail.
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
#define STRANGERS_CALLS 64   /* refusals of an actor that have an entry each, before these get rarer */

enum strangers_list {
    STRANGERS_NETWORKS, /* from which authentication failed */
    STRANGERS_ACTORS,   /* who have authenticated, and were refused something */
    STRANGERS_LISTS
};

struct stranger {
    bool due;          /* this attempt is to have an entry in the audit trail */
    bool other;        /* … as one of the others */
    unsigned left_out; /* attempts before it that had none */
    int64_t wait_ms;   /* for which attempts are not looked at; 0: this one is */
};

/* An attempt has failed: of whom, by name. */
struct stranger strangers_failed(enum strangers_list list, const char *name, int64_t now_ms);

/* Forgets all of a list; gives those of whom not all was told. */
typedef void strangers_each(void *arg, const char *name, unsigned left_out);
void strangers_forget(enum strangers_list list, strangers_each *each, void *arg);

#endif
