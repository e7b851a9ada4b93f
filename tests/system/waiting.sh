#!/bin/bash
# Clients that wait for the next CRL (Prefer: wait=N): thousands of them, their time, their going, their bounds.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

ulimit -n "$(ulimit -Hn)"
many=5000
[ "$(ulimit -n)" -gt 12000 ] 2>/dev/null || [ "$(ulimit -n)" = unlimited ] || many=$((($(ulimit -n) - 500) / 2))
case $BUILD in *san*) export ANNUL_TEST_SECOND=15 ;; esac # a sanitizer is slow

issuer_section parts <<CONF >"$dir/parts.conf"
  distribution_point = "http://crl.example.test/crl/parts.crl"
  shards = 4 shard_distribution_point = "http://crl.example.test/crl/parts/{}.crl"
  delta_distribution_point = "http://crl.example.test/crl/parts-delta.crl"
CONF
sed -i 's#/parts\.\(crt\|key\)"#/intermediate-server.\1"#g' "$dir/parts.conf"
write_config <"$dir/parts.conf"
sed -i 's/^public {/& connections = 16384 connections_per_address = 16384/; s/^crl {/& waiters = 8000 waiters_per_address = 8000 delay_ms = 20/' \
    "$dir/annuld.conf"
start_daemon
run() { # PART [NUMBER]
    python3 "$top/tests/system/waiting.py" "$public" "$dir/admin.sock" "$daemon" "$@"
    failures=$((failures + $?))
}
run many "$many"
run timed
run gone
run parts
run stopped
ended() { ! kill -0 "$daemon" 2>/dev/null; }
check "and annuld ends" until_true 10 ended
stop_daemon

export ANNUL_PAUSE=crl-looked
start_daemon
run missed
stop_daemon
unset ANNUL_PAUSE

write_config </dev/null
sed -i 's/^crl {/& waiters = 5 waiters_per_address = 3 wait_max = "1s"/' "$dir/annuld.conf"
start_daemon
run bounds
stop_daemon

sed -i 's/wait_max = "1s"/wait_max = "0s"/' "$dir/annuld.conf"
start_daemon
headers() { curl -s -o /dev/null -D - -H 'If-None-Match: *' -H 'Prefer: wait=30' "http://$public/crl/issuing-client.crl"; }
expect "where nobody may wait it is 304 at once" " 304 " timeout 10 bash -c "$(declare -f headers); public=$public; headers"
refuse "and no word of it" grep -qiE '^(vary|preference-applied)' <(headers)
finish
