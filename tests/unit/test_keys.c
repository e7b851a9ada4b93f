/* The keys of annul-signer: what is refused at its start, what becomes of replaced files, and the delegates that it
 * issues to itself. */
#include "x509.h"

#include "signer/keys.h"

#include <annul/clock.h>

static struct fixture {
    char *folder, path[256];
    EVP_PKEY *key, *other_key, *weak_key, *rsa_key, *ed_key;
    X509 *ca, *other;
} f;

#define CA "basicConstraints", "critical,CA:TRUE"
#define DELEGATE "extendedKeyUsage", "OCSPSigning"

/* --- files --------------------------------------------------------------------------------------------- */

static void put_text(const char *name, const char *text)
{
    char *path;
    assert_true(asprintf(&path, "%s/%s", f.folder, name) > 0);
    file_put(path, text, strlen(text));
    free(path);
}

static void put_delegate(const char *name, EVP_PKEY *key)
{
    x509_put_new(f.folder, name, key, f.ca, f.key, (const char *[]){DELEGATE, NULL});
}

static void put_ca(const char *name, EVP_PKEY *key)
{
    X509 *x509 = x509_make_ca(name, key);
    x509_put(f.folder, name, x509, NULL);
    X509_free(x509);
}

static int fixture_make(void **state)
{
    (void)state;
    f.folder = folder_make();
    snprintf(f.path, sizeof f.path, "%s/annuld.conf", f.folder);
    f.key = key_make("P-256");
    f.other_key = key_make("P-384");
    f.weak_key = key_make("RSA-1024");
    f.rsa_key = key_make("RSA-2048");
    f.ed_key = key_make("ED25519");
    f.ca = x509_make_ca("One CA", f.key);
    f.other = x509_make_ca("Other CA", f.other_key);
    x509_put(f.folder, "ca.crt", f.ca, NULL);
    x509_put(f.folder, "ca.key", NULL, f.key);
    x509_put(f.folder, "other.crt", f.other, NULL);
    x509_put(f.folder, "other.key", NULL, f.other_key);
    x509_put(f.folder, "weak.key", NULL, f.weak_key);
    x509_put(f.folder, "rsa-ca.key", NULL, f.rsa_key);
    put_ca("rsa-ca.crt", f.rsa_key);
    x509_put(f.folder, "ed-ca.key", NULL, f.ed_key);
    put_ca("ed-ca.crt", f.ed_key);
    x509_put_new(f.folder, "no-cert-sign.crt", f.key, NULL, NULL,
                 (const char *[]){CA, "keyUsage", "cRLSign", NULL});
    put_delegate("delegate.crt", f.other_key);
    put_delegate("weak-delegate.crt", f.weak_key);
    x509_put_new(f.folder, "delegate-of-other.crt", f.key, f.other, f.other_key,
                 (const char *[]){DELEGATE, NULL});
    x509_put_new(f.folder, "no-delegate.crt", f.other_key, f.ca, f.key,
                 (const char *[]){"extendedKeyUsage", "serverAuth", NULL});
    x509_put_new(f.folder, "no-signature.crt", f.other_key, f.ca, f.key,
                 (const char *[]){DELEGATE, "keyUsage", "keyEncipherment", NULL});
    x509_put_new(f.folder, "non-repudiation.crt", f.other_key, f.ca, f.key,
                 (const char *[]){DELEGATE, "keyUsage", "nonRepudiation", NULL});
    shell("cd %s && cat delegate.crt ca.crt > delegate-chain.crt && cat ca.crt other.crt > mixed.crt && cp "
          "ca.key seen.key && chmod 644 seen.key "
          "&& "
          "openssl pkey -in ca.key -aes128 -passout pass:x -out locked.key && chmod 600 locked.key && "
          "(cat delegate.crt; echo -----BEGIN CERTIFICATE-----; echo '!!!!') > damaged-chain.crt && "
          ": > empty.key && chmod 600 empty.key && : > empty.crt",
          f.folder);
    return 0;
}

static int fixture_free(void **state)
{
    (void)state;
    X509_free(f.ca);
    X509_free(f.other);
    EVP_PKEY_free(f.key);
    EVP_PKEY_free(f.other_key);
    EVP_PKEY_free(f.weak_key);
    EVP_PKEY_free(f.rsa_key);
    EVP_PKEY_free(f.ed_key);
    folder_remove(f.folder);
    return 0;
}

/* --- loading ------------------------------------------------------------------------------------------- */

