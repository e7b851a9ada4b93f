#!/bin/bash
# annuld never has a private key: not open, not in memory, not in its code; annul-signer lets nobody look.
. "$(dirname "$0")/lib.sh"

write_config </dev/null
start_daemon
make_token secrets
ctl register "$pki/client-0.crt" >/dev/null
expect "it has signed" "client-0.crt: good" ocsp client-0

refuse "annuld has no key file open" bash -c "ls -l /proc/$daemon/fd | grep -F .key"
refuse "annuld has no code that reads keys" bash -c "nm '$BUILD/annuld' | grep -E 'PEM_read_(bio_)?PrivateKey|signer_keys_load'"

# The memory of the process, whole: neither a key's numbers nor its PEM are in it.
memory=$dir/core
if gcore -o "$memory" "$daemon" >/dev/null 2>&1 && [ -s "$memory.$daemon" ]; then
    # gcore leaves out what a program marks; nothing of ours is, so a public value must be found
    present() { # HEX
        python3 - "$memory.$daemon" "$1" <<'PY'
import mmap, sys
core = open(sys.argv[1], "rb")
data = mmap.mmap(core.fileno(), 0, access=mmap.ACCESS_READ)
sys.exit(0 if data.find(bytes.fromhex(sys.argv[2])) >= 0 else 1)
PY
    }
    public_part() { openssl x509 -in "$pki/$1.crt" -noout -serial | cut -d= -f2; }
    private_part() { # the private scalar, or the first prime
        openssl pkey -in "$pki/$1.key" -noout -text 2>/dev/null |
            sed -n '/^priv:/,/^pub:/p; /^prime1:/,/^prime2:/p' | grep '^ ' | tr -d ' :\n' | sed 's/^00//'
    }
    check "the search finds what is there" present "$(public_part issuing-client)"
    for key in issuing-client ocsp-issuing-client issuing-server ocsp-issuing-server intermediate-client; do
        test -n "$(private_part $key)" || { echo "FAILED: no private part of $key"; failures=$((failures + 1)); }
        refuse "$key is not in annuld's memory" present "$(private_part $key)"
        refuse "nor its PEM" present "$(sed -n 2p "$pki/$key.key" | head -c 40 | xxd -p | tr -d '\n')"
    done
    rm -f "$memory.$daemon"
else
    echo "FAILED: gcore does not work here"
    failures=$((failures + 1))
fi

signer=$(pgrep -P "$daemon" -x annul-signer)
check "the signer leaves no core file" grep -qE 'Max core file size +0 +0' "/proc/$signer/limits"
check "the signer cannot gain rights" grep -q 'NoNewPrivs:.1' "/proc/$signer/status"
refuse "no token in the log" grep -q "$token" "$dir/annuld.log"
refuse "no token in the database" grep -qa "$token" "$dir/annul.db" "$dir/annul.db-wal"
check "the database is its owner's alone" test "$(stat -c %a "$dir/annul.db")" = 600
finish
