# Everything here sets itself up: a fresh machine needs Python 3.11+ and make.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

JOBS ?= 4
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
UV := $(shell command -v uv 2>/dev/null)
LOCK_SECTION = sed -n '/^\# section: $(1)$$/,/^\# section: /p' requirements.lock

# uv where there is one, else pip: both refuse what does not match the pinned hashes
define install
	@$(call LOCK_SECTION,$(1)) >$(VENV)/$(1).txt
	@$(if $(UV),VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet,$(BIN)/python -m pip install --quiet --disable-pip-version-check) \
		--no-deps --require-hashes -r $(VENV)/$(1).txt
	@touch $@
endef

.PHONY: help setup demo test lint bench app docs pictures lock clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/.venv:
	@[ -n "$(PYTHON)" ] || { echo "callfacts needs Python 3.11 or later, and there is none on the PATH" >&2; exit 1; }
	@$(if $(UV),$(UV) venv --quiet --allow-existing --python $(PYTHON) $(VENV),$(PYTHON) -m venv $(VENV))
	@touch $@

$(VENV)/.run: requirements.lock | $(VENV)/.venv
	@echo "setting up $(VENV): the product"
	$(call install,run)

$(VENV)/.self: pyproject.toml | $(VENV)/.run
	@$(if $(UV),VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet,$(BIN)/python -m pip install --quiet --disable-pip-version-check) \
		--no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements.lock | $(VENV)/.venv
	@echo "setting up $(VENV): what its tests and checks need"
	$(call install,dev)

$(VENV)/.spark: requirements.lock | $(VENV)/.venv
	@echo "setting up $(VENV): Spark"
	$(call install,spark)

$(VENV)/.bench: requirements.lock | $(VENV)/.venv
	@echo "setting up $(VENV): the peers of the benchmarks"
	$(call install,bench)

setup: $(VENV)/.run $(VENV)/.self ## make .venv with the commands ingest, transforms and streamlit

demo: setup ## the whole way on simulated traffic: events, facts, a summary, and how to open the app
	@$(BIN)/python -m tests.demo

app: setup ## open the reports
	$(BIN)/streamlit run app

test: setup $(VENV)/.dev $(if $(shell command -v java 2>/dev/null),$(VENV)/.spark) ## all tests; the summary says what was skipped and why
	.ci/browser
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: setup $(VENV)/.dev ## ruff, mypy, and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: setup $(VENV)/.dev $(VENV)/.bench $(if $(shell command -v java 2>/dev/null),$(VENV)/.spark) ## measure; writes docs/benchmarks.md
	$(BIN)/python -m tests.bench $(ARGS)

docs: setup ## write the generated pages anew
	$(BIN)/python -m transforms.rollups >docs/tables.md
	$(BIN)/python -m transforms.reports.catalog >docs/metrics.md

pictures: setup $(VENV)/.dev ## a picture of every page, light, dark, wide and narrow
	.ci/browser
	$(BIN)/python -m tests.app.pictures

lock: ## pin the newest versions that pyproject.toml allows (needs uv)
	.ci/lock

clean: ## remove the environment and all caches, never data
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
