#!/bin/bash
# Roles, scopes, expiry and the last use of tokens: every route and every command, asked by everybody.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
move_clock 0
write_config </dev/null
start_daemon
register_usual
ctl revoke --reason superseded issuing-server "$(serial_of server)" >/dev/null
mkdir -p "$dir/tokens"

# --- made, and what they are ---------------------------------------------------------------------------

make() { # NAME OPTIONS...
    (umask 077 && ctl token create "$@" >"$dir/tokens/$1")
}
check "a viewer" make viewer --role viewer
check "an operator, as is the rule" make operator
check "an administrator" make administrator --role administrator
check "a viewer of one issuer" make scoped-viewer --role viewer --issuer issuing-server
check "an operator of one issuer" make scoped-operator --issuer issuing-server
check "an administrator of one issuer" make scoped-administrator --role administrator --issuer issuing-server
check "one for two, and for 90 days" make two --issuer issuing-server --issuer issuing-client --expires 90d
check "one that will have expired" make expired --role administrator --expires 60s
check "one that is revoked" make revoked --role administrator
check "now" ctl token revoke revoked
printf 'V\t351231235959Z\t\tABCD01\tunknown\t/CN=imported\n' >"$dir/tokens/index.txt"
printf 'annul_%064d\n' 7 >"$dir/tokens/unknown"
chmod 600 "$dir/tokens/unknown"
expect "a role that there is not" "role must be viewer, operator or administrator" ctl token create bad --role root
expect "an issuer that there is not" 'no issuer is named "nobody"' ctl token create bad --issuer nobody
expect "two in one" 'no issuer is named "issuing-server issuing-client"' ctl token create bad --issuer "issuing-server issuing-client"
expect "a time that is over" "expires_at is in the past" ctl token create bad --expires 2020-01-01T00:00:00Z
expect "a time that is none" "--expires 3 weeks: write how long from now, as 90d or 12h" ctl token create bad --expires "3 weeks"
refuse "none of them is there" grep -q bad <(ctl token list)
expect "the audit trail says what was made" "two: operator of issuing-server, issuing-client, until " ctl audit show
expect "a list" "ROLE           CREATED" ctl token list
expect "with scopes" "issuing-server,issuing-client" ctl token list

as() { # NAME COMMAND...
    local who=$1
    shift
    ctl --token-file "$dir/tokens/$who" "$@"
}
expect "who is it" "token:two" as two whoami
also "for which issuers" "issuing-server,issuing-client"
expect "on the socket it is root" '"role":"administrator","issuers":null' bash -c "$BUILD/annulctl --json -s '$dir/admin.sock' whoami | jq -c '{role, issuers}'"

# --- the last use --------------------------------------------------------------------------------------

used() { # NAME: when, or null
    ctl token list --json | jq -r ".tokens[] | select(.name == \"$1\").last_used_at"
}
used_anew() {
    [ "$(used viewer)" != "$1" ]
}
check "one that was not used" test "$(used viewer)" = null
as viewer issuers >/dev/null
check "its first use is told soon" until_true 10 used_anew null
first=$(used viewer)
move_clock 50
as viewer issuers >/dev/null
move_clock 70
check "not the next one within a minute" test "$(used viewer)" = "$first"
as viewer issuers >/dev/null
check "but that after it" until_true 10 used_anew "$first"
refuse "it has no entry in the audit trail" grep -q 'last use' <(ctl audit show --limit 1000)

# --- what they may -------------------------------------------------------------------------------------

check "every route and every command for everybody" python3 "$top/tests/system/access.py" "$admin" "$BUILD/annulctl" \
    "$dir/admin.sock" "$pki" "$dir/tokens" "$top/src/http/routes.c"
cat "$dir/out"
code=0
"$BUILD/annulctl" -u "http://$admin" issuers >/dev/null 2>&1 || code=$?
check "annulctl without a token" test $code = 4
told() { # WHO: once a second such a line is in the log
    as "$1" issuers >/dev/null 2>&1
    grep -q "refused a token from unix: $1, $1" "$dir/annuld.log"
}
check "the log says that it expired" until_true 10 told expired
check "or that it was revoked" until_true 10 told revoked
refuse "the answer does not" grep -q 'expired, expired' <(as expired issuers 2>&1)
expect "who may not is told why" "this is for the role administrator, and token:viewer has the role viewer" as viewer token list
expect "and for which issuers it is" "token:two is for these issuers alone: issuing-server issuing-client" \
    as two list intermediate-client
expect "that is in the audit trail, too" '"action":"refused read","issuer":"intermediate-client"' ctl audit show --json --limit 1
expect "one for some issuers cannot check the whole" "does not see all of it" as two audit verify

