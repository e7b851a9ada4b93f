#!/bin/bash
# `annuld -t` names file, line, the thing and the remedy.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

# Lines have fixed numbers here: the message must name the right one.
good() {
    cat <<CONF
public { listen = {"127.0.0.1:0"} }
admin { socket = "$dir/admin.sock" }
database { path = "$dir/annul.db" }
crl { directory = "$dir/crl" }
issuer "clients" {
    certificate = "$pki/issuing-client.crt"
    key = "$pki/issuing-client.key"
    ocsp_certificate = "$pki/ocsp-issuing-client.crt"
    ocsp_key = "$pki/ocsp-issuing-client.key"
    unlisted = "unknown"
    crl_lifetime = "7d"
    crl_refresh = "1d"
    alias "/ca.crl" {
        format = "pem"
    }
}
CONF
}
conf=$dir/annuld.conf
good >"$conf"
check "a good one" "$BUILD/annuld" -t -c "$conf"
check "checking makes nothing" test ! -e "$dir/annul.db" -a ! -e "$dir/crl"

wrong() { # NAME LINE TEXT SED-COMMAND
    good | sed "$4" >"$conf"
    expect "$1" "$conf:$2: " "$BUILD/annuld" -t -c "$conf"
    also "$1: says" "$3"
    refuse "$1: refused" "$BUILD/annuld" -t -c "$conf"
}
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "$dir/leaf.key" -out "$dir/leaf.crt" -subj /CN=leaf -addext basicConstraints=CA:FALSE 2>/dev/null
cp "$pki/root.key" "$dir/open.key" && chmod 644 "$dir/open.key"
wrong "an unknown key" 10 "no such option 'unlistd'" 's/unlisted/unlistd/'
wrong "an unknown policy" 10 "must be one of unknown, good, revoked, unauthorized" 's/"unknown"/"perhaps"/'
wrong "no duration" 11 "write 90s, 15m, 12h or 7d" 's/"7d"/"a week"/'
wrong "a refresh that comes too late" 5 "at most half of crl_lifetime" 's/"1d"/"6d"/'
wrong "no certificate" 6 "No such file" 's/issuing-client.crt/missing.crt/'
wrong "a certificate that is no CA" 6 "not a CA (basicConstraints)" "s,$pki/issuing-client.crt,$dir/leaf.crt,"
wrong "a file that is no certificate" 6 "CERTIFICATE" 's/issuing-client.crt/issuing-client.key/'
wrong "a delegate of another CA" 8 "was not issued by this CA" 's/ocsp-issuing-client.crt/ocsp-issuing-server.crt/'
wrong "a delegate that is none" 8 "lacks extendedKeyUsage OCSPSigning" 's/ocsp-issuing-client.crt/client-0.crt/'
wrong "a delegate without key" 5 "ocsp_key is missing" '/ocsp_key/d'
wrong "a key of another certificate" 7 "does not belong to the certificate" 's/issuing-client.key/issuing-server.key/'
wrong "a key that everybody can read" 7 "chmod 600" "s,$pki/issuing-client.key,$dir/open.key,"
wrong "no key" 7 "No such file" 's/issuing-client.key/missing.key/'
wrong "a bad alias" 14 'already' 's,/ca.crl,/crl/x,'
wrong "an alias without a known format" 14 "must be one of der, pem" 's/"pem"/"text"/'
wrong "a name that no URL takes" 5 "stands in URLs" 's/"clients"/"my clients"/'
wrong "an address that is none" 1 "ADDRESS:PORT" 's/127.0.0.1:0/nonsense/'
wrong "one address twice" 1 "take one of them out" 's/"127.0.0.1:0"/"127.0.0.1:1", "127.0.0.1:1"/'
wrong "admin beyond loopback" 2 "only loopback addresses without TLS" 's/socket.*}/listen = {"0.0.0.0:8081"} }/'
wrong "a folder that cannot be made" 4 "cannot be made" "s,$dir/crl,/proc/nowhere/crl,"
wrong "a database where none can be" 3 "No such file" "s,$dir/annul.db,/nowhere/annul.db,"
ahead='s/unlisted = "unknown"/presign = "all"/; 4s|$| ocsp { presigned = "'
wrong "answers ahead in no folder" 4 "presigned /nowhere/x: the folder /nowhere: No such file" "$ahead/nowhere/x\" }|"
wrong "answers ahead in the database" 4 "is the status database; name a file of its own" "$ahead$dir/annul.db\" }|"
wrong "answers ahead in a folder" 4 "is not a file" "$ahead$dir\" }|"
sqlite3 "$dir/other.db" 'PRAGMA user_version = 7'
wrong "answers ahead in something else" 4 "another kind of database" "$ahead$dir/other.db\" }|"
wrong "requests signed under a leaf" 10 "client-0,O=Annul Demo is not a CA" "s,unlisted.*,request_signers = \"$pki/client-0.crt\","
wrong "requests signed under nobody" 10 "request_signers /nowhere: No such file" "s,unlisted.*,request_signers = \"/nowhere\","
{
    printf '# a comment with "quotes" and {\n// another\n/* one over\n   two lines */\n'
    good | sed 's/unlisted/unlistd/; 7s,$, # a key: // not "read" /* here,'
} >"$conf"
expect "comments do not move the lines" "$conf:14: no such option 'unlistd'" "$BUILD/annuld" -t -c "$conf"
good | sed 's,unlisted.*,delta_distribution_point = "http://pki.example.test/delta.crl",' >"$conf"
expect "deltas are good" "$conf: good" "$BUILD/annuld" -t -c "$conf"
also "but who does not know them is late, of which there is a warning" "issuer clients: with delta_distribution_point"
check "which is no error" "$BUILD/annuld" -t -c "$conf"
good >"$conf"
refuse "no deltas, no warning" grep -q level=warn <("$BUILD/annuld" -t -c "$conf" 2>&1)
good | sed '$d' >"$conf"
expect "a missing brace" "closing brace is missing" "$BUILD/annuld" -t -c "$conf"
good | sed '$s/$/ \/* half a comment/' >"$conf"
refuse "an endless comment" "$BUILD/annuld" -t -c "$conf"
expect "no file" "No such file" "$BUILD/annuld" -t -c "$dir/missing.conf"
expect "a folder" "directory" "$BUILD/annuld" -t -c "$dir"

