#!/bin/bash
# CRLs at their URLs: large ones in pieces, those of a chain and of all, and the paths that stand in certificates.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config <<CONF
issuer "root" { certificate = "$pki/root.crt" key = "$pki/root.key" }
issuer "intermediate-server" {
  certificate = "$pki/intermediate-server.crt" key = "$pki/intermediate-server.key"
  distribution_point = "http://pki.example.test/server.crl"  alias "/server.crl" { format = "pem" }
  shards = 3  shard_distribution_point = "http://pki.example.test/some/{}/server.crl"
  delta_distribution_point = "http://pki.example.test/Mine/delta.crl"
}
CONF
start_daemon
get() { curl -sf "http://$public$1"; }
status_of() { http_status "http://$public$1"; }
same() { cmp <(get "$1") <(get "$2"); }

# --- every name
check "a distribution point is served at its path" same /Mine/delta.crl /crl/intermediate-server-delta.crl
check "though it begins like an OCSP request" openssl crl -inform DER -noout -in <(get /Mine/delta.crl)
check "and OCSP requests are such still" test "$(status_of /MIID)" = 200
check "an alias says the format" same /server.crl /crl/intermediate-server.pem
for n in 0 1 2; do check "shard $n" same "/some/$n/server.crl" "/crl/intermediate-server/$n.crl"; done
expect "a shard in PEM" "BEGIN X509 CRL" get /crl/intermediate-server/1.pem
expect "the delta in PEM" "BEGIN X509 CRL" get /crl/intermediate-server-delta.pem
for path in /some/3/server.crl /some/03/server.crl /crl/intermediate-server/3.crl /crl/intermediate-server/01.crl \
    /crl/intermediate-server/-{1,2}.crl /crl/intermediate-server/1.txt /crl/issuing-client/0.crl /crl/issuing-client-delta.crl \
    /crl/nobody/chain.pem /crl/nobody-delta.crl /crl/-delta.crl /crl/bundle.crl /crl/issuing-client/chain.crl; do
    check "404 for $path" test "$(status_of "$path")" = 404
done
check "405 at a distribution point" test "$(http_status -X DELETE "http://$public/Mine/delta.crl")" = 405
expect "the page has them" "/crl/intermediate-server/2.crl" get /
expect "the page has the delta" "/crl/intermediate-server-delta.crl" get /
make_token http
api GET issuers | jq '.issuers[] | select(.name == "intermediate-server")' >"$dir/issuer"
digest() { get "$1" | sha256sum | cut -d' ' -f1; }
check "the API tells of each shard" test "$(jq -r '.shards[1].etag' "$dir/issuer")" = "$(digest /crl/intermediate-server/1.crl)"
check "and which it is" test "$(jq -r '.shards[1].shard' "$dir/issuer")" = 1
check "of the delta" test "$(jq -r '.delta.etag' "$dir/issuer")" = "$(digest /crl/intermediate-server-delta.crl)"
check "and its base" test "$(jq -r '.delta.base' "$dir/issuer")" = "$(jq -r '.crl.number' "$dir/issuer")"
check "of the whole" test "$(jq -r '.crl.crl_number' "$dir/issuer")" = "$((16#$(crl_number intermediate-server)))"

# --- a large one: in files, and in memory where it is small
python3 - "$dir/index.txt" <<'PY'
import sys
with open(sys.argv[1], "w") as out:
    for n in range(90000):
        out.write("R\t351231235959Z\t260101000000Z,superseded\t%032X\tunknown\t/CN=%d\n" % ((0x5A << 120) + (n << 90) + n, n))
PY
ctl -q import issuing-client "$dir/index.txt" >"$dir/import" 2>&1
ctl crl publish issuing-client >/dev/null
try() { # PATH
    get "$1" >"$dir/whole"
    echo "   $1: $(stat -c %s "$dir/whole") octets"
    python3 "$top/tests/system/crl_http.py" "$public" "$1" "$dir/whole"
    failures=$((failures + $?))
}
try /crl/issuing-client.crl
check "it is large" test "$(stat -c %s "$dir/whole")" -gt 2000000
try /crl/issuing-client.pem
try /crl/issuing-client/chain.pem
try /crl/issuing-server.crl
try /crl/bundle.pem
python3 "$top/tests/system/waiting.py" "$public" "$dir/admin.sock" "$daemon" unread
failures=$((failures + $?))

# --- a chain, and all
crls_in() { get "$1" | grep -c 'BEGIN X509 CRL'; }
check "the chain has three" test "$(crls_in /crl/issuing-client/chain.pem)" = 3
check "the root's has one" test "$(crls_in /crl/root/chain.pem)" = 1
check "the bundle has all" test "$(crls_in /crl/bundle.pem)" = 5
check "in order from below" cmp <(get /crl/issuing-client/chain.pem) \
    <(get /crl/issuing-client.pem && get /crl/intermediate-client.pem && get /crl/root.pem)
