#include "serials.h"

#include <stdlib.h>

static int release_one(struct ctl *ctl, const char *issuer, const char *serial, int width, const void *arg)
{
    (void)arg;
    struct buffer about = {0};
    char *path = ctl_client_path("/api/v1/issuers/{}/certificates/{}/release", issuer, serial);
    int code = CTL_OK;
    if (!path || !buffer_printf(&about, "release %s of %s", serial, issuer)) {
        code = ctl_no_memory();
    } else {
        struct ctl_call call = {.method = "POST", .path = path, .about = (const char *)about.at};
        code = ctl_serial_call(ctl, &call, width, NULL);
    }
    free(path);
    buffer_free(&about);
    return code;
}

int ctl_release(struct ctl *ctl, int argc, char **argv)
{
    return ctl_serials_each(ctl, argc, argv, release_one, NULL);
}
