/* Where a certificate says that its status can be learned. */
#include <annul/certificate.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <string.h>
#include <strings.h>

/* False only when out of memory; what is no URL of ours is passed over. */
static bool add_url(const GENERAL_NAME *name, struct buffer *urls)
{
    if (name->type != GEN_URI)
        return true;
    const char *text = (const char *)ASN1_STRING_get0_data(name->d.uniformResourceIdentifier);
    size_t len = (size_t)ASN1_STRING_length(name->d.uniformResourceIdentifier);
    if (memchr(text, 0, len) || !((len > 7 && strncasecmp(text, "http://", 7) == 0) ||
                                  (len > 8 && strncasecmp(text, "https://", 8) == 0)))
        return true;
    return buffer_add(urls, text, len) && buffer_add(urls, "", 1);
}

bool certificate_ocsp_urls(const struct certificate *certificate, struct buffer *urls)
{
    AUTHORITY_INFO_ACCESS *list = X509_get_ext_d2i(certificate->x509, NID_info_access, NULL, NULL);
    bool good = true;
    for (int i = 0; good && i < sk_ACCESS_DESCRIPTION_num(list); i++) {
        const ACCESS_DESCRIPTION *one = sk_ACCESS_DESCRIPTION_value(list, i);
        if (OBJ_obj2nid(one->method) == NID_ad_OCSP)
            good = add_url(one->location, urls);
    }
    AUTHORITY_INFO_ACCESS_free(list);
    ERR_clear_error();
    return good;
}

bool certificate_crl_urls(const struct certificate *certificate, struct buffer *urls)
{
    CRL_DIST_POINTS *list = X509_get_ext_d2i(certificate->x509, NID_crl_distribution_points, NULL, NULL);
    bool good = true;
    for (int i = 0; good && i < sk_DIST_POINT_num(list); i++) {
        const DIST_POINT *point = sk_DIST_POINT_value(list, i);
        if (!point->distpoint || point->distpoint->type != 0 || point->reasons || point->CRLissuer)
            continue;
        size_t before = urls->len;
        for (int n = 0;
             good && urls->len == before && n < sk_GENERAL_NAME_num(point->distpoint->name.fullname); n++)
            good = add_url(sk_GENERAL_NAME_value(point->distpoint->name.fullname, n),
                           urls); /* names of one CRL */
    }
    CRL_DIST_POINTS_free(list);
    ERR_clear_error();
    return good;
}

bool certificate_must_staple(const struct certificate *certificate)
{
    TLS_FEATURE *features = X509_get_ext_d2i(certificate->x509, NID_tlsfeature, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_ASN1_INTEGER_num(features); i++)
        found |= ASN1_INTEGER_get(sk_ASN1_INTEGER_value(features, i)) == 5; /* status_request */
    TLS_FEATURE_free(features);
    ERR_clear_error();
    return found;
}
