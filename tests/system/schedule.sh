#!/bin/bash
# Time passes: CRLs are reissued well before their end, OCSP ends with its signer. The clock is moved by a file that the
# test build reads.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
write_config </dev/null
start_daemon
ctl register "$pki/client-0.crt" >/dev/null
day=86400
move() { # DAYS
    echo $(($1 * day)) >"$dir/offset.tmp" && mv "$dir/offset.tmp" "$dir/offset"
}
next_update() { date -u -d "$(curl -s "http://$public/crl/issuing-client.crl" | openssl crl -inform DER -noout -nextupdate | cut -d= -f2)" +%s; }
newer() { [ -n "$(crl_number)" ] && [ $((16#$(crl_number))) -gt $((16#$first)) ]; }

first=$(crl_number)
check "seven days of life" test $(($(next_update) - $(date +%s))) -gt $((7 * day - 120))
move 2
check "reissued after a day" until_true 5 newer
check "with seven days again" test $(($(next_update) - $(date +%s))) -gt $((9 * day - 120))
first=$(crl_number)
move 30
check "reissued also long after its end" until_true 5 newer
first=$(crl_number)
move 0
check "and when the clock had been wrong" until_true 5 newer

# the signer is gone for longer than the CRL lives: an expired one is not served, an error is
signer=$(pgrep -P "$daemon" -x annul-signer)
mv "$pki/issuing-server.key" "$pki/issuing-server.away" # so that it cannot come back
kill -9 "$signer"
move 40
expired() { [ "$(http_status "http://$public/crl/issuing-client.crl")" = 503 ]; }
check "an expired CRL is 503, never 200" until_true 10 expired
not_ready() { [ "$(http_status "http://$admin/readyz")" = 503 ]; }
check "and readyz says so" not_ready
mv "$pki/issuing-server.away" "$pki/issuing-server.key"
fresh() { [ "$(http_status "http://$public/crl/issuing-client.crl")" = 200 ]; }
check "it mends itself" until_true 60 fresh

# the delegate's certificate ends after 90 days: no response may outlive it
move 89
response_end() {
    openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -url "http://$public/ocsp" -noverify -resp_text 2>/dev/null |
        sed -n 's/.*Next Update: //p' | head -n 1
}
end=$(date -u -d "$(openssl x509 -in "$pki/ocsp-issuing-client.crt" -noout -enddate | cut -d= -f2)" +%s)
move 90
echo $((90 * day - 3600)) >"$dir/offset"
check "nextUpdate is not after the signer's end" test "$(date -u -d "$(response_end)" +%s)" -le "$end"
move 91
expect "an expired signer: tryLater" "trylater" ocsp client-0
finish
