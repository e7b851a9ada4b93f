/* What the files of this folder share.
 *
 * A job is something that is due at a time: to fetch an item (a staple, a CRL), or to bring what was fetched to an outlet.
 * Worker threads take jobs as they fall due, one job by one thread at a time; the main thread looks at the clock and at
 * certificate files. Everything here is under one lock, but for what only the thread that has the job touches.
 */
#ifndef ANNUL_STAPLER_INTERNAL_H
#define ANNUL_STAPLER_INTERNAL_H

#include "config.h"
#include "schedule.h"

#include <annul/crl.h>
#include <annul/fetch.h>
#include <annul/ocsp_verify.h>

#include <pthread.h>
#include <stdatomic.h>

#define ID_TEXT 65 /* SHA-256 in hex, and a NUL */
#define NEVER INT64_MAX
#define AT_ONCE 0

struct stapler;
struct job;
typedef void job_run(struct stapler *stapler, struct job *job);

struct job {
    job_run *run;
    bool
        is_staple; /* of which only so many are at work at once; other jobs may wait long, and never for them */
    int64_t due_at;   /* Unix seconds, NEVER, AT_ONCE */
    bool busy, again; /* at work; and it was woken since that began */
};

/* --- what is had (held.c) ------------------------------------------------------------------------------ */

/* A verified response or CRL: immutable, shared by those who hold it. */
struct held {
    atomic_int holders;
    struct bytes der;
    void *map; /* where `der` is, if it is a file's; else in `memory` */
    struct buffer memory;
    struct window window;
    /* of a staple */
    char certificate_id[ID_TEXT];
    struct ocsp_verdict verdict;
    /* of a CRL */
    struct crl_scan *scan; /* what the views of `facts` point into */
    struct crl_facts facts;
    struct certificate issuer;
    char number[CRL_NUMBER_TEXT];
};

struct held *held_new(void);               /* held once; NULL when out of memory */
struct held *held_hold(struct held *held); /* NULL-safe */
void held_release(struct held *held);      /* NULL-safe */
/* Of responses: it is older, or of the same second and takes a revocation back. */
bool held_is_behind(const struct held *held, const struct held *present);
bool held_map(struct held *held, int fd);

/* --- files of our own (disk.c) ------------------------------------------------------------------------ */

/* FOLDER/KIND/ID.ENDING of the cache, malloc'ed. */
char *disk_path(const struct stapler_config *config, const char *kind, const char *id, const char *ending);
void disk_id(struct bytes octets, char id[ID_TEXT]);
int disk_make(const struct stapler_config *config, struct error *err); /* the folders */
/* One process has the cache, until the descriptor is closed: names in it are then of one writer. -1: another has it. */
int disk_lock(const struct stapler_config *config, struct error *err);
/* That they can be used, as far as they are there, without making any. */
int disk_check(const struct stapler_config *config, struct error *err);
/* Whole or not at all. */
int disk_put(const char *path, struct bytes content, struct error *err);
/* The second half of it: what was written to `fd` as `temporary` is made durable and becomes `path`. */
int disk_install(int fd, const char *temporary, const char *path, struct error *err);
bool disk_write(int fd, struct bytes octets);

/* --- items --------------------------------------------------------------------------------------------- */

struct item {
    struct job job; /* first */
    const struct section *section;
    char *name;        /* for people: the certificate's file, the CRL's URL */
    struct held *held; /* or NULL */
    char source[256];  /* URL that gave it, or "cache" */
    int64_t success_at;
    unsigned failures;    /* in a row */
    bool temporary;       /* the last of them */
    bool grave;           /* Must-Staple: failures are said louder */
    bool tried;           /* once at least */
    bool near, ended;     /* it was said that what is held ends soon, or has ended */
    struct error failure; /* the present one, or "" */
};

/* How a fetch ended. */
struct attempt {
    struct held *held; /* what is new, ours from then on; NULL: nothing */
    bool unchanged;    /* what we have is the newest */
    bool temporary;    /* else a person has to see to it */
    bool waited;       /* ask again, after `pause_s`: the server keeps us waiting */
    int64_t pause_s;
    int64_t fresh_s, retry_s;
    char source[256];
    struct error err;
};

