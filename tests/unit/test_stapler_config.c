/* annul-stapler.conf: what it may hold, and what is said of what it may not. */
#include "unit.h"

#include "stapler/config.h"

static char *folder;

static int make(void **state)
{
    (void)state;
    folder = folder_make();
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct stapler_config *load(const char *text, struct error *err)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/annul-stapler.conf", folder);
    file_put(path, text, strlen(text));
    return stapler_config_load(path, err);
}

static void defaults_are_set(void **state)
{
    (void)state;
    struct error err;
    struct stapler_config *config =
        load("staple \"web\" { certificate = {\"web.pem\", \"/abs.pem\"} }", &err);
    assert_non_null(config);
    assert_string_equal(config->cache.text, "/var/lib/annul-stapler");
    assert_int_equal(config->workers, 4);
    assert_int_equal(config->timeout_s, 60);
    assert_int_equal(config->wait_s, 60);
    assert_int_equal(config->staple_count, 1);
    assert_int_equal(config->staples[0].revoked, REVOKED_PUBLISH);
    assert_int_equal(config->staples[0].sources.count, 2);
    assert_non_null(strstr(config->staples[0].sources.list[0].text, folder)); /* from the file's folder */
    assert_string_equal(config->staples[0].sources.list[1].text, "/abs.pem");
    stapler_config_free(config);
}

static void everything_is_read(void **state)
{
    (void)state;
    struct error err;
    struct stapler_config *config =
        load("cache { directory = \"/cache\" }\n"
             "fetch { workers = 8 connect_timeout = \"2s\" timeout = \"10s\" "
             "wait = \"0s\" crl_mb = 2 proxy = \"http://p:1\" }\n"
             "mirror { listen = {\"127.0.0.1:1\"} upstream = \"http://u/\" issuer = {\"/m\"} }\n"
             "log { level = \"debug\" }\n"
             "authorities = {\"ca.pem\"}\n"
             "staple \"web\" { certificate = {\"web.pem\"} issuer = {\"i.pem\"} "
             "responder = {\"http://r/\"} interval = \"5m\" chain = yes\n"
             "  revoked = \"hook\" hook = {\"/bin/true\", \"x\"}\n"
             "  deliver { kind = \"nginx\" path = \"/s\" pid_file = \"/p\" "
             "signal = \"USR1\" process = \"nginx\" mode = \"0640\" }\n"
             "  deliver { kind = \"haproxy\" socket = \"/h.sock\" } }\n"
             "crl \"c\" { url = {\"http://c/c.crl\"} certificate = {\"x.pem\"}\n"
             "  deliver { path = \"/c.pem\" owner = \"root\" group = \"root\" "
             "command = {\"/bin/true\"} unit = \"m.service\" timeout = \"5s\" }\n"
             "  deliver { kind = \"hash-dir\" path = \"/d\" } }\n",
             &err);
    if (!config)
        fail_msg("%s", err.text);
    assert_int_equal(config->workers, 8);
    assert_int_equal(config->crl_octets, 2 << 20);
    assert_string_equal(config->proxy.text, "http://p:1");
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_string_equal(config->mirror.issuers.list[0].text, "/m");
    assert_int_equal(config->staples[0].revoked, REVOKED_HOOK);
    assert_true(config->staples[0].chain);
    assert_string_equal(config->staples[0].hook_argv[1], "x");
    assert_null(config->staples[0].hook_argv[2]);
    const struct deliver_target *nginx = &config->staples[0].places[0].target,
                                *file = &config->crls[0].places[0].target;
    assert_int_equal(nginx->kind, DELIVER_NGINX);
    assert_int_equal(nginx->notify.signal_number, 10 /* SIGUSR1 */);
    assert_int_equal(nginx->mode, 0640);
    assert_int_equal(nginx->uid, DELIVER_KEEP);
    assert_int_equal(config->staples[0].places[1].target.kind, DELIVER_HAPROXY);
    assert_int_equal(file->format, DELIVER_PEM);
    assert_int_equal(file->uid, 0);
    assert_int_equal(file->notify.timeout_ms, 5000);
    assert_string_equal(file->notify.command[0], "/bin/true");
    assert_string_equal(file->notify.unit, "m.service");
    assert_int_equal(config->crls[0].places[1].target.kind, DELIVER_HASH_DIR);
    stapler_config_free(config);
}

