#!/bin/bash
# Upstreams that misbehave, one by one: the good file stays octet for octet, one clear line tells, and the times between
# tries grow within bounds. Then CRLs on a server that can be waited on, a full disk, and a folder that cannot be written.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
up=$dir/up
mkdir -p "$up" "$dir/live"
port=$(free_port)
set_mode() { # FILE MODE
    echo "$2" >"$up/$1.set"
    mv "$up/$1.set" "$up/$1"
}
set_mode mode good
set_mode crl-mode crl-5
python3 "$(dirname "$0")/stapler_upstream.py" "$pki" "$up" "$port" >"$dir/upstream.log" 2>&1 &
upstream=$!
trap 'kill $upstream 2>/dev/null; cleanup' EXIT
until_true 20 test -e "$up/ready" || { cat "$dir/upstream.log"; exit 1; }

write_stapler_config <<CONF
fetch { timeout = "3s"  wait = "20s"  crl_mb = 1 }
staple "server" {
    certificate = {"$pki/server.crt"}
    responder = {"http://127.0.0.1:$port/ocsp"}
    interval = "1h"
    deliver { path = "$dir/live/server.der" }
}
CONF
now=0
later() { # SECONDS
    now=$((now + $1))
    move_clock $now
}
lines() { grep -c -- "$1" "$dir/stapler.log"; }
item() { stapler status --json | jq -r ".items[0].$1"; }
delay() { # until the next try, in seconds of the moved clock
    echo $(($(date -d "$(item next_at)" +%s) - $(date +%s) - now))
}

start_stapler
check "a good one is delivered" until_true 10 cmp "$up/good" "$dir/live/server.der"
good=$(sha256sum <"$dir/live/server.der")

# bad MODE TEXT [FAILURES IN A ROW]
bad() {
    set_mode mode "$1"
    later 3700
    check "$1: said" until_true 10 grep -qF -- "$2" "$dir/stapler.log"
    failed_again() { [ "$(item failures)" -ge "$1" ]; }
    check "$1: status" until_true 5 failed_again 1
    local first
    first=$(delay)
    check "$1: tried again within a quarter of 10 s" test "$first" -gt 0 -a "$first" -le 11
    later 3700
    check "$1: fails again" until_true 10 failed_again 2
    check "$1: and is not said again" test "$(lines "$2")" = 1
    check "$1: the old one stays" test "$(sha256sum <"$dir/live/server.der")" = "$good"
    set_mode mode good
    later 3700
    check "$1: and over" until_true 10 test "$(item failures)" != -1
    recovered() { [ "$(item failures)" = 0 ]; }
    check "$1: recovers" until_true 10 recovered
    : >"$dir/stapler.log"
}
bad wrong-signature "its signature is wrong"
bad no-eku "no id-kp-OCSPSigning"
bad other-serial "another serial number"
bad unknown "does not know this certificate"
bad try-later "the responder says tryLater"
bad unauthorized "the responder says unauthorized"
bad html "not an OCSP response"
bad cut "not an OCSP response"
bad short "no answer from"
bad huge "larger than 65536 octets"
bad slow "no answer from"
bad loop "redirects"
bad file "no answer from"
bad expired "it expired at"
bad future "in the future"
bad older "older response than we have"

# --- the times between tries
set_mode mode try-later
last=0
for n in 1 2 3 4 5 6 7 8 9 10 11; do
    later 3700
    tried() { [ "$(item failures)" = $n ]; }
    until_true 10 tried
    wait_s=$(delay)
    [ "$wait_s" -gt "$last" ] || [ $n -ge 9 ] || check "try $n comes later than the one before: $wait_s after $last" false
    last=$wait_s
done
check "after eleven failures at most an hour: $last" test "$last" -gt 2600 -a "$last" -le 3600
set_mode mode 503
later 3700
asked_503() { item error | grep -q "HTTP 503"; }
check "503" until_true 10 asked_503
check "Retry-After is obeyed, within the interval: $(delay)" test "$(delay)" -gt 3500 -a "$(delay)" -le 3600
set_mode mode revoked
later 7100
check "revoked takes the place of good" until_true 10 cmp "$up/revoked" "$dir/live/server.der"
check "loudly" grep -q "REVOKED" "$dir/stapler.log"
set_mode mode good
later 3700
check "an older good does not mask it" until_true 10 grep -q "older response" "$dir/stapler.log"
check "it stays" cmp "$up/revoked" "$dir/live/server.der"
set_mode mode unrevoked
later 3700
asked_again() { [ "$(item failures)" -ge 2 ]; }
check "nor does one of the same second" until_true 10 asked_again
check "it stays, too" cmp "$up/revoked" "$dir/live/server.der"
stop_stapler

# --- exit codes of --once
once_is() { # STATUS MODE
    rm -rf "$dir/cache"
    mkdir "$dir/cache"
    set_mode mode "$2"
    stapler --once >>"$dir/stapler.log" 2>&1
    [ $? = "$1" ]
}
check "once: 0" once_is 0 good
touch "$up/no-get"
check "once: 0 where GET is answered by 500, and POST" once_is 0 good
rm "$up/no-get"
check "once: 75 for what may pass" once_is 75 try-later
check "once: 1 for what needs a person" once_is 1 wrong-signature

