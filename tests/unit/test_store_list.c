/* Lists of certificates, and searches. */
#include "store_fixture.h"

/* --- listing ------------------------------------------------------------------------------------------- */

static struct page page;

static size_t list(const struct store_filter *filter)
{
    page.count = 0;
    assert_int_equal(store_list(f.store, f.issuer, filter, page_add, &page, &f.err), 0);
    return page.count;
}

static void pages_follow_in_numeric_order(void **state)
{
    (void)state;
    static const size_t limits[] = {1000, 100, 7};
    fill();
    for (size_t i = 0; i < COUNT(limits); i++) {
        struct store_filter filter = {.status = -1, .limit = limits[i]};
        struct serial after;
        size_t seen = 0, got;
        while ((got = list(&filter)) > 0) {
            assert_true(got <= limits[i]);
            for (size_t k = 0; k < got; k++, seen++) {
                struct serial wanted = nth(seen);
                assert_int_equal(serial_compare(&page.serials[k], &wanted), 0);
            }
            after = page.serials[got - 1];
            filter.after = &after;
        }
        assert_int_equal(seen, LISTED);
    }
    struct store_filter filter = {.status = -1, .limit = 0};
    assert_int_equal(list(&filter), 0);
}

static void filters_choose(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        struct store_filter filter;
        size_t count;
    } filters[] = {
        {"all", {.status = -1, .limit = 5000}, 2500},
        {"good, the released among them", {.status = CERT_GOOD, .limit = 5000}, 2000},
        {"revoked", {.status = CERT_REVOKED, .limit = 5000}, 250},
        {"on hold", {.status = CERT_HOLD, .limit = 5000}, 250},
        {"revoked, the first page", {.status = CERT_REVOKED, .limit = 100}, 100},
    };
    fill();
    for (size_t i = 0; i < COUNT(filters); i++) {
        size_t count = list(&filters[i].filter);
        if (count != filters[i].count)
            fail_row(filters[i].spoken, "%zu, not %zu", count, filters[i].count);
        for (size_t k = 0; k < count; k++) {
            check_row(filters[i].spoken,
                      filters[i].filter.status < 0 || (int)page.statuses[k] == filters[i].filter.status);
            check_row(filters[i].spoken,
                      k == 0 || serial_compare(&page.serials[k - 1], &page.serials[k]) < 0);
        }
    }
    page.stop_at = 5; /* whoever reads may stop; what comes after is not disturbed */
    assert_int_equal(list(&filters[0].filter), 5);
    page.stop_at = 0;
    assert_int_equal(list(&filters[0].filter), 2500);
}

/* --- searching ----------------------------------------------------------------------------------------- */

/* Pages with a limit and a bound until there are no more, one behind the other in `page`. */
static size_t search(struct store_filter filter)
{
    enum outcome more = FOUND;
    struct store_next next;
    page.count = 0;
    for (size_t pages = 0; more == FOUND && pages < 10 * LISTED; pages++) {
        size_t before = page.count;
        more = store_search(f.store, f.issuer, &filter, page_add, &page, &next, &f.err);
        if (more == FAILED)
            fail_msg("%s", f.err.text);
        assert_true(page.count - before <= filter.limit);
        filter.after = &next.after;
        filter.after_way = next.way;
    }
    assert_int_equal(more, ABSENT);
    return page.count;
}

static void searches_find(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        struct store_filter filter;
        size_t count;
    } filters[] = {
        {"the subject, case ignored", {.status = -1, .subject = "cn=dEvice-249"}, 11},
        {"the CN", {.status = -1, .subject = "device-249"}, 11},
        {"as far as CN=", {.status = -1, .subject = "CN="}, 2500},
        {"not so far", {.status = -1, .subject = "c"}, 2500},
        {"beyond the CN", {.status = -1, .subject = "Device-249,o=odd"}, 1},
        {"beyond it with CN=", {.status = -1, .subject = "CN=Device-249,O="}, 1},
        {"another beyond it", {.status = -1, .subject = "Device-249,O=Even"}, 0},
        {"what is inside the subject", {.status = -1, .subject = "O=Odd"}, 0},
        {"nobody", {.status = -1, .subject = "Device-9999"}, 0},
        {"and a status", {.status = CERT_REVOKED, .subject = "device-10"}, 12},
        {"and on hold", {.status = CERT_HOLD, .subject = "device-1"}, 112},
        {"a percent sign is no wildcard", {.status = -1, .subject = "%"}, 0},
        {"an underscore is none either", {.status = -1, .subject = "_"}, 0},
        {"serial", {.status = -1, .serial = "ef"}, 19},
        {"an odd number of digits", {.status = -1, .serial = "e"}, 160},
        {"the last digit", {.status = -1, .serial = "f"}, 16},
        {"the whole of the first serial", {.status = -1, .serial = "01"}, 1},
        {"serial and status", {.status = CERT_REVOKED, .serial = "ef"}, 2},
        {"serial or subject", {.status = -1, .subject = "Device-0,", .serial = "02"}, 2},
        {"no serial", {.status = -1, .serial = "efffff"}, 0},
        {"more digits than a serial has",
         {.status = -1, .serial = "0123456789012345678901234567890123456789012"},
         0},
    };
    static const size_t limits[] = {1, 7, 1000}, looks[] = {0, 1, 50};
    fill();
    for (size_t i = 0; i < COUNT(filters); i++) {
        for (size_t k = 0; k < COUNT(limits) * COUNT(looks); k++) {
            struct store_filter filter = filters[i].filter;
            filter.limit = limits[k % 3];
            filter.look = looks[k / 3];
            size_t count = search(filter);
            if (count != filters[i].count)
                fail_row(filters[i].spoken, "%zu, not %zu, by %zu and %zu", count, filters[i].count,
                         filter.limit, filter.look);
            for (size_t n = 0; n < count; n++)
                check_row(filters[i].spoken, filter.status < 0 || (int)page.statuses[n] == filter.status);
        }
    }
}

