#!/bin/bash
# OCSP answers a second and server CPU for each, against `openssl ocsp` in the same run.
# Load and servers share this machine. ROUNDS and SECONDS_EACH bound the run.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-3} SECONDS_EACH=${SECONDS_EACH:-3}
need wrk wrk

write_config </dev/null
start_daemon
ctl register "$pki/client-0.crt" >/dev/null
signer=$(pgrep -P "$daemon" -x annul-signer)

# the peer: the same CA, delegate and certificate
printf 'V\t351231235959Z\t\t%s\tunknown\t/CN=client-0\n' "$(serial_of client-0)" >"$dir/index.txt"
# It does not survive the end of a load, so each round starts it anew.
start_peer() {
    port=$(free_port)
    openssl ocsp -index "$dir/index.txt" -port "$port" -rsigner "$pki/ocsp-issuing-client.crt" \
        -rkey "$pki/ocsp-issuing-client.key" -CA "$pki/issuing-client.crt" -ndays 1 -multi 2 >/dev/null 2>&1 &
    peer=$!
    until_true 5 curl -sf -o /dev/null --data-binary "@$dir/nonce.der" -H 'Content-Type: application/ocsp-request' \
        "http://127.0.0.1:$port/"
}
stop_peer() {
    # shellcheck disable=SC2046 # a list of pids
    kill $peer $(pgrep -P $peer) 2>/dev/null
    wait $peer 2>/dev/null
    peer=
}
peer=
trap 'test -z "$peer" || stop_peer; cleanup' EXIT

openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -reqout "$dir/nonce.der" >/dev/null 2>&1
openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -no_nonce -reqout "$dir/plain.der" >/dev/null 2>&1
post() { # FILE: a wrk script
    printf 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/ocsp-request"\nwrk.body = ""'
    xxd -p -c 0 "$1" | sed 's/../ .. string.char(0x&)/g'
}
post "$dir/nonce.der" >"$dir/nonce.lua"
post "$dir/plain.der" >"$dir/plain.lua"

declare -A rate cpu p99
measure() { # LABEL URL SCRIPT PID...
    local label=$1 url=$2 script=$3 before after
    shift 3
    before=$(cpu_us "$@")
    wrk -t1 -c16 -d"$SECONDS_EACH" --latency ${script:+-s "$script"} "$url" >"$dir/wrk"
    after=$(cpu_us "$@")
    local requests
    requests=$(awk '/requests in/ { print $1 }' "$dir/wrk")
    if grep -q 'Non-2xx' "$dir/wrk" || [ "${requests:-0}" = 0 ]; then
        echo "$label: errors" >&2
        cat "$dir/wrk" >&2
        exit 1
    fi
    rate[$label]+="$(awk '/Requests\/sec/ { print $2 }' "$dir/wrk")"$'\n'
    cpu[$label]+="$(awk "BEGIN { print ($after - $before) / $requests }")"$'\n'
    p99[$label]+="$(awk '$1 == "99%" { print $2 }' "$dir/wrk")"$'\n'
}
for _ in $(seq "$ROUNDS"); do
    start_peer
    # shellcheck disable=SC2046 # a list of pids
    measure "openssl ocsp -multi 2, nonce" "http://127.0.0.1:$port/" "$dir/nonce.lua" $peer $(pgrep -P $peer)
    stop_peer
    measure "annuld, nonce" "http://$public/ocsp" "$dir/nonce.lua" "$daemon" "$signer"
    measure "annuld, POST" "http://$public/ocsp" "$dir/plain.lua" "$daemon" "$signer"
    measure "annuld, GET" "http://$public/ocsp/$(base64 -w0 "$dir/plain.der")" "" "$daemon" "$signer"
done

base="openssl ocsp -multi 2, nonce"
base_rate=$(median <<<"${rate[$base]%$'\n'}") base_cpu=$(median <<<"${cpu[$base]%$'\n'}")
printf '\n| ECDSA P-256, %d rounds of %d s, medians | answers/s | ratio | CPU µs each | ratio | p99 |\n|---|---|---|---|---|---|\n' "$ROUNDS" "$SECONDS_EACH"
for label in "$base" "annuld, nonce" "annuld, POST" "annuld, GET"; do
    r=$(median <<<"${rate[$label]%$'\n'}") c=$(median <<<"${cpu[$label]%$'\n'}")
    printf '| %s | %.0f | %s | %.1f | %s | %s |\n' "$label" "$r" "$(ratio "$r" "$base_rate")" "$c" "$(ratio "$c" "$base_cpu")" \
        "$(sort -V <<<"${p99[$label]%$'\n'}" | sed -n "$(((ROUNDS + 1) / 2))p")"
done
