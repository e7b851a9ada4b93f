#include "waiters.h"

#include "header.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <errno.h>
#include <pthread.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define UNDER_WAY_MAX 256 /* that the workers have to come to: so they see to others in between */
#define EVENTS 64
#define HALT_S 2 /* for the last answers to go out */

/* How many wait of one: of an actor, or where nobody says who he is, of a network. */
struct waiting_party {
    unsigned count;
    char name[];
};

struct waiters {
    size_t max, kept, each;
    int epoll, event; /* the sockets of those in the heap; what wakes the thread besides */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t all_answered;
    uint64_t news;
    bool halted, stopping;
    void *parties;                      /* tsearch(3) */
    struct request *ready, **ready_end; /* to be released, in order */
    size_t count, total;                /* in the heap; and those who are ready, too */
    size_t under_way;                   /* released, and not with their workers yet */
    size_t unanswered;                  /* all who have slept, and whose answers are not out yet */
    struct request **heap;              /* by until_ms, the first one on top */
};

/* --- the heap ------------------------------------------------------------------------------------------ */

static int64_t until_ms(const struct waiters *waiters, size_t at)
{
    return waiters->heap[at]->waiting.until_ms;
}

static void put(struct waiters *waiters, size_t at, struct request *request)
{
    waiters->heap[at] = request;
    request->waiting.at = at;
}

static void rise(struct waiters *waiters, size_t at, struct request *request)
{
    for (; at && until_ms(waiters, (at - 1) / 2) > request->waiting.until_ms; at = (at - 1) / 2)
        put(waiters, at, waiters->heap[(at - 1) / 2]);
    put(waiters, at, request);
}

static void sink(struct waiters *waiters, size_t at, struct request *request)
{
    for (size_t child; (child = 2 * at + 1) < waiters->count; at = child) {
        if (child + 1 < waiters->count && until_ms(waiters, child + 1) < until_ms(waiters, child))
            child++;
        if (until_ms(waiters, child) >= request->waiting.until_ms)
            break;
        put(waiters, at, waiters->heap[child]);
    }
    put(waiters, at, request);
}

static void take_out(struct waiters *waiters, size_t at)
{
    struct request *last = waiters->heap[--waiters->count];
    if (at == waiters->count)
        return;
    sink(waiters, at, last);
    rise(waiters, last->waiting.at, last);
}

/* --- who is to be released ----------------------------------------------------------------------------- */

/* It is out of the heap. `over`: whatever is current. */
static void make_ready(struct waiters *waiters, struct request *request, bool over)
{
    request->waiting.in_heap = false;
    request->waiting.over = over;
    request->waiting.next = NULL;
    *waiters->ready_end = request;
    waiters->ready_end = &request->waiting.next;
}

static void wake_thread(struct waiters *waiters)
{
    uint64_t one = 1;
    if (write(waiters->event, &one, sizeof one) < 0)
        log_error("http", "waiters: %s", strerror(errno));
}

/* Makes ready whom it concerns; the rest becomes a heap again. */
static void make_many_ready(struct waiters *waiters, waiters_concerns *concerns, const void *news, bool over)
{
    size_t kept = 0, count = waiters->count;
    for (size_t i = 0; i < count; i++) {
        struct request *request = waiters->heap[i];
        if (!concerns || concerns(request, news))
            make_ready(waiters, request, over);
        else
            put(waiters, kept++, request);
    }
    if (kept == count)
        return;
    waiters->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sink(waiters, i, waiters->heap[i]);
    wake_thread(waiters);
}

void waiters_announce(struct waiters *waiters, waiters_concerns *concerns, const void *news)
{
    pthread_mutex_lock(&waiters->mutex);
    waiters->news++;
    make_many_ready(waiters, concerns, news, false);
    pthread_mutex_unlock(&waiters->mutex);
}

/* --- bounds -------------------------------------------------------------------------------------------- */

static int compare_parties(const void *a, const void *b)
{
    const struct waiting_party *one = a, *other = b;
    return strcmp(one->name, other->name);
}

static struct waiting_party *new_party(struct request *request)
{
    char network[ORIGIN_TEXT] = "";
    bool is_actor = request->actor_name[0];
    if (!is_actor)
        origin_network(request->connection, network);
    const char *name = is_actor ? request->actor_name : network;
    struct waiting_party *party = calloc(1, sizeof *party + strlen(name) + 1);
    if (party)
        strcpy(party->name, name);
    return party;
}