/* Takes the result: logs what changed, sets when to fetch again, wakes the outlets. */
void item_done(struct stapler *stapler, struct item *item, struct attempt *attempt);
/* Says once that what is held has ended. With the lock held. */
void item_look(struct item *item, int64_t now);
/* From when until when what is held is of use to those whom it is for. */
struct window item_window(const struct item *item);
void item_free(struct item *item);

struct staple {
    struct item item; /* first */
    char *path;       /* of the certificate's file */
    unsigned place;   /* in that file, 0 the first */
    char id[ID_TEXT]; /* of the certificate; "": none could be read */
    struct serial serial;
    struct buffer issuer; /* its CA's certificate, DER */
    struct buffer urls;   /* of responders, a NUL behind each */
    uint8_t name_hash[CERTID_HASHES][CERTID_HASH_MAX],
        key_hash[CERTID_HASHES][CERTID_HASH_MAX]; /* of the CA */
    int64_t not_after;
    bool must_staple;
    char etag[FETCH_ETAG_MAX];
    char *etag_url;       /* where that is from; points into urls, or NULL */
    struct error skipped; /* why nothing is fetched, or "" */
    bool broken;          /* and a person has to see to that */
    int64_t gone_at;      /* when its file was first missed, or 0 */
    bool withdrawing;     /* so what was given out is taken back */
};

struct finder;
struct staple *staple_new(const struct section *section, const char *path, unsigned place);
/* How many certificates of a file this section is about; 1 where that cannot be said. */
unsigned staple_count(const struct section *section, const char *path);
/* Reads the certificate's file. True where another certificate is there than before, whose response is then taken from the
 * cache, or to be fetched. Not while it is at work. */
bool staple_read(struct stapler *stapler, struct staple *staple);
/* What staple_read will find: 0, also where nothing need be fetched; -1 where a person has to see to it. */
int staple_check(const struct stapler_config *config, struct finder *finder, const struct section *section,
                 const char *path, struct error *err);
void staple_free(struct staple *staple);
job_run staple_work;

/* One question to one responder, by GET where the URL is short, else or then by POST. `etag` may be NULL. */
struct ask {
    const char *url;
    const struct ocsp_question *question;
    const char *etag; /* of what is held; "": none */
};
void ocsp_ask(struct stapler *stapler, struct fetch *fetch, const struct ask *ask, char etag[FETCH_ETAG_MAX],
              struct attempt *attempt);

struct crl {
    struct item item;    /* first */
    char id[ID_TEXT];    /* of the URL */
    struct fetch *fetch; /* its own: it may be kept waiting */
    char etag[FETCH_ETAG_MAX];
    unsigned hasty;      /* how many new ones in a row came at once */
    bool honours;        /* the server has kept us waiting once */
    int64_t modified_at; /* Last-Modified, where there is no ETag; or TIME_NONE */
};

struct crl *crl_new(struct stapler *stapler, const struct section *section, const char *url);
/* The URLs of CRLs in a file, a NUL behind each. Of every certificate in it: a chain's CRLs are those of all its CAs. */
int crl_urls_of(const char *path, struct buffer *urls, struct error *err);
#define CRL_NO_POINTS "no certificate names a CRL; add url = {…}"
/* Stands for CRLs that cannot even be named, and is never due. */
struct crl *crl_new_broken(const struct section *section, const char *name, const char *why);
void crl_free(struct crl *crl);
bool crl_same_ca(const struct held *a, const struct held *b); /* by name and key */
job_run crl_work;

/* Those of a section that are held, of each list the newest; `missing` is a URL without which a consumer would lack one, or
 * NULL. 0, or -1 when out of memory. (lists.c) */
struct lists {
    struct held **held;
    size_t count;
    const char *missing;
};
int lists_hold(struct stapler *stapler, const struct section *section, struct lists *lists);
void lists_release(struct lists *lists);

