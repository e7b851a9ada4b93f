/* Values of request header fields: nothing is read behind their end, and a range is within what there is. */
#include "fuzz.h"

#include "../../src/http/header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t lens[] = {1, 100, 5000000000};
    char *text = fuzz_text(data, size);
    if (!text)
        return 0;
    for (size_t i = 0; i < sizeof lens / sizeof *lens; i++) {
        uint64_t first = 0, count = 0;
        if (header_range(text, lens[i], &first, &count) == RANGE_PART)
            CHECK(count > 0 && count <= lens[i] && first <= lens[i] - count);
    }
    if (header_is_etag(text, "abc"))
        CHECK(header_list_has_etag(text, "abc", false));
    CHECK(header_prefer_wait(text) >= -1);
    free(text);
    return 0;
}
