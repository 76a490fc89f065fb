# make reproduce: from nothing to every figure and table, and one page with all that is there. make test: the same environment, then the whole test suite.
# make check: lint, and every test that is not slow. make pull: the finished study from a DVC remote (make remote names one).
# Needs Python 3.11 or newer (PYTHON=... names another one), make and pip.
PYTHON ?= python3
CORES ?= all
WORKERS ?= --numprocesses auto --maxprocesses 8 --dist worksteal
BIN := .venv/bin
READY := .venv/ready
DVC := PATH="$(abspath $(BIN)):$$PATH" dvc
STUDY ?= default
PULLED_default := models paper
COMPARED_default := models paper
DIFFERS_default := changed
PULLED_paper := $(addprefix results/paper/,cone_network splits grid models scores tables run_record.json)
COMPARED_paper := workflow/paper/dvc.yaml
DIFFERS_paper := modified:|new:
CONFIG_paper := --configfile config/paper.yaml
REFUSAL := These files are not those that dvc.lock names, so nothing was marked as up to date: commit or undo the edits, or run dvc repro.

.PHONY: reproduce test check test-cluster lint report environment remote pull track readme docs
.DELETE_ON_ERROR:

reproduce: $(READY)
	$(BIN)/labeldropout reproduce --cores $(CORES)
	$(BIN)/labeldropout report

# Several tests at a time; those that kill a study at chosen moments come last, one after the other.
test: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest $(WORKERS) -m "not alone"
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest -m alone

# What a change must pass before it is looked at: minutes. make test has the rest.
check: lint
	PATH="$(CURDIR)/$(BIN):$$PATH" python -m pytest $(WORKERS) -m "not slow and not cluster"

# The same study through a real Slurm that lives as long as the tests (root; Debian's packages are installed if missing).
test-cluster: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" tests/cluster/slurm-local.sh python -m pytest tests/cluster

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --lint

report: $(READY)
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --report results/snakemake_report.html

# Where DVC pushes to and pulls from, on this machine only: a folder beside the clone, or REMOTE=/folder, ssh://..., s3://...
remote: $(READY)
	$(DVC) remote modify --local storage url $(if $(REMOTE),"$(REMOTE)","$(abspath ../labeldropout-storage)")
	@$(DVC) remote list

# The trained models and all that they were made from; then Snakemake is told that what was just compared is up to date.
# STUDY=paper: the study on the real data, without what nobody may pass on.
pull: $(READY)
	$(DVC) pull $(PULLED_$(STUDY))
	@status=$$($(DVC) status $(COMPARED_$(STUDY))) || exit 1; \
		if echo "$$status" | grep -Eq '$(DIFFERS_$(STUDY))'; then echo "$$status"; echo "$(REFUSAL)" >&2; exit 1; fi
	@echo "Telling Snakemake that all of it is up to date."; said=$$(PATH="$(abspath $(BIN)):$$PATH" \
		snakemake --touch --forceall --cores 1 $(CONFIG_$(STUDY)) 2>&1) || { echo "$$said" | tail -n 20 >&2; exit 1; }
	@find results -type f -empty \( -path '*/logs/*' -o -path '*/benchmarks/*' \) -delete  # of --touch: no job wrote them

# A real data set for DVC to watch: never pushed, for no licence lets us pass it on.
track: $(READY)
	@test -n "$(DATASET)" || { echo "Name the data set: make track DATASET=camus" >&2; exit 1; }
	@test -d "data/raw/$(DATASET)" && test ! -L "data/raw/$(DATASET)" || { \
		echo "data/raw/$(DATASET): expected the folder of the data set itself, found $$(test -L "data/raw/$(DATASET)" && echo "a link (DVC does not need to track that)" || echo "none")." >&2; exit 1; }
	$(DVC) add "data/raw/$(DATASET)"
	@grep -q '^  push: false$$' "data/raw/$(DATASET).dvc" || printf '  push: false\n' >> "data/raw/$(DATASET).dvc"

# The results in README.md and docs/claims.md, from the tables of the study.
readme: $(READY)
	$(BIN)/labeldropout put-ledger

# The documentation as a site, in site/; needs no network.
docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

environment: $(READY)

# Set up once; again when the lock or the package's metadata change.
$(READY): envs/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, found " + sys.version.split()[0] + "; name another one: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement envs/requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@
