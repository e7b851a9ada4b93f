/* Fault points: places where a test makes the program die, fail or dawdle. Empty in a release build. */
#ifndef ANNUL_FAULT_H
#define ANNUL_FAULT_H

#ifdef ANNUL_TEST
/* Where the environment variable ANNUL_FAULT is `name` or `name:N` the N-th arrival kills the process with
 * SIGKILL, as a power cut would. */
void fault_point(const char *name);

/* Where ANNUL_PAUSE is `name` it takes 20 ms here, so that what may happen meanwhile in another thread does. */
void fault_pause(const char *name);
#else
#define fault_point(name) ((void)0)
#define fault_pause(name) ((void)0)
#endif

#endif
