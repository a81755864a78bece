# Keyporter's commands. On a Debian machine with Go, "make demo" and "make test"
# each set up what they need.

# One set of flags everywhere: with others, Go compiles everything anew. The
# version comes from git describe, so Go need not ask git as well.
export GOFLAGS := -trimpath -buildvcs=false
unexport CGO_ENABLED

version = $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
ldflags = -ldflags '-s -w -X main.version=$(version)'
# The C compiler, looked up by the shell: make would look before scripts/setup
# has run.
cc = "$$(scripts/cc)"

FUZZCOUNT ?= 200000x
KILLS ?= 1000
# A commit whose programs make soak puts beside the present ones.
OLDER ?= 2fce977
DEMOFLAGS ?=

.DEFAULT_GOAL := help
.PHONY: help build build-cli build-demo build-tray package release release-check screenshots fonts demo test conformance interop powercut soak chaos wine bench fuzz lint clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: build-cli build-demo build-tray ## all three programs, in bin/

build-cli: ## bin/keyporter: command line, bridge and agent; no C
	@scripts/setup go
	CGO_ENABLED=0 go build $(ldflags) -o bin/keyporter ./cmd/keyporter

build-demo: ## bin/keyporter-demo; no C
	@scripts/setup go
	CGO_ENABLED=0 go build $(ldflags) -o bin/keyporter-demo ./cmd/keyporter-demo

build-tray: ## bin/keyporter-tray: the tray app; needs a C compiler
	@scripts/setup go tray
	CGO_ENABLED=1 CC=$(cc) go build $(ldflags) -o bin/keyporter-tray ./cmd/keyporter-tray

package: ## dist/: a tarball, a .deb and an .rpm for this machine
	@scripts/setup go tray
	go run ./scripts/release build -o dist linux/$$(go env GOARCH)

release: ## dist/release: archives and packages for all systems, from one commit
	@scripts/setup go tray release
	go run ./scripts/release build

release-check: ## the release made twice, compared, verified and installed
	@scripts/setup go tray release
	go run ./scripts/release check

demo: build-cli build-demo ## sign in and call tools in a world on this machine
	bin/keyporter-demo $(DEMOFLAGS)

screenshots: ## docs/images: the window's pages, in English and Japanese
	@scripts/setup go
	KEYPORTER_PICTURES=docs CGO_ENABLED=0 go test -count 1 -run '^TestPictures$$' ./app/window

fonts: ## assets/fonts, out of Debian's package
	scripts/fonts

test: ## everything that is checked, and the set-up it needs
	@scripts/setup go tray test node
	CC=$(cc) scripts/lint
	CGO_ENABLED=1 CC=$(cc) go test -race -timeout 15m ./...
	scripts/fuzz 20000x

conformance: ## the official MCP conformance suite; writes docs/conformance.md
	@scripts/setup go node
	CGO_ENABLED=0 go test -count=1 -timeout 15m ./test/conformance -table

interop: ## the programs against Keycloak; needs a JDK and Maven
	@scripts/setup go
	KEYPORTER_KEYCLOAK=$$(scripts/keycloak) CGO_ENABLED=0 go test -count=1 -timeout 30m -tags interop -v -run '^TestKeycloak$$' ./test/e2e

soak: ## one grant under twenty bridges, the agent killed 200 times, ten hours in faked time
	@scripts/setup go node
	CGO_ENABLED=0 KEYPORTER_SOAK=1 KEYPORTER_RELIABILITY=$(CURDIR)/docs/reliability.md go test -count=1 -timeout 60m -v \
	  -run '^TestHoursOfTokensOfTwoSecondsLoseNoCallAndGrowNothing$$' ./broker/local
	CGO_ENABLED=0 KEYPORTER_SOAK=1 KEYPORTER_OLDER=$(OLDER) KEYPORTER_RELIABILITY=$(CURDIR)/docs/reliability.md go test -count=1 -timeout 60m -v \
	  -run '^Test(TwentyBridgesShareOneGrantOfACertifiedProvider|AgentKilledBetweenRedeemingAndStoring|TwoVersionsThatCannotTalk.*|VersionsThatDiffer.*|RenewalsLeaveNoFileOpen)$$' ./test/e2e

chaos: ## agent, bridges and tray app killed KILLS times (1000) under load; see docs/reliability.md
	@scripts/setup go tray test
	CGO_ENABLED=1 CC=$(cc) KEYPORTER_CHAOS=$(KILLS) KEYPORTER_RELIABILITY=$(CURDIR)/docs/reliability.md go test -count=1 -timeout 60m -v \
	  -run '^TestProgramsKilledAtRandomLoseNoCall$$' ./test/e2e

wine: ## the programs for Windows, in wine: vault, pipe, bridge, demo, clients' files
	@scripts/setup go wine
	CGO_ENABLED=0 go test -count=1 -timeout 30m -tags wine -v -run '^TestWine' ./test/e2e

bench: ## what a bridge costs beside mcp-remote, in docs/benchmarks.md
	@scripts/setup go node test
	scripts/bench

powercut: ## each condition in which a power cut may leave the files (make test: every third)
	@scripts/setup go test
	KEYPORTER_POWERCUT_EVERY=1 CGO_ENABLED=0 go test -count=1 -timeout 30m -v ./test/powercut

fuzz: ## each fuzz target with FUZZCOUNT inputs (200000x)
	@scripts/setup go
	scripts/fuzz '$(FUZZCOUNT)'

lint: ## gofmt, vet, staticcheck, known vulnerabilities
	@scripts/setup go tray
	CC=$(cc) scripts/lint --all

clean: ## remove what was built; keeps Go's caches
	rm -rf bin dist .cache test/node/node_modules
