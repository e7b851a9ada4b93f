/* What the files of annulctl share: the options, the exit codes and the commands.
 *
 * One thread. Messages for people go to standard error and begin with "annulctl: "; what was asked for goes
 * to standard output.
 */
#ifndef ANNUL_CTL_H
#define ANNUL_CTL_H

#include <annul/bytes.h>
#include <annul/error.h>

/* Exit codes; the manual page promises them. */
enum ctl_code {
    CTL_OK = 0,
    CTL_REFUSED = 1,      /* the daemon says no, and would again: 4xx */
    CTL_USAGE = 2,        /* wrong arguments, or a local file that cannot be used */
    CTL_UNREACHABLE = 3,  /* no daemon, or one in trouble: worth another try */
    CTL_UNAUTHORISED = 4, /* 401, 403 */
    CTL_REVOKED = 10,     /* these three from `status` */
    CTL_ON_HOLD = 11,
    CTL_UNKNOWN = 12,
};

/* The worse of two: good, on hold, revoked, unknown, then failures by number. */
int ctl_worse(int a, int b);

enum ctl_option {
    CTL_SOCKET,
    CTL_URL,
    CTL_TOKEN_FILE,
    CTL_CA,
    CTL_CLIENT_CERT,
    CTL_CLIENT_KEY,
    CTL_JSON,
    CTL_QUIET,
    CTL_HELP,
    CTL_VERSION,
    CTL_GLOBAL_OPTIONS, /* the ones above fit every command */
    CTL_REASON = CTL_GLOBAL_OPTIONS,
    CTL_INVALIDITY,
    CTL_CERT,
    CTL_FROM,
    CTL_EVEN_A_CA,
    CTL_STATUS,
    CTL_QUERY,
    CTL_SUBJECT,
    CTL_LIMIT,
    CTL_FORMAT,
    CTL_SKIP_BAD,
    CTL_ISSUER,
    CTL_SERIAL,
    CTL_ROLE,
    CTL_EXPIRES,
    CTL_OPTIONS,
};
#define CTL_OPTION_BIT(option) (1u << (option))

struct ctl {
    const char *option[CTL_OPTIONS]; /* the last value; "" for a flag that is set; NULL where not given */
    const char **issuer;             /* every value of --issuer */
    size_t issuers;
    char **word; /* what is no option: first the command's name */
    int words;
    struct ctl_client *client; /* NULL until ctl_client_open */
    bool in_vain;              /* the daemon is not there, or does not let us in: more calls are no use */
};

/* Sorts the arguments into `ctl`, wherever options stand. `ctl->word` and `ctl->issuer` are malloc'ed. 0, or -1 after a
 * message. */
int ctl_options_parse(int argc, char **argv, struct ctl *ctl);

/* Prints the help of the options in `mask`. */
void ctl_options_help(unsigned mask);

/* The long name, with its dashes. */
const char *ctl_option_name(enum ctl_option option);

/* A message for people, and `code` back. */
int ctl_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ctl_no_memory(void);

/* Reads a file ("-" is standard input) of at most 1 GiB; CTL_OK, or CTL_USAGE after a message. */
int ctl_read_file(const char *path, struct buffer *into);

/* The commands: `argc` words behind the command's name, as many as its table row allows. They return the exit
 * code. */
int ctl_revoke(struct ctl *ctl, int argc, char **argv);
int ctl_release(struct ctl *ctl, int argc, char **argv);
int ctl_status(struct ctl *ctl, int argc, char **argv);
int ctl_list(struct ctl *ctl, int argc, char **argv);
int ctl_register(struct ctl *ctl, int argc, char **argv);
int ctl_import(struct ctl *ctl, int argc, char **argv);
int ctl_export(struct ctl *ctl, int argc, char **argv);
int ctl_issuers(struct ctl *ctl, int argc, char **argv);
int ctl_crl_publish(struct ctl *ctl, int argc, char **argv);
int ctl_crl_upload(struct ctl *ctl, int argc, char **argv);
int ctl_whoami(struct ctl *ctl, int argc, char **argv);
int ctl_token_create(struct ctl *ctl, int argc, char **argv);
int ctl_token_list(struct ctl *ctl, int argc, char **argv);
int ctl_token_revoke(struct ctl *ctl, int argc, char **argv);
int ctl_audit_show(struct ctl *ctl, int argc, char **argv);
int ctl_audit_verify(struct ctl *ctl, int argc, char **argv);
int ctl_audit_export(struct ctl *ctl, int argc, char **argv);

#endif
