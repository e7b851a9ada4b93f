#include "desk.h"
#include "protocol.h"

#include <annul/clock.h>
#include <annul/log.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Clocks of two processes and a moment in a queue. */
#define SLACK_S 300
/* Signatures between two looks at whether annuld sleeps, unless a millisecond goes by: to wake it costs as much as a
 * tenth of a signature by P-256. */
#define BATCH 32
#define CLOSE_S 5 /* to close a desk in */

struct desk {
    struct signer_keys *keys;
    int socket, doorbells[2]; /* of requests, of replies */
    void *memory;
    struct ring requests, replies;
    pthread_mutex_t taking, giving; /* for one ring each */
    atomic_bool over;
    unsigned batch; /* what one thread takes, so that some is left for the others */
    unsigned started;
    struct worker {
        struct desk *desk;
        pthread_t id;
        struct signer_thread thread;
    } workers[];
};

/* One ResponseData, copied out of the shared memory before anything looks at it. */
struct work {
    size_t len;
    union {
        struct ring_request head;
        uint8_t octets[sizeof(struct ring_request) + SIGNER_DATA_MAX];
    };
};

struct result {
    struct ring_reply head;
    size_t len;
    uint8_t payload[SIGNATURE_MAX];
};

static void refuse(struct result *result, const char *reason)
{
    result->head.refused = 1;
    result->len = strnlen(reason, sizeof result->payload);
    memcpy(result->payload, reason, result->len);
}

/* --- what is signed ------------------------------------------------------------------------------------ */

static bool is_of(const struct certid *id, const struct issuer *issuer)
{
    return id->hash != CERTID_OTHER &&
           memcmp(id->name_hash.at, issuer->name_hash[id->hash], id->name_hash.len) == 0 &&
           memcmp(id->key_hash.at, issuer->key_hash[id->hash], id->key_hash.len) == 0;
}

static int check(const struct issuer *issuer, const struct ocsp_signer *signer, struct bytes der, int64_t now,
                 struct error *err)
{
    struct ocsp_response_data data;
    struct certid ids[OCSP_CERTIDS_MAX];
    if (!ocsp_response_data_parse(der, &data, ids, err))
        return -1;
    if (!bytes_equal(data.responder_id, (struct bytes){signer->responder_id.at, signer->responder_id.len}))
        return error_set(err, "ResponderID is another's");
    if (data.produced_at > now + SLACK_S || data.this_update > now + SLACK_S ||
        data.this_update < now - SLACK_S || data.next_update > signer->certificate.not_after ||
        data.next_update < data.this_update ||
        data.next_update > now + issuer->config->ocsp_validity_s + SLACK_S)
        return error_set(err, "times outside what is configured");
    for (size_t i = 0; i < data.count; i++)
        if (!is_of(&ids[i], issuer))
            return error_set(err, "CertID %zu names another issuer", i + 1);
    return 0;
}

static void sign(struct worker *worker, const struct work *work, struct result *result)
{
    struct signer_keys *keys = worker->desk->keys;
    const struct sigalg *sigalg = sigalg_by_number(work->head.sigalg);
    const struct issuer *issuer = NULL;
    struct ocsp_keys *held = NULL;
    struct error err;
    struct bytes der = {work->octets + sizeof work->head, work->len - sizeof work->head};
    struct ocsp_key *key = signer_keys_find(keys, work->head.signer, &issuer, &held);
    result->head = (struct ring_reply){.id = work->head.id};
    if (!key)
        refuse(result, "no such signer; it was replaced");
    else if (!sigalg || sigalg->family != key->signer.sigalg->family)
        refuse(result, "not an algorithm of this key");
    else if (check(issuer, &key->signer, der, clock_now(), &err) < 0)
        refuse(result, err.text);
    else if (signer_key_sign(keys, &worker->thread, key, sigalg, der, result->payload, &result->len) < 0)
        refuse(result, "OpenSSL cannot sign");
    ocsp_keys_release(held);
}

/* --- the threads --------------------------------------------------------------------------------------- */

static void hang_up(struct desk *desk)
{
    log_error("signer", "annuld does not keep to the rings; hanging up");
    atomic_store(&desk->over, true);
    shutdown(desk->socket, SHUT_RDWR);
}

/* Takes what is there, up to a batch; waits for the first. 0 when it is over. One thread waits, the others wait for
 * their turn to. */
