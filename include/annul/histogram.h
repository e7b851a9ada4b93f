/* How long things took, or how many came at once: counts by size, for metrics. To add costs two relaxed additions. Any
 * thread. */
#ifndef ANNUL_HISTOGRAM_H
#define ANNUL_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 16

/* Upper bounds, each inclusive and more than the one before; and what one of them is worth to those who read it. */
struct histogram_scale {
    uint64_t bounds[HISTOGRAM_BOUNDS];
    double unit;
};
extern const struct histogram_scale histogram_times;   /* values are microseconds, and read as seconds */
extern const struct histogram_scale histogram_numbers; /* of anything */

/* Zero is empty. The last count is of those beyond all bounds. */
struct histogram {
    _Atomic uint64_t counts[HISTOGRAM_BOUNDS + 1], sum;
};
struct histogram_sums {
    uint64_t counts[HISTOGRAM_BOUNDS + 1], sum;
};

void histogram_add(struct histogram *histogram, const struct histogram_scale *scale, uint64_t value);

/* Adds what it has to `sums`, so that several can be read as one. */
void histogram_read(const struct histogram *histogram, struct histogram_sums *sums);

#endif
