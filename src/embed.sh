#!/bin/sh
# Prints files as C string literals: one `{"name", "content"},` each, for an array of {name, text}. The name is without
# the first folder: "001_initial.sql" of db/, "console/app.js" of www/console/.
set -eu
for file in "$@"; do
    printf '{"%s",\n' "${file#*/}"
    # a question mark too: ??= would be a trigraph
    sed 's/[\\"?]/\\&/g; s/^/"/; s/$/\\n"/' "$file"
    printf '},\n'
done
