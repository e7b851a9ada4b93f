/* The sources: which there are, and their threads. */
#include "internal.h"

#include <annul/log.h>

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- for the sources ----------------------------------------------------------------------------------- */

enum admin_result source_take(struct source *source, int fd, const struct store_actor *actor,
                              struct admin_crl_taken *taken, struct error *err)
{
    struct intake *intake = source->intake;
    struct turn *turn = &intake->turns[source->issuer - intake->admin->issuers->list];
    pthread_mutex_lock(&turn->mutex);
    enum admin_result result =
        admin_take_crl(intake->admin, actor, source->issuer, fd, &intake->stopping, taken, err);
    if (result == ADMIN_DONE && taken->changed)
        atomic_fetch_add(&turn->taken, 1);
    pthread_mutex_unlock(&turn->mutex);
    return result;
}

unsigned source_taken(const struct source *source)
{
    struct intake *intake = source->intake;
    return atomic_load(&intake->turns[source->issuer - intake->admin->issuers->list].taken);
}

void source_tell(struct source *source, const struct error *why)
{
    if (strcmp(source->told, why->text) == 0 || atomic_load(&source->intake->stopping))
        return;
    memcpy(source->told, why->text, sizeof source->told);
    log_error("intake", "issuer %s: %s; what was taken before stays", source->issuer->config->name.text,
              why->text);
}

void source_is_well(struct source *source)
{
    if (source->told[0])
        log_info("intake", "issuer %s: %s: all is well again", source->issuer->config->name.text,
                 source->from);
    source->told[0] = 0;
}

bool source_rest(struct source *source, int64_t ms)
{
    struct pollfd stop = {source->intake->stop_fd, POLLIN, 0};
    if (!atomic_load(&source->intake->stopping))
        poll(&stop, 1, (int)ms);
    return !atomic_load(&source->intake->stopping);
}

/* --- uploads ------------------------------------------------------------------------------------------- */

struct upload {
    int fd;
    char actor_name[256], actor_origin[128];
    int64_t at;
    intake_done *done;
    void *arg;
};

static struct source *uploads_of(struct intake *intake, const struct issuer *issuer)
{
    for (size_t i = 0; i < intake->count; i++)
        if (intake->sources[i].issuer == issuer && intake->sources[i].run == upload_run)
            return &intake->sources[i];
    return NULL;
}

bool intake_upload(struct intake *intake, const struct issuer *issuer, int fd,
                   const struct store_actor *actor, intake_done *done, void *arg)
{
    struct source *source = uploads_of(intake, issuer);
    struct upload *upload = source ? malloc(sizeof *upload) : NULL;
    bool free_now = true;
    if (upload) {
        *upload = (struct upload){.fd = fd, .at = actor->at, .done = done, .arg = arg};
        snprintf(upload->actor_name, sizeof upload->actor_name, "%s", actor->name);
        snprintf(upload->actor_origin, sizeof upload->actor_origin, "%s", actor->origin);
        pthread_mutex_lock(&intake->mutex);
        if (!source->upload && !atomic_load(&intake->stopping)) {
            source->upload = upload;
            free_now = false;
            pthread_cond_broadcast(&intake->uploaded);
        }
        pthread_mutex_unlock(&intake->mutex);
    }
    if (free_now) {
        free(upload);
        close(fd);
    }
    return !free_now;
}

/* The next one; NULL when we are stopping, and none is there any more. */
static struct upload *next_upload(struct source *source)
{
    struct intake *intake = source->intake;
    pthread_mutex_lock(&intake->mutex);
    while (!source->upload && !atomic_load(&intake->stopping))
        pthread_cond_wait(&intake->uploaded, &intake->mutex);
    struct upload *upload = source->upload;
    pthread_mutex_unlock(&intake->mutex);
    return upload;
}

void upload_run(struct source *source)
{
    for (struct upload *upload; (upload = next_upload(source));) {
        struct store_actor actor = {upload->actor_name, upload->actor_origin, upload->at};
        struct admin_crl_taken taken;
        struct error err = {""};
        enum admin_result result = source_take(source, upload->fd, &actor, &taken, &err);
        close(upload->fd);
        pthread_mutex_lock(&source->intake->mutex);
        source->upload = NULL;
        pthread_mutex_unlock(&source->intake->mutex);
        upload->done(upload->arg, result, &taken, &err);
        free(upload);
    }
}

/* --- start and stop ------------------------------------------------------------------------------------ */

static int check_folder(const struct config *config, const struct config_issuer *issuer, const char *option,
                        const struct config_value *file, struct error *err)
{
    if (!file->text)
        return 0;
    const char *slash = strrchr(file->text, '/');
    char *folder = strndup(file->text, slash && slash > file->text ? (size_t)(slash - file->text) : 1);
    int result = folder ? 0 : error_set(err, "out of memory");
    if (folder && access(folder, R_OK | X_OK) < 0)
        result = config_error(config, file->line, err, "issuer \"%s\": %s %s: the folder %s: %s",
                              issuer->name.text, option, file->text, folder, strerror(errno));
    free(folder);
    return result;
}