/* A place among those of its party; false: they are taken. */
static bool take_place(struct waiters *waiters, struct request *request)
{
    bool is_local = strcmp(request->actor_origin, "unix") == 0;
    bool is_room = waiters->total < waiters->max - (is_local ? 0 : waiters->kept);
    struct waiting_party *party = is_room ? new_party(request) : NULL;
    struct waiting_party **found = party ? tsearch(party, &waiters->parties, compare_parties) : NULL;
    if (!found || *found != party)
        free(party);
    if (!found || (*found)->count == waiters->each)
        return false;
    request->waiting.party = *found;
    request->waiting.party->count++;
    waiters->total++;
    return true;
}

static void leave_place(struct waiters *waiters, struct request *request)
{
    struct waiting_party *party = request->waiting.party;
    waiters->total--;
    if (--party->count)
        return;
    tdelete(party, &waiters->parties, compare_parties);
    free(party);
}

/* --- coming -------------------------------------------------------------------------------------------- */

static int socket_of(const struct request *request)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info ? info->connect_fd : -1;
}

/* Once is enough, and a socket that one side has closed counts as gone: it hears at once what it has. */
static bool watch(struct waiters *waiters, struct request *request)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = request};
    return epoll_ctl(waiters->epoll, EPOLL_CTL_ADD, socket_of(request), &event) == 0;
}

static void unwatch(struct waiters *waiters, struct request *request)
{
    epoll_ctl(waiters->epoll, EPOLL_CTL_DEL, socket_of(request), NULL);
}

static bool go_to_sleep(struct waiters *waiters, struct request *request, handler *resume)
{
    if (!take_place(waiters, request))
        return false;
    if (watch(waiters, request)) {
        if (request_sleep(request, resume))
            return true;
        unwatch(waiters, request);
    }
    leave_place(waiters, request);
    return false;
}

static void come_back(struct waiters *waiters, struct request *request)
{
    waiters->under_way -= request->waiting.under_way;
    if (request->waiting.under_way && waiters->ready && waiters->under_way == UNDER_WAY_MAX / 2)
        wake_thread(waiters);
    request->waiting.under_way = false;
}

void waiters_back(struct request *request)
{
    struct waiters *waiters = request->waiters;
    if (!request->waiting.slept)
        return;
    pthread_mutex_lock(&waiters->mutex);
    come_back(waiters, request);
    pthread_mutex_unlock(&waiters->mutex);
}

void waiters_end(struct request *request)
{
    struct waiters *waiters = request->waiters;
    if (!request->waiting.slept)
        return;
    pthread_mutex_lock(&waiters->mutex);
    come_back(waiters, request);
    if (--waiters->unanswered == 0)
        pthread_cond_broadcast(&waiters->all_answered);
    pthread_mutex_unlock(&waiters->mutex);
}

bool waiters_add(struct request *request, handler *resume, uint64_t news)
{
    struct waiters *waiters = request->waiters;
    struct waiting *waiting = &request->waiting;
    bool sleeps = false;
    pthread_mutex_lock(&waiters->mutex);
    if (waiters->news == news) {
        sleeps = !waiters->halted && go_to_sleep(waiters, request, resume);
        waiting->over = !sleeps;
    }
    if (sleeps) {
        waiters->unanswered += !waiting->slept;
        waiting->slept = true;
        waiting->in_heap = true;
        rise(waiters, waiters->count++, request);
        if (waiters->heap[0] == request) /* before all others */
            wake_thread(waiters);
    }
    pthread_mutex_unlock(&waiters->mutex);
    return sleeps;
}

static bool wishes_to_wait(void *arg, const char *value)
{
    int32_t *wait_s = arg;
    *wait_s = header_prefer_wait(value);
    return *wait_s >= 0;
}

void waiters_grant(struct request *request, int64_t max_s)
{
    int32_t wait_s = 0;
    if (!request_header(request, MHD_HTTP_HEADER_PREFER) ||
        !request_any_header(request, MHD_HTTP_HEADER_PREFER, wishes_to_wait, &wait_s))
        return;
    request->waiting.granted_s = wait_s < max_s ? wait_s : max_s;
    request->waiting.until_ms = clock_monotonic_ms() + request->waiting.granted_s * 1000;
}

uint64_t waiters_news(struct waiters *waiters)
{
    pthread_mutex_lock(&waiters->mutex);
    uint64_t news = waiters->news;
    pthread_mutex_unlock(&waiters->mutex);
    return news;
}

size_t waiters_count(struct waiters *waiters)
{
    pthread_mutex_lock(&waiters->mutex);
    size_t total = waiters->total;
    pthread_mutex_unlock(&waiters->mutex);
    return total;
}

/* --- the thread, which alone lets go ------------------------------------------------------------------- */