register_usual
verify() { # NAME
    get /crl/issuing-client/chain.pem >"$dir/chain.pem"
    openssl verify -crl_check_all -CAfile "$pki/root.crt" -untrusted "$pki/client-chain.pem" -CRLfile "$dir/chain.pem" "$pki/$1.crt"
}
revoked() { verify "$1" 2>&1 | grep -q 'certificate revoked'; }
check "openssl takes the chain for all that it checks: revoked" until_true 10 revoked client-2
expect "and good" "client-0.crt: OK" verify client-0
etag() { curl -s -o /dev/null -D - "http://$public$1" | tr -d '\r' | sed -n 's/^ETag: //p'; }
expires() { curl -s -o /dev/null -D - "http://$public$1" | tr -d '\r' | sed -n 's/^Expires: //p'; }
before=$(etag /crl/issuing-client/chain.pem)
other=$(etag /crl/issuing-server/chain.pem)
ctl -q crl publish root >/dev/null
check "its ETag changes with that of each" test "$(etag /crl/issuing-client/chain.pem)" != "$before"
check "also that of another chain" test "$(etag /crl/issuing-server/chain.pem)" != "$other"
first=$(for n in root {issuing,intermediate}-{client,server}; do date -u -d "$(expires "/crl/$n.crl")" +%s; done | sort -n | head -n 1)
check "it expires with the first that does" test "$(date -u -d "$(expires /crl/bundle.pem)" +%s)" = "$first"
stop_daemon

# --- what is missing, or at its end
rm -rf "$dir"/annul.db* "$dir/crl"
echo 0 >"$dir/offset"
export ANNUL_CLOCK_OFFSET_FILE=$dir/offset
write_config <<<"issuer \"root\" { certificate = \"$pki/root.crt\" ocsp_certificate = \"$pki/root.crt\" ocsp_key = \"$pki/root.key\" }"
sed -i '/^issuer "intermediate-client" {/,/^}/d' "$dir/annuld.conf"
start_daemon
check "a CA above that has no CRL is left out" test "$(crls_in /crl/issuing-client/chain.pem)" = 1
check "of the bundle, too" test "$(crls_in /crl/bundle.pem)" = 2
check "404 for its own" test "$(status_of /crl/root.crl)" = 404
check "404 for its chain" test "$(status_of /crl/root/chain.pem)" = 404
warns() { curl -s "http://$admin/readyz" | jq -e '.warnings[] | select(.kind == "chain" and .issuer == "issuing-client")'; }
check "but there is a warning" warns
check "with which it is ready still" test "$(http_status "http://$admin/readyz")" = 200
expect "the same for Prometheus" 'annul_warning{kind="chain",issuer="issuing-client",crl="whole"} 1' curl -s "http://$admin/metrics"
check "each series once" test -z "$(curl -s "http://$admin/metrics" | grep -v '^#' | sed 's/ [^ ]*$//' | sort | uniq -d)"
mv "$pki/issuing-server.key" "$pki/issuing-server.away" # so that the signer cannot come back
kill -9 "$(pgrep -P "$daemon" -x annul-signer)"
echo $((8 * 86400)) >"$dir/offset"
expired() { [ "$(status_of /crl/bundle.pem)" = 503 ]; }
check "503 when one is past its end" until_true 10 expired
expect "it is named" "issuer issuing-client: the CRL (whole) has expired" curl -s "http://$public/crl/issuing-client/chain.pem"
mv "$pki/issuing-server.away" "$pki/issuing-server.key"
stop_daemon

# --- two issuers at one path
wrong() { # NAME TEXT, the configuration's issuers from standard input
    write_config
    expect "$1" "$2" "$BUILD/annuld" -t -c "$dir/annuld.conf"
}
wrong "two distribution points with one path" 'path /one.crl: is issuer "root"' <<CONF
issuer "root" { certificate = "$pki/root.crt" key = "$pki/root.key" distribution_point = "http://a.example.test/one.crl" }
issuer "other" { certificate = "$pki/intermediate-server.crt" key = "$pki/intermediate-server.key" distribution_point = "http://b.example.test/one.crl" }
CONF
wrong "an alias at the shard of another" 'path /x/3: is issuer "root"' <<CONF
issuer "root" { certificate = "$pki/root.crt" key = "$pki/root.key" shards = 4 shard_distribution_point = "http://a.example.test/x/{}" }
issuer "other" { certificate = "$pki/intermediate-server.crt" key = "$pki/intermediate-server.key" alias "/x/3" { } }
CONF
wrong "a later shard at the distribution point of another" 'path /x/3.crl: is issuer "root"' <<CONF
issuer "root" { certificate = "$pki/root.crt" key = "$pki/root.key" distribution_point = "http://a.example.test/x/3.crl" }
issuer "other" { certificate = "$pki/intermediate-server.crt" key = "$pki/intermediate-server.key" shards = 4 shard_distribution_point = "http://b.example.test/x/{}.crl" }
CONF
wrong "a shard at the alias of another" 'path /x/0: is issuer "root"' <<CONF
issuer "root" { certificate = "$pki/root.crt" key = "$pki/root.key" alias "/x/0" { } }
issuer "other" { certificate = "$pki/intermediate-server.crt" key = "$pki/intermediate-server.key" shards = 4 shard_distribution_point = "http://a.example.test/x/{}" }
CONF
finish