struct loaded {
    struct config *config;
    struct issuers *issuers;
    struct signer_keys *keys; /* NULL where they were refused */
};

static struct loaded load(const char *text, struct error *err)
{
    struct loaded l;
    char *whole;
    assert_true(
        asprintf(&whole,
                 "public { listen = {\"127.0.0.1:0\"} } admin { socket = \"s\" } signer { threads = 2 }\n"
                 "%s",
                 text) > 0);
    file_put(f.path, whole, strlen(whole));
    free(whole);
    if (!(l.config = config_load(f.path, err)) || !(l.issuers = issuers_load(l.config, err)))
        fail_msg("%s", err->text);
    l.keys = signer_keys_load(l.issuers, err);
    return l;
}

static struct loaded load_good(const char *text)
{
    struct error err = {""};
    struct loaded l = load(text, &err);
    if (!l.keys)
        fail_msg("%s", err.text);
    return l;
}

static void unload(struct loaded *l)
{
    signer_keys_free(l->keys);
    issuers_free(l->issuers);
    config_free(l->config);
}

#define WITH(certificate, key)                                                                               \
    "issuer \"x\" {\n certificate = \"ca.crt\"\n ocsp_certificate = \"" certificate "\"\n ocsp_key = \"" key \
    "\"\n}\n"
#define OWN(ca, delegates)                                                                                   \
    "issuer \"x\" {\n certificate = \"" ca ".crt\"\n key = \"" ca ".key\"\n" delegates "}\n"

static const struct {
    const char *spoken, *text;
    int line;
    const char *names, *remedy;
} refused[] = {
    {"a delegate of another CA", WITH("delegate-of-other.crt", "ca.key"), 4, "delegate-of-other.crt",
     "not issued by this CA"},
    {"a delegate that may not sign OCSP", WITH("no-delegate.crt", "other.key"), 4, "no-delegate.crt",
     "OCSPSigning"},
    {"a delegate with a key that is too short", WITH("weak-delegate.crt", "weak.key"), 4, "weak-delegate.crt",
     "RSA 2048"},
    {"no such delegate", WITH("nowhere.crt", "other.key"), 4, "nowhere.crt", "No such file"},
    {"a delegate's file that is empty", WITH("empty.crt", "other.key"), 4, "empty.crt", "certificate"},
    {"a key for a delegate", WITH("other.key", "other.key"), 4, "other.key", "certificate"},
    {"damage behind the delegate", WITH("damaged-chain.crt", "other.key"), 4, "damaged-chain.crt", "damaged"},
    {"no such key", WITH("delegate.crt", "nowhere.key"), 5, "ocsp_key", "No such file"},
    {"another's key", WITH("delegate.crt", "ca.key"), 5, "ca.key", "does not belong"},
    {"a key that all may read", WITH("delegate.crt", "seen.key"), 5, "seen.key", "chmod 600"},
    {"a certificate for a key", WITH("delegate.crt", "delegate.crt"), 5, "delegate.crt", "not a private key"},
    {"an empty key", WITH("delegate.crt", "empty.key"), 5, "empty.key", "not a private key"},
    {"a key with a passphrase", "issuer \"x\" {\n certificate = \"ca.crt\"\n key = \"locked.key\"\n}\n", 4,
     "locked.key", "passphrase"},
    {"another CA's key", "issuer \"x\" {\n certificate = \"ca.crt\"\n key = \"other.key\"\n}\n", 4,
     "other.key", "does not belong"},
    {"the second of two delegates",
     "issuer \"x\" {\n certificate = \"ca.crt\"\n ocsp_certificate = {\"delegate.crt\", "
     "\"delegate-of-other.crt\"}\n"
     " ocsp_key = {\"other.key\", \"ca.key\"}\n}\n",
     4, "delegate-of-other.crt", "not issued by this CA"},
    {"the second issuer",
     "issuer \"x\" { certificate = \"ca.crt\" key = \"ca.key\" }\n"
     "issuer \"y\" {\n certificate = \"other.crt\"\n key = \"ca.key\"\n}\n",
     5, "issuer \"y\"", "does not belong"},
    {"delegates of a CA that may not issue",
     "issuer \"x\" {\n certificate = \"no-cert-sign.crt\"\n key = \"ca.key\"\n delegate \"P-256\" {\n  "
     "lifetime = "
     "\"1d\"\n }\n}\n",
     6, "delegate \"P-256\"", "keyCertSign"},
    {"no such chain", OWN("ca", " delegate \"P-256\" {\n  chain = \"nowhere.crt\"\n }\n"), 6, "nowhere.crt",
     "No such file"},
    {"a chain that is none", OWN("ca", " delegate \"P-256\" {\n  chain = \"damaged-chain.crt\"\n }\n"), 6,
     "damaged-chain.crt", "damaged"},
    {"a chain of another CA", OWN("ca", " delegate \"P-256\" {\n  chain = \"other.crt\"\n }\n"), 6,
     "CN=Other CA,O=Unit is not above this CA", "put the CA's certificate there"},
    {"a chain with one from elsewhere", OWN("ca", " delegate \"P-256\" {\n  chain = \"mixed.crt\"\n }\n"), 6,
     "CN=Other CA,O=Unit is not above", "put the CA's"},
    {"a chain with a leaf", OWN("ca", " delegate \"P-256\" {\n  chain = \"delegate-chain.crt\"\n }\n"), 6,
     "CN=delegate.crt,O=Unit is not above", "put the CA's"},
    {"a delegate that may not sign", WITH("no-signature.crt", "other.key"), 4, "no-signature.crt",
     "keyUsage lacks digitalSignature"},
};