good | sed "$ahead$dir/ahead.db\" }|" >"$conf"
check "answers ahead in a file of their own" "$BUILD/annuld" -t -c "$conf"
refuse "which is not made yet" test -e "$dir/ahead.db"
ln -s "$dir/annul.db" "$dir/ahead.db" && touch "$dir/annul.db"
expect "which may not lead to the database" "is the status database" "$BUILD/annuld" -t -c "$conf"
expect "neither at start" "is the status database" timeout 20 "$BUILD/annuld" -c "$conf"
rm "$dir/ahead.db" "$dir/annul.db"*
good | sed '/ocsp_/d; s,unlisted.*,delegate "P-256" { chain = "'"$pki/server-chain.pem"'" },' >"$conf"
expect "a chain of another CA" "is not above this CA" "$BUILD/annuld" -t -c "$conf"
echo $((100 * 86400)) >"$dir/offset"
good >"$conf"
ANNUL_CLOCK_OFFSET_FILE=$dir/offset expect "a delegate past its end" "$conf:8: " "$BUILD/annuld" -t -c "$conf"
also "which says so" "ocsp_certificate $pki/ocsp-issuing-client.crt: is past its end"
echo $((-100 * 86400)) >"$dir/offset"
ANNUL_CLOCK_OFFSET_FILE=$dir/offset refuse "a delegate before its time" "$BUILD/annuld" -t -c "$conf"

# --- a database that does not fit
good | sed 's/127.0.0.1:0/127.0.0.1:1/' >"$conf"
sqlite3 "$dir/annul.db" 'PRAGMA user_version = 1000' 
expect "a newer database is refused" "newer than this program" "$BUILD/annuld" -t -c "$conf"
expect "at start, too" "schema version 1000" "$BUILD/annuld" -c "$conf"
rm -f "$dir/annul.db"*

# --- two daemons, one database
write_config </dev/null
start_daemon
expect "a second daemon is refused" "another annuld has it open" "$BUILD/annuld" -c "$dir/annuld.conf"
# --- another CA under an old name
stop_daemon
sed -i "s,$pki/intermediate-client,$pki/intermediate-server,g" "$dir/annuld.conf"
expect "another CA by an old name: the check says so" "another CA" "$BUILD/annuld" -t -c "$dir/annuld.conf"
refuse "and leaves no trace" test -e "$dir/annul.db-shm"
expect "another CA by an old name is refused" "another CA" "$BUILD/annuld" -c "$dir/annuld.conf"
finish
