/* The HTTP edge: listeners, routes, one file a resource.
 *
 * Public listeners serve CRLs, OCSP and CA certificates; admin listeners (a Unix socket, loopback TCP) serve
 * the API. They never share one.
 */
#ifndef ANNUL_HTTP_H
#define ANNUL_HTTP_H

#include <annul/admin.h>
#include <annul/config.h>
#include <annul/intake.h>
#include <annul/responder.h>

/* What requests are answered with. The pointers must outlive the listeners. */
struct http_services {
    const struct config *config;
    struct issuers *issuers;
    struct store *store;
    struct signer *signer;
    struct responder *responder;
    struct publisher *publisher;
    struct admin *admin;
    struct intake *intake;
};

struct http;

/* 0 where every listen address can be read, admin is on loopback, and aliases do not collide; for `annuld
 * -t`. */
int http_check(const struct config *config, struct error *err);

/* Binds and serves. NULL with the reason, which names the address. */
struct http *http_start(const struct http_services *services, struct error *err);

/* From here on no request waits for anything; returns when none does. Call publisher_halt before it. NULL-safe. */
void http_halt(struct http *http);

/* The same, and closes. NULL-safe. */
void http_stop(struct http *http);

#endif
