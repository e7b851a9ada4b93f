/* Those who wait for a build of all CRLs of an issuer. */
#include "internal.h"

#include <annul/clock.h>

#include <stdlib.h>
#include <time.h>

struct asker {
    publisher_done *done;
    void *arg;
    int64_t until; /* by the wall clock */
    unsigned left; /* lines that have not answered yet */
    bool told;     /* its time was over before: nobody waits any more */
    bool failed;
    struct error failure; /* the first */
};

static void note(struct asker *asker, const struct error *failure)
{
    if (!asker->failed)
        asker->failure = *failure;
    asker->failed = true;
}

static bool add(struct line *line, struct asker *asker)
{
    struct asking *asking = malloc(sizeof *asking);
    if (!asking)
        return false;
    *asking = (struct asking){line->asked, asker};
    line->asked = asking;
    line->not_before_ms = 0;
    asker->left++;
    return true;
}

int askers_ask(struct desk *desk, publisher_done *done, void *arg)
{
    static const struct error no_memory = {"out of memory"};
    struct asker *asker = calloc(1, sizeof *asker);
    if (!asker)
        return -1;
    asker->done = done;
    asker->arg = arg;
    asker->until = clock_now() + PUBLISHER_WAIT_S;
    for (size_t i = 0; i < desk->count; i++)
        if (!desk->lines[i].part.delta && !add(&desk->lines[i], asker))
            note(asker, &no_memory);
    if (asker->left)
        return 0;
    free(asker);
    return -1;
}

void askers_answer(struct asking **list, const struct error *failure, struct asking **ready)
{
    while (*list) {
        struct asking *asking = *list;
        struct asker *asker = asking->asker;
        *list = asking->next;
        if (failure)
            note(asker, failure);
        if (--asker->left == 0) {
            asking->next = *ready;
            *ready = asking;
        } else {
            free(asking);
        }
    }
}

void askers_tell(struct asking *ready)
{
    while (ready) {
        struct asking *next = ready->next;
        struct asker *asker = ready->asker;
        if (!asker->told)
            asker->done(asker->arg, asker->failed ? asker->failure.text : NULL);
        free(asker);
        free(ready);
        ready = next;
    }
}

/* --- whose time is over -------------------------------------------------------------------------------- */

static struct asker *late_in(const struct asking *list, int64_t now)
{
    while (list && (list->asker->told || list->asker->until > now))
        list = list->next;
    return list ? list->asker : NULL;
}

static struct asker *next_late(const struct publisher *publisher, int64_t now)
{
    struct asker *late = NULL;
    for (size_t i = 0; i < publisher->issuers->count && !late; i++)
        for (size_t k = 0; k < publisher->desks[i].count && !late; k++) {
            const struct line *line = &publisher->desks[i].lines[k];
            late = late_in(line->asked, now);
            late = late ? late : late_in(line->underway, now);
        }
    return late;
}

static void tell_late(struct publisher *publisher)
{
    struct asker *late;
    while ((late = next_late(publisher, clock_now()))) {
        publisher_done *done = late->done;
        void *arg = late->arg;
        late->told = true; /* from here on it belongs to its lines */
        pthread_mutex_unlock(&publisher->mutex);
        done(arg, "there is no new CRL yet; it comes when the signer and those before it allow");
        pthread_mutex_lock(&publisher->mutex);
    }
}

void *askers_run(void *arg)
{
    struct publisher *publisher = arg;
    pthread_mutex_lock(&publisher->mutex);
    while (!publisher->stopping) {
        int64_t until_ms = clock_monotonic_ms() + TICK_MS;
        struct timespec until = {until_ms / 1000, until_ms % 1000 * 1000000};
        tell_late(publisher);
        pthread_cond_timedwait(&publisher->wake, &publisher->mutex, &until);
    }
    pthread_mutex_unlock(&publisher->mutex);
    return NULL;
}
