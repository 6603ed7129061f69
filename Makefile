# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lab check format clean

# A file of its own, made last: of a venv that failed half-way, bin/python is there.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo '$(PYTHON) is not on PATH; name a Python 3.11 or later: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("jupyter_pkgmgr needs Python 3.11 or later, $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { echo '$(PYTHON) can not make a virtual environment; on Debian and Ubuntu: apt install python3-venv; or another Python: make PYTHON=python3.12 …' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(BIN)/.ready-%: pyproject.toml | $(VENV)/.made  # with one of the dependency groups
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
