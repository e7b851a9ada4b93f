#include "strangers.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_MIN_MS 1000    /* between two entries about one network; it doubles with each … */
#define PAUSE_MAX_MS 3600000 /* … and is forgotten after as long a peace */

static struct network {
    char name[64]; /* "": free */
    int64_t next_ms, pause_ms;
    unsigned failures, left_out; /* in a row; since the last entry */
} networks[STRANGERS_KNOWN + 1];
static struct network *const others = &networks[STRANGERS_KNOWN];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_at_peace(const struct network *network, int64_t now_ms)
{
    return !network->pause_ms || now_ms >= network->next_ms + PAUSE_MAX_MS;
}

/* The one of this name, or one that is free; what that has left out goes to the others. */
static struct network *find(const char *name, int64_t now_ms)
{
    struct network *found = others;
    for (size_t i = 0; i < STRANGERS_KNOWN; i++) {
        if (strcmp(networks[i].name, name) == 0)
            return &networks[i];
        if (found == others && is_at_peace(&networks[i], now_ms))
            found = &networks[i];
    }
    if (found == others)
        return found;
    others->left_out += found->left_out;
    *found = (struct network){0};
    snprintf(found->name, sizeof found->name, "%s", name);
    return found;
}

static void lengthen(struct network *network, int64_t now_ms)
{
    if (is_at_peace(network, now_ms)) {
        network->pause_ms = PAUSE_MIN_MS;
        network->failures = 0;
    } else if ((network->pause_ms *= 2) > PAUSE_MAX_MS) {
        network->pause_ms = PAUSE_MAX_MS;
    }
    network->next_ms = now_ms + network->pause_ms;
}

struct stranger strangers_failed(const char *name, int64_t now_ms)
{
    struct stranger stranger = {0};
    pthread_mutex_lock(&mutex);
    struct network *network = find(name, now_ms);
    stranger.other = network == others;
    stranger.due = now_ms >= network->next_ms;
    if (stranger.due) {
        stranger.left_out = network->left_out;
        network->left_out = 0;
        lengthen(network, now_ms);
    } else {
        network->left_out++;
    }
    if (++network->failures > STRANGERS_PATIENCE && !stranger.due)
        stranger.wait_ms = network->next_ms - now_ms;
    pthread_mutex_unlock(&mutex);
    return stranger;
}

void strangers_forget(strangers_each *each, void *arg)
{
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i <= STRANGERS_KNOWN; i++) {
        if (networks[i].left_out)
            each(arg, &networks[i] == others ? "others" : networks[i].name, networks[i].left_out);
        networks[i] = (struct network){0};
    }
    pthread_mutex_unlock(&mutex);
}
