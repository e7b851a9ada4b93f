/* The key holder's side of the socket: read, understand, then sign. */
#include "keys.h"
#include "protocol.h"

#include <annul/clock.h>
#include <annul/crl.h>
#include <annul/log.h>
#include <annul/ocsp.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Clocks of two processes and a moment in a queue. */
#define SLACK_S 300
/* How long the rows of a CRL may have taken from the store to here. */
#define BUILD_S 3600
#define MESSAGE_MAX (sizeof(struct signer_request) + SIGNER_PAYLOAD_MAX)
/* An Ed25519 signature needs the whole message twice, so it must be held in memory. */
#define WHOLE_MAX (UINT64_C(512) << 20)

struct message {
    size_t len;
    int fd; /* that came along, or -1 */
    union {
        struct signer_request request;
        uint8_t octets[MESSAGE_MAX];
    };
};

struct reply {
    struct signer_reply head;
    uint8_t payload[SIGNATURE_MAX];
    size_t payload_len;
};

static void refuse(struct reply *reply, const char *reason)
{
    reply->head.refused = 1;
    reply->payload_len = strnlen(reason, sizeof reply->payload);
    memcpy(reply->payload, reason, reply->payload_len);
}

/* --- ResponseData -------------------------------------------------------------------------------------- */

static int check_response_data(const struct issuer *issuer, struct bytes der, int64_t now, struct error *err)
{
    struct ocsp_response_data data;
    struct certid ids[OCSP_CERTIDS_MAX];
    if (!ocsp_response_data_parse(der, &data, ids, err))
        return -1;
    if (memcmp(data.responder_key_hash, issuer->responder_key_hash, sizeof data.responder_key_hash) != 0)
        return error_set(err, "ResponderID is another's");
    if (data.produced_at > now + SLACK_S || data.this_update > now + SLACK_S ||
        data.this_update < now - SLACK_S || data.next_update > issuer_ocsp_certificate(issuer)->not_after ||
        data.next_update < data.this_update ||
        data.next_update > now + issuer->config->ocsp_validity_s + SLACK_S)
        return error_set(err, "times outside what is configured");
    for (size_t i = 0; i < data.count; i++) {
        enum certid_hash h = ids[i].hash;
        if (h == CERTID_OTHER ||
            memcmp(ids[i].name_hash.at, issuer->name_hash[h], ids[i].name_hash.len) != 0 ||
            memcmp(ids[i].key_hash.at, issuer->key_hash[h], ids[i].key_hash.len) != 0)
            return error_set(err, "CertID %zu names another issuer", i + 1);
    }
    return 0;
}

