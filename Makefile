# The commands of the project. A target installs what it needs and says so, or fails with one line that says what to install.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
TRIPLE := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# The process backend, the images and the benches use one static release build.
RELEASE_DIR := $(TARGET_DIR)/$(TRIPLE)/release
RUSTFLAGS_VARIABLE := CARGO_TARGET_$(shell echo '$(TRIPLE)' | tr 'a-z-' 'A-Z_')_RUSTFLAGS
STATIC := $(RUSTFLAGS_VARIABLE)="-C target-feature=+crt-static"
SERVICES := mcp-memory mcp-guardrails mcp-patterns mcp-orchestrator
IMAGES := $(SERVICES) mcp-harness
# Machine in the name of the archive.
MACHINE ?= $(shell uname -m)
# Scenarios that stop, pause or restart parts, change their files, or see the calls between them: what a backend does in its own way. The others
# only make calls; `make scenarios-docker` runs them too, every night.
CONTAINER_SCENARIOS := memory-tools tenant-isolation rule-reload trace-continuity idempotent-retry quota database-upgrade guardrail-block \
	guardrail-fallback memory-fallback patterns-fallback redis-fallback slow-peer rate-limit-concurrency graceful-drain rolling-restart
BINARIES := harness $(SERVICES) liar
# Backend of the mcp- targets: docker (the containers of docker-compose.yml) or process.
# Both use a debug build, because it is ready seconds after a change. Containers need a static one.
BACKEND ?= docker
DEV_DIR := $(TARGET_DIR)/$(if $(filter docker,$(BACKEND)),$(TRIPLE)/)debug
HARNESS := $(DEV_DIR)/harness
ifeq ($(filter docker process,$(BACKEND)),)
$(error BACKEND is `$(BACKEND)`; it can be docker or process)
endif

.PHONY: help
help: ## Lists all targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: gate
gate: release redis ## Builds the release, runs scenarios, a load, experiments and hardening checks; prints the verdict and the path of the report
	$(RELEASE_DIR)/harness gate

# One build of programs and tests: programs alone would build the dependencies with other features, and then again.
.PHONY: test
test: tools redis postgres readers python-clients ## Runs every test that needs no container
	cargo build --workspace --bins --tests --locked
	cargo test --workspace --locked

.PHONY: test-docker
test-docker: images ## Runs the tests of the docker backend, which start containers on 127.0.0.1
	cargo build --workspace --bins --tests --locked
	cargo test --workspace --test docker --test fault_docker --test images --locked
	$(RELEASE_DIR)/harness scenario $(CONTAINER_SCENARIOS) --backend docker
	$(RELEASE_DIR)/harness chaos redis-outage guardrail-kill verdict-late --backend docker
	$(RELEASE_DIR)/harness load memory --backend docker --users 20 --warmup 2s --duration 10s

.PHONY: test-namespace
test-namespace: ## Runs the test of what is reached beyond loopback, in a network namespace of its own
	cargo build --workspace --bins --tests --locked
	cargo test --workspace --test namespace --locked

.PHONY: lies
lies: tools redis ## Tries every lie on the scenarios that must catch it
	cargo build --workspace --bins --tests --locked
	EVERY_LIE=yes cargo test --workspace --locked --test liar

.PHONY: trips
trips: tools redis ## Tries every lie that a hardening check must catch, each alone, with the whole catalogue
	cargo build --workspace --bins --tests --locked
	EVERY_TRIP=yes cargo test --workspace --locked --test trips

# Seconds for each fuzz target, and one crate if not all are tried.
SECONDS ?= 600
CRATE ?=

.PHONY: fuzz
fuzz: tools ## Tries every fuzz target for SECONDS (600), all of a crate at a time; keeps an input that fails in fixtures/fuzz
	FUZZ_SECONDS=$(SECONDS) cargo test $(if $(CRATE),--package $(CRATE),--workspace) --lib --locked --no-fail-fast fuzz:: -- --test-threads 16

.PHONY: fuzz-coverage
fuzz-coverage: tools ## Prints which lines of its parser each fuzz target reaches within ten seconds
	.ci/fuzz-coverage --seconds 10 $(if $(CRATE),--crate $(CRATE))

# Options of `.ci/honest`, such as HONEST="--runs 50 --conditions quiet loops-4".
HONEST ?=

.PHONY: honest
honest: release redis ## Counts how often an honest run is judged wrongly: on a quiet machine, beside busy loops that run all the time or in bursts, with a stopped driver (25 minutes)
	.ci/honest $(HONEST)

