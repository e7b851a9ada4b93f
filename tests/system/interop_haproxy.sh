#!/bin/bash
# HAProxy staples our answers. Debian 12's version, 2.6, has no updater of its own (`ocsp-update` came with 2.8), but every
# part of one, and these parts do its work here: the converters that make its GET (base64, and all but RFC 3986's
# unreserved characters percent-encoded; no nonce, SHA-1), its HTTP client, and the check of what is to be stapled.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin # not in every user's

write_config </dev/null
start_daemon
register_usual

tls=127.0.0.1:$(free_port)
encoder=127.0.0.1:$(free_port)
# The updater of 2.8 verifies with the certificates of this file and no others: a delegate needs the root among them.
cat "$pki/server.crt" "$pki/server-chain.pem" "$pki/root.crt" "$pki/server.key" >"$dir/server.pem"
cat >"$dir/haproxy.cfg" <<CONF
global
    stats socket $dir/haproxy.sock level admin
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind $tls ssl crt $dir/server.pem # with server.pem.ocsp beside it
    http-request return status 200
frontend encoder
    bind $encoder
    option http-buffer-request
    http-request return status 200 content-type text/plain lf-string "%[req.body,base64,url_enc]"
CONF

ask() { # RESPONSE [OPTIONS]
    local response=$1
    shift
    openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -no_nonce -CAfile "$pki/root.crt" \
        -url "http://$public/ocsp" -respout "$response" "$@" >/dev/null 2>&1
}
runtime() { # COMMAND: to the runtime API
    python3 - "$dir/haproxy.sock" "$1" <<'PY'
import socket, sys
link = socket.socket(socket.AF_UNIX)
link.connect(sys.argv[1])
link.sendall(sys.argv[2].encode() + b"\n")
while octets := link.recv(65536):
    sys.stdout.buffer.write(octets)
PY
}
fetch() { # RESPONSE: as the updater does
    local length
    runtime "expert-mode on; httpclient GET http://$public/ocsp/$encoded" >"$dir/reply"
    length=$(tr -d '\r' <"$dir/reply" | sed -n 's/^content-length: //p')
    tail -c "$((length + 1))" "$dir/reply" | head -c "$length" >"$1"
}
staple() { openssl s_client -connect "$tls" -status -CAfile "$pki/root.crt" </dev/null; }

ask "$dir/server.pem.ocsp" -reqout "$dir/request.der"
haproxy -f "$dir/haproxy.cfg" >"$dir/haproxy.log" 2>&1 &
haproxy=$!
trap 'kill $haproxy; cleanup' EXIT
check "HAProxy has started" until_true 10 curl -sk "https://$tls/"
check "and has nothing to say against the .ocsp file" test ! -s "$dir/haproxy.log"
expect "it staples what the file holds" "Cert Status: good" staple
check "curl verifies the staple" curl -s --cert-status --cacert "$pki/root.crt" "https://$tls/"

# --- fetched by HAProxy
encoded=$(curl -s --data-binary "@$dir/request.der" "http://$encoder/")
check "the URL is that of RFC 5019" test "$encoded" = "$(base64 -w0 "$dir/request.der" | sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g')"
fetch "$dir/fetched.der"
check "GET by HAProxy brings what POST by openssl does" cmp "$dir/fetched.der" "$dir/server.pem.ocsp"
expect "it verifies as 2.8 would do it" "Response verify OK" openssl ocsp -respin "$dir/fetched.der" \
    -no-CApath -no-CAstore -CAfile "$dir/server.pem" -verify_other "$dir/server.pem" -trust_other
ctl revoke --reason superseded issuing-server "$(serial_of server)" >/dev/null
fetch "$dir/revoked.der"
expect "HAProxy takes the answer after a revocation" "OCSP Response updated!" runtime "set ssl ocsp-response $(base64 -w0 "$dir/revoked.der")"
expect "and staples it" "Cert Status: revoked" staple
refuse "curl heeds it" curl -s --cert-status --cacert "$pki/root.crt" "https://$tls/"
finish
