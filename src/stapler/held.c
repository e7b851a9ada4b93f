#include "stapler.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct held *held_new(void)
{
    struct held *held = calloc(1, sizeof *held);
    if (held)
        atomic_init(&held->holders, 1);
    return held;
}

struct held *held_hold(struct held *held)
{
    if (held)
        atomic_fetch_add(&held->holders, 1);
    return held;
}

void held_release(struct held *held)
{
    if (!held || atomic_fetch_sub(&held->holders, 1) > 1)
        return;
    if (held->map)
        munmap(held->map, held->der.len);
    buffer_free(&held->memory);
    crl_scan_free(held->scan);
    certificate_free(&held->issuer);
    free(held);
}

bool held_is_behind(const struct held *held, const struct held *present)
{
    return held->window.begin_at < present->window.begin_at ||
           (held->window.begin_at == present->window.begin_at &&
            present->verdict.status == OCSP_CERT_REVOKED && held->verdict.status != OCSP_CERT_REVOKED);
}

/* What was verified is `fd`, whatever has its name by now. The file may be replaced by rename, never changed: so the octets stay those that were verified. */
bool held_map(struct held *held, int fd)
{
    struct stat status;
    void *map = MAP_FAILED;
    if (fstat(fd, &status) == 0 && status.st_size > 0)
        map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return false;
    held->map = map;
    held->der = (struct bytes){map, (size_t)status.st_size};
    return true;
}
