#!/bin/bash
# The audit trail: changes, refused attempts and failed logins are in it, and whatever is done to the table by another
# program is found and named.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
register_usual
make_token ops
one=$(serial_of client-0) two=$(serial_of client-2)
db=$dir/annul.db
sql() { sqlite3 -cmd '.timeout 5000' "$db" "$@"; }
verify() { ctl audit verify; }
rows() { sql 'SELECT count(*) FROM audit'; }
certificate=issuers/issuing-client/certificates

# --- changes -------------------------------------------------------------------------------------------

expect "what was done is shown" "good -> revoked (keyCompromise" ctl audit show --serial "$two" --issuer issuing-client
also "and before that" "register"
also "by whom" "uid:$(id -u)"
also "from where" " unix "
refuse "and nothing else" grep -qi "$one" "$dir/out"
expect "the newest comes first" "token create" ctl audit show --limit 1
check "and alone" test "$(grep -c . "$dir/out")" = 2
expect "a revocation by token" '"changed": true' api POST $certificate/"$one"/revoke -d '{"reason":"certificateHold"}'
expect "its actor and origin" '"actor":"token:ops","origin":"127.0.0.1","action":"revoke"' ctl audit show --limit 1 --json
expect "a release" '"changed": true' api POST $certificate/"$one"/release
expect "before and after" '-> good"' ctl audit show --limit 1 --json
ctl crl publish issuing-client >/dev/null
expect "a CRL that was asked for" '"action":"publish","issuer":"issuing-client"' ctl audit show --limit 1 --json
printf 'V\t351231235959Z\t\t77\tunknown\t/CN=a\n' >"$dir/first.txt"
printf 'R\t351231235959Z\t251121090000Z,superseded\t77\tunknown\t/CN=a\n' >"$dir/second.txt"
ctl import issuing-client "$dir/first.txt" >/dev/null
ctl import issuing-client "$dir/second.txt" >/dev/null
expect "an import that revokes what was good" "good -> revoked (superseded, 2025-11-21T09:00:00Z)" ctl audit show --serial 77
check "nobody has touched it" verify

# --- refused attempts ----------------------------------------------------------------------------------

refused() { # ACTION STATUS PATH [CURL OPTIONS]: the attempt leaves an entry
    local action=$1 status=$2 path=$3 before
    shift 3
    before=$(rows)
    check "refused $action: $status" test "$(http_status -X POST -H "Authorization: Bearer $token" "http://$admin/api/v1/$path" "$@")" = "$status"
    expect "its entry" "\"actor\":\"token:ops\",\"origin\":\"127.0.0.1\",\"action\":\"refused $action\"" ctl audit show --limit 1 --json
    also "tells why" "\"detail\":\"$status: "
    check "there is one" test "$(rows)" = $((before + 1))
}
refused revoke 404 $certificate/abcdef/revoke
expect "of which certificate" '"issuer":"issuing-client","serial":"abcdef"' ctl audit show --limit 1 --json
refused revoke 404 issuers/none/certificates/abcdef/revoke
refused revoke 400 $certificate/xyz/revoke
refused revoke 422 $certificate/"$one"/revoke -d '{"reason":"boredom"}'
refused revoke 422 $certificate/"$one"/revoke -d $'{"reason":"\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9\u00e9x\u00e9"}'
refused revoke 400 $certificate/"$one"/revoke -d '{'
refused release 409 $certificate/"$two"/release
refused register 422 certificates -d 'no certificate'
refused revoke 422 revoke -d 'no certificate'
refused import 422 issuers/issuing-client/import -d '{}'
refused revoke 409 "issuers/issuing-client/revoke-batch?atomic=true" -d 'abcdef'
refused 'token create' 409 tokens -d '{"name":"ops"}'
refused 'token create' 413 tokens -H 'Content-Length: 99999999'
before=$(rows)
check "a question that is refused is none" test "$(http_status -H "Authorization: Bearer $token" "http://$admin/api/v1/$certificate/abcdef")" = 404
check "no entry" test "$(rows)" = "$before"

