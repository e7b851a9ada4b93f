/* Lists and searches. Each way to find certificates is a range of an index, walked in its order. A cursor is the way and
 * the certificate at which a page ended; where that is in the index, it says itself. */
#include "internal.h"

#include <annul/hex.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* A certificate found by its name is somewhere in the table, one found by its serial beside the one before. */
#define TEXT_COST 5
/* Those of a status are few where those that are good are so many times as many. */
#define FEW 16

/* In this order. */
enum way {
    BY_NONE = -1,
    BY_SERIAL,
    BY_FULL_NAME,  /* the subject begins with CN=, and so does what is sought, as far as it goes */
    BY_NAME,       /* the CN that the subject begins with does */
    BY_LATER_NAME, /* the CN that comes later in it does */
    BY_SUBJECT,    /* the subject does, and does not begin with CN= */
    WAYS,
    BY_STATUS = WAYS, /* one status has so few that all of them are looked at, in the order of serials */
};
_Static_assert(BY_STATUS == STORE_WAYS, "the last way");

struct search {
    const struct store_filter *filter;
    int64_t issuer;
    struct db *db;
    store_each *each;
    void *arg;
    bool wants_next;
    size_t given, looked;
    bool over, more;
    struct store_next last; /* that was looked at; the last that was given, where that is enough */
    struct error *err;
};

/* Lower bounds are part of a range of serials, upper bounds are not. */
struct bound {
    uint8_t octets[SERIAL_MAX + 2];
    size_t len;
};

static struct bound bound_at(const struct serial *serial)
{
    struct serial_key key = serial_key(serial);
    struct bound bound = {.len = serial_key_len(key)};
    memcpy(bound.octets, key.octets, bound.len);
    return bound;
}

static struct bound bound_behind(const struct serial *serial)
{
    struct bound bound = bound_at(serial);
    bound.octets[bound.len++] = 0; /* no serial is between them */
    return bound;
}

/* --- which way a certificate is found ------------------------------------------------------------------ */

static const char cn[] = "CN=";
#define CN_LEN (sizeof cn - 1)

static bool begins(const char *text, const char *with)
{
    return strncasecmp(text, with, strlen(with)) == 0;
}

/* The subject from its first CN on; NULL: it has none. */
static const char *name_in(const char *subject)
{
    if (strncmp(subject, cn, CN_LEN) == 0)
        return subject + CN_LEN;
    const char *found = strstr(subject, ",CN=");
    return found ? found + 1 + CN_LEN : NULL;
}

/* What is sought, if it is a subject that begins with CN=; NULL: it is none. */
static const char *sought_name(const char *sought)
{
    size_t len = strlen(sought);
    return strncasecmp(sought, cn, len < CN_LEN ? len : CN_LEN) == 0 ? sought + (len < CN_LEN ? len : CN_LEN)
                                                                     : NULL;
}

static enum way way_by_subject(const char *subject, const char *sought)
{
    const char *name = name_in(subject), *full = sought_name(sought);
    if (name == subject + CN_LEN)
        return full && begins(name, full) ? BY_FULL_NAME : begins(name, sought) ? BY_NAME : BY_NONE;
    if (name && begins(name, sought))
        return BY_LATER_NAME;
    return begins(subject, sought) ? BY_SUBJECT : BY_NONE;
}

static enum way way_of(const struct store_filter *filter, const struct cert_record *record)
{
    char hex[SERIAL_TEXT];
    if (!filter->serial && !filter->subject)
        return BY_SERIAL;
    serial_to_text(&record->serial, hex);
    if (filter->serial && strncmp(hex, filter->serial, strlen(filter->serial)) == 0)
        return BY_SERIAL;
    return filter->subject && record->subject ? way_by_subject(record->subject, filter->subject) : BY_NONE;
}

/* --- one range ----------------------------------------------------------------------------------------- */

/* One that another way finds, too, is given there. */
static bool is_match(const struct search *search, enum way way, const struct cert_record *record)
{
    const struct store_filter *filter = search->filter;
    enum way own =
        filter->status < 0 || (int)record->status == filter->status ? way_of(filter, record) : BY_NONE;
    return way == BY_STATUS ? own != BY_NONE : own == way;
}

