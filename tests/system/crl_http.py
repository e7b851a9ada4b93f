"""CRLs by HTTP, octet for octet: ranges, conditions, HEAD: crl_http.py ADDRESS:PORT PATH FILE

FILE is what is at PATH.
"""
import email.utils
import sys
import time

from rawhttp import Link, ask, check, finish, get

path, whole = sys.argv[2], open(sys.argv[3], "rb").read()
size = len(whole)


def fetch(*headers, method="GET", version="1.1"):
    return ask(get(path, *headers, method=method, version=version), method)


def is_whole(reply):
    return reply and reply.status == 200 and reply.body == whole and reply["content-range"] is None


def dated():
    """There is no date while the second lasts in which it was published."""
    end = time.monotonic() + 5
    reply = fetch(method="HEAD")
    while not reply["last-modified"] and time.monotonic() < end:
        time.sleep(0.05)
        reply = fetch(method="HEAD")
    return reply["last-modified"]


first = fetch()
etag, date = first["etag"], dated()
check("it is all there", is_whole(first), first)
check("it says that ranges are possible", first["accept-ranges"] == "bytes", first)
check("a strong ETag", etag and etag[0] == etag[-1] == '"', etag)
check("max-age is short", "max-age=30," in first["cache-control"], first)
check("it expires", email.utils.parsedate_to_datetime(first["expires"]).timestamp() > time.time() + 3600, first)
head = fetch(method="HEAD")
check("HEAD says the same", all(head[h] == first[h] for h in ("etag", "content-length", "content-type", "expires")), head)
check("HEAD takes no Range", fetch("Range: bytes=0-0", method="HEAD").status == 200)
check("HTTP/1.0 gets it, too", is_whole(fetch(version="1.0")))

link = Link()
for what, value, begin, end in (
        ("the first octet", "0-0", 0, 1),
        ("some in the middle", "%d-%d" % (size // 2, size // 2 + 99), size // 2, size // 2 + 100),
        ("the second half", "%d-" % (size // 2), size // 2, size),
        ("the last octet", "-1", size - 1, size),
        ("all but the first", "1-", 1, size),
        ("all, said otherwise", "0-", 0, size),
        ("more than there is", "%d-%d" % (size - 5, size + 5), size - 5, size),
        ("more of the end than there is", "-%d" % (size * 2), 0, size)):
    link.send(get(path, "Range: bytes=" + value))
    reply = link.reply()
    check("206: " + what, reply and reply.status == 206 and reply.body == whole[begin:end], reply)
    check("206: where it is", reply["content-range"] == "bytes %d-%d/%d" % (begin, end - 1, size), reply)
    check("206: of what", reply["etag"] == etag and reply["content-type"] == first["content-type"], reply)
for what, value in ("behind the end", "%d-" % size), ("none", "-0"):
    reply = fetch("Range: bytes=" + value)
    check("416: " + what, reply.status == 416 and reply.body == b"" and reply["content-range"] == "bytes */%d" % size, reply)
for what, value in (("several", "bytes=0-1,5-6"), ("backwards", "bytes=5-4"), ("another unit", "lines=1-2"), ("nonsense", "bytes=x")):
    check("200: " + what, is_whole(fetch("Range: " + value)))

part = "Range: bytes=0-9"
for what, value, status in (
        ("the ETag", etag, 206),
        ("another ETag", '"x"', 200),
        ("the ETag, weakly", "W/" + etag, 200),
        ("the date", date, 206),
        ("an earlier date", email.utils.formatdate(email.utils.parsedate_to_datetime(date).timestamp() - 1, usegmt=True), 200),
        ("a later date", email.utils.formatdate(email.utils.parsedate_to_datetime(date).timestamp() + 60, usegmt=True), 200),
        ("nonsense", "x", 200)):
    reply = fetch(part, "If-Range: " + value)
    check("If-Range with %s: %d" % (what, status), reply.status == status and len(reply.body) == (10 if status == 206 else size), reply)
check("304 comes before any range", fetch(part, "If-None-Match: " + etag).status == 304)
check("304 also behind another line", fetch('If-None-Match: "x"', "If-None-Match: " + etag).status == 304)
check("304 by date", fetch("If-Modified-Since: " + date).status == 304)
check("the ETag counts more than the date", fetch("If-Modified-Since: " + date, 'If-None-Match: "x"').status == 200)

# a client that takes its time, and one that goes in the middle
slow = Link(get(path))
gone = Link(get(path))
gone.socket.recv(100)
gone.socket.close()
check("another is served meanwhile", is_whole(fetch()))
check("and the slow one, too", is_whole(slow.reply()))
finish()
