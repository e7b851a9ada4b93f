/* The extensions of a CRL (RFC 5280 sections 5.2 and 5.3): what we write ourselves, strictly; what others
 * write as far as it says whose certificates the entries speak of. */
#include "internal.h"

#include <annul/der.h>

#include <string.h>

/* Each returns what is wrong with the value, or NULL. */
typedef const char *parse_value(struct bytes value, bool strict, struct crl_facts *facts);

static const char malformed[] = "is malformed";

bool crl_uri_is_good(struct bytes uri)
{
    for (size_t i = 0; i < uri.len; i++)
        if (uri.at[i] <= ' ' || uri.at[i] > '~')
            return false;
    return uri.len > 0 && uri.len <= CRL_URI_MAX;
}

bool crl_take_extension(struct bytes *list, struct crl_extension *extension)
{
    struct bytes content, oid, critical;
    if (!der_take(list, DER_SEQUENCE, &content) || !der_take(&content, DER_OID, &oid))
        return false;
    extension->critical = der_peek(content) == DER_BOOLEAN;
    if (extension->critical &&
        (!der_take(&content, DER_BOOLEAN, &critical) || critical.len != 1 || critical.at[0] != 0xff))
        return false;
    extension->id = oid.len == 3 && oid.at[0] == 0x55 && oid.at[1] == 0x1d ? oid.at[2] : -1;
    return der_take(&content, DER_OCTET_STRING, &extension->value) && content.len == 0;
}

/* `small` gets it where it is below 2^63. */
static const char *parse_integer(struct bytes value, bool strict, struct crl_number *number, uint64_t *small)
{
    struct bytes content;
    if (!der_take(&value, DER_INTEGER, &content) || value.len || content.len == 0)
        return malformed;
    if (content.at[0] & 0x80)
        return "is negative";
    if (content.at[0] == 0) { /* the sign alone, or zero */
        content.at++;
        content.len--;
        if (content.len && !(content.at[0] & 0x80))
            return malformed;
    }
    if (content.len > CRL_NUMBER_MAX)
        return "has more than 20 octets";
    number->len = (uint8_t)content.len;
    memcpy(number->octets, content.at, content.len);
    if (content.len > 8 || (content.len == 8 && content.at[0] & 0x80))
        return strict ? "is 2^63 or more" : NULL;
    for (size_t i = 0; i < content.len; i++)
        *small = *small << 8 | content.at[i];
    return NULL;
}

static const char *parse_number(struct bytes value, bool strict, struct crl_facts *facts)
{
    facts->has_number = true;
    return parse_integer(value, strict, &facts->number, &facts->head.number);
}

static const char *parse_delta(struct bytes value, bool strict, struct crl_facts *facts)
{
    facts->is_delta = true;
    const char *wrong = parse_integer(value, strict, &facts->base, &facts->head.base);
    return wrong || !strict || facts->head.base ? wrong : "is zero, which stands for none";
}

/* Issuer and serial beside or instead of the key identifier are of no use to us. */
static const char *parse_authority(struct bytes value, bool strict, struct crl_facts *facts)
{
    struct bytes content;
    if (!der_take(&value, DER_SEQUENCE, &content) || value.len)
        return malformed;
    facts->has_key_id = der_take(&content, DER_CONTEXT(0), &facts->head.key_id);
    return strict && (!facts->has_key_id || content.len) ? malformed : NULL;
}

static bool is_http(struct bytes uri)
{
    return uri.len > 7 && memcmp(uri.at, "http://", 7) == 0;
}

/* DistributionPointName, the content of [0]: of the good URIs of a fullName the first that is http://, which is what
 * distribution_point can be (Microsoft's CAs put ldap:// before it), or else the first; strictly, the only name. */
static bool find_uri(struct bytes point, bool strict, struct bytes *uri)
{
    struct bytes names, name, found = {0};
    uint8_t tag;
    if (!der_take(&point, DER_CONTEXT_CONSTRUCTED(0), &names) || point.len)
        return false;
    while (der_take_any(&names, &tag, &name)) {
        bool good = tag == DER_CONTEXT(6) && crl_uri_is_good(name);
        if (strict && (!good || names.len))
            return false;
        if (good && (!found.len || (!is_http(found) && is_http(name))))
            found = name;
    }
    *uri = found;
    return found.len > 0;
}

/* IMPLICIT BOOLEAN DEFAULT FALSE. */
static bool take_flag(struct bytes *in, unsigned number, bool *set)
{
    struct bytes content;
    *set = der_take(in, (uint8_t)DER_CONTEXT(number), &content);
    return !*set || (content.len == 1 && content.at[0] == 0xff);
}

