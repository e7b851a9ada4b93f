"""The admin API: api.py ADDRESS:PORT TOKEN PART

Prints a line a check; its exit status is the number of those that failed.
"""
import http.client
import json
import os
import re
import signal
import sys
import time

from rawhttp import Link, check, finish, get, host, port

token, part = sys.argv[2], sys.argv[3]
BEARER = "Authorization: Bearer " + token
CLIENT = "/api/v1/issuers/issuing-client"


class Answer:
    def __init__(self, reply):
        self.status, self.headers = reply.status, {name.lower(): value for name, value in reply.getheaders()}
        self.text = reply.read().decode()

    def __getitem__(self, name):
        return json.loads(self.text)[name]

    def __repr__(self):
        return "%d %s" % (self.status, self.text)


def api(method, path, body=None, **headers):
    link = http.client.HTTPConnection(host, int(port), timeout=60)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, (dict, list)):
        body = json.dumps(body)
    link.request(method, path, body, {"Authorization": "Bearer " + token, **fields})
    answer = Answer(link.getresponse())
    link.close()
    return answer


def until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


def register(*rows, issuer="issuing-client"):
    """Each a serial, or one and its subject."""
    lines = []
    for row in rows:
        serial, subject = row if isinstance(row, tuple) else (row, None)
        lines.append(json.dumps({"serial": serial, "status": "good", "subject": subject}))
    answer = api("POST", "/api/v1/issuers/%s/import" % issuer, "\n".join(lines))
    assert answer.status == 200, answer


def change(serial, what="revoke", reason="keyCompromise", issuer="issuing-client"):
    body = {"reason": reason} if what == "revoke" else None
    answer = api("POST", "/api/v1/issuers/%s/certificates/%s/%s" % (issuer, serial, what), body)
    assert answer.status == 200, answer


# --- counts and status


def counts():
    def now():
        one = api("GET", CLIENT)["certificates"]
        listed = [issuer["certificates"] for issuer in api("GET", "/api/v1/issuers")["issuers"]]
        check("the list says the same", listed[0] == one, listed)
        return one

    check("nothing is there yet", now() == {"good": 0, "revoked": 0, "hold": 0}, now())
    register("c1", "c2", "c3", "c4")
    register("c4", "c5")
    check("those that are registered are good", now() == {"good": 5, "revoked": 0, "hold": 0}, now())
    change("c1")
    change("c1")
    change("c2", reason="certificateHold")
    change("c3", reason="certificateHold")
    check("revoked, and on hold", now() == {"good": 2, "revoked": 1, "hold": 2}, now())
    change("c2", "release")
    change("c3")
    check("released, and from hold to revoked", now() == {"good": 3, "revoked": 2, "hold": 0}, now())
    api("POST", CLIENT + "/revoke-batch?reason=superseded", "c2\nc4\nnothing\nc2\n")
    check("a batch", now() == {"good": 1, "revoked": 4, "hold": 0}, now())
    api("POST", CLIENT + "/revoke-batch?atomic=true", "c5\n77777777\n")
    check("one that is undone counts nothing", now() == {"good": 1, "revoked": 4, "hold": 0}, now())
    others = [issuer["certificates"]["good"] for issuer in api("GET", "/api/v1/issuers")["issuers"]]
    check("the others have none", others[1:] == [0, 0, 0], others)


