/* annulctl: the operator's command line. It finds the command in a table, and hands it the arguments. */
#include "ctl/client.h"
#include "ctl/ctl.h"

#include <annul/fetch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BIT CTL_OPTION_BIT
#define GLOBAL (BIT(CTL_GLOBAL_OPTIONS) - 1)

static const struct command {
    const char *name; /* one word or two */
    const char *arguments;
    int fewest, most; /* words behind the name; most 0: any number */
    unsigned options; /* beside the global ones */
    int (*run)(struct ctl *ctl, int argc, char **argv);
    const char *summary;
    const char *help;
} commands[] = {
    {"revoke", "[--reason R] [--invalidity TIME] ISSUER SERIAL... | --from FILE ISSUER | --cert FILE...", 1,
     0, BIT(CTL_REASON) | BIT(CTL_INVALIDITY) | BIT(CTL_CERT) | BIT(CTL_FROM) | BIT(CTL_EVEN_A_CA),
     ctl_revoke, "revoke certificates, or put them on hold",
     "The reason certificateHold can be released again; every other is for good. With --cert each file\n"
     "holds one certificate, which need not be registered; that of a CA needs --even-a-ca. With --from each "
     "line of the file is a serial,\n"
     "or a serial, a comma and a reason; empty lines and those that begin with # are skipped.\n"},
    {"release", "ISSUER SERIAL...", 2, 0, 0, ctl_release, "make certificates good again that are on hold",
     ""},
    {"status", "ISSUER SERIAL... | --cert FILE...", 1, 0, BIT(CTL_CERT), ctl_status,
     "show the status of certificates",
     "Exits with 0 when all are good, 10 when one is revoked, 11 on hold, 12 unknown.\n"},
    {"list", "ISSUER [--status S] [--serial S|--subject T|--query T] [--limit N]", 1, 1,
     BIT(CTL_STATUS) | BIT(CTL_QUERY) | BIT(CTL_SERIAL) | BIT(CTL_SUBJECT) | BIT(CTL_LIMIT), ctl_list,
     "list an issuer's certificates", "With --json: one object a line.\n"},
    {"register", "FILE...", 1, 0, 0, ctl_register, "make certificates known to the daemon",
     "PEM bundles of any size, or DER. Private keys beside the certificates are not sent.\n"},
    {"import", "ISSUER FILE [--format index|crl|certs] [--skip-bad]", 2, 2,
     BIT(CTL_FORMAT) | BIT(CTL_SKIP_BAD), ctl_import,
     "import certificates, a CRL, or the index.txt of openssl ca",
     "Doing it twice is harmless, and nothing that is revoked becomes good. A CRL counts only if the\n"
     "issuer signed it. FILE - is standard input.\n"},
    {"export", "ISSUER [FILE]", 1, 2, 0, ctl_export, "write an index.txt for openssl ca", ""},
    {"issuers", "", 0, 0, 0, ctl_issuers, "list the issuers and their CRLs", ""},
    {"crl publish", "ISSUER", 1, 1, 0, ctl_crl_publish, "publish a new CRL now", ""},
    {"crl upload", "ISSUER FILE", 2, 2, 0, ctl_crl_upload, "publish a CRL that the CA made elsewhere",
     "For an issuer with crl_upload = true. PEM or DER, complete or a delta; it is verified before anything\n"
     "changes, and OCSP follows it. FILE - is standard input.\n"},
    {"whoami", "", 0, 0, 0, ctl_whoami, "show who the daemon takes you for, and what you may", ""},
    {"token create", "NAME [--role R] [--issuer I]... [--expires WHEN]", 1, 1,
     BIT(CTL_ROLE) | BIT(CTL_ISSUER) | BIT(CTL_EXPIRES), ctl_token_create, "make a token and print it",
     "The token is shown this once: `annulctl token create ops > FILE`.\n"
     "A viewer may look; an operator may register, revoke and release too; an administrator may do\n"
     "everything. With --issuer it is for these issuers alone.\n"},
    {"token list", "", 0, 0, 0, ctl_token_list, "list the tokens", ""},
    {"token revoke", "ID|NAME", 1, 1, 0, ctl_token_revoke, "end a token", ""},
    {"audit show", "[--issuer I] [--serial S] [--limit N]", 0, 0,
     BIT(CTL_ISSUER) | BIT(CTL_SERIAL) | BIT(CTL_LIMIT), ctl_audit_show,
     "show who did what, the newest first",
     "100 entries where --limit does not say. With --json: one object a line.\n"},
    {"audit verify", "[FILE]", 0, 1, 0, ctl_audit_verify, "check that nobody has touched the audit trail",
     "Exits with 1 and names the first entry that was changed, moved or added, or is missing. FILE is what\n"
     "`annulctl audit export` wrote.\n"},
    {"audit export", "", 0, 0, 0, ctl_audit_export, "write the whole audit trail, an object a line", ""},
};
#define COMMANDS (sizeof commands / sizeof *commands)

