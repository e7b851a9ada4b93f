/* Where keys come from, by files alone; tokens have a system test (hsm.sh). */
#include "unit.h"

#include "signer/key_source.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <sys/stat.h>

static char *folder;
static EVP_PKEY *plain; /* what every file of the folder holds */

static char *in_folder(const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *name, const char *text, mode_t mode)
{
    file_put(in_folder(name), text, strlen(text));
    assert_int_equal(chmod(in_folder(name), mode), 0);
}

static int folder_begin(void **state)
{
    (void)state;
    folder = folder_make();
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    plain = EVP_EC_gen("P-256");
    FILE *file = fopen(in_folder("plain.pem"), "we");
    assert_true(PEM_write_PrivateKey(file, plain, NULL, NULL, 0, NULL, NULL));
    fclose(file);
    shell("cd %s && openssl pkcs8 -topk8 -in plain.pem -out secret.pem -passout pass:'two words' && "
          "openssl ec -aes256 -in plain.pem -out old.pem -passout pass:'two words' 2>/dev/null && "
          "openssl pkey -in plain.pem -outform DER -out plain.der && chmod 600 *.pem *.der && "
          "cp plain.pem open.pem && chmod 604 open.pem && echo nothing >text && chmod 600 text && "
          "head -c 65537 /dev/zero >large && chmod 600 large",
          folder);
    put("words", "two words\nand a second line\n", 0600);
    put("words-only", "two words", 0600);
    put("words-open", "two words\n", 0604);
    put("wrong", "two  words\n", 0600);
    put("empty", "", 0600);
    put("empty-line", "\ntwo words\n", 0600);
    char longest[1026];
    memset(longest, 'x', sizeof longest);
    longest[1025] = 0;
    put("too-long", longest, 0600);
    longest[1024] = 0;
    put("longest", longest, 0600);
    return 0;
}

static int folder_end(void **state)
{
    (void)state;
    EVP_PKEY_free(plain);
    folder_remove(folder);
    return 0;
}

/* "@" stands for the folder. NULL stays NULL. */
static char *in_place(const char *text)
{
    const char *at = text ? strchr(text, '@') : NULL;
    char *full;
    if (!at)
        return text ? strdup(text) : NULL;
    assert_true(asprintf(&full, "%.*s%s%s", (int)(at - text), text, folder, at + 1) > 0);
    return full;
}

static const struct {
    const char *spoken, *source, *passphrase, *says; /* NULL: opens */
} sources[] = {
    {"PEM", "@/plain.pem", NULL, NULL},
    {"DER", "@/plain.der", NULL, NULL},
    {"a file URI with one slash", "file:@/plain.pem", NULL, NULL},
    {"a file URI with three", "file://@/plain.pem", NULL, NULL},
    {"a credential", "credential:plain.pem", NULL, NULL},
    {"a passphrase that is not needed", "@/plain.pem", "@/words", NULL},
    {"PKCS #8 with a passphrase", "@/secret.pem", "@/words", NULL},
    {"the older form", "@/old.pem", "@/words", NULL},
    {"a passphrase without a line end", "@/secret.pem", "@/words-only", NULL},
    {"a passphrase that is a credential", "credential:secret.pem", "credential:words", NULL},

    {"nothing there", "@/missing", NULL, "No such file"},
    {"no key", "@/text", NULL, "not a private key in PEM, DER or PKCS #12"},
    {"no key, and a passphrase", "@/text", "@/words", "not a private key in PEM, DER or PKCS #12"},
    {"a folder", "@", NULL, "Is a directory"},
    {"more than any key", "@/large", NULL, "more than 65536 octets"},
    {"readable by everyone", "@/open.pem", NULL, "chmod 600"},
    {"the same by URI", "file:@/open.pem", NULL, "chmod 600"},
    {"the same by another", "file://@/open.pem", NULL, "chmod 600"},
    {"the same as a credential", "credential:open.pem", NULL, "chmod 600"},
    {"a file of another host", "file://host/plain.pem", NULL, "No such file"},
    {"a credential that climbs", "credential:../plain.pem", NULL, "no slash"},
    {"a scheme that nobody knows", "nobody:knows", NULL, "no provider and no engine"},
    {"a long one", "nobody-knows-a-scheme-of-this-length:1", NULL, "no provider and no engine"},
    {"a scheme without a rest", "nobody:", NULL, "no provider and no engine"},

    {"a passphrase is needed", "@/secret.pem", NULL, "name it with key_passphrase"},
    {"and for the older form", "@/old.pem", NULL, "name it with key_passphrase"},
    {"another passphrase", "@/secret.pem", "@/wrong", "the passphrase is wrong"},
    {"and for the older form", "@/old.pem", "@/wrong", "the passphrase is wrong"},
    {"the longest that is read", "@/secret.pem", "@/longest", "the passphrase is wrong"},
    {"a longer one", "@/secret.pem", "@/too-long", "more than 1024 octets"},
    {"no file of the passphrase", "@/secret.pem", "@/missing", "/missing: No such file"},
    {"a passphrase readable by everyone", "@/secret.pem", "@/words-open", "/words-open: everyone"},
    {"an empty file", "@/secret.pem", "@/empty", "is empty"},
    {"an empty line", "@/secret.pem", "@/empty-line", "is empty"},
    {"a passphrase that no file holds", "@/secret.pem", "pkcs11:words", "must be a file"},
};

