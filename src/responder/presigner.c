/* The thread that signs ahead.
 *
 * It walks through all registered certificates of an issuer, in order and page by page, and has signed what presign.c
 * finds missing or of age. What was signed, by its wish or because somebody asked, lands in a list; the thread writes
 * it to the file, many in one transaction. After a walk it sleeps until there is a reason for another.
 */
#include "internal.h"

#include <annul/clock.h>
#include <annul/fault.h>
#include <annul/log.h>

#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PAGE 256  /* certificates looked at in one read of the database, and not more than a second signs */
#define BATCH 512 /* answers in one transaction */
#define LANDED_MAX 4096  /* beyond it, what somebody asked for is not kept */
#define UNDER_WAY_MAX 64 /* signatures; in a queue of thousands, so nobody waits long behind them */
#define TICK_MS 1000  /* how often it looks for a reason to walk; so long an answer may be in memory alone */
#define PAUSE_MS 5000 /* after a failure */
#define LAG_MS 50     /* how far it may fall behind the rate and still make up for it */
#define REST 20       /* times as long as a walk has computed, there is none */
#define LIFE_MIN_S 60 /* what lives shorter is not worth it */
#define SWEEP_S 86400

/* A signed answer on its way to the file. */
struct landed {
    struct landed *next;
    struct presigned_entry entry; /* points into `octets`, but for the certificates */
    uint8_t octets[];
};

/* Through all certificates of one issuer. The thread's own, but for the last two. */
struct walk {
    struct presigner *presigner;
    const struct issuer *issuer;
    bool walking, missed; /* missed: something could not be signed */
    bool has_last;
    struct serial last;                      /* the last one that was looked at */
    int64_t began_at, change, registrations; /* as they were at its beginning */
    uint64_t lineage;                        /* of the signer then; 0: there was none yet */
    const struct sigalg *sigalg;             /* the same */
    int64_t due_at;                          /* when an answer comes of age */
    int64_t entries, made;                   /* so far: that hold, and of them new ones */
    int64_t cpu_ms, rest_until_ms;           /* computed so far, and when it may begin anew */
    int64_t turn_ns;                         /* when the next signature may be asked for */
    int64_t failures;                        /* signatures that did not come */
    struct presign_progress progress;
};