printf '%s\nabcdef\nwhat\n' "$one" | api POST issuers/issuing-client/revoke-batch --data-binary @- >/dev/null
check "a batch: an entry for each that was revoked, was not known, and for what cannot be read" test "$(rows)" = $((before + 3))
expect "the first" "good -> revoked" ctl audit show --serial "$one" --limit 1
expect "the second" "no such certificate" ctl audit show --serial abcdef --limit 1
expect "the third" "1 of 3 lines cannot be read" ctl audit show --limit 1

before=$(rows)
seq -f 'abc0%.0f' 1000 | api POST issuers/issuing-client/revoke-batch --data-binary @- >/dev/null
check "a thousand that are not known have few" test "$(rows)" = $((before + 5))
expect "which tell how many they were" "no such certificate: 1000 lines of 1000" ctl audit show --limit 1

before=$(rows)
for _ in {1..30}; do
    http_status -H "Authorization: Bearer annul_$(printf '0%.0s' {1..64})" "http://$admin/api/v1/tokens" >/dev/null
done
check "thirty wrong tokens" grep -q 'too many attempts without a good token came from 127.0.0.1' "$dir/body"
after=$(rows)
check "are few entries ($((after - before)))" test $((after - before)) -ge 1 -a $((after - before)) -le 5
expect "of a stranger" '"actor":"unknown","origin":"127.0.0.1","action":"refused authentication"' ctl audit show --limit 1 --json
before=$(rows)
for i in {2..91}; do
    http_status --interface "127.0.0.$i" "http://$admin/api/v1/tokens" >/dev/null
done
after=$(rows)
check "from ninety addresses they are bounded, too ($((after - before)))" test $((after - before)) -ge 64 -a $((after - before)) -le 68
expect "those who came late are" '"origin":"others"' ctl audit show --limit 1 --json
stop_daemon
start_daemon
expect "and in the end all are told of" " attempts had no entry" ctl audit show --limit 1
told_of() { # ACTOR: how many attempts
    sql "SELECT sum(1 + CASE WHEN detail LIKE '% attempts before%' THEN substr(detail, instr(detail, '; ') + 2) + 0
        WHEN detail LIKE '% had no entry' THEN detail + 0 - 1 ELSE 0 END) FROM audit WHERE actor = '$1'"
}
check "a hundred and twenty of them" test "$(told_of unknown)" = 120
check "nobody has touched it still" verify

# --- tampering -----------------------------------------------------------------------------------------

last=$(rows)
middle=$((last / 2))
sql ".backup $dir/kept.db"
restore() {
    sql "ATTACH '$dir/kept.db' AS kept; DELETE FROM audit; INSERT INTO audit SELECT * FROM kept.audit;
         DELETE FROM audit_head; INSERT INTO audit_head SELECT * FROM kept.audit_head"
}
verify_fails() {
    verify
    test $? = 1
}
tamper() { # NAME WHAT IS SAID SQL
    sql "$3"
    expect "$1: it is said" "audit trail: $2" verify
    check "$1: exit status 1" verify_fails
    ctl audit export >"$dir/tampered.ndjson"
    expect "$1: an export tells it, too" "audit trail: $2" ctl audit verify "$dir/tampered.ndjson"
    restore
    check "$1: restored" verify
}
for set in "at = at + 1" "at = at + 0.25" "actor = 'x'" "actor = actor || char(0)" "origin = 'x'" "action = 'x'" \
    "issuer = 'x'" "serial = x'0177'" "detail = 'x'" "detail = x'ff'" "detail = cast(x'ff' AS TEXT)" "hash = randomblob(32)" "hash = NULL"; do
    tamper "$set" "row $middle was changed" "UPDATE audit SET $set WHERE id = $middle"
