/* TLS of the admin listeners, by libmicrohttpd's GnuTLS: our certificate, and those of clients.
 *
 * The certificate and the key are read anew when their files change; the CAs of clients only at the start. One at a time in a
 * process, since the callback of GnuTLS has no argument.
 */
#ifndef ANNUL_HTTP_TLS_H
#define ANNUL_HTTP_TLS_H

#include "internal.h"

/* 0 where the files are there and fit together, or where TLS is not configured. For `annuld -t`. */
int tls_check(const struct config *config, struct error *err);

/* Reads the files. 0, or -1 with file and line. */
int tls_start(const struct config *config, struct error *err);
void tls_stop(void);

/* The options of a listener; valid until tls_stop. They end with MHD_OPTION_END. */
const struct MHD_OptionItem *tls_options(void);

/* The certificate that a client has shown in this connection, and what is above it, as it sent them: FOUND, with the first of
 * them in `certificate` (to be freed). ABSENT: none. FAILED: not one that is good now, by the CAs of clients and by what
 * we know ourselves of its revocation; `err` says why, and `broken` whether it was for a failure of ours. */
enum outcome tls_client(struct request *request, struct certificate *certificate, bool *broken,
                        struct error *err);

/* Whether the request came by TLS. */
bool tls_is_on(const struct request *request);

/* Sends octets past libmicrohttpd, as far as they go without a wait. */
void tls_send(struct MHD_Connection *connection, const char *text, size_t len);

#endif
