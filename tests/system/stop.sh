#!/bin/bash
# annuld ends when it is told to, whatever is under way; and under load nobody gets an error.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
write_config </dev/null
start_daemon
ctl register "$pki"/client-[0-3].crt >/dev/null
request() { # NAME [OPTION]: a request in $dir/NAME.der
    openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/$1.crt" ${2:+"$2"} -reqout "$dir/$1.der" >/dev/null 2>&1
}
post() { curl -s --data-binary "@$dir/$1.der" -H 'Content-Type: application/ocsp-request' "http://$public/ocsp"; }

# keep-alive clients that ask with a nonce, so that each answer must be signed; counts what is no signed answer
request client-0
cat >"$dir/load.py" <<'PY'
import http.client, sys, threading, urllib.parse
address, body, clients, rounds = sys.argv[1], open(sys.argv[2], "rb").read(), int(sys.argv[3]), int(sys.argv[4])
bad = []
def ask():
    link = http.client.HTTPConnection(address, timeout=30)
    try:
        for _ in range(rounds):
            link.request("POST", "/ocsp", body, {"Content-Type": "application/ocsp-request"})
            if len(link.getresponse().read()) < 100:
                bad.append("an error")
    except (OSError, http.client.HTTPException) as e:
        if rounds < 1000:
            bad.append(repr(e))
threads = [threading.Thread(target=ask) for _ in range(clients)]
for t in threads: t.start()
for t in threads: t.join()
print(len(bad), "of", clients * rounds, bad[:3])
sys.exit(1 if bad else 0)
PY
check "800 clients at once: every answer is signed" python3 "$dir/load.py" "$public" "$dir/client-0.der" 800 5

# --- told to stop in the middle of it
for round in 1 2 3 4; do
    python3 "$dir/load.py" "$public" "$dir/client-0.der" 48 100000 >/dev/null 2>&1 &
    load=$!
    loaded() { [ "$(find "/proc/$daemon/fd" | wc -l)" -gt 70 ]; }
    check "the load is there" until_true 5 loaded
    before=$failures
    stop_daemon
    [ "$failures" != "$before" ] || echo "ok: stops under load, round $round"
    kill $load 2>/dev/null
    wait $load 2>/dev/null
    start_daemon
done

# --- in the middle of connections that come and go, and are refused
cat >"$dir/refused.py" <<'PY'
import socket, sys, threading
host, port = sys.argv[1].rsplit(":", 1)
def ask():
    while True:
        try:
            with socket.create_connection((host, int(port)), 1) as s:
                s.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
                s.recv(1000)
        except OSError:
            pass
for _ in range(3):
    threading.Thread(target=ask).start()
PY
python3 "$dir/refused.py" "$public" &
load=$!
before=$failures
for _ in $(seq "${STOPS:-15}"); do
    stop_daemon
    start_daemon
done
kill -9 $load
wait $load 2>/dev/null
[ "$failures" != "$before" ] || echo "ok: stops among refused requests"

# --- while the signer hangs: who waits hears, nobody keeps it from ending
request client-1 -no_nonce
post client-1 >/dev/null
signer=$(pgrep -P "$daemon" -x annul-signer)
echo 50000 >"$dir/offset" # past half of the answer's life: it is signed anew in the background
kill -STOP "$signer"
post client-1 >/dev/null
ctl crl publish issuing-client >"$dir/publish1" 2>&1 &
first=$!
ctl crl publish issuing-server >"$dir/publish2" 2>&1 &
second=$!
check "the admin API answers meanwhile" curl -sf -m 5 -o /dev/null --unix-socket "$dir/admin.sock" http://x/healthz
expect "and revokes" '"status":"revoked"' timeout 5 "$BUILD/annulctl" -s "$dir/admin.sock" --json revoke issuing-client "$(serial_of client-2)"
start=$SECONDS
stop_daemon
check "it ends within 15 seconds" test $((SECONDS - start)) -lt 15
check "who asked for a CRL was told" bash -c "! wait $first $second; true"
wait $first
check "with an error" test $? != 0
kill -CONT "$signer" 2>/dev/null

# --- registered while a signature about "unknown" is under way: the next one to ask hears the truth
echo 0 >"$dir/offset"
start_daemon
request client-4 -no_nonce
signer=$(pgrep -P "$daemon" -x annul-signer)
kill -STOP "$signer"
post client-4 >"$dir/before" &
before=$!
ctl register "$pki/client-4.crt" >/dev/null
post client-4 >"$dir/after" &
after=$!
kill -CONT "$signer"
wait $before $after
expect "the answer after a registration" "Cert Status: good" openssl ocsp -respin "$dir/after" -noverify -resp_text

# --- two CRLs within one second: no date makes a cache miss the second
make_token stop
header() { curl -s -o /dev/null -D - "$@" | tr -d '\r'; }
missed=0
for n in 0 1; do
    date=$(header "http://$public/crl/issuing-client.crl" | sed -n 's/^Last-Modified: //p')
    now=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
    number=$(crl_number issuing-client)
    api POST "issuers/issuing-client/certificates/$(serial_of client-$n)/revoke" -d '{"reason":"superseded"}' >/dev/null
    other() { [ "$(crl_number issuing-client)" != "$number" ]; }
    until_true 2 other
    header -H "If-Modified-Since: ${date:-$now}" "http://$public/crl/issuing-client.crl" | grep -q ' 200 ' || missed=$((missed + 1))
done
check "If-Modified-Since never hides a revocation" test $missed = 0
finish