def glance():
    status = api("GET", "/api/v1/status")
    check("the version", re.fullmatch(r"\d+\.\d+\.\d+", status["version"]), status)
    check("since when", status["started_at"] <= status["now"], status)
    check("ready", status["ready"] is True and status["signer"] is True, status)
    kinds = {warning["kind"] for warning in status["warnings"]}
    check("warnings, by issuer", kinds == {"chain"} and all(w["issuer"] for w in status["warnings"]), status)
    mine = [w["text"] for w in status["warnings"] if w["issuer"] == "issuing-client"]
    check("the issuer says its own", [w["text"] for w in api("GET", CLIENT)["warnings"]] == mine, mine)
    calls = status["requests"]["api"]
    check("requests", calls["count"] > 0 and 0 < calls["p50_ms"] <= calls["p99_ms"], calls)
    check("and their seconds", 0 < calls["seconds"] < 60, calls)
    check("none waits", status["waiters"] == 0 and status["queue"] >= 0, status)
    check("an issuer that is none", api("GET", "/api/v1/issuers/nobody").status == 404)

    crls = api("GET", "/api/v1/issuers/parts/crls")["crls"]
    paths = [(crl["crl"], crl["path"]) for crl in crls]
    check("every CRL", paths == [("whole", "/crl/parts.crl"), ("delta", "/crl/parts-delta.crl"), ("0", "/crl/parts/0.crl"),
                                 ("1", "/crl/parts/1.crl")], paths)
    check("with its hash", all(re.fullmatch("[0-9a-f]{64}", crl["etag"]) for crl in crls), crls)
    check("of no issuer", api("GET", "/api/v1/issuers/nobody/crls").status == 404)


# --- search


def walk(arguments):
    """All pages: the serials in order, and how many pages."""
    serials, pages, after = [], 0, ""
    while after is not None:
        page = api("GET", CLIENT + "/certificates?" + arguments + (after and "&after=" + after))
        serials += [certificate["serial"] for certificate in page["certificates"]]
        pages, after = pages + 1, page["next"]
    return serials, pages


def search():
    rows = [("5e%04x" % i, "CN=Pump-%04d,O=Works" % (999 - i)) for i in range(1000)]
    register(*rows, ("5f01", "O=Works,CN=pump-0042"))
    change("5e0010")
    change("5e0020", reason="certificateHold")
    found, pages = walk("subject=pump-00&limit=30")
    wanted = ["5e%04x" % (999 - n) for n in range(100)] + ["5f01"]
    check("by CN, in the order of names, page by page", found == wanted and pages == 4, (pages, found))
    check("by subject", walk("subject=cn%3DPUMP-0042%2Co%3D")[0] == ["5e%04x" % (999 - 42)])
    check("by one that does not begin with CN", walk("subject=o%3Dworks")[0] == ["5f01"])
    check("by serial", walk("serial=5E00:2")[0] == ["5e%04x" % i for i in range(0x20, 0x30)])
    check("by either", walk("q=5f")[0] == ["5f01"] and walk("q=pump-099")[0][0] == "5e0009")
    check("and a status", walk("subject=pump&status=revoked")[0] == ["5e0010"], walk("subject=pump&status=revoked"))
    check("on hold", walk("subject=pump&status=hold")[0] == ["5e0020"])
    check("good", len(walk("subject=pump&status=good&limit=1000")[0]) == 999)
    for arguments in "serial=x", "serial=5e&subject=p", "q=5&serial=5", "after=9-", "after=z", "limit=0", "status=bad", "after=6-5e0001":
        check("refused: " + arguments, api("GET", CLIENT + "/certificates?" + arguments).status == 400)
    # more are looked at in vain than a page looks at
    for part in range(2):
        register(*["7e%04x" % (part * 6000 + i) for i in range(6000)])
    api("POST", CLIENT + "/revoke-batch", "\n".join("7e%04x" % i for i in range(12000) if i != 11990))
    found, pages = walk("status=good&serial=7e")
    check("few that are good among those revoked", found == ["7e%04x" % 11990] and pages > 1, (found, pages))


