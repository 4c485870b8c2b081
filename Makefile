# What a person types. Every target says what it needs and installs it, or stops with one line that says what to install.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
TRIPLE := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# One static release build serves the process backend, the images and the benches.
RELEASE_DIR := $(TARGET_DIR)/$(TRIPLE)/release
RUSTFLAGS_VARIABLE := CARGO_TARGET_$(shell echo '$(TRIPLE)' | tr 'a-z-' 'A-Z_')_RUSTFLAGS
STATIC := $(RUSTFLAGS_VARIABLE)="-C target-feature=+crt-static"
SERVICES := mcp-memory mcp-guardrails mcp-patterns mcp-orchestrator
BINARIES := harness $(SERVICES) liar

.PHONY: help
help: ## Lists what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: gate
gate: release redis ## Builds, runs the main job on the embedded default, prints the verdict and the path of the report
	$(RELEASE_DIR)/harness gate

.PHONY: test
test: tools redis ## Runs every test that needs no container
	cargo build --workspace --bins --locked
	cargo test --workspace --locked

.PHONY: test-docker
test-docker: images ## Runs the tests of the docker backend: they start containers on 127.0.0.1
	cargo build --workspace --bins --locked
	cargo test -p harness-core --features docker-tests --test docker --test fault_docker --locked
	$(RELEASE_DIR)/harness scenario --all --backend docker
	$(RELEASE_DIR)/harness load memory --backend docker --users 20 --warmup 2s --duration 10s

.PHONY: lint
lint: tools ## Formatting, clippy with warnings as errors, dependencies, shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	.ci/dependencies
	.ci/scripts

.PHONY: bench
bench: release redis ## Prints every benchmark as a ratio to a reference of the same run
	$(STATIC) cargo bench --workspace --benches --locked --target $(TRIPLE)
	$(RELEASE_DIR)/harness bench

.PHONY: release
release: tools ## Builds the harness and the services, static, in release mode
	$(STATIC) cargo build --release --locked --target $(TRIPLE) $(BINARIES:%=--bin %)

.PHONY: images
images: release ## Makes the images of the services and, where no registry can be reached, of Redis
	infra/images/build $(RELEASE_DIR) $(SERVICES)

.PHONY: redis
redis: ## Installs redis-server where it is missing
	@.ci/need redis-server redis-server

.PHONY: tools
tools:
	@command -v cargo >/dev/null || { echo "make: cargo is missing; install Rust with rustup" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: a C compiler is missing; install gcc" >&2; exit 1; }

.PHONY: clean
clean: ## Removes what was built and every recorded run
	cargo clean
	rm -rf dist runs
