/* annul-stapler.conf, as it is read. */
#ifndef ANNUL_STAPLER_CONFIG_H
#define ANNUL_STAPLER_CONFIG_H

#include <annul/config_value.h>
#include <annul/deliver.h>
#include <annul/stapler.h>

struct values {
    struct config_value *list;
    size_t count;
};

/* A place of delivery. `target.path` is `path` where that has no {…} in it. */
struct place {
    int line;
    struct config_value kind, path, socket, crl_name, pid_file, process, unit;
    struct values command;
    const char **argv; /* the same for `target` */
    struct deliver_target target;
};

enum revoked_policy { REVOKED_PUBLISH, REVOKED_WITHHOLD, REVOKED_HOOK };

/* What both kinds of section have. */
struct section {
    struct config_value name;
    struct values issuers; /* files of CA certificates, beside those of all sections */
    struct values sources; /* certificates: files, folders, globs */
    struct values urls;    /* of responders or CRLs */
    int64_t interval_s;    /* fetch at least so often; 0: as validity has it */
    bool chain;            /* staples: the further certificates of a file, too */
    enum revoked_policy revoked;
    struct values hook; /* staples: told of a revoked certificate */
    const char **hook_argv;
    struct place *places;
    size_t place_count;
};

struct stapler_config {
    char *path;
    struct config_value cache, proxy;
    int64_t connect_s, timeout_s, wait_s;
    unsigned workers;
    size_t crl_octets;         /* that a CRL may have */
    struct values authorities; /* files of CA certificates for all sections */
    struct values listen;      /* of the mirror */
    struct config_value upstream;
    struct section mirror; /* its `issuers`: whose certificates upstream is asked for, beside `authorities` */
    enum log_level log_level;
    struct section *staples, *crls;
    size_t staple_count, crl_count;
};

#endif
