#include "pages.h"
#include "print.h"
#include "serials.h"

#include <annul/number.h>

#include <limits.h>
#include <stdlib.h>
#include <string.h>

struct listing {
    const struct ctl *ctl;
    int serial_width; /* the widest so far: the list is printed as it comes */
};

static int print_page(void *arg, const json_t *page)
{
    struct listing *listing = arg;
    for (size_t i = 0; i < json_array_size(page); i++) {
        int len = (int)json_string_length(json_object_get(json_array_get(page, i), "serial"));
        listing->serial_width = len > listing->serial_width ? len : listing->serial_width;
    }
    for (size_t i = 0; i < json_array_size(page); i++) {
        const json_t *certificate = json_array_get(page, i);
        if (listing->ctl->option[CTL_JSON])
            ctl_print_json(certificate);
        else
            ctl_print_certificate(certificate, listing->serial_width, NULL);
    }
    return fflush(stdout) == 0 ? CTL_OK : CTL_USAGE; /* main says why */
}

static int read_limit(const struct ctl *ctl, int64_t *limit)
{
    const char *text = ctl->option[CTL_LIMIT], *status = ctl->option[CTL_STATUS];
    *limit = LONG_MAX;
    if (text && (!number_from_text(text, LONG_MAX, limit) || *limit < 1))
        return ctl_fail(CTL_USAGE, "--limit %s is not a number of certificates from 1", text);
    if (status && strcmp(status, "good") != 0 && strcmp(status, "revoked") != 0 &&
        strcmp(status, "hold") != 0)
        return ctl_fail(CTL_USAGE, "--status %s is none of good, revoked, hold", status);
    return CTL_OK;
}

int ctl_list(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    const char *serial = ctl->option[CTL_SERIAL];
    struct listing listing = {.ctl = ctl};
    struct ctl_filter filter = {.issuer = argv[0],
                                .status = ctl->option[CTL_STATUS],
                                .query = ctl->option[CTL_QUERY],
                                .serial = serial ? ctl_serial_typed(serial) : NULL,
                                .subject = ctl->option[CTL_SUBJECT]};
    int code = read_limit(ctl, &filter.limit);
    return code == CTL_OK ? ctl_pages_walk(ctl, &filter, print_page, &listing) : code;
}
