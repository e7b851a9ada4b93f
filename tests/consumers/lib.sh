# Sourced by the tests with real consumers: what the system tests have, octets to deliver, and knocking at doors.
# shellcheck shell=bash disable=SC2034
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"
PATH=$PATH:/usr/sbin # not in every user's
started=()
chmod 755 "$WORK" "$dir" # consumers have users of their own

# One clock for all: annuld, annul-stapler, and, by libfaketime, consumers and their clients.
export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
offset=0
move_clock 0
later() { # SECONDS
    offset=$((offset + $1))
    move_clock $offset
}
faketime=$(echo /usr/lib/*/faketime/libfaketime.so.1)
in_time=(env LD_PRELOAD="$faketime" FAKETIME_TIMESTAMP_FILE="$dir/clock" FAKETIME_NO_CACHE=1
    FAKETIME_DONT_FAKE_MONOTONIC=1)

# end_consumers: those of `consumer`, by their numbers.
end_consumers() {
    local pid
    for pid in "${started[@]}"; do
        kill "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    started=()
}
trap 'end_consumers; cleanup' EXIT

# consumer LOG COMMAND...: in the background, until the end; its number is in $consumer.
consumer() {
    local log=$1
    shift
    "${in_time[@]}" "$@" >>"$log" 2>&1 </dev/null &
    consumer=$!
    started+=("$consumer")
}

deliver() { # as tests/tools/deliver.c says; an --state of its own for each --path or --socket is the caller's affair
    "$BUILD/tests/deliver" "$@"
}

# --- staples, of the server's certificate

fetch_staple() { # FILE
    openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -no_nonce -CAfile "$pki/root.crt" \
        -url "http://$public/ocsp" -respout "$1" >/dev/null 2>&1
}

# staple ADDRESS: what is stapled there, as openssl prints it.
staple() { timeout 10 openssl s_client -connect "$1" -status -CAfile "$pki/root.crt" </dev/null 2>&1; }
staples() { staple "$1" | grep -q "Cert Status: $2"; } # ADDRESS good|revoked
staples_nothing() { staple "$1" | grep -q "OCSP response: no response sent"; }

# curl_verifies ADDRESS, gnutls_verifies ADDRESS: by their own code.
curl_verifies() { "${in_time[@]}" curl -s -m 10 --cert-status --cacert "$pki/root.crt" "https://$1/"; }
gnutls_verifies() {
    timeout 10 "${in_time[@]}" gnutls-cli --x509cafile "$pki/root.crt" --ocsp --port "${1#*:}" 127.0.0.1 </dev/null >"$dir/gnutls" 2>&1
    grep -q 'Status: The certificate is trusted' "$dir/gnutls" && grep -q 'OCSP status request' "$dir/gnutls"
}

# --- CRLs, of the client chain

fetch_crls() { # into $dir/NAME.crl, once client-2 is in it
    local ca
    until_true 10 crl_lists "$(serial_of client-2)" || return 1
    for ca in issuing-client intermediate-client root; do
        curl -sf "http://$public/crl/$ca.crl" -o "$dir/$ca.crl.new" && mv "$dir/$ca.crl.new" "$dir/$ca.crl" || return 1
    done
}
chain_crls() { # arguments of `deliver ... crls` for the whole chain
    local ca
    for ca in issuing-client intermediate-client root; do
        echo "$pki/$ca.crt=$dir/$ca.crl"
    done
}

# revoke_now NAME: revokes at the daemon, and returns when the new CRL is here.
revoke_now() {
    ctl revoke --reason keyCompromise issuing-client "$(serial_of "$1")" >/dev/null
    until_true 10 crl_lists "$(serial_of "$1")" && fetch_crls
}

crl_lacks() { ! crl_lists "$@"; }

# --- clients

knock() { # PROTOCOL ADDRESS NAME [SECONDS]: as tests/consumers/knock.py says
    python3 "$top/tests/consumers/knock.py" "$1" "$2" "$pki" "$3" "${@:4}"
}
gets_in() { knock "$@" >/dev/null 2>&1; }
is_refused() { knock "$@" 2>&1 | grep -q '^refused'; }

# client-0 in a loop, as often as it can, at as many places as loop_start is called for: `loop_start PROTOCOL ADDRESS`.
# `loops_end` prints how often it got in, and fails where it was refused once or got in never.
loops=()
loop_start() {
    local log=$dir/loop.$2
    python3 "$top/tests/consumers/knock.py" "$1" "$2" "$pki" client-0 loop >"$log" 2>&1 &
    loops+=("$log:$!")
    started+=("$!")
    until_true 20 grep -q '^in' "$log"
}
loops_end() {
    local loop log refused=0
    for loop in "${loops[@]}"; do
        log=${loop%:*}
        kill "${loop##*:}" 2>/dev/null
        wait "${loop##*:}" 2>/dev/null
        echo "${log##*/}: $(grep -c '^in' "$log") times in, $(grep -vc '^in' "$log") times not"
        grep -q '^in' "$log" || refused=1
        ! grep -v '^in' "$log" || refused=1
    done
    loops=()
    return $refused
}

