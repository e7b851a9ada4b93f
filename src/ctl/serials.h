/* Commands that do one thing to each of several serials. */
#ifndef ANNUL_CTL_SERIALS_H
#define ANNUL_CTL_SERIALS_H

#include "client.h"

/* What was typed, without the "serial=" that `openssl x509 -noout -serial` puts before it. */
const char *ctl_serial_typed(const char *text);

typedef int ctl_serial_act(struct ctl *ctl, const char *issuer, const char *serial, int width,
                           const void *arg);

/* `argv` is an issuer and serials, as typed. All serials are read before the first is sent: a slip of the pen
 * changes nothing. Then `act` gets each in the API's form, whatever becomes of the others; the worst code
 * counts. Without a daemon, or without leave, there are no more tries. */
int ctl_serials_each(struct ctl *ctl, int argc, char **argv, ctl_serial_act *act, const void *arg);

/* A certificate object, as the options want it seen. */
void ctl_serial_show(const struct ctl *ctl, const json_t *certificate, int width);

/* A call that answers with a certificate object, which is shown, and given where `certificate` is not NULL
 * (the caller's to json_decref). */
int ctl_serial_call(struct ctl *ctl, const struct ctl_call *call, int width, json_t **certificate);

#endif