def dates():
    def taken(row):
        return api("POST", CLIENT + "/import", json.dumps({"serial": "da1e", "status": "revoked", **row}))

    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 60))
    later = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    past = "2020-01-01T00:00:00Z"
    for row in ({"revoked_at": "9999-12-31T23:59:59Z"}, {"revoked_at": later}, {"revoked_at": "1949-12-31T23:59:59Z"},
                {"revoked_at": past, "invalidity_at": later}, {"revoked_at": past, "invalidity_at": "1900-01-01T00:00:00Z"}):
        check("no such date: %s" % row, taken(row).status == 422 and api("GET", CLIENT + "/certificates/da1e").status == 404)
    check("the clocks of two may differ", taken({"revoked_at": soon, "invalidity_at": "1950-01-01T00:00:00Z"}).status == 200)
    register("da2e")
    path = CLIENT + "/certificates/da2e"
    check("nor with a revocation", api("POST", path + "/revoke", {"invalidity_at": later}).status == 422
          and json.loads(api("POST", CLIENT + "/revoke-batch", json.dumps({"serial": "da2e", "invalidity_at": later}))
                         .text.splitlines()[0])["problem"]["status"] == 422 and api("GET", path)["status"] == "good")


# --- the change feed


def changes(arguments="", **headers):
    return api("GET", "/api/v1/changes" + arguments, **headers)


def feed():
    start = changes()
    check("at first nothing, and where to begin", start["changes"] == [] and start["next"] > 0, start)
    since = start["next"]
    check("nothing since", changes("?since=%d" % since)["changes"] == [])
    register("f1", "f2")
    change("f1")
    api("POST", CLIENT + "/certificates/ffff/revoke")
    change("f2", reason="certificateHold")
    news = changes("?since=%d" % since)
    check("what happened, in order", [row["action"] for row in news["changes"]] == ["import", "revoke", "revoke"], news)
    row = news["changes"][1]
    check("with all that is known of it", (row["issuer"], row["serial"], row["actor"]) == ("issuing-client", "f1", "token:api")
          and "keyCompromise" in row["detail"] and row["at"].endswith("Z"), row)
    check("ids rise", since < news["changes"][0]["id"] < row["id"] < news["changes"][2]["id"] == news["next"], news)
    check("then nothing more", changes("?since=%d" % news["next"])["changes"] == [])
    first = changes("?since=%d&limit=1" % since)
    check("page by page", len(first["changes"]) == 1 and first["next"] == first["changes"][0]["id"], first)
    rest = changes("?since=%d&limit=5" % first["next"])
    check("the rest", first["changes"] + rest["changes"] == news["changes"], rest)
    api("POST", CLIENT + "/certificates/ffff/revoke")
    skipped = changes("?since=%d" % news["next"])
    check("what was refused is passed over", skipped["changes"] == [] and skipped["next"] > news["next"], skipped)
    register("f3", issuer="issuing-server")
    of_one = changes("?since=%d&issuer=issuing-client" % since)
    check("of one issuer", {row["issuer"] for row in of_one["changes"]} == {"issuing-client"}, of_one)
    check("the other is passed over", of_one["next"] > news["next"], of_one)
    for arguments in "?since=x", "?since=-1", "?since=1&limit=0", "?since=1&limit=1001", "?since=99999999999999999999":
        check("refused: " + arguments, changes(arguments).status == 400, changes(arguments))
    check("the largest number", changes("?since=%d" % (2**63 - 1)).status == 409)
    check("of another database", changes("?since=%d" % (of_one["next"] + 1000)).status == 409)


def wait_for(since, seconds=30, arguments="", bearer=BEARER, path=None):
    return Link(get("/api/v1/changes?since=%d%s" % (since, arguments), bearer, "Prefer: wait=%d" % seconds), path=path)


def metric(name):
    return int(re.search(r"^annul_%s (\d+)$" % name, api("GET", "/metrics").text, re.M).group(1))


def asleep():
    return metric("http_asleep")


def waiting():
    return metric("changes_waiting")


def is_told_crowded(what, answer):
    check(what + " is answered at once", answer.status == 200 and answer["changes"] == [] and
          answer.headers["retry-after"] == "5" and "preference-applied" not in answer.headers, answer)


