#!/bin/bash
# RabbitMQ on Erlang reads a hash folder at each handshake: AMQPS and MQTTS, crl_check true and peer, and never a reload.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "client-2 is on the CRL" until_true 10 crl_lists "$(serial_of client-2)"

node=$dir/node
crls=$dir/crls
mkdir -p "$node" "$crls"
server_chain >"$dir/server.pem"
cat "$pki/chain.pem" >"$dir/cas.pem"
write_ca_config
write_extensions
# Nothing of the machine's own RabbitMQ: neither its folders, nor its epmd, nor its node's name.
export HOME=$node ERL_EPMD_PORT ERL_EPMD_ADDRESS=127.0.0.1
ERL_EPMD_PORT=$(free_port)
export RABBITMQ_NODENAME=annul-$$@localhost RABBITMQ_DIST_PORT RABBITMQ_CONF_ENV_FILE=/dev/null
RABBITMQ_DIST_PORT=$(free_port)
export RABBITMQ_MNESIA_BASE=$node/mnesia RABBITMQ_LOG_BASE=$node/log RABBITMQ_CONFIG_FILE=$node/rabbitmq
export RABBITMQ_ENABLED_PLUGINS_FILE=$node/plugins RABBITMQ_ADVANCED_CONFIG_FILE=$node/advanced.config
export RABBITMQ_FEATURE_FLAGS_FILE=$node/flags RABBITMQ_GENERATED_CONFIG_DIR=$node/generated
export RABBITMQ_PLUGINS_EXPAND_DIR=$node/expand RABBITMQ_PID_FILE=$node/pid
echo '[rabbitmq_mqtt].' >"$node/plugins"
: >"$node/rabbitmq.conf"
consumer "$node/epmd.log" epmd

start_node() { # CRL_CHECK CACERTFILE
    amqp=127.0.0.1:$(free_port)
    mqtt=127.0.0.1:$(free_port)
    cat >"$node/advanced.config" <<CONF
[{rabbit, [
    {tcp_listeners, []},
    {ssl_listeners, [{"127.0.0.1", ${amqp#*:}}]},
    {log, [{console, [{enabled, true}]}, {file, [{enabled, false}]}]},
    {ssl_options, [
        {certfile, "$dir/server.pem"}, {keyfile, "$pki/server.key"},
        {cacertfile, "$2"}, {depth, 4},
        {verify, verify_peer}, {fail_if_no_peer_cert, true},
        {crl_check, $1},
        {crl_cache, {ssl_crl_hash_dir, {internal, [{dir, "$crls"}]}}}]}]},
 {rabbitmq_mqtt, [{tcp_listeners, []}, {ssl_listeners, [{"127.0.0.1", ${mqtt#*:}}]}]}].
CONF
    : >"$node/log.txt"
    consumer "$node/log.txt" /usr/lib/rabbitmq/bin/rabbitmq-server
    rabbit=$consumer
    check "RabbitMQ starts, crl_check $1" until_true 90 grep -q 'Server startup complete' "$node/log.txt"
}
stop_node() {
    kill "$rabbit"
    wait "$rabbit"
}
is_whole() { [ "$(find "$crls" -type f | wc -l)" = 3 ]; }
write_stapler_config <<CONF
crl "clients" {
    $(crl_urls)
    deliver { kind = "hash-dir"  path = "$crls" }
}
CONF

# --- true: the CRLs of the whole chain
start_stapler
check "a file each" until_true 10 is_whole
start_node true "$dir/cas.pem"
crl_story client-1 amqp "$amqp" mqtt "$mqtt"
check "still a file each" is_whole
stop_stapler

# --- what annul-stapler would have to be made to do: by hand
# shellcheck disable=SC2120 # sometimes with one
give() { # [ISSUER=CRL]
    # shellcheck disable=SC2046 # words
    deliver --kind hash-dir --path "$crls" --state "$dir/state" crls $(chain_crls) "$@"
}
fetch_crls && give >/dev/null

# --- a leftover above .r0 decides at Erlang: it is made harmless
clients=$crls/$(openssl x509 -in "$pki/issuing-client.crt" -noout -hash)
roots=$crls/$(openssl x509 -in "$pki/root.crt" -noout -hash)
cp "$clients.r0" "$dir/older" # knows nothing of client-4
ctl register "$pki/client-4.crt" >/dev/null
revoke_now client-4
expect "newer CRLs" delivered give
cp "$dir/older" "$clients.r1"
check "with the older one at .r1 client-4 gets in" gets_in amqp "$amqp" client-4
expect "it is seen" delivered give
check "and client-4 is refused" is_refused amqp "$amqp" client-4
check "still a file each" test "$(find "$crls" -type f | wc -l)" = 3

# --- two keys of one name: both CRLs are there, and each client is judged by its own
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -keyout "$dir/rollover.key" -out "$dir/rollover.crt" \
    -CA "$pki/intermediate-client.crt" -CAkey "$pki/intermediate-client.key" -days 30 -config "$dir/ext.cnf" -extensions ca \
    -subj "/O=Annul Demo/CN=Annul Demo Issuing Client CA" 2>/dev/null
: >"$dir/index.txt"
openssl ca -config "$dir/ca.cnf" -gencrl -cert "$dir/rollover.crt" -keyfile "$dir/rollover.key" 2>/dev/null |
    openssl crl -outform DER -out "$dir/rollover.crl"
cat "$dir/rollover.crt" >>"$dir/cas.pem"
expect "a CRL of the new key" delivered give "$dir/rollover.crt=$dir/rollover.crl"
check "is beside that of the old one" test -s "$clients.r0" -a -s "$clients.r1"
check "client-0 gets in" gets_in amqp "$amqp" client-0
check "client-1 is refused" is_refused amqp "$amqp" client-1
cp "$dir/older" "$clients.r0"
expect "each is replaced in its place" delivered give "$dir/rollover.crt=$dir/rollover.crl"
check "client-4 is refused" is_refused amqp "$amqp" client-4
expect "nothing to do" same give "$dir/rollover.crt=$dir/rollover.crl"
rm "$clients.r1"

# --- the first classical failure: a CA without its CRL
rm "$roots.r0"
check "without the root's CRL even client-0 is refused" is_refused amqp "$amqp" client-0
check "no_relevant_crls" until_true 10 grep -q no_relevant_crls "$node/log.txt"
expect "given again" delivered give
check "client-0 gets in" gets_in amqp "$amqp" client-0
stop_node

# --- peer: the leaf issuer's alone
rm "$crls"/*
write_stapler_config <<CONF
crl "clients" {
    url = {"http://$public/crl/issuing-client.crl"}
    deliver { kind = "hash-dir"  path = "$crls" }
}
CONF
ctl release issuing-client "$(serial_of client-3)" >/dev/null
start_stapler
check "one file" until_true 10 test -s "$clients.r0"
start_node peer "$pki/chain.pem"
crl_story client-3 amqp "$amqp" mqtt "$mqtt"
check "client-1 is refused, too" is_refused amqp "$amqp" client-1
stop_node

# --- the second: cacertfile without the CA that signed the CRL
start_node peer "$pki/root.crt"
check "with a cacertfile of the root alone client-0 is refused" is_refused amqp "$amqp" client-0
check "invalid_signature" until_true 10 grep -q invalid_signature "$node/log.txt"
stop_node
finish
