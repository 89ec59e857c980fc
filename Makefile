# `make demo` and `make test` install all they need. The machine must have Python 3.11 or newer, git and make.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Measuring coverage doubles the time of a test, so only the tests that are needed for full coverage do it.
COVERING := $(filter-out %/test_properties.py %/test_recorded.py,$(wildcard tests/catalog/test_*.py))
QUICK := $(COVERING) tests/rules tests/messages tests/config tests/api tests/simulator tests/docs
# Tests wait for servers and processes, so one worker more than there are cores keeps all cores busy.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(os.cpu_count() + 1)')
PARALLEL := -n $(WORKERS) --dist loadgroup

# Without compiled files, each process that a test starts would compile the whole package again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo quick test most coverage lint slow bench clean

demo: $(VENV)/.installed
	$(BIN)/watcher demo

quick: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(QUICK)

# Side by side, because the end of each leaves cores idle.
test: $(VENV)/.installed-dev
	$(MAKE) -j3 lint coverage most

most: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $(COVERING:%=--ignore=%)

coverage: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(COVERING) --cov=watcher.catalog --cov-report=term-missing:skip-covered --cov-fail-under=100

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy --strict watcher deploy/github

slow: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PARALLEL) -m slow

bench: $(VENV)/.installed-dev
	$(BIN)/python -m bench

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
