# Annul. `make help` lists the targets; V=1 shows the commands.

PREFIX      ?= /usr/local
SYSCONFDIR  ?= /etc
UNITDIR     ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
BUILD       ?= build
VERSION     := 0.1.0

CC     ?= cc
PKGS   := libcrypto sqlite3 libmicrohttpd gnutls libconfuse jansson libcurl libsystemd
TESTPKGS := cmocka

CFLAGS   ?= -O2 -g
WARN     := -Wall -Wextra -Werror -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
            -Wformat=2 -Wno-format-truncation -Wundef -Wvla
HARDEN   := -fstack-protector-strong -fstack-clash-protection -fPIE
ifeq ($(SANITIZE),)
HARDEN   += -D_FORTIFY_SOURCE=2
else
SANFLAGS := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all
endif
# Deprecated OpenSSL calls do not compile.
DEFINES  := -D_GNU_SOURCE -DOPENSSL_API_COMPAT=30000 -DOPENSSL_NO_DEPRECATED \
            -DANNUL_VERSION='"$(VERSION)"' -DANNUL_LIBEXECDIR='"$(PREFIX)/libexec/annul"' \
            -DANNUL_SYSCONFDIR='"$(SYSCONFDIR)/annul"'
# A test build moves the clock and dies at fault points when told to by the environment; a release cannot.
ifneq ($(TESTHOOKS),)
DEFINES  += -DANNUL_TEST
endif
ALL_CFLAGS  = -std=c17 $(CFLAGS) $(WARN) $(HARDEN) $(SANFLAGS) $(DEFINES) -Iinclude -I$(BUILD)/gen \
              $(shell pkg-config --cflags $(PKGS)) -pthread -MMD -MP
ALL_LDFLAGS = $(LDFLAGS) $(SANFLAGS) -pie -Wl,-z,relro,-z,now,-z,noexecstack -pthread
libs        = $(shell pkg-config --libs $(1))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-6s %s\n' $(1) '$(2)')

# One archive of all rooms (`ls src`): each program takes from it what it uses, and only the libraries of that. So
# annuld has no code that reads a private key, and annulctl none that knows SQLite; tests/system/install.sh looks.
PROGRAMS := annuld annul-signer annulctl annul-stapler
OBJ_OF    = $(patsubst src/%.c,$(BUILD)/obj/%.o,$(1))
ALL_SRC  := $(wildcard src/*.c src/*/*.c)
ARCHIVE  := $(BUILD)/libannul.a

all: $(PROGRAMS:%=$(BUILD)/%) ## build the programs into build/

