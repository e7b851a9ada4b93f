/* Shared by the files of this folder: a request, its reply, and the routes. */
#ifndef ANNUL_HTTP_INTERNAL_H
#define ANNUL_HTTP_INTERNAL_H

#include <annul/http.h>

#include <jansson.h>
#include <microhttpd.h>

#define BODY_OCSP_MAX OCSP_REQUEST_MAX
#define BODY_JSON_MAX 65536
#define BODY_CERTIFICATES_MAX (1 << 20)
#define BODY_IMPORT_MAX (4 << 20)
#define BODY_SPOOLED SIZE_MAX /* goes into a scratch file; the configuration bounds it (upload_max_mb) */
#define BODY_BATCH_MAX (16 << 20)

/* How long a cache may keep a CRL or a CA certificate: also the longest that a revocation can hide behind one. */
#define FRESH_S 30

/* Octets that the request line and the headers may have together. */
#define HEAD_MAX 8192

struct request;

/* Where a connection comes from: its address, or "unix". And what one client has all of, who is held to his share by it: an
 * address of IPv4, a /64 network of IPv6. (origin.c) */
#define ORIGIN_TEXT 56
void origin_text(struct MHD_Connection *connection, char out[ORIGIN_TEXT]);
void origin_network(struct MHD_Connection *connection, char out[ORIGIN_TEXT]);

/* Queues exactly one reply, or suspends the connection and sees to it later. */
typedef enum MHD_Result handler(struct request *request);

enum { GET = 1, HEAD = 2, POST = 4, DELETE = 8, PUT = 16 };
#define READ (GET | HEAD)

/* How a route heeds the scope of who asks. */
enum route_scope {
    SCOPE_PATH,   /* the first part of its path is an issuer, which must be within it */
    SCOPE_WITHIN, /* its handler shows and takes what is within it */
    SCOPE_ALL,    /* it is for those alone who have all issuers */
    SCOPE_NEAR,   /* all of it is for all; and without a token where only this machine can connect */
};

/* A route: a path in which {} stands for one segment, given in request->part, in order. */
struct route {
    unsigned methods;
    const char *path;
    handler *handle;
    size_t body_max;
    enum role least; /* who may; ROLE_NONE: everybody, without a token */
    enum route_scope scope;
    const char *action;    /* what it changes, for the audit trail; NULL: nothing */
    const char *arguments; /* of the query: their names, a blank between two; NULL: none */
    enum { IF_MATCH = 1 } heeds;
};

#define PARTS_MAX 2
#define REQUEST_ID_MAX 64

/* What the URL of a CRL means. */
struct crl_resource {
    enum { CRL_SINGLE, CRL_CHAIN, CRL_BUNDLE } kind;
    const struct issuer *issuer; /* the first one, where there are several */
    struct crl_part part;
    bool pem;
};

/* Of a request for a CRL that the client has, or for changes when there are none: it may wait (waiters.h). */
struct waiting {
    int64_t granted_s; /* 0: it does not want to */
    int64_t until_ms;
    bool slept; /* it has waited … */
    bool over;  /* … and does no more */
    /* the rest is of waiters.c */
    bool in_heap, under_way;
    size_t at; /* where in the heap */
    struct waiting_party *party;
    struct request *next;
};

/* Of a change with an Idempotency-Key (repeat.c). */
#define REPEAT_KEY_MAX 128
#define REPEAT_BODY_MAX (256 * 1024) /* of a longer answer the summary is kept */
struct repeat {
    bool runs;    /* there is a key, and this is the first call with it */
    bool streams; /* its end is that of the answer */
    char key[REPEAT_KEY_MAX + 1];
    uint8_t hash[32];
    struct request *next;
};

#define HEADERS_MAX 4
struct reply_header {
    const char *name; /* NULL: none */
    char value[96];
};

