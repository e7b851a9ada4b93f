/* When annul-stapler fetches again, and when it lets go. */
#include "unit.h"

#include "stapler/schedule.h"

#define DAY 86400

static const struct window day = {1000000, 1000000 + DAY};

static void a_refresh_is_at_half_life(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        int64_t now_s, fresh_s, interval_s; /* `now_s` from thisUpdate */
        uint32_t random;
        int64_t at_s;
    } rows[] = {
        {"just fetched", 0, -1, 0, 0, DAY / 2},
        {"a jitter is earlier", 0, -1, 0, 100, DAY / 2 - 100},
        {"by a twentieth at the most", 0, -1, 0, DAY / 20 - 1, DAY / 2 - DAY / 20 + 1},
        {"and no more", 0, -1, 0, DAY / 20, DAY / 2},
        {"past half of it: at half of the rest", DAY * 3 / 4, -1, 0, 0, DAY * 7 / 8},
        {"the last seconds", DAY - 4, -1, 0, 0, DAY - 4 + SCHEDULE_MIN_S},
        {"ended", DAY + 100, -1, 0, 0, DAY + 100 + SCHEDULE_MIN_S},
        {"a cache that is fresh for less changes nothing", 0, 60, 0, 0, DAY / 2},
        {"one that is fresh for longer is believed", 0, DAY * 5 / 8, 0, 0, DAY * 5 / 8},
        {"not where that has passed", DAY * 7 / 8, 3600, 0, 0, DAY * 15 / 16},
        {"up to three quarters", 0, DAY * 2, 0, 0, DAY * 3 / 4},
        {"the operator's interval", 0, -1, 300, 0, 300},
        {"goes before what a cache says", 0, DAY, 300, 0, 300},
        {"has a jitter of a tenth", 0, -1, 300, 29, 271},
        {"is never below the least", 0, -1, 1, 0, SCHEDULE_MIN_S},
        {"is no reason to come later", 0, -1, DAY * 10, 0, DAY / 2},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t now = day.begin_at + rows[i].now_s;
        int64_t at = schedule_refresh(day, now, rows[i].fresh_s, rows[i].interval_s, rows[i].random);
        if (at != day.begin_at + rows[i].at_s)
            fail_row(rows[i].spoken, "at %lld", (long long)(at - day.begin_at));
    }
}

static void retries_grow_within_bounds(void **state)
{
    (void)state;
    static const int64_t wanted[] = {10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600};
    for (unsigned i = 0; i < COUNT(wanted); i++)
        assert_int_equal(schedule_retry(5, i + 1, -1, INT64_MAX, 0, 0), 5 + wanted[i]);
    assert_int_equal(schedule_retry(5, 100, -1, INT64_MAX, 0, 0), 5 + SCHEDULE_RETRY_MAX_S);
    assert_int_equal(schedule_retry(5, UINT32_MAX, -1, INT64_MAX, 0, 0), 5 + SCHEDULE_RETRY_MAX_S);
    for (uint32_t random = 0; random < 5000; random += 7) { /* by chance, but not much */
        int64_t delay_s = schedule_retry(0, 20, -1, INT64_MAX, 0, random);
        assert_true(delay_s > SCHEDULE_RETRY_MAX_S * 3 / 4 && delay_s <= SCHEDULE_RETRY_MAX_S);
    }
}

static void a_server_may_ask_for_patience(void **state)
{
    (void)state;
    assert_int_equal(schedule_retry(0, 1, 100, INT64_MAX, 0, 0), 100);
    assert_int_equal(schedule_retry(0, 1, 0, INT64_MAX, 0, 0), 10);
    assert_int_equal(schedule_retry(0, 100, 60, INT64_MAX, 0, 0), SCHEDULE_RETRY_MAX_S);
    assert_int_equal(schedule_retry(0, 1, INT32_MAX, INT64_MAX, 0, 0), SCHEDULE_RETRY_AFTER_MAX_S);
}

static void nobody_waits_for_what_ends(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        int64_t retry_after_s, end_at, interval_s, at;
    } rows[] = {
        {"nothing ends", -1, INT64_MAX, 0, 1000 + SCHEDULE_RETRY_MAX_S},
        {"half of what is left", -1, 1600, 0, 1300},
        {"whatever the server says", 80000, 1600, 0, 1300},
        {"not below the least", -1, 1004, 0, 1000 + SCHEDULE_MIN_S},
        {"at the end", -1, 1000, 0, 1000 + SCHEDULE_RETRY_ENDED_S},
        {"behind it", 80000, 10, 0, 1000 + SCHEDULE_RETRY_ENDED_S},
        {"the interval", 80000, INT64_MAX, 120, 1120},
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        check_row(rows[i].spoken, schedule_retry(1000, 20, rows[i].retry_after_s, rows[i].end_at,
                                                 rows[i].interval_s, 0) == rows[i].at);
    assert_true(schedule_is_aging((struct window){0, 800}, 700));
    assert_true(schedule_is_aging((struct window){0, 800}, 900));
    assert_false(schedule_is_aging((struct window){0, 800}, 699));
}

static void a_staple_goes_before_its_end(void **state)
{
    (void)state;
    assert_int_equal(schedule_withdraw(day, false), day.end_at - 60);
    assert_int_equal(schedule_withdraw((struct window){0, 100}, false), 90);
    assert_int_equal(schedule_withdraw(day, true), day.end_at - 3600);
    assert_int_equal(schedule_withdraw((struct window){0, 100}, true), 75);
}

/* A thousand certificates that were fetched in one second do not come back in one. */
static void a_herd_is_spread(void **state)
{
    (void)state;
    unsigned busiest = 0, in_minute[DAY / 60] = {0};
    srandom(1);
    for (int i = 0; i < 1000; i++) {
        int64_t at = schedule_refresh(day, day.begin_at, -1, 0, (uint32_t)random());
        unsigned *minute = &in_minute[(at - day.begin_at) / 60];
        busiest = ++*minute > busiest ? *minute : busiest;
    }
    assert_true(busiest < 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refresh_is_at_half_life),     cmocka_unit_test(retries_grow_within_bounds),
        cmocka_unit_test(a_server_may_ask_for_patience), cmocka_unit_test(nobody_waits_for_what_ends),
        cmocka_unit_test(a_staple_goes_before_its_end),  cmocka_unit_test(a_herd_is_spread),
    };
    return cmocka_run_group_tests_name("schedule", tests, NULL, NULL);
}
