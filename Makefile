# Everything a developer runs. `make` alone lists the targets; each sets up what it needs first.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup demo test lint format types bench conformance soak system-packages clean

BIN := .venv/bin
STAMP := .venv/.installed
HOST ?= 127.0.0.1
PORT ?= 8000
# Arguments for pytest: make test ARGS="tests/wire -x"
ARGS ?=
# The whole suite waits more than it computes: files run beside each other, each file in one process.
SIDE_BY_SIDE := --numprocesses 6 --dist loadfile
# The suite starts hundreds of processes: compiling all sources for each would be a quarter of its time.
unexport PYTHONDONTWRITEBYTECODE

help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP) ## Make .venv with everything in it (PYTHON=... chooses the interpreter)

# Done again only when what it installs may have changed.
$(STAMP): pyproject.toml scripts/setup
	@scripts/setup
	@touch $@

demo: setup ## Run the demo chat (PORT=8000 HOST=127.0.0.1)
	@echo "The chat is at http://$(HOST):$(PORT)/ (Ctrl-C stops it)"
	@exec $(BIN)/antiphon run examples.chat.app:app --host $(HOST) --port $(PORT)

test: setup system-packages lint types ## Check format, lint and types, then run the tests (ARGS="tests/wire -x")
	@$(BIN)/pytest $(or $(ARGS),$(SIDE_BY_SIDE))

lint: setup ## Check the format and the lint rules
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .

format: setup ## Format the code and apply the safe fixes
	@$(BIN)/ruff check --fix-only --quiet .
	@$(BIN)/ruff format .

types: setup ## Check the types
	@$(BIN)/mypy --strict src

bench: setup ## Measure servers beside each other (ARGS="--only echo --quick", ARGS=--help)
	@$(BIN)/python -m benchmarks $(ARGS)
	@$(if $(ARGS),,$(BIN)/python -m benchmarks.channels)

conformance: setup ## Run the Autobahn test suite, write docs/reference/conformance.md (PYTHON2=/path/to/python2.7)
	@PYTHON2="$(PYTHON2)" $(BIN)/python -m tests.conformance $(ARGS)

soak: setup ## Fuzz, search for counterexamples, churn, and have everything fail (SECONDS=300)
	@$(BIN)/python -m tests.soak $(or $(SECONDS),300)

system-packages:
	@scripts/system-packages

clean: ## Remove .venv and all caches
	@rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
