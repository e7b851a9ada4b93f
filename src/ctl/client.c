#include "client.h"

#include <annul/fetch.h>

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define DEFAULT_SOCKET "/run/annul/admin.sock"
#define TOKEN_MAX 4096
#define ANSWER_MAX ((size_t)64 << 20) /* a thousand certificates are half a megabyte */
#define CALL_MS 120000                /* publishing a large CRL, storing 5,000 rows on a slow disk */

struct ctl_client {
    struct fetch *fetch;
    const char *socket_path; /* NULL: TCP */
    const char *token_file;  /* NULL: none */
    const char *certificate; /* the same */
    char *base;              /* URL without a path or a slash at its end */
};

static const char *setting(const struct ctl *ctl, enum ctl_option option, const char *variable)
{
    const char *value = ctl->option[option];
    if (!value)
        value = getenv(variable);
    return value && *value ? value : NULL;
}

/* Where to: an option beats the environment, and there the URL beats the socket. */
static int choose_route(const struct ctl *ctl, struct ctl_client *client)
{
    const char *url = NULL;
    if (ctl->option[CTL_URL] && ctl->option[CTL_SOCKET])
        return ctl_fail(CTL_USAGE, "--socket and --url exclude each other");
    if (!ctl->option[CTL_SOCKET])
        url = setting(ctl, CTL_URL, "ANNUL_URL");
    if (!url) {
        client->socket_path = setting(ctl, CTL_SOCKET, "ANNUL_SOCKET");
        if (!client->socket_path)
            client->socket_path = DEFAULT_SOCKET;
        url = "http://localhost";
    }
    if ((strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0) || strpbrk(url, "@?# "))
        return ctl_fail(CTL_USAGE, "--url %s: write it as https://host:port", url);
    client->base = strdup(url);
    if (!client->base)
        return ctl_no_memory();
    for (size_t len = strlen(client->base); len && client->base[len - 1] == '/'; len--)
        client->base[len - 1] = 0;
    return CTL_OK;
}

static bool is_token(const char *text)
{
    if (!*text)
        return false;
    for (; *text; text++)
        if (*text <= ' ' || *text > '~')
            return false;
    return true;
}

/* The token alone on its line. A file that others can read is worth a warning: it opens the admin API. */
static int read_token(const char *path, struct buffer *token)
{
    struct stat info;
    if (file_read(path, TOKEN_MAX, token) < 0)
        return ctl_fail(CTL_USAGE, "cannot read the token file %s: %s", path, strerror(errno));
    while (token->len && strchr(" \t\r\n", token->at[token->len - 1]))
        token->at[--token->len] = 0;
    if (!is_token((const char *)token->at))
        return ctl_fail(CTL_USAGE, "%s does not hold a token: one line, as `annulctl token create` prints it",
                        path);
    if (stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_mode & (S_IRGRP | S_IROTH))
        ctl_fail(CTL_OK, "warning: others than its owner can read the token file %s; chmod 600 it", path);
    return CTL_OK;
}

int ctl_client_open(struct ctl *ctl)
{
    struct error err;
    struct buffer token = {0};
    struct ctl_client *client = calloc(1, sizeof *client);
    if (!client)
        return ctl_no_memory();
    ctl->client = client;
    client->token_file = setting(ctl, CTL_TOKEN_FILE, "ANNUL_TOKEN_FILE");
    client->certificate = setting(ctl, CTL_CLIENT_CERT, "ANNUL_CLIENT_CERT");
    int code = choose_route(ctl, client);
    if (code == CTL_OK && client->token_file && fetch_url_is_in_clear(client->base))
        code = ctl_fail(CTL_USAGE, "--url %s would send the token in the clear; use https://", client->base);
    if (code == CTL_OK && client->token_file)
        code = read_token(client->token_file, &token);
    if (code == CTL_OK) {
        struct fetch_options options = {.socket_path = client->socket_path,
                                        .bearer = (const char *)token.at,
                                        .ca = setting(ctl, CTL_CA, "ANNUL_CA"),
                                        .certificate = client->certificate,
                                        .key = setting(ctl, CTL_CLIENT_KEY, "ANNUL_CLIENT_KEY"),
                                        .user_agent = "annulctl/" ANNUL_VERSION};
        client->fetch = fetch_new(&options, &err);
        if (!client->fetch)
            code = ctl_fail(CTL_UNREACHABLE, "%s", err.text);
    }
    if (token.at)
        explicit_bzero(token.at, token.len);
    buffer_free(&token);
    return code;
}

void ctl_client_close(struct ctl *ctl)
{
    if (!ctl->client)
        return;
    fetch_free(ctl->client->fetch);
    free(ctl->client->base);
    free(ctl->client);
    ctl->client = NULL;
}

int ctl_client_code(int status)
{
    static const struct {
        int status, code;
    } special[] = {{401, CTL_UNAUTHORISED},
                   {403, CTL_UNAUTHORISED},
                   {408, CTL_UNREACHABLE},
                   {425, CTL_UNREACHABLE},
                   {429, CTL_UNREACHABLE}};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++)
        if (special[i].status == status)
            return special[i].code;
    if (status >= 200 && status < 300)
        return CTL_OK;
    return status >= 400 && status < 500 ? CTL_REFUSED : CTL_UNREACHABLE;
}

