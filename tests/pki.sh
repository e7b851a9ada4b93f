#!/bin/sh
# pki.sh DIR [BASE_URL]: makes the PKI that brokers with mutual TLS have, with nothing but openssl (3.0 or later).
#
#   root                      P-384, self-signed
#     intermediate-client     P-256
#       issuing-client        P-256
#         client-0 ... client-4, ocsp-issuing-client
#     intermediate-server     P-256
#       issuing-server        RSA
#         server, server-must-staple, ocsp-issuing-server
#
# DIR gets NAME.crt and NAME.key for each, and chain.pem, client-chain.pem, server-chain.pem. BASE_URL is where the
# certificates say that CRLs, OCSP and CA certificates are. A complete DIR is left as it is.
set -eu

if [ $# -lt 1 ] || [ $# -gt 2 ]; then
    echo "usage: pki.sh DIR [BASE_URL]" >&2
    exit 2
fi
dir=${1%/}
BASE_URL=${2:-http://127.0.0.1:8080}
BASE_URL=${BASE_URL%/}
case $dir in /*) ;; *) dir=$PWD/$dir ;; esac

cas="root intermediate-client issuing-client intermediate-server issuing-server"
leaves="client-0 client-1 client-2 client-3 client-4 server server-must-staple ocsp-issuing-client ocsp-issuing-server"

is_complete() {
    for name in $cas $leaves; do
        [ -s "$dir/$name.crt" ] && [ -s "$dir/$name.key" ] || return 1
    done
    [ -s "$dir/chain.pem" ] && [ -s "$dir/client-chain.pem" ] && [ -s "$dir/server-chain.pem" ]
}

# openssl draws dots while it looks for primes; only a failure is worth reading.
quietly() {
    "$@" >log 2>&1 || {
        cat log >&2
        echo "pki.sh: failed: $*" >&2
        exit 1
    }
}

# 16 to 20 octets, so that nothing takes their length for granted. The first is 01 to 7f: no padding, not negative.
serial() {
    first=$((0x$(openssl rand -hex 1) % 127 + 1))
    others=$((0x$(openssl rand -hex 1) % 5 + 15))
    printf '0x%02x%s' "$first" "$(openssl rand -hex "$others")"
}

# What the kinds of certificate hold. ISSUER and BASE_URL come from the environment.
write_config() {
    cat >openssl.cnf <<'CONFIG'
[req]
distinguished_name = subject
string_mask = utf8only
[subject]

[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash

[intermediate]
basicConstraints = critical, CA:TRUE, pathlen:1
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:${ENV::BASE_URL}/crl/${ENV::ISSUER}.crl
authorityInfoAccess = @access

[issuing]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:${ENV::BASE_URL}/crl/${ENV::ISSUER}.crl
authorityInfoAccess = @access

[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:${ENV::BASE_URL}/crl/${ENV::ISSUER}.crl
authorityInfoAccess = @access

[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:${ENV::BASE_URL}/crl/${ENV::ISSUER}.crl
authorityInfoAccess = @access

[must_staple]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature, keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
# 1.3.6.1.5.5.7.1.24, RFC 7633
tlsfeature = status_request
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:${ENV::BASE_URL}/crl/${ENV::ISSUER}.crl
authorityInfoAccess = @access

[ocsp]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, OCSPSigning
# id-pkix-ocsp-nocheck (RFC 6960, 4.2.2.2.1): or clients ask for the delegate's own status
noCheck = yes
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
crlDistributionPoints = URI:${ENV::BASE_URL}/crl/${ENV::ISSUER}.crl
authorityInfoAccess = @access

[access]
OCSP;URI = ${ENV::BASE_URL}/ocsp
caIssuers;URI = ${ENV::BASE_URL}/ca/${ENV::ISSUER}.cer
CONFIG
}

make_root() {
    export ISSUER=root # not used in the section, but the file names it
    quietly openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -keyout root.key -out root.crt \
        -subj "/O=Annul Demo/CN=Annul Demo Root CA" -days 3650 -sha384 -set_serial "$(serial)" \
        -config openssl.cnf -extensions root
}

# issue ISSUER KIND DAYS NAME CN KEY...: KEY is what `openssl req` is to be told about the new key.
issue() {
    export ISSUER="$1"
    kind=$2 days=$3 name=$4 cn=$5
    shift 5
    quietly openssl req -x509 "$@" -noenc -keyout "$name.key" -out "$name.crt" \
        -CA "$ISSUER.crt" -CAkey "$ISSUER.key" \
        -subj "/O=Annul Demo/CN=$cn" -days "$days" -sha256 -set_serial "$(serial)" \
        -config openssl.cnf -extensions "$kind"
}
issue_ec() { issue "$@" -newkey ec -pkeyopt ec_paramgen_curve:P-256; }
issue_rsa() { issue "$@" -newkey rsa:2048; }

make_everything() {
    make_root
    issue_ec root intermediate 2920 intermediate-client "Annul Demo Intermediate Client CA"
    issue_ec root intermediate 2920 intermediate-server "Annul Demo Intermediate Server CA"
    issue_ec intermediate-client issuing 1825 issuing-client "Annul Demo Issuing Client CA"
    issue_rsa intermediate-server issuing 1825 issuing-server "Annul Demo Issuing Server CA"

    for n in 0 1 2 3 4; do
        issue_ec issuing-client client 365 "client-$n" "client-$n"
    done
    issue_rsa issuing-server server 365 server server
    issue_rsa issuing-server must_staple 365 server-must-staple server-must-staple

    issue_ec issuing-client ocsp 90 ocsp-issuing-client "Annul Demo Issuing Client OCSP"
    issue_ec issuing-server ocsp 90 ocsp-issuing-server "Annul Demo Issuing Server OCSP"

    cat issuing-client.crt intermediate-client.crt >client-chain.pem
    cat issuing-server.crt intermediate-server.crt >server-chain.pem
    cat client-chain.pem server-chain.pem root.crt >chain.pem
    # What goes along with an OCSP response, so that a client that knows the root alone can check the delegate.
    cat ocsp-issuing-client.crt client-chain.pem >ocsp-issuing-client-chain.pem
    cat ocsp-issuing-server.crt server-chain.pem >ocsp-issuing-server-chain.pem
}

if is_complete; then
    exit 0
fi
if [ -e "$dir" ] && ! rmdir "$dir" 2>/dev/null; then
    echo "pki.sh: $dir is there, but is not a complete PKI; remove it or name another folder" >&2
    exit 1
fi

# All or nothing: a folder beside it, renamed when everything is in it.
mkdir -p "$(dirname "$dir")"
work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export BASE_URL
umask 077 # for the keys
write_config
make_everything
rm -f openssl.cnf log
chmod 644 ./*.crt ./*.pem
chmod 755 .
# -T: should another run have been faster, fail rather than move into its folder.
mv -T "$work" "$dir" 2>/dev/null || is_complete || {
    echo "pki.sh: cannot rename $work to $dir" >&2
    exit 1
}
