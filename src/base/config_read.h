/* Shared by the files that read annuld.conf: libconfuse's tree, and the values in it. One thread at a time. */
#ifndef ANNUL_BASE_CONFIG_READ_H
#define ANNUL_BASE_CONFIG_READ_H

#include <annul/config.h>

#include <confuse.h>

/* --- values (config_value.c) --------------------------------------------------------------------------- */

/* libconfuse tells the line only while it reads: has every key of the tables note it then. */
void config_note_lines(cfg_opt_t *table);
void config_forget_lines(void);
/* Where a section begins, as nearly as it can be known: its first key, and where a list in it has a default, its
 * name. 0: it is not in the file. */
int config_line_of_section(const cfg_t *section);
/* Of a key; of its section where the key is not given. */
int config_line_of(const cfg_t *section, const char *key);

struct config_value config_value_of(cfg_t *section, const char *key);
/* A file name: relative ones are taken from the folder of the configuration file. */
struct config_value config_file_of(const struct config *config, cfg_t *section, const char *key);
void config_make_absolute(const struct config *config, struct config_value *file);
/* Where a secret is: a file name, or a URI, which stays as it is. */
struct config_value config_secret_of(const struct config *config, cfg_t *section, const char *key);
/* malloc'ed; gives how many. */
size_t config_list_of(cfg_t *section, const char *key, struct config_value **list);

/* 0, or -1 with file, line and remedy. */
int config_number_of(const struct config *config, cfg_t *section, const char *key, long low, long high,
                     unsigned *number, struct error *err);
int config_duration_of(const struct config *config, cfg_t *section, const char *key, int64_t low,
                       int64_t high, int64_t *seconds, struct error *err);
/* Which of the choices (NULL at the end), or -1; the second of one value of a list. */
int config_choice_of(const struct config *config, cfg_t *section, const char *key, const char *const *choices,
                     struct error *err);
int config_choice_at(const struct config *config, cfg_t *section, const char *key, unsigned at,
                     const char *const *choices, struct error *err);

/* --- issuer sections (config_issuer.c) ----------------------------------------------------------------- */

extern cfg_opt_t config_issuer_keys[];
int config_read_issuer(const struct config *config, cfg_t *section, struct config_issuer *issuer,
                       struct error *err);
void config_free_issuer(struct config_issuer *issuer);

#endif
