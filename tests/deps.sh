#!/bin/sh
# Installs what is missing: `deps.sh build`, `deps.sh build test`, `deps.sh build bench`.
# With apt-get as root or through sudo; elsewhere it prints what is needed and stops.
set -eu

build="gcc make pkg-config libssl-dev libsqlite3-dev libmicrohttpd-dev libgnutls28-dev libconfuse-dev libjansson-dev
       libcurl4-openssl-dev libsystemd-dev openssl curl"
test="libcmocka-dev jq sqlite3 xxd procps gdb clang-format cppcheck shellcheck clang libclang-rt-dev python3
      python3-cryptography python3-jsonschema gnutls-bin default-jre-headless nodejs npm nginx haproxy softhsm2 prometheus
      libengine-pkcs11-openssl swtpm tpm2-openssl tpm2-tools hitch stunnel4 mosquitto rabbitmq-server
      libfaketime chromium fonts-dejavu-core"
bench="wrk nginx sqlite3 procps python3"

wanted=
for group in "$@"; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    bench) wanted="$wanted $bench" ;;
    *) echo "deps.sh: no group named $group (build, test, bench)" >&2; exit 2 ;;
    esac
done

missing=
for package in $wanted; do
    command -v "$package" >/dev/null 2>&1 && continue # wherever it is from: npm, for one, comes with some nodejs
    if command -v dpkg-query >/dev/null 2>&1; then
        # "install ok installed" for the package itself or a provider of that name
        dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q ' installed$' || missing="$missing $package"
    else
        missing="$missing $package"
    fi
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    if pkg-config --exists libcrypto sqlite3 libmicrohttpd gnutls libconfuse jansson libcurl libsystemd 2>/dev/null; then
        exit 0 # another system, and the libraries are there
    fi
    echo "Annul needs these packages (Debian's names); install them with your package manager:" >&2
    echo " $missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "Annul needs these packages; as root: apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -qq
# shellcheck disable=SC2086 # a list of words
$sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
# The tests start their own servers: what was not here before is not to serve on its own account.
for server in nginx haproxy hitch stunnel4 mosquitto rabbitmq-server prometheus; do
    case " $missing " in *" $server "*)
        [ ! -d /run/systemd/system ] || $sudo systemctl --quiet disable --now "$server" || : ;;
    esac
done
