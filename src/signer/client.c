/* annuld's side: submit, complete, learn who signs, and bring the signer back when it dies. */
#include "launch.h"
#include "pending.h"
#include "protocol.h"

#include <annul/clock.h>
#include <annul/log.h>
#include <annul/signer.h>

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define START_TIMEOUT_MS 30000
#define OCSP_TIMEOUT_MS 3000
#define CRL_TIMEOUT_MS 120000
#define TICK_MS 500
#define REPLIES_MAX 256 /* in one go */
#define PAUSE_MS 50     /* before a signer that ended is started again; doubled each time, to 5 s */
#define LIVED_MS 10000  /* a life that is no failure to start */

/* One life of the signer; touched by the thread alone, but for the ring of requests. */
struct connection {
    int socket;
    int doorbells[2]; /* of requests, of replies */
    void *memory;
    struct ring requests; /* under the signer's mutex */
    struct ring replies;
};

struct signer {
    struct issuers *issuers;
    struct launch launch;
    pthread_t thread;
    int wake;                     /* eventfd that ends the thread's wait */
    struct ocsp_signers *arrived; /* announced, as far as they have come */
    struct connection connection;
    pthread_mutex_t mutex; /* for the next two lines; while `up`, the connection stands */
    bool up, stopping;
    uint64_t refused_down, refused_busy;
    struct pending pending;
};

/* --- submitting ---------------------------------------------------------------------------------------- */

bool signer_sign_ocsp(struct signer *signer, const struct ocsp_signer *by, const struct sigalg *sigalg,
                      struct bytes response_data, signer_done *done, void *arg)
{
    struct ring *ring = &signer->connection.requests;
    struct ring_request head = {.until_ms = clock_monotonic_ms() + OCSP_TIMEOUT_MS,
                                .signer = by->id,
                                .sigalg = sigalg_number(sigalg)};
    bool put = false;
    pthread_mutex_lock(&signer->mutex);
    if (signer->up && response_data.len <= SIGNER_DATA_MAX &&
        (head.id = pending_begin(&signer->pending, SIGNATURE_OCSP, done, arg, OCSP_TIMEOUT_MS))) {
        put = ring_put(ring, (struct bytes){(const uint8_t *)&head, sizeof head}, response_data);
        if (put)
            ring_notify(ring);
        else
            pending_cancel(&signer->pending, head.id);
    }
    if (!put)
        (*(signer->up ? &signer->refused_busy : &signer->refused_down))++;
    pthread_mutex_unlock(&signer->mutex);
    return put;
}

/* Before a request ends, and with it what it was made of: whoever is submitting it has done so. */
static void await_submitters(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    pthread_mutex_unlock(&signer->mutex);
}

static int send_request(int socket, const struct signer_request *request, const int *fds, size_t count)
{
    struct iovec part = {(void *)(uintptr_t)request, sizeof *request};
    union {
        char room[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = CMSG_SPACE(count * sizeof *fds)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(count * sizeof *fds), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), fds, count * sizeof *fds);
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -1 : 0;
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
    struct signer_request request = {
        .version = SIGNER_VERSION, .kind = SIGNER_CRL, .offset = offset, .len = len};
    memcpy(request.issuer, issuer->fingerprint, sizeof request.issuer);
    bool sent = false;
    pthread_mutex_lock(&signer->mutex);
    if (signer->up &&
        (request.id = pending_begin(&signer->pending, SIGNATURE_CRL, crl_signed, &wait, CRL_TIMEOUT_MS))) {
        sent = send_request(signer->connection.socket, &request, &fd, 1) == 0;
        if (!sent)
            pending_cancel(&signer->pending, request.id);
    }
    if (!sent)
        (*(signer->up ? &signer->refused_busy : &signer->refused_down))++;
    pthread_mutex_unlock(&signer->mutex);
    if (!sent)
        return error_set(err, "annul-signer is down or busy");
    pthread_mutex_lock(&wait.mutex);
    while (!wait.over) /* every request ends: by an answer, its deadline, or the signer's end */
        pthread_cond_wait(&wait.ended, &wait.mutex);
    pthread_mutex_unlock(&wait.mutex);
    return wait.result;
}