/* False: that was enough, and whether there may be more is known. A full page looks on for one more. */
static bool take(struct search *search, enum way way, const struct cert_record *record)
{
    const struct store_filter *filter = search->filter;
    bool matches = is_match(search, way, record), full = search->given == filter->limit;
    bool tired = filter->look && search->looked >= filter->look;
    search->more = tired || (full && matches);
    if (search->more)
        return false;
    search->looked += way == BY_SERIAL || way == BY_STATUS ? 1 : TEXT_COST;
    if (full)
        return true;
    search->last = (struct store_next){record->serial, (int)way};
    if (!matches)
        return true;
    search->given++;
    search->more = search->each(search->arg, record) != 0;
    return !search->more && (search->given < filter->limit || search->wants_next);
}

/* Walks a statement whose parameters are bound. 0 or -1. */
static int walk(struct search *search, enum way way, struct db_statement *s)
{
    enum outcome outcome = ABSENT;
    while (!search->over && (outcome = db_step(s, search->err)) == FOUND) {
        struct cert_record record;
        if (record_read(s, &record, search->err) < 0) {
            outcome = FAILED;
        } else {
            search->over = !take(search, way, &record);
            cert_record_free(&record);
        }
        if (outcome == FAILED)
            break;
    }
    db_reset(s);
    return outcome == FAILED ? -1 : 0;
}

/* --- by serial ----------------------------------------------------------------------------------------- */

/* Revoked ones are looked for from their own table, which is short; those on hold from an index of their own. */
static struct db_statement *by_serial(struct search *search)
{
    static const struct {
        enum statement index;
        const char *sql;
    } lists[] = {
        {Q_LIST_ALL, "SELECT " RECORD_COLUMNS " FROM " RECORD_TABLES
                     " WHERE c.issuer = $1 AND c.serial >= $2 AND c.serial < $3 ORDER BY c.serial"},
        {Q_LIST_REVOKED, "SELECT " RECORD_COLUMNS " FROM revocation r CROSS JOIN certificate c "
                         "WHERE r.issuer = $1 AND r.serial >= $2 AND r.serial < $3 AND r.status <> 0 "
                         "AND c.issuer = r.issuer AND c.serial = r.serial ORDER BY r.serial"},
        {Q_LIST_HELD,
         "SELECT " RECORD_COLUMNS " FROM revocation r INDEXED BY revocation_on_hold CROSS JOIN certificate c "
         "WHERE r.issuer = $1 AND r.serial >= $2 AND r.serial < $3 AND r.status = 2 "
         "AND c.issuer = r.issuer AND c.serial = r.serial ORDER BY r.serial"},
    };
    int status = search->filter->status;
    size_t which = status == CERT_REVOKED ? 1 : status == CERT_HOLD ? 2 : 0;
    return db_prepare(search->db, lists[which].index, lists[which].sql, search->err);
}

static int walk_serials(struct search *search, enum way way, const struct bound *from, const struct bound *to)
{
    struct db_statement *s = by_serial(search);
    if (!s)
        return -1;
    db_bind_int(s, 1, search->issuer);
    db_bind_blob(s, 2, from->octets, from->len);
    db_bind_blob(s, 3, to->octets, to->len);
    return walk(search, way, s);
}

static int walk_all(struct search *search, enum way way, const struct serial *after)
{
    struct bound from = after ? bound_behind(after) : (struct bound){.len = 0}, to = {{SERIAL_MAX + 1}, 1};
    return walk_serials(search, way, &from, &to);
}

/* Those of `len` octets whose hex begins so: to the first octets the rest is no matter. */
static void prefix_bounds(const char *prefix, uint8_t len, struct bound *from, struct bound *to)
{
    size_t digits = strlen(prefix);
    *from = (struct bound){{len}, 1 + (digits + 1) / 2};
    for (size_t i = 0; i < digits; i++)
        from->octets[1 + i / 2] |= (uint8_t)(hex_digit(prefix[i]) << (i % 2 ? 0 : 4));
    *to = *from;
    unsigned carry = digits % 2 ? 16 : 1;
    for (size_t i = to->len; i-- > 0 && carry; carry >>= 8) {
        carry += to->octets[i];
        to->octets[i] = (uint8_t)carry;
    }
}

