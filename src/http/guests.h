/* The connections of a TLS listener, which anybody may open: none is to keep out who has a token or a certificate.
 *
 * One network has a few of all. Who has not authenticated yet is a stranger: he may be silent for a few seconds, and when
 * hardly any connection is free the one that came first makes room. Any thread.
 */
#ifndef ANNUL_HTTP_GUESTS_H
#define ANNUL_HTTP_GUESTS_H

#include <microhttpd.h>

#define GUESTS_PER_NETWORK 16 /* connections from an address of IPv4, a /64 network of IPv6 */
#define GUESTS_MAX 64         /* connections of a listener … */
#define GUESTS_SPARE 8        /* … of which so many stay free, as long as there are strangers */
#define GUESTS_PATIENCE_S 5   /* for which a stranger may be silent */

/* A connection of a listener has begun, or is at its end: a MHD_NotifyConnectionCallback. */
void guests_note(void *listener, struct MHD_Connection *connection, void **guest,
                 enum MHD_ConnectionNotificationCode code);

/* It has authenticated, and may now be silent for as long as others. Again, or of another listener: nothing. */
void guests_welcome(struct MHD_Connection *connection, unsigned timeout_s);

#endif
