/* One CRL of an issuer, from one publication to the next: when it is due, and what is wrong with it. No thread and no file
 * here; the publisher's mutex guards it all. */
#ifndef ANNUL_PUBLISHER_LINE_H
#define ANNUL_PUBLISHER_LINE_H

#include "files.h"

/* Who has asked for a build of this one; several lines may have one asker. */
struct asking {
    struct asking *next;
    struct asker *asker;
};

struct line {
    const struct issuer *issuer;
    struct crl_part part;
    char *folder;
    uint8_t shape[32];
    struct held_publication *current;
    int64_t changed;                 /* change counter at the last change to it */
    bool building;                   /* a thread is at it */
    struct asking *asked, *underway; /* who waits for the next build, and for the one under way */
    int64_t retry_ms;                /* pause after the next failure */
    int64_t not_before_ms;           /* after a failure, or a long build */
    int64_t due_since_ms;            /* 0: it is not */
    int64_t last_update;             /* thisUpdate of the last one, also where its files are gone */
    unsigned warned;                 /* of these warnings (1 << enum publisher_warning) the log has told */
};

/* All lines of an issuer: the whole, its deltas, the shards. */
struct desk {
    const struct issuer *issuer;
    const struct desk *above; /* that of issuer->above, or NULL */
    int64_t look_ms;          /* when to ask the store what has changed; 0: not until it does */
    size_t count;
    struct line *lines;
};
#define LINE_RETRY_MS 500 /* after the first failure */

enum { LINE_WHOLE, LINE_DELTA, LINE_SHARDS };

struct line *desk_line(const struct desk *desk, struct crl_part part); /* NULL: there is none */

/* Whether the CA's key is here, so that its CRLs are made here. */
bool desk_is_ours(const struct desk *desk);
bool line_has_deltas(const struct line *line); /* of the whole */

/* Whether it is due by the clock; such a CRL is a regular one. */
bool line_is_regular(const struct line *line, int64_t now);

/* Whether it is due at all. Whether it may be built yet (not_before_ms), and is not being built, is not looked at. */
bool line_is_due(const struct desk *desk, const struct line *line, int64_t now);

/* thisUpdate of the next one: a little in the past, for clients whose clock is slow, and later than that of the one before,
 * because a running OpenSSL keeps the older of two that have the same. 0: the present second has one already. */
int64_t line_this_update(const struct desk *desk, const struct line *line, int64_t now);

/* So long that others should not have to wait for it. */
bool line_is_long(const struct line *line);

/* How many entries a delta may have before a newer base is better. */
int64_t line_delta_max(const struct line *whole);

/* What is wrong, as bits 1 << enum publisher_warning, of a line that should be published; and the words for one of them. */
unsigned line_warnings(const struct desk *desk, const struct line *line, int64_t now);
void line_warning_text(const struct desk *desk, const struct line *line, enum publisher_warning warning,
                       int64_t now, char text[256]);

/* "the CRL", "delta", "shard 7": for messages. */
#define LINE_NAME 24
const char *line_name(struct crl_part part, char name[LINE_NAME]);

#endif
