#!/bin/bash
# An `openssl ca` beside us: whoever runs `openssl ca -revoke` changes nothing, and OCSP and the CRL know within a second.
# What vanishes from its index.txt, or goes back to V, stays revoked.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-100000}

# A CA as people have it, with three certificates and a revocation from before our time.
mkdir "$dir/ca" "$dir/ca/new"
write_extensions
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/ca/ca.key" -out "$dir/ca/ca.crt" -days 3650 \
    -subj "/O=Beside/CN=ca" -config "$dir/ext.cnf" -extensions ca 2>/dev/null
cat >"$dir/ca/ca.cnf" <<CNF
[ca]
default_ca = this
[this]
dir = $dir/ca
database = $dir/ca/index.txt
new_certs_dir = $dir/ca/new
certificate = $dir/ca/ca.crt
private_key = $dir/ca/ca.key
serial = $dir/ca/serial
crlnumber = $dir/ca/crlnumber
default_md = sha256
default_days = 365
default_crl_days = 7
policy = any
unique_subject = no
[any]
commonName = supplied
CNF
: >"$dir/ca/index.txt"
echo 1000 >"$dir/ca/serial"
echo 01 >"$dir/ca/crlnumber"
issue() { # NAME
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/ca/$1.key" -subj "/CN=$1" -config "$dir/ext.cnf" -out "$dir/ca/$1.csr" 2>/dev/null
    openssl ca -batch -config "$dir/ca/ca.cnf" -in "$dir/ca/$1.csr" -out "$dir/ca/$1.crt" 2>"$dir/openssl.log"
}
revoke() { # NAME [OPTIONS]
    local name=$1
    shift
    openssl ca -config "$dir/ca/ca.cnf" -revoke "$dir/ca/$name.crt" "$@" 2>"$dir/openssl.log"
}
for name in one two three; do issue "$name"; done
revoke one -crl_reason superseded
write_config <<CONF
issuer "beside" { certificate = "$dir/ca/ca.crt" key = "$dir/ca/ca.key" index = "ca/index.txt" }
CONF
check "annuld -t" "$BUILD/annuld" -t -c "$dir/annuld.conf"
start_daemon