struct presigner {
    struct responder *responder;
    struct presigned *file;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex; /* for the next ones, and the last two of each walk */
    pthread_cond_t wake;
    bool stopping;
    unsigned under_way;
    struct landed *first, **end;
    size_t landed;
    int64_t pause_until_ms, written_ms, swept_at; /* the thread's own */
    size_t count;
    struct walk walks[];
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* --- what has landed ----------------------------------------------------------------------------------- */

void presigner_keep(struct presigner *presigner, const struct presigned_entry *entry)
{
    struct bytes data = entry->response_data, signature = entry->signature;
    struct landed *landed = malloc(sizeof *landed + data.len + signature.len);
    if (!landed)
        return;
    landed->next = NULL;
    landed->entry = *entry;
    memcpy(landed->octets, data.at, data.len);
    memcpy(landed->octets + data.len, signature.at, signature.len);
    landed->entry.response_data.at = landed->octets;
    landed->entry.signature.at = landed->octets + data.len;
    pthread_mutex_lock(&presigner->mutex);
    bool taken = !presigner->stopping && presigner->landed < LANDED_MAX;
    if (taken) {
        *presigner->end = landed;
        presigner->end = &landed->next;
        if (++presigner->landed % BATCH == 0)
            pthread_cond_signal(&presigner->wake);
    }
    pthread_mutex_unlock(&presigner->mutex);
    if (!taken)
        free(landed);
}

/* Lets go of the first of them; what follows. */
static struct landed *let_go(struct landed *landed)
{
    struct landed *next = landed->next;
    free(landed);
    return next;
}

static void pause_for_failure(struct presigner *p)
{
    p->pause_until_ms = clock_monotonic_ms() + PAUSE_MS;
}

/* What was lost is signed again: every walk begins anew. */
static void note_lost(struct presigner *p, const struct error *why)
{
    log_limited(LOG_LEVEL_ERROR, "presigner", "%s", why->text);
    pause_for_failure(p);
    for (size_t i = 0; i < p->count; i++) {
        p->walks[i].walking = false;
        p->walks[i].lineage = 0;
    }
}

static void write_batch(struct presigner *p, struct landed **list)
{
    const struct presigned_entry *entries[BATCH] = {NULL};
    struct error err;
    size_t count = 0;
    for (struct landed *l = *list; l && count < BATCH; l = l->next)
        entries[count++] = &l->entry;
    if (presigned_put(p->file, entries, count, &err) < 0)
        note_lost(p, &err);
    fault_point("presigned-written");
    for (size_t i = 0; i < count; i++)
        *list = let_go(*list);
}

static void write_landed(struct presigner *p)
{
    pthread_mutex_lock(&p->mutex);
    struct landed *list = p->first;
    p->first = NULL;
    p->end = &p->first;
    p->landed = 0;
    pthread_mutex_unlock(&p->mutex);
    while (list)
        write_batch(p, &list);
    p->written_ms = clock_monotonic_ms();
}

/* --- waiting ------------------------------------------------------------------------------------------- */

/* Sleeps until then, or until somebody calls; with the mutex. */
static void sleep_until(struct presigner *p, int64_t until_ns)
{
    struct timespec until = {until_ns / 1000000000, until_ns % 1000000000};
    pthread_cond_timedwait(&p->wake, &p->mutex, &until);
}

/* Until `until_ns` and until at most `most` signatures are under way; writes meanwhile. False when we stop. */
static bool wait_for(struct presigner *p, int64_t until_ns, unsigned most)
{
    bool stopping;
    for (;;) {
        int64_t now = now_ns(CLOCK_MONOTONIC);
        pthread_mutex_lock(&p->mutex);
        bool write = p->landed >= BATCH || (p->landed && now / 1000000 >= p->written_ms + TICK_MS);
        bool over = now >= until_ns && p->under_way <= most;
        stopping = p->stopping;
        if (!write && !over && !stopping)
            sleep_until(p, now < until_ns && until_ns < now + TICK_MS * 1000000LL
                               ? until_ns
                               : now + TICK_MS * 1000000LL);
        pthread_mutex_unlock(&p->mutex);
        if (write && !stopping)
            write_landed(p);
        else if (over || stopping)
            return !stopping;
    }
}

static bool pause_is_over(struct presigner *p)
{
    return wait_for(p, p->pause_until_ms * 1000000, UNDER_WAY_MAX);
}

/* --- signing ------------------------------------------------------------------------------------------- */

static int64_t failures_of(struct walk *walk)
{
    pthread_mutex_lock(&walk->presigner->mutex);
    int64_t failures = walk->failures;
    pthread_mutex_unlock(&walk->presigner->mutex);
    return failures;
}

/* In the signer's thread, or in ours where the signer is down or busy. */
static void landed_or_not(void *arg, struct ocsp_answer *answer)
{
    struct walk *walk = arg;
    struct presigner *p = walk->presigner;
    pthread_mutex_lock(&p->mutex);
    walk->failures += answer->status != OCSP_SUCCESSFUL;
    p->under_way--;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    ocsp_answer_release(answer);
}

/* At the rate that is configured, and never more at once than a twentieth of a second makes: where keys are slow,
 * whoever asks waits no longer than that for ours. False when we stop. */
static bool wait_turn(struct presigner *p, struct walk *walk)
{
    unsigned rate = walk->issuer->config->presign_rate, most = rate / 20;
    int64_t earliest_ns = now_ns(CLOCK_MONOTONIC) - LAG_MS * 1000000LL;
    if (walk->turn_ns < earliest_ns)
        walk->turn_ns = earliest_ns;
    walk->turn_ns += 1000000000 / rate;
    return wait_for(p, walk->turn_ns, most < UNDER_WAY_MAX ? most : UNDER_WAY_MAX - 1);
}

static void sign(struct presigner *p, struct walk *walk, const struct question *q)
{
    struct responder_job *job;
    bool prepared = job_prepare(p->responder, q, &job) == OCSP_SUCCESSFUL;
    pthread_mutex_lock(&p->mutex);
    p->under_way += prepared;
    walk->failures += !prepared;
    pthread_mutex_unlock(&p->mutex);
    walk->made++;
    if (prepared)
        responder_sign(job, landed_or_not, walk);
}

/* When it would be due if it were signed now; INT64_MIN where it would not live long enough. */
static int64_t due_if_signed(const struct question *q)
{
    int64_t life_s = q->issuer->config->ocsp_validity_s, rest_s = q->signer->certificate.not_after - q->now;
    return rest_s < LIFE_MIN_S ? INT64_MIN : renew_at(q->now, q->now + (rest_s < life_s ? rest_s : life_s));
}

/* False: the walk does not go on for now. */
static bool visit(struct presigner *p, struct walk *walk, enum certid_hash hash, const struct serial *serial)
{
    struct question q;
    uint8_t room[CERTID_DER_MAX];
    int64_t failures = failures_of(walk);
    if (!presign_question(walk->issuer, hash, serial, p->responder->now(), room, &q))
        return false;
    int64_t due_at = presign_due(p->responder, &q);
    if (due_at <= q.now && (due_at = due_if_signed(&q)) != INT64_MIN) {
        if (!wait_turn(p, walk))
            return false;
        q.now = p->responder->now();
        sign(p, walk, &q);
    }
    if (due_at != INT64_MIN) {
        walk->entries++;
        if (due_at < walk->due_at)
            walk->due_at = due_at;
    }
    if (failures_of(walk) == failures)
        return true;
    pause_for_failure(p);
    return pause_is_over(p);
}

/* --- walking ------------------------------------------------------------------------------------------- */

struct page {
    int64_t now;
    size_t seen, count;
    struct serial last;
    struct serial list[PAGE]; /* of those that still count */
};

static int collect(void *arg, const struct cert_record *record)
{
    struct page *page = arg;
    page->seen++;
    page->last = record->serial;
    if (record->not_after == TIME_NONE || record->not_after > page->now)
        page->list[page->count++] = record->serial;
    return 0;
}

static const struct ocsp_signer *who_signs(struct presigner *p, const struct issuer *issuer,
                                           const struct sigalg **sigalg)
{
    return ocsp_signers_choose(issuer_ocsp_signers(issuer), (struct bytes){0}, p->responder->now(), sigalg);
}

/* Why: what holds is never signed again, so a walk without need costs little. */
static bool has_reason(struct presigner *p, const struct walk *walk, const struct ocsp_signer *signer,
                       const struct sigalg *sigalg)
{
    const struct store *store = p->responder->store;
    int64_t now = p->responder->now();
    return walk->lineage != signer->lineage || walk->sigalg != sigalg || walk->missed ||
           walk->change != store_change(store) || walk->registrations != store_registrations(store) ||
           now >= walk->due_at || now < walk->began_at;
}

static void begin_walk(struct presigner *p, struct walk *walk, const struct ocsp_signer *signer,
                       const struct sigalg *sigalg)
{
    walk->walking = true;
    walk->missed = walk->has_last = false;
    walk->began_at = p->responder->now();
    walk->change = store_change(p->responder->store);
    walk->registrations = store_registrations(p->responder->store);
    walk->lineage = signer->lineage;
    walk->sigalg = sigalg;
    walk->due_at = INT64_MAX;
    walk->entries = walk->made = walk->cpu_ms = 0;
    pthread_mutex_lock(&p->mutex);
    walk->failures = 0;
    pthread_mutex_unlock(&p->mutex);
}

static void end_walk(struct presigner *p, struct walk *walk)
{
    walk->rest_until_ms = clock_monotonic_ms() + walk->cpu_ms * REST;
    if (!wait_for(p, 0, 0)) /* what is under way */
        return;
    write_landed(p);
    if (!walk->walking) /* it was lost on the way to the disk */
        return;
    walk->walking = false;
    pthread_mutex_lock(&p->mutex);
    walk->missed = walk->failures > 0;
    walk->progress = (struct presign_progress){walk->entries - walk->failures, p->responder->now()};
    pthread_mutex_unlock(&p->mutex);
    int64_t took_s = walk->progress.at - walk->began_at, life_s = walk->issuer->config->ocsp_validity_s;
    if (walk->made)
        log_info("presigner",
                 "issuer %s: %" PRId64 " answers signed ahead in %" PRId64 " s, %" PRId64 " of them anew",
                 walk->issuer->config->name.text, walk->progress.entries, took_s, walk->made);
    if (took_s > life_s / 4)
        log_warn(
            "presigner",
            "issuer %s: signing all answers takes longer than a quarter of ocsp_validity, so some grow too "
            "old before they are signed anew; raise presign_rate or ocsp_validity",
            walk->issuer->config->name.text);
}

/* One page. */
static void go_on(struct presigner *p, struct walk *walk)
{
    struct page page = {.now = p->responder->now()};
    unsigned rate = walk->issuer->config->presign_rate;
    struct store_filter filter = {
        .status = -1, .after = walk->has_last ? &walk->last : NULL, .limit = rate < PAGE ? rate : PAGE};
    struct error err;
    int64_t began_ns = now_ns(CLOCK_THREAD_CPUTIME_ID);
    if (store_list(p->responder->store, walk->issuer->id, &filter, collect, &page, &err) < 0) {
        log_limited(LOG_LEVEL_ERROR, "presigner", "%s", err.text);
        pause_for_failure(p);
        return;
    }
    for (size_t i = 0; i < page.count; i++)
        for (int hash = 0; hash < CERTID_HASHES; hash++)
            if (walk->issuer->config->presign_hashes & 1u << hash &&
                !visit(p, walk, (enum certid_hash)hash, &page.list[i]))
                return;
    walk->last = page.last;
    walk->has_last = true;
    walk->cpu_ms += (now_ns(CLOCK_THREAD_CPUTIME_ID) - began_ns) / 1000000;
    if (page.seen < filter.limit)
        end_walk(p, walk);
}

/* False where there is nothing to do. */
static bool step(struct presigner *p, struct walk *walk)
{
    const struct sigalg *sigalg;
    const struct ocsp_signer *signer = who_signs(p, walk->issuer, &sigalg);
    if (!signer)
        return false;
    if (walk->walking && (walk->lineage != signer->lineage || walk->sigalg != sigalg))
        walk->walking = false; /* what was signed so far is worth nothing */
    if (!walk->walking) {
        if (clock_monotonic_ms() < walk->rest_until_ms || !has_reason(p, walk, signer, sigalg))
            return false;
        begin_walk(p, walk, signer, sigalg);
    }
    go_on(p, walk);
    return true;
}

static void sweep(struct presigner *p)
{
    struct error err;
    int64_t now = p->responder->now();
    if (now < p->swept_at + SWEEP_S && now >= p->swept_at)
        return;
    p->swept_at = now;
    if (presigned_sweep(p->file, now, &err) < 0)
        note_lost(p, &err);
}

static void *run(void *arg)
{
    struct presigner *p = arg;
    while (pause_is_over(p)) {
        bool worked = false;
        sweep(p);
        for (size_t i = 0; i < p->count; i++)
            worked |= step(p, &p->walks[i]);
        if (!worked && !wait_for(p, now_ns(CLOCK_MONOTONIC) + TICK_MS * 1000000LL, UNDER_WAY_MAX))
            break;
    }
    write_landed(p);
    return NULL;
}

/* --- start and stop ------------------------------------------------------------------------------------ */

static struct presigner *make_presigner(struct responder *responder)
{
    struct issuers *issuers = responder->issuers;
    struct presigner *p = calloc(1, sizeof *p + issuers->count * sizeof *p->walks);
    if (!p)
        return NULL;
    p->responder = responder;
    p->end = &p->first;
    for (size_t i = 0; i < issuers->count; i++)
        if (issuers->list[i].config->presign)
            p->walks[p->count++] =
                (struct walk){.presigner = p, .issuer = &issuers->list[i], .progress = {.at = TIME_NONE}};
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&p->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&p->mutex, NULL);
    return p;
}

