#!/bin/bash
# www/openapi.json against the daemon: every path, every method, every error that it tells of, every reply by its schema.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config <<CONF
issuer "foreign" { certificate = "$pki/intermediate-server.crt" crl_upload = true }
CONF
start_daemon
write_ca_config
sed -i 's#issuing-client#intermediate-server#' "$dir/ca.cnf"
: >"$dir/index.txt"
openssl ca -config "$dir/ca.cnf" -gencrl -out "$dir/crl.pem" 2>/dev/null
for name in administrator viewer scoped; do
    case $name in scoped) scope="--role administrator --issuer issuing-server" ;; *) scope="--role $name" ;; esac
    # shellcheck disable=SC2086 # options
    ctl token create $name $scope >"$dir/$name.token"
done
python3 "$top/tests/system/openapi.py" "$admin" "$dir" "$pki" "$top"
failures=$((failures + $?))
finish
