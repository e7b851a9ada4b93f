#!/bin/bash
# CAs whose key is elsewhere: their CRLs come in by upload, file, folder and URL. A bad one changes nothing; a good one is
# served octet for octet, and OCSP follows it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
ENTRIES=${ENTRIES:-20000}

echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
move() { # SECONDS from now
    echo "$1" >"$dir/offset.tmp" && mv "$dir/offset.tmp" "$dir/offset"
}

# --- CAs, and what makes their CRLs
write_extensions
ca() { # NAME [SUBJECT]
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/$1.key" -out "$dir/$1.crt" -days 3650 \
        -subj "/O=Elsewhere/CN=${2:-$1}" -config "$dir/ext.cnf" -extensions ca 2>/dev/null
}
for name in up file folder url waited big point; do ca "$name"; done
ca thief up # the name of one and the key of another
for name in up file big; do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/$name-ocsp.key" -out "$dir/$name-ocsp.crt" \
        -CA "$dir/$name.crt" -CAkey "$dir/$name.key" -days 365 -subj "/CN=$name OCSP" -config "$dir/ext.cnf" -extensions ocsp 2>/dev/null
done

cat >"$dir/crl.py" <<'PY'
"""crl.py CA OUT WORD...: a CRL by python3-cryptography. number=N this=SECONDS next=SECONDS base=N point=URL|URL user ca indirect pem
no-next critical, and entries SERIAL[:REASON]."""
import datetime, os, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
ca, out, words = sys.argv[1], sys.argv[2], sys.argv[3:]
with open(ca + ".crt", "rb") as f:
    cert = x509.load_pem_x509_certificate(f.read())
with open(ca + ".key", "rb") as f:
    key = serialization.load_pem_private_key(f.read(), None)
named = dict(w.split("=") for w in words if "=" in w)
flags = {w for w in words if w in ("user", "ca", "indirect", "pem", "critical")}
with open(os.environ["ANNUL_CLOCK_OFFSET_FILE"]) as f:
    now = datetime.datetime.utcnow().replace(microsecond=0) + datetime.timedelta(seconds=int(f.read()))
at = lambda name, default: now + datetime.timedelta(seconds=int(named.get(name, default)))
b = (x509.CertificateRevocationListBuilder().issuer_name(cert.subject).last_update(at("this", 0))
     .next_update(at("next", 7200)).add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), False))
if "number" in named:
    b = b.add_extension(x509.CRLNumber(int(named["number"])), False)
if "base" in named:
    b = b.add_extension(x509.DeltaCRLIndicator(int(named["base"])), True)
if flags & {"user", "ca", "indirect"} or "point" in named:
    point = [x509.UniformResourceIdentifier(uri) for uri in named["point"].split("|")] if "point" in named else None
    b = b.add_extension(x509.IssuingDistributionPoint(point, None, "user" in flags, "ca" in flags, None, "indirect" in flags, False), True)
if "critical" in flags:
    b = b.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00"), True)
for w in words:
    if "=" in w or w in flags:
        continue
    serial, _, reason = w.partition(":")
    e = x509.RevokedCertificateBuilder().serial_number(int(serial, 16)).revocation_date(now - datetime.timedelta(seconds=60))
    if reason:
        e = e.add_extension(x509.CRLReason(x509.ReasonFlags(reason)), False)
    b = b.add_revoked_certificate(e.build())
crl = b.sign(key, hashes.SHA256())
with open(out + ".tmp", "wb") as f:
    f.write(crl.public_bytes(serialization.Encoding.PEM if "pem" in flags else serialization.Encoding.DER))
os.rename(out + ".tmp", out)
PY
crl() { # CA OUT WORDS...
    local name=$1
    shift
    python3 -W ignore "$dir/crl.py" "$dir/$name" "$@"
}

