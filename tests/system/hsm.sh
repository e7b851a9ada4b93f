#!/bin/bash
# The keys of CA and delegate are in a token that hands them to nobody: OCSP and CRLs are as good as with files.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export SOFTHSM2_CONF=$dir/softhsm2.conf
mkdir -p "$dir/tokens"
cat >"$SOFTHSM2_CONF" <<CONF
directories.tokendir = $dir/tokens
objectstore.backend = file
log.level = ERROR
CONF
# What annul-signer(8) shows.
cat >"$dir/openssl.cnf" <<'CNF'
openssl_conf = signer
[signer]
engines = engines
[engines]
pkcs11 = pkcs11
[pkcs11]
MODULE_PATH = /usr/lib/softhsm/libsofthsm2.so
init = 0
CNF
secret() { # FILE TEXT
    (umask 077 && echo "$2" >"$dir/$1")
}
secret pin 271828
secret pin-two 314159
secret pin-wrong 161803
softhsm2-util --init-token --free --label annul --so-pin 99999999 --pin 271828 >/dev/null
softhsm2-util --init-token --free --label two --so-pin 99999999 --pin 314159 >/dev/null

write_extensions
id=10
make_cert() { # NAME SECTION KIND [ISSUER]
    local ca=()
    [ $# -lt 4 ] || ca=(-CA "$dir/$4.crt" -CAkey "$dir/$4.key")
    # shellcheck disable=SC2086 # a list of words
    openssl req -x509 -config "$dir/ext.cnf" -newkey $3 -nodes -keyout "$dir/$1.key" -out "$dir/$1.crt" -days 30 -subj "/CN=$1" -extensions "$2" "${ca[@]}" 2>/dev/null
}
import() { # NAME TOKEN PIN
    id=$((id + 1))
    softhsm2-util --import "$dir/$1.key" --token "$2" --label "$1" --id $id --pin "$3" >/dev/null
}
declare -A make=([p256]="ec -pkeyopt ec_paramgen_curve:P-256" [rsa]="rsa:2048")
sections=
for kind in p256 rsa; do
    make_cert $kind ca "${make[$kind]}"
    make_cert $kind-ocsp ocsp "${make[$kind]}" $kind
    make_cert $kind-1 leaf "${make[p256]}" $kind
    make_cert $kind-2 leaf "${make[p256]}" $kind
    import $kind annul 271828
    import $kind-ocsp two 314159
    sections+="issuer \"$kind\" { certificate = \"$dir/$kind.crt\" ocsp_certificate = \"$dir/$kind-ocsp.crt\"
  key = \"pkcs11:token=annul;object=$kind\" key_passphrase = \"$dir/pin\"
  ocsp_key = \"pkcs11:token=two;object=$kind-ocsp\" ocsp_key_passphrase = \"$dir/pin-two\" }
"
done
rm "$dir"/*.key
write_config </dev/null
sed -i '/^issuer/,$d' "$dir/annuld.conf"
printf 'signer { openssl_config = "openssl.cnf" }\n%s' "$sections" >>"$dir/annuld.conf"
refuse "no key file exists" bash -c "ls '$dir'/*.key"

# --- all is well
check "the keys are there and fit" "$BUILD/annuld" -t -c "$dir/annuld.conf"
start_daemon
ocsp_of() { # KIND NUMBER
    openssl ocsp -issuer "$dir/$1.crt" -cert "$dir/$1-$2.crt" -url "http://$public/ocsp" -CAfile "$dir/$1.crt"
}
crl_of() {
    curl -s "http://$public/crl/$1.crl" | openssl crl -inform DER -text -verify -CAfile "$dir/$1.crt"
}
serial_in() {
    openssl x509 -in "$dir/$1.crt" -noout -serial | cut -d= -f2
}
for kind in p256 rsa; do
    ctl register "$dir/$kind-1.crt" "$dir/$kind-2.crt" >/dev/null
    expect "$kind: the first CRL" "verify OK" crl_of $kind
    expect "$kind: OCSP" "Response verify OK" ocsp_of $kind 2
    also "$kind: good" "$kind-2.crt: good"
    ctl revoke --reason keyCompromise --cert "$dir/$kind-2.crt" >/dev/null
    expect "$kind: OCSP after a revocation" "Response verify OK" ocsp_of $kind 2
    also "$kind: revoked" "$kind-2.crt: revoked"
    also "$kind: with its reason" "keyCompromise"
    ctl crl publish $kind >/dev/null
    expect "$kind: the next CRL" "verify OK" crl_of $kind
    also "$kind: lists it" "Serial Number: $(serial_in $kind-2)"
done
refuse "the library that drives the token is not in annuld" grep -qE 'softhsm|pkcs11' "/proc/$daemon/maps"

# --- others use the token: log in, sign, and leave; CRLs are signed meanwhile by threads of their own
(for _ in 1 2 3 4 5; do "$BUILD/annuld" -t -c "$dir/annuld.conf" || exit; done) >"$dir/others" 2>&1 &
others=$!
verified=0
for _ in 1 2 3 4 5 6 7 8 9 10; do
    for kind in p256 rsa; do
        ctl crl publish $kind >/dev/null &
        ocsp_of $kind 1 2>&1 | grep -qF "Response verify OK" && verified=$((verified + 1))
        wait $!
    done
done
check "every answer is good while others use the token" test $verified = 20
check "and nobody disturbs the others" wait $others
expect "the last CRL" "verify OK" crl_of rsa
stop_daemon

# --- what does not work says why
cp "$dir/annuld.conf" "$dir/good.conf"
wrong() { # NAME LINE TEXT SED-COMMAND
    sed "$4" "$dir/good.conf" >"$dir/annuld.conf"
    expect "$1" "$3" "$BUILD/annuld" -t -c "$dir/annuld.conf"
    also "$1: file, line and thing" "$dir/annuld.conf:$2: "
    refuse "$1: refused" "$BUILD/annuld" -t -c "$dir/annuld.conf"
    refuse "$1: no PIN is told" grep -E '271828|314159|161803' "$dir/out"
}
wrong "a wrong PIN" 7 "key pkcs11:token=annul;object=p256: cannot be opened: PIN incorrect" "s,$dir/pin\",$dir/pin-wrong\","
wrong "no PIN" 7 "needs a PIN; put that into a file and name it with key_passphrase" '7s,key_passphrase = "[^"]*",,'
wrong "a PIN in the configuration" 7 "a PIN must not stand in this file" 's,object=p256",object=p256?pin-value=271828",'
wrong "no such key" 7 "cannot be opened: object not found" 's,object=p256",object=p384",'
wrong "the key of another" 8 "does not belong to the certificate beside it" 's,object=p256-ocsp",object=rsa-ocsp",'
wrong "a scheme that OpenSSL does not know" 7 "no provider and no engine for it" 's,"pkcs11:token=annul;object=p256","tpm:0x81000001",'
wrong "no OpenSSL configuration" 5 "openssl_config $dir/missing.cnf: No such file" 's,openssl.cnf,missing.cnf,'
sed -i 's,softhsm/lib,nowhere/lib,' "$dir/openssl.cnf"
wrong "no library for the token" 7 "cannot be opened: Unable to load PKCS#11 module" ''
finish
