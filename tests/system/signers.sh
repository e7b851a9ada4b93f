#!/bin/bash
# Who signs OCSP: delegates that annul-signer issues and renews by itself, files replaced while it runs, algorithms that
# a client prefers, the form of the answer, and what becomes of it all when certificates end.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
for part in crt key; do cp "$pki/ocsp-issuing-server.$part" "$dir/delegate.$part"; done
issue_delegate() { # NAME KEY...: another delegate of the server CA
    local name=$1
    shift
    openssl req -x509 -config "$dir/ext.cnf" -extensions ocsp "$@" -noenc -keyout "$dir/$name.key" -out "$dir/$name.crt" \
        -days 30 -subj "/CN=$name" -CA "$pki/issuing-server.crt" -CAkey "$pki/issuing-server.key" 2>/dev/null
    chmod 600 "$dir/$name.key"
}
write_extensions
issue_delegate second -newkey rsa:2048
issue_delegate third -newkey ec -pkeyopt ec_paramgen_curve:P-384

public=127.0.0.1:$(free_port) admin=127.0.0.1:$(free_port)
cat >"$dir/annuld.conf" <<CONF
public { listen = {"$public"} }
admin { listen = {"$admin"} socket = "$dir/admin.sock" }
database { path = "$dir/annul.db" }
crl { directory = "$dir/crl" }
signer { threads = 3 }
issuer "issuing-client" {
  certificate = "$pki/issuing-client.crt"  key = "$pki/issuing-client.key"
  delegate "P-256" { lifetime = "8h" chain = "$pki/client-chain.pem" }
  delegate "RSA-2048" { lifetime = "12h" chain = "$pki/client-chain.pem" }
  archive_cutoff = "365d"
  crl_reference = "http://$public/crl/issuing-client.crl"
}
issuer "issuing-server" {
  certificate = "$pki/issuing-server.crt"  key = "$pki/issuing-server.key"
  ocsp_certificate = {"$dir/delegate.crt", "$dir/second.crt"}  ocsp_key = {"$dir/delegate.key", "$dir/second.key"}
  responder_id = "name"
  nonce = "ignore"
  invalidity_date = "no"
}
issuer "intermediate-client" {
  certificate = "$pki/intermediate-client.crt"  key = "$pki/intermediate-client.key"
  nonce = "require"
}
CONF
check "the configuration is good" "$BUILD/annuld" -t -c "$dir/annuld.conf"
start_daemon
ctl register "$pki"/client-[0-1].crt "$pki/server.crt" "$pki/issuing-client.crt" >/dev/null

# response NAME CA [OPTIONS]: the whole answer as text; a request without nonce, by SHA-1
response() {
    local cert=$1 ca=$2
    shift 2
    openssl ocsp -issuer "$pki/$ca.crt" -cert "$pki/$cert.crt" -url "http://$public/ocsp" -noverify -resp_text "$@" 2>&1
}
signer_of() { response "$@" -no_nonce | sed -n '/^Certificate:/,$p' | grep -m1 -A1 'Serial Number:' | tr -d ' \n'; }
metric() { curl -s "http://$admin/metrics" | grep -F "$1"; }

# --- delegates of our own
expect "an own delegate's answer" "client-0.crt: good" ocsp client-0
also "verifies with the root alone" "Response verify OK"
response client-0 issuing-client >"$dir/text"
expect "its purpose" "OCSP Signing" cat "$dir/text"
also "nobody asks for its own status" "OCSP No Check"
also "it is no CA" "CA:FALSE"
also "it may make signatures and nothing else" "Digital Signature"
also "its issuer's key" "$(openssl x509 -in "$pki/issuing-client.crt" -noout -ext subjectKeyIdentifier | tail -1 | tr -d ' ')"
also "archiveCutoff" "OCSP Archive Cutoff"
end=$(sed -n 's/.*Not After : //p' "$dir/text" | head -1)
also "no answer outlives its signer's certificate" "Next Update: $end"
ctl revoke --reason superseded --invalidity 2026-01-02T03:04:05Z --cert "$pki/client-1.crt" >/dev/null
ctl crl publish issuing-client >/dev/null
expect "a revoked answer refers to its CRL" "crlNum: $(crl_number)" response client-1 issuing-client
also "by URL" "crlUrl: http://$public/crl/issuing-client.crl"

