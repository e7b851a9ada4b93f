/* X.509 certificates, parsed by OpenSSL, seen through the few fields that revocation needs.
 *
 * Bytes in, struct out; no files, no clock. Any thread, but one object at a time by one thread.
 */
#ifndef ANNUL_CERTIFICATE_H
#define ANNUL_CERTIFICATE_H

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/serial.h>
#include <openssl/types.h>

struct certificate {
    X509 *x509;
    struct buffer der;      /* the whole certificate */
    struct buffer issuer;   /* Name, DER, as it stands in the certificate */
    struct buffer subject;  /* the same of the subject */
    struct buffer key_bits; /* content of the public key's BIT STRING, without the unused-bits octet */
    struct serial serial;
    int64_t not_before, not_after;
    bool is_ca; /* basicConstraints cA is TRUE */
};

/* One certificate in DER; octets behind it are an error. -1 with the reason. Free with certificate_free. */
int certificate_from_der(struct bytes der, struct certificate *certificate, struct error *err);

/* Walks a file's content: one DER certificate, or every PEM certificate in it (other PEM blocks are passed
 * over). Calls `each` with certificates that live only during the call; it returns 0 to go on.
 * Returns how many, or -1: not a certificate, or `each` said stop (it sets `err`). */
typedef int certificate_each(void *arg, struct certificate *certificate, struct error *err);
long certificates_from_text(struct bytes text, certificate_each *each, void *arg, struct error *err);

/* For certificates_from_text: appends its DER to `arg`, a struct buffer. */
certificate_each certificate_append;

/* The first certificate of a PEM or DER file. */
int certificate_from_file(const char *path, struct certificate *certificate, struct error *err);

/* Subject by RFC 2253 in UTF-8 ("CN=client-0,O=Demo"); malloc'ed, NULL when out of memory. */
char *certificate_subject_text(const struct certificate *certificate);

/* Whether a text is what certificate_subject_text would give for some subject: only then can one have it. */
bool certificate_is_subject_text(const char *text);

/* PEM text appended. */
bool certificate_to_pem(struct bytes der, struct buffer *pem);

/* Whether `issuer` signed `certificate`: names match and the signature is good. 1, 0, or -1. */
int certificate_issued_by(const struct certificate *certificate, const struct certificate *issuer);

/* Whether it is a delegated OCSP responder (id-kp-OCSPSigning, RFC 6960 section 4.2.2.2). */
bool certificate_is_ocsp_delegate(const struct certificate *certificate);

/* Content of its subjectKeyIdentifier, or nothing. */
struct bytes certificate_key_id(const struct certificate *certificate);

/* Gives the URIs of its CRL distribution points (RFC 5280 section 4.2.1.13); other than 0 stops. */
typedef int certificate_each_point(void *arg, struct bytes uri);
void certificate_points(const struct certificate *certificate, certificate_each_point *each, void *arg);

/* Whether keyUsage, where there is one, allows signing CRLs. */
bool certificate_may_sign_crls(const struct certificate *certificate);

/* Appends the http and https URLs of its OCSP responders (authorityInfoAccess), or of its complete CRLs by its own CA
 * (cRLDistributionPoints), each with a NUL behind it. False when out of memory. */
bool certificate_ocsp_urls(const struct certificate *certificate, struct buffer *urls);
bool certificate_crl_urls(const struct certificate *certificate, struct buffer *urls);

/* Whether it says that its holder staples (TLS feature status_request, RFC 7633). */
bool certificate_must_staple(const struct certificate *certificate);

/* Whether it allows signing OCSP responses: digitalSignature or nonRepudiation (RFC 5280 section 4.2.1.12). */
bool certificate_may_sign_ocsp(const struct certificate *certificate);

EVP_PKEY *certificate_key(const struct certificate *certificate); /* borrowed */

void certificate_free(struct certificate *certificate); /* NULL-safe; leaves it empty */

#endif
