/* When tokens were used last. A thread writes it, so that who reads waits for no disk, nor fails with it. */
#include "internal.h"

#include <annul/log.h>

#include <pthread.h>
#include <stdlib.h>

#define APART_S 60
#define PENDING 64 /* tokens at a time; one that finds no room has it with a later use */

struct last_use {
    struct admin *admin;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool stopping;
    size_t count;
    struct {
        int64_t id, at;
    } pending[PENDING];
};

static void write_one(struct admin *admin, int64_t id, int64_t at)
{
    struct error err;
    struct store_actor actor = {"annuld", "last use", at};
    if (admin_token_used(admin, &actor, id, &err) != ADMIN_DONE)
        log_limited(LOG_LEVEL_WARN, "admin", "the last use of token %lld: %s", (long long)id, err.text);
}

/* One stays in the list while it is written: what comes meanwhile of the same token is nothing new. */
static void *run(void *arg)
{
    struct last_use *last_use = arg;
    pthread_mutex_lock(&last_use->mutex);
    while (last_use->count || !last_use->stopping) {
        if (!last_use->count) {
            pthread_cond_wait(&last_use->wake, &last_use->mutex);
            continue;
        }
        int64_t id = last_use->pending[0].id, at = last_use->pending[0].at;
        pthread_mutex_unlock(&last_use->mutex);
        write_one(last_use->admin, id, at);
        pthread_mutex_lock(&last_use->mutex);
        last_use->pending[0] = last_use->pending[--last_use->count];
    }
    pthread_mutex_unlock(&last_use->mutex);
    return NULL;
}

struct last_use *last_use_start(struct admin *admin, struct error *err)
{
    struct last_use *last_use = calloc(1, sizeof *last_use);
    if (last_use) {
        last_use->admin = admin;
        pthread_mutex_init(&last_use->mutex, NULL);
        pthread_cond_init(&last_use->wake, NULL);
    }
    if (last_use && pthread_create(&last_use->thread, NULL, run, last_use) == 0)
        return last_use;
    free(last_use);
    error_set(err, "no thread can be made");
    return NULL;
}

void last_use_stop(struct last_use *last_use)
{
    if (!last_use)
        return;
    pthread_mutex_lock(&last_use->mutex);
    last_use->stopping = true;
    pthread_cond_signal(&last_use->wake);
    pthread_mutex_unlock(&last_use->mutex);
    pthread_join(last_use->thread, NULL);
    pthread_cond_destroy(&last_use->wake);
    pthread_mutex_destroy(&last_use->mutex);
    free(last_use);
}

static bool is_pending(const struct last_use *last_use, int64_t id)
{
    for (size_t i = 0; i < last_use->count; i++)
        if (last_use->pending[i].id == id)
            return true;
    return false;
}

void last_use_note(struct last_use *last_use, const struct admin_holder *holder, int64_t now)
{
    int64_t last = holder->last_used_at;
    if (last != TIME_NONE && now >= last && now < last + APART_S)
        return;
    pthread_mutex_lock(&last_use->mutex);
    if (last_use->count < PENDING && !is_pending(last_use, holder->id)) {
        last_use->pending[last_use->count].id = holder->id;
        last_use->pending[last_use->count++].at = now;
        pthread_cond_signal(&last_use->wake);
    }
    pthread_mutex_unlock(&last_use->mutex);
}
