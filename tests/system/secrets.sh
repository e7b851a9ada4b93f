#!/bin/bash
# annuld never has a private key: not open, not in memory, not in its code; annul-signer lets nobody look.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
make_token secrets
ctl register "$pki/client-0.crt" >/dev/null
expect "it has signed" "client-0.crt: good" ocsp client-0

refuse "annuld has no key file open" bash -c "ls -l /proc/$daemon/fd | grep -F .key"
refuse "annuld has no code that reads keys" bash -c "nm '$BUILD/annuld' | grep -E 'PEM_read_(bio_)?PrivateKey|signer_keys_load|OSSL_STORE_|ENGINE_'"

# Neither a key's numbers nor its PEM are in its memory.
private_part() { # the private scalar, or the first prime
    openssl pkey -in "$pki/$1.key" -noout -text 2>/dev/null |
        sed -n '/^priv:/,/^pub:/p; /^prime1:/,/^prime2:/p' | grep '^ ' | tr -d ' :\n' | sed 's/^00//'
}
check "the search finds what is there" in_memory "$daemon" "$(serial_of issuing-client)"
for key in issuing-client ocsp-issuing-client issuing-server ocsp-issuing-server intermediate-client; do
    test -n "$(private_part $key)" || { echo "FAILED: no private part of $key"; failures=$((failures + 1)); }
    refuse "$key is not in annuld's memory" in_memory "$daemon" "$(private_part $key)"
    refuse "nor its PEM" in_memory "$daemon" "$(sed -n 2p "$pki/$key.key" | head -c 40 | xxd -p | tr -d '\n')"
done

signer=$(pgrep -P "$daemon" -x annul-signer)
check "the signer leaves no core file" grep -qE 'Max core file size +0 +0' "/proc/$signer/limits"
check "the signer cannot gain rights" grep -q 'NoNewPrivs:.1' "/proc/$signer/status"
refuse "no token in the log" grep -q "$token" "$dir/annuld.log"
refuse "no token in the database" grep -qa "$token" "$dir/annul.db" "$dir/annul.db-wal"
check "the database is its owner's alone" test "$(stat -c %a "$dir/annul.db")" = 600
finish
