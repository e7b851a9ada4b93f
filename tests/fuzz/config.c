/* annuld.conf. Whatever is in the file: a configuration, or a message that begins with the file's name. */
#include "fuzz.h"

#include <annul/config.h>

#include <fcntl.h>
#include <unistd.h>

static char path[64];

static void at_end(void)
{
    unlink(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = {""};
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/annul-fuzz-config-%d", (int)getpid());
        atexit(at_end);
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
    struct config *config = config_load(path, &err);
    if (config) {
        CHECK(config->issuer_count > 0 && config->public.listen_count > 0);
        for (size_t i = 0; i < config->issuer_count; i++)
            CHECK(config->issuers[i].name.text && config->issuers[i].certificate.text);
    } else {
        CHECK(strncmp(err.text, path, strlen(path)) == 0);
    }
    config_free(config);
    return 0;
}
