#include <annul/number.h>

bool number_from_text(const char *text, int64_t max, int64_t *number)
{
    if (!*text || (*text == '0' && text[1]))
        return false;
    for (*number = 0; *text >= '0' && *text <= '9'; text++) {
        int digit = *text - '0';
        if (*number > (max - digit) / 10)
            return false;
        *number = *number * 10 + digit;
    }
    return !*text && *number <= max;
}
