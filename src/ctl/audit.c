/* The audit trail: shown, written out, and checked. */
#include "client.h"
#include "print.h"
#include "serials.h"

#include <annul/audit.h>
#include <annul/fetch.h>
#include <annul/hex.h>
#include <annul/number.h>
#include <annul/plural.h>
#include <annul/time.h>

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 1000 /* the most that the API gives at once */
#define SHOWN 100 /* where nothing else is asked for */

/* --- pages --------------------------------------------------------------------------------------------- */

struct walk {
    struct ctl *ctl;
    const char *order;
    const char *issuer, *serial; /* or NULL */
    long left;
    bool whole;   /* every entry is needed, and the head: the chain ends there */
    json_t *head; /* of the moment of the last page; the caller's to json_decref */
};

/* Takes a row; other than CTL_OK ends the walk. */
typedef int take_row(void *arg, const json_t *row);

static char *page_path(const struct walk *walk, const json_t *after)
{
    struct buffer path = {0};
    bool good = buffer_printf(&path, "/api/v1/audit?order=%s&limit=%ld", walk->order,
                              walk->left < PAGE ? walk->left : PAGE);
    if (good && walk->issuer)
        good = buffer_add_text(&path, "&issuer=") && fetch_url_escape(&path, walk->issuer);
    if (good && walk->serial)
        good = buffer_add_text(&path, "&serial=") && fetch_url_escape(&path, walk->serial);
    if (good && after)
        good = buffer_printf(&path, "&after=%lld", json_integer_value(after));
    if (good && buffer_add(&path, "", 1))
        return (char *)path.at;
    buffer_free(&path);
    return NULL;
}

/* One page; `after` is replaced by where the next one begins, NULL behind the last. */
static int walk_page(struct walk *walk, json_t **after, take_row *take, void *arg)
{
    json_t *answer = NULL;
    char *path = page_path(walk, *after);
    int code = path ? ctl_client_get(walk->ctl, path, "read the audit trail", &answer) : ctl_no_memory();
    const json_t *rows = json_object_get(answer, "audit");
    json_t *next = json_object_get(answer, "next");
    if (code == CTL_OK && !json_is_array(rows))
        code =
            ctl_fail(CTL_UNREACHABLE, "read the audit trail: the answer is not one that this version reads");
    if (code == CTL_OK && walk->whole && json_is_null(json_object_get(answer, "head")))
        code = ctl_fail(CTL_UNAUTHORISED,
                        "read the audit trail: this access is for some issuers alone, and does not "
                        "see all of it; use one that is for all");
    for (size_t i = 0; i < json_array_size(rows) && code == CTL_OK; i++)
        code = take(arg, json_array_get(rows, i));
    walk->left -= (long)json_array_size(rows);
    json_decref(*after);
    *after = code == CTL_OK && walk->left > 0 && json_is_integer(next) ? json_incref(next) : NULL;
    json_decref(walk->head);
    walk->head = json_incref(json_object_get(answer, "head"));
    json_decref(answer);
    free(path);
    return code;
}

static int walk_rows(struct walk *walk, take_row *take, void *arg)
{
    json_t *after = NULL;
    int code;
    do
        code = walk_page(walk, &after, take, arg);
    while (code == CTL_OK && after);
    json_decref(after);
    return code;
}

/* --- show ---------------------------------------------------------------------------------------------- */

static const char *const columns[] = {"at", "actor", "origin", "action", "issuer", "serial", "detail"};
#define COLUMNS (sizeof columns / sizeof *columns)

static int add_to_table(void *arg, const json_t *row)
{
    struct ctl_table *table = arg;
    bool good = ctl_table_add(table, "%lld", json_integer_value(json_object_get(row, "id")));
    for (size_t i = 0; i < COLUMNS; i++)
        good = good && ctl_table_add(table, "%s", ctl_json_text(row, columns[i], "-"));
    return good ? CTL_OK : ctl_no_memory();
}

static int show_json(void *arg, const json_t *row)
{
    (void)arg;
    ctl_print_json(row);
    return CTL_OK;
}

static int show_table(struct walk *walk)
{
    struct ctl_table table = {.columns = COLUMNS + 1};
    bool good = ctl_table_add(&table, "ID") && ctl_table_add(&table, "TIME") &&
                ctl_table_add(&table, "ACTOR") && ctl_table_add(&table, "ORIGIN") &&
                ctl_table_add(&table, "ACTION") && ctl_table_add(&table, "ISSUER") &&
                ctl_table_add(&table, "SERIAL") && ctl_table_add(&table, "DETAIL");
    int code = good ? walk_rows(walk, add_to_table, &table) : ctl_no_memory();
    if (code == CTL_OK)
        ctl_table_print(&table);
    ctl_table_free(&table);
    return code;
}

