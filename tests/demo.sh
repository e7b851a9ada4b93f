#!/usr/bin/env bash
# demo.sh: what `make run` does after building. Makes a demo PKI, starts annuld for its five CAs, revokes a client and
# holds another, prints what to try, and stays until annuld ends.
#
# From the environment (relative paths are taken from the top of the project):
#   BUILD     where the programs are              build
#   DEMO_DIR  everything the demo writes          var/demo
#   PUBLIC    CRLs and OCSP                       127.0.0.1:8080
#   ADMIN     admin API                           127.0.0.1:8081
#
# $DEMO_DIR/target.env is there exactly while the daemon is ready: what a script needs to talk to it.
# shellcheck disable=SC2317 # it does not see that traps call functions
set -euo pipefail
unset CDPATH

top=$(cd -- "$(dirname -- "$0")/.." && pwd)
cd -- "$top"
build=$(cd -- "${BUILD:-build}" && pwd)
mkdir -p -- "${DEMO_DIR:-var/demo}"
dir=$(cd -- "${DEMO_DIR:-var/demo}" && pwd)
public=${PUBLIC:-127.0.0.1:8080}
admin=${ADMIN:-127.0.0.1:8081}
pki=$dir/pki
socket=$dir/admin.sock
socket_dir= # a short one, where $dir is too long for a socket
daemon=     # annuld's process id while it runs

say() { printf '%s\n' "$*"; }
die() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# A proxy in the environment is not for the daemon beside us.
fetch() { curl -sf --noproxy '*' --max-time 5 "$@"; }
annulctl() { "$build/annulctl" -s "$socket" "$@"; }

# Standard input becomes the file, whole or not at all.
write_file() { cat >"$1.new" && mv -f -- "$1.new" "$1"; }

# As the shell reads it back; only quoted when it must be.
quoted() {
    case $1 in
    '' | *[!A-Za-z0-9_/.:,=@%+-]*) printf "'%s'" "${1//\'/\'\\\'\'}" ;;
    *) printf '%s' "$1" ;;
    esac
}

# Upper-case hex, as `openssl crl -text` prints it too.
serial_of() { openssl x509 -noout -serial -in "$pki/$1.crt" | sed 's/^serial=//'; }

# --- before the daemon ---------------------------------------------------------------------------------

check_surroundings() {
    local program
    for program in annuld annul-signer annulctl; do
        [ -x "$build/$program" ] || die "$build/$program is missing; run make first"
    done
    # Another annuld there would answer in place of ours, and look ready.
    if curl -s --noproxy '*' --max-time 5 -o /dev/null "http://$admin/healthz"; then
        die "something answers on $admin already (another demo?); stop it, or set ADMIN and PUBLIC"
    fi
}

make_pki() {
    local made_for
    "$top/tests/pki.sh" "$pki" "http://$public"
    made_for=$(openssl x509 -noout -ext crlDistributionPoints -in "$pki/client-0.crt" | sed -n 's|.*URI:\(.*\)/crl/.*|\1|p')
    [ "$made_for" = "http://$public" ] ||
        say "note: the demo's certificates name $made_for, not http://$public; to make them anew, remove $dir first"
    openssl x509 -noout -checkend 0 -in "$pki/ocsp-issuing-client.crt" >/dev/null ||
        die "the demo's OCSP certificates have expired (they live 90 days); remove $dir and start again"
}