int intake_check(const struct config *config, struct error *err)
{
    for (size_t i = 0; i < config->issuer_count; i++) {
        const struct config_issuer *issuer = &config->issuers[i];
        if (check_folder(config, issuer, "index", &issuer->index, err) < 0)
            return -1;
        for (size_t k = 0; k < issuer->crl_file_count; k++)
            if (check_folder(config, issuer, "crl_file", &issuer->crl_files[k], err) < 0)
                return -1;
    }
    return 0;
}

static void *run(void *arg)
{
    struct source *source = arg;
    source->run(source);
    return NULL;
}

static int add_source(struct intake *intake, struct issuer *issuer, const char *from,
                      void (*run_it)(struct source *source), struct error *err)
{
    struct source *source = &intake->sources[intake->count++];
    *source = (struct source){.intake = intake, .issuer = issuer, .from = from, .run = run_it};
    struct fetch_options options = {.user_agent = "annuld/" ANNUL_VERSION, .use_proxy = true};
    if (run_it == url_run && !(source->fetch = fetch_new(&options, err)))
        return -1;
    if (pthread_create(&source->thread, NULL, run, source) != 0)
        return error_set(err, "cannot start a thread");
    source->runs = true;
    return 0;
}

static int add_issuer(struct intake *intake, struct issuer *issuer, struct error *err)
{
    const struct config_issuer *section = issuer->config;
    if (section->crl_upload && add_source(intake, issuer, NULL, upload_run, err) < 0)
        return -1;
    if (section->index.text && add_source(intake, issuer, section->index.text, index_run, err) < 0)
        return -1;
    for (size_t i = 0; i < section->crl_file_count; i++)
        if (add_source(intake, issuer, section->crl_files[i].text, file_run, err) < 0)
            return -1;
    for (size_t i = 0; i < section->crl_url_count; i++)
        if (add_source(intake, issuer, section->crl_urls[i].text, url_run, err) < 0)
            return -1;
    return 0;
}

static struct intake *make_intake(struct admin *admin)
{
    const struct config *config = admin->issuers->config;
    size_t count = 0;
    for (size_t i = 0; i < config->issuer_count; i++)
        count += 2 + config->issuers[i].crl_file_count + config->issuers[i].crl_url_count;
    struct intake *intake = calloc(1, sizeof *intake + count * sizeof *intake->sources);
    struct turn *turns = calloc(config->issuer_count, sizeof *turns);
    if (!intake || !turns) {
        free(intake);
        free(turns);
        return NULL;
    }
    intake->admin = admin;
    intake->turns = turns;
    intake->stop_fd = eventfd(0, EFD_CLOEXEC);
    pthread_mutex_init(&intake->mutex, NULL);
    pthread_cond_init(&intake->uploaded, NULL);
    for (size_t i = 0; i < config->issuer_count; i++)
        pthread_mutex_init(&turns[i].mutex, NULL);
    return intake;
}

struct intake *intake_start(struct admin *admin, struct error *err)
{
    struct intake *intake = make_intake(admin);
    if (!intake) {
        error_set(err, "out of memory");
        return NULL;
    }
    int result = intake->stop_fd < 0 ? error_set(err, "eventfd: %s", strerror(errno)) : 0;
    admin_take_up_crls(admin);
    for (size_t i = 0; i < admin->issuers->count && result == 0; i++)
        result = add_issuer(intake, &admin->issuers->list[i], err);
    if (result == 0)
        return intake;
    intake_stop(intake);
    return NULL;
}

void intake_halt(struct intake *intake)
{
    if (!intake)
        return;
    pthread_mutex_lock(&intake->mutex);
    atomic_store(&intake->stopping, true);
    eventfd_write(intake->stop_fd, 1);
    pthread_cond_broadcast(&intake->uploaded);
    pthread_mutex_unlock(&intake->mutex);
}

void intake_stop(struct intake *intake)
{
    if (!intake)
        return;
    intake_halt(intake);
    for (size_t i = 0; i < intake->count; i++) {
        if (intake->sources[i].runs)
            pthread_join(intake->sources[i].thread, NULL);
        fetch_free(intake->sources[i].fetch);
    }
    for (size_t i = 0; i < intake->admin->issuers->count; i++)
        pthread_mutex_destroy(&intake->turns[i].mutex);
    free(intake->turns);
    pthread_mutex_destroy(&intake->mutex);
    pthread_cond_destroy(&intake->uploaded);
    if (intake->stop_fd >= 0)
        close(intake->stop_fd);
    free(intake);
}
