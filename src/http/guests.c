#include "guests.h"

#include "internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct guest {
    struct guest *next;
    const void *listener;
    int fd;
    bool known, ended; /* it has authenticated; it is closed as soon as its worker comes to it */
    char network[ORIGIN_TEXT];
};

/* Of all listeners together, in the order in which they came. */
static struct guest *guests;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void end(struct guest *guest)
{
    guest->ended = true;
    shutdown(guest->fd, SHUT_RDWR);
}

static void make_room(struct guest *newcomer)
{
    struct guest *first = NULL;
    unsigned neighbours = 0, taken = 0;
    for (struct guest *other = guests; other; other = other->next) {
        if (other->ended)
            continue;
        neighbours += strcmp(other->network, newcomer->network) == 0;
        if (other->listener != newcomer->listener)
            continue;
        taken++;
        if (!first && !other->known)
            first = other;
    }
    if (neighbours >= GUESTS_PER_NETWORK)
        end(newcomer);
    else if (first && taken >= GUESTS_MAX - GUESTS_SPARE)
        end(first);
}

static struct guest *come(const void *listener, struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct guest *guest = calloc(1, sizeof *guest);
    if (!guest) {
        shutdown(info->connect_fd, SHUT_RDWR);
        return NULL;
    }
    guest->listener = listener;
    guest->fd = info->connect_fd;
    origin_network(connection, guest->network);
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)GUESTS_PATIENCE_S);
    pthread_mutex_lock(&mutex);
    make_room(guest);
    struct guest **last = &guests;
    while (*last)
        last = &(*last)->next;
    *last = guest;
    pthread_mutex_unlock(&mutex);
    return guest;
}

static void go(struct guest *guest)
{
    if (!guest)
        return;
    pthread_mutex_lock(&mutex);
    struct guest **at = &guests;
    while (*at != guest)
        at = &(*at)->next;
    *at = guest->next;
    pthread_mutex_unlock(&mutex);
    free(guest);
}

void guests_note(void *listener, struct MHD_Connection *connection, void **guest,
                 enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        *guest = come(listener, connection);
    else
        go(*guest);
}

void guests_welcome(struct MHD_Connection *connection, unsigned timeout_s)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct guest *guest = info ? info->socket_context : NULL;
    if (!guest || guest->known)
        return;
    pthread_mutex_lock(&mutex);
    guest->known = true;
    pthread_mutex_unlock(&mutex);
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, timeout_s);
}
