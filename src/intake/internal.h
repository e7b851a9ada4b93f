/* Shared by the files of this folder: a source, and what its thread needs. */
#ifndef ANNUL_INTAKE_INTERNAL_H
#define ANNUL_INTAKE_INTERNAL_H

#include <annul/fetch.h>
#include <annul/intake.h>

#include <limits.h>
#include <pthread.h>
#include <sys/stat.h>

struct source {
    struct intake *intake;
    struct issuer *issuer;
    const char *from; /* path or URL; of uploads NULL */
    void (*run)(struct source *source);
    pthread_t thread;
    bool runs;
    struct fetch *fetch;   /* of a URL */
    struct upload *upload; /* of uploads: the one that is under way, guarded by the intake's mutex */
    char told[sizeof(struct error)]; /* of what is wrong, what the log has said last; "" where nothing is */
};

/* Of an issuer: its CRLs come in one at a time. */
struct turn {
    pthread_mutex_t mutex;
    atomic_uint taken; /* how many have come in */
};

struct intake {
    struct admin *admin;
    atomic_bool stopping;
    int stop_fd; /* readable from intake_halt on */
    pthread_mutex_t mutex;
    pthread_cond_t uploaded;
    struct turn *turns; /* one for each issuer */
    size_t count;
    struct source sources[];
};

/* The threads' functions. */
void upload_run(struct source *source);
void file_run(struct source *source);
void url_run(struct source *source);
void index_run(struct source *source);

/* admin_take_crl, in turn with other sources of the issuer. */
enum admin_result source_take(struct source *source, int fd, const struct store_actor *actor,
                              struct admin_crl_taken *taken, struct error *err);

/* How many CRLs of the issuer have come in, from whatever source. */
unsigned source_taken(const struct source *source);

/* What is wrong, in the log unless it was the last thing said; and that nothing is any more. */
void source_tell(struct source *source, const struct error *why);
void source_is_well(struct source *source);

/* Sleeps; false at once when we are stopping. */
bool source_rest(struct source *source, int64_t ms);

/* --- a folder that is watched (watch.c) ---------------------------------------------------------------- */

struct watch {
    struct source *source;
    char *folder;
    const char *name;        /* of the one file that matters, within the path; NULL: all of them */
    int inotify, descriptor; /* -1: not watched yet, or no more */
    int target;              /* the folder that the file is in, links followed; may be the same */
    char target_name[NAME_MAX + 1];
    int64_t looked_ms;   /* when it was last looked at, whatever inotify says */
    uint64_t last, told; /* what was there at that look; and when it was last said to be complete */
};

#define WATCH_LOOK_MS 2000

/* What happened to a file: it is complete, as far as can be seen, or is still being written. A NULL name: it may be any. */
enum watch_event { WATCH_COMPLETE, WATCH_WRITTEN };
typedef void watch_each(void *arg, enum watch_event event, const char *name);

/* Of the folder `path`, or of the file. 0, or -1 with the reason. */
int watch_open(struct watch *watch, struct source *source, bool is_folder, struct error *err);
void watch_close(struct watch *watch);

/* What changes when a file does. */
uint64_t watch_identity(const char *path, const struct stat *status);

/* Waits until something happens, or `timeout_ms` have gone by; for the looks to come, these are WATCH_LOOK_MS at most. The first time, and whenever it was not
 * watched for a while, everything may have happened. False when we are stopping. */
bool watch_wait(struct watch *watch, int timeout_ms, watch_each *each, void *arg);

#endif
