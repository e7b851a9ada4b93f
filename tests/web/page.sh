#!/bin/bash
# The public page; what it says is to be configured is read by the programs that it is for.
# shellcheck source=tests/web/lib.sh
. "$(dirname "$0")/lib.sh"
PATH=$PATH:/usr/sbin # not in every user's

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"
check "and client-3" until_true 10 crl_lists "$(serial_of client-3)"
export SNIPPETS=$dir/snippets FINGERPRINT
FINGERPRINT=$(openssl x509 -in "$pki/issuing-client.crt" -noout -fingerprint -sha256 | cut -d= -f2)
mkdir "$SNIPPETS"
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
check "RabbitMQ: a term" erl -noshell -eval "{ok, [[{rabbit, [_, {ssl_options, O}]}]]} = file:consult(\"$SNIPPETS/RabbitMQ.advanced.config\"), true = proplists:get_value(crl_check, O), halt()."
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
