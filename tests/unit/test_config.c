/* annuld.conf: what is read, and that every complaint names file, line and thing. */
#include "unit.h"

#include <annul/config.h>

#include <sys/stat.h>

static char *folder, path[256];

static int folder_begin(void **state)
{
    (void)state;
    folder = folder_make();
    snprintf(path, sizeof path, "%s/annuld.conf", folder);
    return 0;
}

static int folder_end(void **state)
{
    (void)state;
    folder_remove(folder);
    return 0;
}

static struct config *load(const char *text, struct error *err)
{
    file_put(path, text, strlen(text));
    return config_load(path, err);
}

static struct config *loaded(const char *text)
{
    struct error err = {""};
    struct config *config = load(text, &err);
    if (!config)
        fail_msg("%s", err.text);
    return config;
}

#define LISTEN "public { listen = {\"127.0.0.1:8080\"} }\n"
#define ADMIN "admin { socket = \"admin.sock\" }\n"
#define SERVERS LISTEN ADMIN /* two lines */
#define ISSUER "issuer \"one\" { certificate = \"one.crt\" key = \"one.key\" }\n"

/* --- what is read -------------------------------------------------------------------------------------- */

static void the_least_there_is_has_defaults(void **state)
{
    (void)state;
    char wanted[300];
    struct config *config = loaded(SERVERS ISSUER);
    assert_string_equal(config->path, path);
    assert_int_equal(config->public.listen_count, 1);
    assert_string_equal(config->public.listen[0].text, "127.0.0.1:8080");
    assert_int_equal(config->public.listen[0].line, 1);
    assert_int_equal(config->public.workers, 2);
    assert_int_equal(config->public.timeout_s, 15);
    assert_int_equal(config->admin.listen_count, 0);
    assert_string_equal(config->database.text, "/var/lib/annul/annul.db");
    assert_string_equal(config->crl_directory.text, "/var/lib/annul/crl");
    assert_int_equal(config->crl_delay_ms, 50);
    assert_int_equal(config->crl_upload_octets, 64 << 20);
    assert_int_equal(config->crl_wait_max_s, 60);
    assert_int_equal(config->crl_waiters, 4096);
    assert_int_equal(config->crl_waiters_per_address, 256);
    assert_int_equal(config->ocsp_cache_octets, 64 << 20);
    assert_int_equal(config->ocsp_max_age_s, 30);
    assert_false(config->ocsp_errors_as_5xx);
    assert_null(config->signer_program.text);
    assert_int_equal(config->signer_threads, 1);
    assert_int_equal(config->log_level, LOG_LEVEL_INFO);
    assert_int_equal(config->log_format, LOG_FORMAT_LOGFMT);
    assert_int_equal(config->issuer_count, 1);
    const struct config_issuer *issuer = &config->issuers[0];
    assert_string_equal(issuer->name.text, "one");
    assert_int_equal(issuer->name.line, 3);
    assert_int_equal(issuer->certificate.line, 3);
    assert_int_equal(issuer->signer_count, 0);
    assert_int_equal(issuer->delegate_count, 0);
    assert_null(issuer->request_signers.text);
    assert_null(issuer->key_passphrase.text);
    assert_null(issuer->ocsp_key_passphrase.text);
    assert_null(config->openssl_config.text);
    assert_null(issuer->crl_reference.text);
    assert_int_equal(config->database.line, 0); /* its section is not there */
    assert_int_equal(issuer->unlisted, UNLISTED_UNKNOWN);
    assert_int_equal(issuer->nonce, NONCE_ECHO);
    assert_false(issuer->responder_by_name);
    assert_int_equal(issuer->archive_cutoff_s, 0);
    assert_int_equal(issuer->crl_lifetime_s, 7 * 86400);
    assert_int_equal(issuer->crl_refresh_s, 86400);
    assert_int_equal(issuer->ocsp_validity_s, 86400);
    assert_int_equal(issuer->alias_count, 0);
    assert_true(issuer->invalidity_date);
    assert_false(issuer->presign);
    assert_int_equal(issuer->presign_rate, 200);
    assert_int_equal(issuer->presign_hashes, 1); /* SHA-1 */
    assert_string_equal(config->presigned.text, "/var/lib/annul/annul.db-presigned");
    /* relative names are taken from the folder of the file, not from where the daemon was started */
    snprintf(wanted, sizeof wanted, "%s/one.crt", folder);
    assert_string_equal(issuer->certificate.text, wanted);
    snprintf(wanted, sizeof wanted, "%s/admin.sock", folder);
    assert_string_equal(config->admin.socket.text, wanted);
    config_free(config);
    config_free(NULL);
}

