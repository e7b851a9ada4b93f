/* The key holder's side of the socket: says who signs, and signs CRLs that it has read and understood. */
#include "desk.h"
#include "key_source.h"
#include "protocol.h"

#include <annul/clock.h>
#include <annul/crl.h>
#include <annul/log.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Clocks of two processes and a moment in a queue. */
#define SLACK_S 300
/* How long the rows of a CRL may have taken from the store to here. */
#define BUILD_S 3600
/* An Ed25519 signature needs the whole message twice, so it must be held in memory. */
#define WHOLE_MAX (UINT64_C(512) << 20)
#define LOOK_MS 1000 /* how often we look whether keys were replaced */
#define FDS_MAX 3    /* that come with one message */
#define JOBS_WAIT_S 5

struct reply {
    struct signer_message head;
    uint8_t payload[SIGNATURE_MAX];
    size_t payload_len;
};

static void refuse(struct reply *reply, const char *reason)
{
    reply->head.refused = 1;
    reply->payload_len = strnlen(reason, sizeof reply->payload);
    memcpy(reply->payload, reason, reply->payload_len);
}

static int send_message(int socket, const struct signer_message *head, struct bytes payload)
{
    struct iovec parts[] = {{(void *)(uintptr_t)head, sizeof *head},
                            {(void *)(uintptr_t)payload.at, payload.len}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

/* --- TBSCertList --------------------------------------------------------------------------------------- */

/* Octets on their way from the file to the parser go through the digest: what is signed is what was read,
 * though the other side could write to the file at any time. */
struct crl_job {
    struct signer_keys *keys;
    const struct issuer *issuer;
    EVP_PKEY *key;
    int socket, fd;
    uint64_t id, offset, left;
    EVP_MD_CTX *digest; /* NULL where `whole` is kept instead */
    struct buffer whole;
};

static long read_and_digest(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct crl_job *job = arg;
    if (room > job->left)
        room = (size_t)job->left;
    if (room == 0)
        return 0;
    ssize_t n = pread(job->fd, into, room, (off_t)job->offset);
    if (n <= 0)
        return error_set(err, "the CRL's file is shorter than was said");
    job->offset += (uint64_t)n;
    job->left -= (uint64_t)n;
    bool kept = job->digest
                    ? EVP_DigestSignUpdate(job->digest, into, (size_t)n) == 1
                    : job->whole.len + (size_t)n <= WHOLE_MAX && buffer_add(&job->whole, into, (size_t)n);
    return kept ? (long)n : -1;
}

/* It tells what the configuration says it must: where a CRL stands in for another, revoked certificates get in. */
static bool is_configured(const struct issuer *issuer, const struct crl_head *head)
{
    const struct config_issuer *config = issuer->config;
    const char *delta = config->delta_distribution_point.text;
    struct crl_part part = {CRL_WHOLE, false};
    char whole[CONFIG_URL_MAX + 1];
    size_t whole_len = issuer_point(issuer, part, whole);
    if (!bytes_equal(head->point, (struct bytes){(const uint8_t *)whole, whole_len}) &&
        (!issuer_part_of_uri(issuer, head->point, &part) || part.delta))
        return false;
    bool may_delta = delta && part.shard == CRL_WHOLE, has_freshest = may_delta && !head->base;
    struct bytes freshest = {(const uint8_t *)delta, has_freshest ? strlen(delta) : 0};
    return (int)head->scope == config->crl_scope && (may_delta || !head->base) &&
           bytes_equal(head->freshest, freshest) &&
           head->expired_since == (config->keep_expired && !head->base ? issuer->ca.not_before : 0);
}

static int check_crl(const struct issuer *issuer, const struct crl_facts *facts, int64_t now,
                     struct error *err)
{
    const struct crl_head *head = &facts->head;
    int64_t lifetime_s = head->base ? issuer->config->delta_lifetime_s : issuer->config->crl_lifetime_s;
    if (!bytes_equal(head->issuer, (struct bytes){issuer->ca.subject.at, issuer->ca.subject.len}) ||
        !bytes_equal(head->key_id, (struct bytes){issuer->key_id, issuer->key_id_len}))
        return error_set(err, "the CRL's issuer is another");
    if (!bytes_equal(head->sigalg, issuer->crl_sigalg->der))
        return error_set(err, "the CRL names another signature algorithm than the key's");
    if (!facts->has_number || !facts->has_key_id)
        return error_set(err, "the CRL lacks its number or its authority key identifier");
    if (head->this_update > now + SLACK_S || head->this_update < now - BUILD_S ||
        head->next_update <= head->this_update || head->next_update > now + lifetime_s + SLACK_S)
        return error_set(err, "the CRL's times are outside what is configured");
    if (!is_configured(issuer, head))
        return error_set(
            err, "the CRL's distribution point, scope, base or freshest CRL is not what is configured");
    return 0;
}

static int scan_and_sign(struct crl_job *job, struct crl_scan *scan, struct reply *reply, struct error *err)
{
    const struct sigalg *sigalg = job->issuer->crl_sigalg;
    struct crl_facts facts;
    if (sigalg->digest) {
        job->digest = key_source_sign_begin(job->key, sigalg);
        if (!job->digest)
            return error_set(err, "OpenSSL cannot sign");
    }
    if (crl_scan_tbs(scan, NULL, NULL, &facts, err) < 0 ||
        check_crl(job->issuer, &facts, clock_now(), err) < 0)
        return -1;
    if (!job->digest) {
        struct bytes whole = {job->whole.at, job->whole.len};
        return signer_key_sign_whole(job->key, sigalg, whole, reply->payload, &reply->payload_len) < 0
                   ? error_set(err, "OpenSSL cannot sign")
                   : 0;
    }
    reply->payload_len = sizeof reply->payload;
    if (EVP_DigestSignFinal(job->digest, reply->payload, &reply->payload_len) != 1)
        return error_set(err, "OpenSSL cannot sign");
    return 0;
}

static bool job_begins(struct signer_keys *keys)
{
    pthread_mutex_lock(&keys->mutex);
    bool room = keys->jobs < SIGNER_CRL_JOBS;
    if (room)
        keys->jobs++;
    pthread_mutex_unlock(&keys->mutex);
    return room;
}

static void job_ends(struct signer_keys *keys)
{
    pthread_mutex_lock(&keys->mutex);
    if (--keys->jobs == 0)
        pthread_cond_broadcast(&keys->idle);
    pthread_mutex_unlock(&keys->mutex);
}

/* Nobody wants those CRLs any more, and a file that does not give its octets could hold a thread for ever: then we end
 * by this, and are started anew. */
static void jobs_wait(struct signer_keys *keys)
{
    alarm(JOBS_WAIT_S);
    pthread_mutex_lock(&keys->mutex);
    while (keys->jobs)
        pthread_cond_wait(&keys->idle, &keys->mutex);
    pthread_mutex_unlock(&keys->mutex);
    alarm(0);
}

static void *sign_crl(void *arg)
{
    struct crl_job *job = arg;
    struct reply reply = {.head = {.id = job->id, .version = SIGNER_VERSION, .kind = SIGNER_CRL}};
    struct error err = {"out of memory"};
    struct crl_scan *scan = crl_scan_new(read_and_digest, job);
    if (!scan || scan_and_sign(job, scan, &reply, &err) < 0)
        refuse(&reply, err.text);
    ERR_clear_error();
    crl_scan_free(scan);
    EVP_MD_CTX_free(job->digest);
    buffer_free(&job->whole);
    close(job->fd);
    if (send_message(job->socket, &reply.head, (struct bytes){reply.payload, reply.payload_len}) < 0)
        log_warn("signer", "cannot answer: %s", strerror(errno));
    OPENSSL_thread_stop(); /* what OpenSSL keeps for a thread, before the process may end */
    job_ends(job->keys);
    free(job);
    return NULL;
}

/* A large list must not hold up the ones behind it: each gets a thread, and the file with it. Refused where `reply` says
 * so. */
static void start_crl(struct signer_keys *keys, int socket, const struct signer_request *request, int file,
                      struct reply *reply)
{
    pthread_t thread;
    struct stat status;
    struct issuer *issuer = issuers_by_fingerprint(keys->issuers, request->issuer);
    EVP_PKEY *key = issuer ? keys->list[issuer - keys->issuers->list].ca : NULL;
    struct crl_job *job = calloc(1, sizeof *job);
    if (!issuer)
        refuse(reply,
               "no such issuer is configured; were annuld and annul-signer started with one configuration?");
    else if (!issuer->crl_sigalg || !key)
        refuse(reply, "no CA key is configured for this issuer's CRLs");
    else if (file < 0 || !job)
        refuse(reply, job ? "no file came along" : "out of memory");
    else if (fstat(file, &status) < 0 || !S_ISREG(status.st_mode)) /* to read it must not block */
        refuse(reply, "what came along is not a file");
    else if (!job_begins(keys))
        refuse(reply, "too many CRLs at one time");
    else {
        *job = (struct crl_job){.keys = keys,
                                .issuer = issuer,
                                .key = key,
                                .socket = socket,
                                .fd = file,
                                .id = request->id,
                                .offset = request->offset,
                                .left = request->len};
        if (pthread_create(&thread, NULL, sign_crl, job) == 0) {
            pthread_detach(thread);
            return;
        }
        job_ends(keys);
        refuse(reply, "no thread");
    }
    if (file >= 0)
        close(file);
    free(job);
}

/* --- who signs OCSP ------------------------------------------------------------------------------------ */

static int announce(struct signer_keys *keys, size_t index, int socket)
{
    struct ocsp_keys *held = signer_keys_hold(keys, index);
    const struct issuer *issuer = &keys->issuers->list[index];
    int result = 0;
    for (size_t i = 0; result == 0 && i < held->count; i++) {
        const struct ocsp_signer *signer = &held->list[i].signer;
        struct signer_message head = {.version = SIGNER_VERSION,
                                      .kind = SIGNER_ANNOUNCE,
                                      .id = signer->id,
                                      .index = (uint32_t)i,
                                      .count = (uint32_t)held->count,
                                      .is_ours = issuer->config->delegate_count > 0};
        const struct buffer *certs = signer->certs.len ? &signer->certs : &signer->certificate.der;
        memcpy(head.issuer, issuer->fingerprint, sizeof head.issuer);
        result = send_message(socket, &head, (struct bytes){certs->at, certs->len});
    }
    ocsp_keys_release(held);
    return result;
}

static int announce_all(struct signer_keys *keys, int socket)
{
    struct signer_message ready = {.version = SIGNER_VERSION, .kind = SIGNER_READY};
    for (size_t i = 0; i < keys->issuers->count; i++) {
        signer_keys_refresh(keys, i, clock_now()); /* nobody may have been here for long */
        if (announce(keys, i, socket) < 0)
            return -1;
    }
    return send_message(socket, &ready, (struct bytes){0});
}

static int refresh_all(struct signer_keys *keys, int socket)
{
    for (size_t i = 0; i < keys->issuers->count; i++)
        if (signer_keys_refresh(keys, i, clock_now()) && announce(keys, i, socket) < 0)
            return -1;
    return 0;
}

/* --- the loop ------------------------------------------------------------------------------------------ */

struct message {
    struct signer_request request;
    int fds[FDS_MAX]; /* -1: did not come */
};

/* Descriptors beyond what a message may have never get here: the kernel closes what has no room. */
static void take_fds(struct msghdr *header, int fds[FDS_MAX])
{
    for (int i = 0; i < FDS_MAX; i++)
        fds[i] = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
            memcpy(fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
}

static void close_fds(const int fds[FDS_MAX])
{
    for (int i = 0; i < FDS_MAX; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

/* One message that is there. Its octets, 0 at the end, -1 on error; a wrong size is an error. */
static ssize_t take_message(int socket, struct message *message)
{
    union {
        char room[CMSG_SPACE(FDS_MAX * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {&message->request, sizeof message->request};
    struct msghdr header = {.msg_iov = &part,
                            .msg_iovlen = 1,
                            .msg_control = control.room, /* CMSG_SPACE would have room for a fourth */
                            .msg_controllen = CMSG_LEN(FDS_MAX * sizeof(int))};
    ssize_t n;
    do
        n = recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    take_fds(&header, message->fds);
    if (n == sizeof message->request && !(header.msg_flags & MSG_TRUNC))
        return n;
    close_fds(message->fds);
    if (n <= 0)
        return n;
    errno = EPROTO;
    return -1;
}

/* False where the other side must be given up. */
static bool obey(struct signer_keys *keys, int socket, struct message *message, struct desk **desk)
{
    const struct signer_request *request = &message->request;
    struct reply reply = {.head = {.id = request->id, .version = SIGNER_VERSION, .kind = SIGNER_CRL}};
    const int *fds = message->fds;
    struct error err = {"memory and two doorbells make one pair of rings, and there is one only"};
    if (request->version == SIGNER_VERSION && request->kind == SIGNER_RINGS) {
        struct desk *opened =
            !*desk && fds[2] >= 0 ? desk_open(keys, socket, fds[0], fds[1], fds[2], &err) : NULL;
        if (opened) {
            *desk = opened;
            return true;
        }
        if (*desk || fds[2] < 0)
            close_fds(fds);
        log_error("signer", "no rings: %s; hanging up", err.text);
        return false;
    }
    if (request->version == SIGNER_VERSION && request->kind == SIGNER_CRL && fds[1] < 0) {
        start_crl(keys, socket, request, fds[0], &reply);
    } else {
        close_fds(fds);
        refuse(&reply, "not a request of this version, or neither for a TBSCertList nor for rings");
    }
    return !reply.head.refused ||
           send_message(socket, &reply.head, (struct bytes){reply.payload, reply.payload_len}) == 0;
}

int signer_serve(struct signer_keys *keys, int socket, struct error *err)
{
    struct desk *desk = NULL;
    struct message message;
    struct pollfd wait = {.fd = socket, .events = POLLIN};
    int64_t look_ms = clock_monotonic_ms() + LOOK_MS;
    ssize_t n = announce_all(keys, socket) < 0 ? -1 : 1;
    while (n > 0) {
        int ready = poll(&wait, 1, LOOK_MS);
        if (ready > 0 && (n = take_message(socket, &message)) > 0 && !obey(keys, socket, &message, &desk))
            break;
        if (n > 0 && clock_monotonic_ms() >= look_ms) {
            if (refresh_all(keys, socket) < 0)
                n = -1;
            look_ms = clock_monotonic_ms() + LOOK_MS;
        }
    }
    int reason = errno;
    desk_close(desk);
    jobs_wait(keys);
    if (n < 0 && reason != ECONNRESET && reason != EPIPE)
        return error_set(err, "socket to annuld: %s", strerror(reason));
    return 0;
}