struct request {
    struct http *http;
    const struct http_services *services;
    struct waiters *waiters; /* of this side */
    struct meters *meters;
    struct last_use *last_use;
    int64_t began_us, answered_us;
    unsigned status; /* of the answer; 0: none */
    struct MHD_Connection *connection;
    bool is_admin, is_far;         /* of which listener; of one beyond loopback */
    const char *method_name, *url; /* the raw path */
    unsigned method, allowed;      /* of this request; by the path */
    const struct route *route;     /* NULL: none fits */
    char *part[PARTS_MAX];         /* percent-decoded */
    struct crl_resource crl;       /* of requests for CRLs */
    struct waiting waiting;
    size_t body_max;
    struct buffer body;
    int spool;        /* the body's scratch file, where the route has one; else -1 */
    size_t spooled;   /* octets in it */
    size_t discarded; /* octets of the body beyond body_max */
    char actor_name[256], actor_origin[ORIGIN_TEXT]; /* of an authenticated request … */
    enum role role;                                  /* … and what it may … */
    const char *scope;                               /* … for which issuers (annul/access.h) … */
    char *scope_of_token;                            /* where that is, unless it is in the configuration */
    int64_t expires_at;                              /* … and until when; or TIME_NONE */
    bool is_ambient;             /* known by where it comes from: a browser may be sent by others */
    int64_t retry_s;             /* with status 429 */
    char id[REQUEST_ID_MAX + 1]; /* admin only: for log and client */
    struct reply_header headers[HEADERS_MAX];
    struct repeat repeat;
    /* what came while the connection slept, and who goes on with it */
    struct ocsp_answer *answer;
    char *failure; /* malloc'ed; NULL: none */
    enum admin_result result;
    struct admin_crl_taken taken;
    int64_t crl_number; /* before it was published */
    bool over;          /* a reply was made: once libmicrohttpd stops it takes none, and asks us again */
    handler *resume;
};

/* --- route tables -------------------------------------------------------------------------------------- */

extern const struct route public_routes[], admin_routes[];

/* Finds the route and the body limit. Where the path is known but the method is not, `allowed` tells. */
void route_find(struct request *request);

/* False: the call has what the route does not know, and an answer was queued. */
bool route_check(struct request *request, enum MHD_Result *result);

handler ocsp_post, ocsp_get;
handler crl_get, crl_of_issuer_get, crl_bundle_get, crl_configured_get;
handler ca_get, ca_bundle_get;
handler page_get, asset_get, console_get, openapi_get;
handler health_get, ready_get, metrics_get;
handler api_issuers_get, api_issuer_get, api_crls_get, api_crl_post, api_crl_put;
handler api_status_get, api_changes_get;
handler api_proof_get;
handler api_certificate_get, api_certificates_get, api_certificates_post, api_revoke_post, api_release_post,
    api_revoke_certificate_post, api_revoke_batch_post, api_import_post;
handler api_audit_get;
handler api_tokens_get, api_tokens_post, api_token_delete;
handler api_me_get, api_config_get;

/* --- CRLs (crl.c, crl_paths.c) ------------------------------------------------------------------------- */

/* Whether the path is one that the configuration names, an alias or that of a distribution point; notes what it means. */
bool crl_find(struct request *request);

/* 0 where no two issuers have one path. */
int crl_check_paths(const struct config *config, struct error *err);

/* A new CRL; and whether it changes what a request has asked for. Any thread. */
struct crl_news {
    const struct issuer *issuer;
    struct crl_part part;
};
bool crl_concerns(const struct request *request, const void *news);

/* "whole", "delta", or the number of the shard. */
#define CRL_PART_TEXT 12
void crl_part_text(struct crl_part part, char out[CRL_PART_TEXT]);

/* --- pages (assets.c): what stands in www/, by its name there ------------------------------------------- */

const char *asset_text(const char *name); /* NULL: there is none */
void assets_add_policy(
    struct MHD_Response *response); /* what a page may do: nothing from elsewhere, nothing inline */

/* --- authentication ------------------------------------------------------------------------------------ */

/* Gives it an id: the client's own X-Request-Id where that is sane, else a new one. */
void request_identify(struct request *request);

/* Fills in the actor and what it may. False: an answer was queued (in `result`). */
bool auth_check(struct request *request, enum MHD_Result *result);

/* Whether who was let in is so still, as time has passed: a token may have been revoked since, a certificate may have
 * expired. What he may does not change. ABSENT with the reason, for the log and not for who asks. */
enum outcome auth_lasts(struct request *request, struct error *err);
/* The same. False: an answer was queued. */
bool auth_check_again(struct request *request, enum MHD_Result *result);
struct store_actor auth_actor(const struct request *request);

/* Whether the route is for who asks: the one place that decides (access.c). False: an answer was queued. */
bool access_check(struct request *request, enum MHD_Result *result);

