#!/bin/bash
# OCSP by annuld, and in the same run nginx with the same octets in a file, `openssl ocsp`, and the bare signature.
# Every case is measured once a round; what is printed are medians over the rounds, and ratios of medians. Servers and
# load share two cores, so a rate is bounded by both together; the CPU time is the servers' alone.
# ROUNDS and SECONDS_EACH bound the run; CERTIFICATES is how many the large database holds. WORKERS are the threads of
# annuld's listener and the processes of nginx: one each, because the load has the other core. With two it is chance how
# many connections each of them gets, and with that how often they sleep and wake: no two runs measure the same.
# shellcheck source=bench/lib.sh
. "$(dirname "$0")/lib.sh"
ROUNDS=${ROUNDS:-7} SECONDS_EACH=${SECONDS_EACH:-4} CERTIFICATES=${CERTIFICATES:-10000000}
WORKERS=${WORKERS:-1}
few=10000 cache_mb=1 # a cache of far fewer answers than either database has certificates
presign='presign = all presign_rate = 100000' # of the RSA delegate's certificates
work=$dir
need wrk wrk
need nginx nginx
taskset -cp 0,1 $$ >/dev/null || die "it needs the cores 0 and 1"

# --- servers -------------------------------------------------------------------------------------------

declare -A daemons url processes # by name; the processes are those whose CPU time counts
nginx='' peer=''
stop_all() {
    stop_peer
    stop_nginx
    for daemon in "${daemons[@]}" $daemon; do stop_daemon; done
    cleanup
}
trap stop_all EXIT

with_children() { # PID
    echo "$1" "$(pgrep -d ' ' -P "$1")"
}

make_rsa_delegate() {
    openssl req -x509 -newkey rsa:2048 -noenc -keyout "$pki/rsa-delegate.key" -out "$pki/rsa-delegate.crt" \
        -CA "$pki/intermediate-server.crt" -CAkey "$pki/intermediate-server.key" -days 90 -subj "/CN=OCSP by RSA" \
        -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature \
        -addext extendedKeyUsage=critical,OCSPSigning -addext noCheck=yes 2>"$work/log" || die "$(cat "$work/log")"
    cat "$pki/rsa-delegate.crt" "$pki/intermediate-server.crt" >"$pki/rsa-delegate-chain.pem"
}

# The index.txt of `openssl ca`, its serials spread over the whole B-tree; "serials" has up to a million of them in
# random order.
make_certificates() { # COUNT
    python3 - "$1" "$dir" <<'PY'
import random, sys
count, folder = int(sys.argv[1]), sys.argv[2]
random.seed(count)
step, every, asked = (0x7E << 120) // count, -(-count // 1000000), []
with open(folder + "/index.txt", "w") as index:
    for n in range(count):
        serial = (1 << 120) + n * step + random.getrandbits(64)
        index.write("V\t351231235959Z\t\t%032X\tunknown\t\n" % serial)
        if n % every == 0:
            asked.append(serial.to_bytes(16, "big"))
random.shuffle(asked)
with open(folder + "/serials", "wb") as serials:
    serials.write(b"".join(asked))
PY
}

start_annuld() { # NAME COUNT: with so many certificates
    dir=$work/$1
    mkdir -p "$dir"
    write_config <<CONF
ocsp { cache_mb = $cache_mb }
$(issuer_section intermediate-server rsa-delegate <<<"$presign")
CONF
    sed -i "s/^public {/& workers = $WORKERS/" "$dir/annuld.conf"
    start_daemon
    make_certificates "$2" || die "cannot make $2 certificates"
    ctl -q import issuing-client "$dir/index.txt" || die "cannot import $2 certificates"
    [ -z "$presign" ] || [ "$1" != few ] || ctl -q import intermediate-server "$dir/index.txt" || die "cannot import"
    rm "$dir/index.txt"
    ctl register "$pki/client-0.crt" "$pki/issuing-server.crt" >/dev/null || die "cannot register"
    daemons[$1]=$daemon url[$1]=http://$public/ocsp processes[$1]=$(with_children "$daemon")
    daemon='' dir=$work
}

