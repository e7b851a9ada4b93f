#!/bin/bash
# What the log says, in both forms: one line for each change, and the id of the request that a line is about.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
make_token ops
ctl register "$pki"/client-[0-1].crt >/dev/null
serial=$(serial_of client-0)
one=issuers/issuing-client/certificates/$serial

# --- ids of requests
id_of() { sed -n 's/\r$//; s/^X-Request-Id: //Ip' "$dir/head"; }
is_own() { [[ $(id_of) =~ ^[0-9a-f]{32}$ ]]; }
curl -s -D "$dir/head" -o "$dir/body" "http://$admin/healthz"
first=$(id_of)
check "every reply has an id" is_own
curl -s -D "$dir/head" -o "$dir/body" "http://$admin/healthz"
check "each its own" test "$(id_of)" != "$first"
given() { curl -s -D "$dir/head" -o "$dir/body" -H "X-Request-Id: $1" "http://$admin/healthz"; }
given 0b8e3a52-7c1d.A_9
check "the client's own is kept" test "$(id_of)" = 0b8e3a52-7c1d.A_9
long=$(printf 'a%.0s' {1..65})
given "${long:1}"
check "up to 64 characters" test "$(id_of)" = "${long:1}"
for bad in "$long" 'a b' 'x"y' $'caf\xc3\xa9' 'a=b'; do
    given "$bad"
    check "not \"${bad:0:8}\"" is_own
done
api GET issuers/none/certificates -H "X-Request-Id: lost-1" >"$dir/problem"
check "a problem names it" test "$(jq -r '[.status, .request_id] | @csv' "$dir/problem")" = '404,"lost-1"'
curl -s -D "$dir/head" -o "$dir/body" -H "X-Request-Id: mine" "http://$public/nothing"
check "none at the public listener" test -z "$(id_of)"
check "nor in its problems" test "$(jq 'has("request_id")' "$dir/body")" = false

# --- logfmt
lines() { grep -c -- "$1" "$dir/annuld.log"; }
has_line() { until_true 5 grep -q -- "$1" "$dir/annuld.log"; } # it comes after the answer
api POST "$one/revoke" -d '{"reason":"keyCompromise"}' -H "X-Request-Id: change-1" >/dev/null
has_line request=change-1
expect "a change is a line" \
    "level=info at=admin msg=\"POST /api/v1/$one/revoke\" request=change-1 who=\"token:ops\" from=\"127.0.0.1\" status=200" \
    cat "$dir/annuld.log"
check "one line" test "$(lines request=change-1)" = 1
api POST "$one/release" -H "X-Request-Id: change-2" >/dev/null
has_line request=change-2
expect "one that was refused, too" "request=change-2 who=\"token:ops\" from=\"127.0.0.1\" status=409" cat "$dir/annuld.log"
api GET "$one" -H "X-Request-Id: look-1" >/dev/null
check "a look is none" test "$(lines request=look-1)" = 0
curl -s -X POST -H "Authorization: Bearer annul_$(printf '0%.0s' {1..64})" -H "X-Request-Id: stranger-1" "http://$admin/api/v1/$one/revoke" >/dev/null
check "a stranger's is no change, but a warning" test "$(grep 'request=stranger-1' "$dir/annuld.log" | grep -c 'level=warn .*refused a token')" = 1
refuse "and no change" grep -q 'request=stranger-1.*status=' "$dir/annuld.log"
refuse "no token is in the log" grep -qF "$token" "$dir/annuld.log"
curl -s -X POST --unix-socket "$dir/admin.sock" "http://annul/api/v1/$one/revoke" -d '{"reason":"superseded"}' >/dev/null
has_line 'from="unix"'
expect "who came by the socket" "who=\"uid:$(id -u)\" from=\"unix\"" cat "$dir/annuld.log"
stop_daemon
logfmt=$(grep -cvE '^time=[0-9T:.-]+Z level=(error|warn|info) at=[a-z]+ msg="([^"\\]|\\.)*"( [a-z_]+=("([^"\\]|\\.)*"|[A-Za-z0-9_.-]+))*$' "$dir/annuld.log")
check "every line is logfmt" test "$logfmt" = 0

# --- JSON
mv "$dir/annuld.log" "$dir/logfmt.log"
echo 'log { format = "json" level = "debug" }' >>"$dir/annuld.conf"
start_daemon
api POST "$one/revoke" -H "X-Request-Id: change-3" >/dev/null
exec 3<>"/dev/tcp/${admin%:*}/${admin#*:}" # an issuer whose name is anything but UTF-8
printf 'POST /api/v1/issuers/x"\\\xff\xc3\xa9/crl HTTP/1.1\r\nHost: x\r\nX-Request-Id: odd-1\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n' "$token" >&3
cat <&3 >"$dir/odd"
exec 3>&-
printf 'xxxx' | curl -s --data-binary @- -H 'Content-Type: application/ocsp-request' "http://$public/ocsp" >/dev/null
stop_daemon
check "every line is a JSON object" python3 - "$dir/annuld.log" <<'PY'
import json, re, sys
lines = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
for line in lines:
    assert list(line)[:4] == ["time", "level", "at", "msg"], line
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"]), line
by_id = {line.get("request"): line for line in lines}
change = by_id["change-3"]
assert change["who"] == "token:ops" and change["from"] == "127.0.0.1" and change["status"] == 200, change
assert change["level"] == "info" and change["msg"].startswith("POST /api/v1/issuers/issuing-client/"), change
odd = by_id.get("odd-1")
assert odd and odd["msg"] == 'POST /api/v1/issuers/x"\\?\u00e9/crl' and odd["status"] == 404, odd
assert any(line["level"] == "debug" and line["at"] == "responder" for line in lines), "no debug line"
assert any("serving" in line["msg"] for line in lines)
PY
JOURNAL_STREAM=1:1 start_daemon
stop_daemon
check "for the journal a level stands in front, and it has the time" test "$(tail -n 1 "$dir/annuld.log" | sed -n 's/^<6>//p' | jq -r '.level + (.time // "")')" = info
finish
