/* CRLs at their distribution points. */
#include "internal.h"

#include <annul/clock.h>

#include <fcntl.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char type_der[] = "application/pkix-crl", type_pem[] = "application/x-pem-file";

static enum MHD_Result not_yet(struct request *request, const struct issuer *issuer)
{
    if (!issuer->crl_sigalg)
        return reply_problem(request, 404, "issuer %s: no CRL is published here", issuer->config->name.text);
    return reply_problem(request, 503, "issuer %s: the CRL is not built yet", issuer->config->name.text);
}

/* The file goes from the page cache to the socket; the response owns a descriptor of its own. */
static enum MHD_Result reply_publication(struct request *request, const struct publication *p, bool pem)
{
    char etag[80];
    snprintf(etag, sizeof etag, "%s%s", p->etag, pem ? "-pem" : "");
    struct representation r = {pem ? type_pem : type_der,
                               etag,
                               p->published_at,
                               p->next_update,
                               reply_fresh_s(p->next_update, clock_now()),
                               false};
    enum MHD_Result result;
    if (reply_not_modified(request, &r, &result))
        return result;
    int fd = fcntl(pem ? p->pem_fd : p->der_fd, F_DUPFD_CLOEXEC, 0);
    struct MHD_Response *response =
        fd < 0 ? NULL : MHD_create_response_from_fd_at_offset64(pem ? p->pem_len : p->der_len, fd, 0);
    if (!response) {
        if (fd >= 0)
            close(fd);
        return reply_problem(request, 503, "out of file descriptors");
    }
    reply_add_validators(response, &r);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r.type);
    return reply_queue(request, MHD_HTTP_OK, response);
}

static enum MHD_Result reply_crl(struct request *request, const struct issuer *issuer, bool pem)
{
    struct publication *p =
        publisher_current(request->services->publisher, issuer, (struct crl_part){CRL_WHOLE, false});
    if (!p)
        return not_yet(request, issuer);
    enum MHD_Result result = p->next_update <= clock_now()
                                 ? reply_problem(request, 503,
                                                 "issuer %s: the CRL has expired and a new one could not "
                                                 "be built; see annuld's log",
                                                 issuer->config->name.text)
                                 : reply_publication(request, p, pem);
    publication_release(p);
    return result;
}

/* Takes ".crl" or ".pem" off a name. False where it ends in neither. */
static bool take_format(char *name, bool *pem)
{
    char *dot = strrchr(name, '.');
    if (!dot || (strcmp(dot, ".crl") != 0 && strcmp(dot, ".pem") != 0))
        return false;
    *pem = strcmp(dot, ".pem") == 0;
    *dot = 0;
    return true;
}

enum MHD_Result crl_get(struct request *request)
{
    bool pem;
    struct issuer *issuer = take_format(request->part[0], &pem)
                                ? issuers_by_name(request->services->issuers, request->part[0])
                                : NULL;
    return issuer ? reply_crl(request, issuer, pem) : reply_problem(request, 404, "no CRL of that name");
}

enum MHD_Result crl_alias_get(struct request *request)
{
    return reply_crl(request, request->alias_issuer, request->alias->pem);
}
