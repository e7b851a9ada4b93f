#include "pages.h"
#include "client.h"
#include "print.h"

#include <annul/fetch.h>

#include <stdlib.h>
#include <string.h>

#define PAGE 1000 /* the most that the API gives at once */

static char *page_path(const struct ctl_filter *filter, const char *after, long limit)
{
    struct buffer path = {0};
    const char *const parameters[][2] = {
        {"&status=", filter->status},   {"&q=", filter->query}, {"&serial=", filter->serial},
        {"&subject=", filter->subject}, {"&after=", after},
    };
    bool good = buffer_add_text(&path, "/api/v1/issuers/") && fetch_url_escape(&path, filter->issuer) &&
                buffer_printf(&path, "/certificates?limit=%ld", limit);
    for (size_t i = 0; good && i < sizeof parameters / sizeof *parameters; i++)
        if (parameters[i][1])
            good = buffer_add_text(&path, parameters[i][0]) && fetch_url_escape(&path, parameters[i][1]);
    if (good && buffer_add(&path, "", 1))
        return (char *)path.at;
    buffer_free(&path);
    return NULL;
}

/* One page; `after` is replaced by where the next one starts, NULL behind the last. */
static int walk_page(struct ctl *ctl, const struct ctl_filter *filter, char **after, long *left,
                     ctl_page *page, void *arg)
{
    struct buffer about = {0};
    json_t *answer = NULL;
    char *path = page_path(filter, *after, *left < PAGE ? *left : PAGE);
    int code = path && buffer_printf(&about, "list the certificates of %s", filter->issuer)
                   ? ctl_client_get(ctl, path, (const char *)about.at, &answer)
                   : ctl_no_memory();
    const json_t *certificates = json_object_get(answer, "certificates");
    const char *next = ctl_json_text(answer, "next", NULL);
    if (code == CTL_OK && !json_is_array(certificates))
        code = ctl_fail(CTL_UNREACHABLE, "%s: the answer has no certificates", (const char *)about.at);
    if (code == CTL_OK && next && *after && strcmp(next, *after) == 0)
        code = ctl_fail(CTL_UNREACHABLE, "%s: the daemon gives the same page again", (const char *)about.at);
    if (code == CTL_OK)
        code = page(arg, certificates);
    free(*after);
    *after = NULL;
    *left -= (long)json_array_size(certificates);
    if (code == CTL_OK && next && *left > 0 && !(*after = strdup(next)))
        code = ctl_no_memory();
    json_decref(answer);
    free(path);
    buffer_free(&about);
    return code;
}

int ctl_pages_walk(struct ctl *ctl, const struct ctl_filter *filter, ctl_page *page, void *arg)
{
    char *after = NULL;
    long left = filter->limit;
    int code;
    do
        code = walk_page(ctl, filter, &after, &left, page, arg);
    while (code == CTL_OK && after);
    free(after);
    return code;
}
