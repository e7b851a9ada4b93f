/* The cache of annul-stapler: what is read from it is judged like what comes from a network, and what is written is there
 * whole or not at all. */
#include "unit.h"

#include "stapler/stapler.h"

#include <annul/clock.h>

#include <fcntl.h>
#include <sys/resource.h>

#define URL "http://127.0.0.1:1/"

static char *folder;
static struct stapler_config config;
static struct config_value authority, responder = {URL, 1};
static struct section section = {.name = {"it", 1}, .urls = {&responder, 1}};
static struct stapler stapler = {.config = &config, .lock = PTHREAD_MUTEX_INITIALIZER};

/* Responses about two certificates of one CA, and CRLs of two CAs. */
static int make(void **state)
{
    static const char *const names[] = {"server", "server-must-staple"}, *const cas[] = {"issuing-server",
                                                                                         "root"};
    struct error err;
    (void)state;
    folder = folder_make();
    shell("tests/pki.sh %s/pki >/dev/null", folder);
    for (size_t i = 0; i < 2; i++)
        shell("cd %s && printf 'V\\t300101000000Z\\t\\t%%s\\tunknown\\t/CN=x\\n' "
              "$(openssl x509 -in pki/%s.crt -noout -serial | cut -d= -f2) >index && "
              "openssl ocsp -issuer pki/issuing-server.crt -cert pki/%s.crt -no_nonce -reqout request >log "
              "2>&1 && "
              "openssl ocsp -index index -CA pki/issuing-server.crt -rsigner pki/issuing-server.crt "
              "-rkey pki/issuing-server.key -resp_no_certs -reqin request -ndays 1 -respout %s.der >log 2>&1",
              folder, names[i], names[i], names[i]);
    for (size_t i = 0; i < 2; i++)
        shell("cd %s && : >index && echo 2A >number && printf '[ca]\\ndefault_ca=x\\n[x]\\ndatabase=index\\n"
              "crlnumber=number\\ndefault_md=sha256\\ndefault_crl_days=7\\n' >ca.cnf && "
              "openssl ca -config ca.cnf -gencrl -cert pki/%s.crt -keyfile pki/%s.key 2>log | "
              "openssl crl -outform DER -out %s.crl",
              folder, cas[i], cas[i], cas[i]);
    assert_true(asprintf(&config.cache.text, "%s/cache", folder) > 0);
    assert_true(asprintf(&authority.text, "%s/pki/issuing-server.crt", folder) > 0);
    config.authorities = (struct values){&authority, 1};
    if (disk_make(&config, &err) < 0)
        fail_msg("%s", err.text);
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    free(config.cache.text);
    free(authority.text);
    folder_remove(folder);
    return 0;
}

/* --- what is read -------------------------------------------------------------------------------------- */

/* What is put into the cache: a file, or it with its octets changed. */
static const struct row {
    const char *spoken, *file;
    long cut, flip; /* octets that are left out at the end; the one, from the end, that is changed */
    bool good;
} staples[] =
    {
        {"the response", "server.der", 0, 0, true},
        {"a damaged signature", "server.der", 0, 1, false},
        {"damaged somewhere", "server.der", 0, 300, false},
        {"not all of it", "server.der", 20, 0, false},
        {"of another certificate", "server-must-staple.der", 0, 0, false},
        {"of another kind", "issuing-server.crl", 0, 0, false},
},
  crls[] = {
      {"the CRL", "issuing-server.crl", 0, 0, true},
      {"a damaged signature", "issuing-server.crl", 0, 1, false},
      {"not all of it", "issuing-server.crl", 20, 0, false},
      {"of another CA", "root.crl", 0, 0, false},
      {"of another kind", "server.der", 0, 0, false},
};

static char *in_folder(const char *name)
{
    char *path;
    assert_true(asprintf(&path, "%s/%s", folder, name) > 0);
    return path;
}

static void plant(const struct row *row, const char *path)
{
    struct buffer content = {0};
    char *from = in_folder(row->file);
    assert_int_equal(file_read(from, 1 << 20, &content), 0);
    if (row->flip)
        content.at[content.len - (size_t)row->flip] ^= 1;
    file_put(path, content.at, content.len - (size_t)row->cut);
    buffer_free(&content);
    free(from);
}

static struct staple *read_staple(void)
{
    char *path = in_folder("pki/server.crt");
    struct staple *staple = staple_new(&section, path, 0);
    assert_non_null(staple);
    assert_true(staple_read(&stapler, staple));
    finder_free(&stapler.finder);
    assert_string_equal(staple->skipped.text, "");
    free(path);
    return staple;
}