static void every_complaint_names_file_line_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct error err = {""};
        struct loaded l = load(refused[i].text, &err);
        char prefix[300];
        check_row(refused[i].spoken, l.keys == NULL);
        snprintf(prefix, sizeof prefix, "%s:%d: issuer \"", f.path, refused[i].line);
        if (strncmp(err.text, prefix, strlen(prefix)) != 0)
            fail_row(refused[i].spoken, "does not begin with %s: %s", prefix, err.text);
        if (!strstr(err.text, refused[i].names) || !strcasestr(err.text, refused[i].remedy))
            fail_row(refused[i].spoken, "%s", err.text);
        unload(&l);
    }
}

static const struct ocsp_signer *signer_of(const struct loaded *l, size_t issuer, size_t index)
{
    assert_true(index < l->keys->list[issuer].ocsp->count);
    return &l->keys->list[issuer].ocsp->list[index].signer;
}

/* They keep nobody from starting, for the sake of others; but a check tells. */
static void certificates_that_do_not_count_now_are_told(void **state)
{
    (void)state;
    struct error err = {""};
    struct loaded l = load_good("issuer \"y\" { certificate = \"other.crt\" key = \"other.key\" }\n" WITH(
        "non-repudiation.crt", "other.key"));
    int64_t begin = at_text("2000-01-01T00:00:00Z"), end = at_text("2049-12-31T23:59:59Z");
    assert_int_equal(signer_keys_check(l.keys, begin, &err), 0);
    assert_int_equal(signer_keys_check(l.keys, end - 1, &err), 0);
    assert_int_equal(signer_keys_check(l.keys, begin - 1, &err), -1);
    assert_says(err, "counts only from 2000-01-01T00:00:00Z; put one there");
    assert_int_equal(signer_keys_check(l.keys, end, &err), -1);
    assert_says(err, "is past its end, which was 2049-12-31T23:59:59Z; replace it");
    char wanted[300]; /* the CA's own is the first */
    snprintf(wanted, sizeof wanted, "%s:2: issuer \"y\": certificate %s/other.crt: ", f.path, f.folder);
    assert_says(err, wanted);
    unload(&l);

    l = load_good(WITH("non-repudiation.crt", "other.key"));
    assert_int_equal(signer_keys_check(l.keys, end, &err), -1);
    snprintf(wanted, sizeof wanted, "%s:4: issuer \"x\": ocsp_certificate %s/non-repudiation.crt: ", f.path,
             f.folder);
    assert_says(err, wanted);
    unload(&l);
}

static void a_ca_signs_by_itself(void **state)
{
    (void)state;
    struct loaded l = load_good("issuer \"x\" { certificate = \"ca.crt\" key = \"ca.key\" }\n");
    const struct ocsp_signer *signer = signer_of(&l, 0, 0);
    assert_int_equal(l.keys->list[0].ocsp->count, 1);
    assert_int_equal(signer->certs.len, 0);
    assert_true(bytes_equal(bytes_of(&signer->certificate.der), bytes_of(&l.issuers->list[0].ca.der)));
    assert_string_equal(signer->sigalg->name, "ecdsa-with-SHA256");
    assert_false(
        signer_keys_refresh(l.keys, 0, clock_now() + INT64_C(86400) * 10000)); /* nothing ever changes */
    unload(&l);
}

