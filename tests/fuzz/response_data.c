/* What annul-signer reads before it signs a response: whatever it takes, writing it anew gives the same
 * octets. */
#include "fuzz.h"

#include <annul/ocsp.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ocsp_response_data read;
    static struct certid ids[OCSP_CERTIDS_MAX];
    struct error err;
    if (!ocsp_response_data_parse((struct bytes){data, size}, &read, ids, &err))
        return 0;
    CHECK(read.count >= 1 && read.count <= OCSP_CERTIDS_MAX);
    for (size_t i = 0; i < read.count; i++)
        CHECK(bytes_equal(ids[i].whole, read.singles[i].certid));
    uint8_t *room = malloc(size);
    struct der_writer w;
    CHECK(room);
    der_writer_init(&w, room, size);
    CHECK(ocsp_response_data_put(&w, &read));
    CHECK(bytes_equal((struct bytes){w.at, der_mark(&w)}, (struct bytes){data, size}));
    free(room);
    return 0;
}
