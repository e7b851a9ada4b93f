#!/bin/bash
# TLS on the admin listener: our certificate, and clients that are known by theirs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

export ANNUL_CLOCK_OFFSET_FILE=$dir/clock
move_clock 0
conf=$dir/annuld.conf
leaf() { # NAME SUBJECT CA DAYS EXTENSIONS: a certificate that the usual PKI has not
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -utf8 -keyout "$dir/$1.key" -subj "$2" -out "$dir/$1.csr" 2>/dev/null
    openssl x509 -req -in "$dir/$1.csr" -CA "$pki/$3.crt" -CAkey "$pki/$3.key" -days "$4" -out "$dir/$1.crt" \
        -set_serial "0x$(openssl rand -hex 8)" -extfile <(printf '%b' "$5") 2>/dev/null
}
for_server='extendedKeyUsage = serverAuth\nsubjectAltName = IP:127.0.0.1\n'
for_client='extendedKeyUsage = clientAuth\n'
leaf tls-one "/CN=admin one" issuing-server 30 "$for_server"
leaf tls-two "/CN=admin two" issuing-server 30 "$for_server"
cat "$pki/issuing-server.crt" "$pki/intermediate-server.crt" >"$dir/above.pem"
leaf alice "/O=Annul Demo/CN=alice" issuing-client 30 "$for_client"
leaf bob "/O=Annul Demo/CN=bob" issuing-client 30 "$for_client"
leaf carol "/O=Annul Demo/CN=carol" issuing-client 30 "$for_client"
leaf long "/O=Annul Demo/CN=$(printf 'ä%.0s' {1..64})/OU=$(printf 'ö%.0s' {1..64})/OU=x$(printf 'ü%.0s' {1..62})" issuing-client 30 "$for_client"
leaf comma "/O=Annul Demo/CN=boss,O=x" issuing-client 30 "$for_client"
leaf split "/O=Annul Demo/O=x/CN=boss" issuing-client 30 "$for_client"
leaf short "/O=Annul Demo/CN=alice" issuing-client 1 "$for_client"
leaf wrong-use "/O=Annul Demo/CN=alice" issuing-client 30 "$for_server"
leaf wrong-ca "/O=Annul Demo/CN=alice" issuing-server 30 "$for_client"
install_certificate() { # NAME: as an administrator renews it
    cat "$dir/$1.crt" "$dir/above.pem" >"$dir/admin.crt.new"
    cp "$dir/$1.key" "$dir/admin.key.new"
    mv "$dir/admin.crt.new" "$dir/admin.crt"
    mv "$dir/admin.key.new" "$dir/admin.key"
}
install_certificate tls-one

