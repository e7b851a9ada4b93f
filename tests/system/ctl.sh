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

write_config < <(issuer_section root </dev/null)
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


# --- what is not found ---------------------------------------------------------------------------------

exits 2 "a name for a serial" 'find it with `annulctl list issuing-client --query dave`' ctl revoke issuing-client dave
exits 1 "an issuer that there is not" '`annulctl issuers` lists them' ctl revoke nobody 1a
serial=$(openssl x509 -in "$pki/client-1.crt" -noout -serial)
exits 0 "a serial as openssl prints it" "good" ctl status issuing-client "$serial"
exits 0 "for a list, too" "CN=client-1" ctl list issuing-client --serial "$serial"
exits 0 "and in a file" "1 revoked, 0 were so already" ctl revoke --from <(echo "$serial") issuing-client
exits 0 "the second time" "0 revoked, 1 was so already" ctl revoke --from <(echo "$serial") issuing-client
exits 0 "and of the audit trail" "revoke" ctl audit show --serial "$serial"
printf 'V\t351231235959Z\t\t%s\tunknown\t/CN=a\n' 0A 0B >"$dir/index.txt"
exits 1 "an import says which rows" "index.txt, rows 1 to 2: " ctl import nobody "$dir/index.txt"
make_token json
check "JSON ends with a newline" test -z "$(api GET issuers | tail -c 1)"
check "a problem, too" test -z "$(api GET issuers/nobody | tail -c 1)"

# --- CAs -----------------------------------------------------------------------------------------------

exits 2 "a CA's certificate is not revoked by mistake" "every certificate below it will be refused; if that is meant, say --even-a-ca" \
    ctl revoke --cert "$pki/issuing-client.crt"
exits 0 "so it is as it was" "intermediate-client" ctl issuers
exits 12 "and nobody has heard of it" "unknown" ctl status intermediate-client "$(serial_of issuing-client)"
exits 0 "but with a word" "revoked" ctl revoke --even-a-ca --reason cACompromise --cert "$pki/issuing-client.crt"
root=$(serial_of root)
exits 1 "a root does not revoke itself" "a root cannot revoke itself" ctl revoke --even-a-ca --cert "$pki/root.crt"
check "by the API: 422" test "$(http_status -H "Authorization: Bearer $token" -X POST --data-binary @"$pki/root.crt" "http://$admin/api/v1/revoke")" = 422
exits 12 "nor is it registered by that" "unknown" ctl status root "$root"
ctl register "$pki/root.crt" >/dev/null
exits 1 "nor by its serial" "a root cannot revoke itself" ctl revoke root "$root"
exits 1 "nor in a file of them" "a root cannot revoke itself" ctl revoke --from <(echo "$root") root
exits 0 "nor by all of that" "good" ctl status root "$root"

finish
