# `make help` lists the targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 20s
SOAK ?= 3m
LINT := bin/golangci-lint

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/sessiond, a static binary
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/sessiond ./cmd/sessiond

.PHONY: run
run: ## Run sessiond with an embedded Redis and two accounts to try it with
	go run ./cmd/sessiond dev

.PHONY: test
test: test-tools ## Run all tests on real Redis servers with the race detector
	CGO_ENABLED=1 go test -race -count=1 -timeout 10m ./...
	cd deploy/kubernetes/manifests_test && go test -count=1 ./...
	cd handlers/jwkstest && CGO_ENABLED=1 go test -race -count=1 ./...
	cd handlers/page/browsertest && go test -count=1 -timeout 10m ./...

# The race detector needs cgo, hence a C compiler.
.PHONY: test-tools
test-tools: ## Install what the tests need, where it is missing
	@scripts/need redis-server redis-cli gcc promtool nginx wrk curl chromium npm
	@cd handlers/page/browsertest && npm ci --silent

.PHONY: soak
soak: ## Use everything for SOAK (3m) while Redis is frozen, killed, filled and failed over
	@scripts/need redis-server redis-cli gcc
	CGO_ENABLED=1 go test -race -count=1 -timeout 24h -v -run '^TestSoak$$' ./redisstore/failover -soak $(SOAK)

.PHONY: fuzz
fuzz: ## Run each fuzz target for FUZZTIME (20s)
	@set -e; for package in $$(go list ./...); do \
		for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz' || true); do \
			go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

# More flags for the benchmarks, which bin/sessiond-bench compare -h lists:
# make bench BENCHFLAGS='-rounds 1 -duration 1s' is over in two minutes.
BENCHFLAGS ?=

.PHONY: bench
bench: bench-tools ## Measure the token check against its peers, into docs/bench.*
	bin/sessiond-bench compare -out docs/bench $(BENCHFLAGS)

.PHONY: bench-scale
bench-scale: bench-tools ## Measure growing data, crowds and distance, into docs/bench-scale.*
	bin/sessiond-bench scale -out docs/bench-scale $(BENCHFLAGS)

.PHONY: bench-tools
bench-tools: ## Build the benchmark and install what it needs, where it is missing
	@scripts/need wrk redis-server node npm
	go build -o bin/sessiond-bench ./cmd/sessiond-bench

.PHONY: lint
lint: $(LINT) ## Check formatting, go vet and golangci-lint
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "gofmt would change:"; echo "$$unformatted"; exit 1; \
	fi
	go vet ./...
	$(LINT) run ./...

.PHONY: fmt
fmt: $(LINT) ## Format the code as the linter wants it
	$(LINT) fmt ./...

# The linter's version is pinned, with its checksums, in a module of its own so
# that the product's go.mod lists only what the product uses.
$(LINT): tools/go.mod tools/go.sum
	@echo "building golangci-lint, which takes some minutes the first time"
	@cd tools && CGO_ENABLED=0 go build -o ../$(LINT) github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: clean
clean: ## Remove what was built
	rm -rf bin
	go clean -testcache