static void what_is_wrong_is_named_with_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "nothing to do"},
        {"staple \"a\" {\n}", "staple \"a\": no certificate"},
        {"staple \"a/b\" { certificate = {\"x\"} }", "letters, digits"},
        {"\n\nstaple \"a\" { certifcate = {\"x\"} }", ".conf:3: no such option"},
        {"staple \"a\" { certificate = {\"x\"}", "closing brace"},
        {"staple \"a\" { certificate = {\"x\"}\n responder = {\"ftp://x\"} }",
         ".conf:2: responder \"ftp://x\""},
        {"staple \"a\" { certificate = {\"x\"}\n\n revoked = \"ignore\" }", ".conf:3: revoked = \"ignore\""},
        {"staple \"a\" { certificate = {\"x\"} revoked = \"hook\" }", "go together"},
        {"staple \"a\" { certificate = {\"x\"} hook = {\"/bin/true\"} }", "go together"},
        {"staple \"a\" { certificate = {\"x\"} interval = \"soon\" }", "not a duration"},
        {"staple \"a\" { certificate = {\"x\"} deliver { kind = \"apache\" path = \"/x\" } }",
         "must be one of file"},
        {"staple \"a\" { certificate = {\"x\"} deliver { kind = \"hash-dir\" path = \"/x\" } }",
         "not for staples"},
        {"staple \"a\" { certificate = {\"x\"} deliver { kind = \"nginx\" } }", "no path"},
        {"staple \"a\" { certificate = {\"x\"} deliver { kind = \"hitch\" path = \"/x\" } }",
         "only when it is told"},
        {"staple \"a\" { certificate = {\"x\"} deliver { kind = \"nginx\" path = \"/x\" } }",
         "only when it is told"},
        {"staple \"a\" { certificate = {\"x\"} revoked = \"withhold\" deliver { kind = \"haproxy\" } }",
         "only when it is told"},
        {"staple \"a\" { certificate = {\"x\"} deliver { path = \"/x\" mode = \"rw\" } }", "must be octal"},
        {"staple \"a\" { certificate = {\"x\"} deliver { path = \"/x\" mode = \"7777\" } }", "must be octal"},
        {"staple \"a\" { certificate = {\"x\"} deliver { path = \"/x\" owner = \"nobody-here\" } }",
         "no such user"},
        {"staple \"a\" { certificate = {\"x\"} deliver { path = \"/x\" signal = \"SIGHUP\" } }", "\"HUP\""},
        {"crl \"a\" { }", "neither url nor certificate"},
        {"crl \"a\" { url = {\"http://x/\"} deliver { kind = \"nginx\" path = \"/x\" } }", "not for CRLs"},
        {"crl \"a\" { url = {\"http://x/\"} deliver { kind = \"haproxy\" socket = \"/s\" } }", "no path"},
        {"fetch { workers = 0 }\ncrl \"a\" { url = {\"http://x/\"} }", ".conf:1: workers = 0"},
        {"mirror { upstream = \"x\" }\ncrl \"a\" { url = {\"http://x/\"} }", "upstream \"x\""},
        {"log { level = \"loud\" }\ncrl \"a\" { url = {\"http://x/\"} }", "level = \"loud\""},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = {""};
        struct stapler_config *config = load(rows[i].text, &err);
        if (config || !strstr(err.text, rows[i].says))
            fail_row(rows[i].text, "said: %s", err.text);
        check_row(rows[i].text, strstr(err.text, "annul-stapler.conf:"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_set),
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(what_is_wrong_is_named_with_its_line),
    };
    return cmocka_run_group_tests_name("stapler configuration", tests, make, unmake);
}
