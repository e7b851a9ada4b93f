/* Signatures from annul-signer, the only process that holds private keys.
 *
 * annuld starts it and talks to it over a SOCK_SEQPACKET socketpair and through shared memory; or, where the
 * configuration names a socket, connects to one that the system manager runs under a user of its own. Requests are
 * asynchronous: submitted with a completion, answered in bulk. When the signer dies, whatever was submitted completes
 * with a failure at once, and the signer is started (or connected to) anew; until it is up, nothing can be
 * submitted. It tells who signs OCSP for each issuer (annul/ocsp_signer.h), at its start and whenever that changes.
 *
 * The signer signs what it understands, and nothing else: see signer_serve.
 */
#ifndef ANNUL_SIGNER_H
#define ANNUL_SIGNER_H

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/histogram.h>
#include <annul/ocsp_signer.h>

#include <sys/types.h>

/* --- in annuld: the client ----------------------------------------------------------------------------- */

struct signer;

/* Starts the signer and waits until it has loaded its keys (bounded) and told who signs. NULL with the reason, which
 * may already stand on standard error in the signer's own words. */
struct signer *signer_start(struct issuers *issuers, struct error *err);

/* Fails what is under way (soon, in the signer's thread), and takes nothing more. NULL-safe. */
void signer_halt(struct signer *signer);

/* The same, and ends thread and process. NULL-safe. */
void signer_stop(struct signer *signer);

/* Called once for each submitted request, in the signer's thread or that of signer_stop. On failure
 * `signature.len` is 0 and `failure` says why; both last only during the call. Must not block. */
typedef void signer_done(void *arg, struct bytes signature, const char *failure);

/* Submits a ResponseData for signing by `by` with `sigalg`; the octets are copied. False, and `done` is not called,
 * where the signer is down or too much is waiting. Any thread. */
bool signer_sign_ocsp(struct signer *signer, const struct ocsp_signer *by, const struct sigalg *sigalg,
                      struct bytes response_data, signer_done *done, void *arg);

/* Has the TBSCertList of `len` octets at `offset` of the file `fd` signed with the CA's key; waits (bounded).
 * The file must not change meanwhile: what is signed is what the signer has read. 0 or -1. Any thread. */
int signer_sign_crl(struct signer *signer, const struct issuer *issuer, int fd, uint64_t offset, uint64_t len,
                    uint8_t signature[SIGNATURE_MAX], size_t *signature_len, struct error *err);

/* Whether the signer is up. Any thread. */
bool signer_is_up(struct signer *signer);

/* Since the start, for metrics. Any thread. */
enum signature_kind { SIGNATURE_OCSP, SIGNATURE_CRL, SIGNATURE_KINDS };
struct signer_counts {
    unsigned pending, pending_max;       /* under way at present, and how many may be */
    uint64_t refused_down, refused_busy; /* not submitted: the signer is down, or too much is waiting */
    uint64_t made[SIGNATURE_KINDS], failed[SIGNATURE_KINDS]; /* of those that were submitted */
    struct histogram_sums took[SIGNATURE_KINDS];             /* until they were made */
};
void signer_count(struct signer *signer, struct signer_counts *counts);

/* Runs `annul-signer -t`, which checks that each key is there and matches its certificate. 0 or -1. */
int signer_check(const struct config *config, struct error *err);

/* --- in annul-signer: the key holder ------------------------------------------------------------------- */

struct signer_keys;

/* Opens every private key that the configuration names, checks that it belongs to its certificate, and makes the
 * delegates that it is to issue. NULL with file, line and remedy; never a word of the key. */
struct signer_keys *signer_keys_load(struct issuers *issuers, struct error *err);
void signer_keys_free(struct signer_keys *keys); /* NULL-safe */

/* Whether every certificate that is to sign OCSP counts now. 0, or -1 with file, line and remedy of the first that does
 * not. Serving goes on with one that is over, for the others; signer_serve says it in the log, each day. */
int signer_keys_check(const struct signer_keys *keys, int64_t now, struct error *err);

/* Serves one connection until the other side closes it. It signs a ResponseData that it has parsed, that names the
 * announced responder, whose CertIDs all name its issuer, and that is valid for no longer than configured; and a
 * TBSCertList that it has parsed, of the configured issuer, likewise. Everything else, a TBSCertificate above all, is
 * refused. Keys that were replaced in their files are taken up meanwhile. 0 when closed, -1 on an error of the
 * socket. */
int signer_serve(struct signer_keys *keys, int fd, struct error *err);

#endif
