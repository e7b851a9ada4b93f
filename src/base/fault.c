#include <annul/fault.h>

#ifdef ANNUL_TEST
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void fault_point(const char *name)
{
    static atomic_int arrivals;
    const char *wanted = getenv("ANNUL_FAULT");
    size_t len = strlen(name);
    if (!wanted || strncmp(wanted, name, len) != 0 || (wanted[len] && wanted[len] != ':'))
        return;
    int at = wanted[len] == ':' ? atoi(wanted + len + 1) : 1;
    if (atomic_fetch_add(&arrivals, 1) + 1 == at)
        kill(getpid(), SIGKILL);
}

void fault_pause(const char *name)
{
    const char *wanted = getenv("ANNUL_PAUSE");
    if (wanted && strcmp(wanted, name) == 0)
        usleep(20000);
}
#endif