static void a_delegate_and_its_chain(void **state)
{
    (void)state;
    struct loaded l = load_good(WITH("delegate-chain.crt", "other.key"));
    const struct ocsp_signer *signer = signer_of(&l, 0, 0);
    const struct buffer *own = &signer->certificate.der, *ca = &l.issuers->list[0].ca.der;
    assert_null(l.keys->list[0].ca);
    assert_string_equal(signer->sigalg->name, "ecdsa-with-SHA384");
    /* the whole file, the delegate first */
    assert_int_equal(signer->certs.len, own->len + ca->len);
    assert_memory_equal(signer->certs.at, own->at, own->len);
    assert_memory_equal(signer->certs.at + own->len, ca->at, ca->len);
    unsigned char hash[20];
    assert_int_equal(X509_pubkey_digest(signer->certificate.x509, EVP_sha1(), hash, NULL), 1);
    assert_int_equal(signer->responder_id.len, 24);
    assert_memory_equal(signer->responder_id.at, "\xa2\x16\x04\x14", 4);
    assert_memory_equal(signer->responder_id.at + 4, hash, 20);
    unload(&l);
}

/* --- files that are replaced --------------------------------------------------------------------------- */

static bool finds(struct signer_keys *keys, uint32_t id, EVP_PKEY *wanted, const struct issuer *of)
{
    const struct issuer *issuer = NULL;
    struct ocsp_keys *held = NULL;
    struct ocsp_key *key = signer_keys_find(keys, id, &issuer, &held);
    if (key) {
        assert_int_equal(key->signer.id, id);
        assert_ptr_equal(issuer, of);
        assert_int_equal(EVP_PKEY_eq(key->key, wanted), 1);
    }
    ocsp_keys_release(held);
    return key != NULL;
}

static void put_pair(EVP_PKEY *key)
{
    put_delegate("replaced.crt", key);
    x509_put(f.folder, "replaced.key", NULL, key);
}

static void replaced_files_are_taken_up(void **state)
{
    (void)state;
    EVP_PKEY *generation[] = {key_make("P-256"), key_make("RSA-2048"), key_make("P-521"),
                              key_make("ED25519")};
    put_pair(generation[0]);
    struct loaded l = load_good("issuer \"y\" { certificate = \"other.crt\" key = \"other.key\" }\n" WITH(
        "replaced.crt", "replaced.key"));
    const struct issuer *issuer = &l.issuers->list[1];
    int64_t now = clock_now();
    uint32_t ids[COUNT(generation)] = {signer_of(&l, 1, 0)->id}, other = signer_of(&l, 0, 0)->id;
    struct ocsp_keys *held = signer_keys_hold(l.keys, 1);
    assert_true(finds(l.keys, ids[0], generation[0], issuer));
    for (size_t i = 1; i < COUNT(generation); i++) {
        assert_false(signer_keys_refresh(l.keys, 1, now));
        put_pair(generation[i]);
        assert_true(signer_keys_refresh(l.keys, 1, now));
        assert_false(signer_keys_refresh(l.keys, 1, now));
        assert_false(signer_keys_refresh(l.keys, 0, now));
        ids[i] = signer_of(&l, 1, 0)->id;
        for (size_t k = 0; k <= i; k++) { /* the present one, the one before, and no other */
            assert_int_equal(finds(l.keys, ids[k], generation[k], issuer), k + 1 >= i);
            assert_true(k == i || ids[k] != ids[i]);
        }
        assert_true(finds(l.keys, other, f.other_key, &l.issuers->list[0]));
    }
    /* who held the first generation may use it still */
    assert_int_equal(EVP_PKEY_eq(held->list[0].key, generation[0]), 1);
    ocsp_keys_release(held);
    ocsp_keys_release(NULL);
    const uint32_t nobody[] = {0, 1, 0xffff, 0x30000, UINT32_MAX, ids[3] ^ 0x8000, other ^ 0x8000};
    for (size_t i = 0; i < COUNT(nobody); i++)
        assert_false(finds(l.keys, nobody[i], NULL, NULL));
    unload(&l);
    for (size_t i = 0; i < COUNT(generation); i++)
        EVP_PKEY_free(generation[i]);
}

/* Delegates of the same name sign under other keys after each start: annuld must not take one for another. */
static void names_are_others_after_a_start(void **state)
{
    (void)state;
    uint32_t ids[3];
    for (int i = 0; i < 3; i++) {
        struct loaded l = load_good(OWN("ca", "delegate \"P-256\" { }\n"));
        ids[i] = signer_of(&l, 0, 0)->id;
        unload(&l);
    }
    assert_false(ids[0] == ids[1] && ids[1] == ids[2]);
}

