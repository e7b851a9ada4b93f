# Sourced by the benchmarks: a daemon, its peers, and figures as ratios of medians over interleaved rounds.
# shellcheck shell=bash
# tests/system/lib.sh brings the daemon and cleans up.
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/system/lib.sh"
PATH=$PATH:/usr/sbin # nginx

median() { # of the numbers on standard input
    sort -g | awk '{ v[NR] = $1 } END { print NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

cpu_us() { # PID...: user and system time so far, in microseconds
    local pid total=0 ticks
    for pid in "$@"; do
        ticks=$(sed 's/.*) //' "/proc/$pid/stat" 2>/dev/null | awk '{ print $12 + $13 }')
        total=$((total + ${ticks:-0} * 10000))
    done
    echo "$total"
}

compute() { # EXPRESSION [FORMAT]
    awk "BEGIN { printf \"${2:-%.6g}\", $1 }"
}

is_true() { # EXPRESSION
    awk "BEGIN { exit !($1) }"
}

ratio() { # A B
    compute "$2 ? $1 / $2 : 0" %.2f
}

die() {
    echo "${0##*/}: $*" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || die "$1 is missing: apt-get install $2"
}

target() { # TEXT "at least"|"at most" LIMIT UNIT MEASURED
    local than='>='
    [ "$2" = "at least" ] || than='<='
    printf '| %s | %s %s %s | %s | %s |\n' "$1" "$2" "$3" "$4" "$(compute "$5" %.2f)" \
        "$(is_true "$5 $than $3" && echo yes || echo no)"
}