static const char everything[] =
    "# a comment\n"
    "public {\n"
    "    listen = {\"0.0.0.0:80\", \"[::]:80\"}\n"
    "    workers = 4\n"
    "    connections = 100000\n"
    "    connections_per_address = 10\n"
    "    timeout = \"1m\"\n"
    "}\n"
    "admin {\n"
    "    listen = {\"127.0.0.1:8081\"} tls_certificate = \"admin.crt\" tls_key = \"/admin.key\""
    "    client_ca = {\"/ca.pem\", \"more.pem\"} client \"CN=a,O=b\" { role = \"operator\""
    "    issuers = {\"one\", \"Two_2.x-y\"} } client \"CN=c\" { }\n"
    "}\n"
    "database { path = \"/db/annul.db\" }\n"
    "crl { directory = \"crls\" delay_ms = 0 wait_max = \"5m\" waiters = 9 waiters_per_address = 3 }\n"
    "signer { program = \"/bin/signer\" socket = \"/run/signer.sock\" openssl_config = \"/openssl.cnf\"\n"
    "  threads = 4 }\n"
    "ocsp { cache_mb = 7 max_age = \"1d\" error_status = \"5xx\" presigned = \"ahead.db\" }\n"
    "log { level = \"debug\" format = \"json\" }\n"
    "issuer \"one\" {\n"
    "    certificate = \"/ca/one.crt\"\n"
    "    ocsp_certificate = {\"one-ocsp.crt\", \"/ca/rsa.crt\"}\n"
    "    ocsp_key = {\"/ca/one-ocsp.key\", \"rsa.key\"}\n"
    "    request_signers = \"clients.pem\"\n"
    "    unlisted = \"revoked\"\n"
    "    nonce = \"require\"\n"
    "    responder_id = \"name\"\n"
    "    archive_cutoff = \"3650d\" invalidity_date = \"no\"\n"
    "    crl_reference = \"http://x/crl/one.crl\"\n"
    "    crl_lifetime = \"10m\"\n"
    "    crl_refresh = \"300\"\n"
    "    ocsp_validity = \"12h\"\n"
    "    alias \"/ca.crl\" { format = \"pem\" }\n"
    "    alias \"/old/place.crl\" { }\n"
    "}\n"
    "issuer \"Two_2.x-y\" {\n"
    "    certificate = \"two.crt\" key = \"two.key\" unlisted = \"good\" nonce = \"ignore\"\n"
    "    delegate \"P-256\" { lifetime = \"1h\" chain = \"chain.pem\" }\n"
    "    delegate \"RSA-2048\" { }\n"
    "    presign = \"all\" presign_rate = 100000 presign_hashes = {\"sha256\", \"sha512\"}\n"
    "}\n"
    "issuer \"three\" { certificate = \"3.crt\" key = \"3.key\" unlisted = \"unauthorized\" index = "
    "\"ca/index.txt\" }\n"
    "issuer \"four\" {\n"
    "    certificate = \"4.crt\" crl_upload = true crl_file = {\"in/4.crl\", \"/drop\"}\n"
    "    crl_url = \"http://ca.example/4.crl?delta=0\" crl_url_interval = \"5m\"\n"
    "}\n";

static void check_access(const struct config *config)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "%s/admin.crt", folder);
    assert_string_equal(config->admin.tls_certificate.text, wanted);
    assert_string_equal(config->admin.tls_key.text, "/admin.key");
    assert_int_equal(config->admin.client_ca_count, 2);
    snprintf(wanted, sizeof wanted, "%s/more.pem", folder);
    assert_string_equal(config->admin.client_ca[1].text, wanted);
    assert_int_equal(config->admin.client_count, 2);
    assert_string_equal(config->admin.clients[0].subject.text, "CN=a,O=b");
    assert_int_equal(config->admin.clients[0].role, ROLE_OPERATOR);
    assert_string_equal(config->admin.clients[0].scope, "one Two_2.x-y");
    assert_int_equal(config->admin.clients[1].role, ROLE_VIEWER);
    assert_null(config->admin.clients[1].scope);
}

static void check_foreign(const struct config_issuer *three, const struct config_issuer *four)
{
    char wanted[300];
    snprintf(wanted, sizeof wanted, "%s/ca/index.txt", folder);
    assert_string_equal(three->index.text, wanted);
    assert_false(config_has_foreign_crls(three));
    assert_true(config_signs_ocsp(three));
    assert_true(config_has_foreign_crls(four));
    assert_false(config_signs_ocsp(four));
    assert_true(four->crl_upload);
    assert_int_equal(four->crl_file_count, 2);
    snprintf(wanted, sizeof wanted, "%s/in/4.crl", folder);
    assert_string_equal(four->crl_files[0].text, wanted);
    assert_string_equal(four->crl_files[1].text, "/drop");
    assert_int_equal(four->crl_url_count, 1);
    assert_string_equal(four->crl_urls[0].text, "http://ca.example/4.crl?delta=0");
    assert_int_equal(four->crl_url_interval_s, 300);
    assert_null(four->index.text);
}

/* The first key belongs to the first certificate, and relative names are made absolute in both. */
static void check_signers(const struct config_issuer *one)
{
    char wanted[300];
    assert_int_equal(one->signer_count, 2);
    assert_int_equal(one->delegate_count, 0);
    snprintf(wanted, sizeof wanted, "%s/one-ocsp.crt", folder);
    assert_string_equal(one->signers[0].certificate.text, wanted);
    assert_string_equal(one->signers[0].key.text, "/ca/one-ocsp.key");
    assert_string_equal(one->signers[1].certificate.text, "/ca/rsa.crt");
    snprintf(wanted, sizeof wanted, "%s/rsa.key", folder);
    assert_string_equal(one->signers[1].key.text, wanted);
    assert_int_equal(one->signers[1].certificate.line, 20);
    assert_int_equal(one->signers[1].key.line, 21);
}

static void check_delegates(const struct config_issuer *two)
{
    char wanted[300];
    assert_int_equal(two->signer_count, 0);
    assert_int_equal(two->delegate_count, 2);
    assert_string_equal(two->delegates[0].kind.text, "P-256");
    assert_int_equal(two->delegates[0].kind.line, 36);
    assert_int_equal(two->delegates[0].lifetime_s, 3600);
    snprintf(wanted, sizeof wanted, "%s/chain.pem", folder);
    assert_string_equal(two->delegates[0].chain.text, wanted);
    assert_string_equal(two->delegates[1].kind.text, "RSA-2048");
    assert_int_equal(two->delegates[1].lifetime_s, 14 * 86400);
    assert_null(two->delegates[1].chain.text);
}