# sun_path has 108 bytes, the last of them NUL.
choose_socket() {
    local LC_ALL=C # count bytes
    if [ ${#socket} -gt 107 ]; then
        socket_dir=$(mktemp -d /tmp/annul-demo.XXXXXX)
        socket=$socket_dir/admin.sock
        say "note: $dir is too long a path for a Unix socket; it is $socket this time"
    fi
}

# A string of the configuration: in double quotes, where \ and ${...} would mean something.
conf() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    printf '"%s"' "${text//\$/\\\$}"
}

# issuer NAME [DELEGATE]; further lines of the section come from standard input.
issuer() {
    printf '\nissuer "%s" {\n' "$1"
    printf '    certificate      = %s\n' "$(conf "$pki/$1.crt")"
    printf '    key              = %s\n' "$(conf "$pki/$1.key")"
    if [ $# -gt 1 ]; then
        printf '    ocsp_certificate = %s\n' "$(conf "$pki/$2-chain.pem")"
        printf '    ocsp_key         = %s\n' "$(conf "$pki/$2.key")"
    fi
    cat
    printf '}\n'
}

configuration() {
    cat <<CONF
# Written anew by tests/demo.sh at each start.
public   { listen = {$(conf "$public")} }
admin    { listen = {$(conf "$admin")}  socket = $(conf "$socket") }
database { path = $(conf "$dir/annul.db") }
crl      { directory = $(conf "$dir/crl") }
signer   { program = $(conf "$build/annul-signer") }
CONF
    issuer root </dev/null
    issuer intermediate-client </dev/null
    issuer intermediate-server </dev/null
    issuer issuing-server ocsp-issuing-server </dev/null
    issuer issuing-client ocsp-issuing-client <<'CONF'
    alias "/ca.crl" { format = "pem" } # brokers that read only PEM at the distribution point
CONF
}

# --- the daemon ----------------------------------------------------------------------------------------

# Ends annuld if it runs; the status is annuld's.
stop_daemon() {
    local pid=$daemon
    daemon=
    [ -n "$pid" ] || return 0
    kill -TERM "$pid" 2>/dev/null || :
    wait "$pid"
}

# TERM for all of them: a shell starts its background jobs with INT ignored, and a daemon may leave it so.
on_signal() {
    local status=0
    trap '' HUP INT TERM
    [ -n "$daemon" ] || exit 130 # not started yet
    stop_daemon || status=$?
    exit "$status"
}

on_exit() {
    local status=$?
    trap '' HUP INT TERM
    stop_daemon || :
    rm -f -- "$dir/target.env" "$dir"/*.new
    [ -z "$socket_dir" ] || rm -rf -- "$socket_dir"
    exit "$status"
}

# Waits for annuld to end, and ends with its status.
follow_daemon() {
    local status=0
    wait "$daemon" || status=$?
    daemon=
    exit "$status"
}

start_daemon() {
    local deadline=$((SECONDS + 30))
    "$build/annuld" -c "$dir/annuld.conf" </dev/null &
    daemon=$!
    until fetch -o /dev/null "http://$admin/readyz"; do
        kill -0 "$daemon" 2>/dev/null || follow_daemon # it has said why
        [ $SECONDS -lt $deadline ] ||
            die "annuld is not ready after 30 seconds: $(curl -s --noproxy '*' --max-time 5 "http://$admin/readyz" || :)"
        sleep 0.1
    done
}

# --- the first run -------------------------------------------------------------------------------------

# The marker names a serial of this PKI, and is of use only with the database and the token it was written for.
is_seeded() {
    [ -s "$dir/annul.db" ] && [ -s "$dir/admin.token" ] && [ "$(cat "$dir/seeded" 2>/dev/null)" = "$(serial_of client-2)" ]
}

# A token is shown once. Where an interrupted run has used up a name, take the next.
create_token() {
    local name answer
    for name in demo demo-{2..9}; do
        if answer=$(annulctl --json token create --role administrator "$name" 2>&1); then
            sed -n 's/.*"token": *"\([^"]*\)".*/\1/p' <<<"$answer" | (umask 077 && write_file "$dir/admin.token")
            [ -s "$dir/admin.token" ] || die "no token in the answer of annulctl token create"
            return
        fi
    done
    die "no token: $answer"
}

wait_for_crl() {
    local deadline=$((SECONDS + 30)) wanted
    wanted=$(serial_of client-2)
    until fetch "http://$public/crl/issuing-client.crl" | openssl crl -inform DER -noout -text 2>/dev/null |
        grep -i "Serial Number: $wanted" >/dev/null; do
        [ $SECONDS -lt $deadline ] || die "client-2 is not on the CRL of issuing-client 30 seconds after it was revoked"
        sleep 0.1
    done
}

# Every step may be done twice. client-4 is left out: the CA has issued it, and annuld has never heard of it.
seed() {
    local name files=()
    for name in client-{0..3} server server-must-staple ocsp-issuing-{client,server} \
        intermediate-{client,server} issuing-{client,server}; do
        files+=("$pki/$name.crt")
    done
    rm -f -- "$dir/seeded"
    create_token
    annulctl register "${files[@]}" >/dev/null
    annulctl revoke --reason keyCompromise issuing-client "$(serial_of client-2)" >/dev/null
    annulctl revoke --reason certificateHold issuing-client "$(serial_of client-3)" >/dev/null
    wait_for_crl
    serial_of client-2 | write_file "$dir/seeded"
}

# --- what to do with it --------------------------------------------------------------------------------

ask_ocsp() {
    printf '  openssl ocsp -url http://%s/ocsp -CAfile %s \\\n' "$public" "$(quoted "$pki/root.crt")"
    printf '    -issuer %s \\\n' "$(quoted "$pki/issuing-client.crt")"
    printf '    -cert %s\n' "$(quoted "$pki/$1.crt")"
}

print_what_to_try() {
    local api="http://$admin/api/v1/issuers/issuing-client/certificates"
    say
    say "Annul is ready: CRLs and OCSP on http://$public, the admin API on http://$admin. Ctrl-C stops it."
    [ -z "${http_proxy:-}" ] || say "You use a proxy; in the other shell, first:  export no_proxy=${public%:*},${admin%:*}"
    say "The console is at http://$admin/ ; its token is in $(quoted "$dir/admin.token")"
    say "To try in another shell:"
    say
    say "# the CRL: client-2 is revoked, client-3 on hold"
    say "  curl -s http://$public/crl/issuing-client.crl | openssl crl -inform DER -noout -text"
    say
    say "# OCSP: client-0 is good"
    ask_ocsp client-0
    say
    say "# OCSP: client-2 is revoked"
    ask_ocsp client-2
    say
    say "# revoke client-1 ..."
    say "  curl -s -X POST -H \"Authorization: Bearer \$(cat $(quoted "$dir/admin.token"))\" \\"
    say "    -H 'Content-Type: application/json' -d '{\"reason\":\"keyCompromise\"}' \\"
    say "    $api/$(serial_of client-1)/revoke"
    say
    say "# ... and the very next answer says so"
    ask_ocsp client-1
    say
    say "The README goes on from here; the command line is  $(quoted "$build/annulctl") -s $(quoted "$socket") --help"
    say
}

set_to() { printf '%s=%s\n' "$1" "$(quoted "$2")"; }

target() {
    set_to BASE_OCSP_URL "http://$public/ocsp"
    set_to CRL_DER_URL "http://$public/crl/issuing-client.crl"
    set_to CRL_PEM_URL "http://$public/crl/issuing-client.pem"
    set_to ROOT_CRL_URL "http://$public/crl/root.crl"
    set_to ADMIN_URL "http://$admin"
    set_to ADMIN_TOKEN_FILE "$dir/admin.token"
    set_to ISSUER_NAME issuing-client
    set_to ISSUER "$pki/issuing-client.crt"
    set_to CAFILE "$pki/root.crt"
    set_to CHAIN "$pki/chain.pem"
    set_to GOOD "$pki/client-0.crt"
    set_to GOOD_KEY "$pki/client-0.key"
    set_to REVOKED "$pki/client-2.crt"
    set_to HOLD "$pki/client-3.crt"
    set_to UNKNOWN "$pki/client-4.crt"
    set_to SERVER "$pki/server.crt"
    set_to SERVER_KEY "$pki/server.key"
}

check_surroundings
trap on_exit EXIT
trap on_signal HUP INT TERM
rm -f -- "$dir/target.env"
make_pki
choose_socket
configuration | write_file "$dir/annuld.conf"

first_run=
is_seeded || first_run=yes # before annuld makes the database
start_daemon
[ -z "$first_run" ] || seed
print_what_to_try
target | write_file "$dir/target.env"
follow_daemon