static void sign_ocsp(const struct issuer *issuer, const struct signer_pair *pair, struct bytes der,
                      struct reply *reply)
{
    struct error err;
    if (check_response_data(issuer, der, clock_now(), &err) < 0)
        refuse(reply, err.text);
    else if (signer_key_sign(pair->ocsp, issuer->ocsp_sigalg, der, reply->payload, &reply->payload_len) < 0)
        refuse(reply, "OpenSSL cannot sign");
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

static long read_and_digest(void *arg, uint8_t *into, size_t room)
{
    struct crl_job *job = arg;
    if (room > job->left)
        room = (size_t)job->left;
    if (room == 0)
        return 0;
    ssize_t n = pread(job->fd, into, room, (off_t)job->offset);
    if (n <= 0) /* shorter than was said */
        return -1;
    job->offset += (uint64_t)n;
    job->left -= (uint64_t)n;
    bool kept = job->digest
                    ? EVP_DigestSignUpdate(job->digest, into, (size_t)n) == 1
                    : job->whole.len + (size_t)n <= WHOLE_MAX && buffer_add(&job->whole, into, (size_t)n);
    return kept ? (long)n : -1;
}

static int check_crl(const struct issuer *issuer, const struct crl_facts *facts, int64_t now,
                     struct error *err)
{
    const struct crl_head *head = &facts->head;
    if (!bytes_equal(head->issuer, (struct bytes){issuer->ca.subject.at, issuer->ca.subject.len}) ||
        !bytes_equal(head->key_id, (struct bytes){issuer->key_id, issuer->key_id_len}))
        return error_set(err, "the CRL's issuer is another");
    if (!bytes_equal(head->sigalg, issuer->crl_sigalg->der))
        return error_set(err, "the CRL names another signature algorithm than the key's");
    if (!facts->has_number || !facts->has_key_id)
        return error_set(err, "the CRL lacks its number or its authority key identifier");
    if (head->this_update > now + SLACK_S || head->this_update < now - BUILD_S ||
        head->next_update <= head->this_update ||
        head->next_update > now + issuer->config->crl_lifetime_s + SLACK_S)
        return error_set(err, "the CRL's times are outside what is configured");
    return 0;
}

static int scan_and_sign(struct crl_job *job, struct crl_scan *scan, struct reply *reply, struct error *err)
{
    const struct sigalg *sigalg = job->issuer->crl_sigalg;
    struct crl_facts facts;
    if (sigalg->digest) {
        job->digest = EVP_MD_CTX_new();
        if (!job->digest ||
            EVP_DigestSignInit_ex(job->digest, NULL, sigalg->digest, NULL, NULL, job->key, NULL) != 1)
            return error_set(err, "OpenSSL cannot sign");
    }
    if (crl_scan_tbs(scan, NULL, NULL, &facts, err) < 0 ||
        check_crl(job->issuer, &facts, clock_now(), err) < 0)
        return -1;
    if (!job->digest) {
        struct bytes whole = {job->whole.at, job->whole.len};
        return signer_key_sign(job->key, sigalg, whole, reply->payload, &reply->payload_len) < 0
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

static void jobs_wait(struct signer_keys *keys)
{
    pthread_mutex_lock(&keys->mutex);
    while (keys->jobs)
        pthread_cond_wait(&keys->idle, &keys->mutex);
    pthread_mutex_unlock(&keys->mutex);
}

static void *sign_crl(void *arg)
{
    struct crl_job *job = arg;
    struct reply reply = {.head = {.id = job->id, .version = SIGNER_VERSION}};
    struct error err = {"out of memory"};
    struct crl_scan *scan = crl_scan_new(read_and_digest, job);
    if (!scan || scan_and_sign(job, scan, &reply, &err) < 0)
        refuse(&reply, err.text);
    ERR_clear_error();
    crl_scan_free(scan);
    EVP_MD_CTX_free(job->digest);
    buffer_free(&job->whole);
    close(job->fd);
    if (send(job->socket, &reply, sizeof reply.head + reply.payload_len, MSG_NOSIGNAL) < 0)
        log_warn("signer", "cannot answer: %s", strerror(errno));
    OPENSSL_thread_stop(); /* what OpenSSL keeps for a thread, before the process may end */
    job_ends(job->keys);
    free(job);
    return NULL;
}

/* A large list must not hold up the OCSP answers behind it: it gets a thread. True: it will answer. */
static bool start_crl(struct signer_keys *keys, const struct issuer *issuer, const struct signer_pair *pair,
                      int socket, struct message *message, struct reply *reply)
{
    pthread_t thread;
    struct crl_job *job = calloc(1, sizeof *job);
    const struct signer_request *request = &message->request;
    if (!issuer->crl_sigalg || !pair->crl)
        refuse(reply, "no CA key is configured for this issuer's CRLs");
    else if (message->fd < 0 || !job)
        refuse(reply, job ? "no file came along" : "out of memory");
    else if (!job_begins(keys))
        refuse(reply, "too many CRLs at one time");
    else {
        *job = (struct crl_job){.keys = keys,
                                .issuer = issuer,
                                .key = pair->crl,
                                .socket = socket,
                                .fd = message->fd,
                                .id = request->id,
                                .offset = request->offset,
                                .left = request->len};
        if (pthread_create(&thread, NULL, sign_crl, job) == 0) {
            pthread_detach(thread);
            message->fd = -1;
            return true;
        }
        job_ends(keys);
        refuse(reply, "no thread");
    }
    free(job);
    return false;
}

/* --- the loop ------------------------------------------------------------------------------------------ */

/* True where `reply` is to be sent now. */
static bool answer(struct signer_keys *keys, int socket, struct message *message, struct reply *reply)
{
    const struct signer_request *request = &message->request;
    *reply = (struct reply){.head = {.version = SIGNER_VERSION}};
    if (message->len < sizeof *request || request->version != SIGNER_VERSION) {
        refuse(reply, "not a request of this version");
        return true;
    }
    reply->head.id = request->id;
    struct issuer *issuer = issuers_by_fingerprint(keys->issuers, request->issuer);
    if (!issuer) {
        refuse(reply,
               "no such issuer is configured; were annuld and annul-signer started with one configuration?");
        return true;
    }
    const struct signer_pair *pair = &keys->list[issuer - keys->issuers->list];
    if (request->kind == SIGNER_OCSP)
        sign_ocsp(issuer, pair, (struct bytes){request->payload, message->len - sizeof *request}, reply);
    else if (request->kind == SIGNER_CRL)
        return !start_crl(keys, issuer, pair, socket, message, reply);
    else
        refuse(reply, "neither a ResponseData nor a TBSCertList");
    return true;
}

static int fd_within(struct msghdr *header)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
            c->cmsg_len == CMSG_LEN(sizeof(int))) {
            int fd;
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
            return fd;
        }
    return -1;
}

/* Waits for one message, then takes all that are there. 0 at the end. */
static int take_batch(int socket, struct message *messages)
{
    struct mmsghdr headers[SIGNER_BATCH] = {0};
    struct iovec parts[SIGNER_BATCH];
    union {
        char room[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control[SIGNER_BATCH];
    for (int i = 0; i < SIGNER_BATCH; i++) {
        parts[i] = (struct iovec){messages[i].octets, MESSAGE_MAX};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i],
                                             .msg_iovlen = 1,
                                             .msg_control = control[i].room,
                                             .msg_controllen = sizeof control[i].room};
    }
    int n;
    do
        n = recvmmsg(socket, headers, SIGNER_BATCH, MSG_WAITFORONE | MSG_CMSG_CLOEXEC, NULL);
    while (n < 0 && errno == EINTR);
    for (int i = 0; i < n; i++) {
        messages[i].len = headers[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : headers[i].msg_len;
        messages[i].fd = fd_within(&headers[i].msg_hdr);
        if (headers[i].msg_len == 0)
            return i; /* the other side closed */
    }
    return n;
}

static int send_batch(int socket, struct reply *replies, unsigned count)
{
    struct mmsghdr headers[SIGNER_BATCH] = {0};
    struct iovec parts[SIGNER_BATCH];
    for (unsigned i = 0; i < count; i++) {
        parts[i] = (struct iovec){&replies[i], sizeof replies[i].head + replies[i].payload_len};
        headers[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    for (unsigned sent = 0; sent < count;) {
        int n = sendmmsg(socket, headers + sent, count - sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        sent += (unsigned)n;
    }
    return 0;
}

int signer_serve(struct signer_keys *keys, int socket, struct error *err)
{
    struct message *messages = calloc(SIGNER_BATCH, sizeof *messages);
    struct reply replies[SIGNER_BATCH];
    struct signer_reply ready = {.id = SIGNER_READY_ID, .version = SIGNER_VERSION};
    int n = -1;
    if (messages && send(socket, &ready, sizeof ready, MSG_NOSIGNAL) == sizeof ready) {
        while ((n = take_batch(socket, messages)) > 0) {
            unsigned count = 0;
            for (int i = 0; i < n; i++) {
                if (answer(keys, socket, &messages[i], &replies[count]))
                    count++;
                if (messages[i].fd >= 0)
                    close(messages[i].fd);
            }
            if (send_batch(socket, replies, count) < 0) {
                n = -1;
                break;
            }
        }
    }
    int reason = errno;
    jobs_wait(keys);
    free(messages);
    if (n < 0 && reason != ECONNRESET && reason != EPIPE)
        return error_set(err, "socket to annuld: %s", strerror(reason));
    return 0;
}
