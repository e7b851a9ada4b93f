#include "meters.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* Threads that count at the same time do so in different places, else each would wait for the other's cache line. */
#define STRIPES 8
#define CACHE_LINE 64

struct stripe {
    alignas(CACHE_LINE) _Atomic uint64_t codes[METERS_KINDS][METERS_CODES];
    struct histogram times[METERS_KINDS];
};

struct meters {
    struct stripe stripes[STRIPES];
};

/* The most frequent first. 0: nothing was answered. The last stands for all others. */
static const struct {
    unsigned status;
    const char *name;
} codes[] = {
    {200, "200"}, {304, "304"}, {206, "206"}, {201, "201"}, {204, "204"}, {400, "400"},
    {401, "401"}, {403, "403"}, {404, "404"}, {405, "405"}, {409, "409"}, {412, "412"},
    {413, "413"}, {414, "414"}, {415, "415"}, {416, "416"}, {422, "422"}, {429, "429"},
    {431, "431"}, {500, "500"}, {503, "503"}, {0, "none"},  {1, "other"},
};
#define CODE_OTHER (sizeof codes / sizeof *codes - 1)
_Static_assert(sizeof codes / sizeof *codes <= METERS_CODES, "METERS_CODES");

static const char *const kind_names[METERS_KINDS] = {
    [METERS_OCSP] = "ocsp",
    [METERS_CRL] = "crl",
    [METERS_CRL_WAITED] = "crl_waited",
    [METERS_CA] = "ca",
    [METERS_API] = "api",
    [METERS_API_WAITED] = "api_waited",
    [METERS_MONITORING] = "monitoring",
    [METERS_PAGE] = "page",
    [METERS_NO_ROUTE] = "no_route",
};

struct meters *meters_new(void)
{
    struct meters *meters = aligned_alloc(CACHE_LINE, sizeof *meters);
    if (meters)
        memset(meters, 0, sizeof *meters);
    return meters;
}

void meters_free(struct meters *meters)
{
    free(meters);
}

static enum meters_kind kind_of(const struct request *request)
{
    static const struct {
        const char *prefix;
        enum meters_kind kind;
    } kinds[] = {{"/crl/", METERS_CRL},          {"/ca/", METERS_CA},
                 {"/api/", METERS_API},          {"/healthz", METERS_MONITORING},
                 {"/readyz", METERS_MONITORING}, {"/metrics", METERS_MONITORING}};
    const struct route *route = request->route;
    if (!route)
        return METERS_NO_ROUTE;
    if (route->handle == ocsp_post || route->handle == ocsp_get)
        return METERS_OCSP;
    if (request->waiting.slept)
        return request->is_admin ? METERS_API_WAITED : METERS_CRL_WAITED;
    if (route->handle == crl_configured_get)
        return METERS_CRL;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strncmp(route->path, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            return kinds[i].kind;
    return METERS_PAGE;
}

static size_t code_of(unsigned status)
{
    size_t i = 0;
    while (i < CODE_OTHER && codes[i].status != status)
        i++;
    return i;
}

static struct stripe *own_stripe(struct meters *meters)
{
    static atomic_uint threads;
    static _Thread_local unsigned mine; /* from 1 on; 0: none yet */
    if (!mine)
        mine = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) % STRIPES + 1;
    return &meters->stripes[mine - 1];
}

void meters_note(struct request *request)
{
    struct stripe *stripe = own_stripe(request->meters);
    enum meters_kind kind = kind_of(request);
    atomic_fetch_add_explicit(&stripe->codes[kind][code_of(request->status)], 1, memory_order_relaxed);
    if (request->status)
        histogram_add(&stripe->times[kind], &histogram_times,
                      (uint64_t)(request->answered_us - request->began_us));
}

void meters_read(const struct meters *meters, enum meters_kind kind, struct meters_sums *sums)
{
    *sums = (struct meters_sums){0};
    for (size_t s = 0; s < STRIPES; s++) {
        const struct stripe *stripe = &meters->stripes[s];
        for (size_t i = 0; i < METERS_CODES; i++)
            sums->codes[i] += atomic_load_explicit(&stripe->codes[kind][i], memory_order_relaxed);
        histogram_read(&stripe->times[kind], &sums->times);
    }
}

const char *meters_kind_name(enum meters_kind kind)
{
    return kind_names[kind];
}

const char *meters_code_name(size_t code)
{
    return code < sizeof codes / sizeof *codes ? codes[code].name : NULL;
}
