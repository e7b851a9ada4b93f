#!/bin/bash
# OpenSSL: a staple for `openssl s_server`; a hash folder for stunnel, which reads on where it has read.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"
server_chain >"$dir/server.pem"
tls=127.0.0.1:$(free_port)
mutual=127.0.0.1:$(free_port)
crls=$dir/crls
mkdir "$crls"
write_stapler_config <<CONF
staple "s_server" {
    certificate = {"$dir/server.pem"}
    $(responder)
    deliver { path = "$dir/staple.der"  command = {"$dir/restart"} }
}
crl "clients" {
    $(crl_urls)
    deliver { kind = "hash-dir-live"  path = "$crls" }
}
CONF

# --- s_server reads the file when it starts: a command starts it anew
cat >"$dir/restart" <<SH
#!/bin/bash
stop() {
    [ -s "$dir/s_server.pid" ] || return
    kill "\$(cat "$dir/s_server.pid")" || return
    while kill -0 "\$(cat "$dir/s_server.pid")"; do :; done
}
stop 2>/dev/null
[ "\$1" != stop ] || exit 0
[ ! -s "$dir/staple.der" ] || status=(-status_file "$dir/staple.der")
openssl s_server -quiet -accept "$tls" -www -cert "$pki/server.crt" -key "$pki/server.key" \
    -cert_chain "$pki/server-chain.pem" "\${status[@]}" >>"$dir/s_server.log" 2>&1 &
echo \$! >"$dir/s_server.pid"
SH
chmod 755 "$dir/restart"
trap '"$dir/restart" stop; end_consumers; cleanup' EXIT
start_stapler
staple_story "$tls"

# --- stunnel; of two CRLs OpenSSL takes the one whose thisUpdate is later, in whole seconds
cat >"$dir/stunnel.conf" <<CONF
foreground = yes
pid = $dir/stunnel.pid
syslog = no
[in]
accept = $mutual
connect = $public
cert = $dir/server.pem
key = $pki/server.key
CAfile = $pki/chain.pem
CRLpath = $crls
verifyChain = yes
CONF
give() { # [OPTIONS]
    # shellcheck disable=SC2046 # words
    deliver --kind hash-dir-live --path "$crls" --state "$dir/state" "$@" crls $(chain_crls)
}
clients=$crls/$(openssl x509 -in "$pki/issuing-client.crt" -noout -hash)

consumer "$dir/stunnel.log" stunnel4 "$dir/stunnel.conf"
next_second
crl_story client-1 http "$mutual"
check "the new one stands behind the old one" test -s "$clients.r1"
check "which is a link to it" test "$clients.r0" -ef "$clients.r1"
next_second
ctl release issuing-client "$(serial_of client-3)" >/dev/null
check "client-3, released, gets in" until_true 10 gets_in http "$mutual" client-3
stop_stapler
fetch_crls

# --- a hundred: from the beginning, with a reload (for which stunnel closes its port for a moment)
for n in {1..120}; do [ -e "$clients.r$n" ] || ln "$clients.r0" "$clients.r$n"; done
check "they are read" is_refused http "$mutual" client-1
next_second
ctl register "$pki/client-4.crt" >/dev/null
revoke_now client-4
expect "a new CRL, and a reload" delivered give --pid-file "$dir/stunnel.pid" --process stunnel4
check "client-4 is refused" until_true 10 is_refused http "$mutual" client-4
check "by one file" test -s "$clients.r0" -a ! -e "$clients.r1"
next_second
revoke_now client-3
expect "from then on" delivered give --pid-file "$dir/stunnel.pid" --process stunnel4
check "the next one is appended" test -s "$clients.r1"
check "and obeyed" is_refused http "$mutual" client-3

# --- two in one second: stunnel would keep the first
write_ca_config
next_second
second=$(date -u -d "@$(($(date +%s) + offset))" +%Y%m%d%H%M%SZ)
make_crl() { # REVOKED...
    local client
    for client; do
        printf 'R\t300101000000Z\t260101000000Z\t%s\tunknown\t/CN=%s\n' "$(serial_of "$client")" "$client"
    done >"$dir/index.txt"
    openssl ca -config "$dir/ca.cnf" -gencrl -crl_lastupdate "$second" 2>/dev/null |
        openssl crl -outform DER -out "$dir/issuing-client.crl"
}
make_crl client-1 client-2
expect "the first" delivered give --pid-file "$dir/stunnel.pid" --process stunnel4
check "is appended" test -s "$clients.r2"
check "and obeyed" gets_in http "$mutual" client-4
make_crl client-1 client-2 client-4
expect "the second" delivered give --pid-file "$dir/stunnel.pid" --process stunnel4
check "comes by a reload" until_true 10 is_refused http "$mutual" client-4
check "to one file" test ! -e "$clients.r1"
finish
