/* Files that are replaced whole, what is remembered, and what is told to whom. */
#include "delivery.h"

#include <signal.h>

#include <sys/resource.h>

/* --- the file ------------------------------------------------------------------------------------------ */

static void file_is_made_replaced_and_left_alone(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    assert_file(p->path, "one");
    struct stat status;
    assert_int_equal(stat(p->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0644);
    ino_t inode = status.st_ino;

    assert_int_equal(give(p, "one"), DELIVER_SAME);
    assert_int_equal(inode_of(p->path), inode);
    p->state = (struct deliver_state){0}; /* after a restart that forgot */
    assert_int_equal(give(p, "one"), DELIVER_SAME);

    assert_int_equal(give(p, "two"), DELIVER_DONE);
    assert_file(p->path, "two");
    assert_int_equal(give(p, "two and more"), DELIVER_DONE);
    assert_int_equal(give(p, "two"), DELIVER_DONE);
    assert_file(p->path, "two");
    assert_int_equal(file_count(p->folder), 1);
    place_close(p);
}

static void owner_and_mode_are_the_old_files_or_configured(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    struct stat status;
    file_put(p->path, "old", 3);
    assert_int_equal(chmod(p->path, 0640), 0);
    if (getuid() == 0)
        assert_int_equal(chown(p->path, 12, 34), 0);
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    assert_int_equal(stat(p->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0640);
    if (getuid() == 0) {
        assert_int_equal(status.st_uid, 12);
        assert_int_equal(status.st_gid, 34);
        p->target.gid = 56;
    }
    p->target.mode = 0600;
    assert_int_equal(give(p, "two"), DELIVER_DONE);
    assert_int_equal(stat(p->path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    if (getuid() == 0) {
        assert_int_equal(status.st_uid, 12);
        assert_int_equal(status.st_gid, 56);
    }
    place_close(p);
}

/* Not root, and not its owner: the folder is ours, the file was put there by another. */
static void what_cannot_keep_its_owner_is_readable_by_all(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    struct stat status;
    file_put(p->path, "old", 3);
    if (getuid() != 0 || chmod(p->path, 0640) < 0 || chown(p->path, 12, 34) < 0 ||
        chown(p->folder, 77, 77) < 0)
        skip();
    assert_int_equal(seteuid(77), 0);
    int given = give(p, "one");
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(given, DELIVER_DONE);
    assert_int_equal(stat(p->path, &status), 0);
    assert_int_equal(status.st_uid, 77);
    assert_int_equal(status.st_mode & 07777, 0644);
    p->target.uid = 12; /* configured, it is an order */
    assert_int_equal(seteuid(77), 0);
    given = give(p, "two");
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(given, DELIVER_FAILED);
    assert_file(p->path, "one");
    place_close(p);
}

static void what_a_symlink_names_is_replaced(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "link");
    file_put(in_place(p, "real"), "old", 3);
    assert_int_equal(symlink("real", p->path), 0);
    assert_int_equal(give(p, "new"), DELIVER_DONE);
    assert_file(in_place(p, "real"), "new");
    struct stat status;
    assert_int_equal(lstat(p->path, &status), 0);
    assert_true(S_ISLNK(status.st_mode));
    assert_int_equal(give(p, NULL), DELIVER_DONE);
    assert_false(exists(p->path));
    place_close(p);
}

static void what_a_crash_left_is_no_obstacle(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    file_put(in_place(p, ".staple.der.annul"), "half", 4);
    assert_int_equal(give(p, "whole"), DELIVER_DONE);
    assert_file(p->path, "whole");
    assert_int_equal(file_count(p->folder), 1);
    place_close(p);
}

static void full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    struct rlimit before, small;
    char large[8193];
    memset(large, 'x', 8192);
    large[8192] = 0;
    assert_int_equal(give(p, "old"), DELIVER_DONE);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = (struct rlimit){4096, before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    enum deliver_outcome outcome = give(p, large);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);

    assert_int_equal(outcome, DELIVER_FAILED);
    assert_says(p->err, p->path);
    assert_says(p->err, "unchanged");
    assert_says(p->err, "make room");
    assert_file(p->path, "old");
    assert_int_equal(file_count(p->folder), 1);
    assert_false(p->state.pending); /* there is nothing that the consumer does not know */
    assert_int_equal(p->state.failures, 1);
    assert_int_equal(p->state.retry_at, NOW + 2);
    assert_int_equal(give(p, large), DELIVER_DONE);
    assert_int_equal(p->state.failures, 0);
    assert_int_equal(p->state.retry_at, 0);
    place_close(p);
}

static void unwritable_folder_leaves_the_old_file(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    bool root = getuid() == 0;
    assert_int_equal(give(p, "old"), DELIVER_DONE);
    assert_int_equal(chmod(p->folder, 0555), 0);
    assert_true(!root || seteuid(65534) == 0);
    enum deliver_outcome outcome = give(p, "new");
    struct error err;
    int checked = deliver_check(&p->target, "server.pem", &err);
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(chmod(p->folder, 0755), 0);
    assert_int_equal(outcome, DELIVER_FAILED);
    assert_says(p->err, "let the stapler's user write there");
    assert_file(p->path, "old");
    if (!root) /* access(2) asks for the real user */
        assert_int_equal(checked, -1);
    place_close(p);
}

static void missing_folder_is_named(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "none/staple.der");
    assert_int_equal(give(p, "new"), DELIVER_FAILED);
    assert_says(p->err, "make the folder");
    assert_int_equal(deliver_check(&p->target, "server.pem", &p->err), -1);
    assert_says(p->err, "none");
    place_close(p);
}

static void forms(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.pem");
    p->target.format = DELIVER_PEM;
    assert_int_equal(give(p, "foobar"), DELIVER_DONE);
    assert_file(p->path, "-----BEGIN OCSP RESPONSE-----\nZm9vYmFy\n-----END OCSP RESPONSE-----\n");
    assert_int_equal(give(p, "foobar"), DELIVER_SAME);
    place_close(p);
}

/* --- withdrawing --------------------------------------------------------------------------------------- */

static void withdrawn_is_removed_once(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    assert_int_equal(give(p, NULL), DELIVER_SAME);
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    assert_int_equal(give(p, NULL), DELIVER_DONE);
    assert_false(exists(p->path));
    assert_int_equal(give(p, NULL), DELIVER_SAME);
    place_close(p);
}

static void nginx_has_an_include(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_NGINX, "staple.der");
    char wanted[512];
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    snprintf(wanted, sizeof wanted, "ssl_stapling_file \"%s\";\n", p->path);
    assert_file(p->path, "one");
    assert_file(in_place(p, "staple.der.conf"), wanted);
    assert_int_equal(give(p, "one"), DELIVER_SAME);
    assert_int_equal(give(p, NULL), DELIVER_DONE);
    assert_int_equal(file_count(p->folder), 0);
    place_close(p);
}

