#!/bin/bash
# annul-stapler with the real annuld as upstream: staples and CRLs in plain files, refreshed, kept over restarts, withdrawn.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
write_config </dev/null
start_daemon
register_usual
ctl register "$pki/server-must-staple.crt" >/dev/null
ctl crl publish issuing-client >/dev/null

mkdir "$dir/certs" "$dir/other" "$dir/live"
cp "$pki/server.crt" "$pki/client-0.crt" "$pki/server-must-staple.crt" "$dir/certs"
write_stapler_config <<CONF
staple "all" {
    certificate = {"$dir/certs", "$dir/other"}
    responder = {"http://$public/ocsp"}
    deliver { path = "$dir/live/{name}.der" }
    deliver { path = "$dir/other/{name}.a" }
}
crl "clients" {
    url = {"http://$public/crl/issuing-client.crl"}
    deliver { path = "$dir/live/clients.pem"  command = {"/bin/sh", "-c", "echo \$ANNUL_EVENT >>$dir/told"} }
}
CONF
check "the configuration is good" stapler -t
staple_says() { # NAME TEXT
    openssl ocsp -respin "$dir/live/$1.der" -issuer "$pki/${3:-issuing-server}.crt" -cert "$pki/$1.crt" -CAfile "$pki/root.crt" -validity_period 10000000 2>&1 | grep -q "$2"
}
check "once: exits with 0" stapler --once
check "the server's staple is good" staple_says server "server.crt: good"
check "that of an ECDSA certificate beside it" staple_says client-0 "client-0.crt: good" issuing-client
check "and that of Must-Staple" staple_says server-must-staple "good"
expect "the CRL is in PEM, and verifies" "verify OK" openssl crl -in "$dir/live/clients.pem" -noout -verify -CAfile "$pki/issuing-client.crt"
expect "the command was told" crl cat "$dir/told"
expect "status" "staple $dir/certs/server.crt: good, left 2" stapler status
also "it knows Must-Staple" "Must-Staple"
also "and what consumers have" "file $dir/live/clients.pem: delivered"
check "status in JSON" jq -e '.items | length == 4' <(stapler status --json)

# --- the daemon: waits, refreshes, is told
start_stapler
until_true 10 grep -q "certificates, " "$dir/stapler.log" # it has the cache
expect "a second one is told that the cache is taken" "another annul-stapler" stapler --once
check "for the time being" test "$(stapler --once >"$dir/second.log" 2>&1; echo $?)" = 75
# --- annuld holds the request for the CRL until there is a new one
delivered_lists() { openssl crl -in "$dir/live/clients.pem" -noout -text | grep -q "$(serial_of "$1")"; }
refuse "client-1 is not on the CRL" delivered_lists client-1
sleep 0.5 # until it waits
began=$(date +%s%3N)
ctl revoke --reason keyCompromise issuing-client "$(serial_of client-1)" >/dev/null
check "revoked: it is delivered at once" until_true 5 delivered_lists client-1
echo "note: $(($(date +%s%3N) - began)) ms from revocation to delivery"
told_twice() { [ "$(grep -c crl "$dir/told")" = 2 ]; }
check "the command was told again" until_true 5 told_twice

# --- certificates come and go
check "a new certificate is seen, and fetched for" test ! -e "$dir/live/client-3.der"
cp "$pki/client-3.crt" "$dir/certs"
check "within a second or two" until_true 5 staple_says client-3 "client-3.crt: revoked" issuing-client
expect "which is said loudly" "REVOKED" cat "$dir/stapler.log"
rm "$dir/certs/client-3.crt" "$dir/live/client-3.der"
gone() { grep -q "client-3.crt: is gone" "$dir/stapler.log"; }
check "it goes" until_true 5 gone
check "what it gave out stays, for the file may be about to be replaced" test -s "$dir/other/client-3.a"
move_clock 15
withdrawn_too() { [ ! -e "$dir/other/client-3.a" ]; }
check "and is withdrawn when it does not come back" until_true 5 withdrawn_too
old=$(sha256sum <"$dir/live/server.der")
move_clock 46800 # 13 h: past half of a day, but annuld gives out the same for 18 h
move_clock 68400
newer() { [ "$(sha256sum <"$dir/live/server.der")" != "$old" ]; }
check "refreshed at half of its life" until_true 10 newer
check "the newest is good" staple_says server "server.crt: good"
stop_stapler
expect "the end is said" "SIGTERM: stopping" tail -n 4 "$dir/stapler.log" # behind it, what was being delivered

