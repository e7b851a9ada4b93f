#!/bin/bash
# make install and uninstall; what is installed runs.
# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top" || exit 1
dest=$dir/dest
check "make install" make --no-print-directory BUILD="$dir/build" PREFIX=/usr DESTDIR="$dest" install
for file in usr/sbin/annuld usr/bin/annulctl usr/libexec/annul/annul-signer usr/share/man/man8/annuld.8 \
    usr/share/man/man5/annuld.conf.5 usr/share/man/man1/annulctl.1 usr/share/man/man7/annul-consumers.7 \
    usr/lib/systemd/system/annuld.service usr/lib/systemd/system/annul-signer.socket usr/lib/sysusers.d/annul.conf \
    etc/annul/annuld.conf usr/sbin/annul-stapler usr/share/man/man8/annul-stapler.8 \
    usr/share/man/man5/annul-stapler.conf.5 usr/lib/systemd/system/annul-stapler.service \
    etc/annul/annul-stapler.conf usr/share/annul/annul.rules.yml usr/share/annul/annul-dashboard.json; do
    check "there is /$file" test -s "$dest/$file"
done
refuse "no placeholder is left" grep -rE '@(PREFIX|SYSCONFDIR)@' "$dest/usr/lib/systemd"
check "the installed program runs" "$dest/usr/sbin/annuld" -V
refuse "a release build has no fault points" grep -q ANNUL_FAULT "$dest/usr/sbin/annuld"
for program in usr/sbin/annuld usr/libexec/annul/annul-signer usr/bin/annulctl usr/sbin/annul-stapler; do
    check "/$program: PIE" grep -q 'DYN' <(readelf -h "$dest/$program")
    check "/$program: full RELRO" grep -q 'BIND_NOW\|NOW' <(readelf -d "$dest/$program")
    check "/$program: stack protector" grep -q __stack_chk_fail <(nm -D "$dest/$program")
    refuse "/$program: no executable stack" grep -q 'GNU_STACK.*RWE' <(readelf -lW "$dest/$program")
done
libraries() { ldd "$dest/$1" | awk '{print $1}'; }
refuse "annulctl does not link SQLite or the server" grep -E 'sqlite|microhttpd' <(libraries usr/bin/annulctl)
refuse "annul-signer links neither, nor a network library" grep -E 'sqlite|microhttpd|curl' <(libraries usr/libexec/annul/annul-signer)
refuse "annul-stapler does not link SQLite" grep -E 'sqlite' <(libraries usr/sbin/annul-stapler)
refuse "nor has it anything of the server" grep -E ' (http_start|store_open|signer_start|publisher_start)$' <(nm "$dest/usr/sbin/annul-stapler")
check "the installed stapler runs" "$dest/usr/sbin/annul-stapler" -V
echo mine >>"$dest/etc/annul/annuld.conf"
check "install again keeps the configuration" make --no-print-directory BUILD="$dir/build" PREFIX=/usr DESTDIR="$dest" install
check "it is mine" grep -q mine "$dest/etc/annul/annuld.conf"
check "make uninstall" make --no-print-directory BUILD="$dir/build" PREFIX=/usr DESTDIR="$dest" uninstall
check "only the configuration stays" test "$(cd "$dest" && find . -type f | sort | xargs)" = "./etc/annul/annul-stapler.conf ./etc/annul/annuld.conf"
finish