/* --- the last use of tokens (last_use.c) --------------------------------------------------------------- */

struct last_use;
struct last_use *last_use_start(struct admin *admin, struct error *err);
void last_use_stop(struct last_use *last_use); /* NULL-safe; what was noted is written */

/* A token was used now. It is written by and by, and at most once a minute, so nobody waits for it. */
void last_use_note(struct last_use *last_use, const struct admin_holder *holder, int64_t now);

/* --- refused attempts, for the audit trail (refused.c) --------------------------------------------------- */

/* A call that would have changed something, or was not allowed, of an authenticated actor. */
void refused_call(struct request *request, unsigned status, const char *why);

/* A failed authentication. Entries about one address get rarer, and tell how many there were. Returns for how many seconds
 * attempts from there are not looked at, where they were many; 0: it is answered. */
int64_t refused_stranger(struct request *request, const char *why);
void refused_stop(struct admin *admin); /* what was not told yet; nothing else runs any more */

/* --- calls that are repeated (repeat.c) ----------------------------------------------------------------- */

/* False: a reply was queued, the one of the first call or a refusal. */
bool repeat_check(struct request *request, enum MHD_Result *result);
/* From here on a repeat gets the answer. Once that is whole: it must not be told that the first is under way by somebody who
 * has heard of its end. Again: nothing. */
void repeat_end(struct request *request);

/* For calls of admin.h that are one transaction: with what to make them, so that their answer is written with it. */
#define ETAG_TEXT 40
struct repeat_answer {
    json_t *(*compose)(void *arg,
                       unsigned *status); /* NULL: an empty body; the status is 200 unless it is set */
    void (*tag)(void *arg, char etag[ETAG_TEXT]); /* its entity tag; NULL: it has none */
    void *arg;
    struct request *request; /* set by repeat_admin */
};
struct admin repeat_admin(struct request *request, struct repeat_answer *answer);

/* For all others: when it is done, before it is answered so. `body` may be NULL for want of memory. */
void repeat_keep(struct request *request, const char *type, const char *body);
enum MHD_Result reply_and_keep(struct request *request, json_t *json); /* with 200 */

/* --- replies (reply.c) --------------------------------------------------------------------------------- */