static void everything_is_read_with_its_lines(void **state)
{
    (void)state;
    struct config *config = loaded(everything);
    assert_int_equal(config->public.listen_count, 2);
    assert_string_equal(config->public.listen[1].text, "[::]:80");
    assert_int_equal(config->public.listen[1].line, 3);
    assert_int_equal(config->public.workers, 4);
    assert_int_equal(config->public.connections, 100000);
    assert_int_equal(config->public.connections_per_address, 10);
    assert_int_equal(config->public.timeout_s, 60);
    assert_int_equal(config->admin.listen_count, 1);
    assert_int_equal(config->admin.listen[0].line, 10);
    assert_null(config->admin.socket.text);
    check_access(config);
    assert_string_equal(config->database.text, "/db/annul.db");
    assert_int_equal(config->crl_delay_ms, 0);
    assert_int_equal(config->crl_wait_max_s, 300);
    assert_int_equal(config->crl_waiters, 9);
    assert_int_equal(config->crl_waiters_per_address, 3);
    assert_string_equal(config->signer_program.text, "/bin/signer");
    assert_string_equal(config->signer_socket.text, "/run/signer.sock");
    assert_string_equal(config->openssl_config.text, "/openssl.cnf");
    assert_int_equal(config->signer_threads, 4);
    assert_int_equal(config->ocsp_cache_octets, 7 << 20);
    assert_int_equal(config->log_level, LOG_LEVEL_DEBUG);
    assert_int_equal(config->log_format, LOG_FORMAT_JSON);
    assert_int_equal(config->ocsp_max_age_s, 86400);
    assert_true(config->ocsp_errors_as_5xx);
    assert_int_equal(config->issuer_count, 4);
    check_foreign(&config->issuers[2], &config->issuers[3]);
    const struct config_issuer *one = &config->issuers[0];
    assert_int_equal(one->certificate.line, 19);
    check_signers(one);
    assert_int_equal(one->request_signers.line, 22);
    assert_null(one->key.text);
    assert_int_equal(one->nonce, NONCE_REQUIRE);
    assert_true(one->responder_by_name);
    assert_int_equal(one->archive_cutoff_s, INT64_C(3650) * 86400);
    assert_string_equal(one->crl_reference.text, "http://x/crl/one.crl");
    assert_int_equal(one->crl_reference.line, 27);
    assert_false(one->invalidity_date);
    assert_true(config->issuers[1].invalidity_date);
    assert_int_equal(one->unlisted, UNLISTED_REVOKED);
    assert_int_equal(one->crl_lifetime_s, 600);
    assert_int_equal(one->crl_refresh_s, 300);
    assert_int_equal(one->ocsp_validity_s, 12 * 3600);
    assert_int_equal(one->alias_count, 2);
    assert_string_equal(one->aliases[0].path.text, "/ca.crl");
    assert_true(one->aliases[0].pem);
    assert_string_equal(one->aliases[1].path.text, "/old/place.crl");
    assert_false(one->aliases[1].pem);
    assert_string_equal(config->issuers[1].name.text, "Two_2.x-y");
    assert_int_equal(config->issuers[1].unlisted, UNLISTED_GOOD);
    assert_int_equal(config->issuers[1].name.line, 34);
    assert_int_equal(config->issuers[1].crl_reference.line, 34); /* where it is not given: the section's */
    assert_int_equal(config->issuers[1].nonce, NONCE_IGNORE);
    check_delegates(&config->issuers[1]);
    assert_true(config->issuers[1].presign);
    assert_int_equal(config->issuers[1].presign_rate, 100000);
    assert_int_equal(config->issuers[1].presign_hashes, 2 | 8);
    char ahead[300];
    snprintf(ahead, sizeof ahead, "%s/ahead.db", folder);
    assert_string_equal(config->presigned.text, ahead);
    assert_int_equal(config->issuers[2].unlisted, UNLISTED_UNAUTHORIZED);
    assert_int_equal(config->issuers[2].certificate.line, 40);
    config_free(config);
}

static void lists_may_be_added_to_and_files_loaded_again(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) { /* nothing is left over from the time before */
        struct config *config = loaded(SERVERS ISSUER);
        assert_int_equal(config->public.listen_count, 1);
        assert_int_equal(config->issuer_count, 1);
        config_free(config);
        struct error err = {""};
        assert_null(load("nonsense = 1\n", &err));
    }
}

static void many_issuers_keep_their_own_lines(void **state)
{
    (void)state;
    struct buffer text = {0};
    assert_true(buffer_add_text(&text, SERVERS));
    for (int i = 0; i < 200; i++)
        assert_true(buffer_printf(
            &text, "issuer \"ca-%d\" {\n    certificate = \"%d.crt\"\n    key = \"%d.key\"\n}\n", i, i, i));
    assert_true(buffer_add(&text, "", 1));
    struct config *config = loaded((const char *)text.at);
    assert_int_equal(config->issuer_count, 200);
    for (int i = 0; i < 200; i++) {
        char wanted[300];
        snprintf(wanted, sizeof wanted, "%s/%d.key", folder, i);
        assert_string_equal(config->issuers[i].key.text, wanted);
        assert_int_equal(config->issuers[i].certificate.line, 4 + i * 4);
        assert_int_equal(config->issuers[i].key.line, 5 + i * 4);
    }
    config_free(config);
    buffer_free(&text);
}

