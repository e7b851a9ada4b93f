#!/bin/bash
# The main job with the stock tools: CRLs by curl and openssl, OCSP by openssl, revocation by POST.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

write_config </dev/null
check "the configuration is good" "$BUILD/annuld" -t -c "$dir/annuld.conf"
start_daemon
kill -HUP "$daemon" # must not end it
make_token main
register_usual
ctl crl publish issuing-client >/dev/null

# --- CRLs
curl -s "http://$public/crl/issuing-client.crl" >"$dir/crl.der"
curl -s "http://$public/crl/issuing-client.pem" >"$dir/crl.pem"
expect "DER CRL verifies" "verify OK" openssl crl -inform DER -in "$dir/crl.der" -noout -verify -CAfile "$pki/issuing-client.crt"
expect "PEM CRL verifies" "verify OK" openssl crl -in "$dir/crl.pem" -noout -verify -CAfile "$pki/issuing-client.crt"
check "PEM and DER are one CRL" cmp "$dir/crl.der" <(openssl crl -in "$dir/crl.pem" -outform DER)
expect "client-2 with its reason" "Key Compromise" grep -A4 "$(serial_of client-2)" <(crl_text)
expect "client-3 with its reason" "Certificate Hold" grep -A4 "$(serial_of client-3)" <(crl_text)
refuse "client-0 is not in it" crl_lists "$(serial_of client-0)"
expect "an alias in PEM" "BEGIN X509 CRL" curl -s "http://$public/ca.crl"
expect "an empty CRL verifies" "verify OK" openssl crl -inform DER -in <(curl -s "http://$public/crl/intermediate-client.crl") -noout -verify -CAfile "$pki/intermediate-client.crt"
refuse "an empty CRL has no revokedCertificates" grep -q "Revoked Certificates:" <(crl_text intermediate-client)
check "the CA certificate is served as it is" cmp <(openssl x509 -in "$pki/issuing-client.crt" -outform DER) <(curl -s "http://$public/ca/issuing-client.cer")
expect "openssl verify takes the CRL: good" "OK" openssl verify -crl_check -CAfile "$pki/chain.pem" -CRLfile "$dir/crl.pem" "$pki/client-0.crt"
expect "openssl verify takes the CRL: revoked" "certificate revoked" openssl verify -crl_check -CAfile "$pki/chain.pem" -CRLfile "$dir/crl.pem" "$pki/client-2.crt"

# --- OCSP by the stock client
for hash in sha1 sha256 sha384 sha512; do
    expect "$hash: good" "client-0.crt: good" ocsp client-0 -$hash
    also "$hash: verifies" "Response verify OK"
done
expect "revoked" "client-2.crt: revoked" ocsp client-2
also "revoked with reason" "Reason: keyCompromise"
expect "hold with reason" "Reason: certificateHold" ocsp client-3
expect "unlisted is unknown" "client-4.crt: unknown" ocsp client-4
refuse "a nonce comes back (no warning)" grep -q WARNING <(ocsp client-0)
expect "without a nonce" "Response verify OK" ocsp client-0 -no_nonce
expect "two in one request, the first" "client-0.crt: good" ocsp client-0 -cert "$pki/client-2.crt"
also "two in one request, the second" "client-2.crt: revoked"
expect "an RSA CA with its delegate" "Response verify OK" openssl ocsp -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt" -url "http://$public/ocsp" -CAfile "$pki/root.crt"
expect "a CA that signs by itself" "Response verify OK" openssl ocsp -issuer "$pki/intermediate-client.crt" -cert "$pki/issuing-client.crt" -url "http://$public/" -CAfile "$pki/root.crt"
expect "a CA that is not ours" "unauthorized" openssl ocsp -issuer "$pki/root.crt" -cert "$pki/intermediate-client.crt" -url "http://$public/ocsp" -CAfile "$pki/root.crt"
expect "two CAs in one request" "unauthorized" ocsp client-0 -issuer "$pki/issuing-server.crt" -cert "$pki/server.crt"
expect "garbage is malformed" "malformedrequest" openssl ocsp -respin <(curl -s --data-binary garbage -H 'Content-Type: application/ocsp-request' "http://$public/ocsp") -resp_text

# --- OCSP by GET, in every form that clients send
openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-0.crt" -no_nonce -reqout "$dir/request.der" >/dev/null 2>&1
raw=$(base64 -w0 "$dir/request.der")
encoded=$(sed 's/+/%2B/g; s,/,%2F,g; s/=/%3D/g' <<<"$raw")
# a CertID whose base64 has a slash and a plus
for path in "/ocsp/$raw" "/ocsp/$encoded" "/ocsp$raw" "/ocsp$encoded" "/$raw" "/$encoded" "/ocsp//$raw" "//$raw" "/ocsp/${raw%%=*}"; do
    expect "GET $(cut -c1-24 <<<"$path")…" "Cert Status: good" openssl ocsp -respin <(curl -s --path-as-is "http://$public$path") -resp_text -noverify
