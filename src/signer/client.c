/* annuld's side of the socket: submit, complete, and bring the signer back when it dies. */
#include "launch.h"
#include "protocol.h"

#include <annul/clock.h>
#include <annul/log.h>
#include <annul/signer.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS 4096 /* requests under way; beyond it the caller hears "no" at once */
#define OCSP_TIMEOUT_MS 3000
#define CRL_TIMEOUT_MS 120000
#define TICK_MS 500
#define PAUSE_MS 50    /* before a signer that ended is started again; doubled each time, to 5 s */
#define LIVED_MS 10000 /* a life that is no failure to start */

/* A request that the socket had no room for. It is sent when there is, if its slot still waits for it. */
struct queued {
    struct queued *next;
    int fd; /* to go along, or -1 */
    size_t len;
    struct signer_request request; /* with its payload behind it */
};

struct slot {
    uint64_t id; /* 0: free */
    signer_done *done;
    void *arg;
    int64_t deadline_ms;
    unsigned next_free;
};

struct signer {
    struct launch launch;
    pthread_t thread;
    int wake;              /* eventfd that ends the thread's wait */
    pthread_mutex_t mutex; /* for all below */
    int socket;            /* -1: down */
    bool stopping;
    uint64_t next_id;
    struct queued *queue, **queue_end;
    unsigned free_head; /* SLOTS: none */
    struct slot slots[SLOTS];
};

/* --- requests under way -------------------------------------------------------------------------------- */

static struct slot *slot_take(struct signer *signer, signer_done *done, void *arg, int64_t timeout_ms)
{
    unsigned index = signer->free_head;
    if (index == SLOTS)
        return NULL;
    struct slot *slot = &signer->slots[index];
    signer->free_head = slot->next_free;
    signer->next_id += SLOTS; /* the low digits name the slot, the rest tell its uses apart */
    *slot = (struct slot){signer->next_id + index, done, arg, clock_monotonic_ms() + timeout_ms, 0};
    return slot;
}

static void slot_give(struct signer *signer, struct slot *slot)
{
    slot->id = 0;
    slot->next_free = signer->free_head;
    signer->free_head = (unsigned)(slot - signer->slots);
}

/* Ends a request outside the lock, because `done` may submit another. */
static void complete(struct signer *signer, uint64_t id, struct bytes signature, const char *failure)
{
    struct slot *slot = &signer->slots[id % SLOTS];
    pthread_mutex_lock(&signer->mutex);
    if (slot->id != id || id == 0) { /* it was given up before */
        pthread_mutex_unlock(&signer->mutex);
        return;
    }
    struct slot ended = *slot;
    slot_give(signer, slot);
    pthread_mutex_unlock(&signer->mutex);
    ended.done(ended.arg, signature, failure);
}

/* Fails all requests whose deadline is at or before `now_ms`. */
static void fail_until(struct signer *signer, int64_t now_ms, const char *failure)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        pthread_mutex_lock(&signer->mutex);
        uint64_t id = signer->slots[i].id;
        bool due = id && signer->slots[i].deadline_ms <= now_ms;
        pthread_mutex_unlock(&signer->mutex);
        if (due)
            complete(signer, id, (struct bytes){0}, failure);
    }
}