static void secrets_are_files_or_uris(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_uri;
    } texts[] = {
        {"pkcs11:token=a;object=b", true},
        {"file:/ca.key", true},
        {"credential:ca", true},
        {"org.openssl.engine:pkcs11:x", true},
        {"a1+.-:", true},
        {"ab:", true},
        {"a:b", false}, /* no scheme has one letter */
        {"ca.key", false},
        {"/a/pkcs11:x", false},
        {"./pkcs11:x", false},
        {"1a:b", false},
        {"PKCS11:x", false},
        {"pkcs 11:x", false},
        {":x", false},
        {"pkcs11", false},
        {"", false},
    };
    for (size_t i = 0; i < COUNT(texts); i++)
        check_row(texts[i].text, config_is_uri(texts[i].text) == texts[i].is_uri);

    char wanted[300];
    struct config *config = loaded(SERVERS "signer { openssl_config = \"openssl.cnf\" }\n"
                                           "issuer \"one\" { certificate = \"file:one.crt\"\n"
                                           "key = \"pkcs11:object=ca\" key_passphrase = \"pin\"\n"
                                           "ocsp_certificate = \"a\" ocsp_key = \"x:1\"\n"
                                           "ocsp_key_passphrase = \"credential:pin\" }\n");
    const struct config_issuer *issuer = &config->issuers[0];
    assert_string_equal(issuer->key.text, "pkcs11:object=ca");
    assert_int_equal(issuer->key.line, 5);
    snprintf(wanted, sizeof wanted, "%s/pin", folder);
    assert_string_equal(issuer->key_passphrase.text, wanted);
    snprintf(wanted, sizeof wanted, "%s/x:1", folder);
    assert_string_equal(issuer->signers[0].key.text, wanted);
    assert_string_equal(issuer->ocsp_key_passphrase.text, "credential:pin");
    assert_int_equal(issuer->ocsp_key_passphrase.line, 7);
    snprintf(wanted, sizeof wanted, "%s/openssl.cnf", folder);
    assert_string_equal(config->openssl_config.text, wanted);
    snprintf(wanted, sizeof wanted, "%s/file:one.crt", folder); /* certificates are files */
    assert_string_equal(issuer->certificate.text, wanted);
    config_free(config);
}

static void a_relative_path_of_the_file_is_no_hindrance(void **state)
{
    (void)state;
    char *here = get_current_dir_name(), wanted[300];
    config_free(loaded(SERVERS ISSUER));
    assert_int_equal(chdir(folder), 0);
    struct error err = {""};
    struct config *config = config_load("annuld.conf", &err);
    assert_int_equal(chdir(here), 0);
    free(here);
    assert_non_null(config);
    snprintf(wanted, sizeof wanted, "%s/one.key", folder);
    assert_string_equal(config->issuers[0].key.text, wanted);
    config_free(config);
}

/* --- what is refused ----------------------------------------------------------------------------------- */

#define BAD_ISSUER(name, keys) SERVERS "issuer \"" name "\" {\n" keys "\n}\n"
#define PAIR "certificate = \"a\" key = \"b\" "
#define NINE "{\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"}"
#define EIGHT "{\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\"}"
#define LONG_64 "a123456789b123456789c123456789d123456789e123456789f123456789abcd"
#define LONG_248                                                                                             \
    "h/23456789b123456789c123456789d123456789e123456789f123456789abcd" LONG_64 LONG_64                       \
    "a123456789b123456789c123456789d123456789e123456789f12345"
#define LONG_249 LONG_248 "x"

#define NO_LINE (-1)

