#!/bin/bash
# Moving in and publishing. Import of an index.txt; CRLs of SIZES entries against `openssl ca -gencrl` on the same rows in
# the same run (up to THEIRS_MAX, beyond which it takes too long); and the time from a revocation to the new CRL in a
# waiting client's hands, with LATENCY_ROWS revoked certificates in 64 shards, and with deltas.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
SIZES=${SIZES:-100000 1000000 5000000} THEIRS_MAX=${THEIRS_MAX:-1000000} ROUNDS=${ROUNDS:-3}
LATENCY_ROWS=${LATENCY_ROWS:-1000000} LATENCY_ROUNDS=${LATENCY_ROUNDS:-30}

now_ms() { echo $(($(date +%s%N) / 1000000)); }
peak_kb() { awk '/VmHWM/ { print $2 }' "/proc/$1/status"; }
signer_of() { pgrep -P "$1" -x annul-signer; }
declare -A wall cpu peak

# Revoked certificates with serials of 16 octets, straight into the database of an annuld that does not run.
fill() { # ISSUER ROWS
    sqlite3 "$dir/annul.db" <<SQL
PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;
BEGIN;
CREATE TEMP TABLE fresh AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
    SELECT CAST(X'101f' || randomblob(15) AS BLOB) AS serial FROM n ORDER BY 1;
INSERT INTO certificate (issuer, serial, not_after) SELECT (SELECT id FROM issuer WHERE name = '$1'), serial, 2082758399 FROM fresh;
INSERT INTO revocation (issuer, serial, version, status, reason, revoked_at, not_after)
    SELECT (SELECT id FROM issuer WHERE name = '$1'), serial, 1, 1, 1, 1714975689, 2082758399 FROM fresh;
UPDATE change SET counter = max(counter, 1);
UPDATE issuer SET changed = 1, shards = 0 WHERE name = '$1';
COMMIT;
SQL
}

# The same rows as `openssl ca` keeps them: in the order of issuing, and serials are random.
write_index() { # ISSUER
    sqlite3 "$dir/annul.db" "SELECT 'R' || char(9) || '351231235959Z' || char(9) || '240506060809Z,keyCompromise' || char(9)
        || hex(substr(serial, 2)) || char(9) || 'unknown' || char(9) || '/CN=x' FROM revocation
        WHERE issuer = (SELECT id FROM issuer WHERE name = '$1') ORDER BY random()" >"$dir/index.txt"
}

begin() { # ROWS [LINES OF THE CLIENT CA'S SECTION]
    stop_daemon
    rm -rf "$dir/annul.db"* "$dir/crl"
    write_config </dev/null
    [ -z "${2:-}" ] || sed -i "0,/alias/s|alias|$2 alias|" "$dir/annuld.conf"
    start_daemon
    stop_daemon
    fill issuing-client "$1"
    start_daemon
    until_true 120 has_entries || die "no CRL of all rows"
}
entries() { sqlite3 "$dir/annul.db" "SELECT entries FROM publication p JOIN issuer i ON i.id = p.issuer WHERE i.name = 'issuing-client' AND shard = -1 AND delta = 0"; }
has_entries() { [ "$(entries)" -gt 0 ]; }

# --- building ------------------------------------------------------------------------------------------

measure_ours() { # SIZE
    local start before signer
    signer=$(signer_of "$daemon")
    start=$(now_ms) before=$(cpu_us "$daemon" "$signer")
    ctl crl publish issuing-client >/dev/null || die "no CRL"
    wall[ours-$1]+=$(($(now_ms) - start))$'\n'
    cpu[ours-$1]+=$((($(cpu_us "$daemon" "$signer") - before) / 1000))$'\n'
    peak[ours-$1]=$((($(peak_kb "$daemon") + $(peak_kb "$signer")) / 1024))
}

