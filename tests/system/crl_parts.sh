#!/bin/bash
# Shards, delta CRLs, holds that are released, expired entries that go: openssl is the judge of each list, and of what base
# and delta say together.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

day=86400
echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
move() { # SECONDS from now
    echo "$1" >"$dir/offset.tmp" && mv "$dir/offset.tmp" "$dir/offset"
}

# A root, and CAs below it; leaves of a day and of a year.
base_url=http://crl.example.test/parts
write_extensions
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/top.key" -out "$dir/top.crt" -days 3650 \
    -subj "/O=Parts/CN=top" -config "$dir/ext.cnf" -extensions ca 2>/dev/null
ca() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$1.key" -subj "/O=Parts/CN=$1" -config "$dir/ext.cnf" 2>/dev/null |
        openssl x509 -req -CA "$dir/top.crt" -CAkey "$dir/top.key" -set_serial "0x$2" -days 3650 -out "$dir/$1.crt" \
            -extfile "$dir/ext.cnf" -extensions ca 2>/dev/null
}
leaf() { # CA NAME SERIAL DAYS [DISTRIBUTION POINT]
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$2.key" -subj "/CN=$2" -config "$dir/ext.cnf" 2>/dev/null |
        openssl x509 -req -CA "$dir/$1.crt" -CAkey "$dir/$1.key" -set_serial "$3" -days "$4" -out "$dir/$2.crt" \
            -extfile <(echo "basicConstraints=CA:FALSE${5:+
crlDistributionPoints=URI:$5}") 2>/dev/null
}
ca sharded 10
ca deltas 11
ca keeping 12
shards=4
for n in 0 1 2 3; do leaf sharded "s$n" $((0x100 + n)) 365 "$base_url/$n.crl"; done
for n in 0 1 2 3 4 5 6 7; do leaf sharded "h$n" $((0x200 + n)) 365; done
for n in 0 1 2 3; do leaf deltas "d$n" $((0x300 + n)) 365 "$base_url/deltas.crl"; done
leaf deltas brief 0x310 1
leaf deltas brief-hold 0x311 1
leaf keeping kept 0x400 1
leaf keeping other 0x401 365
write_config <<CONF
issuer "top" { certificate = "$dir/top.crt" key = "$dir/top.key" }
issuer "sharded" {
  certificate = "$dir/sharded.crt" key = "$dir/sharded.key"
  shards = $shards shard_distribution_point = "$base_url/{}.crl"  crl_scope = user
}
issuer "deltas" {
  certificate = "$dir/deltas.crt" key = "$dir/deltas.key"
  distribution_point = "$base_url/deltas.crl"  delta_distribution_point = "$base_url/deltas-delta.crl"
}
issuer "keeping" {
  certificate = "$dir/keeping.crt" key = "$dir/keeping.key"  expired_on_crl = keep
}
CONF
start_daemon
make_token parts

get() { curl -sf "http://$public/crl/$1"; }
text() { get "$1" | openssl crl -inform DER -noout -text; }
number() { printf '%d' "$(get "$1" | openssl crl -inform DER -noout -crlnumber | cut -d= -f2)"; }
serials() { text "$1" | sed -n 's/^ *Serial Number: *0*//p' | tr -d '\n'; }
lists() { text "$1" | grep -qiE "Serial Number: 0*$2\$"; } # CRL SERIAL
lacks() { get "$1" >/dev/null && ! lists "$1" "$2"; }
above() { [ "$(number "$1")" -gt "$2" ]; }
good_signature() { get "$1" | openssl crl -inform DER -noout -verify -CAfile "$dir/${2:-${1%%[./-]*}}.crt" 2>&1 | grep -q 'verify OK'; }
revoke() { ctl -q revoke --reason "${3:-keyCompromise}" "$1" "$2" >/dev/null; }

