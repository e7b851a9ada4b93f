/* Subjects by RFC 2253, as they are shown and as a configuration names them. */
#include <annul/certificate.h>

#include <annul/hex.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

static char *name_to_text(const X509_NAME *name)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL, *data;
    unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB; /* UTF-8 as it is */
    if (bio && X509_NAME_print_ex(bio, name, 0, flags) >= 0) {
        long len = BIO_get_mem_data(bio, &data);
        text = strndup(len > 0 ? data : "", len > 0 ? (size_t)len : 0);
    }
    BIO_free(bio);
    return text;
}

char *certificate_subject_text(const struct certificate *certificate)
{
    return name_to_text(X509_get_subject_name(certificate->x509));
}

/* --- the other way ------------------------------------------------------------------------------------- */

/* The character at `*at`, which moves on to its last octet; -1 where an escape is none. */
static int take_octet(const char **at)
{
    if (**at != '\\')
        return (uint8_t) * *at;
    const char *escaped = ++*at;
    if (hex_digit(escaped[0]) < 0)
        return *escaped ? (uint8_t)*escaped : -1;
    int low = hex_digit(escaped[1]);
    ++*at;
    return low < 0 ? -1 : hex_digit(escaped[0]) << 4 | low;
}

/* "CN=value"; returns what is behind it, NULL: it is none. The last part of a text is the first of the name. */
static const char *take_attribute(const char *at, bool joins_last, X509_NAME *name)
{
    char type[64] = "";
    struct buffer value = {0};
    size_t len = strcspn(at, "=");
    if (len < sizeof type && at[len])
        memcpy(type, at, len);
    ASN1_OBJECT *object = *type ? OBJ_txt2obj(type, 0) : NULL;
    bool good = object;
    for (at += len + good; good && *at && !strchr(",+", *at); at++) {
        int octet = take_octet(&at);
        good = octet >= 0 && buffer_add(&value, &(uint8_t){(uint8_t)octet}, 1);
    }
    good = good && value.len &&
           X509_NAME_add_entry_by_OBJ(name, object, V_ASN1_UTF8STRING, value.at, (int)value.len, 0,
                                      joins_last) == 1;
    ASN1_OBJECT_free(object);
    buffer_free(&value);
    return good ? at : NULL;
}

bool certificate_is_subject_text(const char *text)
{
    X509_NAME *name = X509_NAME_new();
    const char *at = name ? take_attribute(text, false, name) : NULL;
    while (at && *at)
        at = take_attribute(at + 1, *at == '+', name);
    char *back = at ? name_to_text(name) : NULL;
    bool same = back && strcmp(back, text) == 0;
    free(back);
    X509_NAME_free(name);
    ERR_clear_error();
    return same ||
           strstr(text, "=#"); /* of a type that has no name: in hexadecimal, with nothing to escape */
}
