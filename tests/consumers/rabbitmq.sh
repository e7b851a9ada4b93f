#!/bin/bash
# RabbitMQ on Erlang reads a hash folder at each handshake: AMQPS and MQTTS, crl_check true and peer, and never a reload.
# shellcheck source=tests/consumers/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
check "the CRLs are here" fetch_crls

node=$dir/node
crls=$dir/crls
mkdir -p "$node" "$crls"
server_chain >"$dir/server.pem"
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
    check "RabbitMQ starts, crl_check $1" until_true 90 grep -q 'Server startup complete' "$node/log.txt"
}
stop_node() {
    kill "$consumer"
    wait "$consumer"
}
give() {
    # shellcheck disable=SC2046 # words
    deliver --kind hash-dir --path "$crls" --state "$dir/state" crls $(chain_crls)
}

expect "the CRLs" done give
check "a file each" test "$(find "$crls" -type f | wc -l)" = 3
start_node true "$pki/chain.pem"
for protocol in amqp mqtt; do
    check "client-0 gets in by $protocol" gets_in "$protocol" "${!protocol}" client-0
    check "client-2 is refused by $protocol" is_refused "$protocol" "${!protocol}" client-2
    check "client-1 gets in by $protocol" gets_in "$protocol" "${!protocol}" client-1
done
expect "nothing to do" same give

# --- revoked: refused from the delivery on
loop_start amqp "$amqp" client-0
revoke_now client-1
expect "the new CRLs" done give
check "client-1 is refused by amqp" is_refused amqp "$amqp" client-1
check "client-1 is refused by mqtt" is_refused mqtt "$mqtt" client-1
check "client-0 never was" loop_end client-0
check "still a file each" test "$(find "$crls" -type f | wc -l)" = 3

cat $node/log.txt | tail -30
stop_node
finish
