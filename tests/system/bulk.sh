#!/bin/bash
# 100,000 revocations at once, by the API and by annulctl: CRL and OCSP agree, lines that cannot be done hinder nobody,
# others get their turn meanwhile, and what a kill -9 cut off is completed by a second run.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
ROWS=100000

write_config </dev/null
start_daemon
make_token bulk
seq -f 'V	351231235959Z		1%015.0f	unknown	' "$ROWS" >"$dir/index.txt"
cut -f4 "$dir/index.txt" >"$dir/serials"
for issuer in issuing-client issuing-server intermediate-client; do
    check "import into $issuer" ctl -q import $issuer "$dir/index.txt"
done

batch() { # ISSUER?ARGUMENTS FILE [CURL OPTIONS]
    api POST "issuers/${1/\?//revoke-batch?}" --data-binary "@$2" -H 'Content-Type: application/x-ndjson' "${@:3}"
}
listed() { crl_text "$1" | sed -n 's/^ *Serial Number: //p'; }
lists() { [ "$(listed "$1" | wc -l)" = "$2" ]; }
revoked_in() { # ISSUER: rows, past the daemon
    sqlite3 "$dir/annul.db" "SELECT count(*) FROM revocation r JOIN issuer i ON i.id = r.issuer WHERE i.name = '$1' AND status <> 0"
}
memory_kb() { awk '/^VmRSS/ { print $2 }' "/proc/$daemon/status"; }
ocsp_of() { # SERIAL [ISSUER]
    openssl ocsp -issuer "$pki/${2:-issuing-client}.crt" -serial "0x$1" -url "http://$public/ocsp" -CAfile "$pki/root.crt" 2>&1
}
sums_are() { [ "$(tail -n 1 "$dir/results")" = "{\"summary\":{\"revoked\":$1,\"already\":$2,\"errors\":$3}}" ]; }
of_results() { jq -r "$1" "$dir/results" | xargs; }

# --- lines of every kind
one=1000000000000001 two=1000000000000002 three=1000000000000003 four=1000000000000004
cat >"$dir/mixed" <<EOF
{"serial":"$one","reason":"keyCompromise","invalidity_at":"2026-01-31T12:00:00Z"}
{"serial":"10:00:00:00:00:00:00:02","reason":"certificateHold"}
"0x$three"

