/* What comes in from elsewhere: CRLs of CAs whose key is not here, by upload, from watched files and folders, and from
 * URLs; and the index.txt of an `openssl ca` beside us.
 *
 * A thread for each source, so that none waits for another: what one brings may take its time to be taken in. What is
 * wrong with a source is logged when it begins and when it changes, not each time that it is met.
 */
#ifndef ANNUL_INTAKE_H
#define ANNUL_INTAKE_H

#include <annul/admin.h>

struct intake;

/* 0 where the folders of all files that are to be watched are there; for `annuld -t`. */
int intake_check(const struct config *config, struct error *err);

/* Starts all sources; fetch_start must have been called. NULL with the reason. Keeps the pointer. */
struct intake *intake_start(struct admin *admin, struct error *err);

/* Takes nothing more, and has what is under way end soon; those that wait for an upload hear so. NULL-safe. */
void intake_halt(struct intake *intake);

/* The same, and ends the threads. NULL-safe. */
void intake_stop(struct intake *intake);

/* A CRL that was uploaded, from the start of `fd`, which becomes ours. `done` is called once, in a thread of ours; it must
 * not block. False, and it is not called: another one for this issuer is being taken in, or we are stopping. Any thread. */
typedef void intake_done(void *arg, enum admin_result result, const struct admin_crl_taken *taken,
                         const struct error *err);
bool intake_upload(struct intake *intake, const struct issuer *issuer, int fd,
                   const struct store_actor *actor, intake_done *done, void *arg);

#endif
