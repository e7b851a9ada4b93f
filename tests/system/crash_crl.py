"""kill -9 at every step of publication, and at any other moment: crash_crl.py ANNULD CONFIG PUBLIC ADMIN-SOCKET FOLDER ROUNDS [SEED]

FOLDER holds the CA certificates ISSUER.crt, the leaves that name a shard, leaf-SHARD-*.crt, crl/, what is published, and
offset, by how many seconds annuld's clock is ahead.
Each round: annuld dies while certificates are revoked, held and released and all CRLs are fetched; started again it must
publish all that it had acknowledged; then once more with more changes, which go into the CRLs that it has built itself. The
clock goes back and forth meanwhile.
Every CRL that is ever seen is checked. Prints what it did, or the first thing that was wrong.
"""
import base64
import calendar
import ctypes
import ctypes.util
import glob
import hashlib
import http.client
import json
import os
import random
import re
import socket
import ssl
import subprocess
import sys
import threading
import time

ANNULD, CONFIG, PUBLIC, ADMIN, FOLDER, ROUNDS = sys.argv[1:7]
SEED = int(sys.argv[7]) if len(sys.argv) > 7 else int(time.time())
SHARDS = 4
SOON = 60  # seconds that nothing takes, however slow the machine
# None: killed at any moment. How often a point is passed before annuld dies there is by chance.
POINTS = {"crl-number-taken": 5, "crl-signed": 5, "crl-written": 5, "crl-half-renamed": 5, "crl-renamed": 5,
          "crl-recorded": 5, "crl-cleaned": 5, "store-commit": 25, "store-committed": 25, None: 0}
REASONS = ["unspecified", "keyCompromise", "superseded", "certificateHold", "certificateHold", "certificateHold"]
CODES = {"unspecified": 0, "keyCompromise": 1, "superseded": 4, "certificateHold": 6}
REMOVE = 8
SKEW = 300  # seconds that thisUpdate may be ahead of a clock that was set back
crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name in ("d2i_X509", "d2i_X509_CRL", "X509_get_pubkey"):
    getattr(crypto, name).restype = ctypes.c_void_p
chance = random.Random(SEED)


def check(good, *what):
    if not good:
        raise AssertionError(" ".join(str(x) for x in what))


def until(condition, what):
    end = time.monotonic() + SOON
    while not condition():
        check(time.monotonic() < end, what())
        time.sleep(0.005)


# --- CRLs ----------------------------------------------------------------------------------------------------

def elements(der, at, end):
    """(tag, start of the content, its end) of each element."""
    while at < end:
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            more = length & 0x7F
            length, at = int.from_bytes(der[at:at + more], "big"), at + more
        yield tag, at, at + length
        at += length
    check(at == end, "an element ends behind what it is in")


def d2i(function, der):
    at = ctypes.c_char_p(der)
    return ctypes.c_void_p(getattr(crypto, function)(None, ctypes.byref(at), ctypes.c_long(len(der))))


class Key:
    def __init__(self, issuer):
        with open("%s/%s.crt" % (FOLDER, issuer)) as file:
            certificate = d2i("d2i_X509", ssl.PEM_cert_to_DER_cert(file.read()))
        self.key = ctypes.c_void_p(crypto.X509_get_pubkey(certificate))

    def has_signed(self, der):
        crl = d2i("d2i_X509_CRL", der)
        good = bool(crl.value) and crypto.X509_CRL_verify(crl, self.key) == 1
        crypto.X509_CRL_free(crl)
        return good


