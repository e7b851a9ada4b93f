/* PEM (RFC 7468), or DER as it is. */
#include <annul/crl.h>

#include <annul/base64.h>
#include <annul/der.h>

#include <stdlib.h>
#include <string.h>

#define WINDOW 16384
#define LETTERS 8192 /* of base64 at a time; a multiple of 4 */

enum place { AT_START, IN_DER, IN_PEM, AFTER_PEM };

struct crl_text {
    crl_read *read;
    void *arg;
    enum place place;
    bool padded;     /* the base64 is at its end */
    size_t at, have; /* the unread part of the window */
    size_t decoded_at, decoded_len;
    uint8_t window[WINDOW];
    uint8_t decoded[LETTERS / 4 * 3 + 3];
};

struct crl_text *crl_text_new(crl_read *read, void *arg)
{
    struct crl_text *text = calloc(1, sizeof *text);
    if (text) {
        text->read = read;
        text->arg = arg;
    }
    return text;
}

void crl_text_free(struct crl_text *text)
{
    free(text);
}

enum { END = -1, FAILURE = -2 };

/* 1, 0 at the end, -1 on error. */
static int refill(struct crl_text *text, struct error *err)
{
    long n = text->read(text->arg, text->window, sizeof text->window, err);
    text->at = 0;
    text->have = n > 0 ? (size_t)n : 0;
    return n > 0 ? 1 : (int)n;
}

/* An octet, END or FAILURE. */
static inline int next(struct crl_text *text, struct error *err)
{
    if (text->at == text->have) {
        int result = refill(text, err);
        if (result <= 0)
            return result < 0 ? FAILURE : END;
    }
    return text->window[text->at++];
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A line without blanks at its end; what does not fit in `line` is dropped. Its last octet is returned. */
static int take_line(struct crl_text *text, char *line, size_t room, size_t *len, struct error *err)
{
    int c;
    *len = 0;
    while ((c = next(text, err)) >= 0 && c != '\n')
        if (*len < room)
            line[(*len)++] = (char)c;
    while (*len && is_blank(line[*len - 1]))
        (*len)--;
    return c;
}

static bool line_is(const char *line, size_t len, const char *wanted)
{
    return len == strlen(wanted) && memcmp(line, wanted, len) == 0;
}

static int find_begin(struct crl_text *text, struct error *err)
{
    char line[80];
    size_t len;
    int last;
    do {
        last = take_line(text, line, sizeof line, &len, err);
        if (last == FAILURE)
            return -1;
        if (line_is(line, len, "-----BEGIN X509 CRL-----"))
            return 0;
        if (len > 10 && memcmp(line, "-----BEGIN", 10) == 0)
            return error_set(err, "PEM of something else than a CRL (\"X509 CRL\")");
    } while (last != END);
    return error_set(err, "neither a CRL in DER nor one in PEM");
}

/* The dashes have begun; what stands behind them must be no more than the rest of that line. */
static int take_end(struct crl_text *text, struct error *err)
{
    char line[80];
    size_t len;
    if (take_line(text, line, sizeof line, &len, err) == FAILURE)
        return -1;
    if (!line_is(line, len, "----END X509 CRL-----"))
        return error_set(err, "damaged PEM: dashes that are not its END line");
    text->place = AFTER_PEM;
    return 0;
}

/* Fills `decoded`; at the end of the block there may be nothing in it. */
static int decode_more(struct crl_text *text, struct error *err)
{
    char letters[LETTERS];
    size_t len = 0;
    int c = 0;
    while (len < LETTERS && c != '-') {
        c = next(text, err);
        if (c < 0)
            return c == FAILURE ? -1 : error_set(err, "PEM without its END line");
        if (c != '-' && !is_blank(c))
            letters[len++] = (char)c;
    }
    long decoded = text->padded && len ? -1 : base64_decode(letters, len, text->decoded);
    if (decoded < 0)
        return error_set(err, "damaged PEM: not base64");
    text->padded = len && letters[len - 1] == '=';
    text->decoded_at = 0;
    text->decoded_len = (size_t)decoded;
    return c == '-' ? take_end(text, err) : 0;
}

static int only_blanks_follow(struct crl_text *text, struct error *err)
{
    int c;
    while ((c = next(text, err)) >= 0)
        if (!is_blank(c))
            return error_set(
                err,
                "octets behind the PEM block; where it holds several CRLs, give the URL or file of each");
    return c == FAILURE ? -1 : 0;
}

static int begin(struct crl_text *text, struct error *err)
{
    int more = refill(text, err);
    if (more < 0)
        return -1;
    if (more && text->window[0] == DER_SEQUENCE) {
        text->place = IN_DER;
        return 0;
    }
    text->place = IN_PEM;
    return find_begin(text, err);
}

static long give(uint8_t *into, size_t room, const uint8_t *from, size_t *at, size_t end)
{
    size_t n = end - *at < room ? end - *at : room;
    memcpy(into, from + *at, n);
    *at += n;
    return (long)n;
}

long crl_text_read(void *arg, uint8_t *into, size_t room, struct error *err)
{
    struct crl_text *text = arg;
    if (text->place == AT_START && begin(text, err) < 0)
        return -1;
    if (text->place == IN_DER)
        return text->at < text->have ? give(into, room, text->window, &text->at, text->have)
                                     : text->read(text->arg, into, room, err);
    while (text->place == IN_PEM && text->decoded_at == text->decoded_len)
        if (decode_more(text, err) < 0)
            return -1;
    if (text->decoded_at < text->decoded_len)
        return give(into, room, text->decoded, &text->decoded_at, text->decoded_len);
    return only_blanks_follow(text, err);
}
