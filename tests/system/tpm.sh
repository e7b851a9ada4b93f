#!/bin/bash
# A key in a TPM 2.0, opened by an OpenSSL provider: what hsm.sh does by an engine.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

mkdir -p "$dir/tpm"
trap 'kill $swtpm 2>/dev/null; cleanup' EXIT
listens() { # PORT
    grep -q ":$(printf %04X "$1") .* 0A " /proc/net/tcp
}
for _ in 1 2 3 4 5 6 7 8 9 10; do # it takes two ports side by side, and ends where one is taken
    port=$(free_port)
    swtpm socket --tpm2 --tpmstate "dir=$dir/tpm" --flags startup-clear --server "type=tcp,bindaddr=127.0.0.1,port=$port" \
        --ctrl "type=tcp,bindaddr=127.0.0.1,port=$((port + 1))" >"$dir/swtpm.log" 2>&1 &
    swtpm=$!
    until_true 3 listens "$port" && until_true 3 listens $((port + 1)) && break
done
export TPM2OPENSSL_TCTI="swtpm:host=127.0.0.1,port=$port" TPM2TOOLS_TCTI="swtpm:host=127.0.0.1,port=$port"
in_tpm() { # COMMAND...: its objects leave no room for the next one's
    "$@" -Q && tpm2_flushcontext -t
}
cat >"$dir/openssl.cnf" <<'CNF'
openssl_conf = signer
[signer]
providers = provider_list
[provider_list]
default = default_provider
tpm2 = tpm2_provider
[default_provider]
activate = 1
[tpm2_provider]
activate = 1
CNF
(umask 077 && echo 271828 >"$dir/words" && echo 161803 >"$dir/wrong")

# A CA in the TPM, behind a handle; and its delegate, in a file that only this TPM can read.
in_tpm tpm2_createprimary -C o -c "$dir/primary.ctx"
in_tpm tpm2_create -C "$dir/primary.ctx" -G ecc -p 271828 -u "$dir/ca.tpm" -r "$dir/ca.priv" -a 'sign|fixedtpm|fixedparent|sensitivedataorigin|userwithauth'
in_tpm tpm2_load -C "$dir/primary.ctx" -u "$dir/ca.tpm" -r "$dir/ca.priv" -c "$dir/ca.ctx"
in_tpm tpm2_evictcontrol -C o -c "$dir/ca.ctx" 0x81000001
write_extensions
tpm() {
    openssl "$@" -provider tpm2 -provider default -propquery '?provider=tpm2' -passin "file:$dir/words"
}
tpm req -x509 -config "$dir/ext.cnf" -new -key 'handle:0x81000001?pass' -out "$dir/ca.crt" -days 30 -subj "/CN=CA" -extensions ca
openssl genpkey -provider tpm2 -provider default -algorithm EC -pkeyopt group:P-256 -out "$dir/ocsp.pem" 2>/dev/null
chmod 600 "$dir/ocsp.pem"
tpm req -config "$dir/ext.cnf" -new -key "$dir/ocsp.pem" -out "$dir/ocsp.csr" -subj "/CN=OCSP"
tpm x509 -req -in "$dir/ocsp.csr" -CA "$dir/ca.crt" -CAkey 'handle:0x81000001?pass' -out "$dir/ocsp.crt" -days 30 -extfile "$dir/ext.cnf" -extensions ocsp
write_config </dev/null
sed -i '/^issuer/,$d' "$dir/annuld.conf"
cat >>"$dir/annuld.conf" <<CONF
signer { openssl_config = "openssl.cnf" }
issuer "ca" {
    certificate = "ca.crt"
    key = "handle:0x81000001?pass"
    key_passphrase = "words"
    ocsp_certificate = "ocsp.crt"
    ocsp_key = "ocsp.pem"
}
CONF

start_daemon
expect "CRL" "verify OK" openssl crl -inform DER -in <(curl -s "http://$public/crl/ca.crl") -noout -verify -CAfile "$dir/ca.crt"
expect "OCSP" "Response verify OK" openssl ocsp -issuer "$dir/ca.crt" -serial 0x1234 -url "http://$public/ocsp" -CAfile "$dir/ca.crt"
stop_daemon

cp "$dir/annuld.conf" "$dir/good.conf"
wrong() { # NAME TEXT SED-COMMAND
    sed "$3" "$dir/good.conf" >"$dir/annuld.conf"
    expect "$1" "$2" "$BUILD/annuld" -t -c "$dir/annuld.conf"
    also "$1: file and line" "$dir/annuld.conf:8: "
}
wrong "a wrong passphrase" "does not sign" 's/"words"/"wrong"/'
wrong "no passphrase" "needs a PIN" '/key_passphrase/d'
wrong "no such key" "cannot be opened: cannot load key" 's/0x81000001/0x81000009/'
finish
