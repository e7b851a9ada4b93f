#!/bin/bash
# OCSP as python3-cryptography sees it: see tests/interop/ask.py.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
register_usual

ask() { # HASH ISSUER NAME...
    local hash=$1 issuer=$2
    shift 2
    python3 "$top/tests/interop/ask.py" "http://$public/ocsp" "$hash" "$pki/ocsp-$issuer.crt" "$pki/$issuer.crt" "${@/#/$pki/}"
}
for hash in SHA1 SHA256 SHA384 SHA512; do
    expect "$hash: good" "client-0 good" ask $hash issuing-client client-{0,2,3,4}.crt
    also "$hash: revoked with its reason" "client-2 revoked keyCompromise"
    also "$hash: on hold" "client-3 revoked certificateHold"
    also "$hash: unknown" "client-4 unknown"
done
expect "an RSA CA with its delegate" "server good" ask SHA256 issuing-server server.crt
finish
