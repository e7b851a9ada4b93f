"""Who may what: every route and every command, asked by everybody: access.py ADDRESS:PORT ANNULCTL SOCKET PKI TOKENS ROUTES

TOKENS is a folder with a token file for each of `people`; ROUTES is the source with the table that is checked.
"""
import http.client
import itertools
import json
import os
import re
import subprocess
import sys

address, annulctl, socket_path, pki, tokens, routes = sys.argv[1:]
failures = 0
VIEWER, OPERATOR, ADMINISTRATOR = 1, 2, 3
# name: (role, the one issuer it is for). Those with the role 0 are nobody, and get 401.
people = {
    "viewer": (VIEWER, None),
    "operator": (OPERATOR, None),
    "administrator": (ADMINISTRATOR, None),
    "scoped-viewer": (VIEWER, "issuing-server"),
    "scoped-operator": (OPERATOR, "issuing-server"),
    "scoped-administrator": (ADMINISTRATOR, "issuing-server"),
    "expired": (0, None),
    "revoked": (0, None),
    "unknown": (0, None),
    "no token": (0, None),
}
OPEN, ANY, ALL, ISSUER, BODY = "open", "any scope", "all issuers", "issuer in the path", "issuer in the body"
certificates = {name: open("%s/%s.crt" % (pki, file), "rb").read() for name, file in
                (("issuing-client", "client-0"), ("issuing-server", "server"))}
# (method, route): (least role, how it heeds the scope, body)
table = {
    ("GET", "/"): (0, OPEN, None),
    ("GET", "/console/{}"): (0, OPEN, None),
    ("GET", "/assets/{}"): (0, OPEN, None),
    ("GET", "/healthz"): (0, OPEN, None),
    ("GET", "/readyz"): (0, OPEN, None),
    ("GET", "/metrics"): (0, OPEN, None), # on loopback; admin_tls.sh asks beyond it
    ("GET", "/api/v1/openapi.json"): (0, OPEN, None),
    ("GET", "/api/v1/me"): (VIEWER, ANY, None),
    ("GET", "/api/v1/issuers"): (VIEWER, ANY, None),
    ("GET", "/api/v1/issuers/{}"): (VIEWER, ISSUER, None),
    ("GET", "/api/v1/issuers/{}/crls"): (VIEWER, ISSUER, None),
    ("GET", "/api/v1/audit"): (VIEWER, ANY, None),
    ("GET", "/api/v1/changes"): (VIEWER, ANY, None),
    ("GET", "/api/v1/status"): (VIEWER, ANY, None),
    ("GET", "/api/v1/issuers/{}/certificates"): (VIEWER, ISSUER, None),
    ("GET", "/api/v1/issuers/{}/certificates/{}"): (VIEWER, ISSUER, None),
    ("GET", "/api/v1/issuers/{}/certificates/{}/proof"): (VIEWER, ISSUER, None),
    ("POST", "/api/v1/issuers/{}/certificates/{}/revoke"): (OPERATOR, ISSUER, b""),
    ("POST", "/api/v1/issuers/{}/certificates/{}/release"): (OPERATOR, ISSUER, b""),
    ("POST", "/api/v1/issuers/{}/revoke-batch"): (OPERATOR, ISSUER, b""),
    ("POST", "/api/v1/certificates"): (OPERATOR, BODY, None),
    ("POST", "/api/v1/revoke"): (OPERATOR, BODY, None),
    ("POST", "/api/v1/issuers/{}/crl"): (ADMINISTRATOR, ISSUER, b""),
    ("PUT", "/api/v1/issuers/{}/crl"): (ADMINISTRATOR, ISSUER, b"no CRL"),
    ("POST", "/api/v1/issuers/{}/import"): (ADMINISTRATOR, ISSUER, b""),
    ("GET", "/api/v1/config"): (ADMINISTRATOR, ALL, None),
    ("GET", "/api/v1/tokens"): (ADMINISTRATOR, ALL, None),
    ("POST", "/api/v1/tokens"): (ADMINISTRATOR, ALL, b"{}"),
    ("DELETE", "/api/v1/tokens/{}"): (ADMINISTRATOR, ALL, None),
}
# command: (least role, how it heeds the scope, arguments); what stands for an issuer is ISSUER, for its certificate FILE
commands = {
    "revoke": (OPERATOR, ISSUER, ["ISSUER", "abcdef"]),
    "release": (OPERATOR, ISSUER, ["ISSUER", "abcdef"]),
    "status": (VIEWER, ISSUER, ["ISSUER", "abcdef"]),
    "list": (VIEWER, ISSUER, ["ISSUER"]),
    "register": (OPERATOR, BODY, ["FILE"]),
    "import": (ADMINISTRATOR, ISSUER, ["--format", "index", "ISSUER", tokens + "/index.txt"]),
    "export": (VIEWER, ISSUER, ["ISSUER"]),
    "issuers": (VIEWER, ANY, []),
    "crl publish": (ADMINISTRATOR, ISSUER, ["ISSUER"]),
    "crl upload": (ADMINISTRATOR, ISSUER, ["ISSUER", "FILE"]),
    "whoami": (VIEWER, ANY, []),
    "token create": (ADMINISTRATOR, ALL, ["administrator"]),
    "token list": (ADMINISTRATOR, ALL, []),
    "token revoke": (ADMINISTRATOR, ALL, ["99999"]),
    "audit show": (VIEWER, ANY, []),
    "audit verify": (VIEWER, ALL, []),
    "audit export": (VIEWER, ALL, []),
}