# As Debian configures it, but with WORKERS, without a log, and with files that stay open; and beside that, on a port of
# its own, without sendfile, which for so small a file costs more than to read it. Where there are two workers, no other
# way of sharing connections out (reuseport, accept_mutex) was faster than multi_accept.
start_nginx() {
    local port plain
    port=$(free_port) plain=$(free_port)
    cat >"$work/nginx.conf" <<CONF
daemon off;
worker_processes $WORKERS;
pid $work/nginx.pid;
error_log $work/nginx.log;
$([ "$(id -u)" != 0 ] || echo "user root root; # the folder is ours alone")
events { multi_accept on; }
http {
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=16;
    open_file_cache_valid 1h;
    default_type application/ocsp-response;
    client_body_temp_path $work/temp;
    proxy_temp_path $work/temp;
    fastcgi_temp_path $work/temp;
    uwsgi_temp_path $work/temp;
    scgi_temp_path $work/temp;
    root $work/www;
    expires 5h;
    add_header X-Content-Type-Options nosniff;
    server { listen 127.0.0.1:$port; }
    server { listen 127.0.0.1:$plain; sendfile off; }
}
CONF
    mkdir -p "$work/www"
    curl -sf -o "$work/www/answer" "$get" || die "no answer for nginx"
    nginx -c "$work/nginx.conf" 2>>"$work/nginx.log" &
    nginx=$! url[nginx]=http://127.0.0.1:$port/answer url[plain]=http://127.0.0.1:$plain/answer
    until_true 5 curl -sf -o /dev/null "${url[nginx]}" || die "nginx: $(cat "$work/nginx.log")"
    processes[nginx]=$(with_children $nginx)
    processes[plain]=${processes[nginx]}
}
stop_nginx() {
    [ -n "$nginx" ] || return 0
    kill "$nginx"
    wait "$nginx"
    nginx=
}

# The same CA, delegate and certificate. It does not survive the end of a load, so each round starts it anew.
start_peer() {
    local port
    port=$(free_port)
    printf 'V\t351231235959Z\t\t%s\tunknown\t/CN=client-0\n' "$(serial_of client-0)" >"$work/index.txt"
    openssl ocsp -index "$work/index.txt" -port "$port" -rsigner "$pki/ocsp-issuing-client.crt" \
        -rkey "$pki/ocsp-issuing-client.key" -CA "$pki/issuing-client.crt" -ndays 1 -multi 2 >/dev/null 2>&1 &
    peer=$! url[openssl]=http://127.0.0.1:$port/
    until_true 5 ask "${url[openssl]}" "$work/nonce.der" || die "openssl ocsp does not answer"
    processes[openssl]=$(with_children $peer)
}
stop_peer() {
    [ -n "$peer" ] || return 0
    # shellcheck disable=SC2046 # a list of pids
    kill $(with_children $peer) 2>/dev/null
    wait $peer 2>/dev/null
    peer=
}

# --- requests ------------------------------------------------------------------------------------------

# Each ends with its serial, or with its nonce: there ocsp.lua puts others.
make_requests() {
    local client=(openssl ocsp -issuer "$pki/issuing-client.crt") name
    local rsa=(openssl ocsp -issuer "$pki/intermediate-server.crt")
    {
        "${client[@]}" -cert "$pki/client-0.crt" -no_nonce -reqout "$work/plain.der"
        "${client[@]}" -cert "$pki/client-0.crt" -reqout "$work/nonce.der"
        "${rsa[@]}" -cert "$pki/issuing-server.crt" -reqout "$work/rsa.der"
        for name in few many; do
            "${client[@]}" -serial "0x$(first_serial $name)" -no_nonce -reqout "$work/$name.der"
        done
        "${rsa[@]}" -serial "0x$(first_serial few)" -no_nonce -reqout "$work/presigned.der"
    } >/dev/null 2>&1
    head -c 16000000 /dev/urandom >"$work/nonces"
    get=${url[few]}/$(base64 -w0 "$work/plain.der")
}
first_serial() {
    od -An -v -tx1 -N16 "$work/$1/serials" | tr -d ' \n'
}