zz
{"serial":"$four","reason":"sometimes"}
{"serial":"$four","because":"superseded"}
{"serial":["$four"]}
{"serial":"$four"
abcdef
dec:$((16#$four))
$four
EOF
printf '{"serial":"\xff"}\r\n%s' "$one" >>"$dir/mixed"
expect "atomic: the first in the way is named" 'line 5: serial must be a serial number' batch 'issuing-client?atomic=true' "$dir/mixed"
also "it is a conflict" '"status": 409'
printf '%s\n' "$one" abcdef zz >"$dir/unknown"
expect "so is an unknown one" 'line 2: the issuer has no such certificate' batch 'issuing-client?atomic=true' "$dir/unknown"
check "and nothing is revoked" test "$(revoked_in issuing-client)" = 0
check "nor in the audit table" test "$(sqlite3 "$dir/annul.db" "SELECT count(*) FROM audit WHERE action = 'revoke'")" = 0
batch 'issuing-client?reason=superseded' "$dir/mixed" >"$dir/results"
expect "a result a line, in order" "1 2 3 5 6 7 8 9 10 11 12 13 14" of_results '.line // empty'
expect "each with its status" "revoked hold revoked error error error error error error revoked already error already" of_results '.status // empty'
expect "and its problem" "5:422 6:422 7:422 8:422 9:422 10:404 13:422" of_results 'select(.problem) | "\(.line):\(.problem.status)"'
check "and the sums" sums_are 4 2 7
expect "the reason of the line counts" "Reason: keyCompromise" ocsp_of $one
expect "a hold" "Reason: certificateHold" ocsp_of $two
expect "else that of the call" "Reason: superseded" ocsp_of $three
expect "the audit table has it" "good -> revoked (superseded" sqlite3 "$dir/annul.db" "SELECT detail FROM audit WHERE serial = x'08$four'"
expect "no reason" '"status": 422' batch 'issuing-client?reason=sometimes' "$dir/unknown"
expect "no issuer" '"status": 404' batch 'nobody?' "$dir/unknown"
expect "neither atomic nor not" '"status": 422' batch 'issuing-client?atomic=perhaps' "$dir/unknown"
expect "an empty body" '{"summary":{"revoked":0,"already":0,"errors":0}}' batch 'issuing-client?' /dev/null
{ cat "$dir/serials"; echo $one; } >"$dir/long"
expect "a line too many" "the body may have 100000 lines here" batch 'issuing-client?' "$dir/long"
head -c $(((16 << 20) + 1)) /dev/zero >"$dir/large"
expect "an octet too many" "the body may have 16777216 octets here" batch 'issuing-client?' "$dir/large"
check "what is on hold may be released" ctl release issuing-client $two

# --- 100,000 by the API; meanwhile another writes
batch 'issuing-client?reason=cessationOfOperation' "$dir/serials" >"$dir/results" &
sending=$!
some_are() { [ "$(revoked_in issuing-client)" -gt 1000 ]; }
check "it is under way" until_true 60 some_are
check "another revokes meanwhile" ctl revoke intermediate-client $two
check "and is not kept waiting to the end" test "$(revoked_in issuing-client)" -lt "$ROWS"
wait $sending
check "a result a line" test "$(grep -c '"line"' "$dir/results")" = "$ROWS"
check "the sums" sums_are $((ROWS - 3)) 3 0
check "the CRL lists all" until_true 20 lists issuing-client "$ROWS"
check "and no others" cmp <(listed issuing-client) "$dir/serials"
for serial in $two $(shuf -n 3 "$dir/serials"); do
    expect "OCSP agrees on $serial" ": revoked" ocsp_of "$serial"
done

# --- and by annulctl, killed in the midst of it
stop_daemon
export ANNUL_FAULT=store-commit:40
start_daemon
unset ANNUL_FAULT
ctl revoke --reason superseded --from "$dir/serials" issuing-server >"$dir/first" 2>&1
status=$?
wait "$daemon" 2>/dev/null
daemon=
check "a lost connection is worth another try" test $status = 3
expect "it says how far it got" "do all of it again" cat "$dir/first"
done_before=$(sed -n 's/.*up to line \([0-9]*\) it is done.*/\1/p' "$dir/first")
start_daemon
check "what was acknowledged is there" test "$(revoked_in issuing-server)" -ge "$done_before"
check "it was much, and not all" test "$done_before" -ge 10000 -a "$(revoked_in issuing-server)" -lt "$ROWS"
ctl --json revoke --reason superseded --from - issuing-server <"$dir/serials" >"$dir/results"
check "a second run succeeds" test $? = 0
expect "and completes" "$ROWS 0" of_results '"\(.revoked + .already) \(.failed)"'
check "with what there was" test "$(of_results .already)" -ge "$done_before"
check "the CRL lists all of these" until_true 20 lists issuing-server "$ROWS"
expect "OCSP agrees" "Reason: superseded" ocsp_of "$(tail -n 1 "$dir/serials")" issuing-server

# --- all or none; and the memory is that of the body and the lines under way
batch 'intermediate-client?atomic=true' "$dir/serials" >"$dir/results"
check "atomic" sums_are $((ROWS - 1)) 1 0
memory=$(memory_kb)
for _ in 1 2 3 4; do
    batch 'intermediate-client?' "$dir/serials" >"$dir/results"
    check "again: nothing changes" sums_are 0 "$ROWS" 0
done
echo "memory: $memory kB after a batch, $(memory_kb) kB after four more"
[[ $BUILD == *san* ]] || check "the memory does not grow with the calls" test $(($(memory_kb) - memory)) -lt 16384

# --- a file that people write
printf '%s\r\n' '# from the van' '' "$one,keyCompromise" ' dec:1152921504606846978 , ' 'zz' "$three,sometimes" abcdef >"$dir/list.csv"
ctl revoke --reason superseded --from "$dir/list.csv" issuing-client >"$dir/sums" 2>"$dir/failed"
check "a line that cannot be done is a failure" test $? = 2
expect "which names the line" "list.csv:5: zz: this is not a serial number" cat "$dir/failed"
also "a reason that is none" "list.csv:6: $three: what is behind the comma is no reason"
also "one that the daemon does not know" "list.csv:7: abcdef: the issuer has no such certificate"
expect "the sums" "0 revoked, 2 were so already, 3 failed" cat "$dir/sums"
head -n 4 "$dir/list.csv" >"$dir/good.csv"
check "else it is none" ctl revoke --from "$dir/good.csv" issuing-client
refuse "an issuer is needed" ctl revoke --from "$dir/good.csv"
refuse "and no serials beside" ctl revoke --from "$dir/good.csv" issuing-client $one
expect "an unknown issuer" 'no issuer is named "nobody"' ctl revoke --from "$dir/good.csv" nobody
finish
