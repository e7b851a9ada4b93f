/* The cache of signed answers: never above its bound, and what is used least goes first. */
#include "unit.h"

#include "responder/cache.h"
#include "responder/internal.h"

#define BOUND (1 << 20)
#define LEN 4000

static size_t kept; /* octets of answers that somebody still holds */

/* The first member is what the cache frees with the answer; so the test sees it go. */
struct mark {
    struct ocsp_prepared base;
    size_t octets;
};

static void gone(struct ocsp_prepared *base)
{
    kept -= ((struct mark *)base)->octets;
    free(base);
}

static struct ocsp_answer *answer_of(size_t len)
{
    struct ocsp_answer *answer = answer_new(len);
    struct mark *mark = malloc(sizeof *mark);
    assert_true(answer && mark);
    answer->status = OCSP_SUCCESSFUL;
    answer->len = len;
    /* the HTTP edge has a copy of the octets */
    *mark = (struct mark){{gone}, answer->size + len};
    atomic_store(&answer->prepared, &mark->base);
    kept += mark->octets;
    return answer;
}

static void put(struct cache *cache, const uint32_t *number, size_t len)
{
    struct ocsp_answer *answer = answer_of(len);
    cache_put(cache, (struct bytes){(const uint8_t *)number, sizeof *number}, answer,
              (struct cache_stamp){0});
    ocsp_answer_release(answer);
}

static bool has(struct cache *cache, uint32_t number)
{
    struct cache_stamp stamp;
    struct ocsp_answer *answer =
        cache_find(cache, (struct bytes){(const uint8_t *)&number, sizeof number}, &stamp);
    ocsp_answer_release(answer);
    return answer != NULL;
}

static void it_never_holds_more_than_its_bound(void **state)
{
    (void)state;
    struct cache *cache = cache_new(BOUND);
    size_t most = 0;
    for (uint32_t i = 0; i < 5000; i++) {
        put(cache, &i, 1 + (size_t)i % 3 * LEN);
        assert_true(kept <= BOUND);
        most = kept > most ? kept : most;
    }
    assert_true(most > BOUND / 2); /* and is of use */
    unsigned found = 0;
    for (uint32_t i = 0; i < 5000; i++)
        found += has(cache, i);
    assert_true(found > 50 && found < 1000);
    cache_free(cache);
    assert_int_equal(kept, 0);
}

static void what_is_used_stays(void **state)
{
    (void)state;
    struct cache *cache = cache_new(BOUND);
    const uint32_t wanted = 70000, unwanted = 70001;
    put(cache, &wanted, LEN);
    put(cache, &unwanted, LEN);
    for (uint32_t i = 0; i < 5000; i++) {
        put(cache, &i, LEN);
        assert_true(has(cache, i));
        assert_true(has(cache, wanted));
    }
    assert_false(has(cache, unwanted));
    cache_free(cache);
    assert_int_equal(kept, 0);
}

static void one_in_place_of_another_costs_nothing(void **state)
{
    (void)state;
    struct cache *cache = cache_new(BOUND);
    const uint32_t others[] = {1, 2, 3, 4};
    for (size_t i = 0; i < COUNT(others); i++)
        put(cache, &others[i], LEN);
    for (uint32_t i = 0; i < 1000; i++) {
        const uint32_t same = 5;
        put(cache, &same, LEN);
    }
    for (size_t i = 0; i < COUNT(others); i++)
        assert_true(has(cache, others[i]));
    assert_true(kept < 6 * 2 * (LEN + 200));
    cache_free(cache);
    assert_int_equal(kept, 0);
}

static void what_is_larger_than_its_share_is_not_kept(void **state)
{
    (void)state;
    struct cache *cache = cache_new(BOUND);
    const uint32_t large = 1;
    put(cache, &large, BOUND);
    assert_false(has(cache, large));
    assert_int_equal(kept, 0);
    cache_free(cache);
}

/* It goes, and who waits for its successor is not forgotten. */
static void one_that_is_signed_anew_may_go(void **state)
{
    (void)state;
    struct cache *cache = cache_new(BOUND);
    const uint32_t flying = 70000;
    struct bytes key = {(const uint8_t *)&flying, sizeof flying};
    struct cache_stamp stamp = {.change = 1};
    struct cache_waiter *waiter = calloc(1, sizeof *waiter);
    bool joined;
    put(cache, &flying, LEN);
    assert_true(cache_take_off(cache, key, stamp, NULL, &joined));
    for (uint32_t i = 0; i < 5000; i++)
        put(cache, &i, LEN);
    assert_false(has(cache, flying));
    assert_false(cache_take_off(cache, key, stamp, waiter, &joined));
    assert_true(joined);
    assert_ptr_equal(cache_land(cache, key), waiter);
    free(waiter);
    cache_free(cache);
    assert_int_equal(kept, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_never_holds_more_than_its_bound),
        cmocka_unit_test(what_is_used_stays),
        cmocka_unit_test(one_in_place_of_another_costs_nothing),
        cmocka_unit_test(what_is_larger_than_its_share_is_not_kept),
        cmocka_unit_test(one_that_is_signed_anew_may_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
