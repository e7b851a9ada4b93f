#!/bin/bash
# The admin API beyond single calls: the change feed, counts and status, pages of a search, conditions, repeats.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

issuer_section parts <<CONF >"$dir/parts.conf"
  distribution_point = "http://crl.example.test/crl/parts.crl"
  shards = 2 shard_distribution_point = "http://crl.example.test/crl/parts/{}.crl"
  delta_distribution_point = "http://crl.example.test/crl/parts-delta.crl"
CONF
sed -i 's#/parts\.\(crt\|key\)"#/intermediate-server.\1"#g' "$dir/parts.conf"
write_config <"$dir/parts.conf"
start_daemon
make_token api
run() { # PART
    DAEMON=$daemon SOCKET=$dir/admin.sock python3 "$top/tests/system/api.py" "$admin" "$token" "$1"
    failures=$((failures + $?))
}
run counts
run glance
run search
expect "annulctl finds by subject" 5f01 ctl list issuing-client --subject o=works
expect "by serial" 5e0001 ctl list issuing-client --serial 5e0001
check "through pages that are empty" test "$(ctl list issuing-client --status good --serial 7e | wc -l)" = 1
run dates
run unheeded
run feed
run waiters
run revoked
run tokens
CERTIFICATE=$pki/client-2.crt run conditions
CERTIFICATE=$pki/client-1.crt run repeats
SIGNER=$(pgrep -P "$daemon" -x annul-signer) run under_way
ctl import issuing-client - --format index -q <<<'V	351231235959Z		E7	unknown	/CN=e7'
stop_daemon

export ANNUL_FAULT=sealed ANNUL_CLOCK_OFFSET_FILE=$dir/clock
start_daemon
run crashed
wait "$daemon" 2>/dev/null
unset ANNUL_FAULT
start_daemon
run restarted
CLOCK=$dir/clock SIGNER=$(pgrep -P "$daemon" -x annul-signer) run hung
move_clock 90000
run expired
run stopped
ended() { ! kill -0 "$daemon" 2>/dev/null; }
check "and annuld ends" until_true 10 ended
stop_daemon
finish
