/* What people see. Text from outside is never written to a terminal as it came. */
#ifndef ANNUL_CTL_PRINT_H
#define ANNUL_CTL_PRINT_H

#include "ctl.h"

#include <jansson.h>
#include <stdio.h>

/* Writes UTF-8 with everything that steers a terminal or turns text around made visible: \x1b, \u202e. */
void ctl_put_visible(FILE *out, const char *text);

/* One value a line. ASCII only where standard output is a terminal. */
void ctl_print_json(const json_t *value);

/* A certificate object of the API as one line; its serial is padded to `width`. `note` may be NULL. */
void ctl_print_certificate(const json_t *certificate, int width, const char *note);

/* The string at `key`, or `otherwise` where it is null or absent. */
const char *ctl_json_text(const json_t *object, const char *key, const char *otherwise);

/* A table that is printed when its widths are known: `cells` are strings, row by row, the first row the
 * heads. */
struct ctl_table {
    size_t columns;
    size_t cells_len;
    char **cells;
};
bool ctl_table_add(struct ctl_table *table, const char *format, ...) __attribute__((format(printf, 2, 3)));
void ctl_table_print(const struct ctl_table *table);
void ctl_table_free(struct ctl_table *table);

#endif