static void a_staple_is_believed_only_if_it_is_one(void **state)
{
    (void)state;
    struct staple *staple = read_staple();
    char *path = disk_path(&config, "ocsp", staple->id, ".der");
    assert_null(staple->item.held);
    assert_int_equal(staple->item.job.due_at, AT_ONCE);
    staple_free(staple);
    for (size_t i = 0; i < COUNT(staples); i++) {
        plant(&staples[i], path);
        staple = read_staple();
        check_row(staples[i].spoken, (staple->item.held != NULL) == staples[i].good);
        check_row(staples[i].spoken, (access(path, F_OK) == 0) == staples[i].good);
        check_row(staples[i].spoken, (staple->item.job.due_at > clock_now()) == staples[i].good);
        staple_free(staple);
    }
    free(path);
}

/* Another certificate in the file: what is held is used until the first attempt for that one has ended. */
static void a_former_staple_goes_with_its_certificate(void **state)
{
    (void)state;
    struct staple *staple = read_staple();
    char *path = disk_path(&config, "ocsp", staple->id, ".der"), *file = in_folder("replaced.crt");
    staple_free(staple);
    plant(&staples[0], path);
    for (int skipped = 0; skipped < 2; skipped++) {
        shell("cp %s/pki/server.crt %s", folder, file);
        staple = staple_new(&section, file, 0);
        assert_true(staple_read(&stapler, staple));
        assert_non_null(staple->item.held);
        file_put(file, "", 0); /* while it is written */
        assert_true(staple_read(&stapler, staple));
        assert_non_null(staple->item.held);
        shell("cp %s/pki/%s.crt %s", folder, skipped ? "client-0" : "server-must-staple", file);
        assert_true(staple_read(&stapler, staple));
        assert_true((staple->skipped.text[0] != 0) == skipped);
        assert_true((staple->item.held == NULL) == skipped);
        if (!skipped)
            staple_work(&stapler, &staple->item.job); /* nobody listens there */
        assert_null(staple->item.held);
        staple_free(staple);
    }
    unlink(path);
    free(path);
    free(file);
}

static void a_crl_is_believed_only_if_it_is_one(void **state)
{
    (void)state;
    struct crl *crl = crl_new(&stapler, &section, URL);
    char *path = disk_path(&config, "crl", crl->id, ".der");
    assert_null(crl->item.held);
    crl_free(crl);
    for (size_t i = 0; i < COUNT(crls); i++) {
        plant(&crls[i], path);
        crl = crl_new(&stapler, &section, URL);
        check_row(crls[i].spoken, (crl->item.held != NULL) == crls[i].good);
        check_row(crls[i].spoken, crl->item.job.due_at == AT_ONCE);
        check_row(crls[i].spoken, !crl->item.held || strcmp(crl->item.held->number, "42") == 0);
        crl_free(crl);
    }
    free(path);
}

static void validators_are_kept_with_their_crl(void **state)
{
    (void)state;
    static const struct {
        const char *spoken, *text, *etag;
        int64_t modified_at;
    } rows[] = {
        {"an ETag", "1800000000 \"a b\"\n", "\"a b\"", 1800000000},
        {"none", "1800000000 \n", "", 1800000000},
        {"garbage", "?", "", TIME_NONE},
        {"nothing", "", "", TIME_NONE},
    };
    struct crl *crl = crl_new(&stapler, &section, URL);
    char *path = disk_path(&config, "crl", crl->id, ".der"),
         *etag = disk_path(&config, "crl", crl->id, ".etag");
    crl_free(crl);
    for (size_t i = 0; i < COUNT(rows); i++) {
        plant(&crls[0], path);
        file_put(etag, rows[i].text, strlen(rows[i].text));
        crl = crl_new(&stapler, &section, URL);
        check_row(rows[i].spoken, strcmp(crl->etag, rows[i].etag) == 0);
        check_row(rows[i].spoken, crl->modified_at == rows[i].modified_at);
        crl_free(crl);
    }
    file_put(etag, rows[0].text, strlen(rows[0].text));
    assert_int_equal(unlink(path), 0);
    crl = crl_new(&stapler, &section, URL);
    assert_string_equal(crl->etag, ""); /* or the server would say that there is nothing new */
    crl_free(crl);
    free(path);
    free(etag);
}

static void two_sections_share_no_file(void **state)
{
    (void)state;
    static const struct section other = {.name = {"other", 1}};
    struct crl *one = crl_new(&stapler, &section, URL), *two = crl_new(&stapler, &other, URL);
    assert_string_not_equal(one->id, two->id);
    crl_free(one);
    crl_free(two);
}

