# Every chore of the project; `make help` names them.
SHELL := /bin/bash
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
export HF_HUB_OFFLINE ?= 1
export TOKENIZERS_PARALLELISM := false
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false

.DEFAULT_GOAL := help
.PHONY: help setup run test unit e2e lint format typecheck bench docs screenshots clean

help: ## name every target
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  \033[1m%-12s\033[0m %s\n", $$1, $$2}'

$(VENV)/.run-stamp: requirements.txt requirements-data.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing what the product needs (once; a few minutes) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-data.txt
	@touch $@

$(VENV)/.dev-stamp: $(VENV)/.run-stamp requirements-dev.txt
	@echo "Installing what tests and lint need (once) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

setup: $(VENV)/.run-stamp ## create .venv and install the product
run: $(VENV)/.run-stamp ## set up, load the sample on the first start, open the dashboard; Ctrl-C ends all
	@exec $(BIN)/python -m ulm_core start

test: $(VENV)/.dev-stamp lint typecheck ## everything CI runs: lint, types, unit, page and browser tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

unit: $(VENV)/.dev-stamp ## the quick tests only
	$(BIN)/python -m pytest -m "not slow and not e2e"

e2e: $(VENV)/.dev-stamp ## the browser tests only (needs Chromium)
	$(BIN)/python -m pytest -m e2e

lint: $(VENV)/.dev-stamp ## ruff and the import rules of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

format: $(VENV)/.dev-stamp ## format and mend what ruff can mend
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

typecheck: $(VENV)/.dev-stamp ## mypy, strict, on ulm_core
	$(BIN)/mypy

bench: $(VENV)/.dev-stamp ## every speed and quality claim, measured against a peer (long)
	@for script in bench/bench_*.py; do echo "== $$script"; $(BIN)/python $$script || exit 1; done

docs: $(VENV)/.dev-stamp ## write the generated parts of docs/ (settings, command line)
	$(BIN)/python docs/generate.py

screenshots: $(VENV)/.dev-stamp ## take docs/images/ from a running product (needs Chromium)
	$(BIN)/python docs/screenshots.py

clean: ## remove the virtual environment and caches; never the workspace
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
