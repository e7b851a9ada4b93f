/* libconfuse tells the line only while it reads: has every key of the tables note it then. */
#ifndef ANNUL_BASE_CONFIG_LINES_H
#define ANNUL_BASE_CONFIG_LINES_H

#include <confuse.h>

void config_note_lines(cfg_opt_t *table);
void config_forget_lines(void);

#endif
