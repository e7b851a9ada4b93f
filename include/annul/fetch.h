/* HTTP requests, over TCP or a Unix socket, one at a time on a handle that keeps its connection.
 *
 * A request names everything it may cost: how long it may take and how much it may bring. Redirects are followed only
 * where asked for, only by GET and HEAD and only to http and https; proxies are used only where asked for. The bearer
 * token goes into the Authorization header and nowhere else: not into messages, and not to another host. Where a name
 * has addresses of both kinds, IPv6 is tried first, and IPv4 beside it after 200 ms (RFC 8305).
 *
 * An answer with any status is a success here; what 404 means is the caller's affair. One handle is for one
 * thread; several handles may be used at once after fetch_start.
 */
#ifndef ANNUL_FETCH_H
#define ANNUL_FETCH_H

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/time.h>

#include <stdatomic.h>

#define FETCH_CONTENT_TYPE_MAX 128
#define FETCH_ETAG_MAX 200

/* How a handle connects. The strings are copied. */
struct fetch_options {
    const char *socket_path; /* Unix socket; NULL: TCP, to the host of the URL */
    const char *bearer;      /* token; NULL: none is sent */
    const char *user_agent;  /* NULL: none is sent */
    int64_t connect_ms;      /* for the connection alone; 0: 5 seconds */
    bool use_proxy;          /* obey http_proxy and its like */
    const char *proxy;       /* this one, whatever they say; NULL: none but those */
    const char *ca; /* file of the CAs that https servers are of; NULL: those that the system trusts */
    const char *certificate; /* file with our certificate for https, and those above it; NULL: none */
    const char *key;         /* file with its key; NULL: it is in the same one */
};

/* Takes the next piece of an answer's body; other than 0 ends the transfer with an error. */
typedef int fetch_sink(void *arg, struct bytes piece);

#define FETCH_SLOW 100
struct fetch_request {
    const char *method;         /* "GET"; HEAD brings no body */
    const char *url;            /* http or https; over a Unix socket its host is only the Host header */
    const char *shown;          /* in messages, in place of the URL; NULL: the URL */
    struct bytes body;          /* sent where `content_type` is not NULL, borrowed until the call returns */
    const char *content_type;   /* NULL: no body */
    const char *const *headers; /* more "Name: value" lines, NULL at the end; or NULL */
    int64_t total_ms;           /* for the whole exchange; 0: 60 seconds */
    int64_t slow_ms;    /* give up where less than FETCH_SLOW octets a second come for so long; 0: never */
    unsigned redirects; /* to follow at the most */
    const atomic_bool *stop; /* once true the exchange ends within a second; may be NULL */
    size_t body_max;         /* octets of an answer; more is an error; 0: 1 MiB */
    fetch_sink *sink;        /* gets the body as it comes, `body` of the response stays empty; may be NULL */
    void *sink_arg;
};

struct fetch_response {
    int status;         /* 200, 404, ... */
    struct buffer body; /* with a NUL behind it that `len` does not count, where it is not empty */
    char content_type[FETCH_CONTENT_TYPE_MAX]; /* lower case, without parameters; "" where there is none */
    int os_error;                              /* errno of a connection that could not be made, or 0 */
    bool hung_up;                              /* it was made, and closed without an octet of an answer */
    bool untrusted;                            /* https: the other's certificate is of no CA that we trust */

    /* What HTTP says of keeping it (RFC 9111), as far as it was said and could be understood. */
    char etag
        [FETCH_ETAG_MAX]; /* as it is to be sent back, with quotes; "" where there is none, or a longer one */
    int64_t modified_at;  /* Last-Modified, or TIME_NONE */
    int64_t fresh_s;      /* seconds: max-age, or Expires less Date, less Age; -1: not said */
    int64_t retry_s;      /* Retry-After in seconds; -1: not said */
    bool waited;          /* Preference-Applied: wait (RFC 7240) */
};

struct fetch;

/* Once, before threads start, and at the end. 0 or -1. */
int fetch_start(struct error *err);
void fetch_stop(void);

/* NULL with the reason. Nothing is connected yet. */
struct fetch *fetch_new(const struct fetch_options *options, struct error *err);
void fetch_free(struct fetch *fetch); /* NULL-safe; wipes the token */

/* 0 with a response, or -1 where no complete answer came: `err` says why. The response is set either way
 * (os_error too), and freed with fetch_response_free. */
int fetch_send(struct fetch *fetch, const struct fetch_request *request, struct fetch_response *response,
               struct error *err);
void fetch_response_free(struct fetch_response *response); /* NULL-safe; leaves it empty */

/* Whether it is a URL that can be asked for: http:// or https:// and a host. */
bool fetch_url_is_good(const char *url);

/* Whether what is sent there crosses a network without TLS: not by https, and not to a loopback address or localhost. */
bool fetch_url_is_in_clear(const char *url);

/* Appends `text` with everything but RFC 3986 unreserved characters as %XX: for a path segment or a query
 * value. False when out of memory. */
bool fetch_url_escape(struct buffer *url, const char *text);

#endif
