#!/bin/bash
# Revocations over the admin listener, each on disk before its answer: from 8 clients at once, and from one beside what
# two syncs of 4 KiB take on the same file system. Medians over ROUNDS of SECONDS_EACH, a client alone and the bare
# syncs in every round.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-5} SECONDS_EACH=${SECONDS_EACH:-4} CERTIFICATES=${CERTIFICATES:-400000}
need wrk wrk

setup() {
    write_config </dev/null
    start_daemon
    make_token bench
    seq -f 'V	351231235959Z		1%015.0f	unknown	' "$CERTIFICATES" >"$dir/index.txt"
    ctl -q import issuing-client "$dir/index.txt" || die "cannot import"
    cut -f4 "$dir/index.txt" | shuf --random-source="$dir/index.txt" >"$dir/serials"
}

sent=0 # serials behind us; what was under way at the end of a round is skipped
declare -A rate p50 p99
measure() { # CLIENTS
    local requests per_s middle high errors
    wrk -t1 -c"$1" -d"$SECONDS_EACH" -s "$top/bench/revoke.lua" -H "Authorization: Bearer $token" \
        "http://$admin/api/v1/issuers/issuing-client/certificates" -- "$dir/serials" "$sent" >"$dir/wrk"
    read -r requests per_s middle high errors < <(tail -n 1 "$dir/wrk")
    is_true "$requests && !$errors" || die "errors: $(cat "$dir/wrk")"
    answered=$((${answered:-0} + requests)) sent=$((sent + requests + 100))
    rate[$1]+=$per_s$'\n' p50[$1]+=$middle$'\n' p99[$1]+=$high$'\n'
}

syncs='' # µs, a line a round
measure_syncs() {
    syncs+=$(python3 - "$dir/syncs" <<'PY'
import os, statistics, sys, time
block, took = os.urandom(4096), []
with open(sys.argv[1], "ab", 0) as file:
    for _ in range(500):
        start = time.monotonic_ns()
        for _ in range(2):
            file.write(block)
            os.fsync(file.fileno())
        took.append(time.monotonic_ns() - start)
print(statistics.median(took) / 1000)
PY
    )$'\n'
}

mid() { # FIGURE
    printf %s "$1" | median
}

row() { # CLIENTS TEXT
    printf '| %s | %.0f | %s |\n' "$2" "$(mid "${rate[$1]}")" \
        "$(compute "$(mid "${p50[$1]}") / 1e3, $(mid "${p99[$1]}") / 1e3" '%.2f ms | %.2f ms')"
}

setup
for ((round = 1; round <= ROUNDS; round++)); do
    echo "round $round of $ROUNDS" >&2
    measure_syncs
    measure 1
    measure 8
done
listed=$(sqlite3 "$dir/annul.db" 'SELECT count(*) FROM revocation')
[ "$listed" -ge "$answered" ] || die "$answered revocations were acknowledged, and $listed are there"
! grep -h 'level=error' "$dir/annuld.log" || die "annuld complained"

printf '\n| %d rounds of %d s, medians | revocations/s | p50 | p99 |\n|---|---|---|---|\n' "$ROUNDS" "$SECONDS_EACH"
row 8 "8 clients"
row 1 "one client"
printf '| two syncs of 4 KiB, one behind the other | | %s | |\n' "$(compute "$(mid "$syncs") / 1e3" '%.2f ms')"
printf '\n| target | limit | measured | met |\n|---|---|---|---|\n'
target "revocations from 8 clients" "at least" 2000 "a second" "$(mid "${rate[8]}")"
target "a revocation from one client" "at most" 1 "× two syncs" "$(mid "${p50[1]}") / $(mid "$syncs")"
