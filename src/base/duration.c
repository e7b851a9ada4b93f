#include <annul/config.h>

#include <errno.h>
#include <stdlib.h>

bool config_duration(const char *text, int64_t *seconds)
{
    static const struct {
        char unit;
        int64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {0, 1}};
    char *end;
    errno = 0;
    long number = strtol(text, &end, 10);
    if (errno || end == text || text[0] < '0' || text[0] > '9' || number > INT32_MAX || (*end && end[1]))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (units[i].unit == *end) {
            *seconds = number * units[i].seconds;
            return true;
        }
    }
    return false;
}
