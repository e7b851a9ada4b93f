/* Looks for the first row that is wrong, and for what happened to it. */
#include <annul/audit.h>

#include <stdlib.h>
#include <string.h>

static void row_free(struct audit_row *row)
{
    free((char *)(uintptr_t)row->actor);
    free((char *)(uintptr_t)row->origin);
    free((char *)(uintptr_t)row->action);
    free((char *)(uintptr_t)row->issuer);
    free((char *)(uintptr_t)row->detail);
    *row = (struct audit_row){0};
}

static bool copy(const char *from, const char **to)
{
    *to = from ? strdup(from) : NULL;
    return *to || !from;
}

static bool row_copy(const struct audit_row *from, struct audit_row *to)
{
    *to = *from;
    to->actor = to->origin = to->action = to->issuer = to->detail = NULL;
    return copy(from->actor, &to->actor) && copy(from->origin, &to->origin) &&
           copy(from->action, &to->action) && copy(from->issuer, &to->issuer) &&
           copy(from->detail, &to->detail);
}

/* Whether the row, as number `id` behind the one whose hash is `before`, has the hash `wanted`. */
static bool fits(const struct audit_row *row, int64_t id, const uint8_t before[AUDIT_HASH],
                 const uint8_t wanted[AUDIT_HASH])
{
    struct audit_row as = *row;
    uint8_t hash[AUDIT_HASH];
    as.id = id;
    return !row->damaged && audit_hash(before, &as, hash) && memcmp(hash, wanted, AUDIT_HASH) == 0;
}

static struct audit_head head_of(const struct audit_row *row)
{
    struct audit_head head = {.id = row->id};
    memcpy(head.hash, row->hash, AUDIT_HASH);
    return head;
}

static void tell_missing(struct audit_check *check, int64_t first, int64_t last, const char *where)
{
    if (first == last)
        error_set(&check->fault, "row %lld is missing%s", (long long)first, where);
    else
        error_set(&check->fault, "rows %lld to %lld are missing%s", (long long)first, (long long)last, where);
}

/* The first row that does not fit behind the last good one. */
static bool suspect(struct audit_check *check, const struct audit_row *row)
{
    if (row->id > check->last.id + 1)
        tell_missing(check, check->last.id + 1, row->id - 1, "");
    else if (row->id < 1)
        error_set(&check->fault, "row %lld was added: the first has the number 1", (long long)row->id);
    check->wrong = true;
    check->behind = head_of(row);
    return row_copy(row, &check->suspect);
}

/* A row behind the suspect: does the chain go on here without it, or does the suspect belong here? */
static void explain(struct audit_check *check, const struct audit_row *row)
{
    const struct audit_row *s = &check->suspect;
    if (check->fault.text[0])
        return;
    if (fits(s, row->id, check->behind.hash, row->hash) || fits(s, row->id, check->behind.hash, s->hash) ||
        fits(s, row->id, row->hash, s->hash))
        error_set(&check->fault, "row %lld was moved: what stands there was row %lld", (long long)s->id,
                  (long long)row->id);
    else if (check->behind.id == s->id && (fits(row, row->id, check->last.hash, row->hash) ||
                                           fits(row, row->id - 1, check->last.hash, row->hash)))
        error_set(&check->fault, "row %lld was added", (long long)s->id);
}

bool audit_check_row(struct audit_check *check, const struct audit_row *row)
{
    check->rows++;
    if (check->wrong) {
        explain(check, row);
        check->behind = head_of(row);
        return true;
    }
    if (row->id < 1 || !fits(row, row->id, check->last.hash, row->hash))
        return suspect(check, row);
    check->last = head_of(row);
    return true;
}

static void tell_changed(struct audit_check *check)
{
    int64_t id = check->suspect.id, last = check->last.id;
    if (last == 0)
        error_set(&check->fault, "row %lld was changed, or is not the first", (long long)id);
    else
        error_set(&check->fault, "row %lld was changed, or is not the one that was behind row %lld",
                  (long long)id, (long long)last);
}

/* All rows follow each other; do they end where they should? */
static void check_ending(struct audit_check *check, const struct audit_head *head)
{
    if (head->id > check->last.id)
        tell_missing(check, check->last.id + 1, head->id, " at the end");
    else if (head->id < check->last.id)
        error_set(&check->fault, "row %lld was added at the end, or the head was changed",
                  (long long)head->id + 1);
    else if (head->damaged || memcmp(head->hash, check->last.hash, AUDIT_HASH) != 0)
        error_set(&check->fault, "the head was changed: it is not the hash of row %lld", (long long)head->id);
}

int audit_check_end(struct audit_check *check, const struct audit_head *head, struct error *err)
{
    const struct audit_row *s = &check->suspect;
    if (!check->wrong)
        check_ending(check, head);
    else if (!check->fault.text[0] && s->id > head->id && !head->damaged)
        error_set(&check->fault, "row %lld was added at the end", (long long)s->id);
    else if (!check->fault.text[0])
        tell_changed(check);
    return check->fault.text[0] ? error_set(err, "%s", check->fault.text) : 0;
}

void audit_check_free(struct audit_check *check)
{
    row_free(&check->suspect);
}
