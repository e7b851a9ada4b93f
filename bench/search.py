"""Pages of a search: search.py ADDRESS:PORT TOKEN DATABASE ROUNDS. Prints a table, and the slowest kind in ms."""
import http.client
import json
import random
import sqlite3
import sys
import time

host, port = sys.argv[1].rsplit(":", 1)
token, database, rounds = sys.argv[2], sys.argv[3], int(sys.argv[4])
link = http.client.HTTPConnection(host, int(port))
peer = sqlite3.connect("file:%s?mode=ro" % database, uri=True)
ids = dict(peer.execute("SELECT name, id FROM issuer"))


def page(issuer, arguments):
    start = time.perf_counter()
    link.request("GET", "/api/v1/issuers/%s/certificates?limit=100%s" % (issuer, arguments),
                 headers={"Authorization": "Bearer " + token})
    answer = json.loads(link.getresponse().read())
    return answer, 1000 * (time.perf_counter() - start)


def peer_page(issuer):
    """The same hundred rows by a program that has nothing but them to do."""
    after = b"\x10" + random.randbytes(16)
    start = time.perf_counter()
    rows = peer.execute("SELECT serial, subject, not_before, not_after FROM certificate WHERE issuer = ? AND serial > ? "
                        "ORDER BY serial LIMIT 100", (ids[issuer], after)).fetchall()
    json.dumps([[row[0].hex(), *row[1:]] for row in rows])
    return 1000 * (time.perf_counter() - start)


def serial():
    return random.randbytes(16).hex()


SEARCHES = [
    ("any", lambda: "&after=" + serial()),
    ("good", lambda: "&status=good&after=" + serial()),
    ("revoked", lambda: "&status=revoked&after=" + serial()),
    ("on hold", lambda: "&status=hold&after=" + serial()),
    ("a serial", lambda: "&serial=" + serial()[:random.randint(1, 32)]),
    ("a serial, good", lambda: "&status=good&serial=" + serial()[:random.randint(1, 4)]),
    ("a serial, revoked", lambda: "&status=revoked&serial=" + serial()[:random.randint(1, 4)]),
    ("a CN", lambda: "&subject=" + ("device-%07d" % random.randrange(1000000))[:random.randint(1, 14)]),
    ("a subject", lambda: "&subject=CN%3DDevice-" + "%07d" % random.randrange(1000000) + "%2CO"),
    ("a CN, good", lambda: "&status=good&subject=" + ("device-%07d" % random.randrange(1000000))[:random.randint(1, 12)]),
    ("a CN, revoked", lambda: "&status=revoked&subject=" + ("device-%07d" % random.randrange(1000000))[:random.randint(1, 12)]),
    ("a CN, on hold", lambda: "&status=hold&subject=device-1"),
    ("either", lambda: "&q=" + serial()[:random.randint(1, 3)]),
]


def median(values):
    return sorted(values)[len(values) // 2]


def most(values):
    """Of 20, 19 are faster: what is slower on a machine that others use is theirs, as the peer's worst tells."""
    return sorted(values)[len(values) * 19 // 20]


def measure(issuer, what, arguments):
    """A page, and the one behind it."""
    times, theirs = [], []
    for _ in range(rounds):
        chosen = arguments()
        answer, took = page(issuer, chosen)
        times.append(took)
        if answer["next"]:
            times.append(page(issuer, chosen.split("&after=")[0] + "&after=" + answer["next"])[1])
        theirs.append(peer_page(issuer))
    print("| %s: %s | %.2f | %.2f | %.2f | %.2f | %.2f |" % (
        issuer, what, median(times), most(times), max(times), median(theirs), max(theirs)))
    return most(times)


def walk(issuer, arguments):
    """Page by page to the end: how many, how many certificates, and how long all of it."""
    pages, found, after, start = 0, 0, "", time.perf_counter()
    while after is not None:
        answer, _ = page(issuer, arguments + (after and "&after=" + after))
        pages, found, after = pages + 1, found + len(answer["certificates"]), answer["next"]
    return "%d pages, %d found, %.0f ms" % (pages, found, 1000 * (time.perf_counter() - start))


print("| issuer: sought | median ms | 95 % ms | worst ms | sqlite3, a page by serial: median ms | worst ms |\n"
      "|---|---|---|---|---|---|")
worst = max(measure(issuer, what, arguments) for issuer in ("issuing-client", "issuing-server") for what, arguments in SEARCHES)
print("\nThe few that are good among those revoked, to the end: %s; those on hold: %s.\n" % (
    walk("issuing-server", "&status=good"), walk("issuing-server", "&status=hold")))
print(worst)
