#!/bin/bash
# OCSP over HTTP, octet for octet: headers, conditions, forms of a request, connections, and what is refused.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
ctl register "$pki"/client-[0-3].crt >/dev/null
request() { # NAME [OPTION]: a request about client-0 in $dir/NAME.der
    openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" ${2:+"$2"} -reqout "$dir/$1.der" >/dev/null 2>&1
}
request plain -no_nonce
request nonce
python3 "$top/tests/system/http_ocsp.py" "$public" "$dir"
failures=$((failures + $?))
stop_daemon

# --- what the configuration says of caches and of errors
ln -s "$BUILD/annul-signer" "$dir/signer"
write_config <<CONF
ocsp { max_age = "10m" error_status = "5xx" }
signer { program = "$dir/signer" }
CONF
sed -i 's/^issuer "intermediate-client" {/& ocsp_validity = "80s"/' "$dir/annuld.conf"
start_daemon
headers() { # CURL-ARGUMENTS...
    curl -s -o "$dir/body" -D - "$@" | tr -d '\r'
}
post() { # NAME
    headers --data-binary "@$dir/$1.der" -H 'Content-Type: application/ocsp-request' "http://$public/ocsp"
}
status_of_body() {
    openssl ocsp -respin "$dir/body" -noverify -resp_text 2>&1
}
expect "max_age" "Cache-Control: max-age=600," post plain
openssl ocsp -issuer "$pki/intermediate-client.crt" -cert "$pki/issuing-client.crt" -no_nonce -reqout "$dir/short.der" >/dev/null 2>&1
expect "it ends before nextUpdate" "Cache-Control: max-age=19," post short
echo garbage >"$dir/garbage.der"
expect "malformedRequest stays 200" "HTTP/1.1 200 OK" post garbage

sqlite3 "$dir/annul.db" 'ALTER TABLE certificate RENAME TO gone'
ctl token create any >/dev/null # what others write is seen from our own next commit on
expect "internalError is 500" "HTTP/1.1 500 " post nonce
also "with the type of OCSP" "Content-Type: application/ocsp-response"
also "for no cache" "Cache-Control: no-store"
expect "internalError is in it" "internalerror" status_of_body
sqlite3 "$dir/annul.db" 'ALTER TABLE gone RENAME TO certificate'
ctl token create another >/dev/null

rm "$dir/signer" # it cannot come back
kill -9 "$(pgrep -P "$daemon" -x signer)"
try_later() { post nonce | grep -q '^Retry-After: 1'; }
check "the signer is down" until_true 5 try_later
expect "tryLater is 503" "HTTP/1.1 503 " post nonce
also "with the type of OCSP" "Content-Type: application/ocsp-response"
also "for no cache" "Cache-Control: no-store"
also "and says when to come again" "Retry-After: 1"
expect "tryLater is in it" "trylater" status_of_body
expect "HEAD says 503, too" "HTTP/1.1 503 " headers -I "http://$public/ocsp/$(base64 -w0 "$dir/nonce.der" | sed 's/+/%2B/g; s,/,%2F,g')"
expect "what is at hand is given meanwhile" "HTTP/1.1 200 OK" post plain
stop_daemon

sed -i 's/error_status = "5xx"//' "$dir/annuld.conf"
ln -s "$BUILD/annul-signer" "$dir/signer"
start_daemon
rm "$dir/signer"
kill -9 "$(pgrep -P "$daemon" -x signer)"
check "the signer is down again" until_true 5 try_later
expect "tryLater is 200 unless told otherwise" "HTTP/1.1 200 OK" post nonce
also "and says when to come again" "Retry-After: 1"
expect "tryLater is in it, too" "trylater" status_of_body
finish
