# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lab check format clean

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("jupyter_pkgmgr needs Python 3.11 or later, $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'

$(BIN)/.ready-%: pyproject.toml | $(BIN)/python  # with one of the dependency groups
	$(BIN)/python -m pip install --quiet --editable . --group $*
	@touch $@

demo: $(BIN)/.ready-demo  ## run the main job headless and print the notebooks
	$(BIN)/python -m demo

test: $(BIN)/.ready-dev  ## run the tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

lab: $(BIN)/.ready-lab  ## the same notebooks in JupyterLab
	$(BIN)/python -m demo --lab

check: $(BIN)/.ready-dev  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(BIN)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .demo .pytest_cache .mypy_cache .ruff_cache dist
