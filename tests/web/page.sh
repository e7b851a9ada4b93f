#!/bin/bash
# The public page; what it says is to be configured is read by the programs that it is for.
# shellcheck source=tests/web/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin # not in every user's

write_config < <(
    issuer_section root <<<'shards = 16 shard_distribution_point = "http://crl.example/crl/root/{}.crl"
        delta_distribution_point = "http://crl.example/crl/root-delta.crl"'
    printf 'issuer "intermediate-server" { certificate = "%s"  crl_upload = true }\n' "$pki/intermediate-server.crt"
)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"
check "and client-3" until_true 10 crl_lists "$(serial_of client-3)"
export SNIPPETS=$dir/snippets FINGERPRINT
FINGERPRINT=$(openssl x509 -in "$pki/issuing-client.crt" -noout -fingerprint -sha256 | cut -d= -f2)
mkdir "$SNIPPETS"

# --- what does not need a browser
page() { curl -s "http://$public/" "$@"; }
expect "a list that did not come yet" '<span class="state missing">Not there yet</span>' page
write_ca_config
: >"$dir/index.txt"
openssl ca -config "$dir/ca.cnf" -gencrl -cert "$pki/intermediate-server.crt" -keyfile "$pki/intermediate-server.key" \
    -crl_lastupdate "$(date -u -d '-20 days' +%Y%m%d%H%M%SZ)" -crl_nextupdate "$(date -u -d '+3 days' +%Y%m%d%H%M%SZ)" \
    -out "$dir/ends.crl" 2>/dev/null
check "it comes" curl -sf --unix-socket "$dir/admin.sock" -T "$dir/ends.crl" \
    "http://localhost/api/v1/issuers/intermediate-server/crl"
expect "and ends soon" '<span class="state ends">Ends soon</span>' page
expect "as who asks calls us" 'http://status.example:8080/ocsp' page -H 'Host: status.example:8080'
refuse "but for what is no name" grep -q '<b>' <(page -H 'Host: <b>')
expect "then it is our address" "http://$public/ocsp" page -H 'Host: <b>'
expect "nothing inline, nothing from elsewhere" "default-src 'none'; script-src 'self'; style-src 'self'" page -D -
asset=http://$public/assets/page.js
expect "a script" "Content-Type: text/javascript" curl -s -D - "$asset"
etag=$(sed -n 's/^ETag: //p' "$dir/out" | tr -d '\r')
check "304 where the client has it" test "$(http_status -H "If-None-Match: $etag" "$asset")" = 304
check "404 where there is none" test "$(http_status "http://$public/assets/page.html")" = 404
check "nor are templates there" test "$(http_status --path-as-is "http://$public/assets/../index.html")" = 404
check "the admin's listener has them, too" test "$(http_status "http://$admin/assets/page.js")" = 200

# --- in a browser
browse page.mjs

# --- the files, with all of /etc and /run under $dir
host=$dir/host
mkdir -p "$host"/etc/{annul,rabbitmq/crl,mosquitto/{crl,certs},nginx/{crl,tls},haproxy/crl} "$host/run/haproxy"
sed -i "s,/etc/,$host/etc/,g; s,/run/,$host/run/,g" "$SNIPPETS"/*
for to in rabbitmq mosquitto/certs nginx/tls haproxy; do
    cat "$pki/server.crt" "$pki/server-chain.pem" "$pki/server.key" >"$host/etc/$to/server.pem"
    cp "$pki/server.key" "$host/etc/$to/server.key"
done
expect "the authorities are fetched" "$FINGERPRINT" bash "$SNIPPETS/RabbitMQ.Shell"
check "all of them" test "$(grep -c BEGIN "$host/etc/annul/issuing-client.pem")" = 3

stapler_takes() { # CONSUMER
    cat "$SNIPPETS/$1.annul-stapler.conf" "$SNIPPETS/$1.annul-stapler.conf, too" >"$dir/annul-stapler.conf" 2>/dev/null
    echo "cache { directory = \"$dir/cache-$1\" }" >>"$dir/annul-stapler.conf"
    mkdir -p "$dir/cache-$1"
    stapler -t && { stapler --once || [ $? = 75 ]; } # 75: nobody is there to be told
}
for consumer in RabbitMQ mosquitto; do
    check "annul-stapler for $consumer" stapler_takes $consumer
done

# --- RabbitMQ: an Erlang term, for a folder that holds what it wants
check "RabbitMQ: a term" env ERL_CRASH_DUMP_SECONDS=0 erl -noshell -eval "{ok, [[{rabbit, [_, {ssl_options, O}]}]]} = file:consult(\"$SNIPPETS/RabbitMQ.advanced.config\"), true = proplists:get_value(crl_check, O), halt()."
check "a list for each authority" test "$(find "$host/etc/rabbitmq/crl" -name '*.r0' | wc -l)" = 3

# --- mosquitto
port=$(free_port)
sed -i "s/^listener 8883/listener $port 127.0.0.1/" "$SNIPPETS/mosquitto.tls.conf"
echo "user root" >>"$SNIPPETS/mosquitto.tls.conf"
mosquitto -c "$SNIPPETS/mosquitto.tls.conf" >"$dir/mosquitto.log" 2>&1 &
mosquitto=$!
trap 'kill $mosquitto 2>/dev/null; cleanup' EXIT
answers() { # NAME: what the server says to this client in the end
    printf '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00' | timeout 5 openssl s_client -quiet -connect "127.0.0.1:$port" \
        -CAfile "$pki/root.crt" -cert "$pki/$1.crt" -cert_chain "$pki/client-chain.pem" -key "$pki/$1.key" 2>&1
}
is_refused() { answers client-2 | grep -q 'certificate revoked'; }
check "mosquitto refuses client-2" until_true 10 is_refused
refuse "and not client-0" grep -q 'alert' <(answers client-0)

# --- nginx and HAProxy check their own configuration, with the lists and the staple there
echo "daemon off; pid $host/run/nginx.pid; error_log stderr; events { }
http { access_log off; include $SNIPPETS/nginx.tls.conf; }" >"$dir/nginx.conf"
sed -i "/ssl_crl/r $SNIPPETS/nginx.In the server block, too" "$SNIPPETS/nginx.tls.conf"
check "annul-stapler for nginx" stapler_takes nginx
check "nginx has a staple" test -s "$host/etc/nginx/crl/server.ocsp.conf"
check "nginx takes it" nginx -t -c "$dir/nginx.conf"
check "annul-stapler for HAProxy" stapler_takes HAProxy
check "HAProxy has a staple" test -s "$host/etc/haproxy/server.pem.ocsp"
check "HAProxy takes it" haproxy -c -f "$SNIPPETS/HAProxy.haproxy.cfg"
finish
