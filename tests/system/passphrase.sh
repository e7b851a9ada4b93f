#!/bin/bash
# Keys under a passphrase, which is in a file or a systemd credential, and stays nowhere in memory.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

words="correct horse $(openssl rand -hex 12)" ocsp_words="battery staple $(openssl rand -hex 12)"
secret() { # FILE TEXT
    (umask 077 && printf '%s\n' "$2" >"$dir/$1")
}
export CREDENTIALS_DIRECTORY=$dir/credentials
mkdir -m 700 "$CREDENTIALS_DIRECTORY"
secret words "$words"
secret credentials/ocsp-words "$ocsp_words"
secret wrong-words "not these"
secret no-words ""
openssl pkcs8 -topk8 -in "$pki/issuing-client.key" -out "$dir/ca.key" -passout "file:$dir/words"
openssl pkcs12 -export -in "$pki/ocsp-issuing-client.crt" -inkey "$pki/ocsp-issuing-client.key" -out "$dir/ocsp.p12" -passout "file:$CREDENTIALS_DIRECTORY/ocsp-words"
openssl pkey -in "$pki/root.key" -outform DER -out "$dir/root.der"
cp "$pki/intermediate-client.key" "$CREDENTIALS_DIRECTORY/intermediate"
chmod 600 "$dir/ca.key" "$dir/ocsp.p12" "$dir/root.der" "$CREDENTIALS_DIRECTORY/intermediate"
write_config </dev/null
sed -i '/^issuer/,$d' "$dir/annuld.conf"
cat >>"$dir/annuld.conf" <<CONF
issuer "issuing-client" {
    certificate = "$pki/issuing-client.crt"
    key = "ca.key"
    key_passphrase = "words"
    ocsp_certificate = "$pki/ocsp-issuing-client-chain.pem"
    ocsp_key = "file:$dir/ocsp.p12"
    ocsp_key_passphrase = "credential:ocsp-words"
}
issuer "intermediate-client" { certificate = "$pki/intermediate-client.crt" key = "credential:intermediate" }
issuer "root" { certificate = "$pki/root.crt" key = "root.der" }
CONF
cp "$dir/annuld.conf" "$dir/good.conf"

# --- all is well
check "the keys are there and fit" "$BUILD/annuld" -t -c "$dir/annuld.conf"
start_daemon
ctl register "$pki/client-0.crt" >/dev/null
expect "OCSP by a key in PKCS #12" "client-0.crt: good" ocsp client-0
also "verifies" "Response verify OK"
for ca in issuing-client intermediate-client root; do
    expect "CRL of $ca" "verify OK" openssl crl -inform DER -in <(curl -s "http://$public/crl/$ca.crl") -noout -verify -CAfile "$pki/$ca.crt"
done

# --- memory: of annuld all of it; of annul-signer, which has read them, where we may look (as root)
hex() {
    printf '%s' "$1" | xxd -p | tr -d '\n'
}
signer=$(pgrep -P "$daemon" -x annul-signer)
processes=$daemon
if head -c 0 "/proc/$signer/mem" 2>/dev/null; then
    processes="$daemon $signer"
else
    echo "not looked: the memory of annul-signer"
fi
for process in $processes; do
    check "the search finds what is there" in_memory "$process" "$(hex "key_passphrase")"
    refuse "the CA key's passphrase is not in memory" in_memory "$process" "$(hex "$words")"
    refuse "nor the delegate's" in_memory "$process" "$(hex "$ocsp_words")"
done
refuse "nor in the log" grep -qF -e "$words" -e "$ocsp_words" "$dir/annuld.log"
stop_daemon

# --- what does not work says why
wrong() { # NAME LINE TEXT SED-COMMAND
    sed "$4" "$dir/good.conf" >"$dir/annuld.conf"
    expect "$1" "$3" "$BUILD/annuld" -t -c "$dir/annuld.conf"
    also "$1: file and line" "$dir/annuld.conf:$2: "
    refuse "$1: refused" "$BUILD/annuld" -t -c "$dir/annuld.conf"
    refuse "$1: no passphrase is told" grep -F -e "$words" -e "$ocsp_words" -e "not these" "$dir/out"
}
wrong "a wrong passphrase" 7 "key $dir/ca.key: the passphrase is wrong" 's/"words"/"wrong-words"/'
wrong "the same with PKCS #12" 10 "ocsp.p12: the passphrase is wrong" 's,credential:ocsp-words,wrong-words,'
wrong "no passphrase" 7 "has a passphrase; put that into a file and name it with key_passphrase" '/^ *key_passphrase/d'
wrong "an empty passphrase" 7 "passphrase $dir/no-words: its first line, the passphrase, is empty" 's/"words"/"no-words"/'
wrong "no file of the passphrase" 7 "passphrase $dir/missing: No such file" 's/"words"/"missing"/'
wrong "no such credential" 10 "passphrase credential:missing: No such file" 's/:ocsp-words/:missing/'
wrong "a credential that climbs" 10 "has no slash" 's,:ocsp-words,:../words,'
wrong "a passphrase without a key" 7 "key_passphrase is of no use without key" '7d'
wrong "a file that is no key" 7 "not a private key in PEM, DER or PKCS #12" "s,\"ca.key\",\"words\",; /^ *key_passphrase/d"
wrong "a folder" 7 "Is a directory" "s,\"ca.key\",\"$CREDENTIALS_DIRECTORY\","
(umask 077 && head -c 70000 /dev/zero >"$dir/large")
wrong "a large file" 7 "more than 65536 octets" 's,"ca.key","large",'
chmod 644 "$dir/words"
wrong "a passphrase that everyone can read" 7 "passphrase $dir/words: everyone on this machine can read it; chmod 600" ''
chmod 600 "$dir/words"
chmod 644 "$dir/ocsp.p12"
wrong "a key that everyone can read, by URI" 10 "everyone on this machine can read it; chmod 600" ''
chmod 600 "$dir/ocsp.p12"
unset CREDENTIALS_DIRECTORY
wrong "no credentials" 10 "systemd has passed no credentials; add LoadCredential=ocsp-words:FILE to the unit" ''
finish
