#include "serials.h"
#include "print.h"

#include <annul/serial.h>

#include <stdlib.h>
#include <string.h>

const char *ctl_serial_typed(const char *text)
{
    return strncmp(text, "serial=", 7) == 0 ? text + 7 : text;
}

static int width_of(int argc, char **serials)
{
    size_t width = 0;
    for (int i = 0; i < argc; i++)
        width = strlen(serials[i]) > width ? strlen(serials[i]) : width;
    return (int)width;
}

void ctl_serial_show(const struct ctl *ctl, const json_t *certificate, int width)
{
    const json_t *changed = json_object_get(certificate, "changed");
    if (ctl->option[CTL_JSON])
        ctl_print_json(certificate);
    else if (!ctl->option[CTL_QUIET])
        ctl_print_certificate(certificate, width, json_is_false(changed) ? "(was so already)" : NULL);
}

/* The texts are brought to the API's form, in place of what was typed. */
static int read_serials(const char *issuer, int argc, char **argv, char (*serials)[SERIAL_TEXT])
{
    for (int i = 0; i < argc; i++) {
        struct serial serial;
        if (!serial_from_text(ctl_serial_typed(argv[i]), &serial))
            return ctl_fail(
                CTL_USAGE,
                "\"%s\" is not a serial number: hexadecimal digits, at most 20 octets, with or without "
                "0x and colons, or dec: and decimal digits; find it with `annulctl list %s --query %s`",
                argv[i], issuer, argv[i]);
        serial_to_text(&serial, serials[i]);
        argv[i] = serials[i];
    }
    return CTL_OK;
}

int ctl_serials_each(struct ctl *ctl, int argc, char **argv, ctl_serial_act *act, const void *arg)
{
    if (argc < 2)
        return ctl_fail(CTL_USAGE, "%s: give an issuer and its serial numbers", ctl->word[0]);
    char(*serials)[SERIAL_TEXT] = calloc((size_t)argc, sizeof *serials);
    if (!serials)
        return ctl_no_memory();
    int code = read_serials(argv[0], argc - 1, argv + 1, serials);
    int width = width_of(argc - 1, argv + 1);
    for (int i = 1; i < argc && code != CTL_USAGE && !ctl->in_vain; i++)
        code = ctl_worse(code, act(ctl, argv[0], argv[i], width, arg));
    free(serials);
    return code;
}

int ctl_serial_call(struct ctl *ctl, const struct ctl_call *call, int width, json_t **certificate)
{
    json_t *answer = NULL;
    int code = ctl_client_call(ctl, call, &answer);
    if (code == CTL_OK)
        ctl_serial_show(ctl, answer, width);
    if (certificate)
        *certificate = answer;
    else
        json_decref(answer);
    return code;
}
