/* Who writes, and who waits. The turn goes from hand to hand: a mutex would go to whoever comes by. */
#include "internal.h"

void turns_init(struct turns *turns)
{
    *turns = (struct turns){0};
    pthread_mutex_init(&turns->mutex, NULL);
}

void turns_destroy(struct turns *turns)
{
    pthread_mutex_destroy(&turns->mutex);
}

void turn_take(struct turns *turns, struct store_tx *tx)
{
    pthread_mutex_lock(&turns->mutex);
    if (turns->taken) {
        *(turns->first ? &turns->last->next : &turns->first) = tx;
        turns->last = tx;
        while (!tx->has_turn)
            pthread_cond_wait(&tx->wake, &turns->mutex);
    }
    turns->taken = true;
    pthread_mutex_unlock(&turns->mutex);
}

/* With the mutex. */
static void pass(struct turns *turns)
{
    struct store_tx *tx = turns->first;
    turns->taken = tx != NULL; /* it is never free while somebody waits */
    if (!tx)
        return;
    turns->first = tx->next;
    tx->next = NULL;
    tx->has_turn = true;
    pthread_cond_signal(&tx->wake);
}

void turn_pass(struct turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    pass(turns);
    pthread_mutex_unlock(&turns->mutex);
}

bool turn_next_joins(struct turns *turns)
{
    pthread_mutex_lock(&turns->mutex);
    bool joins = turns->first && !turns->first->alone;
    pthread_mutex_unlock(&turns->mutex);
    return joins;
}

int turn_pass_and_wait(struct turns *turns, struct store_tx *tx, struct error *why)
{
    pthread_mutex_lock(&turns->mutex);
    pass(turns);
    while (!tx->over)
        pthread_cond_wait(&tx->wake, &turns->mutex);
    pthread_mutex_unlock(&turns->mutex);
    *why = tx->why;
    return tx->result;
}

void turn_end(struct turns *turns, struct store_tx *tx, int result, const struct error *why)
{
    pthread_mutex_lock(&turns->mutex);
    tx->result = result;
    if (result < 0)
        tx->why = *why;
    tx->over = true;
    pthread_cond_signal(&tx->wake);
    pthread_mutex_unlock(&turns->mutex); /* from here on it may be gone */
}