# --- the responder is gone: a restart lives on the cache, also past half-life, and withdraws before the end
stop_daemon
rm "$dir/live/"*.der
move_clock $((68400 + 84600))
once_fails() {
    stapler --once >"$dir/once" 2>&1
    echo "status $?" | tee -a "$dir/once"
    cat "$dir/once"
    grep -q "^status 75" "$dir/once" && ! grep -q "withdrawn from $dir/live" "$dir/once"
}
check "half an hour before the end, once: fails" once_fails
refuse "and gives nothing out that ends before the next run" test -e "$dir/live/server.der"
move_clock $((68400 + 60000))
check "earlier: fails" once_fails
check "and gives out what is held" staple_says server "server.crt: good"
move_clock $((68400 + 84600))
stapler --once >"$dir/once" 2>&1
refuse "which is withdrawn when that ends" test -e "$dir/live/server.der"
move_clock $((68400 + 60000))
start_stapler
check "offline after a restart: the cached staple is delivered" until_true 5 staple_says server "server.crt: good"
check "one line tells of the failure" until_true 5 grep -q "server.crt: .*the present one stays" "$dir/stapler.log"
rm -r "$dir/cache/deliver" && : >"$dir/cache/deliver" # where its state goes
move_clock $((68400 + 86370))
withdrawn() { [ ! -e "$dir/live/server.der" ]; }
check "that it ends soon is said" until_true 5 grep -q "server.crt: .*could not be renewed" "$dir/stapler.log"
check "withdrawn before its end, whether that can be remembered or not" until_true 5 withdrawn
check "which is said" until_true 5 grep -q "cache: .*is not remembered" "$dir/stapler.log"
rm "$dir/cache/deliver" && mkdir "$dir/cache/deliver"
move_clock $((68400 + 87000))
check "the end is said" until_true 5 grep -q "server.crt: what is there has ended" "$dir/stapler.log"
check "of Must-Staple more gravely" until_true 5 grep -q "must-staple.crt: what is there has ended.*Must-Staple" "$dir/stapler.log"
expect "status says so" "ended" stapler status
refuse "and fails" stapler status
start_daemon
move_clock $((68400 + 87000 + 3700))
check "back when the responder returns" until_true 10 staple_says server "server.crt: good"

# --- links, and folders that are replaced
ln -s "$pki/client-1.crt" "$dir/other/client-1.crt"
check "a link is seen" until_true 5 staple_says client-1 "client-1.crt: revoked" issuing-client
mv "$dir/other" "$dir/away" && cp -r "$dir/away" "$dir/other"
sleep 1.5 # it is watched again
cp "$pki/client-2.crt" "$dir/other"
check "as is what comes into a folder that was replaced" until_true 5 staple_says client-2 "client-2.crt: revoked" issuing-client
cp "$pki/client-0.crt" "$dir/other"
check "what has the path of another is refused" until_true 5 grep -q "other/client-0.crt: is not delivered to" "$dir/stapler.log"
refuse "staples among the certificates are none" grep -q "other/.*[.]a: skipped" "$dir/stapler.log"
check "and stay" test -s "$dir/other/server.a"
check "nothing is said twice" test -z "$(sed 's/time=[^ ]* //' "$dir/stapler.log" | sort | uniq -d | grep -v 'version\|is gone\|stopping\|delivered\|good until\|CRL number')"
move_clock 630720000
check "a certificate that expires meanwhile is skipped" until_true 5 grep -q "server.crt: skipped: the certificate has expired" "$dir/stapler.log"
stop_stapler
finish
