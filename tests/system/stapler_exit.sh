#!/bin/bash
# What annul-stapler's exit status, -t and `status` say of what needs a person, and how --once is ended.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

url=http://127.0.0.1:1/
once_is() { # STATUS: of --once, and then of status
    local once=0 told=0
    stapler --once >"$dir/once" 2>&1 || once=$?
    stapler status >"$dir/status" 2>&1 || told=$?
    cat "$dir/once" "$dir/status"
    [ "$once $told" = "$1" ]
}

# --- by design
openssl x509 -req -in <(openssl req -new -key "$pki/server.key" -subj /CN=short) -CA "$pki/issuing-server.crt" \
    -CAkey "$pki/issuing-server.key" -days 3 -out "$dir/short.crt" 2>/dev/null
write_stapler_config <<<"staple \"design\" { certificate = {\"$dir/short.crt\"} }"
check "a short-lived certificate: -t is content" stapler -t
check "and so are --once and status" once_is "0 0"

# --- a person is needed
write_stapler_config <<<"staple \"gone\" { certificate = {\"$dir/gone.crt\"}  responder = {\"$url\"} }"
refuse "a staple's certificate that is not there: -t" stapler -t
check "--once and status fail" once_is "1 1"
check "which is said" grep -q "gone.crt.*No such file" "$dir/status"
write_stapler_config <<<"staple \"orphan\" { certificate = {\"$pki/server.crt\"}  responder = {\"$url\"} }"
sed -i '/^authorities/d' "$dir/annul-stapler.conf"
refuse "a CA that is not known: -t" stapler -t
check "says the remedy" grep -q "server.crt: its CA's certificate.*add issuer" "$dir/refused"
check "--once and status fail" once_is "1 1"
write_stapler_config <<<"crl \"gone\" { certificate = {\"$dir/gone.crt\"} }"
refuse "a crl section's certificate that is not there: -t" stapler -t
check "names it" grep -q "crl \"gone\": $dir/gone.crt: No such file" "$dir/refused"
check "--once and status fail" once_is "1 1"
check "which is said" grep -q "crl $dir/gone.crt: missing" "$dir/status"
write_stapler_config <<<"crl \"none\" { certificate = {\"$dir/short.crt\"} }"
refuse "a crl section without a CRL: -t" stapler -t
check "says the remedy" grep -q 'crl "none": no certificate names a CRL; add url' "$dir/refused"
check "--once and status fail" once_is "1 1"
write_stapler_config <<<"staple \"h\" { certificate = {\"$pki/server.crt\"}  responder = {\"$url\"}  revoked = \"hook\"  hook = {\"./hook\"} }"
refuse "a hook by a relative path: -t" stapler -t
check "says what is wanted" grep -q "hook ./hook: an absolute path" "$dir/refused"
mkdir "$dir/hitch"
two="responder = {\"$url\"}  certificate = {\"$pki/server.crt\", \"$pki/client-0.crt\"}"
write_stapler_config <<<"staple \"one\" { $two  deliver { path = \"$dir/one.der\" } }"
refuse "one path for two certificates: -t" stapler -t
check "names it" grep -q "$dir/one.der is written twice; give each its own path" "$dir/refused"
write_stapler_config <<<"staple \"one\" { $two  deliver { path = \"$dir/{name}.der\" } deliver { kind = \"hitch\"  path = \"$dir/hitch\"  pid_file = \"$dir/hitch.pid\" } }"
check "but one folder of hitch" stapler -t
write_stapler_config <<CONF
staple "one" { $two  deliver { path = "$dir/{name}.der" } }
crl "two" { url = {"$url"}  deliver { path = "$dir/server.der" } }
CONF
refuse "one path in two sections: -t" stapler -t
check "names it" grep -q "annul-stapler.conf:4: deliver: $dir/server.der is written twice" "$dir/refused"
rm -r "$dir/cache"
write_stapler_config <<<"staple \"design\" { certificate = {\"$dir/short.crt\"} }"
check "an empty cache: -t is content" stapler -t
touch "$dir/cache/crl"
refuse "a folder of the cache that cannot be used: -t" stapler -t
check "names it" grep -q "cache directory $dir/cache/crl" "$dir/refused"
rm "$dir/cache/crl"

# --- a signal ends --once, whatever an upstream keeps it waiting for
port=$(free_port)
python3 -c "import socket
s = socket.create_server(('127.0.0.1', $port))
kept = []
open('$dir/listens', 'w')
while True:
    kept.append(s.accept())
    open('$dir/asked', 'w')" &
hung_pid=$!
check "an upstream that says nothing" until_true 10 test -e "$dir/listens"
write_stapler_config <<<"staple \"hung\" { certificate = {\"$pki/server.crt\"}  responder = {\"http://127.0.0.1:$port/\"} }"
for signal in TERM INT; do
    rm -f "$dir/asked"
    (trap - INT; exec "$BUILD/annul-stapler" -c "$dir/annul-stapler.conf" --once) >"$dir/once" 2>&1 &
    once_pid=$!
    check "the upstream is asked" until_true 10 test -e "$dir/asked"
    kill -$signal $once_pid
    gone() { ! kill -0 $once_pid; }
    check "SIG$signal ends it" until_true 3 gone
    status=0
    wait $once_pid || status=$?
    check "with status 75" test $status = 75
    check "and a line" grep -q "SIG$signal: stopping" "$dir/once"
done
kill $hung_pid
finish
