# Sourced by the tests in a browser: a daemon as the system tests have it, and the packages of package-lock.json.
# shellcheck shell=bash disable=SC2034
# shellcheck source=tests/system/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../system/lib.sh"
web=$BUILD/web

# Once for each build folder, by whoever comes first.
install_packages() {
    mkdir -p "$web/screenshots" || return 1
    (
        flock 9
        cmp -s "$top/tests/web/package-lock.json" "$web/installed" && exit 0
        cp "$top"/tests/web/package{,-lock}.json "$web" &&
            npm ci --prefix "$web" --prefer-offline --no-audit --no-fund --ignore-scripts &&
            cp "$web/package-lock.json" "$web/installed"
    ) 9>"$web/lock"
}

# browse FILE.mjs: its scenarios, with the running daemon (and $token, where make_token was called; $scheme is https where the
# admin listener has TLS).
browse() {
    check "the packages of package-lock.json" install_packages
    WEB=$web PUBLIC=http://$public ADMIN=${scheme:-http}://$admin TOKEN=${token:-} PKI=$pki SOCKET=$dir/admin.sock \
        CTL=$BUILD/annulctl node "$top/tests/web/$1" || failures=$((failures + 1))
}
