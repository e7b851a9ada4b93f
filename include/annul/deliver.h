/* Delivery: verified staples and CRLs to where a broker or terminator reads them, each in its own way.
 *
 * What comes in here was verified; nothing is judged again. A target is one place of one consumer. Giving it
 * content is idempotent: the place is compared with the content, only a difference is written, and only what
 * was written is told to the consumer. So the same call with the same content also does what remained undone:
 * a hook that failed, a consumer that was away or has been restarted since. There is no other way to retry:
 * call again at state->retry_at, and every few seconds where deliver_is_polled says so.
 *
 * A file is written under a temporary name in the same folder, synced, renamed, and the folder synced. Where
 * any of that fails, the old file is there as it was. A temporary name starts with a dot, so that no consumer
 * takes it for one of its own files, and is the same each time, so that nothing piles up.
 *
 * Every call may block: for the disk, for a socket (5 seconds), for a command as long as it may take. Any
 * thread; one target by one thread at a time, and no two targets of one path. SIGCHLD must not be ignored,
 * and every descriptor of the process must close on exec.
 */
#ifndef ANNUL_DELIVER_H
#define ANNUL_DELIVER_H

#include <annul/certificate.h>
#include <sys/types.h>

enum deliver_kind {
    /* A staple, or CRLs, in one file in `format`: Envoy, Exim, openssl s_server; CRLs for mosquitto, nginx,
     * Envoy. A staple is withdrawn by removing the file. */
    DELIVER_FILE,

    /* A staple for nginx, which does not start where its ssl_stapling_file is missing or empty. So there are
     * two files: PATH, and PATH.conf that names it, and is removed to withdraw. The server block has
     * `ssl_stapling on; include PATH.con[f];`: with a wildcard, an include of nothing is no error. */
    DELIVER_NGINX,

    /* A staple in hitch's ocsp-dir, PATH: the file's name is the MD5 of the pem-file's. hitch sees it without
     * a signal, and drops it at its end; with ocsp-resp-file it would start no more where that is missing. A
     * response that says revoked it does not take, and keeps the former: withdraw. `notify`, a SIGHUP, is for
     * withdrawing alone: hitch overlooks a file that comes while it reloads. */
    DELIVER_HITCH,

    /* A staple beside the certificate (CERTIFICATE.ocsp and CERTIFICATE.issuer; emptied to withdraw, because
     * a start with an empty file is what makes later pushes possible), or CRLs in PEM at PATH. With `socket`
     * the same is pushed into the running HAProxy, the reply checked, and pushed again when another process
     * answers; `notify` is then for what the socket cannot do: withdraw, or take more than tune.bufsize. */
    DELIVER_HAPROXY,

    /* CRLs in the folder PATH, as `HASH.rN` in PEM, one a file. The hashes of the issuers given are this
     * target's; files of other hashes, and valid CRLs of other issuers, are left alone.
     * For Erlang (ssl_crl_hash_dir), which reads at each handshake and obeys the highest N: one file an issuer
     * name and key, replaced by rename; leftovers get the newest CRL, then are removed from the top down. */
    DELIVER_HASH_DIR,

    /* For a running OpenSSL (stunnel's CRLpath), which reads N + 1 when it has read N, and never N again: a
     * new CRL is appended, and the older files of its issuer become links to it. With `notify` (a reload) the
     * folder is made as above when it has a hundred files, and when appending is not enough: of two CRLs
     * OpenSSL keeps the first unless the second's thisUpdate, in whole seconds, is later. */
    DELIVER_HASH_DIR_LIVE,
};

enum deliver_format { DELIVER_DER, DELIVER_PEM };

/* How a consumer is told. All that is set is done, in this order; all unset: it looks for itself.
 *
 * The environment of a command, beside that of the stapler:
 *   ANNUL_EVENT        staple, withdrawn, crl
 *   ANNUL_PATH         the file or folder that was changed
 *   ANNUL_CERTIFICATE  staple, withdrawn: the certificate's file
 *   ANNUL_EXPIRES      RFC 3339; staple: its end; crl: the first nextUpdate
 *   ANNUL_CRLS         crl: "NUMBER SUBJECT" a line, for each CRL that is delivered
 */
