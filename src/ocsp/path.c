/* The path of an OCSP GET (RFC 5019 section 5). */
#include <annul/base64.h>
#include <annul/ocsp.h>

#include <string.h>

/* A request begins with a SEQUENCE, its base64 with M; slashes in front of that are what a client put between URL and
 * request once too often. */
const char *ocsp_path(const char *url)
{
    bool prefixed = strncmp(url, "/ocsp", 5) == 0;
    const char *rest = url + (prefixed ? 5 : 0);
    rest += strspn(rest, "/");
    if (*rest == 'M' || strncmp(rest, "%4D", 3) == 0 || strncmp(rest, "%4d", 3) == 0)
        return rest;
    return prefixed && url[5] == '/' && *rest ? rest : NULL; /* meant as a request, whatever it is */
}

/* In place: neither decoding writes further than it has read. */
struct bytes ocsp_path_decode(char *path)
{
    long len = percent_decode(path, strlen(path));
    long der_len = len < 0 ? -1 : base64_decode(path, (size_t)len, (uint8_t *)path);
    return (struct bytes){(uint8_t *)path, der_len < 0 ? 0 : (size_t)der_len};
}
