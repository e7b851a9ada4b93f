#!/bin/bash
# The console.
# shellcheck source=tests/web/lib.sh
. "$(dirname "$0")/lib.sh"

write_config <<CONF
$(issuer_section root </dev/null)
issuer "intermediate-server" { certificate = "$pki/intermediate-server.crt" crl_upload = true }
CONF
start_daemon
register_usual
token=$(ctl token create --role administrator anna)
browse console.mjs
browse console_roles.mjs
browse console_views.mjs
finish
