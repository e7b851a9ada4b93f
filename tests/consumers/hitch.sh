#!/bin/bash
# hitch: a staple in its ocsp-dir, which it watches.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual

tls=127.0.0.1:$(free_port)
mkdir "$dir/ocsp"
{
    cat "$pki/server.key"
    server_chain
} >"$dir/server.pem"
cat >"$dir/hitch.conf" <<CONF
frontend = "[${tls%:*}]:${tls#*:}"
backend = "[${public%:*}]:${public#*:}"
pem-file = "$dir/server.pem"
ocsp-dir = "$dir/ocsp"
user = "nobody" # who cannot write there: what hitch itself fetches, it does not verify as we do
pidfile = "$dir/hitch.pid"
workers = 1
CONF
give() { # [RESPONSE]
    deliver --kind hitch --path "$dir/ocsp" --state "$dir/state" "${telling[@]}" \
        staple "$dir/server.pem" "$pki/issuing-server.crt" "$@"
}
telling=()

consumer "$dir/hitch.log" hitch --config "$dir/hitch.conf"
check "hitch starts without a staple" until_true 10 curl -skf "https://$tls/healthz"
check "and staples nothing" staples_nothing "$tls"
loop_start http "$tls" client-0
fetch_staple "$dir/good.der"
expect "a staple" done give "$dir/good.der"
check "is stapled, without a signal" until_true 10 staples "$tls" good
check "curl verifies it" curl_verifies "$tls"
check "GnuTLS verifies it" gnutls_verifies "$tls"
expect "the same again" same give "$dir/good.der"
ctl revoke --reason superseded issuing-server "$(serial_of server)" >/dev/null
fetch_staple "$dir/revoked.der"
expect "another one" done give "$dir/revoked.der"
check "replaces it" until_true 10 staples "$tls" revoked
telling=(--pid-file "$dir/hitch.pid" --process hitch)
expect "withdrawn" done give
check "it is stapled no more" until_true 10 staples_nothing "$tls"
check "no connection was dropped" loop_end client-0
finish
