/* An issuer's CRL: published anew, or one that was made elsewhere. */
#include "client.h"
#include "print.h"

#include <annul/plural.h>

#include <stdlib.h>

static void show_crl(const struct ctl *ctl, const char *issuer, const json_t *crl)
{
    if (ctl->option[CTL_JSON]) {
        ctl_print_json(crl);
        return;
    }
    if (ctl->option[CTL_QUIET])
        return;
    long long entries = json_integer_value(json_object_get(crl, "entries"));
    ctl_put_visible(stdout, issuer);
    printf(" %s ", json_is_true(json_object_get(crl, "delta")) ? "delta CRL" : "CRL");
    ctl_put_visible(stdout, ctl_json_text(crl, "crl_number", "-"));
    printf(", %lld %s, next update ", entries, plural((uint64_t)entries, "entry", "entries"));
    ctl_put_visible(stdout, ctl_json_text(crl, "next_update", "-"));
    puts(json_is_false(json_object_get(crl, "changed")) ? "  (was there already)" : "");
}

int ctl_crl_publish(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    struct buffer about = {0};
    json_t *crl = NULL;
    char *path = ctl_client_path("/api/v1/issuers/{}/crl", argv[0]);
    int code = path && buffer_printf(&about, "publish the CRL of %s", argv[0])
                   ? ctl_client_post(ctl, path, (const char *)about.at, NULL, &crl)
                   : ctl_no_memory();
    if (code == CTL_OK)
        show_crl(ctl, argv[0], crl);
    json_decref(crl);
    free(path);
    buffer_free(&about);
    return code;
}

int ctl_crl_upload(struct ctl *ctl, int argc, char **argv)
{
    (void)argc;
    const char *issuer = argv[0], *file = argv[1];
    struct buffer about = {0}, content = {0};
    json_t *crl = NULL;
    char *path = ctl_client_path("/api/v1/issuers/{}/crl", issuer);
    int code = ctl_read_file(file, &content);
    if (code == CTL_OK && (!path || !buffer_printf(&about, "upload %s as the CRL of %s", file, issuer)))
        code = ctl_no_memory();
    if (code == CTL_OK) {
        struct ctl_call call = {.method = "PUT",
                                .path = path,
                                .body = {content.at, content.len},
                                .content_type = "application/pkix-crl",
                                .about = (const char *)about.at};
        code = ctl_client_call(ctl, &call, &crl);
    }
    if (code == CTL_OK)
        show_crl(ctl, issuer, crl);
    json_decref(crl);
    free(path);
    buffer_free(&about);
    buffer_free(&content);
    return code;
}
