# make reproduce: from nothing to every figure and table. make test: the same environment, then the whole test suite.
# Needs Python 3.11 or newer (PYTHON=... names another one), make and pip.
PYTHON ?= python3
CORES ?= all
BIN := .venv/bin
READY := .venv/ready

.PHONY: reproduce test lint report environment
.DELETE_ON_ERROR:

reproduce: $(READY)
	$(BIN)/labeldropout reproduce --cores $(CORES)

test: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --lint

report: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --report results/snakemake_report.html

environment: $(READY)

# Set up once; again when the lock or the package's metadata change.
$(READY): envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; name another one: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
