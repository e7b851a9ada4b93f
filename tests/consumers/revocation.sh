#!/bin/bash
# From the revocation to the refusal, by annuld, annul-stapler and the consumers themselves, with nobody in between.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"

stapled=127.0.0.1:$(free_port)
mqtt=127.0.0.1:$(free_port)
server_chain >"$dir/server.pem"
write_stapler_config <<CONF
staple "nginx" {
    certificate = {"$dir/server.pem"}
    responder = {"http://$public/ocsp"}
    deliver { kind = "nginx"  path = "$dir/staple.der"  pid_file = "$dir/nginx.pid"  process = "nginx" }
}
crl "clients" {
    url = {"http://$public/crl/issuing-client.crl", "http://$public/crl/intermediate-client.crl",
           "http://$public/crl/root.crl"}
    deliver { path = "$dir/crls.pem"  pid_file = "$dir/mosquitto.pid"  process = "mosquitto" }
}
CONF
cat >"$dir/nginx.conf" <<CONF
daemon off;
user root;
worker_processes 1;
pid $dir/nginx.pid;
error_log $dir/nginx.log info;
events { }
http {
    access_log off;
    client_body_temp_path $dir/body;
    proxy_temp_path $dir/proxy;
    fastcgi_temp_path $dir/fastcgi;
    uwsgi_temp_path $dir/uwsgi;
    scgi_temp_path $dir/scgi;
    ssl_certificate $dir/server.pem;
    ssl_certificate_key $pki/server.key;
    server {
        listen $stapled ssl;
        ssl_stapling on;
        include $dir/staple.der.con[f];
        return 200;
    }
}
CONF
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
start_stapler
both() { [ -s "$dir/crls.pem" ] && [ -s "$dir/staple.der" ]; }
check "both files are there before the consumers are" until_true 10 both
consumer "$dir/nginx.err" nginx -c "$dir/nginx.conf"
consumer "$dir/mosquitto.log" mosquitto -c "$dir/mosquitto.conf"
check "nginx staples from its start on" until_true 10 staples "$stapled" good
check "GnuTLS believes it" gnutls_verifies "$stapled"
check "mosquitto starts" until_true 10 gets_in mqtt "$mqtt" client-0
check "client-1 gets in" gets_in mqtt "$mqtt" client-1
check "client-2 is refused" is_refused mqtt "$mqtt" client-2
nobody_missed() { ! stapler status | grep -q "no such\|No such"; }
check "the signals that were missed are made up for" until_true 15 nobody_missed

# --- revocation
loop_start mqtt "$mqtt" client-0
began=$(date +%s%3N)
ctl revoke --reason keyCompromise issuing-client "$(serial_of client-1)" >/dev/null
check "client-1 is refused" until_true 5 is_refused mqtt "$mqtt" client-1
echo "note: $(($(date +%s%3N) - began)) ms from revocation to refusal"
check "client-0 never was" loop_end client-0

# --- the responder is gone until the staple has ended, and comes back
stop_daemon
move_clock 86360
check "withdrawn before its end" until_true 10 staples_nothing "$stapled"
start_daemon
move_clock 90100 # beyond any time between tries
check "back" until_true 20 staples "$stapled" good
finish
