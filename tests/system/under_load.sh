#!/bin/bash
# A thousand revocations while everybody asks: no answer that was asked for after an acknowledgement says good.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-1000}

write_config <<<'ocsp { cache_mb = 1 }'
start_daemon
make_token load
ctl register "$pki"/client-[0-4].crt >/dev/null
for kind in nonce no_nonce; do
    openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-1.crt" -$kind -reqout "$dir/$kind.der" >/dev/null 2>&1
done

check "$ROUNDS revocations under load, and no stale answer" python3 - "$public" "$admin" "$token" "$(serial_of client-1)" "$dir" "$ROUNDS" <<'PY'
import base64, json, socket, sys, threading, time
public, admin, token, serial, folder, rounds = sys.argv[1:]
octets = bytes.fromhex(serial)

class Link:
    def __init__(self, address):
        host, port = address.split(":")
        self.socket = socket.create_connection((host, int(port)))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""
    def ask(self, request):
        self.socket.sendall(request)
        while b"\r\n\r\n" not in self.rest:
            self.more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        while len(self.rest) < length:
            self.more()
        body, self.rest = self.rest[:length], self.rest[length:]
        return int(head.split()[1]), body
    def more(self):
        octets = self.socket.recv(65536)
        assert octets, "hung up"
        self.rest += octets

def get(der):
    return b"GET /ocsp/" + base64.b64encode(der).replace(b"/", b"%2F") + b" HTTP/1.1\r\nHost: x\r\n\r\n"
def post(der):
    return b"POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Type: application/ocsp-request\r\nContent-Length: %d\r\n\r\n" % len(der) + der
def change(what, body):
    return (b"POST /api/v1/issuers/issuing-client/certificates/%s/%s HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (serial.encode(), what, token.encode(), len(body), body))

# The state that was acknowledged: its number, and whether it is "revoked". While a change is under way it is None.
acknowledged = (0, False)
over = False
counts = {"good": 0, "revoked": 0, "stale": 0}
lock = threading.Lock()

def watch(request):
    link, seen = Link(public), {"good": 0, "revoked": 0, "stale": 0}
    while not over:
        before = acknowledged
        status, body = link.ask(request)
        assert status == 200 and octets in body, (status, body[:40])
        at = body.index(octets) + len(octets)
        revoked = body[at] == 0xa1
        assert revoked or body[at:at + 2] == b"\x80\x00"
        seen["revoked" if revoked else "good"] += 1
        # asked after the acknowledgement, and nothing else was asked for until the answer was here
        if before is not None and before is acknowledged and revoked != before[1]:
            seen["stale"] += 1
    with lock:
        for kind in seen:
            counts[kind] += seen[kind]

plain, nonce = (open(folder + "/" + name + ".der", "rb").read() for name in ("no_nonce", "nonce"))
watchers = [threading.Thread(target=watch, args=(request,))
            for request in [get(plain)] * 3 + [post(plain)] * 3 + [post(nonce)] * 2]
for watcher in watchers:
    watcher.start()
administrator, reader = Link(admin), Link(public)
direct = 0
for number in range(1, int(rounds) + 1):
    for what, body, revoked in ((b"revoke", b'{"reason":"certificateHold"}', True), (b"release", b"", False)):
        acknowledged = None
        status, answer = administrator.ask(change(what, body))
        assert status in (200, 201), (status, answer)
        acknowledged = (number, revoked)
        status, answer = reader.ask(get(plain))
        at = answer.index(octets) + len(octets)
        if (answer[at] == 0xa1) != revoked:
            direct += 1
over = True
for watcher in watchers:
    watcher.join()
print("revocations %s, answers %d, of them revoked %d, stale %d, the next one stale %d"
      % (rounds, counts["good"] + counts["revoked"], counts["revoked"], counts["stale"], direct))
sys.exit(counts["stale"] + direct > 0 or counts["revoked"] == 0)
PY
cat "$dir/out"
finish