/* --- a connection -------------------------------------------------------------------------------------- */

static void hang_up(struct connection *connection)
{
    if (connection->memory)
        munmap(connection->memory, SIGNER_MEMORY);
    for (int i = 0; i < 2; i++)
        if (connection->doorbells[i] >= 0)
            close(connection->doorbells[i]);
    if (connection->socket >= 0)
        close(connection->socket);
    *connection = (struct connection){.socket = -1, .doorbells = {-1, -1}};
}

/* The rings: memory that nobody can shrink or grow, so that neither side can make the other fault. */
static int share_memory(struct connection *connection, struct error *err)
{
    struct signer_request request = {.version = SIGNER_VERSION, .kind = SIGNER_RINGS};
    int memory = memfd_create("annul-rings", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    connection->doorbells[0] = eventfd(0, EFD_CLOEXEC); /* the signer waits on it by reading */
    connection->doorbells[1] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int fds[] = {memory, connection->doorbells[0], connection->doorbells[1]};
    uint8_t *at = MAP_FAILED;
    if (memory >= 0 && fds[1] >= 0 && fds[2] >= 0 && ftruncate(memory, (off_t)SIGNER_MEMORY) == 0 &&
        fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        at = mmap(NULL, SIGNER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    int result = -1;
    if (at != MAP_FAILED) {
        connection->memory = at;
        ring_init(&connection->requests, at, SIGNER_REQUESTS_SIZE, fds[1]);
        ring_init(&connection->replies, at + RING_MEMORY(SIGNER_REQUESTS_SIZE), SIGNER_REPLIES_SIZE, fds[2]);
        result = send_request(connection->socket, &request, fds, 3);
    }
    if (result < 0)
        error_set(err, "shared memory for annul-signer: %s", strerror(errno));
    if (memory >= 0)
        close(memory);
    return result;
}

/* Those of one issuer come one after the other; the last makes them valid all at once. */
static void take_announcement(struct signer *signer, const struct signer_message *head, struct bytes certs)
{
    struct issuer *issuer = issuers_by_fingerprint(signer->issuers, head->issuer);
    struct error err = {"out of turn"};
    if (head->index == 0) {
        ocsp_signers_free(signer->arrived); /* left by a signer that ended in between */
        signer->arrived = calloc(1, sizeof *signer->arrived);
    }
    struct ocsp_signers *arrived = signer->arrived;
    bool good = issuer && arrived && head->index == arrived->count && head->count <= CONFIG_SIGNERS_MAX &&
                ocsp_signer_init(&arrived->list[arrived->count++], issuer, certs, head->is_ours, &err) == 0;
    if (good) {
        arrived->list[head->index].id = (uint32_t)head->id;
        if (head->index + 1 < head->count)
            return;
        issuer_ocsp_signers_set(issuer, arrived);
    } else {
        log_error("signer", "annul-signer announces an OCSP signer for %s that is none: %s",
                  issuer ? issuer->config->name.text : "an unknown issuer", err.text);
        ocsp_signers_free(arrived);
    }
    signer->arrived = NULL;
}

/* A signature, or the reason why there is none: text with a NUL behind it. */
static void take_answer(struct signer *signer, uint64_t id, struct bytes payload, bool refused)
{
    await_submitters(signer);
    if (!refused && payload.len && payload.len <= SIGNATURE_MAX) {
        pending_end(&signer->pending, id, payload, NULL);
        return;
    }
    log_limited(LOG_LEVEL_ERROR, "signer", "refused to sign: %s", (const char *)payload.at);
    pending_end(&signer->pending, id, (struct bytes){0}, (const char *)payload.at);
}

/* One message that is there. Its kind; 0 when the signer is gone. */
static uint32_t take_message(struct signer *signer)
{
    union {
        struct signer_message head;
        uint8_t octets[SIGNER_MESSAGE_MAX + 1];
    } message;
    ssize_t n = recv(signer->connection.socket, message.octets, SIGNER_MESSAGE_MAX, 0);
    if (n < (ssize_t)sizeof message.head || message.head.version != SIGNER_VERSION)
        return 0;
    struct bytes payload = {message.head.payload, (size_t)n - sizeof message.head};
    if (message.head.kind == SIGNER_ANNOUNCE)
        take_announcement(signer, &message.head, payload);
    message.octets[n] = 0; /* a reason is text */
    if (message.head.kind == SIGNER_CRL)
        take_answer(signer, message.head.id, payload, message.head.refused);
    return message.head.kind;
}

/* Until it has said who signs, and that it is ready. */
static int wait_ready(struct signer *signer, struct error *err)
{
    struct pollfd wait[] = {{.fd = signer->connection.socket, .events = POLLIN},
                            {.fd = signer->wake, .events = POLLIN}};
    int64_t until_ms = clock_monotonic_ms() + START_TIMEOUT_MS, left_ms;
    while ((left_ms = until_ms - clock_monotonic_ms()) > 0) {
        int ready = poll(wait, 2, (int)left_ms);
        if (ready > 0 && wait[1].revents)
            return error_set(err, "annuld is stopping");
        uint32_t kind = ready > 0 ? take_message(signer) : SIGNER_ANNOUNCE;
        if (kind == 0)
            return error_set(
                err, "annul-signer could not start, or is of another version; its own message says why");
        if (kind == SIGNER_READY)
            return 0;
    }
    return error_set(err, "annul-signer did not get ready within %d s", START_TIMEOUT_MS / 1000);
}

static int connect_signer(struct signer *signer, struct error *err)
{
    signer->connection.socket = launch_signer(&signer->launch, err);
    if (signer->connection.socket >= 0 && wait_ready(signer, err) == 0 &&
        share_memory(&signer->connection, err) == 0)
        return 0;
    hang_up(&signer->connection);
    launch_reap(&signer->launch);
    return -1;
}

/* --- the thread ---------------------------------------------------------------------------------------- */

static void set_up(struct signer *signer, bool up)
{
    pthread_mutex_lock(&signer->mutex);
    signer->up = up;
    pthread_mutex_unlock(&signer->mutex);
}

static bool is_stopping(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    bool stopping = signer->stopping;
    pthread_mutex_unlock(&signer->mutex);
    return stopping;
}

/* Takes replies that are there, so many that the socket has its turn. False where they are nonsense. */
static bool take_replies(struct signer *signer)
{
    union {
        struct ring_reply head;
        uint8_t octets[sizeof(struct ring_reply) + SIGNATURE_MAX + 1];
    } reply;
    long len = 0;
    for (int i = 0; i < REPLIES_MAX; i++) {
        len = ring_take(&signer->connection.replies, reply.octets, sizeof reply.octets - 1);
        if (len <= 0)
            break;
        if (len < (long)sizeof reply.head)
            return false;
        reply.octets[len] = 0; /* a reason is text */
        take_answer(signer, reply.head.id,
                    (struct bytes){reply.octets + sizeof reply.head, (size_t)len - sizeof reply.head},
                    reply.head.refused != 0);
    }
    return len >= 0;
}

/* Serves one life of the signer; returns when it is gone or we stop. */
static void follow(struct signer *signer)
{
    struct connection *connection = &signer->connection;
    int64_t tick_ms = clock_monotonic_ms() + TICK_MS;
    struct pollfd wait[] = {{.fd = connection->doorbells[1], .events = POLLIN},
                            {.fd = connection->socket, .events = POLLIN},
                            {.fd = signer->wake, .events = POLLIN}};
    eventfd_t rings;
    while (!is_stopping(signer)) {
        int ready = poll(wait, 3, ring_sleep(&connection->replies) ? TICK_MS : 0);
        if (ready > 0 && wait[0].revents)
            eventfd_read(connection->doorbells[1], &rings);
        if (!take_replies(signer) || (ready > 0 && wait[1].revents && take_message(signer) == 0))
            return;
        int64_t now_ms = clock_monotonic_ms();
        if (now_ms >= tick_ms) {
            await_submitters(signer);
            pending_fail_until(&signer->pending, now_ms, "no answer in time");
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
    while (!is_stopping(signer)) {
        int64_t since_ms = clock_monotonic_ms();
        set_up(signer, true);
        follow(signer);
        set_up(signer, false);
        hang_up(&signer->connection);
        launch_reap(&signer->launch);
        pending_fail_until(&signer->pending, INT64_MAX, "annul-signer ended");
        if (clock_monotonic_ms() - since_ms > LIVED_MS)
            pause_ms = PAUSE_MS;
        for (bool connected = false; !connected && !is_stopping(signer);) {
            struct error err;
            pause_before_retry(signer, pause_ms); /* also where it starts well and dies soon */
            pause_ms = pause_ms < 2500 ? pause_ms * 2 : 5000;
            log_error("signer", "annul-signer ended; starting it again");
            connected = connect_signer(signer, &err) == 0;
            if (!connected)
                log_error("signer", "%s", err.text);
        }
    }
    hang_up(&signer->connection);
    launch_reap(&signer->launch);
    pending_fail_until(&signer->pending, INT64_MAX, "annuld is stopping");
    OPENSSL_thread_stop(); /* announced certificates are read here */
    return NULL;
}

static void forget(struct signer *signer)
{
    ocsp_signers_free(signer->arrived);
    if (signer->wake >= 0)
        close(signer->wake);
    pending_destroy(&signer->pending);
    pthread_mutex_destroy(&signer->mutex);
    launch_forget(&signer->launch);
    free(signer);
}

struct signer *signer_start(struct issuers *issuers, struct error *err)
{
    struct signer *signer = calloc(1, sizeof *signer);
    if (!signer || launch_prepare(&signer->launch, issuers->config) < 0) {
        error_set(err, "out of memory");
        free(signer);
        return NULL;
    }
    signer->issuers = issuers;
    signer->connection = (struct connection){.socket = -1, .doorbells = {-1, -1}};
    pthread_mutex_init(&signer->mutex, NULL);
    pending_init(&signer->pending);
    signer->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int result =
        signer->wake >= 0 ? connect_signer(signer, err) : error_set(err, "eventfd: %s", strerror(errno));
    signer->up = result == 0;
    if (result == 0 && pthread_create(&signer->thread, NULL, run, signer) == 0)
        return signer;
    if (result == 0)
        error_set(err, "cannot start a thread");
    hang_up(&signer->connection);
    launch_reap(&signer->launch);
    forget(signer);
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
    forget(signer);
}

bool signer_is_up(struct signer *signer)
{
    pthread_mutex_lock(&signer->mutex);
    bool up = signer->up;
    pthread_mutex_unlock(&signer->mutex);
    return up;
}

void signer_count(struct signer *signer, struct signer_counts *counts)
{
    const struct pending *pending = &signer->pending;
    *counts = (struct signer_counts){.pending = pending_count(&signer->pending), .pending_max = PENDING_MAX};
    pthread_mutex_lock(&signer->mutex);
    counts->refused_down = signer->refused_down;
    counts->refused_busy = signer->refused_busy;
    pthread_mutex_unlock(&signer->mutex);
    for (int kind = 0; kind < SIGNATURE_KINDS; kind++) {
        counts->made[kind] = atomic_load_explicit(&pending->made[kind], memory_order_relaxed);
        counts->failed[kind] = atomic_load_explicit(&pending->failed[kind], memory_order_relaxed);
        histogram_read(&pending->took[kind], &counts->took[kind]);
    }
}
