#!/bin/bash
# GET …/certificates/SERIAL/proof: what OCSP answers, and which CRLs tell of the last change.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config <<CONF
issuer "root" { certificate = "$pki/root.crt" key = "$pki/root.key" }
issuer "intermediate-server" { certificate = "$pki/intermediate-server.crt" crl_upload = true }
CONF
# The client CA has shards and deltas, so a change is told by the delta at once, by the complete CRL later.
sed -i "s|^  certificate = \"$pki/issuing-client.crt\"|  shards = 2 shard_distribution_point = \"http://s/c/{}.crl\" delta_distribution_point = \"http://s/d.crl\"\n&|" "$dir/annuld.conf"
start_daemon
register_usual
ctl register "$pki/intermediate-client.crt" "$pki/issuing-server.crt" >/dev/null
make_token watcher
client=issuers/issuing-client/certificates

proof() { # NAME JQ [ISSUER]
    api GET "issuers/${3:-issuing-client}/certificates/$(serial_of "$1")/proof" | jq -r "$2"
}
covers() { [ "$(proof "$1" '[.crls[].covers]|tostring')" = "$2" ]; }

expect "what is good is answered as good" "successful good null" proof client-0 '.ocsp | "\(.response) \(.status) \(.reason)"'
expect "what is revoked, with its reason" "revoked keyCompromise" proof client-2 '.ocsp | "\(.status) \(.reason)"'
expect "a hold" "hold revoked certificateHold" proof client-3 '"\(.certificate.status) \(.ocsp.status) \(.ocsp.reason)"'
expect "what was never revoked is on no CRL, whichever" "[true,true,true]" proof client-0 '[.crls[].covers]|tostring'
expect "the complete CRL, the delta, and the shard of its serial" "whole" proof client-2 '.crls[].crl'
also "the delta" delta
check "one shard" test "$(proof client-2 '[.crls[].crl | select(test("^[0-9]+$"))] | length')" = 1
check "the delta and the shard tell of the revocation, the complete CRL does not" until_true 20 covers client-2 "[false,true,true]"
expect "its number is the file's" "$((16#$(crl_number)))" proof client-2 '.crls[0].crl_number'
check "a complete CRL is published" ctl crl publish issuing-client
check "it tells of it, too" until_true 20 covers client-2 "[true,true,true]"
check "it is on it" crl_lists "$(serial_of client-2)"
expect "the CRL of an issuer without any change" "[true]" proof intermediate-client '[.crls[].covers]|tostring' root

expect "where nobody signs OCSP, and no CRL is" 'null []' proof issuing-server '"\(.ocsp) \(.crls)"' intermediate-server
# A CRL of another's making is read: that it came behind the change says nothing.
upload() { # NUMBER [INDEX LINE]
    printf '%b' "${2:-}" >"$dir/index.txt"
    write_ca_config
    sed -i "s,$pki/issuing-client,$pki/intermediate-server," "$dir/ca.cnf"
    echo "$1" >"$dir/crlnumber"
    openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/other.pem" 2>/dev/null
    api PUT issuers/intermediate-server/crl --data-binary "@$dir/other.pem"
}
other() { proof issuing-server '"\(.certificate.status) \(.crls[0].covers)"' intermediate-server; }
upload 01 >/dev/null
expect "a good one is not on a CRL from elsewhere" "good true" other
ctl revoke --reason superseded intermediate-server "$(serial_of issuing-server)" >/dev/null
expect "what is revoked here alone is not on it" "revoked false" other
upload 02 >/dev/null
expect "nor on a newer one that does not list it" "revoked false" other
upload 03 "R\t351231235959Z\t251101000000Z,superseded\t$(serial_of issuing-server)\tunknown\t/CN=x\n" >/dev/null
expect "until one does" "revoked true" other

expect "what is not registered" 404 api GET "$client/abcdef/proof"
expect "what is no serial" 400 api GET "$client/xyz/proof"
finish
