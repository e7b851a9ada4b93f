/* What goes over the socket between annuld and annul-signer: one message a packet, in host order.
 *
 * The signer trusts nothing in it. A file descriptor comes along with SIGNER_CRL and with nothing else.
 */
#ifndef ANNUL_SIGNER_PROTOCOL_H
#define ANNUL_SIGNER_PROTOCOL_H

#include <stdint.h>

#define SIGNER_VERSION 1
#define SIGNER_PAYLOAD_MAX 32768
#define SIGNER_BATCH 16   /* messages taken or sent by one system call */
#define SIGNER_READY_ID 0 /* id of the first message of the signer: its keys are loaded */

enum signer_kind { SIGNER_OCSP = 1, SIGNER_CRL = 2 };

struct signer_request {
    uint64_t id;
    uint32_t version;
    uint32_t kind;
    uint8_t issuer[32];   /* fingerprint */
    uint64_t offset, len; /* SIGNER_CRL: where in the file */
    uint8_t payload[];    /* SIGNER_OCSP: the ResponseData */
};

struct signer_reply {
    uint64_t id;
    uint32_t refused; /* 0: the payload is the signature; 1: it is the reason */
    uint32_t version;
    uint8_t payload[]; /* to the end of the packet */
};

#endif
