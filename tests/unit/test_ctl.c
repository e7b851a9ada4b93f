/* The parts of annulctl that need no daemon. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/print.h"

#include <annul/fetch.h>

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(table) (sizeof(table) / sizeof *(table))

static void the_worse_code_wins(void **state)
{
    (void)state;
    static const int mild_to_bad[] = {0, 11, 10, 12, 1, 2, 3, 4};
    for (size_t i = 0; i < COUNT(mild_to_bad); i++)
        for (size_t k = 0; k <= i; k++) {
            assert_int_equal(ctl_worse(mild_to_bad[i], mild_to_bad[k]), mild_to_bad[i]);
            assert_int_equal(ctl_worse(mild_to_bad[k], mild_to_bad[i]), mild_to_bad[i]);
        }
}

static void http_status_gives_exit_code(void **state)
{
    (void)state;
    static const int codes[][2] = {{200, CTL_OK},           {201, CTL_OK},          {204, CTL_OK},
                                   {301, CTL_UNREACHABLE},  {400, CTL_REFUSED},     {401, CTL_UNAUTHORISED},
                                   {403, CTL_UNAUTHORISED}, {404, CTL_REFUSED},     {408, CTL_UNREACHABLE},
                                   {409, CTL_REFUSED},      {413, CTL_REFUSED},     {422, CTL_REFUSED},
                                   {429, CTL_UNREACHABLE},  {500, CTL_UNREACHABLE}, {503, CTL_UNREACHABLE},
                                   {0, CTL_UNREACHABLE},    {600, CTL_UNREACHABLE}};
    for (size_t i = 0; i < COUNT(codes); i++)
        assert_int_equal(ctl_client_code(codes[i][0]), codes[i][1]);
}

static void paths_are_escaped(void **state)
{
    (void)state;
    char *path = ctl_client_path("/api/v1/issuers/{}/certificates/{}", "a b/../\xC3\xA4?#%", "1a2b");
    assert_string_equal(path, "/api/v1/issuers/a%20b%2F..%2F%C3%A4%3F%23%25/certificates/1a2b");
    free(path);
    path = ctl_client_path("/plain");
    assert_string_equal(path, "/plain");
    free(path);
}

static const struct {
    const char *spoken, *text, *seen;
} visible[] = {
    {"plain", "CN=client-0,O=Demo", "CN=client-0,O=Demo"},
    {"UTF-8 stays", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"},
    {"escape sequence", "\x1b[31mred", "\\x1b[31mred"},
    {"newline, tab, delete", "a\nb\tc\x7f", "a\\x0ab\\x09c\\x7f"},
    {"C1 control (CSI)", "\xC2\x9b", "\\u009b"},
    {"right-to-left override", "\xE2\x80\xAEtxt", "\\u202etxt"},
    {"zero-width space", "a\xE2\x80\x8B", "a\\u200b"},
    {"isolate", "\xE2\x81\xA6", "\\u2066"},
    {"stray continuation octet", "a\x80z", "a\\x80z"},
    {"cut off character", "\xE2\x82", "\\xe2\\x82"},
    {"overlong slash", "\xC0\xAF", "\\xc0\\xaf"},
    {"octet that is never UTF-8", "\xFF", "\\xff"},
};

static void harmful_text_is_made_visible(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(visible); i++) {
        char *seen = NULL;
        size_t len;
        FILE *out = open_memstream(&seen, &len);
        assert_non_null(out);
        ctl_put_visible(out, visible[i].text);
        fclose(out);
        if (strcmp(seen, visible[i].seen) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", visible[i].spoken, seen, visible[i].seen);
        free(seen);
    }
}

static void parse(int argc, char **argv, struct ctl *ctl)
{
    *ctl = (struct ctl){0};
    optind = 0; /* glibc: begin anew */
    assert_int_equal(ctl_options_parse(argc, argv, ctl), 0);
}

static void options_stand_anywhere(void **state)
{
    (void)state;
    struct ctl ctl;
    char *argv[] = {"annulctl", "-q", "revoke", "--reason", "keyCompromise", "ca", "--socket=/x",
                    "0a",       "--", "--json", NULL};
    setenv("POSIXLY_CORRECT", "1", 1);
    parse((int)COUNT(argv) - 1, argv, &ctl);
    unsetenv("POSIXLY_CORRECT");
    assert_int_equal(ctl.words, 4);
    assert_string_equal(ctl.word[0], "revoke");
    assert_string_equal(ctl.word[1], "ca");
    assert_string_equal(ctl.word[2], "0a");
    assert_string_equal(ctl.word[3], "--json");
    assert_non_null(ctl.option[CTL_QUIET]);
    assert_null(ctl.option[CTL_JSON]);
    assert_string_equal(ctl.option[CTL_REASON], "keyCompromise");
    assert_string_equal(ctl.option[CTL_SOCKET], "/x");
    free(ctl.word);
    free(ctl.issuer);
}

static void an_issuer_may_come_again(void **state)
{
    (void)state;
    struct ctl ctl;
    char *argv[] = {"annulctl", "--issuer", "one", "token", "create", "ops", "--issuer=two", NULL};
    parse((int)COUNT(argv) - 1, argv, &ctl);
    assert_int_equal(ctl.issuers, 2);
    assert_string_equal(ctl.issuer[0], "one");
    assert_string_equal(ctl.issuer[1], "two");
    assert_string_equal(ctl.option[CTL_ISSUER], "two");
    assert_int_equal(ctl.words, 3);
    free(ctl.word);
    free(ctl.issuer);
}

static void a_socket_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct error err = {""};
    struct fetch_options options = {.socket_path = "/nonexistent/annul.sock", .bearer = "annul_secret"};
    struct fetch_request request = {.method = "GET", .url = "http://localhost/"};
    struct fetch_response response;
    struct fetch *fetch = fetch_new(&options, &err);
    assert_non_null(fetch);
    assert_int_equal(fetch_send(fetch, &request, &response, &err), -1);
    assert_int_equal(response.os_error, 2 /* ENOENT */);
    assert_non_null(strstr(err.text, "/nonexistent/annul.sock"));
    assert_null(strstr(err.text, "secret"));
    fetch_response_free(&response);
    fetch_free(fetch);
}

static const struct {
    const char *url;
    bool in_clear;
} reached[] = {
    {"https://status.example:8443", false},
    {"http://status.example:8081", true},
    {"http://192.0.2.7", true},
    {"http://[2001:db8::1]:8081", true},
    {"http://127.0.0.1:8081", false},
    {"http://127.9.9.9", false},
    {"http://[::1]:8081", false},
    {"http://LocalHost:8081", false},
    {"http://localhost.example", true},
    {"http://127.0.0.1.example", true},
    {"http://0.0.0.0:8081", true},
    {"http://", true},
};

static void only_tls_or_this_host_may_see_a_token(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reached); i++)
        if (fetch_url_is_in_clear(reached[i].url) != reached[i].in_clear)
            fail_msg("%s", reached[i].url);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_worse_code_wins),
        cmocka_unit_test(http_status_gives_exit_code),
        cmocka_unit_test(paths_are_escaped),
        cmocka_unit_test(harmful_text_is_made_visible),
        cmocka_unit_test(options_stand_anywhere),
        cmocka_unit_test(an_issuer_may_come_again),
        cmocka_unit_test(a_socket_that_is_not_there_is_named),
        cmocka_unit_test(only_tls_or_this_host_may_see_a_token),
    };
    return cmocka_run_group_tests_name("annulctl", tests, NULL, NULL);
}
