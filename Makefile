# make install   everything into .venv        make demo   the main job, to a report to look at
# make test      all tests                    make lint   style and types
# make bench     every benchmark, in turn      make test-oldest   all tests, with the oldest dependencies
# make docs      the documentation as a site, with the API, into site/
# make reference every built-in study in reference size, anew, into results/anew, and their gallery (hours)

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORKERS ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
DEMO := results/demo
ANEW := results/anew
STUDIES := $(filter-out _base,$(notdir $(basename $(wildcard sweeps/studies/*.yaml))))
OLDEST := .venv-oldest
TOOLS := pytest pytest-timeout pytest-xdist hypothesis statsmodels playwright axe-playwright-python \
	mkdocs mkdocs-material 'mkdocstrings[python]'

.DEFAULT_GOAL := help
.PHONY: help install demo test test-oldest lint bench docs reference clean

help:
	@sed -n 's/^# make/make/p' Makefile

install: $(STAMP)

# torch and torchvision are asked for together: a torchvision that does not fit its torch fails at import.
$(STAMP): pyproject.toml $(wildcard vmp/layer/kernels/*.c)
	@echo "Setting up $(VENV): PyTorch, the toolkit with all extras, and what its tests need (about 7 GB, minutes)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch torchvision
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

demo: $(STAMP)
	$(BIN)/vmp sweep run lambda --out $(DEMO) --workers $(WORKERS)
	$(BIN)/vmp report $(DEMO)

test: $(STAMP)
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup

# The lower bounds of pyproject.toml, each resolved to itself; the tests' own tools are the newest.
test-oldest:
	@echo "Setting up $(OLDEST): the oldest versions that pyproject.toml allows (about 7 GB, minutes)"
	$(PYTHON) -m venv --clear $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --upgrade pip uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[all]'
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python $(TOOLS)
	$(OLDEST)/bin/python -m pytest -n $(WORKERS) --dist loadgroup

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(STAMP)
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file; done

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(STAMP)
	$(BIN)/mkdocs build --strict
	@echo "The documentation: site/index.html"

reference: $(STAMP)
	@set -e; reuse=; for name in $(STUDIES); do \
		$(BIN)/vmp sweep run $$name --size reference --out $(ANEW)/$$name --workers $(WORKERS) $$reuse; \
		reuse="$$reuse --reuse $(ANEW)/$$name"; done
	$(BIN)/vmp sweep run lambda --size reference --search race --out $(ANEW)/lambda-race --workers $(WORKERS)
	$(BIN)/vmp atlas $(STUDIES:%=$(ANEW)/%) $(ANEW)/lambda-race --out $(ANEW)/gallery

clean:
	rm -rf $(VENV) $(OLDEST) results/demo $(ANEW) build site *.egg-info vmp/layer/kernels/*.so