/* What is there stays until what is new is whole. */
static void bad_files_change_nothing(void **state)
{
    (void)state;
    EVP_PKEY *first = key_make("P-256"), *second = key_make("P-256");
    put_pair(first);
    struct loaded l = load_good(WITH("replaced.crt", "replaced.key"));
    const struct issuer *issuer = &l.issuers->list[0];
    int64_t now = clock_now();
    uint32_t id = signer_of(&l, 0, 0)->id;

    put_delegate("replaced.crt", second); /* half of a pair */
    for (int i = 0; i < 3; i++)
        assert_false(signer_keys_refresh(l.keys, 0, now + i));
    assert_int_equal(signer_of(&l, 0, 0)->id, id);
    assert_true(finds(l.keys, id, first, issuer));
    x509_put(f.folder, "replaced.key", NULL, second);
    assert_true(signer_keys_refresh(l.keys, 0, now));
    assert_true(finds(l.keys, signer_of(&l, 0, 0)->id, second, issuer));
    assert_true(finds(l.keys, id, first, issuer));

    id = signer_of(&l, 0, 0)->id;
    put_text("replaced.crt", "garbage\n");
    assert_false(signer_keys_refresh(l.keys, 0, now));
    shell("rm %s/replaced.crt", f.folder);
    assert_false(signer_keys_refresh(l.keys, 0, now));
    assert_int_equal(signer_of(&l, 0, 0)->id, id);
    x509_put_new(f.folder, "replaced.crt", second, f.other, f.other_key, (const char *[]){DELEGATE, NULL});
    assert_false(signer_keys_refresh(l.keys, 0, now)); /* of another CA */
    put_delegate("replaced.crt", second);
    shell("chmod 644 %s/replaced.key", f.folder);
    assert_false(signer_keys_refresh(l.keys, 0, now));
    assert_int_equal(signer_of(&l, 0, 0)->id, id);
    shell("chmod 600 %s/replaced.key", f.folder);
    assert_true(signer_keys_refresh(l.keys, 0, now));
    assert_true(finds(l.keys, signer_of(&l, 0, 0)->id, second, issuer));
    unload(&l);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

/* Whoever brings it need not be faster than who brings the key. */
static void a_passphrase_may_come_late(void **state)
{
    (void)state;
    EVP_PKEY *first = key_make("P-256"), *second = key_make("P-256");
    int64_t now = clock_now();
    put_pair(first);
    put_text("words", "early\n");
    shell("chmod 600 %s/words", f.folder);
    struct loaded l =
        load_good("issuer \"x\" {\n certificate = \"ca.crt\"\n ocsp_certificate = \"replaced.crt\"\n"
                  " ocsp_key = \"replaced.key\"\n ocsp_key_passphrase = \"words\"\n}\n");
    uint32_t id = signer_of(&l, 0, 0)->id;
    put_pair(second);
    shell("cd %s && openssl pkey -in replaced.key -aes128 -passout pass:late -out locked-late.key && "
          "chmod 600 locked-late.key && mv locked-late.key replaced.key",
          f.folder);
    assert_false(signer_keys_refresh(l.keys, 0, now)); /* it is another's yet */
    shell("rm %s/words", f.folder);
    assert_false(signer_keys_refresh(l.keys, 0, now));
    put_text("words.new", "late\n");
    shell("cd %s && chmod 600 words.new", f.folder);
    assert_int_equal(signer_of(&l, 0, 0)->id, id);
    shell("cd %s && mv words.new words", f.folder);
    assert_true(signer_keys_refresh(l.keys, 0, now));
    assert_true(finds(l.keys, signer_of(&l, 0, 0)->id, second, &l.issuers->list[0]));
    unload(&l);
    EVP_PKEY_free(first);
    EVP_PKEY_free(second);
}

/* Both files at once, by moving the link that leads to them. */
static void links_are_followed(void **state)
{
    (void)state;
    EVP_PKEY *keys[] = {key_make("P-256"), key_make("P-256")};
    shell("mkdir %s/v0 %s/v1 && ln -s v0 %s/now", f.folder, f.folder, f.folder);
    for (int i = 0; i < 2; i++) {
        char name[32];
        snprintf(name, sizeof name, "v%d/tls.crt", i);
        put_delegate(name, keys[i]);
        snprintf(name, sizeof name, "v%d/tls.key", i);
        x509_put(f.folder, name, NULL, keys[i]);
    }
    struct loaded l = load_good(WITH("now/tls.crt", "now/tls.key"));
    shell("ln -s v1 %s/next && mv -T %s/next %s/now", f.folder, f.folder, f.folder);
    assert_true(signer_keys_refresh(l.keys, 0, clock_now()));
    assert_true(finds(l.keys, signer_of(&l, 0, 0)->id, keys[1], &l.issuers->list[0]));
    unload(&l);
    EVP_PKEY_free(keys[0]);
    EVP_PKEY_free(keys[1]);
}

/* --- delegates of our own ------------------------------------------------------------------------------ */

static const ASN1_OCTET_STRING *value_of(const X509 *x509, int nid, bool critical)
{
    int at = X509_get_ext_by_NID(x509, nid, -1);
    if (at < 0)
        fail_msg("no %s", OBJ_nid2sn(nid));
    assert_int_equal(X509_get_ext_by_NID(x509, nid, at), -1); /* once */
    X509_EXTENSION *extension = X509_get_ext(x509, at);
    assert_int_equal(X509_EXTENSION_get_critical(extension), critical);
    return X509_EXTENSION_get_data(extension);
}

static void check_value(const X509 *x509, int nid, bool critical, const char *wanted)
{
    const ASN1_OCTET_STRING *value = value_of(x509, nid, critical);
    struct buffer der = octets("%s", wanted);
    if (!bytes_equal((struct bytes){ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value)},
                     bytes_of(&der)))
        fail_msg("%s is not %s", OBJ_nid2sn(nid), wanted);
    buffer_free(&der);
}