class Crl:
    def __init__(self, der):
        (_, start, end), = elements(der, 0, len(der))
        tbs = next(elements(der, start, end))
        fields = list(elements(der, *tbs[1:]))
        self.der, self.number, self.base, self.entries = der, None, None, {}
        text = der[fields[3][1]:fields[3][2]].decode()
        self.this_update = calendar.timegm(time.strptime(text, "%y%m%d%H%M%SZ"))
        if fields[5][0] == 0x30:
            self.entries = dict(self.entry(*entry[1:]) for entry in elements(der, *fields[5][1:]))
        (_, start, end), = elements(der, *fields[-1][1:])
        for oid, value in self.extensions(start, end):
            if oid in (b"\x55\x1d\x14", b"\x55\x1d\x1b"):
                (_, at, past), = elements(value, 0, len(value))
                setattr(self, "base" if oid[2] == 0x1B else "number", int.from_bytes(value[at:past], "big"))

    def extensions(self, start, end):
        for _, first, last in elements(self.der, start, end):
            parts = list(elements(self.der, first, last))
            yield self.der[parts[0][1]:parts[0][2]], self.der[parts[-1][1]:parts[-1][2]]

    def entry(self, start, end):
        parts = list(elements(self.der, start, end))
        reason = 0
        if len(parts) == 3:
            for oid, value in self.extensions(*parts[2][1:]):
                reason = value[-1] if oid == b"\x55\x1d\x15" else reason
        return int.from_bytes(self.der[parts[0][1]:parts[0][2]], "big"), reason


class Line:
    """One CRL of an issuer, and all that was ever seen of it."""

    def __init__(self, issuer, name, folder, shard=None):
        self.issuer, self.name, self.folder, self.shard = issuer, name, "%s/crl/%s" % (FOLDER, folder), shard
        self.seen = {}  # number: Crl
        self.last = 0
        self.key = keys[issuer]

    def take(self, der):
        """What was served just now."""
        known = self.seen.get(self.last)
        if known and known.der == der:
            return known
        crl = Crl(der)
        check(self.key.has_signed(der), self.name, crl.number, "is not signed by its CA")
        check(crl.number >= self.last, self.name, "went from", self.last, "back to", crl.number)
        check(crl.number not in self.seen, self.name, "has had two contents with the number", crl.number)
        self.seen[crl.number] = crl
        self.last = crl.number
        return crl


class Eye:
    """Fetches CRLs; a connection serves for many."""

    def __init__(self):
        self.link = http.client.HTTPConnection(PUBLIC, timeout=SOON)

    def look(self, line, ending="crl"):
        self.link.request("GET", "/crl/%s.%s" % (line.name, ending))
        reply = self.link.getresponse()
        body = reply.read()  # raises where it is shorter than Content-Length
        if reply.status == 503 and not line.last:
            return None
        check(reply.status == 200, line.name, "is", reply.status, "after it had been published")
        check(int(reply.headers["Content-Length"]) == len(body), line.name, "has no length")
        der = from_pem(body) if ending == "pem" else body
        check(hashlib.sha256(der).hexdigest() in reply.headers["ETag"], line.name, "is not what its ETag says")
        return line.take(der)


def from_pem(text):
    match = re.fullmatch(rb"-----BEGIN X509 CRL-----\n([A-Za-z0-9+/=\n]+)-----END X509 CRL-----\n", text)
    check(match, "no PEM:", text[:80], text[-80:])
    return base64.b64decode(match.group(1))


keys = {issuer: Key(issuer) for issuer in ("plain", "deltas", "sharded")}
plain, base, whole = Line("plain", "plain", "plain"), Line("deltas", "deltas", "deltas"), Line("sharded", "sharded", "sharded")
delta = Line("deltas", "deltas-delta", "deltas/delta")
shards = [Line("sharded", "sharded/%d" % n, "sharded/%d" % n, n) for n in range(SHARDS)]
lines = [plain, base, delta, whole] + shards


# --- the daemon ----------------------------------------------------------------------------------------------

class Admin(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SOON)
        self.sock.connect(ADMIN)


GONE = (OSError, http.client.HTTPException)


class Daemon:
    def __init__(self, fault=None):
        environment = dict(os.environ, **({"ANNUL_FAULT": fault} if fault else {}))
        with open(FOLDER + "/annuld.log", "ab") as log:
            self.process = subprocess.Popen([ANNULD, "-c", CONFIG], env=environment, stdout=log, stderr=log)
        self.admin = Admin("annul")
        self.may_die = fault is not None

    def is_up(self):
        return self.process.poll() is None

    def ask(self, method, path, body=None):
        self.admin.request(method, path, body)
        reply = self.admin.getresponse()
        text = reply.read()
        check(reply.status == 200, method, path, body, reply.status, text)
        return json.loads(text) if text[:1] == b"{" else text

    def until_it_answers(self):
        """Or is dead."""
        end = time.monotonic() + SOON
        while self.is_up():
            try:
                self.admin.request("GET", "/readyz")
                reply = self.admin.getresponse()
                reply.read()
                if reply.status == 200 or self.may_die:
                    return
            except GONE:
                self.admin.close()
            check(time.monotonic() < end, "annuld does not get ready")
            time.sleep(0.005)
        check(self.may_die, "annuld ended at its start")

    def kill(self):
        self.process.kill()
        self.end()

    def end(self):
        check(self.process.wait(SOON) == -9, "annuld ended with", self.process.returncode)
        self.admin.close()


