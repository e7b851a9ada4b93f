"""Clients that wait for the next CRL: waiting.py ADDRESS:PORT ADMIN-SOCKET PID PART [NUMBER]

Prints a line a check; its exit status is the number of those that failed.
"""
import http.client
import json
import os
import re
import select
import socket
import struct
import sys
import threading
import time

from rawhttp import Link, ask, check, finish, get, host, port

admin_path, pid, part = sys.argv[2], int(sys.argv[3]), sys.argv[4]
CRL = "/crl/issuing-client.crl"
# how long what should take a second may take: a sanitizer is slow
SECOND = float(os.environ.get("ANNUL_TEST_SECOND", "1"))


class Admin(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(admin_path)


def admin(method, path, body=None):
    link = Admin("annul")
    link.request(method, path, body)
    reply = link.getresponse()
    text = reply.read().decode()
    assert reply.status == 200, (reply.status, text)
    link.close()
    return text


def publish(issuer="issuing-client"):
    admin("POST", "/api/v1/issuers/%s/crl" % issuer)


def register(serial, issuer="issuing-client"):
    admin("POST", "/api/v1/issuers/%s/import" % issuer, json.dumps({"serial": serial, "status": "good"}))


def revoke(serial, issuer="issuing-client"):
    admin("POST", "/api/v1/issuers/%s/certificates/%s/revoke" % (issuer, serial), '{"reason":"keyCompromise"}')


def waiting():
    return int(re.search(r"^annul_crl_waiting (\d+)$", admin("GET", "/metrics"), re.M).group(1))


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def etag(path=CRL):
    return ask(get(path, method="HEAD"), "HEAD")["etag"]


def wait_for(path=CRL, seconds=30, known=None, method="GET", source=None):
    """A connection on which a client waits."""
    return Link(get(path, "If-None-Match: " + (known or etag(path)), "Prefer: wait=%d" % seconds, method=method), source)


def cpu_ticks():
    fields = open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def resident_kb():
    return int(re.search(r"VmRSS:\s+(\d+)", open("/proc/%d/status" % pid).read()).group(1))


def has_answer(link, seconds=0):
    poll = select.poll()
    poll.register(link.socket, select.POLLIN)
    return poll.poll(1000 * seconds) != []


def gather(links):
    """The replies, and when the last one was there. What comes is read as it comes: as clients on other machines do."""
    poll, by_fd, replies, last = select.epoll(), {}, {}, 0
    for link in links:
        by_fd[link.socket.fileno()] = link
        poll.register(link.socket.fileno(), select.EPOLLIN)
    end = time.monotonic() + 60
    while by_fd and time.monotonic() < end:
        for fd, _ in poll.poll(1):
            link = by_fd[fd]
            replies[link] = link.reply()
            last = time.monotonic()
            poll.unregister(fd)
            del by_fd[fd]
    return [replies.get(link) for link in links], last


def many():
    """Thousands wait, for all kinds of CRLs; one revocation, and all have it."""
    count = int(sys.argv[5])
    check("nobody waits yet", waiting() == 0)
    idle_kb = resident_kb()
    links = [Link() for _ in range(count)]
    for attempt in range(3):  # other processes may be in the way of one
        took = revoked_before_many(links, "aa5%x" % attempt, idle_kb)
        if took < SECOND:
            break
    check("within a second", took < SECOND, "%.3f s" % took)
    check("nobody waits any more", until(lambda: waiting() == 0), waiting())


def revoked_before_many(links, serial, idle_kb):
    count = len(links)
    paths = [CRL] * 7 + ["/crl/issuing-client.pem", "/ca.crl", "/crl/issuing-client/chain.pem", "/crl/bundle.pem"]
    known = {path: etag(path) for path in paths}
    register(serial)
    for n, link in enumerate(links):
        path = paths[n % len(paths)]
        link.send(get(path, "If-None-Match: " + known[path], "Prefer: wait=60"))
    check("%d wait" % count, until(lambda: waiting() == count), waiting())
    print("   %.1f KB resident each" % ((resident_kb() - idle_kb) / count))
    ticks = cpu_ticks()
    time.sleep(1)
    ticks = cpu_ticks() - ticks
    check("they cost nothing while they wait", ticks <= 2, "%d ticks in a second" % ticks)

    others, done = [], threading.Event()  # how long somebody waits who asks all the time meanwhile

    def ask_on():
        link = Link()
        while not done.is_set():
            start = time.monotonic()
            link.send(get("/crl/issuing-server.crl"))
            link.reply()
            others.append(time.monotonic() - start)

    other = threading.Thread(target=ask_on)
    other.start()
    start = time.monotonic()
    revoke(serial)
    replies, last = gather(links)
    done.set()
    other.join()
    check("all of them are answered", all(replies), replies.count(None))
    bad = [r for r in replies if not r or r.status != 200 or r["etag"] in known.values()]
    check("with the new bytes", not bad, bad[:1])
    check("in which the serial is", b"\x02\x03\x00" + bytes.fromhex(serial) in replies[0].body, replies[0])
    bodies = {(paths[n % len(paths)], r.body) for n, r in enumerate(replies) if r}
    check("the same for all who asked for the same", len(bodies) == len(known), len(bodies))
    check("they hear how long they might have waited", all(r["preference-applied"] == "wait=60" for r in replies))
    print("   %.0f ms from the revocation to the last of %d; others waited %.0f ms at the most" % (
        1000 * (last - start), count, 1000 * max(others)))
    return last - start


def timed():
    """The time passes, for all at once."""
    known = etag()
    start = time.monotonic()
    links = {
        "GET": wait_for(seconds=1),
        "HEAD": wait_for(seconds=1, method="HEAD"),
        "an alias": wait_for("/ca.crl", 1),
        "the chain": wait_for("/crl/issuing-client/chain.pem", 1),
        "the bundle": wait_for("/crl/bundle.pem", 1),
        "anything": wait_for(seconds=1, known="*"),
        "one of a list": wait_for(seconds=1, known='"x", W/' + known),
        "in two lines": Link(get(CRL, 'If-None-Match: "x"', "If-None-Match: " + known, "Prefer: respond-async",
                                 'prefer: foo; bar="wait=9", Wait="1"; x')),
        "HTTP/1.0": Link(get(CRL, "If-None-Match: " + known, "Prefer: wait=1", version="1.0")),
    }
    for what, link in links.items():
        reply = link.reply("HEAD")
        took = time.monotonic() - start
        check("%s: 304 when the time has passed" % what, reply and reply.status == 304, reply)
        check("%s: a second" % what, 0.99 < took < 1 + 2 * SECOND, took)
        check("%s: says so" % what, reply and reply["preference-applied"] == "wait=1", reply)
        check("%s: for caches" % what, reply and reply["vary"] == "Prefer" and
              reply["cache-control"].startswith("max-age=0"), reply)

    start = time.monotonic()
    for what, headers, status in (
            ("another ETag", ['If-None-Match: "x"', "Prefer: wait=30"], 200),
            ("no ETag", ["Prefer: wait=30"], 200),
            ("no preference", ["If-None-Match: " + known], 304),
            ("no time", ["If-None-Match: " + known, "Prefer: wait=0"], 304),
            ("no number", ["If-None-Match: " + known, "Prefer: wait=soon"], 304),
            ("another preference", ["If-None-Match: " + known, "Prefer: waiting=9, x; wait=9"], 304)):
        reply = ask(get(CRL, *headers))
        check("%s: %d" % (what, status), reply and reply.status == status, reply)
        check("%s: did not wait" % what, reply and not reply["preference-applied"] and reply["vary"] == "Prefer", reply)
    check("at once", time.monotonic() - start < 5)
    check("a CRL that is not there is not waited for", ask(get("/crl/x.crl", "If-None-Match: *", "Prefer: wait=30")).status == 404)


def gone():
    """Clients that go away, wholly or by half."""
    links = [wait_for() for _ in range(40)]
    check("forty wait", until(lambda: waiting() == 40), waiting())
    for n, link in enumerate(links):
        if n % 2:  # with RST
            link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif n % 4:  # there is more to read than the end
            link.send(get(CRL))
        link.socket.close()
    check("those who go are noticed", until(lambda: waiting() == 0), waiting())

    half = wait_for()
    half.socket.shutdown(socket.SHUT_WR)
    reply = half.reply()
    check("who has closed one half hears what there is", reply and reply.status == 304, reply)

    link = wait_for()
    check("one waits", until(lambda: waiting() == 1), waiting())
    link.send(get("/crl/issuing-server.crl") + get("/nothing"))
    publish()
    check("what was sent meanwhile is answered in order", [link.reply().status for _ in range(3)] == [200, 200, 404])
    link.send(get(CRL, "If-None-Match: " + etag(), "Prefer: wait=30"))
    check("and it can wait again", until(lambda: waiting() == 1), waiting())
    publish("issuing-server")
    check("not woken by another's CRL", waiting() == 1)
    publish()
    check("but by its own", link.reply().status == 200)


def parts():
    """Shards and deltas: only what changed wakes."""
    named = {"shard %d" % n: "/crl/parts/%d.crl" % n for n in range(4)}
    named.update({"the delta": "/crl/parts-delta.crl", "the whole": "/crl/parts.crl", "the delta in PEM": "/crl/parts-delta.pem"})
    register("0b", "parts")
    links = {what: wait_for(path) for what, path in named.items()}
    check("they wait", until(lambda: waiting() == len(links)), waiting())
    revoke("0b", "parts")
    check("a shard and the deltas are there", until(lambda: waiting() == len(links) - 3), waiting())
    woken = [what for what, link in links.items() if has_answer(link)]
    check("these, and not the base", "the delta" in woken and "the delta in PEM" in woken and "the whole" not in woken, woken)
    for what in woken:
        check(what + " is new", links[what].reply().status == 200)


def bounds():
    """Three an address and five in all (Prefer: wait=9 is cut to a second by the configuration)."""
    known = etag()
    start = time.monotonic()
    links = [wait_for(seconds=9, known=known) for _ in range(3)]
    check("three wait", until(lambda: waiting() == 3), waiting())

    def refused(source):
        reply = wait_for(seconds=9, known=known, source=source).reply()
        return reply.status == 304 and reply["preference-applied"] is None
    check("a fourth of one address does not", refused(None))
    others = [wait_for(seconds=9, known=known, source=("127.0.0.2", 0)) for _ in range(2)]
    check("two of another do", until(lambda: waiting() == 5), waiting())
    check("a sixth does not", refused(("127.0.0.3", 0)))
    others.pop().socket.close()
    links.pop().socket.close()
    check("places become free", until(lambda: waiting() <= 3), waiting())
    for link in links + others:
        reply = link.reply()
        check("as long as the configuration allows", reply.status == 304 and reply["preference-applied"] == "wait=1", reply)
    check("no longer", time.monotonic() - start < 1 + 3 * SECOND)


def missed():
    """A CRL comes in the very moment between the look at the present one and the sleep (annuld takes its time there): who
    came before it is woken by it, the others see it."""
    slept = 0
    links = [Link() for _ in range(40)]
    for _ in range(10):
        question = get(CRL, "If-None-Match: " + etag(), "Prefer: wait=30")
        publication = threading.Thread(target=publish)
        publication.start()
        asked = []
        while publication.is_alive() and len(asked) < len(links):
            links[len(asked)].send(question)
            asked.append(links[len(asked)])
            time.sleep(0.002)
        publication.join()
        slept += sum(not has_answer(link, 5 * SECOND) for link in asked)
        if slept:
            break
        slept += [link.reply().status for link in asked].count(304)
    check("nobody sleeps through a CRL", slept == 0, "%d clients do" % slept)


def unread():
    """Clients that do not read what they have waited for (it is more than their sockets take) keep nobody from theirs."""
    path = "/crl/issuing-client/chain.pem"
    links = [wait_for(path, 60, known) for known in [etag(path)] * 256]
    for link in links:
        link.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    check("all of an address wait", until(lambda: waiting() == 256), waiting())
    other = wait_for(seconds=60, source=("127.0.0.2", 0))  # its time ends last, so it is the last to be released
    check("and one of another", until(lambda: waiting() == 257), waiting())
    publish()
    check("that one is answered", has_answer(other, 5 * SECOND) and other.reply().status == 200)
    for link in links:
        link.socket.close()


def stopped():
    """annuld is told to end while many wait: all hear at once."""
    links = [wait_for(known=etag(), seconds=60) for _ in range(500)]
    check("they wait", until(lambda: waiting() == 500), waiting())
    start = time.monotonic()
    os.kill(pid, 15)
    replies, last = gather(links)
    check("all are told", all(r and r.status == 304 for r in replies), replies[:3])
    check("at once", last - start < 2 * SECOND, last - start)


{f.__name__: f for f in (many, timed, gone, parts, bounds, missed, unread, stopped)}[part]()
finish()
