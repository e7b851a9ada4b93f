/* Those who wait for a build of all CRLs of an issuer. */
#include "internal.h"

#include <stdlib.h>

struct asker {
    publisher_done *done;
    void *arg;
    unsigned left; /* lines that have not answered yet */
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
        asker->done(asker->arg, asker->failed ? asker->failure.text : NULL);
        free(asker);
        free(ready);
        ready = next;
    }
}
