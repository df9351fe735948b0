# How pitboss is installed, tested and measured. `make help` lists the targets.
#
# Everything is installed into .venv, once: a second `make` installs only after requirements/ or
# pyproject.toml changed. uv is used where it is found (UV= turns that off), else venv and pip.

PYTHON ?= python3
JOBS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
UV ?= $(shell uv --version >/dev/null 2>&1 && command -v uv)

# Measuring makes tests slow, so these alone are measured.
MEASURED := tests/core tests/store tests/engine tests/landing/test_slots.py tests/test_hooks.py

VENV := .venv
BIN := $(VENV)/bin
CODE := src tests bench docs
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
PYTEST := $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

ifeq ($(UV),)
MAKE_VENV = $(PYTHON) -m venv $(VENV)
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check
else
MAKE_VENV = $(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(VENV)
INSTALL = VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet
endif

# Tests start pitboss thousands of times: it is compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

# They also write and delete some hundred thousand small files, in memory if it has 4 GiB to spare.
ifndef TMPDIR
ROOMY := $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4194304 {print "/dev/shm"}')
ifneq ($(ROOMY),)
test coverage rest: export TMPDIR := $(ROOMY)
endif
endif

.DEFAULT_GOAL := help
.PHONY: help install demo test lint types imports coverage compiled covered rest check bench chaos agents sandbox docs picture screens format lock clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

install: $(INSTALLED) ## install pitboss into .venv

demo: $(INSTALLED) ## install, then grind a throw-away repository
	@$(BIN)/pitboss demo

test: $(INSTALLED_DEV) ## install what the tests need, then run them
	$(PYTEST)

lint: $(INSTALLED_DEV) ## style of the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(INSTALLED_DEV) ## types of the code
	$(BIN)/mypy

imports: $(INSTALLED_DEV) ## layers of the code
	$(BIN)/lint-imports

coverage: $(INSTALLED_DEV) ## branch coverage of core and store, which must be covered whole
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(JOBS) --dist worksteal $(MEASURED)
	$(MAKE) covered

# In a fresh clone each worker would compile all tests. What is wrong with one is told when it is to run.
compiled: $(INSTALLED_DEV)
	@$(BIN)/python -m pytest -qq --collect-only >/dev/null 2>&1 || true

covered: $(INSTALLED_DEV)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report --include='src/pitboss/core/*,src/pitboss/store/*' --fail-under=100

rest: $(INSTALLED_DEV) ## the tests that `make coverage` does not run
	$(PYTEST) $(addprefix --ignore=,$(MEASURED))

check: lint types imports coverage rest ## all that must pass before a change is merged: each test runs once

bench: $(INSTALLED_DEV) ## measure; bench/README.md explains the numbers
	$(BIN)/python -m bench.run

chaos: $(INSTALLED_DEV) ## kill runs at every step and check that nothing is lost (slow)
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS)
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --parallel
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --parallel --mode worktree
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --attempts
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --task
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --queue
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --queue --parallel
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --steered --every 10
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --watched --every 10
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --notified --every 10
	$(BIN)/python -m tests.chaos.workers --jobs $(JOBS)
	$(BIN)/python -m tests.chaos.sweep --jobs $(JOBS) --land
	$(BIN)/python -m tests.chaos.soak
	$(BIN)/python -m tests.chaos.soak --parallel
	$(BIN)/python -m tests.chaos.soak --parallel --mode worktree
	PITBOSS_CHAOS=full $(PYTEST) tests/contracts -k crash

agents: $(INSTALLED_DEV) ## install real agent CLIs and grind with them against a model service on this machine (slow)
	$(BIN)/python -m tests.live.table

sandbox: $(INSTALLED_DEV) ## attack runs inside the sandbox, and write the table in docs/sandbox.md
	$(BIN)/python -m tests.sandbox.table

docs: $(INSTALLED_DEV) ## write the generated pages of docs/reference
	$(BIN)/python docs/generate.py

picture: $(INSTALLED_DEV) ## draw docs/demo.svg from a real run
	$(BIN)/python docs/picture.py docs/demo.svg

screens: $(INSTALLED_DEV) ## draw the screens of `watch` and `serve` in docs/screens, from real runs
	$(BIN)/python docs/screens.py
	$(BIN)/python docs/pages.py

format: $(INSTALLED_DEV) ## rewrite the code in the project's style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: ## pin the newest dependencies in requirements/ (needs uv)
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url pyproject.toml --extra screens -o requirements/run.txt
	$(UV) pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	  --no-emit-index-url pyproject.toml --extra acp --extra notify --extra screens --extra workers --group dev -o requirements/dev.txt

clean: ## remove what these targets made
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache

$(BIN)/python:
	@echo "Making a Python environment in $(VENV), once."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "error: pitboss needs Python 3.11 or newer, and '$(PYTHON)' is not" >&2; \
	  echo "hint: name one that is: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(MAKE_VENV)

$(INSTALLED): $(BIN)/python requirements/run.txt pyproject.toml
	@echo "Installing pitboss and what it needs into $(VENV), once: half a minute or so."
	$(INSTALL) --require-hashes -r requirements/run.txt
	$(INSTALL) --no-deps -e .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED) requirements/dev.txt
	@echo "Installing what the tests need into $(VENV), once."
	$(INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@
