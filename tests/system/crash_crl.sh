#!/bin/bash
# kill -9 at every step of publication, over a plain CRL, deltas and shards: tests/system/crash_crl.py says what must hold.
# ROUNDS and SEED choose how many and which. A round takes a quarter of a second, and thrice that under a sanitizer.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

base_url=http://crl.example.test
write_extensions
ca() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$1.key" -out "$dir/$1.crt" -days 3650 \
        -subj "/O=Crash/CN=$1" -config "$dir/ext.cnf" -extensions ca 2>/dev/null
}
for name in plain deltas sharded; do ca $name; done
for n in $(seq 0 19); do # each is known by its serial alone at first
    shard=$((n % 4)) serial=$(printf '%x' $((0x7000 + n)))
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj "/CN=$serial" -config "$dir/ext.cnf" 2>/dev/null |
        openssl x509 -req -CA "$dir/sharded.crt" -CAkey "$dir/sharded.key" -set_serial "0x$serial" -days 365 \
            -out "$dir/leaf-$shard-$serial.crt" -extfile <(echo "crlDistributionPoints=URI:$base_url/$shard.crl") 2>/dev/null
done
write_config <<CONF
issuer "plain" { certificate = "$dir/plain.crt" key = "$dir/plain.key" }
issuer "deltas" {
  certificate = "$dir/deltas.crt" key = "$dir/deltas.key"
  distribution_point = "$base_url/deltas.crl"  delta_distribution_point = "$base_url/deltas-delta.crl"
}
issuer "sharded" {
  certificate = "$dir/sharded.crt" key = "$dir/sharded.key"
  shards = 4 shard_distribution_point = "$base_url/{}.crl"
}
CONF
sed -i 's/^crl {/& delay_ms = 5/' "$dir/annuld.conf"

# Serials of every length, some with the first bit set; a third of them listed from the start.
python3 - "$dir" <<'PY'
import sys
for issuer in ("plain", "deltas", "sharded"):
    with open("%s/%s.txt" % (sys.argv[1], issuer), "w") as out:
        serials = [0x7000 + n for n in range(20)] + [(0x80 | n) << 8 * (n % 19) for n in range(100)]
        for n, serial in enumerate(serials):
            text = "%X" % serial
            row = ("R\t351231235959Z\t260101000000Z" if n % 3 == 0 else "V\t351231235959Z\t")
            out.write("%s\t%s\tunknown\t/CN=%d\n" % (row, text.zfill(len(text) + len(text) % 2), n))
PY
echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
start_daemon
for name in plain deltas sharded; do check "$name is known" ctl -q import $name "$dir/$name.txt"; done
stop_daemon
rounds=${ROUNDS:-200}
expect "$rounds rounds" "$rounds rounds in" python3 "$top/tests/system/crash_crl.py" "$BUILD/annuld" "$dir/annuld.conf" "$public" \
    "$dir/admin.sock" "$dir" "$rounds" ${SEED:+"$SEED"}
cat "$dir/out"
finish
