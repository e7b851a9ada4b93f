/* A line on standard error that says how far a long command is. */
#ifndef ANNUL_CTL_PROGRESS_H
#define ANNUL_CTL_PROGRESS_H

#include "ctl.h"

struct ctl_progress {
    const char *command;
    bool quiet, terminal, shown;
    int64_t next_ms; /* clock_monotonic_ms */
};

void ctl_progress_start(const struct ctl *ctl, struct ctl_progress *progress);

/* On a terminal the line is drawn over; elsewhere a line is added every second, after the first. `total` 0:
 * not known. */
void ctl_progress_show(struct ctl_progress *progress, size_t done, size_t total);

/* Clears the line from a terminal: call before anything else is printed. */
void ctl_progress_clear(struct ctl_progress *progress);

#endif