also "and says when the key was lost" "Invalidity Date"

# --- what a client prefers (RFC 6960 section 4.4.7)
openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -no_nonce -reqout "$dir/plain.der" >/dev/null 2>&1
prefer() { # OID...: the algorithm that it is signed by then
    python3 - "$dir/plain.der" "$@" >"$dir/prefer.der" <<'PY'
import subprocess, sys
def tlv(tag, content):
    n = len(content)
    return bytes([tag, n] if n < 128 else [tag, 0x81, n] if n < 256 else [tag, 0x82, n >> 8, n & 255]) + content
def oid(text):
    arcs = [int(a) for a in text.split(".")]
    out = bytes([arcs[0] * 40 + arcs[1]])
    for arc in arcs[2:]:
        part = bytes([arc & 127])
        while arc > 127:
            arc >>= 7
            part = bytes([128 | arc & 127]) + part
        out += part
    return tlv(6, out)
request = open(sys.argv[1], "rb").read()
assert request[1] < 128 and request[3] < 128
wishes = b"".join(tlv(0x30, tlv(0x30, oid(a))) for a in sys.argv[2:])
extension = tlv(0x30, oid("1.3.6.1.5.5.7.48.1.8") + tlv(4, tlv(0x30, wishes)))
sys.stdout.buffer.write(tlv(0x30, tlv(0x30, request[4:] + tlv(0xa2, tlv(0x30, extension)))))
PY
    curl -s --data-binary "@$dir/prefer.der" -H 'Content-Type: application/ocsp-request' "http://$public/ocsp" >"$dir/preferred.der"
    openssl ocsp -respin "$dir/preferred.der" -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -CAfile "$pki/root.crt" -resp_text 2>&1 |
        grep -E 'Signature Algorithm|verify OK'
}
rsa512=1.2.840.113549.1.1.13 ecdsa384=1.2.840.10045.4.3.3 sha1rsa=1.2.840.113549.1.1.5
expect "without a wish: the first delegate's" "ecdsa-with-SHA256" response client-0 issuing-client -no_nonce
expect "RSA with SHA-512" "sha512WithRSAEncryption" prefer $rsa512 $ecdsa384
also "verifies" "Response verify OK"
expect "ECDSA with SHA-384" "ecdsa-with-SHA384" prefer $ecdsa384 $rsa512
expect "the first wish that can be fulfilled" "ecdsa-with-SHA384" prefer $sha1rsa 1.2.3 $ecdsa384
expect "none can: the default" "ecdsa-with-SHA256" prefer $sha1rsa 1.2.3
expect "and again without a wish" "ecdsa-with-SHA256" response client-0 issuing-client -no_nonce

