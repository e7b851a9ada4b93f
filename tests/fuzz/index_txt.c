/* Lines of an index.txt: what is read can be written and read again. */
#include "fuzz.h"

#include <annul/index_txt.h>

static void check_again(const struct index_row *row)
{
    struct index_row again;
    struct buffer line = {0};
    struct error err;
    CHECK(index_row_write(row, &line));
    CHECK(line.len > 0 && line.at[line.len - 1] == '\n');
    CHECK(index_row_parse((struct bytes){line.at, line.len - 1}, &again, &err) == FOUND);
    CHECK(again.status == row->status && serial_compare(&again.serial, &row->serial) == 0);
    CHECK(again.revoked_at == row->revoked_at);
    CHECK(index_row_loss(row) != INDEX_LOSES_NOTHING || again.reason == row->reason);
    CHECK(index_row_loss(row) != INDEX_LOSES_NOTHING || again.invalidity_at == row->invalidity_at);
    buffer_free(&line);
}

static void check_name(struct bytes name)
{
    struct buffer text = {0}, back = {0};
    CHECK(index_name_to_rfc2253(name, &text) && buffer_add(&text, "", 1));
    if (!memchr(text.at, 0, text.len - 1))
        CHECK(index_name_from_rfc2253((const char *)text.at, &back));
    buffer_free(&text);
    buffer_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct index_row row;
    struct error err;
    struct bytes line = {data, size};
    if (size && memchr(data, '\n', size)) /* lines are split before */
        return 0;
    if (index_row_parse(line, &row, &err) == FOUND) {
        CHECK(row.name.len == 0 || (row.name.at >= data && row.name.at + row.name.len <= data + size));
        check_again(&row);
        check_name(row.name);
    }
    char *text = fuzz_text(data, size);
    struct buffer name = {0};
    if (text)
        CHECK(index_name_from_rfc2253(text, &name));
    buffer_free(&name);
    free(text);
    return 0;
}
