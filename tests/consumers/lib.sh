# Sourced by the tests with real consumers: what the system tests have, octets to deliver, and knocking at doors.
# shellcheck shell=bash disable=SC2034
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"
PATH=$PATH:/usr/sbin # not in every user's
started=()
chmod 755 "$WORK" "$dir" # consumers have users of their own

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
    "$@" >>"$log" 2>&1 </dev/null &
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
staple() { openssl s_client -connect "$1" -status -CAfile "$pki/root.crt" </dev/null 2>&1; }
staples() { staple "$1" | grep -q "Cert Status: $2"; } # ADDRESS good|revoked
staples_nothing() { staple "$1" | grep -q "OCSP response: no response sent"; }

# curl_verifies ADDRESS, gnutls_verifies ADDRESS: by their own code.
curl_verifies() { curl -s --cert-status --cacert "$pki/root.crt" "https://$1/"; }
gnutls_verifies() {
    gnutls-cli --x509cafile "$pki/root.crt" --ocsp --port "${1#*:}" 127.0.0.1 </dev/null >"$dir/gnutls" 2>&1
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

# One client in a loop, as often as it can: `loop_start PROTOCOL ADDRESS NAME`, `loop_end NAME`: prints how often it got
# in, and fails where it was refused once or got in never.
loop_start() {
    : >"$dir/loop.$3"
    python3 "$top/tests/consumers/knock.py" "$1" "$2" "$pki" "$3" loop >"$dir/loop.$3" 2>&1 &
    loop=$!
    started+=("$loop")
    until_true 20 grep -q '^in' "$dir/loop.$3"
}
loop_end() {
    kill "$loop" 2>/dev/null
    wait "$loop" 2>/dev/null
    echo "$(grep -c '^in' "$dir/loop.$1") times in, $(grep -vc '^in' "$dir/loop.$1") times not"
    ! grep -v '^in' "$dir/loop.$1"
}

server_chain() { cat "$pki/server.crt" "$pki/server-chain.pem"; }

# For what is told apart by its second.
next_second() { until_true 3 is_after "$(date +%s)"; }
is_after() { [ "$(date +%s)" -gt "$1" ]; }
