/* Where a request comes from. */
#include "internal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static const struct sockaddr *address_of(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    return info ? info->client_addr : NULL;
}

void origin_text(struct MHD_Connection *connection, char out[ORIGIN_TEXT])
{
    const struct sockaddr *from = address_of(connection);
    snprintf(out, ORIGIN_TEXT, "unix");
    if (from && from->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)from)->sin_addr, out, ORIGIN_TEXT);
    else if (from && from->sa_family == AF_INET6)
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, out, ORIGIN_TEXT);
}

void origin_network(struct MHD_Connection *connection, char out[ORIGIN_TEXT])
{
    const struct sockaddr *from = address_of(connection);
    origin_text(connection, out);
    if (!from || from->sa_family != AF_INET6)
        return;
    struct in6_addr address = ((const struct sockaddr_in6 *)(const void *)from)->sin6_addr;
    memset(&address.s6_addr[8], 0, 8);
    inet_ntop(AF_INET6, &address, out, ORIGIN_TEXT);
    strcat(out, "/64");
}
