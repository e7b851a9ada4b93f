#!/bin/bash
# What openssl can ask besides what main.sh has it ask: CertIDs of several hashes in one request, and signed requests.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section intermediate-server <<<"request_signers = \"$pki/root.crt\"")
start_daemon
register_usual
ctl register "$pki/issuing-server.crt" >/dev/null

# --- openssl finds an answer by the whole CertID, its hash algorithm included
expect "SHA-512" "client-0.crt: good" ocsp client-0 -sha1 -cert "$pki/client-1.crt" -sha256 -cert "$pki/client-2.crt" \
    -sha384 -cert "$pki/client-3.crt" -sha512
also "beside SHA-1" "client-1.crt: good"
also "beside SHA-256" "client-2.crt: revoked"
also "beside SHA-384" "client-3.crt: revoked"
also "under one signature" "Response verify OK"
check "one certificate by two hashes" test "$(ocsp client-2 -sha1 -cert "$pki/client-2.crt" -sha256 | grep -c "client-2.crt: revoked")" = 2

# --- a signature that nobody asked for
by_client=(-signer "$pki/client-0.crt" -signkey "$pki/client-0.key")
expect "a signed request is answered as any" "client-2.crt: revoked" ocsp client-2 "${by_client[@]}"
also "and the answer verifies" "Response verify OK"
expect "its certificates may be missing" "client-2.crt: revoked" ocsp client-2 "${by_client[@]}" -no_certs

# --- a signature that is required, under the root
ask() { # [OPTIONS]
    openssl ocsp -issuer "$pki/intermediate-server.crt" -cert "$pki/issuing-server.crt" -url "http://$public/ocsp" \
        -CAfile "$pki/root.crt" "$@" 2>&1
}
with_chain=("${by_client[@]}" -sign_other "$pki/client-chain.pem")
expect "not signed" "sigrequired" ask
expect "signed under the root" "issuing-server.crt: good" ask "${with_chain[@]}" -reqout "$dir/signed.der"
also "and the answer verifies" "Response verify OK"
expect "signed, but its chain does not reach the root" "unauthorized" ask "${by_client[@]}"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -subj "/CN=stranger" \
    -keyout "$dir/stranger.key" -out "$dir/stranger.crt" 2>/dev/null
expect "signed by a stranger" "unauthorized" ask -signer "$dir/stranger.crt" -signkey "$dir/stranger.key"
python3 - "$dir/signed.der" "$(serial_of issuing-server)" >"$dir/forged.der" <<'PY'
import sys
serial = bytes.fromhex(sys.argv[2])
sys.stdout.buffer.write(open(sys.argv[1], "rb").read().replace(serial, serial[:-1] + bytes([serial[-1] ^ 1]), 1))
PY
post() { # REQUEST
    curl -s -H 'Content-Type: application/ocsp-request' --data-binary "@$1" "http://$public/ocsp" |
        openssl ocsp -respin /dev/stdin -resp_text -noverify 2>&1
}
expect "the signed request by itself" "Cert Status: good" post "$dir/signed.der"
expect "with another serial than what was signed" "unauthorized" post "$dir/forged.der"
finish