/* Every octet of what it may do, by hand. */
static void check_extensions(X509 *x509, const struct issuer *issuer)
{
    char id[64 * 2 + 1], own_id[41];
    unsigned char hash[20];
    assert_int_equal(X509_get_ext_count(x509), 6);
    check_value(x509, NID_basic_constraints, true, "3000");
    check_value(x509, NID_key_usage, true, "03{ 07 80 }");
    check_value(x509, NID_ext_key_usage, false, "30{ 06{2b06010505070309} }");
    check_value(x509, NID_id_pkix_OCSP_noCheck, false, "0500");
    assert_int_equal(X509_pubkey_digest(x509, EVP_sha1(), hash, NULL), 1);
    hex_encode(hash, 20, own_id);
    hex_encode(issuer->key_id, issuer->key_id_len, id);
    char *text;
    assert_true(asprintf(&text, "04{%s}", own_id) > 0);
    check_value(x509, NID_subject_key_identifier, false, text);
    free(text);
    assert_true(asprintf(&text, "30{ 80{%s} }", id) > 0);
    check_value(x509, NID_authority_key_identifier, false, text);
    free(text);
}

static void check_serial(const X509 *x509)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(x509);
    assert_int_equal(ASN1_STRING_type(serial), V_ASN1_INTEGER); /* not V_ASN1_NEG_INTEGER */
    assert_int_equal(ASN1_STRING_length(serial), 16);
    assert_int_equal(ASN1_STRING_get0_data(serial)[0] & 0x80, 0); /* so 16 octets in DER, too */
}

static void check_delegate(const struct loaded *l, size_t index, int64_t now)
{
    const struct issuer *issuer = &l->issuers->list[0];
    const struct ocsp_signer *signer = signer_of(l, 0, index);
    int64_t lifetime_s = issuer->config->delegates[index].lifetime_s, end_at = now + lifetime_s;
    X509 *x509 = signer->certificate.x509;
    assert_int_equal(X509_get_version(x509), X509_VERSION_3);
    assert_int_equal(X509_verify(x509, certificate_key(&issuer->ca)), 1);
    assert_int_equal(X509_NAME_cmp(X509_get_issuer_name(x509), X509_get_subject_name(issuer->ca.x509)), 0);
    check_extensions(x509, issuer);
    check_serial(x509);
    assert_int_equal(asn1_time(X509_get0_notBefore(x509)), now - 300);
    assert_int_equal(asn1_time(X509_get0_notAfter(x509)),
                     end_at < issuer->ca.not_after ? end_at : issuer->ca.not_after);
    assert_true(ocsp_signer_is_valid(signer, now));
    assert_int_equal(EVP_PKEY_eq(l->keys->list[0].ocsp->list[index].key, X509_get0_pubkey(x509)), 1);
    char *subject = certificate_subject_text(&signer->certificate);
    assert_string_equal(subject, "CN=x OCSP");
    free(subject);
}

