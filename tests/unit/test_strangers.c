/* Addresses from which authentication fails: how they are slowed down. */
#include "unit.h"

#include "http/strangers.h"

#define HOUR_MS 3600000

static unsigned told;

static void count(void *arg, const char *network, unsigned left_out)
{
    (void)arg, (void)network;
    told += left_out;
}

static int begin(void **state)
{
    (void)state;
    strangers_forget(STRANGERS_NETWORKS, count, NULL);
    told = 0;
    return 0;
}

static void the_first_are_answered(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STRANGERS_PATIENCE; i++) {
        struct stranger stranger = strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", 5000);
        assert_int_equal(stranger.wait_ms, 0);
        assert_int_equal(stranger.due, i == 0);
    }
    assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", 5400).wait_ms, 600);
    assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", 5999).wait_ms, 1);
    assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.2", 5999).wait_ms,
                     0); /* nobody else waits */
    struct stranger stranger = strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", 6000);
    assert_true(stranger.due);
    assert_int_equal(stranger.wait_ms, 0);
    assert_int_equal(stranger.left_out, STRANGERS_PATIENCE + 1);
}

static void the_wait_doubles_up_to_an_hour(void **state)
{
    (void)state;
    int64_t now_ms = 1, pause_ms = 1000;
    for (unsigned i = 0; i <= STRANGERS_PATIENCE; i++)
        strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", now_ms);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", now_ms).wait_ms, pause_ms);
        assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", now_ms + pause_ms - 1).wait_ms, 1);
        now_ms += pause_ms;
        assert_true(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", now_ms).due);
        pause_ms = pause_ms * 2 > HOUR_MS ? HOUR_MS : pause_ms * 2;
    }
    assert_int_equal(pause_ms, HOUR_MS);
}

static void after_an_hour_of_peace_it_is_forgotten(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= STRANGERS_PATIENCE; i++)
        strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", 1);
    assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", 1).wait_ms, 1000);
    int64_t later_ms = 1001 + HOUR_MS;
    for (unsigned i = 0; i < STRANGERS_PATIENCE; i++)
        assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", later_ms).wait_ms, 0);
    assert_int_equal(strangers_failed(STRANGERS_NETWORKS, "192.0.2.1", later_ms).wait_ms, 1000);
}

static void too_many_wait_together(void **state)
{
    (void)state;
    char name[32];
    unsigned due = 0, waits = 0;
    for (int i = 0; i < 4 * STRANGERS_KNOWN; i++) {
        snprintf(name, sizeof name, "192.0.2.%d", i);
        struct stranger stranger = strangers_failed(STRANGERS_NETWORKS, name, 1);
        assert_int_equal(stranger.other, i >= STRANGERS_KNOWN);
        due += stranger.due;
        waits += stranger.wait_ms != 0;
    }
    assert_int_equal(due, STRANGERS_KNOWN + 1);
    assert_int_equal(waits, 3 * STRANGERS_KNOWN - STRANGERS_PATIENCE);
    /* of those whose place another takes, nothing is lost */
    strangers_failed(STRANGERS_NETWORKS, "192.0.2.0", 1);
    assert_false(strangers_failed(STRANGERS_NETWORKS, "198.51.100.1", 1002 + HOUR_MS).other);
    strangers_forget(STRANGERS_NETWORKS, count, NULL);
    assert_int_equal(told, 3 * STRANGERS_KNOWN - 1 + 1);
    told = 0;
    strangers_forget(STRANGERS_NETWORKS, count, NULL);
    assert_int_equal(told, 0);
}

static void an_actor_has_many_entries_and_then_few(void **state)
{
    (void)state;
    unsigned due = 0;
    for (int i = 0; i < STRANGERS_CALLS; i++)
        due += strangers_failed(STRANGERS_ACTORS, "token:ops", 10 * i).due;
    assert_int_equal(due, STRANGERS_CALLS);
    assert_true(strangers_failed(STRANGERS_NETWORKS, "token:ops", 1).due); /* a list of its own */
    assert_true(strangers_failed(STRANGERS_ACTORS, "token:other", 1).due);
    for (int64_t now_ms = 10 * STRANGERS_CALLS; now_ms < HOUR_MS; now_ms += 100)
        due += strangers_failed(STRANGERS_ACTORS, "token:ops", now_ms).due;
    assert_int_equal(due, STRANGERS_CALLS + 11);
    strangers_forget(STRANGERS_ACTORS, count, NULL);
    assert_true(told > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(the_first_are_answered, begin),
        cmocka_unit_test_setup(the_wait_doubles_up_to_an_hour, begin),
        cmocka_unit_test_setup(after_an_hour_of_peace_it_is_forgotten, begin),
        cmocka_unit_test_setup(too_many_wait_together, begin),
        cmocka_unit_test_setup(an_actor_has_many_entries_and_then_few, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