$(PROGRAMS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/obj/%.o $(ARCHIVE)
	$(call say,LD,$@)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $^ -Wl,--as-needed $(call libs,$(PKGS))

$(ARCHIVE): $(call OBJ_OF,$(wildcard src/*/*.c))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^

$(BUILD)/obj/%.o: src/%.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -c -o $@ $<

# Rebuild when the flags change.
$(BUILD)/flags: FORCE
	$(Q)mkdir -p $(BUILD)
	$(Q)echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' | cmp -s - $@ || echo '$(subst ','\'',$(CC) $(ALL_CFLAGS))' > $@
FORCE:

# db/*.sql and the files of www/ are compiled in.
WWW := $(sort $(wildcard $(foreach ending,html css js svg json,www/*.$(ending) www/*/*.$(ending))))
$(BUILD)/obj/store/migrations.o: $(BUILD)/gen/migrations.inc
$(BUILD)/gen/migrations.inc: $(sort $(wildcard db/*.sql)) src/embed.sh
	$(Q)mkdir -p $(@D)
	$(Q)src/embed.sh $(filter db/%,$^) > $@.tmp && mv $@.tmp $@
$(BUILD)/obj/http/assets.o: $(BUILD)/gen/www.inc
$(BUILD)/gen/www.inc: $(WWW) src/embed.sh
	$(Q)mkdir -p $(@D)
	$(Q)src/embed.sh $(filter www/%,$^) > $@.tmp && mv $@.tmp $@

-include $(patsubst src/%.c,$(BUILD)/obj/%.d,$(ALL_SRC)) $(wildcard $(BUILD)/tests/*.d)

# --- running and testing -------------------------------------------------------------------------------

run: deps ## install what is missing, build, make a demo CA, start the daemon, print what to try
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) tests/demo.sh

test: test-deps ## install what is missing, then run everything, under ASan and UBSan
	$(Q)$(MAKE) --no-print-directory all
	$(Q)$(MAKE) --no-print-directory asan

check: ## the fast inner loop: unit tests and the main system test, under a minute
	$(Q)$(MAKE) --no-print-directory TESTHOOKS=1 BUILD=build-check CFLAGS='-O1 -g' programs-and-units
	$(Q)BUILD=build-check tests/run.sh quick

asan: ## every test, built with AddressSanitizer and UndefinedBehaviorSanitizer
	$(Q)$(MAKE) --no-print-directory TESTHOOKS=1 BUILD=build-asan SANITIZE=address,undefined CFLAGS='-O1 -g' programs-and-units
	$(Q)BUILD=build-asan tests/run.sh

tsan: ## the threaded parts, built with ThreadSanitizer
	$(Q)$(MAKE) --no-print-directory TESTHOOKS=1 BUILD=build-tsan SANITIZE=thread CFLAGS='-O1 -g' programs-and-units
	$(Q)BUILD=build-tsan tests/run.sh threads

test-consumers: test-deps ## the real brokers and terminators, with what is delivered to them
	$(Q)$(MAKE) --no-print-directory TESTHOOKS=1 BUILD=build-check CFLAGS='-O1 -g' programs-and-units
	$(Q)BUILD=build-check tests/run.sh consumers

test-web: test-deps ## the pages, in Chromium; screenshots are left in build-check/web/screenshots
	$(Q)$(MAKE) --no-print-directory TESTHOOKS=1 BUILD=build-check CFLAGS='-O1 -g' programs-and-units
	$(Q)BUILD=build-check tests/run.sh web

UNITS := $(patsubst tests/unit/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
TOOLS := $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
programs-and-units: all $(UNITS) $(TOOLS)

$(UNITS): $(BUILD)/tests/%: tests/unit/%.c $(ARCHIVE)
$(TOOLS): $(BUILD)/tests/%: tests/tools/%.c $(ARCHIVE)
$(UNITS) $(TOOLS):
	$(call say,TEST,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -Isrc -Itests/unit $(shell pkg-config --cflags $(TESTPKGS)) $(ALL_LDFLAGS) -o $@ $< $(ARCHIVE) \
	    -Wl,--as-needed $(call libs,$(TESTPKGS) $(PKGS))

fuzz: ## fuzz every parser of outside bytes for a minute each (clang, libFuzzer)
	$(Q)tests/fuzz/run.sh

bench: ## all benchmarks, one after the other
	$(Q)$(MAKE) --no-print-directory bench-ocsp
	$(Q)$(MAKE) --no-print-directory bench-crl
	$(Q)$(MAKE) --no-print-directory bench-revoke
	$(Q)$(MAKE) --no-print-directory bench-search

# Tables with peers in the same run, for the README; bench/ocsp.sh says what ROUNDS, SECONDS_EACH and CERTIFICATES are.
bench-ocsp: bench-deps ## OCSP beside nginx and openssl, up to ten million certificates: seven minutes
bench-crl: bench-deps ## import, and CRLs beside openssl
bench-revoke: bench-deps ## revocations a second, durable, and one alone beside two syncs
bench-search: bench-deps ## pages of a search among a million certificates
bench-ocsp bench-crl bench-revoke bench-search:
	$(Q)$(MAKE) --no-print-directory all
	$(Q)BUILD=$(BUILD) bench/$(@:bench-%=%).sh

LINT_FILES := $(wildcard src/*.c src/*/*.c src/*/*.h include/annul/*.h tests/unit/*.c tests/unit/*.h tests/fuzz/*.c \
              tests/tools/*.c)
lint: $(BUILD)/gen/migrations.inc $(BUILD)/gen/www.inc ## formatting, cppcheck, shellcheck; warnings are errors always
	$(Q)clang-format --dry-run -Werror $(LINT_FILES)
	$(Q)cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	    --suppress=missingIncludeSystem --suppress=legacyUninitvar -j2 -Iinclude -Isrc -I$(BUILD)/gen $(DEFINES) src
	$(Q)shellcheck -x -S warning $(wildcard src/*.sh tests/*.sh tests/*/*.sh bench/*.sh) .ci/run

format: ## rewrite the sources with clang-format
	$(Q)clang-format -i $(LINT_FILES)

deps: ## install the packages that a build needs
	$(Q)tests/deps.sh build
test-deps: ## install the packages that the tests need
	$(Q)tests/deps.sh build test
bench-deps: ## install the packages that the benchmarks need
	$(Q)tests/deps.sh build bench

# --- installing ----------------------------------------------------------------------------------------

install: all ## install under DESTDIR and PREFIX
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/libexec/annul
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 \
	    $(DESTDIR)$(PREFIX)/share/man/man7 $(DESTDIR)$(PREFIX)/share/man/man8
	install -d $(DESTDIR)$(PREFIX)/share/annul $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR) $(DESTDIR)$(SYSCONFDIR)/annul
	install -m 755 $(BUILD)/annuld $(BUILD)/annul-stapler $(DESTDIR)$(PREFIX)/sbin/
	install -m 755 $(BUILD)/annul-signer $(DESTDIR)$(PREFIX)/libexec/annul/
	install -m 755 $(BUILD)/annulctl $(DESTDIR)$(PREFIX)/bin/
	install -m 644 man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 644 man/*.5 $(DESTDIR)$(PREFIX)/share/man/man5/
	install -m 644 man/*.7 $(DESTDIR)$(PREFIX)/share/man/man7/
	install -m 644 man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -m 644 monitoring/* $(DESTDIR)$(PREFIX)/share/annul/
	for unit in systemd/*.service systemd/*.socket; do \
	    sed 's|@PREFIX@|$(PREFIX)|g; s|@SYSCONFDIR@|$(SYSCONFDIR)|g' $$unit > $(DESTDIR)$(UNITDIR)/$${unit##*/}; done
	install -m 644 systemd/annul.sysusers $(DESTDIR)$(SYSUSERSDIR)/annul.conf
	for conf in annuld.conf annul-stapler.conf; do \
	    test -e $(DESTDIR)$(SYSCONFDIR)/annul/$$conf || install -m 644 systemd/$$conf $(DESTDIR)$(SYSCONFDIR)/annul/; done

uninstall: ## remove what install put there; configuration and data stay
	rm -f $(DESTDIR)$(PREFIX)/sbin/annuld $(DESTDIR)$(PREFIX)/sbin/annul-stapler
	rm -f $(DESTDIR)$(PREFIX)/libexec/annul/annul-signer $(DESTDIR)$(PREFIX)/bin/annulctl
	rm -f $(foreach n,1 5 7 8,$(patsubst man/%,$(DESTDIR)$(PREFIX)/share/man/man$(n)/%,$(wildcard man/*.$(n))))
	rm -f $(patsubst systemd/%,$(DESTDIR)$(UNITDIR)/%,$(wildcard systemd/*.service systemd/*.socket))
	rm -f $(DESTDIR)$(SYSUSERSDIR)/annul.conf $(patsubst monitoring/%,$(DESTDIR)$(PREFIX)/share/annul/%,$(wildcard monitoring/*))

clean: ## remove everything that was built (not the demo's data in var/)
	rm -rf build build-check build-asan build-tsan build-fuzz

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20

.PHONY: all run test test-consumers test-web check asan tsan fuzz bench bench-ocsp bench-crl bench-revoke bench-search lint format deps test-deps bench-deps install uninstall clean help programs-and-units FORCE
