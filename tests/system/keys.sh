#!/bin/bash
# Every kind of key, as CA and as delegate: CRL and OCSP accepted by openssl.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

declare -A make=(
    [rsa2048]="-newkey rsa:2048" [rsa3072]="-newkey rsa:3072" [rsa4096]="-newkey rsa:4096"
    [p256]="-newkey ec -pkeyopt ec_paramgen_curve:P-256" [p384]="-newkey ec -pkeyopt ec_paramgen_curve:P-384"
    [p521]="-newkey ec -pkeyopt ec_paramgen_curve:P-521" [ed25519]="-newkey ed25519"
)
write_extensions
sections=
for kind in "${!make[@]}"; do
    # shellcheck disable=SC2086 # a list of words
    openssl req -x509 -config "$dir/ext.cnf" ${make[$kind]} -nodes -keyout "$dir/$kind.key" -out "$dir/$kind.crt" -days 30 -subj "/CN=CA $kind" -extensions ca 2>/dev/null
    # shellcheck disable=SC2086
    openssl req -x509 -config "$dir/ext.cnf" ${make[$kind]} -nodes -keyout "$dir/$kind-ocsp.key" -out "$dir/$kind-ocsp.crt" -days 30 -subj "/CN=OCSP $kind" -extensions ocsp -CA "$dir/$kind.crt" -CAkey "$dir/$kind.key" 2>/dev/null
    for n in 1 2; do
        openssl req -x509 -config "$dir/ext.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$kind-$n.key" -out "$dir/$kind-$n.crt" -days 30 -subj "/CN=leaf $n" -extensions leaf -CA "$dir/$kind.crt" -CAkey "$dir/$kind.key" 2>/dev/null
    done
    chmod 600 "$dir"/*.key
    sections+="issuer \"$kind\" { certificate = \"$dir/$kind.crt\" key = \"$dir/$kind.key\"
      ocsp_certificate = \"$dir/$kind-ocsp.crt\" ocsp_key = \"$dir/$kind-ocsp.key\" }
"
done
# The same CAs again as their own responders cannot stand beside them, so they get a daemon of their own below.
write_config <<<"$sections"
run_all() {
    start_daemon
    for kind in "${!make[@]}"; do
        ctl register "$dir/$kind-1.crt" "$dir/$kind-2.crt" >/dev/null
        ctl revoke --reason superseded --cert "$dir/$kind-2.crt" >/dev/null
        ctl crl publish "$kind" >/dev/null
        expect "$1 $kind: CRL" "verify OK" openssl crl -inform DER -in <(curl -s "http://$public/crl/$kind.crl") -noout -verify -CAfile "$dir/$kind.crt"
        expect "$1 $kind: CRL lists" "Superseded" crl_text "$kind"
        expect "$1 $kind: OCSP good" "$kind-1.crt: good" openssl ocsp -issuer "$dir/$kind.crt" -cert "$dir/$kind-1.crt" -url "http://$public/ocsp" -CAfile "$dir/$kind.crt"
        also "$1 $kind: OCSP verifies" "Response verify OK"
        expect "$1 $kind: OCSP revoked" "$kind-2.crt: revoked" openssl ocsp -issuer "$dir/$kind.crt" -cert "$dir/$kind-2.crt" -url "http://$public/ocsp" -CAfile "$dir/$kind.crt"
    done
    stop_daemon
}
run_all delegate
sed -i 's/ocsp_certificate = .*-ocsp.crt" ocsp_key = "[^"]*"//' "$dir/annuld.conf"
run_all direct

# --- policies
sed -i '/^issuer "p256"/s/$/ unlisted = "good"/; /^issuer "p384"/s/$/ unlisted = "revoked"/; /^issuer "p521"/s/$/ unlisted = "unauthorized"/' "$dir/annuld.conf"
sed -i "/^issuer \"ed25519\"/s|\$| request_signers = \"$dir/p256.crt\"|" "$dir/annuld.conf"
start_daemon
unlisted() { # KIND [OPTIONS]
    local kind=$1
    shift
    openssl ocsp -issuer "$dir/$kind.crt" -serial 0x1234 -url "http://$public/ocsp" -CAfile "$dir/$kind.crt" -resp_text "$@" 2>&1
}
expect "unlisted = good" "0x1234: good" unlisted p256
expect "unlisted = revoked" "0x1234: revoked" unlisted p384
also "since 1970" "Jan  1 00:00:00 1970 GMT"
also "on hold" "certificateHold"
also "with extended-revoke (openssl calls 1.3.6.1.5.5.7.48.1.9 so)" "valid:"
expect "unlisted = unauthorized" "unauthorized" unlisted p521
expect "a signature is required" "sigrequired" unlisted ed25519
expect "a request signed by whom we trust" "0x1234: unknown" unlisted ed25519 -signer "$dir/p256-1.crt" -signkey "$dir/p256-1.key"
finish
