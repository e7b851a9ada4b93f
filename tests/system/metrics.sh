#!/bin/bash
# /metrics: Prometheus' own tool takes it, every metric is there and moves as it should; the alert rules do what they say,
# and rules, dashboard and manual name no metric that does not exist.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

issuer_section parts <<CONF >"$dir/parts.conf"
  shards = 2 shard_distribution_point = "http://crl.example.test/crl/parts/{}.crl"
  distribution_point = "http://crl.example.test/crl/parts.crl"
  delta_distribution_point = "http://crl.example.test/crl/parts-delta.crl"
CONF
sed -i 's#/parts\.\(crt\|key\)"#/intermediate-server.\1"#g' "$dir/parts.conf"
write_config <"$dir/parts.conf"
start_daemon
make_token watcher
curl -s "http://$admin/metrics" >"$dir/first"
register_usual

metric() { # SERIES: its value, 0 where it is not there
    curl -s "http://$admin/metrics" | awk -v s="$1" 'substr($0, 1, length(s) + 1) == s " " { v = $NF } END { print v + 0 }'
}
# rises NAME SERIES BY COMMAND...: soon, for a request is counted when its answer has gone.
rises() {
    local what=$1 series=$2 by=$3 before
    shift 3
    before=$(metric "$series")
    "$@" >"$dir/said" 2>&1
    check "$what" until_true 10 is "$series" $((before + by))
}
is() { [ "$(metric "$1")" = "$2" ]; }
is_more() { awk -v a="$(metric "$1")" -v b="$2" 'BEGIN { exit !(a > b) }'; }
requests() { echo "annul_http_requests_total{kind=\"$1\",code=\"$2\"}"; }

# --- the form
lint() { promtool check metrics <"$1" >"$dir/lint" 2>&1 && ! [ -s "$dir/lint" ]; }
check "promtool finds nothing" lint "$dir/first"
check "the version" is "annul_build_info{version=\"$("$BUILD/annuld" -V | cut -d' ' -f2)\"}" 1

# --- requests
rises "OCSP by POST" "$(requests ocsp 200)" 2 eval 'ocsp client-0; ocsp client-0'
rises "and timed" 'annul_http_request_duration_seconds_count{kind="ocsp"}' 1 ocsp client-0
check "within ten seconds" test "$(metric 'annul_http_request_duration_seconds_bucket{kind="ocsp",le="10"}')" = "$(metric 'annul_http_request_duration_seconds_count{kind="ocsp"}')"
check "and in more than no time" is_more 'annul_http_request_duration_seconds_sum{kind="ocsp"}' 0
rises "a CRL" "$(requests crl 200)" 1 curl -s "http://$public/crl/issuing-client.crl"
rises "at an alias" "$(requests crl 200)" 1 curl -s "http://$public/ca.crl"
etag=$(curl -sI "http://$public/ca.crl" | sed -n 's/\r$//; s/^ETag: //Ip')
rises "one that the client has" "$(requests crl 304)" 1 curl -s -H "If-None-Match: $etag" "http://$public/ca.crl"
rises "a part of one" "$(requests crl 206)" 1 curl -s -r 0-9 "http://$public/ca.crl"
rises "a CA certificate" "$(requests ca 200)" 1 curl -s "http://$public/ca/issuing-client.cer"
rises "the page" "$(requests page 200)" 1 curl -s "http://$public/"
rises "nothing there" "$(requests no_route 404)" 1 curl -s "http://$public/nothing"
rises "too long a head" "$(requests no_route 431)" 1 curl -s -H "X: $(head -c 9000 /dev/zero | tr '\0' a)" "http://$public/"
rises "the API" "$(requests api 200)" 1 api GET issuers
rises "a stranger there" "$(requests api 401)" 1 curl -s "http://$admin/api/v1/issuers"
rises "monitoring" "$(requests monitoring 200)" 3 curl -s "http://$admin/healthz" # and two of our own
rises "hung up before an answer" "$(requests ocsp none)" 1 eval \
    'exec 3<>"/dev/tcp/${public%:*}/${public#*:}"; printf "POST /ocsp HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n" >&3; read -r <&3; exec 3>&-'

# --- OCSP, the signer, its queue
made() { echo "annul_ocsp_answers_total{made=\"$1\"}"; }
rises "signed" "$(made signed)" 1 ocsp client-1 -no_nonce
rises "cached" "$(made cached)" 1 ocsp client-1 -no_nonce
check "what is kept has a size" is_more annul_ocsp_cache_bytes 1000
check "of at most" is annul_ocsp_cache_max_bytes $((64 << 20))
rises "nonsense" 'annul_ocsp_errors_total{status="malformedRequest"}' 1 curl -s -d x -H 'Content-Type: application/ocsp-request' "http://$public/ocsp"
rises "a signature" 'annul_signatures_total{kind="ocsp",result="made"}' 1 ocsp client-1
rises "and timed" 'annul_signature_duration_seconds_count{kind="ocsp"}' 1 ocsp client-1
check "the signer is there" is annul_signer_up 1
check "the queue holds" is annul_signer_queue_max 4096
signer() { pgrep -P "$daemon" -x annul-signer; }
shared=$(metric "$(made shared)") signed=$(metric "$(made signed)")
kill -STOP "$(signer)"
asking=()
for _ in 1 2 3; do ocsp client-2 -no_nonce >/dev/null & asking+=($!); done
check "three ask the same" until_true 2 is annul_http_asleep 3
check "one signature is waited for" is annul_signer_queue 1
kill -CONT "$(signer)"
wait "${asking[@]}"
check "the first has it signed" is "$(made signed)" $((signed + 1))
check "the others share it" is "$(made shared)" $((shared + 2))
check "the queue is empty" is annul_signer_queue 0
kill -STOP "$(signer)"
ocsp client-1 >/dev/null &
until_true 2 is annul_signer_queue 1
rises "it dies: what it was asked for has failed" 'annul_signatures_total{kind="ocsp",result="failed"}' 1 kill -9 "$(signer)"
wait $!
check "that is an error, too" is_more 'annul_ocsp_errors_total{status="tryLater"}' 0
ask_the_dead() { kill -9 "$(signer)"; ocsp client-1; is_more 'annul_signer_refused_total{reason="down"}' 0; }
check "while it is away nobody can ask it" until_true 20 ask_the_dead
check "it comes back" until_true 20 is annul_signer_up 1
seconds() { date -d "$(openssl x509 -in "$pki/ocsp-issuing-client.crt" -noout "-$1" | cut -d= -f2)" +%s; }
check "from when on it may sign" is 'annul_ocsp_signer_start_seconds{issuer="issuing-client",signer="1",algorithm="ecdsa-with-SHA256"}' "$(seconds startdate)"
check "and how long" is 'annul_ocsp_signer_end_seconds{issuer="issuing-client",signer="1",algorithm="ecdsa-with-SHA256"}' "$(seconds enddate)"