static void haproxy_has_an_empty_file(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_HAPROXY, "");
    assert_int_equal(give(p, NULL), DELIVER_DONE);
    assert_file(in_place(p, "server.pem.ocsp"), "");
    assert_int_equal(give(p, NULL), DELIVER_SAME);
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    assert_file(in_place(p, "server.pem.ocsp"), "one");
    assert_int_equal(give(p, NULL), DELIVER_DONE);
    assert_file(in_place(p, "server.pem.ocsp"), "");
    place_close(p);
}

static void hitch_finds_it_by_the_certificates_name(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_HITCH, "");
    struct deliver_staple staple = {.certificate_path = "/etc/hitch/server.pem", .der = bytes_of_text("one")};
    assert_int_equal(deliver_staple(&p->delivery, &staple, &p->err), DELIVER_DONE);
    assert_file(in_place(p, "2168530a48aaa8afc18a0a4ea6614fd9"), "one"); /* as md5sum(1) has it */
    place_close(p);
}

/* --- the consumer and what is remembered --------------------------------------------------------------- */

static void told_only_of_changes_until_it_listens(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    char command[512];
    const char *argv[] = {command, NULL};
    snprintf(command, sizeof command, "%s/hook", p->folder);
    p->target.notify.command = argv;
    script_put(command, "#!/bin/sh\necho told >>${0%/*}/log; echo it is broken; exit 7\n");

    assert_int_equal(give(p, "one"), DELIVER_FAILED);
    assert_says(p->err, "exit code 7: it is broken");
    assert_file(p->path, "one");
    assert_true(p->state.pending && p->saved.pending);
    assert_int_equal(p->saved.failures, 1);

    script_put(command, "#!/bin/sh\necho told >>${0%/*}/log\n");
    p->state = p->saved; /* a restart */
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    assert_false(p->state.pending || p->saved.pending);
    assert_int_equal(give(p, "one"), DELIVER_SAME);
    assert_file(in_place(p, "log"), "told\ntold\n");
    place_close(p);
}

static void pending_is_durable_before_the_change(void **state)
{
    (void)state;
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    assert_int_equal(give(p, "one"), DELIVER_DONE);
    assert_true(p->first.pending);
    assert_int_equal(p->saves, 2); /* before and behind */
    assert_false(p->saved.pending);
    assert_int_equal(give(p, "one"), DELIVER_SAME);
    assert_int_equal(p->saves, 2);
    place_close(p);
}

