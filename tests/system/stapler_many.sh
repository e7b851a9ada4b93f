#!/bin/bash
# A thousand certificates, one upstream: no more connections at a time than workers, no herd at half-life, and what it costs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
public=127.0.0.1:$(free_port)
admin=127.0.0.1:$(free_port)
{
    echo "public { listen = {\"$public\"}  connections_per_address = 4 }" # the fifth is hung up on
    echo "admin { listen = {\"$admin\"} socket = \"$dir/admin.sock\" }"
    echo "database { path = \"$dir/annul.db\" }"
    echo "crl { directory = \"$dir/crl\" }"
    issuer_section issuing-client <<<'unlisted = "good"'
} >"$dir/annuld.conf"
start_daemon
mkdir "$dir/certs" "$dir/live"
python3 - "$pki" "$dir/certs" <<'PY'
import datetime, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
pki, out = sys.argv[1:]
ca = x509.load_pem_x509_certificate(open(pki + "/issuing-client.crt", "rb").read())
key = serialization.load_pem_private_key(open(pki + "/issuing-client.key", "rb").read(), None)
now = datetime.datetime.utcnow()
for n in range(1000):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "many-%d" % n)])
    one = (x509.CertificateBuilder().subject_name(name).issuer_name(ca.subject).public_key(key.public_key())
           .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
           .not_valid_after(now + datetime.timedelta(days=90)).sign(key, hashes.SHA256()))
    open("%s/many-%d.crt" % (out, n), "wb").write(one.public_bytes(serialization.Encoding.PEM))
PY
# a bundle like that of a system: it is read once, not for each of them
for _ in $(seq 150); do
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj "/CN=CA $RANDOM$RANDOM" 2>/dev/null
done >"$dir/world.pem"
write_stapler_config <<CONF
staple "many" {
    certificate = {"$dir/certs"}
    responder = {"http://$public/ocsp"}
    issuer = {"$dir/world.pem"}
    deliver { path = "$dir/live/{name}.der" }
}
CONF
began=$(date +%s%3N)
start_stapler
took=$(($(date +%s%3N) - began))
check "up after $took ms" test $took -lt 8000
all() { [ "$(find "$dir/live" -name '*.der' | wc -l)" = 1000 ]; }
check "a thousand are fetched and delivered" until_true 60 all
check "with never a connection too many" test "$(grep -c "there is nothing\|stays" "$dir/stapler.log")" = 0
# what annuld has for them is given out for 18 h; half-life is spread over a twentieth of a day
settled() { stapler status --json >"$dir/status.json" && [ "$(jq '[.items[] | select(.next_at != "now" and .next_at != null)] | length' "$dir/status.json")" = 1000 ]; }
check "all have a next time" until_true 20 settled
busiest=$(jq -r '.items[].next_at' "$dir/status.json" | cut -c1-16 | sort | uniq -c | sort -rn | awk 'NR == 1 {print $1}')
check "no more than 40 of them in one minute: $busiest" test "$busiest" -le 40
echo "note: $(grep VmRSS "/proc/$stapler_pid/status") with 1000 certificates"
finish
