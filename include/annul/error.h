/* Errors that name the thing, the place and the remedy.
 *
 * A function that can fail takes a `struct error *` and returns one of the outcomes below.  The text is for
 * an operator: which object, where it came from, what to do.  It never holds secrets.
 */
#ifndef ANNUL_ERROR_H
#define ANNUL_ERROR_H

/* The three outcomes of a look-up; they stay three: an error is never answered as absent. */
enum outcome { FAILED = -1, ABSENT = 0, FOUND = 1 };

struct error {
    char text[512];
};

/* Sets the text (truncated to fit) and returns -1, so that callers write `return error_set(err, ...)`.
 * `err` may be NULL. Any thread. */
int error_set(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts "prefix: " before the present text and returns -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
