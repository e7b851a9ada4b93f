#!/bin/bash
# HAProxy: <crt>.ocsp and crl-file, by file and live by its socket.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "the CRLs are here" fetch_crls

tls=127.0.0.1:$(free_port)
mutual=127.0.0.1:$(free_port)
cat "$pki/server.crt" "$pki/server.key" >"$dir/server.pem" # without the chain: .issuer is needed
server_chain >"$dir/mutual.pem"
cat "$pki/server.key" >>"$dir/mutual.pem"
cat >"$dir/haproxy.cfg" <<CONF
global
    stats socket $dir/haproxy.sock level admin
defaults
    mode http
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tls
    bind $tls ssl crt $dir/server.pem
    http-request return status 200
frontend mutual
    bind $mutual ssl crt $dir/mutual.pem ca-file $pki/chain.pem verify required crl-file $dir/crls.pem
    http-request return status 200
CONF
give() { # [RESPONSE]
    deliver --kind haproxy --socket "$dir/haproxy.sock" --state "$dir/state" \
        staple "$dir/server.pem" "$pki/issuing-server.crt" "$@"
}
give_crls() { # [OPTIONS]
    # shellcheck disable=SC2046 # words
    deliver --kind haproxy --path "$dir/crls.pem" --socket "$dir/haproxy.sock" --state "$dir/state-crls" "$@" \
        crls $(chain_crls)
}
start_haproxy() {
    consumer "$dir/haproxy.log" haproxy -W -p "$dir/haproxy.pid" -f "$dir/haproxy.cfg"
    until_true 10 curl -sk "https://$tls/"
}
# --- before its start: files alone
check "nothing yet: an empty file" give
check "for the pushes to come" test -e "$dir/server.pem.ocsp" -a ! -s "$dir/server.pem.ocsp"
check "and the issuer" cmp "$dir/server.pem.issuer" "$pki/issuing-server.crt"
refuse "a HAProxy that is away cannot be told" give_crls
check "but will read the file" test -s "$dir/crls.pem"
check "HAProxy starts" start_haproxy
expect "and is told" delivered give_crls
check "it staples nothing" staples_nothing "$tls"

# --- live
loop_start http "$mutual" client-0
fetch_staple "$dir/good.der"
expect "a staple" delivered give "$dir/good.der"
check "is stapled at once" staples "$tls" good
expect "the same again" same give "$dir/good.der"
ctl revoke --reason superseded issuing-server "$(serial_of server)" >/dev/null
fetch_staple "$dir/revoked.der"
expect "another one" delivered give "$dir/revoked.der"
check "replaces it at once" staples "$tls" revoked

check "client-2 is refused" is_refused http "$mutual" client-2
check "client-1 gets in" gets_in http "$mutual" client-1
revoke_now client-1
expect "the new CRLs" delivered give_crls
check "client-1 is refused at once" is_refused http "$mutual" client-1
check "client-0 never was" loop_end client-0

# --- what HAProxy does not want
printf '\x30\x03\x0a\x01\x03' >"$dir/later.der" # tryLater
expect "its refusal is an error" "OCSP response status not successful" give "$dir/later.der"
expect "that is tried again" "OCSP response status not successful" give "$dir/later.der"
check "with what it takes it is over" give "$dir/good.der"

# --- another process: it may have read the files before they were replaced
expect "nothing to do" same give "$dir/good.der"
end_consumers
cat "$pki/server-chain.pem" >>"$dir/server.pem" # which curl and GnuTLS want to see
cp "$dir/server.pem.ocsp" "$dir/kept" && : >"$dir/server.pem.ocsp" # what an old process would have read
check "HAProxy starts again" start_haproxy
check "without a staple" staples_nothing "$tls"
cp "$dir/kept" "$dir/server.pem.ocsp"
expect "another process is told again" delivered give "$dir/good.der"
check "and staples" staples "$tls" good
check "curl verifies it" curl_verifies "$tls"
check "GnuTLS verifies it" gnutls_verifies "$tls"
expect "once" same give "$dir/good.der"

# --- withdrawn: by a reload, since no push can
printf '#!/bin/sh\nkill -USR2 %s\n' "$consumer" >"$dir/reload"
chmod 755 "$dir/reload"
expect "withdrawn" delivered deliver --kind haproxy --socket "$dir/haproxy.sock" --state "$dir/state" \
    --command "$dir/reload" staple "$dir/server.pem" "$pki/issuing-server.crt"
check "it staples no more" until_true 10 staples_nothing "$tls"

# --- what is larger than tune.bufsize goes by file and reload
write_ca_config
{
    printf 'R\t300101000000Z\t260101000000Z\t%s\tunknown\t/CN=client-4\n' "$(serial_of client-4)"
    for n in {1000..1999}; do printf 'R\t300101000000Z\t260101000000Z\t%s\tunknown\t/CN=%s\n' "$n" "$n"; done
} >"$dir/index.txt"
openssl ca -config "$dir/ca.cnf" -gencrl 2>/dev/null | openssl crl -outform DER -out "$dir/issuing-client.crl"
check "client-4 gets in" gets_in http "$mutual" client-4
expect "HAProxy's buffer is too small" "raise tune.bufsize, or configure a reload" give_crls
expect "a reload helps" delivered give_crls --command "$dir/reload"
check "client-4 is refused" until_true 10 is_refused http "$mutual" client-4
expect "nothing to do" same give_crls --command "$dir/reload"
finish
