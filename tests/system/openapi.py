"""What www/openapi.json says, tried: openapi.py ADDRESS:PORT FOLDER PKI TOP

FOLDER has a token file for each of administrator, viewer and scoped, and crl.pem. Each documented status of each operation
is provoked and its reply held against the schema; a status or a path that is on one side alone is an error.
"""
import http.client
import json
import os
import re
import sys

from jsonschema import Draft202012Validator, FormatChecker

from rawhttp import check, finish, host, port

folder, pki, top = sys.argv[2:]
tokens = {name: open("%s/%s.token" % (folder, name)).read().strip() for name in ("administrator", "viewer", "scoped")}
document = json.load(open(top + "/www/openapi.json"))
KEY = {"Idempotency-Key": "used"}
CERTIFICATES = {name: open("%s/%s.crt" % (pki, name)).read() for name in ("client-0", "client-1", "server")}
CRL = open(folder + "/crl.pem").read()
CLIENT = {"issuer": "issuing-client", "serial": "aa01", "id": "999999"}
addresses = iter("127.0.1.%d" % n for n in range(1, 250))


def strict(schema):
    """The same, but for members that it does not name: a reply has none, though clients must bear them."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        schema["additionalProperties"] = False
    return schema


COMPONENTS = strict(document["components"])


def resolve(part):
    while "$ref" in part:
        name = part["$ref"].split("/")[1:]
        part = document
        for step in name:
            part = part[step]
    return part


def faults(schema, value):
    validator = Draft202012Validator({**strict(schema), "components": COMPONENTS}, format_checker=FormatChecker())
    return ["%s: %s" % ("/".join(map(str, fault.path)), fault.message) for fault in validator.iter_errors(value)]


class Reply:
    def __init__(self, reply):
        self.status, self.headers = reply.status, reply.headers
        self.text = reply.read().decode()


def call(method, path, body=None, who="administrator", headers=None, source=None):
    link = http.client.HTTPConnection(host, int(port), timeout=60, source_address=source and (source, 0))
    fields = dict(headers or {})
    if who:
        fields["Authorization"] = "Bearer " + tokens[who]
    link.request(method, path, body, fields)
    reply = Reply(link.getresponse())
    link.close()
    return reply


def bodies(media, reply):
    """What a schema is for: the whole, or each line."""
    if media == "application/x-ndjson":
        return [json.loads(line) for line in reply.text.splitlines()]
    return [json.loads(reply.text)] if media.endswith("json") else [reply.text]


def fits(what, operation, reply):
    described = operation["responses"].get(str(reply.status))
    if not described:
        return check(what + ": a status that is not described", False, (reply.status, reply.text))
    described = resolve(described)
    content = described.get("content", {})
    media = (reply.headers.get("Content-Type") or "").split(";")[0]
    if not content:
        return check(what, reply.text == "", reply.text)
    found = [media + " is not described"] if media not in content else []
    for value in bodies(media, reply) if not found else []:
        found += faults(content[media]["schema"], value)
    missing = [name for name in described.get("headers", {}) if name != "Preference-Applied" and not reply.headers.get(name)]
    check(what, not found and not missing, (found[:3], missing, reply.text[:300]))


def fill(path, parts):
    return re.sub(r"{(\w+)}", lambda match: parts[match.group(1)], path)


# --- what provokes each status: (path, method, status): (parts or query, body, headers, who)

I = "/api/v1/issuers/{issuer}"
ONE = I + "/certificates/{serial}"
FOREIGN = {"issuer": "foreign"}
JUST = {}
special = {
    ("/readyz", "get", 503): None,  # tests/system/main.sh and signers.sh
    (I + "/crl", "post", 409): (FOREIGN, None, {}),
    (I + "/crl", "post", 412): ({}, None, {"If-Match": '"x"'}),
    (I + "/crl", "put", 200): (FOREIGN, CRL, {}),
    (I + "/crl", "put", 409): ({}, CRL, {}),
    (I + "/crl", "put", 412): (FOREIGN, CRL, {"If-Match": '"x"'}),
    (I + "/crl", "put", 422): (FOREIGN, "no CRL", {}),
    (I + "/import", "post", 200): ({}, '{"serial":"aa02","status":"hold","revoked_at":"2026-01-01T00:00:00Z"}', {}),
    (I + "/import", "post", 422): ({}, "{}", {}),
    (I + "/revoke-batch", "post", 200): ({}, "aa03\nffff\nxyz\n", {}),
    (I + "/revoke-batch", "post", 409): ({"": "?atomic=true"}, "ffff", {}),
    (I + "/revoke-batch", "post", 422): ({"": "?reason=boredom"}, "aa03", {}),
    (I + "/certificates", "get", 400): ({"": "?limit=0"}, None, {}),
    (ONE, "get", 400): ({"serial": "xyz"}, None, {}),
    (ONE, "get", 404): ({"serial": "ffff"}, None, {}),
    (ONE + "/proof", "get", 400): ({"serial": "xyz"}, None, {}),
    (ONE + "/proof", "get", 404): ({"serial": "ffff"}, None, {}),
    (ONE + "/revoke", "post", 200): ({"serial": "aa04"}, {"reason": "keyCompromise", "invalidity_at": "2026-01-01T00:00:00Z"}, {}),
    (ONE + "/revoke", "post", 400): ({}, "no JSON", {}),
    (ONE + "/revoke", "post", 404): ({"serial": "ffff"}, None, {}),
    (ONE + "/revoke", "post", 412): ({}, None, {"If-Match": '"x"'}),
    (ONE + "/revoke", "post", 422): ({}, {"reason": "boredom"}, {}),
    (ONE + "/release", "post", 200): ({"serial": "aa02"}, None, {}),
    (ONE + "/release", "post", 404): ({"serial": "ffff"}, None, {}),
    (ONE + "/release", "post", 409): ({"serial": "aa05"}, None, {}),
    (ONE + "/release", "post", 412): ({}, None, {"If-Match": '"x"'}),
    ("/api/v1/certificates", "post", 200): ({}, CERTIFICATES["client-0"] + CERTIFICATES["server"], {}),
    ("/api/v1/certificates", "post", 403): ({}, CERTIFICATES["client-0"], {}, "scoped"),
    ("/api/v1/certificates", "post", 422): ({}, "no certificate", {}),
    ("/api/v1/revoke", "post", 200): ({}, CERTIFICATES["client-1"], {}),
    ("/api/v1/revoke", "post", 403): ({}, CERTIFICATES["client-1"], {}, "scoped"),
    ("/api/v1/revoke", "post", 412): ({}, CERTIFICATES["client-1"], {"If-Match": '"x"'}),
    ("/api/v1/revoke", "post", 422): ({}, "no certificate", {}),
    ("/api/v1/audit", "get", 400): ({"": "?limit=0"}, None, {}),
    ("/api/v1/changes", "get", 200): ({"": "?since=0"}, None, {}),
    ("/api/v1/changes", "get", 400): ({"": "?since=x"}, None, {}),
    ("/api/v1/changes", "get", 409): ({"": "?since=999999"}, None, {}),
    ("/api/v1/tokens", "post", 201): ({}, {"name": "made", "issuers": ["issuing-server"], "expires_at": "2099-01-01T00:00:00Z"}, {}),
    ("/api/v1/tokens", "post", 400): ({}, "no JSON", {}),
    ("/api/v1/tokens", "post", 409): ({}, {"name": "viewer"}, {}),
    ("/api/v1/tokens", "post", 422): ({}, {"name": ""}, {}),
    ("/api/v1/tokens/{id}", "delete", 204): ({"id": "2"}, None, {}),
}
# the same for all that have such a status: no token, another's, no issuer, a bad key, a key that was used, too large
common = {
    401: ({}, None, {}, None),
    403: ({}, None, {}, "scoped"),
    404: ({"issuer": "nobody"}, None, {}),
    400: ({}, None, {"Idempotency-Key": "a b"}),
    422: ({}, None, KEY),
    413: ({}, None, {"Content-Length": str(1 << 40)}),
}


def provoke(path, method, operation, status):
    how = special.get((path, method, status), common.get(status, JUST) if status >= 400 else JUST)
    if how is None:
        return
    parts, body, headers, *who = how or ({}, None, {})
    who = who[0] if who else "administrator"
    if who == "scoped" and "all issuers" not in operation["description"] and "{issuer}" not in path and not body:
        who = "viewer"
    url = fill(path, {**CLIENT, **parts}) + parts.get("", "")
    body = json.dumps(body) if isinstance(body, dict) else body
    reply = call(method.upper(), url, body, who, headers, None if who else next(addresses))
    what = "%s %s: %d" % (method.upper(), path, status)
    if reply.status != status:
        return check(what, False, (reply.status, reply.text))
    fits(what, operation, reply)
    if method == "get" and status == 200:
        head = call("HEAD", url, None, who, headers)
        check("  HEAD, too", head.status == 200 and head.text == "", head.status)


def prepare():
    rows = [{"serial": "aa%02x" % n, "status": "good", "subject": "CN=device-%d" % n} for n in range(1, 9)]
    call("POST", "/api/v1/issuers/issuing-client/import", "\n".join(map(json.dumps, rows)))
    call("POST", "/api/v1/issuers/issuing-client/certificates/aa05/revoke", '{"reason":"keyCompromise"}')
    used = call("POST", "/api/v1/issuers/issuing-client/certificates/aa06/revoke", "{}", headers=KEY)
    assert used.status == 200, used.text


def routes():
    """Those of the source: METHOD and path, in which each part is {}."""
    source = open(top + "/src/http/routes.c").read().split("admin_routes[] = {")[1].split("{0},")[0]
    names = {"READ": "get", "POST": "post", "PUT": "put", "DELETE": "delete"}
    found = re.findall(r'{(\w+),\s*(ISSUER )?(?:"([^"]*)"|ISSUER)?', source.replace("{READ, ISSUER, ", '{READ, ISSUER "", '))
    paths = {(names[method], ("/api/v1/issuers/{}" if issuer else "") + path) for method, issuer, path in found}
    return {(method, path) for method, path in paths if path.startswith("/api/") or path in ("/healthz", "/readyz", "/metrics")}


described = {(method, re.sub(r"{\w+}", "{}", path)) for path, methods in document["paths"].items() for method in methods}
check("the routes and the paths are the same", routes() == described, (routes() - described, described - routes()))
served = call("GET", "/api/v1/openapi.json", who=None)
check("it is served to everybody", json.loads(served.text) == document)
prepare()
for path, methods in document["paths"].items():
    for method, operation in methods.items():
        for status in operation["responses"]:
            if status != "default":
                provoke(path, method, operation, int(status))
other = call("PATCH", "/api/v1/tokens", who=None)
check("another method", other.status == 405 and other.headers["Allow"] == "GET, HEAD, POST", other.text)
check("nothing is there", not faults({"$ref": "#/components/schemas/Problem"}, json.loads(call("GET", "/api/v2").text)))
unused = {key for key in special if str(key[2]) not in document["paths"].get(key[0], {}).get(key[1], {"responses": {}})["responses"]}
check("nothing is provoked that is not described", not unused, unused)
finish()
