#!/bin/bash
# Every kind of CRL that we make, as OpenSSL, GnuTLS, Java and python3-cryptography read it, and whole paths as they
# validate them with it.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

base_url=http://crl.example.test/kinds
long=80000000000000000000000000000000000200 # as long as may be, and a first bit that is set
write_extensions
new() { # NAME SERIAL EXTENSIONS [CA, or itself]
    local by=(-CA "$dir/${4:-}.crt" -CAkey "$dir/${4:-}.key")
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/$1.key" -subj "/O=Kinds/CN=$1" -config "$dir/ext.cnf" \
        -out "$dir/$1.csr" 2>/dev/null
    [ $# = 4 ] || by=(-key "$dir/$1.key")
    openssl x509 -req -in "$dir/$1.csr" "${by[@]}" -set_serial "0x$2" -days 365 -out "$dir/$1.crt" -extfile <(echo "$3") 2>/dev/null
}
as_ca="basicConstraints=critical,CA:TRUE
keyUsage=critical,keyCertSign,cRLSign
subjectKeyIdentifier=hash"
point() { echo "crlDistributionPoints=URI:$base_url/$1.crl"; }
issuers=(plain empty deltas sharded user ca keeping)
for n in "${!issuers[@]}"; do new "${issuers[n]}" "$((10 + n))" "$as_ca"; done
new p0 100 "$(point plain)" plain
new p1 101 "$(point plain)" plain
new d0 $long "$(point deltas)" deltas
new d1 201 "$(point deltas)" deltas
new d2 202 "$(point deltas)" deltas
new s0 300 "$(point 1)" sharded
new s1 301 "$(point 1)" sharded
new u0 400 "$(point user)" user
new u1 401 "$(point user)" user
new c0 500 "$as_ca
$(point ca)" ca
new c1 501 "$as_ca
$(point ca)" ca
new k0 600 "$(point keeping)" keeping
section() { # NAME [MORE]
    echo "issuer \"$1\" { certificate = \"$dir/$1.crt\" key = \"$dir/$1.key\" ${2:-} }"
}
write_config < <(
    section plain
    section empty
    section deltas "distribution_point = \"$base_url/deltas.crl\" delta_distribution_point = \"$base_url/deltas-delta.crl\""
    section sharded "shards = 4 shard_distribution_point = \"$base_url/{}.crl\""
    section user "distribution_point = \"$base_url/user.crl\" crl_scope = user"
    section ca "distribution_point = \"$base_url/ca.crl\" crl_scope = ca"
    section keeping "expired_on_crl = keep"
)
start_daemon
make_token kinds
ctl -q register "$dir"/[pdsuck][0-9].crt
ctl -q revoke --reason keyCompromise plain 100 >/dev/null
ctl -q revoke deltas $long >/dev/null
ctl -q revoke --reason certificateHold deltas 201 >/dev/null
api POST issuers/deltas/crl >/dev/null # a base with all of that
ctl -q release deltas 201 >/dev/null
ctl -q revoke --reason superseded deltas 202 >/dev/null
ctl -q revoke --reason affiliationChanged sharded 300 >/dev/null
ctl -q revoke --reason cessationOfOperation user 400 >/dev/null
ctl -q revoke --reason cACompromise ca 500 >/dev/null
ctl -q revoke --reason privilegeWithdrawn keeping 600 >/dev/null

# NAME, ISSUER, ENTRIES and EXTENSIONS of each kind. The delta is for those who have the base before, too.
number=2.5.29.20 delta=2.5.29.27\* idp=2.5.29.28\* aki=2.5.29.35 freshest=2.5.29.46 expired=2.5.29.60
kinds="plain plain 100:keyCompromise $number,$aki
empty empty - $number,$aki
deltas deltas 201:certificateHold,$long:unspecified $number,$idp,$aki,$freshest
deltas-delta deltas 201:removeFromCRL,202:superseded,$long:unspecified $number,$delta,$idp,$aki
sharded sharded 300:affiliationChanged $number,$aki
sharded/1 sharded 300:affiliationChanged $number,$idp,$aki
sharded/2 sharded - $number,$idp,$aki
user user 400:cessationOfOperation $number,$idp,$aki
ca ca 500:cACompromise $number,$idp,$aki
keeping keeping 600:privilegeWithdrawn $number,$aki,$expired"
mkdir "$dir/kinds"
file_of() { echo "$dir/kinds/${1//\//-}.crl"; }
fetched() { # KIND ENTRIES
    curl -sf "http://$public/crl/$1.crl" -o "$(file_of "$1")" &&
        [ "$(openssl crl -inform DER -in "$(file_of "$1")" -noout -text | grep -c 'Serial Number:')" = "$(tr , '\n' <<<"$2" | grep -c :)" ]
}
all=()
while read -r kind issuer entries _; do
    check "$kind is published" until_true 20 fetched "$kind" "$entries"
    all+=("$dir/$issuer.crt" "$(file_of "$kind")")
done <<<"$kinds"
[ "$failures" = 0 ] || finish

java -XX:TieredStopAtLevel=1 "$top/tests/interop/ReadCrls.java" read "${all[@]}" >"$dir/java.txt" 2>&1
python3 "$top/tests/interop/read_crls.py" "${all[@]}" >"$dir/python.txt" 2>&1
sorted() { tr ', ' '\n' | grep '[^-]' | sort | tr '\n' ' '; }
same() { # WANTED SEEN
    echo "wanted: $1"
    echo "seen:   $2"
    [ "$1" = "$2" ]
}
while read -r kind issuer entries extensions <&3; do
    file=$(file_of "$kind")
    name=$(basename "$file" .crl)
    wanted="$(sorted <<<"$entries")| $(sorted <<<"$extensions")"
    expect "$kind: OpenSSL verifies it" "verify OK" openssl crl -inform DER -in "$file" -noout -verify -CAfile "$dir/$issuer.crt"
    expect "$kind: GnuTLS verifies it" "Verification output: Verified" certtool --verify-crl --load-ca-certificate "$dir/$issuer.crt" \
        --infile <(curl -s "http://$public/crl/$kind.pem") # --inder would be of the certificate, too
    expect "$kind: GnuTLS reads its number" "CRL Number" certtool --crl-info --inder --infile "$file"
    seen=$(sed -n 's/^\t*Serial Number (hex): 0*//p' "$dir/out" | sorted)
    check "$kind: and its entries" same "$(sorted <<<"$entries" | sed 's/:[A-Za-z]*//g')" "$seen"
    for reader in python java; do
        line=$(grep "^$name " "$dir/$reader.txt")
        seen="$(cut -d'|' -f1 <<<"${line#"$name"}" | sorted)| $(cut -d'|' -f2 <<<"$line" | sorted)"
        check "$kind: $reader reads it" same "$wanted" "$seen"
    done
done 3<<<"$kinds"

# --- whole paths: OpenSSL by -crl_check, Java by PKIX, each with the CRL that the certificate names, and with a wrong one
by_openssl() { # CA CERTIFICATE CRL...
    local ca=$1 leaf=$2 crl lists=()
    shift 2
    for crl; do
        openssl crl -inform DER -in "$(file_of "$crl")" -out "$(file_of "$crl").pem"
        lists+=(-CRLfile "$(file_of "$crl").pem")
    done
    openssl verify -crl_check -extended_crl -use_deltas -partial_chain -trusted "$dir/$ca.crt" "${lists[@]}" "$dir/$leaf.crt" 2>&1
}
by_java() { # CA CERTIFICATE CRL...
    local ca=$1 leaf=$2 crl lists=()
    shift 2
    for crl; do lists+=("$(file_of "$crl")"); done
    java -XX:TieredStopAtLevel=1 "$top/tests/interop/ReadCrls.java" validate "$dir/$ca.crt" "$dir/$leaf.crt" "${lists[@]}" 2>&1
}
both() { # WHAT OPENSSL-SAYS JAVA-SAYS CA CERTIFICATE CRL...
    local what=$1 openssl=$2 java=$3
    shift 3
    expect "OpenSSL: $what" "$openssl" by_openssl "$@"
    expect "Java: $what" "$java" by_java "$@"
}
both "revoked by the whole" "certificate revoked" "REVOKED KEY_COMPROMISE" plain p0 plain
both "not on the whole" "p1.crt: OK" good plain p1 plain
both "revoked by its shard" "certificate revoked" "REVOKED AFFILIATION_CHANGED" sharded s0 sharded/1
both "not on its shard" "s1.crt: OK" good sharded s1 sharded/1
both "another shard says nothing" "ifferent CRL scope" UNDETERMINED_REVOCATION_STATUS sharded s1 sharded/2
both "revoked by the list for users" "certificate revoked" "REVOKED CESSATION_OF_OPERATION" user u0 user
both "not on the list for users" "u1.crt: OK" good user u1 user
expect "OpenSSL: revoked by base and delta" "certificate revoked" by_openssl deltas d0 deltas deltas-delta
expect "OpenSSL: released by the delta" "d1.crt: OK" by_openssl deltas d1 deltas deltas-delta
expect "OpenSSL: revoked by the delta" "certificate revoked" by_openssl deltas d2 deltas deltas-delta
expect "OpenSSL: a CA that is revoked" "certificate revoked" by_openssl ca c0 ca
expect "OpenSSL: a CA that is not" "c1.crt: OK" by_openssl ca c1 ca
finish