server_chain() { cat "$pki/server.crt" "$pki/server-chain.pem"; }

# For what is told apart by its second.
next_second() { until_true 3 is_after "$(date +%s)"; }
is_after() { [ "$(date +%s)" -gt "$1" ]; }

# --- what each consumer goes through, with annuld and annul-stapler and nobody in between

responder() { echo "responder = {\"http://$public/ocsp\"}"; }
crl_urls() {
    echo "url = {\"http://$public/crl/issuing-client.crl\", \"http://$public/crl/intermediate-client.crl\","
    echo "       \"http://$public/crl/root.crl\"}"
}

staple_age() { staple "$1" | grep 'This Update'; }
is_stapled_anew() { [ -n "$(staple_age "$1")" ] && [ "$(staple_age "$1")" != "$2" ]; } # ADDRESS AGE

# staple_story ADDRESS: its staple is there; is replaced; is gone before its end when the responder is; comes back.
# Before that `loop_start` may have been called.
staple_story() {
    local before
    check "it is stapled" until_true 10 staples "$1" good
    check "curl verifies it" until_true 10 curl_verifies "$1" # an old worker may take one more
    check "GnuTLS verifies it" gnutls_verifies "$1"
    before=$(staple_age "$1")
    later 68400 # annuld gives out the same for three quarters of a day
    check "it is replaced by a newer one" until_true 10 is_stapled_anew "$1" "$before"
    check "curl verifies that" until_true 10 curl_verifies "$1"
    check "GnuTLS verifies that" gnutls_verifies "$1"
    if [ ${#loops[@]} != 0 ]; then
        check "no connection was dropped" loops_end
        cat "$dir/out"
    fi
    stop_daemon
    later 86350 # ten seconds after it is to go, fifty before its end
    check "the responder is gone: withdrawn before its end" until_true 15 staples_nothing "$1"
    check "which is said" until_true 10 grep -q 'withdrawn from' "$dir/stapler.log"
    next_second && next_second # HAProxy overlooks a signal that comes while it reloads
    start_daemon
    later 3700 # the longest time between tries
    check "the responder is back: so is the staple" until_true 15 staples "$1" good
    check "curl verifies it" until_true 10 curl_verifies "$1"
}

# The first time of a knock that is refused.
refused_since() { # PROTOCOL ADDRESS NAME
    local began end=$((SECONDS + 10))
    while [ $SECONDS -lt $end ]; do
        began=$(date +%s%3N)
        is_refused "$@" && { echo "$began" && return; }
    done
    echo 9999999999999
}

# crl_story VICTIM PROTOCOL ADDRESS [PROTOCOL ADDRESS]: client-0 is in all the time, and the victim until it is revoked.
crl_story() {
    local victim=$1 began took places
    shift
    places=("$@")
    while [ $# != 0 ]; do
        check "client-0 gets in by $1" until_true 10 gets_in "$1" "$2" client-0
        check "$victim gets in by $1" until_true 10 gets_in "$1" "$2" "$victim"
        check "client-2 is refused by $1" is_refused "$1" "$2" client-2
        loop_start "$1" "$2"
        shift 2
    done
    waits() { stapler status --json | jq -e '[.items[] | select(.kind == "crl") | .next_at == "now"] | all'; }
    check "the stapler waits for news" until_true 10 waits
    began=$(date +%s%3N)
    ctl revoke --reason keyCompromise issuing-client "$(serial_of "$victim")" >/dev/null
    set -- "${places[@]}"
    while [ $# != 0 ]; do
        took=$(($(refused_since "$1" "$2" "$victim") - began))
        check "$victim is refused by $1 within a second of its revocation: after $took ms" test $took -le 1000
        shift 2
    done
    check "client-0 never was" loops_end
    cat "$dir/out"
}
