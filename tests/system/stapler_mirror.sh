#!/bin/bash
# The local mirror: requests octet for octet as EMQX 4.4, 5.x and 6.x send them, and what becomes of errors.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
ctl register "$pki/issuing-client.crt" "$pki/intermediate-client.crt" >/dev/null
cat "$pki/issuing-client.crt" "$pki/intermediate-client.crt" "$pki/root.crt" >"$dir/chain.pem"
ctl crl publish issuing-client >/dev/null
mirror=127.0.0.1:$(free_port)
write_stapler_config <<CONF
mirror { listen = {"$mirror"}  upstream = "http://$public/ocsp"  issuer = {"$pki/issuing-client.crt", "$pki/root.crt"} }
staple "server" {
    certificate = {"$pki/server.crt"}
    issuer = {"$pki/chain.pem"}
    responder = {"http://$public/ocsp"}
}
staple "chain" {
    certificate = {"$dir/chain.pem"}
    issuer = {"$pki/chain.pem"}
    responder = {"http://$public/ocsp"}
    chain = yes
}
staple "revoked" {
    certificate = {"$pki/client-2.crt"}
    issuer = {"$pki/chain.pem"}
    responder = {"http://$public/ocsp"}
    revoked = "withhold"
}
crl "clients" { issuer = {"$pki/chain.pem"}  url = {"http://$public/crl/issuing-client.crl"} }
crl "both" { issuer = {"$pki/chain.pem"}  url = {"http://$public/crl/issuing-client.pem", "http://$public/crl/intermediate-client.crl"} }
crl "twice" { issuer = {"$pki/chain.pem"}  url = {"http://$public/crl/issuing-client.pem", "http://$public/ca.crl"} }
crl "gone" { issuer = {"$pki/chain.pem"}  url = {"http://$public/crl/nobody.crl"} }
CONF
sed -i '/^authorities/d' "$dir/annul-stapler.conf" # each has its own, the mirror too
check "the configuration is good" stapler -t
start_stapler
has_all() { [ "$(curl -s "http://$mirror/status" | jq '[.items[] | select(.state == "good" or .state == "revoked")] | length')" = 9 ]; }
check "everything is fetched" until_true 10 has_all

# request NAME BYTES: sends the octets, keeps status line, headers and body in $dir/answer.*
request() {
    python3 - "$mirror" "$dir/answer" <<PY
import socket, sys
host, port = sys.argv[1].rsplit(":", 1)
data = $1
data = data.replace(b"HOST", sys.argv[1].encode())
with socket.create_connection((host, int(port)), timeout=5) as s:
    s.sendall(data)
    s.shutdown(socket.SHUT_WR) if b"close" in data.lower() else None
    answer = b""
    while True:
        head, sep, body = answer.partition(b"\r\n\r\n")
        length = [l for l in head.lower().split(b"\r\n") if l.startswith(b"content-length:")]
        if sep and length and len(body) >= int(length[0].split(b":")[1]):
            break
        piece = s.recv(65536)
        if not piece:
            break
        answer += piece
open(sys.argv[2] + ".head", "wb").write(head)
open(sys.argv[2] + ".body", "wb").write(body)
PY
}
status() { head -n 1 "$dir/answer.head" | grep -q " $1 "; }
is_crl() { # FORM SUBJECT
    openssl crl -inform "$1" -in "$dir/answer.body" -noout -issuer | grep -q "$2"
}
says() { openssl ocsp -respin "$dir/answer.body" -issuer "$pki/issuing-server.crt" -cert "$pki/${2:-server}.crt" -CAfile "$pki/root.crt" 2>&1 | grep -q "$1"; }

# --- CRLs, as emqx_crl_cache fetches them (httpc of Erlang 24 to 27)
crl_request="b'GET /crl/clients.pem HTTP/1.1\r\nContent-Length: 0\r\nTe: \r\nHost: HOST\r\nConnection: close\r\n\r\n'"
request "$crl_request"
check "EMQX 4.4, 5.x, 6.x: a CRL in PEM, 200" status 200
check "it is the client CA's" is_crl PEM "Issuing Client CA"
request "${crl_request/clients.pem/clients.crl}"
check "in DER as well" is_crl DER "Issuing Client CA"
request "${crl_request/clients.pem/both.pem}"
check "two of them in one file" test "$(grep -c BEGIN "$dir/answer.body")" = 2
request "${crl_request/clients.pem/both.crl}"
check "which DER cannot: 404" status 404
request "${crl_request/clients.pem/twice.crl}"
check "two URLs of one list: one list" is_crl DER "Issuing Client CA"
request "${crl_request/clients.pem/gone.pem}"
check "one that could not be fetched: 503, never 200" status 503
request "${crl_request/clients.pem/nobody.pem}"
check "one that is not configured: 404" status 404
etag=$(curl -sI "http://$mirror/crl/clients.crl" | tr -d '\r' | sed -n 's/^etag: //Ip')
check "the same ETag: 304" test "$(http_status -H "If-None-Match: $etag" "http://$mirror/crl/clients.crl")" = 304

# --- OCSP, as emqx_ocsp_cache does
openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -no_nonce -reqout "$dir/request.der" >/dev/null 2>&1
raw=$(base64 -w0 "$dir/request.der")
encoded=$(sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g' <<<"$raw")
# 6.1 and later leave the NULL parameters of SHA-1 out
bare=$(python3 - "$dir/request.der" <<'PY'
import base64, sys
der = open(sys.argv[1], "rb").read()
head, rest = der.split(bytes.fromhex("300906052b0e03021a0500"))
def tlv(tag, content):
    return bytes([tag, len(content)]) + content
content = bytes.fromhex("300706052b0e03021a") + rest
for _ in range(5):
    content = tlv(0x30, content)
print(base64.b64encode(content).decode())
PY
)
ocsp_request() { # PATH
    request "b'GET $1 HTTP/1.1\r\nContent-Length: 0\r\nTe: \r\nHost: HOST\r\nConnection: keep-alive\r\n\r\n'"
}
for path in "/ocsp$raw" "/ocsp$encoded" "/ocsp/$raw" "/ocsp/$encoded" "/$raw" "/$encoded" "//$raw" "/ocsp$bare"; do
    ocsp_request "$path"
    check "GET $(cut -c1-20 <<<"$path")… 200" status 200
    check "and good" says "server.crt: good"
done
curl -s --data-binary "@$dir/request.der" -H 'Content-Type: application/ocsp-request' "http://$mirror/ocsp" >"$dir/answer.body"
check "POST" says "server.crt: good"
check "what is served is what was fetched" cmp "$dir/answer.body" "$dir/cache/ocsp/"*"$(openssl x509 -in "$pki/server.crt" -outform DER | sha256sum | cut -c1-64).der"
check "garbage is 400, never 200" test "$(http_status "http://$mirror/ocsp/MEEw")" = 400
openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-2.crt" -no_nonce -reqout "$dir/request2.der" >/dev/null 2>&1
ask_post() { http_status --data-binary "@$1" -H 'Content-Type: application/ocsp-request' "http://$mirror/ocsp"; }
check "a revoked one that is withheld: 503" test "$(ask_post "$dir/request2.der")" = 503
openssl ocsp -issuer "$pki/issuing-client.crt" -sha256 -cert "$pki/client-2.crt" -no_nonce -reqout "$dir/request6.der" >/dev/null 2>&1
check "by another CertID, too" test "$(ask_post "$dir/request6.der")" = 503
openssl ocsp -issuer "$pki/root.crt" -sha256 -cert "$pki/intermediate-client.crt" -no_nonce -reqout "$dir/request7.der" >/dev/null 2>&1
check "one that is good is asked for by that upstream" test "$(ask_post "$dir/request7.der")" = 200

openssl ocsp -issuer "$pki/root.crt" -cert "$pki/intermediate-client.crt" -no_nonce -reqout "$dir/request1.der" >/dev/null 2>&1
check "an intermediate CA, of a chain's file" test "$(ask_post "$dir/request1.der")" = 200
check "is what was fetched" cmp "$dir/body" "$dir/cache/ocsp/$(openssl x509 -in "$pki/intermediate-client.crt" -outform DER | sha256sum | cut -c1-64).der"

# --- what is not configured is forwarded, and kept
openssl ocsp -issuer "$pki/issuing-client.crt" -sha256 -cert "$pki/client-0.crt" -no_nonce -reqout "$dir/request3.der" >/dev/null 2>&1
check "an unknown certificate is asked for upstream" test "$(ask_post "$dir/request3.der")" = 200
cp "$dir/body" "$dir/first"
openssl ocsp -issuer "$pki/root.crt" -cert "$pki/root.crt" -no_nonce -reqout "$dir/request4.der" >/dev/null 2>&1
check "one that upstream does not answer for: 503" test "$(ask_post "$dir/request4.der")" = 503
stop_daemon
check "upstream is gone: the same as before" test "$(ask_post "$dir/request3.der")" = 200
check "octet for octet" cmp "$dir/body" "$dir/first"
openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-1.crt" -no_nonce -reqout "$dir/request5.der" >/dev/null 2>&1
check "another one: 503" test "$(ask_post "$dir/request5.der")" = 503

# --- an upstream that accepts and says nothing keeps nobody else
python3 - "${public##*:}" >"$dir/hangs" <<'PY' &
import socket, sys, time
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as s:
    print("ready", flush=True)
    connection = s.accept()
    print("asked", flush=True)
    time.sleep(60)
PY
hanging=$!
check "an upstream that hangs" until_true 10 grep -q ready "$dir/hangs"
move_clock 20 # failures are not tried again at once
ask_post "$dir/request5.der" >"$dir/hung" &
check "is asked" until_true 10 grep -q asked "$dir/hangs"
check "what is had is there" test "$(ask_post "$dir/request3.der")" = 200
began=$SECONDS
check "the same question: 503" test "$(ask_post "$dir/request5.der")" = 503
check "within seconds" test $((SECONDS - began)) -le 8
kill $hanging
expect "metrics" 'annul_stapler_failures{kind="staple",section="server"' curl -s "http://$mirror/metrics"
also "the end" "annul_stapler_end_timestamp_seconds{"
also "what is broken" "annul_stapler_broken{kind=\"staple\",section=\"server\",name=\"$pki/server.crt\"} 0"
also "what is skipped" "annul_stapler_skipped{"
also "what could not be delivered" "annul_stapler_delivery_failures{"

# --- what has ended is 503
move_clock 90000
ocsp_request "/ocsp$raw"
check "a staple that has ended: 503" status 503
move_clock 700000
request "$crl_request"
check "a CRL that has ended: 503" status 503
finish