write_config </dev/null
admin_lines() { # LINES: in place of the section
    sed -i "/^admin/,/^database/{/^database/!d}" "$conf"
    printf 'admin {\n  listen = {"%s"}\n  socket = "%s"\n%b}\n' "${at:-$admin}" "$dir/admin.sock" "$1" >>"$conf"
}
wrong() { # NAME LINE TEXT LINES
    admin_lines "$4"
    expect "$1" "$3" "$BUILD/annuld" -c "$conf" -t
    also "$1: the line" "annuld.conf:$(grep -n "$2" "$conf" | head -n 1 | cut -d: -f1): "
    refuse "$1: nor does it start" "$BUILD/annuld" -c "$conf"
}
files="  tls_certificate = \"$dir/admin.crt\"\n  tls_key = \"$dir/admin.key\"\n"
ca="  client_ca = {\"$pki/issuing-client.crt\"}\n"
alice='  client "CN=alice,O=Annul Demo" { role = "operator" issuers = {"issuing-server"} }\n'
at=0.0.0.0:${admin#*:}
wrong "beyond loopback without TLS" "listen = {\"$at" "only loopback addresses without TLS" ""
at=
wrong "no key" tls_certificate "tls_key is missing" "  tls_certificate = \"$dir/admin.crt\"\n"
wrong "no certificate" tls_key "tls_certificate is missing" "  tls_key = \"$dir/admin.key\"\n"
wrong "another's key" tls_certificate "belong to each other" "${files/admin.key/tls-two.key}"
wrong "no such file" tls_key "No such file" "${files/admin.key/none.key}"
cp "$dir/admin.key" "$dir/open.key"
chmod 644 "$dir/open.key"
wrong "a key for everyone" tls_key "chmod 600" "${files/admin.key/open.key}"
wrong "CAs of clients without TLS" client_ca "is of no use without tls_certificate" "$ca$alice"
wrong "a client without CAs" 'client "CN' "add client_ca" "$files$alice"
wrong "CAs without a client" client_ca "lets nobody in" "$files$ca"
wrong "a CA that is none" client_ca "client_ca $dir/admin.key" "$files${ca/$pki\/issuing-client.crt/$dir/admin.key}$alice"
wrong "a role that there is not" role "must be one of viewer, operator, administrator" "$files$ca${alice/\"operator\"/\"root\"}"
wrong "an issuer that there is not" 'client "CN' 'no issuer section is named "none"' "$files$ca${alice/issuing-server/none}"
wrong "for no issuer" 'client "CN' "name at least one" "$files$ca${alice/\"issuing-server\"/}"
wrong "a comma whose backslash would be lost" 'client "CN' "would be lost" "$files$ca${alice/CN=alice,/CN=alice\\\\,}"
wrong "a subject that nobody has" 'client "CN' "no certificate has this subject" "$files$ca${alice/,O=/, O=}"
wrong "a subject that is none" 'client "alice' "the title is the subject" "$files$ca${alice/CN=alice,O=Annul Demo/alice}"

at=0.0.0.0:${admin#*:}
admin_lines "$files$ca$alice"'  client "CN=bob,O=Annul Demo" { role = "administrator" }\n'"  client 'CN=boss\\\\,O=x,O=Annul Demo' { }\n"
check "beyond loopback with TLS" "$BUILD/annuld" -c "$conf" -t
far=0.0.0.0:$(free_port)
sed -i "s/  listen = {\"$at\"}/  listen = {\"$admin\", \"$far\"}/" "$conf"
at=
is_ready() {
    kill -0 "$daemon" 2>/dev/null || return 0
    curl -sf --cacert "$pki/root.crt" "https://$admin/readyz"
}
start_daemon
register_usual
ctl register "$dir"/{alice,bob,carol,short}.crt >/dev/null

# --- our certificate -----------------------------------------------------------------------------------

check "TLS, as the system's curl sees it" curl -sf --cacert "$pki/root.crt" "https://$admin/healthz"
refuse "not for who does not trust the CA" curl -sf "https://$admin/healthz"
refuse "nothing without TLS" curl -sf "http://$admin/healthz"
for version in 1 1_1; do
    refuse "no TLS $version" openssl s_client -connect "$admin" "-tls$version" -cipher 'ALL:@SECLEVEL=0' </dev/null
done
check "TLS 1.2" openssl s_client -connect "$admin" -tls1_2 </dev/null
shown() {
    openssl s_client -connect "$admin" </dev/null 2>/dev/null | openssl x509 -noout -subject
}
shows() {
    [ "$(shown)" = "subject=CN = $1" ]
}
check "the first certificate" shows "admin one"
check "the chain is complete" test "$(openssl s_client -connect "$admin" -showcerts </dev/null 2>/dev/null | grep -c BEGIN)" = 3
cp "$dir/tls-two.key" "$dir/admin.key"
check "half of a new pair: the old one stays" shows "admin one"
expect "and the log says so" "going on with those from before" cat "$dir/annuld.log"
install_certificate tls-two
check "the second one, without a restart" shows "admin two"

# --- clients -------------------------------------------------------------------------------------------

remote() { # CERTIFICATE COMMAND...
    local who=$1
    shift
    "$BUILD/annulctl" -u "https://$admin" --ca "$pki/root.crt" --client-cert "$who.crt" --client-key "$who.key" "$@"
}
expect "an operator by certificate" "cert:CN=alice,O=Annul Demo  operator" remote "$dir/alice" whoami
also "for one issuer" "issuing-server"
check "who may do that" remote "$dir/alice" list issuing-server
expect "and nothing of others" "is for these issuers alone: issuing-server" remote "$dir/alice" list issuing-client
expect "an administrator" "annul_" remote "$dir/bob" token create made-by-bob
check "whose name stands in the audit trail" grep -q '"actor":"cert:CN=bob,O=Annul Demo","origin":"127.0.0.1","action":"token create"' \
    <(ctl audit show --json --limit 1)
cat "$dir/bob.crt" "$dir/bob.key" >"$dir/both.pem"
check "certificate and key in one file" "$BUILD/annulctl" -u "https://$admin" --ca "$pki/root.crt" --client-cert "$dir/both.pem" whoami
check "all of it from the environment" env ANNUL_URL="https://$admin" ANNUL_CA="$pki/root.crt" ANNUL_CLIENT_CERT="$dir/bob.crt" \
    ANNUL_CLIENT_KEY="$dir/bob.key" "$BUILD/annulctl" whoami
strangers=0
not_in() { # NAME CERTIFICATE WHY: each from an address of its own, as those who fail again and again are told to wait
    strangers=$((strangers + 1))
    expect "$1" "this client certificate is not good here" curl -s --interface "127.0.4.$strangers" --cacert "$pki/root.crt" \
        --cert "$2.crt" --key "$2.key" "https://$admin/api/v1/me"
    expect "$1: the audit trail says why" "$3" ctl audit show --limit 1
}
code=0
remote "$dir/carol" whoami >/dev/null 2>&1 || code=$?
check "annulctl says that it is not let in" test $code = 4
refuse "without advice about tokens" grep token-file <(remote "$dir/carol" whoami 2>&1)
expect "http to where TLS is spoken" "does it speak TLS? Write --url https://" "$BUILD/annulctl" -u "http://$admin" whoami
expect "a CA that nobody has told of" "; --ca names a file with the CAs that its certificate is of" \
    "$BUILD/annulctl" -u "https://$admin" --client-cert "$dir/both.pem" whoami
expect "another host's certificate" "no answer from https://localhost" "$BUILD/annulctl" -u "https://localhost:${admin#*:}" --ca "$pki/root.crt" whoami
refuse "where --ca is no remedy" grep -e "; --ca" "$dir/out"
not_in "nobody of ours" "$dir/carol" "no client section is for the certificate of CN=carol"
not_in "of a long name that is cut" "$dir/long" 'OU=xüüüü'
refuse "which is no damage" grep -q '"damaged"' <(ctl audit show --json)
expect "a subject with a comma" 'cert:CN=boss\,O=x,O=Annul Demo' remote "$dir/comma" whoami
not_in "one that is like it without" "$dir/split" "no client section is for the certificate of CN=boss,O=x,O=Annul Demo"
not_in "of another use" "$dir/wrong-use" "does not match the intended purpose"
not_in "of another CA" "$dir/wrong-ca" "The certificate issuer is unknown"
expect "one that is good still" operator remote "$dir/short" whoami
move_clock 129600
not_in "expired" "$dir/short" "expired"
move_clock 0
printf '%s' "$(ctl token create by-token --role viewer)" >"$dir/token"
chmod 600 "$dir/token"
expect "where there is a token it decides" "token:by-token" remote "$dir/bob" --token-file "$dir/token" whoami
expect "a token alone" "token:by-token" "$BUILD/annulctl" -u "https://$admin" --ca "$pki/root.crt" --token-file "$dir/token" whoami
metrics() { # ADDRESS [CURL OPTIONS]: the status
    local at=$1
    shift
    http_status --cacert "$pki/root.crt" "$@" "https://$at/metrics"
}
check "metrics for everybody on loopback" test "$(metrics "$admin")" = 200
far=127.0.0.1:${far#*:}
check "but not beyond it" test "$(metrics "$far")" = 401
check "for a viewer they are" test "$(metrics "$far" -H "Authorization: Bearer $(cat "$dir/token")")" = 200
check "and health for everybody" http_status -f --cacert "$pki/root.crt" "https://$far/healthz" "https://$far/readyz"
page() { # CURL OPTIONS: a change that a browser sends
    http_status --cacert "$pki/root.crt" --cert "$dir/both.pem" -X POST "$@" "https://$admin/api/v1/issuers/issuing-client/revoke-batch"
}
check "a change by our own page" test "$(page -H "Origin: https://$admin")" = 200
check "but not by that of the same host without TLS" test "$(page -H "Origin: http://$admin")" = 403
check "nor by another's" test "$(page -H "Origin: https://elsewhere.example.test")" = 403
ctl revoke --reason certificateHold issuing-client "$(openssl x509 -in "$dir/bob.crt" -noout -serial | cut -d= -f2)" >/dev/null
not_in "on hold" "$dir/bob" "the certificate is on hold"
ctl revoke --reason keyCompromise issuing-client "$(openssl x509 -in "$dir/bob.crt" -noout -serial | cut -d= -f2)" >/dev/null
not_in "revoked" "$dir/bob" "the certificate is revoked"
check "a head that is too large is answered in TLS" test "$(http_status --cacert "$pki/root.crt" -H "X: $(printf 'x%.0s' {1..9000})" "https://$admin/healthz")" = 431

# --- many at a time, and what sleeps -------------------------------------------------------------------

expect "a CRL is published while the connection sleeps" "issuing-client" ctl crl publish issuing-client
check "by TLS, too" "$BUILD/annulctl" -u "https://$admin" --ca "$pki/root.crt" \
    --token-file <(ctl token create publisher --role administrator) crl publish issuing-client
seq -f 'abc%g' 1 2000 >"$dir/serials"
check "a long answer" test "$(curl -s --cacert "$pki/root.crt" -H "Authorization: Bearer $(ctl token create batch)" \
    --data-binary @"$dir/serials" "https://$admin/api/v1/issuers/issuing-client/revoke-batch" | wc -l)" = 2001
pids=()
for i in {1..40}; do
    curl -sf --interface "127.0.5.$((i % 4 + 1))" --cacert "$pki/root.crt" "https://$admin/healthz" -o "$dir/many.$i" &
    pids+=($!)
done
good=0
for pid in "${pids[@]}"; do
    wait "$pid" && good=$((good + 1))
done
check "forty at a time" test $good = 40
strangers() { # holds connections that say nothing, and asks with others
    python3 - "$admin" "$pki/root.crt" "$(ctl token create guest --role viewer)" <<'PY'
import socket, ssl, sys, time
host, port = sys.argv[1].split(":")
context = ssl.create_default_context(cafile=sys.argv[2])
def connect(source):
    return socket.create_connection((host, int(port)), 60, (source, 0))
def guest(source):
    return context.wrap_socket(connect(source), server_hostname=host)
def ask(link):
    link.sendall(b"HEAD /api/v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + sys.argv[3].encode() + b"\r\n\r\n")
    return b" 200 " in link.recv(4096)
known = guest("127.0.6.1")
assert ask(known), "a guest"
start = time.monotonic()
one = [connect("127.0.6.2") for _ in range(200)]
assert ask(guest("127.0.6.1")), "one address cannot have all connections"
assert one[-1].recv(1) == b"" and time.monotonic() - start < 4, "they are closed"
start = time.monotonic()
many = [connect("127.0.7.%d" % (i // 16 + 1)) for i in range(160)]
others = []
for i in range(40):
    others.append(guest("127.0.6.%d" % (i // 16 + 3)))
    assert ask(others[-1]) and time.monotonic() - start < 4 + i, "nor can ten of them"
assert all(map(ask, others)), "and guests stay"
for link in others:
    link.close()
start = time.monotonic()
silent = connect("127.0.6.1")
while silent.recv(100):
    pass # an alert
assert time.monotonic() - start < 12, "who says nothing is sent away"
assert ask(known), "but not a guest"
PY
}
check "who has said nothing keeps nobody out" strangers
finish