int ctl_audit_show(struct ctl *ctl, int argc, char **argv)
{
    (void)argc, (void)argv;
    int64_t left = SHOWN;
    const char *limit = ctl->option[CTL_LIMIT], *serial = ctl->option[CTL_SERIAL];
    struct walk walk = {.ctl = ctl,
                        .order = "newest",
                        .issuer = ctl->option[CTL_ISSUER],
                        .serial = serial ? ctl_serial_typed(serial) : NULL};
    if (limit && (!number_from_text(limit, LONG_MAX, &left) || left < 1))
        return ctl_fail(CTL_USAGE, "--limit %s is not a number of entries from 1", limit);
    walk.left = left;
    int code = ctl->option[CTL_JSON] ? walk_rows(&walk, show_json, NULL) : show_table(&walk);
    json_decref(walk.head);
    return code;
}

/* --- export -------------------------------------------------------------------------------------------- */

static int write_line(void *arg, const json_t *row)
{
    (void)arg;
    if (json_dumpf(row, stdout, JSON_COMPACT) < 0 || putchar('\n') == EOF)
        return CTL_USAGE; /* main says why */
    return CTL_OK;
}

int ctl_audit_export(struct ctl *ctl, int argc, char **argv)
{
    (void)argc, (void)argv;
    struct walk walk = {.ctl = ctl, .order = "oldest", .left = LONG_MAX, .whole = true};
    int code = walk_rows(&walk, write_line, NULL);
    json_t *head = code == CTL_OK ? json_pack("{s:O}", "head", walk.head) : NULL;
    if (head)
        code = write_line(NULL, head);
    json_decref(head);
    json_decref(walk.head);
    return code;
}

/* --- verify -------------------------------------------------------------------------------------------- */

static bool read_hash(const json_t *object, uint8_t hash[AUDIT_HASH])
{
    const char *text = ctl_json_text(object, "hash", "");
    if (strlen(text) != 2 * AUDIT_HASH)
        return false;
    for (size_t i = 0; i < AUDIT_HASH; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

static int check_row(void *arg, const json_t *object)
{
    const char *serial = ctl_json_text(object, "serial", NULL);
    struct audit_row row = {.id = json_integer_value(json_object_get(object, "id")),
                            .actor = ctl_json_text(object, "actor", NULL),
                            .origin = ctl_json_text(object, "origin", NULL),
                            .action = ctl_json_text(object, "action", NULL),
                            .issuer = ctl_json_text(object, "issuer", NULL),
                            .detail = ctl_json_text(object, "detail", NULL)};
    row.damaged = json_is_true(json_object_get(object, "damaged")) ||
                  !time_from_text(ctl_json_text(object, "at", ""), &row.at) ||
                  (serial && !serial_from_text(serial, &row.serial)) || !read_hash(object, row.hash);
    return audit_check_row(arg, &row) ? CTL_OK : ctl_no_memory();
}

static int tell(const struct ctl *ctl, struct audit_check *check, const json_t *object)
{
    struct error err;
    char hash[2 * AUDIT_HASH + 1];
    struct audit_head head = {.id = json_integer_value(json_object_get(object, "id"))};
    head.damaged = !read_hash(object, head.hash);
    if (audit_check_end(check, &head, &err) < 0)
        return ctl_fail(CTL_REFUSED, "audit trail: %s", err.text);
    hex_encode(head.hash, AUDIT_HASH, hash);
    if (!ctl->option[CTL_QUIET])
        printf("%lld %s, none changed, missing, moved or added; the last is %lld with the hash %s\n",
               (long long)check->rows, plural((uint64_t)check->rows, "entry", "entries"), (long long)head.id,
               hash);
    return CTL_OK;
}

/* What `audit export` wrote: a row a line, and the head behind them. */
static int check_file(FILE *file, const char *name, struct audit_check *check, json_t **head)
{
    char *line = NULL;
    size_t room = 0, number = 0;
    ssize_t len;
    int code = CTL_OK;
    while (code == CTL_OK && !*head && (len = getline(&line, &room, file)) > 0) {
        json_t *object = json_loadb(line, (size_t)len, JSON_REJECT_DUPLICATES, NULL);
        number++;
        *head = json_incref(json_object_get(object, "head"));
        if (!json_is_object(object))
            code = ctl_fail(CTL_USAGE, "%s:%zu: no JSON object; is this what `audit export` wrote?", name,
                            number);
        else if (!*head)
            code = check_row(check, object);
        json_decref(object);
    }
    if (code == CTL_OK && ferror(file))
        code = ctl_fail(CTL_USAGE, "cannot read %s: %s", name, strerror(errno));
    else if (code == CTL_OK && !*head)
        code = ctl_fail(CTL_USAGE, "%s: the last line, with the head, is missing", name);
    free(line);
    return code;
}

static int verify_file(const char *name, struct audit_check *check, json_t **head)
{
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "re");
    if (!file)
        return ctl_fail(CTL_USAGE, "cannot read %s: %s", name, strerror(errno));
    int code = check_file(file, name, check, head);
    if (file != stdin)
        fclose(file);
    return code;
}

int ctl_audit_verify(struct ctl *ctl, int argc, char **argv)
{
    struct audit_check check = {0};
    struct walk walk = {.ctl = ctl, .order = "oldest", .left = LONG_MAX, .whole = true};
    int code = argc ? verify_file(argv[0], &check, &walk.head) : walk_rows(&walk, check_row, &check);
    if (code == CTL_OK)
        code = tell(ctl, &check, walk.head);
    json_decref(walk.head);
    audit_check_free(&check);
    return code;
}
