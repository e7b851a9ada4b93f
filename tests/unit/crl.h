/* CRLs by hand, and octets that arrive in pieces, for the tests of crl/. */
#ifndef ANNUL_TESTS_CRL_H
#define ANNUL_TESTS_CRL_H

#include "x509.h"

#include <annul/crl.h>

/* One chunk of a text at a time. */
struct source {
    struct bytes rest;
    size_t chunk;
    long calls, fail_at; /* the call that fails, counted from 1; 0: none */
};

static inline long source_read(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct source *source = arg;
    if (++source->calls == source->fail_at)
        return error_set(err, "the cable was read through");
    size_t n = source->rest.len < room ? source->rest.len : room;
    n = n < source->chunk ? n : source->chunk;
    if (n)
        memcpy(into, source->rest.at, n);
    source->rest.at += n;
    source->rest.len -= n;
    return (long)n;
}

static const size_t chunks[] = {1, 7, 65536, SIZE_MAX};

/* A TBSCertList by hand. */
#define V2 "02{01}"
#define ALGORITHM "30{ 06{2a8648ce3d040302} }"
#define NAME "30{ 31{ 30{ 06{550403} 0c{4341} } } }"
#define T1 "17{3236313132313039303030305a}" /* 2026-11-21T09:00:00Z */
#define T2 "17{3236313132383039303030305a}" /* 2026-11-28T09:00:00Z */
#define GENERALIZED "18{32303236313132313039303030305a}"
#define ENTRY(serial, more) "30{ 02{" serial "} " T1 more " }"
#define REASON "30{ 06{551d15} 04{ 0a{01} } }"
#define REMOVE "30{ 06{551d15} 04{ 0a{08} } }"
#define INVALIDITY "30{ 06{551d18} 04{ " GENERALIZED " } }"
#define AUTHORITY "30{ 06{551d23} 04{ 30{ 80{aa*20} } } }"
#define NUMBER "30{ 06{551d14} 04{ 02{05} } }"
#define BASE(number) "30{ 06{551d1b} 01{ff} 04{ 02{" number "} } }"
#define URI "86{687474703a2f2f61}" /* http://a */
#define POINT(content) "30{ 06{551d1c} 01{ff} 04{ 30{ " content " } } }"
#define FULL(names) "a0{ a0{ " names " } }"
#define FRESHEST(points) "30{ 06{551d2e} 04{ 30{ " points " } } }"
#define EXPIRED(time) "30{ 06{551d3c} 04{ " time " } }"
#define UNKNOWN(critical) "30{ 06{2a0304} " critical " 04{ 0500 } }"
#define EXTENSIONS(list) "a0{ 30{ " list " } }"
#define BOTH EXTENSIONS(AUTHORITY NUMBER)
#define WITH(extension) TBS("", EXTENSIONS(AUTHORITY NUMBER extension))
#define LIST(entries) "30{ " entries " }"
#define TBS(entries, extensions) "30{ " V2 ALGORITHM NAME T1 T2 entries extensions " }"

#endif
