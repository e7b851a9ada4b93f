#include <annul/ocsp_signer.h>

#include <annul/clock.h>

#include <stdlib.h>
#include <string.h>

#define RETIRED_MS 3600000

static struct bytes view(const struct buffer *buffer)
{
    return (struct bytes){buffer->at, buffer->len};
}

static int take_certificates(struct ocsp_signer *signer, struct bytes certs, struct error *err)
{
    struct bytes own, rest = certs;
    if (!der_take_whole(&rest, DER_SEQUENCE, &own))
        return error_set(err, "not a certificate");
    if (certificate_from_der(own, &signer->certificate, err) < 0)
        return -1;
    return buffer_add(&signer->certs, certs.at, certs.len) ? 0 : error_set(err, "out of memory");
}

static int check_delegate(const struct ocsp_signer *signer, const struct issuer *issuer, struct error *err)
{
    if (certificate_issued_by(&signer->certificate, &issuer->ca) != 1)
        return error_set(
            err,
            "was not issued by this CA, so clients would refuse its signatures (RFC 6960 section 4.2.2.2)");
    if (!certificate_is_ocsp_delegate(&signer->certificate))
        return error_set(err, "lacks extendedKeyUsage OCSPSigning; have the CA issue one with it");
    if (!certificate_may_sign_ocsp(&signer->certificate))
        return error_set(err, "its keyUsage lacks digitalSignature; have the CA issue one with it");
    return 0;
}

/* All that decides what a response looks like, besides the row: when it changes, nothing older is given any more. */
static bool make_lineage(struct ocsp_signer *signer, const struct issuer *issuer, bool is_ours)
{
    const struct config_issuer *section = issuer->config;
    uint8_t hash[CERTID_HASH_MAX];
    struct buffer all = {0};
    const struct buffer *who = is_ours ? &issuer->ca.der : &signer->certs;
    if (who->len == 0)
        who = &signer->certificate.der;
    bool good = buffer_printf(&all, "%d %d %d %lld %lld %s\n", is_ours, section->responder_by_name,
                              section->invalidity_date, (long long)section->ocsp_validity_s,
                              (long long)section->archive_cutoff_s,
                              section->crl_reference.text ? section->crl_reference.text : "") &&
                buffer_add(&all, who->at, who->len) && certid_digest(CERTID_SHA256, view(&all), hash);
    buffer_free(&all);
    if (good)
        memcpy(&signer->lineage, hash, sizeof signer->lineage);
    return good;
}

int ocsp_signer_init(struct ocsp_signer *signer, const struct issuer *issuer, struct bytes certs,
                     bool is_ours, struct error *err)
{
    *signer = (struct ocsp_signer){0};
    if (take_certificates(signer, certs, err) < 0)
        return -1;
    const struct certificate *own = &signer->certificate;
    if (bytes_equal(view(&own->der), view(&issuer->ca.der)))
        buffer_free(&signer->certs); /* who asks has the CA's certificate */
    else if (check_delegate(signer, issuer, err) < 0)
        return -1;
    if (!(signer->sigalg = sigalg_for_key(certificate_key(own))))
        return error_set(err, "has a key that is none of RSA 2048 to 4096, P-256, P-384, P-521, Ed25519");
    if (!(issuer->config->responder_by_name
              ? ocsp_responder_by_name(&signer->responder_id, view(&own->subject))
              : ocsp_responder_by_key(&signer->responder_id, view(&own->key_bits))) ||
        !make_lineage(signer, issuer, is_ours))
        return error_set(err, "out of memory");
    return 0;
}

void ocsp_signer_free(struct ocsp_signer *signer)
{
    certificate_free(&signer->certificate);
    buffer_free(&signer->certs);
    buffer_free(&signer->responder_id);
}

bool ocsp_signer_is_valid(const struct ocsp_signer *signer, int64_t now)
{
    return signer->certificate.not_before <= now && now < signer->certificate.not_after;
}

const struct ocsp_signers *issuer_ocsp_signers(const struct issuer *issuer)
{
    return atomic_load_explicit(&issuer->ocsp_signers, memory_order_acquire);
}

void ocsp_signers_free(struct ocsp_signers *signers)
{
    for (size_t i = 0; signers && i < signers->count; i++)
        ocsp_signer_free(&signers->list[i]);
    free(signers);
}

/* Frees those that were retired an hour before `now_ms`; INT64_MAX: all. */
static void free_retired(struct ocsp_signers *signers, int64_t now_ms)
{
    struct ocsp_signers **link = &signers->retired;
    while (*link && (*link)->retired_ms > now_ms - RETIRED_MS)
        link = &(*link)->retired;
    struct ocsp_signers *old = *link;
    *link = NULL;
    while (old) {
        struct ocsp_signers *next = old->retired;
        ocsp_signers_free(old);
        old = next;
    }
}

void issuer_ocsp_signers_set(struct issuer *issuer, struct ocsp_signers *signers)
{
    struct ocsp_signers *before = atomic_load_explicit(&issuer->ocsp_signers, memory_order_relaxed);
    int64_t now_ms = clock_monotonic_ms();
    if (before)
        before->retired_ms = now_ms;
    signers->retired = before;
    atomic_store_explicit(&issuer->ocsp_signers, signers, memory_order_release);
    free_retired(signers, now_ms);
}

void issuer_ocsp_signers_free(struct issuer *issuer)
{
    struct ocsp_signers last = {.retired = atomic_load(&issuer->ocsp_signers)};
    free_retired(&last, INT64_MAX);
}

const struct ocsp_signer *ocsp_signers_choose(const struct ocsp_signers *signers, struct bytes preferred,
                                              int64_t now, const struct sigalg **sigalg)
{
    const struct ocsp_signer *first = NULL;
    struct bytes oid;
    for (size_t i = 0; signers && !first && i < signers->count; i++)
        if (ocsp_signer_is_valid(&signers->list[i], now))
            first = &signers->list[i];
    if (!first)
        return NULL;
    while (ocsp_take_preferred(&preferred, &oid)) {
        const struct sigalg *wish = sigalg_by_oid(oid);
        for (size_t i = 0; wish && i < signers->count; i++) {
            *sigalg = wish;
            if (signers->list[i].sigalg->family == wish->family &&
                ocsp_signer_is_valid(&signers->list[i], now))
                return &signers->list[i];
        }
    }
    *sigalg = first->sigalg;
    return first;
}
