/* Reading a configuration file with libconfuse: one way for annuld.conf and annul-stapler.conf. The tree, and the values in
 * it, which are checked and reported as "FILE:LINE: what: remedy". Texts that are given are malloc'ed. One thread at a time:
 * libconfuse, and the lines that are noted, are the process's.
 */
#ifndef ANNUL_CONFIG_FILE_H
#define ANNUL_CONFIG_FILE_H

#include <annul/config_value.h>
#include <annul/error.h>

#include <confuse.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the file. `keys` is the table of all that it may hold; CONFIG_FILE_END ends it. `manual` names the page that lists the keys. NULL with the reason; the caller frees with
 * config_file_free, after which lines are not known any more. */
cfg_t *config_file_read(const char *path, cfg_opt_t *keys, const char *manual, struct error *err);
void config_file_free(cfg_t *root); /* NULL-safe */

/* libconfuse takes the end of the file for the end of every open section. So a key that is known outside of sections alone
 * is put behind the text: where a brace is missing, it is refused. */
#define CONFIG_END_KEY "end_of_configuration"
#define CONFIG_FILE_END() CFG_BOOL(CONFIG_END_KEY, cfg_false, CFGF_NONE), CFG_END()

/* Sets "FILE:LINE: " and the message; returns -1. */
int config_file_error(const char *path, int line, struct error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* --- values (config_value.c) --------------------------------------------------------------------------- */

/* Where a section begins, as nearly as it can be known: its first key, and where a list in it has a default, its
 * name. 0: it is not in the file. */
int config_line_of_section(const cfg_t *section);
/* Of a key; of its section where the key is not given. */
int config_line_of(const cfg_t *section, const char *key);

struct config_value config_value_of(cfg_t *section, const char *key);
/* A file name: relative ones are taken from the folder of the configuration file. */
struct config_value config_file_of(const char *path, cfg_t *section, const char *key);
void config_make_absolute(const char *path, struct config_value *file);
/* Where a secret is: a file name, or a URI, which stays as it is. */
struct config_value config_secret_of(const char *path, cfg_t *section, const char *key);
/* Gives how many. */
size_t config_list_of(cfg_t *section, const char *key, struct config_value **list);
void config_free_list(struct config_value *list, size_t count); /* NULL-safe */

/* 0, or -1 with file, line and remedy. */
int config_number_of(const char *path, cfg_t *section, const char *key, long low, long high, unsigned *number,
                     struct error *err);
int config_duration_of(const char *path, cfg_t *section, const char *key, int64_t low, int64_t high,
                       int64_t *seconds, struct error *err);
/* Which of the choices (NULL at the end), or -1; the second of one value of a list. */
int config_choice_of(const char *path, cfg_t *section, const char *key, const char *const *choices,
                     struct error *err);
int config_choice_at(const char *path, cfg_t *section, const char *key, unsigned at,
                     const char *const *choices, struct error *err);

#endif
