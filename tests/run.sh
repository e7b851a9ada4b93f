#!/bin/bash
# Runs the tests of $BUILD: `run.sh` everything, `run.sh quick` the units and the main system test,
# `run.sh threads` what exercises threads, `run.sh consumers` the real brokers and terminators, `run.sh web` the pages in
# a browser. The last line counts test programs.
cd "$(dirname "$0")/.." || exit
export BUILD=${BUILD:-build}
what=${1:-all}
WORK=$(mktemp -d)
export WORK
trap 'rm -rf "$WORK"' EXIT
# A leak fails a test; annul-signer is started by others, so its report must come through the exit code too.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0:exitcode=99}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=0:exitcode=66}

case $what in
all) tests=("$BUILD"/tests/test_* tests/system/*.sh tests/consumers/*.sh tests/web/*.sh) ;;
consumers) tests=(tests/consumers/*.sh) ;;
web) tests=(tests/web/*.sh) ;;
quick) tests=("$BUILD"/tests/test_* tests/system/main.sh) ;;
threads) tests=("$BUILD"/tests/test_{store,store_list,store_readers,store_group,signer,signer_client,cache,ring} tests/system/{main,cache,presign,stop,crash,waiting,group,stapler,stapler_mirror,foreign,index_watch}.sh) ;;
*) tests=("$@") ;;
esac

passed=0 failed=0 failures=
for test in "${tests[@]}"; do
    case $test in */lib.sh | *.d) continue ;; esac
    name=$(basename "$test")
    log=$WORK/$name.log
    start=$SECONDS
    if "$test" >"$log" 2>&1; then
        passed=$((passed + 1))
        printf 'ok    %-28s %3ds\n' "$name" $((SECONDS - start))
    else
        failed=$((failed + 1))
        failures="$failures $name"
        printf 'FAIL  %-28s %3ds\n' "$name" $((SECONDS - start))
        sed 's/^/    | /' "$log" | tail -n 80
    fi
done
[ -z "$failures" ] || echo "failed:$failures"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
