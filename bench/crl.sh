#!/bin/bash
# Moving in and publishing: import of an index.txt, octets a row, and the CRL against `openssl ca -gencrl` on the same
# data in the same run. ROWS: how many, all of them revoked.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-100000} ROUNDS=${ROUNDS:-3}

write_config </dev/null
start_daemon
python3 - "$ROWS" >"$dir/index.txt" <<'PY'
import random, sys
random.seed(3)
for n in range(int(sys.argv[1])):
    print("R\t351231235959Z\t240506070809Z,keyCompromise\t%032X\tunknown\t/CN=%d" % (random.getrandbits(126) | 1 << 120, n))
PY
cut -f1-5 "$dir/index.txt" | sed 's/^R\t\([^\t]*\)\t[^\t]*/V\t\1\t/; s/$/\t/' >"$dir/plain.txt"

now_ms() { echo $(($(date +%s%N) / 1000000)); }
size() { sqlite3 "$dir/annul.db" 'PRAGMA wal_checkpoint(TRUNCATE)' >/dev/null; stat -c %s "$dir/annul.db"; }

empty=$(size)
start=$(now_ms)
ctl -q import issuing-server "$dir/plain.txt"
import_ms=$(($(now_ms) - start))
row=$(awk "BEGIN { printf \"%.1f\", ($(size) - $empty) / $ROWS }")
ctl -q import issuing-client "$dir/index.txt"

write_ca_config
for _ in $(seq "$ROUNDS"); do
    start=$(now_ms)
    ctl crl publish issuing-client >/dev/null
    echo $(($(now_ms) - start)) >>"$dir/ours"
    start=$(now_ms)
    openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/theirs.pem" 2>/dev/null
    echo $(($(now_ms) - start)) >>"$dir/theirs"
done
ours=$(median <"$dir/ours") theirs=$(median <"$dir/theirs")
printf '\n| %d certificates | annuld | openssl ca | ratio |\n|---|---|---|---|\n' "$ROWS"
printf '| CRL of all of them, DER and PEM on disk, ms (median of %d) | %s | %s | %s × faster |\n' "$ROUNDS" "$ours" "$theirs" "$(ratio "$theirs" "$ours")"
printf '| import of a plain index.txt, rows/s | %d | | |\n' $((ROWS * 1000 / (import_ms ? import_ms : 1)))
printf '| octets a plain row in the database (serial of 16 and notAfter) | %s | | |\n' "$row"
printf '| peak memory of annuld, MB | %d | | |\n' $(($(awk '/VmHWM/ { print $2 }' "/proc/$daemon/status") / 1024))
