/* What is known of a certificate besides its status: its subject, its dates, and the shard that it names. What the
 * certificate itself says is certain; what was imported only stands in for it. */
#include "internal.h"

#include <stdio.h>
#include <string.h>

static bool learn_time(int64_t *is, int64_t told, bool certain)
{
    bool news = told != TIME_NONE && told != *is && (certain || *is == TIME_NONE);
    if (news)
        *is = told;
    return news;
}

static bool learn_subject(char **is, char *told, bool certain)
{
    bool news = told && (!*is || (certain && strcmp(*is, told) != 0));
    if (news)
        *is = told;
    return news;
}

static bool learn_shard(unsigned *is, unsigned told, bool certain)
{
    bool news = told && told != *is && (certain || !*is);
    if (news)
        *is = told;
    return news;
}

bool admin_learn(struct cert_record *is, const struct cert_record *told, bool certain)
{
    bool news = learn_subject(&is->subject, told->subject, certain);
    news |= learn_time(&is->not_before, told->not_before, certain);
    news |= learn_time(&is->not_after, told->not_after, certain);
    return learn_shard(&is->shard, told->shard, certain) || news;
}

static const char *time_or_none(int64_t at, char text[TIME_TEXT])
{
    if (at == TIME_NONE)
        return "none";
    time_to_text(at, text);
    return text;
}

static bool describe_time(struct buffer *out, const char *name, int64_t was, int64_t is)
{
    char before[TIME_TEXT], after[TIME_TEXT];
    return was == is || buffer_printf(out, "%s%s %s -> %s", out->len ? "; " : "", name,
                                      time_or_none(was, before), time_or_none(is, after));
}

static bool describe_shard(struct buffer *out, unsigned was, unsigned is)
{
    char before[16] = "none";
    if (was)
        snprintf(before, sizeof before, "%u", was - 1);
    return was == is || buffer_printf(out, "%sshard %s -> %u", out->len ? "; " : "", before, is - 1);
}

/* "not_after none -> 2027-11-21T10:14:05Z; subject none -> CN=client-1" */
static bool describe(struct buffer *out, const struct cert_record *was, const struct cert_record *is)
{
    return describe_shard(out, was->shard, is->shard) &&
           describe_time(out, "not_before", was->not_before, is->not_before) &&
           describe_time(out, "not_after", was->not_after, is->not_after) &&
           (was->subject == is->subject ||
            buffer_printf(out, "%ssubject %s -> %s", out->len ? "; " : "",
                          was->subject ? was->subject : "none", is->subject)) &&
           buffer_add(out, "", 1);
}

/* One that is revoked may have been left out of the CRL by an end that was not its own: it is as if it had changed. */
static int write(struct store_tx *tx, const struct issuer *issuer, const struct cert_record *was,
                 struct cert_record *is, struct error *err)
{
    if (store_tx_set_facts(tx, issuer->id, is, err) < 0)
        return -1;
    if (was->status == CERT_GOOD || was->not_after == TIME_NONE || was->not_after == is->not_after)
        return 0;
    admin_place(issuer, is);
    return store_tx_set_status(tx, issuer->id, was->status, is, err);
}

enum outcome admin_register_row(struct store_tx *tx, const char *action, const struct issuer *issuer,
                                const struct cert_record *row, bool certain, bool *learned, struct error *err)
{
    struct cert_record was;
    struct buffer detail = {0};
    enum outcome known = store_tx_register(tx, issuer->id, row, err);
    *learned = false;
    if (known != FOUND || (known = store_tx_certificate(tx, issuer->id, &row->serial, &was, err)) != FOUND)
        return known;
    struct cert_record is = was;
    *learned = admin_learn(&is, row, certain);
    if (*learned) {
        if (!describe(&detail, &was, &is))
            known = (enum outcome)error_set(err, "out of memory");
        else if (write(tx, issuer, &was, &is, err) < 0 ||
                 store_tx_audit(tx, action, issuer->config->name.text, &row->serial, (const char *)detail.at,
                                err) < 0)
            known = FAILED;
    }
    buffer_free(&detail);
    cert_record_free(&was);
    return known;
}