mkdir "$dir/in" "$dir/drop"
url_port=$(free_port)
other_port=$(free_port)
write_config <<CONF
issuer "up" { certificate = "$dir/up.crt" ocsp_certificate = "$dir/up-ocsp.crt" ocsp_key = "$dir/up-ocsp.key" crl_upload = true }
issuer "file" { certificate = "$dir/file.crt" ocsp_certificate = "$dir/file-ocsp.crt" ocsp_key = "$dir/file-ocsp.key" crl_file = "in/current.crl" }
issuer "point" { certificate = "$dir/point.crt" crl_upload = true distribution_point = "http://pki.example.test/new.crl" }
issuer "folder" { certificate = "$dir/folder.crt" crl_file = "drop" }
issuer "url" { certificate = "$dir/url.crt" crl_url = "http://127.0.0.1:$url_port/url.crl" crl_url_interval = "1s" }
issuer "waited" { certificate = "$dir/waited.crt" crl_url = "http://127.0.0.1:$other_port/crl/other.crl" crl_url_interval = "1h" }
issuer "big" { certificate = "$dir/big.crt" ocsp_certificate = "$dir/big-ocsp.crt" ocsp_key = "$dir/big-ocsp.key" crl_upload = true }
CONF
sed -i 's/^crl {/crl { upload_max_mb = 4 /' "$dir/annuld.conf"
check "certificates alone are legal where CRLs come in" "$BUILD/annuld" -t -c "$dir/annuld.conf"
start_daemon
until_true 10 test -S "$dir/admin.sock"
make_token foreign

status_of() { # CA SERIAL
    openssl ocsp -issuer "$dir/$1.crt" -serial "0x$2" -url "http://$public/ocsp" -CAfile "$dir/$1.crt" -no_nonce -validity_period 100000 2>&1
}
says() { status_of "$1" "$2" | grep -q "$3"; }
put() { api PUT "issuers/$1/crl" --data-binary "@$2"; }
served() { curl -sf "http://$public/crl/$1.crl"; } # ISSUER
is_served() { served "$1" | cmp -s - "$2"; }        # ISSUER FILE
refused() { # NAME STATUS TEXT ISSUER FILE: and what was served before still is
    served "$4" >"$dir/before.crl"
    put "$4" "$5" >"$dir/refusal"
    check "$1: $2" grep -q "\"status\": $2" "$dir/refusal"
    expect "$1: the reason" "$3" cat "$dir/refusal"
    check "$1: the good one stays" is_served "$4" "$dir/before.crl"
}

# --- upload
expect "no CRL yet: OCSP says tryLater" "trylater" status_of up 10
crl up "$dir/delta.crl" number=5 base=4 10
put up "$dir/delta.crl" >"$dir/refusal"
expect "a delta without its base is refused" "delta base" cat "$dir/refusal"

openssl_crl() { # by openssl itself, in PEM
    printf 'R\t351231235959Z\t%s,keyCompromise\t10\tunknown\t/CN=ten\nR\t351231235959Z\t%s,certificateHold\t11\tunknown\t/CN=eleven\nR\t351231235959Z\t%s,certificateHold\t12\tunknown\t/CN=twelve\nV\t351231235959Z\t\t16\tunknown\t/CN=good\n' \
        "$(date -u +%y%m%d%H%M%SZ)" "$(date -u +%y%m%d%H%M%SZ)" "$(date -u +%y%m%d%H%M%SZ)" >"$dir/index.txt"
    write_ca_config
    sed -i "s,$pki/issuing-client,$dir/up,; s/default_crl_days = 7/default_crl_hours = 2/" "$dir/ca.cnf"
    echo "[ca_ext]" >>"$dir/ca.cnf"
    sed -i 's/^crlnumber/crl_extensions = crl_ext\ncrlnumber/' "$dir/ca.cnf"
    printf '[crl_ext]\nauthorityKeyIdentifier = keyid\n' >>"$dir/ca.cnf"
    openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/up-1.pem" 2>/dev/null
}
openssl_crl
openssl crl -in "$dir/up-1.pem" -outform DER -out "$dir/up-1.crl"
expect "a CRL of openssl ca, in PEM, is taken" '"changed": true' put up "$dir/up-1.pem"
also "with its number" '"number":'
check "and served octet for octet" is_served up "$dir/up-1.crl"
expect "it verifies" "verify OK" bash -c "curl -s http://$public/crl/up.pem | openssl crl -noout -verify -CAfile $dir/up.crt"
expect "the same again: nothing changes" '"changed": false' put up "$dir/up-1.crl"
expect "OCSP: what it lists is revoked" "0x10: revoked" status_of up 10
expect "OCSP: and on hold" "certificateHold" status_of up 11
expect "OCSP: what it does not list is unlisted" "0x16: unknown" status_of up 16
ends=$(date -u -d "$(openssl crl -in "$dir/up-1.pem" -noout -nextupdate | cut -d= -f2)" +%s)
answer_ends() { date -u -d "$(status_of up 10 | sed -n 's/.*Next Update: //p')" +%s; }
check "an answer ends with the CRL at the latest" test "$(answer_ends)" -le "$ends"
check "and not much sooner" test "$(answer_ends)" -gt $((ends - 600))