/* Errors by RFC 9457. `detail` is for a person. */
enum MHD_Result reply_problem(struct request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
json_t *json_problem(const struct request *request, unsigned status, const char *detail);
unsigned reply_status(enum admin_result result);
enum MHD_Result reply_result(struct request *request, enum admin_result result, const struct error *err);

/* `json` becomes ours. */
enum MHD_Result reply_json(struct request *request, unsigned status, json_t *json);

/* A text with its type; "": none, and no body. */
extern const char type_json[], type_problem[];
enum MHD_Result reply_text(struct request *request, unsigned status, const char *type, const char *text);

/* Octets, copied. */
enum MHD_Result reply_bytes(struct request *request, unsigned status, const char *type, struct bytes body);
struct MHD_Response *reply_from_bytes(const char *type, struct bytes body);

/* A representation that caches may keep. `etag` without quotes; the times may be TIME_NONE. */
struct representation {
    const char *type;
    const char *etag;
    int64_t modified_at, expires_at;
    int64_t fresh_s;  /* max-age; it must end before expires_at */
    bool coarse;      /* two versions may have one date: If-Modified-Since is not answered with 304 */
    bool awaitable;   /* who has it may wait for the next one */
    int64_t waited_s; /* as long as this client was ready to; 0: it did not */
};
int64_t reply_fresh_s(int64_t expires_at, int64_t now); /* FRESH_S, or less near the end */

/* Whether the client has it already (RFC 9110 section 13.2.2), and the answer to that, 304. */
bool request_has_it(struct request *request, const struct representation *r);
enum MHD_Result reply_not_modified(struct request *request, const struct representation *r);
void reply_add_validators(struct MHD_Response *response, const struct representation *r);
enum MHD_Result reply_send(struct request *request, unsigned status,
                           struct MHD_Response *response); /* as it is */
enum MHD_Result reply_queue(struct request *request, unsigned status, struct MHD_Response *response);

/* A header that the reply is to have, whatever it is. Copied; at most HEADERS_MAX. */
void request_add_header(struct request *request, const char *name, const char *value);
void request_add_etag(struct request *request, const char *etag); /* without quotes */

/* The first of that name; NULL: none. */
const char *request_header(struct request *request, const char *name);

/* Whether `is` says so of any of that name, in order: a list may come in several. */
typedef bool request_value(void *arg, const char *value);
bool request_any_header(struct request *request, const char *name, request_value *is, void *arg);

/* A query argument, percent-decoded, malloc'ed; NULL: absent or empty. (arguments.c) */
char *request_argument(struct request *request, const char *name);

/* False: the query has what the route does not know, or what cannot be read, and 400 was queued. */
bool arguments_check(struct request *request, enum MHD_Result *result);

/* Whether what has this entity tag (without quotes) may be changed: If-Match names it, or there is none. */
bool request_may_change(struct request *request, const char *etag);

/* --- what calls have in common (api_certificates.c) ---------------------------------------------------- */

/* The issuer that the path names, or NULL and a reply. */
const struct issuer *api_issuer(struct request *request, enum MHD_Result *result);

/* The same, and the certificate that it names, for cert_record_free. */
const struct issuer *api_certificate(struct request *request, struct cert_record *record,
                                     enum MHD_Result *result);

/* The reason of a revocation; NULL: unspecified. */
bool api_reason(const char *text, int *reason, struct error *err);

/* --- JSON pieces (json.c) ------------------------------------------------------------------------------ */

/* The certificate object of the API. NULL when out of memory. */
json_t *json_certificate(const struct issuer *issuer, const struct cert_record *record);
json_t *json_quote(const char *text);  /* what quotes a client: as much of it as is UTF-8 */
json_t *json_time(int64_t at);         /* null for TIME_NONE */
json_t *json_scope(const char *scope); /* null for all */

/* An entry of the audit trail, without its hash. (api_audit.c) */
json_t *json_change(const struct audit_row *row);

/* What an operator should see to: of this issuer, or (NULL) of all in the actor's scope. (api_status.c) */
json_t *json_warnings(struct request *request, const struct issuer *issuer);

/* If-Match of a call that publishes: it names a complete CRL or delta that is there now, or there is none. Else 412 was
 * queued. (api_issuers.c) */
bool crl_may_change(struct request *request, const struct issuer *issuer, enum MHD_Result *result);

/* The present CRL, or null. (api_issuers.c) */
json_t *json_crl(const struct request *request, const struct issuer *issuer, struct crl_part part);

/* Appends it, with which it is and where, if it is published. (api_issuers.c) */
void api_add_crl(struct request *request, const struct issuer *issuer, struct crl_part part, json_t *list);

/* The body as a JSON object; an empty body is an empty object. NULL: a problem was queued. */
json_t *json_body(struct request *request, enum MHD_Result *result);

/* Whether there is no body, or nothing in it; else a problem was queued. */
bool json_no_body(struct request *request, enum MHD_Result *result);

/* A member that is a string, or absent (or null: then `text` is NULL). Anything else is refused. */
bool json_text_member(json_t *object, const char *name, const char **text, struct error *err);

/* A member that is a time, or absent: then `at` is TIME_NONE. */
bool json_time_member(json_t *object, const char *name, int64_t *at, struct error *err);

/* The same, of what has happened: from 1950 on, and not in the future. */
bool json_past_member(json_t *object, const char *name, int64_t *at, struct error *err);

/* As an answer's text, which ends with a newline; malloc'ed, NULL when out of memory or where `json` is NULL. */
char *json_document(const json_t *json);

/* Refuses members that nobody reads. */
bool json_only(json_t *object, const char *const *known, struct error *err);

/* A warning of the publisher by its kind: "overdue". */
const char *warning_name(enum publisher_warning warning);

/* Everything is there that the service needs. (health.c) */
struct readiness {
    bool signer, ocsp_signers, crls;
};
bool health_is_ready(const struct http_services *services, int64_t now, struct readiness *readiness);

/* Puts the connection to sleep until request_wake, which any thread may call, once; then `resume` makes the reply.
 * False where the daemon is stopping: nothing sleeps any more. (server.c) */
bool request_sleep(struct request *request, handler *resume);
void request_wake(struct request *request);
unsigned http_asleep(struct http *http); /* how many sleep */
size_t http_waiting(struct http *http,
                    bool for_changes); /* of them for the next change, or for a newer CRL */
int64_t http_started_at(const struct http *http);

#endif
