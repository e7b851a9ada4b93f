#!/bin/bash
# The console.
# shellcheck source=tests/web/lib.sh
. "$(dirname "$0")/lib.sh"

write_config <<CONF
$(issuer_section root </dev/null)
issuer "intermediate-server" { certificate = "$pki/intermediate-server.crt" crl_upload = true }
CONF
start_daemon
register_usual
token=$(ctl token create --role administrator anna)
browse console.mjs
browse console_roles.mjs
browse console_views.mjs
stop_daemon

# By TLS: client-1 has a section, client-0 has none.
ip_certificate() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/admin.key" -out "$dir/admin.crt" \
        -days 30 -subj "/CN=admin" -addext "subjectAltName = IP:127.0.0.1" 2>/dev/null
}
check "a certificate of the admin listener" ip_certificate
sed -i "s|^admin {|&\n  tls_certificate = \"$dir/admin.crt\" tls_key = \"$dir/admin.key\" client_ca = {\"$pki/issuing-client.crt\"}\n\
  client \"CN=client-1,O=Annul Demo\" { role = \"operator\" issuers = {\"issuing-client\"} }\n |" "$dir/annuld.conf"
scheme=https
is_ready() {
    kill -0 "$daemon" 2>/dev/null || return 0
    curl -skf "https://$admin/readyz"
}
start_daemon
browse console_tls.mjs
finish
