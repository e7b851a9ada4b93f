/* What the rooms' files share: one call's work, and the ways to change a file. */
#ifndef ANNUL_DELIVER_INTERNAL_H
#define ANNUL_DELIVER_INTERNAL_H

#include <annul/deliver.h>

/* One call of deliver_staple or deliver_crls. */
struct work {
    const struct delivery *delivery;
    const struct deliver_target *target;
    bool begun;   /* the state says "pending", durably if it can be */
    bool changed; /* something was */
};

/* Before a change: makes "pending" durable, once a call. */
void work_begin(struct work *work);

/* --- place.c: files. Each changes nothing where nothing is to be changed; 0, or -1 and the old file is as it was. */

/* Content into `path`. A symlink is followed, so that what it points at is replaced and not the link. */
int place_put(struct work *work, const char *path, struct bytes content, struct error *err);

/* Makes `path` another name of `from`, in the same folder. */
int place_link(struct work *work, const char *from, const char *path, struct error *err);

int place_remove(struct work *work, const char *path, struct error *err);

/* Whether a file could be put there. */
int place_check(const char *path, struct error *err);

/* --- hash_dir.c */
/* `reload`: whether a running reader sees what changed only when it is told. */
int hash_dir_put(struct work *work, const struct deliver_crl *crls, size_t count, bool *reload,
                 struct error *err);

/* --- haproxy.c: its runtime API, at target->socket. Replies are bounded, and the whole dialogue takes 5 seconds at
 * most. */

/* Which process answers, "PID START". FOUND; ABSENT where nobody listens; FAILED. */
enum outcome haproxy_instance(const struct deliver_target *target, char *instance, size_t room,
                              struct error *err);

int haproxy_push_staple(const struct deliver_target *target, struct bytes der, struct error *err);

/* Whether a bundle of that size goes through the socket. */
bool haproxy_can_take(const struct deliver_target *target, size_t len);
int haproxy_push_crls(const struct deliver_target *target, struct bytes pem, struct error *err);

/* --- notify.c */

/* What changed; the strings may be NULL. */
struct notice {
    const char *event, *path, *certificate, *expires, *crls;
};

bool notify_is_set(const struct deliver_notify *notify);
/* ABSENT: there is no such process. */
enum outcome notify_send(const struct deliver_notify *notify, const struct notice *notice, struct error *err);
int notify_check(const struct deliver_notify *notify, struct error *err);

#endif