static const char *const names[] = {
    "CN=alpha",        "CN=Alpha,O=x", "CN=alpha,O=y", "CN=alp\\,ha,O=x", "CN=cn=alpha",      "O=x,CN=alpha",
    "O=x,CN=cn",       "O=x",          "CN=c",         "cn=alpha",        "OU=u,O=x,CN=beta", "C=DE,CN=ab",
    "CN=\xc3\xa4lpha", "CN=",          "SCN=alpha",    "CN=o=x"};

static bool begins_so(const char *subject, const char *sought)
{
    const char *cn = strncmp(subject, "CN=", 3) == 0 ? subject - 1 : strstr(subject, ",CN=");
    return strncasecmp(subject, sought, strlen(sought)) == 0 ||
           (cn && strncasecmp(cn + 4, sought, strlen(sought)) == 0);
}

/* Whatever is sought: each once that matches, and no other; beside the same names said in a simple way. */
static void searches_find_each_once(void **state)
{
    (void)state;
    static const char *const sought[] = {"",       "a",          "al",   "alpha", "alpha,",   "alpha,o=x",
                                         "alp\\",  "alp\\,h",    "c",    "cn",    "cn=",      "cn=a",
                                         "cn=cn=", "CN=ALPHA,O", "o",    "o=x,",  "o=x,CN=a", "\xc3",
                                         "x",      "scn",        "cn=c", "cn=o=x"};
    for (size_t i = 0; i < COUNT(names) * 3; i++) {
        char serial[8];
        struct store_tx *tx = begin();
        snprintf(serial, sizeof serial, "%zx", i + 16);
        struct cert_record record = plain(serial);
        record.subject = (char *)(uintptr_t)names[i % COUNT(names)];
        register_in(tx, &record, ABSENT);
        commit(tx);
    }
    register_text("ff"); /* without a subject */
    for (size_t i = 0; i < COUNT(sought); i++) {
        for (size_t limit = 1; limit < 5; limit++) {
            size_t wanted = 0;
            for (size_t k = 0; k < COUNT(names); k++)
                wanted += begins_so(names[k], sought[i]) ? 3 : 0;
            struct store_filter filter = {
                .status = -1, .subject = sought[i], .limit = limit, .look = limit == 3 ? 2 : 0};
            size_t count = search(filter);
            if (count != wanted)
                fail_row(sought[i], "%zu, not %zu, by %zu", count, wanted, limit);
            for (size_t n = 0; n < count; n++)
                for (size_t m = 0; m < n; m++)
                    check_row(sought[i], serial_compare(&page.serials[n], &page.serials[m]) != 0);
        }
    }
}

/* What SQLite runs, seen from outside the code under test. */
static char ran[8][1024];
static size_t ran_count;

static int note_statement(unsigned what, void *arg, void *statement, void *text)
{
    (void)what, (void)arg, (void)text;
    const char *sql = sqlite3_sql(statement);
    if (strstr(sql, "certificate") && ran_count < COUNT(ran))
        snprintf(ran[ran_count++], sizeof *ran, "%s", sql);
    return 0;
}

static int watch(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, note_statement, NULL);
}

static void plan_of(const char *sql, char *plan, size_t room)
{
    char explain[1200];
    sqlite3 *db;
    sqlite3_stmt *stmt;
    snprintf(explain, sizeof explain, "EXPLAIN QUERY PLAN %s", sql);
    assert_int_equal(sqlite3_open(f.path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, explain, -1, &stmt, NULL), SQLITE_OK);
    for (size_t len = 0; sqlite3_step(stmt) == SQLITE_ROW; len = strlen(plan))
        snprintf(plan + len, room - len, "%s; ", (const char *)sqlite3_column_text(stmt, 3));
    sqlite3_finalize(stmt);
    sqlite3_close(db);
}

