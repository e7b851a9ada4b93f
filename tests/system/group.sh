#!/bin/bash
# Eight clients revoke at once and share their syncs; the daemon is killed in the midst of it, also right before and
# right after a commit. What was acknowledged is there afterwards, with its audit entry; what is there, whole.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-9} EACH=${EACH:-400} # serials a client and round

write_config </dev/null
start_daemon
make_token group
seq -f 'V	351231235959Z		1%015.0f	unknown	' $((ROUNDS * 8 * EACH)) >"$dir/index.txt"
check "import" ctl -q import issuing-client "$dir/index.txt"
cut -f4 "$dir/index.txt" >"$dir/serials"

# Prints every serial whose revocation was answered with 200, until the daemon is gone.
revoke_by_eight() { # ROUND
    python3 - "$admin" "$token" "$dir/serials" "$1" "$EACH" <<'PY'
import http.client, sys, threading
address, token, path, turn, each = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
serials = open(path).read().split()[turn * 8 * each:(turn + 1) * 8 * each]
done = [[] for _ in range(8)]
def revoke(n):
    connection = http.client.HTTPConnection(address, timeout=20)
    for serial in serials[n::8]:
        try:
            connection.request("POST", "/api/v1/issuers/issuing-client/certificates/%s/revoke" % serial,
                               '{"reason":"superseded"}', {"Authorization": "Bearer " + token})
            answer = connection.getresponse()
            if answer.status == 200 and b'"changed": true' in answer.read():
                done[n].append(serial)
        except (OSError, http.client.HTTPException):
            return
threads = [threading.Thread(target=revoke, args=(n,)) for n in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print("\n".join(sum(done, [])))
PY
}

revoked() {
    sqlite3 "$dir/annul.db" 'SELECT lower(hex(substr(serial, 2))) FROM revocation WHERE status = 1'
}
has_revoked() { [ "$(revoked | wc -l)" -gt "$1" ]; }

: >"$dir/acknowledged"
for ((round = 0; round < ROUNDS; round++)); do
    before=$(revoked | wc -l)
    stop_daemon
    case $((round % 3)) in
    0) export ANNUL_FAULT=store-commit:$((20 + 13 * round)) ;;
    1) export ANNUL_FAULT=store-committed:$((20 + 13 * round)) ;;
    esac
    start_daemon
    unset ANNUL_FAULT
    revoke_by_eight "$round" >"$dir/now" &
    clients=$!
    if [ $((round % 3)) = 2 ]; then
        until_true 30 has_revoked $((before + 100 * (round % 4)))
        kill_daemon
    fi
    wait $clients # else it has killed itself
    [ -z "$daemon" ] || refuse "round $round: it died by itself" kill -0 "$daemon"
    [ -z "$daemon" ] || kill_daemon 2>/dev/null
    cat "$dir/now" >>"$dir/acknowledged"
    start_daemon
    revoked | sort >"$dir/there"
    check "round $round: something was acknowledged" grep -q . "$dir/now"
    check "round $round: all of $(grep -c . "$dir/acknowledged") acknowledged is there" \
        test -z "$(grep . "$dir/acknowledged" | sort | comm -23 - "$dir/there")"
done
sqlite3 "$dir/annul.db" "SELECT lower(hex(substr(serial, 2))) FROM audit WHERE action = 'revoke'" | sort >"$dir/audit"
check "each has its audit entry, and there is none for another" cmp "$dir/there" "$dir/audit"
check "each behind the one before" ctl audit verify
check "a number each" test "$(sqlite3 "$dir/annul.db" 'SELECT count(DISTINCT version) = count(*) AND max(version) = (SELECT counter FROM change) FROM revocation')" = 1
ctl crl publish issuing-client >/dev/null
crl_text | sed -n 's/^ *Serial Number: //p' | tr A-F a-f | sort >"$dir/listed"
check "the CRL lists the same" cmp "$dir/there" "$dir/listed"
finish
