/* What the tests of deliver/ share: a target in a folder of its own, and what its state was saved as. */
#ifndef ANNUL_TESTS_DELIVERY_H
#define ANNUL_TESTS_DELIVERY_H

#include "unit.h"

#include <annul/deliver.h>

#include <sys/stat.h>

#define NOW 1800000000

struct place_of_delivery {
    char *folder;
    char path[256]; /* in it */
    struct deliver_target target;
    struct deliver_state state, saved, first; /* the present, the last and the first that was saved */
    unsigned saves;
    struct delivery delivery;
    struct error err;
};

static inline void keep_state(void *arg, const struct deliver_state *state)
{
    struct place_of_delivery *p = arg;
    if (p->saves++ == 0)
        p->first = *state;
    p->saved = *state;
}

static inline struct place_of_delivery *place_open(enum deliver_kind kind, const char *name)
{
    struct place_of_delivery *p = calloc(1, sizeof *p);
    assert_non_null(p);
    p->folder = folder_make();
    snprintf(p->path, sizeof p->path, "%s/%s", p->folder, name);
    p->target = (struct deliver_target){
        .kind = kind, .path = p->path, .uid = DELIVER_KEEP, .gid = DELIVER_KEEP, .mode = DELIVER_KEEP};
    p->delivery = (struct delivery){&p->target, &p->state, keep_state, p, NOW};
    return p;
}

static inline void place_close(struct place_of_delivery *p)
{
    folder_remove(p->folder);
    free(p);
}

/* A name in the folder; good until the next call but three. */
static inline const char *in_place(const struct place_of_delivery *p, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof *paths, "%s/%s", p->folder, name);
    return path;
}

/* A staple of these octets; NULL: withdrawn. */
static inline enum deliver_outcome give(struct place_of_delivery *p, const char *octets)
{
    char certificate[512];
    snprintf(certificate, sizeof certificate, "%s/server.pem", p->folder);
    struct deliver_staple staple = {.certificate_path = certificate, .expires_at = NOW + 3600};
    if (octets)
        staple.der = bytes_of_text(octets);
    return deliver_staple(&p->delivery, &staple, &p->err);
}

static inline void assert_file(const char *path, const char *wanted)
{
    struct buffer content = {0};
    if (file_read(path, 1 << 20, &content) < 0)
        fail_msg("%s: is not there", path);
    assert_string_equal((char *)content.at, wanted);
    buffer_free(&content);
}

static inline bool exists(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0;
}

static inline ino_t inode_of(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_ino;
}

/* A shell script that may be run. */
static inline void script_put(const char *path, const char *text)
{
    file_put(path, text, strlen(text));
    assert_int_equal(chmod(path, 0755), 0);
}

/* How many files are there, temporary ones included. */
static inline int file_count(const char *folder)
{
    char command[512], text[32] = "";
    snprintf(command, sizeof command, "find %s -type f | wc -l", folder);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    assert_non_null(fgets(text, sizeof text, pipe));
    pclose(pipe);
    return atoi(text);
}

#endif
