/* Certificate files: which there are, and when they are replaced. The main thread alone calls these. */
#ifndef ANNUL_STAPLER_WATCH_H
#define ANNUL_STAPLER_WATCH_H

#include "stapler.h"

int watch_start(struct stapler *stapler, struct error *err);
int watch_fd(const struct stapler *stapler);
/* Reads what the kernel says, and looks at the files where it says something. */
void watch_changed(struct stapler *stapler);
/* Whether the files are to be looked at. With the lock held. */
bool watch_is_due(const struct stapler *stapler);
/* Whether a certificate that is gone is to be withdrawn, or let go. With the lock held. */
bool watch_is_over(const struct stapler *stapler, const struct staple *staple);
/* Looks at all of them: new ones get a staple, those that are gone lose it, those replaced are fetched for. */
void watch_rescan(struct stapler *stapler);
void watch_stop(struct stapler *stapler);

#endif