static void every_source_opens_or_says_why_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(sources); i++) {
        struct error err = {""};
        char *source = in_place(sources[i].source), *passphrase = in_place(sources[i].passphrase);
        EVP_PKEY *key = key_source_open(source, passphrase, &err);
        if (!sources[i].says && !key)
            fail_row(sources[i].spoken, "%s", err.text);
        check_row(sources[i].spoken, !key == (sources[i].says != NULL));
        if (key)
            check_row(sources[i].spoken, EVP_PKEY_eq(key, plain) == 1);
        else if (!strstr(err.text, sources[i].says))
            fail_row(sources[i].spoken, "\"%s\" is not in: %s", sources[i].says, err.text);
        check_row(sources[i].spoken, !strstr(err.text, "two") && !strstr(err.text, "xxx"));
        EVP_PKEY_free(key);
        free(source);
        free(passphrase);
    }
}

static void without_systemd_there_are_no_credentials(void **state)
{
    (void)state;
    struct error err = {""};
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_null(key_source_open("credential:plain.pem", NULL, &err));
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", folder, 1), 0);
    assert_says(err, "LoadCredential=plain.pem:FILE");
}

/* As some tokens give it: it signs, and nothing can be read from it. */
static EVP_PKEY *without_public_part(const EVP_PKEY *key)
{
    BIGNUM *number = NULL;
    EVP_PKEY *alone = NULL;
    assert_true(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_PRIV_KEY, &number));
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    assert_true(OSSL_PARAM_BLD_push_utf8_string(build, OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0));
    assert_true(OSSL_PARAM_BLD_push_BN(build, OSSL_PKEY_PARAM_PRIV_KEY, number));
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &alone, EVP_PKEY_KEYPAIR, params), 1);
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    BN_clear_free(number);
    return alone;
}

static void a_key_fits_its_own_certificate_alone(void **state)
{
    (void)state;
    struct error err = {""};
    EVP_PKEY *keys[] = {plain,
                        EVP_EC_gen("P-256"),
                        EVP_EC_gen("P-384"),
                        EVP_RSA_gen(2048),
                        EVP_RSA_gen(3072),
                        EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")};
    for (size_t i = 0; i < COUNT(keys); i++)
        for (size_t j = 0; j < COUNT(keys); j++) {
            err = (struct error){""};
            assert_int_equal(key_source_fits(keys[i], keys[j], &err), i == j ? 0 : -1);
            if (i != j)
                assert_says(err, "does not belong to the certificate");
        }
    EVP_PKEY *silent = without_public_part(plain);
    assert_int_equal(EVP_PKEY_get_octet_string_param(silent, OSSL_PKEY_PARAM_PUB_KEY, NULL, 0, NULL), 0);
    assert_int_equal(key_source_fits(silent, plain, &err), 0);
    assert_int_equal(key_source_fits(silent, keys[1], &err), -1);
    EVP_PKEY_free(silent);
    for (size_t i = 1; i < COUNT(keys); i++)
        EVP_PKEY_free(keys[i]);
}

static void openssl_is_configured_from_a_file_that_must_be_good(void **state)
{
    (void)state;
    struct config config = {.path = "annuld.conf", .openssl_config = {.line = 7}};
    struct error err = {""};
    assert_int_equal(key_source_begin(&config, &err), 0); /* none is named */
    config.openssl_config.text = in_folder("missing");
    assert_int_equal(key_source_begin(&config, &err), -1);
    assert_says(err, "annuld.conf:7: signer openssl_config ");
    assert_says(err, "No such file");
    put("no-section.cnf", "openssl_conf = nowhere\n", 0600);
    config.openssl_config.text = in_folder("no-section.cnf");
    assert_int_equal(key_source_begin(&config, &err), -1);
    assert_says(err, "missing section");
    put("good.cnf", "openssl_conf = here\n[here]\n", 0600);
    config.openssl_config.text = in_folder("good.cnf");
    assert_int_equal(key_source_begin(&config, &err), 0);
    key_source_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_source_opens_or_says_why_not),
        cmocka_unit_test(without_systemd_there_are_no_credentials),
        cmocka_unit_test(a_key_fits_its_own_certificate_alone),
        cmocka_unit_test(openssl_is_configured_from_a_file_that_must_be_good),
    };
    return cmocka_run_group_tests(tests, folder_begin, folder_end);
}
