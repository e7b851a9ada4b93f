#!/bin/bash
# Answers that are signed ahead: there when no key is, at a bounded rate, and never older than the truth.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
COUNT=400 RATE=200
file=$dir/annul.db-presigned

# The delegate of the client CA is replaced below; the server CA's are its own.
cp "$pki/ocsp-issuing-client-chain.pem" "$dir/delegate.pem"
cp "$pki/ocsp-issuing-client.key" "$dir/delegate.key"
write_config </dev/null
sed -i "s|$pki/ocsp-issuing-client-chain.pem|$dir/delegate.pem|; s|$pki/ocsp-issuing-client.key|$dir/delegate.key|
    /^issuer \"issuing-client\"/a presign = \"all\" presign_rate = $RATE
    s|ocsp_certificate = \"$pki/ocsp-issuing-server.*|presign = \"all\" delegate \"P-256\" { chain = \"$pki/server-chain.pem\" }|" "$dir/annuld.conf"

python3 - $COUNT >"$dir/index.txt" <<'PY'
import random, sys
random.seed(5)
for n in range(int(sys.argv[1])):
    print("V\t351231235959Z\t\t%032X\tunknown\t/CN=%d" % (random.getrandbits(126) | 1 << 120, n))
print("V\t200101000000Z\t\t7FEE\tunknown\t/CN=expired")
PY
mapfile -t serials < <(cut -f4 "$dir/index.txt" | head -n $COUNT | sort)
sample=("${serials[0]}" "${serials[7]}" "${serials[COUNT / 2]}" "${serials[COUNT - 2]}" "${serials[COUNT - 1]}")

signer() { pgrep -P "$daemon" -x annul-signer; }
hang() { kill -STOP "$(signer)"; }
resume() { kill -CONT "$(signer)"; }
entries() { # ISSUER: how many answers were there when it was last through
    curl -sf --unix-socket "$dir/admin.sock" http://x/api/v1/issuers |
        jq ".issuers[] | select(.name == \"${1:-issuing-client}\") | .presigned.entries"
}
has_entries() { [ "$(entries "${2:-issuing-client}")" -ge "$1" ]; }
on_disk() { sqlite3 "$file" "select count(*) from answer ${1:-}"; }
ask() { # SERIAL [OPTIONS]
    local serial=$1
    shift
    openssl ocsp -issuer "$pki/issuing-client.crt" "$@" -serial "0x$serial" -no_nonce -url "http://$public/ocsp" \
        -CAfile "$pki/root.crt" 2>&1
}
all_good() { # SERIAL...: each answer is good, and verifies
    local serial
    for serial in "$@"; do
        ask "$serial" -validity_period 1000000 >"$dir/answer" # openssl does not know of our clock
        grep -q "Response verify OK" "$dir/answer" && grep -q "0x$serial: good" "$dir/answer" || {
            echo "$serial:"
            cat "$dir/answer"
            return 1
        }
    done
}
is_not() { ! ask "$2" | grep -q "0x$2: $1"; } # STATUS SERIAL

# --- ahead, and not faster than it may
start_daemon
make_token presign
ctl -q import issuing-client "$dir/index.txt"
ctl register "$pki"/client-[0-3].crt "$pki/server.crt" >/dev/null
start=$(date +%s%N)
check "every registered certificate" until_true 60 has_entries $((COUNT + 4))
took_ms=$((($(date +%s%N) - start) / 1000000))
check "at the configured rate ($took_ms ms)" test $took_ms -gt $((COUNT * 1000 / RATE * 3 / 4))
check "but for the expired one" test "$(on_disk "where issuer = 1 and serial = x'027FEE'")" = 0
check "of each issuer that wants it" until_true 10 has_entries 1 issuing-server
check "and of no other" test "$(entries intermediate-client)" = null
hang
check "good without a key" all_good "${sample[@]}"
expect "unlisted ones are not signed ahead" trylater ask 123456
resume
expect "another hash is signed when asked" "0x${serials[9]}: good" ask "${serials[9]}" -sha256
for client in 0 1; do
    ask "$(serial_of client-$client)" >/dev/null # into the memory of this one
done

# --- after a restart
stop_daemon
start_daemon
hang
check "good after a restart, without a key" all_good "${sample[@]}" "${serials[3]}"
expect "also by a delegate that is no more" "server.crt: good" openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -no_nonce -url "http://$public/ocsp" -CAfile "$pki/root.crt"
also "with its certificate" "Response verify OK"
check "many at once" all_good "${serials[@]:20:40}"
ctl -q revoke issuing-client "$(serial_of client-0)"
check "revoked: not good any more" is_not good "$(serial_of client-0)"
resume
ctl -q revoke issuing-client "$(serial_of client-1)"
kill_daemon
start_daemon
hang
check "revoked and killed: not good after the restart" is_not good "$(serial_of client-1)"
resume
expect "but revoked" "client-0.crt: revoked" ocsp client-0 -no_nonce
expect "both" "client-1.crt: revoked" ocsp client-1 -no_nonce
revoked_on_disk() { [ "$(on_disk "where length(response_data) > (select min(length(response_data)) from answer where issuer = 1)")" -ge 2 ]; }
check "and that is signed ahead, too" until_true 20 revoked_on_disk

