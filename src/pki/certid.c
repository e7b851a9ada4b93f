#include <annul/certid.h>

#include <openssl/evp.h>

#include <string.h>

static const struct {
    const char *name;
    size_t len;
    struct bytes oid; /* content of the OBJECT IDENTIFIER */
} hashes[CERTID_HASHES] = {
    [CERTID_SHA1] = {"SHA1", 20, {(const uint8_t *)"\x2b\x0e\x03\x02\x1a", 5}},
    [CERTID_SHA256] = {"SHA256", 32, {(const uint8_t *)"\x60\x86\x48\x01\x65\x03\x04\x02\x01", 9}},
    [CERTID_SHA384] = {"SHA384", 48, {(const uint8_t *)"\x60\x86\x48\x01\x65\x03\x04\x02\x02", 9}},
    [CERTID_SHA512] = {"SHA512", 64, {(const uint8_t *)"\x60\x86\x48\x01\x65\x03\x04\x02\x03", 9}},
};

size_t certid_hash_len(enum certid_hash hash)
{
    return hashes[hash].len;
}

bool certid_digest(enum certid_hash hash, struct bytes data, uint8_t out[CERTID_HASH_MAX])
{
    size_t len;
    return EVP_Q_digest(NULL, hashes[hash].name, NULL, data.at, data.len, out, &len) == 1;
}

static bool take_algorithm(struct bytes *in, enum certid_hash *hash)
{
    struct bytes algorithm, oid, null;
    if (!der_take(in, DER_SEQUENCE, &algorithm) || !der_take(&algorithm, DER_OID, &oid))
        return false;
    *hash = CERTID_OTHER;
    for (int i = 0; i < CERTID_HASHES; i++)
        if (bytes_equal(oid, hashes[i].oid))
            *hash = (enum certid_hash)i;
    if (*hash == CERTID_OTHER || algorithm.len == 0)
        return true;
    return der_take(&algorithm, DER_NULL, &null) && null.len == 0 && algorithm.len == 0;
}

bool certid_take(struct bytes *in, struct certid *id)
{
    struct bytes content, serial;
    if (!der_take_whole(in, DER_SEQUENCE, &id->whole))
        return false;
    struct bytes rest = id->whole;
    if (!der_take(&rest, DER_SEQUENCE, &content) || !take_algorithm(&content, &id->hash) ||
        !der_take(&content, DER_OCTET_STRING, &id->name_hash) ||
        !der_take(&content, DER_OCTET_STRING, &id->key_hash) || !der_take(&content, DER_INTEGER, &serial) ||
        content.len != 0 || !serial_from_integer(serial, &id->serial))
        return false;
    if (id->hash == CERTID_OTHER)
        return true;
    return id->name_hash.len == hashes[id->hash].len && id->key_hash.len == hashes[id->hash].len;
}

void certid_put(struct der_writer *w, enum certid_hash hash, struct bytes name_hash, struct bytes key_hash,
                const struct serial *serial)
{
    uint8_t integer[SERIAL_MAX + 3];
    size_t whole = der_mark(w);
    der_put(w, integer, serial_to_der(serial_bytes(serial), integer));
    der_put_tlv(w, DER_OCTET_STRING, key_hash);
    der_put_tlv(w, DER_OCTET_STRING, name_hash);
    size_t algorithm = der_mark(w);
    der_put_tlv(w, DER_NULL, (struct bytes){0});
    der_put_tlv(w, DER_OID, hashes[hash].oid);
    der_wrap(w, DER_SEQUENCE, algorithm);
    der_wrap(w, DER_SEQUENCE, whole);
}
