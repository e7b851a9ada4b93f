#include "schedule.h"

#define WITHDRAW_S 60
#define WITHDRAW_ONCE_S 3600

static int64_t most(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* From 0 up to, not including, `range`. */
static int64_t chance(int64_t range, uint32_t random)
{
    return range > 0 ? (int64_t)(random % (uint64_t)range) : 0;
}

int64_t schedule_refresh(struct window window, int64_t now, int64_t fresh_s, int64_t interval_s,
                         uint32_t random)
{
    int64_t life_s = window.end_at - window.begin_at,
            at = window.begin_at + life_s / 2 - chance(life_s / 20, random);
    if (at <= now)
        at = now + (window.end_at - now) / 2;
    if (fresh_s >= 0) /* the last quarter is ours: there `at` is later than three quarters */
        at = most(at, least(now + fresh_s, window.begin_at + life_s * 3 / 4));
    if (interval_s > 0)
        at = least(at, now + interval_s - chance(interval_s / 10, random));
    return most(at, now + SCHEDULE_MIN_S);
}

int64_t schedule_retry(int64_t now, unsigned failures, int64_t retry_after_s, int64_t end_at,
                       int64_t interval_s, uint32_t random)
{
    int64_t delay_s = SCHEDULE_MIN_S;
    for (unsigned i = 1; i < failures && delay_s < SCHEDULE_RETRY_MAX_S; i++)
        delay_s *= 2;
    delay_s = least(delay_s, SCHEDULE_RETRY_MAX_S);
    delay_s -= chance(delay_s / 4, random);
    if (retry_after_s > delay_s)
        delay_s = least(retry_after_s, SCHEDULE_RETRY_AFTER_MAX_S);
    if (interval_s > 0)
        delay_s = least(delay_s, interval_s);
    delay_s = least(delay_s, end_at > now ? (end_at - now) / 2 : SCHEDULE_RETRY_ENDED_S);
    return now + most(delay_s, SCHEDULE_MIN_S);
}

bool schedule_is_aging(struct window window, int64_t now)
{
    return window.end_at - now <= (window.end_at - window.begin_at) / 8;
}

int64_t schedule_withdraw(struct window window, bool once)
{
    int64_t life_s = window.end_at - window.begin_at;
    return window.end_at - (once ? least(WITHDRAW_ONCE_S, life_s / 4) : least(WITHDRAW_S, life_s / 10));
}
