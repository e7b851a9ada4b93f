#include "line.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define LONG_ENTRIES 20000 /* some 20 ms */
#define DELTA_ENTRIES 1000 /* that a delta may always have */
#define SKEW_S 300
#define BACKDATE_S 60

struct line *desk_line(const struct desk *desk, struct crl_part part)
{
    size_t at = part.delta                ? LINE_DELTA
                : part.shard == CRL_WHOLE ? LINE_WHOLE
                                          : LINE_SHARDS + (size_t)part.shard;
    bool is_part = part.shard == CRL_WHOLE || (part.shard >= 0 && !part.delta);
    return is_part && at < desk->count ? &desk->lines[at] : NULL;
}

bool desk_is_ours(const struct desk *desk)
{
    return desk->issuer->crl_sigalg != NULL;
}

bool line_has_deltas(const struct line *line)
{
    return line->part.shard == CRL_WHOLE && line->issuer->config->delta_distribution_point.text;
}

const char *line_name(struct crl_part part, char name[LINE_NAME])
{
    if (part.shard == CRL_WHOLE)
        return part.delta ? "delta CRL" : "CRL";
    snprintf(name, LINE_NAME, "CRL of shard %d", part.shard);
    return name;
}

/* --- when ---------------------------------------------------------------------------------------------- */

bool line_is_regular(const struct line *line, int64_t now)
{
    const struct config_issuer *config = line->issuer->config;
    const struct store_crl *crl = line->current ? &line->current->crl : NULL;
    if (!crl || crl->this_update > now + SKEW_S) /* the clock was ahead and is right again */
        return true;
    return line->part.delta
               ? now >= crl->this_update + config->delta_lifetime_s / 2
               : now >= crl->regular_at + config->crl_refresh_s || crl->regular_at > now + SKEW_S;
}

static bool has_shape(const struct line *line)
{
    return memcmp(line->current->crl.shape, line->shape, sizeof line->shape) == 0;
}

int64_t line_delta_max(const struct line *whole)
{
    int64_t quarter = whole->current ? whole->current->crl.entries / 4 : 0;
    return quarter < DELTA_ENTRIES ? DELTA_ENTRIES : quarter;
}

/* Its deltas go on from this one, as they do where the base before makes them long, and are long all the same. */
static bool is_outgrown(const struct desk *desk, const struct line *whole)
{
    const struct held_publication *delta = desk->lines[LINE_DELTA].current;
    return delta && delta->crl.base == whole->current->crl.number &&
           delta->crl.entries > line_delta_max(whole);
}

bool line_is_due(const struct desk *desk, const struct line *line, int64_t now)
{
    const struct line *whole = &desk->lines[LINE_WHOLE];
    if (!desk_is_ours(desk))
        return false;
    if (line->part.delta && (!line_has_deltas(line) || !whole->current || !has_shape(whole)))
        return false; /* its base comes first */
    if (!line->current || line->asked || !has_shape(line))
        return true;
    if (line_is_regular(line, now) && !(line->part.delta && (whole->building || line_is_regular(whole, now))))
        return true; /* a delta comes with its base; only changes do not wait for that */
    if (line == whole && line_has_deltas(line))
        return is_outgrown(desk, line);
    if (line->part.delta && !whole->building && line->current->crl.number < whole->current->crl.number)
        return true; /* the one that should have come with it did not */
    return line->changed > line->current->crl.covers;
}

/* A base and the delta that comes with it have one thisUpdate. */
int64_t line_this_update(const struct desk *desk, const struct line *line, int64_t now)
{
    const struct held_publication *delta = desk->lines[LINE_DELTA].current;
    int64_t last = line->last_update, next = now - BACKDATE_S;
    if (line == &desk->lines[LINE_WHOLE] && delta && delta->crl.this_update > last)
        last = delta->crl.this_update;
    if (last >= next && last <= now + 1) /* else the clock was set back, and is what counts */
        next = last + 1;
    return next <= now ? next : 0;
}

