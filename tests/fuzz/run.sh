#!/bin/sh
# run.sh [NAME...]: builds the fuzzers (all of them, or those named) with clang into build-fuzz, and runs each for
# FUZZ_SECONDS (60). What they learn stays in build-fuzz/corpus/NAME; an input that ends one is left in
# build-fuzz/findings, and the exit status is 1.
set -eu
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-60}
build=${FUZZ_BUILD:-build-fuzz}
if [ $# = 0 ]; then
    set -- tests/fuzz/*.c
fi

# The same sources and rules as everything else, but for the compiler; its warnings are not those we build by.
make --no-print-directory BUILD="$build" CC=clang WARN=-w SANITIZE=fuzzer-no-link,address,undefined CFLAGS='-O1 -g' \
    "$build/libannul.a"

failed=
for name in "$@"; do
    name=$(basename "$name" .c)
    mkdir -p "$build/corpus/$name" "$build/findings"
    # shellcheck disable=SC2046 # words are wanted
    clang -std=c17 -O1 -g -D_GNU_SOURCE -Wall -Wextra -Werror -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -Iinclude -o "$build/fuzz_$name" "tests/fuzz/$name.c" "$build/libannul.a" \
        $(pkg-config --libs libcrypto libconfuse)
    log=$build/fuzz_$name.log
    if "$build/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/findings/$name-" "$build/corpus/$name" "tests/fuzz/seeds/$name" >"$log" 2>&1; then
        printf 'ok    %-16s %s inputs\n' "$name" "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")"
    else
        printf 'FAIL  %s\n' "$name"
        grep -v '^#' "$log" | tail -n 60 | sed 's/^/    | /'
        failed="$failed $name"
    fi
done
[ -z "$failed" ] || {
    echo "findings:$failed (see $build/findings)" >&2
    exit 1
}
