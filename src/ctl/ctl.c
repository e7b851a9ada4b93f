#include "ctl.h"
#include "print.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define FILE_MAX ((size_t)1 << 30)

int ctl_worse(int a, int b)
{
    static const int mild_to_bad[] = {CTL_OK,      CTL_ON_HOLD, CTL_REVOKED,     CTL_UNKNOWN,
                                      CTL_REFUSED, CTL_USAGE,   CTL_UNREACHABLE, CTL_UNAUTHORISED};
    for (size_t i = sizeof mild_to_bad / sizeof *mild_to_bad; i-- > 0;)
        if (a == mild_to_bad[i] || b == mild_to_bad[i])
            return mild_to_bad[i];
    return a;
}

int ctl_fail(int code, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fflush(stdout); /* keeps the order where both go to one terminal */
    fputs("annulctl: ", stderr);
    ctl_put_visible(stderr, text);
    fputc('\n', stderr);
    return code;
}

int ctl_no_memory(void)
{
    return ctl_fail(CTL_UNREACHABLE, "out of memory");
}

int ctl_read_file(const char *path, struct buffer *into)
{
    if (file_read(strcmp(path, "-") == 0 ? "/dev/stdin" : path, FILE_MAX, into) == 0)
        return CTL_OK;
    return ctl_fail(CTL_USAGE, "cannot read %s: %s", path,
                    errno == EFBIG ? "it is larger than 1 GiB; split it" : strerror(errno));
}