static bool send_request(int socket, const struct signer_request *request, struct bytes payload, int fd)
{
    struct iovec parts[] = {{(void *)(uintptr_t)request, sizeof *request},
                            {(void *)(uintptr_t)payload.at, payload.len}};
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    if (fd >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        *header = (struct cmsghdr){
            .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
        memcpy(CMSG_DATA(header), &fd, sizeof fd);
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

/* CRLs go before all: they are few, and carry every revocation. */
static bool enqueue(struct signer *signer, const struct signer_request *request, struct bytes payload, int fd)
{
    struct queued *queued = malloc(sizeof *queued + payload.len);
    if (!queued)
        return false;
    queued->fd = fd;
    queued->len = payload.len;
    queued->request = *request;
    if (payload.len)
        memcpy(queued->request.payload, payload.at, payload.len);
    bool first = !signer->queue;
    if (fd >= 0 || first) {
        queued->next = signer->queue;
        signer->queue = queued;
        if (first)
            signer->queue_end = &queued->next;
    } else {
        queued->next = NULL;
        *signer->queue_end = queued;
        signer->queue_end = &queued->next;
    }
    if (first && eventfd_write(signer->wake, 1) < 0)
        log_warn("signer", "eventfd: %s", strerror(errno)); /* the next tick will do */
    return true;
}

/* Sends what the socket takes. Under the mutex: so the file of a request whose slot still waits is still
 * open. */
static void drain_queue(struct signer *signer, bool drop)
{
    while (signer->queue) {
        struct queued *queued = signer->queue;
        bool wanted = signer->slots[queued->request.id % SLOTS].id == queued->request.id;
        if (!drop && wanted &&
            !send_request(signer->socket, &queued->request,
                          (struct bytes){queued->request.payload, queued->len}, queued->fd))
            return;
        signer->queue = queued->next;
        free(queued);
    }
    signer->queue_end = &signer->queue;
}

/* Lets go of what is given up already, while the signer takes nothing. */
static void sweep_queue(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    struct queued **link = &signer->queue;
    while (*link) {
        struct queued *queued = *link;
        if (signer->slots[queued->request.id % SLOTS].id == queued->request.id) {
            link = &queued->next;
        } else {
            *link = queued->next;
            free(queued);
        }
    }
    signer->queue_end = link;
    pthread_mutex_unlock(&signer->mutex);
}

static bool submit(struct signer *signer, struct signer_request *request, struct bytes payload, int fd,
                   int64_t timeout_ms, signer_done *done, void *arg)
{
    bool taken = false;
    pthread_mutex_lock(&signer->mutex);
    struct slot *slot = signer->socket >= 0 ? slot_take(signer, done, arg, timeout_ms) : NULL;
    if (slot) {
        request->id = slot->id;
        request->version = SIGNER_VERSION;
        taken = (!signer->queue && send_request(signer->socket, request, payload, fd)) ||
                enqueue(signer, request, payload, fd);
        if (!taken)
            slot_give(signer, slot);
    }
    pthread_mutex_unlock(&signer->mutex);
    return taken;
}

bool signer_sign_ocsp(struct signer *signer, const struct issuer *issuer, struct bytes response_data,
                      signer_done *done, void *arg)
{
    struct signer_request request = {.kind = SIGNER_OCSP};
    memcpy(request.issuer, issuer->fingerprint, sizeof request.issuer);
    return response_data.len <= SIGNER_PAYLOAD_MAX &&
           submit(signer, &request, response_data, -1, OCSP_TIMEOUT_MS, done, arg);
}

struct crl_wait {
    pthread_mutex_t mutex;
    pthread_cond_t ended;
    bool over;
    uint8_t *signature;
    size_t *len;
    int result;
    struct error *err;
};

static void crl_signed(void *arg, struct bytes signature, const char *failure)
{
    struct crl_wait *wait = arg;
    pthread_mutex_lock(&wait->mutex);
    if (signature.len) {
        memcpy(wait->signature, signature.at, signature.len);
        *wait->len = signature.len;
        wait->result = 0;
    } else {
        wait->result = error_set(wait->err, "annul-signer: %s", failure);
    }
    wait->over = true;
    pthread_cond_signal(&wait->ended);
    pthread_mutex_unlock(&wait->mutex);
}

int signer_sign_crl(struct signer *signer, const struct issuer *issuer, int fd, uint64_t offset, uint64_t len,
                    uint8_t signature[SIGNATURE_MAX], size_t *signature_len, struct error *err)
{
    struct crl_wait wait = {.mutex = PTHREAD_MUTEX_INITIALIZER,
                            .ended = PTHREAD_COND_INITIALIZER,
                            .signature = signature,
                            .len = signature_len,
                            .err = err};
    struct signer_request request = {.kind = SIGNER_CRL, .offset = offset, .len = len};
    memcpy(request.issuer, issuer->fingerprint, sizeof request.issuer);
    if (!submit(signer, &request, (struct bytes){0}, fd, CRL_TIMEOUT_MS, crl_signed, &wait))
        return error_set(err, "annul-signer is down or busy");
    pthread_mutex_lock(&wait.mutex);
    while (!wait.over) /* every request ends: by an answer, its deadline, or the signer's end */
        pthread_cond_wait(&wait.ended, &wait.mutex);
    pthread_mutex_unlock(&wait.mutex);
    return wait.result;
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static void set_socket(struct signer *signer, int fd)
{
    pthread_mutex_lock(&signer->mutex);
    signer->socket = fd;
    if (fd < 0) {
        eventfd_t count;
        drain_queue(signer, true);
        if (!signer->stopping) /* what woke us for the old socket must not cut the next pause short */
            eventfd_read(signer->wake, &count);
    }
    pthread_mutex_unlock(&signer->mutex);
}

static bool is_stopping(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    bool stopping = signer->stopping;
    pthread_mutex_unlock(&signer->mutex);
    return stopping;
}

static void take_reply(struct signer *signer, uint8_t *packet, size_t len)
{
    struct signer_reply reply;
    if (len < sizeof reply)
        return;
    memcpy(&reply, packet, sizeof reply);
    struct bytes payload = {packet + sizeof reply, len - sizeof reply};
    if (!reply.refused && payload.len) {
        complete(signer, reply.id, payload, NULL);
        return;
    }
    packet[len] = 0; /* there is room for it */
    log_limited(LOG_LEVEL_ERROR, "signer", "refused to sign: %s", (const char *)payload.at);
    complete(signer, reply.id, (struct bytes){0}, (const char *)payload.at);
}

/* Takes all replies that are there. False when the signer is gone. */
static bool take_replies(struct signer *signer, int fd)
{
    static const size_t packet_max = sizeof(struct signer_reply) + SIGNATURE_MAX;
    uint8_t packets[SIGNER_BATCH][sizeof(struct signer_reply) + SIGNATURE_MAX + 1];
    struct mmsghdr headers[SIGNER_BATCH] = {0};
    struct iovec parts[SIGNER_BATCH];
    for (int i = 0; i < SIGNER_BATCH; i++) {
        parts[i] = (struct iovec){packets[i], packet_max};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    int n = recvmmsg(fd, headers, SIGNER_BATCH, MSG_DONTWAIT, NULL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    for (int i = 0; i < n; i++) {
        if (headers[i].msg_len == 0)
            return false;
        take_reply(signer, packets[i], headers[i].msg_len);
    }
    return n > 0;
}

static bool has_queue(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    bool has = signer->queue != NULL;
    pthread_mutex_unlock(&signer->mutex);
    return has;
}

static void after_wake(struct signer *signer)
{
    eventfd_t count;
    pthread_mutex_lock(&signer->mutex);
    if (!signer->stopping) /* that one stays set */
        eventfd_read(signer->wake, &count);
    drain_queue(signer, false);
    pthread_mutex_unlock(&signer->mutex);
}

/* Serves one life of the signer; returns when it is gone or we stop. */
static void follow(struct signer *signer, int fd)
{
    int64_t tick_ms = clock_monotonic_ms() + TICK_MS;
    struct pollfd wait[] = {{.fd = fd}, {.fd = signer->wake, .events = POLLIN}};
    while (!is_stopping(signer)) {
        wait[0].events = has_queue(signer) ? POLLIN | POLLOUT : POLLIN;
        int ready = poll(wait, 2, TICK_MS);
        if (ready > 0 && wait[0].revents & ~POLLOUT && !take_replies(signer, fd))
            return;
        if (ready > 0)
            after_wake(signer);
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= tick_ms) {
            fail_until(signer, now_ms, "no answer in time");
            sweep_queue(signer);
            tick_ms = now_ms + TICK_MS;
        }
    }
}

static void pause_before_retry(struct signer *signer, int64_t pause_ms)
{
    struct pollfd wait = {.fd = signer->wake, .events = POLLIN};
    if (!is_stopping(signer))
        poll(&wait, 1, (int)pause_ms);
}

static void *run(void *arg)
{
    struct signer *signer = arg;
    int64_t pause_ms = PAUSE_MS;
    int fd = signer->socket;
    while (!is_stopping(signer)) {
        int64_t since_ms = clock_monotonic_ms();
        follow(signer, fd);
        set_socket(signer, -1);
        close(fd);
        launch_reap(&signer->launch);
        fail_until(signer, INT64_MAX, "annul-signer ended");
        if (clock_monotonic_ms() - since_ms > LIVED_MS)
            pause_ms = PAUSE_MS;
        pause_before_retry(signer, pause_ms); /* also where it starts well and dies soon */
        for (fd = -1; fd < 0 && !is_stopping(signer);) {
            struct error err;
            pause_ms = pause_ms < 2500 ? pause_ms * 2 : 5000;
            log_error("signer", "annul-signer ended; starting it again");
            fd = launch_signer(&signer->launch, &err);
            if (fd >= 0)
                break;
            log_error("signer", "%s", err.text);
            pause_before_retry(signer, pause_ms);
        }
        set_socket(signer, fd);
    }
    set_socket(signer, -1);
    if (fd >= 0)
        close(fd);
    launch_reap(&signer->launch);
    fail_until(signer, INT64_MAX, "annuld is stopping");
    return NULL;
}

struct signer *signer_start(const struct config *config, struct error *err)
{
    struct signer *signer = calloc(1, sizeof *signer);
    if (!signer || launch_prepare(&signer->launch, config) < 0) {
        error_set(err, "out of memory");
        free(signer);
        return NULL;
    }
    signer->queue_end = &signer->queue;
    pthread_mutex_init(&signer->mutex, NULL);
    for (unsigned i = 0; i < SLOTS; i++)
        signer->slots[i].next_free = i + 1;
    signer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    signer->launch.wake = signer->wake;
    signer->socket = signer->wake >= 0 ? launch_signer(&signer->launch, err)
                                       : error_set(err, "eventfd: %s", strerror(errno));
    if (signer->socket < 0)
        goto failed;
    if (pthread_create(&signer->thread, NULL, run, signer) == 0)
        return signer;
    error_set(err, "cannot start a thread");
    close(signer->socket);
    launch_reap(&signer->launch);
failed:
    if (signer->wake >= 0)
        close(signer->wake);
    launch_forget(&signer->launch);
    free(signer);
    return NULL;
}

void signer_halt(struct signer *signer)
{
    if (!signer)
        return;
    pthread_mutex_lock(&signer->mutex);
    signer->stopping = true;
    pthread_mutex_unlock(&signer->mutex);
    if (eventfd_write(signer->wake, 1) < 0)
        log_warn("signer", "eventfd: %s", strerror(errno));
}

void signer_stop(struct signer *signer)
{
    if (!signer)
        return;
    signer_halt(signer);
    pthread_join(signer->thread, NULL);
    close(signer->wake);
    pthread_mutex_destroy(&signer->mutex);
    launch_forget(&signer->launch);
    free(signer);
}

bool signer_is_up(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    bool up = signer->socket >= 0;
    pthread_mutex_unlock(&signer->mutex);
    return up;
}