static unsigned take(struct desk *desk, struct work *batch)
{
    unsigned count = 0;
    eventfd_t rings;
    pthread_mutex_lock(&desk->taking);
    while (count == 0 && !atomic_load(&desk->over)) {
        for (long len = 1; count < desk->batch; count++) {
            len = ring_take(&desk->requests, batch[count].octets, sizeof batch->octets);
            if (len == 0)
                break;
            if (len < (long)sizeof(struct ring_request)) {
                hang_up(desk);
                break;
            }
            batch[count].len = (size_t)len;
        }
        if (count == 0 && !atomic_load(&desk->over) && ring_sleep(&desk->requests) &&
            eventfd_read(desk->doorbells[0], &rings) < 0 && errno != EINTR)
            hang_up(desk);
    }
    pthread_mutex_unlock(&desk->taking);
    return atomic_load(&desk->over) ? 0 : count;
}

static void give(struct desk *desk, const struct result *result)
{
    pthread_mutex_lock(&desk->giving);
    bool given = ring_put(&desk->replies, (struct bytes){(const uint8_t *)&result->head, sizeof result->head},
                          (struct bytes){result->payload, result->len});
    pthread_mutex_unlock(&desk->giving);
    if (!given) /* whoever waits for it gives up in time */
        log_limited(LOG_LEVEL_WARN, "signer", "annuld takes no signatures; one is dropped");
}

static void *work(void *arg)
{
    struct worker *worker = arg;
    struct desk *desk = worker->desk;
    struct work *batch = malloc(desk->batch * sizeof *batch);
    struct result result;
    unsigned count;
    while (batch && (count = take(desk, batch)) > 0) {
        int64_t told_ms = clock_monotonic_ms();
        for (unsigned i = 0; i < count && !atomic_load(&desk->over); i++) {
            int64_t now_ms = clock_monotonic_ms();
            if (now_ms != told_ms)
                ring_notify(&desk->replies);
            told_ms = now_ms;
            if (now_ms > batch[i].head.until_ms)
                continue; /* a slow key must not work for those who have gone, or nobody is served in time */
            sign(worker, &batch[i], &result);
            give(desk, &result);
        }
        ring_notify(&desk->replies);
    }
    free(batch);
    OPENSSL_thread_stop();
    return NULL;
}

/* --- opening and closing ------------------------------------------------------------------------------- */

/* Memory that the other side could shrink would end us by SIGBUS. */
static void *map(int memory, struct error *err)
{
    struct stat status;
    int seals = fcntl(memory, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(memory, &status) < 0 ||
        (size_t)status.st_size != SIGNER_MEMORY) {
        error_set(err, "the memory for the rings is not sealed, or of another size");
        return NULL;
    }
    void *at = mmap(NULL, SIGNER_MEMORY, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (at != MAP_FAILED)
        return at;
    error_set(err, "the memory for the rings: %s", strerror(errno));
    return NULL;
}

struct desk *desk_open(struct signer_keys *keys, int socket, int memory, int requests, int replies,
                       struct error *err)
{
    struct desk *desk = calloc(1, sizeof *desk + keys->threads * sizeof *desk->workers);
    uint8_t *at = desk ? map(memory, err) : NULL;
    close(memory);
    if (!at) {
        close(requests);
        close(replies);
        free(desk);
        return NULL;
    }
    *desk = (struct desk){.keys = keys,
                          .socket = socket,
                          .doorbells = {requests, replies},
                          .memory = at,
                          .batch = keys->threads < BATCH ? BATCH / keys->threads : 1};
    ring_init(&desk->requests, at, SIGNER_REQUESTS_SIZE, requests);
    ring_init(&desk->replies, at + RING_MEMORY(SIGNER_REQUESTS_SIZE), SIGNER_REPLIES_SIZE, replies);
    pthread_mutex_init(&desk->taking, NULL);
    pthread_mutex_init(&desk->giving, NULL);
    for (unsigned i = 0; i < keys->threads; i++) {
        struct worker *worker = &desk->workers[i];
        *worker = (struct worker){.desk = desk, .thread = {i, EVP_MD_CTX_new()}};
        desk->started++;
        if (!worker->thread.digest || pthread_create(&worker->id, NULL, work, worker) != 0) {
            EVP_MD_CTX_free(worker->thread.digest);
            desk->started--;
            desk_close(desk);
            error_set(err, "cannot start a thread");
            return NULL;
        }
    }
    return desk;
}

void desk_close(struct desk *desk)
{
    if (!desk)
        return;
    /* A doorbell that is none could hold a thread for ever: then we end by this, and are started anew. */
    alarm(CLOSE_S);
    atomic_store(&desk->over, true);
    eventfd_write(desk->doorbells[0], 1);
    for (unsigned i = 0; i < desk->started; i++) {
        pthread_join(desk->workers[i].id, NULL);
        EVP_MD_CTX_free(desk->workers[i].thread.digest);
    }
    alarm(0);
    munmap(desk->memory, SIGNER_MEMORY);
    close(desk->doorbells[0]);
    close(desk->doorbells[1]);
    pthread_mutex_destroy(&desk->taking);
    pthread_mutex_destroy(&desk->giving);
    free(desk);
}