done
tamper "the first row" "row 1 was changed" "UPDATE audit SET actor = 'x' WHERE id = 1"
tamper "the last row" "row $last was changed" "UPDATE audit SET actor = 'x' WHERE id = $last"
tamper "deletion of the first row" "row 1 is missing" "DELETE FROM audit WHERE id = 1"
tamper "of one in the middle" "row $middle is missing" "DELETE FROM audit WHERE id = $middle"
tamper "of the last" "row $last is missing at the end" "DELETE FROM audit WHERE id = $last"
tamper "of the last five" "rows $((last - 4)) to $last are missing at the end" "DELETE FROM audit WHERE id > $last - 5"
tamper "of all" "rows 1 to $last are missing at the end" "DELETE FROM audit"
tamper "a gap that is closed" "row $middle was changed, or is not the one that was behind row $((middle - 1))" \
    "DELETE FROM audit WHERE id = $middle; UPDATE audit SET id = id - 1 WHERE id > $middle"
tamper "a swap" "row 3 was moved: what stands there was row $middle" \
    "UPDATE audit SET id = -1 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = $middle; UPDATE audit SET id = $middle WHERE id = -1"
tamper "a swap of neighbours" "row 3 was moved: what stands there was row 4" \
    "UPDATE audit SET id = -1 WHERE id = 3; UPDATE audit SET id = 3 WHERE id = 4; UPDATE audit SET id = 4 WHERE id = -1"
tamper "an insertion at the end" "row $((last + 1)) was added at the end" \
    "INSERT INTO audit SELECT $last + 1, at, actor, origin, action, issuer, serial, detail, hash FROM audit WHERE id = 2"
tamper "in front" "row -7 was added" \
    "INSERT INTO audit SELECT -7, at, actor, origin, action, issuer, serial, detail, hash FROM audit WHERE id = 2"
tamper "in the middle" "row $middle was added" \
    "UPDATE audit SET id = -id - 1 WHERE id >= $middle; UPDATE audit SET id = -id WHERE id < 0;
     INSERT INTO audit SELECT $middle, at, actor, origin, action, issuer, serial, detail, randomblob(32) FROM audit WHERE id = 2"
tamper "the head's hash" "the head was changed" "UPDATE audit_head SET hash = randomblob(32)"
tamper "the head's number" "row $last was added at the end, or the head was changed" "UPDATE audit_head SET id = id - 1"
tamper "no head" "row 1 was added at the end, or the head was changed" "DELETE FROM audit_head"
sql "DELETE FROM audit_head"
refuse "without a head nothing is changed" ctl token create headless
expect "and it is said" "annuld(8) has the remedy" cat "$dir/refused"
sql "DELETE FROM audit_head; INSERT INTO audit_head SELECT id, hash FROM audit ORDER BY id DESC LIMIT 1"
check "the remedy is one" ctl token create headless
check "as to the chain" verify
restore
# Goes on as if nothing had been: what is missing does not heal.
sql "DELETE FROM audit WHERE id > $last - 2"
check "a change behind a truncation" ctl token create other
expect "is behind what is missing" "rows $((last - 1)) to $last are missing" verify

# --- outside anchors -----------------------------------------------------------------------------------

restore
check "restored" verify
ctl audit export >"$dir/export.ndjson"
expect "an export is verified without the daemon" "$last entries, none changed" "$BUILD/annulctl" -s /nowhere audit verify "$dir/export.ndjson"
hash=$(tail -n 1 "$dir/export.ndjson" | sed 's/.*"hash":"\([0-9a-f]*\)".*/\1/')
head -n 5 "$dir/export.ndjson" >"$dir/cut.ndjson"
expect "one that is cut off is no export" "the last line, with the head, is missing" ctl audit verify "$dir/cut.ndjson"
sed '7s/"actor":"[^"]*"/"actor":"x"/' "$dir/export.ndjson" >"$dir/changed.ndjson"
expect "one that was changed is found" "row 7 was changed" ctl audit verify "$dir/changed.ndjson"
expect "the export can be checked by others, as annul-api(5) says" "$hash" python3 - "$dir/export.ndjson" <<'PY'
import calendar, hashlib, json, struct, sys, time
def field(octets):
    return b"\xff" * 4 if octets is None else struct.pack(">I", len(octets)) + octets