# --- shards
until_true 10 get sharded/3.crl
for n in 0 1 2 3; do check "shard $n is signed" good_signature "sharded/$n.crl" sharded; done
expect "a shard says which it is" "URI:$base_url/2.crl" text sharded/2.crl
also "and that it is critical" "X509v3 Issuing Distribution Point: critical"
also "and of whom it tells" "Only User Certificates"
refuse "there is no fifth" get sharded/4.crl
check "registered" ctl register "$dir"/[sh][0-9].crt
declare -A before
remember() { for n in 0 1 2 3; do before[$n]=$(number "sharded/$n.crl"); done; }
remember
revoke sharded 102
check "the shard that its certificate names lists it" until_true 5 lists sharded/2.crl 102
check "so does the whole" until_true 15 lists sharded.crl 102
for n in 0 1 3; do check "shard $n is as it was" test "${before[$n]}" = "$(number "sharded/$n.crl")"; done
check "shard 2 has a higher number" above sharded/2.crl "${before[2]}"
for n in 0 1 2 3 4 5 6 7; do revoke sharded "20$n"; done
whole_has_all() { [ "$(serials sharded.crl)" = 102200201202203204205206207 ]; }
check "the whole has all" until_true 30 whole_has_all
all_shards() { for n in 0 1 2 3; do serials "sharded/$n.crl" | fold -w 3; echo; done | grep . | sort | tr -d '\n'; }
expect "the shards have each once" 102200201202203204205206207 all_shards
verify() { # CERTIFICATE CRL...: what openssl makes of it
    local cert=$1 crl files=()
    shift
    for crl in top.crl "$@"; do
        [ -f "$crl" ] || get "$crl" | openssl crl -inform DER >"$dir/${crl//\//_}.pem"
        [ -f "$crl" ] || crl=$dir/${crl//\//_}.pem
        files+=(-CRLfile "$crl")
    done
    openssl verify -attime "$(($(date +%s) + $(cat "$dir/offset") + 30))" -crl_check_all -extended_crl -use_deltas \
        -CAfile "$dir/top.crt" -untrusted "$dir/$ca.crt" "${files[@]}" "$dir/$cert.crt" 2>&1
}
ca=sharded
expect "openssl refuses what its shard lists" "certificate revoked" verify s2 sharded/2.crl
expect "and takes what it does not" "s1.crt: OK" verify s1 sharded/1.crl
expect "another shard does not count" "ifferent CRL scope" verify s1 sharded/2.crl
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/sub.key" -subj /CN=sub -config "$dir/ext.cnf" 2>/dev/null |
    openssl x509 -req -CA "$dir/sharded.crt" -CAkey "$dir/sharded.key" -set_serial 0x150 -out "$dir/sub.crt" -extfile "$dir/ext.cnf" -extensions ca 2>/dev/null
expect "a CA certificate is not for this list" "crl_scope" ctl register "$dir/sub.crt"

# registered by its serial alone it is in some shard; with the certificate it is in that which it names
python3 - "$dir/index.txt" <<'PY'
import sys
open(sys.argv[1], "w").write("R\t351231235959Z\t260101000000Z,superseded\t0103\tunknown\t/CN=s3\n")
PY
leaf sharded s3b 0x1f3 365 "$base_url/3.crl"
sed -i 's/0103/01F3/' "$dir/index.txt"
check "a row without certificate" ctl -q import sharded "$dir/index.txt"
in_some() { all_shards | fold -w 3 | grep -qi 1f3; }
check "is in a shard" until_true 5 in_some
check "its certificate comes" ctl -q register "$dir/s3b.crt"
check "it is in the shard of the certificate" until_true 5 lists sharded/3.crl 1f3
for n in 0 1 2; do check "and not in shard $n" until_true 5 lacks "sharded/$n.crl" 1f3; done

# revoked by its serial first, with the certificate later: the answer is "already", the shard moves all the same
leaf sharded s1c 0x1f1 365 "$base_url/1.crl"
sed -i 's/01F3/01F1/; s/s3/s1c/' "$dir/index.txt"
check "another row without certificate" ctl -q import sharded "$dir/index.txt"
in_a_shard() { all_shards | fold -w 3 | grep -qi 1f1; }
check "is in a shard, too" until_true 5 in_a_shard
check "it is revoked again, by its certificate" ctl -q revoke --cert "$dir/s1c.crt"
check "and is in the shard of that" until_true 5 lists sharded/1.crl 1f1

# another number of shards: thisUpdate goes on
this_update() { date -u -d "$(get "$1" | openssl crl -inform DER -noout -lastupdate | cut -d= -f2)" +%s; }
for n in 1 2 3 4 5 6 7 8; do api POST issuers/sharded/crl >/dev/null; done
last_update=$(this_update sharded/3.crl)
stop_daemon
sed -i 's/shards = 4/shards = 8/' "$dir/annuld.conf"
start_daemon
shards=8
check "eight shards" until_true 10 get sharded/7.crl
all_eight() { for n in 0 1 2 3 4 5 6 7; do serials "sharded/$n.crl" | fold -w 3; echo; done | grep . | sort | tr -d '\n'; }
expect "have each once, too" 1021F11F3200201202203204205206207 all_eight
later() { [ "$(this_update sharded/3.crl)" -gt "$last_update" ]; }
check "and are later than those before" until_true 5 later
check "one that is named stays where it is" lists sharded/2.crl 102

# --- deltas
ca=deltas
ctl -q register "$dir"/d[0-3].crt "$dir"/brief*.crt
check "a delta from the beginning" until_true 10 get deltas-delta.crl
expect "the base names it" "URI:$base_url/deltas-delta.crl" text deltas.crl
base=$(number deltas.crl)
expect "the delta names the base" "X509v3 Delta CRL Indicator: critical" text deltas-delta.crl
check "they came with one number" test "$(number deltas-delta.crl)" = "$base"
revoke deltas 300
revoke deltas 301 certificateHold
check "the delta has the revoked one" until_true 5 lists deltas-delta.crl 300
check "and the held one" until_true 5 lists deltas-delta.crl 301
check "with a higher number" above deltas-delta.crl "$base"
check "the base is as it was" test "$(number deltas.crl)" = "$base"
expect "openssl: revoked by the delta" "certificate revoked" verify d0 deltas.crl deltas-delta.crl
expect "openssl: on hold by the delta" "certificate revoked" verify d1 deltas.crl deltas-delta.crl
expect "openssl: good" "d2.crt: OK" verify d2 deltas.crl deltas-delta.crl
expect "openssl: without the delta it is good still" "d0.crt: OK" verify d0 deltas.crl
ctl -q release deltas 301 >/dev/null
released() { text deltas-delta.crl | grep -A4 -i 'Serial Number: 0*301' | grep -q 'Remove From CRL'; }
check "a released hold is removeFromCRL, though no base had it" until_true 5 released
expect "openssl: good again" "d1.crt: OK" verify d1 deltas.crl deltas-delta.crl

revoke deltas 302 certificateHold
until_true 5 lists deltas-delta.crl 302
get deltas.crl | openssl crl -inform DER >"$dir/old.pem"
move $((day + 60)) # the next base comes by schedule
check "a new base by schedule" until_true 10 above deltas.crl "$base"
new_base=$(number deltas.crl)
check "it has all" lists deltas.crl 302
check "and its delta the same number" until_true 5 test "$(number deltas-delta.crl)" = "$new_base"
ctl -q release deltas 302 >/dev/null
revoke deltas 303
check "the next delta has what came after" until_true 5 lists deltas-delta.crl 303
expect "openssl with base and delta: released" "d2.crt: OK" verify d2 deltas.crl deltas-delta.crl
expect "openssl with base and delta: revoked since" "certificate revoked" verify d3 deltas.crl deltas-delta.crl
expect "openssl with base and delta: revoked before" "certificate revoked" verify d0 deltas.crl deltas-delta.crl
expect "who has the base before is told the same: revoked since" "certificate revoked" verify d3 "$dir/old.pem" deltas-delta.crl
expect "who has the base before is told the same: revoked before" "certificate revoked" verify d0 "$dir/old.pem" deltas-delta.crl
expect "who has the base before is told the same: released" "d1.crt: OK" verify d1 "$dir/old.pem" deltas-delta.crl

# a delta that grows is no delta any more: a new base comes by itself
base=$(number deltas.crl)
python3 - "$dir/many.txt" <<'PY'
import sys
with open(sys.argv[1], "w") as out:
    for n in range(1500):
        out.write("R\t351231235959Z\t260101000000Z,superseded\t%08X\tunknown\t/CN=%d\n" % (0x50000000 + n, n))
PY
check "fifteen hundred at once" ctl -q import deltas "$dir/many.txt"
check "make a new base" until_true 10 above deltas.crl "$base"
short() { [ "$(text deltas-delta.crl | grep -c 'Serial Number')" -lt 100 ]; }
check "and a short delta" until_true 10 short
sleep_free() { [ "$(number deltas.crl)" = "$base" ]; }
base=$(number deltas.crl)
revoke deltas 310
check "after which deltas go on" until_true 5 lists deltas-delta.crl 310
check "from the new base" sleep_free

# --- under constant change of all shards nobody else waits
stop_daemon
sed -i 's/shards = 8/shards = 64/' "$dir/annuld.conf"
start_daemon
seq -f 'V	351231235959Z		7%07.0f	unknown	' 6400 >"$dir/good.txt"
ctl -q import sharded "$dir/good.txt"
ctl -q register "$dir"/kept.crt "$dir"/other.crt
change_all() { # sixty-four serials a batch, until told to stop
    for batch in $(seq 0 99); do
        [ ! -e "$dir/enough" ] || return
        seq -f '{"serial":"7%07.0f"}' $((batch * 64 + 1)) $((batch * 64 + 64)) |
            api POST "issuers/sharded/revoke-batch?reason=superseded" -H 'Content-Type: application/x-ndjson' --data-binary @- >/dev/null
    done
}
change_all &
changing=$!
above_first() { [ "$(number sharded/63.crl)" -gt "$busy" ]; }
busy=$(number sharded/63.crl)
check "the last shard gets its turn" until_true 8 above_first
revoke keeping 401
check "another CA's revocation, too" until_true 8 lists keeping.crl 401
check "while all shards change" kill -0 "$changing"
touch "$dir/enough"
wait "$changing"

# --- pruning: 311 ends on its first day; it is on one regular CRL past that, and then on none
stop_daemon
sed -i 's/^  distribution_point.*//' "$dir/annuld.conf" # a whole CRL at each change
move 0
start_daemon
revoke keeping 400
revoke deltas 311
check "a revoked one is listed" until_true 5 lists deltas.crl 311
first=$(number deltas.crl)
move $((day - 600))
ctl -q revoke --reason superseded deltas 302 >/dev/null
check "a change just before its expiry" until_true 10 above deltas.crl "$first"
check "does not drop it" lists deltas.crl 311
first=$(number deltas.crl)
move $((day + 7200))
check "a regular CRL after its expiry" until_true 10 above deltas.crl "$first"
check "has it" lists deltas.crl 311
first=$(number deltas.crl)
move $((2 * day + 9000))
check "the next regular one" until_true 10 above deltas.crl "$first"
check "has it no more" lacks deltas.crl 311
check "but what has not expired" lists deltas.crl 302
expect "it is revoked all the same" '"status": "revoked"' api GET issuers/deltas/certificates/311
check "kept where that is wished" lists keeping.crl 400
expect "and said so" "2.5.29.60" text keeping.crl
finish