def waiters():
    register("a1", "a2", "a3")
    check("nobody sleeps", until(lambda: asleep() == 0), asleep())
    since = changes()["next"]
    links = [wait_for(since) for _ in range(3)]
    other = wait_for(since, arguments="&issuer=parts")
    check("they wait", until(lambda: asleep() == 4), asleep())
    check("of which others are told", waiting() == 4 and api("GET", "/api/v1/status")["change_waiters"] == 4, waiting())
    api("POST", CLIENT + "/certificates/ffff/revoke")
    check("what is refused wakes nobody", asleep() == 4, asleep())
    change("a1")
    replies = [link.reply() for link in links]
    seen = {json.loads(reply.body)["changes"][0]["serial"] for reply in replies}
    check("all hear of the change", seen == {"a1"}, replies)
    check("and that they have waited", {reply["preference-applied"] for reply in replies} == {"wait=30"}, replies)
    check("but who waits for another issuer's", until(lambda: asleep() == 1), asleep())
    other.socket.close()
    check("who goes away is gone", until(lambda: asleep() == 0), asleep())

    since = changes()["next"]
    start = time.monotonic()
    empty = changes("?since=%d" % since, Prefer="wait=1")
    took = time.monotonic() - start
    check("none comes: an empty answer, in time", empty["changes"] == [] and 0.9 < took < 20, (took, empty))
    start = time.monotonic()
    check("what is there comes at once", changes("?since=%d" % (since - 1), Prefer="wait=30")["changes"] != []
          and time.monotonic() - start < 20)
    links = [wait_for(since, 60) for _ in range(4)]
    check("as many as one may", until(lambda: asleep() == 4), asleep())
    is_told_crowded("one more", changes("?since=%d" % since, Prefer="wait=30"))
    people = [make_token("waiter-%d" % n, "viewer") for n in range(6)]
    since = changes()["next"]
    check("all have it", all(json.loads(link.reply().body)["changes"] for link in links))
    links = [wait_for(since, 60, bearer=bearer) for _, bearer in people[:5] for _ in range(4)]
    links += [wait_for(since, 60) for _ in range(4)]
    check("as many as may by TCP", until(lambda: waiting() == 24), waiting())
    link = wait_for(since, 60, bearer=people[5][1])
    reply = link.reply()
    check("one more by TCP", reply.status == 200 and reply["retry-after"] and waiting() == 24, reply)
    links += [wait_for(since, 60, bearer="Accept: */*", path=os.environ["SOCKET"]) for _ in range(4)]
    check("but who is known by the socket", until(lambda: waiting() == 28), waiting())
    check("nor is anybody hindered", api("GET", CLIENT).status == 200)
    change("a2")
    check("all have it", all(json.loads(link.reply().body)["changes"] for link in links))
    waited = re.search(r'^annul_http_requests_total{kind="api_waited",code="200"} (\d+)$', api("GET", "/metrics").text, re.M)
    check("waiting is counted by itself", int(waited.group(1)) >= 36, waited)


def stopped():
    link = wait_for(changes()["next"], 600)
    until(lambda: asleep() == 1)
    os.kill(int(os.environ["DAEMON"]), signal.SIGTERM)
    reply = link.reply()
    check("who waits has an answer at the end", reply and reply.status == 200, reply)


# --- tokens that end while a call is under way


def make_token(name, role):
    made = api("POST", "/api/v1/tokens", {"name": name, "role": role})
    assert made.status == 201, made
    return made["id"], "Authorization: Bearer " + made["token"]


def end_token(made):
    assert api("DELETE", "/api/v1/tokens/%d" % made[0]).status == 204


def post(path, bearer, body):
    return get(path, bearer, "Content-Length: %d" % len(body), method="POST") + body