static void print_usage(void)
{
    puts("usage: annulctl [options] COMMAND [arguments]\n\nCommands:");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-14s %s\n", commands[i].name, commands[i].summary);
    puts("\nOptions, before or behind the command:");
    ctl_options_help(GLOBAL);
    puts("\n`annulctl help COMMAND` tells more; the manual page is annulctl(1).");
}

static void print_command_help(const struct command *command)
{
    printf("usage: annulctl %s%s%s\n\n%s%s", command->name, *command->arguments ? " " : "",
           command->arguments, command->help, *command->help ? "\n" : "");
    ctl_options_help(command->options | GLOBAL);
}

static bool matches(const char *name, int words, char **word, int *used)
{
    const char *second = strchr(name, ' ');
    size_t first_len = second ? (size_t)(second - name) : strlen(name);
    *used = second ? 2 : 1;
    return words >= *used && strlen(word[0]) == first_len && strncmp(word[0], name, first_len) == 0 &&
           (!second || strcmp(word[1], second + 1) == 0);
}

/* The command that the words begin with; `used` is how many words its name has. */
static const struct command *find_command(int words, char **word, int *used)
{
    for (size_t i = 0; i < COMMANDS; i++)
        if (matches(commands[i].name, words, word, used))
            return &commands[i];
    return NULL;
}

static int fail_no_command(int words, char **word)
{
    for (size_t i = 0; words > 0 && i < COMMANDS; i++) {
        size_t len = strlen(word[0]);
        if (strncmp(commands[i].name, word[0], len) == 0 && commands[i].name[len] == ' ')
            return ctl_fail(CTL_USAGE, "what about \"%s\"? The command is `%s %s`", word[0], commands[i].name,
                            commands[i].arguments);
    }
    if (words > 0)
        return ctl_fail(CTL_USAGE, "there is no command \"%s\"; see `annulctl --help`", word[0]);
    return ctl_fail(CTL_USAGE, "which command? See `annulctl --help`");
}

static int check_arguments(const struct ctl *ctl, const struct command *command, int argc)
{
    /* "issuers" and "token list" take none: there 0 is really none. */
    bool too_many = command->most ? argc > command->most : argc > 0 && command->fewest == 0;
    for (int i = CTL_GLOBAL_OPTIONS; i < CTL_OPTIONS; i++)
        if (ctl->option[i] && !(command->options & BIT(i)))
            return ctl_fail(CTL_USAGE, "%s has no option --%s; see `annulctl help %s`", command->name,
                            ctl_option_name((enum ctl_option)i), command->name);
    if (argc < command->fewest || too_many)
        return ctl_fail(CTL_USAGE, "usage: annulctl %s%s%s", command->name, *command->arguments ? " " : "",
                        command->arguments);
    return CTL_OK;
}

static int run_command(struct ctl *ctl, const struct command *command, int used)
{
    struct error err;
    int code = check_arguments(ctl, command, ctl->words - used);
    if (code != CTL_OK)
        return code;
    if (fetch_start(&err) < 0)
        return ctl_fail(CTL_UNREACHABLE, "%s", err.text);
    code = ctl_client_open(ctl);
    if (code == CTL_OK)
        code = command->run(ctl, ctl->words - used, ctl->word + used);
    ctl_client_close(ctl);
    fetch_stop();
    return code;
}

/* `annulctl help revoke`, `annulctl revoke --help`, `annulctl --help`. */
static int help(int words, char **word)
{
    int used;
    const struct command *command = find_command(words, word, &used);
    if (command)
        print_command_help(command);
    else if (words > 0)
        return fail_no_command(words, word);
    else
        print_usage();
    return CTL_OK;
}

static int dispatch(struct ctl *ctl)
{
    int used;
    bool asks_help = ctl->words > 0 && strcmp(ctl->word[0], "help") == 0;
    if (ctl->option[CTL_VERSION]) {
        puts("annulctl " ANNUL_VERSION);
        return CTL_OK;
    }
    if (asks_help || ctl->option[CTL_HELP])
        return help(ctl->words - asks_help, ctl->word + asks_help);
    const struct command *command = find_command(ctl->words, ctl->word, &used);
    return command ? run_command(ctl, command, used) : fail_no_command(ctl->words, ctl->word);
}

int main(int argc, char **argv)
{
    struct ctl ctl = {0};
    int code = ctl_options_parse(argc, argv, &ctl) < 0 ? CTL_USAGE : dispatch(&ctl);
    free(ctl.word);
    free(ctl.issuer);
    if (fflush(stdout) != 0 || ferror(stdout))
        code = ctl_worse(code, ctl_fail(CTL_USAGE, "cannot write to standard output"));
    return code;
}