def check(what, good, *told):
    global failures
    if not good:
        failures += 1
        print("FAILED: %s:" % what, *told)


def may(who, least, kind, issuer):
    """401, 403, or 0 where it is allowed."""
    role, scope = people[who]
    if kind == OPEN:
        return 0
    if not role:
        return 401
    outside = kind == ALL or (kind in (ISSUER, BODY) and issuer != scope)
    return 403 if role < least or (scope and outside) else 0


def token_of(who):
    path = "%s/%s" % (tokens, who)
    return open(path).read().strip() if os.path.exists(path) else None


attempts = itertools.count()


def ask(who, method, path, body=None):
    """Failures slow down the address that they come from, but for the first ones."""
    origin = "127.0.0.1" if people[who][0] else "127.0.1.%d" % (1 + next(attempts) // 8)
    link = http.client.HTTPConnection(address, source_address=(origin, 0))
    headers = {"Authorization": "Bearer " + token_of(who)} if token_of(who) else {}
    link.request(method, path, body, headers)
    answer = link.getresponse()
    text = answer.read()
    link.close()
    return answer.status, text


def trail():
    """What was done, without what was refused."""
    rows = json.loads(ask("administrator", "GET", "/api/v1/audit?limit=1000")[1])["audit"]
    return [row["id"] for row in rows if not row["action"].startswith("refused")]


def check_route(method, route, row):
    least, kind, body = row
    for who, issuer in itertools.product(people, certificates):
        expected, before = may(who, least, kind, issuer), trail()
        path = route.replace("{}", issuer, 1) if kind == ISSUER else route
        status, text = ask(who, method, path.replace("{}", "99999"), certificates[issuer] if kind == BODY else body)
        what = "%s %s of %s by %s" % (method, route, issuer, who)
        if expected:
            check(what, status == expected, "%d where %d belongs" % (status, expected))
            check(what + " changes nothing", trail() == before)
        else:
            check(what, status not in (401, 403, 429) and status < 500, status, text)


def check_command(name, row):
    least, kind, arguments = row
    for who, issuer in itertools.product(people, certificates):
        if who == "no token":
            continue # on the socket that is somebody
        file = "%s/%s.crt" % (pki, {"issuing-client": "client-0", "issuing-server": "server"}[issuer])
        words = [{"ISSUER": issuer, "FILE": file}.get(word, word) for word in arguments]
        done = subprocess.run([annulctl, "-s", socket_path, "--token-file", "%s/%s" % (tokens, who), *name.split(), *words],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        expected = may(who, least, kind, issuer) != 0
        check("annulctl %s %s by %s" % (name, issuer, who), (done.returncode == 4) == expected,
              "exit status %d" % done.returncode, done.stdout[-200:])


def check_view():
    """What those see who see a part."""
    for who, (role, scope) in people.items():
        if not role:
            continue
        names = [i["name"] for i in json.loads(ask(who, "GET", "/api/v1/issuers")[1])["issuers"]]
        check("%s sees issuers" % who, (len(names) == 3 and not scope) or names == [scope], names)
        trail_of = json.loads(ask(who, "GET", "/api/v1/audit?limit=1000")[1])
        seen = {row["issuer"] for row in trail_of["audit"]}
        check("%s sees entries" % who, seen == {scope} if scope else {None, *certificates} <= seen, seen)
        check("%s and the head" % who, (trail_of["head"] is None) == bool(scope))
        asked = json.loads(ask(who, "GET", "/api/v1/audit?issuer=issuing-client")[1])
        check("%s asks for entries of another" % who, bool(asked["audit"]) == (not scope))
        paged = json.loads(ask(who, "GET", "/api/v1/audit?limit=1")[1])
        check("%s has pages" % who, len(paged["audit"]) == 1 and paged["next"] == paged["audit"][0]["id"], paged)
        me = json.loads(ask(who, "GET", "/api/v1/me")[1])
        check("%s is who it is" % who, me["name"] == "token:" + who and me["issuers"] == (scope and [scope]) and
              me["role"] == ("viewer", "operator", "administrator")[role - 1], me)


source = open(routes).read().split("admin_routes[]")[1].split("{0}")[0]
there = set()
for methods, issuer, path in re.findall(r'\{(\w+), (ISSUER)?,? ?(?:"([^"]*)")?', source):
    path = ("/api/v1/issuers/{}" if issuer else "") + path
    there.add(("GET" if methods == "READ" else methods, path))
check("the routes are those of this table", there == set(table), there ^ set(table))
listed = subprocess.run([annulctl, "--help"], stdout=subprocess.PIPE, text=True).stdout
named = {line[2:16].strip() for line in listed.split("Commands:\n")[1].split("\n\n")[0].splitlines()}
check("the commands are those of this table", named == set(commands), named ^ set(commands))
for (method, route), row in table.items():
    check_route(method, route, row)
    if method == "GET":
        check_route("HEAD", route, row)
for name, row in commands.items():
    check_command(name, row)
check_view()
print("%d routes and %d commands for %d people: %d failures" % (len(table), len(commands), len(people), failures))
sys.exit(failures != 0)
