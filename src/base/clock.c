#include <annul/clock.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifdef ANNUL_TEST
static int64_t test_offset(void)
{
    const char *path = getenv("ANNUL_CLOCK_OFFSET_FILE");
    FILE *file = path ? fopen(path, "re") : NULL;
    long long offset = 0;
    if (file && fscanf(file, "%lld", &offset) != 1)
        offset = 0;
    if (file)
        fclose(file);
    return offset;
}
#else
static int64_t test_offset(void)
{
    return 0;
}
#endif

int64_t clock_now(void)
{
    return (int64_t)time(NULL) + test_offset();
}

int64_t clock_monotonic_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t clock_monotonic_ms(void)
{
    return clock_monotonic_us() / 1000;
}