static int fail_unreachable(const struct ctl_client *client, const char *about,
                            const struct fetch_response *response, const struct error *err)
{
    const char *remedy = "";
    int os_error = response->os_error;
    if (response->untrusted)
        remedy = "; --ca names a file with the CAs that its certificate is of";
    else if (response->hung_up && strncmp(client->base, "http:", 5) == 0 && !client->socket_path)
        remedy = "; does it speak TLS? Write --url https://...";
    else if (os_error == EACCES || os_error == EPERM)
        remedy = "; the socket is for root and the daemon's own user: use sudo, or --url with --token-file";
    else if (os_error && client->socket_path)
        remedy = "; is annuld running, and is this its admin socket? --socket names another";
    else if (os_error)
        remedy = "; is annuld running, and is this its admin listener? --url names another";
    return ctl_fail(CTL_UNREACHABLE, "%s: %s%s", about, err->text, remedy);
}

/* application/problem+json (RFC 9457) as a sentence. */
static int fail_refused(const struct ctl_client *client, const char *about, int status, const json_t *problem)
{
    int code = ctl_client_code(status);
    const char *text = json_string_value(json_object_get(problem, "detail"));
    if (!text)
        text = json_string_value(json_object_get(problem, "title"));
    if (!text)
        text = status < 300 || status >= 400 ? "the daemon gave no reason"
                                             : "this is not an admin listener of annuld";
    if (code != CTL_UNAUTHORISED)
        return ctl_fail(code, "%s: %s (HTTP %d)", about, text, status);
    if (client->token_file)
        return ctl_fail(code, "%s: %s (HTTP %d); the token came from %s", about, text, status,
                        client->token_file);
    if (client->certificate)
        return ctl_fail(code, "%s: %s (HTTP %d); the certificate came from %s", about, text, status,
                        client->certificate);
    return ctl_fail(code, "%s: %s (HTTP %d); --token-file or ANNUL_TOKEN_FILE names a file with a token",
                    about, text, status);
}

/* NDJSON as an array; NULL where a line is none. */
static json_t *load_lines(struct bytes text)
{
    json_t *array = json_array();
    while (text.len && array) {
        const uint8_t *end = memchr(text.at, '\n', text.len);
        size_t len = end ? (size_t)(end - text.at) : text.len, step = end ? len + 1 : len;
        json_t *line = json_loadb((const char *)text.at, len, JSON_REJECT_DUPLICATES, NULL);
        if (json_array_append_new(array, line) < 0) {
            json_decref(array);
            array = NULL;
        }
        text = (struct bytes){text.at + step, text.len - step};
    }
    return array;
}

/* What an answer means, once it has come whole. */
static int judge(const struct ctl_client *client, const struct ctl_call *call,
                 const struct fetch_response *response, json_t **answer)
{
    json_t *json = NULL;
    int code = ctl_client_code(response->status);
    bool lines = call->lines && code == CTL_OK;
    if (lines && strstr(response->content_type, "ndjson"))
        json = load_lines((struct bytes){response->body.at, response->body.len});
    else if (response->body.len && strstr(response->content_type, "json"))
        json = json_loadb((const char *)response->body.at, response->body.len, JSON_REJECT_DUPLICATES, NULL);
    if (code != CTL_OK)
        code = response->status == 404 && call->may_be_absent
                   ? CTL_UNKNOWN
                   : fail_refused(client, call->about, response->status, json);
    else if (response->status != 204 && !(lines ? json_is_array(json) : json_is_object(json)))
        code = ctl_fail(CTL_UNREACHABLE, "%s: the answer is not JSON; is this the admin listener of annuld?",
                        call->about);
    if (code == CTL_OK && answer)
        *answer = json_incref(json);
    json_decref(json);
    return code;
}

int ctl_client_call(struct ctl *ctl, const struct ctl_call *call, json_t **answer)
{
    struct error err;
    struct buffer url = {0};
    struct fetch_response response = {0};
    if (answer)
        *answer = NULL;
    if (!buffer_printf(&url, "%s%s", ctl->client->base, call->path))
        return ctl_no_memory();
    struct fetch_request request = {.method = call->method,
                                    .url = (const char *)url.at,
                                    .body = call->body,
                                    .content_type = call->content_type,
                                    .total_ms = CALL_MS,
                                    .body_max = ANSWER_MAX};
    int code;
    if (fetch_send(ctl->client->fetch, &request, &response, &err) == 0) {
        code = judge(ctl->client, call, &response, answer);
        ctl->in_vain = code == CTL_UNAUTHORISED;
    } else {
        code = fail_unreachable(ctl->client, call->about, &response, &err);
        ctl->in_vain = true;
    }
    fetch_response_free(&response);
    buffer_free(&url);
    return code;
}

int ctl_client_get(struct ctl *ctl, const char *path, const char *about, json_t **answer)
{
    struct ctl_call call = {.method = "GET", .path = path, .about = about};
    return ctl_client_call(ctl, &call, answer);
}

int ctl_client_post(struct ctl *ctl, const char *path, const char *about, json_t *body, json_t **answer)
{
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    struct ctl_call call = {.method = "POST",
                            .path = path,
                            .about = about,
                            .content_type = "application/json",
                            .body = {(const uint8_t *)text, text ? strlen(text) : 0}};
    int code = body && !text ? ctl_no_memory() : ctl_client_call(ctl, &call, answer);
    free(text);
    json_decref(body);
    return code;
}

char *ctl_client_path(const char *pattern, ...)
{
    struct buffer path = {0};
    bool good = true;
    va_list args;
    va_start(args, pattern);
    for (const char *hole; good && (hole = strstr(pattern, "{}")) != NULL; pattern = hole + 2)
        good = buffer_add(&path, pattern, (size_t)(hole - pattern)) &&
               fetch_url_escape(&path, va_arg(args, const char *));
    va_end(args);
    if (good && buffer_add(&path, pattern, strlen(pattern) + 1))
        return (char *)path.at;
    buffer_free(&path);
    return NULL;
}
