#!/bin/bash
# A CA that was run by `openssl ca` moves in: 100,000 rows of index.txt, and its CRL is the same as ours.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"
ROWS=${ROWS:-100000}

write_config </dev/null
start_daemon

# A real index.txt's columns, with every status and reason that openssl writes.
python3 - "$ROWS" >"$dir/index.txt" <<'PY'
import random, sys
random.seed(7)
reasons = ["", ",unspecified", ",keyCompromise", ",CACompromise", ",affiliationChanged", ",superseded",
           ",cessationOfOperation", ",certificateHold", ",keyTime,20240102030405Z", ",CAkeyTime,20240102030405Z"]
serials = set()
while len(serials) < int(sys.argv[1]):
    serials.add(random.getrandbits(random.choice([16, 63, 64, 127, 128, 159])) + 1)
for n, serial in enumerate(sorted(serials, key=lambda s: random.random())):
    text = "%X" % serial
    text = "0" * (len(text) % 2) + text
    subject = "/C=DE/O=Example, Inc./CN=device-%d" % n
    kind = random.random()
    if kind < 0.3:
        date = "24%02d%02d%02d%02d%02dZ" % (random.randint(1, 12), random.randint(1, 28), random.randint(0, 23),
                                             random.randint(0, 59), random.randint(0, 59))
        print("R\t351231235959Z\t%s%s\t%s\tunknown\t%s" % (date, random.choice(reasons), text, subject))
    elif kind < 0.4:
        print("E\t200101000000Z\t\t%s\tunknown\t%s" % (text, subject))
    else:
        print("V\t20551231235959Z\t\t%s\tunknown\t%s" % (text, subject))
PY
start=$(date +%s%N)
check "import" ctl import issuing-client "$dir/index.txt"
took_ms=$((($(date +%s%N) - start) / 1000000))
echo "imported $ROWS rows in $took_ms ms"
ctl crl publish issuing-client >/dev/null

# The same data by openssl.
write_ca_config
check "openssl ca -gencrl" openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/theirs.pem"
curl -s "http://$public/crl/issuing-client.pem" >"$dir/ours.pem"
expect "our CRL verifies" "verify OK" openssl crl -in "$dir/ours.pem" -noout -verify -CAfile "$pki/issuing-client.crt"

# serial, date, reason, invalidity date; unspecified said aloud (theirs) or left out (ours) is the same
entries() {
    openssl crl -in "$1" -noout -text | awk '
        /Serial Number:/ { if (s) print s, d, r, i; s = $3; d = r = i = "" }
        /Revocation Date:/ { sub(/.*Date: /, ""); d = $0 }
        /Reason Code:/ { getline; sub(/^ */, ""); if ($0 != "Unspecified") r = $0 }
        /Invalidity Date:/ { getline; sub(/^ */, ""); i = $0 }
        /^    Signature Algorithm:/ { if (s) print s, d, r, i; s = "" }' 
}
entries "$dir/ours.pem" >"$dir/ours"
entries "$dir/theirs.pem" >"$dir/theirs"
check "there are entries" test "$(wc -l <"$dir/theirs")" -gt $((ROWS / 5))
check "the same serials, dates and reasons, in the same order" cmp "$dir/ours" "$dir/theirs"

# --- again, and back
expect "importing again changes nothing" '"changed":0' bash -c "'$BUILD/annulctl' -s '$dir/admin.sock' --json import issuing-client '$dir/index.txt' | tr -d ' '"
check "export" ctl export issuing-client "$dir/export.txt"
cp "$dir/index.txt" "$dir/before.txt"
cp "$dir/export.txt" "$dir/index.txt"
check "openssl ca reads the export" openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/again.pem"
entries "$dir/again.pem" >"$dir/again"
check "and makes the same CRL of it" cmp "$dir/again" "$dir/theirs"

# --- a CRL from elsewhere
check "import of a CRL" ctl import issuing-server <(openssl ca -config <(sed "s,issuing-client,issuing-server,g" "$dir/ca.cnf") -gencrl)
ctl crl publish issuing-server >/dev/null
curl -s "http://$public/crl/issuing-server.pem" >"$dir/server.pem"
entries "$dir/server.pem" >"$dir/server"
check "gives the same entries" cmp "$dir/server" "$dir/theirs"
refuse "a CRL of another CA is refused" ctl import issuing-server "$dir/theirs.pem"

# --- a bad row: named, and nothing of it is stored
printf 'V\t351231235959Z\t\tABCDEF01\tunknown\t/CN=a\nR\tnonsense\t\t\tunknown\t/CN=b\n' >"$dir/bad.txt"
expect "a bad row is named by its line" "bad.txt:2" ctl import intermediate-client "$dir/bad.txt"
check "and nothing of that chunk is stored" test -z "$(ctl list intermediate-client)"
finish
