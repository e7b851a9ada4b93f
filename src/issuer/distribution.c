/* Where an issuer's CRLs are found: distribution points and shards. */
#include <annul/issuer.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char place[] = "{}"; /* of the shard's number */

size_t issuer_point(const struct issuer *issuer, struct crl_part part, char uri[CONFIG_URL_MAX + 1])
{
    const struct config_issuer *config = issuer->config;
    const char *text = part.delta                ? config->delta_distribution_point.text
                       : part.shard == CRL_WHOLE ? config->distribution_point.text
                                                 : config->shard_distribution_point.text;
    int len;
    if (text && part.shard != CRL_WHOLE && !part.delta)
        len = snprintf(uri, CONFIG_URL_MAX + 1, "%.*s%d%s", (int)(strstr(text, place) - text), text,
                       part.shard, strstr(text, place) + strlen(place));
    else
        len = snprintf(uri, CONFIG_URL_MAX + 1, "%s", text ? text : "");
    return (size_t)len;
}

/* Whether `found` is `wanted` with a number of ours in its place. */
static bool is_shard(const struct issuer *issuer, const char *wanted, struct bytes found, int *shard)
{
    const char *before = strstr(wanted, place), *behind = before + strlen(place);
    size_t before_len = (size_t)(before - wanted), behind_len = strlen(behind);
    if (found.len <= before_len + behind_len || found.len > before_len + behind_len + 4 ||
        memcmp(found.at, wanted, before_len) != 0 ||
        memcmp(found.at + found.len - behind_len, behind, behind_len) != 0)
        return false;
    char digits[5] = {0};
    memcpy(digits, found.at + before_len, found.len - before_len - behind_len);
    if (strspn(digits, "0123456789") != strlen(digits) || (digits[0] == '0' && digits[1]))
        return false;
    *shard = atoi(digits);
    return *shard < (int)issuer->config->shards;
}

/* `skip`: what of a configured URI is not compared. */
static bool find_part(const struct issuer *issuer, struct bytes found, const char *(*skip)(const char *),
                      struct crl_part *part)
{
    const struct config_issuer *config = issuer->config;
    const struct config_value *points[] = {&config->distribution_point, &config->delta_distribution_point};
    for (size_t i = 0; i < 2; i++) {
        const char *wanted = points[i]->text ? skip(points[i]->text) : NULL;
        if (wanted && strlen(wanted) == found.len && memcmp(wanted, found.at, found.len) == 0) {
            *part = (struct crl_part){CRL_WHOLE, i == 1};
            return true;
        }
    }
    *part = (struct crl_part){0, false};
    return config->shards &&
           is_shard(issuer, skip(config->shard_distribution_point.text), found, &part->shard);
}

static const char *whole_uri(const char *uri)
{
    return uri;
}

static const char *path_of(const char *uri) /* "http://host/path": the configuration has nothing else */
{
    return strchr(uri + strlen("http://"), '/');
}

bool issuer_part_of_uri(const struct issuer *issuer, struct bytes uri, struct crl_part *part)
{
    return find_part(issuer, uri, whole_uri, part);
}

bool issuer_part_of_path(const struct issuer *issuer, const char *path, struct crl_part *part)
{
    return find_part(issuer, (struct bytes){(const uint8_t *)path, strlen(path)}, path_of, part);
}

int issuer_shard_of(const struct issuer *issuer, const struct serial *serial)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */
    if (!issuer->config->shards)
        return CRL_WHOLE;
    for (size_t i = 0; i < serial->len; i++)
        hash = (hash ^ serial->octets[i]) * UINT64_C(0x100000001b3);
    return (int)((hash ^ hash >> 32) % issuer->config->shards);
}