def revoked():
    register("d1", "d2")
    late = make_token("late", "operator")
    body = b'{"reason":"keyCompromise"}'
    link = Link(post(CLIENT + "/certificates/d1/revoke", late[1], body)[:-5])
    until(lambda: api("GET", "/api/v1/tokens")["tokens"][-1]["last_used_at"])
    end_token(late)
    link.send(body[-5:])
    reply = link.reply()
    check("the body comes when the token has ended: 401", reply.status == 401, reply)
    check("and nothing is done", api("GET", CLIENT + "/certificates/d1")["status"] == "good")
    refusal = api("GET", "/api/v1/audit?limit=1")["audit"][0]
    check("but told of", (refusal["actor"], refusal["action"]) == ("token:late", "refused revoke"), refusal)

    waiter = make_token("waiter", "viewer")
    link = Link(get("/api/v1/changes?since=%d" % changes()["next"], waiter[1], "Prefer: wait=60"))
    check("it waits", until(lambda: asleep() == 1), asleep())
    end_token(waiter)
    reply = link.reply()
    check("who waits hears that the token has ended", reply.status == 401 and b"changes" not in reply.body, reply)

    batch = make_token("batch", "operator")
    lines = [b"%x" % n for n in range(0xabc000, 0xabc000 + 90000)] + [b"d2"] # the answer is more than a socket takes
    link = Link(post(CLIENT + "/revoke-batch", batch[1], b"\n".join(lines)))
    link.more()
    end_token(batch)
    while link.more():
        pass
    check("a batch stops", api("GET", CLIENT + "/certificates/d2")["status"] == "good")
    last = json.loads(link.rest[link.rest.rindex(b'{"line"'):].split(b"\n")[0])
    check("and says why", last["problem"]["status"] == 401 and b"summary" not in link.rest, last)


def tokens():
    for name in ("a b", "a\u200b", "a\u202eb", "a\u009b", "a\u00a0b", "\u0430dmin", "a\u007f", "a" * 64, ""):
        refused = api("POST", "/api/v1/tokens", {"name": name})
        check("a name that would mislead: %r" % name, refused.status == 422 and "visible characters" in refused["detail"], refused)
    made = make_token("!names~", "viewer")
    for text in ("%%20%d", "+%d", "0%d", "%d%%20", "%dx", "-%d"):
        answer = api("DELETE", "/api/v1/tokens/" + text % made[0])
        check("%r is no id" % text, answer.status == 404, answer)
    revoked = count_of("token revoke")
    end_token(made)
    end_token(made)
    check("who is revoked twice has one entry", count_of("token revoke") == revoked + 1)
    entry = api("GET", "/api/v1/audit?action=token%20revoke&limit=1")["audit"][0]
    check("which tells what was, and what is", entry["detail"] == "!names~: viewer -> revoked", entry)
    for path in ("/changes?limit=", "/audit?limit=", "/issuers/issuing-client/certificates?limit=", "/changes?since=", "/audit?after="):
        for text in ("%2B1", "%201", "01", "1%20", "-1", ""):
            wanted = 200 if text == "" else 400
            check(path + text, api("GET", "/api/v1" + path + text).status == wanted)
    for pad in range(3):
        quoted = api("POST", "/api/v1/tokens", {"name": "x", "issuers": [pad * "x" + 100 * "\u20ac"]})
        check("what is quoted and cut is still text", "\u20ac" in quoted["detail"], quoted)
        entry = api("GET", "/api/v1/audit?limit=1")["audit"][0]
        check("in the audit trail, too", "\u20ac" in entry["detail"] and "damaged" not in entry, entry)

# --- two operators, and calls that are repeated