# --- changes -------------------------------------------------------------------------------------------------

statuses = {}  # (issuer, serial): CRLReason, or None: good; as acknowledged
placed = {}    # serial: the shard that lists it
leaves = sorted(glob.glob(FOLDER + "/leaf-*.crt"))
offset = 0     # of annuld's clock
doubt = None   # (issuer, serial) of a change that was not answered
unanswered = False  # so was the registration of the last of the leaves
counts = {"changes": 0, "died at a point": 0}


def note(issuer, answer):
    statuses[issuer, int(answer["serial"], 16)] = None if answer["status"] == "good" else CODES[answer["reason"]]


def certificate(issuer, serial):
    return "/api/v1/issuers/%s/certificates/%x" % (issuer, serial)


def register_leaf(daemon):
    """A serial that was known alone gets its certificate, which names a shard: it goes there."""
    global unanswered
    unanswered = True
    _, shard, serial = os.path.basename(leaves[-1])[:-4].split("-")
    with open(leaves[-1]) as file:
        daemon.ask("POST", "/api/v1/certificates", file.read())
    placed[int(serial, 16)] = int(shard)
    leaves.pop()
    unanswered = False


def change(daemon):
    global doubt
    kind = chance.random()
    if kind < 0.04:
        daemon.ask("POST", "/api/v1/issuers/%s/crl" % chance.choice(list(keys)))
        return
    if kind < 0.06 and leaves:
        register_leaf(daemon)
        return
    issuer, serial = doubt = chance.choice(list(statuses))
    held = statuses[doubt] == CODES["certificateHold"]
    if held and chance.random() < 0.8:
        answer = daemon.ask("POST", certificate(issuer, serial) + "/release")
    else:
        body = json.dumps({"reason": chance.choice(REASONS)})
        answer = daemon.ask("POST", certificate(issuer, serial) + "/revoke", body)
    note(issuer, answer)
    doubt = None
    counts["changes"] += 1


def settle_doubt(daemon):
    """A change that was not answered has been made or has not."""
    global doubt
    if doubt:
        note(doubt[0], daemon.ask("GET", certificate(*doubt)))
    doubt = None
    if unanswered:
        register_leaf(daemon)


# --- what must be published ----------------------------------------------------------------------------------

def wanted(issuer):
    return {serial: reason for (of, serial), reason in statuses.items() if of == issuer and reason is not None}


def with_delta(complete, crl):
    entries = dict(complete.entries)
    for serial, reason in crl.entries.items():
        if reason == REMOVE:
            entries.pop(serial, None)
        else:
            entries[serial] = reason
    return entries


def is_published(eye):
    """'' where every list says what was acknowledged, or which does not."""
    for line in lines:
        if eye.look(line).this_update > time.time() + offset + SKEW:
            return line.name + " is of a time to come"
    if eye.look(plain).entries != wanted("plain"):
        return "plain"
    if eye.look(whole).entries != wanted("sharded"):
        return "the whole of sharded"
    for shard in shards:
        eye.look(shard)
    of_all = [(serial, shard.shard) for shard in shards for serial in shard.seen[shard.last].entries]
    union = {s: r for shard in shards for s, r in shard.seen[shard.last].entries.items()}
    if union != wanted("sharded") or len(of_all) != len(union):
        return "the shards: %s" % sorted("%x" % serial for serial, _ in set(union.items()) ^ set(wanted("sharded").items()))
    for serial, shard in of_all:
        if placed.setdefault(serial, shard) != shard:
            return "shard %d has %x of shard %d" % (shard, serial, placed[serial])
    complete, change_since = eye.look(base), eye.look(delta)
    if change_since.number < complete.number: # died between the two: the base says it all
        return "" if complete.entries == wanted("deltas") else "the base"
    for number, crl in base.seen.items(): # RFC 5280 section 5.2.4: whatever complete one a client has
        if change_since.base <= number <= change_since.number and with_delta(crl, change_since) != wanted("deltas"):
            return "delta %d with the complete CRL %d" % (change_since.number, number)
    return ""


