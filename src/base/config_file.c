#include "config_lines.h"

#include <annul/bytes.h>
#include <annul/config_file.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_MAX (4 << 20)

static const char *reading_path, *reading_manual;
static struct error *reading_error;

static void reading_failed(cfg_t *cfg, const char *format, va_list args)
{
    char message[400], remedy[96] = "";
    if (reading_error->text[0]) /* the first message is the cause */
        return;
    vsnprintf(message, sizeof message, format, args);
    if (strstr(message, CONFIG_END_KEY))
        snprintf(message, sizeof message, "the file ends inside a section: a closing brace is missing");
    else if (strstr(message, "no such option"))
        snprintf(remedy, sizeof remedy, " (%s lists the keys of each section)", reading_manual);
    else if (strstr(message, "duplicate title"))
        snprintf(remedy, sizeof remedy, "; make the two sections one, or give this one another title");
    error_set(reading_error, "%s:%d: %s%s", reading_path, cfg->line, message, remedy);
}

/* libconfuse 3.3 miscounts lines that hold comments: they become blanks before it sees them. */
static void blank_comments(char *text)
{
    char before = '\n';
    while (*text) {
        if (*text == '"' || *text == '\'') { /* to the closing quote, over escapes */
            char quote = *text++;
            while (*text && *text != quote)
                text += *text == '\\' && text[1] ? 2 : 1;
        } else if (*text == '#' || (strchr(" \t\n{}=,;", before) && text[0] == '/' && text[1] == '/')) {
            while (*text && *text != '\n')
                *text++ = ' ';
            before = ' ';
            continue;
        } else if (strchr(" \t\n{}=,;", before) && text[0] == '/' && text[1] == '*' &&
                   strstr(text + 2, "*/")) {
            for (char *end = strstr(text + 2, "*/") + 2; text < end; text++)
                *text = *text == '\n' ? '\n' : ' ';
            before = ' ';
            continue;
        }
        before = *text;
        text += *text != 0;
    }
}

/* Within double quotes libconfuse drops a backslash that it does not know what to do with, and a text becomes another one:
 * that is refused. The line of the first one; 0: there is none. Comments are blank already. */
static int line_of_lost_backslash(const char *text)
{
    char quote = 0;
    for (int line = 1; *text; text++) {
        line += *text == '\n';
        if (quote && *text == '\\' && text[1]) {
            if (quote == '"' && !strchr("\"\\'$abefnrtx01234567\n", text[1]))
                return line;
            line += *++text == '\n';
        } else if (!quote && (*text == '"' || *text == '\'')) {
            quote = *text;
        } else if (*text == quote) {
            quote = 0;
        }
    }
    return 0;
}

static int read_text(const char *path, cfg_t *root, struct error *err)
{
    struct buffer text = {0};
    if (file_read(path, CONFIG_MAX, &text) < 0)
        return error_set(err, "%s: %s", path, strerror(errno));
    int result = -1;
    if (buffer_add_text(&text, "\n" CONFIG_END_KEY " = true\n") && buffer_add(&text, "", 1)) {
        blank_comments((char *)text.at);
        int line = line_of_lost_backslash((const char *)text.at);
        if (line)
            config_file_error(
                path, line, err,
                "a backslash that means nothing in double quotes and would be lost: write it twice, "
                "or the text in single quotes");
        else
            result = cfg_parse_buf(root, (const char *)text.at);
    }
    buffer_free(&text);
    if (result != CFG_SUCCESS)
        return err->text[0] ? -1 : error_set(err, "%s: syntax error", path);
    if (!cfg_getbool(root, CONFIG_END_KEY))
        return error_set(err, "%s: the file ends inside a string or a comment", path);
    return 0;
}

cfg_t *config_file_read(const char *path, cfg_opt_t *keys, const char *manual, struct error *err)
{
    err->text[0] = 0;
    reading_error = err;
    reading_path = path;
    reading_manual = manual;
    config_note_lines(keys);
    cfg_t *root = cfg_init(keys, CFGF_NONE);
    cfg_set_error_function(root, reading_failed);
    if (read_text(path, root, err) == 0)
        return root;
    config_file_free(root);
    return NULL;
}

void config_file_free(cfg_t *root)
{
    if (root)
        cfg_free(root);
    config_forget_lines();
}

int config_file_error(const char *path, int line, struct error *err, const char *format, ...)
{
    char message[sizeof err->text];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return error_set(err, "%s:%d: %s", path, line, message);
}
