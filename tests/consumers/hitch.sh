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
write_stapler_config <<CONF
staple "hitch" {
    certificate = {"$dir/server.pem"}
    $(responder)
    deliver { kind = "hitch"  path = "$dir/ocsp"  pid_file = "$dir/hitch.pid"  process = "hitch" }
}
CONF

consumer "$dir/hitch.log" hitch --config "$dir/hitch.conf" --pidfile="$dir/hitch.pid"
check "hitch starts without a staple" until_true 10 curl -sk "https://$tls/"
check "and staples nothing" staples_nothing "$tls"
loop_start http "$tls"
start_stapler
staple_story "$tls"

# --- hitch takes none that says revoked, and would keep the good one: that is withdrawn
ctl revoke --reason certificateHold issuing-server "$(serial_of server)" >/dev/null
later 68400
check "revoked: it is withdrawn" until_true 10 staples_nothing "$tls"
check "loudly" grep -q 'the certificate is REVOKED' "$dir/stapler.log"
ctl release issuing-server "$(serial_of server)" >/dev/null
later 68400
check "released: it is back" until_true 10 staples "$tls" good
finish
