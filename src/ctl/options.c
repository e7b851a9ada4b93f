#include "ctl.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const struct row {
    const char *name;
    char letter;       /* 0: long form only */
    const char *value; /* how its value is called; NULL: a flag */
    const char *help;
} rows[CTL_OPTIONS] = {
    [CTL_SOCKET] = {"socket", 's', "PATH", "admin socket of annuld (default /run/annul/admin.sock)"},
    [CTL_URL] = {"url", 'u', "URL", "admin listener over TCP instead, https://host:port"},
    [CTL_TOKEN_FILE] = {"token-file", 0, "FILE", "file that holds the bearer token"},
    [CTL_CA] = {"ca", 0, "FILE", "the CAs that the daemon's certificate is of"},
    [CTL_CLIENT_CERT] = {"client-cert", 0, "FILE",
                         "our certificate, where the daemon knows clients by theirs"},
    [CTL_CLIENT_KEY] = {"client-key", 0, "FILE", "its key, where it is not in the same file"},
    [CTL_JSON] = {"json", 0, NULL, "print the daemon's JSON"},
    [CTL_QUIET] = {"quiet", 'q', NULL, "print nothing about what worked"},
    [CTL_HELP] = {"help", 'h', NULL, "show this help, or the command's"},
    [CTL_VERSION] = {"version", 'V', NULL, "show the version"},
    [CTL_REASON] = {"reason", 0, "REASON", "why, by RFC 5280 section 5.3.1: keyCompromise, superseded, ..."},
    [CTL_INVALIDITY] = {"invalidity", 0, "TIME", "since when it is not to be trusted, 2026-11-21T09:00:00Z"},
    [CTL_CERT] = {"cert", 0, NULL, "the arguments are files with certificates, PEM or DER"},
    [CTL_FROM] = {"from", 0, "FILE", "a file of serials, a line each, or - for standard input"},
    [CTL_EVEN_A_CA] = {"even-a-ca", 0, NULL, "also a CA's certificate, which ends all below it"},
    [CTL_STATUS] = {"status", 0, "STATUS", "only those that are good, revoked or on hold"},
    [CTL_QUERY] = {"query", 0, "TEXT", "only those whose serial, subject or CN begins with TEXT"},
    [CTL_SUBJECT] = {"subject", 0, "TEXT", "only those whose subject or CN begins with TEXT"},
    [CTL_LIMIT] = {"limit", 0, "N", "at most N"},
    [CTL_FORMAT] = {"format", 0, "FORMAT", "index, crl or certs, where the content does not tell"},
    [CTL_SKIP_BAD] = {"skip-bad", 0, NULL, "leave out malformed rows, and say how many"},
    [CTL_ISSUER] = {"issuer", 0, "ISSUER", "only what is about this issuer, or for it"},
    [CTL_SERIAL] = {"serial", 0, "SERIAL", "only this certificate; list: those that begin so"},
    [CTL_ROLE] = {"role", 0, "ROLE", "viewer, operator (the default) or administrator"},
    [CTL_EXPIRES] = {"expires", 0, "WHEN", "a time, or how long from now: 90d, 12h"},
};

const char *ctl_option_name(enum ctl_option option)
{
    return rows[option].name;
}

/* getopt's two tables, from ours. A long option is reported by its place, 256 and up. The leading dash makes
 * getopt give words in their order, so that options may stand behind them whatever POSIXLY_CORRECT says. */
static void fill_getopt(struct option longs[CTL_OPTIONS + 1], char shorts[2 * CTL_OPTIONS + 2])
{
    *shorts++ = '-';
    for (int i = 0; i < CTL_OPTIONS; i++) {
        longs[i] =
            (struct option){rows[i].name, rows[i].value ? required_argument : no_argument, NULL, 256 + i};
        if (rows[i].letter)
            *shorts++ = rows[i].letter;
        if (rows[i].letter && rows[i].value)
            *shorts++ = ':';
    }
    longs[CTL_OPTIONS] = (struct option){0};
    *shorts = 0;
}

static int option_of(int found)
{
    if (found >= 256)
        return found - 256;
    for (int i = 0; i < CTL_OPTIONS; i++)
        if (rows[i].letter == found)
            return i;
    return -1;
}

int ctl_options_parse(int argc, char **argv, struct ctl *ctl)
{
    struct option longs[CTL_OPTIONS + 1];
    char shorts[2 * CTL_OPTIONS + 2];
    int found;
    fill_getopt(longs, shorts);
    ctl->word = calloc((size_t)argc + 1, sizeof *ctl->word);
    ctl->issuer = calloc((size_t)argc + 1, sizeof *ctl->issuer);
    if (!ctl->word || !ctl->issuer) {
        ctl_no_memory();
        return -1;
    }
    while ((found = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
        if (found == 1) {
            ctl->word[ctl->words++] = optarg;
            continue;
        }
        int option = option_of(found);
        if (found == '?' || option < 0) /* getopt has said which */
            return -1;
        ctl->option[option] = rows[option].value ? optarg : "";
        if (option == CTL_ISSUER)
            ctl->issuer[ctl->issuers++] = optarg;
    }
    while (optind < argc) /* behind "--" */
        ctl->word[ctl->words++] = argv[optind++];
    return 0;
}

void ctl_options_help(unsigned mask)
{
    for (int i = 0; i < CTL_OPTIONS; i++) {
        char left[64], letter[8] = "    ";
        if (!(mask & CTL_OPTION_BIT(i)))
            continue;
        if (rows[i].letter)
            snprintf(letter, sizeof letter, "-%c, ", rows[i].letter);
        snprintf(left, sizeof left, "%s--%s%s%s", letter, rows[i].name, rows[i].value ? " " : "",
                 rows[i].value ? rows[i].value : "");
        printf("  %-24s %s\n", left, rows[i].help);
    }
}
