#!/bin/bash
# nginx: a staple by file, and CRLs for its clients; both replaced with a reload that drops no connection.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "the CRLs are here" fetch_crls

stapled=127.0.0.1:$(free_port)
mutual=127.0.0.1:$(free_port)
server_chain >"$dir/server.pem"
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
give() { # [RESPONSE]
    deliver --kind nginx --path "$dir/staple.der" --pid-file "$dir/nginx.pid" --process nginx --state "$dir/state" \
        staple "$dir/server.pem" "$pki/issuing-server.crt" "$@"
}
give_crls() {
    # shellcheck disable=SC2046 # words
    deliver --kind file --format pem --path "$dir/crls.pem" --pid-file "$dir/nginx.pid" --state "$dir/state-crls" \
        crls $(chain_crls)
}

# --- nginx does not start where the file is missing; with an include of nothing it does
refuse "without nginx, its pid file is missed" give_crls
check "but the CRLs are there" test -s "$dir/crls.pem"
consumer "$dir/nginx.err" nginx -c "$dir/nginx.conf"
check "nginx starts without a staple" until_true 10 curl -sk "https://$stapled/"
check "and staples nothing" staples_nothing "$stapled"
expect "who was not there is told when it is" delivered give_crls

fetch_staple "$dir/good.der"
loop_start http "$mutual" client-0
expect "a staple" delivered give "$dir/good.der"
check "is stapled" until_true 10 staples "$stapled" good
check "curl verifies it" until_true 10 curl_verifies "$stapled" # the old worker may have taken one more
check "GnuTLS verifies it" gnutls_verifies "$stapled"
reloads() { grep -c 'signal 1 (SIGHUP) received' "$dir/nginx.log"; }
before=$(reloads)
expect "the same again" same give "$dir/good.der"
check "reloads nothing" test "$(reloads)" = "$before"
ctl revoke --reason superseded issuing-server "$(serial_of server)" >/dev/null
fetch_staple "$dir/revoked.der"
expect "another one" delivered give "$dir/revoked.der"
check "replaces it" until_true 10 staples "$stapled" revoked
expect "withdrawn" delivered give
check "it is stapled no more" until_true 10 staples_nothing "$stapled"
check "and nothing is left" test ! -e "$dir/staple.der" -a ! -e "$dir/staple.der.conf"
check "nginx would start" nginx -t -c "$dir/nginx.conf"

# --- clients
check "client-2 is refused" is_refused http "$mutual" client-2
check "client-1 gets in" gets_in http "$mutual" client-1
revoke_now client-1
expect "the new CRLs" delivered give_crls
check "client-1 is refused" until_true 10 is_refused http "$mutual" client-1
check "client-0 never was" loop_end client-0
finish
