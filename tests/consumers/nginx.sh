#!/bin/bash
# nginx: a staple by file, and CRLs for its clients; both replaced with a reload that drops no connection.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"

stapled=127.0.0.1:$(free_port)
mutual=127.0.0.1:$(free_port)
server_chain >"$dir/server.pem"
write_stapler_config <<CONF
staple "nginx" {
    certificate = {"$dir/server.pem"}
    $(responder)
    deliver { kind = "nginx"  path = "$dir/staple.der"  pid_file = "$dir/nginx.pid"  process = "nginx" }
}
crl "clients" {
    $(crl_urls)
    deliver { path = "$dir/crls.pem"  pid_file = "$dir/nginx.pid"  process = "nginx" }
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
    server {
        listen $mutual ssl;
        ssl_verify_client on;
        ssl_verify_depth 4;
        ssl_client_certificate $pki/chain.pem;
        ssl_crl $dir/crls.pem;
        return 200;
    }
}
CONF

# --- the files are there before nginx is; who was not there is told when it is
check "the configuration is good" stapler -t
start_stapler
both() { [ -s "$dir/crls.pem" ] && [ -s "$dir/staple.der.conf" ]; }
check "both files are there before nginx is" until_true 10 both
consumer "$dir/nginx.err" nginx -c "$dir/nginx.conf"
check "nginx staples from its start on" until_true 10 staples "$stapled" good
all_is_well() { stapler status && ! stapler status | grep -q "nginx.pid"; }
check "the signals that were missed are made up for" until_true 15 all_is_well

crl_story client-1 http "$mutual"
loop_start http "$mutual"
loop_start http "$stapled"
staple_story "$stapled"

# --- what says revoked is stapled, at once and never again a good one
ctl revoke --reason certificateHold issuing-server "$(serial_of server)" >/dev/null
later 68400
check "revoked is stapled" until_true 10 staples "$stapled" revoked
check "loudly" grep -q 'the certificate is REVOKED' "$dir/stapler.log"

# --- nothing to staple: nginx starts all the same
stop_daemon
later 86400
check "gone" until_true 10 staples_nothing "$stapled"
check "nothing is left" test ! -e "$dir/staple.der" -a ! -e "$dir/staple.der.conf"
check "nginx would start" nginx -t -c "$dir/nginx.conf"
finish
