#!/bin/bash
# More is asked than the signer can take: beyond the queue tryLater comes at once, and what is kept goes on. Then the
# counters of /metrics.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config <<<'ocsp { cache_mb = 8 }'
sed -i "s/^public { listen = {\"$public\"}/& connections_per_address = 8192/
    /^issuer \"issuing-server\"/a presign = \"all\"" "$dir/annuld.conf"
ulimit -n "$(ulimit -Hn)"
start_daemon
ctl register "$pki"/client-[0-1].crt >/dev/null
openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -no_nonce -reqout "$dir/plain.der" >/dev/null 2>&1
many=()
for _ in $(seq 32); do many+=(-cert "$pki/client-1.crt"); done # so that few requests fill the queue before any is given up
openssl ocsp -issuer "$pki/issuing-client.crt" "${many[@]}" -reqout "$dir/nonce.der" >/dev/null 2>&1
metric() { curl -s "http://$admin/metrics" | sed -n "s/^$1 //p"; }
made() { metric "annul_ocsp_answers_total{made=\"$1\"}"; }

# --- what is counted
check "nothing was made yet" test "$(made signed) $(made cached) $(made presigned)" = "0 0 0"
for _ in 1 2 3 4; do ocsp client-0 -no_nonce >/dev/null; done
ocsp client-1 >/dev/null
check "signed: the first, and one with a nonce" test "$(made signed)" = 2
check "given again: the other three" test "$(made cached)" = 3
check "nothing was signed ahead" test "$(metric annul_ocsp_presigned_total)" = 0
ctl register "$pki/server.crt" >/dev/null
ahead() { [ "$(metric annul_ocsp_presigned_total)" = 1 ]; }
check "one signed ahead" until_true 20 ahead
on_disk() { [ "$(sqlite3 "$dir/annul.db-presigned" 'select count(*) from answer')" = 1 ]; }
check "and kept" until_true 20 on_disk
openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -no_nonce -url "http://$public/ocsp" -noverify >/dev/null 2>&1
check "given from there" test "$(made presigned)" = 1

# --- the queue is full
signer=$(pgrep -P "$daemon" -x annul-signer)
kill -STOP "$signer"
check "beyond the queue: tryLater at once, and cached answers flow" python3 - "$public" "$dir" <<'PY'
import selectors, socket, sys, time
address, folder = sys.argv[1:]
host, port = address.rsplit(":", 1)
nonce, plain = (open("%s/%s.der" % (folder, name), "rb").read() for name in ("nonce", "plain"))
TRY_LATER = bytes.fromhex("30030a0103")
def post(body):
    return b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: %d\r\n\r\n" % len(body) + body
def ask(body):
    link = socket.create_connection((host, int(port)), 30)
    link.sendall(post(body))
    return link
def body_of(link):
    octets = b""
    while b"\r\n\r\n" not in octets or len(octets.split(b"\r\n\r\n", 1)[1]) < int(
            octets.lower().split(b"content-length: ")[1].split(b"\r\n")[0]):
        more = link.recv(65536)
        assert more, "hung up"
        octets += more
    return octets.split(b"\r\n\r\n", 1)[1]
links = []
selector = selectors.DefaultSelector()
began = time.monotonic()
while len(links) < 4200 and not selector.select(0): # the queue holds less; nobody is answered until it is full
    links.append(ask(nonce))
    selector.register(links[-1], selectors.EVENT_READ)
took = time.monotonic() - began
link = ask(nonce)
began = time.monotonic()
full = body_of(link)
refusal_s = time.monotonic() - began
began = time.monotonic()
kept = body_of(ask(plain))
kept_s = time.monotonic() - began
print("refused at", len(links), "after %.1f s, in %.3f s, cached in %.3f s" % (took, refusal_s, kept_s), full.hex()[:20])
assert took < 2.5, "those who wait have been given up meanwhile"
assert full == TRY_LATER and refusal_s < 1, "not refused at once"
assert len(kept) > 100 and kept_s < 1, "what is kept does not flow"
PY
cat "$dir/out"
kill -CONT "$signer"
goes_on() { ocsp client-1 | grep -q "client-1.crt: good"; }
check "and it goes on" until_true 20 goes_on
check "the queue was full" test "$(metric 'annul_signer_refused_total{reason="busy"}')" -gt 0
check "those that heard tryLater are counted" test "$(metric 'annul_ocsp_errors_total{status="tryLater"}')" -gt 0
finish