static int walk_prefix(struct search *search, const struct serial *after)
{
    const char *prefix = search->filter->serial;
    int result = 0;
    for (size_t len = (strlen(prefix) + 1) / 2; len <= SERIAL_MAX && result == 0; len++) {
        struct bound from, to;
        if (after && after->len > len)
            continue;
        prefix_bounds(prefix, (uint8_t)len, &from, &to);
        if (after && after->len == len)
            from = bound_behind(after);
        result = walk_serials(search, BY_SERIAL, &from, &to);
    }
    return result;
}

/* --- by name and by subject ---------------------------------------------------------------------------- */

/* As in db/005_api.sql, else the indexes are not used. */
#define NAME "lower(substr(c.subject, 4, instr(c.subject || ',', ',') - 4))"
#define NAME_FIRST "c.subject >= 'CN=' AND c.subject < 'CN>'"
#define LATER_NAME "lower(substr(c.subject, instr(c.subject, ',CN=') + 4))"
#define NAME_LATER OTHERWISE " AND instr(c.subject, ',CN=') > 0"
#define SUBJECT "lower(c.subject)"
#define OTHERWISE "(c.subject < 'CN=' OR c.subject >= 'CN>')"
#define SELECT_BY(index, which, range, order)                                                                \
    "SELECT " RECORD_COLUMNS                                                                                 \
    " FROM " RECORD_TABLES_BY("INDEXED BY " index) " WHERE c.issuer = $1 AND " which " AND " range           \
                                                   " ORDER BY " order
#define SAME(index, which, text) SELECT_BY(index, which, text " = $2 AND c.serial >= $3", "c.serial")
#define BEHIND(index, which, text) SELECT_BY(index, which, text " > $2 AND " text " < $3", text ", c.serial")
#define BOTH(index, which, text) SAME(index, which, text), BEHIND(index, which, text)

static const struct {
    enum statement same, behind;
    const char *same_sql, *behind_sql;
} texts[] = {
    [BY_NAME] = {Q_LIST_SAME_NAME, Q_LIST_NAMES, BOTH("certificate_by_name", NAME_FIRST, NAME)},
    [BY_LATER_NAME] = {Q_LIST_SAME_LATER_NAME, Q_LIST_LATER_NAMES,
                       BOTH("certificate_by_later_name", NAME_LATER, LATER_NAME)},
    [BY_SUBJECT] = {Q_LIST_SAME_SUBJECT, Q_LIST_SUBJECTS, BOTH("certificate_by_subject", OTHERWISE, SUBJECT)},
};

/* From the text `first` on, of which serials behind `after`, up to what begins with `prefix` last. */
static int walk_texts(struct search *search, enum way way, const char *first, const struct serial *after,
                      const char *prefix)
{
    size_t index = way == BY_FULL_NAME ? BY_NAME : (size_t)way, len = strlen(prefix);
    char *end = malloc(len + 2);
    struct bound from = after ? bound_behind(after) : (struct bound){.len = 0};
    struct db_statement *s =
        end ? db_prepare(search->db, texts[index].same, texts[index].same_sql, search->err) : NULL;
    int result = end ? -1 : error_set(search->err, "out of memory");
    if (s) {
        db_bind_int(s, 1, search->issuer);
        db_bind_text(s, 2, first);
        db_bind_blob(s, 3, from.octets, from.len);
        result = walk(search, way, s);
        s = db_prepare(search->db, texts[index].behind, texts[index].behind_sql, search->err);
    }
    if (s && result == 0 && !search->over) {
        memcpy(end, prefix, len);
        memcpy(end + len, "\xff", 2); /* which is in no text */
        db_bind_int(s, 1, search->issuer);
        db_bind_text(s, 2, first);
        db_bind_text(s, 3, end);
        result = walk(search, way, s);
    }
    free(end);
    return s ? result : -1;
}