# --- by annulctl
expect "annulctl: the same again" "up CRL 1, 3 entries, next update " ctl crl upload up "$dir/up-1.pem"
also "is said to be" "(was there already)"
expect "annulctl: for others it is JSON" '"changed":false' ctl --json crl upload up - <"$dir/up-1.crl"
code=0
ctl crl upload up "$dir/delta.crl.none" >/dev/null 2>&1 || code=$?
check "annulctl: no such file: 2" test $code = 2
crl thief "$dir/bad" number=100 10
code=0
ctl crl upload up "$dir/bad" >"$dir/refusal" 2>&1 || code=$?
check "annulctl: refused: 1" test $code = 1
expect "annulctl: and why" "upload $dir/bad as the CRL of up: " cat "$dir/refusal"
also "in full" "another key"

# --- everything that is wrong
echo '<html><body>404 page not found</body></html>' >"$dir/bad"
refused "a page of HTML" 422 "neither a CRL" up "$dir/bad"
: >"$dir/bad"
refused "nothing at all" 422 "neither a CRL" up "$dir/bad"
head -c 200 "$dir/up-1.crl" >"$dir/bad"
refused "half of a CRL" 422 "missing" up "$dir/bad"
cat "$dir/up-1.crl" "$dir/up-1.crl" >"$dir/bad"
refused "octets behind a CRL" 422 "octets behind" up "$dir/bad"
crl thief "$dir/bad" number=100 10
refused "another key" 422 "another key" up "$dir/bad"
crl up "$dir/bad" number=100 10
printf '\377' | dd of="$dir/bad" bs=1 seek=$(($(stat -c %s "$dir/bad") - 2)) conv=notrunc 2>/dev/null
refused "a signature that is broken" 422 "signature" up "$dir/bad"
crl file "$dir/bad" number=100 10
refused "another CA" 422 "issuer" up "$dir/bad"
crl up "$dir/bad" number=100 this=3600
refused "from the future" 422 "thisUpdate" up "$dir/bad"
crl up "$dir/bad" number=100 this=-7200 next=-60
refused "past its end" 422 "nextUpdate" up "$dir/bad"
crl up "$dir/bad" number=100 user
refused "for user certificates alone" 422 "scope" up "$dir/bad"
crl up "$dir/bad" number=100 indirect
refused "an indirect one" 422 "indirect" up "$dir/bad"
crl up "$dir/bad" number=100 point=http://pki.example.test/3.crl 10
refused "one of several that make up the whole" 422 "set distribution_point to that URL" up "$dir/bad"
crl up "$dir/bad" number=100 critical
refused "a critical extension that nobody knows" 422 "critical" up "$dir/bad"
crl up "$dir/bad" number=1 10 11
refused "the same number, other octets" 409 "number" up "$dir/bad"
crl up "$dir/bad" number=0 10
refused "a lower number" 409 "number" up "$dir/bad"
crl up "$dir/bad" number=9 this=-3600
refused "an older thisUpdate" 409 "thisUpdate" up "$dir/bad"
crl up "$dir/bad" number=9 base=8 10
refused "a delta of a base that is not here" 409 "goes on from" up "$dir/bad"
head -c $((5 << 20)) /dev/zero >"$dir/bad"
refused "too large" 413 "4194304 octets" up "$dir/bad"
head -c 4500000 /dev/zero >"$dir/bad"
check "too large, in chunks: 413" bash -c "[ \$(curl -s -o /dev/null -w '%{http_code}' -T - -H 'Authorization: Bearer $token' http://$admin/api/v1/issuers/up/crl <$dir/bad) = 413 ]"
check "no token: 401" bash -c "[ \$(curl -s -o /dev/null -w '%{http_code}' -X PUT --data-binary @$dir/up-1.crl http://$admin/api/v1/issuers/up/crl) = 401 ]"
expect "an issuer whose key is here: 409" '"status": 409' put issuing-client "$dir/up-1.crl"
expect "one whose CRL comes from a file: 409" '"status": 409' put file "$dir/up-1.crl"
expect "one that nobody knows: 404" '"status": 404' put nobody "$dir/up-1.crl"
expect "none of it changed a status" "0x10: revoked" status_of up 10

