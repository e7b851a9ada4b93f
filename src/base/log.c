#include <annul/log.h>

#include <annul/clock.h>
#include <annul/utf8.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name;
    int journal; /* syslog severity, for the journal's "<N>" prefix */
} levels[] = {
    [LOG_LEVEL_ERROR] = {"error", 3},
    [LOG_LEVEL_WARN] = {"warn", 4},
    [LOG_LEVEL_INFO] = {"info", 6},
    [LOG_LEVEL_DEBUG] = {"debug", 7},
};

static enum log_level threshold = LOG_LEVEL_INFO;
static enum log_format format = LOG_FORMAT_LOGFMT;
static _Thread_local const char *request;

void log_set_level(enum log_level level)
{
    threshold = level;
}

int log_level_parse(const char *name)
{
    for (int i = 0; i < (int)(sizeof levels / sizeof *levels); i++)
        if (strcmp(levels[i].name, name) == 0)
            return i;
    return -1;
}

void log_set_format(enum log_format wanted)
{
    format = wanted;
}

void log_set_request(const char *id)
{
    request = id;
}

/* --- a line -------------------------------------------------------------------------------------------- */

#define MESSAGE_MAX 1024
#define VALUE_MAX 128 /* octets of anything else */

struct line {
    bool begun;
    size_t len;
    char text[2 * MESSAGE_MAX + 2048];
};

static void put_octets(struct line *line, const void *at, size_t len)
{
    size_t room = sizeof line->text - line->len;
    len = len < room ? len : room;
    memcpy(line->text + line->len, at, len);
    line->len += len;
}

static void put(struct line *line, const char *text)
{
    put_octets(line, text, strlen(text));
}

/* One line a message, whatever came from outside; and UTF-8, or no reader of JSON takes it. */
static void put_quoted(struct line *line, const char *text, size_t max)
{
    struct bytes rest = {(const uint8_t *)text, strnlen(text, max)};
    uint32_t c;
    put(line, "\"");
    while (rest.len) {
        size_t len = utf8_take(rest, &c);
        if (len == 0) {
            put(line, "?");
            len = 1;
        } else if (c < 0x20 || c == 0x7f) {
            put(line, " ");
        } else {
            if (c == '"' || c == '\\')
                put(line, "\\");
            put_octets(line, rest.at, len);
        }
        rest.at += len;
        rest.len -= len;
    }
    put(line, "\"");
}

static void put_name(struct line *line, const char *name)
{
    bool json = format == LOG_FORMAT_JSON;
    if (json)
        put(line, line->begun ? ",\"" : "{\"");
    else if (line->begun)
        put(line, " ");
    put(line, name);
    put(line, json ? "\":" : "=");
    line->begun = true;
}

static void put_text(struct line *line, const char *name, const char *text, size_t max)
{
    put_name(line, name);
    put_quoted(line, text, max);
}

/* Of our own making: logfmt needs no quotes. */
static void put_word(struct line *line, const char *name, const char *word)
{
    put_name(line, name);
    if (format == LOG_FORMAT_JSON)
        put_quoted(line, word, VALUE_MAX);
    else
        put(line, word);
}

static void put_number(struct line *line, const char *name, unsigned number)
{
    char digits[16];
    snprintf(digits, sizeof digits, "%u", number);
    put_name(line, name);
    put(line, digits);
}

static void put_start(struct line *line, enum log_level level)
{
    char text[64], date[32];
    struct timespec now;
    struct tm utc;
    if (getenv("JOURNAL_STREAM")) {
        snprintf(text, sizeof text, "<%d>", levels[level].journal);
        put(line, text);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%03ldZ", date, now.tv_nsec / 1000000);
    put_word(line, "time", text);
}

static void put_message(struct line *line, enum log_level level, const char *at, const char *text,
                        va_list args)
{
    char message[MESSAGE_MAX];
    vsnprintf(message, sizeof message, text, args);
    line->begun = false;
    line->len = 0;
    put_start(line, level);
    put_word(line, "level", levels[level].name);
    put_word(line, "at", at);
    put_text(line, "msg", message, sizeof message);
    if (request && *request)
        put_word(line, "request", request);
}

static void write_line(struct line *line)
{
    put(line, format == LOG_FORMAT_JSON ? "}\n" : "\n");
    if (write(STDERR_FILENO, line->text, line->len) < 0)
        return; /* nowhere left to say so */
}

void log_write(enum log_level level, const char *at, const char *text, ...)
{
    struct line line;
    va_list args;
    if (level > threshold)
        return;
    va_start(args, text);
    put_message(&line, level, at, text, args);
    va_end(args);
    write_line(&line);
}

void log_write_limited(struct log_limit *limit, enum log_level level, const char *at, const char *text, ...)
{
    struct line line;
    va_list args;
    int64_t now_ms = clock_monotonic_ms(), next_ms = atomic_load(&limit->next_ms);
    if (level > threshold)
        return;
    if (now_ms < next_ms || !atomic_compare_exchange_strong(&limit->next_ms, &next_ms, now_ms + 1000)) {
        atomic_fetch_add(&limit->left_out, 1);
        return;
    }
    va_start(args, text);
    put_message(&line, level, at, text, args);
    va_end(args);
    unsigned left_out = atomic_exchange(&limit->left_out, 0);
    if (left_out)
        put_number(&line, "left_out", left_out);
    write_line(&line);
}

void log_change(const char *who, const char *from, unsigned status, const char *text, ...)
{
    struct line line;
    va_list args;
    if (LOG_LEVEL_INFO > threshold)
        return;
    va_start(args, text);
    put_message(&line, LOG_LEVEL_INFO, "admin", text, args);
    va_end(args);
    put_text(&line, "who", who, VALUE_MAX);
    put_text(&line, "from", from, VALUE_MAX);
    put_number(&line, "status", status);
    write_line(&line);
}