# --- wrong tokens, again and again ---------------------------------------------------------------------

wrong() { # [CURL OPTIONS]: the status
    http_status -D "$dir/head" -H "Authorization: Bearer $(cat "$dir/tokens/unknown")" "$@" "http://$admin/api/v1/me"
}
for _ in {1..8}; do
    wrong --interface 127.0.3.1 >/dev/null
done
check "after a few an address has to wait" test "$(wrong --interface 127.0.3.1)" = 429
check "and is told how long" grep -qiE '^Retry-After: [12].$' "$dir/head"
expect "without a token, too" 429 http_status --interface 127.0.3.1 "http://$admin/api/v1/me"
check "another does not" test "$(wrong --interface 127.0.3.2)" = 401
check "nor does a right token" test \
    "$(http_status --interface 127.0.3.1 -H "Authorization: Bearer $(cat "$dir/tokens/viewer")" "http://$admin/api/v1/me")" = 200
expect "nor do open routes" 200 http_status --interface 127.0.3.1 "http://$admin/healthz"
waited_for() {
    [ "$(wrong --interface 127.0.3.1)" = 401 ]
}
check "later it is answered again" until_true 20 waited_for
check "once" test "$(wrong --interface 127.0.3.1)" = 429

# --- browsers ------------------------------------------------------------------------------------------

for path in healthz metrics api/v1/me api/v1/nothing; do
    curl -s -D "$dir/head" -o /dev/null -H "Authorization: Bearer $(cat "$dir/tokens/viewer")" "http://$admin/$path"
    for header in "X-Content-Type-Options: nosniff" "Cache-Control: no-store" "Referrer-Policy: no-referrer" \
        "Cross-Origin-Opener-Policy: same-origin" "Cross-Origin-Resource-Policy: same-origin" \
        "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'"; do
        check "/$path: $header" test "$(tr -d '\r' <"$dir/head" | grep -icxF "$header")" = 1
    done
done
from_page() { # STATUS CURL OPTIONS...: what a change on the socket gets
    local status=$1
    shift
    check "from a page: $* $status" test "$(http_status --unix-socket "$dir/admin.sock" -X POST "$@" \
        http://annul.example.test:8081/api/v1/issuers/issuing-client/revoke-batch)" = "$status"
}
from_page 200 -H 'Accept: */*'
from_page 200 -H 'Origin: http://annul.example.test:8081'
from_page 200 -H 'Origin: http://annul.example.test:8081' -H 'Sec-Fetch-Site: same-origin'
from_page 200 -H 'Sec-Fetch-Site: none'
from_page 403 -H 'Origin: http://annul.example.test'
from_page 403 -H 'Origin: https://annul.example.test:8081'
from_page 403 -H 'Origin: http://annul.example.test:80811'
from_page 403 -H 'Origin: null'
from_page 403 -H 'Origin: https://elsewhere.example.test'
from_page 403 -H 'Origin;'
from_page 403 -H 'Sec-Fetch-Site: cross-site'
from_page 403 -H 'Sec-Fetch-Site: same-site'
from_page 403 -H 'Sec-Fetch-Site: same-origin' -H 'Sec-Fetch-Site: cross-site'
from_page 200 -H 'Origin: https://elsewhere.example.test' -H "Authorization: Bearer $(cat "$dir/tokens/operator")"
check "a look is not refused" test "$(http_status --unix-socket "$dir/admin.sock" -H 'Origin: null' http://annul/api/v1/issuers)" = 200

before=$(ctl token list --json)
stop_daemon

# --- the configuration in force ------------------------------------------------------------------------

echo "issuer \"elsewhere\" { certificate = \"$pki/root.crt\" crl_url = \"http://me:secret@127.0.0.1:9/a@b.crl?key=secret\" }" >>"$dir/annuld.conf"
is_ready() { # the CRL from elsewhere never comes
    curl -sf "http://$admin/healthz"
}
start_daemon
check "all of it outlives the daemon" test "$(ctl token list --json)" = "$before"
curl -s --unix-socket "$dir/admin.sock" http://annul/api/v1/config >"$dir/config.json"
refuse "the configuration has no secret" grep secret "$dir/config.json"
expect "but what is around it" '"http://…@127.0.0.1:9/a@b.crl?…"' cat "$dir/config.json"
for key in $(grep -ohP 'CFG_\w+\("\K\w+' "$top"/src/base/config{,_admin,_issuer}.c | sort -u); do
    case $key in lifetime | chain | format | role | issuers) continue ;; esac # of sections that are not here
    check "it has the key $key" jq -e "[.. | objects | has(\"$key\")] | any" "$dir/config.json"
done
expect "durations as the file would have them" '"crl_lifetime": "604800s"' cat "$dir/config.json"
finish
