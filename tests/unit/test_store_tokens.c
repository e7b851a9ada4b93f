/* Bearer tokens in the database. */
#include "store_fixture.h"

/* --- tokens -------------------------------------------------------------------------------------------- */

static void tokens_are_found_by_the_beginning_of_their_hash(void **state)
{
    (void)state;
    int64_t id;
    uint8_t hash[STORE_TOKEN_HASH];
    static const struct {
        size_t at;
        uint8_t octet;
        size_t found;
    } rows[] = {{0, 8, 0}, {7, 6, 0}, {7, 8, 0}, {8, 0, 1}, {8, 0xff, 1}, {31, 0, 1}, {31, 0xff, 1}};
    assert_int_equal(token_add("six", 6, &id), FOUND);
    assert_int_equal(token_add("seven", 7, &id), FOUND);
    assert_int_equal(token_add("last", 0xff, &id), FOUND);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct tokens tokens = {0};
        memset(hash, 7, sizeof hash);
        hash[rows[i].at] = rows[i].octet;
        assert_int_equal(store_token_find(f.store, hash, see_token, &tokens, &f.err), 0);
        assert_int_equal(tokens.count, rows[i].found);
    }
}

static void the_last_use_of_a_token_is_kept(void **state)
{
    (void)state;
    int64_t one, two;
    struct tokens tokens = {0};
    assert_int_equal(token_add("one", 1, &one), FOUND);
    assert_int_equal(token_add("two", 2, &two), FOUND);
    struct store_actor later = {"unit", "test", NOW + 70};
    struct store_tx *tx = store_begin(f.store, &later, &f.err);
    assert_non_null(tx);
    assert_int_equal(store_tx_token_used(tx, two, &f.err), 0);
    commit(tx);
    assert_int_equal(store_token_list(f.store, see_token, &tokens, &f.err), 0);
    assert_true(tokens.list[0].last_used_at == TIME_NONE);
    assert_int_equal(tokens.list[1].last_used_at, NOW + 70);
}

/* What wrote them then knew no roles. */
static void old_tokens_are_administrators(void **state)
{
    (void)state;
    int64_t id;
    struct tokens tokens = {0};
    assert_int_equal(token_add("old", 1, &id), FOUND);
    age();
    assert_int_equal(store_token_list(f.store, see_token, &tokens, &f.err), 0);
    assert_int_equal(tokens.count, 1);
    assert_int_equal(tokens.list[0].role, ROLE_ADMINISTRATOR);
    assert_string_equal(tokens.scopes[0], "all");
    assert_true(tokens.list[0].expires_at == TIME_NONE && tokens.list[0].last_used_at == TIME_NONE);
}

static void tokens_are_found_until_revoked(void **state)
{
    (void)state;
    int64_t ops, ci, none = -1;
    char name[64];
    assert_int_equal(token_add("ops", 1, &ops), FOUND);
    assert_int_equal(token_add("ci", 2, &ci), FOUND);
    assert_int_not_equal(ops, ci);
    assert_int_equal(token_add("ops", 3, &none), ABSENT); /* the name is taken */
    assert_int_equal(none, -1);
    assert_int_equal(token_find(1, name), FOUND);
    assert_string_equal(name, "ops");
    assert_int_equal(token_find(3, name), ABSENT);
    assert_int_equal(token_revoke(ops, NOW + 5), FOUND);
    assert_int_equal(token_revoke(ops, NOW + 9), FOUND);
    assert_int_equal(token_revoke(4711, NOW), ABSENT);
    assert_int_equal(token_find(1, name), ABSENT);
    assert_int_equal(token_find(2, name), FOUND);
    assert_string_equal(name, "ci");
    assert_int_equal(token_add("ops", 4, &none), ABSENT); /* nor is a revoked one's name used again */

    struct tokens tokens = {0};
    reopen();
    assert_int_equal(store_token_list(f.store, see_token, &tokens, &f.err), 0);
    assert_int_equal(tokens.count, 2);
    assert_int_equal(tokens.list[0].id, ops);
    assert_string_equal(tokens.names[0], "ops");
    assert_string_equal(tokens.scopes[0], "all");
    assert_int_equal(tokens.list[0].role, ROLE_OPERATOR);
    assert_int_equal(tokens.list[0].created_at, NOW);
    assert_int_equal(tokens.list[0].revoked_at, NOW + 5); /* the first time */
    assert_true(tokens.list[0].expires_at == TIME_NONE);
    assert_string_equal(tokens.names[1], "ci");
    assert_string_equal(tokens.scopes[1], "one two");
    assert_int_equal(tokens.list[1].expires_at, NOW + 90);
    assert_true(tokens.list[1].revoked_at == TIME_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(tokens_are_found_until_revoked),
        with_store(tokens_are_found_by_the_beginning_of_their_hash),
        with_store(the_last_use_of_a_token_is_kept),
        with_store(old_tokens_are_administrators),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