# --- policies
expect "ResponderID by name" "Responder Id: O = Annul Demo, CN = Annul Demo Issuing Server OCSP" response server issuing-server
refuse "nonce = ignore: none comes back" grep -q "OCSP Nonce" "$dir/out"
expect "but an answer" "Cert Status: good" response server issuing-server
refuse "nonce = require: not without" bash -c "openssl ocsp -issuer '$pki/intermediate-client.crt' -cert '$pki/issuing-client.crt' -no_nonce -url http://$public/ocsp -noverify 2>&1 | grep -q good"
expect "nonce = require: with one" "issuing-client.crt: good" openssl ocsp -issuer "$pki/intermediate-client.crt" -cert "$pki/issuing-client.crt" -url "http://$public/ocsp" -CAfile "$pki/root.crt" -partial_chain
with_nonce() { # PLAIN REQUEST: what is answered to it with a critical nonce
    python3 - "$1" >"$dir/critical.der" <<'PY'
import sys
request = open(sys.argv[1], "rb").read()
def tlv(tag, content):
    n = len(content)
    return bytes([tag, n] if n < 128 else [tag, 0x82, n >> 8, n & 255]) + content
nonce = tlv(0x30, bytes.fromhex("06092b0601050507300102" "0101ff") + tlv(4, tlv(4, bytes(range(16)))))
assert request[1] < 128 and request[3] < 128
sys.stdout.buffer.write(tlv(0x30, tlv(0x30, request[4:] + tlv(0xa2, tlv(0x30, nonce)))))
PY
    curl -s --data-binary "@$dir/critical.der" -H 'Content-Type: application/ocsp-request' "http://$public/ocsp" >"$dir/critical.resp"
    openssl ocsp -respin "$dir/critical.resp" -noverify -resp_text 2>&1
}
openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -no_nonce -reqout "$dir/server.der" >/dev/null 2>&1
expect "a critical nonce is repeated" "000102030405060708090A0B0C0D0E0F" with_nonce "$dir/plain.der"
expect "nonce = ignore: a critical one is refused" "malformedrequest" with_nonce "$dir/server.der"
ctl revoke --reason superseded --invalidity 2026-01-02T03:04:05Z --cert "$pki/server-must-staple.crt" >/dev/null
expect "invalidity_date = no" "Cert Status: revoked" response server-must-staple issuing-server
refuse "says none" grep -q "Invalidity Date" "$dir/out"
expect "certificates of two CAs in one request" "unauthorized" openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -url "http://$public/ocsp" -noverify

# --- files replaced while it runs
url=http://$public/ocsp/$(base64 -w0 "$dir/plain.der")
server_url=http://$public/ocsp/$(base64 -w0 "$dir/server.der")
curl -s "$server_url" >"$dir/before"
first=$(signer_of server issuing-server)
cp "$dir/third.crt" "$dir/delegate.crt"
said() { grep -q "$1" "$dir/annuld.log"; }
check "a certificate without its key is reported" until_true 10 said 'does not belong to the certificate beside it; the one before stays'
check "and changes nothing" test "$(signer_of server issuing-server)" = "$first"
cp "$dir/third.key" "$dir/delegate.key"
changed() { [ "$(signer_of server issuing-server)" != "$first" ]; }
check "with the key it is taken up" until_true 10 changed
refuse "no answer of the signer before is given any more" bash -c "curl -s '$server_url' | cmp -s - '$dir/before'"
expect "it signs" "Responder Id: CN = third" response server issuing-server
expect "and says until when" "\"not_after\": \"$(date -u -d "$(openssl x509 -in "$dir/third.crt" -noout -enddate | cut -d= -f2)" +%Y-%m-%dT%H:%M:%SZ)\"" curl -s --unix-socket "$dir/admin.sock" http://localhost/api/v1/issuers
expect "also as a metric" "annul_ocsp_signer_end_seconds{issuer=\"issuing-server\",signer=\"1\",algorithm=\"ecdsa-with-SHA384\"} $(date -d "$(openssl x509 -in "$dir/third.crt" -noout -enddate | cut -d= -f2)" +%s)" metric 'signer_end_seconds{issuer="issuing-server"'

# --- a certificate that is over does not replace one that counts
python3 - "$pki/issuing-server" "$dir/third.key" "$dir/over.pem" <<'PY'
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
ca = x509.load_pem_x509_certificate(open(sys.argv[1] + ".crt", "rb").read())
ca_key = serialization.load_pem_private_key(open(sys.argv[1] + ".key", "rb").read(), None)
key = serialization.load_pem_private_key(open(sys.argv[2], "rb").read(), None)
name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "over")])
hour = datetime.timedelta(hours=1)
over = (x509.CertificateBuilder().subject_name(name).issuer_name(ca.subject).public_key(key.public_key()).serial_number(77)
        .not_valid_before(datetime.datetime.utcnow() - 2 * hour).not_valid_after(datetime.datetime.utcnow() - hour)
        .add_extension(x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.OCSP_SIGNING]), False).sign(ca_key, hashes.SHA256()))
