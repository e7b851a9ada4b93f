#!/bin/bash
# mosquitto with mutual TLS: a bundle of CRLs and SIGHUP.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "the CRLs are here" fetch_crls

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
give() { # [OPTIONS]
    # shellcheck disable=SC2046 # words
    deliver --kind file --format pem --path "$dir/crls.pem" --state "$dir/state" "$@" crls $(chain_crls)
}

expect "the CRLs" delivered give
consumer "$dir/mosquitto.log" mosquitto -c "$dir/mosquitto.conf"
check "mosquitto starts" until_true 10 gets_in mqtt "$mqtt" client-0
check "client-1 gets in" gets_in mqtt "$mqtt" client-1
check "client-2 is refused" is_refused mqtt "$mqtt" client-2

# --- a pid file that names somebody else: nobody is told, and that stays undone
loop_start mqtt "$mqtt" client-0
cp "$dir/mosquitto.pid" "$dir/other.pid"
echo $$ >"$dir/other.pid"
revoke_now client-1
expect "the new CRLs, and a pid of another program" "not mosquitto: it got no signal" give \
    --pid-file "$dir/other.pid" --process mosquitto
check "mosquitto knows nothing" gets_in mqtt "$mqtt" client-1

# --- and then within a second
SECONDS=0
expect "mosquitto is told" delivered give --pid-file "$dir/mosquitto.pid" --process mosquitto
check "client-1 is refused" until_true 10 is_refused mqtt "$mqtt" client-1
check "within a second or two" test $SECONDS -le 2
expect "nothing to do" same give --pid-file "$dir/mosquitto.pid" --process mosquitto

# --- a power cut between the rename and the signal: what is on disk is new, and mosquitto is told all the same
power_cut() { ANNUL_FAULT=deliver-renamed give --pid-file "$dir/mosquitto.pid"; }
ctl register "$pki/client-4.crt" >/dev/null
revoke_now client-4
refuse "a power cut" power_cut
check "mosquitto knows nothing" gets_in mqtt "$mqtt" client-4
cp "$dir/crls.pem" "$dir/before.pem"
expect "the next start tells it" delivered give --pid-file "$dir/mosquitto.pid"
check "of the file that was there" cmp "$dir/before.pem" "$dir/crls.pem"
check "client-4 is refused" until_true 10 is_refused mqtt "$mqtt" client-4

# --- many changes; nobody good is ever refused
for n in 1 2 3; do
    ctl release issuing-client "$(serial_of client-3)" >/dev/null
    until_true 10 crl_lacks "$(serial_of client-3)"
    fetch_crls && give --pid-file "$dir/mosquitto.pid" >/dev/null
    check "client-3, released, gets in ($n)" until_true 10 gets_in mqtt "$mqtt" client-3
    ctl revoke --reason certificateHold issuing-client "$(serial_of client-3)" >/dev/null
    until_true 10 crl_lists "$(serial_of client-3)"
    fetch_crls && give --pid-file "$dir/mosquitto.pid" >/dev/null
    check "client-3, on hold, does not ($n)" until_true 10 is_refused mqtt "$mqtt" client-3
done
check "client-0 never was" loop_end client-0
finish