static void check_signatures(const struct loaded *l, size_t index)
{
    struct ocsp_key *key = &l->keys->list[0].ocsp->list[index];
    struct signer_thread thread = {1, EVP_MD_CTX_new()};
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t data[100] = {1, 2, 3}, signature[SIGNATURE_MAX];
    for (unsigned i = 0; i < 2 * SIGALGS; i++) { /* the second time with what the first left ready */
        const struct sigalg *sigalg = sigalg_by_number(i % SIGALGS);
        size_t len;
        data[99] = (uint8_t)i;
        if (sigalg->family != key->signer.sigalg->family)
            continue;
        assert_int_equal(signer_key_sign(l->keys, &thread, key, sigalg, (struct bytes){data, sizeof data},
                                         signature, &len),
                         0);
        assert_int_equal(EVP_DigestVerifyInit_ex(context, NULL, sigalg->digest, NULL, NULL, key->key, NULL),
                         1);
        assert_int_equal(EVP_DigestVerify(context, signature, len, data, sizeof data), 1);
        EVP_MD_CTX_reset(context);
    }
    EVP_MD_CTX_free(context);
    EVP_MD_CTX_free(thread.digest);
}

#define EVERY_KIND                                                                                           \
    "delegate \"P-256\" { }\n delegate \"P-384\" { }\n delegate \"P-521\" { }\n delegate \"RSA-2048\" { "    \
    "lifetime = "                                                                                            \
    "\"1h\" }\n delegate \"RSA-3072\" { }\n delegate \"RSA-4096\" { lifetime = \"366d\" }\n delegate "       \
    "\"Ed25519\" { }\n"

static const struct {
    const char *type;
    int bits;
    const char *sigalg;
} kinds[] = {{"EC", 256, "ecdsa-with-SHA256"},
             {"EC", 384, "ecdsa-with-SHA384"},
             {"EC", 521, "ecdsa-with-SHA512"},
             {"RSA", 2048, "sha256WithRSAEncryption"},
             {"RSA", 3072, "sha256WithRSAEncryption"},
             {"RSA", 4096, "sha256WithRSAEncryption"},
             {"ED25519", 256, "Ed25519"}};

static void delegates_may_sign_ocsp_and_nothing_else(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
    } cas[] = {{OWN("rsa-ca", "delegate \"P-256\" { }\n"), 1},
               {OWN("ed-ca", "delegate \"P-256\" { }\n delegate \"P-384\" { }\n"), 2},
               {OWN("ca", EVERY_KIND), COUNT(kinds)}};
    for (size_t i = 0; i < COUNT(cas); i++) {
        struct loaded l = load_good(cas[i].text);
        assert_int_equal(l.keys->list[0].ocsp->count, cas[i].count);
        int64_t now = signer_of(&l, 0, 0)->certificate.not_before + 300;
        assert_true(now <= clock_now() && now > clock_now() - 60);
        for (size_t k = 0; k < cas[i].count; k++) {
            const EVP_PKEY *key = l.keys->list[0].ocsp->list[k].key;
            check_row(kinds[k].sigalg,
                      EVP_PKEY_is_a(key, kinds[k].type) && EVP_PKEY_get_bits(key) == kinds[k].bits);
            assert_string_equal(signer_of(&l, 0, k)->sigalg->name, kinds[k].sigalg);
            check_delegate(&l, k, now);
            check_signatures(&l, k);
        }
        unload(&l);
    }
}

static void a_delegate_of_our_own_brings_its_chain(void **state)
{
    (void)state;
    struct loaded l =
        load_good(OWN("ca", "delegate \"P-256\" { chain = \"ca.crt\" }\n delegate \"P-384\" { }\n"));
    const struct ocsp_signer *signer = signer_of(&l, 0, 0);
    struct buffer ca = x509_der(f.ca);
    size_t own = signer->certificate.der.len;
    assert_int_equal(signer->certs.len, own + ca.len);
    assert_memory_equal(signer->certs.at, signer->certificate.der.at, own);
    assert_memory_equal(signer->certs.at + own, ca.at, ca.len);
    signer = signer_of(&l, 0, 1);
    assert_true(bytes_equal(bytes_of(&signer->certs), bytes_of(&signer->certificate.der)));
    buffer_free(&ca);
    unload(&l);
}

static bool same_key(const struct ocsp_key *a, const struct ocsp_key *b)
{
    return EVP_PKEY_eq(a->key, b->key) == 1;
}

