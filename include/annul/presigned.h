/* OCSP answers that were signed ahead, in a file of their own beside the status database.
 *
 * The file is a store of signatures, not of truth: who takes one out compares what it says with the status
 * database. So it may be lost, may be older than the database, and may belong to another one: that costs
 * signatures and no more. It is begun anew where another version of Annul wrote it, and put aside (FILE-corrupt)
 * where it is damaged, also while it is in use. One thread writes, any thread reads.
 */
#ifndef ANNUL_PRESIGNED_H
#define ANNUL_PRESIGNED_H

#include <annul/bytes.h>
#include <annul/error.h>
#include <annul/serial.h>

struct presigned;

/* Whether it can be opened or made, and is not the status database. Changes nothing. 0, or -1 with the reason. */
int presigned_check(const char *path, const char *database, struct error *err);

/* Opens or makes the file; never touches one that is something else. NULL with the reason. */
struct presigned *presigned_open(const char *path, struct error *err);
void presigned_close(struct presigned *presigned); /* NULL-safe; no other thread may be inside */

struct presigned_entry {
    int64_t issuer; /* the first three are the key */
    int hash;       /* of the CertID: enum certid_hash */
    struct serial serial;
    uint64_t lineage; /* of the signer, see annul/ocsp_signer.h */
    unsigned sigalg;  /* its number */
    int64_t next_update;
    struct bytes response_data, signature;
    struct bytes certs; /* of the very signer, which go along; empty where the CA signed */
};

/* Gives the entry of a key to `take`, which must not keep it. */
typedef void presigned_take(void *arg, const struct presigned_entry *entry);
enum outcome presigned_find(struct presigned *presigned, int64_t issuer, int hash,
                            const struct serial *serial, presigned_take *take, void *arg, struct error *err);

/* Writes entries over those of the same keys, all or none. 0, or -1 with the reason; where that is damage, the file
 * is another one now, and empty. The writer's thread. */
int presigned_put(struct presigned *presigned, const struct presigned_entry *const *entries, size_t count,
                  struct error *err);

/* Removes those whose time is over. The same. */
int presigned_sweep(struct presigned *presigned, int64_t now, struct error *err);

#endif
