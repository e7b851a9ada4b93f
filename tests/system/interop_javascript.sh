#!/bin/bash
# OCSP as PKI.js sees it: see tests/interop/ask.mjs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
register_usual
cp "$top"/tests/interop/{package.json,package-lock.json,ask.mjs} "$dir"
check "the packages of package-lock.json" npm ci --prefix "$dir" --prefer-offline --no-audit --no-fund --ignore-scripts
[ "$failures" = 0 ] || finish # without them, nothing else is worth a line

ask() { # HASH ISSUER NAME...
    local hash=$1 issuer=$2
    shift 2
    node "$dir/ask.mjs" "http://$public/ocsp" "$hash" "$pki/root.crt" "$pki/$issuer.crt" "${@/#/$pki/}"
}
for hash in SHA-1 SHA-256 SHA-384 SHA-512; do
    expect "$hash: good" "client-0 good" ask $hash issuing-client client-{0,2,3,4}.crt
    also "$hash: revoked" "client-2 revoked"
    also "$hash: on hold is revoked" "client-3 revoked"
    also "$hash: unknown" "client-4 unknown"
done
expect "an RSA CA with its delegate" "server good" ask SHA-256 issuing-server server.crt
finish