static const struct {
    const char *spoken, *text;
    int line; /* 0: any; NO_LINE: its section is not in the file */
    const char *names, *remedy;
} refused[] = {
    {"an unknown key", LISTEN ADMIN ISSUER "log {\n  levle = \"info\"\n}\n", 5, "levle", "annuld.conf(5)"},
    {"an unknown section", SERVERS ISSUER "bogus { }\n", 4, "bogus", "annuld.conf(5)"},
    {"an unknown key of an issuer", BAD_ISSUER("one", PAIR "\ncrl_livetime = \"1d\""), 5, "crl_livetime",
     "annuld.conf(5)"},
    {"a backslash that would be lost", SERVERS ISSUER "# \"\\,\nlog {\n level = \"in\\,fo\"\n}\n", 6,
     "backslash", "single quotes"},
    {"a key outside its section", "workers = 2\n" SERVERS ISSUER, 1, "workers", "annuld.conf(5)"},
    {"the same issuer twice", SERVERS ISSUER ISSUER, 4, "one", "another title"},
    {"an issuer without name", SERVERS "issuer { " PAIR "}\n", 3, "issuer", "title"},
    {"a section that does not end", SERVERS "issuer \"one\" { " PAIR "\n", 0, "brace", ""},
    {"a string that does not end", SERVERS "issuer \"one { " PAIR "}\n", 0, ":", ""},
    {"a text where a number belongs", "public {\n  workers = \"many\"\n}\n", 2, "workers", "integer"},
    {"no equals sign", "public {\n  workers 4\n}\n", 2, "workers", ""},

    {"no issuer", SERVERS, 0, "no issuer", "add issuer"},
    {"an empty file", "", NO_LINE, "listen", "add"},
    {"no public listen", ADMIN ISSUER, NO_LINE, "listen", "add listen"},
    {"no admin listener", LISTEN ISSUER, NO_LINE, "admin", "add socket"},
    {"a socket with a long name", LISTEN "admin { socket = \"/" LONG_64 LONG_64 "\" }\n" ISSUER, 2, LONG_64,
     "107"},

    {"the same public address twice", "public {\n listen = {\"a:1\",\n \"b:1\", \"a:1\"}\n}\n" ADMIN ISSUER,
     3, "\"a:1\"", "take one of them out"},
    {"one address, public and admin", "admin { listen = {\"127.0.0.1:8080\"} }\n" LISTEN ISSUER, 2,
     "\"127.0.0.1:8080\"", "take one of them out"},
    {"one subject twice",
     LISTEN "admin { listen = {\"c:1\"} client \"CN=a\" { }\n client \"CN=a\" { } }\n" ISSUER, 3, "CN=a", ""},
    {"all issuers and one",
     LISTEN "admin { listen = {\"c:1\"}\n client \"CN=a\" { issuers = {\"*\", \"one\"} } }\n" ISSUER, 3,
     "\"*\"", "no issuer section"},
    {"a certificate for a socket",
     LISTEN "admin { socket = \"s\"\n tls_certificate = \"c\" tls_key = \"k\" }\n" ISSUER, 3,
     "tls_certificate", "without listen"},

    {"no workers", "public {\n listen = {\"a:1\"}\n workers = 0\n}\n" ADMIN ISSUER, 3, "workers",
     "from 1 to 64"},
    {"65 workers", "public {\n listen = {\"a:1\"}\n workers = 65\n}\n" ADMIN ISSUER, 3, "workers",
     "from 1 to 64"},
    {"too many connections", "public {\n listen = {\"a:1\"}\n\n connections = 1000001\n}\n" ADMIN ISSUER, 4,
     "connections", "1000000"},
    {"a negative number", "public {\n listen = {\"a:1\"}\n connections_per_address = -1\n}\n" ADMIN ISSUER, 3,
     "connections_per_address", "from 1"},
    {"a timeout of no unit we know", "public {\n listen = {\"a:1\"}\n timeout = \"15x\"\n}\n" ADMIN ISSUER, 3,
     "\"15x\"", "90s, 15m, 12h or 7d"},
    {"a timeout of two hours", "public {\n listen = {\"a:1\"}\n timeout = \"2h\"\n}\n" ADMIN ISSUER, 3,
     "timeout", "3600"},
    {"a delay of more than a second", SERVERS ISSUER "crl {\n delay_ms = 1001\n}\n", 5, "delay_ms", "1000"},
    {"a wait of two hours", SERVERS ISSUER "crl {\n wait_max = \"2h\"\n}\n", 5, "wait_max", "3600"},
    {"no waiters", SERVERS ISSUER "crl {\n waiters = 0\n}\n", 5, "waiters", "from 1"},
    {"no waiters of an address", SERVERS ISSUER "crl {\n waiters_per_address = 0\n}\n", 5,
     "waiters_per_address", "from 1"},
    {"a max_age of two days", SERVERS ISSUER "ocsp {\n max_age = \"2d\"\n}\n", 5, "max_age", "86400"},
    {"an error_status that is none", SERVERS ISSUER "ocsp {\n error_status = \"503\"\n}\n", 5, "\"503\"",
     "200, 5xx"},
    {"a level that is none", SERVERS ISSUER "log {\n level = \"loud\"\n}\n", 5, "\"loud\"",
     "error, warn, info, debug"},
    {"a format of the log that is none", SERVERS ISSUER "log {\n format = \"xml\"\n}\n", 5, "\"xml\"",
     "logfmt, json"},

    {"an issuer without certificate", BAD_ISSUER("one", "key = \"b\""), 3, "\"one\"", "add certificate"},
    {"an issuer with nothing to sign with", BAD_ISSUER("one", "certificate = \"a\""), 3, "\"one\"",
     "add key"},
    {"CRLs from elsewhere for a CA whose key is here", BAD_ISSUER("one", PAIR "\ncrl_upload = true"), 4,
     "\"one\"", "made here"},
    {"a file for a CA whose key is here", BAD_ISSUER("one", PAIR "\ncrl_file = \"c\""), 4, "\"one\"",
     "made here"},
    {"a URL of no scheme that we fetch", BAD_ISSUER("one", "certificate = \"a\"\ncrl_url = \"ftp://h/c\""), 5,
     "\"ftp://h/c\"", "http://"},
    {"a URL without host", BAD_ISSUER("one", "certificate = \"a\"\ncrl_url = {\"http://h\", \"https:///c\"}"),
     5, "\"https:///c\"", "http://"},
    {"an interval of no time", BAD_ISSUER("one", "certificate = \"a\"\ncrl_url_interval = \"0\""), 5,
     "crl_url_interval", "1s"},
    {"uploads of no size", SERVERS ISSUER "crl {\n upload_max_mb = 0\n}\n", 5, "upload_max_mb", "4095"},
    {"a delegate without key", BAD_ISSUER("one", PAIR "ocsp_certificate = \"c\""), 3, "ocsp_key is missing",
     "together, but there are 1 and 0"},
    {"a key without delegate", BAD_ISSUER("one", PAIR "ocsp_key = \"c\""), 3, "ocsp_certificate is missing",
     "together"},
    {"a PIN in the file", BAD_ISSUER("one", "certificate = \"a\"\nkey = \"pkcs11:object=b?pin-value=1\""), 5,
     "PIN", "key_passphrase"},
    {"a PIN in other letters",
     BAD_ISSUER("one", PAIR "ocsp_certificate = \"c\"\nocsp_key = \"pkcs11:Pin-Value=1\""), 5, "PIN",
     "ocsp_key_passphrase"},
    {"a passphrase of no key", BAD_ISSUER("one", PAIR "\nocsp_key_passphrase = \"c\""), 5,
     "ocsp_key_passphrase", "no use without ocsp_key"},
    {"two certificates, one key",
     BAD_ISSUER("one", PAIR "ocsp_certificate = {\"c\", \"d\"} ocsp_key = {\"e\"}"), 3, "ocsp_key is missing",
     "there are 2 and 1"},
    {"nine of them", BAD_ISSUER("one", PAIR "ocsp_certificate = " NINE " ocsp_key = " NINE), 3, "more than 8",
     "ocsp_certificate"},
    {"a delegate of no kind of key that we know",
     BAD_ISSUER("one", PAIR "\ndelegate \"P-192\" { lifetime = \"1d\" }"), 5, "\"P-192\"", "P-256, P-384"},
    {"a delegate of RSA that is too short",
     BAD_ISSUER("one", PAIR "\ndelegate \"RSA-1024\" { lifetime = \"1d\" }"), 5, "\"RSA-1024\"", "RSA-2048"},
    {"a delegate that lives for 59 minutes",
     BAD_ISSUER("one", PAIR "\ndelegate \"P-256\" {\n lifetime = \"59m\"\n}"), 6, "lifetime", "3600s"},
    {"a delegate that lives for more than a year",
     BAD_ISSUER("one", PAIR "\ndelegate \"P-256\" {\n lifetime = \"367d\"\n}"), 6, "lifetime", "367d"},
    {"an unknown key of a delegate", BAD_ISSUER("one", PAIR "\ndelegate \"P-256\" {\n lifetme = \"1d\"\n}"),
     6, "lifetme", "annuld.conf(5)"},
    {"a delegate of no kind", BAD_ISSUER("one", PAIR "\ndelegate { }"), 5, "delegate", "title"},
    {"the same kind of delegate twice",
     BAD_ISSUER("one", PAIR "\ndelegate \"P-256\" { }\ndelegate \"P-256\" { }"), 6, "P-256", "duplicate"},
    {"delegates from files and of our own",
     BAD_ISSUER("one", PAIR "ocsp_certificate = \"c\" ocsp_key = \"d\"\ndelegate \"P-256\" { }"), 3, "either",
     "delegate sections"},
    {"a delegate of our own without the CA's key",
     BAD_ISSUER("one", "certificate = \"a\"\ndelegate \"P-256\" { }"), 3, "\"one\"", "add key"},
    {"a nonce policy that is none", BAD_ISSUER("one", PAIR "\nnonce = \"demand\""), 5, "\"demand\"",
     "echo, ignore, require"},
    {"a responder_id that is none", BAD_ISSUER("one", PAIR "\nresponder_id = \"hash\""), 5, "\"hash\"",
     "key, name"},
    {"an archive_cutoff of no unit", BAD_ISSUER("one", PAIR "\narchive_cutoff = \"10y\""), 5, "\"10y\"",
     "90s, 15m, 12h or 7d"},
    {"an archive_cutoff of more than a hundred years",
     BAD_ISSUER("one", PAIR "\narchive_cutoff = \"36601d\""), 5, "archive_cutoff", "from 0s"},
    {"a crl_reference that is no URL", BAD_ISSUER("one", PAIR "\ncrl_reference = \"one.crl\""), 5,
     "\"one.crl\"", "http://"},
    {"shards without their URL", BAD_ISSUER("one", PAIR "shards = 4"), 3, "shard_distribution_point",
     "go together"},
    {"a URL of shards without shards",
     BAD_ISSUER("one", PAIR "\nshard_distribution_point = \"http://x/{}.crl\""), 5, "shards", "go together"},
    {"a URL of shards without a place",
     BAD_ISSUER("one", PAIR "shards = 4\nshard_distribution_point = \"http://x/0.crl\""), 5,
     "shard_distribution_point", "{}"},
    {"a URL of shards with two places",
     BAD_ISSUER("one", PAIR "shards = 4\nshard_distribution_point = \"http://x/{}/{}.crl\""), 5,
     "shard_distribution_point", "{}"},
    {"a URL of shards with its place in the host",
     BAD_ISSUER("one", PAIR "shards = 4\nshard_distribution_point = \"http://{}/a.crl\""), 5,
     "shard_distribution_point", "{}"},
    {"shards of a CA whose key is elsewhere",
     BAD_ISSUER("one", "certificate = \"a\" crl_upload = true shards = 4\n"
                       "shard_distribution_point = \"http://x/{}.crl\""),
     5, "\"one\"", "where the CA's key is"},
    {"more shards than anybody needs", BAD_ISSUER("one", PAIR "\nshards = 1025"), 5, "shards", "1024"},
    {"a delta where the whole CRL is",
     BAD_ISSUER("one", PAIR "distribution_point = \"http://x/a\"\ndelta_distribution_point = \"http://x/a\""),
     5, "delta_distribution_point", "of their own"},
    {"a distribution point without a path", BAD_ISSUER("one", PAIR "\ndistribution_point = \"http://x\""), 5,
     "distribution_point", "path"},
    {"a distribution point beyond ASCII",
     BAD_ISSUER("one", PAIR "\ndistribution_point = \"http://x/\xc3\xbc.crl\""), 5, "distribution_point",
     "ASCII"},
    {"a distribution point with a tab", BAD_ISSUER("one", PAIR "\ndistribution_point = \"http://x/a\tb\""), 5,
     "distribution_point", "blanks"},
    {"a distribution point with a query", BAD_ISSUER("one", PAIR "\ndistribution_point = \"http://x/a?b\""),
     5, "distribution_point", "query"},
    {"a whole CRL where a shard is",
     BAD_ISSUER("one", PAIR "shards = 4 shard_distribution_point = \"http://x/{}.crl\"\ndistribution_point = "
                            "\"http://x/3.crl\""),
     5, "distribution_point", "of its own"},
    {"a delta where a shard is",
     BAD_ISSUER("one",
                PAIR "shards = 4 shard_distribution_point = \"http://x/{}.crl\"\ndelta_distribution_point = "
                     "\"http://x/0.crl\""),
     5, "delta_distribution_point", "of its own"},
    {"a scope that is none", BAD_ISSUER("one", PAIR "\ncrl_scope = server"), 5, "crl_scope", "user"},
    {"neither pruned nor kept", BAD_ISSUER("one", PAIR "\nexpired_on_crl = yes"), 5, "expired_on_crl",
     "prune"},
    {"a crl_reference over TLS, which needs revocation itself",
     BAD_ISSUER("one", PAIR "\ncrl_reference = \"https://x/one.crl\""), 5, "https", "http://"},
    {"a crl_reference of 256 octets", BAD_ISSUER("one", PAIR "\ncrl_reference = \"http://" LONG_249 "\""), 5,
     "crl_reference", "255"},
    {"no signer threads", SERVERS ISSUER "signer {\n threads = 0\n}\n", 5, "threads", "from 1 to 64"},
    {"65 signer threads", SERVERS ISSUER "signer {\n threads = 65\n}\n", 5, "threads", "from 1 to 64"},
    {"a cache of nothing", SERVERS ISSUER "ocsp {\n cache_mb = 0\n}\n", 5, "cache_mb", "from 1"},
    {"an unlisted that is none", BAD_ISSUER("one", PAIR "\nunlisted = \"maybe\""), 5, "\"maybe\"",
     "unknown, good, revoked, unauthorized"},
    {"refresh later than half the lifetime",
     BAD_ISSUER("one", PAIR "crl_lifetime = \"1d\" crl_refresh = \"43201\""), 3, "crl_refresh", "half"},
    {"refresh later than half the default lifetime", BAD_ISSUER("one", PAIR "crl_refresh = \"4d\""), 3,
     "crl_refresh", "half"},
    {"a lifetime of nine minutes", BAD_ISSUER("one", PAIR "\ncrl_lifetime = \"9m\""), 5, "crl_lifetime",
     "600"},
    {"a validity of 59 seconds", BAD_ISSUER("one", PAIR "\nocsp_validity = \"59\""), 5, "ocsp_validity",
     "60"},
    {"a presign that is none", BAD_ISSUER("one", PAIR "\npresign = \"some\""), 5, "\"some\"", "none, all"},
    {"presigning nothing a second", BAD_ISSUER("one", PAIR "\npresign_rate = 0"), 5, "presign_rate",
     "from 1 to 100000"},
    {"presigning too much a second", BAD_ISSUER("one", PAIR "\npresign_rate = 100001"), 5, "presign_rate",
     "from 1 to 100000"},
    {"a hash that is none", BAD_ISSUER("one", PAIR "\npresign_hashes = {\"sha1\", \"md5\"}"), 5, "\"md5\"",
     "sha1, sha256, sha384, sha512"},
    {"no hash", BAD_ISSUER("one", PAIR "\npresign_hashes = {}"), 3, "presign_hashes", "name at least one"},
    {"a hash twice", BAD_ISSUER("one", PAIR "\npresign_hashes = {\"sha256\", \"sha1\", \"sha256\"}"), 5,
     "\"sha256\"", "take one of them out"},
    {"signed ahead, where a nonce must be there",
     BAD_ISSUER("one", PAIR "nonce = \"require\"\npresign = \"all\""), 5, "presign", "take one of them out"},
    {"an invalidity_date that is neither", BAD_ISSUER("one", PAIR "\ninvalidity_date = \"maybe\""), 5,
     "\"maybe\"", "no, yes"},
    {"a validity of more than a year", BAD_ISSUER("one", PAIR "\nocsp_validity = \"367d\""), 5,
     "ocsp_validity", "60"},

    {"an empty name", BAD_ISSUER("", PAIR), 3, "issuer", "1 to 64"},
    {"a name of 65 letters", BAD_ISSUER(LONG_64 "x", PAIR), 3, LONG_64, "1 to 64"},
    {"a slash in a name", BAD_ISSUER("a/b", PAIR), 3, "a/b", "a-z"},
    {"two dots", BAD_ISSUER("..", PAIR), 3, "..", "a-z"},
    {"a dot first", BAD_ISSUER(".one", PAIR), 3, ".one", "a-z"},
    {"a hyphen first", BAD_ISSUER("-one", PAIR), 3, "-one", "a-z"},
    {"a blank", BAD_ISSUER("one two", PAIR), 3, "one two", "a-z"},
    {"beyond ASCII", BAD_ISSUER("\xc3\xbc", PAIR), 3, "\xc3\xbc", "a-z"},
    {"a name with another meaning", BAD_ISSUER("bundle", PAIR), 3, "bundle", "bundle"},
    {"a name like a delta's", BAD_ISSUER("one-delta", PAIR), 3, "one-delta", "-delta"},

    {"an alias without slash", BAD_ISSUER("one", PAIR "\nalias \"ca.crl\" { }"), 0, "\"ca.crl\"", "URL path"},
    {"an alias of the front page", BAD_ISSUER("one", PAIR "\nalias \"/\" { }"), 0, "\"/\"", "URL path"},
    {"an alias with a query", BAD_ISSUER("one", PAIR "\nalias \"/a?b\" { }"), 0, "\"/a?b\"", "URL path"},
    {"an alias with a percent sign", BAD_ISSUER("one", PAIR "\nalias \"/a%20b\" { }"), 0, "\"/a%20b\"",
     "URL path"},
    {"an alias among the CRLs", BAD_ISSUER("one", PAIR "\nalias \"/crl/x.crl\" {\n format = \"der\"\n}"), 6,
     "\"/crl/x.crl\"", "meaning already"},
    {"an alias of OCSP", BAD_ISSUER("one", PAIR "\nalias \"/ocsp\" { }"), 0, "\"/ocsp\"", "meaning already"},
    {"a format that is none", BAD_ISSUER("one", PAIR "\nalias \"/ca.crl\" {\n\n format = \"p7b\"\n}"), 7,
     "\"p7b\"", "der, pem"},
    {"the same alias twice", BAD_ISSUER("one", PAIR "\nalias \"/ca.crl\" { }\nalias \"/ca.crl\" { }"), 6,
     "/ca.crl", "duplicate"},
};