struct deliver_notify {
    const char *pid_file;       /* of the process that gets `signal_number` */
    const char *process;        /* its name in /proc/PID/comm; NULL: it must be older than the pid file */
    int signal_number;          /* with `pid_file`: SIGHUP for most */
    const char *const *command; /* argv, NULL at the end; no shell, argv[0] is an absolute path */
    const char *unit;           /* `systemctl reload UNIT` */
    int64_t timeout_ms;         /* of command and unit each, then their process group is killed; 0: 30 s */
};

#define DELIVER_KEEP ((unsigned)-1) /* of the old file; of a new one: ours, and 0644 */

/* As configured. All strings are borrowed for as long as the target is used. */
struct deliver_target {
    enum deliver_kind kind;
    enum deliver_format format; /* DELIVER_FILE */
    const char *path;           /* the file or folder; not used for a staple of HAProxy */
    const char *socket;         /* DELIVER_HAPROXY: its admin socket, or NULL */
    const char *crl_name;       /* DELIVER_HAPROXY: the crl-file as haproxy.cfg names it; NULL: `path` */
    size_t bufsize;             /* DELIVER_HAPROXY: its tune.bufsize; 0: 16384 */
    uid_t uid;                  /* or DELIVER_KEEP */
    gid_t gid;                  /* or DELIVER_KEEP */
    mode_t mode;                /* or DELIVER_KEEP */
    struct deliver_notify notify;
};

/* What must not be forgotten about a target; the caller keeps one for each, across restarts too. All zero for
 * a new target. */
struct deliver_state {
    bool pending;      /* the consumer is (or, after a crash, may be) behind what is on disk */
    unsigned failures; /* in a row */
    int64_t retry_at;  /* Unix seconds: when to call again; 0: nothing is undone */
    char instance[64]; /* HAProxy's process that has been told, "PID START"; printable */
};

/* Makes the state durable: called before the first change that a consumer could see, and again when all is
 * done or something failed. Where it cannot, it is its part to say so; delivery goes on by what is in memory: a
 * consumer that after a crash is told once too seldom is a lesser evil than one that goes on with what has ended. */
typedef void deliver_save(void *arg, const struct deliver_state *state);

/* How a call ends. After DELIVER_FAILED `err` says what, where, and the remedy; state->pending, whether content
 * is on disk already and the consumer does not know; state->retry_at is set (2 s, doubling to 5 minutes). So after
 * DELIVER_AWAY: it will read what is there at its start, but may be starting just now. */
enum deliver_outcome {
    DELIVER_FAILED = -1,
    DELIVER_SAME = 0, /* nothing was to be done */
    DELIVER_DONE = 1, /* installed, or the consumer told, or both */
    DELIVER_AWAY = 2, /* installed; the process of the pid file is not there to be told */
};

struct delivery {
    const struct deliver_target *target;
    struct deliver_state *state; /* read and written */
    deliver_save *save;          /* NULL: not kept */
    void *save_arg;
    int64_t now; /* Unix seconds */
};

struct deliver_staple {
    const char *certificate_path; /* as the consumer's configuration names it */
    const char *issuer_path;      /* the CA's certificate, for HAProxy's .issuer; NULL: none is written */
    struct bytes der;             /* the OCSPResponse; empty: the staple is withdrawn */
    int64_t expires_at;           /* for the command's environment */
};

struct deliver_crl {
    struct bytes der;                 /* the CertificateList; of a large one, the mapped cache file */
    const struct certificate *issuer; /* the CA whose key signed it */
    const char *number;               /* for the command's environment; NULL: none */
    int64_t next_update;
};

/* Delivers a staple, or withdraws it; also to be called where there is none yet, so that HAProxy has its empty
 * file. Not for hash folders. */
enum deliver_outcome deliver_staple(const struct delivery *delivery, const struct deliver_staple *staple,
                                    struct error *err);

/* Delivers CRLs: all that the target is to hold, in the order of a bundle. There is no withdrawing: without
 * its CRL a consumer refuses everyone, as with an expired one, or, worse, nobody. */
enum deliver_outcome deliver_crls(const struct delivery *delivery, const struct deliver_crl *crls,
                                  size_t count, struct error *err);

/* Whether the target makes sense and could be written now: folder there and writable, command executable.
 * Changes nothing; for `-t`. 0, or -1 with the reason. `certificate_path` as above for a staple; NULL: CRLs. */
int deliver_check(const struct deliver_target *target, const char *certificate_path, struct error *err);

/* Whether the consumer may forget what it was told (HAProxy by its socket). */
bool deliver_is_polled(const struct deliver_target *target);

#endif
