#include "internal.h"

#include <annul/base64.h>
#include <annul/hex.h>
#include <annul/time.h>

#include <openssl/evp.h>

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_ROOM 64 /* what is put behind a configured path at most */
#define RETRY_FIRST_S 2
#define RETRY_MAX_S 300

/* --- the state --------------------------------------------------------------------------------------------- */

static void save(const struct work *work)
{
    const struct delivery *d = work->delivery;
    if (d->save)
        d->save(d->save_arg, d->state);
}

void work_begin(struct work *work)
{
    if (work->begun)
        return;
    work->begun = true;
    work->delivery->state->pending = true;
    save(work);
}

/* What is undone is tried again. */
static void try_later(const struct work *work, bool was_pending)
{
    struct deliver_state *state = work->delivery->state;
    int64_t wait_s = state->failures < 8 ? (int64_t)RETRY_FIRST_S << state->failures : RETRY_MAX_S;
    state->pending = work->changed || was_pending;
    state->failures += state->failures < UINT32_MAX;
    state->retry_at = work->delivery->now + (wait_s < RETRY_MAX_S ? wait_s : RETRY_MAX_S);
    save(work);
}

/* --- the consumer ------------------------------------------------------------------------------------------ */

/* What a consumer is to be told, and how. */
struct message {
    struct notice notice;
    bool by_socket;            /* HAProxy takes it live */
    struct bytes staple, crls; /* by socket: the one or the other */
};

static int push(const struct work *work, const struct message *message, struct error *err)
{
    return message->staple.len ? haproxy_push_staple(work->target, message->staple, err)
                               : haproxy_push_crls(work->target, message->crls, err);
}

enum told { TOLD_FAILED = -1, TOLD_NOTHING, TOLD, TOLD_NOBODY /* there is no process; it may be starting */ };

/* By the socket, whenever another process answers, too: it may have read its files before they were replaced. */
static enum told tell_haproxy(const struct work *work, const struct message *message, struct error *err)
{
    struct deliver_state *state = work->delivery->state;
    char instance[sizeof state->instance];
    enum outcome outcome = haproxy_instance(work->target, instance, sizeof instance, err);
    if (outcome == ABSENT) { /* it will read the file; or, if it is only away from its socket, be told then */
        state->instance[0] = 0;
        return TOLD_NOTHING;
    }
    if (outcome != FOUND)
        return TOLD_FAILED;
    if (!state->pending && strcmp(instance, state->instance) == 0)
        return TOLD_NOTHING;
    if (push(work, message, err) < 0)
        return TOLD_FAILED;
    strcpy(state->instance, instance);
    return TOLD;
}

static enum told tell(const struct work *work, const struct message *message, struct error *err)
{
    if (message->by_socket)
        return tell_haproxy(work, message, err);
    if (!work->delivery->state->pending)
        return TOLD_NOTHING;
    enum outcome outcome = notify_send(&work->target->notify, &message->notice, err);
    return outcome == FOUND ? TOLD : outcome == ABSENT ? TOLD_NOBODY : TOLD_FAILED;
}

/* `installed`: how that went. */
static enum deliver_outcome finish(const struct work *work, int installed, bool was_pending,
                                   const struct message *message, struct error *err)
{
    struct deliver_state *state = work->delivery->state;
    enum told told = installed < 0 ? TOLD_FAILED : tell(work, message, err);
    if (told == TOLD_FAILED || told == TOLD_NOBODY) {
        try_later(work, was_pending);
        return told == TOLD_NOBODY ? DELIVER_AWAY : DELIVER_FAILED;
    }
    bool remembered = work->begun || state->pending || state->failures || told == TOLD;
    state->pending = false;
    state->failures = 0;
    state->retry_at = 0;
    if (remembered)
        save(work);
    return work->changed || told == TOLD ? DELIVER_DONE : DELIVER_SAME;
}

/* --- staples ----------------------------------------------------------------------------------------------- */

/* hitch finds it by the name of the certificate's file. */
static int hitch_path(const char *folder, const char *certificate_path, char out[PATH_MAX], struct error *err)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len;
    if (EVP_Digest(certificate_path, strlen(certificate_path), digest, &len, EVP_md5(), NULL) != 1)
        return error_set(err, "hitch's ocsp-dir %s: OpenSSL has no MD5 here: use ocsp-resp-file", folder);
    hex_encode(digest, len, hex);
    snprintf(out, PATH_MAX, "%s/%s", folder, hex);
    return 0;
}