bool line_is_long(const struct line *line)
{
    if (line->part.delta || line->part.shard != CRL_WHOLE)
        return false;
    return !line->current || line->current->crl.entries > LONG_ENTRIES;
}

/* --- what is wrong ------------------------------------------------------------------------------------- */

static bool is_overdue(const struct line *line, int64_t now)
{
    const struct config_issuer *config = line->issuer->config;
    if (!line->current)
        return true;
    const struct store_crl *crl = &line->current->crl;
    return now >= crl->next_update ||
           now >= crl->this_update +
                      (line->part.delta ? config->delta_lifetime_s * 3 / 4 : config->crl_refresh_s * 3 / 2);
}

static bool ends_soon(const struct publication *p, int64_t now)
{
    int64_t life_s = p->next_update - p->this_update, left_s = p->next_update - now, day_s = 86400;
    return left_s < life_s / 4 || left_s < (day_s < life_s / 2 ? day_s : life_s / 2);
}

static bool chain_is_broken(const struct desk *desk)
{
    for (; !desk->issuer->is_root; desk = desk->above)
        if (!desk->above || !desk->above->lines[LINE_WHOLE].current)
            return true;
    return false;
}

/* A CRL of the CA covers what was changed before it came. */
static bool is_unlisted(const struct desk *desk)
{
    const struct line *whole = &desk->lines[LINE_WHOLE];
    const struct held_publication *delta = desk->lines[LINE_DELTA].current;
    return whole->changed > whole->current->crl.covers && !(delta && whole->changed <= delta->crl.covers);
}

unsigned line_warnings(const struct desk *desk, const struct line *line, int64_t now)
{
    const struct publication *p = line->current ? &line->current->publication : NULL;
    bool is_whole = line == &desk->lines[LINE_WHOLE], should_be = !line->part.delta || line_has_deltas(line);
    unsigned found = 0;
    if (desk_is_ours(desk) && should_be && is_overdue(line, now))
        found |= 1u << WARN_OVERDUE;
    if (!desk_is_ours(desk) && p && ends_soon(p, now))
        found |= 1u << WARN_ENDS;
    if (is_whole && p && p->entries > PUBLISHER_LONG && !desk->issuer->config->shards)
        found |= 1u << WARN_LONG;
    if (is_whole && p && chain_is_broken(desk))
        found |= 1u << WARN_CHAIN;
    if (!desk_is_ours(desk) && is_whole && p && is_unlisted(desk))
        found |= 1u << WARN_UNLISTED;
    return found;
}

void line_warning_text(const struct desk *desk, const struct line *line, enum publisher_warning warning,
                       int64_t now, char text[256])
{
    const struct publication *p = line->current ? &line->current->publication : NULL;
    char name[LINE_NAME];
    const char *what = line_name(line->part, name);
    switch (warning) {
    case WARN_OVERDUE:
        if (p)
            snprintf(text, 256,
                     "the %s should have been renewed, and ends in %" PRId64 " hours: see annuld's log", what,
                     (p->next_update - now) / 3600);
        else
            snprintf(text, 256, "there is no %s: see annuld's log", what);
        break;
    case WARN_ENDS:
        snprintf(text, 256, "the %s ends in %" PRId64 " hours, and its CA has sent no newer one", what,
                 (p->next_update - now) / 3600);
        break;
    case WARN_LONG:
        snprintf(text, 256,
                 "the CRL has %" PRId64
                 " entries, and Erlang reads all of them at every handshake: set shards, or see "
                 "expired_on_crl",
                 p->entries);
        break;
    case WARN_CHAIN:
        for (; !desk->issuer->is_root && desk->above && desk->above->lines[LINE_WHOLE].current;
             desk = desk->above)
            ;
        snprintf(text, 256, "the CA above %s has no CRL here, so whoever checks the whole chain refuses it",
                 desk->issuer->config->name.text);
        break;
    case WARN_UNLISTED:
        snprintf(text, 256,
                 "a certificate was revoked or released here after the CA's last CRL had come, so only OCSP "
                 "tells of it: do it at the CA, too, and have its next CRL come in");
        break;
    }
}