/* At half of the shortest life, all of them, each with a key of its own. */
static void delegates_are_renewed_in_time(void **state)
{
    (void)state;
    struct loaded l =
        load_good(OWN("ca", "delegate \"P-256\" { lifetime = \"10d\" }\n delegate \"P-384\" { lifetime = "
                            "\"4d\" }\n delegate \"Ed25519\" { lifetime = \"6d\" }\n"));
    struct ocsp_keys *held[4] = {signer_keys_hold(l.keys, 0)};
    int64_t now = signer_of(&l, 0, 0)->certificate.not_before + 300;
    for (size_t i = 1; i < COUNT(held); i++) {
        assert_false(signer_keys_refresh(l.keys, 0, now));
        now += 2 * 86400;
        assert_false(signer_keys_refresh(l.keys, 0, now - 1));
        assert_true(signer_keys_refresh(l.keys, 0, now));
        held[i] = signer_keys_hold(l.keys, 0);
        for (size_t k = 0; k < 3; k++) {
            check_delegate(&l, k, now);
            const struct ocsp_key *fresh = &held[i]->list[k], *old = &held[i - 1]->list[k];
            assert_false(same_key(fresh, old));
            assert_int_not_equal(fresh->signer.id, old->signer.id);
            assert_int_not_equal(ASN1_INTEGER_cmp(X509_get0_serialNumber(fresh->signer.certificate.x509),
                                                  X509_get0_serialNumber(old->signer.certificate.x509)),
                                 0);
            assert_int_equal(fresh->signer.lineage, old->signer.lineage);
        }
    }
    for (size_t i = 0; i < COUNT(held); i++)
        ocsp_keys_release(held[i]);
    unload(&l);
}

static void a_renewal_that_fails_is_tried_again(void **state)
{
    (void)state;
    shell("cp %s/ca.crt %s/chain.crt", f.folder, f.folder);
    struct loaded l =
        load_good(OWN("ca", "delegate \"P-256\" { lifetime = \"4d\" chain = \"chain.crt\" }\n"));
    uint32_t id = signer_of(&l, 0, 0)->id;
    int64_t now = clock_now() + 2 * 86400;
    put_text("chain.crt", "-----BEGIN CERTIFICATE-----\n!!!\n");
    assert_false(signer_keys_refresh(l.keys, 0, now));
    assert_int_equal(signer_of(&l, 0, 0)->id, id);
    shell("cp %s/ca.crt %s/chain.crt", f.folder, f.folder);
    assert_false(signer_keys_refresh(l.keys, 0, now + 59));
    assert_true(signer_keys_refresh(l.keys, 0, now + 60));
    assert_int_not_equal(signer_of(&l, 0, 0)->id, id);
    unload(&l);
}

/* Nobody accepts a delegate for longer than its CA. */
static void delegates_end_with_their_ca(void **state)
{
    (void)state;
    struct loaded l = load_good(OWN("ca", "delegate \"P-256\" { lifetime = \"30d\" }\n"));
    int64_t end = l.issuers->list[0].ca.not_after;
    assert_true(signer_keys_refresh(l.keys, 0, end - 30 * 86400));
    check_delegate(&l, 0, end - 30 * 86400);
    assert_true(signer_keys_refresh(l.keys, 0, end - 15 * 86400));
    assert_int_equal(signer_of(&l, 0, 0)->certificate.not_after, end);
    check_delegate(&l, 0, end - 15 * 86400);
    unload(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_complaint_names_file_line_and_remedy),
        cmocka_unit_test(certificates_that_do_not_count_now_are_told),
        cmocka_unit_test(a_ca_signs_by_itself),
        cmocka_unit_test(a_delegate_and_its_chain),
        cmocka_unit_test(replaced_files_are_taken_up),
        cmocka_unit_test(names_are_others_after_a_start),
        cmocka_unit_test(bad_files_change_nothing),
        cmocka_unit_test(a_passphrase_may_come_late),
        cmocka_unit_test(links_are_followed),
        cmocka_unit_test(delegates_may_sign_ocsp_and_nothing_else),
        cmocka_unit_test(a_delegate_of_our_own_brings_its_chain),
        cmocka_unit_test(delegates_are_renewed_in_time),
        cmocka_unit_test(a_renewal_that_fails_is_tried_again),
        cmocka_unit_test(delegates_end_with_their_ca),
    };
    return cmocka_run_group_tests(tests, fixture_make, fixture_free);
}
