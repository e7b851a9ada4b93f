/* CertID: which certificate an OCSP request asks about (RFC 6960 section 4.1.1). */
#ifndef ANNUL_CERTID_H
#define ANNUL_CERTID_H

#include <annul/der.h>
#include <annul/serial.h>

enum certid_hash {
    CERTID_SHA1,
    CERTID_SHA256,
    CERTID_SHA384,
    CERTID_SHA512,
    CERTID_HASHES,
    CERTID_OTHER = 99
};

#define CERTID_HASH_MAX 64

struct certid {
    struct bytes whole;     /* the TLV as received: a response repeats it octet for octet */
    enum certid_hash hash;  /* CERTID_OTHER: well-formed, but an algorithm we do not know */
    struct bytes name_hash; /* of the issuer's subject, DER */
    struct bytes key_hash;  /* of the BIT STRING's content in the issuer's SubjectPublicKeyInfo */
    struct serial serial;
};

/* Octets of a hash, 20 to 64. */
size_t certid_hash_len(enum certid_hash hash);

/* Hashes `data`; `out` has CERTID_HASH_MAX octets. False where OpenSSL fails. Any thread. */
bool certid_digest(enum certid_hash hash, struct bytes data, uint8_t out[CERTID_HASH_MAX]);

/* Takes a CertID off the front; parameters of the hash may be absent or NULL. The views live as long as the
 * input does. False where it is malformed. */
bool certid_take(struct bytes *in, struct certid *id);

/* Writes one in front as OpenSSL, GnuTLS, Java and most others do: the parameters of the hash are NULL. */
#define CERTID_DER_MAX (32 + 2 * (2 + CERTID_HASH_MAX) + SERIAL_MAX + 3)
void certid_put(struct der_writer *w, enum certid_hash hash, struct bytes name_hash, struct bytes key_hash,
                const struct serial *serial);

#endif
