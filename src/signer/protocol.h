/* What annuld and annul-signer say to each other, in host order.
 *
 * Over a socket, one message a packet, goes what is rare: who signs, CRLs, and the memory for what is not. ResponseData
 * and signatures go through two rings in that memory (ring.h). The signer trusts nothing in either.
 */
#ifndef ANNUL_SIGNER_PROTOCOL_H
#define ANNUL_SIGNER_PROTOCOL_H

#include "ring.h"

#include <annul/sigalg.h>

#include <stdint.h>

#define SIGNER_VERSION 2

/* --- the socket ---------------------------------------------------------------------------------------- */

enum signer_kind {
    SIGNER_READY = 1, /* from the signer, after it has announced who signs: its keys are loaded */
    SIGNER_ANNOUNCE,  /* from the signer, at any time: one who signs OCSP for an issuer */
    SIGNER_RINGS,     /* from annuld, once: the memory, and the doorbells of both rings */
    SIGNER_CRL,       /* from annuld with the file; and its answer, with the same id */
};

struct signer_request {
    uint32_t version;
    uint32_t kind;
    uint64_t id;
    uint8_t issuer[32];   /* SIGNER_CRL: fingerprint */
    uint64_t offset, len; /* SIGNER_CRL: where in the file */
};

struct signer_message {
    uint32_t version;
    uint32_t kind;
    uint64_t id;           /* SIGNER_CRL: of the request; SIGNER_ANNOUNCE: what this signer is called */
    uint8_t issuer[32];    /* SIGNER_ANNOUNCE: fingerprint; all of one issuer come in one go */
    uint32_t index, count; /* SIGNER_ANNOUNCE: which of how many */
    uint32_t is_ours;      /* SIGNER_ANNOUNCE: a delegate that annul-signer issued to itself */
    uint32_t refused;      /* SIGNER_CRL: the payload is the reason, not the signature */
    uint8_t payload[];     /* SIGNER_ANNOUNCE: certificates in DER, its own first */
};

#define SIGNER_MESSAGE_MAX (sizeof(struct signer_message) + 32768)

/* --- the rings ----------------------------------------------------------------------------------------- */

#define SIGNER_DATA_MAX 32768 /* octets of a ResponseData */
#define SIGNER_REQUESTS_SIZE ((size_t)2 << 20)
#define SIGNER_REPLIES_SIZE ((size_t)1 << 20)
#define SIGNER_MEMORY (RING_MEMORY(SIGNER_REQUESTS_SIZE) + RING_MEMORY(SIGNER_REPLIES_SIZE))

/* A ResponseData follows. */
struct ring_request {
    uint64_t id;
    int64_t until_ms; /* by clock_monotonic_ms: nobody waits for it any longer, so it is dropped */
    uint32_t signer;  /* as announced */
    uint32_t sigalg;  /* sigalg_number */
};

/* The signature follows, or the reason why there is none. */
struct ring_reply {
    uint64_t id;
    uint64_t refused;
};

#endif
