#!/bin/bash
# mosquitto with mutual TLS: a bundle of CRLs and SIGHUP.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"

mqtt=127.0.0.1:$(free_port)
server_chain >"$dir/server.pem"
cat >"$dir/mosquitto.conf" <<CONF
user root
pid_file $dir/mosquitto.pid
allow_anonymous true
listener ${mqtt#*:} 127.0.0.1
cafile $pki/chain.pem
certfile $dir/server.pem
keyfile $pki/server.key
crlfile $dir/crls.pem
require_certificate true
CONF
write_stapler_config <<CONF
crl "clients" {
    $(crl_urls)
    deliver { path = "$dir/crls.pem"  pid_file = "$dir/mosquitto.pid"  process = "mosquitto" }
}
CONF
check "once, before mosquitto starts" test "$(stapler --once >"$dir/stapler.log" 2>&1; echo $?)" = 0
expect "says that nobody is there to be told" "nobody to be told: pid file $dir/mosquitto.pid" cat "$dir/stapler.log"
check "the CRLs are there" test -s "$dir/crls.pem"
expect "so says status" "delivered: pid file $dir/mosquitto.pid" stapler status
consumer "$dir/mosquitto.log" mosquitto -c "$dir/mosquitto.conf"
start_stapler
crl_story client-1 mqtt "$mqtt"

# --- many changes; nobody good is ever refused
loop_start mqtt "$mqtt"
for n in 1 2 3; do
    ctl release issuing-client "$(serial_of client-3)" >/dev/null
    check "client-3, released, gets in ($n)" until_true 10 gets_in mqtt "$mqtt" client-3
    ctl revoke --reason certificateHold issuing-client "$(serial_of client-3)" >/dev/null
    check "client-3, on hold, does not ($n)" until_true 10 is_refused mqtt "$mqtt" client-3
done

# --- a power cut between the rename and the signal: what is on disk is new, and mosquitto is told all the same
stop_stapler
ANNUL_FAULT=deliver-renamed start_stapler
ctl register "$pki/client-4.crt" >/dev/null
ctl revoke --reason keyCompromise issuing-client "$(serial_of client-4)" >/dev/null
is_cut() { ! kill -0 "$stapler_pid"; }
check "a power cut" until_true 10 is_cut
wait "$stapler_pid"
stapler_pid=
check "mosquitto knows nothing" gets_in mqtt "$mqtt" client-4
cp "$dir/crls.pem" "$dir/before.pem"
start_stapler
check "the next start tells it" until_true 10 is_refused mqtt "$mqtt" client-4
check "of the file that was there" cmp "$dir/before.pem" "$dir/crls.pem"
check "client-0 never was refused" loops_end
finish
