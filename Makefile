# Every verb works as the first command: it makes .venv and installs what it needs, once.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PROJECTS := . plugins/brain_tuning adapters
PINS := $(PROJECTS:%=%/pyproject.toml) constraints.txt
# --no-compile: Python compiles what it imports when it imports it, which is far less than all.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile \
	--constraint constraints.txt

.DEFAULT_GOAL := help
.PHONY: help demo test lint format bench docs check-slow

help: ## show the verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 18

demo: $(VENV)/.runtime ## tune a speech model on simulated participants, and write report.html
	@$(BIN)/encodekit demo $(ARGS)

test: lint ## lint, check types and imports, and run the tests
	@$(BIN)/python -m pytest --numprocesses=2 --dist=loadfile $(ARGS)

lint: $(VENV)/.dev ## ruff, mypy, the floors and circles of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/python tests/import_circles.py

format: $(VENV)/.dev ## format the code, and mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(VENV)/.dev ## time the fast paths, and ridge beside its peers
	@$(BIN)/python -m pytest benchmarks --benchmark-only --timeout=600 $(ARGS)
	@$(BIN)/python benchmarks/ridge.py --size small

docs: $(VENV)/.dev ## build the documentation into build/docs, its examples run
	@$(BIN)/python -m sphinx -q -W --keep-going -d build/doctrees docs build/docs $(ARGS)

check-slow: $(VENV)/.dev ## the campaigns: many seeds, faults, fresh environments
	@$(BIN)/python -m pytest -m slow --timeout=7200 $(ARGS)

# hatchling and editables are there before the projects, so that no project builds them anew.
$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "encodekit needs Python 3.11 or newer, and $(PYTHON) is $$($(PYTHON) --version 2>&1):" \
	"try make $(MAKECMDGOALS) PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.created $(PINS)
	@echo "Installing encodekit into $(VENV), about a minute, once ..." >&2
	@$(INSTALL) pip
	@$(INSTALL) hatchling editables
	@$(INSTALL) --no-build-isolation $(PROJECTS:%=--editable %)
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	@$(INSTALL) --group dev
	@touch $@
