/* annul-stapler: OCSP responses and CRLs fetched, verified, kept, and brought to where brokers and terminators read them.
 * See annul-stapler(8) and annul-stapler.conf(5).
 */
#ifndef ANNUL_STAPLER_H
#define ANNUL_STAPLER_H

#include <annul/error.h>
#include <annul/log.h>

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

struct stapler_config;

/* Reads the file: its form, and each value by itself. NULL with "FILE:LINE: what: remedy". Not thread-safe. */
struct stapler_config *stapler_config_load(const char *path, struct error *err);
void stapler_config_free(struct stapler_config *config); /* NULL-safe */
enum log_level stapler_config_log_level(const struct stapler_config *config);

/* All that the configuration points to: certificates, CAs, folders, commands. 0 or -1. Changes nothing. */
int stapler_check(const struct stapler_config *config, struct error *err);

/* How a run ends: the exit status of the program. */
enum stapler_exit {
    STAPLER_GOOD = 0,
    STAPLER_FAILED = 1,    /* something needs a person: `err`, or the log */
    STAPLER_TEMPORARY = 75 /* EX_TEMPFAIL: something did not work now, and is worth another try as it is */
};

/* Fetches and delivers until one of the signals of `stop`, which all threads must have blocked; with `once`, what is due
 * now, and ends: STAPLER_TEMPORARY where a signal came before. */
enum stapler_exit stapler_run(const struct stapler_config *config, bool once, const sigset_t *stop,
                              struct error *err);

/* Prints what the running one, or the last one that ran, has written of itself. Each item's end is judged by the time now:
 * GOOD, TEMPORARY (something fails, but nothing has ended), FAILED (something has ended, or there is no status). */
enum stapler_exit stapler_status(const struct stapler_config *config, bool json, FILE *out,
                                 struct error *err);

#endif
