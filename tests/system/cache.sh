#!/bin/bash
# Signed answers are kept, and never outlive the truth: not a change of the row, not their own time.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
write_config </dev/null
start_daemon
make_token cache
ctl register "$pki"/client-[0-3].crt >/dev/null

url_of() { # NAME: the GET form, without nonce
    openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/$1.crt" -no_nonce -reqout "$dir/$1.der" >/dev/null 2>&1
    echo "http://$public/ocsp/$(base64 -w0 "$dir/$1.der")"
}
status_of() { # URL
    curl -s --path-as-is "$1" | openssl ocsp -respin /dev/stdin -noverify -resp_text 2>/dev/null | sed -n 's/ *Cert Status: //p'
}
says() { [ "$(status_of "$1")" = "$2" ]; }
# Revokes and releases 25 times; counts the answers right behind that were from before.
change_and_ask() {
    stale=0
    for _ in $(seq 25); do
        api POST "issuers/issuing-client/certificates/$(serial_of client-1)/revoke" -d '{"reason":"certificateHold"}' >/dev/null
        says "$url1" revoked || stale=$((stale + 1))
        api POST "issuers/issuing-client/certificates/$(serial_of client-1)/release" >/dev/null
        says "$url1" good || stale=$((stale + 1))
    done
}
url0=$(url_of client-0) url1=$(url_of client-1) url4=$(url_of client-4)

# --- kept
curl -s "$url0" >"$dir/first"
curl -s "$url0" >"$dir/second"
curl -s --data-binary "@$dir/client-0.der" -H 'Content-Type: application/ocsp-request' "http://$public/ocsp" >"$dir/third"
check "the same answer again" cmp "$dir/first" "$dir/second"
check "by POST, too" cmp "$dir/first" "$dir/third"
check "another hash of the CertID is another answer" bash -c "! openssl ocsp -sha256 -issuer '$pki/issuing-client.crt' -cert '$pki/client-0.crt' -no_nonce -url http://$public/ocsp -CAfile '$pki/root.crt' -respout '$dir/sha256' >/dev/null 2>&1 || ! cmp -s '$dir/first' '$dir/sha256'"
signer=$(pgrep -P "$daemon" -x annul-signer)
kill -STOP "$signer"
check "it is given also while the signer hangs" curl -sf -m 2 -o /dev/null "$url0"
kill -CONT "$signer"

# --- never older than the row
check "unknown" says "$url4" unknown
ctl register "$pki/client-4.crt" >/dev/null
check "registered: good at once" says "$url4" good
change_and_ask
check "50 changes, each seen by the very next answer" test $stale = 0

# --- never past its time: signed anew from half of its life, not given beyond three quarters
produced() { curl -s "$url0" | openssl ocsp -respin /dev/stdin -noverify -resp_text 2>/dev/null | sed -n 's/ *Produced At: //p'; }
first=$(produced)
echo $((6 * 3600)) >"$dir/offset"
check "the same after a quarter" test "$(produced)" = "$first"
echo $((13 * 3600)) >"$dir/offset"
produced >/dev/null
newer() { [ "$(produced)" != "$first" ]; }
check "after half, a new one comes in the background" until_true 5 newer
first=$(produced)
echo $((13 * 3600 + 19 * 3600)) >"$dir/offset"
check "after three quarters, a new one at once" newer
finish