/* Each statement of a search walks an index in its order: nothing is sorted, and nothing scanned. */
static void searches_use_their_indexes(void **state)
{
    (void)state;
    static const struct {
        const char *spoken;
        struct store_filter filter;
        const char *index[4];
    } searches[] = {
        {"all", {.status = -1}, {"SEARCH c USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"good", {.status = CERT_GOOD}, {"SEARCH c USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"revoked",
         {.status = CERT_REVOKED},
         {"SEARCH r USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"on hold",
         {.status = CERT_HOLD},
         {"SEARCH r USING INDEX revocation_on_hold (issuer=? AND serial>? AND serial<?)"}},
        {"serial",
         {.status = -1, .serial = "0102030405060708091011121314151617181920"},
         {"SEARCH c USING PRIMARY KEY (issuer=? AND serial>? AND serial<?)"}},
        {"subject",
         {.status = -1, .subject = "x"}, /* and the same by subject */
         {"SEARCH c USING INDEX certificate_by_name (issuer=? AND <expr>=? AND serial>?)",
          "SEARCH c USING INDEX certificate_by_name (issuer=? AND <expr>>? AND <expr><?)",
          "SEARCH c USING INDEX certificate_by_later_name (issuer=? AND <expr>=? AND serial>?)",
          "SEARCH c USING INDEX certificate_by_later_name (issuer=? AND <expr>>? AND <expr><?)"}},
    };
    sqlite3_auto_extension((void (*)(void))watch);
    reopen();
    for (size_t i = 0; i < COUNT(searches); i++) {
        struct store_filter filter = searches[i].filter;
        char plans[COUNT(ran)][256];
        filter.limit = 10;
        ran_count = 0;
        search(filter);
        for (size_t k = 0; k < ran_count; k++) {
            plan_of(ran[k], plans[k], sizeof *plans);
            if (strstr(plans[k], "SCAN") || strstr(plans[k], "TEMP"))
                fail_row(searches[i].spoken, "%s", plans[k]);
        }
        for (size_t k = 0; k < COUNT(searches[i].index) && searches[i].index[k]; k++)
            if (ran_count <= k || !strstr(plans[k], searches[i].index[k]))
                fail_row(searches[i].spoken, "%s", ran_count > k ? plans[k] : "not run");
    }
    sqlite3_cancel_auto_extension((void (*)(void))watch);
}

static int count_statement(unsigned what, void *arg, void *statement, void *text)
{
    (void)what, (void)arg, (void)statement, (void)text;
    ran_count++;
    return 0;
}

static int watch_all(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
    (void)message, (void)api;
    return sqlite3_trace_v2(db, SQLITE_TRACE_STMT, count_statement, NULL);
}

/* One revocation alone must be as fast as two syncs are: so what it takes is counted here, for whoever adds to it. */
static void a_revocation_takes_few_statements(void **state)
{
    (void)state;
    struct cert_record record;
    struct serial serial = serial_of("2a");
    register_text("2a");
    sqlite3_auto_extension((void (*)(void))watch_all);
    reopen();
    ran_count = 0;
    struct store_tx *tx = begin();
    assert_int_equal(store_tx_certificate(tx, f.issuer, &serial, &record, &f.err), FOUND);
    record.status = CERT_REVOKED;
    assert_int_equal(store_tx_set_status(tx, f.issuer, CERT_GOOD, &record, &f.err), 0);
    assert_int_equal(store_tx_audit(tx, "revoke", "one", &serial, "", &f.err), 0);
    commit(tx);
    sqlite3_cancel_auto_extension((void (*)(void))watch_all);
    cert_record_free(&record);
    assert_int_equal(ran_count, 9); /* begin, read, number, write, head, entry, head, issuer, commit */
}

static void the_cursor_works_with_a_status(void **state)
{
    (void)state;
    fill();
    struct store_filter filter = {.status = CERT_REVOKED, .limit = 7};
    struct serial after;
    size_t seen = 0, got;
    while ((got = list(&filter)) > 0) {
        for (size_t k = 0; k < got; k++, seen++) {
            struct serial wanted = nth(seen * 10);
            assert_int_equal(serial_compare(&page.serials[k], &wanted), 0);
        }
        after = page.serials[got - 1];
        filter.after = &after;
    }
    assert_int_equal(seen, 250);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        with_store(pages_follow_in_numeric_order),
        with_store(filters_choose),
        with_store(searches_find),
        with_store(searches_find_each_once),
        with_store(searches_use_their_indexes),
        with_store(a_revocation_takes_few_statements),
        with_store(the_cursor_works_with_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