# --- the CA moves its distribution point
sed -i 's,/new.crl,/old.crl,' "$dir/annuld.conf"
stop_daemon
start_daemon
crl point "$dir/point-1.crl" number=1 point=http://pki.example.test/old.crl 10
expect "the CRL of the distribution point" '"changed": true' put point "$dir/point-1.crl"
crl point "$dir/point-2.crl" number=2 base=1 point=http://pki.example.test/old.crl 10 11
expect "its delta" '"changed": true' put point "$dir/point-2.crl"
crl point "$dir/bad" number=3 base=1 10 11
refused "a delta without the base's point" 409 "another issuingDistributionPoint" point "$dir/bad"
crl point "$dir/point-3.crl" number=3 "point=ldap://pki.example.test/new|http://pki.example.test/new.crl" 10 11
refused "of another point" 422 "distribution_point is http://pki.example.test/old.crl" point "$dir/point-3.crl"
sed -i 's,/old.crl,/new.crl,' "$dir/annuld.conf"
stop_daemon
start_daemon
expect "which is configured then" '"changed": true' put point "$dir/point-3.crl"
crl point "$dir/point-4.crl" number=4 base=3 point=http://pki.example.test/new.crl 12
expect "and its delta" '"changed": true' put point "$dir/point-4.crl"
crl point "$dir/point-5.crl" number=5 10 11 12
expect "and one of no point, which is of all" '"changed": true' put point "$dir/point-5.crl"

# --- what a newer one changes
api POST issuers/up/import -d '{"serial":"13","status":"good"}' >/dev/null
unlisted() { curl -s "http://$admin/readyz" | jq -e '.warnings[] | select(.kind == "unlisted" and .issuer == "up" and .crl == "whole")'; }
all_listed() { ! unlisted; }
refuse "the CRL covers what it has brought" unlisted
expect "revoked here: no CRL has it" "up's CRLs are made elsewhere: only OCSP tells of this until an uploaded CRL lists it; revoke it there too, and upload" \
    ctl revoke --reason certificateHold up 13
refuse "and nothing more is said the second time" grep elsewhere <(ctl revoke --reason certificateHold up 13 2>&1)
check "a warning says so" until_true 10 unlisted
expect "for Prometheus, too" 'annul_warning{kind="unlisted",issuer="up",crl="whole"} 1' curl -s "http://$admin/metrics"
expect "and for the console" '"unlisted"' api GET status
stop_daemon
start_daemon
check "it outlasts a restart" until_true 10 unlisted
crl up "$dir/up-2.crl" number=2 next=5400 12:keyCompromise 20
expect "a newer one" '"changed": true' put up "$dir/up-2.crl"
check "the warning ends with it" until_true 10 all_listed
expect "a hold of the CRL before has ended" "0x11: good" status_of up 11
expect "another has become a revocation" "keyCompromise" status_of up 12
expect "who has vanished stays revoked" "0x10: revoked" status_of up 10
expect "somebody else's hold stays" "certificateHold" status_of up 13
expect "who is new is revoked" "0x20: revoked" status_of up 20
expect "the audit tells of the CRL" "CRL 2, 2 entries" sqlite3 "$dir/annul.db" "SELECT * FROM audit WHERE action = 'crl'"
expect "and of the release" "token:foreign" sqlite3 "$dir/annul.db" "SELECT actor FROM audit WHERE action = 'release' AND issuer = 'up'"