/* Some of those who are ready. */
static struct request *take_batch(struct waiters *waiters)
{
    struct request *batch = waiters->ready, *last = NULL;
    for (struct request *r = batch; r && waiters->under_way < UNDER_WAY_MAX; r = r->waiting.next) {
        leave_place(waiters, r);
        r->waiting.under_way = true;
        waiters->under_way++;
        last = r;
    }
    if (!last)
        return NULL;
    waiters->ready = last->waiting.next;
    last->waiting.next = NULL;
    if (!waiters->ready)
        waiters->ready_end = &waiters->ready;
    return batch;
}

/* Those whose time is over, and whom there is news for. False: the end. */
static bool release_some(struct waiters *waiters, int *pause)
{
    int64_t now_ms = clock_monotonic_ms();
    pthread_mutex_lock(&waiters->mutex);
    while (waiters->count && until_ms(waiters, 0) <= now_ms) {
        struct request *request = waiters->heap[0];
        take_out(waiters, 0);
        make_ready(waiters, request, true);
    }
    struct request *batch = take_batch(waiters);
    bool goes_on = !waiters->stopping;
    *pause = waiters->count ? (int)(until_ms(waiters, 0) - now_ms) : -1;
    pthread_mutex_unlock(&waiters->mutex);
    while (batch) {
        struct request *next = batch->waiting.next;
        unwatch(waiters, batch); /* before the connection can end, and another have its number */
        request_wake(batch);
        batch = next;
    }
    return goes_on;
}

static void take_event(struct waiters *waiters, const struct epoll_event *event)
{
    struct request *request = event->data.ptr;
    uint64_t count;
    if (!request) {
        if (read(waiters->event, &count, sizeof count) < 0 && errno != EAGAIN)
            log_error("http", "waiters: %s", strerror(errno));
        return;
    }
    pthread_mutex_lock(&waiters->mutex);
    if (request->waiting.in_heap) {
        take_out(waiters, request->waiting.at);
        make_ready(waiters, request, true);
    }
    pthread_mutex_unlock(&waiters->mutex);
}

static void *run(void *arg)
{
    struct waiters *waiters = arg;
    struct epoll_event events[EVENTS];
    int pause;
    while (release_some(waiters, &pause)) {
        int count = epoll_wait(waiters->epoll, events, EVENTS, pause);
        for (int i = 0; i < count; i++)
            take_event(waiters, &events[i]);
    }
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------------------ */

static void free_waiters(struct waiters *waiters)
{
    if (waiters->epoll >= 0)
        close(waiters->epoll);
    if (waiters->event >= 0)
        close(waiters->event);
    pthread_mutex_destroy(&waiters->mutex);
    pthread_cond_destroy(&waiters->all_answered);
    free(waiters->heap);
    free(waiters);
}

static int start(struct waiters *waiters, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (!waiters->heap)
        return error_set(err, "out of memory");
    if (waiters->epoll < 0 || waiters->event < 0 ||
        epoll_ctl(waiters->epoll, EPOLL_CTL_ADD, waiters->event, &event) < 0)
        return error_set(err, "epoll: %s", strerror(errno));
    return pthread_create(&waiters->thread, NULL, run, waiters) == 0
               ? 0
               : error_set(err, "cannot start a thread");
}

struct waiters *waiters_start(size_t max, size_t kept, size_t each, struct error *err)
{
    struct waiters *waiters = calloc(1, sizeof *waiters);
    if (!waiters) {
        error_set(err, "out of memory");
        return NULL;
    }
    waiters->max = max;
    waiters->kept = kept;
    waiters->each = each;
    waiters->ready_end = &waiters->ready;
    waiters->heap = calloc(waiters->max, sizeof *waiters->heap);
    waiters->epoll = epoll_create1(EPOLL_CLOEXEC);
    waiters->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&waiters->all_answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&waiters->mutex, NULL);
    if (start(waiters, err) < 0) {
        free_waiters(waiters);
        return NULL;
    }
    return waiters;
}

void waiters_halt(struct waiters *waiters)
{
    struct timespec end;
    int late = 0;
    if (!waiters)
        return;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += HALT_S;
    pthread_mutex_lock(&waiters->mutex);
    waiters->halted = true;
    make_many_ready(waiters, NULL, NULL, true);
    while (waiters->unanswered && !late)
        late = pthread_cond_timedwait(&waiters->all_answered, &waiters->mutex, &end);
    pthread_mutex_unlock(&waiters->mutex);
}

void waiters_stop(struct waiters *waiters)
{
    if (!waiters)
        return;
    pthread_mutex_lock(&waiters->mutex);
    waiters->stopping = true;
    wake_thread(waiters);
    pthread_mutex_unlock(&waiters->mutex);
    pthread_join(waiters->thread, NULL);
    free_waiters(waiters);
}
