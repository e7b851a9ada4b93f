/* Structured log lines on standard error.
 *
 * A line is `level=info at=publisher msg="..."`, or a JSON object with the same members; under systemd the line starts
 * with the journal's level prefix (sd-daemon(3)), elsewhere with the time. Any thread. Never give it a secret.
 */
#ifndef ANNUL_LOG_H
#define ANNUL_LOG_H

#include <stdatomic.h>
#include <stdint.h>

enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Called once, before threads start. Default is info, as logfmt. */
void log_set_level(enum log_level level);
void log_set_format(enum log_format format);

/* "error", "warn", "info", "debug"; returns -1 for anything else. */
int log_level_parse(const char *name);

/* From here on this thread's lines say that they are about this request; NULL or "": about none. The text must last. */
void log_set_request(const char *id);

/* `at` names the room that speaks ("signer", "publisher"). The message is escaped. */
void log_write(enum log_level level, const char *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what a stranger can cause: one line a second a place in the source, with how many were left
 * out. */
struct log_limit {
    _Atomic int64_t next_ms;
    _Atomic unsigned left_out;
};
void log_write_limited(struct log_limit *limit, enum log_level level, const char *at, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
#define log_limited(level, at, ...)                                                                          \
    do {                                                                                                     \
        static struct log_limit limit_;                                                                      \
        log_write_limited(&limit_, level, at, __VA_ARGS__);                                                  \
    } while (0)

/* What somebody asked to be changed, and what became of it. */
void log_change(const char *who, const char *from, unsigned status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#define log_error(at, ...) log_write(LOG_LEVEL_ERROR, at, __VA_ARGS__)
#define log_warn(at, ...) log_write(LOG_LEVEL_WARN, at, __VA_ARGS__)
#define log_info(at, ...) log_write(LOG_LEVEL_INFO, at, __VA_ARGS__)
#define log_debug(at, ...) log_write(LOG_LEVEL_DEBUG, at, __VA_ARGS__)

#endif