# --- another delegate
responder_of() { ask "$1" -resp_text | sed -n 's/ *Responder Id: //p'; }
old=$(responder_of "${sample[0]}")
last_signer=$(sqlite3 "$file" 'select max(id) from signer')
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/new.key" -out "$dir/new.crt" -CA "$pki/issuing-client.crt" \
    -CAkey "$pki/issuing-client.key" -days 60 -subj "/CN=another" -addext extendedKeyUsage=critical,OCSPSigning -addext noCheck=yes \
    -addext basicConstraints=critical,CA:FALSE 2>/dev/null
cat "$dir/new.crt" "$pki/client-chain.pem" >"$dir/new.pem"
mv "$dir/new.key" "$dir/delegate.key"
mv "$dir/new.pem" "$dir/delegate.pem"
another() { [ "$(responder_of "${1:-${sample[0]}}")" != "$old" ]; }
check "the other delegate signs" until_true 20 another
others=0
for serial in "${sample[@]}" "${serials[@]:100:20}"; do
    another "$serial" || others=$((others + 1))
done
check "and what the one before signed is not given any more" test $others = 0
new_signer() { [ "$(on_disk "where issuer = 1 and signer > $last_signer")" -ge $((COUNT + 4)) ]; }
check "everything is signed by it" until_true 60 new_signer
hang
check "good without a key again" all_good "${serials[@]:200:20}"
resume

# --- time goes by
produced() { date -d "$(ask "$1" -resp_text | sed -n 's/ *Produced At: //p')" +%s; }
now=$(date +%s)
echo $((13 * 3600)) >"$dir/offset"
signed_anew() {
    [ "$(on_disk "where issuer = 1 and next_update > $((now + 36 * 3600))")" -ge $((COUNT + 4)) ]
}
check "past half of their life, all are signed anew" until_true 60 signed_anew
hang
check "and given" test "$(produced "${serials[300]}")" -ge $((now + 13 * 3600))
echo $((32 * 3600)) >"$dir/offset"
expect "past three quarters they are not given" trylater ask "${serials[301]}"
resume
check "but signed anew when asked" all_good "${serials[302]}"
sqlite3 -cmd '.timeout 5000' "$file" "insert into answer select 99, hash, serial, signer, sigalg, next_update, response_data, signature from answer limit 1"
check "(one of an issuer that is no more)" test "$(on_disk 'where issuer = 99')" = 1
echo $((4 * 24 * 3600)) >"$dir/offset"
swept() { [ "$(on_disk "where next_update < $((now + 4 * 24 * 3600))")" = 0 ]; }
check "what is past its time is removed" until_true 60 swept
check "and signed anew" until_true 60 has_entries $((COUNT + 4))

# --- what somebody asks is kept as well
stop_daemon
rm -f "$file"*
sed -i "s/presign_rate = $RATE/presign_rate = 1/" "$dir/annuld.conf"
start_daemon
check "asked for before it was signed ahead" all_good "${sample[4]}"
kept() { [ "$(on_disk "where serial = x'10${sample[4]}'")" = 1 ]; }
check "and kept" until_true 5 kept

# --- killed in the middle
stop_daemon
sed -i "s/presign_rate = 1\$/presign_rate = $RATE/" "$dir/annuld.conf"
start_daemon
begun() { [ "$(on_disk)" -gt 50 ]; }
check "it has begun" until_true 20 begun
kill_daemon
check "not all are there" test "$(on_disk)" -lt $COUNT
start_daemon
check "goes on after kill -9" until_true 60 has_entries $((COUNT + 4))
hang
check "good without a key" all_good "${sample[@]}"
resume

# --- damaged: put aside, also where that shows only while it is in use
stop_daemon
printf 'no database at all' >"$file"
start_daemon
check "no database: begun anew" until_true 60 has_entries $((COUNT + 4))
expect "and kept aside" "no database at all" cat "$file-corrupt"
stop_daemon
dd if=/dev/urandom of="$file" bs=4096 seek=3 count=$(($(stat -c %s "$file") / 4096 - 3)) conv=notrunc 2>/dev/null
start_daemon
check "damaged pages: everybody gets an answer" all_good "${sample[@]}"
check "and it is begun anew" until_true 60 has_entries $((COUNT + 4))
expect "with a word in the log" "damaged: beginning anew" cat "$dir/annuld.log"
stop_daemon
sed -i "s|^database {|ocsp { presigned = \"$dir/annul.db\" }\n&|" "$dir/annuld.conf"
refuse "the status database is not taken for it" "$BUILD/annuld" -c "$dir/annuld.conf"
check "and still there" sqlite3 "$dir/annul.db" 'select count(*) from certificate'
finish