done
# base64 with // and + in it: 3 octets fff fff fbe… inside a nonce extension
for n in 1 2 3; do
    openssl ocsp -issuer "$pki/issuing-client.crt" -cert "$pki/client-2.crt" -reqout "$dir/nonce.der" >/dev/null 2>&1
    expect "GET with a nonce $n" "Cert Status: revoked" openssl ocsp -respin <(curl -s --path-as-is "http://$public/ocsp/$(base64 -w0 "$dir/nonce.der")") -resp_text -noverify
done
expect "GET of garbage is malformed" "malformedrequest" openssl ocsp -respin <(curl -s "http://$public/ocsp/%%%") -resp_text
expect "GET of half a request is malformed" "malformedrequest" openssl ocsp -respin <(curl -s "http://$public/ocsp/${raw:0:40}") -resp_text

# --- HTTP
status_is() { # STATUS CURL-ARGUMENTS...
    local wanted=$1
    shift
    [ "$(http_status "$@")" = "$wanted" ]
}
header() { # NAME CURL-ARGUMENTS...
    local name=$1
    shift
    curl -s -o /dev/null -D - "$@" | tr -d '\r' | sed -n "s/^$name: //Ip"
}
etag=$(header etag "http://$public/crl/issuing-client.crl")
check "304 for the same ETag" status_is 304 -H "If-None-Match: $etag" "http://$public/crl/issuing-client.crl"
check "304 in a list, weakly" status_is 304 -H "If-None-Match: \"x\", W/$etag" "http://$public/crl/issuing-client.crl"
check "304 for *" status_is 304 -H "If-None-Match: *" "http://$public/crl/issuing-client.crl"
check "200 for another ETag" status_is 200 -H 'If-None-Match: "x"' "http://$public/crl/issuing-client.crl"
dated() { [ -n "$(header last-modified "http://$public/crl/issuing-client.crl")" ]; } # not while that second lasts
check "a date of modification" until_true 5 dated
check "304 by date" status_is 304 -H "If-Modified-Since: $(header last-modified "http://$public/crl/issuing-client.crl")" "http://$public/crl/issuing-client.crl"
check "a proxy's form of the request line" status_is 200 -x "http://$public" "http://status.example/crl/issuing-client.crl"
check "HEAD" status_is 200 -I "http://$public/crl/issuing-client.crl"
expect "CRL content type" "application/pkix-crl" header content-type "http://$public/crl/issuing-client.crl"
expect "dates say GMT" "GMT" header expires "http://$public/ocsp/$raw"
expect "OCSP content type" "application/ocsp-response" header content-type "http://$public/ocsp/$raw"
expect "max-age" "max-age=" header cache-control "http://$public/ocsp/$raw"
refuse "an answer with a nonce is not cacheable" grep -q max-age <(header cache-control "http://$public/ocsp/$(base64 -w0 "$dir/nonce.der")")
check "404, never 200" status_is 404 "http://$public/crl/nobody.crl"
check "404 for an unknown path" status_is 404 "http://$public/nothing"
check "405" status_is 405 -X DELETE "http://$public/crl/issuing-client.crl"
expect "405 says what is allowed" "GET, HEAD" header allow -X DELETE "http://$public/crl/issuing-client.crl"
check "413" status_is 413 -H 'Content-Type: application/ocsp-request' --data-binary @<(head -c 20000 /dev/zero) "http://$public/ocsp"
check "413 when the size was not told" status_is 413 -H 'Content-Type: application/ocsp-request' -H 'Transfer-Encoding: chunked' --data-binary @<(head -c 20000 /dev/zero) "http://$public/ocsp"
check "415" status_is 415 -H 'Content-Type: text/plain' --data-binary x "http://$public/ocsp"
check "HTTP/1.0" status_is 200 -0 "http://$public/ocsp/$raw"
check "an Erlang client's empty TE header" status_is 200 -H 'te;' -H 'content-length: 0' -H 'connection: close' "http://$public/ca.crl"
expect "the page for people" ">issuing-client</h2>" curl -s "http://$public/"
check "the admin API is not on the public listener" status_is 404 "http://$public/api/v1/issuers"
check "the OCSP responder is not on the admin listener" status_is 404 "http://$admin/ocsp/$raw"

# --- revocation
url=http://$admin/api/v1/issuers/issuing-client/certificates
serial=$(serial_of client-1)
auth="Authorization: Bearer $token"
before=$(crl_number)
check "no token: 401" status_is 401 -X POST "$url/$serial/revoke" -d '{"reason":"keyCompromise"}'
check "a wrong token: 401" status_is 401 -X POST -H "Authorization: Bearer annul_$(printf '0%.0s' {1..64})" "$url/$serial/revoke"
expect "problems are problem+json" "application/problem+json" header content-type -X POST "$url/$serial/revoke"
check "a wrong reason: 422" status_is 422 -X POST -H "$auth" "$url/$serial/revoke" -d '{"reason":"becauseISaySo"}'
check "removeFromCRL cannot be asked for: 422" status_is 422 -X POST -H "$auth" "$url/$serial/revoke" -d '{"reason":"removeFromCRL"}'
check "an unknown member: 422" status_is 422 -X POST -H "$auth" "$url/$serial/revoke" -d '{"raeson":"keyCompromise"}'
check "an unknown issuer: 404" status_is 404 -X POST -H "$auth" "${url/issuing-client/nobody}/$serial/revoke"
check "an unknown serial: 404" status_is 404 -X POST -H "$auth" "$url/123456/revoke"
check "a malformed serial: 400" status_is 400 -X POST -H "$auth" "$url/xyz/revoke"
check "malformed JSON: 400" status_is 400 -X POST -H "$auth" "$url/$serial/revoke" -d '{"reason":'
expect "nothing of that changed anything" '"status": "good"' api GET "issuers/issuing-client/certificates/$serial"
check "revoke: 200" status_is 200 -X POST -H "$auth" "$url/$serial/revoke" -d '{"reason":"keyCompromise"}'
expect "the very next OCSP answer" "client-1.crt: revoked" ocsp client-1
check "the CRL has it within a second" until_true 1 crl_lists "$serial"
check "with a higher number" test $((16#$(crl_number))) -gt $((16#$before))
expect "revoked again changes nothing" '"changed": false' api POST "issuers/issuing-client/certificates/$serial/revoke" -d '{"reason":"keyCompromise"}'
check "what is revoked for good is not released: 409" status_is 409 -X POST -H "$auth" "$url/$serial/release"
check "what was never on hold is not released: 409" status_is 409 -X POST -H "$auth" "$url/$(serial_of client-0)/release"
expect "a hold is released" '"status": "good"' api POST "issuers/issuing-client/certificates/$(serial_of client-3)/release"
expect "released: OCSP says good" "client-3.crt: good" ocsp client-3
gone() { ! crl_lists "$(serial_of client-3)"; }
check "released: gone from the CRL" until_true 1 gone
expect "revoke by the certificate itself" '"status": "revoked"' api POST "revoke?reason=superseded" --data-binary "@$pki/client-4.crt"
expect "which was unknown" "client-4.crt: revoked" ocsp client-4
check "a certificate of another CA: 422" status_is 422 -X POST -H "$auth" "http://$admin/api/v1/certificates" --data-binary "@$pki/root.crt"
for form in "${serial,,}" "0x$serial" "00$serial" "$(sed 's/../&:/g; s/:$//' <<<"$serial")" "dec:$(python3 -c "print(int('$serial', 16))")"; do
    expect "serial as ${form:0:12}…" "\"serial\": \"${serial,,}\"" api GET "issuers/issuing-client/certificates/$form"
done
check "a value of another type: 422" status_is 422 -X POST -H "$auth" "$url/$serial/revoke" -d '{"reason":1}'
check "also in an import: 422" status_is 422 -X POST -H "$auth" "${url%certificates}import" -d '{"serial":"77","status":"revoked","reason":1,"revoked_at":"2026-01-01T00:00:00Z"}'
ctl register "$pki/server.crt" >/dev/null
api POST "issuers/issuing-server/certificates/$(serial_of server)/revoke" -d '{"reason":"superseded","invalidity_at":"2026-01-01T00:00:00Z"}' >/dev/null
expect "a reason that changes keeps the invalidity date" "2026-01-01T00:00:00Z" api POST "issuers/issuing-server/certificates/$(serial_of server)/revoke" -d '{"reason":"keyCompromise"}'
also "and is the new one" keyCompromise
expect "search by subject" "${serial,,}" api GET "issuers/issuing-client/certificates?subject=client-1"
expect "empty arguments are none" "${serial,,}" api GET "issuers/issuing-client/certificates?status=&q=&after=&limit="
expect "search by status" "${serial,,}" api GET "issuers/issuing-client/certificates?status=revoked"
check "a token that was revoked: 401" bash -c "'$BUILD/annulctl' -s '$dir/admin.sock' token revoke main && [ \$(curl -s -o /dev/null -w '%{http_code}' -H '$auth' http://$admin/api/v1/issuers) = 401 ]"
finish
