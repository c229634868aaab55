# Everything a developer or an operator types. `make help` lists it.
VENV ?= .venv
BIND ?= 127.0.0.1:8000
PYTHON ?= python3
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install run test lint bench soak translations docs

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/.tested: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[test,lint]'
	@touch $@

install: $(VENV)/.installed ## make .venv with the project in it

run: install ## serve on BIND (127.0.0.1:8000); in demo mode while no connector is configured
	@$(BIN)/stallholder init --if-missing
	@$(BIN)/stallholder serve --bind $(BIND)

test: $(VENV)/.tested ## install what the tests need and run them all
	@sh tests/setup.sh
	$(BIN)/python -m pytest -n 2 $(ARGS)

bench: $(VENV)/.tested ## ratios measured side by side; QUICK=1 ends within two minutes; SEARCH, SYNC, MANY, KEYSTROKES, PAINT=1 add theirs
	@QUICK=$(QUICK) SEARCH=$(SEARCH) SYNC=$(SYNC) MANY=$(MANY) KEYSTROKES=$(KEYSTROKES) PAINT=$(PAINT) ONLY=$(ONLY) $(BIN)/python tests/bench/run.py

soak: $(VENV)/.tested ## the long runs
	@sh tests/setup.sh
	$(BIN)/python -m pytest -n 2 -m soak --timeout 3600 $(ARGS)

lint: $(VENV)/.tested ## format, lint, types, import contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

translations: $(VENV)/.tested ## compile the message catalogues
	@for folder in app plugins/*; do \
		test ! -d $$folder/translations || $(BIN)/pybabel compile --directory $$folder/translations || exit 1; \
	done

docs: $(VENV)/.tested ## write the connectors' reference from the code
	PYTHONPATH=. $(BIN)/python docs/connectors/reference.py
