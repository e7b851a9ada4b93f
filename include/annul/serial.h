/* Certificate serial numbers (RFC 5280 section 4.1.2.2): non-negative, at most 20 octets.
 *
 * The canonical form everywhere in Annul is the big-endian number without leading zero octets (and without
 * DER's sign octet); zero is one octet 00. So two spellings of a serial are equal exactly if their octets
 * are. Any thread.
 */
#ifndef ANNUL_SERIAL_H
#define ANNUL_SERIAL_H

#include <annul/bytes.h>

#define SERIAL_MAX 20
#define SERIAL_TEXT (2 * SERIAL_MAX + 1)

struct serial {
    uint8_t len;
    uint8_t octets[SERIAL_MAX];
};

/* From octets with any number of leading zeros. False where it is empty or too large. */
bool serial_from_octets(struct bytes octets, struct serial *serial);

/* From the content of a DER INTEGER: negative ones and needless zeros are refused, a sign octet is dropped.
 */
bool serial_from_integer(struct bytes content, struct serial *serial);

/* From what people paste: hex in any case, with or without 0x, colons, blanks between octets, leading zeros,
 * an odd number of digits; or "dec:" and decimal digits. */
bool serial_from_text(const char *text, struct serial *serial);

/* Order as numbers: below, equal, above zero. */
int serial_compare(const struct serial *a, const struct serial *b);

/* Lower-case hex, two digits an octet. */
void serial_to_text(const struct serial *serial, char out[SERIAL_TEXT]);

/* DER INTEGER TLV; returns its length, at most SERIAL_MAX + 3. */
size_t serial_to_der(struct bytes octets, uint8_t out[SERIAL_MAX + 3]);

/* The octets as a view, for as long as `serial` lives. */
struct bytes serial_bytes(const struct serial *serial);

#endif
