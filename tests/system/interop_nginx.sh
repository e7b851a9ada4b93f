#!/bin/bash
# nginx asks for the staple of its own certificate and for its clients' certificates: GET by HTTP/1.0, SHA-1, no nonce.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin # not in every user's

write_config < <(issuer_section root </dev/null) # or the intermediate's status would be nobody's to tell
start_daemon
register_usual
ctl register "$pki"/{intermediate,issuing}-client.crt "$pki/server-must-staple.crt" >/dev/null

stapled=127.0.0.1:$(free_port)
mutual=127.0.0.1:$(free_port)
cat "$pki/server-must-staple.crt" "$pki/server-chain.pem" >"$dir/server.pem"
cat >"$dir/nginx.conf" <<CONF
daemon off;
master_process off;
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
    ssl_certificate_key $pki/server-must-staple.key;
    server {
        listen $stapled ssl;
        ssl_stapling on;
        ssl_stapling_verify on;
        ssl_stapling_responder http://$public/ocsp;
        ssl_trusted_certificate $pki/root.crt;
        return 200;
    }
    server {
        listen $mutual ssl;
        ssl_verify_client on;
        ssl_verify_depth 4;
        ssl_client_certificate $pki/chain.pem;
        ssl_ocsp on; # every certificate of the chain
        ssl_ocsp_responder http://$public/ocsp;
        return 200;
    }
}
CONF

nginx=
start_nginx() {
    : >"$dir/nginx.log"
    nginx -c "$dir/nginx.conf" 2>>"$dir/nginx.log" &
    nginx=$!
    until_true 10 curl -sk "https://$stapled/" || echo "FAILED: nginx did not start: $(cat "$dir/nginx.log")"
}
stop_nginx() {
    [ -z "$nginx" ] || kill "$nginx"
    wait $nginx
    nginx=
}
trap 'stop_nginx; cleanup' EXIT
start_nginx

# --- stapling: nginx asks at the first handshake, and staples from then on
check "curl verifies the staple" until_true 10 curl -s --cert-status --cacert "$pki/root.crt" "https://$stapled/"
expect "it says good" "Cert Status: good" openssl s_client -connect "$stapled" -status -CAfile "$pki/root.crt" </dev/null
gnutls() { gnutls-cli --x509cafile "$pki/root.crt" --port "${stapled#*:}" 127.0.0.1 </dev/null; }
expect "GnuTLS verifies what must be stapled" "Status: The certificate is trusted" gnutls
also "by OCSP" "OCSP status request"

# --- clients
status_for() { # NAME
    curl -s -o /dev/null -w '%{http_code}' --cacert "$pki/root.crt" --cert "$pki/$1.crt" --key "$pki/$1.key" "https://$mutual/"
}
expect "a good client gets in" 200 status_for client-0
expect "a revoked client does not" 400 status_for client-2
expect "nginx knows why" "certificate revoked" cat "$dir/nginx.log"
expect "nor one on hold" 400 status_for client-3
expect "nor one that nobody knows" 400 status_for client-4
ctl release issuing-client "$(serial_of client-3)" >/dev/null
ctl revoke --reason keyCompromise issuing-client "$(serial_of client-0)" >/dev/null
expect "released, it gets in" 200 status_for client-3
expect "revoked, not any more" 400 status_for client-0
ctl revoke --reason cACompromise intermediate-client "$(serial_of issuing-client)" >/dev/null
expect "nor anyone of a CA that is revoked" 400 status_for client-1

# --- nginx staples nothing but good
ctl revoke --reason keyCompromise issuing-server "$(serial_of server-must-staple)" >/dev/null
stop_nginx
start_nginx
refuse "its first handshake without staple" gnutls
told() { grep -q 'certificate status "revoked" in the OCSP response' "$dir/nginx.log"; }
check "nginx takes no staple that says revoked" until_true 10 told
expect "without, GnuTLS refuses the server" "requires the server to include an OCSP status" gnutls
stop_nginx
finish
