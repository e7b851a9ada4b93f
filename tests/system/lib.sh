# Sourced by the system tests: a real daemon on real ports, checks with names, and nothing left behind.
# shellcheck shell=bash disable=SC2034
set -u
export PYTHONDONTWRITEBYTECODE=1
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-build}
case $BUILD in /*) ;; *) BUILD=$top/$BUILD ;; esac
own_work=
if [ -z "${WORK:-}" ]; then
    WORK=$(mktemp -d)
    own_work=$WORK
fi
name=$(basename "$0" .sh)
dir=$WORK/$name
mkdir -p "$dir"
pki=$WORK/pki
"$top/tests/pki.sh" "$pki" || exit 1
failures=0
daemon=
stapler_pid=
public='' admin=''

cleanup() {
    stop_stapler
    stop_daemon
    [ -z "$own_work" ] || rm -rf "$own_work"
}
trap cleanup EXIT

# check NAME COMMAND...: the command succeeds.
check() {
    local what=$1
    shift
    if "$@" >"$dir/out" 2>&1; then
        echo "ok: $what"
    else
        echo "FAILED: $what: $*"
        sed 's/^/    /' "$dir/out" | head -n 40
        failures=$((failures + 1))
    fi
}

# expect NAME TEXT COMMAND...: what the command prints holds TEXT (a fixed string).
expect() {
    local what=$1 text=$2
    shift 2
    "$@" >"$dir/out" 2>&1
    if grep -qF -- "$text" "$dir/out"; then
        echo "ok: $what"
    else
        echo "FAILED: $what: no \"$text\" in the output of: $*"
        sed 's/^/    /' "$dir/out" | head -n 40
        failures=$((failures + 1))
    fi
}

# also NAME TEXT: the output of the last `expect` holds this, too.
also() {
    if grep -qF -- "$2" "$dir/out"; then
        echo "ok: $1"
    else
        echo "FAILED: $1: no \"$2\" in the same output"
        sed 's/^/    /' "$dir/out" | head -n 40
        failures=$((failures + 1))
    fi
}

# refuse NAME COMMAND...: the command fails. It may read $dir/out, the output of the last `expect`.
refuse() {
    local what=$1
    shift
    if "$@" >"$dir/refused" 2>&1; then
        echo "FAILED: $what: succeeded: $*"
        failures=$((failures + 1))
    else
        echo "ok: $what"
    fi
}

finish() {
    stop_stapler
    stop_daemon
    if [ "$failures" != 0 ]; then
        echo "$failures checks failed; the daemon said:"
        tail -n 15 "$dir/annuld.log" 2>/dev/null
        [ ! -e "$dir/stapler.log" ] || tail -n 40 "$dir/stapler.log"
        exit 1
    fi
    exit 0
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until SECONDS COMMAND...: polls, at most so long; for what another process does in its own time.
until_true() {
    local end=$((SECONDS + $1))
    shift
    while ! "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        read -rt 0.02 <> <(:) || :
    done
}

issuer_section() { # NAME [DELEGATE]; more lines from standard input
    echo "issuer \"$1\" {"
    echo "  certificate = \"$pki/$1.crt\"  key = \"$pki/$1.key\""
    [ $# -lt 2 ] || echo "  ocsp_certificate = \"$pki/$2-chain.pem\"  ocsp_key = \"$pki/$2.key\""
    cat
    echo "}"
}

# The configuration that most tests use; further sections from standard input.
write_config() {
    public=127.0.0.1:$(free_port)
    admin=127.0.0.1:$(free_port)
    {
        echo "public { listen = {\"$public\"} }"
        echo "admin { listen = {\"$admin\"} socket = \"$dir/admin.sock\" }"
        echo "database { path = \"$dir/annul.db\" }"
        echo "crl { directory = \"$dir/crl\" }"
        issuer_section issuing-client ocsp-issuing-client <<<'alias "/ca.crl" { format = "pem" }'
        issuer_section issuing-server ocsp-issuing-server </dev/null
        issuer_section intermediate-client </dev/null
        cat
    } >"$dir/annuld.conf"
}

# What `openssl ca` needs to work on $dir/index.txt in the name of the client CA.
write_ca_config() {
    cat >"$dir/ca.cnf" <<CNF
[ca]
default_ca = this
[this]
database = $dir/index.txt
certificate = $pki/issuing-client.crt
private_key = $pki/issuing-client.key
default_md = sha256
default_crl_days = 7
crlnumber = $dir/crlnumber
CNF
    echo 01 >"$dir/crlnumber"
}

# $dir/ext.cnf for `openssl req`: what a CA, a delegate and a leaf hold.
write_extensions() {
    cat >"$dir/ext.cnf" <<'CNF'
[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[ocsp]
extendedKeyUsage = critical, OCSPSigning
noCheck = yes
[leaf]
basicConstraints = CA:FALSE
CNF
}

start_daemon() {
    "$BUILD/annuld" -c "$dir/annuld.conf" >>"$dir/annuld.log" 2>&1 &
    daemon=$!
    until_true 60 is_ready || {
        echo "annuld did not get ready:"
        tail -n 20 "$dir/annuld.log"
        exit 1
    }
}

is_ready() {
    kill -0 "$daemon" 2>/dev/null || return 0 # gone: the next request will tell
    curl -sf "http://$admin/readyz"
}

stop_daemon() {
    [ -n "$daemon" ] || return 0
    kill "$daemon" 2>/dev/null
    local status=0
    wait "$daemon" || status=$?
    if [ $status != 0 ] && [ $status != 137 ]; then
        echo "FAILED: annuld ended with status $status"
        grep -A30 -E 'ERROR: |runtime error|WARNING: ThreadSanitizer' "$dir/annuld.log" | head -n 60
        failures=$((failures + 1))
    fi
    daemon=
}

kill_daemon() {
    kill -9 "$daemon"
    wait "$daemon" 2>/dev/null
    daemon=
}

ctl() {
    "$BUILD/annulctl" -s "$dir/admin.sock" "$@"
}

# client-0, client-1 and the server are good, client-2 is revoked, client-3 on hold; nobody has heard of client-4.
register_usual() {
    ctl register "$pki"/client-[0-3].crt "$pki/server.crt" >/dev/null
    ctl revoke --reason keyCompromise issuing-client "$(serial_of client-2)" >/dev/null
    ctl revoke --reason certificateHold issuing-client "$(serial_of client-3)" >/dev/null
}

# Makes a token of an administrator, and the function `api METHOD PATH [CURL OPTIONS]`.
make_token() {
    token=$(ctl token create --role administrator "$1")
}

api() {
    local method=$1 path=$2
    shift 2
    curl -s -X "$method" -H "Authorization: Bearer $token" "http://$admin/api/v1/$path" "$@"
}

http_status() {
    curl -s -o "$dir/body" -w '%{http_code}' "$@"
}

serial_of() {
    openssl x509 -in "$pki/$1.crt" -noout -serial | cut -d= -f2
}

ocsp() { # NAME OF THE CERTIFICATE [OPTIONS]: by way of the client CA
    local cert=$1
    shift
    openssl ocsp -issuer "$pki/issuing-client.crt" "$@" -cert "$pki/$cert.crt" -url "http://$public/ocsp" \
        -CAfile "$pki/root.crt" 2>&1
}

crl_text() {
    curl -s "http://$public/crl/${1:-issuing-client}.crl" | openssl crl -inform DER -noout -text
}

crl_number() {
    curl -s "http://$public/crl/${1:-issuing-client}.crl" | openssl crl -inform DER -noout -crlnumber | cut -dx -f2
}

crl_lists() { # SERIAL [ISSUER]
    crl_text "${2:-issuing-client}" | grep -qi "Serial Number: $1"
}

# in_memory PID HEX: whether the octets are in what a process has in memory and can read itself (but for a sanitizer's
# shadow, which is larger than the disk).
in_memory() {
    python3 - "$1" "$2" <<'PY'
import sys
wanted, found = bytes.fromhex(sys.argv[2]), False
with open("/proc/%s/maps" % sys.argv[1]) as maps, open("/proc/%s/mem" % sys.argv[1], "rb", 0) as mem:
    for line in maps:
        start, end = (int(x, 16) for x in line.split()[0].split("-"))
        if line.split()[1][0] != "r" or end - start > 1 << 30 or "[v" in line:
            continue
        mem.seek(start)
        found = found or mem.read(end - start).find(wanted) >= 0
sys.exit(0 if found else 1)
PY
}

# --- annul-stapler

# Sections from standard input.
write_stapler_config() {
    {
        echo "cache { directory = \"$dir/cache\" }"
        echo "authorities = {\"$pki/chain.pem\"}"
        cat
    } >"$dir/annul-stapler.conf"
    mkdir -p "$dir/cache"
}

stapler() {
    "$BUILD/annul-stapler" -c "$dir/annul-stapler.conf" "$@"
}

start_stapler() {
    local before
    before=$(stapler_starts)
    "$BUILD/annul-stapler" -c "$dir/annul-stapler.conf" >>"$dir/stapler.log" 2>&1 &
    stapler_pid=$!
    until_true 60 stapler_is_up "$before" || {
        echo "annul-stapler did not start:"
        tail -n 20 "$dir/stapler.log"
        exit 1
    }
}

stapler_starts() {
    grep -c "msg=\"version " "$dir/stapler.log" 2>/dev/null
}

stapler_is_up() {
    [ "$(stapler_starts)" != "$1" ] || ! kill -0 "$stapler_pid"
}

stop_stapler() {
    [ -n "$stapler_pid" ] || return 0
    kill "$stapler_pid" 2>/dev/null
    local status=0
    wait "$stapler_pid" || status=$?
    stapler_pid=
    if [ $status != 0 ]; then
        echo "FAILED: annul-stapler ended with status $status"
        grep -A30 -E 'ERROR: |runtime error|WARNING: ThreadSanitizer' "$dir/stapler.log" | head -n 60
        failures=$((failures + 1))
    fi
}

move_clock() { # to so many seconds from now, for all that is running
    printf '%+d\n' "$1" >"$dir/clock.new"
    mv "$dir/clock.new" "$dir/clock"
}