ask() { # URL [REQUEST]: leaves the response, prints how many octets it has, HTTP header and all
    curl -sf -o "$work/response" -w '%{size_header} + %{size_download}\n' "$1" \
        ${2:+--data-binary "@$2" -H 'Content-Type: application/ocsp-request'}
}

is_good() { # the response of the last ask
    text=$(openssl ocsp -respin "$work/response" -resp_text -verify_other "$pki/chain.pem" -CAfile "$pki/root.crt" 2>&1)
    [[ $text == *'Response verify OK'* && $text == *'Cert Status: good'* ]]
}

# Whether nothing is signed ahead any more.
is_idle() { # SERVER
    local pids before
    read -ra pids <<<"${processes[$1]}"
    before=$(cpu_us "${pids[@]}")
    sleep 1
    [ "$(cpu_us "${pids[@]}")" = "$before" ]
}

# --- measuring -----------------------------------------------------------------------------------------

declare -A size rate cpu p50 p99 # by case; all but the size have a line a round
measure() { # CASE SERVER URL [REQUEST [VALUES]]
    local case=$1 at=$3 pids requests per_s middle high octets errors before after text=''
    if [ -z "${size[$case]:-}" ]; then
        octets=$(ask "$at" ${4:+"$4"}) && is_good || die "$case: no good answer from $at${text:+: $text}"
        size[$case]=$((octets))
    fi
    read -ra pids <<<"${processes[$2]}"
    before=$(cpu_us "${pids[@]}")
    wrk -t1 -c32 -d"$SECONDS_EACH" -s "$top/bench/ocsp.lua" "$at" -- "$begin" "${@:4}" >"$work/wrk"
    after=$(cpu_us "${pids[@]}")
    read -r requests per_s middle high octets errors < <(tail -n 1 "$work/wrk")
    # an error of OCSP has the HTTP status 200, but few octets
    is_true "$requests && !$errors && $octets > 0.99 * ${size[$case]} && $octets < 1.01 * ${size[$case]}" ||
        die "$case: errors, or not ${size[$case]} octets an answer: $(cat "$work/wrk")"
    rate[$case]+=$per_s$'\n' p50[$case]+=$middle$'\n' p99[$case]+=$high$'\n'
    cpu[$case]+=$(compute "($after - $before) / $requests")$'\n'
}

# How fast this CPU signs at all, one signature after the other on one core.
measure_signature() { # CASE ALGORITHM
    local per_s
    per_s=$(openssl speed -seconds 1 "$2" 2>/dev/null | awk 'END { print $(NF - 1) }')
    rate[$1]+=$per_s$'\n' cpu[$1]+=$(compute "1e6 / $per_s")$'\n'
}

measure_round() {
    measure nginx nginx "${url[nginx]}"
    measure plain plain "${url[plain]}"
    measure get few "$get"
    measure post few "${url[few]}" "$work/plain.der"
    measure nonce few "${url[few]}" "$work/nonce.der" "$work/nonces"
    measure few few "${url[few]}" "$work/few.der" "$work/few/serials"
    measure many many "${url[many]}" "$work/many.der" "$work/many/serials"
    measure rsa few "${url[few]}" "$work/rsa.der" "$work/nonces"
    [ -z "$presign" ] || measure presigned few "${url[few]}" "$work/presigned.der" "$work/few/serials"
    start_peer
    measure openssl openssl "${url[openssl]}" "$work/nonce.der" "$work/nonces"
    stop_peer
    measure_signature p256 ecdsap256
    measure_signature rsa2048 rsa2048
}