/* --- CA certificates (authorities.c) ------------------------------------------------------------------- */

struct authorities {
    size_t count;
    struct certificate *list;
};

/* Those of a section and of all sections. Free with authorities_free. */
int authorities_load(const struct stapler_config *config, const struct section *section,
                     struct authorities *authorities, struct error *err);
void authorities_free(struct authorities *authorities);

/* The same where issuers of many certificates are looked for, and a bundle of all the world's CAs is not to be read for each
 * of them: each file is read when it is first needed, and kept until finder_free, which is the end of a rescan. Zeroed at
 * first; one thread at a time. */
struct finder {
    const struct section *section; /* whose `own` are */
    struct authorities within, own, common;
    bool has_common;
};

/* Looks in the certificate's own file, too. The issuer lives until the next call. */
enum outcome finder_find_issuer(struct finder *finder, const struct stapler_config *config,
                                const struct section *section, const char *file,
                                const struct certificate *certificate, const struct certificate **issuer,
                                struct error *err);
void finder_free(struct finder *finder);

/* Each file that a section's `certificate` names: FILE, or those of a folder or glob. Returns how many, or -1. */
typedef void each_file(void *arg, const char *path);
long sources_each(const struct section *section, each_file *each, void *arg);

/* --- outlets ------------------------------------------------------------------------------------------- */

struct outlet {
    struct job job; /* first */
    const struct section *section;
    const struct place *place; /* NULL: the hook of revoked certificates */
    struct deliver_target target;
    struct deliver_state state;
    char *path;
    char id[ID_TEXT];
    struct staple *staple; /* NULL: all CRLs of the section */
    bool delivered;        /* the consumer has what is held */
    bool waiting;          /* it was said that CRLs are missing */
    int64_t delivered_at;
    struct error failure; /* the present one, or "" */
    struct error away;    /* the consumer is not there to be told: why that seems so, or "" */
};

/* Of each place of the section; `staple` NULL: of a crl section. */
int outlets_make(struct stapler *stapler, const struct section *section, struct staple *staple,
                 struct error *err);
void outlet_free(struct outlet *outlet);

/* What a place would be for a certificate: `path` with {certificate} and {name} filled in, malloc'ed; NULL without path. */
char *outlet_path(const struct place *place, const char *certificate_path);

/* --- the whole ----------------------------------------------------------------------------------------- */

struct list {
    void **at;
    size_t count, room;
};
bool list_add(struct list *list, void *one);
void list_remove(struct list *list, const void *one);

struct stapler {
    const struct stapler_config *config;
    bool once;
    int64_t started_at;
    atomic_bool stopping;
    pthread_mutex_t lock;
    pthread_cond_t work, rest; /* for workers; for who waits for them */
    struct list staples, crls, outlets;
    struct list
        idle; /* handles of staples, each with its connection: so no more of these than fetch at once */
    struct finder finder; /* while certificates are read */
    unsigned staples_at_work, at_work;
    bool dirty;            /* the status on disk is older */
    atomic_bool forgetful; /* it was said that the state of delivery cannot be saved */
    bool rescan; /* a certificate's file could not be looked at while its staple was at work; or it expired */
    int inotify;
    int64_t look_ms; /* monotonic: when certificate files are looked at whether something was heard or not */
};

uint32_t stapler_random(void);
/* NULL, with the reason. */
struct fetch *stapler_new_fetch(const struct stapler_config *config, struct error *err);
void stapler_lock(struct stapler *stapler);
void stapler_unlock(struct stapler *stapler);
/* With the lock held: the job is due, somebody shall take it. */
void stapler_wake(struct stapler *stapler, struct job *job);

/* --- telling (status.c) -------------------------------------------------------------------------------- */

/* The status as JSON, malloc'ed; the Prometheus form. Without the lock. */
char *status_json(struct stapler *stapler);
bool status_metrics(struct stapler *stapler, struct buffer *out);
void status_save(struct stapler *stapler);

#endif