measure_theirs() { # SIZE
    local wall_ms cpu_ms kb
    read -r wall_ms cpu_ms kb < <(python3 - "$dir" <<'PY'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.run(["openssl", "ca", "-config", sys.argv[1] + "/ca.cnf", "-gencrl", "-out", sys.argv[1] + "/theirs.pem"],
               check=True, stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(round(1000 * (time.monotonic() - start)), round(1000 * (used.ru_utime + used.ru_stime)), used.ru_maxrss)
PY
    )
    wall[theirs-$1]+=$wall_ms$'\n' cpu[theirs-$1]+=$cpu_ms$'\n' peak[theirs-$1]=$((kb / 1024))
}

serials() { openssl crl -noout -text | sed -n 's/^ *Serial Number: //p' | sha256sum; }

# What is served is signed, and lists exactly what openssl's list does.
compare() {
    curl -s "http://$public/crl/issuing-client.pem" >"$dir/ours.pem"
    openssl crl -in "$dir/ours.pem" -noout -verify -CAfile "$pki/issuing-client.crt" 2>&1 | grep -q 'verify OK' || die "not signed"
    [ "$(serials <"$dir/ours.pem")" = "$(serials <"$dir/theirs.pem")" ] || die "not the same entries"
}

build() { # SIZE
    begin "$1"
    [ "$1" -gt "$THEIRS_MAX" ] || { write_ca_config; write_index issuing-client; }
    for ((round = 1; round <= ROUNDS; round++)); do
        measure_ours "$1"
        [ "$1" -gt "$THEIRS_MAX" ] || [ "$round" -gt 2 ] || measure_theirs "$1"
    done
    [ "$(entries)" = "$1" ] || die "$(entries) entries of $1"
    [ "$1" -gt "$THEIRS_MAX" ] || compare
}

# --- from a revocation to the client -------------------------------------------------------------------

declare -A latency
measure_latency() { # NAME [LINES OF THE SECTION]
    begin "$LATENCY_ROWS" "${2:-}"
    make_token bench
    seq -f 'V	351231235959Z		01%030.0f	unknown	' $((LATENCY_ROUNDS + 1)) >"$dir/good.txt"
    ctl -q import issuing-client "$dir/good.txt"
    latency[$1]=$(python3 "$top/bench/crl_latency.py" "$public" "$admin" "$token" "$1" "$LATENCY_ROUNDS") || die "latency of $1"
}

mid() { printf %s "$1" | median; }

row() { # SIZE
    local ours theirs='' ratio_of='' theirs_cpu='' theirs_peak=''
    ours=$(mid "${wall[ours-$1]}")
    if [ "$1" -le "$THEIRS_MAX" ]; then
        theirs=$(mid "${wall[theirs-$1]}") theirs_cpu=$(mid "${cpu[theirs-$1]}") theirs_peak=${peak[theirs-$1]}
        ratio_of="$(ratio "$theirs" "$ours") × faster"
    fi
    echo "| $1 | $ours | $(mid "${cpu[ours-$1]}") | ${peak[ours-$1]} | $theirs | $theirs_cpu | $theirs_peak | $ratio_of |"
}

# --- moving in -----------------------------------------------------------------------------------------

size() { sqlite3 "$dir/annul.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null; stat -c %s "$dir/annul.db"; }
import_ms='' row_octets=''
measure_import() { # ROWS
    local empty start
    seq -f 'V	351231235959Z		1%031.0f	unknown	' "$1" >"$dir/plain.txt"
    write_config </dev/null
    start_daemon
    empty=$(size) start=$(now_ms)
    ctl -q import issuing-server "$dir/plain.txt" || die "cannot import"
    import_ms=$(($(now_ms) - start)) row_octets=$(compute "($(size) - $empty) / $1" %.1f)
}

measure_import 100000
for size in $SIZES; do
    echo "building $size" >&2
    build "$size"
done
url=http://crl.example.org/crl/issuing-client
for kind in shards deltas; do
    echo "latency with $kind" >&2
    [ $kind = deltas ] && lines="delta_distribution_point = \"$url-delta.crl\"" ||
        lines="shards = 64 shard_distribution_point = \"$url/{}.crl\""
    measure_latency $kind "$lines"
done

printf '\n| entries | annuld: ms | CPU ms | peak MB | openssl ca: ms | CPU ms | peak MB | ratio of ms |\n|---|---|---|---|---|---|---|---|\n'
for size in $SIZES; do row "$size"; done
printf '\nDER and PEM, on disk and served; medians of %d builds, of all rows each time; annuld and annul-signer together.\n' "$ROUNDS"
printf '\nImport of a plain index.txt: %d rows/s; %s octets a row in the database.\n' $((100000 * 1000 / import_ms)) "$row_octets"
printf '\n| from POST to the new CRL in a waiting client'"'"'s hands, %d revoked, %d times | median ms | worst ms |\n|---|---|---|\n' "$LATENCY_ROWS" "$LATENCY_ROUNDS"
echo "| 64 shards | ${latency[shards]} |"
echo "| deltas | ${latency[deltas]} |"
printf '\n| target | limit | measured | met |\n|---|---|---|---|\n'
for size in $SIZES; do
    [ "$size" != 1000000 ] || target "$size entries" "at least" 20 "× faster than openssl ca" "$(mid "${wall[theirs-$size]}") / $(mid "${wall[ours-$size]}")"
    target "peak memory at $size" "at most" 64 MB "${peak[ours-$size]}"
done
for kind in shards deltas; do
    target "a revocation to a client, $kind" "at most" 100 ms "${latency[$kind]%% *}"
done