crl up "$dir/up-3d.crl" number=3 base=2 21 22:certificateHold 23:certificateHold
expect "a delta" "up delta CRL 3, 3 entries" ctl crl upload up "$dir/up-3d.crl"
check "nor does its own news make a warning" until_true 10 all_listed
check "the complete one is still served" is_served up "$dir/up-2.crl"
expect "a revocation of the delta" "0x21: revoked" status_of up 21
expect "and a hold" "0x22: revoked" status_of up 22
crl up "$dir/up-4d.crl" number=4 base=2 21 22:removeFromCRL
expect "the next delta" '"changed": true' put up "$dir/up-4d.crl"
expect "releases by removeFromCRL" "0x22: good" status_of up 22
expect "and by leaving out" "0x23: good" status_of up 23
crl up "$dir/bad" number=3 base=2 21
refused "a delta before that" 409 "number" up "$dir/bad"

# --- OCSP ends with the CRL
move 5300
expect "an answer near its end" "0x20: revoked" status_of up 20
move 5500
expect "past the end of the CRL: tryLater" "trylater" status_of up 20
check "and the CRL itself: 503" bash -c "[ \$(curl -s -o /dev/null -w '%{http_code}' http://$public/crl/up.crl) = 503 ]"
crl up "$dir/up-5.crl" number=5 12:keyCompromise 20 21
expect "a newer one is taken" '"changed": true' put up "$dir/up-5.crl"
expect "and answers are back" "0x20: revoked" status_of up 20
move 0

# --- killed between the statuses and the publication, and going on
stop_daemon
export ANNUL_FAULT=crl-taken-in
start_daemon
crl up "$dir/up-6.crl" number=6 this=5600 20 30
move 5600
put up "$dir/up-6.crl" >/dev/null 2>&1
is_dead() { case $(ps -o stat= -p "$daemon") in Z* | '') ;; *) return 1 ;; esac; }
check "killed when all is in" until_true 30 is_dead
kill_daemon 2>/dev/null
unset ANNUL_FAULT
start_daemon
check "killed before publication: the one before is served" is_served up "$dir/up-5.crl"
expect "no revocation is lost" "0x30: revoked" status_of up 30
expect "the same CRL goes on" '"changed": true' put up "$dir/up-6.crl"
check "and is served" is_served up "$dir/up-6.crl"
stop_daemon
move 0
start_daemon

# --- a file
crl file "$dir/in/current.crl" number=1 10
check "a file that appears by rename" until_true 5 is_served file "$dir/in/current.crl"
check "and its statuses" until_true 5 says file 10 revoked
cp "$dir/in/current.crl" "$dir/good.crl"
lines() { grep -c "$1" "$dir/annuld.log"; }
echo nonsense >"$dir/in/current.crl"
check "nonsense in the file is logged" until_true 5 grep -q "current.crl: .*stays" "$dir/annuld.log"
check "the good one stays" is_served file "$dir/good.crl"
crl file "$dir/next.crl" number=2 10 11:certificateHold
cat "$dir/next.crl" >"$dir/in/current.crl"
check "written in place" until_true 5 is_served file "$dir/next.crl"
check "and its statuses" until_true 5 says file 11 revoked
check "the nonsense was logged once" test "$(lines 'current.crl: .*neither')" = 1
ln -s ../next-link.crl "$dir/in/..data"
stop_daemon
crl file "$dir/in/current.crl" number=3 10
start_daemon
check "one that came while nobody watched" until_true 5 is_served file "$dir/in/current.crl"
check "released by it" until_true 5 says file 11 good
mv "$dir/in" "$dir/away" && mkdir "$dir/in"
check "a folder that went is missed" until_true 5 grep -q "in/current.crl\|in cannot be watched" "$dir/annuld.log"
crl file "$dir/in/current.crl" number=4 10 12
check "and found again" until_true 5 is_served file "$dir/in/current.crl"

