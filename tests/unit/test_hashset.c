/* Sets of 64-bit hashes: what was added is there, and nothing else is. */
#include "unit.h"

#include <annul/hashset.h>

#define MANY 200000

static uint64_t hash_of_number(unsigned n)
{
    char text[32];
    snprintf(text, sizeof text, "R\t%u\tunknown", n);
    return hashset_hash(bytes_of_text(text));
}

static void an_empty_set_has_nothing(void **state)
{
    (void)state;
    struct hashset set = {0};
    assert_false(hashset_has(&set, 1));
    hashset_free(&set);
    hashset_free(&set);
}

static void what_was_added_is_there_and_nothing_else(void **state)
{
    (void)state;
    struct hashset set = {0};
    for (unsigned n = 0; n < MANY; n += 2)
        assert_true(hashset_add(&set, hash_of_number(n)));
    assert_int_equal(set.count, MANY / 2);
    for (unsigned n = 0; n < MANY; n++)
        assert_int_equal(hashset_has(&set, hash_of_number(n)), n % 2 == 0);
    assert_true(set.room <= 4 * set.count); /* octets: 16 a member and less, but for the smallest */
    hashset_free(&set);
}

static void twice_is_once(void **state)
{
    (void)state;
    struct hashset set = {0};
    assert_true(hashset_add(&set, 7) && hashset_add(&set, 7));
    assert_int_equal(set.count, 1);
    hashset_free(&set);
}

/* Each octet and the length count: of all lengths around those of the words that are hashed at once. */
static void every_octet_counts(void **state)
{
    (void)state;
    uint8_t text[40] = {0};
    struct hashset seen = {0};
    for (size_t len = 0; len <= sizeof text; len++) {
        assert_false(hashset_has(&seen, hashset_hash((struct bytes){text, len})));
        assert_true(hashset_add(&seen, hashset_hash((struct bytes){text, len})));
        for (size_t i = 0; i < len; i++) {
            text[i] = 1;
            assert_false(hashset_has(&seen, hashset_hash((struct bytes){text, len})));
            assert_true(hashset_add(&seen, hashset_hash((struct bytes){text, len})));
            text[i] = 0;
        }
    }
    hashset_free(&seen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_set_has_nothing),
        cmocka_unit_test(what_was_added_is_there_and_nothing_else),
        cmocka_unit_test(twice_is_once),
        cmocka_unit_test(every_octet_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
