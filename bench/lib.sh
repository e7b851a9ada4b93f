# Sourced by the benchmarks: a daemon, its peers, and figures as ratios of medians over interleaved rounds.
# shellcheck shell=bash
# tests/system/lib.sh brings the daemon and cleans up.
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/system/lib.sh"

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

ratio() { # A B
    awk "BEGIN { printf \"%.2f\", $2 ? $1 / $2 : 0 }"
}

need() {
    command -v "$1" >/dev/null || {
        echo "this benchmark needs $1: apt-get install $2" >&2
        exit 1
    }
}