# --- a folder
crl folder "$dir/drop/a.crl" number=1 10
check "a folder: the first" until_true 5 is_served folder "$dir/drop/a.crl"
crl folder "$dir/drop/b.pem" number=2 pem 10 11
two() { served folder | openssl crl -inform DER -noout -crlnumber | grep -q 0x02; }
check "a folder: the next, in PEM" until_true 5 two
crl folder "$dir/drop/c.crl" number=3 base=2 12
delta_taken() { sqlite3 "$dir/annul.db" "SELECT entries FROM publication JOIN issuer ON id = issuer WHERE name = 'folder' AND delta = 1" | grep -q 1; }
check "a folder: a delta" until_true 5 delta_taken
expect "without a delegate OCSP says unauthorized" "unauthorized" status_of folder 10
numbered() { served folder | openssl crl -inform DER -noout -crlnumber | grep -q "0x$1$"; }
crl folder "$dir/four.crl" number=4 10
ln "$dir/four.crl" "$dir/drop/d.crl"
check "a folder: a hard link" until_true 10 numbered 04
crl folder "$dir/five.crl" number=5 10
ln -s ../five.crl "$dir/drop/e.crl"
check "a folder: a link" until_true 10 numbered 05
crl folder "$dir/five.crl" number=6 10
check "a folder: another behind the link" until_true 10 numbered 06
crl folder "$dir/f.crl" number=7 10
crl folder "$dir/drop/f-delta.crl" number=8 base=7 11
check "a folder: a delta before its base" until_true 10 grep -q "f-delta.crl: the delta CRL goes on from a complete CRL later" "$dir/annuld.log"
mv "$dir/f.crl" "$dir/drop/f.crl"
check "a folder: then the base" until_true 5 numbered 07
early_taken() { sqlite3 "$dir/annul.db" "SELECT detail FROM audit WHERE action = 'crl' AND issuer = 'folder'" | grep -q "delta 8,"; }
check "a folder: and the delta after all" until_true 5 early_taken
touch -d '1 hour ago' "$dir/drop/a.crl"
stop_daemon
: >"$dir/annuld.log"
start_daemon
check "after a restart it is served at once" numbered 07
refuse "and old files are no trouble" grep "level=error.*issuer folder" "$dir/annuld.log"

# --- a URL
cat >"$dir/origin.py" <<'PY'
import hashlib, http.server, os, sys
folder = sys.argv[2]
class Origin(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *args):
        pass
    def do_GET(self):
        with open(os.path.join(folder, "mode")) as f:
            mode = f.read().strip()
        with open(os.path.join(folder, "requests"), "a") as f:
            f.write("%s %s | %s | %s\n" % (mode, self.path, self.headers.get("If-None-Match", "-"), self.headers.get("Prefer", "-")))
        if mode == "error":
            return self.send_error(500)
        if mode == "endless":
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            try:
                for _ in range(100):
                    self.wfile.write(b"0" * (1 << 20))
            except OSError:
                pass
            return
        with open(os.path.join(folder, "html" if mode == "html" else "url.crl"), "rb") as f:
            body = f.read()
        etag = '"%s"' % hashlib.sha256(body).hexdigest()[:16]
        if self.headers.get("If-None-Match") == etag:
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", etag)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Origin).serve_forever()
PY
mkdir "$dir/origin"
echo '<html>moved</html>' >"$dir/origin/html"
mode() { echo "$1" >"$dir/origin/mode.tmp" && mv "$dir/origin/mode.tmp" "$dir/origin/mode"; }
crl url "$dir/origin/url.crl" number=1 10
mode html
python3 "$dir/origin.py" "$url_port" "$dir/origin" &
origin=$!
trap 'kill $origin 2>/dev/null; cleanup' EXIT
check "a page of HTML at the URL is refused" until_true 90 grep -q "issuer url: .*neither a CRL.*stays" "$dir/annuld.log"
check "and nothing is served" test "$(http_status "http://$public/crl/url.crl")" != 200
mode good
check "the URL gives a CRL" until_true 40 is_served url "$dir/origin/url.crl"
check "asked again, with what it has" until_true 10 grep -q 'good /url.crl | "[0-9a-f]*" | wait=' "$dir/origin/requests"
for wrong in endless error html; do
    mode "$wrong"
    check "$wrong is asked for" until_true 10 grep -q "^$wrong" "$dir/origin/requests"
    check "$wrong changes nothing" is_served url "$dir/origin/url.crl"