.PHONY: honest-lies
honest-lies: release redis ## Counts how often each lie is caught beside 4 busy loops (about two hours)
	.ci/honest --lies $(HONEST)

.PHONY: scenarios-docker
scenarios-docker: images ## Runs every scenario on containers
	$(RELEASE_DIR)/harness scenario --all --backend docker

.PHONY: scenarios-postgres
scenarios-postgres: release redis postgres ## Runs every scenario with memory on a Postgres server, and a load on two instances of it
	$(RELEASE_DIR)/harness scenario --all --store postgres
	$(RELEASE_DIR)/harness load memory --store postgres --instances 2

.PHONY: lint
lint: tools ## Checks formatting, clippy (warnings are errors), dependencies, workflows, Dockerfile, compose file, manifests, insecure settings, shell scripts, alerts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	.ci/dependencies
	.ci/scripts
	.ci/files
	.ci/misconfigurations
	.ci/alerts
	infra/release/test
	infra/deploy/test
	infra/operate/test

.PHONY: deny
deny: ## Checks licences, sources and known vulnerabilities of every dependency
	.ci/dependencies

.PHONY: docs
docs: tools ## Builds the documentation of the crates; warnings are errors
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

.PHONY: smoke
smoke: ## Starts the stack, sends one task through it, stops it
	@trap '$(MAKE) --no-print-directory mcp-down' EXIT; $(MAKE) --no-print-directory mcp-up && $(MAKE) --no-print-directory mcp-flow

.PHONY: scan
scan: images deny ## Scans the images and their SBOMs for known vulnerabilities (Trivy)
	infra/images/scan $(IMAGES)

.PHONY: deploy-drill
deploy-drill: release redis haproxy ## Deploys broken and good revisions under a running load, and proves that no call is lost (four minutes)
	infra/deploy/drill $(RELEASE_DIR)

.PHONY: operate-drills
operate-drills: release redis haproxy ## Restores a backup that was made under writes, and rotates the key of a running stack (three minutes)
	infra/operate/restore-drill $(RELEASE_DIR)
	infra/operate/rotation-drill $(RELEASE_DIR)

RECORDING := $(TARGET_DIR)/recording

.PHONY: recording
recording: release redis ## Records the commands of docs/recording/commands in a terminal, for the README (two minutes)
	@[ -x $(RECORDING)/bin/pip ] || python3 -m venv $(RECORDING)
	@$(RECORDING)/bin/pip install --quiet --disable-pip-version-check pyte==0.8.2 wcwidth==0.2.13
	$(RECORDING)/bin/python docs/recording/record $(RELEASE_DIR)

# Folders of runs, such as RUNS=runs/<id>.
RUNS ?= runs

.PHONY: alerts-fired
alerts-fired: ## Evaluates the alerts on the metrics of recorded runs: exactly those that an experiment names fire (RUNS=FOLDER)
	@.ci/need promtool prometheus
	infra/observe/replay $(RUNS)

.PHONY: alerts-all
alerts-all: release redis postgres ## Runs every experiment, and evaluates the alerts on its metrics
	@.ci/need promtool prometheus
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  printf '[runs]\nkeep = 0\n' >"$$folder/harness.toml" && \
	  (cd "$$folder" && $(abspath $(RELEASE_DIR))/harness chaos --all --runs "$$folder/runs"; [ $$? -le 2 ]) && \
	  infra/observe/replay "$$folder/runs"

.PHONY: chaos-all
chaos-all: release redis postgres ## Runs every experiment with a fresh seed
	$(RELEASE_DIR)/harness chaos --all

.PHONY: load-long
load-long: release redis ## Runs a load of 100 users on memory for ten minutes
	$(RELEASE_DIR)/harness load memory --duration 10m

.PHONY: mcp-up
mcp-up: stack-$(BACKEND) ## Starts Redis and the four services, and rebuilds them when you change them (BACKEND=process: without Docker)
ifeq ($(BACKEND),process)
	@$(HARNESS) up --env-file .env.mcp.local --watch
else
	@infra/local/up
	@$(HARNESS) watch --background --make static -- infra/local/reload $(DEV_DIR)
	@infra/local/compose ps
endif

.PHONY: memory-up
memory-up: stack-$(BACKEND) ## Starts only memory and its Redis
ifeq ($(BACKEND),process)
	@$(HARNESS) up --env-file .env.mcp.local --watch --only memory
else
	@infra/local/up memory
	@$(HARNESS) watch --background --make static -- infra/local/reload $(DEV_DIR)
	@infra/local/compose ps