/* The file that holds the staple. */
static int staple_path(const struct deliver_target *target, const char *certificate_path, char out[PATH_MAX],
                       struct error *err)
{
    if (strlen(certificate_path) > PATH_MAX - NAME_ROOM)
        return error_set(err, "%.100s...: the path is too long", certificate_path);
    switch (target->kind) {
    case DELIVER_FILE:
    case DELIVER_NGINX:
        snprintf(out, PATH_MAX, "%s", target->path);
        return 0;
    case DELIVER_HITCH:
        return hitch_path(target->path, certificate_path, out, err);
    case DELIVER_HAPROXY:
        snprintf(out, PATH_MAX, "%s.ocsp", certificate_path);
        return 0;
    default:
        return error_set(err, "folder %s: is for CRLs, not for staples", target->path);
    }
}

static int put_issuer(struct work *work, const struct deliver_staple *staple, struct error *err)
{
    char path[PATH_MAX];
    struct certificate issuer;
    struct buffer pem = {0};
    if (!staple->issuer_path)
        return 0;
    if (certificate_from_file(staple->issuer_path, &issuer, err) < 0)
        return -1;
    snprintf(path, sizeof path, "%s.issuer", staple->certificate_path);
    int result = certificate_to_pem((struct bytes){issuer.der.at, issuer.der.len}, &pem)
                     ? place_put(work, path, (struct bytes){pem.at, pem.len}, err)
                     : error_set(err, "out of memory");
    buffer_free(&pem);
    certificate_free(&issuer);
    return result;
}

/* nginx: the staple is there before it is named, and named no more before it goes. */
static int put_nginx(struct work *work, const char *path, struct bytes der, struct error *err)
{
    char include[PATH_MAX + 8], text[PATH_MAX + 64];
    snprintf(include, sizeof include, "%s.conf", path);
    if (!der.len)
        return place_remove(work, include, err) < 0 ? -1 : place_remove(work, path, err);
    int len = snprintf(text, sizeof text, "ssl_stapling_file \"%s\";\n", path);
    return place_put(work, path, der, err) < 0
               ? -1
               : place_put(work, include, (struct bytes){(const uint8_t *)text, (size_t)len}, err);
}

static int put_pem(struct work *work, const char *path, struct bytes der, struct error *err)
{
    struct buffer pem = {0};
    int result = pem_add(&pem, "OCSP RESPONSE", der)
                     ? place_put(work, path, (struct bytes){pem.at, pem.len}, err)
                     : error_set(err, "out of memory");
    buffer_free(&pem);
    return result;
}

static int put_staple(struct work *work, const char *path, const struct deliver_staple *staple,
                      struct error *err)
{
    const struct deliver_target *target = work->target;
    if (target->kind == DELIVER_NGINX)
        return put_nginx(work, path, staple->der, err);
    if (target->kind == DELIVER_HAPROXY)
        return put_issuer(work, staple, err) < 0 ? -1 : place_put(work, path, staple->der, err);
    if (!staple->der.len)
        return place_remove(work, path, err);
    if (target->kind == DELIVER_FILE && target->format == DELIVER_PEM)
        return put_pem(work, path, staple->der, err);
    return place_put(work, path, staple->der, err);
}

enum deliver_outcome deliver_staple(const struct delivery *delivery, const struct deliver_staple *staple,
                                    struct error *err)
{
    char path[PATH_MAX], expires[TIME_TEXT];
    bool withdrawn = !staple->der.len, was_pending = delivery->state->pending;
    struct work work = {.delivery = delivery, .target = delivery->target};
    struct message message = {.notice = {.event = withdrawn ? "withdrawn" : "staple",
                                         .path = path,
                                         .certificate = staple->certificate_path,
                                         .expires = withdrawn ? NULL : expires},
                              .by_socket = deliver_is_polled(delivery->target) && !withdrawn,
                              .staple = staple->der};
    time_to_text(staple->expires_at, expires);
    int installed = staple_path(delivery->target, staple->certificate_path, path, err);
    if (installed == 0)
        installed = put_staple(&work, path, staple, err);
    if (installed == 0 && delivery->target->kind == DELIVER_HITCH && !withdrawn)
        delivery->state->pending =
            false; /* it sees a new file by itself, and overlooks one while it reloads */
    return finish(&work, installed, was_pending, &message, err);
}

/* --- CRLs -------------------------------------------------------------------------------------------------- */

static bool make_bundle(const struct deliver_crl *crls, size_t count, struct buffer *pem)
{
    for (size_t i = 0; i < count; i++)
        if (!pem_add(pem, "X509 CRL", crls[i].der))
            return false;
    return true;
}

