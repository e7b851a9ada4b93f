#include "strangers.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#define PAUSE_MIN_MS 1000    /* between two entries about one; it doubles with each … */
#define PAUSE_MAX_MS 3600000 /* … and is forgotten after as long a peace */

/* An attempt has an entry as long as there were no more than so many in a row. */
static const unsigned entries[STRANGERS_LISTS] = {1, STRANGERS_CALLS};

/* The last of a list: all others. */
static struct party {
    char name[256]; /* "": free */
    int64_t next_ms, pause_ms;
    unsigned failures, left_out; /* in a row; since the last entry */
} parties[STRANGERS_LISTS][STRANGERS_KNOWN + 1];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static bool is_at_peace(const struct party *party, int64_t now_ms)
{
    return !party->pause_ms || now_ms >= party->next_ms + PAUSE_MAX_MS;
}

/* The one of this name, or one that is free; what that has left out goes to the others. */
static struct party *find(enum strangers_list list, const char *name, int64_t now_ms)
{
    struct party *known = parties[list], *others = &known[STRANGERS_KNOWN], *found = others;
    for (size_t i = 0; i < STRANGERS_KNOWN; i++) {
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
        if (found == others && is_at_peace(&known[i], now_ms))
            found = &known[i];
    }
    if (found == others)
        return found;
    others->left_out += found->left_out;
    *found = (struct party){0};
    snprintf(found->name, sizeof found->name, "%s", name);
    return found;
}

static void lengthen(enum strangers_list list, struct party *party, int64_t now_ms)
{
    if (is_at_peace(party, now_ms)) {
        party->pause_ms = PAUSE_MIN_MS;
        party->failures = 0;
    } else if (party->failures >= entries[list] && (party->pause_ms *= 2) > PAUSE_MAX_MS) {
        party->pause_ms = PAUSE_MAX_MS;
    }
    party->next_ms = now_ms + party->pause_ms;
}

struct stranger strangers_failed(enum strangers_list list, const char *name, int64_t now_ms)
{
    struct stranger stranger = {0};
    pthread_mutex_lock(&mutex);
    struct party *party = find(list, name, now_ms);
    stranger.other = party == &parties[list][STRANGERS_KNOWN];
    stranger.due = now_ms >= party->next_ms || party->failures < entries[list];
    if (stranger.due) {
        stranger.left_out = party->left_out;
        party->left_out = 0;
        lengthen(list, party, now_ms);
    } else {
        party->left_out++;
    }
    if (++party->failures > STRANGERS_PATIENCE && !stranger.due)
        stranger.wait_ms = party->next_ms - now_ms;
    pthread_mutex_unlock(&mutex);
    return stranger;
}

void strangers_forget(enum strangers_list list, strangers_each *each, void *arg)
{
    struct party *known = parties[list];
    pthread_mutex_lock(&mutex);
    for (size_t i = 0; i <= STRANGERS_KNOWN; i++) {
        if (known[i].left_out)
            each(arg, i == STRANGERS_KNOWN ? "others" : known[i].name, known[i].left_out);
        known[i] = (struct party){0};
    }
    pthread_mutex_unlock(&mutex);
}