def conditions():
    register("b1", "b2")
    path = CLIENT + "/certificates/b1"
    etag = api("GET", path).headers["etag"]
    check("it has an entity tag", re.fullmatch(r'"0-[0-9a-f]{16}"', etag), etag)
    check("the same again", api("GET", path).headers["etag"] == etag)
    check("another certificate has the like", api("GET", CLIENT + "/certificates/b2").headers["etag"] == etag)
    stale = api("POST", path + "/revoke", {"reason": "certificateHold"}, If_Match='"1-x"')
    check("one that is not current", stale.status == 412 and api("GET", path)["status"] == "good", stale)
    held = api("POST", path + "/revoke", {"reason": "certificateHold"}, If_Match='"x", ' + etag)
    check("the current one", held.status == 200 and held["status"] == "hold", held)
    check("the answer has the new one", held.headers["etag"] == api("GET", path).headers["etag"] != etag, held.headers)
    check("the other operator comes second", api("POST", path + "/release", If_Match=etag).status == 412)
    check("and looks again", api("POST", path + "/release", If_Match=held.headers["etag"]).status == 200)
    check("any is one", api("POST", path + "/revoke", If_Match="*").status == 200)
    is_now = api("GET", path).headers["etag"]
    check("a weak one is another", api("POST", path + "/revoke", If_Match="W/" + is_now).status == 412)
    check("of none there is none", api("POST", CLIENT + "/certificates/ffff/revoke", If_Match="*").status == 404)
    certificate = open(os.environ["CERTIFICATE"]).read()
    mine = api("POST", "/api/v1/certificates", certificate)["certificates"][0]["serial"]
    path = CLIENT + "/certificates/" + mine
    known = api("GET", path).headers["etag"]
    stale = api("POST", "/api/v1/revoke?reason=certificateHold", certificate, If_Match='"0-x"')
    check("by the certificate itself, too", stale.status == 412 and api("GET", path)["status"] == "good", stale)
    held = api("POST", "/api/v1/revoke?reason=certificateHold", certificate, If_Match=known)
    check("it is what was read", held.status == 200 and held["status"] == "hold", held)
    check("and good again", api("POST", path + "/release", If_Match=held.headers["etag"]).status == 200)
    for method, path in (("POST", CLIENT + "/revoke-batch"), ("POST", CLIENT + "/import"), ("POST", "/api/v1/certificates"),
                         ("POST", "/api/v1/tokens"), ("DELETE", "/api/v1/tokens/1")):
        check("no condition for %s %s" % (method, path), api(method, path, If_Match="*").status == 400)
    crl = api("GET", CLIENT)["crl"]["etag"]
    check("a CRL that has changed", api("POST", CLIENT + "/crl", If_Match='"%s"' % (64 * "0")).status == 412)
    check("one that has not", api("POST", CLIENT + "/crl", If_Match='"%s"' % api("GET", CLIENT)["crl"]["etag"]).status == 200)
    check("and is another one now", api("GET", CLIENT)["crl"]["etag"] != crl)
    refusals = api("GET", "/api/v1/audit?action=refused%20publish")["audit"]
    check("such a refusal is in the audit trail", "412" in refusals[0]["detail"], refusals)


# --- what nobody heeds


def unheeded():
    for path in ("/api/v1/changes?sinc=1", "/api/v1/changes?since=0&since=1", "/api/v1/audit?actors=x", "/api/v1/me?x",
                 CLIENT + "/certificates?stauts=good", CLIENT + "/certificates?q=%zz", CLIENT + "/certificates?q=%4",
                 CLIENT + "/certificates?q=a%00b", CLIENT + "?after=1", "/api/v1/tokens?limit=1"):
        check("refused: " + path, api("GET", path).status == 400, api("GET", path))
    register("d1")
    path = CLIENT + "/certificates/d1"
    for wrong in path + "/revoke?reason=certificateHold", path + "/revoke?raeson=x":
        check("no change: " + wrong, api("POST", wrong).status == 400 and api("GET", path)["status"] == "good")
    check("a batch", api("POST", CLIENT + "/revoke-batch?atomc=true", "d1\n").status == 400)
    why = api("POST", "/api/v1/revoke?resaon=superseded", "")
    check("it says what is known", why.status == 400 and why["detail"] == 'unknown argument "resaon"; known here: reason', why)
    change("d1", reason="certificateHold")
    check("a body that says something", api("POST", path + "/release", {"reason": "x"}).status == 422
          and api("POST", CLIENT + "/crl", {"delta": True}).status == 422 and api("GET", path)["status"] == "hold")
    check("one that does not", api("POST", path + "/release", {}).status == 200)
    check("pages may be called as one likes", api("GET", "/?utm=x").status == 200 and api("GET", "/healthz?x").status == 200)


