/* What the database knows of CRLs. */
#include "store_fixture.h"

/* --- CRLs ---------------------------------------------------------------------------------------------- */

static struct page page;

static void a_scan_gives_the_revoked_in_order(void **state)
{
    (void)state;
    int64_t covers = -1;
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 0);
    assert_int_equal(covers, 0);
    fill();
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 500);
    assert_int_equal(covers, store_change(f.store));
    for (size_t k = 0; k < page.count; k++) {
        struct serial wanted = nth(k / 2 * 10 + k % 2);
        assert_int_equal(serial_compare(&page.serials[k], &wanted), 0);
        assert_int_equal(page.statuses[k], k % 2 ? CERT_HOLD : CERT_REVOKED);
    }
    page.stop_at = 3;
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), -1);
    assert_int_equal(page.count, 3);
    page.stop_at = page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 500);
}

/* Revoked in another order than that of their numbers, in a transaction each. */
static void a_scan_does_not_follow_the_changes(void **state)
{
    (void)state;
    static const char *const later[] = {"ff", "0100", "7f", "01", "80", "ffffffff", "05"};
    static const char *const rising[] = {"01", "05", "7f", "80", "ff", "0100", "ffffffff"};
    int64_t covers;
    for (size_t i = 0; i < COUNT(later); i++) {
        register_text(later[i]);
        set(later[i], CERT_REVOKED, REASON_SUPERSEDED);
    }
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, COUNT(rising));
    for (size_t i = 0; i < COUNT(rising); i++) {
        struct serial wanted = serial_of(rising[i]);
        assert_int_equal(serial_compare(&page.serials[i], &wanted), 0);
    }
}

static int revoke_meanwhile(void *arg, const struct cert_record *record)
{
    if (page.count == 0) {
        set("fffffffe", CERT_REVOKED, REASON_SUPERSEDED); /* would come behind all others */
        register_text("fffffffe");
    }
    return page_add(arg, record);
}

static void a_scan_is_one_snapshot(void **state)
{
    (void)state;
    int64_t covers, later;
    register_text("01");
    register_text("02");
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    set("02", CERT_REVOKED, REASON_SUPERSEDED);
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), revoke_meanwhile, &page, &covers, &f.err), 0);
    assert_int_equal(page.count, 2);
    assert_int_equal(covers, 2);
    assert_int_equal(store_change(f.store), 3);
    page.count = 0;
    assert_int_equal(store_crl_scan(f.store, crl_of(f.issuer), page_add, &page, &later, &f.err), 0);
    assert_int_equal(page.count, 3);
    assert_int_equal(later, 3);
}

static void numbers_only_go_up(void **state)
{
    (void)state;
    assert_int_equal(take_number(NOW), NOW); /* above those of a predecessor that counted from one */
    assert_int_equal(take_number(NOW), NOW + 1);
    assert_int_equal(take_number(NOW), NOW + 2);
    assert_int_equal(take_number(NOW - 1000000), NOW + 3); /* the clock went back */
    assert_int_equal(take_number(0), NOW + 4);
    assert_int_equal(take_number(-5), NOW + 5);
    reopen();
    assert_int_equal(take_number(NOW), NOW + 6);
    assert_int_equal(take_number(NOW + 7), NOW + 7);
    assert_int_equal(take_number(NOW + 7), NOW + 8);
    assert_int_equal(take_number(NOW + 1000), NOW + 1000);
    reopen();
    assert_true(take_number(NOW) > NOW + 1000);

    int64_t other, number;
    assert_int_equal(store_issuer(f.store, "two", (const uint8_t[32]){7}, &other, &f.err), 0);
    assert_int_equal(store_crl_take_number(f.store, crl_of(other), 0, &number, &f.err), 0);
    assert_true(number > 0); /* each issuer has its own */
    assert_true(number < NOW);
}

static void what_was_published_is_remembered(void **state)
{
    (void)state;
    struct store_crl crl = {.covers = 1, .this_update = NOW, .next_update = NOW + 604800, .entries = 1}, read;
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err), ABSENT);
    register_text("01");
    set("01", CERT_REVOKED, REASON_SUPERSEDED);
    crl.number = take_number(NOW);
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err),
                     ABSENT); /* taken, not published */
    memset(crl.digest, 0xd1, sizeof crl.digest);
    assert_int_equal(store_crl_published(f.store, crl_of(f.issuer), &crl, &f.err), 0);
    take_number(NOW);
    reopen();
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err), FOUND);
    assert_memory_equal(&read, &crl, sizeof crl);
    assert_int_equal(changed_of(-1), 1);
    set("01", CERT_REVOKED, REASON_KEY_COMPROMISE);
    assert_int_equal(store_crl_last(f.store, crl_of(f.issuer), &read, &f.err), FOUND);
    assert_int_equal(changed_of(-1), 2); /* more than it covers: due */

    int64_t other;
    assert_int_equal(store_issuer(f.store, "two", (const uint8_t[32]){7}, &other, &f.err), 0);
    assert_int_equal(store_crl_last(f.store, crl_of(other), &read, &f.err), ABSENT);
    assert_int_equal(store_crl_last(f.store, crl_of(4711), &read, &f.err), ABSENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(a_scan_gives_the_revoked_in_order),
        with_store(a_scan_does_not_follow_the_changes),
        with_store(a_scan_is_one_snapshot),
        with_store(numbers_only_go_up),
        with_store(what_was_published_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