# --- CRLs
until_true 20 is_ready
crl() { echo "annul_crl_$1{issuer=\"${2:-issuing-client}\",crl=\"${3:-whole}\"}"; }
check "two are on it" until_true 20 is "$(crl entries)" 2
rises "a revocation" "$(crl entries)" 1 ctl revoke issuing-client "$(serial_of client-0)"
rises "a CRL is signed" 'annul_signatures_total{kind="crl",result="made"}' 1 ctl crl publish issuing-client
rises "and built" 'annul_crl_builds_total{result="made"}' 1 ctl crl publish issuing-client
rises "and timed" annul_crl_build_duration_seconds_count 1 ctl crl publish issuing-client
curl -s "http://$public/crl/issuing-client.crl" >"$dir/now.crl"
crl_time() { date -d "$(openssl crl -inform DER -in "$dir/now.crl" -noout "-$1" | cut -d= -f2)" +%s; }
check "thisUpdate" is "$(crl this_update_seconds)" "$(crl_time lastupdate)"
check "nextUpdate" is "$(crl next_update_seconds)" "$(crl_time nextupdate)"
check "its size" is "$(crl size_bytes)" "$(stat -c %s "$dir/now.crl")"
for part in whole delta 0 1; do
    check "part $part" is_more "$(crl next_update_seconds parts "$part")" "$(date +%s)"
done
check "each series once" test -z "$(curl -s "http://$admin/metrics" | grep -v '^#' | sed 's/ [^ ]*$//' | sort | uniq -d)"
etag=$(curl -sI "http://$public/ca.crl" | sed -n 's/\r$//; s/^ETag: //Ip')
curl -s -m 60 -H "If-None-Match: $etag" -H 'Prefer: wait=60' "http://$public/ca.crl" >/dev/null &
check "one waits" until_true 10 is annul_crl_waiting 1
rises "and is answered" "$(requests crl_waited 200)" 1 ctl revoke issuing-client "$(serial_of client-1)"
wait $!
check "none waits" is annul_crl_waiting 0
check "a warning" is 'annul_warning{kind="chain",issuer="issuing-client",crl="whole"}' 1
mv "$dir/crl/issuing-server" "$dir/away"
rises "a CRL that cannot be written" 'annul_crl_builds_total{result="failed"}' 1 ctl crl publish issuing-server
mv "$dir/away" "$dir/crl/issuing-server"

# --- the database
until_true 20 is_ready
ctl register "$pki/client-4.crt" >/dev/null
settled() { local now; now=$(metric annul_store_commit_transactions_sum); read -rt 0.3 <> <(:) || :; is annul_store_commit_transactions_sum "$now"; }
until_true 20 settled
rises "a transaction" annul_store_commit_transactions_sum 1 ctl token create another
check "each of them is counted once" test "$(metric annul_store_commit_transactions_count)" -le "$(metric annul_store_commit_transactions_sum)"
check "commits are timed" is_more annul_store_commit_duration_seconds_sum 0
check "as many" test "$(metric annul_store_commit_duration_seconds_count)" = "$(metric annul_store_commit_transactions_count)"
check "none has failed" is annul_store_commits_failed_total 0

# --- rules, dashboard, manual
curl -s "http://$admin/metrics" >"$dir/last"
check "promtool finds nothing still" lint "$dir/last"
families() { sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$dir/last" | sort; }
used() { grep -ohE 'annul_[a-z_]+' "$@" | sed -E 's/_(bucket|sum|count)$//' | sort -u; }
check "promtool takes the rules" promtool check rules --lint=all --lint-fatal "$top/monitoring/annul.rules.yml"
check "they wake whom they should" promtool test rules "$top/tests/monitoring/annul.rules.test.yml"
check "the dashboard is JSON" jq -e '.panels | length > 20' "$top/monitoring/annul-dashboard.json"
check "rules and dashboard use what there is" test -z "$(comm -23 <(used "$top"/monitoring/*) <(families))"
check "the dashboard has all of it" test -z "$(comm -13 <(used "$top/monitoring/annul-dashboard.json") <(families | grep -v ocsp_signer_start))"
check "the manual tells of all of it" test "$(used "$top/man/annuld.8")" = "$(families)"
finish