def count_of(action):
    return len(api("GET", "/api/v1/audit?limit=1000&action=" + action.replace(" ", "%20"))["audit"])


def repeats():
    certificate = open(os.environ["CERTIFICATE"]).read()
    register("e1", "e2", "e3", "e4")
    revoke = CLIENT + "/certificates/e1/revoke"
    calls = [
        ("revoke", revoke, {"reason": "certificateHold"}, "revoke"),
        ("release", CLIENT + "/certificates/e1/release", None, "release"),
        ("register", "/api/v1/certificates", certificate, "register"),
        ("revoke a certificate", "/api/v1/revoke?reason=superseded", certificate, "revoke"),
        ("import", CLIENT + "/import", '{"serial":"e5","status":"good"}', "import"),
        ("a batch", CLIENT + "/revoke-batch", "e2\ne3\nffff\n", "revoke"),
        ("an atomic batch", CLIENT + "/revoke-batch?atomic=true", "e4\n", "revoke"),
        ("publish", CLIENT + "/crl", None, "publish"),
    ]
    for n, (what, path, body, action) in enumerate(calls):
        first = api("POST", path, body, Idempotency_Key="key-%d" % n)
        check(what, first.status == 200 and "idempotency-replayed" not in first.headers, first)
        before = count_of(action)
        again = api("POST", path, body, Idempotency_Key="key-%d" % n)
        check("  again: the same answer", (again.status, again.text) == (200, first.text), again)
        check("  and it says so", again.headers.get("idempotency-replayed") == "true"
              and again.headers["content-type"] == first.headers["content-type"], again.headers)
        check("  and its entity tag", again.headers.get("etag") == first.headers.get("etag"), again.headers)
        check("  nothing was done", count_of(action) == before, (before, count_of(action)))
    other = api("POST", revoke, {"reason": "keyCompromise"}, Idempotency_Key="key-0")
    check("another body with that key", other.status == 422, other)
    check("another path", api("POST", CLIENT + "/certificates/e2/revoke", {"reason": "certificateHold"},
                              Idempotency_Key="key-0").status == 422)
    check("other arguments", api("POST", "/api/v1/revoke?reason=keyCompromise", certificate,
                                 Idempotency_Key="key-3").status == 422)
    made = api("POST", "/api/v1/tokens", {"name": "again"}, Idempotency_Key="token")
    again = api("POST", "/api/v1/tokens", {"name": "again"}, Idempotency_Key="token")
    check("a token is shown once", made.status == 201 and again.status == 409 and "id %d," % made["id"] in again["detail"]
          and made["token"] not in again.text, again)
    gone = "/api/v1/tokens/%d" % made["id"]
    both = [api("DELETE", gone, Idempotency_Key="gone") for _ in range(2)]
    check("it is revoked once", [answer.status for answer in both] == [204, 204]
          and both[1].headers.get("idempotency-replayed") == "true", both)
    for key in "", "x" * 129, "a b", "\xe4":
        check("no key: %r" % key[:5], api("POST", revoke, None, Idempotency_Key=key).status == 400)
    missing = CLIENT + "/certificates/e9/revoke"
    check("what was refused", api("POST", missing, Idempotency_Key="later").status == 404)
    register("e9")
    check("is tried anew", api("POST", missing, Idempotency_Key="later").status == 200)
    many = ["e%06x" % i for i in range(6000)]
    register(*many)
    first = api("POST", CLIENT + "/revoke-batch", "\n".join(many), Idempotency_Key="many")
    again = api("POST", CLIENT + "/revoke-batch", "\n".join(many), Idempotency_Key="many")
    check("a long answer: its summary", len(first.text) > 256 * 1024 and again["summary"]["revoked"] == 6000
          and first.text.endswith("\n" + again.text) and "idempotency-replayed" in again.headers, again)
    check("and another call is none the less another", api("POST", CLIENT + "/revoke-batch", "e9",
                                                           Idempotency_Key="many").status == 422)
    check("another actor has keys of its own", actor_two("POST", missing, "key-0") == 200)


