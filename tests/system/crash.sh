#!/bin/bash
# What is acknowledged survives: kill -9 of the daemon at any moment, of the signer, a signer that hangs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
make_token crash
ctl register "$pki"/client-[0-4].crt >/dev/null
until_true 5 test "$(crl_number)" != ""

# --- killed right after the 200
seen=0
for n in 0 1 2; do
    number=$((16#$(crl_number)))
    [ $number -ge $seen ] || { echo "FAILED: number $number after $seen"; failures=$((failures + 1)); }
    seen=$number
    expect "revoke client-$n" '"changed": true' api POST "issuers/issuing-client/certificates/$(serial_of client-$n)/revoke" -d '{"reason":"keyCompromise"}'
    kill_daemon
    start_daemon
    expect "client-$n is revoked after kill -9" "client-$n.crt: revoked" ocsp client-$n
    check "and on the CRL" until_true 2 crl_lists "$(serial_of client-$n)"
    check "with a higher number than any seen" test $((16#$(crl_number))) -gt "$seen"
    seen=$((16#$(crl_number)))
done

# --- killed at each step of publication (the test build dies there)
stop_daemon
serial=$(serial_of client-3)
round=0
for point in crl-number-taken crl-signed crl-written crl-half-renamed crl-renamed crl-recorded; do
    round=$((round + 1))
    action=revoke
    [ $((round % 2)) = 1 ] || action=release
    start_daemon
    make_token "$point"
    number=$((16#$(crl_number)))
    [ $number -ge $seen ] || { echo "FAILED: $point: number $number after $seen"; failures=$((failures + 1)); }
    seen=$number
    stop_daemon
    export ANNUL_FAULT=$point
    start_daemon
    unset ANNUL_FAULT
    body='{"reason":"certificateHold"}'
    [ $action = revoke ] || body=''
    api POST "issuers/issuing-client/certificates/$serial/$action" -d "$body" >"$dir/answer"
    check "$point: the change was acknowledged" grep -q '"changed": true' "$dir/answer"
    is_dead() { ! kill -0 "$daemon"; }
    check "$point: it kills itself while publishing" until_true 30 is_dead
    kill_daemon 2>/dev/null
    start_daemon
    if [ $action = revoke ]; then
        check "$point: the CRL lists it after the restart" until_true 2 crl_lists "$serial"
    else
        gone() { ! crl_lists "$serial"; }
        check "$point: the CRL no longer lists it after the restart" until_true 2 gone
    fi
    expect "$point: the CRL is whole" "verify OK" openssl crl -inform DER -in <(curl -s "http://$public/crl/issuing-client.crl") -noout -verify -CAfile "$pki/issuing-client.crt"
    check "$point: no number is used twice" test $((16#$(crl_number))) -gt "$seen"
    check "$point: nothing is left over" test "$(find "$dir/crl/issuing-client" -type f | wc -l)" = 2
    seen=$((16#$(crl_number)))
    stop_daemon
done

# --- a published file that was damaged on disk is not served
printf 'x' | dd of="$(find "$dir/crl/issuing-client" -name '*.crl')" bs=1 seek=40 conv=notrunc 2>/dev/null
start_daemon
expect "a damaged file is built anew" "verify OK" openssl crl -inform DER -in <(curl -s "http://$public/crl/issuing-client.crl") -noout -verify -CAfile "$pki/issuing-client.crt"

# --- nor does another CRL go on from one that was damaged meanwhile
python3 - "$dir/crl/issuing-client"/*.crl "$(serial_of client-0)" <<'PY'
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(file.read().index(bytes.fromhex(sys.argv[2])) - 2) # before its length, and perhaps an octet for the sign
    file.write(bytes([0x31, 0x31]))
PY
make_token damaged
expect "one more is revoked" '"changed": true' api POST "issuers/issuing-client/certificates/$serial/revoke" -d '{"reason":"superseded"}'
check "and on a CRL" until_true 10 crl_lists "$serial"
expect "that was made from the database" "the CRL before is damaged" cat "$dir/annuld.log"
check "with those that were on it" crl_lists "$(serial_of client-0)"

# --- the signer dies
signer() { pgrep -P "$daemon" -x annul-signer; }
old=$(signer)
kill -9 "$old"
reborn() { [ -n "$(signer)" ] && [ "$(signer)" != "$old" ] && ocsp client-4 | grep -q "client-4.crt: good"; }
check "the signer is started again, and OCSP works" until_true 10 reborn

# --- the signer hangs: an error in bounded time, no hang; what needs no key goes on
kill -STOP "$(signer)"
expect "a stopped signer: tryLater" "trylater" timeout 8 bash -c "$(declare -f ocsp); pki='$pki' public='$public'; ocsp client-4"
check "CRLs are served meanwhile" curl -sf -m 2 -o /dev/null "http://$public/crl/issuing-client.crl"
kill -CONT "$(signer)"
works() { ocsp client-4 | grep -q "client-4.crt: good"; }
check "it goes on when the signer does" until_true 10 works
finish