done
mode good
crl url "$dir/origin/url.crl" number=2 10 11
check "and a newer one comes" until_true 40 is_served url "$dir/origin/url.crl"
kill $origin

# --- a URL of another annuld: it is waited on, so that an interval of an hour does not matter
mkdir "$dir/other"
cat >"$dir/other/annuld.conf" <<CONF
public { listen = {"127.0.0.1:$other_port"} }
admin { socket = "$dir/other/admin.sock" }
database { path = "$dir/other/annul.db" }
crl { directory = "$dir/other/crl" }
issuer "other" { certificate = "$dir/waited.crt" key = "$dir/waited.key" }
CONF
"$BUILD/annuld" -c "$dir/other/annuld.conf" 2>"$dir/other/log" &
other=$!
trap 'kill $other 2>/dev/null; cleanup' EXIT
same_as_other() { curl -sf "http://127.0.0.1:$other_port/crl/other.crl" >"$dir/other.crl" && is_served waited "$dir/other.crl"; }
check "the CRL of another annuld" until_true 90 same_as_other
for serial in 10 11 12; do
    curl -sf --unix-socket "$dir/other/admin.sock" http://annul/api/v1/issuers/other/import \
        -d "{\"serial\":\"$serial\",\"status\":\"revoked\",\"revoked_at\":\"2026-01-01T00:00:00Z\"}" >/dev/null
    began=$(date +%s%N)
    lists() { served waited | openssl crl -inform DER -noout -text | grep -q "Serial Number: $serial"; }
    check "a revocation there is here" until_true 5 lists
    echo "a revocation there is here: $((($(date +%s%N) - began) / 1000000)) ms"
done
kill $other
wait $other 2>/dev/null

# --- many entries, and OCSP meanwhile
python3 - "$ENTRIES" "$(date -u +%y%m%d%H%M%SZ)" >"$dir/index.txt" <<'PY'
import sys
for n in range(int(sys.argv[1])):
    print("R\t351231235959Z\t%s,%s\t%032X\tunknown\t/CN=%d" % (sys.argv[2], "superseded" if n % 2 else "certificateHold", 1 << 120 | n << 60, n))
PY
sed -i "s,$dir/up,$dir/big," "$dir/ca.cnf"
echo 01 >"$dir/crlnumber"
openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/big.pem" 2>/dev/null
openssl crl -in "$dir/big.pem" -outform DER -out "$dir/big-1.crl"
sed -i "s/^crl { upload_max_mb = 4 /crl { upload_max_mb = 1000 /" "$dir/annuld.conf"
stop_daemon
start_daemon
start=$(date +%s%N)
expect "$ENTRIES entries" '"changed": true' put big "$dir/big-1.crl"
echo "taken in $((($(date +%s%N) - start) / 1000000)) ms; peak $(grep VmHWM "/proc/$daemon/status")"
check "served octet for octet" is_served big "$dir/big-1.crl"
counted() { sqlite3 "$dir/annul.db" "SELECT count(*) FROM revocation JOIN issuer ON id = issuer WHERE name = 'big' AND status = $1"; }
check "all of them revoked or on hold" test "$(counted 1) $(counted 2)" = "$((ENTRIES / 2)) $((ENTRIES / 2))"
crl big "$dir/big-2.crl" number=2 10
start=$(date +%s%N)
expect "a newer one without them" '"changed": true' put big "$dir/big-2.crl"
echo "taken in $((($(date +%s%N) - start) / 1000000)) ms; peak $(grep VmHWM "/proc/$daemon/status")"
check "every hold has ended, and no revocation" test "$(counted 0) $(counted 1) $(counted 2)" = "$((ENTRIES / 2)) $((ENTRIES / 2 + 1)) 0"
finish
