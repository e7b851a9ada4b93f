#!/bin/bash
# A disk without room: nothing that is served changes, nothing is acknowledged that is not kept, and with room it goes on.
# shellcheck disable=SC2154
if [ -z "${ANNUL_OWN_MOUNTS:-}" ]; then # a small disk that nobody else sees, and that goes with us
    unshare -rm true 2>/dev/null || { echo "skipped: no disk of its own can be mounted here"; exit 0; }
    ANNUL_OWN_MOUNTS=1 exec unshare -rm "$0"
fi
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

small=$dir/small
mkdir "$small"
mount -t tmpfs -o size=2m tmpfs "$small" || exit 1
trap 'stop_daemon; umount "$small"; cleanup' EXIT

write_config </dev/null
sed -i "s#directory = .*#directory = \"$small/crl\" delay_ms = 5 }#" "$dir/annuld.conf"
python3 - >"$dir/index.txt" <<'PY'
for n in range(3000):
    print("%s\t351231235959Z\t%s\t%08X\tunknown\t/CN=%d" % ("RV"[n % 3 == 0], "" if n % 3 == 0 else "260101000000Z", 0x70000000 + n, n))
PY
start_daemon
make_token full
ctl -q register "$pki"/client-[0-4].crt
check "two thousand entries" ctl -q import issuing-client "$dir/index.txt"
has_many() { [ "$(crl_text | grep -c 'Serial Number')" = 2000 ]; }
check "are published" until_true 20 has_many

fill() { # KIB that stay free
    rm -f "$small/fill"
    dd if=/dev/zero of="$small/fill" bs=4k 2>/dev/null
    truncate -s "-$1K" "$small/fill"
}
revoke() { api POST "issuers/issuing-client/certificates/$1/revoke" -d '{"reason":"keyCompromise"}'; }
publish() { http_status -X POST -H "Authorization: Bearer $token" "http://$admin/api/v1/issuers/issuing-client/crl"; }
served() { curl -s "http://$public/crl/issuing-client.crl" | sha256sum; }
good() { # the same in both forms, signed, and two files
    curl -s "http://$public/crl/issuing-client.crl" >"$dir/now.crl"
    curl -s "http://$public/crl/issuing-client.pem" | openssl crl -outform DER | cmp - "$dir/now.crl" &&
        openssl crl -inform DER -in "$dir/now.crl" -noout -verify -CAfile "$pki/issuing-client.crt" 2>&1 | grep -q 'verify OK' &&
        [ "$(find "$small/crl/issuing-client" -type f | wc -l)" = 2 ]
}

# --- no room for a CRL
fill 0
before=$(served)
expect "a revocation is acknowledged" '"changed": true' revoke "$(serial_of client-2)"
check "the log says what is wrong" until_true 20 grep -q 'the old one stays: .*No space left' "$dir/annuld.log"
check "the CRL stays as it is" test "$(served)" = "$before"
check "whole and without leftovers" good
expect "OCSP knows it at once" "client-2.crt: revoked" ocsp client-2
check "who asks for a new one is refused" test "$(publish)" = 503
expect "with the reason" "No space left" cat "$dir/body"
rm "$small/fill"
check "with room it comes by itself" until_true 20 crl_lists "$(serial_of client-2)"
check "and is whole" good

# --- room for a part: the spool, the DER, the PEM need some 72, 72 and 96 KiB
n=0
for kib in 4 40 76 100 140 148 180 220 236; do
    fill $kib
    serial=$(printf '%08X' $((0x70000000 + 3 * n++)))
    revoke "$serial" >/dev/null
    before=$(served)
    [ "$(publish)" = 200 ] || check "$kib KiB: the old one stays" test "$(served)" = "$before"
    check "$kib KiB: what is served is whole" good
    rm "$small/fill"
    check "$kib KiB: then there is room" test "$(publish)" = 200
    check "$kib KiB: and the CRL has it" crl_lists "$serial"
done

# --- no room for the database
stop_daemon
mv "$dir"/annul.db* "$small/"
sed -i "s#path = \"$dir/annul.db\"#path = \"$small/annul.db\"#" "$dir/annuld.conf"
start_daemon
check "the CRL is served" until_true 20 crl_lists "$serial"
fill 0
serial=$(serial_of client-1)
before=$(served) n=0
while [ "$(http_status -X POST -H "Authorization: Bearer $token" "http://$admin/api/v1/issuers/issuing-client/certificates/$serial/revoke" -d '{"reason":"certificateHold"}')" = 200 ] &&
    [ $((n++)) -lt 100 ]; do # a page may be free: until there is none
    before=
    api POST "issuers/issuing-client/certificates/$serial/release" >/dev/null
done
expect "a revocation that cannot be kept is not acknowledged" "database" cat "$dir/body"
expect "OCSP says what is kept" "client-1.crt: good" ocsp client-1
[ -z "$before" ] || check "so does the CRL" test "$(served)" = "$before"
rm "$small/fill"
expect "with room it is" '"changed": true' revoke "$serial"
check "and on the CRL" until_true 20 crl_lists "$serial"
check "which is whole" good
finish