static int put_crls(struct work *work, const struct deliver_crl *crls, size_t count, struct message *message,
                    struct buffer *pem, struct error *err)
{
    const struct deliver_target *target = work->target;
    if (target->kind == DELIVER_FILE && target->format == DELIVER_DER)
        return count == 1 ? place_put(work, target->path, crls[0].der, err)
                          : error_set(err, "%s: one CRL goes into a DER file, not %zu: use PEM", target->path,
                                      count);
    if (target->kind != DELIVER_FILE && target->kind != DELIVER_HAPROXY)
        return error_set(err, "%s: is for a staple, not for CRLs", target->path);
    if (!make_bundle(crls, count, pem))
        return error_set(err, "out of memory");
    message->crls = (struct bytes){pem->at, pem->len};
    message->by_socket = deliver_is_polled(target) && haproxy_can_take(target, pem->len);
    if (place_put(work, target->path, message->crls, err) < 0)
        return -1;
    if (deliver_is_polled(target) && !message->by_socket && !notify_is_set(&target->notify))
        return error_set(err,
                         "%s: is written, but %zu octets are too much for HAProxy's socket: reload it, raise "
                         "tune.bufsize, or configure a reload",
                         target->path, pem->len);
    return 0;
}

/* "NUMBER SUBJECT" a line, and the first end. */
static bool describe(const struct deliver_crl *crls, size_t count, struct buffer *text,
                     char expires[TIME_TEXT])
{
    int64_t first = INT64_MAX;
    bool good = true;
    for (size_t i = 0; good && i < count; i++) {
        char *subject = certificate_subject_text(crls[i].issuer);
        good = subject &&
               buffer_printf(text, "%s%s %s", i ? "\n" : "", crls[i].number ? crls[i].number : "-", subject);
        first = crls[i].next_update < first ? crls[i].next_update : first;
        free(subject);
    }
    time_to_text(first, expires);
    return good && buffer_add(text, "", 1);
}

enum deliver_outcome deliver_crls(const struct delivery *delivery, const struct deliver_crl *crls,
                                  size_t count, struct error *err)
{
    const struct deliver_target *target = delivery->target;
    bool was_pending = delivery->state->pending, reload = true;
    char expires[TIME_TEXT];
    struct buffer text = {0}, pem = {0};
    struct work work = {.delivery = delivery, .target = target};
    struct message message = {.notice = {.event = "crl", .path = target->path, .expires = expires}};
    int installed = -1;
    if (!count)
        error_set(err, "%s: no CRL to deliver", target->path);
    else if (!describe(crls, count, &text, expires))
        error_set(err, "out of memory");
    else if (target->kind == DELIVER_HASH_DIR || target->kind == DELIVER_HASH_DIR_LIVE)
        installed = hash_dir_put(&work, crls, count, &reload, err);
    else
        installed = put_crls(&work, crls, count, &message, &pem, err);
    message.notice.crls = (char *)text.at;
    if (installed == 0 && !reload && !was_pending)
        delivery->state->pending = false; /* the reader sees it by itself */
    enum deliver_outcome outcome = finish(&work, installed, was_pending, &message, err);
    buffer_free(&text);
    buffer_free(&pem);
    return outcome;
}

/* --- beforehand -------------------------------------------------------------------------------------------- */

/* A name that can stand in a command of the runtime API. */
static bool is_one_word(const char *name)
{
    return *name && !strpbrk(name, " \t\r\n;\\<#");
}

static int check_place(const struct deliver_target *target, const char *certificate_path, struct error *err)
{
    char path[PATH_MAX];
    if (certificate_path)
        return staple_path(target, certificate_path, path, err) < 0 ? -1 : place_check(path, err);
    if (target->kind == DELIVER_NGINX || target->kind == DELIVER_HITCH)
        return error_set(err, "%s: is for a staple, not for CRLs", target->path);
    snprintf(path, sizeof path, "%s%s", target->path, target->kind >= DELIVER_HASH_DIR ? "/any" : "");
    return place_check(path, err);
}

int deliver_check(const struct deliver_target *target, const char *certificate_path, struct error *err)
{
    if (target->path && strlen(target->path) > PATH_MAX - NAME_ROOM)
        return error_set(err, "%.100s...: the path is too long", target->path);
    if (!certificate_path && target->socket &&
        !is_one_word(target->crl_name ? target->crl_name : target->path))
        return error_set(err, "%s: HAProxy's socket takes no such name", target->path);
    if (target->kind == DELIVER_NGINX && strpbrk(target->path, "\"\\$\r\n"))
        return error_set(err, "%s: cannot stand in nginx's configuration", target->path);
    return check_place(target, certificate_path, err) < 0 ? -1 : notify_check(&target->notify, err);
}

bool deliver_is_polled(const struct deliver_target *target)
{
    return target->kind == DELIVER_HAPROXY && target->socket;
}
