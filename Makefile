# make test    installs what is missing, then checks and tests everything
# make demo    runs the demonstration; ARGS="--listen 127.0.0.1:9000" passes flags on
# make bench   compares the gateway with a bare reverse proxy
# make soak    keeps the gateway busy for ten minutes and watches its memory; SOAK=1m for less
# make fmt     formats the sources

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.SUFFIXES:
.PHONY: test debian modules check demo bench soak fmt

GO ?= go
PROVIDER := internal/realtest/oidcprovider
SOURCES := find . \( -name node_modules -o -name '.?*' \) -prune -o -name '*.go' -print0

# again runs a command that needs the network up to five times, with longer and longer pauses, and says so.
define AGAIN
again() {
	local n
	for n in 1 2 3 4; do
		if "$$@"; then return 0; fi
		echo "--- try $$n of 5 failed: $$*; again in $$((n * 10)) s" >&2
		sleep $$((n * 10))
	done
	"$$@"
}
endef

test: debian modules $(PROVIDER)/node_modules/.package-lock.json check
	@echo '--- go test -race'
	# Two packages at a time: each may run servers and a browser of its own. Some take minutes where a few suffice on a machine that is not busy.
	$(GO) test -race -p 2 -timeout 40m ./...

# The servers that internal/realtest starts, and a C compiler for the race detector: program, then Debian's package.
define NEEDED
slapd slapd
ldapmodify ldap-utils
samba samba-ad-dc
ldbmodify ldb-tools
initdb postgresql
redis-server redis-server
chromium chromium
node nodejs
npm npm
gcc gcc libc6-dev
php php-cli
nginx nginx
caddy caddy
haproxy haproxy
trytond tryton-server tryton-sao tryton-proteus tryton-modules-sale-opportunity
/usr/bin/python3 python3
endef
export NEEDED

debian:
	@export PATH="$$PATH:/usr/sbin:/sbin$$(printf ':%s' /usr/lib/postgresql/*/bin)"
	missing=()
	while read -r program packages; do
		command -v "$$program" >/dev/null || missing+=($$packages)
	done <<< "$$NEEDED"
	# Samba makes a domain from files that have no program.
	[[ -d /usr/share/samba/setup ]] || missing+=(samba-ad-provision)
	# Without any font a page still renders, but its screenshots show no letters.
	[[ -e /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf ]] || missing+=(fonts-dejavu-core)
	[[ -e /usr/lib/python3/dist-packages/jwt/__init__.py ]] || missing+=(python3-jwt python3-cryptography)
	compgen -G '/usr/sbin/php-fpm*' >/dev/null || missing+=(php-fpm)
	(( $${#missing[@]} )) || exit 0
	become=()
	if (( EUID != 0 )); then become=(sudo -n); fi
	if ! command -v apt-get >/dev/null || ! "$${become[@]}" true 2>/dev/null; then
		echo "Missing for the tests: $${missing[*]} (Debian's package names)."
		echo "Install them, on Debian with: apt-get install $${missing[*]}"
		[[ -z "$${CI:-}" ]] || exit 1
		echo "Going on without them: the tests that need them are skipped."
		exit 0
	fi
	echo "--- installing $${missing[*]}"
	# Whoever holds the lock is waited for, and a network that stumbles is asked again.
	apt() {
		"$${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 -o Acquire::Retries=5 \
			-o Acquire::http::Timeout=60 -o Acquire::https::Timeout=60 "$$@" </dev/null
	}
	$(AGAIN)
	# The tests start servers of their own; the system's would sit on the ports for no use. This is Debian's way to say so.
	policy=/usr/sbin/policy-rc.d
	if [[ ! -e "$$policy" ]]; then
		printf '#!/bin/sh\nexit 101\n' | "$${become[@]}" tee "$$policy" >/dev/null
		trap '"$${become[@]}" rm -f "$$policy"' EXIT
		"$${become[@]}" chmod +x "$$policy"
	fi
	# Together: an update that half failed says nothing, and what is installed then is not to be found.
	fetch() { apt update && apt install -y --no-install-recommends "$${missing[@]}" >/dev/null; }
	again fetch

# The OpenID Provider of the tests, exactly as its lock file says.
$(PROVIDER)/node_modules/.package-lock.json: $(PROVIDER)/package-lock.json $(PROVIDER)/package.json
	@if ! command -v npm >/dev/null; then echo 'No npm: the tests that need the OpenID Provider are skipped.'; exit 0; fi
	echo '--- npm ci'
	cd $(PROVIDER)
	$(AGAIN)
	again npm ci --omit=dev --ignore-scripts --no-audit --no-fund --loglevel=error --fetch-retries=5 --fetch-timeout=60000
	touch node_modules/.package-lock.json

# The libraries come first and by themselves, so that no test and no check waits for the network.
modules:
	@$(AGAIN)
	again $(GO) mod download && again $(GO) mod download -modfile=tools.mod || echo 'Going on with the libraries that are here.'

check:
	@echo '--- gofmt'
	unformatted=$$($(SOURCES) | xargs -0 gofmt -l)
	if [[ -n "$$unformatted" ]]; then printf 'make fmt would change:\n%s\n' "$$unformatted"; exit 1; fi
	echo '--- go vet'
	$(GO) vet ./...
	$(GO) vet -tags soak ./internal/app
	echo '--- staticcheck'
	$(GO) tool -modfile=tools.mod staticcheck ./...

demo:
	@$(GO) run ./cmd/crmgate demo $(ARGS)

soak:
	@SOAK=$(SOAK) $(GO) test -tags soak -run '^TestSoak$$' -v -timeout 0 ./internal/app

bench:
	@$(GO) test -run '^$$' -bench . -benchmem ./internal/gateway

fmt:
	@$(SOURCES) | xargs -0 gofmt -l -w