def actor_two(method, path, key):
    global token
    mine, token = token, api("POST", "/api/v1/tokens", {"name": "two"})["token"]
    answer = api(method, path, Idempotency_Key=key)
    token = mine
    return answer.status


def crashed():
    """The daemon dies when the change is on disk, and before its answer leaves."""
    try:
        answer = api("POST", CLIENT + "/certificates/e7/revoke", {"reason": "keyCompromise"}, Idempotency_Key="crash")
    except (http.client.HTTPException, ConnectionError):
        answer = None
    check("nobody heard of it", answer is None, answer)


def restarted():
    again = api("POST", CLIENT + "/certificates/e7/revoke", {"reason": "keyCompromise"}, Idempotency_Key="crash")
    check("the first answer", again.status == 200 and again["changed"] is True, again)
    check("which was kept", again.headers.get("idempotency-replayed") == "true", again.headers)


def expired():
    again = api("POST", CLIENT + "/certificates/e7/revoke", {"reason": "keyCompromise"}, Idempotency_Key="crash")
    check("after a day it is a new call", again["changed"] is False and "idempotency-replayed" not in again.headers, again)


def under_way():
    """One call sleeps in the daemon meanwhile: nobody signs its CRL."""
    signer = int(os.environ["SIGNER"])
    os.kill(signer, signal.SIGSTOP)
    slow = Link(("POST %s/crl HTTP/1.1\r\nHost: x\r\n%s\r\nIdempotency-Key: slow\r\nContent-Length: 0\r\n\r\n" % (CLIENT, BEARER)).encode())
    until(lambda: asleep() == 1)
    both = api("POST", CLIENT + "/crl", Idempotency_Key="slow")
    check("the same is under way", both.status == 409, both)
    os.kill(signer, signal.SIGCONT)
    first = slow.reply()
    again = api("POST", CLIENT + "/crl", Idempotency_Key="slow")
    check("then it is answered the same", first.status == 200 and first.body.decode() == again.text, again)


def hung():
    """The signer hangs for longer than a call that publishes waits; CLOCK is the file of the clock."""
    signer = int(os.environ["SIGNER"])
    number = api("GET", CLIENT)["crl"]["number"]
    count = count_of("publish")
    os.kill(signer, signal.SIGSTOP)
    slow = Link(("POST %s/crl HTTP/1.1\r\nHost: x\r\n%s\r\nContent-Length: 0\r\n\r\n" % (CLIENT, BEARER)).encode())
    check("it sleeps", until(lambda: asleep() == 1), asleep())
    check("nothing is told of what has not happened", count_of("publish") == count)
    with open(os.environ["CLOCK"], "w") as clock:
        clock.write("+61\n")
    reply = slow.reply()
    refusals = api("GET", "/api/v1/audit?action=refused%20publish&limit=1")["audit"]
    check("its time is over", reply.status == 503 and b"no new CRL yet" in reply.body, reply)
    check("which the audit trail has", "no new CRL yet" in refusals[0]["detail"] and count_of("publish") == count, refusals)
    os.kill(signer, signal.SIGCONT)
    check("it comes later", until(lambda: api("GET", CLIENT)["crl"]["number"] > number))
    number = api("GET", CLIENT)["crl"]["number"]
    new = api("POST", CLIENT + "/crl")["number"]
    entry = api("GET", "/api/v1/audit?action=publish&limit=1")["audit"][0]
    check("from which number to which", entry["detail"] == "number %d -> %d" % (number, new), entry)


globals()[part]()
finish()
