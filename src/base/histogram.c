#include <annul/histogram.h>

const struct histogram_scale histogram_times = {
    {50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,
     10000000},
    1e-6,
};
const struct histogram_scale histogram_numbers = {
    {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768},
    1,
};

void histogram_add(struct histogram *histogram, const struct histogram_scale *scale, uint64_t value)
{
    unsigned i = 0;
    while (i < HISTOGRAM_BOUNDS && value > scale->bounds[i])
        i++;
    atomic_fetch_add_explicit(&histogram->counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

void histogram_read(const struct histogram *histogram, struct histogram_sums *sums)
{
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        sums->counts[i] += atomic_load_explicit(&histogram->counts[i], memory_order_relaxed);
    sums->sum += atomic_load_explicit(&histogram->sum, memory_order_relaxed);
}