# --- a full disk, and a folder that is not writable
now=0
move_clock 0
check "good again" once_is 0 good
set_mode mode better
full() {
    later 3700
    (
        trap '' XFSZ
        ulimit -f 0
        stapler --once
    ) 2>&1 | cat >"$dir/full.log"
    return "${PIPESTATUS[0]}"
}
refuse "a full disk fails" full
check "the old one stays" cmp "$up/good" "$dir/live/server.der"
expect "it is said" "File too large" cat "$dir/full.log"
check "with room again it is delivered" stapler --once
check "the better one" cmp "$up/better" "$dir/live/server.der"

# --- a folder that cannot be written: said once, and tried again
chmod 755 "$dir" "$WORK" "$pki"
as_somebody() { # root may write everywhere
    if [ "$(id -u)" = 0 ]; then
        chown -R nobody "$dir/cache"
        setpriv --reuid nobody --clear-groups "$BUILD/annul-stapler" -c "$dir/annul-stapler.conf" "$@"
    else
        chmod 555 "$dir/live"
        stapler "$@"
    fi
}
set_mode mode best
later 3700
as_somebody --once >"$dir/unwritable.log" 2>&1
check "an unwritable folder fails for the time being" test $? = 75
chmod 755 "$dir/live"
expect "with the remedy" "let the stapler's user write there" cat "$dir/unwritable.log"
check "the old one stays" cmp "$up/better" "$dir/live/server.der"
refuse "-t tells it, too" as_somebody -t
set_mode mode better

# --- CRLs
write_stapler_config <<CONF
fetch { timeout = "3s"  wait = "20s"  crl_mb = 1 }
crl "servers" {
    url = {"http://127.0.0.1:$port/crl"}
    deliver { path = "$dir/live/servers.pem"  mode = "0640" }
}
CONF
: >"$dir/stapler.log"
start_stapler
has_crl() { [ "$(openssl crl -in "$dir/live/servers.pem" -noout -crlnumber 2>/dev/null)" = "crlNumber=0x0$1" ]; }
check "a CRL is delivered" until_true 10 has_crl 5
check "with its mode" test "$(stat -c %a "$dir/live/servers.pem")" = 640
waits() { grep -q "wait=20" "$up/asked"; }
bad_crl() { # MODE TEXT
    local before
    before=$(sha256sum <"$dir/live/servers.pem")
    set_mode crl-mode "$1"
    said() { # a try that was under way may have put off the next
        later 100
        grep -qF -- "$1" "$dir/stapler.log"
    }
    check "$1: said" until_true 10 said "$2"
    check "$1: the old one stays" test "$(sha256sum <"$dir/live/servers.pem")" = "$before"
}
set_mode crl-mode crl-6
check "while we wait, a new one is here at once" until_true 5 has_crl 6
set_mode crl-mode crl-7
check "and the next" until_true 5 has_crl 7
bad_crl crl-4 "number"
bad_crl crl-7-again "other octets"
bad_crl crl-expired "nextUpdate"
bad_crl crl-future "thisUpdate"
bad_crl crl-forged "signature"
bad_crl crl-other "ANOTHER CA"
bad_crl html "not"
bad_crl huge "larger than 1048576 octets"
bad_crl short "no answer from"
bad_crl loop "redirects"
set_mode crl-mode crl-7
later 3700
check "reached again" until_true 10 grep -q "reached again" "$dir/stapler.log"
polled=$(wc -l <"$up/asked")
sleep 1
check "who waits does not poll" test "$(($(wc -l <"$up/asked") - polled))" -le 2
check "it asked to be kept waiting" waits
stop_stapler
: >"$up/asked"
start_stapler
conditional() { head -n 1 "$up/asked" | grep -q '"crl-7"'; }
check "a restart asks for what is newer than what it has" until_true 5 conditional
set_mode crl-mode crl-other
later 2700000
check "when the old one has ended, another CA's is a new beginning" until_true 10 has_crl 3
stop_stapler

# --- several URLs of one CRL
move_clock 0
rm -rf "$dir/cache" "$dir/live/"*
mkdir "$dir/live/hash"
set_mode crl-mode crl-6
set_mode crl2-mode crl-5
two_urls() { # URL
    write_stapler_config <<CONF
crl "servers" {
    url = {"http://127.0.0.1:$port/crl", "http://127.0.0.1:$port/$1"}
    deliver { path = "$dir/live/servers.pem" }
    deliver { kind = "hash-dir"  path = "$dir/live/hash" }
}
CONF
    sed -i "s,^authorities.*,authorities = {\"$pki/issuing-server.crt\"}," "$dir/annul-stapler.conf"
}
two_urls crl2
check "two URLs of one CA" stapler --once
check "the newer one is delivered" has_crl 6
check "alone" test "$(grep -c BEGIN "$dir/live/servers.pem")" = 1
check "in a hash folder as well" test "$(find "$dir/live/hash" -name '*.r*' | wc -l)" = 1
two_urls nowhere
set_mode mode 503
set_mode crl-mode crl-7
stapler --once
check "one URL that does not answer keeps nobody waiting for the other" has_crl 7
write_stapler_config <<CONF
crl "servers" {
    url = {"http://127.0.0.1:$port/crl"}
    deliver { path = "$dir/live/servers.pem" }
}
CONF
kill $upstream
start_stapler
check "offline, after a restart, the file is there" until_true 10 has_crl 7
stop_stapler
finish
