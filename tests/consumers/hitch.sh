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
workers = 1
CONF
# Who cannot write in the folder: what hitch itself fetches, it does not verify as we do.
[ "$(id -u)" != 0 ] || echo 'user = "nobody"' >>"$dir/hitch.conf"
give() { # [RESPONSE]
    deliver --kind hitch --path "$dir/ocsp" --state "$dir/state" "${telling[@]}" \
        staple "$dir/server.pem" "$pki/issuing-server.crt" "$@"
}
telling=()

consumer "$dir/hitch.log" hitch --config "$dir/hitch.conf" --pidfile="$dir/hitch.pid"
check "hitch starts without a staple" until_true 10 curl -sk "https://$tls/"
check "and staples nothing" staples_nothing "$tls"
loop_start http "$tls" client-0
fetch_staple "$dir/good.der"
expect "a staple" delivered give "$dir/good.der"
check "is stapled, without a signal" until_true 10 staples "$tls" good
check "curl verifies it" curl_verifies "$tls"
check "GnuTLS verifies it" gnutls_verifies "$tls"
expect "the same again" same give "$dir/good.der"
ctl revoke --reason certificateHold issuing-server "$(serial_of server)" >/dev/null
fetch_staple "$dir/revoked.der"
next_second
ctl release issuing-server "$(serial_of server)" >/dev/null
fetch_staple "$dir/newer.der"
expect "another one" delivered give "$dir/newer.der"
produced() { grep 'Produced At'; }
wanted=$(openssl ocsp -respin "$dir/newer.der" -noverify -text | produced)
staples_newer() { [ "$(staple "$tls" | produced)" = "$wanted" ]; }
check "replaces it" until_true 10 staples_newer
check "no connection was dropped" loop_end client-0

# --- hitch takes none that says revoked: it is to be withdrawn, and a signal makes hitch forget
expect "a staple that says revoked" delivered give "$dir/revoked.der"
check "hitch knows" until_true 10 grep -q 'has status revoked' "$dir/hitch.log"
check "and staples the former one" staples "$tls" good
telling=(--pid-file "$dir/hitch.pid" --process hitch)
expect "withdrawn" delivered give
check "it is stapled no more" until_true 10 staples_nothing "$tls"
finish
