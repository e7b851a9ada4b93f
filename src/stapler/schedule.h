/* When to fetch again, and when to let go: numbers in, numbers out. Times are Unix seconds; `random` is any number, new
 * each time, that spreads those who would otherwise ask together. */
#ifndef ANNUL_STAPLER_SCHEDULE_H
#define ANNUL_STAPLER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

/* How long what is had can be believed: thisUpdate to nextUpdate, or to the end of who signed it. */
struct window {
    int64_t begin_at, end_at;
};

/* Nothing is fetched sooner again than this, whoever says so. */
#define SCHEDULE_MIN_S 10

/* Failures are tried again after 10 s, 20 s … 1 h; a server may ask for up to a day. */
#define SCHEDULE_RETRY_MAX_S 3600
#define SCHEDULE_RETRY_AFTER_MAX_S 86400
#define SCHEDULE_RETRY_ENDED_S 300 /* at the most, when what is there has ended */

/* After a success: half of the validity, less a jitter of a twentieth of it; at half of what is left where that has
 * passed. A cache that says it has nothing newer for `fresh_s` (-1: not said) is believed for up to three quarters of
 * the validity. `interval_s` is the operator's upper bound; 0: none. */
int64_t schedule_refresh(struct window window, int64_t now, int64_t fresh_s, int64_t interval_s,
                         uint32_t random);

/* After failure number `failures` in a row, 1 for the first: a bounded exponential, a quarter of it by chance; never before
 * `retry_after_s` (-1: not said). But before half of what is left until `end_at` (INT64_MAX: nothing is there that could
 * end), within the operator's interval, and soon where it has ended: whoever asks for patience does not know of that. */
int64_t schedule_retry(int64_t now, unsigned failures, int64_t retry_after_s, int64_t end_at,
                       int64_t interval_s, uint32_t random);

/* An eighth of its life is left, or nothing: "nothing newer" is then no answer that helps, and is not asked for. */
bool schedule_is_aging(struct window window, int64_t now);

/* When a staple must be gone from where a terminator would give it out: a minute before its end, or a tenth of its validity
 * where that is less. A run that is `once` looks ahead to the next one: an hour, or a quarter. */
int64_t schedule_withdraw(struct window window, bool once);

#endif
