#!/bin/bash
# What annulctl says to those who are new to it, and what it does not let them do.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

exits() { # CODE NAME TEXT COMMAND...: with CODE, and TEXT among what it prints
    local code=$1 what=$2 text=$3 is=0
    shift 3
    "$@" >"$dir/out" 2>&1 || is=$?
    if [ $is = "$code" ]; then
        also "$what" "$text"
    else
        check "$what: exit status $code" bash -c "cat '$dir/out'; echo 'it is $is'; false"
    fi
}

write_config </dev/null
start_daemon
register_usual

# --- tokens --------------------------------------------------------------------------------------------

(umask 077 && ctl token create ops >"$dir/token")
remote() { # URL COMMAND...
    local url=$1
    shift
    "$BUILD/annulctl" -u "$url" --token-file "$dir/token" "$@"
}
exits 0 "a token to this host" "operator" remote "http://$admin" whoami
exits 0 "by its name" "operator" remote "http://localhost:${admin#*:}" whoami
exits 2 "no token in the clear to another" "would send the token in the clear; use https://" remote http://192.0.2.1:8081 whoami
exits 2 "by whatever name" "would send the token in the clear" remote http://status.example.test whoami

finish
