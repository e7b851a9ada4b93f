#include <annul/ocsp_signer.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509_vfy.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NAME_MAX_OCTETS 15000 /* of a CA's subject, which a CRL repeats */
#define REQUEST_SIGNERS_MAX (1 << 20)

static struct bytes view(const struct buffer *buffer)
{
    return (struct bytes){buffer->at, buffer->len};
}

static int load_certificate(const struct config *config, const struct config_issuer *section,
                            const struct config_value *file, struct certificate *certificate,
                            struct error *err)
{
    struct error why;
    if (certificate_from_file(file->text, certificate, &why) == 0)
        return 0;
    return config_error(config, file->line, err, "issuer \"%s\": %s", section->name.text, why.text);
}

static int load_ca(const struct config *config, struct issuer *issuer, struct error *err)
{
    const struct config_issuer *section = issuer->config;
    const struct config_value *file = &section->certificate;
    if (load_certificate(config, section, file, &issuer->ca, err) < 0)
        return -1;
    if (!issuer->ca.is_ca)
        return config_error(config, file->line, err,
                            "issuer \"%s\": certificate %s: not a CA (basicConstraints)", section->name.text,
                            file->text);
    const struct sigalg *sigalg = sigalg_for_key(certificate_key(&issuer->ca));
    if (!sigalg)
        return config_error(
            config, file->line, err,
            "issuer \"%s\": certificate %s: its key is none of RSA 2048 to 4096, P-256, P-384, "
            "P-521, Ed25519",
            section->name.text, file->text);
    if (issuer->ca.subject.len > NAME_MAX_OCTETS ||
        certificate_key_id(&issuer->ca).len > sizeof issuer->key_id)
        return config_error(config, file->line, err,
                            "issuer \"%s\": certificate %s: its subject has more than %d octets, or its key "
                            "identifier more than %zu",
                            section->name.text, file->text, NAME_MAX_OCTETS, sizeof issuer->key_id);
    if (!section->key.text)
        return 0;
    if (!certificate_may_sign_crls(&issuer->ca))
        return config_error(
            config, file->line, err,
            "issuer \"%s\": certificate %s: keyUsage lacks cRLSign, so nobody would accept its CRLs",
            section->name.text, file->text);
    issuer->crl_sigalg = sigalg;
    return 0;
}

/* What is no CA would be trusted as if it were one. */
static int trust(void *arg, struct certificate *certificate, struct error *err)
{
    if (certificate->is_ca)
        return X509_STORE_add_cert(arg, certificate->x509) == 1 ? 0 : error_set(err, "out of memory");
    char *subject = certificate_subject_text(certificate);
    error_set(err, "%s is not a CA; put the certificate of who issued it there", subject ? subject : "");
    free(subject);
    return -1;
}

static int load_request_signers(const struct config *config, struct issuer *issuer, struct error *err)
{
    const struct config_value *file = &issuer->config->request_signers;
    struct buffer text = {0};
    struct error why = {"out of memory"};
    if (!file->text)
        return 0;
    issuer->request_signers = X509_STORE_new();
    long count = -1;
    if (issuer->request_signers)
        count = file_read(file->text, REQUEST_SIGNERS_MAX, &text) < 0
                    ? error_set(&why, "%s", strerror(errno))
                    : certificates_from_text(view(&text), trust, issuer->request_signers, &why);
    buffer_free(&text);
    ERR_clear_error();
    if (count > 0)
        return 0;
    return config_error(config, file->line, err, "issuer \"%s\": request_signers %s: %s",
                        issuer->config->name.text, file->text, why.text);
}

static bool make_hashes(struct issuer *issuer)
{
    struct bytes name = view(&issuer->ca.subject), key = view(&issuer->ca.key_bits);
    uint8_t hash[CERTID_HASH_MAX];
    for (int h = 0; h < CERTID_HASHES; h++)
        if (!certid_digest((enum certid_hash)h, name, issuer->name_hash[h]) ||
            !certid_digest((enum certid_hash)h, key, issuer->key_hash[h]))
            return false;

    struct buffer both = {0};
    bool good = buffer_add(&both, name.at, name.len) && buffer_add(&both, key.at, key.len) &&
                certid_digest(CERTID_SHA256, view(&both), hash);
    buffer_free(&both);
    memcpy(issuer->fingerprint, hash, sizeof issuer->fingerprint);

    /* RFC 5280 section 5.2.1: the CA's subjectKeyIdentifier, else the SHA-1 of its key. */
    struct bytes id = certificate_key_id(&issuer->ca);
    if (id.len == 0)
        id = (struct bytes){issuer->key_hash[CERTID_SHA1], 20};
    memcpy(issuer->key_id, id.at, id.len);
    issuer->key_id_len = id.len;
    return good;
}