open(sys.argv[3], "wb").write(over.public_bytes(serialization.Encoding.PEM))
PY
cp "$dir/over.pem" "$dir/delegate.crt"
cp "$dir/over.pem" "$dir/second.crt"
cp "$dir/third.key" "$dir/second.key"
check "a certificate that is over is reported" until_true 10 said "none of the new OCSP signers' certificates is valid now; the one before stays"
expect "and changes nothing" "Responder Id: CN = third" response server issuing-server
cp "$dir/third.crt" "$dir/delegate.crt"
cp "$dir/third.crt" "$dir/second.crt"

# --- renewal ahead of time; what was signed before stays good, as its signer's certificate is
first=$(signer_of client-0 issuing-client)
curl -s "$url" >"$dir/before"
echo $((4 * 3600 + 5)) >"$dir/offset"
renewed() { [ "$(metric 'signer_end_seconds{issuer="issuing-client",signer="1"' | cut -d' ' -f2)" -gt $(($(date +%s) + 11 * 3600)) ]; }
check "own delegates are renewed at half of their life" until_true 30 renewed
fresh() { response client-0 issuing-client | sed -n '/^Certificate:/,$p' | grep -m1 -A1 'Serial Number:' | tr -d ' \n'; }
check "a fresh answer has the new one" test "$(fresh)" != "$first"

# --- a clock that was ahead and is set back
echo 0 >"$dir/offset"
good_again() { response client-0 issuing-client | grep -q 'Cert Status: good'; }
check "own delegates follow a clock that is set back" until_true 10 good_again

# --- the end comes near: of 30 days, a quarter is left
warnings() { grep -c "CN=third ends in [0-9]* hours; replace it" "$dir/annuld.log"; }
warned() { [ "$(warnings)" -ge "$1" ]; } # both signers have this certificate
check "no warning without need" test "$(warnings)" = 0
echo $((23 * 86400)) >"$dir/offset"
check "a warning when the end is near" until_true 10 warned 2
expect "says how near" "ends in 167 hours" grep "CN=third ends in" "$dir/annuld.log"
renewals() { grep -c "issuer issuing-client: OCSP is signed with another key" "$dir/annuld.log"; }
before=$(renewals)
looked() { [ "$(renewals)" -gt "$before" ]; } # all issuers are looked at together
echo $((23 * 86400 + 80000)) >"$dir/offset"
check "the next look, within the day" until_true 10 looked
check "says nothing new" test "$(warnings)" = 2
echo $((24 * 86400 + 10)) >"$dir/offset"
check "another one the day after" until_true 10 warned 4
check "and no more" test "$(warnings)" = 4

# --- the end
echo $((40 * 86400)) >"$dir/offset"
said_end() { grep -q 'is past its end' "$dir/annuld.log"; }
check "a certificate past its end is told" until_true 20 said_end
expect "whoever has no valid signer says tryLater" "trylater" response server issuing-server
expect "readiness tells" '"ocsp_signers": false' curl -s "http://$admin/readyz"
expect "own delegates go on" "Cert Status: good" response client-0 issuing-client
refuse "errors are counted" grep -q ' 0$' <(metric 'status="tryLater"')
refuse "a check does not pass" "$BUILD/annuld" -t -c "$dir/annuld.conf"
stop_daemon
: >"$dir/annuld.log"
"$BUILD/annuld" -c "$dir/annuld.conf" >>"$dir/annuld.log" 2>&1 &
daemon=$!
goes_on() { response client-0 issuing-client | grep -q "Cert Status: good"; }
check "but a start does, for the others" until_true 60 goes_on
check "and says it, at once" said_end
finish
