#include "register.h"
#include "client.h"
#include "print.h"

#include <string.h>

#define CHUNK_MAX ((size_t)1000000) /* the API takes 1 MiB */
#define SHOWN_MAX 20                /* more certificates than this are counted, not listed */

static void show_registered(const struct ctl *ctl, const json_t *answer)
{
    const json_t *certificates = json_object_get(answer, "certificates");
    if (ctl->option[CTL_JSON])
        ctl_print_json(answer);
    else if (!ctl->option[CTL_QUIET] && json_array_size(certificates) <= SHOWN_MAX)
        for (size_t i = 0; i < json_array_size(certificates); i++)
            ctl_print_certificate(json_array_get(certificates, i), 0, NULL);
}

static int send_chunk(struct ctl_registration *r)
{
    struct buffer about = {0};
    json_t *answer = NULL;
    if (r->pem.len == 0)
        return CTL_OK;
    if (!buffer_printf(&about, "%s, certificates %ld to %ld", r->file, r->chunk_first, r->seen))
        return ctl_no_memory();
    struct ctl_call call = {.method = "POST",
                            .path = "/api/v1/certificates",
                            .body = {r->pem.at, r->pem.len},
                            .content_type = "application/x-pem-file",
                            .about = (const char *)about.at};
    int code = ctl_client_call(r->ctl, &call, &answer);
    if (code == CTL_OK) {
        r->registered += (long)json_integer_value(json_object_get(answer, "registered"));
        r->known += (long)json_integer_value(json_object_get(answer, "known"));
        ctl_progress_clear(&r->progress);
        show_registered(r->ctl, answer);
    }
    r->pem.len = 0;
    json_decref(answer);
    buffer_free(&about);
    return code;
}

/* Whether it is to be sent: 1, 0 where it is left out, -1 where the import stops. The daemon checks
 * signatures; this only keeps another CA's certificates from being registered in passing. */
static int check_issuer(struct ctl_registration *r, const struct certificate *certificate)
{
    char serial[SERIAL_TEXT];
    if (!r->issuer || bytes_equal((struct bytes){certificate->issuer.at, certificate->issuer.len},
                                  (struct bytes){r->issuer->subject.at, r->issuer->subject.len}))
        return 1;
    if (r->skip_bad) {
        r->skipped++;
        return 0;
    }
    serial_to_text(&certificate->serial, serial);
    r->code =
        ctl_fail(CTL_USAGE,
                 "%s, certificate %ld (serial %s): it is another issuer's; `annulctl register` takes all "
                 "issuers, --skip-bad leaves it out",
                 r->file, r->seen, serial);
    return -1;
}

static int add_certificate(void *arg, struct certificate *certificate, struct error *err)
{
    (void)err;
    struct ctl_registration *r = arg;
    struct bytes der = {certificate->der.at, certificate->der.len};
    size_t before = r->pem.len;
    r->seen++;
    int wanted = check_issuer(r, certificate);
    if (wanted <= 0)
        return wanted;
    if (before + der.len * 3 / 2 + 64 > CHUNK_MAX) {
        r->seen--; /* the chunk ends before this one */
        r->code = send_chunk(r);
        r->seen++;
        ctl_progress_show(&r->progress, (size_t)r->seen - 1, 0);
    }
    if (r->pem.len == 0)
        r->chunk_first = r->seen;
    if (r->code == CTL_OK && !certificate_to_pem(der, &r->pem))
        r->code = ctl_no_memory();
    return r->code == CTL_OK ? 0 : -1;
}

int ctl_register_text(struct ctl_registration *r, const char *file, struct bytes text)
{
    struct error err = {""};
    r->file = file;
    r->seen = 0;
    r->pem.len = 0;
    r->code = CTL_OK;
    ctl_progress_start(r->ctl, &r->progress);
    long count = certificates_from_text(text, add_certificate, r, &err);
    if (count < 0 && r->code == CTL_OK)
        r->code = ctl_fail(CTL_USAGE, "%s, certificate %ld: %s", file, r->seen + 1, err.text);
    else if (r->code == CTL_OK)
        r->code = send_chunk(r);
    ctl_progress_clear(&r->progress);
    return r->code;
}

void ctl_register_end(struct ctl_registration *r)
{
    buffer_free(&r->pem);
}

int ctl_register(struct ctl *ctl, int argc, char **argv)
{
    struct ctl_registration registration = {.ctl = ctl};
    int code = CTL_OK;
    for (int i = 0; i < argc && !ctl->in_vain; i++) {
        struct buffer text = {0};
        int found = ctl_read_file(argv[i], &text);
        if (found == CTL_OK)
            found = ctl_register_text(&registration, argv[i], (struct bytes){text.at, text.len});
        code = ctl_worse(code, found);
        buffer_free(&text);
    }
    if (!ctl->option[CTL_QUIET] && !ctl->option[CTL_JSON])
        printf("%ld registered, %ld known already\n", registration.registered, registration.known);
    ctl_register_end(&registration);
    return code;
}
