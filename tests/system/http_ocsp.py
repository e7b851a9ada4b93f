"""OCSP over raw sockets, octet for octet: http_ocsp.py ADDRESS:PORT FOLDER

FOLDER has plain.der (a request without nonce, about a good certificate) and nonce.der. Prints a line a check, and
ends with the number of those that failed.
"""
import base64
import email.utils
import re
import socket
import sys

from rawhttp import Link, ask, check, finish, get

folder = sys.argv[2]
plain = open(folder + "/plain.der", "rb").read()
nonce = open(folder + "/nonce.der", "rb").read()
MALFORMED = bytes.fromhex("30030a0101")
HEAD_MAX = 8192


def post(body, *headers, path="/ocsp", version="1.1"):
    if not any(h.lower().startswith("content-type") for h in headers):
        headers += ("Content-Type: application/ocsp-request",)
    return get(path, *headers, "Content-Length: %d" % len(body), method="POST", version=version) + body


def text(der):
    return base64.b64encode(der).decode()


# --- requests of our own: the CA of plain.der, any serial


def tlv(tag, content):
    n = len(content)
    return bytes([tag, n] if n < 128 else [tag, 0x82, n >> 8, n & 255]) + content


def certid_of(serial):
    at = plain.index(b"\x04\x14")  # issuerNameHash; issuerKeyHash is behind it
    return tlv(0x30, bytes.fromhex("300906052b0e03021a0500") + plain[at : at + 44] + tlv(2, serial))


def request_of(*serials):
    return tlv(0x30, tlv(0x30, tlv(0x30, b"".join(tlv(0x30, certid_of(serial)) for serial in serials))))


def occurrences(part, whole):
    return [found.start() for found in re.finditer(re.escape(part), whole)]


def awkward_serial():
    """One whose request has all that is special in its base64, a double slash too."""
    for n in range(1 << 16):
        serial = b"\x7f\xff\xff\xff\xff" + n.to_bytes(2, "big") + bytes(n % 3)
        letters = text(request_of(serial))
        if "//" in letters and "+" in letters and letters.endswith("="):
            return serial
    raise SystemExit("no such serial")


path = "/ocsp/" + text(plain)
first = ask(get(path))


def definitive():
    date = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT")
    check("a definitive answer", first.status == 200 and len(first.body) > 100, first)
    check("its type", first["content-type"] == "application/ocsp-response", first)
    check("its Cache-Control", first["cache-control"] == "max-age=30, public, no-transform, must-revalidate", first)
    dates = [first[name] or "" for name in ("date", "last-modified", "expires")]
    check("its dates are IMF-fixdate", all(date.fullmatch(d) for d in dates), first)
    now, modified, expires = (email.utils.parsedate_to_datetime(d).timestamp() for d in dates)
    check("Last-Modified is thisUpdate, Expires nextUpdate", modified <= now and expires - modified == 86400, first)
    check("a strong ETag", re.fullmatch('"[!#-~]+"', first["etag"] or ""), first)
    check("no header twice", len(first.fields) == len(first.headers), first)
    by_post = ask(post(plain))
    check("the same by POST", by_post.body == first.body and by_post["etag"] == first["etag"], by_post)
    link = Link(get(path, method="HEAD") + get(path))
    head, again = link.reply("HEAD"), link.reply()
    same = [[f for f in r.fields if f[0] != "Date"] for r in (head, again)]
    check("HEAD has the headers of GET and no body", same[0] == same[1] and again.body == first.body, head)


def conditional():
    etag, modified = first["etag"], first["last-modified"]
    later = email.utils.formatdate(email.utils.parsedate_to_datetime(modified).timestamp() + 3600, usegmt=True)
    for status, what, *headers in (
        (304, "the ETag", "If-None-Match: " + etag),
        (304, "in a list", 'If-None-Match: "x", "", %s, "y"' % etag),
        (304, "in a list without blanks", 'If-None-Match: "x",%s' % etag),
        (304, "weakly", "If-None-Match: W/" + etag),
        (304, "any", "If-None-Match: *"),
        (304, "the ETag, and an older date", "If-None-Match: " + etag, "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT"),
        (200, "another ETag", 'If-None-Match: "x"'),
        (200, "the ETag without quotes", "If-None-Match: " + etag.strip('"')),
        (200, "part of the ETag", "If-None-Match: " + etag[:20] + '"'),
        (200, "another ETag, and the date", 'If-None-Match: "x"', "If-Modified-Since: " + modified),
        # two answers can be of one second, and the later of them say revoked
        (200, "the date alone", "If-Modified-Since: " + modified),
        (200, "a later date alone", "If-Modified-Since: " + later),
    ):
        for method in "GET", "HEAD":
            reply = ask(get(path, *headers, method=method), method)
            check("%d to %s if none match: %s" % (status, method, what), reply.status == status, reply)
    reply = ask(get(path, "If-None-Match: " + etag))
    kept = ("etag", "cache-control", "expires", "last-modified")
    check("304 has what a cache needs", all(reply[name] == first[name] for name in kept), reply)
    check("POST knows no 304", ask(post(plain, "If-None-Match: " + etag)).status == 200)


