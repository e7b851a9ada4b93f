#!/bin/bash
# HAProxy: <crt>.ocsp and crl-file, by file and live by its socket.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"

# One that is told live, by its socket, and one that is reloaded.
for kind in live file; do
    mkdir "$dir/$kind"
    cat "$pki/server.crt" "$pki/server-chain.pem" "$pki/server.key" >"$dir/$kind/server.pem"
done
cat "$pki/server.crt" "$pki/server.key" >"$dir/live/lone.pem" # without the chain: .issuer is needed
live=127.0.0.1:$(free_port)
lone=127.0.0.1:$(free_port)
mutual=127.0.0.1:$(free_port)
file=127.0.0.1:$(free_port)
defaults="defaults
    mode http
    option idle-close-on-response
    timeout connect 5s
    timeout client 5s
    timeout server 5s"
cat >"$dir/live.cfg" <<CONF
global
    stats socket $dir/live.sock level admin
$defaults
frontend live
    bind $live ssl crt $dir/live/server.pem
    http-request return status 200
frontend lone
    bind $lone ssl crt $dir/live/lone.pem
    http-request return status 200
frontend mutual
    bind $mutual ssl crt $dir/live/server.pem ca-file $pki/chain.pem verify required crl-file $dir/crls.pem
    http-request return status 200
CONF
cat >"$dir/file.cfg" <<CONF
$defaults
frontend file
    bind $file ssl crt $dir/file/server.pem
    http-request return status 200
CONF
start_haproxy() { # live|file ADDRESS
    consumer "$dir/haproxy.log" haproxy -W -p "$dir/$1.pid" -f "$dir/$1.cfg"
    until_true 10 curl -sk "https://$2/"
}
configure() { # [KEYS OF THE STAPLES]
    write_stapler_config <<CONF
staple "live" {
    certificate = {"$dir/live"}
    $1
    deliver { kind = "haproxy"  socket = "$dir/live.sock" }
}
staple "file" {
    certificate = {"$dir/file/server.pem"}
    $1
    deliver { kind = "haproxy"  pid_file = "$dir/file.pid"  signal = "USR2"  process = "haproxy" }
}
crl "clients" {
    issuer = {"$pki/chain.pem"}
    $(crl_urls)
    deliver { kind = "haproxy"  path = "$dir/crls.pem"  socket = "$dir/live.sock"
              pid_file = "$dir/live.pid"  signal = "USR2"  process = "haproxy" }
}
CONF
}

# --- a responder that keeps us waiting: what HAProxy needs at its start is there all the same
silent=127.0.0.1:$(free_port)
python3 -c '
import socket, sys, time
host, port = sys.argv[1].split(":")
s = socket.create_server((host, int(port)))
open(sys.argv[2], "w")
time.sleep(600)' "$silent" "$dir/silent" &
started+=("$!")
check "a responder is silent" until_true 10 test -e "$dir/silent"
configure "responder = {\"http://$silent/\"}"
start_stapler
for pem in live/server live/lone file/server; do
    check "$pem: an empty file for the pushes to come" until_true 3 test -e "$dir/$pem.pem.ocsp" -a ! -s "$dir/$pem.pem.ocsp"
    check "and the issuer" cmp "$dir/$pem.pem.issuer" "$pki/issuing-server.crt"
done
check "the CRLs are there" until_true 10 test -s "$dir/crls.pem"
check "HAProxy starts" start_haproxy live "$live"
check "and the other one" start_haproxy file "$file"
check "it staples nothing" staples_nothing "$live"
stop_stapler

# --- live
configure "$(responder)"
start_stapler
check "pushed, and stapled by who had nothing at its start" until_true 10 staples "$live" good
check "without its chain, too" until_true 10 staples "$lone" good
crl_story client-1 http "$mutual"
loop_start http "$live"
staple_story "$live"

# --- after a restart it may have read other files than it was told of
before=$(cat "$dir/live.pid")
end_consumers
: >"$dir/live/server.pem.ocsp"
check "HAProxy starts again" start_haproxy live "$live"
check "and so does the other one" start_haproxy file "$file"
check "another process" test "$(cat "$dir/live.pid")" != "$before"
check "is told again" until_true 15 staples "$live" good

# --- by file and reload
loop_start http "$file"
staple_story "$file"

# --- revoked
ctl revoke --reason certificateHold issuing-server "$(serial_of server)" >/dev/null
later 68400
check "revoked is stapled, live" until_true 10 staples "$live" revoked
check "and by file" until_true 10 staples "$file" revoked

# --- what is larger than tune.bufsize goes by file and reload
write_ca_config
{
    printf 'R\t300101000000Z\t260101000000Z\t%s\tunknown\t/CN=client-4\n' "$(serial_of client-4)"
    for n in {1000..1999}; do printf 'R\t300101000000Z\t260101000000Z\t%s\tunknown\t/CN=%s\n' "$n" "$n"; done
} >"$dir/index.txt"
check "client-4 gets in" gets_in http "$mutual" client-4
ctl import issuing-client "$dir/index.txt" >/dev/null
check "client-4 is refused" until_true 15 is_refused http "$mutual" client-4
check "by a bundle that no socket takes" test "$(stat -c %s "$dir/crls.pem")" -gt 16384
check "client-0 gets in" gets_in http "$mutual" client-0
finish
