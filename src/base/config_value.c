#include "config_lines.h"

#include <annul/config.h>
#include <annul/config_file.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- libconfuse tells the line only while it reads: note it then --------------------------------------- */

static struct line {
    const cfg_t *section;
    const char *key; /* points into the tables of keys */
    int line;
} * lines;
static size_t line_count;

static int note_line(cfg_t *section, cfg_opt_t *option)
{
    struct line *more = realloc(lines, (line_count + 1) * sizeof *lines);
    if (!more)
        return -1;
    lines = more;
    lines[line_count++] = (struct line){section, option->name, section->line};
    return 0;
}

int config_line_of_section(const cfg_t *section)
{
    for (size_t i = 0; i < line_count; i++)
        if (lines[i].section == section)
            return lines[i].line;
    return section->line;
}

int config_line_of(const cfg_t *section, const char *key)
{
    for (size_t i = line_count; i > 0; i--) /* the last: a list's default is noted, too */
        if (lines[i - 1].section == section && strcmp(lines[i - 1].key, key) == 0)
            return lines[i - 1].line;
    return config_line_of_section(section);
}

void config_note_lines(cfg_opt_t *table)
{
    for (; table->name; table++) {
        table->validcb = note_line;
        if (table->type == CFGT_SEC)
            config_note_lines(table->subopts);
    }
}

void config_forget_lines(void)
{
    free(lines);
    lines = NULL;
    line_count = 0;
}

/* --- from libconfuse's tree to ours -------------------------------------------------------------------- */

struct config_value config_value_of(cfg_t *section, const char *key)
{
    const char *text = cfg_getstr(section, key);
    return (struct config_value){text ? strdup(text) : NULL, config_line_of(section, key)};
}

/* A file name: relative ones are taken from the folder of the configuration file. */
void config_make_absolute(const char *path, struct config_value *file)
{
    if (!file->text || file->text[0] == '/')
        return;
    char *real = realpath(path, NULL), *absolute = NULL;
    char *slash = real ? strrchr(real, '/') : NULL;
    if (slash && asprintf(&absolute, "%.*s/%s", (int)(slash - real), real, file->text) > 0) {
        free(file->text);
        file->text = absolute;
    }
    free(real);
}

struct config_value config_file_of(const char *path, cfg_t *section, const char *key)
{
    struct config_value value = config_value_of(section, key);
    config_make_absolute(path, &value);
    return value;
}

bool config_is_uri(const char *text)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+.-");
    return len >= 2 && text[0] >= 'a' && text[0] <= 'z' && text[len] == ':';
}

/* Where a secret is: a file name, or a URI, which stays as it is. */
struct config_value config_secret_of(const char *path, cfg_t *section, const char *key)
{
    const char *text = cfg_getstr(section, key);
    return text && config_is_uri(text) ? config_value_of(section, key) : config_file_of(path, section, key);
}

size_t config_list_of(cfg_t *section, const char *key, struct config_value **list)
{
    size_t count = cfg_size(section, key);
    *list = calloc(count ? count : 1, sizeof **list);
    if (!*list)
        return 0;
    for (size_t i = 0; i < count; i++)
        (*list)[i] = (struct config_value){strdup(cfg_getnstr(section, key, (unsigned)i)),
                                           config_line_of(section, key)};
    return count;
}

void config_free_list(struct config_value *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        free(list[i].text);
    free(list);
}

int config_number_of(const char *path, cfg_t *section, const char *key, long low, long high, unsigned *number,
                     struct error *err)
{
    long value = cfg_getint(section, key);
    if (value < low || value > high)
        return config_file_error(path, config_line_of(section, key), err, "%s = %ld: must be from %ld to %ld",
                                 key, value, low, high);
    *number = (unsigned)value;
    return 0;
}

int config_duration_of(const char *path, cfg_t *section, const char *key, int64_t low, int64_t high,
                       int64_t *seconds, struct error *err)
{
    const char *text = cfg_getstr(section, key);
    if (!config_duration(text, seconds))
        return config_file_error(path, config_line_of(section, key), err,
                                 "%s = \"%s\": not a duration; write 90s, 15m, 12h or 7d", key, text);
    if (*seconds < low || *seconds > high)
        return config_file_error(path, config_line_of(section, key), err,
                                 "%s = \"%s\": must be from %llds to %llds", key, text, (long long)low,
                                 (long long)high);
    return 0;
}

/* Of a list: its value number `at`. */
int config_choice_at(const char *path, cfg_t *section, const char *key, unsigned at,
                     const char *const *choices, struct error *err)
{
    const char *text = cfg_getnstr(section, key, at);
    char known[128] = "";
    for (int i = 0; choices[i]; i++) {
        if (strcmp(text, choices[i]) == 0)
            return i;
        strncat(known, i ? ", " : "", sizeof known - strlen(known) - 1);
        strncat(known, choices[i], sizeof known - strlen(known) - 1);
    }
    return config_file_error(path, config_line_of(section, key), err, "%s = \"%s\": must be one of %s", key,
                             text, known);
}

int config_choice_of(const char *path, cfg_t *section, const char *key, const char *const *choices,
                     struct error *err)
{
    return config_choice_at(path, section, key, 0, choices, err);
}