def until_published(eye):
    until(lambda: not is_published(eye), lambda: "not as acknowledged: " + is_published(eye))
    for line in lines:
        until(lambda: is_tidy(eye, line), lambda: "%s: %s" % (line.folder, os.listdir(line.folder)))


def is_tidy(eye, line):
    crl = eye.look(line)
    names = {name for name in os.listdir(line.folder) if not os.path.isdir(line.folder + "/" + name)}
    return names == {"%d.crl" % crl.number, "%d.pem" % crl.number} and eye.look(line, "pem") is crl


# --- a round -------------------------------------------------------------------------------------------------

class Watcher(threading.Thread):
    """Fetches everything for as long as annuld lives."""

    def __init__(self, daemon):
        super().__init__()
        self.daemon, self.failure = daemon, None
        self.start()

    def run(self):
        while self.daemon.is_up():
            eye = Eye()
            try:
                while True:
                    for line in lines:
                        eye.look(line)
                        eye.look(line, "pem")
            except GONE:
                time.sleep(0.002)  # not listening yet, or dead: never in between
            except AssertionError as failure:
                self.failure = failure
                return


def die(point):
    """A start that ends at a fault point, or soon."""
    daemon = Daemon("%s:%d" % (point, chance.randint(1, POINTS[point])) if point else "none")
    watcher = Watcher(daemon)
    until = time.monotonic() + chance.uniform(0, 0.4) if not point else float("inf")
    try:
        daemon.until_it_answers()
        for _ in range(40):
            if time.monotonic() > until:
                break
            change(daemon)
    except GONE:
        counts["died at a point"] += 1
    daemon.kill()
    watcher.join(SOON)
    check(not watcher.is_alive(), "a request for a CRL outlived annuld")
    if watcher.failure:
        raise watcher.failure


def damage():
    """A crash of the machine may cut a PEM short: it is not waited for."""
    for path in glob.glob(FOLDER + "/crl/**/*.pem", recursive=True):
        if chance.random() < 0.3:
            os.truncate(path, chance.randrange(os.path.getsize(path)))


def set_clock():
    global offset
    offset = chance.choice([0, 0, 4000, 40000])  # while the certificates count, and not past any nextUpdate
    with open(FOLDER + "/offset.tmp", "w") as file:
        file.write("%d" % offset)
    os.rename(FOLDER + "/offset.tmp", FOLDER + "/offset")


def live():
    daemon = Daemon()
    daemon.until_it_answers()
    eye = Eye()
    settle_doubt(daemon)
    until_published(eye)
    if chance.random() < 0.2:
        set_clock()
    for _ in range(chance.randint(1, 6)):
        change(daemon)
    until_published(eye)
    for _ in range(chance.randint(0, 3)):
        change(daemon)
    time.sleep(chance.uniform(0, 0.03))
    daemon.kill()


def learn_certificates():
    daemon = Daemon()
    daemon.until_it_answers()
    for issuer in keys:
        after = ""
        while after is not None:
            page = daemon.ask("GET", "/api/v1/issuers/%s/certificates?limit=500%s" % (issuer, after))
            for one in page["certificates"]:
                note(issuer, one)
            after = page.get("next") and "&after=" + page["next"]
    until_published(Eye())
    daemon.kill()


start = time.monotonic()
n = 0
try:
    learn_certificates()
    for n in range(int(ROUNDS)):
        point = list(POINTS)[n % len(POINTS)]
        die(point)
        if chance.random() < 0.3:
            damage()
        live()
except AssertionError as failure:
    print("round %d, seed %d: %s" % (n, SEED, failure))
    sys.exit(1)
print("%s rounds in %d s: %d changes, %d CRLs seen, annuld died by itself %d times" % (
    ROUNDS, time.monotonic() - start, counts["changes"], sum(len(line.seen) for line in lines), counts["died at a point"]))