static const char *parse_point(struct bytes value, bool strict, struct crl_facts *facts)
{
    struct bytes content, name, reasons;
    bool user, ca, indirect, attribute;
    if (!der_take(&value, DER_SEQUENCE, &content) || value.len || (strict && content.len == 0))
        return malformed;
    if (der_take(&content, DER_CONTEXT_CONSTRUCTED(0), &name) && !find_uri(name, strict, &facts->head.point))
        return "names its distribution point other than by a URI of at most 255 characters";
    if (!take_flag(&content, 1, &user) || !take_flag(&content, 2, &ca))
        return malformed;
    if (der_take(&content, DER_CONTEXT(3), &reasons))
        return "covers some reasons only (onlySomeReasons)";
    if (!take_flag(&content, 4, &indirect) || !take_flag(&content, 5, &attribute) || content.len)
        return malformed;
    if (indirect)
        return "covers certificates of other CAs, too (indirectCRL)";
    if (attribute)
        return "covers attribute certificates only (onlyContainsAttributeCerts)";
    if (user && ca)
        return "excludes all certificates (onlyContainsUserCerts and onlyContainsCACerts)";
    facts->head.scope = user ? CRL_USER : ca ? CRL_CA : CRL_ALL;
    return NULL;
}

/* Of other CAs, one that we cannot use is none: it is not critical, and where to look is all it says. */
static const char *parse_freshest(struct bytes value, bool strict, struct crl_facts *facts)
{
    struct bytes points, point, name;
    if (!der_take(&value, DER_SEQUENCE, &points) || value.len)
        return strict ? malformed : NULL;
    while (der_take(&points, DER_SEQUENCE, &point))
        if (der_take(&point, DER_CONTEXT_CONSTRUCTED(0), &name) && point.len == 0 &&
            find_uri(name, strict, &facts->head.freshest))
            return strict && points.len ? malformed : NULL;
    return strict ? malformed : NULL;
}

static const char *parse_expired(struct bytes value, bool strict, struct crl_facts *facts)
{
    struct bytes content;
    bool good = der_take(&value, DER_GENERALIZED_TIME, &content) && value.len == 0 &&
                time_from_der(DER_GENERALIZED_TIME, content, &facts->head.expired_since);
    return strict && (!good || facts->head.expired_since == 0) ? malformed : NULL;
}

static const struct known {
    enum crl_extension_id id;
    bool critical;
    const char *name;
    parse_value *parse;
} known[] = {
    {CRL_AUTHORITY, false, "authorityKeyIdentifier", parse_authority},
    {CRL_NUMBER, false, "cRLNumber", parse_number},
    {CRL_DELTA_INDICATOR, true, "deltaCRLIndicator", parse_delta},
    {CRL_POINT, true, "issuingDistributionPoint", parse_point},
    {CRL_FRESHEST, false, "freshestCRL", parse_freshest},
    {CRL_EXPIRED_CERTS, false, "expiredCertsOnCRL", parse_expired},
};
enum { known_count = sizeof known / sizeof *known };

static const struct known *find(int id)
{
    for (const struct known *k = known; k < known + known_count; k++)
        if ((int)k->id == id)
            return k;
    return NULL;
}

static int parse_one(const struct crl_extension *extension, bool strict, unsigned *seen,
                     struct crl_facts *facts, struct error *err)
{
    const struct known *k = find(extension->id);
    if (!k)
        return !strict && !extension->critical
                   ? 0
                   : error_set(err, extension->critical ? "the CRL has a critical extension that is not known"
                                                        : "the CRL has an extension that we do not write");
    if (*seen & 1u << (k - known))
        return error_set(err, "the CRL has %s twice", k->name);
    *seen |= 1u << (k - known);
    if (strict && extension->critical != k->critical)
        return error_set(err, "the CRL's %s is %scritical", k->name, k->critical ? "not " : "");
    const char *wrong = k->parse(extension->value, strict, facts);
    return wrong ? error_set(err, "the CRL's %s %s", k->name, wrong) : 0;
}

int crl_parse_extensions(struct bytes list, bool strict, struct crl_facts *facts, struct error *err)
{
    unsigned seen = 0;
    if (list.len == 0)
        return error_set(err, "the CRL's list of extensions is empty");
    while (list.len) {
        struct crl_extension extension;
        if (!crl_take_extension(&list, &extension))
            return error_set(err, "an extension of the CRL is malformed");
        if (parse_one(&extension, strict, &seen, facts, err) < 0)
            return -1;
    }
    if (crl_number_compare(&facts->base, &facts->number) > 0)
        return error_set(err, "the base of the delta CRL is above its own number");
    if (strict && facts->is_delta && facts->head.freshest.len)
        return error_set(err, "a delta CRL has a freshestCRL (RFC 5280 section 5.2.6)");
    return 0;
}
