/* "ADDRESS:PORT" of a configuration, and the socket that listens there. */
#ifndef ANNUL_LISTEN_H
#define ANNUL_LISTEN_H

#include <annul/error.h>

#include <netdb.h>
#include <stdbool.h>

/* "127.0.0.1:80", "[::1]:80", "localhost:80". 0, freed with freeaddrinfo, or -1. */
int listen_resolve(const char *text, struct addrinfo **addresses, struct error *err);

bool listen_is_loopback(const struct sockaddr *address);

/* The socket, not blocking; "[::]" is every IPv6 address and those alone. -1 with the reason. */
int listen_tcp(const char *text, struct error *err);

#endif
