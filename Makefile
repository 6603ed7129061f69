# Two commands on a fresh machine: `make demo` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# Which of the tests in a browser: all take some minutes.
BROWSER ?= tests/browser
# Which of the others; `make test TESTS=` runs those that build or install much, too.
TESTS ?= -m 'not slow'
# More than two cores, because a test waits for other processes half of its time.
WORKERS ?= 4
FRONT := jupyter_pkgmgr/labextension/package.json

.PHONY: ready demo test slow hub lab browser pictures docs front dist check check-front format clean

# A file of its own, made last: of a venv that failed half-way, bin/python is there.
$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { echo '$(PYTHON) is not on PATH; name a Python 3.11 or later: make PYTHON=/path/to/python3 …' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit("jupyter_pkgmgr needs Python 3.11 or later, $(PYTHON) is " + sys.version.split()[0] + "; try: make PYTHON=python3.11 …" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv $(VENV) || { echo '$(PYTHON) can not make a virtual environment; on Debian and Ubuntu: apt install python3-venv; or another Python: make PYTHON=python3.12 …' >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(BIN)/.ready-%: pyproject.toml | $(VENV)/.made  # with one of the dependency groups
	@echo '· what make needs for "$*", into $(VENV): a minute or two, once'
	$(BIN)/python -m pip install --quiet --editable . --group $*
	@touch $@

ready: | $(VENV)/.made  ## install everything that any of these needs, at once
	$(BIN)/python -m pip install --quiet --editable . --group dev --group browser
	@touch $(addprefix $(BIN)/.ready-,browser demo dev docs)

demo: $(BIN)/.ready-demo  ## run the main job headless and print the notebooks
	$(BIN)/python -m demo

test: $(BIN)/.ready-dev  ## run the tests
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --ignore tests/browser $(TESTS)

slow: $(BIN)/.ready-dev $(FRONT)  ## run the tests that build or install much: the wheel, Binder's steps
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow tests/binder tests/packaging

hub: $(BIN)/.ready-hub  ## run the test on a real JupyterHub (needs configurable-http-proxy, of npm, on PATH)
	$(BIN)/python -m pytest tests/hub

# What the front end is made of; package-lock.json says which versions.
labextension/node_modules/.made: labextension/package-lock.json
	@command -v npm >/dev/null || { echo 'npm is not on PATH; the front end needs Node 20.19 or later to be built' >&2; exit 1; }
	npm --prefix labextension ci
	@touch $@

$(FRONT): labextension/node_modules/.made $(shell find labextension/src labextension/style labextension/schema labextension/scripts -type f 2>/dev/null) labextension/package.json
	npm --prefix labextension run build
	@touch $@

front: $(FRONT)  ## build the front end: the panel in JupyterLab, and the widget's

lab: $(BIN)/.ready-demo $(FRONT)  ## the same notebooks in JupyterLab, with the panel
	$(BIN)/python -m demo --lab

browser: $(BIN)/.ready-browser $(FRONT)  ## run the tests in a real browser (Debian's chromium)
	rm -rf .artefacts
	$(BIN)/python -m pytest -n 2 --dist loadfile $(BROWSER)

pictures: $(BIN)/.ready-browser $(FRONT)  ## take the README's pictures anew
	JUPYTER_PKGMGR_PICTURES=docs/_static $(BIN)/python -m pytest tests/browser/test_pictures.py

docs: $(BIN)/.ready-docs  ## build the documentation, with warnings as errors
	$(BIN)/sphinx-build -W -n -j auto docs build/docs

dist: $(BIN)/.ready-dist  ## build sdist and wheel, with the front end
	rm -rf dist jupyter_pkgmgr/labextension jupyter_pkgmgr/widget/static
	$(BIN)/python -m build

check: $(BIN)/.ready-dev  ## lint and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

check-front: labextension/node_modules/.made  ## lint, types and unit tests of the front end
	npm --prefix labextension run check

format: $(BIN)/.ready-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .benchmarks .demo .pytest_cache .mypy_cache .ruff_cache .artefacts build dist
	rm -rf labextension/node_modules labextension/lib jupyter_pkgmgr/labextension jupyter_pkgmgr/widget/static
