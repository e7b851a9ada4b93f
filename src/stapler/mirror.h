/* The local mirror: what was verified, over HTTP on loopback, for brokers that only know how to fetch. */
#ifndef ANNUL_STAPLER_MIRROR_H
#define ANNUL_STAPLER_MIRROR_H

#include "stapler.h"

struct mirror;

/* Checks the addresses: loopback only. */
int mirror_check(const struct stapler_config *config, struct error *err);

/* 0 and NULL where none is configured. */
int mirror_start(struct stapler *stapler, struct mirror **mirror, struct error *err);
void mirror_stop(struct mirror *mirror); /* NULL-safe */

#endif