static void every_complaint_names_file_line_and_thing(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        struct error err = {""};
        struct config *config = load(refused[i].text, &err);
        char prefix[300];
        int line = NO_LINE;
        if (config)
            fail_row(refused[i].spoken, "was accepted");
        snprintf(prefix, sizeof prefix, "%s:", path);
        if (strncmp(err.text, prefix, strlen(prefix)) != 0)
            fail_row(refused[i].spoken, "no file: %s", err.text);
        sscanf(err.text + strlen(prefix), "%d:", &line);
        if (refused[i].line && line != refused[i].line)
            fail_row(refused[i].spoken, "line %d, not %d: %s", line, refused[i].line, err.text);
        if (!strstr(err.text, refused[i].names) || !strstr(err.text, refused[i].remedy))
            fail_row(refused[i].spoken, "\"%s\" or \"%s\" is not in: %s", refused[i].names, refused[i].remedy,
                     err.text);
    }
}

static void what_is_just_legal_is_accepted(void **state)
{
    (void)state;
    static const char *const texts[] = {
        BAD_ISSUER(LONG_64, PAIR),
        BAD_ISSUER("a", PAIR),
        BAD_ISSUER("bundle2", PAIR),
        BAD_ISSUER("one.delta", PAIR),
        BAD_ISSUER("one", PAIR "crl_lifetime = \"1d\" crl_refresh = \"12h\""),
        BAD_ISSUER("one", PAIR "crl_lifetime = \"600\" crl_refresh = \"60\" ocsp_validity = \"60s\""),
        BAD_ISSUER("one", PAIR "ocsp_certificate = " EIGHT " ocsp_key = " EIGHT),
        BAD_ISSUER("one", PAIR "delegate \"Ed25519\" { lifetime = \"3600\" }\ndelegate \"RSA-4096\" { }"),
        BAD_ISSUER("one", PAIR "archive_cutoff = \"36600d\" crl_reference = \"http://" LONG_248 "\""),
        "public { listen = {\"a:1\"} workers = 64 connections = 16 timeout = \"1s\" }\n" ADMIN ISSUER,
        SERVERS ISSUER "ocsp { max_age = \"0\" error_status = \"200\" }\n",
        SERVERS ISSUER "crl { upload_max_mb = 4095 }\n",
        BAD_ISSUER("one", "certificate = \"a\" crl_upload = true"),
        BAD_ISSUER("one", "certificate = \"a\" crl_url = \"https://h\" crl_url_interval = \"30d\""),
    };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct error err = {""};
        struct config *config = load(texts[i], &err);
        if (!config)
            fail_msg("%s", err.text);
        config_free(config);
    }
}

