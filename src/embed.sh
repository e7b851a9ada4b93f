#!/bin/sh
# Prints files as C string literals: one `{"name", "content"},` each, for an array of {name, text}.
set -eu
for file in "$@"; do
    printf '{"%s",\n' "${file##*/}"
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/"/; s/$/\\n"/' "$file"
    printf '},\n'
done
