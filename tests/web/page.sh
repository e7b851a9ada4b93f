#!/bin/bash
# The public page.
# shellcheck source=tests/web/lib.sh
. "$(dirname "$0")/lib.sh"

write_config < <(issuer_section root </dev/null)
start_daemon
register_usual
browse page.mjs
finish