int responder_presign_check(const struct config *config, struct error *err)
{
    bool wanted = false;
    struct error why;
    for (size_t i = 0; i < config->issuer_count; i++)
        wanted |= config->issuers[i].presign;
    if (!wanted || presigned_check(config->presigned.text, config->database.text, &why) == 0)
        return 0;
    return config_error(config, config->presigned.line, err, "presigned %s", why.text);
}

int responder_presign(struct responder *responder, const struct config *config, struct error *err)
{
    struct error why;
    if (responder_presign_check(config, err) < 0)
        return -1;
    struct presigner *p = make_presigner(responder);
    if (!p)
        return error_set(err, "out of memory");
    if (p->count == 0) {
        presigner_free(p);
        return 0;
    }
    p->file = presigned_open(config->presigned.text, &why);
    responder->presigner = p; /* freed with the responder */
    if (!p->file)
        return config_error(config, config->presigned.line, err, "presigned %s", why.text);
    p->started = pthread_create(&p->thread, NULL, run, p) == 0;
    return p->started ? 0 : error_set(err, "cannot start a thread");
}

void responder_presign_stop(struct responder *responder)
{
    struct presigner *p = responder ? responder->presigner : NULL;
    if (!p || !p->started)
        return;
    pthread_mutex_lock(&p->mutex);
    p->stopping = true;
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->mutex);
    pthread_join(p->thread, NULL);
    p->started = false;
}

void presigner_free(struct presigner *p)
{
    if (!p)
        return;
    while (p->first)
        p->first = let_go(p->first);
    presigned_close(p->file);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

struct presigned *presigner_file(struct presigner *p)
{
    return p->file;
}

bool responder_presign_progress(const struct responder *responder, const struct issuer *issuer,
                                struct presign_progress *progress)
{
    struct presigner *p = responder->presigner;
    for (size_t i = 0; p && i < p->count; i++) {
        if (p->walks[i].issuer != issuer)
            continue;
        pthread_mutex_lock(&p->mutex);
        *progress = p->walks[i].progress;
        pthread_mutex_unlock(&p->mutex);
        return true;
    }
    return false;
}
