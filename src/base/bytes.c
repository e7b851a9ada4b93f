#include <annul/bytes.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool bytes_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

int bytes_compare(struct bytes a, struct bytes b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common ? memcmp(a.at, b.at, common) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

bool buffer_reserve(struct buffer *buffer, size_t more)
{
    if (more <= buffer->room - buffer->len)
        return true;
    if (more > SIZE_MAX / 2 - buffer->len)
        return false;
    size_t room = buffer->room ? buffer->room : 256;
    while (room < buffer->len + more)
        room *= 2;
    uint8_t *at = realloc(buffer->at, room);
    if (!at)
        return false;
    buffer->at = at;
    buffer->room = room;
    return true;
}

bool buffer_add(struct buffer *buffer, const void *data, size_t len)
{
    if (!buffer_reserve(buffer, len))
        return false;
    if (len)
        memcpy(buffer->at + buffer->len, data, len);
    buffer->len += len;
    return true;
}

bool buffer_add_text(struct buffer *buffer, const char *text)
{
    return buffer_add(buffer, text, strlen(text));
}

bool buffer_printf(struct buffer *buffer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0 || !buffer_reserve(buffer, (size_t)len + 1))
        return false;
    va_start(args, format);
    vsnprintf((char *)buffer->at + buffer->len, (size_t)len + 1, format, args);
    va_end(args);
    buffer->len += (size_t)len;
    return true;
}

void buffer_free(struct buffer *buffer)
{
    if (!buffer)
        return;
    free(buffer->at);
    *buffer = (struct buffer){0};
}

int file_read(const char *path, size_t max, struct buffer *into)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    struct buffer all = {0};
    int failure = 0;
    for (;;) {
        if (!buffer_reserve(&all, 4097)) {
            failure = ENOMEM;
            break;
        }
        ssize_t n = read(fd, all.at + all.len, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            failure = n < 0 ? errno : 0;
            break;
        }
        all.len += (size_t)n;
        if (all.len > max) {
            failure = EFBIG;
            break;
        }
    }
    close(fd);
    if (failure) {
        buffer_free(&all);
        errno = failure;
        return -1;
    }
    all.at[all.len] = 0;
    *into = all;
    return 0;
}
