/* Getting hold of a signer. One thread at a time. */
#ifndef ANNUL_SIGNER_LAUNCH_H
#define ANNUL_SIGNER_LAUNCH_H

#include <annul/config.h>

#include <sys/types.h>

struct launch {
    const struct config *config;
    char *program;
    pid_t child; /* 0 where none of ours runs */
};

/* -1 when out of memory. */
int launch_prepare(struct launch *launch, const struct config *config);
void launch_forget(struct launch *launch);

/* Starts annul-signer, or connects to the socket that the configuration names. The socket, or -1 with the reason. */
int launch_signer(struct launch *launch, struct error *err);

/* Ends the child and takes its status. Call it when the socket is closed. */
void launch_reap(struct launch *launch);

#endif