static void files_that_are_none_are_refused(void **state)
{
    (void)state;
    char missing[300];
    struct error err = {""};
    snprintf(missing, sizeof missing, "%s/nowhere.conf", folder);
    assert_null(config_load(missing, &err));
    assert_says(err, missing);
    assert_says(err, "No such file");
    err = (struct error){""};
    assert_null(config_load(folder, &err));
    assert_says(err, folder);
    err = (struct error){""};
    assert_null(config_load("/dev/null", &err));
    assert_says(err, "/dev/null");
}

static void a_thousand_octets_of_anything_are_survived(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char text[1001];
        memset(text, c, sizeof text - 1);
        text[1000] = 0;
        struct error err = {""};
        struct config *config = load(text, &err);
        assert_null(config);
        assert_true(err.text[0] != 0);
    }
}

/* --- durations ----------------------------------------------------------------------------------------- */

static const struct {
    const char *text;
    int64_t seconds; /* -1: refused */
} durations[] = {
    {"0", 0},
    {"90", 90},
    {"90s", 90},
    {"15m", 900},
    {"12h", 43200},
    {"7d", 604800},
    {"2147483647", INT32_MAX},
    {"2147483648", -1},
    {"2147483647d", INT32_MAX *INT64_C(86400)},
    {"", -1},
    {"s", -1},
    {"d", -1},
    {"-1", -1},
    {"-1d", -1},
    {"+1", -1},
    {" 1", -1},
    {"1 ", -1},
    {"1 d", -1},
    {"1dd", -1},
    {"1w", -1},
    {"1D", -1},
    {"1.5h", -1},
    {"0x10", -1},
    {"1e3", -1},
    {"99999999999999999999", -1},
    {"1h30m", -1},
};

static void durations_have_one_number_and_one_unit(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(durations); i++) {
        int64_t seconds = -1;
        bool good = config_duration(durations[i].text, &seconds);
        check_row(durations[i].text, good == (durations[i].seconds >= 0));
        if (good)
            check_row(durations[i].text, seconds == durations[i].seconds);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_there_is_has_defaults),
        cmocka_unit_test(everything_is_read_with_its_lines),
        cmocka_unit_test(lists_may_be_added_to_and_files_loaded_again),
        cmocka_unit_test(many_issuers_keep_their_own_lines),
        cmocka_unit_test(secrets_are_files_or_uris),
        cmocka_unit_test(a_relative_path_of_the_file_is_no_hindrance),
        cmocka_unit_test(every_complaint_names_file_line_and_thing),
        cmocka_unit_test(what_is_just_legal_is_accepted),
        cmocka_unit_test(files_that_are_none_are_refused),
        cmocka_unit_test(a_thousand_octets_of_anything_are_survived),
        cmocka_unit_test(durations_have_one_number_and_one_unit),
    };
    return cmocka_run_group_tests(tests, folder_begin, folder_end);
}
