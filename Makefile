# make test     every test; with the race detector where a C compiler is there. The tests bring what they need.
# make demo     a bridge with a broker inside, to try things with
# make build    bin/mqtt-ws-bridge and bin/firmware-sim for this machine
# make cross    dist/ for every kind of machine it is shipped for
# make sbom     dist/*.cdx.json: of which modules each program in dist is made, after make cross
# make vulncheck  known vulnerabilities in what the programs call; asks a database in the internet
# make lint     go vet, gofmt and staticcheck
# make bench-peers  docs/benchmarks.md: the bridge beside HAProxy, nginx and Mosquitto; BENCHFLAGS=-quick prints a short run
# make fuzz     every fuzz target for FUZZTIME (5s)
# make ci       what CI runs
# make man      bin/man: the manual pages
# make clean    remove what these made

GO       ?= go
FUZZTIME ?= 5s
# Further flags for go test, such as -short or -run.
TESTFLAGS ?=

# The race detector is C code: it needs cgo and a C compiler.
RACE := $(shell [ "$$($(GO) env CGO_ENABLED)" = 1 ] && command -v "$$($(GO) env CC)" >/dev/null 2>&1 && echo -race)

# As shipped: no C, no paths of the machine that built it, no symbol tables.
SHIPPED := CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w"

# system/processor, and after it the variant of the processor where there is one.
PLATFORMS := linux/amd64 linux/arm64 linux/arm/5 linux/arm/6 linux/arm/7 linux/mipsle/softfloat linux/riscv64 \
	darwin/arm64 windows/amd64

.PHONY: test demo build cross $(PLATFORMS) sbom vulncheck lint fuzz bench-peers ci man clean

test:
ifeq ($(RACE),)
	@echo "make test: without the race detector, which needs a C compiler (on Debian: apt-get install gcc libc6-dev)"
endif
	$(GO) test $(RACE) -timeout 20m $(TESTFLAGS) ./...

demo:
	$(GO) run ./cmd/mqtt-ws-bridge

build:
	$(SHIPPED) -o bin/ ./cmd/mqtt-ws-bridge ./firmware-sim

man: build
	mkdir -p bin/man
	bin/mqtt-ws-bridge man bin/man

cross: $(PLATFORMS)

# The bridge and the simulator, for the platform that the target names.
$(PLATFORMS): export GOOS = $(word 1,$(subst /, ,$@))
$(PLATFORMS): export GOARCH = $(word 2,$(subst /, ,$@))
$(PLATFORMS): export GOARM = $(if $(findstring /arm/,$@),$(word 3,$(subst /, ,$@)))
$(PLATFORMS): export GOMIPS = $(if $(findstring /mips,$@),$(word 3,$(subst /, ,$@)))
$(PLATFORMS): SUFFIX = $(subst /,-,$@)$(if $(findstring windows,$@),.exe)
$(PLATFORMS):
	$(SHIPPED) -o dist/mqtt-ws-bridge-$(SUFFIX) ./cmd/mqtt-ws-bridge
	$(SHIPPED) -o dist/firmware-sim-$(SUFFIX) ./firmware-sim

sbom:
	$(GO) run ./internal/sbom $(wildcard dist/*)

vulncheck:
	.ci/vulncheck

lint:
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted with gofmt:"; echo "$$unformatted"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

fuzz:
	@grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sed -E 's#/[^/]*:[0-9]+:func # #' | \
	while read -r dir target; do \
		echo "fuzz $$dir $$target for $(FUZZTIME)"; \
		GO="$(GO)" .ci/fuzz -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$dir" || exit 1; \
	done

# About a quarter of an hour on a machine that does nothing else, as root on Debian: it installs what it compares with.
BENCHFLAGS ?= -out docs

bench-peers:
	$(GO) run ./internal/benchpeers $(BENCHFLAGS)

ci:
	CI=true bash .ci/run

clean:
	rm -rf bin dist coverage.out
