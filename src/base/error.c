#include <annul/error.h>

#include <annul/utf8.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* As much as there is room for, without half a character at its end. */
static void put(struct error *err, const char *format, va_list args)
{
    if (vsnprintf(err->text, sizeof err->text, format, args) >= (int)sizeof err->text)
        err->text[utf8_len(err->text)] = 0;
}

int error_set(struct error *err, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        put(err, format, args);
        va_end(args);
    }
    return -1;
}

int error_prefix(struct error *err, const char *format, ...)
{
    if (err) {
        struct error old = *err;
        va_list args;
        va_start(args, format);
        put(err, format, args);
        va_end(args);
        struct error prefix = *err;
        error_set(err, "%s: %s", prefix.text, old.text);
    }
    return -1;
}