static int load_one(struct issuers *issuers, struct issuer *issuer, struct error *err)
{
    const struct config *config = issuers->config;
    if (load_ca(config, issuer, err) < 0 || load_request_signers(config, issuer, err) < 0)
        return -1;
    atomic_init(&issuer->statuses_end, config_has_foreign_crls(issuer->config) ? INT64_MIN : INT64_MAX);
    if (!make_hashes(issuer))
        return error_set(err, "OpenSSL cannot hash");
    for (struct issuer *other = issuers->list; other < issuer; other++)
        if (memcmp(other->fingerprint, issuer->fingerprint, sizeof issuer->fingerprint) == 0)
            return config_error(
                config, issuer->config->certificate.line, err,
                "issuer \"%s\": the same CA (subject and key) as issuer \"%s\"; keep one of them",
                issuer->config->name.text, other->config->name.text);
    return 0;
}

static bool is_above(const struct issuer *above, const struct issuer *issuer)
{
    while (issuer && issuer != above)
        issuer = issuer->above;
    return issuer;
}

/* By the configured certificates. Two CAs may have certified one another: then one of them is on top. */
static void find_above(struct issuers *issuers)
{
    for (size_t i = 0; i < issuers->count; i++) {
        struct issuer *issuer = &issuers->list[i], *found = issuers_of_certificate(issuers, &issuer->ca);
        issuer->is_root = found == issuer;
        if (!is_above(issuer, found))
            issuer->above = found;
    }
}

struct issuers *issuers_load(const struct config *config, struct error *err)
{
    struct issuers *issuers = calloc(1, sizeof *issuers + config->issuer_count * sizeof *issuers->list);
    if (!issuers) {
        error_set(err, "out of memory");
        return NULL;
    }
    issuers->config = config;
    for (size_t i = 0; i < config->issuer_count; i++) {
        issuers->list[i].config = &config->issuers[i];
        issuers->count++;
        if (load_one(issuers, &issuers->list[i], err) < 0) {
            issuers_free(issuers);
            return NULL;
        }
    }
    find_above(issuers);
    return issuers;
}

void issuers_free(struct issuers *issuers)
{
    if (!issuers)
        return;
    for (size_t i = 0; i < issuers->count; i++) {
        certificate_free(&issuers->list[i].ca);
        issuer_ocsp_signers_free(&issuers->list[i]);
        X509_STORE_free(issuers->list[i].request_signers);
    }
    free(issuers);
}

struct issuer *issuers_by_name(struct issuers *issuers, const char *name)
{
    for (size_t i = 0; i < issuers->count; i++)
        if (strcmp(issuers->list[i].config->name.text, name) == 0)
            return &issuers->list[i];
    return NULL;
}

struct issuer *issuers_by_certid(struct issuers *issuers, const struct certid *id)
{
    if (id->hash == CERTID_OTHER)
        return NULL;
    for (size_t i = 0; i < issuers->count; i++) {
        struct issuer *issuer = &issuers->list[i];
        if (memcmp(issuer->key_hash[id->hash], id->key_hash.at, id->key_hash.len) == 0 &&
            memcmp(issuer->name_hash[id->hash], id->name_hash.at, id->name_hash.len) == 0)
            return issuer;
    }
    return NULL;
}

struct issuer *issuers_by_fingerprint(struct issuers *issuers, const uint8_t fingerprint[32])
{
    for (size_t i = 0; i < issuers->count; i++)
        if (memcmp(issuers->list[i].fingerprint, fingerprint, 32) == 0)
            return &issuers->list[i];
    return NULL;
}

struct issuer *issuers_of_certificate(struct issuers *issuers, const struct certificate *certificate)
{
    for (size_t i = 0; i < issuers->count; i++)
        if (certificate_issued_by(certificate, &issuers->list[i].ca) == 1)
            return &issuers->list[i];
    return NULL;
}