status_of() { # SERIAL
    openssl ocsp -issuer "$dir/ca/ca.crt" -serial "0x$1" -url "http://$public/ocsp" -CAfile "$dir/ca/ca.crt" -no_nonce 2>&1
}
says() { status_of "$1" | grep -q "0x$1: $2"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
# within NAME COMMAND...: from `began` on, in at most a second, as far as a poll can tell
within() {
    local what=$1
    shift
    check "$what" until_true 20 "$@"
    local took=$(($(now_ms) - began))
    echo "$what: $took ms"
    check "$what: within a second" test $took -le $limit_ms
}
limit_ms=1000
! ldd "$BUILD/annuld" | grep -q 'lib[at]san' || limit_ms=5000 # a sanitizer takes its time
issuer_crl_lists() { crl_lists "$1" beside; }
logged() { grep -F "$1" "$dir/annuld.log" | grep -qF "$2"; }

check "what was there before: revoked" until_true 5 says 1000 revoked
check "what was there before: good" until_true 5 says 1001 good
check "and its CRL" until_true 5 issuer_crl_lists 1000

# --- openssl ca, as ever: it writes index.txt.new and renames it
issue four
began=$(now_ms)
within "openssl ca: a new certificate" says 1003 good
expect "with its subject" "CN=four" ctl status beside 1003
revoke four -crl_reason keyCompromise
began=$(now_ms)
within "openssl ca -revoke: OCSP" says 1003 revoked
within "openssl ca -revoke: CRL" issuer_crl_lists 1003
expect "with its reason" "keyCompromise" status_of 1003
expect "the audit names the file" "index.txt|$dir/ca/index.txt" sqlite3 "$dir/annul.db" "SELECT actor, origin FROM audit WHERE action = 'revoke' AND issuer = 'beside'"
revoke two -crl_hold holdInstructionNone
check "a hold" until_true 5 says 1001 revoked
expect "is one" "certificateHold" status_of 1001
revoke three -crl_compromise 20260102030405Z
check "with the date of the compromise" until_true 5 says 1002 revoked
compromise_known() { crl_text beside | grep -q "Jan  2 03:04:05 2026"; }
check "which the CRL has" until_true 5 compromise_known
check "openssl ca -updatedb" openssl ca -config "$dir/ca/ca.cnf" -updatedb

# --- by hand: appended, in pieces
printf 'V\t351231235959Z\t\t2000\tunknown\t/CN=appended\n' >>"$dir/ca/index.txt"
began=$(now_ms)
within "an appended row" says 2000 good
printf 'V\t351231235959Z\t\t2001\tunknown\t/CN=before it\nR\t351231235959Z\t261101' >>"$dir/ca/index.txt"
check "a row before half of one" until_true 5 says 2001 good
printf '000000Z,superseded\t2002\tunknown\t/CN=two pieces\n' >>"$dir/ca/index.txt"
check "a row in two pieces" until_true 5 says 2002 revoked
refuse "whose first half was no trouble" grep -q "passed over" "$dir/annuld.log"
printf 'nonsense\nR\tnonsense\t\t2003\tunknown\t/CN=x\nV\t351231235959Z\t\t2004\tunknown\t/CN=behind it\n' >>"$dir/ca/index.txt"
check "a row behind nonsense is taken" until_true 5 says 2004 good
line=$(grep -n '^nonsense$' "$dir/ca/index.txt" | cut -d: -f1)
expect "nonsense is told with its line" "index.txt:$line: " cat "$dir/annuld.log"
also "and the other" "index.txt:$((line + 1)): "
printf 'V\t351231235959Z\t\t2005\tunknown\t/CN=later\n' >>"$dir/ca/index.txt"
check "a later row" until_true 5 says 2005 good
sed -i '/nonsense/d' "$dir/ca/index.txt" # openssl ca would not read on
check "and nonsense is told once" test "$(grep -c "index.txt:$line: " "$dir/annuld.log")" = 1
exec 9>>"$dir/ca/index.txt" # somebody who keeps it open
printf 'V\t351231235959Z\t\t2006\tunknown\t/CN=open\n' >&9
check "a row of one who does not close the file" until_true 5 says 2006 good
exec 9>&-

# --- rows that go
grep -v $'\t1003\t' "$dir/ca/index.txt" >"$dir/ca/index.txt.new"
mv "$dir/ca/index.txt.new" "$dir/ca/index.txt"
check "a row that vanishes is told, by its serial" until_true 5 logged "has gone or says so no more" "certificate 1003 "
check "it stays revoked" says 1003 revoked
sed -i $'s/^R\t\\([^\t]*\\)\t[^\t]*\t1001\t/V\t\\1\t\t1001\t/' "$dir/ca/index.txt"
check "a row that goes from R to V is told" until_true 5 logged "has gone or says so no more" "certificate 1001 "
check "it stays revoked" says 1001 revoked
check "each was told once" test "$(grep -c 'says so no more' "$dir/annuld.log")" = 2
ctl release beside 1001 >/dev/null
printf 'V\t351231235959Z\t\t2007\tunknown\t/CN=seven\n' >>"$dir/ca/index.txt"
check "a hold that was released by hand" until_true 5 says 2007 good
check "stays released" says 1001 good

# --- a link: what it leads to is watched, and so is the link
mkdir "$dir/real" "$dir/real2"
mv "$dir/ca/index.txt" "$dir/real/index.txt" && ln -s ../real/index.txt "$dir/ca/index.txt"
printf 'V\t351231235959Z\t\t2008\tunknown\t/CN=link\n' >>"$dir/real/index.txt"
check "a file that has become a link" until_true 10 says 2008 good
printf 'V\t351231235959Z\t\t2009\tunknown\t/CN=behind the link\n' >>"$dir/real/index.txt"
began=$(now_ms)
within "a row behind the link" says 2009 good
cp "$dir/real/index.txt" "$dir/real2/index.txt" && ln -sfn ../real2/index.txt "$dir/ca/index.txt"
printf 'V\t351231235959Z\t\t200A\tunknown\t/CN=elsewhere\n' >>"$dir/real2/index.txt"
check "a link that leads elsewhere" until_true 10 says 200A good
printf 'V\t351231235959Z\t\t200B\tunknown\t/CN=elsewhere too\n' >>"$dir/real2/index.txt"
began=$(now_ms)
within "a row there" says 200B good
mv "$dir/real2" "$dir/real3" && ln -s real3 "$dir/real2"
printf 'V\t351231235959Z\t\t200C\tunknown\t/CN=renamed\n' >>"$dir/real3/index.txt"
check "a row in a folder that was renamed" until_true 10 says 200C good
rm "$dir/ca/index.txt" && cp "$dir/real3/index.txt" "$dir/ca/index.new" && mv "$dir/ca/index.new" "$dir/ca/index.txt"

# --- the file goes and comes; annuld goes and comes
mv "$dir/ca/index.txt" "$dir/ca/index.away"
touch "$dir/ca/..touch" # so that somebody looks
check "a file that went is missed" until_true 5 logged "index.txt: No such file" "beside"
mv "$dir/ca/index.away" "$dir/ca/index.txt"
check "and found again" until_true 5 logged "all is well again" "index.txt"
stop_daemon
revoke_line() { sed -i $"s/^V\t\\([^\t]*\\)\t\t$1\t/R\t\\1\t$(date -u +%y%m%d%H%M%SZ)\t$1\t/" "$dir/ca/index.txt"; }
revoke_line 2004
changes() { sqlite3 "$dir/annul.db" "SELECT count(*) FROM audit WHERE actor = 'index.txt'"; }
before=$(changes)
start_daemon
check "what came while nobody watched" until_true 5 says 2004 revoked
check "and nothing else was written" test "$(changes)" = $((before + 2)) # the revocation and the sum

# --- many rows
python3 - "$ROWS" >>"$dir/ca/index.txt" <<'PY'
import sys
for n in range(int(sys.argv[1])):
    print("%s\t351231235959Z\t%s\t%020X\tunknown\t/O=Beside/CN=device-%d" % ("R" if n % 10 == 0 else "V", "260101000000Z" if n % 10 == 0 else "", 0x55000000000000000000 + n, n))
PY
began=$(now_ms)
check "$ROWS rows" until_true 300 says "$(printf '55%018X' $((ROWS - 1)))" good
echo "$ROWS rows: $(($(now_ms) - began)) ms; $(grep VmHWM "/proc/$daemon/status")"
issue last
began=$(now_ms)
within "$ROWS rows: a new certificate" says 1004 good
revoke last
began=$(now_ms)
within "$ROWS rows: openssl ca -revoke: OCSP" says 1004 revoked
within "$ROWS rows: openssl ca -revoke: CRL" issuer_crl_lists 1004
stop_daemon
began=$(now_ms)
start_daemon
revoke_line 2005
check "after a restart" until_true 60 says 2005 revoked
echo "compared $ROWS rows with the database in at most $(($(now_ms) - began)) ms"
finish
