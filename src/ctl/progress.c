#include "progress.h"

#include <annul/clock.h>

#include <stdio.h>
#include <unistd.h>

#define REDRAW_MS 100
#define LINE_MS 1000

void ctl_progress_start(const struct ctl *ctl, struct ctl_progress *progress)
{
    int64_t now = clock_monotonic_ms();
    bool terminal = isatty(STDERR_FILENO) == 1;
    *progress = (struct ctl_progress){.command = ctl->word[0],
                                      .quiet = ctl->option[CTL_QUIET] != NULL,
                                      .terminal = terminal,
                                      .next_ms = now + (terminal ? 0 : LINE_MS)};
}

void ctl_progress_show(struct ctl_progress *progress, size_t done, size_t total)
{
    int64_t now = clock_monotonic_ms();
    if (progress->quiet || now < progress->next_ms)
        return;
    progress->next_ms = now + (progress->terminal ? REDRAW_MS : LINE_MS);
    fprintf(stderr, "%s%s: %zu", progress->terminal ? "\r\x1b[K" : "annulctl: ", progress->command, done);
    if (total)
        fprintf(stderr, " of %zu", total);
    if (!progress->terminal)
        fputc('\n', stderr);
    progress->shown = true;
    fflush(stderr);
}

void ctl_progress_clear(struct ctl_progress *progress)
{
    if (progress->terminal && progress->shown)
        fputs("\r\x1b[K", stderr);
    progress->shown = false;
}