endif

.PHONY: mcp-flow
mcp-flow: ## Sends one task through the stack: guardrails, memory, patterns, agent
ifeq ($(BACKEND),process)
	@$(HARNESS) flow
else
	@infra/local/with-settings $(HARNESS) flow --backend external
endif

.PHONY: mcp-logs
mcp-logs: ## Shows the last lines of all logs; SERVICE=memory shows one log, SERVICE=watch the log of rebuilds
ifeq ($(BACKEND),process)
	@$(HARNESS) logs $(SERVICE)
else ifeq ($(SERVICE),watch)
	@tail -n 50 .harness/logs/watch.log
else
	@infra/local/compose logs --tail=50 $(SERVICE)
endif

.PHONY: observe-up
observe-up: $(if $(filter docker,$(BACKEND)),docker) ## Starts Prometheus (127.0.0.1:9090) and Alertmanager (127.0.0.1:9093) beside the stack of mcp-up
ifeq ($(BACKEND),process)
	@infra/local/observe up
else
	@infra/images/offline-observe
	@infra/local/compose --profile observe up --detach --no-build --no-deps prometheus alertmanager
endif

.PHONY: mcp-down
mcp-down: ## Stops the stack and removes its data
ifeq ($(BACKEND),process)
	@infra/local/observe down
	@$(HARNESS) down --clean
else
	@if [ -x $(HARNESS) ]; then $(HARNESS) watch --stop; fi
	@infra/local/compose down --volumes --remove-orphans
endif

# Prerequisites of the two kinds of stack.
.PHONY: stack-process stack-docker static
stack-process: tools redis
	cargo build --workspace --bins --tests --locked
	@infra/local/settings
stack-docker: docker static
	@IMAGE_TAG=dev SBOM=no infra/images/build $(DEV_DIR) $(SERVICES)
	@infra/local/settings
static: tools
	@$(STATIC) cargo build --locked --target $(TRIPLE) $(BINARIES:%=--bin %)

.PHONY: docker
docker:
	@infra/local/docker

.PHONY: bench
bench: release redis ## Prints every benchmark as a ratio to a reference of the same run
	$(STATIC) cargo bench --workspace --benches --locked --target $(TRIPLE)
	$(RELEASE_DIR)/harness bench

.PHONY: release
release: tools ## Builds the harness and the services: static, release mode
	$(STATIC) cargo build --release --locked --target $(TRIPLE) $(BINARIES:%=--bin %)

# Folder of the programs, such as TO=/opt/mcp/1.4.0.
TO ?=

.PHONY: install
install: release ## Copies harness and the services of a release build into a folder (TO=FOLDER)
	@[ -n "$(TO)" ] || { echo "make: TO is missing; name a folder, such as TO=/opt/mcp/1.4.0" >&2; exit 64; }
	install -D -t "$(TO)" $(addprefix $(RELEASE_DIR)/,harness $(SERVICES))

.PHONY: archive
archive: release ## Packs the static programs and their SBOMs into dist/release and dist/sbom
	infra/release/archive $(RELEASE_DIR) $(MACHINE) dist/release
	infra/images/sbom $(IMAGES)

.PHONY: images
images: docker release ## Builds the images of the services and of the harness, each with an SBOM, and redis:7 if it is missing
	infra/images/build $(RELEASE_DIR) $(IMAGES)

.PHONY: images-offline
images-offline: docker ## Builds redis:7 from packages of the distribution, for machines without a registry, then the images
	infra/images/offline-redis
	$(MAKE) images

.PHONY: redis
redis: ## Installs redis-server if it is missing
	@.ci/need redis-server redis-server

.PHONY: postgres
postgres: ## Installs a Postgres server if it is missing
	@.ci/need initdb postgresql-15

.PHONY: haproxy
haproxy:
	@.ci/need haproxy haproxy

.PHONY: tools
tools:
	@command -v cargo >/dev/null || { echo "make: cargo is missing; install Rust with rustup" >&2; exit 1; }
	@command -v cc >/dev/null || { echo "make: a C compiler is missing; install gcc" >&2; exit 1; }

# Tests open reports in a browser and validate XML files.
.PHONY: readers
readers:
	@.ci/need chromium chromium
	@.ci/need xmllint libxml2-utils

# Tests run an agent with each of the client libraries for Python.
.PHONY: python-clients
python-clients:
	@.ci/python-clients $(TARGET_DIR)/python-clients

.PHONY: clean
clean: ## Removes build results and every recorded run
	cargo clean
	rm -rf dist runs