/* --- what is written ----------------------------------------------------------------------------------- */

static void full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct rlimit before, none = {0, 0};
    struct buffer content = {0};
    struct error err;
    char *path = in_folder("file");
    assert_int_equal(disk_put(path, bytes_of_text("old"), &err), 0);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    none.rlim_max = before.rlim_max;
    setrlimit(RLIMIT_FSIZE, &none);
    int result = disk_put(path, bytes_of_text("newer"), &err);
    setrlimit(RLIMIT_FSIZE, &before);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(result, -1);
    assert_says(err, path);
    assert_says(err, "File too large");
    assert_int_equal(file_read(path, 100, &content), 0);
    assert_true(bytes_equal(bytes_of(&content), bytes_of_text("old")));
    shell("test -z \"$(ls %s*.tmp 2>/dev/null)\"", path);
    buffer_free(&content);
    free(path);
}

static void *put_often(void *arg)
{
    struct error err;
    static char octets[2][5000];
    char *path = in_folder("shared");
    memset(octets[1], 1, sizeof octets[1]);
    for (int i = 0; i < 50; i++)
        if (disk_put(path, (struct bytes){(uint8_t *)octets[arg != NULL], 3000 + (arg ? 2000 : 0)}, &err) < 0)
            fail_msg("%s", err.text);
    free(path);
    return NULL;
}

/* Two items of one certificate. */
static void two_threads_write_one_file(void **state)
{
    (void)state;
    pthread_t threads[2];
    struct buffer content = {0};
    char *path = in_folder("shared");
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, put_often, i ? path : NULL), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(file_read(path, 10000, &content), 0);
    assert_int_equal(content.len, content.at[0] ? 5000 : 3000);
    buffer_free(&content);
    free(path);
}

/* HAProxy stops stapling 300 s before the end. */
static void a_new_one_comes_before_a_consumer_lets_go(void **state)
{
    (void)state;
    struct place places[] = {{.target.kind = DELIVER_FILE}, {.target.kind = DELIVER_HAPROXY}};
    struct section with = {.places = places, .place_count = 1};
    struct held held = {.window = {1000, 2000}};
    struct item item = {.section = &with, .held = &held};
    assert_int_equal(item_window(&item).end_at, 2000);
    with.place_count = 2;
    assert_int_equal(item_window(&item).begin_at, 1000);
    assert_int_equal(item_window(&item).end_at, 1700);
}

static void nothing_newer_than_what_has_ended_is_a_failure(void **state)
{
    (void)state;
    int64_t now = clock_now();
    struct held held = {.window = {now - 1000, now + 500}};
    struct item item = {.section = &section, .held = &held, .name = URL};
    item_done(&stapler, &item, &(struct attempt){.unchanged = true, .fresh_s = -1, .retry_s = -1});
    assert_int_equal(item.failures, 0);
    assert_true(item.job.due_at >= now + 200);
    held.window.end_at = now - 10;
    item_done(&stapler, &item, &(struct attempt){.unchanged = true, .fresh_s = -1, .retry_s = 80000});
    assert_int_equal(item.failures, 1);
    assert_says(item.failure, "nothing newer");
    assert_true(item.job.due_at <= now + 400);
}

/* One cache, one process; here two descriptors do as well. */
static void a_cache_is_of_one(void **state)
{
    (void)state;
    struct error err;
    int lock = disk_lock(&config, &err);
    assert_true(lock >= 0);
    assert_int_equal(disk_lock(&config, &err), -1);
    assert_says(err, "another annul-stapler");
    close(lock);
    lock = disk_lock(&config, &err);
    assert_true(lock >= 0);
    close(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_staple_is_believed_only_if_it_is_one),
        cmocka_unit_test(a_former_staple_goes_with_its_certificate),
        cmocka_unit_test(a_crl_is_believed_only_if_it_is_one),
        cmocka_unit_test(validators_are_kept_with_their_crl),
        cmocka_unit_test(two_sections_share_no_file),
        cmocka_unit_test(a_new_one_comes_before_a_consumer_lets_go),
        cmocka_unit_test(nothing_newer_than_what_has_ended_is_a_failure),
        cmocka_unit_test(a_cache_is_of_one),
        cmocka_unit_test(full_disk_leaves_the_old_file),
        cmocka_unit_test(two_threads_write_one_file),
    };
    return cmocka_run_group_tests_name("cache of annul-stapler", tests, make, unmake);
}
