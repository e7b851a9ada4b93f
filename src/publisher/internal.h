/* Shared by the files of this folder: the publisher, and who builds. */
#ifndef ANNUL_PUBLISHER_INTERNAL_H
#define ANNUL_PUBLISHER_INTERNAL_H

#include "line.h"

#include <pthread.h>

#define TICK_MS 1000 /* how often the wall clock is looked at */

struct builder {
    struct publisher *publisher;
    pthread_t thread;
    bool short_only, runs;
};

struct publisher {
    const struct config *config;
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    pthread_mutex_t mutex;
    pthread_cond_t wake; /* the builders */
    bool stopping;
    int64_t warn_ms; /* when to look for warnings */
    struct builder builders[2];
    pthread_t waits; /* the thread of askers_run */
    bool waits_run;
    pthread_mutex_t news_mutex; /* while the listener is called */
    publisher_news *news;
    void *news_arg;
    _Atomic uint64_t made, failed;
    struct histogram took;
    struct desk desks[]; /* as issuers->list */
};

/* --- who builds (builder.c) ---------------------------------------------------------------------------- */

void *builder_run(void *arg); /* a struct builder */

/* Serves `made` from now on; under the mutex. Then, without it, release the one before, and tell the listener. */
struct held_publication *line_install(struct line *line, struct held_publication *made);
void publisher_tell_news(struct publisher *publisher, const struct line *line);

/* --- who waits for a build (asker.c); all under the mutex, but for askers_tell -------------------------- */

/* Asks all lines of an issuer but the deltas, which come with their base. -1: out of memory, and nobody was asked. */
int askers_ask(struct desk *desk, publisher_done *done, void *arg);

/* Takes a list of those who asked off a line, when it is built (NULL) or is not going to be. Those who have heard from all
 * their lines are put to `ready`. */
void askers_answer(struct asking **list, const struct error *failure, struct asking **ready);
void askers_tell(struct asking *ready); /* frees them */

/* Tells those whose time is over, whatever the builders wait for. */
void *askers_run(void *arg); /* a struct publisher */

#endif