# --- what came out -------------------------------------------------------------------------------------

mid() { # FIGURE CASE
    local -n figure=$1
    printf %s "${figure[$2]}" | median
}

row() { # CASE TEXT
    local per_s us latency='|'
    per_s=$(mid rate "$1") us=$(mid cpu "$1")
    [ -z "${p50[$1]:-}" ] || latency=$(compute "$(mid p50 "$1") / 1e3, $(mid p99 "$1") / 1e3" '%.2f ms | %.2f ms')
    printf '| %s | %.0f | %s | %s | %.1f | %s |\n' "$2" "$per_s" "$(ratio "$per_s" "$(mid rate nginx)")" \
        "$latency" "$us" "$(ratio "$us" "$(mid cpu nginx)")"
}

memory_kb() { # FIELD: of the daemon with the large database
    awk -v field="$1:" '$1 == field { print $2 }' "/proc/${daemons[many]}/status"
}

print_cases() {
    printf '\n| %d rounds of %d s, medians ' "$ROUNDS" "$SECONDS_EACH"
    echo '| requests/s | × nginx | p50 | p99 | server CPU µs a request | × nginx |'
    echo '|---|---|---|---|---|---|---|'
    row nginx "nginx, the same octets in a file"
    row plain "the same, sendfile off"
    row get "annuld, cached, GET"
    row post "annuld, cached, POST"
    row nonce "annuld, P-256, a nonce each"
    row few "annuld, P-256, another serial each, $few certificates"
    row many "annuld, P-256, another serial each, $CERTIFICATES certificates"
    row rsa "annuld, RSA-2048, a nonce each"
    [ -z "$presign" ] || row presigned "annuld, RSA-2048, another serial each, signed ahead"
    row openssl "openssl ocsp -multi 2, P-256"
    row p256 "openssl speed, P-256, the signature alone on one core"
    row rsa2048 "openssl speed, RSA-2048, the same"
}

print_targets() {
    local case
    printf '\n| target | limit | measured | met |\n|---|---|---|---|\n'
    for case in get post; do
        target "cached ${case^^}, requests/s" "at least" 1.05 "× nginx" "$(mid rate $case) / $(mid rate nginx)"
        target "cached ${case^^}, CPU" "at most" 0.85 "× nginx" "$(mid cpu $case) / $(mid cpu nginx)"
        target "cached ${case^^}, requests/s" "at least" 7 "× openssl ocsp" "$(mid rate $case) / $(mid rate openssl)"
    done
    target "P-256 with a nonce, requests/s" "at least" 3 "× openssl ocsp" "$(mid rate nonce) / $(mid rate openssl)"
    target "P-256 with a nonce, CPU" "at most" 1.35 "× (signature + nginx)" \
        "$(mid cpu nonce) / ($(mid cpu p256) + $(mid cpu nginx))"
    target "CPU with $CERTIFICATES certificates" "at most" 1.3 "× that with $few" "$(mid cpu many) / $(mid cpu few)"
    target "memory with $CERTIFICATES certificates, beside the cache" "at most" 64 MB \
        "$(memory_kb VmRSS) / 1024 - $cache_mb"
    printf '\nAt its peak, the import included, the memory was %d MB beside the cache.\n' \
        $(($(memory_kb VmHWM) / 1024 - cache_mb))
}

make_rsa_delegate
echo "setting up, with $CERTIFICATES certificates" >&2
start_annuld few $few
start_annuld many "$CERTIFICATES"
make_requests
start_nginx
[ -z "$presign" ] || until_true 300 is_idle few || die "signing ahead does not end"
for ((round = 1; round <= ROUNDS; round++)); do
    echo "round $round of $ROUNDS" >&2
    begin=$(compute "($round - 1) / $ROUNDS") # of the way through serials and nonces: not the same in every round
    measure_round
done
! grep -h 'level=error' "$work"/*/annuld.log || die "annuld complained"
print_cases
print_targets