def not_cacheable():
    for what, reply, control in (
        ("a nonce, GET", ask(get("/ocsp/" + text(nonce))), "no-cache"),
        ("a nonce, POST", ask(post(nonce)), "no-cache"),
        ("an error, GET", ask(get("/ocsp/MAAA")), "no-store"),
        ("an error, POST", ask(post(b"garbage")), "no-store"),
    ):
        none = not any(reply[name] for name in ("etag", "expires", "last-modified"))
        check(what + " is not cacheable", reply["cache-control"] == control and none, reply)
        check(what + " has the type", reply.status == 200 and reply["content-type"] == "application/ocsp-response", reply)


def forms_of_get():
    serial = awkward_serial()
    letters = text(request_of(serial))
    upper = letters.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D")
    for what, form in (
        ("raw, with // + and =", letters),
        ("escaped", upper),
        ("escaped in small letters", upper.replace("%2B", "%2b").replace("%2F", "%2f").replace("%3D", "%3d")),
        ("slashes escaped, plus raw", letters.replace("/", "%2F")),
        ("plus escaped, slashes raw", letters.replace("+", "%2B")),
        ("every letter escaped", "".join("%%%02X" % ord(c) for c in letters)),
        ("padding left out", letters.rstrip("=")),
    ):
        for prefix in "/ocsp/", "/", "/ocsp//", "//":
            reply = ask(get(prefix + form))
            check("GET %s: %s" % (prefix, what), reply.status == 200 and certid_of(serial) in reply.body, reply)
    check("escapes are undone once", ask(get("/ocsp/" + upper.replace("%", "%25"))).body == MALFORMED)
    check("an escape cut short", ask(get("/ocsp/" + letters.rstrip("=") + "%3")).body == MALFORMED)
    check("a query is not part of it", ask(get(path + "?a=b")).body == first.body)


def several():
    """Whoever asks for one twice gets two answers, in the order of the request."""
    asked = [b"\x11", b"\x12", b"\x11", b"\x11", b"\x12"]
    reply = ask(post(request_of(*asked)))
    said = sorted((at, serial) for serial in set(asked) for at in occurrences(certid_of(serial), reply.body))
    check("the same CertID more than once", [serial for _, serial in said] == asked, reply)


def refused():
    for allowed, method, where in (
        ("GET, HEAD", "DELETE", path),
        ("GET, HEAD", "POST", path),
        ("POST", "GET", "/ocsp"),
        ("POST", "PUT", "/ocsp"),
        ("GET, HEAD, POST", "OPTIONS", "/"),
    ):
        reply = ask(get(where, method=method))
        check("405 to %s %s" % (method, where[:12]), reply.status == 405 and reply["allow"] == allowed, reply)
    for what, request in (
        ("of no length", get("/ocsp", method="POST")),
        ("of length 0", post(b"")),
        ("of 16384 octets", post(bytes(16384))),
        ("to the root", post(b"", path="/")),
    ):
        reply = ask(request)
        check("POST %s: malformedRequest" % what, reply.status == 200 and reply.body == MALFORMED, reply)
    reply = ask(post(bytes(16385)))
    check("413 to 16385 octets", reply.status == 413, reply)
    chunk = b"1000\r\n" + bytes(4096) + b"\r\n"
    link = Link(get("/ocsp", "Transfer-Encoding: chunked", method="POST") + 4 * chunk)
    link.send(b"1\r\n0\r\n0\r\n\r\n")
    reply = link.reply()
    check("413 to 16385 octets in chunks", reply.status == 413, reply)
    for status, kind in (
        (200, "application/ocsp-request"),
        (200, "Application/OCSP-Request; version=1"),
        (415, "application/ocsp-requests"),
        (415, "application/ocsp-response"),
        (415, "text/plain"),
    ):
        reply = ask(post(plain, "Content-Type: " + kind))
        check("%d to Content-Type %s" % (status, kind), reply.status == status, reply)
    for status, coding in (200, "identity"), (200, "Identity"), (415, "gzip"), (415, "identity, gzip"), (415, "x"):
        reply = ask(post(plain, "Content-Encoding: " + coding))
        check("%d to Content-Encoding %s" % (status, coding), reply.status == status, reply)
    reply = ask(get("/ocsp", "Content-Length: %d" % len(plain), method="POST") + plain)
    check("200 without Content-Type", reply.body == first.body, reply)
    for bad in "Content-Length: x", "Content-Length: -1", "no colon":
        reply = ask(get("/ocsp", bad, method="POST"))
        check("400 to " + bad, reply.status == 400, reply)


