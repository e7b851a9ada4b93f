/* The CRLs of a section: of each list the newest, whichever URL gave it. */
#include "stapler.h"

#include <stdlib.h>
#include <string.h>

/* Several URLs may give one CRL: the newest of each CA, scope and point is the one. A consumer that got both might obey
 * the older. */
static bool is_same_list(const struct held *a, const struct held *b)
{
    return crl_same_ca(a, b) && a->facts.head.scope == b->facts.head.scope &&
           bytes_equal(a->facts.head.point, b->facts.head.point);
}

static bool is_newer(const struct held *a, const struct held *b)
{
    int order = crl_number_compare(&a->facts.number, &b->facts.number);
    return order > 0 || (order == 0 && a->window.begin_at > b->window.begin_at);
}

static size_t add_newest(struct held **held, size_t count, struct held *one)
{
    size_t i = 0;
    while (i < count && !is_same_list(held[i], one))
        i++;
    if (i < count && !is_newer(one, held[i]))
        return count;
    if (i < count)
        held_release(held[i]);
    held[i] = held_hold(one);
    return i < count ? count : count + 1;
}

static bool is_of(const struct held *held, const struct certificate *ca)
{
    return bytes_equal(held->facts.head.issuer, (struct bytes){ca->subject.at, ca->subject.len}) &&
           bytes_equal((struct bytes){held->issuer.key_bits.at, held->issuer.key_bits.len},
                       (struct bytes){ca->key_bits.at, ca->key_bits.len});
}

static bool has_point(struct held *const *held, size_t count, const char *url)
{
    for (size_t i = 0; i < count; i++)
        if (bytes_equal(held[i]->facts.head.point, (struct bytes){(const uint8_t *)url, strlen(url)}))
            return true;
    return false;
}

static bool has_all(struct stapler *stapler, const struct section *section, struct held *const *held,
                    size_t count)
{
    struct authorities authorities = {0};
    struct error err;
    bool all = authorities_load(stapler->config, section, &authorities, &err) == 0;
    for (size_t i = 0; all && i < authorities.count; i++) {
        all = false;
        for (size_t j = 0; j < count && !all; j++)
            all = is_of(held[j], &authorities.list[i]) && held[j]->facts.head.scope == CRL_ALL &&
                  held[j]->facts.head.point.len == 0;
    }
    authorities_free(&authorities);
    return all;
}

/* A URL that has not answered yet, and that nothing makes up for: neither a CRL that says it is of that point, nor, for
 * every CA that the section has, one of all its certificates. Or NULL. */
static const char *find_missing(struct stapler *stapler, const struct section *section,
                                const struct lists *lists, const struct list *urls)
{
    for (size_t i = 0; i < urls->count; i++)
        if (!has_point(lists->held, lists->count, urls->at[i]))
            return has_all(stapler, section, lists->held, lists->count) ? NULL : urls->at[i];
    return NULL;
}

int lists_hold(struct stapler *stapler, const struct section *section, struct lists *lists)
{
    struct list urls = {0}; /* that gave none yet */
    *lists = (struct lists){.held = calloc(stapler->crls.count + 1, sizeof(struct held *))};
    if (!lists->held)
        return -1;
    stapler_lock(stapler);
    for (size_t i = 0; i < stapler->crls.count; i++) {
        struct crl *crl = stapler->crls.at[i];
        if (crl->item.section != section)
            continue;
        if (crl->item.held)
            lists->count = add_newest(lists->held, lists->count, crl->item.held);
        else
            list_add(&urls, crl->item.name);
    }
    stapler_unlock(stapler);
    lists->missing = find_missing(stapler, section, lists, &urls);
    free(urls.at);
    return 0;
}

void lists_release(struct lists *lists)
{
    for (size_t i = 0; i < lists->count; i++)
        held_release(lists->held[i]);
    free(lists->held);
}