chain = bytes(32)
for line in open(sys.argv[1]):
    row = json.loads(line)
    if "head" in row:
        break
    at = calendar.timegm(time.strptime(row["at"], "%Y-%m-%dT%H:%M:%SZ"))
    text = lambda key: None if row[key] is None else row[key].encode()
    serial = row["serial"] and bytes.fromhex(row["serial"])
    chain = hashlib.sha256(chain + struct.pack(">qq", row["id"], at) + field(text("actor")) + field(text("origin")) +
                           field(text("action")) + field(text("issuer")) + field(serial) + field(text("detail"))).digest()
    assert chain.hex() == row["hash"], row
print(chain.hex())
PY
stop_daemon
expect "the log has the head" "the last entry is $last, with the hash $hash" tail -n 3 "$dir/annuld.log"
start_daemon

# --- while others write --------------------------------------------------------------------------------

seq -f 'V	351231235959Z		2%015.0f	unknown	' 4000 >"$dir/many.txt"
ctl -q import issuing-client "$dir/many.txt"
cut -f4 "$dir/many.txt" >"$dir/serials"
ctl -q revoke --reason superseded --from "$dir/serials" issuing-client &
many=$!
times=0 good=0
while kill -0 $many 2>/dev/null; do
    times=$((times + 1))
    verify >"$dir/verified" && good=$((good + 1))
done
check "verified $times times meanwhile" test $times -gt 0 -a $times = $good
expect "and behind it" "$((last + 4001)) entries, none changed" verify

# --- the API -------------------------------------------------------------------------------------------

expect "pages" '"next": 2' api GET 'audit?order=oldest&limit=2'
expect "the next" '"id": 3' api GET 'audit?order=oldest&limit=1&after=2'
expect "by actor" '"token:ops"' api GET 'audit?actor=token%3Aops&limit=1'
refuse "nobody else's" grep -q '"uid:' "$dir/out"
expect "by action" '"refused release"' api GET 'audit?action=refused%20release'
check "that alone" test "$(grep -c '"id"' "$dir/out")" = 2 # and the head
for query in order=up limit=0 limit=1001 after=x serial=xyz after=99999999999999999999; do
    check "refused: $query" test "$(http_status -H "Authorization: Bearer $token" "http://$admin/api/v1/audit?$query")" = 400
done
# more than a page looks at
ctl revoke --reason certificateHold issuing-client "$(serial_of client-1)" >/dev/null
ctl release issuing-client "$(serial_of client-1)" >/dev/null
seq -f 'V	351231235959Z		7E%06.0f	unknown	' 12000 | ctl -q import --format index issuing-server -
seq -f '7e%06.0f' 12000 | api POST issuers/issuing-server/revoke-batch --data-binary @- >/dev/null
expect "few among many: a page that is empty" '"audit": []' api GET 'audit?action=release&limit=1'
refuse "is not the last" grep -q '"next": null' "$dir/out"
expect "behind it" "$(serial_of client-1 | tr A-F a-f)" ctl audit show --issuer issuing-client --limit 1 --json
check "not without a token" test "$(http_status "http://$admin/api/v1/audit")" = 401

# --- an actor who is refused again and again -----------------------------------------------------------

before=$(rows)
viewer=$(ctl token create viewer --role viewer)
for _ in {1..300}; do
    printf 'url = "http://%s/api/v1/certificates"\ndata = ""\noutput = "%s"\n' "$admin" "$dir/body"
done | curl -s -H "Authorization: Bearer $viewer" -K -
check "three hundred refusals of one" grep -q '"status": 403' "$dir/body"
after=$(rows)
check "are fewer entries ($((after - before)))" test $((after - before)) -ge 64 -a $((after - before)) -le 75
stop_daemon
start_daemon
check "and in the end all of them are told of" test "$(told_of token:viewer)" = 300
check "nobody has touched it to the end" verify
finish
