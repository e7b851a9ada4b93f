#include <annul/log.h>

#include <annul/clock.h>

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

static void line_start(char *line, size_t room, enum log_level level, const char *at)
{
    if (getenv("JOURNAL_STREAM")) {
        snprintf(line, room, "<%d>level=%s at=%s msg=\"", levels[level].journal, levels[level].name, at);
        return;
    }
    struct timespec now;
    struct tm utc;
    char date[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(line, room, "time=%s.%03ldZ level=%s at=%s msg=\"", date, now.tv_nsec / 1000000,
             levels[level].name, at);
}

static void write_line(enum log_level level, const char *at, unsigned left_out, const char *format,
                       va_list args)
{
    char message[1024], line[2304];
    vsnprintf(message, sizeof message, format, args);
    line_start(line, 200, level, at);
    char *out = line + strlen(line);
    for (const char *c = message; *c; c++) { /* one line a message, whatever came from outside */
        if (*c == '"' || *c == '\\')
            *out++ = '\\';
        *out++ = (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c;
    }
    *out++ = '"';
    if (left_out)
        out += snprintf(out, 32, " left_out=%u", left_out);
    *out++ = '\n';
    if (write(STDERR_FILENO, line, (size_t)(out - line)) < 0)
        return; /* nowhere left to say so */
}

void log_write(enum log_level level, const char *at, const char *format, ...)
{
    va_list args;
    if (level > threshold)
        return;
    va_start(args, format);
    write_line(level, at, 0, format, args);
    va_end(args);
}

void log_write_limited(struct log_limit *limit, enum log_level level, const char *at, const char *format, ...)
{
    va_list args;
    int64_t now_ms = clock_monotonic_ms(), next_ms = atomic_load(&limit->next_ms);
    if (level > threshold)
        return;
    if (now_ms < next_ms || !atomic_compare_exchange_strong(&limit->next_ms, &next_ms, now_ms + 1000)) {
        atomic_fetch_add(&limit->left_out, 1);
        return;
    }
    va_start(args, format);
    write_line(level, at, atomic_exchange(&limit->left_out, 0), format, args);
    va_end(args);
}