static void tries_get_rarer_up_to_a_bound(void **state)
{
    (void)state;
    static const int wanted[] = {2, 4, 8, 16, 32, 64, 128, 256, 300, 300};
    struct place_of_delivery *p = place_open(DELIVER_FILE, "none/staple.der");
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_int_equal(give(p, "one"), DELIVER_FAILED);
        assert_int_equal(p->state.retry_at, NOW + wanted[i]);
    }
    p->state.failures = UINT32_MAX;
    assert_int_equal(give(p, "one"), DELIVER_FAILED);
    assert_int_equal(p->state.retry_at, NOW + 300);
    assert_int_equal(p->state.failures, UINT32_MAX);
    place_close(p);
}

/* --- what makes no sense ------------------------------------------------------------------------------- */

static void targets_that_make_no_sense(void **state)
{
    (void)state;
    static const char *const relative[] = {"hook", NULL}, *const none[] = {"/nonexistent/hook", NULL};
    const struct {
        const char *spoken;
        struct deliver_target target;
        const char *certificate, *says;
    } rows[] = {
        {"a staple in a hash folder", {.kind = DELIVER_HASH_DIR, .path = "/tmp"}, "x", "for CRLs"},
        {"CRLs for hitch", {.kind = DELIVER_HITCH, .path = "/tmp"}, NULL, "for a staple"},
        {"CRLs for nginx's staple", {.kind = DELIVER_NGINX, .path = "/tmp/x"}, NULL, "for a staple"},
        {"a path that nginx would read",
         {.kind = DELIVER_NGINX, .path = "/tmp/$x"},
         "x",
         "nginx's configuration"},
        {"a folder for a file", {.kind = DELIVER_FILE, .path = "/tmp"}, "x", "plain file"},
        {"no hash folder", {.kind = DELIVER_HASH_DIR, .path = "/nonexistent"}, NULL, "/nonexistent"},
        {"a name that is a command",
         {.kind = DELIVER_HAPROXY, .path = "/tmp/x", .socket = "/s", .crl_name = "x; quit"},
         NULL,
         "takes no such name"},
        {"a relative command",
         {.kind = DELIVER_FILE, .path = "/tmp/x", .notify = {.command = relative}},
         "x",
         "absolute path"},
        {"no command",
         {.kind = DELIVER_FILE, .path = "/tmp/x", .notify = {.command = none}},
         "x",
         "No such file"},
        {"no signal",
         {.kind = DELIVER_FILE, .path = "/tmp/x", .notify = {.pid_file = "/p"}},
         "x",
         "no signal"},
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct error err = {0};
        check_row(rows[i].spoken, deliver_check(&rows[i].target, rows[i].certificate, &err) == -1);
        check_row(rows[i].spoken, strstr(err.text, rows[i].says));
    }
    struct place_of_delivery *p = place_open(DELIVER_FILE, "staple.der");
    assert_int_equal(deliver_check(&p->target, "server.pem", &p->err), 0);
    assert_int_equal(file_count(p->folder), 0);
    assert_int_equal(deliver_crls(&p->delivery, NULL, 0, &p->err), DELIVER_FAILED);
    assert_says(p->err, "no CRL");
    p->target.kind = DELIVER_HASH_DIR;
    assert_int_equal(give(p, "one"), DELIVER_FAILED);
    place_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_is_made_replaced_and_left_alone),
        cmocka_unit_test(owner_and_mode_are_the_old_files_or_configured),
        cmocka_unit_test(what_cannot_keep_its_owner_is_readable_by_all),
        cmocka_unit_test(what_a_symlink_names_is_replaced),
        cmocka_unit_test(what_a_crash_left_is_no_obstacle),
        cmocka_unit_test(full_disk_leaves_the_old_file),
        cmocka_unit_test(unwritable_folder_leaves_the_old_file),
        cmocka_unit_test(missing_folder_is_named),
        cmocka_unit_test(forms),
        cmocka_unit_test(withdrawn_is_removed_once),
        cmocka_unit_test(nginx_has_an_include),
        cmocka_unit_test(haproxy_has_an_empty_file),
        cmocka_unit_test(hitch_finds_it_by_the_certificates_name),
        cmocka_unit_test(told_only_of_changes_until_it_listens),
        cmocka_unit_test(pending_is_durable_before_the_change),
        cmocka_unit_test(tries_get_rarer_up_to_a_bound),
        cmocka_unit_test(targets_that_make_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
