#!/bin/bash
# Whole paths as Java validates them, by OCSP alone: see tests/interop/Validate.java.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null) # or the intermediate's status would be nobody's to tell
start_daemon
register_usual
ctl register "$pki"/{intermediate,issuing}-client.crt >/dev/null

validate() { # BY GET? Not where that would be longer than 255 octets
    java -XX:TieredStopAtLevel=1 -Dcom.sun.security.ocsp.useget="$1" "$top/tests/interop/Validate.java" \
        "http://$public/ocsp" "$pki/root.crt" "$pki/client-chain.pem" "$pki"/client-{0,2,3,4}.crt
}
for get in true false; do
    expect "GET $get: good" "client-0 plain good" validate $get
    also "GET $get: revoked" "client-2 plain 0 REVOKED KEY_COMPROMISE"
    also "GET $get: on hold" "client-3 plain 0 REVOKED CERTIFICATE_HOLD"
    also "GET $get: unknown" "client-4 plain 0 UNDETERMINED_REVOCATION_STATUS"
    also "GET $get: good with a nonce" "client-0 nonce good"
    also "GET $get: revoked with a nonce" "client-2 nonce 0 REVOKED KEY_COMPROMISE"
done
ctl revoke --reason cACompromise intermediate-client "$(serial_of issuing-client)" >/dev/null
expect "a CA that is revoked takes its clients along" "client-0 plain 1 REVOKED CA_COMPROMISE" validate true
finish