static void lower(char *text)
{
    for (; *text; text++)
        *text = (char)tolower((unsigned char)*text);
}

/* As the index has it: in lower case; a name that comes first, up to a comma. NULL: out of memory. */
static char *key_text(enum way way, const char *text)
{
    bool is_first = way == BY_NAME || way == BY_FULL_NAME;
    char *key = is_first ? strndup(text, strcspn(text, ",")) : strdup(text);
    if (key)
        lower(key);
    return key;
}

static int walk_way(struct search *search, enum way way, const struct cert_record *after)
{
    const char *sought = search->filter->subject;
    const char *prefix = way == BY_FULL_NAME ? sought_name(sought) : sought, *from = prefix;
    if (way == BY_NAME && sought_name(sought) && !*sought_name(sought))
        return 0; /* all of them were looked at */
    if (after && prefix)
        from = way == BY_SUBJECT || !after->subject ? after->subject : name_in(after->subject);
    if (!from) /* there is no such way; or a cursor is none of ours */
        return 0;
    char *key = key_text(way, prefix), *first = key_text(way, from);
    int result = key && first ? walk_texts(search, way, first, after ? &after->serial : NULL, key)
                              : error_set(search->err, "out of memory");
    free(key);
    free(first);
    return result;
}

/* --- all together -------------------------------------------------------------------------------------- */

/* `after` NULL: from the beginning. */
static int walk_ways(struct search *search, enum way first, const struct cert_record *after)
{
    int result = 0;
    for (enum way way = first; way < WAYS && result == 0 && !search->over; way++) {
        const struct cert_record *from = way == first ? after : NULL;
        if (way == BY_SERIAL && search->filter->serial)
            result = walk_prefix(search, from ? &from->serial : NULL);
        else if (way != BY_SERIAL && search->filter->subject)
            result = walk_way(search, way, from);
    }
    return result;
}

/* Whether the certificates of this status are looked at one by one. A cursor goes on as it began; what is on hold has an
 * index of its own. */
static bool goes_by_status(struct search *search)
{
    const struct store_filter *filter = search->filter;
    struct store_issuer_counts counts;
    if (filter->after)
        return filter->after_way == BY_STATUS;
    if (filter->status != CERT_REVOKED)
        return filter->status == CERT_HOLD;
    return filter->subject && counts_by(search->db, search->issuer, &counts, NULL) == 0 &&
           counts.revoked < counts.good / FEW;
}

static int find(struct search *search)
{
    const struct store_filter *filter = search->filter;
    struct cert_record after;
    if (!filter->serial && !filter->subject)
        return walk_all(search, BY_SERIAL, filter->after);
    if (goes_by_status(search))
        return walk_all(search, BY_STATUS, filter->after);
    if (!filter->after)
        return walk_ways(search, BY_SERIAL, NULL);
    enum outcome found = certificate_by(search->db, search->issuer, filter->after, &after, search->err);
    if (found != FOUND)
        return found == ABSENT ? 0 : -1;
    int result = walk_ways(search, (enum way)filter->after_way, &after);
    cert_record_free(&after);
    return result;
}

enum outcome store_search(struct store *store, int64_t issuer, const struct store_filter *filter,
                          store_each *each, void *arg, struct store_next *next, struct error *err)
{
    struct reader *reader = readers_take(&store->readers, err);
    struct search search = {.filter = filter,
                            .issuer = issuer,
                            .db = reader ? reader->db : NULL,
                            .each = each,
                            .arg = arg,
                            .wants_next = next != NULL,
                            .err = err};
    int result = !reader ? -1 : filter->limit ? find(&search) : 0;
    readers_give(&store->readers, reader);
    if (next && search.more)
        *next = search.last;
    return result < 0 ? FAILED : search.more ? FOUND : ABSENT;
}

int store_list(struct store *store, int64_t issuer, const struct store_filter *filter, store_each *each,
               void *arg, struct error *err)
{
    return store_search(store, issuer, filter, each, arg, NULL, err) == FAILED ? -1 : 0;
}
