#!/bin/bash
# OCSP as GnuTLS sees it. ocsptool asks with a SHA-1 CertID and fails unless the nonce comes back and the answer verifies.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null) # or the intermediate's status would be nobody's to tell
start_daemon
register_usual
ctl register "$pki"/{intermediate,issuing}-client.crt >/dev/null

ask() { # NAME ISSUER [OPTIONS]
    local name=$1 issuer=$2
    shift 2
    ocsptool --ask="http://$public/ocsp" --nonce --load-cert "$pki/$name.crt" --load-issuer "$pki/$issuer.crt" "$@"
}
for client in 0:good 2:revoked 3:revoked 4:unknown; do
    expect "client-${client/:/ is }" "Certificate Status: ${client#*:}" ask "client-${client%:*}" issuing-client
    also "and the answer verifies" "Verifying OCSP Response: Success."
    also "with its nonce" "Nonce: "
done
check "the CA as anchor" ask client-0 issuing-client --load-trust "$pki/issuing-client.crt"
check "the delegate itself" ask client-0 issuing-client --load-signer "$pki/ocsp-issuing-client.crt"
refuse "another CA's delegate" ask client-0 issuing-client --load-signer "$pki/ocsp-issuing-server.crt"
check "an RSA CA with its delegate" ask server issuing-server
check "a CA that signs by itself" ask issuing-client intermediate-client
cat "$pki/client-0.crt" "$pki/client-chain.pem" "$pki/root.crt" >"$dir/chain.pem"
check "a whole chain, asked one by one" ocsptool --ask="http://$public/ocsp" --nonce --load-chain "$dir/chain.pem"
check "all three verify" test "$(grep -c "Verifying OCSP Response: Success." "$dir/out")" = 3

# --- what it reads in a response that another client has fetched
ocsp client-2 -respout "$dir/revoked.der" >/dev/null
expect "a parsed response" "Certificate Status: revoked" ocsptool -j --load-response "$dir/revoked.der"
also "its serial" "Serial Number: $(serial_of client-2 | tr A-F a-f)"
also "its time of revocation" "Revocation time: "
also "nextUpdate" "Next Update: "
finish