def too_long():
    """Whatever the length, there is a reply; also where hardly any memory is left for it."""
    for what, statuses, head in (
        ("a path", (200, 414), lambda n: get("/ocsp/M".ljust(n, "A"))),
        ("a header", (200, 431), lambda n: get(path, "X: ".ljust(n, "a"))),
    ):
        seen = {}
        for n in [*range(HEAD_MAX - 256, HEAD_MAX + 4608, 16), 32768, 1 << 17]:
            reply = ask(head(n))
            seen.setdefault(reply.status if reply else None, n)
        check("a reply to %s of any length" % what, set(seen) <= {*statuses, 431}, seen)
    most = HEAD_MAX - len(get(""))
    check("a head of %d octets is taken" % HEAD_MAX, ask(get("/ocsp/M".ljust(most, "A"))).status == 200)
    check("414 beyond", ask(get("/ocsp/M".ljust(most + 1, "A"))).status == 414)
    check("414 far beyond", ask(get("/ocsp/M".ljust(1 << 20, "A"))).status == 414)
    check("50 headers are taken", ask(get(path, *["X-Forwarded-For: 192.0.2.1"] * 50)).status == 200)
    check("431 to a long header", ask(get(path, "X: ".ljust(HEAD_MAX, "a"))).status == 431)


def kept_alive():
    link = Link()
    for n in range(3):
        link.send(get(path) if n % 2 == 0 else post(plain))
        check("request %d of a connection" % (n + 1), link.reply().body == first.body)
    link.send(get(path, "Connection: close"))
    reply = link.reply()
    check("Connection: close", reply["connection"] == "close" and reply.body == first.body and link.ended(), reply)

    # one write; what must be signed comes before what is at hand
    serials = [bytes([0x40, n]) for n in range(1, 6)]
    requests = [post(request_of(serials[0])), get(path), post(plain), get("/ocsp/" + text(request_of(serials[1])))]
    requests += [get("/nothing"), post(nonce), get(path, method="HEAD"), post(request_of(serials[2])), get("/ocsp/MAAA")]
    wanted = [certid_of(serials[0]), first.body, first.body, certid_of(serials[1])]
    wanted += [b"404", b"", b"", certid_of(serials[2]), MALFORMED]
    link = Link(b"".join(requests))
    for n, (request, octets) in enumerate(zip(requests, wanted)):
        reply = link.reply(request.split()[0].decode())
        check("pipelined, %d" % n, reply and octets in reply.body, reply)
    check("the link goes on", link.rest == b"")
    many = 200
    link = Link(many * get(path))
    got = [link.reply() for _ in range(many)]
    check("%d in one write" % many, all(r and r.body == first.body for r in got))

    link = Link(post(nonce) + get(path) + post(plain))
    link.socket.shutdown(socket.SHUT_WR)
    got = [link.reply() for _ in range(3)]
    check("asked by one who sends no more", all(got) and got[2].body == first.body and link.ended(), got)

    link = Link(get(path, version="1.0"))
    reply = link.reply()
    check("HTTP/1.0 ends", reply.body == first.body and reply["connection"] == "close" and link.ended(), reply)
    link = Link(post(plain, "Connection: keep-alive", version="1.0"))
    reply = link.reply()
    check("HTTP/1.0 is kept alive", reply.body == first.body and reply["connection"].lower() == "keep-alive", reply)
    link.send(get(path, version="1.0"))
    check("for another request", link.reply().body == first.body and link.ended())


def other_forms():
    whole = post(plain, "Expect: 100-continue")
    link = Link(whole[: -len(plain)])
    check("100 Continue", link.reply().status == 100)
    link.send(plain)
    check("then the answer", link.reply().body == first.body)
    reply = ask(get("/ocsp", "Expect: 100-continue", "Content-Length: 99999", method="POST"))
    check("no 100 Continue for a body too large", reply.status == 413, reply)

    for base in "http://status.example", "HTTP://127.0.0.1:8080":
        check("GET " + base, ask(get(base + path)).body == first.body)
        check("POST " + base, ask(post(plain, path=base + "/ocsp")).body == first.body)
    check("POST to an authority alone", ask(post(plain, path="http://status.example")).body == first.body)

    for what, request in ("GET", get(path)), ("POST", post(plain)):
        link = Link()
        for octet in request:
            link.send(bytes([octet]))
        check(what + " octet by octet", link.reply().body == first.body)
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in plain) + b"0\r\n\r\n"
    reply = ask(get("/ocsp", "Transfer-Encoding: chunked", method="POST") + chunks)
    check("POST in chunks of an octet", reply.body == first.body, reply)


for part in definitive, conditional, not_cacheable, forms_of_get, several, refused, too_long, kept_alive, other_forms:
    part()
finish()
